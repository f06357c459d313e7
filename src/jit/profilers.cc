#include "jit/profilers.h"

#include "base/platform.h"
#if QFORGE_JIT

#include <cstdlib>
#include <cstring>
#include <utility>

namespace qforge::jit {
namespace {

// The value of an environment variable, or nullptr where it asks for nothing.
const char* Setting(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr || *value == '\0' || std::strcmp(value, "0") == 0 ? nullptr : value;
}

}  // namespace

std::vector<std::unique_ptr<Profiler>> ProfilersFromEnvironment() {
  std::vector<std::unique_ptr<Profiler>> profilers;
  const auto add = [&profilers](std::unique_ptr<Profiler> profiler) {
    if (profiler != nullptr) profilers.push_back(std::move(profiler));
  };
  if (Setting("QFORGE_PERF_MAP") != nullptr) add(MakePerfMap());
  if (const char* directory = Setting("QFORGE_JITDUMP")) {
    add(MakeJitDump(std::strcmp(directory, "1") == 0 ? "/tmp" : directory));
  }
  if (Setting("QFORGE_GDB") != nullptr) add(MakeGdbInterface());
  if (const char* directory = Setting("QFORGE_DUMP_DIR")) add(MakeDumpDirectory(directory));
  return profilers;
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT
