// What fuzz targets share: values drawn from the fuzzer's bytes, matrices on guarded memory, and
// checks. When the bytes are used up every draw gives 0, or the first choice, which is always the
// plain and valid one. Compilers evaluate arguments in orders of their own: where two draws are
// arguments they stand in braces, so that an input means the same everywhere.
#ifndef QFORGE_TEST_FUZZ_FUZZ_INPUT_H_
#define QFORGE_TEST_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <type_traits>

#include "qforge/context.h"
#include "qforge/status.h"
#include "qforge/types.h"
#include "qforge/views.h"
#include "support/guarded_buffer.h"
#include "support/random.h"

namespace qforge::fuzz {

using test::GuardedBuffer;
using test::GuardedBytes;

// Ends the program, which fuzzers report and keep the input of, unless `condition` holds.
inline void Check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::abort();
}

inline void CheckOk(const Status& status) { Check(status.ok(), status.message()); }

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  size_t left() const { return left_; }
  const uint8_t* data() const { return data_; }

  template <class T>
  T Any() {
    T value{};
    const size_t bytes = std::min(sizeof(T), left_);
    if (bytes != 0) std::memcpy(static_cast<void*>(&value), data_, bytes);
    data_ += bytes;
    left_ -= bytes;
    return value;
  }
  bool Bool() { return (Any<uint8_t>() & 1) != 0; }
  // For what makes most inputs invalid.
  bool Rarely() { return Any<uint8_t>() % 32 == 31; }

  // In [low, high].
  int64_t Integer(int64_t low, int64_t high) {
    const uint64_t span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    const uint64_t drawn = span < 256 ? Any<uint8_t>() : Any<uint64_t>();
    const uint64_t offset = span == UINT64_MAX ? drawn : drawn % (span + 1);
    return static_cast<int64_t>(static_cast<uint64_t>(low) + offset);
  }
  template <class T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Any<uint8_t>() % choices.size()];
  }
  // One of the first `count` values of an enumeration, and rarely something else.
  template <class E>
  E Enum(int count) {
    const uint8_t drawn = Any<uint8_t>();
    return static_cast<E>(drawn >= 0xF8 ? drawn : drawn % count);
  }
  // `right`, and rarely a number beside it or far from it.
  int64_t Nearly(int64_t right) {
    if (!Rarely()) return right;
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
    switch (Any<uint8_t>() % 8) {
      case 0:
        return right == -kMax - 1 ? right : right - 1;
      case 1:
        return right == kMax ? right : right + 1;
      case 2:
        return -1;
      case 3:
        return 0;
      case 4:
        return -kMax - 1;
      case 5:
        return kMax;
      case 6:
        return int64_t{1} << 31;
      default:
        return Any<int16_t>();
    }
  }
  // Mostly what layers have, sometimes any bits at all.
  float Float() {
    switch (Any<uint8_t>() % 4) {
      case 0:
        return static_cast<float>(Any<int16_t>()) * 0x1p-10f;
      case 1:
        return Pick({0.0f, -0.0f, 1.0f, -1.0f, 1e-45f, 1.17549435e-38f, 3.4028235e38f,
                     -3.4028235e38f, 65504.0f, 65520.0f, 0.5f,
                     std::numeric_limits<float>::infinity()});
      default:
        return Any<float>();
    }
  }
  // Finite and > 0, and rarely anything.
  float Scale() {
    if (Rarely()) return Float();
    const float unit = Pick({0.05f, 1.0f, 0.0078125f, 1e-3f, 37.5f, 1e-30f, 1e30f});
    return unit * static_cast<float>(1 + Any<uint8_t>());
  }
  test::Random Seed() { return test::Random(Any<uint16_t>()); }
  test::Guard Guard() { return Bool() ? test::Guard::kInFront : test::Guard::kBehind; }

 private:
  const uint8_t* data_;
  size_t left_;
};

inline DataType DrawType(FuzzInput& in, std::initializer_list<DataType> choices) {
  return in.Rarely() ? in.Enum<DataType>(7) : in.Pick(choices);
}

// Fills `bytes` with elements of `type`: any bits, all of them extreme, or, for floats, what
// layers have.
inline void FillRandomly(FuzzInput& in, DataType type, std::byte* data, size_t bytes) {
  test::Random random = in.Seed();
  const uint8_t kind = in.Any<uint8_t>() % 4;
  for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(random.Next() >> 56);
  if (kind == 1) {
    const auto value = in.Any<std::byte>();
    for (size_t i = 0; i < bytes; ++i) {
      if ((data[i] & std::byte{3}) != std::byte{0}) data[i] = value;
    }
  }
  if (kind == 3) return;
  // The upper bytes of floats, for exponents around that of 1.
  const size_t size = static_cast<size_t>(DataTypeSize(type));
  if (type == DataType::kF32 || type == DataType::kBF16) {
    for (size_t i = size - 1; i < bytes; i += size) {
      data[i] = (data[i] & std::byte{0x80}) | std::byte{0x3F};
    }
  } else if (type == DataType::kF16) {
    for (size_t i = size - 1; i < bytes; i += size) data[i] &= std::byte{0xBF};
  }
}

// An array on guarded memory.
template <class T>
GuardedBuffer<T> DrawArray(FuzzInput& in, int64_t size) {
  GuardedBuffer<T> array(std::clamp<int64_t>(size, 0, 1 << 16), in.Guard());
  constexpr DataType kType = std::is_same_v<T, float>      ? DataType::kF32
                             : std::is_same_v<T, Half>     ? DataType::kF16
                             : std::is_same_v<T, BFloat16> ? DataType::kBF16
                                                           : DataType::kNone;
  FillRandomly(in, kType, reinterpret_cast<std::byte*>(array.data()),
               static_cast<size_t>(array.size()) * sizeof(T));
  return array;
}

// A matrix whose memory is exactly what its view says, on a guarded page; where that would be more
// than there is, it points to nothing.
class FuzzMatrix {
 public:
  static constexpr int64_t kMaxElements = 1 << 18;

  FuzzMatrix() = default;
  // rows x cols of `type`, with any stride; rarely of another size or type.
  FuzzMatrix(FuzzInput& in, DataType type, int64_t rows, int64_t cols)
      : type_(in.Rarely() ? in.Enum<DataType>(7) : type),
        rows_(in.Nearly(rows)),
        cols_(in.Nearly(cols)),
        stride_(in.Nearly(cols_ < kMaxElements ? cols_ + in.Pick({0, 0, 0, 1, 3, 64}) : cols_)) {
    // What has no elements needs no memory here, but there in proportion to its other side.
    if (rows_ == 0) cols_ = std::min(cols_, kMaxElements);
    if (cols_ == 0) rows_ = std::min(rows_, kMaxElements);
    const int64_t elements = Elements();
    const size_t element_bytes = static_cast<size_t>(std::max(1, DataTypeSize(type_)));
    if (elements < 0 || in.Rarely()) return;
    bytes_ = GuardedBytes(static_cast<size_t>(elements) * element_bytes, in.Guard());
    data_ = bytes_.data();
    FillRandomly(in, type_, data_, bytes_.size());
    if (element_bytes > 1 && elements > 1 && in.Rarely()) data_ += 1;  // which is refused
  }

  InputMatrix input() const { return View<InputMatrix>(); }
  OutputMatrix output() const { return View<OutputMatrix>(); }
  template <class T>
  MatrixView<T> view() const {
    return {static_cast<T*>(static_cast<void*>(data_)), rows_, cols_, stride_};
  }
  DataType type() const { return type_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }
  GuardedBytes& bytes() { return bytes_; }

 private:
  // That the view reaches; -1 where it is none, or too large.
  int64_t Elements() const {
    if (rows_ == 0 || cols_ == 0) return 0;
    if (rows_ < 0 || cols_ < 0 || stride_ < 0 || cols_ > kMaxElements) return -1;
    if (rows_ == 1) return cols_;
    if (rows_ > kMaxElements || stride_ > kMaxElements) return -1;
    const int64_t elements = (rows_ - 1) * stride_ + cols_;
    return elements > kMaxElements ? -1 : elements;
  }
  template <class View_>
  View_ View() const {
    View_ view;
    view.data = data_;
    view.rows = rows_;
    view.cols = cols_;
    view.stride = stride_;
    view.type = type_;
    return view;
  }

  DataType type_ = DataType::kNone;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  int64_t stride_ = 0;
  GuardedBytes bytes_;
  std::byte* data_ = nullptr;
};

// Bytes on the heap, to compare with later.
class Snapshot {
 public:
  explicit Snapshot(const GuardedBytes& bytes)
      : copy_(static_cast<std::byte*>(std::malloc(bytes.size() + 1))), size_(bytes.size()) {
    if (size_ != 0) std::memcpy(copy_, bytes.data(), size_);
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() { std::free(copy_); }

  bool Equals(const GuardedBytes& bytes) const {
    return size_ == 0 || std::memcmp(copy_, bytes.data(), size_) == 0;
  }
  void Restore(GuardedBytes& bytes) const {
    if (size_ != 0) std::memcpy(bytes.data(), copy_, size_);
  }
  const std::byte* data() const { return copy_; }
  size_t size() const { return size_; }

 private:
  std::byte* copy_;
  size_t size_;
};

// Whether two arrays of `type` are the same bits; one NaN is as good as another.
inline bool SameValues(DataType type, const std::byte* a, const std::byte* b, size_t bytes) {
  if (bytes == 0 || std::memcmp(a, b, bytes) == 0) return true;
  const size_t size = static_cast<size_t>(DataTypeSize(type));
  for (size_t i = 0; i + size <= bytes; i += size) {
    if (std::memcmp(a + i, b + i, size) == 0) continue;
    uint32_t bits[2] = {};
    std::memcpy(&bits[0], a + i, size);
    std::memcpy(&bits[1], b + i, size);
    for (const uint32_t value : bits) {
      const bool nan = (type == DataType::kF32 && (value & 0x7FFFFFFFu) > 0x7F800000u) ||
                       (type == DataType::kBF16 && (value & 0x7FFFu) > 0x7F80u) ||
                       (type == DataType::kF16 && (value & 0x7FFFu) > 0x7C00u);
      if (!nan) return false;
    }
  }
  return true;
}

// Divides work as three threads would, on the calling one, so that inputs are reproductions.
class SerialPool final : public ThreadPool {
 public:
  int ThreadCount() const noexcept override { return 3; }
  void ParallelFor(int64_t count, Task task, void* argument) noexcept override {
    for (int64_t i = count; i-- > 0;) task(argument, i);
  }
};

// Contexts live as long as the program.
inline const Context& ContextFor(Isa max_isa, bool threads) {
  static SerialPool pool;
  static const Result<Context>* contexts[kIsaCount][2] = {};
  const Result<Context>*& context = contexts[static_cast<int>(max_isa)][threads ? 1 : 0];
  if (context == nullptr) {
    ContextOptions options;
    options.max_isa = max_isa;
    options.pool = threads ? &pool : nullptr;
    context = new Result<Context>(Context::Create(options));
    CheckOk(context->status());
  }
  return **context;
}
inline Isa DrawIsa(FuzzInput& in) {
  return static_cast<Isa>(kIsaCount - 1 - in.Any<uint8_t>() % kIsaCount);
}
inline const Context& DrawContext(FuzzInput& in) {
  const Isa isa = DrawIsa(in);
  return ContextFor(isa, in.Bool());
}
inline const Context& ScalarContext() { return ContextFor(Isa::kScalar, false); }

}  // namespace qforge::fuzz

#endif  // QFORGE_TEST_FUZZ_FUZZ_INPUT_H_
