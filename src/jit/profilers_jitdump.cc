// perf's format for code that can be annotated after the process has ended:
// tools/perf/Documentation/jitdump-specification.txt of Linux.
#include "base/platform.h"
#if QFORGE_JIT

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "jit/output_file.h"
#include "jit/profilers.h"

namespace qforge::jit {
namespace {

struct FileHeader {
  uint32_t magic = 0x4A695444;  // "JiTD"
  uint32_t version = 1;
  uint32_t size = sizeof(FileHeader);
  uint32_t machine = EM_X86_64;
  uint32_t padding = 0;
  uint32_t process;
  uint64_t timestamp;
  uint64_t flags = 0;  // timestamps are of CLOCK_MONOTONIC, not of the time stamp counter
};
static_assert(sizeof(FileHeader) == 40);

// Followed by the name, a zero byte and the code.
struct CodeLoad {
  uint32_t kind = 0;
  uint32_t size;  // of the record, with what follows
  uint64_t timestamp;
  uint32_t process;
  uint32_t thread;
  uint64_t address;
  uint64_t code_address;
  uint64_t code_size;
  uint64_t index;  // unique in the file
};
static_assert(sizeof(CodeLoad) == 56);

uint64_t Timestamp() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

template <class Record>
std::string_view BytesOf(const Record& record) {
  return {reinterpret_cast<const char*>(&record), sizeof(record)};
}

class JitDump final : public Profiler {
 public:
  explicit JitDump(const std::string& directory)
      : file_(directory + "/jit-" + std::to_string(getpid()) + ".dump", O_TRUNC) {
    FileHeader header;
    header.process = static_cast<uint32_t>(getpid());
    header.timestamp = Timestamp();
    file_.Write(BytesOf(header));
    // Nobody uses this mapping. perf records every executable mapping of a file, and `perf inject`
    // finds the dump by it.
    if (file_.is_open()) {
      marker_ = mmap(nullptr, sizeof(FileHeader), PROT_READ | PROT_EXEC, MAP_PRIVATE,
                     file_.descriptor(), 0);
    }
  }
  ~JitDump() override {
    if (is_mapped()) munmap(marker_, sizeof(FileHeader));
  }

  bool is_mapped() const { return marker_ != MAP_FAILED; }

  void Add(const Kernel& kernel) override {
    const std::string_view code(static_cast<const char*>(kernel.entry()), kernel.code_size());
    CodeLoad load;
    load.size = static_cast<uint32_t>(sizeof(load) + kernel.name().size() + 1 + code.size());
    load.timestamp = Timestamp();
    load.process = static_cast<uint32_t>(getpid());
    load.thread = static_cast<uint32_t>(syscall(SYS_gettid));
    load.address = load.code_address = reinterpret_cast<uintptr_t>(kernel.entry());
    load.code_size = code.size();
    load.index = next_index_++;

    std::string record;
    record.reserve(load.size);
    record.append(BytesOf(load)).append(kernel.name()).append(1, '\0').append(code);
    file_.Write(record);
  }

 private:
  OutputFile file_;
  void* marker_ = MAP_FAILED;
  uint64_t next_index_ = 0;
};

}  // namespace

std::unique_ptr<Profiler> MakeJitDump(const std::string& directory) {
  auto dump = std::make_unique<JitDump>(directory);
  if (!dump->is_mapped()) return nullptr;
  return dump;
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT
