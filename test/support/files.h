// Files to test with.
#ifndef QFORGE_TEST_SUPPORT_FILES_H_
#define QFORGE_TEST_SUPPORT_FILES_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace qforge::test {

// A folder of its own that goes with the object, and all in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = testing::TempDir() + "/qforge_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string File(const std::string& name) const { return path_ + "/" + name; }
  int Files() const {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}
inline void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The address range of the mapping of a file, from what the system says.
struct AddressRange {
  uintptr_t begin = 0;
  uintptr_t end = 0;
};
inline AddressRange MappingOf(const std::string& path) {
  const std::string name = std::filesystem::path(path).lexically_normal().string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(name) == std::string::npos) continue;
    AddressRange range;
    std::sscanf(line.c_str(), "%lx-%lx", &range.begin, &range.end);
    return range;
  }
  return {};
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_FILES_H_
