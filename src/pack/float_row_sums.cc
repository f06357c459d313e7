#include "pack/float_row_sums.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/float_product.h"
#include "cpu/isa_table.h"

namespace qforge::pack {
namespace {

constexpr double kUnit = 0x1p-24;
constexpr double kSmallest = 0x1p-149;

float RoundUp(double value) {
  const float nearest = static_cast<float>(value);
  return static_cast<double>(nearest) < value
             ? std::nextafter(nearest, std::numeric_limits<float>::infinity())
             : nearest;
}

struct Sums {
  double sum = 0.0;
  double magnitude = 0.0;
};

// Adds rows of weights, `count` consecutive elements of each of `step` k side by side.
class Adder {
 public:
  Adder(DataType type, kernels::ToF32Function* to_f32) : type_(type), to_f32_(to_f32) {}

  void Add(const std::byte* from, int64_t columns, int64_t step, Sums* sums) {
    constexpr int64_t kBlock = 512;
    float floats[kBlock];
    const int64_t elements = columns * step;
    for (int64_t begin = 0; begin < elements; begin += kBlock) {
      const int64_t count = std::min(kBlock, elements - begin);
      const std::byte* block = from + begin * DataTypeSize(type_);
      if (type_ == DataType::kF32) {
        std::memcpy(floats, block, static_cast<size_t>(count) * sizeof(float));
      } else {
        to_f32_(block, count, count, floats);
      }
      for (int64_t i = 0; i < count; ++i) {
        Sums& of = sums[i % step];  // blocks are a multiple of steps
        of.sum += double{floats[i]};
        of.magnitude += std::abs(double{floats[i]});
      }
    }
  }

 private:
  const DataType type_;
  kernels::ToF32Function* const to_f32_;
};

std::vector<Sums> AddRows(const PanelLayout& layout, const std::byte* packed,
                          kernels::ToF32Function* to_f32) {
  const int64_t inputs = layout.inputs;
  const int64_t size = DataTypeSize(layout.type);
  std::vector<Sums> sums(static_cast<size_t>(layout.products * inputs));
  Adder adder(layout.type, to_f32);
  for (int64_t product = 0; product < layout.products; ++product) {
    Sums* const of_product = sums.data() + product * inputs;
    if (layout.isa == Isa::kScalar) {
      const std::byte* from = packed + product * inputs * layout.outputs * size;
      for (int64_t k = 0; k < inputs; ++k) {
        adder.Add(from + k * layout.outputs * size, layout.outputs, 1, of_product + k);
      }
      continue;
    }
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t columns = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
      const std::byte* from = packed + layout.PanelOffset(product, panel);
      for (int64_t k = 0; k < inputs; k += layout.group_size) {
        // An odd K ends with half a pair, whose other half is 0.
        Sums group[2];
        adder.Add(from, columns, layout.group_size, group);
        from += columns * layout.group_size * size;
        for (int64_t i = 0; i < layout.group_size && k + i < inputs; ++i) {
          of_product[k + i].sum += group[i].sum;
          of_product[k + i].magnitude += group[i].magnitude;
        }
      }
    }
  }
  return sums;
}

}  // namespace

Status AddFactors(const PanelLayout& layout, FloatRowSums* result) {
  if (layout.isa == Isa::kScalar) return Status();
  const int64_t lanes = layout.vector_columns;
  const bool reads_short_rows = cpu::Traits(layout.isa).evex;
  const int64_t elements = static_cast<int64_t>(result->sums.size());
  if (elements == 0 || (elements < lanes && !reads_short_rows)) return Status();
  result->chunks = elements / lanes;
  result->tail_elements = elements % lanes;
  const bool overlaps = result->tail_elements != 0 && !reads_short_rows;
  result->tail_from = overlaps ? elements - lanes : result->chunks * lanes;
  const int64_t chunks = result->chunks + (result->tail_elements != 0 ? 1 : 0);
  Result<base::AlignedBuffer> factors = base::AlignedBuffer::Allocate(
      static_cast<size_t>(chunks * 2 * lanes) * sizeof(float), "weights");
  if (!factors.ok()) return factors.status();
  result->factors = std::move(factors).value();
  float* const to = result->factors.As<float>();
  std::fill_n(to, chunks * 2 * lanes, 0.0f);
  for (int64_t element = 0; element < elements; ++element) {
    const bool in_tail = element >= result->chunks * lanes;
    const int64_t chunk = in_tail ? result->chunks : element / lanes;
    const int64_t lane = in_tail ? element - result->tail_from : element % lanes;
    to[chunk * 2 * lanes + lane] = result->sums[static_cast<size_t>(element)];
    to[(chunk * 2 + 1) * lanes + lane] = result->bounds[static_cast<size_t>(element)];
  }
  return Status();
}

Result<FloatRowSums> MakeFloatRowSums(const PanelLayout& layout, const std::byte* packed,
                                      kernels::ToF32Function* to_f32) {
  const bool scalar = layout.isa == Isa::kScalar;
  const int64_t lanes = scalar ? 1 : layout.vector_columns;
  const double columns = static_cast<double>(layout.products * layout.outputs);
  const double inputs = static_cast<double>(layout.products * layout.inputs);
  const double of_row =
      columns / static_cast<double>(lanes) +
      static_cast<double>(2 * layout.products * std::max<int64_t>(1, layout.panels));
  const double of_other_side = inputs / static_cast<double>(lanes);
  constexpr double kHalvings = 16;  // of either side, and what is rounded once

  // The bound itself is summed in binary32.
  const double margin = 1.0 + 2.0 * (of_other_side + kHalvings) * kUnit;
  const auto relative = [&](double of_product) {
    const double rounded = (of_product + of_row + of_other_side + kHalvings) * kUnit;
    if (rounded > 0.25) return std::numeric_limits<double>::infinity();
    return rounded / (1.0 - rounded) * margin;
  };
  const int parts = base::PartsOfFloatProduct(layout.inputs, layout.outputs);
  const int64_t part_inputs = std::max<int64_t>(1, base::InputsOfPart(layout.inputs, parts));
  // Additions that the product of `k` goes through, itself included.
  const auto roundings = [&](int64_t k) {
    const int64_t part = std::min<int64_t>(k / part_inputs, parts - 1);
    const int64_t end = part == parts - 1 ? layout.inputs : (part + 1) * part_inputs;
    return static_cast<double>(end - k + parts - 1);
  };

  const std::vector<Sums> sums = AddRows(layout, packed, to_f32);
  const bool dot = !scalar && cpu::Traits(layout.isa).bf16 && layout.type == DataType::kBF16;
  FloatRowSums result;
  double lost = (columns * inputs + 4.0 * inputs + 4.0) * kSmallest;
  for (size_t i = 0; i < sums.size(); ++i) {
    const Sums& of = sums[i];
    result.sums.push_back(static_cast<float>(of.sum));
    double bound = relative(roundings(static_cast<int64_t>(i) % layout.inputs)) * of.magnitude;
    // Where S may be infinite, nothing can be said.
    if (!(of.magnitude <= std::numeric_limits<float>::max())) {
      bound = std::numeric_limits<double>::infinity();
    }
    if (dot) {
      bound += columns * 0x1p-126;
      lost += (2.0 * columns + of.magnitude) * 0x1p-126;
    }
    result.bounds.push_back(RoundUp(bound));
  }
  result.constant = RoundUp(lost);
  result.limit = static_cast<float>(std::min(relative(0.0), 1.0) * 0x1p126);
  QFORGE_RETURN_IF_ERROR(AddFactors(layout, &result));
  return result;
}

}  // namespace qforge::pack
