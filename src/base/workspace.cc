#include "base/workspace.h"

#include <pthread.h>

#include <new>
#include <utility>

namespace qforge::base {
namespace {

constexpr int kKept = 4;

struct ThreadBuffers {
  AlignedBuffer buffers[kKept];
  int depth = 0;
};

// Constant initialisation, so that reading it costs no call and needs no registration.
constinit thread_local ThreadBuffers* of_this_thread = nullptr;

// Frees a thread's buffers when it ends, and forgets them: what another library does at the end of
// the thread may run an operation after that. Not the destructor of a thread_local: where there is
// no memory to register that, glibc ends the process.
class AtThreadEnd {
 public:
  AtThreadEnd() noexcept
      : works_(pthread_key_create(&key_, [](void* buffers) {
                 of_this_thread = nullptr;
                 delete static_cast<ThreadBuffers*>(buffers);
               }) == 0) {}
  // Threads that outlive the library, if it is unloaded, must not call the function above.
  ~AtThreadEnd() {
    if (works_) pthread_key_delete(key_);
    works_ = false;
  }

  bool Free(ThreadBuffers* buffers) const noexcept {
    return works_ && pthread_setspecific(key_, buffers) == 0;
  }

 private:
  pthread_key_t key_{};
  bool works_;
};

AtThreadEnd at_thread_end;

// nullptr where there is no memory for them.
ThreadBuffers* OfThisThread() noexcept {
  if (of_this_thread == nullptr) {
    ThreadBuffers* const buffers = new (std::nothrow) ThreadBuffers;
    if (buffers != nullptr && !at_thread_end.Free(buffers)) {
      delete buffers;
      return nullptr;
    }
    of_this_thread = buffers;
  }
  return of_this_thread;
}

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
  if (lent_depth_ != nullptr) --*lent_depth_;
}

Status Workspace::Lease(size_t bytes) noexcept {
  if (bytes == 0) return Status();
  ThreadBuffers* const kept = OfThisThread();
  const bool lent = kept != nullptr && kept->depth < kKept;
  AlignedBuffer& buffer = lent ? kept->buffers[kept->depth] : own_;
  QFORGE_RETURN_IF_ERROR(Grow(buffer, bytes));
  if (lent) {
    lent_depth_ = &kept->depth;
    ++kept->depth;
  }
  data_ = buffer.data();
  return Status();
}

}  // namespace qforge::base
