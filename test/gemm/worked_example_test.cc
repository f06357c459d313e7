// Products worked out by hand, so that the other tests, which compare with the reference, cannot
// all agree on something wrong; and what the library says about itself.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "qforge/qforge.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

using WorkedExample = EveryIsaTest;

// A, 2 x 3, with zero-point 1, less which it is {0 1 2; 254 -1 9}; B, 3 x 2.
constexpr uint8_t kA[] = {1, 2, 3, 255, 0, 10};
constexpr int8_t kB[] = {1, -128, 2, 127, -3, 5};
constexpr int32_t kProduct[] = {0 + 2 - 6, 0 + 127 + 10,  //
                                254 - 2 - 27, -32512 - 127 + 45};

TEST_F(WorkedExample, Accumulators) {
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.max_isa = isa;
    const PackedWeights weights =
        PackedWeights::Create(MatrixView<const int8_t>(kB, 3, 2), options).value();
    Epilogue epilogue;
    epilogue.output = OutputS32{};
    const Context context = Context::Create().value();
    int32_t c[4];
    const Status status = Linear::Create(context, weights, epilogue)
                              .value()
                              .Run(InputMatrix(kA, 2, 3), {1.0f, 1}, OutputMatrix(c, 2, 2));
    ASSERT_TRUE(status.ok()) << status.message();
    for (int i = 0; i < 4; ++i) EXPECT_EQ(c[i], kProduct[i]) << IsaName(isa) << ", element " << i;
    RecordChecked(weights.isa());
  }
}

// acc, with the zero-points 1 and -1 of the two columns of B, less which B is {0 -127; 1 128; -4
// 6}:
//   {0 + 1 - 8, 0 + 128 + 12; 0 - 1 - 36, -32258 - 128 + 54} = {-7 140; -37 -32332}
// plus bias {3 -4}, times 0.5 * {2 0.25} / 0.5:  {-8 34; -68 -8084}
// plus the residual {2 4; 250 6} less 2, times 0.25 / 0.5:  {-8 35; 56 -8082}
// plus the output's zero-point 10, within u8: {2 45; 66 0}; with ReLU {10 45; 66 10}.
TEST_F(WorkedExample, FullEpilogue) {
  const float scales[] = {2.0f, 0.25f};
  const int32_t zero_points[] = {1, -1};
  const int32_t bias[] = {3, -4};
  const uint8_t residual[] = {2, 4, 250, 6};
  struct Expected {
    Activation activation;
    uint8_t y[4];
  };
  for (const Expected& expected : {Expected{Activation::kNone, {2, 45, 66, 0}},
                                   Expected{Activation::kRelu, {10, 45, 66, 10}}}) {
    for (const Isa isa : SupportedIsas()) {
      PackedWeightsOptions options;
      options.max_isa = isa;
      options.scales = scales;
      options.zero_points = zero_points;
      const PackedWeights weights =
          PackedWeights::Create(MatrixView<const int8_t>(kB, 3, 2), options).value();
      Epilogue epilogue;
      epilogue.bias = ArrayView<const int32_t>(bias);
      epilogue.activation = expected.activation;
      epilogue.residual = {DataType::kU8, 0.25f, 2};
      epilogue.output = OutputU8{0.5f, 10};
      const Context context = Context::Create().value();
      uint8_t y[4];
      RunArguments arguments;
      arguments.residual = InputMatrix(residual, 2, 2);
      const Status status =
          Linear::Create(context, weights, epilogue)
              .value()
              .Run(InputMatrix(kA, 2, 3), {0.5f, 1}, OutputMatrix(y, 2, 2), arguments);
      ASSERT_TRUE(status.ok()) << status.message();
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(int{y[i]}, int{expected.y[i]}) << IsaName(isa) << ", element " << i;
      }
      RecordChecked(weights.isa());
    }
  }
}

TEST_F(WorkedExample, Descriptions) {
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.max_isa = isa;
    const PackedWeights weights =
        PackedWeights::Create(MatrixView<const int8_t>(kB, 3, 2), options).value();
    EXPECT_EQ(weights.inputs(), 3);
    EXPECT_EQ(weights.outputs(), 2);
    EXPECT_EQ(weights.groups(), 1);
    EXPECT_GE(weights.bytes(), 6);
    EXPECT_NE(weights.Describe().find(IsaName(isa)), std::string::npos) << weights.Describe();

    const Context context = Context::Create().value();
    const Linear linear = Linear::Create(context, weights, Epilogue()).value();
    EXPECT_NE(linear.Describe().find(IsaName(isa)), std::string::npos) << linear.Describe();

    ContextOptions context_options;
    context_options.max_isa = isa;
    GemmOptions gemm_options;
    gemm_options.inputs = 3;
    gemm_options.outputs = 2;
    const Gemm gemm =
        Gemm::Create(Context::Create(context_options).value(), Epilogue(), gemm_options).value();
    EXPECT_NE(gemm.Describe().find(IsaName(isa)), std::string::npos) << gemm.Describe();
    RecordChecked(weights.isa());
  }
}

}  // namespace
}  // namespace qforge::test
