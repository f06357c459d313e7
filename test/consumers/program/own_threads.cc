// Threads of the host's, which qforge is lent.
#include <qforge/threads/executor.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

int CountTasksOnOwnThreads() {
  std::vector<std::thread> threads;
  std::atomic<int> tasks{0};
  qforge::ExecutorAdapter adapter([&](auto work) { threads.emplace_back(std::move(work)); }, 4);
  adapter.ParallelFor(
      100, [](void* count, int64_t) noexcept { ++*static_cast<std::atomic<int>*>(count); }, &tasks);
  for (std::thread& thread : threads) thread.join();
  return tasks;
}
