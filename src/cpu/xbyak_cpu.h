// xbyak's CPU query and nothing else of xbyak, in a namespace of our own: a host program may link
// another xbyak. The only place that includes xbyak_util.h.
#ifndef QFORGE_CPU_XBYAK_CPU_H_
#define QFORGE_CPU_XBYAK_CPU_H_

#ifdef XBYAK_XBYAK_UTIL_H_
#error "xbyak_util.h was included before cpu/xbyak_cpu.h, under its own namespace"
#endif

// Without it the whole assembler comes along, and failures are thrown.
#define XBYAK_ONLY_CLASS_CPU
#define Xbyak qforge_xbyak
#include <xbyak/xbyak_util.h>
#undef Xbyak

namespace qforge::cpu {
using XbyakCpu = qforge_xbyak::util::Cpu;
}  // namespace qforge::cpu

#endif  // QFORGE_CPU_XBYAK_CPU_H_
