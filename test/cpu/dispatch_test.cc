#include "cpu/dispatch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iterator>
#include <string>

#include "cpu/isa_table.h"
#include "cpu/made_up_cpus.h"

namespace qforge::cpu {
namespace {

std::string Chosen(const CpuFeatures& features, Isa cap, Isa environment_cap = kHighestIsa) {
  return IsaName(ChooseIsa(cap, environment_cap, features));
}

TEST(DispatchTest, WithoutCapTheBestIsChosen) {
  EXPECT_EQ(Chosen(kNehalem, Isa::kAvx512Vnni), "scalar");
  EXPECT_EQ(Chosen(kHaswell, Isa::kAvx512Vnni), "avx2");
  EXPECT_EQ(Chosen(kAlderLake, Isa::kAvx512Vnni), "avx_vnni");
  EXPECT_EQ(Chosen(kKnightsLanding, Isa::kAvx512Vnni), "avx2");
  EXPECT_EQ(Chosen(kSkylakeServer, Isa::kAvx512Vnni), "avx512");
  EXPECT_EQ(Chosen(kCascadeLake, Isa::kAvx512Vnni), "avx512_vnni");
  EXPECT_EQ(Chosen(kZen5, Isa::kAvx512Vnni), "avx512_vnni");
  EXPECT_EQ(Chosen(kZen5, Isa::kAvx512Bf16), "avx512_bf16");
  EXPECT_EQ(Chosen(kCascadeLake, Isa::kAvx512Bf16), "avx512_vnni");
  EXPECT_EQ(Chosen(kZen5WithoutZmmState, Isa::kAvx512Vnni), "avx_vnni");
}

TEST(DispatchTest, ACpuThatHasAllUsesTheCap) {
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa cap = static_cast<Isa>(i);
    EXPECT_EQ(Chosen(kZen5, cap), IsaName(cap));
  }
}

TEST(DispatchTest, ACapThatTheCpuLacksFallsToTheNextBest) {
  EXPECT_EQ(Chosen(kCascadeLake, Isa::kAvxVnni), "avx2");
  EXPECT_EQ(Chosen(kAlderLake, Isa::kAvx512), "avx_vnni");
  EXPECT_EQ(Chosen(kHaswell, Isa::kAvx512_256), "avx2");
}

TEST(DispatchTest, A256BitCapNeverGivesWiderVectors) {
  EXPECT_EQ(Chosen(kSkylakeServer, Isa::kAvx512Vnni256), "avx512_256");
  EXPECT_EQ(Chosen(kCascadeLake, Isa::kAvx512, Isa::kAvx512Vnni256), "avx512_256");
  EXPECT_EQ(Chosen(kCascadeLake, Isa::kAvx512Vnni256, Isa::kAvx512), "avx512_256");
}

TEST(DispatchTest, TheLowerOfTheTwoCapsCounts) {
  EXPECT_EQ(Chosen(kZen5, Isa::kAvx2, Isa::kAvx512Vnni), "avx2");
  EXPECT_EQ(Chosen(kZen5, Isa::kAvx512Vnni, Isa::kAvx2), "avx2");
  EXPECT_EQ(Chosen(kZen5, Isa::kScalar, Isa::kAvx2), "scalar");
}

// Every feature set, real or not, under every pair of caps.
TEST(DispatchTest, TheChoiceIsAllowedAndNoBetterOneIs) {
  bool CpuFeatures::*const fields[] = {
      &CpuFeatures::avx,        &CpuFeatures::avx512f,  &CpuFeatures::ymm_state,
      &CpuFeatures::zmm_state,  &CpuFeatures::avx2,     &CpuFeatures::fma,
      &CpuFeatures::f16c,       &CpuFeatures::avx_vnni, &CpuFeatures::avx512bw,
      &CpuFeatures::avx512dq,   &CpuFeatures::avx512vl, &CpuFeatures::avx512_vnni,
      &CpuFeatures::avx512_bf16};
  for (unsigned bits = 0; bits < 1u << std::size(fields); ++bits) {
    CpuFeatures features;
    for (size_t i = 0; i < std::size(fields); ++i) features.*fields[i] = (bits >> i & 1) != 0;
    for (int cap = 0; cap < kIsaCount; ++cap) {
      for (int environment_cap = 0; environment_cap < kIsaCount; ++environment_cap) {
        const Isa caps[] = {static_cast<Isa>(cap), static_cast<Isa>(environment_cap)};
        const Isa chosen = ChooseIsa(caps[0], caps[1], features);
        const auto allowed = [&](Isa isa) {
          for (const Isa limit : caps) {
            if (isa > limit || Traits(isa).vector_bytes > Traits(limit).vector_bytes) return false;
          }
          return Supported(isa, features);
        };
        ASSERT_TRUE(allowed(chosen)) << IsaName(chosen);
        for (int better = static_cast<int>(chosen) + 1; better < kIsaCount; ++better) {
          ASSERT_FALSE(allowed(static_cast<Isa>(better)))
              << IsaName(chosen) << " although " << IsaName(static_cast<Isa>(better));
        }
      }
    }
  }
}

TEST(DispatchTest, RefusalSaysWhatWouldHelp) {
  constexpr Isa kNone = kHighestIsa;
  EXPECT_EQ(WhyRefused(Isa::kAvx512Vnni, kNone, kNone, kZen5), "");
  EXPECT_EQ(WhyRefused(Isa::kAvx512, kNone, Isa::kAvx2, kZen5),
            "above the cap QFORGE_MAX_ISA=avx2");
  EXPECT_EQ(WhyRefused(Isa::kAvx512, Isa::kAvx2, kNone, kZen5), "above the cap avx2");
  EXPECT_EQ(WhyRefused(Isa::kAvx512, Isa::kAvx512Vnni256, kNone, kZen5),
            "wider than the cap avx512_vnni_256");
  // Raising the cap would not help.
  EXPECT_EQ(WhyRefused(Isa::kAvx512Vnni, kNone, Isa::kAvx2, kSkylakeServer),
            "CPU lacks avx512_vnni");
}

TEST(DispatchTest, EnvironmentCapParses) {
  EXPECT_EQ(*ParseEnvironmentCap(nullptr), kHighestIsa);
  EXPECT_EQ(*ParseEnvironmentCap(""), kHighestIsa);
  EXPECT_EQ(*ParseEnvironmentCap("avx2"), Isa::kAvx2);
  EXPECT_EQ(*ParseEnvironmentCap("avx512_vnni_256"), Isa::kAvx512Vnni256);

  const Result<Isa> unknown = ParseEnvironmentCap("avx3");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_STREQ(
      unknown.status().message(),
      "INVALID_ARGUMENT: QFORGE_MAX_ISA: unknown instruction set \"avx3\"; known are scalar, "
      "avx2, avx_vnni, avx512_256, avx512, avx512_vnni_256, avx512_vnni, "
      "avx512_bf16");
}

TEST(DispatchTest, BestIsaOfThisProcessIsSupported) {
  if (!EnvironmentCap().ok()) GTEST_SKIP() << EnvironmentCap().status().message();
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa cap = static_cast<Isa>(i);
    const Result<Isa> best = BestIsa(cap);
    ASSERT_TRUE(best.ok()) << best.status().message();
    EXPECT_TRUE(IsaSupported(*best)) << IsaName(*best);
    EXPECT_TRUE(IsWithinCap(*best, cap)) << IsaName(*best);
  }
}

// Each statement runs in a new process, which has not read the environment yet.
class DispatchDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(DispatchDeathTest, EnvironmentVariableCapsTheProcess) {
  const auto run = [] {
    setenv("QFORGE_MAX_ISA", "scalar", 1);
    const Result<Isa> capped = BestIsa();
    if (!capped.ok() || *capped != Isa::kScalar) std::exit(1);
    // Read once: a later change has no effect on what has been decided.
    setenv("QFORGE_MAX_ISA", "avx512_vnni", 1);
    std::exit(BestIsa().ok() && *BestIsa() == Isa::kScalar ? 0 : 2);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

TEST_F(DispatchDeathTest, UnknownEnvironmentValueIsAnErrorOfEveryCall) {
  const auto run = [] {
    setenv("QFORGE_MAX_ISA", "fastest", 1);
    for (const Isa cap : {Isa::kAvx512Vnni, Isa::kScalar}) {
      const Result<Isa> best = BestIsa(cap);
      if (best.ok() || std::string(best.status().field()) != "QFORGE_MAX_ISA") std::exit(1);
    }
    // What the CPU can do is not a matter of the cap.
    std::exit(IsaSupported(Isa::kScalar) ? 0 : 2);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace qforge::cpu
