// Uses parts of asmjit that qforge does not.
#include <asmjit/asmjit.h>

#include <cstring>

int CallCodeFromOwnAsmjit() {
  if (std::strcmp(asmjit::DebugUtils::errorAsString(asmjit::kErrorOk), "Ok") != 0) return -1;
  asmjit::JitRuntime runtime;
  asmjit::CodeHolder code;
  if (code.init(runtime.environment()) != asmjit::kErrorOk) return -2;
  asmjit::x86::Assembler assembler(&code);
  assembler.mov(asmjit::x86::eax, 43);
  assembler.ret();
  int (*function)() = nullptr;
  if (runtime.add(&function, &code) != asmjit::kErrorOk) return -3;
  const int result = function();
  runtime.release(function);
  return result;
}
