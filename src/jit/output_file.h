// A file that profilers read, written without ever getting in the way of the program.
#ifndef QFORGE_JIT_OUTPUT_FILE_H_
#define QFORGE_JIT_OUTPUT_FILE_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

namespace qforge::jit {

class OutputFile {
 public:
  // Creates the file if need be; `flags` are those of open(2) that add to this: O_APPEND or
  // O_TRUNC. Symbolic links are not followed, since these files have predictable names in /tmp.
  OutputFile(const std::string& path, int flags)
      : descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0644)) {}
  ~OutputFile() { Close(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

  // Not buffered, so that a forked child has nothing of its parent's to write. After an error the
  // file is closed: nothing may follow half a record.
  void Write(std::string_view bytes) {
    while (is_open() && !bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written > 0) {
        bytes.remove_prefix(static_cast<size_t>(written));
      } else if (written == 0 || errno != EINTR) {
        Close();
      }
    }
  }

 private:
  void Close() {
    if (is_open()) close(descriptor_);
    descriptor_ = -1;
  }

  int descriptor_;
};

}  // namespace qforge::jit

#endif  // QFORGE_JIT_OUTPUT_FILE_H_
