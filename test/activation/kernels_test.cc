// Emitted activations against the reference, bit for bit, and what else they touch.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "activation/activation_case.h"
#include "cpu/isa_table.h"
#include "kernels/activation.h"
#include "qforge/half.h"
#include "support/code_inspection.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"

namespace qforge::test {
namespace {

class Activations : public ::testing::TestWithParam<ActivationCase> {};
INSTANTIATE_TEST_SUITE_P(All, Activations, ::testing::ValuesIn(kActivations),
                         [](const auto& info) { return info.param.name; });

// The size of the arrays: a multiple of every ISA's lanes.
constexpr int64_t kCount = 65536;
constexpr int kMostRegisters = 32;
constexpr int kMostLanes = 16;

void ExpectReference(const ActivationCase& c, const GuardedBuffer<float>& input, Guard guard) {
  std::vector<float> expected;
  for (const float x : input) expected.push_back(c.reference(x));
  GuardedBuffer<float> output(input.size(), guard);
  for (const Isa isa : VectorIsas()) {
    ActivationFunction* const activate = ActivationLoop(isa, c);
    ASSERT_NE(activate, nullptr);
    std::vector<int32_t> registers(kMostRegisters * kMostLanes);
    std::memset(output.data(), 0xFF, static_cast<size_t>(output.size()) * sizeof(float));
    activate(input.data(), output.data(), input.size(), registers.data());
    ASSERT_TRUE(output.CanariesIntact()) << IsaName(isa);
    for (int64_t i = 0; i < input.size(); ++i) {
      ASSERT_EQ(internal::FloatBits(output[i]),
                internal::FloatBits(expected[static_cast<size_t>(i)]))
          << IsaName(isa) << ": of " << input[i] << " (0x" << std::hex
          << internal::FloatBits(input[i]) << ") " << output[i] << ", expected "
          << expected[static_cast<size_t>(i)];
    }
  }
}

// Every sign, exponent and upper part of a mantissa, NaNs of all kinds among them, with lower parts
// at the ends, in the middle and anywhere.
TEST_P(Activations, OfAllUpperHalves) {
  Random random(1);
  for (const uint32_t low : {0x0000u, 0x0001u, 0x8000u, 0xFFFFu, 0x10000u, 0x10000u}) {
    const Guard guard = low == 0 ? Guard::kInFront : Guard::kBehind;
    GuardedBuffer<float> input(kCount, guard);
    for (uint32_t high = 0; high < kCount; ++high) {
      const uint32_t bits = low < 0x10000u ? low : random.Any<uint16_t>();
      input[high] = internal::BitsFloat(high << 16 | bits);
    }
    input.Seal();
    ExpectReference(GetParam(), input, guard);
  }
}

// Where results are neither 0 nor the argument.
TEST_P(Activations, OfOrdinaryValues) {
  Random random(2);
  for (const float range : {1.0f, 16.0f, 128.0f}) {
    GuardedBuffer<float> input(kCount, Guard::kBehind);
    for (float& x : input) x = random.Real(-range, range);
    input.Seal();
    ExpectReference(GetParam(), input, Guard::kBehind);
  }
}

TEST_P(Activations, ChangeNoOtherRegister) {
  const ActivationCase& c = GetParam();
  for (const Isa isa : VectorIsas()) {
    ActivationFunction* const activate = ActivationLoop(isa, c);
    ASSERT_NE(activate, nullptr);
    const cpu::IsaTraits& traits = cpu::Traits(isa);
    const int lanes = traits.vector_bytes / 4;
    std::vector<float> values(static_cast<size_t>(lanes), -1.5f);
    std::vector<int32_t> registers(kMostRegisters * kMostLanes);
    activate(values.data(), values.data(), lanes, registers.data());
    int changed = 0;
    for (int v = 0; v < traits.vector_registers; ++v) {
      if (registers[static_cast<size_t>(v * lanes)] == 0) {
        ++changed;
        continue;
      }
      for (int lane = 0; lane < lanes; ++lane) {
        EXPECT_EQ(registers[static_cast<size_t>(v * lanes + lane)], v + 1) << IsaName(isa);
      }
    }
    EXPECT_EQ(changed, 1 + kernels::ActivationScratch(c.activation)) << IsaName(isa);
    EXPECT_LE(kernels::ActivationScratch(c.activation), 4);
  }
}

// Also for ISAs that this machine lacks: nothing but their instructions.
TEST_P(Activations, AreEmittedForEveryIsa) {
  for (const Isa isa : AllIsas()) {
    if (isa == Isa::kScalar) continue;
    const Result<jit::CodeBytes> code = EmitActivationLoop(isa, GetParam());
    ASSERT_TRUE(code.ok()) << code.status().message();
    const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), isa);
    EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
  }
}

TEST(OtherActivations, NeedNoExponential) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
    EXPECT_FALSE(kernels::NeedsExponential(activation));
    EXPECT_EQ(kernels::ActivationScratch(activation), 0);
    const ActivationCase c{activation, "other", nullptr, nullptr, nullptr};
    EXPECT_EQ(EmitActivationLoop(Isa::kAvx2, c).status().code(), StatusCode::kInternal);
  }
  for (const ActivationCase& c : kActivations) {
    EXPECT_TRUE(kernels::NeedsExponential(c.activation)) << c.name;
  }
}

}  // namespace
}  // namespace qforge::test
