// Views: pointers with sizes. A view owns nothing and checks nothing; operations do.
#ifndef QFORGE_VIEWS_H_
#define QFORGE_VIEWS_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "qforge/export.h"
#include "qforge/types.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// `size` elements at `data`. Made from a pointer and a size, from an array, or from anything with
// data() and size(), such as a std::vector or a std::span.
template <class T>
class ArrayView {
 public:
  constexpr ArrayView() noexcept = default;
  constexpr ArrayView(T* data, int64_t size) noexcept : data_(data), size_(size) {}
  template <size_t kSize>
  constexpr ArrayView(T (&array)[kSize]) noexcept
      : data_(array), size_(static_cast<int64_t>(kSize)) {}
  template <class Container, class = std::enable_if_t<std::is_convertible<
                                 decltype(std::declval<Container&>().data()), T*>::value>>
  constexpr ArrayView(Container&& container) noexcept
      : data_(container.data()), size_(static_cast<int64_t>(container.size())) {}

  constexpr T* data() const noexcept { return data_; }
  constexpr int64_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T& operator[](int64_t i) const noexcept { return data_[i]; }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

// Integers of 32 or 64 bits. Made from a pointer and a size, from an array, or from anything with
// data() and size() that holds int32_t or int64_t.
class IndexView {
  template <class T>
  using IfIndex = std::enable_if_t<std::is_same<std::remove_const_t<T>, int32_t>::value ||
                                   std::is_same<std::remove_const_t<T>, int64_t>::value>;

 public:
  constexpr IndexView() noexcept = default;
  constexpr IndexView(const int32_t* data, int64_t size) noexcept
      : data_(data), size_(size), bytes_(4) {}
  constexpr IndexView(const int64_t* data, int64_t size) noexcept
      : data_(data), size_(size), bytes_(8) {}
  template <class T, size_t kSize, class = IfIndex<T>>
  constexpr IndexView(const T (&array)[kSize]) noexcept
      : IndexView(array, static_cast<int64_t>(kSize)) {}
  template <
      class Container,
      class = IfIndex<std::remove_pointer_t<decltype(std::declval<const Container&>().data())>>>
  constexpr IndexView(const Container& container) noexcept
      : IndexView(container.data(), static_cast<int64_t>(container.size())) {}

  constexpr const void* data() const noexcept { return data_; }
  constexpr int64_t size() const noexcept { return size_; }
  constexpr int element_bytes() const noexcept { return bytes_; }  // 4 or 8
  int64_t operator[](int64_t i) const noexcept {
    return bytes_ == 4 ? static_cast<const int32_t*>(data_)[i]
                       : static_cast<const int64_t*>(data_)[i];
  }

 private:
  const void* data_ = nullptr;
  int64_t size_ = 0;
  int bytes_ = 8;
};

// A row-major matrix: element (i, j) is data[i * stride + j]. `stride`, the leading dimension in
// elements, is `cols` unless given.
template <class T>
struct MatrixView {
  constexpr MatrixView() noexcept = default;
  constexpr MatrixView(T* data_in, int64_t rows_in, int64_t cols_in) noexcept
      : MatrixView(data_in, rows_in, cols_in, cols_in) {}
  constexpr MatrixView(T* data_in, int64_t rows_in, int64_t cols_in, int64_t stride_in) noexcept
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in) {}

  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
};

// A MatrixView whose element type is a value, so that one function serves every type. Converts
// from pointers and MatrixViews of u8, s8, s32, f32, f16 and bf16.
template <bool kConst>
class AnyMatrixView {
  template <class T>
  using Pointer = std::conditional_t<kConst, const T*, T*>;

 public:
  using Data = std::conditional_t<kConst, const void*, void*>;

  constexpr AnyMatrixView() noexcept = default;
  template <
      class T, DataType kType = DataTypeOf<std::remove_const_t<T>>::kValue,
      class = std::enable_if_t<std::is_convertible<T*, Pointer<std::remove_const_t<T>>>::value>>
  constexpr AnyMatrixView(const MatrixView<T>& view) noexcept
      : data(view.data), rows(view.rows), cols(view.cols), stride(view.stride), type(kType) {}
  template <
      class T, DataType kType = DataTypeOf<std::remove_const_t<T>>::kValue,
      class = std::enable_if_t<std::is_convertible<T*, Pointer<std::remove_const_t<T>>>::value>>
  constexpr AnyMatrixView(T* data_in, int64_t rows_in, int64_t cols_in) noexcept
      : data(data_in), rows(rows_in), cols(cols_in), stride(cols_in), type(kType) {}
  template <
      class T, DataType kType = DataTypeOf<std::remove_const_t<T>>::kValue,
      class = std::enable_if_t<std::is_convertible<T*, Pointer<std::remove_const_t<T>>>::value>>
  constexpr AnyMatrixView(T* data_in, int64_t rows_in, int64_t cols_in, int64_t stride_in) noexcept
      : data(data_in), rows(rows_in), cols(cols_in), stride(stride_in), type(kType) {}

  Data data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;  // in elements
  DataType type = DataType::kNone;
};

using InputMatrix = AnyMatrixView<true>;
using OutputMatrix = AnyMatrixView<false>;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_VIEWS_H_
