#include "support/test_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

namespace qforge::test {
namespace {

bool SameElement(const TestMatrix& a, const TestMatrix& b, int64_t index) {
  switch (a.type()) {
    case DataType::kU8:
    case DataType::kS8:
      return a.data<uint8_t>()[index] == b.data<uint8_t>()[index];
    case DataType::kS32:
      return a.data<int32_t>()[index] == b.data<int32_t>()[index];
    case DataType::kF32: {
      const float x = a.data<float>()[index];
      const float y = b.data<float>()[index];
      return std::memcmp(&x, &y, sizeof(x)) == 0 || (std::isnan(x) && std::isnan(y));
    }
    case DataType::kF16: {
      const Half x = a.data<Half>()[index];
      const Half y = b.data<Half>()[index];
      return x.bits == y.bits || (std::isnan(ToFloat(x)) && std::isnan(ToFloat(y)));
    }
    case DataType::kBF16: {
      const BFloat16 x = a.data<BFloat16>()[index];
      const BFloat16 y = b.data<BFloat16>()[index];
      return x.bits == y.bits || (std::isnan(ToFloat(x)) && std::isnan(ToFloat(y)));
    }
    case DataType::kNone:
      break;
  }
  return true;
}

std::string ElementText(const TestMatrix& matrix, int64_t index) {
  char text[64] = "";
  switch (matrix.type()) {
    case DataType::kU8:
      std::snprintf(text, sizeof(text), "%d", matrix.data<uint8_t>()[index]);
      break;
    case DataType::kS8:
      std::snprintf(text, sizeof(text), "%d", matrix.data<int8_t>()[index]);
      break;
    case DataType::kS32:
      std::snprintf(text, sizeof(text), "%d (0x%08x)", matrix.data<int32_t>()[index],
                    matrix.data<uint32_t>()[index]);
      break;
    case DataType::kF32:
      std::snprintf(text, sizeof(text), "%.9g (%a)",
                    static_cast<double>(matrix.data<float>()[index]),
                    static_cast<double>(matrix.data<float>()[index]));
      break;
    case DataType::kF16:
      std::snprintf(text, sizeof(text), "%.9g (0x%04x)",
                    static_cast<double>(ToFloat(matrix.data<Half>()[index])),
                    matrix.data<uint16_t>()[index]);
      break;
    case DataType::kBF16:
      std::snprintf(text, sizeof(text), "%.9g (0x%04x)",
                    static_cast<double>(ToFloat(matrix.data<BFloat16>()[index])),
                    matrix.data<uint16_t>()[index]);
      break;
    case DataType::kNone:
      break;
  }
  return text;
}

// Elements from the first to the last, gaps included.
int64_t ElementCount(const TestMatrix& matrix) {
  return matrix.rows() == 0 || matrix.cols() == 0
             ? 0
             : (matrix.rows() - 1) * matrix.stride() + matrix.cols();
}

}  // namespace

TestMatrix::TestMatrix(DataType type, int64_t rows, int64_t cols, int64_t gap, Guard guard)
    : type_(type), rows_(rows), cols_(cols), stride_(cols + gap) {
  bytes_ = GuardedBytes(static_cast<size_t>(ElementCount(*this) * DataTypeSize(type)), guard);
}

InputMatrix TestMatrix::input() const {
  InputMatrix view;
  view.data = bytes_.data();
  view.rows = rows_;
  view.cols = cols_;
  view.stride = stride_;
  view.type = type_;
  return view;
}

OutputMatrix TestMatrix::output() const {
  OutputMatrix view;
  view.data = bytes_.data();
  view.rows = rows_;
  view.cols = cols_;
  view.stride = stride_;
  view.type = type_;
  return view;
}

void TestMatrix::SetRandom(Random& random, float low, float high) const {
  if (type_ == DataType::kF32 || DataTypeSize(type_) == 2) {
    Set([&](int64_t, int64_t) { return random.Real(low, high); });
  } else {
    Set([&](int64_t, int64_t) { return random.Any<int32_t>(); });
  }
}

TestMatrix TestMatrix::Clone(Guard guard) const {
  TestMatrix clone(type_, rows_, cols_, stride_ - cols_, guard);
  clone.CopyFrom(*this);
  return clone;
}

void TestMatrix::CopyFrom(const TestMatrix& other) const {
  if (bytes_.size() != 0) std::memcpy(bytes_.data(), other.bytes_.data(), bytes_.size());
}

::testing::AssertionResult SameBits(const TestMatrix& expected, const TestMatrix& actual) {
  if (expected.type() != actual.type() || expected.rows() != actual.rows() ||
      expected.cols() != actual.cols() || expected.stride() != actual.stride()) {
    return ::testing::AssertionFailure() << "matrices of different shapes or types";
  }
  if (!actual.CanariesIntact()) {
    return ::testing::AssertionFailure() << "memory outside of the matrix was written";
  }
  if (expected.bytes().size() == 0 ||
      std::memcmp(expected.bytes().data(), actual.bytes().data(), expected.bytes().size()) == 0) {
    return ::testing::AssertionSuccess();
  }

  int64_t first = -1;
  int64_t count = 0;
  int64_t top = expected.rows(), bottom = -1, left = expected.stride(), right = -1;
  for (int64_t index = 0; index < ElementCount(expected); ++index) {
    if (SameElement(expected, actual, index)) continue;
    const int64_t row = index / expected.stride();
    const int64_t col = index % expected.stride();
    if (first < 0) first = index;
    ++count;
    top = std::min(top, row);
    bottom = std::max(bottom, row);
    left = std::min(left, col);
    right = std::max(right, col);
  }
  if (count == 0) return ::testing::AssertionSuccess();  // NaNs of different bits

  const int64_t row = first / expected.stride();
  const int64_t col = first % expected.stride();
  return ::testing::AssertionFailure()
         << "[" << row << "][" << col << "]"
         << (col >= expected.cols() ? ", in the gap between two rows," : "") << " is "
         << ElementText(actual, first) << ", expected " << ElementText(expected, first) << "; "
         << count << " of " << expected.rows() << " x " << expected.cols()
         << " elements differ, within rows " << top << ".." << bottom << ", columns " << left
         << ".." << right;
}

}  // namespace qforge::test
