#include "kernels/sparse_kernel.h"

#include <algorithm>

#include "cpu/isa_table.h"

namespace qforge::kernels {

bool SparsePairable(Isa isa, int8_t a, int8_t b) {
  if (cpu::Traits(isa).vnni) return true;
  // 255 * 128 fits in s16, and 255 * 129 does not, whatever their sign.
  const int positive = std::max<int>(a, 0) + std::max<int>(b, 0);
  const int negative = std::min<int>(a, 0) + std::min<int>(b, 0);
  return positive <= 128 && negative >= -128;
}

int SparseMostRows(Isa isa) { return cpu::Traits(isa).vector_bytes; }

std::string SparseKernel::Name() const {
  std::string name = "sparse_";
  name += cpu::Traits(isa).name;
  name += "_" + std::to_string(rows) + "rows";
  if (accumulate) name += "_accumulate";
  return name;
}

Result<const jit::Kernel*> GetSparseKernel(const SparseKernel& kernel) noexcept {
  return jit::FindOrEmit(kernel.Name(), [&] { return EmitSparseKernel(kernel); });
}

void AddSparseRow(const uint8_t* row, const SparseQuad* quads, const int32_t* columns,
                  int64_t count, int32_t* output) noexcept {
  for (int64_t q = 0; q < count; ++q) {
    const SparseQuad& quad = quads[q];
    // Each sum is exact; what it is added to may wrap, and comes last, since the next quad may be
    // of the same column and wait for it.
    int32_t sum = 0;
    for (int i = 0; i < 4; ++i) {
      const uint32_t slot = uint32_t{quad.offsets[i]} >> 3;
      sum += row[slot] * quad.weights[i];
    }
    int32_t& total = output[columns[q]];
    total = static_cast<int32_t>(static_cast<uint32_t>(total) + static_cast<uint32_t>(sum));
  }
}

}  // namespace qforge::kernels
