#include "kernels/embedding_kernel.h"

namespace qforge::kernels {}  // namespace qforge::kernels
