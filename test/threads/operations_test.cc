// Operations on every pool give the bits of one thread: alone, from many threads at once, within a
// callback, and on several pools.
#include "threads/operations.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "threads/pools.h"

namespace qforge::test {
namespace {

using PooledOperations = EveryPoolTest;
INSTANTIATE_TEST_SUITE_P(Every, PooledOperations, testing::ValuesIn(PoolKinds()), NameOfPool);

// What went wrong in `threads` threads that call `function`.
template <class Function>
std::string OnThreads(int threads, Function&& function) {
  std::vector<std::string> failures(static_cast<size_t>(threads));
  std::vector<std::thread> running;
  for (std::string& failure : failures) {
    running.emplace_back([&failure, &function] { failure = function(); });
  }
  std::string all;
  for (std::thread& thread : running) thread.join();
  for (const std::string& failure : failures) all += failure;
  return all;
}

TEST_P(PooledOperations, GiveTheBitsOfOneThread) {
  for (const int threads : {2, 3, 7}) {
    const auto pool = MakePool(threads);
    const Context context = ContextOn(pool->adapter());
    ASSERT_EQ(context.thread_count(), threads);
    for (int kind = 0; kind < Operations::kKindsOfParents; ++kind) {
      const Operations operations(context, kind);
      for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(operations.Run(), "") << threads << " threads, kind " << kind;
      }
    }
  }
}

TEST_P(PooledOperations, OneObjectFromManyThreads) {
  const auto pool = MakePool();
  const Operations operations(ContextOn(pool->adapter()), 0);
  EXPECT_EQ(OnThreads(8,
                      [&] {
                        std::string failures;
                        for (int round = 0; round < 10; ++round) failures += operations.Run();
                        return failures;
                      }),
            "");
}

// What another library does when a thread ends comes before or behind what this one does.
TEST(Operations, RunWhileTheirThreadEnds) {
  struct Ending {
    const Operations operations{Context::Create().value(), 0};
    int rounds = 0;
    pthread_key_t key{};
    std::string failures;
  } ending;
  const auto at_end = [](void* argument) {
    auto* const end = static_cast<Ending*>(argument);
    end->failures += end->operations.Run();
    if (++end->rounds < 3) pthread_setspecific(end->key, end);
  };
  ASSERT_EQ(pthread_key_create(&ending.key, at_end), 0);
  std::thread([&ending] {
    ending.failures = ending.operations.Run();
    pthread_setspecific(ending.key, &ending);
  }).join();
  pthread_key_delete(ending.key);
  EXPECT_EQ(ending.rounds, 3);
  EXPECT_EQ(ending.failures, "");
}

// All emit their kernels at the same time as well.
TEST_P(PooledOperations, ManyObjectsOnOnePool) {
  const auto pool = MakePool();
  const Context context = ContextOn(pool->adapter());
  std::atomic<int> next{0};
  EXPECT_EQ(
      OnThreads(6, [&] { return Operations(context, next++ % Operations::kKindsOfParents).Run(); }),
      "");
}

TEST_P(PooledOperations, WithinACallback) {
  const auto pool = MakePool();
  const Context context = ContextOn(pool->adapter());
  const Operations outer(context, 2);
  const Operations inner(context, 0);
  EXPECT_EQ(outer.RunAround(inner), "");
  EXPECT_EQ(outer.RunAround(outer), "");
  EXPECT_EQ(OnThreads(3, [&] { return outer.RunAround(inner); }), "");
}

TEST_P(PooledOperations, WithinCallbacksOfOtherPools) {
  const auto pool = MakePool(3);
  const Operations outer(ContextOn(pool->adapter()), 2);
  for (const PoolKind& kind : PoolKinds()) {
    const auto other = kind.make(3);
    EXPECT_EQ(outer.RunAround(Operations(ContextOn(other->adapter()), 0)), "") << kind.name;
  }
}

}  // namespace
}  // namespace qforge::test
