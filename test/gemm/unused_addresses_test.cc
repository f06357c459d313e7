// Views of no elements may have any address, and rows that are not there any distance: neither is
// computed with, which UndefinedBehaviorSanitizer watches.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "qforge/gemm.h"
#include "qforge/linear.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

constexpr int64_t kGroups = 2;
constexpr int64_t kOutputs = 17;
constexpr int64_t kStride = 20;  // some callers' views have one nevertheless

void ExpectZeros(const PackedWeights& weights, const Epilogue& epilogue, DataType input_type) {
  const auto context = Context::Create();
  ASSERT_TRUE(context.ok()) << context.status().message();
  const auto linear = Linear::Create(*context, weights, epilogue);
  ASSERT_TRUE(linear.ok()) << linear.status().message();
  RecordChecked(weights.isa());
  InputMatrix input;
  input.rows = 2;
  input.stride = 7;
  input.type = input_type;
  std::vector<int32_t> output(2 * kGroups * kOutputs, 1);
  OutputMatrix to(output.data(), 2, kGroups * kOutputs);
  to.type = epilogue.output.type;
  const Status status = linear->Run(input, to);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(output, std::vector<int32_t>(output.size(), 0));
}

using EmptyWeights = EveryIsaTest;

TEST_F(EmptyWeights, NeedNoAddress) {
  for (const Isa isa : SupportedIsas()) {
    for (const bool by_outputs : {false, true}) {
      for (const bool check : {false, true}) {
        PackedWeightsOptions options;
        options.layout =
            by_outputs ? WeightsLayout::kOutputsByInputs : WeightsLayout::kInputsByOutputs;
        options.groups = kGroups;
        options.soft_error_check = check;
        options.max_isa = isa;
        MatrixView<const int8_t> weights(nullptr, by_outputs ? kGroups * kOutputs : 0,
                                         by_outputs ? 0 : kOutputs, kStride);
        auto packed = PackedWeights::Create(weights, options);
        ASSERT_TRUE(packed.ok()) << packed.status().message();
        Epilogue epilogue;
        epilogue.output = OutputS32{};
        ASSERT_NO_FATAL_FAILURE(ExpectZeros(*packed, epilogue, DataType::kU8));

        FloatWeightsOptions float_options;
        float_options.layout = options.layout;
        float_options.groups = kGroups;
        float_options.soft_error_check = check;
        float_options.max_isa = isa;
        packed = PackedWeights::Create(
            MatrixView<const float>(nullptr, weights.rows, weights.cols, kStride), float_options);
        ASSERT_TRUE(packed.ok()) << packed.status().message();
        ASSERT_NO_FATAL_FAILURE(ExpectZeros(*packed, Epilogue(), DataType::kF32));

        // No outputs, in rows of K.
        weights = {nullptr, by_outputs ? 0 : kGroups * 3, by_outputs ? 3 : 0, kStride};
        packed = PackedWeights::Create(weights, options);
        ASSERT_TRUE(packed.ok()) << packed.status().message();
        EXPECT_EQ(packed->outputs(), 0);
      }
    }
  }
}

TEST_F(EmptyWeights, OfOneCall) {
  for (const Isa isa : SupportedIsas()) {
    ContextOptions context_options;
    context_options.max_isa = isa;
    const auto context = Context::Create(context_options);
    ASSERT_TRUE(context.ok()) << context.status().message();
    GemmOptions options;
    options.outputs = kOutputs;
    options.layout = WeightsLayout::kOutputsByInputs;
    Epilogue epilogue;
    epilogue.output = OutputS32{};
    const auto gemm = Gemm::Create(*context, epilogue, options);
    ASSERT_TRUE(gemm.ok()) << gemm.status().message();
    RecordChecked(context->isa());
    std::vector<int32_t> output(2 * kOutputs, 1);
    const Status status =
        gemm->Run(MatrixView<const uint8_t>(nullptr, 2, 0, 7), InputQuantization(),
                  {nullptr, kOutputs, 0, kStride}, WeightsQuantization(),
                  MatrixView<int32_t>(output.data(), 2, kOutputs));
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(output, std::vector<int32_t>(output.size(), 0));
  }
}

using OneRowOfWeights = EveryIsaTest;

TEST_F(OneRowOfWeights, HasAnyStride) {
  const int8_t weights[] = {1, 2, 3};
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.max_isa = isa;
    const auto packed =
        PackedWeights::Create({weights, 1, 3, std::numeric_limits<int64_t>::max()}, options);
    ASSERT_TRUE(packed.ok()) << packed.status().message();
    RecordChecked(packed->isa());
  }
}

}  // namespace
}  // namespace qforge::test
