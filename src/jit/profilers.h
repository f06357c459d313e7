// Tells profilers and debuggers what code lies where. All of them are off unless an environment
// variable asks for them:
//
//   QFORGE_PERF_MAP=1     /tmp/perf-<pid>.map, which `perf report` reads by itself: names only.
//   QFORGE_JITDUMP=1      /tmp/jit-<pid>.dump, with the code: `perf record -k mono`, `perf inject -j`,
//   QFORGE_JITDUMP=DIR    then `perf annotate` shows instructions. Or DIR/jit-<pid>.dump.
//   QFORGE_GDB=1          symbols for gdb (its JIT interface), so that `bt` and `hbreak` know kernels.
//                         `break` as well with QFORGE_CODE_MEMORY=private: gdb cannot write its
//                         breakpoints into dual-mapped code.
//   QFORGE_DUMP_DIR=DIR   DIR/<name>.bin, for `objdump -D -b binary -m i386:x86-64`.
//
// "" and "0" are the same as not set. A profiler that cannot do its work is silent.
#ifndef QFORGE_JIT_PROFILERS_H_
#define QFORGE_JIT_PROFILERS_H_

#include <memory>
#include <string>
#include <vector>

#include "jit/kernel.h"

namespace qforge::jit {

// Not thread-safe. Belongs to the process that made it; a forked child makes its own.
class Profiler {
 public:
  virtual ~Profiler() = default;
  // Called once for every kernel, before anybody can call the kernel.
  virtual void Add(const Kernel& kernel) = 0;
};

// What the environment asks for and can be had.
std::vector<std::unique_ptr<Profiler>> ProfilersFromEnvironment();

// Each returns nullptr where it cannot work.
std::unique_ptr<Profiler> MakePerfMap();
std::unique_ptr<Profiler> MakeJitDump(const std::string& directory);
std::unique_ptr<Profiler> MakeGdbInterface();
std::unique_ptr<Profiler> MakeDumpDirectory(const std::string& directory);

}  // namespace qforge::jit

#endif  // QFORGE_JIT_PROFILERS_H_
