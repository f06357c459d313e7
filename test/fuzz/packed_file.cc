// Packed weights in their file form, damaged or not: Deserialize, Borrow, Load and Map, and
// products with whatever they take. Checksums of the form (see src/ops/weights_blob.h) are made
// right again, mostly, since no fuzzer guesses them.
#include <vector>

#include "base/checksum.h"
#include "damage.h"
#include "memory_file.h"
#include "ops/weights_blob.h"
#include "products.h"

namespace qforge::fuzz {
namespace {

Result<PackedWeights> DrawWeights(FuzzInput& in) {
  const int64_t inputs = DrawInputs(in);
  const int64_t outputs = DrawOutputs(in);
  const int64_t groups = in.Pick<int64_t>({1, 1, 2});
  const auto type = in.Pick({DataType::kS8, DataType::kS8, DataType::kF32, DataType::kBF16});
  const size_t bytes = static_cast<size_t>(groups * inputs * outputs * DataTypeSize(type));
  const GuardedBytes memory(bytes, test::Guard::kBehind);
  FillRandomly(in, type, memory.data(), bytes);
  FloatWeightsOptions options;
  options.groups = groups;
  options.max_isa = DrawIsa(in);
  options.soft_error_check = in.Bool();
  options.clip_to_finite = true;
  const auto* data = static_cast<const void*>(memory.data());
  if (type == DataType::kF32) {
    return PackedWeights::Create(
        MatrixView<const float>(static_cast<const float*>(data), groups * inputs, outputs),
        options);
  }
  if (type == DataType::kBF16) {
    return PackedWeights::Create(
        MatrixView<const BFloat16>(static_cast<const BFloat16*>(data), groups * inputs, outputs),
        options);
  }
  PackedWeightsOptions s8_options;
  s8_options.groups = groups;
  s8_options.max_isa = options.max_isa;
  s8_options.soft_error_check = options.soft_error_check;
  s8_options.main_bits = in.Pick({8, 8, 4, 0});
  s8_options.activation_maximum = in.Pick({255, 127, 15});
  const int32_t zero_point = in.Bool() ? in.Any<int8_t>() : 0;
  s8_options.zero_points = {&zero_point, 1};
  // A column of outliers, two entries.
  std::vector<int64_t> offsets(static_cast<size_t>(groups * outputs) + 1, 2);
  offsets[0] = 0;
  const int32_t rows[] = {0, 3};
  const int8_t values[] = {100, -128};
  if (inputs >= 4 && outputs > 0 && in.Bool()) {
    s8_options.outliers.inputs = inputs;
    s8_options.outliers.outputs = groups * outputs;
    s8_options.outliers.column_offsets = {offsets.data(), static_cast<int64_t>(offsets.size())};
    s8_options.outliers.row_indices = IndexView(rows);
    s8_options.outliers.values = ArrayView<const int8_t>(values);
  }
  return PackedWeights::Create(
      MatrixView<const int8_t>(static_cast<const int8_t*>(data), groups * inputs, outputs),
      s8_options);
}

void CorrectChecksums(std::vector<uint8_t>& blob, int64_t weights_offset) {
  if (blob.size() < sizeof(WeightsHeader)) return;
  WeightsHeader header;
  std::memcpy(&header, blob.data(), sizeof(header));
  const auto offset = static_cast<size_t>(weights_offset);
  if (offset <= blob.size()) {
    header.arrays_checksum =
        base::ChecksumOf(blob.data() + sizeof(header), offset - sizeof(header));
    header.weights_checksum = base::ChecksumOf(blob.data() + offset, blob.size() - offset);
  }
  header.header_checksum = base::ChecksumOf(&header, offsetof(WeightsHeader, header_checksum));
  std::memcpy(blob.data(), &header, sizeof(header));
}

// A product with weights that are there, on guarded memory. `output` takes rows x (G * N).
void Multiply(const PackedWeights& weights, GuardedBytes& output) {
  constexpr int64_t kRows = 3;
  const int64_t cols = weights.groups() * weights.inputs();
  const int64_t channels = weights.groups() * weights.outputs();
  (void)weights.Describe();
  (void)weights.Scrub().ok();
  if (cols > 2048 || channels > 2048) return;
  Epilogue epilogue;
  const bool floats = weights.type() != DataType::kS8;
  if (!floats) epilogue.output = OutputS32{};
  const Result<Linear> linear = Linear::Create(ContextFor(kHighestIsa, false), weights, epilogue);
  if (!linear.ok()) return;
  GuardedBytes input(static_cast<size_t>(kRows * cols * (floats ? 4 : 1)), test::Guard::kBehind);
  std::memset(input.data(), floats ? 0x3F : 9, input.size());
  output = GuardedBytes(static_cast<size_t>(kRows * channels * 4), test::Guard::kBehind);
  const auto* from = static_cast<const void*>(input.data());
  auto* to = static_cast<void*>(output.data());
  if (floats) {
    (void)linear
        ->Run({static_cast<const float*>(from), kRows, cols},
              {static_cast<float*>(to), kRows, channels})
        .ok();
  } else {
    (void)linear
        ->Run({static_cast<const uint8_t*>(from), kRows, cols}, {1.0f, 0},
              {static_cast<int32_t*>(to), kRows, channels})
        .ok();
  }
  Check(output.CanariesIntact(), "written beyond the output");
}

void FuzzPackedFile(FuzzInput& in) {
  const Result<PackedWeights> weights = DrawWeights(in);
  if (!weights.ok()) return;
  std::vector<uint8_t> blob(static_cast<size_t>(weights->serialized_bytes()));
  CheckOk(weights->Serialize({blob.data(), static_cast<int64_t>(blob.size())}));
  WeightsHeader header;
  std::memcpy(&header, blob.data(), sizeof(header));
  const bool damaged = Damage(in, sizeof(header), blob);
  if (!in.Rarely()) CorrectChecksums(blob, header.weights_offset);
  const auto size = static_cast<int64_t>(blob.size());

  LoadWeightsOptions load;
  load.max_isa = in.Bool() ? kHighestIsa : DrawIsa(in);
  load.repack = in.Enum<Repack>(3);
  MapWeightsOptions map;
  map.max_isa = load.max_isa;
  map.repack = load.repack;
  map.verify = in.Bool();
  // Where the size allows it, the form ends where its memory does.
  GuardedBytes memory(blob.size(), size % 64 == 0 ? test::Guard::kBehind : test::Guard::kInFront);
  if (size != 0) std::memcpy(memory.data(), blob.data(), blob.size());
  memory.Seal();
  const ArrayView<const uint8_t> view(reinterpret_cast<const uint8_t*>(memory.data()), size);

  GuardedBytes expected;
  if (!damaged) Multiply(*weights, expected);
  const auto use = [&](const Result<PackedWeights>& opened) {
    if (!opened.ok()) return;
    GuardedBytes output;
    Multiply(*opened, output);
    // Floats are summed in another way by the dot product of bf16.
    if (damaged || weights->type() == DataType::kBF16) return;
    Check(
        output.size() == expected.size() &&
            (output.size() == 0 || std::memcmp(output.data(), expected.data(), output.size()) == 0),
        "weights that were read give another product");
  };
  const Result<PackedWeights> copied = PackedWeights::Deserialize(view, load);
  use(copied);
  use(PackedWeights::Borrow(view, map));
  if (in.Any<uint8_t>() % 8 == 7) {
    const MemoryFile file(blob.data(), blob.size());
    const Result<PackedWeights> loaded = PackedWeights::Load(file.path(), load);
    Check(loaded.status().code() == copied.status().code(), "Load ends in another way");
    use(PackedWeights::Map(file.path(), map));
  }
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzPackedFile(in);
  return 0;
}
