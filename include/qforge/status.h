// Errors as values. Nothing in qforge throws across its API, prints, or aborts on bad input: a
// function that can fail returns a Status, or a Result<T> that holds a value or a Status.
#ifndef QFORGE_STATUS_H_
#define QFORGE_STATUS_H_

#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "qforge/export.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

enum class StatusCode : unsigned char {
  kOk = 0,
  kInvalidArgument,    // an argument is wrong by itself or does not fit another one
  kOutOfRange,         // a number is outside the limits that the message states
  kUnsupported,        // valid, but this build, CPU or packed weight cannot do it
  kResourceExhausted,  // memory, executable memory, or a system limit
  kDataCorrupted,      // a checksum does not match
  kCancelled,          // the caller asked to stop
  kInternal,           // a bug in qforge; please report the message
};

// "OK", "INVALID_ARGUMENT" and so on.
const char* StatusCodeName(StatusCode code) noexcept;

// A code, the field that is at fault and a sentence that gives its value and the limit. The text is
// held inside the object and cut where it does not fit, so that making, copying and returning a
// Status never allocates. An OK status writes one byte.
class [[nodiscard]] Status {
 public:
  Status() noexcept : code_(StatusCode::kOk) {}
  // `field` names the argument at fault as the caller wrote it, for example "options.scales";
  // `format` is a printf format that gives the value and the limit.
#if defined(__GNUC__)
  __attribute__((format(printf, 3, 4)))
#endif
  static Status
  Error(StatusCode code, const char* field, const char* format, ...) noexcept;

  Status(const Status& other) noexcept { *this = other; }
  Status& operator=(const Status& other) noexcept;

  bool ok() const noexcept { return code_ == StatusCode::kOk; }
  StatusCode code() const noexcept { return code_; }
  // The argument at fault; empty when ok() or when no single argument is.
  const char* field() const noexcept { return ok() ? "" : field_; }
  // "CODE: field: sentence", or "OK".
  const char* message() const noexcept { return ok() ? "OK" : message_; }

 private:
  StatusCode code_;
  char field_[47];
  char message_[272];
};

// A T or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) noexcept(std::is_nothrow_move_constructible<T>::value) : status_() {
    new (&value_) T(std::move(value));
  }
  // `status` must not be OK; an OK one is turned into kInternal.
  Result(const Status& status) noexcept
      : status_(status.ok() ? Status::Error(StatusCode::kInternal, "", "a Result without a value")
                            : status) {}
  Result(Result&& other) noexcept(std::is_nothrow_move_constructible<T>::value)
      : status_(other.status_) {
    if (ok()) new (&value_) T(std::move(other.value_));
  }
  Result& operator=(Result&& other) noexcept(std::is_nothrow_move_constructible<T>::value) {
    if (this != &other) {
      this->~Result();
      new (this) Result(std::move(other));
    }
    return *this;
  }
  Result(const Result&) = delete;
  Result& operator=(const Result&) = delete;
  ~Result() {
    if (ok()) value_.~T();
  }

  bool ok() const noexcept { return status_.ok(); }
  explicit operator bool() const noexcept { return ok(); }
  const Status& status() const noexcept { return status_; }

  // The value. Calling one of these when !ok() is a bug in the caller and ends the program.
  T& value() & noexcept { return Checked(); }
  const T& value() const& noexcept { return const_cast<Result*>(this)->Checked(); }
  T&& value() && noexcept { return std::move(Checked()); }
  T& operator*() & noexcept { return Checked(); }
  const T& operator*() const& noexcept { return const_cast<Result*>(this)->Checked(); }
  T* operator->() noexcept { return &Checked(); }
  const T* operator->() const noexcept { return &const_cast<Result*>(this)->Checked(); }

 private:
  T& Checked() noexcept {
    if (!ok()) std::terminate();
    return value_;
  }

  Status status_;
  union {
    T value_;
  };
};

}  // namespace qforge
QFORGE_END_EXPORT

// Returns the Status of `expression` from the enclosing function unless it is OK.
#define QFORGE_RETURN_IF_ERROR(expression)           \
  do {                                               \
    ::qforge::Status qforge_status_ = (expression);  \
    if (!qforge_status_.ok()) return qforge_status_; \
  } while (false)

#endif  // QFORGE_STATUS_H_
