// Writes the sections of a panel, see kernels/gemm_kernel.h.
#ifndef QFORGE_PACK_SECTION_WRITER_H_
#define QFORGE_PACK_SECTION_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/arithmetic.h"
#include "kernels/gemm_kernel.h"

namespace qforge::pack {

// Consecutive k that stand together.
inline constexpr int kGroupSize = 4;

// Adds a section to a panel: its header, its moves, room for the moves up to a whole vector, and
// then weights one by one.
class SectionWriter {
 public:
  // `vector_bytes` of columns x 4 s8; `weight_bytes` of a group.
  SectionWriter(int64_t count, int64_t groups, int64_t vector_bytes, int64_t weight_bytes,
                std::vector<std::byte>* out)
      : bytes_(weight_bytes) {
    kernels::SectionHeader header;
    header.count = count;
    header.weights_from = base::AlignUp<int64_t>(
        int64_t{sizeof(header)} + groups * int64_t{sizeof(int32_t)}, vector_bytes);
    const size_t begin = out->size();
    out->resize(begin + static_cast<size_t>(header.weights_from + groups * weight_bytes));
    std::memcpy(out->data() + begin, &header, sizeof(header));
    moves_ = out->data() + begin + sizeof(header);
    weights_ = out->data() + begin + header.weights_from;
  }

  void Add(int64_t move, const void* weights) {
    const int32_t value = static_cast<int32_t>(move);
    std::memcpy(moves_, &value, sizeof(value));
    moves_ += sizeof(value);
    if (weights != nullptr) std::memcpy(weights_, weights, static_cast<size_t>(bytes_));
    weights_ += bytes_;
  }

 private:
  const int64_t bytes_;
  std::byte* moves_;
  std::byte* weights_;
};

}  // namespace qforge::pack

#endif  // QFORGE_PACK_SECTION_WRITER_H_
