// Small products take a way of their own (ops/float_direct.h). It has to give the results, and the
// errors, of the way that all others take. That its results are right, products_test.cc shows.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <vector>

#include "float_gemm/float_case.h"
#include "support/isas.h"
#include "support/spoilt_matrix.h"

namespace qforge::test {
namespace {

struct Kind {
  const char* name;
  DataType input = DataType::kF32;
  DataType weights = DataType::kF32;
  DataType residual = DataType::kNone;
  DataType output = DataType::kF32;
  bool transposed = false;
  friend std::ostream& operator<<(std::ostream& out, const Kind& x) { return out << x.name; }
};

constexpr Kind kKinds[] = {
    {"floats"},
    {"transposed", DataType::kF32, DataType::kF16, DataType::kNone, DataType::kF32, true},
    {"residual", DataType::kF32, DataType::kF16, DataType::kF32},
    {"halves", DataType::kF16, DataType::kF16, DataType::kF16, DataType::kF16},
    {"bfloats", DataType::kBF16, DataType::kF32, DataType::kBF16, DataType::kF32},
};

// The arguments of Linear::Run.
struct Call {
  InputMatrix input;
  InputQuantization quantization;
  OutputMatrix output;
  RunArguments arguments;
};

constexpr int64_t kArenaFloats = 4096;
constexpr int64_t kMatrixFloats = 1024;  // more than a matrix takes
constexpr int64_t kMaxGap = 3;

// Calls that are valid unless chance has the matrices overlap, with up to two fields spoilt.
class Spoiler {
 public:
  Spoiler(const FloatCase& c, uint64_t seed) : c_(c), random_(seed), arena_(kArenaFloats) {
    // In both halves of each a 16-bit float of moderate size.
    for (uint32_t& value : arena_) {
      value = 0x3C003C00u + static_cast<uint32_t>(random_.Next() & 0x81FF81FF);
    }
  }

  Call Next() {
    Call call;
    call.input.type = c_.input;
    Place(call.input, c_.transposed_input ? c_.inputs : c_.rows,
          c_.transposed_input ? c_.rows : c_.inputs);
    call.output.type = c_.output;
    Place(call.output, c_.rows, c_.outputs);
    if (c_.residual != DataType::kNone) {
      InputMatrix& residual = call.arguments.residual;
      residual.type = c_.residual;
      Place(residual, c_.rows, c_.outputs);
      if (random_.Next() % 4 == 0) {
        residual.data = call.output.data;
        residual.stride = call.output.stride;
      }
    }
    for (uint64_t count = random_.Next() % 3; count > 0; --count) Spoil(call);
    return call;
  }

  std::vector<uint32_t>& arena() { return arena_; }

 private:
  template <bool kConst>
  void Place(AnyMatrixView<kConst>& matrix, int64_t rows, int64_t cols) {
    matrix.data = arena_.data() + random_.Integer<int64_t>(0, kArenaFloats - kMatrixFloats);
    matrix.rows = rows;
    matrix.cols = cols;
    matrix.stride = cols + random_.Integer<int64_t>(0, kMaxGap);
  }

  template <bool kConst>
  void Spoil(AnyMatrixView<kConst>& matrix) {
    constexpr std::array kTypes = {DataType::kNone, DataType::kU8, DataType::kF16, DataType::kBF16,
                                   DataType::kF32};
    SpoilMatrix(matrix, kTypes, kMaxGap, random_);
  }

  void Spoil(Call& call) {
    static constexpr float kScale = 1.0f;
    static constexpr int32_t kZeroPoint = 0;
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
        call.quantization.scale = OneOf(std::array{0.5f, 0.0f, -1.0f}, random_);
        break;
      case 6:
        call.quantization.zero_point = OneOf(std::array{1, -1, 1 << 30}, random_);
        break;
      default:
        if (random_.Next() % 2 == 0) {
          call.quantization.row_scales = {&kScale, 1};
        } else {
          call.quantization.row_zero_points = {&kZeroPoint, 1};
        }
    }
  }

  const FloatCase c_;
  Random random_;
  std::vector<uint32_t> arena_;
};

class SmallFloatCalls : public EveryIsaTest, public ::testing::WithParamInterface<Kind> {};

// The portable path never goes the short way: its errors and results are those to be met, by every
// ISA, with the very same arguments.
TEST_P(SmallFloatCalls, AreRefusedAsOnThePortablePath) {
  int64_t accepted = 0, refused = 0;
  for (const int rows : {1, 2, 5, 13}) {
    for (const int outputs : {16, 21, 40}) {
      FloatCase c;
      c.rows = rows;
      c.inputs = 9;
      c.outputs = outputs;
      c.input = GetParam().input;
      c.weights = GetParam().weights;
      c.residual = GetParam().residual;
      c.output = GetParam().output;
      c.transposed_input = GetParam().transposed;
      c.bias = outputs == 21;
      std::vector<Isa> isas = {Isa::kScalar};
      for (const Isa isa : SupportedIsas()) {
        if (isa != Isa::kScalar) isas.push_back(isa);
      }
      std::vector<Linear> layers;
      for (const Isa isa : isas) {
        c.isa = isa;
        layers.push_back(MakeLinear(FloatData(c, 7)).value());
      }
      Spoiler spoiler(c, static_cast<uint64_t>(rows * 100 + outputs));
      for (int i = 0; i < 1000; ++i) {
        const Call call = spoiler.Next();
        const std::vector<uint32_t> before = spoiler.arena();
        const Status expected =
            layers[0].Run(call.input, call.quantization, call.output, call.arguments);
        const std::vector<uint32_t> result = spoiler.arena();
        ++(expected.ok() ? accepted : refused);
        for (size_t k = 1; k < layers.size(); ++k) {
          spoiler.arena() = before;
          const Status status =
              layers[k].Run(call.input, call.quantization, call.output, call.arguments);
          ASSERT_EQ(status.code(), expected.code())
              << IsaName(isas[k]) << ": " << c.Text() << "\n  " << status.message() << "\n  "
              << expected.message();
          ASSERT_STREQ(status.field(), expected.field()) << IsaName(isas[k]) << ": " << c.Text();
          ASSERT_STREQ(status.message(), expected.message())
              << IsaName(isas[k]) << ": " << c.Text();
          ASSERT_TRUE(spoiler.arena() == result)
              << IsaName(isas[k]) << ": " << c.Text() << ": " << status.message();
        }
        spoiler.arena() = before;
      }
    }
  }
  // Of both there must have been many.
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SmallFloatCalls, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qforge::test
