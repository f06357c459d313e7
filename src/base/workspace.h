// Memory that an operation needs for the time of one call.
#ifndef QFORGE_BASE_WORKSPACE_H_
#define QFORGE_BASE_WORKSPACE_H_

#include <cstddef>

#include "base/aligned_buffer.h"
#include "qforge/status.h"

namespace qforge::base {

// A lease on a buffer that belongs to the calling thread, grows to the largest size asked for and
// is kept until the thread ends: no lock, and no allocation once a size has been seen. Leases of a
// thread nest (a tile callback may run another operation) and end in reverse order, on the same
// thread. Other threads may use the memory while the lease lives.
class Workspace {
 public:
  Workspace() noexcept = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace();

  // At most once per object. The memory is aligned as AlignedBuffer's and not initialised.
  Status Lease(size_t bytes) noexcept;

  std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_ = nullptr;
  AlignedBuffer own_;          // where leases nest deeper than buffers are kept, or none can be
  int* lent_depth_ = nullptr;  // of the thread whose buffer this has
};

}  // namespace qforge::base

#endif  // QFORGE_BASE_WORKSPACE_H_
