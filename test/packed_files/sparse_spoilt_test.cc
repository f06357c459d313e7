// File forms of sparse weights that were cut, damaged, or made up: refused, or harmless.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "packed_files/sparse_weights_case.h"
#include "support/files.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kCorrupted = StatusCode::kDataCorrupted;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

// Copied, and borrowed from memory of which nothing beside it can be read.
void ExpectRefused(const Bytes& bytes, StatusCode code, const char* reason = "") {
  GuardedBuffer<uint8_t> memory(static_cast<int64_t>(bytes.size()),
                                bytes.size() % 64 == 0 ? Guard::kBehind : Guard::kInFront);
  if (!bytes.empty()) std::memcpy(memory.data(), bytes.data(), bytes.size());
  memory.Seal();
  const ArrayView<const uint8_t> view(memory.data(), memory.size());
  for (const Status& status : {PackedSparseWeights::Deserialize(bytes).status(),
                               PackedSparseWeights::Borrow(view).status()}) {
    EXPECT_TRUE(IsError(status, code, "bytes"));
    EXPECT_NE(std::string(status.message()).find(reason), std::string::npos) << status.message();
  }
}

TEST(SpoiltSparseForms, CutAnywhere) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  const Bytes good = Serialized(MakeSparse(SmallSparseCase()));
  for (size_t size = 0; size <= good.size() + 1; ++size) {
    if (size == good.size()) continue;
    SCOPED_TRACE(size);
    Bytes bytes = good;
    bytes.resize(size);
    ASSERT_NO_FATAL_FAILURE(ExpectRefused(bytes, kCorrupted));
    WriteAll(path, std::string(bytes.begin(), bytes.end()));
    ASSERT_TRUE(IsError(PackedSparseWeights::Load(path).status(), kCorrupted, "path"));
    ASSERT_TRUE(IsError(PackedSparseWeights::Map(path).status(), kCorrupted, "path"));
  }
}

TEST(SpoiltSparseForms, AnyBitChanged) {
  for (const SparseArrays& arrays : {SmallSparseCase(), AllSparseCases()[1], SparseArrays()}) {
    SCOPED_TRACE(arrays.name);
    const Bytes good = Serialized(MakeSparse(arrays));
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      SCOPED_TRACE(bit);
      Bytes bytes = good;
      bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ 1 << bit % 8);
      // The magic and the version are looked at before the checksum.
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(bytes, bit / 8 < 12 ? kUnsupported : kCorrupted));
    }
  }
}

TEST(SpoiltSparseForms, FilesOfWhichAnyByteChanged) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  ASSERT_TRUE(MakeSparse(SmallSparseCase()).Save(path).ok());
  const std::string good = ReadAll(path);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    WriteAll(path, bytes);
    const StatusCode code = at < 12 ? kUnsupported : kCorrupted;
    ASSERT_TRUE(IsError(PackedSparseWeights::Load(path).status(), code, "path")) << at;
    ASSERT_TRUE(IsError(PackedSparseWeights::Map(path).status(), code, "path")) << at;
  }
}

TEST(SpoiltSparseForms, OtherVersionsAndOtherFiles) {
  Bytes bytes = Serialized(MakeSparse(SmallSparseCase()));
  SetNumber<uint32_t>(&bytes, 8, 2);
  SealSparse(&bytes);
  ExpectRefused(bytes, kUnsupported, "version 2");
  ExpectRefused(Bytes(1000, 'x'), kUnsupported, "QFORGESW");
  ExpectRefused(Bytes(3, 'x'), kUnsupported, "QFORGESW");
  const Bytes dense = Serialized(MakeWeights(WeightsCase(), kHighestIsa));
  ExpectRefused(dense, kUnsupported, "these are no sparse weights");
  EXPECT_TRUE(
      IsError(PackedWeights::Deserialize(Serialized(MakeSparse(SmallSparseCase()))).status(),
              kUnsupported, "bytes"));
}

// A header that says something impossible under a checksum that is right.
TEST(SpoiltSparseForms, HeadersThatLie) {
  constexpr int64_t kMost = INT64_MAX;
  const struct {
    const char* what;
    size_t at;
    int64_t value;
  } lies[] = {{"header_bytes", 8, int64_t{256} << 32 | 1},
              {"negative inputs", 16, -1},
              {"inputs with wide rows", 16, (int64_t{1} << 31) + 1},
              {"fewer inputs", 16, 5},
              {"no outputs", 24, 0},
              {"negative outputs", 24, -1},
              {"more outputs in the same space", 24, 4},
              {"outputs that overflow", 24, (int64_t{1} << 61) - 1},
              {"outputs beyond int32", 24, int64_t{1} << 31},
              {"outputs at the end of int32", 24, (int64_t{1} << 31) - 1},
              {"negative entries", 32, -5},
              {"fewer entries", 32, 4},
              {"more entries", 32, 6},
              {"entries that overflow", 32, (int64_t{1} << 62) + 5},
              {"as many entries as can be", 32, kMost / 16},
              {"more entries than can be", 32, kMost},
              {"rows_offset", 40, 128},
              {"rows_offset further on", 40, 256},
              {"unaligned rows_offset", 40, 193},
              {"negative rows_offset", 40, -64},
              {"values_offset", 48, 192},
              {"values_offset further on", 48, 320},
              {"values_offset that overflows", 48, kMost - 63},
              {"file_bytes", 56, 260},
              {"more file_bytes", 56, 262},
              {"negative file_bytes", 56, -1},
              {"file_bytes that overflow", 56, kMost},
              {"reserved", 72, 1},
              {"the last that is reserved", 112, int64_t{1} << 63}};
  const Bytes good = Serialized(MakeSparse(SmallSparseCase()));
  for (const auto& lie : lies) {
    SCOPED_TRACE(lie.what);
    Bytes bytes = good;
    SetNumber(&bytes, lie.at, lie.value);
    SealSparse(&bytes);
    ExpectRefused(bytes, kCorrupted);
  }
}

// --- What a checksum cannot find -----------------------------------------------------------------

TEST(SpoiltSparseForms, ArraysThatLie) {
  const Bytes good = Serialized(MakeSparse(SmallSparseCase()));
  const size_t offsets = kSparseHeaderBytes, rows = SparseRowsOffset(good);
  const struct {
    const char* reason;
    size_t at;
    int64_t value;
    size_t size;
  } lies[] = {{"value 0 is 1", offsets, 1, 8},
              {"value 0 is -1", offsets, -1, 8},
              {"less than the 6 before", offsets + 8, 6, 8},
              {"less than the 4611686018427387904 before", offsets + 8, int64_t{1} << 62, 8},
              {"value 1 is -1", offsets + 8, -1, 8},
              {"less than the 2 before", offsets + 16, 1, 8},
              {"the last value is 4", offsets + 24, 4, 8},
              {"the last value is 6", offsets + 24, 6, 8},
              {"the last value is 9223372036854775807", offsets + 24, INT64_MAX, 8},
              {"less than the 2 before it in column 0", rows, 2, 4},
              {"value 1 is 6, not in [0, 6)", rows + 4, 6, 4},
              {"value 1 is -1, not in [0, 6)", rows + 4, -1, 4},
              {"less than the 2 before it in column 2", rows + 12, 1, 4},
              {"value 4 is 2147483647, not in [0, 6)", rows + 16, INT32_MAX, 4}};
  for (const auto& lie : lies) {
    SCOPED_TRACE(lie.reason);
    Bytes bytes = good;
    std::memcpy(bytes.data() + lie.at, &lie.value, lie.size);
    SealSparse(&bytes);
    ExpectRefused(bytes, kCorrupted, lie.reason);
  }
}

// Rows of 64 bits, of which a reader could look at half.
TEST(SpoiltSparseForms, WideRowsThatLie) {
  constexpr int64_t kInputs = (int64_t{1} << 32) + 3;
  const SparseArrays arrays = {"", kInputs, {0, 2}, {1, kInputs - 1}, {5, 6}};
  const Bytes good = Serialized(MakeSparse(arrays));
  for (const int64_t row : {kInputs, int64_t{1} << 33, int64_t{-1}, int64_t{0}}) {
    Bytes bytes = good;
    SetNumber(&bytes, SparseRowsOffset(good) + 8, row);
    SealSparse(&bytes);
    ExpectRefused(bytes, kCorrupted,
                  row == 0 ? "less than the 1 before" : "not in [0, 4294967299)");
  }
}

// A column that could leave int32 by one more than it may.
TEST(SpoiltSparseForms, SumsThatLie) {
  SparseArrays arrays;
  arrays.inputs = 1;
  for (int64_t left = 2147483647 / 255; left > 0; left -= arrays.values.back()) {
    arrays.rows.push_back(0);
    arrays.values.push_back(static_cast<int8_t>(std::min<int64_t>(left, 127)));
  }
  arrays.offsets.push_back(static_cast<int64_t>(arrays.values.size()));
  Bytes bytes = Serialized(MakeSparse(arrays));
  bytes.back() = static_cast<uint8_t>(bytes.back() + 1);
  SealSparse(&bytes);
  ExpectRefused(bytes, kCorrupted, "weights.values");
}

// Whatever is under the right checksums is refused, or is weights that can be used.
TEST(SpoiltSparseForms, MadeUp) {
  Random random(2026);
  int refused = 0, used = 0;
  for (const SparseArrays& arrays : AllSparseCases()) {
    if (arrays.inputs > 100) continue;
    SCOPED_TRACE(arrays.name);
    const Bytes good = Serialized(MakeSparse(arrays));
    for (int turn = 0; turn < 300; ++turn) {
      Bytes bytes = good;
      // A number in the header, or in the arrays, where most bits of rows and offsets are 0.
      const bool in_header = random.Integer(0, 2) == 0 || good.size() == kSparseHeaderBytes;
      const size_t at = in_header ? random.Integer<size_t>(16, 63)
                                  : random.Integer(kSparseHeaderBytes, good.size() - 1);
      bytes[at] = static_cast<uint8_t>(bytes[at] + random.Integer(1, 3));
      SealSparse(&bytes);
      const Result<PackedSparseWeights> read = PackedSparseWeights::Deserialize(bytes);
      if (!read.ok()) {
        ASSERT_TRUE(IsError(read.status(), kCorrupted, "bytes"));
        ++refused;
        continue;
      }
      ++used;
      const SparseWeights weights = read->weights();
      EXPECT_TRUE(PackedSparseWeights::Create(weights).ok());
      if (weights.inputs > 1000) continue;
      EXPECT_TRUE(SameBits(SparseProduct(weights, 3, Isa::kScalar),
                           SparseProduct(weights, 3, kHighestIsa)));
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(used, 100);
}

}  // namespace
}  // namespace qforge::test
