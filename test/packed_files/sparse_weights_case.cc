#include "packed_files/sparse_weights_case.h"

#include "base/checksum.h"
#include "qforge/sparse_linear.h"
#include "support/isas.h"
#include "support/random.h"

namespace qforge::test {
namespace {

// About one position in `rarity` has an entry, or `copies` of them.
SparseArrays MakeArrays(const char* name, int64_t inputs, int64_t outputs, int rarity,
                        size_t copies = 1) {
  SparseArrays arrays;
  arrays.name = name;
  arrays.inputs = inputs;
  Random random(static_cast<uint64_t>(inputs * 1000 + outputs));
  for (int64_t j = 0; j < outputs; ++j) {
    for (int64_t k = 0; k < inputs; ++k) {
      if (random.Integer(1, rarity) != 1) continue;
      for (size_t copy = 0; copy < copies; ++copy) {
        arrays.rows.push_back(k);
        arrays.values.push_back(random.Any<int8_t>());
      }
    }
    arrays.offsets.push_back(static_cast<int64_t>(arrays.values.size()));
  }
  return arrays;
}

}  // namespace

std::vector<SparseArrays> AllSparseCases() {
  std::vector<SparseArrays> cases;
  cases.push_back(MakeArrays("some", 300, 130, 10));
  cases.push_back(MakeArrays("few", 300, 130, 1000));
  cases.push_back(MakeArrays("all", 65, 33, 1));
  cases.push_back(MakeArrays("duplicates", 70, 50, 5, 3));
  cases.push_back(MakeArrays("one", 1, 1, 1));
  cases.push_back(MakeArrays("no zeros behind any array", 64, 7, 1));
  cases.push_back(MakeArrays("no inputs", 0, 5, 1));
  cases.push_back(MakeArrays("no outputs", 5, 0, 1));
  SparseArrays nothing;
  nothing.name = "no sizes";
  cases.push_back(nothing);
  SparseArrays empty;
  empty.name = "no entries";
  empty.inputs = 70;
  empty.offsets.assign(51, 0);
  cases.push_back(empty);
  return cases;
}

SparseArrays SmallSparseCase() {
  return {"small", 6, {0, 2, 2, 5}, {0, 1, 2, 2, 5}, {1, -128, 127, 127, 3}};
}

PackedSparseWeights MakeSparse(const SparseArrays& arrays) {
  return PackedSparseWeights::Create(arrays.view()).value();
}

Bytes Serialized(const PackedSparseWeights& weights) {
  Bytes bytes(static_cast<size_t>(weights.serialized_bytes()));
  const Status status = weights.Serialize(bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  return bytes;
}

void SealSparse(Bytes* bytes) {
  const uint8_t* const data = bytes->data();
  SetNumber(bytes, 64,
            base::ChecksumOf(data + kSparseHeaderBytes, bytes->size() - kSparseHeaderBytes));
  SetNumber(bytes, 120, base::ChecksumOf(data, 120));
}

TestMatrix SparseProduct(const SparseWeights& weights, int64_t rows, Isa isa) {
  Random random(7);
  TestMatrix input(DataType::kU8, rows, weights.inputs);
  input.SetRandom(random);
  input.Seal();
  const TestMatrix output(DataType::kS32, rows, weights.outputs);
  ContextOptions options;
  options.max_isa = isa;
  const SparseLinear linear =
      SparseLinear::Create(Context::Create(options).value(), weights).value();
  RecordChecked(linear.isa());
  const Status status = linear.Run(input.view<const uint8_t>(), output.view<int32_t>());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(output.CanariesIntact());
  return output.Clone(Guard::kBehind);
}

}  // namespace qforge::test
