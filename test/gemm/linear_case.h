// A linear layer to test: what it looks like, its data, and the check against the reference.
#ifndef QFORGE_TEST_GEMM_LINEAR_CASE_H_
#define QFORGE_TEST_GEMM_LINEAR_CASE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <vector>

#include "gemm/operand_values.h"
#include "qforge/linear.h"
#include "qforge/quantization.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/test_matrix.h"

namespace qforge::test {

// Everything that decides which code runs, and a seed for the values. Printed, it is a
// reproduction.
struct LinearCase {
  int64_t rows = 1;     // M
  int64_t outputs = 1;  // N, per group
  int64_t inputs = 1;   // K, per group
  int64_t groups = 1;   // G

  DataType input = DataType::kU8;
  InputScaling scaling = InputScaling::kPerTensor;
  bool transposed_input = false;

  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  std::optional<Granularity> scales = Granularity::kPerChannel;  // nullopt: left empty
  std::optional<Granularity> zero_points;
  WeightKind weights = WeightKind::kAny;
  Accumulation accumulation = Accumulation::kExact;
  int32_t activation_maximum = 255;  // of u8, promised and kept
  int main_bits = 8;
  double outlier_density = 0.0;
  bool checked = false;        // with soft_error_check
  bool extreme_input = false;  // see ExtremeActivation(); needs N >= 1

  DataType bias = DataType::kNone;
  Activation activation = Activation::kNone;
  DataType residual = DataType::kNone;
  bool residual_in_output = false;  // the output matrix holds it
  DataType output = DataType::kU8;
  bool accumulate = false;

  int64_t gap = 0;  // elements between the rows of every matrix
  // Which end of the input matrix touches an unmapped page; the other operands take turns.
  Guard guard = Guard::kBehind;
  uint64_t seed = 1;
};

std::ostream& operator<<(std::ostream& out, const LinearCase& c);

using SeeWeights = std::function<void(const PackedWeights& weights)>;

// The operands of a LinearCase: integers over the full range of their types, scales for which the
// outputs cover most of the output type. Tests may replace values before the first check.
struct LinearData {
  explicit LinearData(const LinearCase& c);

  // The weight of input k of a group for an output of all groups, and A's element for a row and an
  // input of all groups; `T` is its type.
  int8_t& weight(int64_t k, int64_t channel) const;
  template <class T>
  T& activation(int64_t row, int64_t k) const {
    return c.transposed_input ? input.at<T>(k, row) : input.at<T>(row, k);
  }

  // Adds `values` to the weight of input k for an output of all groups. Columns may come in any
  // order, their inputs must not decrease.
  void AddOutlier(int64_t channel, int64_t k, const std::vector<int8_t>& values);
  SparseWeights outliers() const;

  // What the library is called with.
  PackedWeightsOptions weights_options(Isa isa) const;
  Epilogue epilogue() const;
  LinearOptions linear_options() const;
  InputQuantization quantization() const;
  // A fresh output matrix: the old C, the residual that it holds, or bytes that must not stay.
  TestMatrix MakeOutput(Guard guard) const;
  RunArguments run_arguments(const TestMatrix& output) const;

  Result<PackedWeights> Pack(Isa isa) const;
  // Packs for `isa`, creates and runs the layer. kInternal if another ISA was taken. `see` is shown
  // the weights.
  Status Run(const Context& context, Isa isa, const TestMatrix& output,
             const SeeWeights& see = nullptr) const;
  // Makes all that the library may only read fault on a write.
  void Seal();

  LinearCase c;
  TestMatrix weights;
  TestMatrix input;
  TestMatrix residual;
  TestMatrix initial_output;  // kNone unless the output is read
  GuardedBuffer<float> scales;
  GuardedBuffer<int32_t> zero_points;
  GuardedBuffer<int32_t> bias_s32;
  GuardedBuffer<float> bias_f32;
  GuardedBuffer<float> row_scales;
  GuardedBuffer<int32_t> row_zero_points;
  // Empty, or of all columns.
  std::vector<int64_t> outlier_offsets;
  std::vector<int32_t> outlier_rows;
  std::vector<int8_t> outlier_values;
  float input_scale = 1.0f;
  int32_t input_zero_point = 0;
  Residual residual_options;
  float clamp_min = 0.0f;
  float clamp_max = 0.0f;
  Output output;

 private:
  void SetWeights(Random& random);
  void SetInput(Random& random);
  void SetExtremeInput(Random& random);
};

// What the reference computes, with `accumulation` whatever the case says. Float activations are
// quantised by the reference functions first.
TestMatrix ReferenceResult(const LinearData& data,
                           Accumulation accumulation = Accumulation::kExact);

// Runs the layer on each supported ISA on the calling thread and expects the bits of the reference,
// which saturates where the case asks for it and the ISA has no dot product of bytes; and on some
// of them once more with its rows checked, unless the case says that they are anyhow. Seals the
// operands. Stops at the first ISA that fails: its message prints the case.
void CheckOnEveryIsa(LinearData& data, const SeeWeights& see = nullptr);
void CheckOnEveryIsa(const LinearCase& c, const SeeWeights& see = nullptr);
// The same on some ISAs.
void CheckOnIsas(const std::vector<Isa>& isas, LinearData& data, const SeeWeights& see = nullptr);

}  // namespace qforge::test

#endif  // QFORGE_TEST_GEMM_LINEAR_CASE_H_
