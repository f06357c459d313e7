// Products of one tile of rows, or of some where weights are few, take a way of their own
// (ops/linear_direct.h). It has to give the results, and the errors, of the way that all others
// take.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <ostream>
#include <vector>

#include "gemm/linear_case.h"
#include "support/random.h"
#include "support/spoilt_matrix.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// --- Results -------------------------------------------------------------------------------------

struct Kind {
  const char* name;
  DataType input = DataType::kU8;
  InputScaling scaling = InputScaling::kPerTensor;
  bool transposed = false;
  bool weight_zero_points = false;
  DataType residual = DataType::kNone;
  bool residual_in_output = false;
  DataType output = DataType::kU8;
  friend std::ostream& operator<<(std::ostream& out, const Kind& x) { return out << x.name; }
};

constexpr Kind kKinds[] = {
    {"bytes"},
    {"bytes_per_row", DataType::kU8, InputScaling::kPerRow},
    {"signed_bytes", DataType::kS8},
    {"signed_bytes_per_row", DataType::kS8, InputScaling::kPerRow},
    {"transposed", DataType::kU8, InputScaling::kPerTensor, true},
    {"row_sums", DataType::kU8, InputScaling::kPerTensor, false, true},
    {"row_sums_per_row", DataType::kS8, InputScaling::kPerRow, false, true},
    {"residual", DataType::kU8, InputScaling::kPerTensor, false, false, DataType::kS8},
    {"residual_in_output", DataType::kU8, InputScaling::kPerTensor, false, false, DataType::kU8,
     true},
    {"residual_for_float", DataType::kU8, InputScaling::kPerTensor, false, false, DataType::kU8,
     false, DataType::kF32},
    {"integers", DataType::kU8, InputScaling::kPerTensor, false, false, DataType::kNone, false,
     DataType::kS32},
    {"floats", DataType::kF32},
    {"floats_per_row", DataType::kF32, InputScaling::kPerRow},
    {"floats_dynamic", DataType::kF32, InputScaling::kDynamicPerTensor},
    {"floats_dynamic_per_row", DataType::kF32, InputScaling::kDynamicPerRow},
    {"floats_row_sums", DataType::kF32, InputScaling::kDynamicPerRow, false, true},
    {"halves", DataType::kF16, InputScaling::kPerTensor, false, false, DataType::kNone, false,
     DataType::kBF16},
    {"halves_per_row", DataType::kBF16, InputScaling::kPerRow, false, false, DataType::kBF16, true,
     DataType::kBF16},
    {"halves_dynamic_per_row", DataType::kF16, InputScaling::kDynamicPerRow, false, true,
     DataType::kF16, false, DataType::kF16},
    {"float_residual", DataType::kU8, InputScaling::kPerTensor, false, false, DataType::kF32},
};

LinearCase CaseOf(const Kind& kind, int64_t rows, int64_t outputs, int64_t inputs) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.input = kind.input;
  c.scaling = kind.scaling;
  c.transposed_input = kind.transposed;
  if (kind.weight_zero_points) c.zero_points = Granularity::kPerChannel;
  c.residual = kind.residual;
  c.residual_in_output = kind.residual_in_output;
  c.output = kind.output;
  return c;
}

class SmallProducts : public EveryIsaTest, public ::testing::WithParamInterface<Kind> {};

// One row to more than two of the tallest tiles hold, and as many as go the short way where weights
// are few; panels that are full, cut, and both.
TEST_P(SmallProducts, MatchTheReference) {
  uint64_t seed = 1;
  for (const int rows :
       {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 25, 29, 47, 63, 64, 65}) {
    for (const int outputs : {1, 7, 8, 16, 19, 64, 65}) {
      LinearCase c = CaseOf(GetParam(), rows, outputs, 1 + (rows * 5 + outputs) % 23);
      c.gap = (rows + outputs) % 3;
      c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = seed++;
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

// Rows of A that are too long to be prepared in a small place.
TEST_P(SmallProducts, OfLongRows) {
  for (const int inputs : {680, 1360, 2048, 4095, 4097}) {
    for (const int rows : {1, 2, 3, 6}) {
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(CaseOf(GetParam(), rows, 18, inputs)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SmallProducts, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return info.param.name; });

// Input scales around the one from which on a value before conversion can reach 2^31.
TEST(SmallProductScales, OfEverySize) {
  LinearCase c = CaseOf(kKinds[0], 2, 19, 9);
  for (int exponent = -126; exponent <= 127; ++exponent) {
    LinearData data(c);
    data.input_scale = std::ldexp(1.5f, exponent);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
  }
}

// --- Errors --------------------------------------------------------------------------------------

// The arguments of Linear::Run.
struct Call {
  InputMatrix input;
  InputQuantization quantization;
  OutputMatrix output;
  RunArguments arguments;
};

// All that a call reads and writes lies in here, so that whatever is accepted is inside.
constexpr int64_t kArenaBytes = 1 << 16;
constexpr int64_t kMatrixBytes = 4096;  // more than a matrix takes

constexpr int64_t kMaxGap = 3;

class Spoiler {
 public:
  Spoiler(const LinearCase& c, uint64_t seed) : c_(c), random_(seed), arena_(kArenaBytes) {
    for (std::byte& byte : arena_) byte = static_cast<std::byte>(random_.Next());
    for (size_t i = 0; i < kRows; ++i) {
      scales_[i] = random_.Real(0.01f, 0.1f);
      zero_points_[i] = random_.Integer(0, 127);
    }
  }

  // A call that is valid unless chance has the matrices overlap, with up to two fields spoilt.
  Call Next() {
    Call call;
    const int64_t outputs = c_.outputs;
    call.input = InputMatrix(static_cast<uint8_t*>(Place()), c_.rows, c_.inputs, Stride(c_.inputs));
    if (c_.transposed_input) {
      call.input = InputMatrix(static_cast<uint8_t*>(Place()), c_.inputs, c_.rows, Stride(c_.rows));
    }
    call.input.type = c_.input;
    call.output = OutputMatrix(static_cast<uint8_t*>(Place()), c_.rows, outputs, Stride(outputs));
    call.output.type = c_.output;
    if (c_.residual != DataType::kNone) {
      InputMatrix& residual = call.arguments.residual;
      residual = InputMatrix(static_cast<uint8_t*>(Place()), c_.rows, outputs, Stride(outputs));
      if (random_.Next() % 4 == 0) {
        residual.data = call.output.data;
        residual.stride = call.output.stride;
      }
      residual.type = c_.residual;
    }
    if (c_.scaling == InputScaling::kPerRow) {
      call.quantization = {ArrayView<const float>(scales_.data(), c_.rows),
                           ArrayView<const int32_t>(zero_points_.data(), c_.rows)};
    } else if (c_.scaling == InputScaling::kPerTensor) {
      call.quantization = {random_.Real(0.01f, 0.1f), random_.Integer(0, 127)};
    }
    for (uint64_t count = random_.Next() % 3; count > 0; --count) Spoil(call);
    return call;
  }

  std::vector<std::byte>& arena() { return arena_; }

 private:
  static constexpr size_t kRows = 16;

  // Aligned for floats.
  void* Place() {
    return arena_.data() + 4 * random_.Integer<int64_t>(0, (kArenaBytes - kMatrixBytes) / 4);
  }
  int64_t Stride(int64_t cols) { return cols + random_.Integer<int64_t>(0, kMaxGap); }

  template <bool kConst>
  void Spoil(AnyMatrixView<kConst>& matrix) {
    constexpr std::array kTypes = {DataType::kNone, DataType::kU8, DataType::kS8, DataType::kS32,
                                   DataType::kF32};
    SpoilMatrix(matrix, kTypes, kMaxGap, random_);
  }

  void Spoil(Call& call) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr std::array kScales = {0.0f,     -0.0f,    -1.0f, kNan,  kInfinity,  1e-45f, 1.1e-38f,
                                    1.2e-38f, 3.0e-20f, 1e8f,  3e20f, -kInfinity, -1e-45f};
    constexpr std::array kZeroPoints = {-129, -128, -127, -1, 0, 127, 128, 255, 256, 1 << 30};
    InputQuantization& quantization = call.quantization;
    switch (random_.Next() % 8) {
      case 0:
      case 1:
        return Spoil(call.input);
      case 2:
      case 3:
        return Spoil(call.output);
      case 4:
        if (c_.residual != DataType::kNone) return Spoil(call.arguments.residual);
        call.arguments.residual.data = arena_.data();  // nobody asked for one
        break;
      case 5:
        if (c_.scaling == InputScaling::kPerRow) {
          spoilt_scales_ = scales_;
          spoilt_scales_[random_.Next() % kRows] = OneOf(kScales, random_);
          quantization.row_scales = {spoilt_scales_.data(), quantization.row_scales.size()};
        }
        quantization.scale = OneOf(kScales, random_);
        break;
      case 6:
        if (c_.scaling == InputScaling::kPerRow) {
          spoilt_zero_points_ = zero_points_;
          spoilt_zero_points_[random_.Next() % kRows] = OneOf(kZeroPoints, random_);
          quantization.row_zero_points = {spoilt_zero_points_.data(),
                                          quantization.row_zero_points.size()};
        }
        quantization.zero_point = OneOf(kZeroPoints, random_);
        break;
      default: {
        const std::array<int64_t, 5> counts = {0, 1, -1, c_.rows - 1, c_.rows + 1};
        if (random_.Next() % 2 == 0) {
          quantization.row_scales = {
              OneOf(std::array<const float*, 2>{nullptr, scales_.data()}, random_),
              OneOf(counts, random_)};
        } else {
          quantization.row_zero_points = {
              OneOf(std::array<const int32_t*, 2>{nullptr, zero_points_.data()}, random_),
              OneOf(counts, random_)};
        }
      }
    }
  }

  const LinearCase c_;
  Random random_;
  std::vector<std::byte> arena_;
  std::array<float, kRows> scales_;
  std::array<int32_t, kRows> zero_points_;
  std::array<float, kRows> spoilt_scales_;
  std::array<int32_t, kRows> spoilt_zero_points_;
};

class SmallCalls : public EveryIsaTest, public ::testing::WithParamInterface<Kind> {
 protected:
  // MXCSR of the calls: what `next` gives.
  template <class Next>
  void CompareWithPortablePath(Next&& next_mxcsr, bool compare_messages);
};

// The portable path never goes the short way: its errors and results are those to be met, by every
// ISA, with the very same arguments.
template <class Next>
void SmallCalls::CompareWithPortablePath(Next&& next_mxcsr, bool compare_messages) {
  const unsigned mxcsr = _mm_getcsr();
  FixedPool pool(2);
  ContextOptions pooled;
  pooled.pool = &pool;
  const std::array contexts = {Context::Create().value(), Context::Create(pooled).value()};
  int64_t accepted = 0, refused = 0;
  for (const int rows : {1, 2, 5, 13}) {
    for (const int outputs : {16, 21}) {
      const LinearCase c = CaseOf(GetParam(), rows, outputs, 9);
      const LinearData data(c);
      std::vector<Isa> isas = {Isa::kScalar};
      for (const Isa isa : SupportedIsas()) {
        if (isa != Isa::kScalar) isas.push_back(isa);
      }
      std::vector<Linear> layers;
      for (size_t i = 0; i < isas.size(); ++i) {
        layers.push_back(Linear::Create(contexts[(rows + i) % 2], data.Pack(isas[i]).value(),
                                        data.epilogue(), data.linear_options())
                             .value());
        RecordChecked(isas[i]);
      }
      Spoiler spoiler(c, static_cast<uint64_t>(rows * 100 + outputs));
      for (int i = 0; i < 1500; ++i) {
        const Call call = spoiler.Next();
        const std::vector<std::byte> before = spoiler.arena();
        const Status expected =
            layers[0].Run(call.input, call.quantization, call.output, call.arguments);
        const std::vector<std::byte> result = spoiler.arena();
        ++(expected.ok() ? accepted : refused);
        for (size_t k = 1; k < layers.size(); ++k) {
          spoiler.arena() = before;
          _mm_setcsr(next_mxcsr());
          const Status status =
              layers[k].Run(call.input, call.quantization, call.output, call.arguments);
          _mm_setcsr(mxcsr);
          ASSERT_EQ(status.code(), expected.code())
              << IsaName(isas[k]) << ": " << c << "\n  " << status.message() << "\n  "
              << expected.message();
          ASSERT_STREQ(status.field(), expected.field()) << IsaName(isas[k]) << ": " << c;
          if (compare_messages) {
            ASSERT_STREQ(status.message(), expected.message()) << IsaName(isas[k]) << ": " << c;
          }
          ASSERT_EQ(std::memcmp(spoiler.arena().data(), result.data(), result.size()), 0)
              << IsaName(isas[k]) << ": " << c << ": " << status.message();
        }
        spoiler.arena() = before;
      }
    }
  }
  // Of both there must have been many.
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

TEST_P(SmallCalls, AreRefusedAsOnThePortablePath) {
  CompareWithPortablePath([] { return unsigned{_MM_MASK_MASK}; }, /*compare_messages=*/true);
}

// Numbers in messages are rounded as the host has it, but not the decision.
TEST_P(SmallCalls, AreRefusedInAnyFloatEnvironment) {
  constexpr std::array kSettings = {0x2000u, 0x4000u, 0x6000u, 0x8000u, 0x0040u, 0xC040u};
  size_t i = 0;
  CompareWithPortablePath([&] { return _MM_MASK_MASK | kSettings[i++ % kSettings.size()]; },
                          /*compare_messages=*/false);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SmallCalls, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qforge::test
