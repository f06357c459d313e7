#include "qforge/types.h"

namespace qforge {

const char* DataTypeName(DataType type) noexcept {
  switch (type) {
    case DataType::kNone:
      return "none";
    case DataType::kU8:
      return "u8";
    case DataType::kS8:
      return "s8";
    case DataType::kS32:
      return "s32";
    case DataType::kF32:
      return "f32";
    case DataType::kF16:
      return "f16";
    case DataType::kBF16:
      return "bf16";
  }
  return "unknown";
}

}  // namespace qforge
