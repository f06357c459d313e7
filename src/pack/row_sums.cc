#include "pack/row_sums.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/arithmetic.h"

namespace qforge::pack {
namespace {

// Unsigned, since sums wrap around.
void AddRows(const WeightsSource& source, int64_t inputs, int64_t outputs, uint32_t* sums) {
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (int64_t k = 0; k < inputs; ++k) {
      const int8_t* row = source.data + k * source.stride;
      uint32_t sum = 0;
      for (int64_t j = 0; j < outputs; ++j) sum += static_cast<uint32_t>(int32_t{row[j]});
      sums[k] += sum;
    }
    return;
  }
  for (int64_t j = 0; j < outputs; ++j) {
    const int8_t* row = source.data + j * source.stride;
    for (int64_t k = 0; k < inputs; ++k) sums[k] += static_cast<uint32_t>(int32_t{row[k]});
  }
}

// The lowest digit of *value, from which it is taken off.
int32_t TakeDigit(int bits, uint32_t* value) {
  const uint32_t half = 1u << (bits - 1);
  const int32_t digit =
      static_cast<int32_t>(((*value + half) & ((1u << bits) - 1u))) - static_cast<int32_t>(half);
  // Arithmetic shift of what is left, a multiple of 2^bits.
  *value =
      static_cast<uint32_t>(static_cast<int32_t>(*value - static_cast<uint32_t>(digit)) >> bits);
  return digit;
}

int DigitsOf(int bits, int most, uint32_t value) {
  int digits = 1;
  for (TakeDigit(bits, &value); value != 0 && digits < most; ++digits) TakeDigit(bits, &value);
  return digits;
}

}  // namespace

Result<RowSums> MakeRowSums(const PanelLayout& layout, const std::vector<WeightsSource>& sources,
                            const SparseWeights& outliers) {
  const int64_t inputs = layout.inputs;
  const int64_t products = static_cast<int64_t>(sources.size());
  std::vector<int32_t> sums(static_cast<size_t>(products * inputs));
  // The unsigned counterpart of a type may alias it.
  uint32_t* const wrapping = reinterpret_cast<uint32_t*>(sums.data());
  for (int64_t product = 0; product < products; ++product) {
    AddRows(sources[static_cast<size_t>(product)], inputs, layout.outputs,
            wrapping + product * inputs);
  }
  for (int64_t column = 0; column + 1 < outliers.column_offsets.size(); ++column) {
    uint32_t* product_sums = wrapping + column / layout.outputs * inputs;
    for (int64_t e = outliers.column_offsets[column]; e < outliers.column_offsets[column + 1];
         ++e) {
      product_sums[outliers.row_indices[e]] += static_cast<uint32_t>(int32_t{outliers.values[e]});
    }
  }
  return MakeRowSums(layout, std::move(sums));
}

Result<RowSums> MakeRowSums(const PanelLayout& layout, std::vector<int32_t> sums) {
  const int64_t inputs = layout.inputs;
  const int64_t products = layout.products;
  RowSums result;
  result.sums = std::move(sums);
  kernels::RowCheckKernel& kernel = result.kernel;
  kernel.digits = 0;
  if (layout.isa == Isa::kScalar) return result;
  kernel.isa = layout.isa;
  kernel.widened = layout.group_size == 2;
  const int64_t segment = kernel.widened ? layout.k_groups * layout.group_size : inputs;
  const int64_t elements = products * segment;
  const int64_t chunk = kernels::RowCheckChunk(kernel);
  if (elements == 0 || (elements < chunk && !kernels::RowCheckReadsShortRows(kernel.isa))) {
    return result;
  }
  const int bits = kernels::RowCheckDigitBits(kernel);
  const int most = kernels::MostRowCheckDigits(kernel);
  for (int32_t sum : result.sums) {
    kernel.digits = std::max(kernel.digits, DigitsOf(bits, most, static_cast<uint32_t>(sum)));
  }

  result.chunks = elements / chunk;
  result.tail_elements = elements % chunk;
  const bool overlaps = result.tail_elements != 0 && !kernels::RowCheckReadsShortRows(kernel.isa);
  const int64_t tail_from = overlaps ? elements - chunk : result.chunks * chunk;
  result.tail_offset = tail_from * (kernel.widened ? 2 : 1);
  const int64_t vectors = (result.chunks + (result.tail_elements != 0 ? 1 : 0)) * kernel.digits;
  const int64_t vector_bytes = chunk * bits / 8;
  Result<base::AlignedBuffer> digits =
      base::AlignedBuffer::Allocate(static_cast<size_t>(vectors * vector_bytes), "weights");
  if (!digits.ok()) return digits.status();
  result.digits = std::move(digits).value();
  std::fill_n(result.digits.data(), result.digits.size(), std::byte{0});
  for (int64_t product = 0; product < products; ++product) {
    for (int64_t k = 0; k < inputs; ++k) {
      const int64_t element = product * segment + k;
      const bool in_tail = element >= result.chunks * chunk;
      const int64_t index = in_tail ? result.chunks : element / chunk;
      const int64_t lane = in_tail ? element - tail_from : element % chunk;
      std::byte* at = result.digits.data() + index * kernel.digits * vector_bytes;
      uint32_t value =
          static_cast<uint32_t>(result.sums[static_cast<size_t>(product * inputs + k)]);
      for (int digit = 0; digit < kernel.digits; ++digit, at += vector_bytes) {
        const int32_t taken = TakeDigit(bits, &value);
        std::memcpy(at + lane * bits / 8, &taken, static_cast<size_t>(bits / 8));
      }
    }
  }
  return result;
}

}  // namespace qforge::pack
