// Faults in products: each is found, nothing else is, and what follows is what was asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <vector>

#include "gemm/linear_case.h"
#include "pack/packed_matrix.h"
#include "pack/weight_ranges.h"
#include "qforge/gemm.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

class ProductFaults : public EveryIsaTest {};

LinearCase MakeCase(int64_t rows, int64_t outputs, int64_t inputs, uint64_t seed) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.seed = seed;
  c.checked = true;
  return c;
}

struct Events {
  static void Add(void* argument, const SoftErrorEvent& event) noexcept {
    Events& events = *static_cast<Events*>(argument);
    events.last = event;
    ++events.count;
  }
  SoftErrorEvent last{};
  std::atomic<int> count{0};
};

// A layer of a case, with a fault to inject.
struct Layer {
  Layer(const LinearCase& c, Isa isa, SoftErrorPolicy policy, const Context& context)
      : data(c), monitor(Events::Add, &events) {
    Result<PackedWeights> packed = data.Pack(isa);
    EXPECT_TRUE(packed.ok()) << packed.status().message();
    weights.emplace(*packed);
    LinearOptions options = data.linear_options();
    options.soft_errors.policy = policy;
    options.soft_errors.monitor = &monitor;
    options.soft_errors.injection = &injection;
    options.soft_errors.name = "the layer";
    Result<Linear> created = Linear::Create(context, *weights, data.epilogue(), options);
    EXPECT_TRUE(created.ok()) << created.status().message();
    linear.emplace(*created);
  }
  Status Run(const TestMatrix& output) {
    return linear->Run(data.input.input(), data.quantization(), output.output(),
                       data.run_arguments(output));
  }

  LinearData data;
  Events events;
  SoftErrorMonitor monitor;
  SoftErrorInjection injection;
  std::optional<PackedWeights> weights;
  std::optional<Linear> linear;
};

std::vector<LinearCase> Cases() {
  std::vector<LinearCase> cases = {
      MakeCase(1, 1, 1, 1),    MakeCase(1, 70, 67, 2),  MakeCase(6, 130, 256, 3),
      MakeCase(13, 33, 31, 4), MakeCase(70, 16, 36, 5), MakeCase(300, 65, 130, 6),
  };
  for (size_t i = 0, count = cases.size(); i < count; ++i) {
    LinearCase c = cases[i];
    c.seed += 100;
    c.groups = 3;
    c.zero_points = Granularity::kPerChannel;
    c.bias = DataType::kS32;
    c.input = i % 2 == 0 ? DataType::kF32 : DataType::kS8;
    c.scaling = i % 2 == 0 ? InputScaling::kDynamicPerRow : InputScaling::kPerRow;
    c.output = DataType::kF32;
    cases.push_back(c);
    c.seed += 100;
    c.groups = 1;
    c.scaling = i % 2 == 0 ? InputScaling::kDynamicPerTensor : InputScaling::kPerTensor;
    c.transposed_input = true;
    c.weights = WeightKind::kUnsafePanels;
    cases.push_back(c);
  }
  return cases;
}

// A corner of a tile, or anywhere.
int64_t Place(Random& random, int64_t size) {
  switch (random.Integer(0, 3)) {
    case 0:
      return 0;
    case 1:
      return size - 1;
    default:
      return random.Integer<int64_t>(0, size - 1);
  }
}

TEST_F(ProductFaults, EveryBitOfAnAccumulatorIsFound) {
  const Context context = Context::Create().value();
  for (const LinearCase& c : Cases()) {
    for (const Isa isa : SupportedIsas()) {
      Layer layer(c, isa, SoftErrorPolicy::kFail, context);
      const TestMatrix output = layer.data.MakeOutput(Guard::kBehind);
      Random random(c.seed);
      for (int bit = 0; bit < 32; ++bit) {
        layer.injection.row = Place(random, c.rows);
        layer.injection.column = Place(random, c.groups * c.outputs);
        layer.injection.bit = bit;
        layer.injection.times = 1;
        const Status status = layer.Run(output);
        ASSERT_TRUE(IsError(status, StatusCode::kDataCorrupted, "output"))
            << IsaName(isa) << ", bit " << bit << ", " << c;
        ASSERT_EQ(layer.events.count, bit + 1);
        ASSERT_EQ(layer.events.last.row, layer.injection.row);
        ASSERT_EQ(layer.events.last.outcome, SoftErrorOutcome::kFailed);
        ASSERT_EQ(layer.events.last.columns, c.groups * c.outputs);
        ASSERT_STREQ(layer.events.last.operation, "the layer");
      }
      ASSERT_TRUE(layer.Run(output).ok());  // without the fault
      const SoftErrorCounts counts = layer.monitor.counts();
      ASSERT_EQ(counts.checked, static_cast<uint64_t>(33 * c.rows));
      ASSERT_EQ(counts.detected, 32u);
      ASSERT_EQ(counts.corrected + counts.persistent + counts.not_checked, 0u);
      RecordChecked(isa);
    }
  }
}

// Work that is divided among threads by rows, and by columns.
TEST_F(ProductFaults, FoundWithThreads) {
  BackwardPool pool(5);
  ContextOptions options;
  options.pool = &pool;
  const Context context = Context::Create(options).value();
  for (const LinearCase& c : {MakeCase(5000, 40, 129, 1), MakeCase(3, 3001, 1301, 2)}) {
    for (const Isa isa : SupportedIsas()) {
      Layer layer(c, isa, SoftErrorPolicy::kRecompute, context);
      const TestMatrix output = layer.data.MakeOutput(Guard::kBehind);
      const TestMatrix expected = ReferenceResult(layer.data);
      Random random(c.seed);
      for (const int bit : {0, 5, 31}) {
        layer.injection.row = Place(random, c.rows);
        layer.injection.column = Place(random, c.outputs);
        layer.injection.bit = bit;
        layer.injection.times = 1;
        ASSERT_TRUE(layer.Run(output).ok());
        ASSERT_TRUE(SameBits(expected, output)) << IsaName(isa) << ", " << c;
        ASSERT_EQ(layer.events.last.row, layer.injection.row);
      }
      ASSERT_EQ(layer.monitor.counts().corrected, 3u);
      ASSERT_EQ(layer.monitor.counts().checked, static_cast<uint64_t>(3 * c.rows));
      RecordChecked(isa);
    }
  }
}

TEST_F(ProductFaults, Policies) {
  const Context context = Context::Create().value();
  const LinearCase c = MakeCase(9, 70, 130, 7);
  for (const Isa isa : SupportedIsas()) {
    {
      Layer layer(c, isa, SoftErrorPolicy::kReport, context);
      layer.injection.row = 4;
      layer.injection.bit = 30;
      layer.injection.times = 1;
      const TestMatrix output = layer.data.MakeOutput(Guard::kBehind);
      const TestMatrix expected = ReferenceResult(layer.data);
      EXPECT_TRUE(layer.Run(output).ok());
      EXPECT_EQ(layer.events.last.outcome, SoftErrorOutcome::kReported);
      EXPECT_EQ(layer.monitor.counts().detected, 1u);
      for (int64_t i = 0; i < c.rows; ++i) {
        const bool same = std::memcmp(&output.at<uint8_t>(i, 0), &expected.at<uint8_t>(i, 0),
                                      static_cast<size_t>(c.outputs)) == 0;
        EXPECT_EQ(same, i != 4) << "row " << i;
      }
    }
    {
      Layer layer(c, isa, SoftErrorPolicy::kRecompute, context);
      layer.injection.row = 8;
      layer.injection.column = 69;
      layer.injection.times = 1;  // transient
      const TestMatrix output = layer.data.MakeOutput(Guard::kBehind);
      EXPECT_TRUE(layer.Run(output).ok());
      EXPECT_TRUE(SameBits(ReferenceResult(layer.data), output));
      EXPECT_EQ(layer.events.last.outcome, SoftErrorOutcome::kCorrected);
      EXPECT_EQ(layer.monitor.counts().detected, 1u);
      EXPECT_EQ(layer.monitor.counts().corrected, 1u);

      layer.injection.times = 2;  // persistent
      EXPECT_TRUE(IsError(layer.Run(output), StatusCode::kDataCorrupted, "output"));
      EXPECT_EQ(layer.events.last.outcome, SoftErrorOutcome::kPersistent);
      EXPECT_EQ(layer.monitor.counts().persistent, 1u);
      layer.monitor.Reset();
      EXPECT_EQ(layer.monitor.counts().detected, 0u);
    }
    {
      Layer layer(c, isa, SoftErrorPolicy::kOff, context);
      layer.injection.times = 1;
      const TestMatrix output = layer.data.MakeOutput(Guard::kBehind);
      EXPECT_TRUE(layer.Run(output).ok());
      EXPECT_TRUE(SameBits(ReferenceResult(layer.data), output));
      EXPECT_EQ(layer.monitor.counts().checked, 0u);
      // Nothing of the check is left: the layer is what it would be without.
      LinearData plain(c);
      plain.c.checked = false;
      const PackedWeights weights = plain.Pack(isa).value();
      const Linear linear = Linear::Create(context, weights, plain.epilogue()).value();
      EXPECT_EQ(layer.linear->Describe(), linear.Describe());
    }
    RecordChecked(isa);
  }
}

// Weights of all kinds of panels: of the dot product, widened, summed in 16 bits, with outliers.
std::vector<LinearData> PanelsOfAllKinds() {
  std::vector<LinearData> all;
  uint64_t seed = 1;
  for (const WeightKind weights :
       {WeightKind::kAny, WeightKind::kNormal, WeightKind::kTiny, WeightKind::kUnsafePairInFront}) {
    for (const bool outliers : {false, true}) {
      LinearCase c = MakeCase(3 + static_cast<int64_t>(seed), 70, 130, seed);
      ++seed;
      c.weights = weights;
      c.output = DataType::kS32;
      LinearData& data = all.emplace_back(c);
      for (int64_t channel = 0; outliers && channel < c.outputs; channel += 3) {
        data.AddOutlier(channel, channel, std::vector<int8_t>(3, 127));
      }
    }
  }
  return all;
}

// A flipped bit of the packed weights is found whenever it changes a result.
TEST_F(ProductFaults, FlippedWeights) {
  const Context context = Context::Create().value();
  const std::vector<LinearData> all = PanelsOfAllKinds();
  for (const LinearData& data : all) {
    const LinearCase& c = data.c;
    const TestMatrix expected = ReferenceResult(data);
    for (const SoftErrorPolicy policy : {SoftErrorPolicy::kFail, SoftErrorPolicy::kRecompute}) {
      for (const Isa isa : SupportedIsas()) {
        SoftErrorMonitor monitor;
        const PackedWeights weights = data.Pack(isa).value();
        LinearOptions options = data.linear_options();
        options.soft_errors = {policy, &monitor};
        const Linear linear = Linear::Create(context, weights, data.epilogue(), options).value();
        const TestMatrix output = data.MakeOutput(Guard::kBehind);
        const pack::PackedMatrix& matrix = weights.matrix();
        const std::vector<pack::ByteRange> ranges = pack::WeightRanges(matrix);
        auto* bytes = const_cast<uint8_t*>(matrix.weights.As<uint8_t>());
        Random random(c.seed);
        int found = 0;
        for (int i = 0; i < 60; ++i) {
          const pack::ByteRange& range = ranges[random.Integer<size_t>(0, ranges.size() - 1)];
          const int64_t at = random.Integer(range.begin, range.end - 1);
          const auto flip = static_cast<uint8_t>(1 << random.Integer(0, 7));
          bytes[at] ^= flip;
          const Status status =
              linear.Run(data.input.input(), data.quantization(), output.output());
          if (!status.ok()) {
            ASSERT_TRUE(IsError(status, StatusCode::kDataCorrupted, "output"));
            ++found;
          } else {
            ASSERT_TRUE(SameBits(expected, output)) << IsaName(isa) << ", byte " << at << c;
          }
          bytes[at] ^= flip;
        }
        EXPECT_GT(found, 20) << IsaName(isa) << ", " << c;
        const SoftErrorCounts counts = monitor.counts();
        EXPECT_EQ(counts.persistent, policy == SoftErrorPolicy::kRecompute ? counts.detected : 0u);
        RecordChecked(isa);
      }
    }
  }
}

// Small products take the direct way, whose recomputation goes the general one.
TEST_F(ProductFaults, FlippedWeightOfASmallProduct) {
  const Context context = Context::Create().value();
  for (const InputScaling scaling : {InputScaling::kPerTensor, InputScaling::kPerRow}) {
    for (const Isa isa : SupportedIsas()) {
      LinearCase c = MakeCase(2, 40, 130, 3);
      c.scaling = scaling;
      c.residual = DataType::kU8;
      c.gap = 3;
      const LinearData data(c);
      const PackedWeights weights = data.Pack(isa).value();
      const pack::ByteRange range = pack::WeightRanges(weights.matrix()).front();
      auto* byte = const_cast<uint8_t*>(weights.matrix().weights.As<uint8_t>()) + range.begin;
      for (int64_t k = 0; k < c.inputs; ++k) data.activation<uint8_t>(0, k) |= 1;  // all matter
      SoftErrorMonitor monitor;
      LinearOptions options = data.linear_options();
      options.soft_errors = {SoftErrorPolicy::kRecompute, &monitor};
      const Linear linear = Linear::Create(context, weights, data.epilogue(), options).value();
      const TestMatrix output = data.MakeOutput(Guard::kBehind);
      const auto run = [&] {
        return linear.Run(data.input.input(), data.quantization(), output.output(),
                          data.run_arguments(output));
      };
      *byte ^= 0x40;
      EXPECT_TRUE(IsError(run(), StatusCode::kDataCorrupted, "output")) << IsaName(isa);
      EXPECT_GE(monitor.counts().persistent, 1u);
      *byte ^= 0x40;
      EXPECT_TRUE(run().ok());
      EXPECT_TRUE(SameBits(ReferenceResult(data), output));
      RecordChecked(isa);
    }
  }
}

// Row sums of up to as many digits as there can be.
TEST_F(ProductFaults, LargeRowSums) {
  for (const int64_t outputs : {1, 300, 70000}) {
    LinearCase c = MakeCase(2, outputs, 66, static_cast<uint64_t>(outputs));
    c.output = DataType::kS32;
    LinearData data(c);
    for (int64_t k = 0; k < c.inputs; ++k) {
      for (int64_t j = 0; j < outputs; ++j) {
        data.weight(k, j) = static_cast<int8_t>(k % 3 == 0 ? 127 : k % 3 == 1 ? -128 : 1);
      }
    }
    CheckOnEveryIsa(data);
  }
}

TEST_F(ProductFaults, Tiles) {
  const Context context = Context::Create().value();
  LinearCase c = MakeCase(60, 130, 65, 9);
  c.output = DataType::kS32;
  const auto ignore = [](const AccumulatorTile&) {};
  for (const Isa isa : SupportedIsas()) {
    Layer layer(c, isa, SoftErrorPolicy::kFail, context);
    const auto run = [&] {
      return layer.linear->RunTiles(layer.data.input.input(), layer.data.quantization(), ignore);
    };
    EXPECT_TRUE(run().ok());
    layer.injection.row = 59;
    layer.injection.column = 129;
    layer.injection.times = 1;
    EXPECT_TRUE(IsError(run(), StatusCode::kDataCorrupted, "output"));
    EXPECT_EQ(layer.events.last.row, 59);
    Layer again(c, isa, SoftErrorPolicy::kRecompute, context);
    EXPECT_TRUE(
        IsError(again.linear->RunTiles(again.data.input.input(), again.data.quantization(), ignore),
                StatusCode::kUnsupported, "options.soft_errors.policy"));
    RecordChecked(isa);
  }
}

TEST(ProductFaultOptions, Refused) {
  const Context context = Context::Create().value();
  LinearCase c = MakeCase(4, 20, 40, 1);
  c.accumulation = Accumulation::kSaturating16;
  EXPECT_TRUE(IsError(LinearData(c).Pack(context.isa()).status(), StatusCode::kUnsupported,
                      "options.soft_error_check"));

  c.accumulation = Accumulation::kExact;
  c.checked = false;
  SoftErrorMonitor monitor;
  LinearData data(c);
  LinearOptions options = data.linear_options();
  options.soft_errors.monitor = &monitor;
  const auto create = [&] {
    return Linear::Create(context, data.Pack(context.isa()).value(), data.epilogue(), options)
        .status();
  };
  EXPECT_TRUE(IsError(create(), StatusCode::kInvalidArgument, "options.soft_errors"));
  data.c.checked = true;
  EXPECT_TRUE(create().ok());
  options.soft_errors.policy = static_cast<SoftErrorPolicy>(9);
  EXPECT_TRUE(IsError(create(), StatusCode::kInvalidArgument, "options.soft_errors.policy"));
  options.soft_errors.policy = SoftErrorPolicy::kFail;
  for (const int64_t interval : {0, 2}) {
    options.soft_errors.sample_interval = interval;
    EXPECT_TRUE(IsError(create(), StatusCode::kUnsupported, "options.soft_errors.sample_interval"));
  }
  options.soft_errors.sample_interval = 1;
  SoftErrorInjection injection;
  injection.bit = 32;
  options.soft_errors.injection = &injection;
  EXPECT_TRUE(IsError(create(), StatusCode::kOutOfRange, "options.soft_errors.injection.bit"));
}

// Weights that change per call have no row sums.
TEST(ProductFaultOptions, GemmRefusesWhatItCannotCheck) {
  const Context context = Context::Create().value();
  for (const DataType weights : {DataType::kS8, DataType::kF16}) {
    GemmOptions options;
    options.inputs = 8;
    options.outputs = 8;
    options.weights = weights;
    Epilogue epilogue;
    epilogue.output = OutputF32{};
    EXPECT_TRUE(Gemm::Create(context, epilogue, options).ok());
    options.linear.soft_errors.policy = SoftErrorPolicy::kOff;
    EXPECT_TRUE(Gemm::Create(context, epilogue, options).ok());
    options.linear.soft_errors.policy = SoftErrorPolicy::kReport;
    EXPECT_TRUE(IsError(Gemm::Create(context, epilogue, options).status(), StatusCode::kUnsupported,
                        "options.linear.soft_errors"));
  }
}

// What cannot be computed again.
TEST(ProductFaultOptions, RecomputingIsRefused) {
  const Context context = Context::Create().value();
  LinearCase c = MakeCase(4, 20, 40, 1);
  c.output = DataType::kS32;
  c.accumulate = true;
  LinearData sums(c);
  LinearOptions options = sums.linear_options();
  options.soft_errors.policy = SoftErrorPolicy::kRecompute;
  EXPECT_TRUE(IsError(
      Linear::Create(context, sums.Pack(context.isa()).value(), sums.epilogue(), options).status(),
      StatusCode::kUnsupported, "options.soft_errors.policy"));

  c.output = DataType::kU8;
  c.accumulate = false;
  c.residual = DataType::kU8;
  c.residual_in_output = true;
  LinearData residual(c);
  const Linear linear =
      Linear::Create(context, residual.Pack(context.isa()).value(), residual.epilogue(), options)
          .value();
  const TestMatrix output = residual.MakeOutput(Guard::kBehind);
  const TestMatrix before = residual.MakeOutput(Guard::kBehind);
  EXPECT_TRUE(IsError(linear.Run(residual.input.input(), residual.quantization(), output.output(),
                                 residual.run_arguments(output)),
                      StatusCode::kUnsupported, "arguments.residual"));
  EXPECT_TRUE(SameBits(before, output));
}

TEST_F(ProductFaults, ScrubbingFindsEveryFlip) {
  for (const Isa isa : SupportedIsas()) {
    LinearCase c = MakeCase(1, 700, 301, 4);
    c.zero_points = Granularity::kPerChannel;
    const PackedWeights weights = LinearData(c).Pack(isa).value();
    const int64_t slices = weights.scrub_slices();
    ASSERT_GE(slices, 4);
    EXPECT_TRUE(weights.Scrub().ok());
    EXPECT_TRUE(weights.Scrub(slices).ok());
    const pack::PackedMatrix& matrix = weights.matrix();
    auto* bytes = const_cast<uint8_t*>(matrix.weights.As<uint8_t>());
    Random random(9);
    for (int i = 0; i < 100; ++i) {
      const size_t at = random.Integer<size_t>(0, matrix.weights.size() - 1);
      const auto flip = static_cast<uint8_t>(1 << random.Integer(0, 7));
      const auto slice = static_cast<int64_t>(at / 65536);
      bytes[at] ^= flip;
      ASSERT_TRUE(IsError(weights.Scrub(), StatusCode::kDataCorrupted, "weights"));
      ASSERT_TRUE(IsError(weights.Scrub(slice, 1), StatusCode::kDataCorrupted, "weights"));
      ASSERT_TRUE(weights.Scrub(0, slice).ok());
      ASSERT_TRUE(weights.Scrub(slice + 1).ok());
      bytes[at] ^= flip;
    }
    auto& scale = const_cast<float&>(matrix.scales[3]);
    scale += 1.0f;
    EXPECT_TRUE(IsError(weights.Scrub(), StatusCode::kDataCorrupted, "weights"));
    EXPECT_TRUE(weights.Scrub(0, slices - 1).ok());
    EXPECT_TRUE(IsError(weights.Scrub(-1), StatusCode::kOutOfRange, "first"));
    EXPECT_TRUE(IsError(weights.Scrub(slices + 1), StatusCode::kOutOfRange, "first"));
    EXPECT_TRUE(IsError(weights.Scrub(1, slices), StatusCode::kOutOfRange, "count"));
    c.checked = false;
    EXPECT_EQ(LinearData(c).Pack(isa).value().scrub_slices(), 0);
    EXPECT_TRUE(LinearData(c).Pack(isa).value().Scrub().ok());
    RecordChecked(isa);
  }
}

}  // namespace
}  // namespace qforge::test
