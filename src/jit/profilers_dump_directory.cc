// One file per kernel that holds its code and nothing else.
#include "base/platform.h"
#if QFORGE_JIT

#include <cstdint>
#include <cstdio>
#include <functional>

#include "jit/output_file.h"
#include "jit/profilers.h"

namespace qforge::jit {
namespace {

// NAME_MAX is 255 on every common file system; this leaves room for the hash and ".bin".
constexpr size_t kMaxNameLength = 200;

bool IsSafe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == '+' || c == '=';
}

// `name` itself where it can be a file name. Otherwise what can be kept of it and a hash, so that
// two names do not end in one file.
std::string FileName(const std::string& name) {
  std::string safe = name.substr(0, kMaxNameLength);
  for (char& c : safe) {
    if (!IsSafe(c)) c = '_';
  }
  if (safe == name) return safe;
  char hash[24];
  std::snprintf(hash, sizeof(hash), "-%016zx", std::hash<std::string>()(name));
  return safe + hash;
}

class DumpDirectory final : public Profiler {
 public:
  explicit DumpDirectory(const std::string& directory) : directory_(directory) {}

  void Add(const Kernel& kernel) override {
    OutputFile file(directory_ + "/" + FileName(kernel.name()) + ".bin", O_TRUNC);
    file.Write({static_cast<const char*>(kernel.entry()), kernel.code_size()});
  }

 private:
  const std::string directory_;
};

}  // namespace

std::unique_ptr<Profiler> MakeDumpDirectory(const std::string& directory) {
  return std::make_unique<DumpDirectory>(directory);
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT
