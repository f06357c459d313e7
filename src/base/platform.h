// Which code paths this build has. What needs an x86-64 CPU, or the emitter, asks here, and not the
// compiler's own macros, so that the portable build can be compiled and tested on x86-64 too.
#ifndef QFORGE_BASE_PLATFORM_H_
#define QFORGE_BASE_PLATFORM_H_

// Intrinsics that every x86-64 CPU has.
#ifndef QFORGE_X86_64
#if defined(__x86_64__)
#define QFORGE_X86_64 1
#else
#define QFORGE_X86_64 0
#endif
#endif

// Kernels are emitted. CMake's option of that name; without it there is Isa::kScalar alone.
#ifndef QFORGE_JIT
#define QFORGE_JIT QFORGE_X86_64
#endif

#endif  // QFORGE_BASE_PLATFORM_H_
