#include "cpu/isa_table.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace qforge::cpu {
namespace {

TEST(IsaTableTest, NamesAreThePublishedOnes) {
  EXPECT_STREQ(IsaName(Isa::kScalar), "scalar");
  EXPECT_STREQ(IsaName(Isa::kAvx2), "avx2");
  EXPECT_STREQ(IsaName(Isa::kAvxVnni), "avx_vnni");
  EXPECT_STREQ(IsaName(Isa::kAvx512_256), "avx512_256");
  EXPECT_STREQ(IsaName(Isa::kAvx512), "avx512");
  EXPECT_STREQ(IsaName(Isa::kAvx512Vnni256), "avx512_vnni_256");
  EXPECT_STREQ(IsaName(Isa::kAvx512Vnni), "avx512_vnni");
  EXPECT_STREQ(IsaName(Isa::kAvx512Bf16), "avx512_bf16");
}

TEST(IsaTableTest, NamesParseBack) {
  std::set<std::string> names;
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    names.insert(IsaName(isa));
    const Result<Isa> parsed = ParseIsa(IsaName(isa));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(*parsed, isa);
  }
  EXPECT_EQ(names.size(), size_t{kIsaCount});
}

TEST(IsaTableTest, TraitsFollowTheName) {
  for (int i = 0; i < kIsaCount; ++i) {
    const IsaTraits& traits = Traits(static_cast<Isa>(i));
    const std::string name = traits.name;
    SCOPED_TRACE(name);
    EXPECT_EQ(static_cast<int>(traits.isa), i);
    const bool scalar = name == "scalar";
    const bool avx512 = name.find("avx512") == 0;
    const bool narrow = name.find("_256") != std::string::npos || !avx512;
    EXPECT_EQ(traits.evex, avx512);
    EXPECT_EQ(traits.vector_registers, scalar ? 0 : avx512 ? 32 : 16);
    EXPECT_EQ(traits.vector_bytes, scalar ? 0 : narrow ? 32 : 64);
    EXPECT_EQ(traits.bf16, name.find("bf16") != std::string::npos);
    EXPECT_EQ(traits.vnni, traits.bf16 || name.find("vnni") != std::string::npos);
  }
}

TEST(IsaTableTest, UnknownNamesAreRefusedWithTheKnownOnes) {
  const std::string long_name(1000, 'x');
  for (const char* name : {static_cast<const char*>(nullptr), "", "AVX2", "avx2 ", "avx", "avx10",
                           "avx512_vnn", "avx512_vnni_", "unknown", long_name.c_str()}) {
    const Result<Isa> parsed = ParseIsa(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
    EXPECT_STREQ(parsed.status().field(), "name");
    const std::string message = parsed.status().message();
    EXPECT_NE(message.find("scalar, avx2, avx_vnni, avx512_256, avx512, avx512_vnni_256, "
                           "avx512_vnni, avx512_bf16"),
              std::string::npos)
        << message;
  }
  EXPECT_NE(std::string(ParseIsa("avx10").status().message()).find("\"avx10\""), std::string::npos);
}

TEST(IsaTableTest, ValuesOutsideTheEnumerationAreHarmless) {
  for (const int value : {kIsaCount, 100, 255}) {
    const Isa isa = static_cast<Isa>(value);
    EXPECT_STREQ(IsaName(isa), "unknown");
    EXPECT_FALSE(IsaSupported(isa));
    const Result<Isa> best = BestIsa(isa);
    ASSERT_FALSE(best.ok());
    EXPECT_EQ(best.status().code(), StatusCode::kInvalidArgument);
    EXPECT_STREQ(best.status().field(), "cap");
  }
}

}  // namespace
}  // namespace qforge::cpu
