// What the ready-made pool does where the system gives no threads.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>

#include "qforge/context.h"
#include "support/child_process.h"

namespace qforge::test {
namespace {

#ifdef QFORGE_TEST_PTHREADPOOL

TEST(ReadyMadePoolLimits, ThreadsThatCannotBeHadAreAStatus) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer needs more addresses than the limit leaves";
  const std::string failure = RunInChild([]() -> std::string {
    ContextOptions options;
    options.max_threads = 4;
    QFORGE_CHILD_EXPECT(Context::Create(options).ok());
    // Room for some stacks of 8 MiB, but not for 64.
    const rlimit limit = {64 << 20, RLIM_INFINITY};
    QFORGE_CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    options.max_threads = 64;
    const Result<Context> refused = Context::Create(options);
    QFORGE_CHILD_EXPECT(refused.status().code() == StatusCode::kResourceExhausted);
    QFORGE_CHILD_EXPECT(std::string(refused.status().field()) == "options.max_threads");
    options.max_threads = 1;
    QFORGE_CHILD_EXPECT(Context::Create(options).ok());
    return "";
  });
  EXPECT_EQ(failure, "");
}

#endif

}  // namespace
}  // namespace qforge::test
