// Files as the file forms of tables and weights need them. POSIX.
#ifndef QFORGE_BASE_FILE_H_
#define QFORGE_BASE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "qforge/status.h"

namespace qforge::base {

// Closes itself. `flags` are those of open(), which does not wait, as for the other end of a pipe.
class File {
 public:
  File(const std::string& path, int flags) noexcept;
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  // False on an error, which errno gives, and at the end of the file, where errno is 0.
  bool Read(void* data, size_t bytes) noexcept;
  bool Write(const void* data, size_t bytes) noexcept;

 private:
  int descriptor_;
};

// What the system call that just failed says. The field is "path", here and below.
Status SystemError(const char* verb, const std::string& path);

// The size of a regular file; of another, or one that could not be opened, the reason.
Result<int64_t> SizeOf(const File& file, const std::string& path);

// The next `bytes` bytes. kDataCorrupted where the file has become shorter.
Status ReadExactly(const std::string& path, File* file, void* data, size_t bytes);

// The first `bytes` > 0 bytes, read-only, until the last copy of the pointer goes.
Result<std::shared_ptr<const std::byte>> MapFile(const File& file, const std::string& path,
                                                 size_t bytes);

// Has `write` fill a file of a name of its own, which it is told, and which becomes `path` when it
// is complete and on the disk. So a reader never sees half of a file, and what is mapped from the
// one that is replaced keeps its bytes. Keeps the mode of that one; follows symbolic links, to
// what is not there as well. Throws std::bad_alloc.
Status ReplaceFile(const std::string& path,
                   const std::function<Status(File* file, const std::string& name)>& write);

}  // namespace qforge::base

#endif  // QFORGE_BASE_FILE_H_
