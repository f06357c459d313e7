#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>

namespace qforge::base {
namespace {

// A name beside `path` that no other call of this process uses.
std::string TemporaryName(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return path + "." + std::to_string(getpid()) + "." + std::to_string(count++) + ".partial";
}

// Where a file that is saved as `path` lies: behind symbolic links, if there are any. Not
// realpath(), which gives nothing for links to files that are not there yet.
Result<std::string> Destination(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  std::string destination = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    char target[PATH_MAX];
    const ssize_t size = readlink(destination.c_str(), target, sizeof(target));
    if (size < 0) return destination;  // no link
    const std::string name(target, static_cast<size_t>(size));
    const size_t folder = destination.rfind('/') + 1;  // its size; 0 where there is none
    destination = name[0] == '/' ? name : destination.substr(0, folder) + name;
  }
  errno = ELOOP;
  return SystemError("follow", path);
}

// Whether `bytes` more may be written. Whoever writes beyond the limit is sent a signal that ends
// the process.
bool IsWithinLimit(int descriptor, size_t bytes) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  const off_t at = lseek(descriptor, 0, SEEK_CUR);
  if (at >= 0 && static_cast<rlim_t>(at) <= limit.rlim_cur &&
      bytes <= limit.rlim_cur - static_cast<rlim_t>(at)) {
    return true;
  }
  errno = EFBIG;
  return false;
}

}  // namespace

File::File(const std::string& path, int flags) noexcept
    : descriptor_(open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666)) {}

File::~File() {
  if (is_open()) close(descriptor_);
}

bool File::Read(void* data, size_t bytes) noexcept {
  std::byte* to = static_cast<std::byte*>(data);
  while (bytes > 0) {
    errno = 0;
    const ssize_t got = read(descriptor_, to, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool File::Write(const void* data, size_t bytes) noexcept {
  if (!IsWithinLimit(descriptor_, bytes)) return false;
  const std::byte* from = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t put = write(descriptor_, from, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    from += put;
    bytes -= static_cast<size_t>(put);
  }
  return true;
}

Status SystemError(const char* verb, const std::string& path) {
  const int error = errno;
  StatusCode code = StatusCode::kInvalidArgument;
  for (const int limit : {ENOMEM, ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE}) {
    if (error == limit) code = StatusCode::kResourceExhausted;
  }
  return Status::Error(code, "path", "cannot %s %.120s: %s", verb, path.c_str(),
                       std::generic_category().message(error).c_str());
}

Result<int64_t> SizeOf(const File& file, const std::string& path) {
  if (!file.is_open()) return SystemError("open", path);
  struct stat state;
  if (fstat(file.descriptor(), &state) != 0) return SystemError("examine", path);
  if (!S_ISREG(state.st_mode)) {
    return Status::Error(StatusCode::kInvalidArgument, "path", "%.120s is not a regular file",
                         path.c_str());
  }
  return static_cast<int64_t>(state.st_size);
}

Status ReadExactly(const std::string& path, File* file, void* data, size_t bytes) {
  if (file->Read(data, bytes)) return Status();
  if (errno != 0) return SystemError("read", path);
  return Status::Error(StatusCode::kDataCorrupted, "path",
                       "%.120s: the file became shorter while it was read", path.c_str());
}

Result<std::shared_ptr<const std::byte>> MapFile(const File& file, const std::string& path,
                                                 size_t bytes) {
  void* const mapped = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (mapped == MAP_FAILED) return SystemError("map", path);
  // Unmaps also where the constructor throws.
  return std::shared_ptr<const std::byte>(
      static_cast<const std::byte*>(mapped),
      [bytes](const std::byte* begin) { munmap(const_cast<std::byte*>(begin), bytes); });
}

Status ReplaceFile(const std::string& path,
                   const std::function<Status(File* file, const std::string& name)>& write) {
  struct stat state {};
  const bool replaces = stat(path.c_str(), &state) == 0;
  if (replaces && !S_ISREG(state.st_mode)) {
    return Status::Error(StatusCode::kInvalidArgument, "path",
                         "%.120s is there and not a regular file", path.c_str());
  }
  const Result<std::string> followed = Destination(path);
  if (!followed.ok()) return followed.status();
  const std::string& destination = *followed;
  for (;;) {
    const std::string temporary = TemporaryName(destination);
    File file(temporary, O_WRONLY | O_CREAT | O_EXCL);
    // A process of the same number left it when it died.
    if (!file.is_open() && errno == EEXIST) continue;
    if (!file.is_open()) return SystemError("create", temporary);
    Status status;
    if (replaces && fchmod(file.descriptor(), state.st_mode & 07777) != 0) {
      status = SystemError("set the mode of", temporary);
    }
    if (status.ok()) status = write(&file, temporary);
    if (status.ok() && fsync(file.descriptor()) != 0) status = SystemError("write", temporary);
    if (status.ok() && std::rename(temporary.c_str(), destination.c_str()) != 0) {
      status = SystemError("replace", destination);
    }
    if (!status.ok()) unlink(temporary.c_str());
    return status;
  }
}

}  // namespace qforge::base
