// Parent and children publish kernels in any order without harm to each other's.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/platform.h"
#include "jit/kernel_cache.h"
#include "jit/test_kernels.h"
#include "support/child_process.h"

#if QFORGE_JIT
namespace qforge::jit {
namespace {

using test::kSanitized;
using test::RunInChild;
using test::WritableExecutableMappings;

// The kernels that one process has published or inherited, and what they must compute.
class Kernels {
 public:
  // Returns false if the new kernel or any earlier one computes something else.
  bool PublishAndCheck(const std::string& name, int addend) {
    // Sizes vary, so that processes which shared an allocator would not even overwrite a kernel by
    // one of the same layout.
    const Result<const Kernel*> kernel = FindOrEmitAdd(name, addend, addend % 97);
    if (!kernel.ok()) return false;
    kernels_.push_back({*kernel, addend});
    return Check();
  }
  bool Check() const {
    for (const auto& [kernel, addend] : kernels_) {
      if (!Adds(kernel->entry(), addend)) return false;
      if (FindOrEmitAdd(kernel->name(), 0).value() != kernel) return false;
    }
    return true;
  }

 private:
  struct Expected {
    const Kernel* kernel;
    int addend;
  };
  std::vector<Expected> kernels_;
};

// Hands the turn from one process to another.
class Baton {
 public:
  Baton() { ok_ = pipe(ends_) == 0; }
  ~Baton() {
    close(ends_[0]);
    close(ends_[1]);
  }
  bool Give() { return ok_ && write(ends_[1], "x", 1) == 1; }
  bool Take() {
    char byte;
    return ok_ && read(ends_[0], &byte, 1) == 1;
  }

 private:
  int ends_[2] = {-1, -1};
  bool ok_ = false;
};

class ForkTest : public testing::TestWithParam<const char*> {
 protected:
  // The parent of a test is a child itself, since the mode is read once per process.
  void RunAsParent(const std::function<std::string()>& body) {
    const std::string failure = RunInChild([&] {
      setenv("QFORGE_CODE_MEMORY", GetParam(), 1);
      return body();
    });
    EXPECT_EQ(failure, "");
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, ForkTest, testing::Values("dual", "private"),
                         [](const auto& mode) { return std::string(mode.param); });

// Parent and child publish in turn, and each checks after every kernel all that it has.
std::string TakeTurns(pid_t (*fork_process)()) {
  constexpr int kRounds = 20;
  Kernels kernels;
  for (int i = 0; i < 10; ++i) {
    QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_inherited_" + std::to_string(i), i));
  }
  Baton to_child, to_parent;
  const pid_t child = fork_process();
  QFORGE_CHILD_EXPECT(child >= 0);
  const bool is_child = child == 0;
  const int addend = is_child ? 200'000 : 100'000;
  bool all_right = true;
  for (int round = 0; round < kRounds; ++round) {
    // No early return: the other side waits for its turn.
    if (is_child) all_right &= to_child.Take();
    all_right &= kernels.PublishAndCheck("fork_turn_" + std::to_string(round), addend + round);
    all_right &= is_child ? to_parent.Give() : to_child.Give() && to_parent.Take();
  }
  all_right &= kernels.Check();
  if (is_child) syscall(SYS_exit_group, all_right ? 0 : 1);
  int status = -1;
  QFORGE_CHILD_EXPECT(waitpid(child, &status, 0) == child);
  QFORGE_CHILD_EXPECT(status == 0);
  QFORGE_CHILD_EXPECT(all_right);
  return "";
}

TEST_P(ForkTest, ParentAndChildPublishInTurn) {
  RunAsParent([] { return TakeTurns(fork); });
}

// No handlers of pthread_atfork() run in such a child.
TEST_P(ForkTest, ParentAndChildOfTheBareSystemCall) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have handlers of their own that must run";
  RunAsParent([] { return TakeTurns([] { return static_cast<pid_t>(syscall(SYS_fork)); }); });
}

// The first process of a namespace has the id 1, and so has the first of a namespace within it.
TEST_P(ForkTest, ParentAndChildWithOneProcessId) {
  const std::string skipped = "skipped: no new process namespaces here";
  const std::string failure = RunInChild([&]() -> std::string {
    setenv("QFORGE_CODE_MEMORY", GetParam(), 1);
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return skipped;
    return RunInChild([]() -> std::string {
      QFORGE_CHILD_EXPECT(unshare(CLONE_NEWPID) == 0);
      return TakeTurns(fork);
    });
  });
  if (failure == skipped) GTEST_SKIP() << failure;
  EXPECT_EQ(failure, "");
}

TEST_P(ForkTest, GenerationsKeepTheirKernels) {
  RunAsParent([]() -> std::string {
    Kernels kernels;
    QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_first", 1));
    const std::string failure = RunInChild([&]() -> std::string {
      // Forks once more before it has published anything itself, and once after.
      const auto grandchild = [&]() -> std::string {
        QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_third", 3));
        QFORGE_CHILD_EXPECT(WritableExecutableMappings().empty());
        return "";
      };
      const std::string before = RunInChild(grandchild);
      QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_second", 2));
      const std::string after = RunInChild(grandchild);
      QFORGE_CHILD_EXPECT(kernels.Check());
      return before + after;
    });
    QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_fourth", 4));
    return failure;
  });
}

const std::string kOfThread = "fork_thread_";

// Kernels whose names start with kOfThread add the number that the name ends in.
bool CheckKernelsOfThreads() {
  for (const Kernel* kernel : PublishedKernels()) {
    const std::string& name = kernel->name();
    if (name.rfind(kOfThread, 0) != 0) continue;
    if (!Adds(kernel->entry(), std::stoi(name.substr(name.rfind('_') + 1)))) return false;
  }
  return true;
}

// A child has only the forking thread, whatever the others were doing.
TEST_P(ForkTest, OtherThreadsMayBePublishingMeanwhile) {
  RunAsParent([]() -> std::string {
    constexpr int kForks = 40;
    constexpr int kMaxKernelsPerThread = 5'000;
    std::atomic<bool> stop{false};
    std::atomic<int> published{0};
    std::atomic<bool> all_right{true};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kMaxKernelsPerThread && !stop; ++i) {
          const Result<const Kernel*> kernel =
              FindOrEmitAdd(kOfThread + std::to_string(t) + "_" + std::to_string(i), i);
          if (!kernel.ok() || !Adds((*kernel)->entry(), i)) all_right = false;
          ++published;
        }
      });
    }
    while (published < 2) std::this_thread::yield();
    std::string failures;
    for (int i = 0; i < kForks; ++i) {
      failures += RunInChild([&]() -> std::string {
        Kernels kernels;
        for (int k = 0; k < 20; ++k) {
          QFORGE_CHILD_EXPECT(kernels.PublishAndCheck("fork_child_" + std::to_string(k), k));
        }
        // What a thread of the parent was adding at that moment is there in full or not at all.
        QFORGE_CHILD_EXPECT(CheckKernelsOfThreads());
        return "";
      });
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    QFORGE_CHILD_EXPECT(all_right);
    QFORGE_CHILD_EXPECT(CheckKernelsOfThreads());
    return failures;
  });
}

}  // namespace
}  // namespace qforge::jit
#endif  // QFORGE_JIT
