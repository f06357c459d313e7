// A row's result does not depend on the rows beside it, nor on the number of threads, nor, without
// the bf16 dot product, on the ISA.
#include <gtest/gtest.h>

#include <optional>

#include "float_gemm/float_case.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

class FloatInvariance : public EveryIsaTest {};

TEST_F(FloatInvariance, ThreadsChangeNoBit) {
  for (const Isa isa : SupportedIsas()) {
    for (const DataType type : kFloatTypes) {
      for (const auto& [rows, inputs, outputs] :
           {std::tuple<int64_t, int64_t, int64_t>{1, 600, 1003}, {203, 130, 260}, {40, 300, 33}}) {
        FloatCase c;
        c.isa = isa;
        c.weights = c.input = type;
        c.rows = rows;
        c.inputs = inputs;
        c.outputs = outputs;
        const TestMatrix one = LibraryResult(FloatData(c, 1));
        for (const int threads : {2, 3, 5}) {
          c.threads = threads;
          ASSERT_TRUE(SameBits(one, LibraryResult(FloatData(c, 1)))) << c.Text();
        }
      }
    }
  }
}

TEST_F(FloatInvariance, RowsBesideChangeNoBit) {
  for (const Isa isa : SupportedIsas()) {
    for (const DataType type : kFloatTypes) {
      for (const int64_t outputs : {20, 64, 200}) {
        FloatCase c;
        c.isa = isa;
        c.weights = c.input = type;
        c.rows = 29;
        c.inputs = 301;
        c.outputs = outputs;
        const FloatData data(c, 2);
        const TestMatrix all = LibraryResult(data);
        const Result<Linear> linear = MakeLinear(data);
        ASSERT_TRUE(linear.ok()) << linear.status().message();
        for (int64_t rows = 1; rows <= 13; ++rows) {
          InputMatrix input = data.input.input();
          input.rows = rows;
          const TestMatrix few(c.output, rows, outputs);
          ASSERT_TRUE(linear->Run(input, few.output()).ok());
          for (int64_t i = 0; i < rows; ++i) {
            for (int64_t j = 0; j < outputs; ++j) {
              ASSERT_EQ(few.at<uint32_t>(i, j), all.at<uint32_t>(i, j))
                  << c.Text() << ": " << rows << " rows, at " << i << ", " << j;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
