// Every allocation that qforge makes fails in turn: the call says so or does without, nothing is
// lost, and the next call works.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "allocation_failure/scenarios.h"
#include "support/allocation_counter.h"
#include "support/child_process.h"

namespace qforge::test {
namespace {

constexpr int64_t kMostAllocations = 200000;
constexpr char kComplete[] = "complete";

// Emission allocates much, and in the same places for each kernel. In a fresh process, where each
// failure costs some milliseconds, the first allocations all fail, and of what comes then one in so
// many; with QFORGE_TEST_EVERY_ALLOCATION=1 in the environment all do, which takes some minutes.
constexpr int64_t kFirstAllocations = 150;
int64_t Stride() { return std::getenv("QFORGE_TEST_EVERY_ALLOCATION") == nullptr ? 97 : 1; }

class AllocationFailures : public testing::TestWithParam<Scenario> {
 protected:
  void SetUp() override {
    if (!kAllocationsCanFail) GTEST_SKIP() << "a sanitizer has malloc for itself";
  }

  // In a child, so that each time is the first in its process: nothing is detected, emitted or kept
  // from the time before. The parent never calls qforge.
  static std::string InFreshProcess(const std::function<std::string()>& body) {
    return RunInChild(body);
  }

  // Runs the scenario while nothing fails. "" if it gives `expected`.
  static std::string Repeat(const std::string& expected) {
    std::string result;
    result.reserve(kResultBytes);
    const Status status = GetParam().run(&result);
    if (!status.ok()) return std::string("afterwards: ") + status.message();
    return result == expected ? "" : "afterwards other results";
  }

  // Runs the scenario while the n-th allocation fails. kComplete if there are fewer.
  static std::string RunWithFailure(int64_t n, const std::string& expected) {
    std::string result;
    result.reserve(kResultBytes);
    FailAllocation(n);
    const Status status = GetParam().run(&result);
    const bool reached = AllocationFailed();
    FailAllocation(0);
    if (status.ok() && result != expected) return "other results";
    if (!status.ok() && status.code() != StatusCode::kResourceExhausted) return status.message();
    if (!reached) return status.ok() ? kComplete : status.message();
    return "";
  }
};

TEST_P(AllocationFailures, AreAStatusInAFreshProcess) {
  const std::string expected = InFreshProcess([] {
    std::string result;
    const Status status = GetParam().run(&result);
    return status.ok() ? result : std::string();
  });
  ASSERT_FALSE(expected.empty());
  // What a process keeps for ever: kernels, what is known of the machine, buffers of threads.
  const std::string kept = InFreshProcess([&] {
    const int64_t before = CountLiveMemory().blocks;
    const std::string failure = Repeat(expected);
    return failure.empty() ? std::to_string(CountLiveMemory().blocks - before) : failure;
  });
  int64_t n = 1;
  for (; n < kMostAllocations; n += n < kFirstAllocations ? 1 : Stride()) {
    const std::string outcome = InFreshProcess([&]() -> std::string {
      const int64_t before = CountLiveMemory().blocks;
      std::string failure = RunWithFailure(n, expected);
      if (failure.empty()) failure = Repeat(expected);
      if (!failure.empty()) return failure;
      const int64_t now = CountLiveMemory().blocks - before;
      return now <= std::stoll(kept) ? "" : std::to_string(now) + " blocks remain, not " + kept;
    });
    if (outcome == kComplete) break;
    ASSERT_EQ(outcome, "") << "where allocation " << n << " fails";
  }
  EXPECT_GT(n, 5) << "the scenario allocates next to nothing";
}

TEST_P(AllocationFailures, LoseNothing) {
  const std::string outcome = InFreshProcess([]() -> std::string {
    std::string expected;
    expected.reserve(kResultBytes);
    if (const Status status = GetParam().run(&expected); !status.ok()) return status.message();
    for (int64_t n = 1; n < kMostAllocations; ++n) {
      const LiveMemory before = CountLiveMemory();
      const std::string failure = RunWithFailure(n, expected);
      const LiveMemory after = CountLiveMemory();
      if (failure == kComplete) return "";
      if (!failure.empty()) return failure;
      if (after.blocks != before.blocks || after.mapped_bytes != before.mapped_bytes) {
        return "where allocation " + std::to_string(n) + " fails " +
               std::to_string(after.blocks - before.blocks) + " blocks and " +
               std::to_string(after.mapped_bytes - before.mapped_bytes) + " mapped bytes remain";
      }
    }
    return "never complete";
  });
  EXPECT_EQ(outcome, "");
}

INSTANTIATE_TEST_SUITE_P(Scenarios, AllocationFailures, testing::ValuesIn(Scenarios()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace qforge::test
