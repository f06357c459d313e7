#include "base/workspace.h"

#include <utility>

namespace qforge::base {
namespace {

constexpr int kKept = 4;

struct ThreadBuffers {
  AlignedBuffer buffers[kKept];
  int depth = 0;
};
thread_local ThreadBuffers thread_buffers;

Status Grow(AlignedBuffer& buffer, size_t bytes) {
  if (buffer.size() >= bytes) return Status();
  buffer = AlignedBuffer();  // first, so that both are never held at once
  Result<AlignedBuffer> larger = AlignedBuffer::Allocate(bytes, "workspace");
  if (!larger.ok()) return larger.status();
  buffer = std::move(larger).value();
  return Status();
}

}  // namespace

Workspace::~Workspace() {
  if (leased_) --thread_buffers.depth;
}

Status Workspace::Lease(size_t bytes) noexcept {
  if (bytes == 0) return Status();
  const int depth = thread_buffers.depth;
  AlignedBuffer& buffer = depth < kKept ? thread_buffers.buffers[depth] : own_;
  QFORGE_RETURN_IF_ERROR(Grow(buffer, bytes));
  ++thread_buffers.depth;
  leased_ = true;
  data_ = buffer.data();
  return Status();
}

}  // namespace qforge::base
