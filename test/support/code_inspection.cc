#include "support/code_inspection.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>
#include <utility>

#include "cpu/isa_table.h"

namespace qforge::test {
namespace {

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

// What is kept of a decoded instruction; the rest is examined when it is met.
struct Instruction {
  ZydisMnemonic mnemonic;
  ZydisRegister first_register;
  uint8_t length;
};

bool IsIn(ZydisISASet set, const cpu::IsaTraits& isa) {
  const bool wide = isa.vector_bytes == 64;
  switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_LONGMODE:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
      return true;
    case ZYDIS_ISA_SET_AVX:
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVX2GATHER:
    case ZYDIS_ISA_SET_FMA:
    case ZYDIS_ISA_SET_F16C:
      return isa.vector_bytes > 0;
    case ZYDIS_ISA_SET_AVX_VNNI:
      return isa.vnni && !isa.evex;
    case ZYDIS_ISA_SET_AVX512F_128:
    case ZYDIS_ISA_SET_AVX512F_128N:
    case ZYDIS_ISA_SET_AVX512F_256:
    case ZYDIS_ISA_SET_AVX512F_KOP:
    case ZYDIS_ISA_SET_AVX512F_SCALAR:
    case ZYDIS_ISA_SET_AVX512BW_128:
    case ZYDIS_ISA_SET_AVX512BW_128N:
    case ZYDIS_ISA_SET_AVX512BW_256:
    case ZYDIS_ISA_SET_AVX512BW_KOP:
    case ZYDIS_ISA_SET_AVX512DQ_128:
    case ZYDIS_ISA_SET_AVX512DQ_128N:
    case ZYDIS_ISA_SET_AVX512DQ_256:
    case ZYDIS_ISA_SET_AVX512DQ_KOP:
    case ZYDIS_ISA_SET_AVX512DQ_SCALAR:
      return isa.evex;
    case ZYDIS_ISA_SET_AVX512F_512:
    case ZYDIS_ISA_SET_AVX512BW_512:
    case ZYDIS_ISA_SET_AVX512DQ_512:
      return isa.evex && wide;
    case ZYDIS_ISA_SET_AVX512_VNNI_128:
    case ZYDIS_ISA_SET_AVX512_VNNI_256:
      return isa.evex && isa.vnni;
    case ZYDIS_ISA_SET_AVX512_VNNI_512:
      return isa.evex && isa.vnni && wide;
    case ZYDIS_ISA_SET_AVX512_BF16_128:
    case ZYDIS_ISA_SET_AVX512_BF16_256:
      return isa.bf16;
    case ZYDIS_ISA_SET_AVX512_BF16_512:
      return isa.bf16 && wide;
    default:
      return false;
  }
}

ZydisRegister FullRegister(ZydisRegister r) {
  return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
}

bool IsCalleeSaved(ZydisRegister full) {
  return full == ZYDIS_REGISTER_RBX || full == ZYDIS_REGISTER_RBP ||
         (full >= ZYDIS_REGISTER_R12 && full <= ZYDIS_REGISTER_R15);
}

bool IsWritten(const ZydisDecodedOperand& operand) {
  return (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

class Inspector {
 public:
  Inspector(const uint8_t* code, size_t size, Isa isa)
      : bytes_(code), size_(size), isa_(cpu::Traits(isa)) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatterInit(&formatter_, ZYDIS_FORMATTER_STYLE_INTEL);
  }

  CodeInspection Run() {
    FollowAllPaths();
    CheckContiguous();
    CheckDataReferences();
    CheckStack();
    result_.instructions = static_cast<int>(code_.size());
    return std::move(result_);
  }

 private:
  bool Decode(size_t offset, Decoded* decoded) const {
    return offset < size_ &&
           ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, bytes_ + offset, size_ - offset,
                                               &decoded->instruction, decoded->operands));
  }

  void Violation(size_t offset, const std::string& reason) {
    char text[160] = "(no instruction)";
    Decoded decoded;
    if (Decode(offset, &decoded)) {
      ZydisFormatterFormatInstruction(&formatter_, &decoded.instruction, decoded.operands,
                                      decoded.instruction.operand_count_visible, text, sizeof(text),
                                      offset, nullptr);
    }
    char position[32];
    std::snprintf(position, sizeof(position), "+0x%zx ", offset);
    result_.violations.push_back(std::string(position) + text + ": " + reason);
  }

  void FollowAllPaths() {
    std::vector<int64_t> pending = {0};
    Decoded decoded;
    while (!pending.empty()) {
      const int64_t target = pending.back();
      pending.pop_back();
      if (target < 0 || target >= static_cast<int64_t>(size_)) {
        Violation(size_, "a path leaves the code");
        continue;
      }
      const size_t offset = static_cast<size_t>(target);
      if (code_.count(offset) != 0) continue;
      if (!Decode(offset, &decoded)) {
        Violation(offset, "does not decode");
        continue;
      }
      const ZydisDecodedInstruction& instruction = decoded.instruction;
      const ZydisDecodedOperand& first = decoded.operands[0];
      const bool has_register =
          instruction.operand_count > 0 && first.type == ZYDIS_OPERAND_TYPE_REGISTER;
      code_.emplace(offset, Instruction{instruction.mnemonic,
                                        has_register ? first.reg.value : ZYDIS_REGISTER_NONE,
                                        instruction.length});
      Examine(offset, decoded);

      const ZydisInstructionCategory category = instruction.meta.category;
      const int64_t next = target + instruction.length;
      const bool jumps = category == ZYDIS_CATEGORY_COND_BR || category == ZYDIS_CATEGORY_UNCOND_BR;
      if (jumps && first.type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        Violation(offset, "jumps to a computed address");
        continue;
      }
      if (jumps) pending.push_back(next + first.imm.value.s);
      if (category != ZYDIS_CATEGORY_UNCOND_BR && category != ZYDIS_CATEGORY_RET) {
        pending.push_back(next);
      }
    }
  }

  // All that can be said of an instruction by itself.
  void Examine(size_t offset, const Decoded& decoded) {
    const ZydisDecodedInstruction& instruction = decoded.instruction;
    const ZydisISASet set = instruction.meta.isa_set;
    if (!IsIn(set, isa_)) {
      Violation(offset, std::string(ZydisISASetGetString(set)) + " is not in " + isa_.name);
    }
    if (instruction.avx.vector_length > isa_.vector_bytes * 8) {
      Violation(offset, std::string("vectors wider than those of ") + isa_.name);
    }
    if (instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && !isa_.evex) {
      Violation(offset, std::string("EVEX encoding is not in ") + isa_.name);
    }
    if (instruction.meta.category == ZYDIS_CATEGORY_CALL) Violation(offset, "calls something");
    for (const auto& immediate : instruction.raw.imm) {
      if (immediate.size == 64) Violation(offset, "a 64-bit immediate may be an address");
    }
    for (int i = 0; i < instruction.operand_count; ++i) {
      const ZydisDecodedOperand& operand = decoded.operands[i];
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
        ExamineMemory(offset, instruction, operand);
      } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && IsWritten(operand)) {
        ExamineWrite(offset, instruction, operand.reg.value);
      }
    }
  }

  void ExamineMemory(size_t offset, const ZydisDecodedInstruction& instruction,
                     const ZydisDecodedOperand& operand) {
    const auto& memory = operand.mem;
    if (memory.segment == ZYDIS_REGISTER_FS || memory.segment == ZYDIS_REGISTER_GS) {
      Violation(offset, "uses a segment");
    }
    if (memory.base == ZYDIS_REGISTER_NONE && memory.index == ZYDIS_REGISTER_NONE) {
      Violation(offset, "an absolute address");
    }
    if (memory.base != ZYDIS_REGISTER_RIP) return;
    if (IsWritten(operand)) Violation(offset, "writes into the code");
    const int64_t target = static_cast<int64_t>(offset) + instruction.length + memory.disp.value;
    data_references_.push_back({offset, target, target + operand.size / 8});
  }

  void ExamineWrite(size_t offset, const ZydisDecodedInstruction& instruction, ZydisRegister r) {
    const bool is_pop = instruction.mnemonic == ZYDIS_MNEMONIC_POP;
    const ZydisRegister full = FullRegister(r);
    if (full == ZYDIS_REGISTER_RSP && !is_pop && instruction.mnemonic != ZYDIS_MNEMONIC_PUSH &&
        instruction.mnemonic != ZYDIS_MNEMONIC_RET) {
      Violation(offset, "moves the stack pointer");
    }
    if (IsCalleeSaved(full) && !is_pop) callee_saved_writes_.push_back({offset, full});
    const ZydisRegisterClass kind = ZydisRegisterGetClass(r);
    if (kind == ZYDIS_REGCLASS_YMM || kind == ZYDIS_REGCLASS_ZMM) writes_wide_ = true;
  }

  void CheckContiguous() {
    size_t end = 0;
    for (const auto& [offset, instruction] : code_) {
      if (offset < end) Violation(offset, "overlaps the instruction in front of it");
      if (offset > end) Violation(end, "bytes that no path reaches, in front of instructions");
      end = std::max(end, offset + instruction.length);
    }
    result_.instruction_bytes = end;
  }

  void CheckDataReferences() {
    for (const DataReference& reference : data_references_) {
      if (reference.begin < static_cast<int64_t>(result_.instruction_bytes) ||
          reference.end > static_cast<int64_t>(size_)) {
        Violation(reference.offset, "refers to what is not data of this code");
      }
    }
  }

  // Pushes stand in front; before each ret the pops that undo them, and before those vzeroupper.
  void CheckStack() {
    std::vector<ZydisRegister> pushed;
    auto at = code_.begin();
    for (; at != code_.end() && at->second.mnemonic == ZYDIS_MNEMONIC_PUSH; ++at) {
      pushed.push_back(at->second.first_register);
    }
    for (const auto& [offset, r] : callee_saved_writes_) {
      if (std::count(pushed.begin(), pushed.end(), r) != 1) {
        Violation(offset, "writes a callee-saved register that was not pushed");
      }
    }
    size_t open = pushed.size();  // on the way to the next ret
    bool cleared = false;
    for (; at != code_.end(); ++at) {
      const auto& [offset, instruction] = *at;
      switch (instruction.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH:
          Violation(offset, "pushes in the middle");
          break;
        case ZYDIS_MNEMONIC_POP:
          if (open == 0 || instruction.first_register != pushed[open - 1]) {
            Violation(offset, "pops what was not the last one pushed");
          }
          if (open > 0) --open;
          break;
        case ZYDIS_MNEMONIC_RET:
          if (open != 0) Violation(offset, "returns before all is popped");
          if (writes_wide_ && !cleared) {
            Violation(offset, "returns with the upper halves of vectors dirty");
          }
          open = pushed.size();
          cleared = false;
          break;
        case ZYDIS_MNEMONIC_VZEROUPPER:
          cleared = true;
          break;
        default:
          // Nothing but pops may stand between vzeroupper and ret, nor anything between pops.
          if (open != pushed.size()) Violation(offset, "stands between pops");
          cleared = false;
          break;
      }
    }
  }

  struct DataReference {
    size_t offset;
    int64_t begin;
    int64_t end;
  };

  const uint8_t* const bytes_;
  const size_t size_;
  const cpu::IsaTraits& isa_;
  ZydisDecoder decoder_;
  ZydisFormatter formatter_;
  std::map<size_t, Instruction> code_;  // by offset
  std::vector<DataReference> data_references_;
  std::vector<std::pair<size_t, ZydisRegister>> callee_saved_writes_;
  bool writes_wide_ = false;
  CodeInspection result_;
};

}  // namespace

std::string CodeInspection::Text() const {
  std::string text;
  for (const std::string& violation : violations) text += "  " + violation + "\n";
  return text;
}

CodeInspection InspectCode(const uint8_t* code, size_t size, Isa isa) {
  return Inspector(code, size, isa).Run();
}

std::optional<Isa> IsaOfKernel(const std::string& kernel_name) {
  std::optional<Isa> found;
  size_t longest = 0;
  const std::string name = "_" + kernel_name + "_";
  for (int i = 0; i < kIsaCount; ++i) {
    const std::string_view isa = IsaName(static_cast<Isa>(i));
    if (isa.size() > longest && name.find("_" + std::string(isa) + "_") != std::string::npos) {
      found = static_cast<Isa>(i);
      longest = isa.size();
    }
  }
  return found;
}

}  // namespace qforge::test
