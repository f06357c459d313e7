// Which qforge this is, by Semantic Versioning.
#ifndef QFORGE_VERSION_H_
#define QFORGE_VERSION_H_

#include "qforge/export.h"

// Of the headers; a test compares them with CMake's project(VERSION).
#define QFORGE_VERSION_MAJOR 0
#define QFORGE_VERSION_MINOR 1
#define QFORGE_VERSION_PATCH 0

// The three as one number that #if can compare: 1.2.3 is 10203.
#define QFORGE_VERSION \
  (QFORGE_VERSION_MAJOR * 10000 + QFORGE_VERSION_MINOR * 100 + QFORGE_VERSION_PATCH)

QFORGE_BEGIN_EXPORT
namespace qforge {

// The QFORGE_VERSION that the library was built with. That of the headers is another one where a
// shared qforge has been replaced since the caller was compiled.
int Version() noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_VERSION_H_
