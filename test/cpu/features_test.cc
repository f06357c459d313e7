#include "cpu/features.h"

#include <gtest/gtest.h>

#include <string>

#include "cpu/made_up_cpus.h"

namespace qforge::cpu {
namespace {

std::string SupportedNames(const CpuFeatures& features) {
  std::string names;
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (Supported(isa, features)) names += std::string(names.empty() ? "" : " ") + IsaName(isa);
  }
  return names;
}

TEST(FeaturesTest, KnownCpus) {
  EXPECT_EQ(SupportedNames(kNehalem), "scalar");
  EXPECT_EQ(SupportedNames(kSandyBridge), "scalar");
  EXPECT_EQ(SupportedNames(kHaswellWithoutYmmState), "scalar");
  EXPECT_EQ(SupportedNames(kHaswell), "scalar avx2");
  EXPECT_EQ(SupportedNames(kAlderLake), "scalar avx2 avx_vnni");
  EXPECT_EQ(SupportedNames(kKnightsLanding), "scalar avx2");
  EXPECT_EQ(SupportedNames(kSkylakeServer), "scalar avx2 avx512_256 avx512");
  EXPECT_EQ(SupportedNames(kCascadeLake),
            "scalar avx2 avx512_256 avx512 avx512_vnni_256 avx512_vnni");
  EXPECT_EQ(SupportedNames(kZen5),
            "scalar avx2 avx_vnni avx512_256 avx512 avx512_vnni_256 avx512_vnni avx512_bf16");
  EXPECT_EQ(SupportedNames(kZen5WithoutZmmState), "scalar avx2 avx_vnni");
}

TEST(FeaturesTest, ReasonNamesTheFirstThingMissing) {
  EXPECT_EQ(WhyUnsupported(Isa::kScalar, kNehalem), nullptr);
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx2, kNehalem), "CPU lacks avx");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx2, kSandyBridge), "CPU lacks avx2");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx2, kHaswellWithoutYmmState),
               "operating system does not save YMM state");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvxVnni, kHaswell), "CPU lacks avx_vnni");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512, kHaswell), "CPU lacks avx512f");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512, kKnightsLanding), "CPU lacks avx512bw");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512Vnni, kSkylakeServer), "CPU lacks avx512_vnni");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512Vnni256, kSkylakeServer), "CPU lacks avx512_vnni");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512Bf16, kSkylakeServer), "CPU lacks avx512_vnni");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512Bf16, kCascadeLake), "CPU lacks avx512_bf16");
  EXPECT_STREQ(WhyUnsupported(Isa::kAvx512Vnni, kZen5WithoutZmmState),
               "operating system does not save ZMM state");
}

// Takes one feature away at a time: each one is needed by what uses it.
TEST(FeaturesTest, EveryFeatureCounts) {
  const struct {
    bool CpuFeatures::*feature;
    const char* left;
  } cases[] = {
      {&CpuFeatures::avx, "scalar"},
      {&CpuFeatures::ymm_state, "scalar"},
      {&CpuFeatures::avx2, "scalar"},
      {&CpuFeatures::fma, "scalar"},
      {&CpuFeatures::f16c, "scalar"},
      {&CpuFeatures::avx_vnni,
       "scalar avx2 avx512_256 avx512 avx512_vnni_256 avx512_vnni avx512_bf16"},
      {&CpuFeatures::avx512f, "scalar avx2 avx_vnni"},
      {&CpuFeatures::zmm_state, "scalar avx2 avx_vnni"},
      {&CpuFeatures::avx512bw, "scalar avx2 avx_vnni"},
      {&CpuFeatures::avx512dq, "scalar avx2 avx_vnni"},
      {&CpuFeatures::avx512vl, "scalar avx2 avx_vnni"},
      {&CpuFeatures::avx512_vnni, "scalar avx2 avx_vnni avx512_256 avx512"},
      {&CpuFeatures::avx512_bf16,
       "scalar avx2 avx_vnni avx512_256 avx512 avx512_vnni_256 avx512_vnni"},
  };
  for (const auto& [feature, left] : cases) {
    CpuFeatures features = kZen5;
    features.*feature = false;
    EXPECT_EQ(SupportedNames(features), left);
  }
}

}  // namespace
}  // namespace qforge::cpu
