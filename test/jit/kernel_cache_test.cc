#include "jit/kernel_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/platform.h"
#include "jit/code_memory.h"
#include "jit/test_kernels.h"
#include "support/child_process.h"

namespace qforge::jit {
namespace {
using test::MappingOf;
using test::RunInChild;
using test::WritableExecutableMappings;

#if QFORGE_JIT

// A name that no kernel has yet, also where the tests are repeated.
std::string NewName(const std::string& start) {
  static int count = 0;
  return start + "_" + std::to_string(count++);
}

TEST(KernelCacheTest, EmitsOnceAndDescribesTheKernel) {
  const std::string name = NewName("cache_once");
  int emissions = 0;
  const auto emit = [&]() -> Result<CodeBytes> {
    ++emissions;
    return CodeBytes{name, AddBytes(5)};
  };
  const Kernel* const kernel = FindOrEmit(name, emit).value();
  EXPECT_EQ(kernel->As<AddFunction>()(37), 42);
  EXPECT_EQ(kernel->name(), name);
  EXPECT_EQ(kernel->code_size(), AddBytes(5).size());
  EXPECT_GT(kernel->emission_ns(), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(kernel->entry()) % kCodeAlignment, 0u);

  EXPECT_EQ(FindOrEmit(name, emit).value(), kernel);
  EXPECT_EQ(emissions, 1);
}

TEST(KernelCacheTest, ListsWhatIsPublishedByName) {
  const Kernel* const second = FindOrEmitAdd("cache_list_b", 2).value();
  const Kernel* const first = FindOrEmitAdd("cache_list_a", 1).value();
  const std::vector<const Kernel*> all = PublishedKernels();
  EXPECT_EQ(std::count(all.begin(), all.end(), first), 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), second), 1);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Kernel* a, const Kernel* b) {
    return a->name() < b->name();
  }));
}

TEST(KernelCacheTest, AnEmitterMayAskForOtherKernels) {
  const Result<const Kernel*> outer = FindOrEmit("cache_outer", []() -> Result<CodeBytes> {
    const Result<const Kernel*> inner = FindOrEmitAdd("cache_inner", 3);
    if (!inner.ok()) return inner.status();
    return CodeBytes{"cache_outer", AddBytes((*inner)->As<AddFunction>()(10))};
  });
  ASSERT_TRUE(outer.ok()) << outer.status().message();
  EXPECT_TRUE(Adds((*outer)->entry(), 13));
}

TEST(KernelCacheTest, FailuresAreStatusesAndAreNotRemembered) {
  const std::string name = NewName("cache_failing");
  struct Failure {
    std::function<Result<CodeBytes>()> emit;
    StatusCode code;
    const char* message;
  };
  const Failure failures[] = {
      {[]() -> Result<CodeBytes> {
         return Status::Error(StatusCode::kUnsupported, "shape", "not today");
       },
       StatusCode::kUnsupported, "shape: not today"},
      {[]() -> Result<CodeBytes> { throw std::runtime_error("out of registers"); },
       StatusCode::kInternal, ": out of registers"},
      {[]() -> Result<CodeBytes> { throw std::bad_alloc(); }, StatusCode::kResourceExhausted,
       "cache_failing"},
      {[]() -> Result<CodeBytes> { throw 5; }, StatusCode::kInternal, "cache_failing"},
      {[&]() -> Result<CodeBytes> {
         return CodeBytes{name, {}};
       },
       StatusCode::kOutOfRange, "0 bytes"},
      {[&]() -> Result<CodeBytes> {
         return CodeBytes{name, std::vector<uint8_t>(kMaxCodeBytes + 1, 0xC3)};
       },
       StatusCode::kOutOfRange, "16777217 bytes"},
      {[]() -> Result<CodeBytes> {
         return CodeBytes{"cache_other", AddBytes(1)};
       },
       StatusCode::kInternal, "cache_other"},
  };
  for (const Failure& failure : failures) {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const Result<const Kernel*> kernel = FindOrEmit(name, failure.emit);
      ASSERT_FALSE(kernel.ok());
      EXPECT_EQ(kernel.status().code(), failure.code);
      EXPECT_NE(std::strstr(kernel.status().message(), failure.message), nullptr)
          << kernel.status().message();
    }
  }
  for (const Kernel* kernel : PublishedKernels()) {
    EXPECT_NE(kernel->name(), name);
    EXPECT_NE(kernel->name(), "cache_other");
  }
  const Result<const Kernel*> kernel = FindOrEmitAdd(name, 9);
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  EXPECT_TRUE(Adds((*kernel)->entry(), 9));
}

TEST(KernelCacheTest, ThreadsGetOneKernelPerName) {
  constexpr int kThreads = 8;
  constexpr int kNames = 300;
  std::vector<std::vector<const Kernel*>> seen(kThreads, std::vector<const Kernel*>(kNames));
  std::atomic<int> waiting{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      --waiting;
      while (waiting != 0) std::this_thread::yield();
      for (int n = 0; n < kNames; ++n) {
        // Half of the threads go the other way, so that requests meet both new and old names.
        const int name = t % 2 == 0 ? n : kNames - 1 - n;
        const Result<const Kernel*> kernel =
            FindOrEmitAdd("cache_threads_" + std::to_string(name), name);
        if (kernel.ok() && Adds((*kernel)->entry(), name)) seen[t][name] = *kernel;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int n = 0; n < kNames; ++n) {
    ASSERT_NE(seen[0][n], nullptr);
    for (int t = 1; t < kThreads; ++t) ASSERT_EQ(seen[t][n], seen[0][n]);
  }
  int listed = 0;
  for (const Kernel* kernel : PublishedKernels()) {
    listed += kernel->name().rfind("cache_threads_", 0) == 0;
  }
  EXPECT_EQ(listed, kNames);
}

TEST(KernelCacheTest, OneOfManyEmissionsIsPublished) {
  constexpr int kThreads = 4;
  const std::string name = NewName("cache_race");
  std::atomic<int> emitting{0};
  std::vector<const Kernel*> seen(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const Result<const Kernel*> kernel = FindOrEmit(name, [&]() -> Result<CodeBytes> {
        ++emitting;  // no thread returns before all have found that there is no such kernel
        while (emitting != kThreads) std::this_thread::yield();
        return CodeBytes{name, AddBytes(t)};
      });
      if (kernel.ok()) seen[t] = *kernel;
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_NE(seen[0], nullptr);
  for (int t = 1; t < kThreads; ++t) EXPECT_EQ(seen[t], seen[0]);
}

TEST(KernelCacheTest, ObeysTheEnvironment) {
  for (const std::string mode : {"dual", "private", ""}) {
    const std::string failure = RunInChild([&]() -> std::string {
      setenv("QFORGE_CODE_MEMORY", mode.c_str(), 1);
      const Result<const Kernel*> kernel = FindOrEmitAdd("cache_mode", 4);
      QFORGE_CHILD_EXPECT(kernel.ok());
      QFORGE_CHILD_EXPECT(Adds((*kernel)->entry(), 4));
      const std::string mapping = MappingOf((*kernel)->entry());
      QFORGE_CHILD_EXPECT(mapping.find(mode == "private" ? " r-xp " : " r-xs ") !=
                          std::string::npos);
      QFORGE_CHILD_EXPECT(WritableExecutableMappings().empty());
      return "";
    });
    EXPECT_EQ(failure, "") << mode;
  }
  const std::string failure = RunInChild([]() -> std::string {
    setenv("QFORGE_CODE_MEMORY", "rwx", 1);
    const Result<const Kernel*> kernel = FindOrEmitAdd("cache_mode", 4);
    QFORGE_CHILD_EXPECT(!kernel.ok());
    QFORGE_CHILD_EXPECT(kernel.status().code() == StatusCode::kInvalidArgument);
    return kernel.status().message();
  });
  EXPECT_EQ(failure,
            "INVALID_ARGUMENT: QFORGE_CODE_MEMORY: \"rwx\" is unknown; known are \"dual\" and "
            "\"private\"");
}

#else

TEST(KernelCacheTest, HasNothingForOtherCpus) {
  const Result<const Kernel*> kernel = FindOrEmitAdd("cache_once", 5);
  ASSERT_FALSE(kernel.ok());
  EXPECT_EQ(kernel.status().code(), StatusCode::kUnsupported);
  EXPECT_TRUE(PublishedKernels().empty());
}

#endif  // QFORGE_JIT
}  // namespace
}  // namespace qforge::jit
