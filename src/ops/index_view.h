// Checks of IndexViews that operations share.
#ifndef QFORGE_OPS_INDEX_VIEW_H_
#define QFORGE_OPS_INDEX_VIEW_H_

#include <cinttypes>
#include <cstdint>

#include "base/arithmetic.h"
#include "ops/validate.h"
#include "qforge/embedding_bag.h"
#include "qforge/status.h"

namespace qforge {

// More elements than this of any type are not in memory, and their bytes could leave int64.
inline constexpr int64_t kMostElements = INT64_MAX / 16;

// The size is possible, and data is neither null nor misaligned unless it is 0.
inline Status CheckIntegers(const char* field, const IndexView& view) noexcept {
  if (view.size() < 0 || view.size() > kMostElements) {
    return Status::Error(StatusCode::kOutOfRange, field, "%" PRId64 " values", view.size());
  }
  if (view.size() == 0) return Status();
  if (view.data() == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, field, "is null");
  }
  if (base::IsAligned(view.data(), static_cast<uintptr_t>(view.element_bytes()))) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field,
                       "%p is not aligned to the %d bytes of an integer", view.data(),
                       view.element_bytes());
}

inline InputMatrix BytesOf(const IndexView& view) noexcept {
  return AsBytes(view.data(), view.size() * view.element_bytes());
}

}  // namespace qforge

#endif  // QFORGE_OPS_INDEX_VIEW_H_
