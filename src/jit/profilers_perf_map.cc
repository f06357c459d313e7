// perf's convention for code without a file: tools/perf/Documentation/jit-interface.txt of Linux.
#include "base/platform.h"
#if QFORGE_JIT

#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "jit/output_file.h"
#include "jit/profilers.h"

namespace qforge::jit {
namespace {

class PerfMap final : public Profiler {
 public:
  // Appended to, because other JIT compilers of this process write to the same file.
  PerfMap() : file_("/tmp/perf-" + std::to_string(getpid()) + ".map", O_APPEND) {}
  bool is_open() const { return file_.is_open(); }

  // One line in one write, which O_APPEND keeps in one piece: "start size name", in hexadecimal.
  void Add(const Kernel& kernel) override {
    char range[40];
    std::snprintf(range, sizeof(range), "%" PRIxPTR " %zx ",
                  reinterpret_cast<uintptr_t>(kernel.entry()), kernel.code_size());
    file_.Write(range + kernel.name() + "\n");
  }

  // To perf a dual mapping is a mapped file, whose symbols it looks for in that file alone.
  bool NeedsPrivatePages() const override { return true; }

 private:
  OutputFile file_;
};

}  // namespace

std::unique_ptr<Profiler> MakePerfMap() {
  auto map = std::make_unique<PerfMap>();
  if (!map->is_open()) return nullptr;
  return map;
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT
