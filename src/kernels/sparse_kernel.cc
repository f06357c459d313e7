#include "kernels/sparse_kernel.h"

#include <algorithm>
#include <new>

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
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitSparseKernel(kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

void AddSparseRow(const SparseRow& row, const uint8_t* input, int32_t* output,
                  const int32_t* next_output) noexcept {
  const int32_t* column = row.columns;
  const SparseEntry* entry = row.entries;
  const auto product = [&](int i) { return input[entry[i].slot] * entry[i].weight; };
  const auto add = [&](int32_t sum) {
    __builtin_prefetch(next_output + *column, /*rw=*/1);
    int32_t& total = output[*column];
    total = static_cast<int32_t>(static_cast<uint32_t>(total) + static_cast<uint32_t>(sum));
  };
  for (const SparseRun* run = row.runs; run != row.runs_end; ++run) {
    const int32_t* const columns_end = column + run->columns;
    if (run->entries == 1) {  // most runs are, where there is little else to do
      for (; column != columns_end; ++column, ++entry) add(product(0));
      continue;
    }
    const int32_t fours = run->entries / 4;
    const int32_t rest = run->entries % 4;
    for (; column != columns_end; ++column) {
      int32_t sum = 0;
      for (int32_t i = 0; i < fours; ++i, entry += 4) {
        sum += (product(0) + product(1)) + (product(2) + product(3));
      }
      for (int32_t i = 0; i < rest; ++i, ++entry) sum += product(0);
      add(sum);
    }
  }
}

}  // namespace qforge::kernels
