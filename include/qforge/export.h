// What a shared qforge exports: the declarations between QFORGE_BEGIN_EXPORT and QFORGE_END_EXPORT.
// A static qforge exports nothing, so that a plugin keeps the one that it holds to itself, and two
// plugins of a program can hold one each. QFORGE_SHARED, which tells them apart, is defined by the
// CMake target of a shared qforge and by pkg-config's flags for it.
#ifndef QFORGE_EXPORT_H_
#define QFORGE_EXPORT_H_

#ifdef QFORGE_SHARED
#define QFORGE_BEGIN_EXPORT _Pragma("GCC visibility push(default)")
#define QFORGE_END_EXPORT _Pragma("GCC visibility pop")
#else
#define QFORGE_BEGIN_EXPORT
#define QFORGE_END_EXPORT
#endif

#endif  // QFORGE_EXPORT_H_
