// What creation and Run refuse: the code, the field, the value and the limit that the message
// gives, and that nothing is written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "sparse/sparse_case.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;

testing::AssertionResult Says(const Status& status, StatusCode code, const char* field,
                              const char* text) {
  testing::AssertionResult result = IsError(status, code, field);
  if (!result || std::string(status.message()).find(text) != std::string::npos) return result;
  return testing::AssertionFailure()
         << "\"" << text << "\" is not in \"" << status.message() << "\"";
}

// A 3 x 2 matrix with three entries, to be spoilt.
struct Arrays {
  std::vector<int64_t> offsets = {0, 2, 3};
  std::vector<int64_t> indices = {0, 2, 1};
  std::vector<int32_t> narrow = {0, 2, 1};
  std::vector<int8_t> values = {1, -2, 3};
  SparseWeights weights;
};

struct BadWeights {
  const char* name;
  void (*spoil)(Arrays&);
  StatusCode code;
  const char* field;
  const char* text;
  friend std::ostream& operator<<(std::ostream& out, const BadWeights& x) { return out << x.name; }
};

const int64_t* Misaligned(const std::vector<int64_t>& values) {
  return reinterpret_cast<const int64_t*>(reinterpret_cast<uintptr_t>(values.data()) + 1);
}

const BadWeights kBadWeights[] = {
    {"inputs_negative", [](Arrays& a) { a.weights.inputs = -3; }, kRange, "weights.inputs",
     "-3 is negative"},
    {"outputs_negative", [](Arrays& a) { a.weights.outputs = -1; }, kRange, "weights.outputs",
     "-1 is not in [0, 2147483647]"},
    {"outputs_too_many", [](Arrays& a) { a.weights.outputs = int64_t{1} << 31; }, kRange,
     "weights.outputs", "2147483648 is not in [0, 2147483647]"},
    {"offsets_null",
     [](Arrays& a) {
       a.weights.column_offsets = {static_cast<const int64_t*>(nullptr), 3};
     },
     kInvalid, "weights.column_offsets", "is null"},
    {"offsets_misaligned",
     [](Arrays& a) {
       a.weights.column_offsets = {Misaligned(a.offsets), 3};
     },
     kInvalid, "weights.column_offsets", "is not aligned to the 8 bytes"},
    {"offsets_of_negative_size",
     [](Arrays& a) {
       a.weights.column_offsets = {a.offsets.data(), -3};
     },
     kRange, "weights.column_offsets", "-3 values"},
    {"offsets_too_few",
     [](Arrays& a) {
       a.weights.column_offsets = {a.offsets.data(), 2};
     },
     kInvalid, "weights.column_offsets", "2 values; outputs + 1 = 3 are needed"},
    {"offsets_empty", [](Arrays& a) { a.weights.column_offsets = {}; }, kInvalid,
     "weights.column_offsets", "0 values; outputs + 1 = 3 are needed"},
    {"offsets_from_one", [](Arrays& a) { a.offsets[0] = 1; }, kInvalid, "weights.column_offsets",
     "value 0 is 1; 0 is needed"},
    {"offsets_decrease", [](Arrays& a) { a.offsets[1] = 4; }, kInvalid, "weights.column_offsets",
     "value 2 is 3, less than the 4 before it"},
    {"offsets_negative", [](Arrays& a) { a.offsets[1] = -1; }, kInvalid, "weights.column_offsets",
     "value 1 is -1, less than the 0 before it"},
    {"offsets_beyond_the_entries", [](Arrays& a) { a.offsets[2] = kHuge; }, kInvalid,
     "weights.column_offsets",
     "the last value is 9223372036854775807; 3, the number of entries, is needed"},
    {"offsets_below_the_entries", [](Arrays& a) { a.offsets[2] = 2; }, kInvalid,
     "weights.column_offsets", "the last value is 2; 3"},
    {"indices_null",
     [](Arrays& a) {
       a.weights.row_indices = {static_cast<const int64_t*>(nullptr), 3};
     },
     kInvalid, "weights.row_indices", "is null"},
    {"indices_misaligned",
     [](Arrays& a) {
       a.weights.row_indices = {Misaligned(a.indices), 3};
     },
     kInvalid, "weights.row_indices", "is not aligned to the 8 bytes"},
    {"indices_of_negative_size",
     [](Arrays& a) {
       a.weights.row_indices = {a.indices.data(), -1};
     },
     kRange, "weights.row_indices", "-1 values"},
    {"index_at_k", [](Arrays& a) { a.indices[1] = 3; }, kRange, "weights.row_indices",
     "value 1 is 3, not in [0, 3)"},
    {"index_negative", [](Arrays& a) { a.indices[0] = -1; }, kRange, "weights.row_indices",
     "value 0 is -1, not in [0, 3)"},
    {"narrow_index_at_k",
     [](Arrays& a) {
       a.narrow[2] = 3;
       a.weights.row_indices = a.narrow;
     },
     kRange, "weights.row_indices", "value 2 is 3, not in [0, 3)"},
    {"indices_decrease",
     [](Arrays& a) {
       a.indices = {2, 1, 1};
     },
     kInvalid, "weights.row_indices", "value 1 is 1, less than the 2 before it in column 0"},
    {"no_inputs", [](Arrays& a) { a.weights.inputs = 0; }, kRange, "weights.row_indices",
     "value 0 is 0, not in [0, 0)"},
    {"values_null",
     [](Arrays& a) {
       a.weights.values = {static_cast<const int8_t*>(nullptr), 3};
     },
     kInvalid, "weights.values", "is null"},
    {"values_of_negative_size",
     [](Arrays& a) {
       a.weights.values = {a.values.data(), -1};
     },
     kInvalid, "weights.values", "-1 values"},
    {"values_too_few",
     [](Arrays& a) {
       a.weights.values = {a.values.data(), 2};
     },
     kInvalid, "weights.values", "2 values for 3 row indices"},
};

class BadSparseWeights : public ::testing::TestWithParam<BadWeights> {};

TEST_P(BadSparseWeights, AreRefused) {
  for (const Isa isa : SupportedIsas()) {
    Arrays arrays;
    SparseWeights& weights = arrays.weights;
    weights.inputs = 3;
    weights.outputs = 2;
    weights.column_offsets = arrays.offsets;
    weights.row_indices = arrays.indices;
    weights.values = arrays.values;
    ASSERT_TRUE(SparseLinear::Create(ContextOf(isa), weights).ok());
    GetParam().spoil(arrays);
    const Result<SparseLinear> product = SparseLinear::Create(ContextOf(isa), weights);
    ASSERT_FALSE(product.ok());
    EXPECT_TRUE(Says(product.status(), GetParam().code, GetParam().field, GetParam().text));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadSparseWeights, ::testing::ValuesIn(kBadWeights),
                         [](const auto& info) { return info.param.name; });

// One more than test/sparse/limits_test.cc accepts, in the second column; and zeros, which may be
// any number.
TEST(SparseOverflow, IsRefused) {
  constexpr int64_t kMagnitude = 2147483647 / 255;
  for (const int8_t sign : {1, -1}) {
    std::vector<int8_t> values(100, 0);
    std::vector<int64_t> indices(values.size(), 0);
    for (int64_t left = kMagnitude + 1; left > 0; left -= 64) {
      indices.push_back(1);
      values.push_back(static_cast<int8_t>(sign * std::min<int64_t>(left, 64)));
    }
    const std::vector<int64_t> offsets = {0, 100, static_cast<int64_t>(values.size())};
    const SparseWeights weights{2, 2, offsets, indices, values};
    const Result<SparseLinear> product = SparseLinear::Create(Context::Create().value(), weights);
    ASSERT_FALSE(product.ok());
    EXPECT_TRUE(Says(product.status(), kRange, "weights.values",
                     "column 1 could leave int32: 255 * 8421505"));
  }
}

// The arguments of Run for a product 11 -> 19 of 5 rows.
struct Call {
  MatrixView<const uint8_t> input;
  MatrixView<int32_t> output;
};

struct BadCall {
  const char* name;
  void (*spoil)(Call&);
  StatusCode code;
  const char* field;
  const char* text;
  friend std::ostream& operator<<(std::ostream& out, const BadCall& x) { return out << x.name; }
};

const BadCall kBadCalls[] = {
    {"input_null", [](Call& c) { c.input.data = nullptr; }, kInvalid, "input", "is null"},
    {"input_too_narrow", [](Call& c) { --c.input.cols; }, kInvalid, "input",
     "is 5 x 10; 5 x 11 is needed"},
    {"input_too_wide", [](Call& c) { ++c.input.cols; }, kInvalid, "input",
     "is 5 x 12; 5 x 11 is needed"},
    {"input_rows_negative", [](Call& c) { c.input.rows = c.output.rows = -1; }, kRange, "input",
     "-1 x 11: a size is negative"},
    {"input_stride_too_small", [](Call& c) { c.input.stride = 10; }, kInvalid, "input",
     "the stride 10 is less than the 11 columns"},
    {"input_stride_overflows", [](Call& c) { c.input.stride = kHuge / 2; }, kRange, "input",
     "5 rows of stride 4611686018427387903 exceed"},
    {"output_null", [](Call& c) { c.output.data = nullptr; }, kInvalid, "output", "is null"},
    {"output_misaligned",
     [](Call& c) {
       c.output.data = reinterpret_cast<int32_t*>(reinterpret_cast<uintptr_t>(c.output.data) + 2);
     },
     kInvalid, "output", "is not aligned to the 4 bytes of s32"},
    {"output_rows_missing", [](Call& c) { --c.output.rows; }, kInvalid, "output",
     "is 4 x 19; 5 x 19 is needed"},
    {"output_too_narrow", [](Call& c) { --c.output.cols; }, kInvalid, "output",
     "is 5 x 18; 5 x 19 is needed"},
    {"output_stride_too_small", [](Call& c) { c.output.stride = 18; }, kInvalid, "output",
     "the stride 18 is less than the 19 columns"},
    {"output_overlaps_the_input",
     [](Call& c) { c.input.data = reinterpret_cast<const uint8_t*>(c.output.data) + 40; }, kInvalid,
     "output", "overlaps input"},
};

class BadSparseCalls : public ::testing::TestWithParam<BadCall> {};

TEST_P(BadSparseCalls, AreRefused) {
  SparseCase c;
  c.rows = 5;
  c.outputs = 19;
  c.inputs = 11;
  c.gap = 2;
  const SparseData data(c);
  for (const Isa isa : SupportedIsas()) {
    const SparseLinear product =
        SparseLinear::Create(ContextOf(isa), data.weights(), data.options()).value();
    const TestMatrix output = data.MakeOutput(Guard::kBehind);
    Call call{data.input.view<const uint8_t>(), output.view<int32_t>()};
    ASSERT_TRUE(product.Run(call.input, call.output).ok());
    output.CopyFrom(data.initial_output);
    GetParam().spoil(call);
    EXPECT_TRUE(Says(product.Run(call.input, call.output), GetParam().code, GetParam().field,
                     GetParam().text));
    EXPECT_TRUE(SameBits(data.initial_output, output)) << "written in spite of the error";
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadSparseCalls, ::testing::ValuesIn(kBadCalls),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qforge::test
