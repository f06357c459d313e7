// File forms that were cut, damaged, or made up: refused, or harmless.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "packed_files/weights_case.h"
#include "support/files.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kCorrupted = StatusCode::kDataCorrupted;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

// One ISA of each way to sum, and the portable one.
std::vector<Isa> Isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni}) {
    if (IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

template <class Check>  // check(bytes)
void ForEachForm(Check check) {
  for (const Isa isa : Isas()) {
    for (const WeightsCase& c : SmallCases()) {
      SCOPED_TRACE(std::string(c.name) + " on " + IsaName(isa));
      check(Serialized(MakeWeights(c, isa)));
    }
  }
}

// The form on memory of which nothing beside it can be read.
class GuardedForm {
 public:
  explicit GuardedForm(const Bytes& bytes)
      : memory_(static_cast<int64_t>(bytes.size()),
                bytes.size() % 64 == 0 ? Guard::kBehind : Guard::kInFront) {
    if (!bytes.empty()) std::memcpy(memory_.data(), bytes.data(), bytes.size());
    memory_.Seal();
  }
  Result<PackedWeights> Borrow(bool verify) const {
    MapWeightsOptions options;
    options.verify = verify;
    return PackedWeights::Borrow(ArrayView<const uint8_t>(memory_.data(), memory_.size()), options);
  }

 private:
  GuardedBuffer<uint8_t> memory_;
};

// Copied, borrowed, and borrowed with everything verified.
void ExpectRefused(const Bytes& bytes, StatusCode code) {
  EXPECT_TRUE(IsError(PackedWeights::Deserialize(bytes).status(), code, "bytes"));
  const GuardedForm form(bytes);
  for (const bool verify : {false, true}) {
    EXPECT_TRUE(IsError(form.Borrow(verify).status(), code, "bytes")) << verify;
  }
}

TEST(SpoiltForms, CutAnywhere) {
  for (const Isa isa : Isas()) {
    const Bytes good = Serialized(MakeWeights(SmallCases().front(), isa));
    for (size_t size = 0; size <= good.size() + 1; ++size) {
      if (size == good.size()) continue;
      Bytes bytes = good;
      bytes.resize(size);
      SCOPED_TRACE(size);
      ASSERT_NO_FATAL_FAILURE(ExpectRefused(bytes, kCorrupted));
    }
  }
}

TEST(SpoiltForms, FilesCutAnywhere) {
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");
  ASSERT_TRUE(MakeWeights(SmallCases().front(), kHighestIsa).Save(path).ok());
  const std::string good = ReadAll(path);
  for (size_t size = 0; size <= good.size() + 1; ++size) {
    if (size == good.size()) continue;
    std::string bytes = good;
    bytes.resize(size);
    WriteAll(path, bytes);
    EXPECT_TRUE(IsError(PackedWeights::Load(path).status(), kCorrupted, "path")) << size;
    EXPECT_TRUE(IsError(PackedWeights::Map(path).status(), kCorrupted, "path")) << size;
  }
}

TEST(SpoiltForms, AnyByteChanged) {
  ForEachForm([](const Bytes& good) {
    Random random(good.size());
    for (size_t at = 0; at < good.size(); ++at) {
      Bytes bytes = good;
      bytes[at] = static_cast<uint8_t>(bytes[at] ^ random.Integer(1, 255));
      SCOPED_TRACE(at);
      // The magic and the version are looked at before the checksum.
      if (at < static_cast<size_t>(WeightsOffset(good))) {
        ASSERT_NO_FATAL_FAILURE(ExpectRefused(bytes, at < 12 ? kUnsupported : kCorrupted));
        continue;
      }
      EXPECT_TRUE(IsError(PackedWeights::Deserialize(bytes).status(), kCorrupted, "bytes"));
      const GuardedForm form(bytes);
      EXPECT_TRUE(IsError(form.Borrow(true).status(), kCorrupted, "bytes"));
      // Weights that nobody has verified may be others, but lead nowhere.
      const Result<PackedWeights> weights = form.Borrow(false);
      if (!weights.ok()) {
        EXPECT_TRUE(IsError(weights.status(), kCorrupted, "bytes"));
        continue;
      }
      TestMatrix product;
      const Status status = Multiply(*weights, &product);
      EXPECT_TRUE(status.ok() || status.code() == kCorrupted) << status.message();
    }
  });
}

// A header that says something impossible under a checksum that is right.
TEST(SpoiltForms, HeadersThatLie) {
  WeightsCase c;
  c.inputs = 20;
  c.outputs = 9;
  c.largest = 7;
  c.zero_points = true;
  const struct {
    const char* what;
    size_t at;
    uint64_t value;
    size_t size;
  } lies[] = {{"header_bytes", 12, 128, 4},
              {"type", 40, 1, 1},
              {"float type", 40, 4, 1},
              {"no type", 40, 77, 1},
              {"summation", 41, 1, 1},
              {"no summation", 41, 4, 1},
              {"depth", 42, 3, 1},
              {"no accumulation", 43, 2, 1},
              {"main_bits", 44, 0, 1},
              {"main_bits", 44, 9, 1},
              {"requested_main_bits", 45, 1, 1},
              {"has_zero_points", 46, 2, 1},
              {"has_outliers", 47, 2, 1},
              {"has_sections", 48, 1, 1},
              {"has_row_sums", 49, 1, 1},
              {"unused", 50, 1, 1},
              {"reserved", 160, 1, 1},
              {"the last reserved", 247, 128, 1},
              {"activation_maximum", 52, 0, 4},
              {"activation_maximum", 52, 256, 4},
              {"no inputs", 56, 0, 8},
              {"other inputs", 56, 4000, 8},
              {"negative inputs", 56, ~uint64_t{0}, 8},
              {"inputs that overflow", 56, uint64_t{1} << 61, 8},
              {"outputs", 64, 8, 8},
              {"outputs that overflow", 64, uint64_t{1} << 62, 8},
              {"no groups", 72, 0, 8},
              {"groups", 72, 2, 8},
              {"groups that overflow", 72, uint64_t{1} << 60, 8},
              {"outlier_entries", 80, 1, 8},
              {"negative outlier_entries", 80, ~uint64_t{0}, 8},
              {"shares", 88, ~uint64_t{0}, 8},
              {"weights_offset", 128, 192, 8},
              {"weights_offset further on", 128, 64 * 100, 8},
              {"negative weights_offset", 128, ~uint64_t{63}, 8},
              {"file_bytes", 136, 100, 8},
              {"negative file_bytes", 136, ~uint64_t{0}, 8}};
  for (const Isa isa : Isas()) {
    const Bytes good = Serialized(MakeWeights(c, isa));
    for (const auto& lie : lies) {
      SCOPED_TRACE(std::string(lie.what) + " on " + IsaName(isa));
      Bytes bytes = good;
      std::memcpy(bytes.data() + lie.at, &lie.value, lie.size);
      if (lie.at == 41 && good[41] == lie.value) continue;
      Seal(&bytes);
      ExpectRefused(bytes, kCorrupted);
    }
  }
}

// Without weights there is nothing to show that a size is a lie, but for a limit.
TEST(SpoiltForms, HugeAndEmpty) {
  WeightsCase c;
  c.type = DataType::kF32;
  c.inputs = 0;
  const Bytes good = Serialized(MakeWeights(c, kHighestIsa));
  Bytes bytes = good;
  SetNumber(&bytes, 72, int64_t{1} << 40);
  Seal(&bytes);
  ExpectRefused(bytes, kCorrupted);
  bytes = good;
  SetNumber(&bytes, 64, int64_t{1} << 24);
  Seal(&bytes);
  EXPECT_TRUE(PackedWeights::Deserialize(bytes).ok());
  std::vector<float> none;
  FloatWeightsOptions options;
  options.groups = (int64_t{1} << 24) + 1;
  const PackedWeights huge =
      PackedWeights::Create(MatrixView<const float>(none.data(), 0, 0), options).value();
  Bytes unused(static_cast<size_t>(huge.serialized_bytes()));
  EXPECT_TRUE(IsError(huge.Serialize(unused), kUnsupported, "weights"));
}

TEST(SpoiltForms, OtherVersionsAndOtherFiles) {
  Bytes bytes = Serialized(MakeWeights(WeightsCase(), kHighestIsa));
  SetNumber<uint32_t>(&bytes, 8, 2);
  Seal(&bytes);
  ExpectRefused(bytes, kUnsupported);
  EXPECT_NE(std::string(PackedWeights::Deserialize(bytes).status().message()).find("version 2"),
            std::string::npos);
  ExpectRefused(Bytes(1000, 'x'), kUnsupported);
  ExpectRefused(Bytes(3, 'x'), kUnsupported);
}

// --- What a checksum cannot find -----------------------------------------------------------------

// What is accepted by those who look at everything is some matrix, whose product is that of the
// portable path: no proof that packing relies on is taken from the file.
TEST(SpoiltForms, ArraysAndWeightsThatLie) {
  int refused = 0;
  ForEachForm([&](const Bytes& good) {
    Random random(good.size());
    for (size_t at = kHeaderBytes; at < good.size(); ++at) {
      Bytes bytes = good;
      bytes[at] = static_cast<uint8_t>(bytes[at] ^ random.Integer(1, 255));
      Seal(&bytes);
      const Result<PackedWeights> weights = PackedWeights::Deserialize(bytes);
      if (!weights.ok()) {
        ASSERT_TRUE(IsError(weights.status(), kCorrupted, "bytes"));
        ++refused;
        continue;
      }
      if (weights->type() != DataType::kS8) continue;
      LoadWeightsOptions options;
      options.max_isa = Isa::kScalar;
      options.repack = Repack::kForBest;
      const PackedWeights plain = PackedWeights::Deserialize(bytes, options).value();
      ASSERT_TRUE(SameBits(Product(plain), Product(*weights))) << at;
    }
  });
  EXPECT_GT(refused, 100);
}

// Sums of 16 bits that a promise of small activations has made long, and a header that has
// forgotten it.
TEST(SpoiltForms, ForgottenPromises) {
  WeightsCase c;
  c.activation_maximum = 15;
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (!IsaSupported(isa)) continue;
    Bytes bytes = Serialized(MakeWeights(c, isa));
    ASSERT_EQ(bytes[41], 2) << "not summed in 16 bits";
    SetNumber<int32_t>(&bytes, 52, 255);
    Seal(&bytes);
    const Status status = PackedWeights::Deserialize(bytes).status();
    EXPECT_TRUE(IsError(status, kCorrupted, "bytes"));
    EXPECT_NE(std::string(status.message()).find("16 bits"), std::string::npos);
  }
}

// Changes something to a value that somebody might forget to check.
void Mutate(Random& random, Bytes* bytes) {
  constexpr int64_t kValues[] = {0,
                                 1,
                                 -1,
                                 2,
                                 3,
                                 4,
                                 7,
                                 8,
                                 63,
                                 64,
                                 127,
                                 128,
                                 255,
                                 256,
                                 -128,
                                 32767,
                                 int64_t{1} << 31,
                                 (int64_t{1} << 31) - 1,
                                 int64_t{1} << 32,
                                 int64_t{1} << 40,
                                 int64_t{1} << 62,
                                 std::numeric_limits<int64_t>::max(),
                                 std::numeric_limits<int64_t>::min()};
  const size_t offset =
      std::clamp(static_cast<size_t>(WeightsOffset(*bytes)), kHeaderBytes, bytes->size());
  // A number in the header, in the arrays, or in the weights, where sections begin.
  const int part = random.Integer(0, 3);
  size_t begin = part == 0 ? 40 : part == 1 ? kHeaderBytes : offset;
  size_t end = part == 0 ? 144 : part == 1 ? offset : bytes->size();
  if (part == 3) end = std::min(end, begin + 64);
  const size_t size = size_t{1} << random.Integer(0, 3);
  if (end < begin + size) return;
  const size_t at = begin + random.Integer<size_t>(0, (end - begin - size) / size) * size;
  int64_t value = 0;
  std::memcpy(&value, bytes->data() + at, size);
  switch (random.Integer(0, 3)) {
    case 0:
      value = kValues[random.Integer<size_t>(0, std::size(kValues) - 1)];
      break;
    case 1:
      value = static_cast<int64_t>(static_cast<uint64_t>(value) +
                                   static_cast<uint64_t>(random.Integer(-8, 8)));
      break;
    case 2:
      value ^= int64_t{1} << random.Integer<int64_t>(0, static_cast<int64_t>(8 * size - 1));
      break;
    default:
      value = random.Any<int64_t>();
  }
  std::memcpy(bytes->data() + at, &value, size);
}

// Whatever is under the right checksums is refused, or is weights that can be used. To be run under
// AddressSanitizer, too; what kernels do outside of the weights, A and C, ends at unmapped pages.
TEST(SpoiltForms, MadeUp) {
  Random random(2026);
  int refused = 0, used = 0;
  ForEachForm([&](const Bytes& good) {
    for (int turn = 0; turn < 300; ++turn) {
      Bytes bytes = good;
      for (int changes = random.Integer(1, 3); changes > 0; --changes) Mutate(random, &bytes);
      Seal(&bytes);
      const GuardedForm form(bytes);
      std::optional<PackedWeights> forms[3];
      for (const bool verify : {false, true}) {
        const Result<PackedWeights> borrowed = form.Borrow(verify);
        if (borrowed.ok()) forms[verify] = *borrowed;
      }
      LoadWeightsOptions options;
      options.repack = Repack::kForBest;
      const Result<PackedWeights> copied = PackedWeights::Deserialize(bytes, options);
      if (copied.ok()) forms[2] = *copied;
      EXPECT_EQ(forms[1].has_value(), forms[2].has_value());
      EXPECT_TRUE(forms[0].has_value() || !forms[1].has_value());
      for (const std::optional<PackedWeights>& weights : forms) {
        if (!weights) {
          ++refused;
          continue;
        }
        ++used;
        (void)weights->Describe();
        (void)weights->Scrub();
        const int64_t elements = weights->groups() * (weights->inputs() + weights->outputs());
        TestMatrix product;
        if (elements < 100000) (void)Multiply(*weights, &product);
      }
    }
  });
  EXPECT_GT(refused, 100);
  EXPECT_GT(used, 100);
}

}  // namespace
}  // namespace qforge::test
