// Float weights that are packed as another type: the bytes of what was converted first.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "float_gemm/float_case.h"
#include "pack/packed_matrix.h"
#include "qforge/packed_weights.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

Result<PackedWeights> PackMatrix(const TestMatrix& weights, const FloatWeightsOptions& options) {
  switch (weights.type()) {
    case DataType::kF16:
      return PackedWeights::Create(weights.view<const Half>(), options);
    case DataType::kBF16:
      return PackedWeights::Create(weights.view<const BFloat16>(), options);
    default:
      return PackedWeights::Create(weights.view<const float>(), options);
  }
}

float LargestOf(DataType type) {
  if (type == DataType::kF16) return 65504.0f;
  return type == DataType::kBF16 ? 0x1.FEp127f : std::numeric_limits<float>::max();
}

using FloatPacking = EveryIsaTest;

TEST_F(FloatPacking, ConvertsElementByElement) {
  constexpr int64_t kSizes[][2] = {{1, 1}, {2, 33}, {63, 7}, {64, 32}, {65, 40}, {131, 101}};
  constexpr float kSpecial[] = {1e30f,   -70000.0f, INFINITY, -INFINITY, NAN,
                                -1e-40f, 3e-8f,     -0.0f,    3.4e38f};
  Random random(1);
  for (const Isa isa : SupportedIsas()) {
    for (const auto& size : kSizes) {
      for (const DataType from : kFloatTypes) {
        for (const DataType to : kFloatTypes) {
          for (const bool clip : {false, true}) {
            FloatWeightsOptions options;
            options.layout = random.Next() % 2 == 0 ? WeightsLayout::kInputsByOutputs
                                                    : WeightsLayout::kOutputsByInputs;
            options.max_isa = isa;
            const int64_t gap = random.Integer(0, 2);
            TestMatrix weights(from, size[0], size[1], gap, Guard::kBehind);
            weights.SetRandom(random, -2.0f, 2.0f);
            if (clip) {
              weights.Set([&](int64_t i, int64_t j) {
                return (i + j) % 3 == 0 ? kSpecial[(i * 5 + j) % std::size(kSpecial)]
                                        : random.Real(-2.0f, 2.0f);
              });
            }
            const TestMatrix converted(to, size[0], size[1], gap, Guard::kBehind);
            converted.Set([&](int64_t i, int64_t j) {
              const float value = ref::FloatElement(weights.input(), i, j);
              if (!clip || value != value) return value;
              return std::min(std::max(value, -LargestOf(to)), LargestOf(to));
            });
            const Result<PackedWeights> expected = PackMatrix(converted, options);
            ASSERT_TRUE(expected.ok()) << expected.status().message();
            options.type = to;
            options.clip_to_finite = clip;
            weights.Seal();
            const Result<PackedWeights> packed = PackMatrix(weights, options);
            ASSERT_TRUE(packed.ok()) << packed.status().message();
            const base::ConstantBytes& a = expected->matrix().weights;
            const base::ConstantBytes& b = packed->matrix().weights;
            ASSERT_EQ(a.size(), b.size());
            EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size()), 0)
                << IsaName(isa) << " " << size[0] << " x " << size[1] << ", " << DataTypeName(from)
                << " to " << DataTypeName(to) << (clip ? ", clipped" : "");
            RecordChecked(packed->isa());
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
