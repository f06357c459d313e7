// A file in memory that has a path.
#ifndef QFORGE_TEST_FUZZ_MEMORY_FILE_H_
#define QFORGE_TEST_FUZZ_MEMORY_FILE_H_

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuzz_input.h"

namespace qforge::fuzz {

class MemoryFile {
 public:
  MemoryFile(const void* data, size_t size) : descriptor_(memfd_create("fuzzed", MFD_CLOEXEC)) {
    Check(descriptor_ >= 0, "no file in memory");
    Check(write(descriptor_, data, size) == static_cast<ssize_t>(size), "no room in memory");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace qforge::fuzz

#endif  // QFORGE_TEST_FUZZ_MEMORY_FILE_H_
