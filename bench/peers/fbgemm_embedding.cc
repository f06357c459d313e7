#include "peers/fbgemm_embedding.h"

#include <fbgemm/Fbgemm.h>
#include <fbgemm/FbgemmEmbedding.h>
#include <fbgemm/Types.h>

#include <cstdint>
#include <stdexcept>

#include "peers/fbgemm_isa.h"

namespace qforge::bench {
namespace {

constexpr int kPrefetch = 16;

template <class Element, class Kernel>
Work LookupWork(Kernel kernel, std::shared_ptr<const TableData> data,
                std::shared_ptr<Lookups> lookups, float* output) {
  return [=](int64_t repetitions) {
    const auto* const rows = reinterpret_cast<const Element*>(data->rows());
    for (int64_t i = 0; i < repetitions; ++i) {
      const bool valid =
          kernel(lookups->bags(), lookups->rows_per_call(), data->which().setting.rows, rows,
                 lookups->Next(), lookups->offsets().data(), /*weights=*/nullptr, output);
      if (!valid) throw std::runtime_error("FBGEMM refuses the indices");
    }
  };
}

}  // namespace

bool FbgemmHas(RowFormat format) {
  switch (format) {
    case RowFormat::kF32:
    case RowFormat::kF16:
    case RowFormat::kBF16:
    case RowFormat::kU8:
    case RowFormat::kU4:
    case RowFormat::kU2:
      return fbgemm::fbgemmSupportedCPU();
    default:
      return false;
  }
}

bool FbgemmFollows(RowFormat format, Isa isa) {
  const bool few_bits = format == RowFormat::kU4 || format == RowFormat::kU2;
  const bool avx2 = FbgemmInstructionSet(isa) == fbgemm::inst_set_t::avx2;
  return !(few_bits && avx2 && fbgemm::fbgemmHasAvx512Support());
}

Work FbgemmLookup(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups, Isa isa,
                  float* output) {
  const int64_t dimension = data->which().dimension;
  const auto whole_elements = [&](auto element, bool bf16) {
    using Element = decltype(element);
    return LookupWork<Element>(
        fbgemm::GenerateEmbeddingSpMDM<Element, int64_t, int64_t, float>(
            dimension, /*has_weight=*/false, /*normalize_by_lengths=*/false, kPrefetch,
            /*is_weight_positional=*/false, /*use_offsets=*/true, /*is_bf16_out=*/false, bf16),
        data, lookups, output);
  };
  const auto bits = [&](int count) {
    return LookupWork<uint8_t>(
        fbgemm::GenerateEmbeddingSpMDMNBit<int64_t, int64_t, float>(
            count, dimension, /*has_weight=*/false, /*normalize_by_lengths=*/false, kPrefetch),
        data, lookups, output);
  };
  KeepFbgemmTo(isa);
  switch (data->which().format.rows) {
    case RowFormat::kF32:
      return whole_elements(float{}, false);
    case RowFormat::kF16:
      return whole_elements(fbgemm::float16{}, false);
    case RowFormat::kBF16:
      return whole_elements(uint16_t{}, true);
    case RowFormat::kU8:
      return whole_elements(uint8_t{}, false);
    case RowFormat::kU4:
      return bits(4);
    case RowFormat::kU2:
      return bits(2);
    default:
      throw std::runtime_error("FBGEMM has no kernel for such rows");
  }
}

}  // namespace qforge::bench
