// Matrices as careless callers give them, for tests of what is refused.
#ifndef QFORGE_TEST_SUPPORT_SPOILT_MATRIX_H_
#define QFORGE_TEST_SUPPORT_SPOILT_MATRIX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "qforge/views.h"
#include "support/random.h"

namespace qforge::test {

template <class T, size_t kSize>
T OneOf(const std::array<T, kSize>& values, Random& random) {
  return values[random.Next() % kSize];
}

// Gives one field of a matrix another value: no address or an odd one, a size or stride that is
// wrong, huge or negative, or one of `types`. Where a matrix of several rows may still be accepted,
// its stride exceeds its columns by no more than `max_gap`, so that it stays in the caller's
// memory.
template <bool kConst, size_t kTypes>
void SpoilMatrix(AnyMatrixView<kConst>& matrix, const std::array<DataType, kTypes>& types,
                 int64_t max_gap, Random& random) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  // What was spoilt before may be the largest there is.
  const int64_t next = matrix.cols == kHuge ? 0 : matrix.cols + 1;
  const std::array<int64_t, 9> sizes = {0,     1,  -1, matrix.cols - 1, next,
                                        kHuge, -5, 7,  int64_t{1} << 61};
  switch (random.Next() % 6) {
    case 0:
      matrix.data = nullptr;
      break;
    case 1:
      if (matrix.data != nullptr) {
        matrix.data = reinterpret_cast<void*>(reinterpret_cast<intptr_t>(matrix.data) +
                                              random.Integer<intptr_t>(1, 3));
      }
      break;
    case 2:
      matrix.rows = OneOf(sizes, random);
      break;
    case 3:
      matrix.cols = OneOf(sizes, random);
      break;
    case 4:
      matrix.stride = OneOf(sizes, random);
      if (matrix.stride - max_gap > matrix.cols && matrix.rows > 1) matrix.stride = kHuge;
      break;
    default:
      matrix.type = OneOf(types, random);
  }
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_SPOILT_MATRIX_H_
