// What happens where the operating system refuses memory, or refuses to let it be executed.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/platform.h"
#include "jit/kernel_cache.h"
#include "jit/test_kernels.h"
#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"
#include "support/child_process.h"

#if QFORGE_JIT
namespace qforge::jit {
namespace {

using test::kSanitized;
using test::MappingOf;
using test::RunInChild;
using test::WritableExecutableMappings;

constexpr char kSkipped[] = "skipped: no seccomp filters here";

// From now on the system refuses, for good, shared memory files and (if asked) executable mappings.
bool Forbid(bool executable_mappings) {
  const auto load = [](size_t offset) -> sock_filter {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  const uint32_t refuse_executable = executable_mappings ? kRefuse : SECCOMP_RET_ALLOW;
  sock_filter program[] = {
      load(offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 2),
      load(offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 2, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, kRefuse),
      BPF_STMT(BPF_RET | BPF_K, refuse_executable),
  };
  const sock_fprog filter = {sizeof(program) / sizeof(program[0]), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(SystemLimitsTest, PrivatePagesReplaceForbiddenDualMapping) {
  const std::string failure = RunInChild([]() -> std::string {
    unsetenv("QFORGE_CODE_MEMORY");
    // One kernel in the dual mapping, which must outlive the change to private pages.
    const Result<const Kernel*> before = FindOrEmitAdd("limits_before", 1);
    QFORGE_CHILD_EXPECT(before.ok());
    if (!Forbid(/*executable_mappings=*/false)) return kSkipped;
    // Larger than what is left of the first block, so that the system has to be asked.
    const Result<const Kernel*> after = FindOrEmitAdd("limits_after", 2, 1 << 20);
    QFORGE_CHILD_EXPECT(after.ok());
    QFORGE_CHILD_EXPECT(MappingOf((*before)->entry()).find(" r-xs ") != std::string::npos);
    QFORGE_CHILD_EXPECT(MappingOf((*after)->entry()).find(" r-xp ") != std::string::npos);
    QFORGE_CHILD_EXPECT(Adds((*before)->entry(), 1) && Adds((*after)->entry(), 2));
    QFORGE_CHILD_EXPECT(WritableExecutableMappings().empty());
    return "";
  });
  if (failure == kSkipped) GTEST_SKIP() << failure;
  EXPECT_EQ(failure, "");
}

TEST(SystemLimitsTest, NoExecutableMemoryIsAStatus) {
  for (const char* mode : {"", "dual", "private"}) {
    const std::string failure = RunInChild([mode]() -> std::string {
      setenv("QFORGE_CODE_MEMORY", mode, 1);
      if (!Forbid(/*executable_mappings=*/true)) return kSkipped;
      for (int attempt = 0; attempt < 2; ++attempt) {
        const Result<const Kernel*> kernel = FindOrEmitAdd("limits_forbidden", 1);
        QFORGE_CHILD_EXPECT(!kernel.ok());
        QFORGE_CHILD_EXPECT(kernel.status().code() == StatusCode::kResourceExhausted);
        const std::string message = kernel.status().message();
        const std::string way_out =
            std::strcmp(mode, "dual") == 0 ? "QFORGE_CODE_MEMORY=dual" : "QFORGE_MAX_ISA=scalar";
        QFORGE_CHILD_EXPECT(message.find(way_out) != std::string::npos);
      }
      return "";
    });
    if (failure == kSkipped) GTEST_SKIP() << failure;
    EXPECT_EQ(failure, "") << mode;
  }
}

// What the status above advises.
TEST(SystemLimitsTest, OperationsDoWithoutExecutableMemory) {
  for (const bool by_environment : {false, true}) {
    const std::string failure = RunInChild([by_environment]() -> std::string {
      if (by_environment) setenv("QFORGE_MAX_ISA", "scalar", 1);
      if (!Forbid(/*executable_mappings=*/true)) return kSkipped;
      ContextOptions options;
      PackedWeightsOptions packing;
      if (!by_environment) options.max_isa = packing.max_isa = Isa::kScalar;
      const Result<Context> context = Context::Create(options);
      QFORGE_CHILD_EXPECT(context.ok());
      const int8_t b[] = {2, -3};
      const Result<PackedWeights> weights =
          PackedWeights::Create(MatrixView<const int8_t>(b, 2, 1), packing);
      QFORGE_CHILD_EXPECT(weights.ok());
      Epilogue epilogue;
      epilogue.output = OutputS32{};
      const Result<Linear> linear = Linear::Create(*context, *weights, epilogue);
      QFORGE_CHILD_EXPECT(linear.ok());
      const uint8_t a[] = {5, 7};
      int32_t c = 0;
      QFORGE_CHILD_EXPECT(linear->Run({a, 1, 2}, InputQuantization(), {&c, 1, 1}).ok());
      QFORGE_CHILD_EXPECT(c == 2 * 5 - 3 * 7);
      return "";
    });
    if (failure == kSkipped) GTEST_SKIP() << failure;
    EXPECT_EQ(failure, "") << (by_environment ? "QFORGE_MAX_ISA" : "max_isa");
  }
}

// Beyond this limit a write ends the process by a signal, which a library must not bring about.
TEST(SystemLimitsTest, AFileSizeLimitDoesNotKill) {
  for (const std::string mode : {"", "dual"}) {
    const std::string failure = RunInChild([&]() -> std::string {
      setenv("QFORGE_CODE_MEMORY", mode.c_str(), 1);
      const rlimit limit = {4096, 4096};
      QFORGE_CHILD_EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
      const Result<const Kernel*> kernel = FindOrEmitAdd("limits_file_size", 3);
      QFORGE_CHILD_EXPECT(kernel.ok() == (mode != "dual"));
      QFORGE_CHILD_EXPECT(!kernel.ok() || Adds((*kernel)->entry(), 3));
      return "";
    });
    EXPECT_EQ(failure, "") << mode;
  }
}

TEST(SystemLimitsTest, RecoversWhenMemoryIsBack) {
  if (kSanitized) GTEST_SKIP() << "sanitizers do not run under a limit of address space";
  for (const char* mode : {"", "dual", "private"}) {
    const std::string failure = RunInChild([mode]() -> std::string {
      setenv("QFORGE_CODE_MEMORY", mode, 1);
      const std::vector<uint8_t> bytes = AddBytes(6, 8 << 20);
      const auto request = [&] {
        return FindOrEmit("limits_memory", [&]() -> Result<CodeBytes> {
          CodeBytes code{"limits_memory", bytes};
          rlimit limit;  // set after the copy, and too low for any further mapping
          getrlimit(RLIMIT_AS, &limit);
          limit.rlim_cur = 1 << 20;
          setrlimit(RLIMIT_AS, &limit);
          return code;
        });
      };
      rlimit limit;
      QFORGE_CHILD_EXPECT(getrlimit(RLIMIT_AS, &limit) == 0);
      const Result<const Kernel*> refused = request();
      QFORGE_CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
      QFORGE_CHILD_EXPECT(!refused.ok());
      QFORGE_CHILD_EXPECT(refused.status().code() == StatusCode::kResourceExhausted);
      QFORGE_CHILD_EXPECT(std::strstr(refused.status().message(), "scalar") == nullptr);
      const Result<const Kernel*> kernel = FindOrEmitAdd("limits_memory", 6);
      QFORGE_CHILD_EXPECT(kernel.ok());
      QFORGE_CHILD_EXPECT(Adds((*kernel)->entry(), 6));
      return "";
    });
    EXPECT_EQ(failure, "") << mode;
  }
}

}  // namespace
}  // namespace qforge::jit
#endif  // QFORGE_JIT
