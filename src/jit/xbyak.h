// The one include of xbyak. Its namespace is renamed, because a host program may link another
// version of that header-only library, whose inline functions the linker would merge with ours.
#ifndef QFORGE_JIT_XBYAK_H_
#define QFORGE_JIT_XBYAK_H_

#define Xbyak qforge_xbyak
#include <xbyak/xbyak.h>
#undef Xbyak

#endif  // QFORGE_JIT_XBYAK_H_
