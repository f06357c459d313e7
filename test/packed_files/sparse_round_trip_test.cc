// Sparse weights in files and in memory: what was written comes back, in every way of reading it.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "packed_files/refusals.h"
#include "packed_files/sparse_weights_case.h"
#include "qforge/linear.h"
#include "qforge/outliers.h"
#include "qforge/sparse_linear.h"
#include "support/files.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

void ExpectSameArrays(const SparseWeights& expected, const SparseWeights& actual) {
  ASSERT_EQ(expected.inputs, actual.inputs);
  ASSERT_EQ(expected.outputs, actual.outputs);
  ASSERT_EQ(expected.column_offsets.size(), actual.column_offsets.size());
  ASSERT_EQ(expected.row_indices.size(), actual.row_indices.size());
  ASSERT_EQ(expected.values.size(), actual.values.size());
  for (int64_t j = 0; j < expected.column_offsets.size(); ++j) {
    ASSERT_EQ(expected.column_offsets[j], actual.column_offsets[j]) << j;
  }
  for (int64_t e = 0; e < expected.values.size(); ++e) {
    ASSERT_EQ(expected.row_indices[e], actual.row_indices[e]) << e;
    ASSERT_EQ(expected.values[e], actual.values[e]) << e;
  }
}

// Reads a form in every way there is, and has check(weights, what Describe() ends with) look.
template <class Check>
void ReadInEveryWay(const Bytes& bytes, const std::string& path, Check check) {
  check(PackedSparseWeights::Deserialize(bytes), "bytes");
  check(PackedSparseWeights::Load(path), "bytes");
  check(PackedSparseWeights::Map(path), "bytes, mapped from a file");
  // Right behind an unmapped page and, where its size allows that, right in front of one, and never
  // written to.
  for (const Guard guard : {Guard::kInFront, Guard::kBehind}) {
    if (guard == Guard::kBehind && bytes.size() % 64 != 0) continue;
    GuardedBuffer<uint8_t> memory(static_cast<int64_t>(bytes.size()), guard);
    std::memcpy(memory.data(), bytes.data(), bytes.size());
    memory.Seal();
    const Result<PackedSparseWeights> borrowed =
        PackedSparseWeights::Borrow(ArrayView<const uint8_t>(memory.data(), memory.size()));
    check(borrowed, "bytes, borrowed");
    if (!borrowed.ok()) continue;
    EXPECT_EQ(static_cast<const void*>(borrowed->weights().column_offsets.data()),
              memory.data() + kSparseHeaderBytes);
    EXPECT_EQ(static_cast<const void*>(borrowed->weights().values.data()),
              memory.data() + SparseValuesOffset(bytes));
  }
}

class PackedSparseFiles : public EveryIsaTest {};

TEST_F(PackedSparseFiles, ComeBack) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  for (const SparseArrays& arrays : AllSparseCases()) {
    SCOPED_TRACE(arrays.name);
    const PackedSparseWeights weights = MakeSparse(arrays);
    ExpectSameArrays(arrays.view(), weights.weights());
    const Status saved = weights.Save(path);
    ASSERT_TRUE(saved.ok()) << saved.message();
    const Bytes bytes = Serialized(weights);
    const std::string file = ReadAll(path);
    EXPECT_EQ(Bytes(file.begin(), file.end()), bytes);
    ReadInEveryWay(bytes, path, [&](const Result<PackedSparseWeights>& read, const char* end) {
      ASSERT_TRUE(read.ok()) << read.status().message();
      ExpectSameArrays(arrays.view(), read->weights());
      EXPECT_EQ(Serialized(*read), bytes);
      EXPECT_EQ(read->inputs(), arrays.inputs);
      EXPECT_EQ(read->outputs(), arrays.outputs());
      EXPECT_EQ(read->entries(), static_cast<int64_t>(arrays.values.size()));
      EXPECT_EQ(read->bytes(), weights.bytes());
      const std::string text = read->Describe();
      EXPECT_EQ(text.substr(text.size() - std::strlen(end)), end);
      for (const int64_t rows : {1, 20}) {
        const TestMatrix expected = SparseProduct(arrays.view(), rows, Isa::kScalar);
        for (const Isa isa : SupportedIsas()) {
          EXPECT_TRUE(SameBits(expected, SparseProduct(read->weights(), rows, isa)))
              << IsaName(isa);
        }
      }
    });
  }
  EXPECT_EQ(folder.Files(), 1) << "temporary files are left";
}

// Rows have 64 bits where a row needs more than 31. Of a row of A that long a few pages exist.
TEST_F(PackedSparseFiles, RowsBeyond32Bits) {
  constexpr int64_t kNarrow = int64_t{1} << 31;
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  void* const memory = mmap(nullptr, kNarrow + 1, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "no address space for a row of 2 GiB";
  auto* const a = static_cast<uint8_t*>(memory);
  a[3] = 10;
  a[kNarrow - 1] = 200;
  a[kNarrow] = 255;
  for (const int64_t inputs : {kNarrow, kNarrow + 1}) {
    const SparseArrays arrays = {"", inputs, {0, 2, 3}, {3, inputs - 1, kNarrow - 1}, {7, 2, -1}};
    const PackedSparseWeights weights = MakeSparse(arrays);
    EXPECT_EQ(weights.weights().row_indices.element_bytes(), inputs == kNarrow ? 4 : 8);
    ASSERT_TRUE(weights.Save(path).ok());
    const std::vector<int32_t> expected = {70 + 2 * a[inputs - 1], -200};
    ReadInEveryWay(Serialized(weights), path, [&](const auto& read, const char*) {
      ASSERT_TRUE(read.ok()) << read.status().message();
      ExpectSameArrays(arrays.view(), read->weights());
      for (const Isa isa : SupportedIsas()) {
        ContextOptions options;
        options.max_isa = isa;
        const SparseLinear linear =
            SparseLinear::Create(Context::Create(options).value(), read->weights()).value();
        std::vector<int32_t> c(2, -1);
        ASSERT_TRUE(linear.Run({a, 1, inputs}, {c.data(), 1, 2}).ok());
        EXPECT_EQ(c, expected) << IsaName(isa);
        RecordChecked(linear.isa());
      }
    });
  }
  munmap(memory, kNarrow + 1);
}

// The rows that are stored do not depend on the type that they were given in.
TEST(PackedSparse, RowsOf32Bits) {
  const SparseArrays arrays = SmallSparseCase();
  const std::vector<int32_t> narrow(arrays.rows.begin(), arrays.rows.end());
  SparseWeights weights = arrays.view();
  weights.row_indices = narrow;
  EXPECT_EQ(Serialized(PackedSparseWeights::Create(weights).value()),
            Serialized(MakeSparse(arrays)));
}

TEST(MappedSparseWeights, AreUsedWhereTheyAre) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  const SparseArrays arrays = AllSparseCases().front();
  ASSERT_TRUE(MakeSparse(arrays).Save(path).ok());
  EXPECT_EQ(MappingOf(path).begin, 0u);
  {
    // A copy keeps the mapping alive.
    Result<PackedSparseWeights> mapped = PackedSparseWeights::Map(path);
    const PackedSparseWeights copy = *mapped;
    mapped = Status::Error(StatusCode::kInternal, "", "gone");
    const AddressRange range = MappingOf(path);
    const SparseWeights view = copy.weights();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.column_offsets.data()),
              range.begin + kSparseHeaderBytes);
    EXPECT_LT(reinterpret_cast<uintptr_t>(view.values.data()), range.end);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.row_indices.data()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.values.data()) % 64, 0u);

    // Neither a deleted file nor one that takes its name changes what is mapped.
    ASSERT_TRUE(std::filesystem::remove(path));
    ExpectSameArrays(arrays.view(), view);
    ASSERT_TRUE(copy.Save(path).ok());
    ASSERT_TRUE(MakeSparse(SmallSparseCase()).Save(path).ok());
    ExpectSameArrays(arrays.view(), view);
  }
  EXPECT_EQ(MappingOf(path).begin, 0u) << "the mapping outlives the weights";
}

// Outliers that are kept apart from the other weights make the same packed weights.
TEST(PackedSparse, KeepsOutliers) {
  const TemporaryFolder folder;
  const std::string path = folder.File("outliers");
  const TestMatrix floats(DataType::kF32, 60, 40);
  Random random(3);
  floats.SetRandom(random);
  OutlierQuantizationOptions outliers;
  outliers.density = 0.1;
  const OutlierQuantizedWeights quantized =
      QuantizeWeightsWithOutliers(floats.view<const float>(), outliers).value();
  ASSERT_GT(quantized.values.size(), 0u);
  ASSERT_TRUE(PackedSparseWeights::Create(quantized.outliers()).value().Save(path).ok());
  const PackedSparseWeights mapped = PackedSparseWeights::Map(path).value();
  PackedWeightsOptions options;
  options.scales = quantized.scales;
  options.outliers = quantized.outliers();
  const PackedWeights expected = PackedWeights::Create(quantized.main(), options).value();
  options.outliers = mapped.weights();
  const PackedWeights actual = PackedWeights::Create(quantized.main(), options).value();
  EXPECT_EQ(Serialized(expected), Serialized(actual));
  EXPECT_TRUE(SameBits(Product(expected), Product(actual)));
}

// The layout that ops/sparse_blob.h documents, byte by byte. Files outlive the library that wrote
// them: whoever makes this fail has changed the form, and gives it another version.
TEST(PackedSparse, HasTheDocumentedBytes) {
  const Bytes bytes = Serialized(MakeSparse(SmallSparseCase()));
  ASSERT_EQ(bytes.size(), 261u);
  EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 8), "QFORGESW");
  EXPECT_EQ(NumberAt<uint32_t>(bytes, 8), 1u);     // version
  EXPECT_EQ(NumberAt<uint32_t>(bytes, 12), 128u);  // header
  EXPECT_EQ(NumberAt<int64_t>(bytes, 16), 6);      // K
  EXPECT_EQ(NumberAt<int64_t>(bytes, 24), 3);      // N
  EXPECT_EQ(NumberAt<int64_t>(bytes, 32), 5);      // entries
  EXPECT_EQ(NumberAt<int64_t>(bytes, 40), 192);    // rows_offset
  EXPECT_EQ(NumberAt<int64_t>(bytes, 48), 256);    // values_offset
  EXPECT_EQ(NumberAt<int64_t>(bytes, 56), 261);    // file_bytes
  EXPECT_EQ(NumberAt<uint64_t>(bytes, 64), base::ChecksumOf(bytes.data() + 128, 133));
  for (size_t at = 72; at < 120; at += 8) EXPECT_EQ(NumberAt<uint64_t>(bytes, at), 0u) << at;
  EXPECT_EQ(NumberAt<uint64_t>(bytes, 120), base::ChecksumOf(bytes.data(), 120));

  const int64_t offsets[8] = {0, 2, 2, 5};
  const int32_t rows[16] = {0, 1, 2, 2, 5};
  const int8_t values[5] = {1, -128, 127, 127, 3};
  EXPECT_EQ(std::memcmp(bytes.data() + 128, offsets, 64), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 192, rows, 64), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 256, values, 5), 0);
}

TEST(PackedSparseErrors, SayWhatIsWrong) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  // What SparseLinear refuses, by the same names.
  SparseArrays bad = SmallSparseCase();
  bad.rows[3] = 1;
  EXPECT_TRUE(
      IsError(PackedSparseWeights::Create(bad.view()).status(), kInvalid, "weights.row_indices"));
  bad.rows[4] = 6;
  bad.rows[3] = 2;
  EXPECT_TRUE(IsError(PackedSparseWeights::Create(bad.view()).status(), StatusCode::kOutOfRange,
                      "weights.row_indices"));
  EXPECT_TRUE(IsError(PackedSparseWeights::Create(SparseWeights()).status(), kInvalid,
                      "weights.column_offsets"));

  ExpectRefusesBadPathsAndBytes(MakeSparse(SmallSparseCase()));
}

// Weights that a fault has changed since they were checked are not made official.
TEST(PackedSparseErrors, FaultyWeightsAreNotSaved) {
  const TemporaryFolder folder;
  const PackedSparseWeights weights = MakeSparse(SmallSparseCase());
  auto* const value = const_cast<int8_t*>(weights.weights().values.data()) + 2;
  *value = static_cast<int8_t>(*value ^ 4);
  EXPECT_TRUE(IsError(weights.Save(folder.File("weights")), StatusCode::kDataCorrupted, "weights"));
  Bytes bytes(static_cast<size_t>(weights.serialized_bytes()));
  EXPECT_TRUE(IsError(weights.Serialize(bytes), StatusCode::kDataCorrupted, "weights"));
  EXPECT_EQ(folder.Files(), 0);
}

}  // namespace
}  // namespace qforge::test
