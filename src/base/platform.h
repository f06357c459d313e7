// Which code paths this build has. Everything that needs an x86-64 CPU asks here, and not the
// compiler's own macros, so that the portable build can be compiled and tested on x86-64 too
// (-DQFORGE_X86_64=0).
#ifndef QFORGE_BASE_PLATFORM_H_
#define QFORGE_BASE_PLATFORM_H_

#ifndef QFORGE_X86_64
#if defined(__x86_64__)
#define QFORGE_X86_64 1
#else
#define QFORGE_X86_64 0
#endif
#endif

#endif  // QFORGE_BASE_PLATFORM_H_
