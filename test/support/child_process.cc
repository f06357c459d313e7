#include "support/child_process.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace qforge::test {
namespace {

constexpr unsigned kSecondsUntilKilled = 300;

}  // namespace

std::string RunInChild(const std::function<std::string()>& body) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe() failed";
  const pid_t child = fork();
  if (child < 0) return "fork() failed";
  if (child == 0) {
    close(ends[0]);
    alarm(kSecondsUntilKilled);
    const std::string failure = body();
    const ssize_t written = write(ends[1], failure.data(), failure.size());
    // Not even _exit(): thread sanitizer looks in it for the parent's threads, and misses them.
    syscall(SYS_exit_group, written == static_cast<ssize_t>(failure.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string failure;
  char buffer[512];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    failure.append(buffer, static_cast<size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return "waitpid() failed";
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return "exit code " + std::to_string(WEXITSTATUS(status));
  return failure;
}

std::string MappingOf(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%zx-%zx", &begin, &end) != 2) return "";
    const auto wanted = reinterpret_cast<uintptr_t>(address);
    if (begin <= wanted && wanted < end) return line;
  }
  return "";
}

std::string WritableExecutableMappings() {
  std::ifstream maps("/proc/self/maps");
  std::string found;
  for (std::string line; std::getline(maps, line);) {
    char permissions[5] = {};
    if (std::sscanf(line.c_str(), "%*s %4s", permissions) != 1) return "not understood: " + line;
    if (permissions[1] == 'w' && permissions[2] == 'x') found += line + "\n";
  }
  return found;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

}  // namespace qforge::test
