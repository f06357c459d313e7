// Matrices to test with, on guarded memory, and their comparison.
#ifndef QFORGE_TEST_SUPPORT_TEST_MATRIX_H_
#define QFORGE_TEST_SUPPORT_TEST_MATRIX_H_

#include <gtest/gtest.h>

#include <cstdint>

#include "qforge/types.h"
#include "qforge/views.h"
#include "support/guarded_buffer.h"
#include "support/random.h"

namespace qforge::test {

// A row-major matrix whose element type is a value. One end of its elements touches an unmapped
// page; between the rows are `gap` elements that belong to nobody, all their bits set.
class TestMatrix {
 public:
  TestMatrix() = default;
  TestMatrix(DataType type, int64_t rows, int64_t cols, int64_t gap = 0,
             Guard guard = Guard::kBehind);

  DataType type() const { return type_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }
  const GuardedBytes& bytes() const { return bytes_; }

  InputMatrix input() const;
  OutputMatrix output() const;
  template <class T>
  MatrixView<T> view() const {
    return {data<T>(), rows_, cols_, stride_};
  }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes_.data());
  }
  template <class T>
  T& at(int64_t row, int64_t col) const {
    return data<T>()[row * stride_ + col];
  }

  // Sets each element from function(row, col), converted to its type.
  template <class Function>
  const TestMatrix& Set(Function&& function) const;
  // Sets each element to any value of its type; a float to one of [low, high).
  void SetRandom(Random& random, float low = -1.0f, float high = 1.0f) const;
  // The same elements, gaps included, in memory of its own.
  TestMatrix Clone(Guard guard) const;
  // Takes over the elements, gaps included, of a matrix of the same shape and type.
  void CopyFrom(const TestMatrix& other) const;

  void Seal() { bytes_.Seal(); }
  bool CanariesIntact() const { return bytes_.CanariesIntact(); }

 private:
  DataType type_ = DataType::kNone;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  int64_t stride_ = 0;
  GuardedBytes bytes_;
};

// Whether both hold the same bits, gaps included; all NaNs count as one value. Otherwise the
// message gives the first difference, how many there are, and the block of rows and columns they
// lie in.
::testing::AssertionResult SameBits(const TestMatrix& expected, const TestMatrix& actual);

template <class Function>
const TestMatrix& TestMatrix::Set(Function&& function) const {
  for (int64_t i = 0; i < rows_; ++i) {
    for (int64_t j = 0; j < cols_; ++j) {
      switch (type_) {
        case DataType::kU8:
          at<uint8_t>(i, j) = static_cast<uint8_t>(function(i, j));
          break;
        case DataType::kS8:
          at<int8_t>(i, j) = static_cast<int8_t>(function(i, j));
          break;
        case DataType::kS32:
          at<int32_t>(i, j) = static_cast<int32_t>(function(i, j));
          break;
        case DataType::kF32:
          at<float>(i, j) = static_cast<float>(function(i, j));
          break;
        case DataType::kF16:
          at<Half>(i, j) = ToHalf(static_cast<float>(function(i, j)));
          break;
        case DataType::kBF16:
          at<BFloat16>(i, j) = ToBFloat16(static_cast<float>(function(i, j)));
          break;
        case DataType::kNone:
          break;
      }
    }
  }
  return *this;
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_TEST_MATRIX_H_
