#include "jit/profilers.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/platform.h"
#include "jit/kernel_cache.h"
#include "jit/test_kernels.h"
#include "support/child_process.h"

#if QFORGE_JIT

// As the gdb manual declares them.
extern "C" {
struct jit_code_entry {
  jit_code_entry* next_entry;
  jit_code_entry* prev_entry;
  const char* symfile_addr;
  uint64_t symfile_size;
};
struct jit_descriptor {
  uint32_t version;
  uint32_t action_flag;
  jit_code_entry* relevant_entry;
  jit_code_entry* first_entry;
};
extern jit_descriptor __jit_debug_descriptor;
}

namespace qforge::jit {
namespace {

using test::MappingOf;
using test::ReadFile;
using test::RunInChild;
using test::WritableExecutableMappings;

// Every test publishes in a child, which reads the environment anew.
class ProfilersTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/qforge_profilers_XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::set<std::string> FilesInDirectory() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  std::string directory_;
};

TEST_F(ProfilersTest, AreOffByDefault) {
  const std::string failure = RunInChild([]() -> std::string {
    for (const char* value : {static_cast<const char*>(nullptr), "", "0"}) {
      for (const char* variable :
           {"QFORGE_PERF_MAP", "QFORGE_JITDUMP", "QFORGE_GDB", "QFORGE_DUMP_DIR"}) {
        if (value == nullptr) {
          unsetenv(variable);
        } else {
          setenv(variable, value, 1);
        }
      }
      QFORGE_CHILD_EXPECT(ProfilersFromEnvironment().empty());
    }
    return "";
  });
  EXPECT_EQ(failure, "");
}

TEST_F(ProfilersTest, PerfMapNamesTheRange) {
  const auto expected_line = [](const Kernel& kernel) {
    char line[100];
    std::snprintf(line, sizeof(line), "%" PRIxPTR " %zx %s\n",
                  reinterpret_cast<uintptr_t>(kernel.entry()), kernel.code_size(),
                  kernel.name().c_str());
    return std::string(line);
  };
  const std::string failure = RunInChild([&]() -> std::string {
    setenv("QFORGE_PERF_MAP", "1", 1);
    const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
    unlink(path.c_str());
    const Kernel& first = *FindOrEmitAdd("perf_map_first", 1).value();
    const Kernel& second = *FindOrEmitAdd("perf_map_second", 2, 1000).value();
    const std::string expected = expected_line(first) + expected_line(second);
    QFORGE_CHILD_EXPECT(ReadFile(path) == expected);
    const std::string in_child = RunInChild([&]() -> std::string {
      const std::string path_of_child = "/tmp/perf-" + std::to_string(getpid()) + ".map";
      unlink(path_of_child.c_str());
      const Kernel& third = *FindOrEmitAdd("perf_map_third", 3).value();
      const std::string written = ReadFile(path_of_child);
      unlink(path_of_child.c_str());
      QFORGE_CHILD_EXPECT(written == expected_line(third));
      return "";
    });
    const bool untouched = ReadFile(path) == expected;
    unlink(path.c_str());
    QFORGE_CHILD_EXPECT(untouched);
    return in_child;
  });
  EXPECT_EQ(failure, "");
}

// Takes a number off the front of `bytes`.
template <class Number>
Number Take(std::string* bytes) {
  Number number = 0;
  if (bytes->size() >= sizeof(number)) {
    std::memcpy(&number, bytes->data(), sizeof(number));
    bytes->erase(0, sizeof(number));
  }
  return number;
}

TEST_F(ProfilersTest, JitDumpHoldsNamesAndCode) {
  const std::string failure = RunInChild([this]() -> std::string {
    setenv("QFORGE_JITDUMP", directory_.c_str(), 1);
    const std::string path = directory_ + "/jit-" + std::to_string(getpid()) + ".dump";
    const Kernel* const kernels[] = {FindOrEmitAdd("jitdump_first", 1).value(),
                                     FindOrEmitAdd("jitdump_second", 2, 1000).value()};
    std::string dump = ReadFile(path);
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == 0x4A695444);
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == 1);   // version
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == 40);  // size of this header
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == EM_X86_64);
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == 0);
    QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == static_cast<uint32_t>(getpid()));
    uint64_t timestamp = Take<uint64_t>(&dump);
    QFORGE_CHILD_EXPECT(Take<uint64_t>(&dump) == 0);  // flags
    for (uint64_t i = 0; i < 2; ++i) {
      const Kernel& kernel = *kernels[i];
      const size_t before = dump.size();
      QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == 0);  // JIT_CODE_LOAD
      const uint32_t size = Take<uint32_t>(&dump);
      const uint64_t later = Take<uint64_t>(&dump);
      QFORGE_CHILD_EXPECT(later >= timestamp);
      timestamp = later;
      QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == static_cast<uint32_t>(getpid()));
      QFORGE_CHILD_EXPECT(Take<uint32_t>(&dump) == static_cast<uint32_t>(gettid()));
      QFORGE_CHILD_EXPECT(Take<uint64_t>(&dump) == reinterpret_cast<uintptr_t>(kernel.entry()));
      QFORGE_CHILD_EXPECT(Take<uint64_t>(&dump) == reinterpret_cast<uintptr_t>(kernel.entry()));
      QFORGE_CHILD_EXPECT(Take<uint64_t>(&dump) == kernel.code_size());
      QFORGE_CHILD_EXPECT(Take<uint64_t>(&dump) == i);
      QFORGE_CHILD_EXPECT(dump.compare(0, kernel.name().size() + 1, kernel.name() + '\0') == 0);
      dump.erase(0, kernel.name().size() + 1);
      QFORGE_CHILD_EXPECT(std::memcmp(dump.data(), kernel.entry(), kernel.code_size()) == 0);
      dump.erase(0, kernel.code_size());
      QFORGE_CHILD_EXPECT(before - dump.size() == size);
    }
    QFORGE_CHILD_EXPECT(dump.empty());
    // What perf finds the file by.
    const std::string maps = ReadFile("/proc/self/maps");
    const size_t line_end = maps.find(path);
    QFORGE_CHILD_EXPECT(line_end != std::string::npos);
    const size_t line_begin = maps.rfind('\n', line_end) + 1;
    QFORGE_CHILD_EXPECT(maps.substr(line_begin, line_end - line_begin).find(" r-xp ") !=
                        std::string::npos);
    QFORGE_CHILD_EXPECT(WritableExecutableMappings().empty());

    const std::string as_parent_left_it = ReadFile(path);
    const std::string in_child = RunInChild([this]() -> std::string {
      QFORGE_CHILD_EXPECT(FindOrEmitAdd("jitdump_third", 3).ok());
      const std::string dump_of_child =
          ReadFile(directory_ + "/jit-" + std::to_string(getpid()) + ".dump");
      QFORGE_CHILD_EXPECT(dump_of_child.size() ==
                          40 + 56 + sizeof("jitdump_third") + AddBytes(3).size());
      return "";
    });
    QFORGE_CHILD_EXPECT(ReadFile(path) == as_parent_left_it);
    return in_child;
  });
  EXPECT_EQ(failure, "");
  EXPECT_EQ(FilesInDirectory().size(), 2u);
}

TEST_F(ProfilersTest, JitDumpGoesToTmpUnlessTold) {
  const std::string failure = RunInChild([]() -> std::string {
    setenv("QFORGE_JITDUMP", "1", 1);
    const std::string path = "/tmp/jit-" + std::to_string(getpid()) + ".dump";
    unlink(path.c_str());
    QFORGE_CHILD_EXPECT(FindOrEmitAdd("jitdump_tmp", 1).ok());
    const std::string dump = ReadFile(path);
    unlink(path.c_str());
    QFORGE_CHILD_EXPECT(dump.find("jitdump_tmp") != std::string::npos);
    return "";
  });
  EXPECT_EQ(failure, "");
}

TEST_F(ProfilersTest, DumpDirectoryHoldsTheBytes) {
  const std::string plain = "gemm-u8s8_avx512_vnni.m6+n4";
  const std::string unsafe[] = {
      "../escape",           "../escapf",          "a/b c\n", "..", ".hidden",
      std::string(300, 'x'), std::string(301, 'x')};
  const std::string failure = RunInChild([&]() -> std::string {
    setenv("QFORGE_DUMP_DIR", directory_.c_str(), 1);
    QFORGE_CHILD_EXPECT(FindOrEmitAdd(plain, 5).ok());
    const std::vector<uint8_t> bytes = AddBytes(5);
    QFORGE_CHILD_EXPECT(ReadFile(directory_ + "/" + plain + ".bin") ==
                        std::string(bytes.begin(), bytes.end()));
    for (const std::string& name : unsafe) QFORGE_CHILD_EXPECT(FindOrEmitAdd(name, 6, 9).ok());
    return "";
  });
  EXPECT_EQ(failure, "");

  const std::vector<uint8_t> bytes = AddBytes(6, 9);
  const std::set<std::string> files = FilesInDirectory();
  EXPECT_EQ(files.size(), 1 + std::size(unsafe));
  for (const std::string& file : files) {
    EXPECT_LE(file.size(), 255u);
    EXPECT_TRUE(file.ends_with(".bin")) << file;
    if (file == plain + ".bin") continue;
    EXPECT_EQ(ReadFile(directory_ + "/" + file), std::string(bytes.begin(), bytes.end())) << file;
  }
}

TEST_F(ProfilersTest, SomeWantPrivatePagesUnlessToldOtherwise) {
  for (const std::string variable : {"QFORGE_PERF_MAP", "QFORGE_GDB", "QFORGE_DUMP_DIR"}) {
    for (const std::string mode : {"", "dual"}) {
      const std::string failure = RunInChild([&]() -> std::string {
        setenv("QFORGE_CODE_MEMORY", mode.c_str(), 1);
        setenv(variable.c_str(), variable == "QFORGE_DUMP_DIR" ? directory_.c_str() : "1", 1);
        const Result<const Kernel*> kernel = FindOrEmitAdd("profilers_pages", 8);
        unlink(("/tmp/perf-" + std::to_string(getpid()) + ".map").c_str());
        QFORGE_CHILD_EXPECT(kernel.ok());
        const bool is_private = MappingOf((*kernel)->entry()).find(" r-xp ") != std::string::npos;
        QFORGE_CHILD_EXPECT(is_private == (mode.empty() && variable != "QFORGE_DUMP_DIR"));
        return "";
      });
      EXPECT_EQ(failure, "") << variable << " " << mode;
    }
  }
}

TEST_F(ProfilersTest, FailuresDoNotReachTheKernel) {
  const std::string failure = RunInChild([this]() -> std::string {
    setenv("QFORGE_JITDUMP", (directory_ + "/missing").c_str(), 1);
    setenv("QFORGE_DUMP_DIR", (directory_ + "/missing").c_str(), 1);
    setenv("QFORGE_PERF_MAP", "1", 1);
    // A link in the place of the map is not followed.
    const std::string target = directory_ + "/target";
    const std::string map = "/tmp/perf-" + std::to_string(getpid()) + ".map";
    unlink(map.c_str());
    QFORGE_CHILD_EXPECT(symlink(target.c_str(), map.c_str()) == 0);
    const Result<const Kernel*> kernel = FindOrEmitAdd("profilers_failing", 7);
    unlink(map.c_str());
    QFORGE_CHILD_EXPECT(kernel.ok());
    QFORGE_CHILD_EXPECT(Adds((*kernel)->entry(), 7));
    return "";
  });
  EXPECT_EQ(failure, "");
  EXPECT_TRUE(FilesInDirectory().empty());
}

TEST_F(ProfilersTest, GdbInterfaceLinksObjectFiles) {
  const std::string failure = RunInChild([]() -> std::string {
    setenv("QFORGE_GDB", "1", 1);
    const Kernel* const kernels[] = {FindOrEmitAdd("gdb_first", 1).value(),
                                     FindOrEmitAdd("gdb_second", 2, 1000).value()};
    const jit_descriptor& descriptor = __jit_debug_descriptor;
    QFORGE_CHILD_EXPECT(descriptor.version == 1);
    QFORGE_CHILD_EXPECT(descriptor.action_flag == 1);  // JIT_REGISTER_FN
    QFORGE_CHILD_EXPECT(descriptor.relevant_entry == descriptor.first_entry);
    const jit_code_entry* entry = descriptor.first_entry;
    const jit_code_entry* previous = nullptr;
    for (int i = 1; i >= 0; --i) {  // newest first
      QFORGE_CHILD_EXPECT(entry != nullptr);
      QFORGE_CHILD_EXPECT(entry->prev_entry == previous);
      const char* const object = entry->symfile_addr;
      const auto* header = reinterpret_cast<const Elf64_Ehdr*>(object);
      QFORGE_CHILD_EXPECT(entry->symfile_size > sizeof(*header));
      QFORGE_CHILD_EXPECT(std::memcmp(header->e_ident, ELFMAG, SELFMAG) == 0);
      QFORGE_CHILD_EXPECT(header->e_machine == EM_X86_64);
      const auto* sections = reinterpret_cast<const Elf64_Shdr*>(object + header->e_shoff);
      const Elf64_Shdr* symbols = nullptr;
      for (int s = 0; s < header->e_shnum; ++s) {
        if (sections[s].sh_type == SHT_SYMTAB) symbols = &sections[s];
      }
      QFORGE_CHILD_EXPECT(symbols != nullptr);
      const Elf64_Shdr& strings = sections[symbols->sh_link];
      QFORGE_CHILD_EXPECT(strings.sh_offset + strings.sh_size == entry->symfile_size);
      const Elf64_Sym& symbol =
          reinterpret_cast<const Elf64_Sym*>(object + symbols->sh_offset)[symbols->sh_info];
      QFORGE_CHILD_EXPECT(object + strings.sh_offset + symbol.st_name == kernels[i]->name());
      QFORGE_CHILD_EXPECT(symbol.st_value == reinterpret_cast<uintptr_t>(kernels[i]->entry()));
      QFORGE_CHILD_EXPECT(symbol.st_size == kernels[i]->code_size());
      QFORGE_CHILD_EXPECT(sections[symbol.st_shndx].sh_addr == symbol.st_value);
      previous = entry;
      entry = entry->next_entry;
    }
    QFORGE_CHILD_EXPECT(entry == nullptr);
    return "";
  });
  EXPECT_EQ(failure, "");
}

constexpr char kKernelForGdb[] = "kernel_for_gdb";

TEST(GdbTest, KernelWithAFrame) {
  const Result<const Kernel*> kernel = FindOrEmit(kKernelForGdb, []() -> Result<CodeBytes> {
    // push rbp; mov rbp, rsp; lea eax, [rdi + 1]; pop rbp; ret
    return CodeBytes{kKernelForGdb, {0x55, 0x48, 0x89, 0xE5, 0x8D, 0x47, 0x01, 0x5D, 0xC3}};
  });
  ASSERT_TRUE(kernel.ok()) << kernel.status().message();
  EXPECT_EQ((*kernel)->As<AddFunction>()(41), 42);
}

// Runs gdb on the test above.
TEST(GdbTest, GdbKnowsTheKernel) {
  if (std::system("gdb --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no gdb";
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = std::string("QFORGE_GDB=1 QFORGE_CODE_MEMORY= gdb -nx -batch") +
                              " -ex 'set breakpoint pending on' -ex 'break " + kKernelForGdb +
                              "' -ex run -ex backtrace" + " --args '" + program +
                              "' --gtest_filter=GdbTest.KernelWithAFrame 2>&1";
  FILE* const gdb = popen(command.c_str(), "r");
  ASSERT_NE(gdb, nullptr);
  std::string output;
  char buffer[512];
  for (size_t count; (count = fread(buffer, 1, sizeof(buffer), gdb)) > 0;) {
    output.append(buffer, count);
  }
  pclose(gdb);
  if (output.find("[ RUN      ]") == std::string::npos) {
    GTEST_SKIP() << "gdb cannot run programs here: " << output;
  }
  EXPECT_NE(output.find("in kernel_for_gdb ()"), std::string::npos) << output;
  // gdb finds its way out of the kernel, too.
  EXPECT_NE(output.find("GdbTest_KernelWithAFrame_Test::TestBody"), std::string::npos) << output;
}

}  // namespace
}  // namespace qforge::jit
#endif  // QFORGE_JIT
