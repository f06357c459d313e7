// Tells profilers and debuggers what code lies where. All of them are off unless an environment
// variable asks for them:
//
//   QFORGE_PERF_MAP=1    /tmp/perf-<pid>.map with names alone, which `perf report` reads by itself.
//   QFORGE_JITDUMP=1     /tmp/jit-<pid>.dump with names and code. After `perf record -k mono` and
//                        `perf inject -j`, `perf annotate` shows the instructions.
//   QFORGE_JITDUMP=DIR   The same, as DIR/jit-<pid>.dump.
//   QFORGE_GDB=1         Symbols for gdb (its JIT interface): `backtrace` and `break` know kernels.
//   QFORGE_DUMP_DIR=DIR  The code as DIR/<name>.bin, for `objdump -D -b binary -m i386:x86-64`.
//
// "" and "0" are the same as not set. A profiler that cannot do its work is silent. Two of them
// make private pages the default of QFORGE_CODE_MEMORY (code_memory.h), see NeedsPrivatePages().
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
  // Whether it is of little use for code in dual mappings.
  virtual bool NeedsPrivatePages() const { return false; }
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
