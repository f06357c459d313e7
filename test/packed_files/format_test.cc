// The bytes of the file form. Files outlive the library that wrote them: whoever makes one of these
// tests fail has changed the form, and gives it another version.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "packed_files/weights_case.h"

namespace qforge::test {
namespace {

// The layout that ops/weights_blob.h documents, byte by byte.
TEST(WeightsForm, HasTheDocumentedBytes) {
  const std::vector<int8_t> weights = {1, 2, 3, 4, 5, -128};  // 3 x 2
  const std::vector<float> scales = {0.5f, 2.0f};
  const std::vector<int32_t> zero_points = {1, 0};
  PackedWeightsOptions options;
  options.scales = scales;
  options.zero_points = zero_points;
  options.activation_maximum = 200;
  options.soft_error_check = true;
  options.max_isa = Isa::kScalar;
  const Bytes bytes = Serialized(
      PackedWeights::Create(MatrixView<const int8_t>(weights.data(), 3, 2), options).value());
  const auto number = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[at + i];
    return value;
  };
  const auto text = [&](size_t at, size_t size) {
    return std::string(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                       bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  };
  ASSERT_EQ(bytes.size(), 326u);
  EXPECT_EQ(text(0, 8), "QFORGEPW");
  EXPECT_EQ(number(8, 4), 1u);     // version
  EXPECT_EQ(number(12, 4), 256u);  // header
  EXPECT_EQ(text(16, 24), "scalar" + std::string(18, '\0'));
  EXPECT_EQ(number(40, 4), 2u);           // s8, dot, no depth, exact
  EXPECT_EQ(number(44, 4), 0x00010808u);  // main_bits, as requested, zero-points, no outliers
  EXPECT_EQ(number(48, 4), 0x00000100u);  // no sections, row sums
  EXPECT_EQ(number(52, 4), 200u);         // activation_maximum
  EXPECT_EQ(number(56, 8), 3u);           // K
  EXPECT_EQ(number(64, 8), 2u);           // N
  EXPECT_EQ(number(72, 8), 1u);           // G
  for (size_t at = 80; at < 128; at += 8) EXPECT_EQ(number(at, 8), 0u) << at;
  EXPECT_EQ(number(128, 8), 320u);  // weights_offset
  EXPECT_EQ(number(136, 8), 326u);  // file_bytes
  EXPECT_EQ(number(144, 8), base::ChecksumOf(bytes.data() + 256, 64));
  EXPECT_EQ(number(152, 8), base::ChecksumOf(bytes.data() + 320, 6));
  for (size_t at = 160; at < 248; at += 8) EXPECT_EQ(number(at, 8), 0u) << at;
  EXPECT_EQ(number(248, 8), base::ChecksumOf(bytes.data(), 248));

  EXPECT_EQ(NumberAt<float>(bytes, 256), 0.5f);
  EXPECT_EQ(NumberAt<float>(bytes, 260), 2.0f);
  EXPECT_EQ(NumberAt<int32_t>(bytes, 264), 1);
  EXPECT_EQ(NumberAt<int32_t>(bytes, 268), 0);
  EXPECT_EQ(NumberAt<int32_t>(bytes, 272), 9);  // sums of columns
  EXPECT_EQ(NumberAt<int32_t>(bytes, 276), -122);
  EXPECT_EQ(NumberAt<int32_t>(bytes, 280), 3);  // and of rows
  EXPECT_EQ(NumberAt<int32_t>(bytes, 284), 7);
  EXPECT_EQ(NumberAt<int32_t>(bytes, 288), -123);
  EXPECT_EQ(number(292, 4), 0u);
  EXPECT_EQ(number(296, 8), base::ChecksumOf(bytes.data() + 320, 6));  // of the only slice
  for (size_t at = 304; at < 320; at += 8) EXPECT_EQ(number(at, 8), 0u) << at;
  EXPECT_EQ(std::memcmp(bytes.data() + 320, weights.data(), 6), 0);
}

// One form of each kind by its checksum. Where packing for
// sums of 16 bits or a bound of float row sums has only got better, the form is the same, and the
// new value can take the old one's place.
TEST(WeightsForm, OfEveryKind) {
  const struct {
    const char* name;
    DataType type;
    Isa isa;
    uint64_t checksum;
  } forms[] = {
      {"outliers", DataType::kS8, Isa::kScalar, 0xD5253FD96DF2C9A1u},
      {"any", DataType::kS8, Isa::kAvx2, 0x6BBAE8F0E0DCEE9Eu},
      {"tiny", DataType::kS8, Isa::kAvx2, 0x262966690F19793Au},
      {"saturating", DataType::kS8, Isa::kAvx2, 0xB4EE33DB75784872u},
      {"outliers", DataType::kS8, Isa::kAvx512_256, 0xC1A0D9D1EE576027u},
      {"checked groups", DataType::kS8, Isa::kAvx512, 0xCD6106CFFDE002C2u},
      {"any", DataType::kS8, Isa::kAvxVnni, 0x28727B9A52271F50u},
      {"outliers", DataType::kS8, Isa::kAvx512Vnni, 0x796ED6A496AC7DEEu},
      {"checked groups", DataType::kS8, Isa::kAvx512Vnni256, 0x8E75E5D0B9E9451Au},
      {"checked floats", DataType::kF32, Isa::kScalar, 0x2F18DC9C17525351u},
      {"checked floats", DataType::kF32, Isa::kAvx2, 0xCF5120E3DC5C9708u},
      {"checked floats", DataType::kF16, Isa::kAvx512, 0xB2C06B954DEAD766u},
      {"checked floats", DataType::kBF16, Isa::kAvx512Bf16, 0x91E3E57F9DB19B34u},
  };
  for (const auto& form : forms) {
    if (!IsaSupported(form.isa)) continue;
    int found = 0;
    for (const WeightsCase& c : AllCases()) {
      if (std::string(c.name) != form.name || c.type != form.type) continue;
      ++found;
      const Bytes bytes = Serialized(MakeWeights(c, form.isa));
      EXPECT_EQ(base::ChecksumOf(bytes.data(), bytes.size()), form.checksum)
          << form.name << " of " << DataTypeName(form.type) << " on " << IsaName(form.isa);
    }
    EXPECT_EQ(found, 1) << form.name;
  }
}

}  // namespace
}  // namespace qforge::test
