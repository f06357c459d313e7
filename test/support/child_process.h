// Runs a part of a test in a forked child: to have the environment read anew, to set limits that
// cannot be taken back, or because forking is what is tested.
#ifndef QFORGE_TEST_SUPPORT_CHILD_PROCESS_H_
#define QFORGE_TEST_SUPPORT_CHILD_PROCESS_H_

#include <functional>
#include <string>

// In a body of RunInChild(): fails it unless `condition` holds.
#define QFORGE_CHILD_EXPECT(condition)                                               \
  do {                                                                               \
    if (!(condition)) {                                                              \
      return std::string(__FILE__ ":") + std::to_string(__LINE__) + ": " #condition; \
    }                                                                                \
  } while (false)

namespace qforge::test {

// Address and thread sanitizers reserve terabytes of addresses and handle fork() in their own way;
// the latter lets no child start threads whose parent had some.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kThreadSanitized = __has_feature(thread_sanitizer);
#else
inline constexpr bool kThreadSanitized = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = kThreadSanitized || __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = kThreadSanitized;
#endif

// The result of `body`, run in a child, or how the child died. "" means that all went well. A child
// that hangs is killed after some minutes. May be called in a child.
std::string RunInChild(const std::function<std::string()>& body);

// The line of /proc/self/maps that covers `address`, or "".
std::string MappingOf(const void* address);

// The lines of /proc/self/maps that are writable and executable, or "".
std::string WritableExecutableMappings();

// The contents of a file, or "".
std::string ReadFile(const std::string& path);

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_CHILD_PROCESS_H_
