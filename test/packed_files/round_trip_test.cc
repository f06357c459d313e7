// Packed weights in files and in memory: what was written comes back, in every way of reading it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "pack/packed_matrix.h"
#include "packed_files/refusals.h"
#include "packed_files/weights_case.h"
#include "qforge/linear.h"
#include "support/files.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

class PackedFiles : public EveryIsaTest {};

// Without what it says of who keeps the weights.
std::string Description(const PackedWeights& weights) {
  std::string text = weights.Describe();
  for (const char* keeper : {", mapped from a file", ", borrowed"}) {
    const size_t at = text.find(keeper);
    if (at != std::string::npos) text.erase(at);
  }
  return text;
}

// The same weights: the same file form, of which each byte has been read and written, the same
// words, and the same product.
void ExpectSame(const PackedWeights& expected, const PackedWeights& actual) {
  EXPECT_EQ(Description(expected), Description(actual));
  EXPECT_EQ(Serialized(expected), Serialized(actual));
  EXPECT_EQ(expected.scrub_slices(), actual.scrub_slices());
  EXPECT_EQ(expected.matrix().checksums, actual.matrix().checksums);
  const Status scrubbed = actual.Scrub();
  EXPECT_TRUE(scrubbed.ok()) << scrubbed.message();
  EXPECT_TRUE(SameBits(Product(expected), Product(actual)));
}

TEST_F(PackedFiles, ComeBackFromMemory) {
  for (const Isa isa : SupportedIsas()) {
    for (const WeightsCase& c : AllCases()) {
      SCOPED_TRACE(std::string(c.name) + " on " + IsaName(isa));
      const PackedWeights weights = MakeWeights(c, isa);
      const Bytes bytes = Serialized(weights);
      const Result<PackedWeights> copy = PackedWeights::Deserialize(bytes);
      ASSERT_TRUE(copy.ok()) << copy.status().message();
      ExpectSame(weights, *copy);

      // Right behind an unmapped page and, where its size allows that, right in front of one, and
      // never written to.
      for (const Guard guard : {Guard::kInFront, Guard::kBehind}) {
        if (guard == Guard::kBehind && bytes.size() % 64 != 0) continue;
        for (const bool verify : {false, true}) {
          GuardedBuffer<uint8_t> memory(static_cast<int64_t>(bytes.size()), guard);
          std::memcpy(memory.data(), bytes.data(), bytes.size());
          memory.Seal();
          MapWeightsOptions options;
          options.verify = verify;
          const ArrayView<const uint8_t> view(memory.data(), memory.size());
          const Result<PackedWeights> borrowed = PackedWeights::Borrow(view, options);
          ASSERT_TRUE(borrowed.ok()) << borrowed.status().message();
          ExpectSame(weights, *borrowed);
          if (borrowed->bytes() == 0) continue;
          EXPECT_EQ(borrowed->matrix().weights.As<uint8_t>() + borrowed->bytes(), memory.end());
        }
      }
    }
  }
}

TEST_F(PackedFiles, ComeBackFromFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  for (const Isa isa : SupportedIsas()) {
    for (const WeightsCase& c : AllCases()) {
      SCOPED_TRACE(std::string(c.name) + " on " + IsaName(isa));
      const PackedWeights weights = MakeWeights(c, isa);
      const Status saved = weights.Save(path);
      ASSERT_TRUE(saved.ok()) << saved.message();
      const std::string file = ReadAll(path);
      EXPECT_EQ(Bytes(file.begin(), file.end()), Serialized(weights));
      const Result<PackedWeights> loaded = PackedWeights::Load(path);
      ASSERT_TRUE(loaded.ok()) << loaded.status().message();
      ExpectSame(weights, *loaded);
      for (const bool verify : {false, true}) {
        MapWeightsOptions options;
        options.verify = verify;
        const Result<PackedWeights> mapped = PackedWeights::Map(path, options);
        ASSERT_TRUE(mapped.ok()) << mapped.status().message();
        ExpectSame(weights, *mapped);
        EXPECT_NE(mapped->Describe().find(", mapped from a file"), std::string::npos);
      }
    }
  }
  EXPECT_EQ(folder.Files(), 1) << "temporary files are left";
}

TEST(MappedWeights, AreUsedWhereTheyAre) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  WeightsCase c;
  c.inputs = 500;
  c.outputs = 300;
  const PackedWeights weights = MakeWeights(c, kHighestIsa);
  ASSERT_TRUE(weights.Save(path).ok());
  EXPECT_EQ(MappingOf(path).begin, 0u);
  {
    const PackedWeights mapped = PackedWeights::Map(path).value();
    const AddressRange range = MappingOf(path);
    const uintptr_t begin = reinterpret_cast<uintptr_t>(mapped.matrix().weights.data());
    EXPECT_GE(begin, range.begin + 256);
    EXPECT_LE(begin + static_cast<uintptr_t>(mapped.bytes()), range.end);
    EXPECT_EQ(begin % 64, 0u);

    // Neither a deleted file nor one that takes its name changes what is mapped.
    ASSERT_TRUE(std::filesystem::remove(path));
    EXPECT_TRUE(SameBits(Product(weights), Product(mapped)));
    ASSERT_TRUE(mapped.Save(path).ok());
    WeightsCase other;
    ASSERT_TRUE(MakeWeights(other, kHighestIsa).Save(path).ok());
    EXPECT_TRUE(SameBits(Product(weights), Product(mapped)));
  }
  EXPECT_EQ(MappingOf(path).begin, 0u) << "the mapping outlives the weights";
}

// The handle goes at once: the operation keeps the mapping alive.
TEST(MappedWeights, AreKeptByOperations) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  const PackedWeights weights = MakeWeights(WeightsCase(), kHighestIsa);
  ASSERT_TRUE(weights.Save(path).ok());
  Epilogue epilogue;
  epilogue.output = OutputS32();
  const Linear linear =
      Linear::Create(Context::Create().value(), PackedWeights::Map(path).value(), epilogue).value();
  const TestMatrix input(DataType::kU8, 1, weights.inputs());
  const TestMatrix output(DataType::kS32, 1, weights.outputs());
  EXPECT_TRUE(linear.Run(input.input(), InputQuantization(), output.output()).ok());
}

TEST(MappedWeights, AreReadByManyThreads) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  const PackedWeights weights = MakeWeights(WeightsCase(), kHighestIsa);
  ASSERT_TRUE(weights.Save(path).ok());
  const TestMatrix expected = Product(weights);
  std::vector<std::thread> threads;
  std::vector<int> right(4);
  for (size_t i = 0; i < right.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 20; ++turn) {
        const PackedWeights read =
            turn % 2 == 0 ? PackedWeights::Map(path).value() : PackedWeights::Load(path).value();
        right[i] += SameBits(expected, Product(read)) ? 1 : 0;
        if (turn % 5 == 0 && !weights.Save(path).ok()) right[i] = -100;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(right.size(), 20));
  EXPECT_EQ(folder.Files(), 1);
}

TEST(PackedFileErrors, SayWhatIsWrong) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  const PackedWeights weights = MakeWeights(WeightsCase(), kHighestIsa);
  ExpectRefusesBadPathsAndBytes(weights);

  const Bytes bytes = Serialized(weights);
  LoadWeightsOptions load;
  load.max_isa = static_cast<Isa>(kIsaCount);
  EXPECT_TRUE(
      IsError(PackedWeights::Deserialize(bytes, load).status(), kInvalid, "options.max_isa"));
  load.max_isa = kHighestIsa;
  load.repack = static_cast<Repack>(3);
  EXPECT_TRUE(
      IsError(PackedWeights::Deserialize(bytes, load).status(), kInvalid, "options.repack"));
}

// Weights that a fault has changed since they were packed are not made official.
TEST(PackedFileErrors, FaultyWeightsAreNotSaved) {
  const TemporaryFolder folder;
  WeightsCase c;
  c.checked = true;
  const PackedWeights weights = MakeWeights(c, kHighestIsa);
  auto* const byte = const_cast<uint8_t*>(weights.matrix().weights.As<uint8_t>()) + 100;
  *byte = static_cast<uint8_t>(*byte ^ 4);
  EXPECT_TRUE(IsError(weights.Save(folder.File("weights")), StatusCode::kDataCorrupted, "weights"));
  Bytes bytes(static_cast<size_t>(weights.serialized_bytes()));
  EXPECT_TRUE(IsError(weights.Serialize(bytes), StatusCode::kDataCorrupted, "weights"));
  EXPECT_EQ(folder.Files(), 0);
}

}  // namespace
}  // namespace qforge::test
