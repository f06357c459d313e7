// What targets of products share: epilogues and options, valid and not, and a call that is compared
// with the same on the scalar path.
#ifndef QFORGE_TEST_FUZZ_PRODUCTS_H_
#define QFORGE_TEST_FUZZ_PRODUCTS_H_

#include "fuzz_input.h"
#include "qforge/epilogue.h"
#include "qforge/linear.h"

namespace qforge::fuzz {

// Emitted kernels are kept until the program ends. They differ by the ends of K and N and by
// everything that an epilogue says but its numbers, so that there is a limit to how many there are:
// sizes come from these lists.
inline int64_t DrawInputs(FuzzInput& in) {
  return in.Pick<int64_t>({8, 1, 0, 3, 4, 5, 32, 63, 64, 130, 256, 259});
}
inline int64_t DrawOutputs(FuzzInput& in) {
  return in.Pick<int64_t>({16, 1, 0, 2, 7, 17, 32, 33, 48, 64, 65});
}
inline int64_t DrawRows(FuzzInput& in) {
  return in.Pick<int64_t>({1, 2, 0, 3, 4, 5, 6, 7, 12, 13, 25});
}

// An Epilogue and the arrays that it views.
struct FuzzEpilogue {
  FuzzEpilogue(FuzzInput& in, int64_t channels, bool floats) {
    const auto output = floats ? DrawType(in, {DataType::kF32, DataType::kF16, DataType::kBF16})
                               : DrawType(in, {DataType::kS32, DataType::kU8, DataType::kS8,
                                               DataType::kF32, DataType::kF16, DataType::kBF16});
    epilogue.output.type = output;
    const bool quantized = output == DataType::kU8 || output == DataType::kS8;
    if (quantized || in.Rarely()) {
      epilogue.output.scale = in.Scale();
      epilogue.output.zero_point = static_cast<int32_t>(
          in.Rarely() ? in.Any<int32_t>() : in.Integer(output == DataType::kU8 ? 0 : -128, 127));
    }
    if (output == DataType::kS32 || in.Rarely()) epilogue.output.accumulate = in.Bool();

    switch (in.Any<uint8_t>() % 3) {
      case 1:
        bias_s32 = DrawArray<int32_t>(in, in.Nearly(channels));
        if (!in.Rarely()) {
          for (int32_t& value : bias_s32) value >>= 8;
        }
        epilogue.bias = ArrayView<const int32_t>(bias_s32.data(), bias_s32.size());
        break;
      case 2:
        bias_f32 = DrawArray<float>(in, in.Nearly(channels));
        epilogue.bias = ArrayView<const float>(bias_f32.data(), bias_f32.size());
        break;
    }
    if (in.Any<uint8_t>() % 4 == 3) {
      epilogue.residual.type = floats
                                   ? DrawType(in, {DataType::kF32, DataType::kF16, DataType::kBF16})
                                   : DrawType(in, {DataType::kU8, DataType::kS8, DataType::kF32,
                                                   DataType::kF16, DataType::kBF16});
      epilogue.residual.scale = in.Scale();
      if (epilogue.residual.type == DataType::kU8 || epilogue.residual.type == DataType::kS8 ||
          in.Rarely()) {
        epilogue.residual.zero_point =
            in.Rarely() ? in.Any<int32_t>() : static_cast<int32_t>(in.Integer(0, 127));
      }
    }
    epilogue.activation = in.Enum<Activation>(floats ? 7 : 3);
    if (epilogue.activation == Activation::kClamp) {
      epilogue.clamp_min = in.Float();
      epilogue.clamp_max = in.Rarely() ? in.Float() : std::max(epilogue.clamp_min, in.Float());
    }
    if (floats || in.Rarely()) {
      epilogue.alpha = in.Pick({1.0f, 1.0f, 0.5f, in.Float()});
      epilogue.beta = in.Pick({0.0f, 0.0f, 1.0f, in.Float()});
    }
  }

  Epilogue epilogue;
  GuardedBuffer<int32_t> bias_s32;
  GuardedBuffer<float> bias_f32;
};

// How rows are checked. Only `injects` makes results differ from what they should be.
struct FuzzSoftErrors {
  FuzzSoftErrors(FuzzInput& in, bool check) {
    if (!check) return;
    options.policy = in.Enum<SoftErrorPolicy>(4);
    options.monitor = in.Bool() ? &monitor : nullptr;
    options.name = in.Bool() ? "fuzzed" : nullptr;
    options.sample_interval = in.Nearly(1);
    if (in.Any<uint8_t>() % 4 != 3) return;
    injection.row = in.Nearly(in.Integer(0, 12));
    injection.column = in.Nearly(in.Integer(0, 64));
    injection.bit = in.Rarely() ? in.Any<int32_t>() : static_cast<int>(in.Integer(0, 31));
    injection.times = in.Integer(0, 3);
    options.injection = &injection;
    injects = injection.times != 0;
  }

  SoftErrorMonitor monitor;
  SoftErrorInjection injection;
  SoftErrorOptions options;
  bool injects = false;
};

// The quantisation of `rows` rows of activations.
struct FuzzInputQuantization {
  FuzzInputQuantization(FuzzInput& in, const LinearOptions& options, int64_t rows) {
    const bool u8 = options.input != DataType::kS8;
    const auto zero_point = [&] {
      return in.Rarely() ? in.Any<int32_t>()
                         : static_cast<int32_t>(in.Integer(u8 ? 0 : -128, u8 ? 255 : 127));
    };
    const bool dynamic =
        options.scaling != InputScaling::kPerTensor && options.scaling != InputScaling::kPerRow;
    if (dynamic && !in.Rarely()) return;
    if (options.scaling == InputScaling::kPerRow && !in.Rarely()) {
      scales = GuardedBuffer<float>{std::clamp<int64_t>(in.Nearly(rows), 0, 64), in.Guard()};
      zero_points = GuardedBuffer<int32_t>{std::clamp<int64_t>(in.Nearly(rows), 0, 64), in.Guard()};
      for (float& value : scales) value = in.Scale();
      for (int32_t& value : zero_points) value = zero_point();
      quantization = InputQuantization({scales.data(), scales.size()},
                                       {zero_points.data(), zero_points.size()});
    } else {
      quantization = InputQuantization{in.Scale(), zero_point()};
    }
  }

  InputQuantization quantization;
  GuardedBuffer<float> scales;
  GuardedBuffer<int32_t> zero_points;
};

// Calls scalar(expected) and run(output), which take one product to the same output, and compares.
// An error other than kDataCorrupted writes nothing; where `comparable`, both end alike.
template <class Scalar, class Run>
void RunBoth(FuzzMatrix& output, bool comparable, Scalar&& scalar, Run&& run) {
  const Snapshot before(output.bytes());
  const Status expected_status = scalar(output.output());
  Check(output.bytes().CanariesIntact(), "the scalar path wrote beyond the output");
  if (!expected_status.ok() && expected_status.code() != StatusCode::kDataCorrupted) {
    Check(before.Equals(output.bytes()), "the scalar path failed and wrote");
  }
  const Snapshot expected(output.bytes());
  before.Restore(output.bytes());

  const Status status = run(output.output());
  Check(output.bytes().CanariesIntact(), "written beyond the output");
  if (!status.ok() && status.code() != StatusCode::kDataCorrupted) {
    Check(before.Equals(output.bytes()), "failed and wrote");
  }
  if (!comparable) return;
  Check(status.code() == expected_status.code(), "another status than the scalar path gives");
  Check(SameValues(output.type(), expected.data(), output.bytes().data(), expected.size()),
        "another result than the scalar path gives");
}

}  // namespace qforge::fuzz

#endif  // QFORGE_TEST_FUZZ_PRODUCTS_H_
