// Sparse weights in their file form, damaged or not: Deserialize, Borrow, Load and Map, and
// products with whatever they take. Checksums of the form (see src/ops/sparse_blob.h) are made
// right again, mostly, since no fuzzer guesses them.
#include <vector>

#include "base/checksum.h"
#include "damage.h"
#include "memory_file.h"
#include "ops/sparse_blob.h"
#include "products.h"
#include "qforge/packed_sparse_weights.h"
#include "qforge/sparse_linear.h"

namespace qforge::fuzz {
namespace {

struct Columns {
  explicit Columns(FuzzInput& in) : inputs(DrawInputs(in)) {
    const int64_t outputs = DrawOutputs(in);
    const auto rarity = in.Pick<int64_t>({10, 1, 2, 1000});
    const int64_t copies = in.Pick({1, 1, 3});
    test::Random random = in.Seed();
    for (int64_t j = 0; j < outputs; ++j) {
      for (int64_t k = 0; k < inputs; ++k) {
        if (random.Integer<int64_t>(1, rarity) != 1) continue;
        for (int64_t copy = 0; copy < copies; ++copy) {
          rows.push_back(k);
          values.push_back(random.Any<int8_t>());
        }
      }
      offsets.push_back(static_cast<int64_t>(values.size()));
    }
    // Rows are stored in 64 bits then.
    if (in.Any<uint8_t>() % 4 == 3) inputs += int64_t{1} << 32;
  }
  SparseWeights view() const {
    return {inputs, static_cast<int64_t>(offsets.size()) - 1, offsets, rows, values};
  }

  int64_t inputs;
  std::vector<int64_t> offsets = {0};
  std::vector<int64_t> rows;
  std::vector<int8_t> values;
};

void CorrectChecksums(std::vector<uint8_t>& blob) {
  SparseHeader header;
  if (blob.size() < sizeof(header)) return;
  std::memcpy(&header, blob.data(), sizeof(header));
  header.arrays_checksum =
      base::ChecksumOf(blob.data() + sizeof(header), blob.size() - sizeof(header));
  header.header_checksum = HeaderChecksum(header);
  std::memcpy(blob.data(), &header, sizeof(header));
}

// A product with valid weights, on guarded memory; none where A would be too large.
std::vector<int32_t> Multiply(const Context& context, const SparseWeights& weights, int64_t rows) {
  const Result<SparseLinear> linear = SparseLinear::Create(context, weights);
  CheckOk(linear.status());
  if (weights.inputs > 2048 || weights.outputs > 2048) return {};
  GuardedBuffer<uint8_t> input(rows * weights.inputs, test::Guard::kBehind);
  for (int64_t i = 0; i < input.size(); ++i) input[i] = static_cast<uint8_t>(7 * i + 9);
  const GuardedBuffer<int32_t> output(rows * weights.outputs, test::Guard::kBehind);
  CheckOk(
      linear->Run({input.data(), rows, weights.inputs}, {output.data(), rows, weights.outputs}));
  Check(output.CanariesIntact(), "written beyond the output");
  return {output.begin(), output.end()};
}

void FuzzPackedSparseFile(FuzzInput& in) {
  const Columns columns(in);
  const Context& context = DrawContext(in);
  const auto rows = in.Pick<int64_t>({1, 3, 20});
  const Result<PackedSparseWeights> weights = PackedSparseWeights::Create(columns.view());
  CheckOk(weights.status());
  std::vector<uint8_t> blob(static_cast<size_t>(weights->serialized_bytes()));
  CheckOk(weights->Serialize({blob.data(), static_cast<int64_t>(blob.size())}));
  const bool damaged = Damage(in, sizeof(SparseHeader), blob);
  if (!in.Rarely()) CorrectChecksums(blob);
  const auto size = static_cast<int64_t>(blob.size());

  // Where the size allows it, the form ends where its memory does.
  GuardedBytes memory(blob.size(), size % 64 == 0 ? test::Guard::kBehind : test::Guard::kInFront);
  if (size != 0) std::memcpy(memory.data(), blob.data(), blob.size());
  memory.Seal();
  const ArrayView<const uint8_t> view(reinterpret_cast<const uint8_t*>(memory.data()), size);

  const auto use = [&](const Result<PackedSparseWeights>& opened) {
    if (!opened.ok()) {
      Check(damaged, "what was written is refused");
      return;
    }
    (void)opened->Describe();
    const SparseWeights read = opened->weights();
    const std::vector<int32_t> product = Multiply(context, read, rows);
    Check(product == Multiply(ScalarContext(), damaged ? read : columns.view(), rows),
          "weights that were read give another product");
    std::vector<uint8_t> again(blob.size());
    CheckOk(opened->Serialize({again.data(), static_cast<int64_t>(again.size())}));
    Check(again == blob, "what was read is written in another way");
  };
  const Result<PackedSparseWeights> copied = PackedSparseWeights::Deserialize(view);
  use(copied);
  use(PackedSparseWeights::Borrow(view));
  if (in.Any<uint8_t>() % 8 == 7) {
    const MemoryFile file(blob.data(), blob.size());
    const Result<PackedSparseWeights> loaded = PackedSparseWeights::Load(file.path());
    Check(loaded.status().code() == copied.status().code(), "Load ends in another way");
    use(loaded);
    use(PackedSparseWeights::Map(file.path()));
  }
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzPackedSparseFile(in);
  return 0;
}
