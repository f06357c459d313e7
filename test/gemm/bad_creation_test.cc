// What the Create functions refuse: the code and the field that it names.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <ostream>
#include <string>

#include "gemm/linear_case.h"
#include "qforge/gemm.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;
constexpr StatusCode kNotPossible = StatusCode::kUnsupported;

constexpr int64_t kOutputs = 6, kInputs = 4, kGroups = 2;

// --- Packed weights ------------------------------------------------------------------------------

struct PackCall {
  MatrixView<const int8_t> weights;
  PackedWeightsOptions options;
};

struct BadPack {
  const char* name;
  void (*spoil)(PackCall&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadPack& x) { return out << x.name; }
};

// Elements that are not aligned to 4 bytes.
template <class T>
ArrayView<const T> Misaligned(int64_t size) {
  alignas(T) static const char bytes[64] = {};
  return {reinterpret_cast<const T*>(bytes + 1), size};
}

template <auto... kValues>
ArrayView<const int32_t> Integers() {
  static const int32_t values[] = {kValues...};
  return values;
}

ArrayView<const float> Scales(float first, float second) {
  static float values[2];
  values[0] = first;
  values[1] = second;
  return values;
}

const BadPack kBadPacks[] = {
    {"null", [](PackCall& c) { c.weights.data = nullptr; }, kInvalid, "weights"},
    {"rows_negative", [](PackCall& c) { c.weights.rows = -2; }, kRange, "weights"},
    {"cols_negative", [](PackCall& c) { c.weights.cols = -1; }, kRange, "weights"},
    {"stride_too_small", [](PackCall& c) { c.weights.stride = kOutputs - 1; }, kInvalid, "weights"},
    {"stride_negative", [](PackCall& c) { c.weights.stride = -kOutputs; }, kInvalid, "weights"},
    {"stride_overflows", [](PackCall& c) { c.weights.stride = kHuge; }, kRange, "weights"},
    {"sizes_overflow",
     [](PackCall& c) {
       c.weights = {c.weights.data, int64_t{1} << 40, int64_t{1} << 40};
     },
     kRange, "weights"},
    {"packed_size_overflows",
     [](PackCall& c) {
       c.weights = {c.weights.data, kHuge / 4 - 1, 1};
     },
     kRange, "weights"},
    {"layout_unknown", [](PackCall& c) { c.options.layout = static_cast<WeightsLayout>(7); },
     kInvalid, "options.layout"},
    {"groups_zero", [](PackCall& c) { c.options.groups = 0; }, kRange, "options.groups"},
    {"groups_negative", [](PackCall& c) { c.options.groups = -2; }, kRange, "options.groups"},
    {"groups_do_not_divide_rows", [](PackCall& c) { c.options.groups = 3; }, kInvalid,
     "options.groups"},
    {"scales_of_wrong_count",
     [](PackCall& c) {
       c.options.scales = {c.options.scales.data(), 3};
     },
     kInvalid, "options.scales"},
    {"scales_null",
     [](PackCall& c) {
       c.options.scales = {nullptr, 1};
     },
     kInvalid, "options.scales"},
    {"scales_of_negative_count",
     [](PackCall& c) {
       c.options.scales = {nullptr, -1};
     },
     kInvalid, "options.scales"},
    {"scales_misaligned", [](PackCall& c) { c.options.scales = Misaligned<float>(2); }, kInvalid,
     "options.scales"},
    {"scale_zero", [](PackCall& c) { c.options.scales = Scales(0, 1); }, kRange, "options.scales"},
    {"scale_negative", [](PackCall& c) { c.options.scales = Scales(1, -1); }, kRange,
     "options.scales"},
    {"scale_nan", [](PackCall& c) { c.options.scales = Scales(1, kNan); }, kRange,
     "options.scales"},
    {"scale_infinite", [](PackCall& c) { c.options.scales = Scales(kInfinity, 1); }, kRange,
     "options.scales"},
    {"zero_points_of_wrong_count", [](PackCall& c) { c.options.zero_points = Integers<1, 2, 3>(); },
     kInvalid, "options.zero_points"},
    {"zero_points_null",
     [](PackCall& c) {
       c.options.zero_points = {nullptr, 2};
     },
     kInvalid, "options.zero_points"},
    {"zero_points_misaligned", [](PackCall& c) { c.options.zero_points = Misaligned<int32_t>(2); },
     kInvalid, "options.zero_points"},
    {"zero_point_too_small", [](PackCall& c) { c.options.zero_points = Integers<0, -129>(); },
     kRange, "options.zero_points"},
    {"zero_point_too_large", [](PackCall& c) { c.options.zero_points = Integers<128, 0>(); },
     kRange, "options.zero_points"},
    {"isa_unknown", [](PackCall& c) { c.options.max_isa = static_cast<Isa>(kIsaCount); }, kInvalid,
     "options.max_isa"},
    {"accumulation_unknown",
     [](PackCall& c) { c.options.accumulation = static_cast<Accumulation>(2); }, kInvalid,
     "options.accumulation"},
    {"activation_maximum_zero", [](PackCall& c) { c.options.activation_maximum = 0; }, kRange,
     "options.activation_maximum"},
    {"activation_maximum_negative", [](PackCall& c) { c.options.activation_maximum = -127; },
     kRange, "options.activation_maximum"},
    {"activation_maximum_too_large", [](PackCall& c) { c.options.activation_maximum = 256; },
     kRange, "options.activation_maximum"},
};

class BadPacks : public EveryIsaTest, public ::testing::WithParamInterface<BadPack> {};

TEST_P(BadPacks, AreRefused) {
  const BadPack& bad = GetParam();
  const int8_t weights[kGroups * kInputs * kOutputs] = {};
  for (const Isa isa : SupportedIsas()) {
    PackCall call{{weights, kGroups * kInputs, kOutputs}, {}};
    call.options.groups = kGroups;
    call.options.max_isa = isa;
    call.options.scales = Scales(1, 1);
    const Result<PackedWeights> good = PackedWeights::Create(call.weights, call.options);
    ASSERT_TRUE(good.ok()) << good.status().message();
    RecordChecked(good->isa());
    bad.spoil(call);
    EXPECT_TRUE(
        IsError(PackedWeights::Create(call.weights, call.options).status(), bad.code, bad.field))
        << IsaName(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadPacks, ::testing::ValuesIn(kBadPacks),
                         [](const auto& info) { return info.param.name; });

// --- Layers --------------------------------------------------------------------------------------

struct LayerCall {
  Epilogue epilogue;
  LinearOptions options;
};

struct BadLayer {
  const char* name;
  void (*spoil)(LayerCall&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadLayer& x) { return out << x.name; }
};

constexpr int64_t kChannels = kGroups * kOutputs;
const float kFloatBias[kChannels] = {};
const int32_t kIntegerBias[kChannels] = {};

const BadLayer kBadLayers[] = {
    {"bias_too_short",
     [](LayerCall& c) { c.epilogue.bias = ArrayView<const int32_t>(kIntegerBias, kOutputs); },
     kInvalid, "epilogue.bias"},
    {"float_bias_too_short",
     [](LayerCall& c) { c.epilogue.bias = ArrayView<const float>(kFloatBias, kChannels - 1); },
     kInvalid, "epilogue.bias"},
    {"bias_of_negative_size",
     [](LayerCall& c) { c.epilogue.bias = ArrayView<const float>(kFloatBias, -kChannels); },
     kInvalid, "epilogue.bias"},
    {"bias_null",
     [](LayerCall& c) { c.epilogue.bias = ArrayView<const int32_t>(nullptr, kChannels); }, kInvalid,
     "epilogue.bias"},
    {"bias_misaligned",
     [](LayerCall& c) { c.epilogue.bias = Bias(Misaligned<int32_t>(kChannels)); }, kInvalid,
     "epilogue.bias"},
    {"float_bias_misaligned",
     [](LayerCall& c) { c.epilogue.bias = Bias(Misaligned<float>(kChannels)); }, kInvalid,
     "epilogue.bias"},

    {"float_bias_infinite",
     [](LayerCall& c) {
       static const float bias[kChannels] = {0, 0, kInfinity};
       c.epilogue.bias = ArrayView<const float>(bias);
     },
     kRange, "epilogue.bias"},
    {"float_bias_nan",
     [](LayerCall& c) {
       static const float bias[kChannels] = {kNan};
       c.epilogue.bias = ArrayView<const float>(bias);
     },
     kRange, "epilogue.bias"},

    {"residual_of_type_s32",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kS32, 1, 0};
     },
     kInvalid, "epilogue.residual.type"},
    {"residual_zero_point_of_f32",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kF32, 1, 1};
     },
     kInvalid, "epilogue.residual.zero_point"},
    {"residual_scale_of_bf16_infinite",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kBF16, kInfinity, 0};
     },
     kRange, "epilogue.residual.scale"},
    {"residual_of_unknown_type",
     [](LayerCall& c) {
       c.epilogue.residual = {static_cast<DataType>(99), 1, 0};
     },
     kInvalid, "epilogue.residual.type"},
    {"residual_scale_zero",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kU8, 0, 0};
     },
     kRange, "epilogue.residual.scale"},
    {"residual_scale_nan",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kU8, kNan, 0};
     },
     kRange, "epilogue.residual.scale"},
    {"residual_zero_point_too_small",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kU8, 1, -1};
     },
     kRange, "epilogue.residual.zero_point"},
    {"residual_zero_point_too_large",
     [](LayerCall& c) {
       c.epilogue.residual = {DataType::kS8, 1, 128};
     },
     kRange, "epilogue.residual.zero_point"},

    {"activation_unknown", [](LayerCall& c) { c.epilogue.activation = static_cast<Activation>(9); },
     kInvalid, "epilogue.activation"},
    {"clamp_min_nan",
     [](LayerCall& c) {
       c.epilogue.activation = Activation::kClamp;
       c.epilogue.clamp_min = kNan;
     },
     kInvalid, "epilogue.clamp_min"},
    {"clamp_max_nan",
     [](LayerCall& c) {
       c.epilogue.activation = Activation::kClamp;
       c.epilogue.clamp_max = kNan;
     },
     kInvalid, "epilogue.clamp_max"},
    {"clamp_min_above_max",
     [](LayerCall& c) {
       c.epilogue.activation = Activation::kClamp;
       c.epilogue.clamp_min = 1.0f;
       c.epilogue.clamp_max = 0.5f;
     },
     kInvalid, "epilogue.clamp_min"},

    {"output_of_no_type", [](LayerCall& c) { c.epilogue.output.type = DataType::kNone; }, kInvalid,
     "epilogue.output.type"},
    {"output_of_unknown_type",
     [](LayerCall& c) { c.epilogue.output.type = static_cast<DataType>(99); }, kInvalid,
     "epilogue.output.type"},
    {"output_scale_zero",
     [](LayerCall& c) {
       c.epilogue.output = OutputU8{0, 0};
     },
     kRange, "epilogue.output.scale"},
    {"output_scale_of_f32",
     [](LayerCall& c) {
       c.epilogue.output = OutputF32{};
       c.epilogue.output.scale = 0.5f;
     },
     kInvalid, "epilogue.output.scale"},
    {"output_scale_of_f16",
     [](LayerCall& c) {
       c.epilogue.output = OutputF16{};
       c.epilogue.output.scale = 0.5f;
     },
     kInvalid, "epilogue.output.scale"},
    {"output_zero_point_of_bf16",
     [](LayerCall& c) {
       c.epilogue.output = OutputBF16{};
       c.epilogue.output.zero_point = 1;
     },
     kInvalid, "epilogue.output.zero_point"},
    {"output_zero_point_of_s32",
     [](LayerCall& c) {
       c.epilogue.output = OutputS32{};
       c.epilogue.output.zero_point = 1;
     },
     kInvalid, "epilogue.output.zero_point"},
    {"output_scale_negative",
     [](LayerCall& c) {
       c.epilogue.output = OutputS8{-1, 0};
     },
     kRange, "epilogue.output.scale"},
    {"output_scale_nan",
     [](LayerCall& c) {
       c.epilogue.output = OutputU8{kNan, 0};
     },
     kRange, "epilogue.output.scale"},
    {"output_scale_infinite",
     [](LayerCall& c) {
       c.epilogue.output = OutputU8{kInfinity, 0};
     },
     kRange, "epilogue.output.scale"},
    {"output_zero_point_negative",
     [](LayerCall& c) {
       c.epilogue.output = OutputU8{1, -1};
     },
     kRange, "epilogue.output.zero_point"},
    {"output_zero_point_too_large",
     [](LayerCall& c) {
       c.epilogue.output = OutputU8{1, 256};
     },
     kRange, "epilogue.output.zero_point"},
    {"output_zero_point_too_small_for_s8",
     [](LayerCall& c) {
       c.epilogue.output = OutputS8{1, -129};
     },
     kRange, "epilogue.output.zero_point"},
    {"output_zero_point_too_large_for_s8",
     [](LayerCall& c) {
       c.epilogue.output = OutputS8{1, 128};
     },
     kRange, "epilogue.output.zero_point"},
    {"accumulate_into_u8", [](LayerCall& c) { c.epilogue.output.accumulate = true; }, kNotPossible,
     "epilogue.output.accumulate"},
    {"accumulate_into_f32",
     [](LayerCall& c) {
       c.epilogue.output = OutputF32{};
       c.epilogue.output.accumulate = true;
     },
     kNotPossible, "epilogue.output.accumulate"},
    {"accumulate_into_bf16",
     [](LayerCall& c) {
       c.epilogue.output = OutputBF16{};
       c.epilogue.output.accumulate = true;
     },
     kNotPossible, "epilogue.output.accumulate"},

    {"s32_with_float_bias",
     [](LayerCall& c) {
       c.epilogue.output = OutputS32{};
       c.epilogue.bias = ArrayView<const float>(kFloatBias);
     },
     kNotPossible, "epilogue.bias"},
    {"s32_with_residual",
     [](LayerCall& c) {
       c.epilogue.output = OutputS32{};
       c.epilogue.residual.type = DataType::kU8;
     },
     kNotPossible, "epilogue.residual"},
    {"s32_with_float_residual",
     [](LayerCall& c) {
       c.epilogue.output = OutputS32{};
       c.epilogue.residual.type = DataType::kF16;
     },
     kNotPossible, "epilogue.residual"},
    {"s32_with_clamp",
     [](LayerCall& c) {
       c.epilogue.output = OutputS32{true};
       c.epilogue.activation = Activation::kClamp;
     },
     kNotPossible, "epilogue.activation"},

    {"input_of_type_s32", [](LayerCall& c) { c.options.input = DataType::kS32; }, kInvalid,
     "options.input"},
    {"scaling_unknown", [](LayerCall& c) { c.options.scaling = static_cast<InputScaling>(9); },
     kInvalid, "options.scaling"},
    {"dynamic_scaling_of_bytes",
     [](LayerCall& c) { c.options.scaling = InputScaling::kDynamicPerTensor; }, kNotPossible,
     "options.scaling"},
    {"dynamic_row_scaling_of_bytes",
     [](LayerCall& c) {
       c.options.input = DataType::kS8;
       c.options.scaling = InputScaling::kDynamicPerRow;
     },
     kNotPossible, "options.scaling"},
};

class BadLayers : public EveryIsaTest, public ::testing::WithParamInterface<BadLayer> {};

TEST_P(BadLayers, AreRefused) {
  const BadLayer& bad = GetParam();
  const Context context = Context::Create().value();
  const int8_t data[kGroups * kInputs * kOutputs] = {};
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.groups = kGroups;
    options.max_isa = isa;
    const PackedWeights weights =
        PackedWeights::Create(MatrixView<const int8_t>(data, kGroups * kInputs, kOutputs), options)
            .value();
    LayerCall call;
    call.epilogue.output = OutputU8{1, 0};
    ASSERT_TRUE(Linear::Create(context, weights, call.epilogue, call.options).ok());
    RecordChecked(weights.isa());
    bad.spoil(call);
    EXPECT_TRUE(IsError(Linear::Create(context, weights, call.epilogue, call.options).status(),
                        bad.code, bad.field))
        << IsaName(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadLayers, ::testing::ValuesIn(kBadLayers),
                         [](const auto& info) { return info.param.name; });

// Gemm refuses the same, and names members of GemmOptions::linear as such.
TEST(BadLayersOfGemm, AreRefused) {
  const Context context = Context::Create().value();
  for (const BadLayer& bad : kBadLayers) {
    SCOPED_TRACE(bad.name);
    LayerCall call;
    call.epilogue.output = OutputU8{1, 0};
    GemmOptions options;
    options.inputs = kInputs;
    options.outputs = kChannels;
    ASSERT_TRUE(Gemm::Create(context, call.epilogue, options).ok());
    bad.spoil(call);
    options.linear = call.options;
    std::string field = bad.field;
    const std::string options_prefix = "options.";
    if (field.rfind(options_prefix, 0) == 0) field.insert(options_prefix.size(), "linear.");
    EXPECT_TRUE(IsError(Gemm::Create(context, call.epilogue, options).status(), bad.code, field));
  }
}

// A promise is about activations as the caller has them, which only those of u8 are to kernels.
TEST(BadLayers, PromiseForOtherActivations) {
  const Context context = Context::Create().value();
  const int8_t data[kInputs * kOutputs] = {};
  for (const Isa isa : SupportedIsas()) {
    for (const Accumulation accumulation : {Accumulation::kExact, Accumulation::kSaturating16}) {
      for (const int32_t maximum : {1, 254, 255}) {
        PackedWeightsOptions options;
        options.max_isa = isa;
        options.accumulation = accumulation;
        options.activation_maximum = maximum;
        const PackedWeights weights =
            PackedWeights::Create(MatrixView<const int8_t>(data, kInputs, kOutputs), options)
                .value();
        for (const DataType input :
             {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kF16}) {
          LinearOptions linear_options;
          linear_options.input = input;
          const Status status =
              Linear::Create(context, weights, Epilogue(), linear_options).status();
          if (input == DataType::kU8 || maximum == 255) {
            EXPECT_TRUE(status.ok()) << status.message();
            continue;
          }
          EXPECT_TRUE(IsError(status, kNotPossible, "options.input"));
          for (const std::string& part :
               {std::string(DataTypeName(input)), std::to_string(maximum), std::string("u8")}) {
            EXPECT_NE(std::string(status.message()).find(part), std::string::npos)
                << part << " is missing in: " << status.message();
          }
        }
      }
    }
  }
}

TEST(BadPromises, AreToldTheLimits) {
  const int8_t data[kInputs * kOutputs] = {};
  for (const int32_t maximum : {0, 256}) {
    PackedWeightsOptions options;
    options.activation_maximum = maximum;
    const Status status =
        PackedWeights::Create(MatrixView<const int8_t>(data, kInputs, kOutputs), options).status();
    for (const std::string& part : {std::to_string(maximum) + " is", std::string("[1, 255]")}) {
      EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << status.message();
    }
  }
}

// The context's cap holds for weights that were packed without one.
TEST(BadLayers, WeightsAboveTheContext) {
  const int8_t data[kInputs * kOutputs] = {};
  for (const Isa packed_for : SupportedIsas()) {
    PackedWeightsOptions options;
    options.max_isa = packed_for;
    const PackedWeights weights =
        PackedWeights::Create(MatrixView<const int8_t>(data, kInputs, kOutputs), options).value();
    for (const Isa cap : SupportedIsas()) {
      ContextOptions context_options;
      context_options.max_isa = cap;
      const Status status =
          Linear::Create(Context::Create(context_options).value(), weights, Epilogue()).status();
      if (cap == packed_for) {
        EXPECT_TRUE(status.ok()) << status.message();
      } else if (cap < packed_for) {
        EXPECT_TRUE(IsError(status, kNotPossible, "weights"))
            << IsaName(packed_for) << " under " << IsaName(cap);
      }
    }
  }
}

// --- Gemm and contexts ---------------------------------------------------------------------------

struct BadGemm {
  const char* name;
  void (*spoil)(GemmOptions&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadGemm& x) { return out << x.name; }
};

const BadGemm kBadGemms[] = {
    {"inputs_negative", [](GemmOptions& o) { o.inputs = -1; }, kRange, "options.inputs"},
    {"outputs_negative", [](GemmOptions& o) { o.outputs = -1; }, kRange, "options.outputs"},
    {"sizes_overflow", [](GemmOptions& o) { o.inputs = o.outputs = int64_t{1} << 40; }, kRange,
     "weights"},
    {"layout_unknown", [](GemmOptions& o) { o.layout = static_cast<WeightsLayout>(7); }, kInvalid,
     "options.layout"},
};

class BadGemms : public ::testing::TestWithParam<BadGemm> {};

TEST_P(BadGemms, AreRefused) {
  const Context context = Context::Create().value();
  GemmOptions options;
  options.inputs = kInputs;
  options.outputs = kOutputs;
  ASSERT_TRUE(Gemm::Create(context, Epilogue(), options).ok());
  GetParam().spoil(options);
  EXPECT_TRUE(IsError(Gemm::Create(context, Epilogue(), options).status(), GetParam().code,
                      GetParam().field));
}

INSTANTIATE_TEST_SUITE_P(Table, BadGemms, ::testing::ValuesIn(kBadGemms),
                         [](const auto& info) { return info.param.name; });

TEST(BadContexts, AreRefused) {
  ContextOptions options;
  options.max_threads = -1;
  EXPECT_TRUE(IsError(Context::Create(options).status(), kRange, "options.max_threads"));
  options = ContextOptions();
  options.max_isa = static_cast<Isa>(kIsaCount);
  EXPECT_TRUE(IsError(Context::Create(options).status(), kInvalid, "options.max_isa"));
}

TEST(BadIsaNames, AreRefusedWithTheKnownOnes) {
  for (const char* name : {"", "sse9", "AVX2", "avx512_vnni ", static_cast<const char*>(nullptr)}) {
    const Status status = ParseIsa(name).status();
    EXPECT_EQ(status.code(), kInvalid);
    for (const Isa isa : AllIsas()) {
      EXPECT_NE(std::string(status.message()).find(IsaName(isa)), std::string::npos)
          << IsaName(isa) << " is missing in: " << status.message();
    }
  }
}

// The variable is read once per process, hence in a process of its own.
TEST(BadIsaNames, InTheEnvironment) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("QFORGE_MAX_ISA", "avx3", 1);
        const int8_t weights[1] = {};
        const bool refused =
            IsError(Context::Create().status(), kInvalid, "QFORGE_MAX_ISA") &&
            IsError(PackedWeights::Create(MatrixView<const int8_t>(weights, 1, 1)).status(),
                    kInvalid, "QFORGE_MAX_ISA");
        std::exit(refused ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(EnvironmentCap, IsObeyed) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  for (const Isa isa : SupportedIsas()) {
    EXPECT_EXIT(
        {
          setenv("QFORGE_MAX_ISA", IsaName(isa), 1);
          const int8_t weights[1] = {};
          const bool obeyed =
              Context::Create().value().isa() == isa &&
              PackedWeights::Create(MatrixView<const int8_t>(weights, 1, 1)).value().isa() == isa;
          std::exit(obeyed ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "")
        << IsaName(isa);
  }
}

}  // namespace
}  // namespace qforge::test
