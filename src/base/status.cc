#include "qforge/status.h"

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace qforge {

const char* StatusCodeName(StatusCode code) noexcept {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case StatusCode::kOutOfRange:
      return "OUT_OF_RANGE";
    case StatusCode::kUnsupported:
      return "UNSUPPORTED";
    case StatusCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case StatusCode::kDataCorrupted:
      return "DATA_CORRUPTED";
    case StatusCode::kCancelled:
      return "CANCELLED";
    case StatusCode::kInternal:
      return "INTERNAL";
  }
  return "UNKNOWN";
}

// noexcept although it prints: snprintf into a caller's buffer neither throws nor, with the
// integer, string and plain float conversions used here, allocates.
Status Status::Error(StatusCode code, const char* field, const char* format, ...) noexcept {
  Status status;
  status.code_ = code;
  std::snprintf(status.field_, sizeof(status.field_), "%s", field == nullptr ? "" : field);

  const char* separator = status.field_[0] == '\0' ? "" : ": ";
  const auto prefix =
      static_cast<size_t>(std::snprintf(status.message_, sizeof(status.message_), "%s: %s%s",
                                        StatusCodeName(code), status.field_, separator));
  // The longest prefix is a code name and a full field: far shorter than message_.
  static_assert(sizeof(status.message_) > 2 * (sizeof(status.field_) + 32));
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(status.message_ + prefix, sizeof(status.message_) - prefix, format, arguments);
  va_end(arguments);
  return status;
}

Status& Status::operator=(const Status& other) noexcept {
  code_ = other.code_;
  if (!other.ok() && this != &other) {
    std::memcpy(field_, other.field_, sizeof(field_));
    std::memcpy(message_, other.message_, sizeof(message_));
  }
  return *this;
}

}  // namespace qforge
