#include "cpu/host.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "base/platform.h"
#include "cpu/isa_table.h"

namespace qforge::cpu {
namespace {

TEST(HostTest, SizesAreUsable) {
  const CpuInfo& host = Host();
  EXPECT_EQ(&host, &Host());
  EXPECT_GE(host.l1d.bytes, 4 << 10);
  EXPECT_GE(host.l2.bytes, host.l1d.bytes);
  EXPECT_GT(host.l3.bytes, 0);
  for (const CacheLevel& level : {host.l1d, host.l2, host.l3}) EXPECT_GE(level.shared_by, 1);
  EXPECT_GE(host.cache_line_bytes, 16);
  EXPECT_GE(host.physical_cores, 1);
  EXPECT_GE(host.logical_processors, host.physical_cores);
  EXPECT_STRNE(host.vendor, "");
  EXPECT_STRNE(host.brand, "");
  EXPECT_STRNE(host.microarchitecture, "");
  EXPECT_LT(std::strlen(host.brand), sizeof(host.brand));
}

TEST(HostTest, ScalarIsAlwaysSupported) { EXPECT_TRUE(IsaSupported(Isa::kScalar)); }

#if QFORGE_JIT

// The operating system's own list is made independently of cpuinfo and xbyak, and holds what the
// kernel enables only.
TEST(HostTest, AgreesWithTheOperatingSystem) {
  std::ifstream file("/proc/cpuinfo");
  std::map<std::string, std::string> entries;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    entries[line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1)] = line.substr(colon + 1);
  }
  if (entries.count("flags") == 0) GTEST_SKIP() << "no CPU flags in /proc/cpuinfo";
  if (std::stoi(entries["cpu family"]) != Host().family ||
      std::stoi(entries["model"]) != Host().model) {
    GTEST_SKIP() << "this process sees an emulated CPU, not the one in /proc/cpuinfo";
  }
  std::istringstream words(entries["flags"]);
  const std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  const auto listed = [&](const char* flag) { return flags.count(flag) != 0; };
  const bool avx2 = listed("avx2") && listed("fma") && listed("f16c");
  const bool avx512 =
      avx2 && listed("avx512f") && listed("avx512bw") && listed("avx512dq") && listed("avx512vl");
  EXPECT_EQ(IsaSupported(Isa::kAvx2), avx2);
  EXPECT_EQ(IsaSupported(Isa::kAvx512), avx512);
  EXPECT_EQ(IsaSupported(Isa::kAvx512_256), avx512);
  EXPECT_EQ(IsaSupported(Isa::kAvx512Vnni), avx512 && listed("avx512_vnni"));
  EXPECT_EQ(IsaSupported(Isa::kAvx512Vnni256), avx512 && listed("avx512_vnni"));
  EXPECT_EQ(IsaSupported(Isa::kAvx512Bf16),
            avx512 && listed("avx512_vnni") && listed("avx512_bf16"));
  // Kernels before 5.11 do not know this flag, so that its absence proves nothing.
  if (listed("avx_vnni")) {
    EXPECT_EQ(IsaSupported(Isa::kAvxVnni), avx2);
  }
}

// A dot product of `x` with itself in the instructions of `isa`: pairs of 16-bit numbers, or four
// bytes where there is VNNI. Registers from 16 up need no clobber, baseline code cannot name them.
int32_t DotProductWithItself(Isa isa, int32_t x) {
  int32_t result = 0;
  switch (isa) {
    case Isa::kScalar:
      result = (x & 0xFFFF) * (x & 0xFFFF) + (x >> 16) * (x >> 16);
      break;
    case Isa::kAvx2:
      asm("vpbroadcastd %1, %%ymm0\n\t"
          "vpmaddwd %%ymm0, %%ymm0, %%ymm0\n\t"
          "vmovd %%xmm0, %0\n\t"
          "vzeroupper"
          : "=r"(result)
          : "m"(x)
          : "xmm0");
      break;
    case Isa::kAvxVnni:
      asm("vpbroadcastd %1, %%ymm0\n\t"
          "vpxor %%xmm1, %%xmm1, %%xmm1\n\t"
          "%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm1\n\t"
          "vmovd %%xmm1, %0\n\t"
          "vzeroupper"
          : "=r"(result)
          : "m"(x)
          : "xmm0", "xmm1");
      break;
    case Isa::kAvx512_256:
      asm("vpbroadcastd %1, %%ymm16\n\t"
          "vpmaddwd %%ymm16, %%ymm16, %%ymm16\n\t"
          "vmovd %%xmm16, %0"
          : "=r"(result)
          : "m"(x));
      break;
    case Isa::kAvx512:
      asm("vpbroadcastd %1, %%zmm16\n\t"
          "vpmaddwd %%zmm16, %%zmm16, %%zmm16\n\t"
          "vmovd %%xmm16, %0"
          : "=r"(result)
          : "m"(x));
      break;
    case Isa::kAvx512Vnni256:
      asm("vpbroadcastd %1, %%ymm16\n\t"
          "vpxord %%ymm17, %%ymm17, %%ymm17\n\t"
          "vpdpbusd %%ymm16, %%ymm16, %%ymm17\n\t"
          "vmovd %%xmm17, %0"
          : "=r"(result)
          : "m"(x));
      break;
    case Isa::kAvx512Vnni:
      asm("vpbroadcastd %1, %%zmm16\n\t"
          "vpxord %%zmm17, %%zmm17, %%zmm17\n\t"
          "vpdpbusd %%zmm16, %%zmm16, %%zmm17\n\t"
          "vmovd %%xmm17, %0"
          : "=r"(result)
          : "m"(x));
      break;
    case Isa::kAvx512Bf16:
      // The dot product of zeros is added to the one of bytes.
      asm("vpbroadcastd %1, %%zmm16\n\t"
          "vpxord %%zmm17, %%zmm17, %%zmm17\n\t"
          "vpxord %%zmm18, %%zmm18, %%zmm18\n\t"
          "vpdpbusd %%zmm16, %%zmm16, %%zmm17\n\t"
          "vdpbf16ps %%zmm18, %%zmm18, %%zmm18\n\t"
          "vpaddd %%zmm18, %%zmm17, %%zmm17\n\t"
          "vmovd %%xmm17, %0"
          : "=r"(result)
          : "m"(x));
      break;
  }
  return result;
}

// What is reported as supported does run.
TEST(HostTest, SupportedSetsExecute) {
  constexpr int32_t kBytes = 0x04030201;
  constexpr int32_t kPairs = 0x0403 * 0x0403 + 0x0201 * 0x0201;
  constexpr int32_t kQuads = 4 * 4 + 3 * 3 + 2 * 2 + 1 * 1;
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!IsaSupported(isa)) continue;
    EXPECT_EQ(DotProductWithItself(isa, kBytes), Traits(isa).vnni ? kQuads : kPairs)
        << IsaName(isa);
  }
}

#else

TEST(HostTest, PortableBuildsHaveTheScalarPathOnly) {
  for (int i = 1; i < kIsaCount; ++i) EXPECT_FALSE(IsaSupported(static_cast<Isa>(i)));
}

#endif

}  // namespace
}  // namespace qforge::cpu
