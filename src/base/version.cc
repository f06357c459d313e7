#include "qforge/version.h"

namespace qforge {

int Version() noexcept { return QFORGE_VERSION; }

}  // namespace qforge
