// gdb's JIT compilation interface ("JIT Interface" in the gdb manual): a list of object files in
// memory that gdb reads, and a function where it waits for changes. lldb knows it too.
#include "base/platform.h"
#if QFORGE_JIT

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "jit/profilers.h"

namespace qforge::jit {

// The layouts, and the symbols below, are gdb's.
struct GdbCodeEntry {
  GdbCodeEntry* next;
  GdbCodeEntry* previous;
  const char* object_file;
  uint64_t object_file_size;
};

struct GdbDescriptor {
  uint32_t version;
  uint32_t action;
  GdbCodeEntry* relevant;
  GdbCodeEntry* first;
};

constexpr uint32_t kGdbRegister = 1;

}  // namespace qforge::jit

// Weak, because another JIT compiler in the program may define them as well, and one of each is
// enough. Visible, because gdb has only the exported symbols of a stripped shared library.
extern "C" {
[[gnu::weak, gnu::noinline, gnu::visibility("default")]] void __jit_debug_register_code() {
  asm volatile("" ::: "memory");  // so that no call is optimised away
}
[[gnu::weak, gnu::visibility("default")]] qforge::jit::GdbDescriptor __jit_debug_descriptor = {
    1, 0, nullptr, nullptr};
}

namespace qforge::jit {
namespace {

constexpr char kStrings[] = "\0.text\0.symtab\0.strtab";  // the kernel's name follows
constexpr uint32_t kTextName = 1;
constexpr uint32_t kSymbolTableName = 7;
constexpr uint32_t kStringTableName = 15;
constexpr uint32_t kKernelName = sizeof(kStrings);

enum Section : uint16_t { kNoSection, kText, kSymbolTable, kStringTable, kSectionCount };

// The smallest ELF file that gives a range of memory a name: a text section without contents, a
// symbol table of one function, and strings.
struct ObjectFile {
  Elf64_Ehdr header = {};
  Elf64_Shdr sections[kSectionCount] = {};
  Elf64_Sym symbols[2] = {};
};

std::string MakeObjectFile(const Kernel& kernel) {
  const std::string strings = std::string(kStrings, sizeof(kStrings)) + kernel.name() + '\0';
  const auto address = reinterpret_cast<uintptr_t>(kernel.entry());

  ObjectFile object;
  std::memcpy(object.header.e_ident, ELFMAG, SELFMAG);
  object.header.e_ident[EI_CLASS] = ELFCLASS64;
  object.header.e_ident[EI_DATA] = ELFDATA2LSB;
  object.header.e_ident[EI_VERSION] = EV_CURRENT;
  object.header.e_type = ET_EXEC;  // addresses are final
  object.header.e_machine = EM_X86_64;
  object.header.e_version = EV_CURRENT;
  object.header.e_shoff = offsetof(ObjectFile, sections);
  object.header.e_ehsize = sizeof(Elf64_Ehdr);
  object.header.e_shentsize = sizeof(Elf64_Shdr);
  object.header.e_shnum = kSectionCount;
  object.header.e_shstrndx = kStringTable;

  Elf64_Shdr& text = object.sections[kText];
  text.sh_name = kTextName;
  text.sh_type = SHT_NOBITS;
  text.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  text.sh_addr = address;
  text.sh_size = kernel.code_size();
  text.sh_addralign = 1;

  Elf64_Shdr& symbols = object.sections[kSymbolTable];
  symbols.sh_name = kSymbolTableName;
  symbols.sh_type = SHT_SYMTAB;
  symbols.sh_offset = offsetof(ObjectFile, symbols);
  symbols.sh_size = sizeof(object.symbols);
  symbols.sh_link = kStringTable;
  symbols.sh_info = 1;  // the first symbol that is not local
  symbols.sh_addralign = alignof(Elf64_Sym);
  symbols.sh_entsize = sizeof(Elf64_Sym);

  Elf64_Shdr& names = object.sections[kStringTable];
  names.sh_name = kStringTableName;
  names.sh_type = SHT_STRTAB;
  names.sh_offset = sizeof(ObjectFile);
  names.sh_size = strings.size();
  names.sh_addralign = 1;

  Elf64_Sym& function = object.symbols[1];
  function.st_name = kKernelName;
  function.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  function.st_shndx = kText;
  function.st_value = address;
  function.st_size = kernel.code_size();

  return std::string(reinterpret_cast<const char*>(&object), sizeof(object)) + strings;
}

// Never taken off the list, as kernels are never freed.
struct Registration {
  GdbCodeEntry entry = {};
  std::string object_file;
};

class GdbInterface final : public Profiler {
 public:
  void Add(const Kernel& kernel) override {
    auto registration = std::make_unique<Registration>();
    registration->object_file = MakeObjectFile(kernel);

    GdbDescriptor& list = __jit_debug_descriptor;
    GdbCodeEntry* const entry = &registration->entry;
    entry->object_file = registration->object_file.data();
    entry->object_file_size = registration->object_file.size();
    entry->next = list.first;
    if (entry->next != nullptr) entry->next->previous = entry;
    list.first = entry;
    list.relevant = entry;
    list.action = kGdbRegister;
    registration.release();
    __jit_debug_register_code();
  }

  // gdb can write its breakpoints into read-only private pages, but not into shared ones.
  bool NeedsPrivatePages() const override { return true; }
};

}  // namespace

std::unique_ptr<Profiler> MakeGdbInterface() { return std::make_unique<GdbInterface>(); }

}  // namespace qforge::jit

#endif  // QFORGE_JIT
