// One float product with its data on guarded memory, run through the public API and through the
// reference.
#ifndef QFORGE_TEST_FLOAT_GEMM_FLOAT_CASE_H_
#define QFORGE_TEST_FLOAT_GEMM_FLOAT_CASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "qforge/linear.h"
#include "ref/float_linear.h"
#include "support/guarded_buffer.h"
#include "support/random.h"
#include "support/test_matrix.h"

namespace qforge::test {

struct FloatCase {
  int64_t rows = 7;
  int64_t inputs = 40;
  int64_t outputs = 35;
  int64_t groups = 1;
  Isa isa = Isa::kScalar;
  DataType weights = DataType::kF32;
  DataType input = DataType::kF32;
  DataType output = DataType::kF32;
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  bool transposed_input = false;
  bool bias = false;
  float alpha = 1.0f;
  float beta = 0.0f;
  DataType residual = DataType::kNone;
  Activation activation = Activation::kNone;
  int64_t gap = 0;
  int threads = 1;
  bool checked = false;  // with soft_error_check
  Guard guard = Guard::kBehind;

  // Whether sums are rounded as the hardware's dot product does, and not as the reference.
  bool dot() const;
  std::string Text() const;
};

inline constexpr DataType kFloatTypes[] = {DataType::kF32, DataType::kF16, DataType::kBF16};

// Matrices of a case. Values are normal and small, so that no type overflows.
struct FloatData {
  FloatData(const FloatCase& c, uint64_t seed);

  FloatCase c;
  TestMatrix input;
  TestMatrix weights;  // of the type that is packed
  TestMatrix output;   // what C holds before
  TestMatrix residual;
  GuardedBuffer<float> bias;
  Epilogue epilogue;
};

// The weights, packed for the case's ISA; and a Linear of them.
Result<PackedWeights> Pack(const FloatData& data);
Result<Linear> MakeLinear(const FloatData& data, const SoftErrorOptions& soft_errors = {});

// C, from the library; records that the ISA was checked. And from the reference.
TestMatrix LibraryResult(const FloatData& data);
TestMatrix ReferenceResult(const FloatData& data);

// The library's result has the reference's bits, or with the bf16 dot product lies within the bound
// of qforge/types.h; nothing beside it was written. The same once more with rows checked.
void ExpectRight(const FloatCase& c, uint64_t seed);

}  // namespace qforge::test

#endif  // QFORGE_TEST_FLOAT_GEMM_FLOAT_CASE_H_
