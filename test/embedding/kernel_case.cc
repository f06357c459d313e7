#include "embedding/kernel_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/row_checksum.h"
#include "pack/embedding_table_data.h"
#include "ref/embedding.h"
#include "ref/row_checksum.h"

namespace qforge::test {
namespace {

using kernels::EmbeddingArguments;
using kernels::EmbeddingFunction;
using kernels::EmbeddingKernel;
using kernels::RowCheck;
using kernels::RowPrefetch;

constexpr int64_t kRows = 5;

RowLayout LayoutOf(const EmbeddingKernel& kernel, int64_t gap) {
  RowLayout layout;
  layout.format = kernel.format;
  layout.dimension = kernel.dimension;
  layout.parameters = kernel.parameters;
  layout.place = kernel.place;
  layout.exponent_bias = kernel.exponent_bias;
  layout.checksum = kernel.check == RowCheck::kInRow;
  layout.stride = RowBytes(layout) + gap;
  // What the table fills in.
  if (kernel.format == RowFormat::kU4 || kernel.format == RowFormat::kU2) {
    layout.parameters = DataType::kF16;
  }
  return layout;
}

template <class T>
void Write(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

// Mostly ordinary, sometimes zero, tiny or large.
float AnyFloat(Random& random) {
  const float value = random.Real(-2.0f, 2.0f);
  switch (random.Integer(0, 15)) {
    case 0:
      return std::copysign(0.0f, value);
    case 1:
      return value * 0x1p-20f;
    case 2:
      return value * 0x1p12f;
    default:
      return value;
  }
}

// Of payload and parameters.
int64_t ContentBytes(RowLayout layout) {
  layout.checksum = false;
  return RowBytes(layout);
}

void FillRow(const RowLayout& layout, Random& random, std::byte* row) {
  const int64_t bytes = ContentBytes(layout);
  for (int64_t i = 0; i < bytes; ++i) row[i] = static_cast<std::byte>(random.Any<uint8_t>());
  const auto half = [&](int64_t i, float value) { Write(row + 2 * i, ToHalf(value)); };
  switch (layout.format) {
    case RowFormat::kF32:
      for (int64_t i = 0; i < layout.dimension; ++i) Write(row + 4 * i, AnyFloat(random));
      return;
    case RowFormat::kF16:
      for (int64_t i = 0; i < layout.dimension; ++i) half(i, AnyFloat(random));
      return;
    case RowFormat::kBF16:
      for (int64_t i = 0; i < layout.dimension; ++i) {
        Write(row + 2 * i, ToBFloat16(AnyFloat(random)));
      }
      return;
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      return;  // any byte; infinities and NaN show up here
    default:
      break;
  }
  const int64_t parameter_bytes = layout.format == RowFormat::kCodebook4 ? 32
                                  : layout.format == RowFormat::kTwoTier4
                                      ? 2
                                      : 2 * DataTypeSize(layout.parameters);
  std::byte* const at =
      layout.place == ParameterPlace::kFirst ? row : row + bytes - parameter_bytes;
  if (layout.format == RowFormat::kTwoTier4) {
    Write(at, static_cast<uint16_t>(random.Integer(0, 2)));
  } else if (layout.parameters == DataType::kF32) {
    Write(at, AnyFloat(random));
    Write(at + 4, AnyFloat(random));
  } else {
    for (int64_t i = 0; i < parameter_bytes / 2; ++i) Write(at + 2 * i, ToHalf(AnyFloat(random)));
  }
}

bool SameValue(DataType type, const std::byte* a, const std::byte* b) {
  const auto size = static_cast<size_t>(DataTypeSize(type));
  if (std::memcmp(a, b, size) == 0) return true;
  const auto value = [&](const std::byte* at) {
    if (type == DataType::kF32) {
      float f;
      std::memcpy(&f, at, 4);
      return f;
    }
    uint16_t bits;
    std::memcpy(&bits, at, 2);
    return type == DataType::kF16 ? ToFloat(Half{bits}) : ToFloat(BFloat16{bits});
  };
  return std::isnan(value(a)) && std::isnan(value(b));
}

}  // namespace

std::vector<Isa> EmbeddingIsas() { return {Isa::kAvx2, Isa::kAvx512_256, Isa::kAvx512}; }

std::vector<Isa> CheckingIsas() {
  return {Isa::kAvx2,          Isa::kAvxVnni, Isa::kAvx512_256,
          Isa::kAvx512Vnni256, Isa::kAvx512,  Isa::kAvx512Vnni};
}

void AddCheck(EmbeddingKernel* kernel, uint64_t choice) {
  kernel->check = choice % 4 < 2 ? RowCheck::kInRow : RowCheck::kBeside;
  kernel->sampled = choice % 2 != 0;
  kernel->checks_codebooks = kernel->format == RowFormat::kTwoTier4 && choice % 3 != 0;
}

std::vector<Isa> SupportedEmbeddingIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : EmbeddingIsas()) {
    if (IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

std::vector<EmbeddingKernel> FormatVariants() {
  std::vector<EmbeddingKernel> variants;
  for (int format = 0; format < kRowFormatCount; ++format) {
    EmbeddingKernel kernel;
    kernel.format = static_cast<RowFormat>(format);
    if (kernel.format == RowFormat::kU8) {
      kernel.parameters = DataType::kF16;
      variants.push_back(kernel);
      kernel.parameters = DataType::kF32;
    }
    if (kernel.format == RowFormat::kE4M3 || kernel.format == RowFormat::kE5M2) {
      kernel.exponent_bias = 11;
      variants.push_back(kernel);
      kernel.exponent_bias = kernel.format == RowFormat::kE4M3 ? 7 : 15;
    }
    variants.push_back(kernel);
  }
  return variants;
}

std::vector<EmbeddingKernel> OptionVariants(const EmbeddingKernel& kernel) {
  std::vector<EmbeddingKernel> variants;
  for (int choice = 0; choice < 3 * 3 * 3 * 16; ++choice) {
    constexpr DataType kOutputs[] = {DataType::kF32, DataType::kF16, DataType::kBF16};
    constexpr RowPrefetch kPrefetches[] = {RowPrefetch::kFromCaches, RowPrefetch::kFromMemory,
                                           RowPrefetch::kFromMemoryTwice};
    EmbeddingKernel variant = kernel;
    variant.index_bytes = (choice & 1) != 0 ? 4 : 8;
    variant.mapped = (choice & 2) != 0;
    if ((choice & 4) != 0) variant.prefetch = kPrefetches[variants.size() % 3];
    variant.place = (choice & 8) != 0 ? ParameterPlace::kFirst : ParameterPlace::kLast;
    variant.pooling = static_cast<Pooling>(choice / 16 % 3);
    variant.weights = static_cast<BagWeights>(choice / 48 % 3);
    variant.output = kOutputs[choice / 144];
    if (variant.pooling == Pooling::kNone && variant.weights == BagWeights::kPerBagPosition) {
      continue;
    }
    variants.push_back(variant);
    if (kernel.format != RowFormat::kE4M3 || variant.pooling == Pooling::kNone) continue;
    variant.fast_subnormals = true;
    variants.push_back(variant);
  }
  return variants;
}

namespace {

// Flips bits of a look-up, one at a time, and says what went wrong, or nothing. The kernel must
// return the first row of the output that reads a flipped byte and is checked.
std::string MissedBit(const ref::BagProblem& problem, const EmbeddingArguments& arguments,
                      EmbeddingFunction* look_up, Random& random) {
  const auto rows_of = [&](int64_t i) {
    const bool pooled = problem.pooling != Pooling::kNone;
    std::vector<int64_t> rows;
    for (int64_t p = pooled ? problem.starts[i] : i; p < (pooled ? problem.starts[i + 1] : i + 1);
         ++p) {
      if (ref::RowOf(problem, p) >= 0) rows.push_back(ref::RowOf(problem, p));
    }
    return rows;
  };
  const RowLayout& layout = problem.rows.layout;
  const int64_t bytes = ContentBytes(layout);
  const int64_t checksum_bytes = base::ChecksumBytes(bytes);
  for (int64_t row = 0; row < kRows; ++row) {
    std::byte* const content = const_cast<std::byte*>(problem.rows.data) + row * layout.stride;
    std::byte* const checksum =
        layout.checksum ? content + bytes
                        : const_cast<std::byte*>(problem.rows.checksums) + row * checksum_bytes;
    int64_t expected = arguments.end;
    for (int64_t i = arguments.first_checked; i < arguments.end; i += arguments.check_interval) {
      const std::vector<int64_t> rows = rows_of(i);
      if (std::find(rows.begin(), rows.end(), row) == rows.end()) continue;
      expected = i;
      break;
    }
    for (int round = 0; round < 3; ++round) {
      const bool in_checksum = round == 0;
      const int64_t at = random.Integer<int64_t>(0, (in_checksum ? checksum_bytes : bytes) - 1);
      const int bit = random.Integer(0, 7);
      std::byte* const flipped = (in_checksum ? checksum : content) + at;
      *flipped ^= std::byte{1} << bit;
      const int64_t returned = look_up(&arguments);
      *flipped ^= std::byte{1} << bit;
      if (returned == expected) continue;
      return "bit " + std::to_string(bit) + " of byte " + std::to_string(at) + " of " +
             (in_checksum ? "the checksum of " : "") + "row " + std::to_string(row) + ": returns " +
             std::to_string(returned) + ", not " + std::to_string(expected);
    }
  }
  return std::string();
}

}  // namespace

bool CheckAgainstReference(const EmbeddingKernel& kernel, Guard guard, uint64_t seed) {
  const auto fail = [&](const std::string& what) {
    ADD_FAILURE() << kernel.Name() << ", guard "
                  << (guard == Guard::kBehind ? "behind" : "in front") << ", seed " << seed << ": "
                  << what;
    return false;
  };
  const Result<const jit::Kernel*> published = kernels::GetEmbeddingKernel(kernel);
  if (!published.ok()) return fail(published.status().message());

  Random random(seed);
  ref::BagProblem problem;
  problem.pooling = kernel.pooling;
  problem.weights_kind = kernel.weights;

  problem.rows.layout = LayoutOf(kernel, random.Integer(0, 3));
  const RowLayout& layout = problem.rows.layout;
  GuardedBytes rows(static_cast<size_t>((kRows - 1) * layout.stride + RowBytes(layout)), guard);
  for (int64_t i = 0; i < kRows; ++i) FillRow(layout, random, rows.data() + i * layout.stride);
  problem.rows.data = rows.data();
  GuardedBuffer<Half> codebooks(3 * 16, guard);
  for (Half& centre : codebooks) centre = ToHalf(AnyFloat(random));
  problem.rows.codebooks = codebooks.data();
  problem.rows.last_codebook = 2;

  const int64_t content_bytes = ContentBytes(layout);
  const int64_t checksum_bytes = base::ChecksumBytes(content_bytes);
  constexpr int64_t kPadding = pack::kChecksumPadding;
  GuardedBytes checksums(static_cast<size_t>(kRows * checksum_bytes + kPadding), Guard::kBehind);
  for (int64_t i = 0; i < kRows; ++i) {
    std::byte* const row = rows.data() + i * layout.stride;
    ref::WriteChecksum(row, content_bytes, checksums.data() + i * checksum_bytes);
    if (layout.checksum) ref::WriteChecksum(row, content_bytes, row + content_bytes);
  }
  problem.rows.checksums = checksums.data();
  GuardedBytes codebook_checksums(static_cast<size_t>(3 * 2 + kPadding), Guard::kBehind);
  for (int64_t i = 0; i < 3; ++i) {
    ref::WriteChecksum(reinterpret_cast<const std::byte*>(codebooks.data() + 16 * i), 32,
                       codebook_checksums.data() + 2 * i);
  }
  problem.rows.codebook_checksums = codebook_checksums.data();

  // Bags of different lengths, of which the kernel is given those in the middle.
  constexpr int64_t kBags = 5;
  std::vector<int64_t> starts = {0};
  for (int64_t i = 0; i < kBags; ++i) starts.push_back(starts.back() + random.Integer(0, 5));
  if (starts.back() == 0) starts.back() = 1;
  const int64_t positions = starts.back();
  problem.starts = starts.data();

  // Mapped: twice as many indices as rows, of which some are missing.
  GuardedBuffer<int32_t> row_map(2 * kRows, guard);
  for (int64_t i = 0; i < row_map.size(); ++i) {
    row_map[i] = static_cast<int32_t>(random.Integer<int64_t>(-1, kRows - 1));
  }
  if (kernel.mapped) problem.row_map = row_map.data();
  const int64_t last_index = (kernel.mapped ? row_map.size() : kRows) - 1;
  GuardedBuffer<int32_t> indices32(positions, guard);
  GuardedBuffer<int64_t> indices64(positions, guard);
  for (int64_t p = 0; p < positions; ++p) {
    // The first and last row are those that an unmapped page is next to.
    const int64_t index = p == 0 ? 0
                          : random.Integer<int64_t>(0, 2) == 0
                              ? last_index
                              : random.Integer<int64_t>(0, last_index);
    indices32[p] = static_cast<int32_t>(index);
    indices64[p] = index;
  }
  problem.indices = kernel.index_bytes == 4 ? IndexView(indices32) : IndexView(indices64);

  int64_t longest = 0;
  for (int64_t i = 0; i < kBags; ++i) {
    longest =
        std::max(longest, starts[static_cast<size_t>(i) + 1] - starts[static_cast<size_t>(i)]);
  }
  GuardedBuffer<float> weights(kernel.weights == BagWeights::kPerBagPosition ? longest : positions,
                               guard);
  for (float& weight : weights) weight = AnyFloat(random);
  if (kernel.weights != BagWeights::kNone) problem.weights = weights.data();

  const int64_t output_rows = kernel.pooling == Pooling::kNone ? positions : kBags;
  const int64_t begin = random.Integer<int64_t>(0, output_rows > 1 ? 1 : 0);
  const int64_t end = random.Integer(std::max(begin, output_rows - 1), output_rows);
  const int64_t element = DataTypeSize(kernel.output);
  const int64_t output_stride = kernel.dimension + random.Integer(0, 2);
  const int64_t output_size = ((output_rows - 1) * output_stride + kernel.dimension) * element;
  GuardedBytes expected(static_cast<size_t>(output_size), guard);
  GuardedBytes actual(static_cast<size_t>(output_size), guard);
  problem.output.data = expected.data();
  problem.output.rows = output_rows;
  problem.output.cols = kernel.dimension;
  problem.output.stride = output_stride;
  problem.output.type = kernel.output;
  ref::EmbeddingBag(problem, begin, end);

  EmbeddingArguments arguments = {};
  arguments.rows = rows.data();
  arguments.row_stride = layout.stride;
  arguments.indices = problem.indices.data();
  arguments.starts = kernel.pooling == Pooling::kNone ? nullptr : starts.data();
  arguments.begin = begin;
  arguments.end = end;
  arguments.index_end = positions;
  arguments.prefetch_distance = random.Integer(0, 8);
  arguments.second_prefetch_distance = random.Integer(0, 8);
  arguments.weights = problem.weights;
  arguments.row_map = problem.row_map;
  arguments.codebooks = codebooks.data();
  arguments.output = actual.data();
  arguments.output_stride = output_stride * element;
  arguments.checksums = checksums.data();
  arguments.codebook_checksums = codebook_checksums.data();
  arguments.last_codebook = 2;
  arguments.check_interval = kernel.sampled ? random.Integer(2, 4) : 1;
  arguments.first_checked = begin + (kernel.sampled ? random.Integer(0, 3) : 0);
  const auto look_up = (*published)->As<EmbeddingFunction>();
  const int64_t returned = look_up(&arguments);

  for (int64_t i = 0; i < output_size; i += element) {
    if (!SameValue(kernel.output, expected.data() + i, actual.data() + i)) {
      const int64_t row = i / element / output_stride;
      return fail("differs in row " + std::to_string(row) + ", column " +
                  std::to_string(i / element % output_stride) +
                  (row < begin || row >= end ? " (not to be written)" : ""));
    }
  }
  if (!actual.CanariesIntact()) return fail("writes outside of the output");
  if (kernel.check == RowCheck::kNone) return true;

  if (returned != end) return fail("raises a false alarm");
  const std::string missed = MissedBit(problem, arguments, look_up, random);
  return missed.empty() || fail(missed);
}

}  // namespace qforge::test
