// An xbyak of another flavour than qforge's: the same inline functions report errors in another
// way.
// Were both in one namespace, the linker would keep one definition of each and break the other.
#define XBYAK_NO_EXCEPTION
#include <xbyak/xbyak.h>

int CallCodeFromOwnXbyak() {
  Xbyak::CodeGenerator generator;
  generator.mov(generator.eax, 42);
  generator.ret();
  const int result = generator.getCode<int (*)()>()();

  generator.align(3);  // not a power of two
  const bool noticed = Xbyak::GetError() == Xbyak::ERR_BAD_ALIGN;
  Xbyak::ClearError();
  return noticed ? result : -1;
}
