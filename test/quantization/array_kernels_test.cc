// The kernels that prepare rows of A, which only emitted products need, and what all array kernels
// have in common.
#include "kernels/array_kernels.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "quantization/array_case.h"
#include "support/code_inspection.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

using kernels::ArrayKernel;
using kernels::ArrayOperation;

// Those that this machine can run kernels of.
std::vector<Isa> VectorIsas() {
  std::vector<Isa> isas = SupportedIsas();
  isas.erase(isas.begin());
  return isas;
}

template <class Function>
Function* Resolve(Isa isa, ArrayOperation operation, DataType type) {
  const Result<const jit::Kernel*> kernel = kernels::GetArrayKernel({isa, operation, type});
  if (!kernel.ok()) {
    ADD_FAILURE() << kernel.status().message();
    return nullptr;
  }
  return (*kernel)->template As<Function>();
}

std::string Describe(Isa isa, int64_t length, Guard guard) {
  return std::string(IsaName(isa)) + ", length " + std::to_string(length) + ", guard " +
         (guard == Guard::kBehind ? "behind" : "in front");
}

template <class T>
class RowKernels : public ::testing::Test {
 protected:
  static constexpr DataType kType = DataTypeOf<T>::kValue;
};

using QuantizedTypes = ::testing::Types<uint8_t, int8_t>;
struct TypeNames {
  template <class T>
  static std::string GetName(int) {
    return DataTypeName(DataTypeOf<T>::kValue);
  }
};
TYPED_TEST_SUITE(RowKernels, QuantizedTypes, TypeNames);

TYPED_TEST(RowKernels, RowSums) {
  using T = TypeParam;
  Random random(1);
  for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
    for (const int64_t length : Lengths()) {
      const int64_t rows = length % 4;
      const int64_t stride = length + length % 5;
      const int64_t size = rows == 0 ? 0 : (rows - 1) * stride + length;
      const auto input = Filled<T>(size, guard, [&] { return random.Any<T>(); });
      std::vector<int32_t> expected;
      for (int64_t i = 0; i < rows; ++i) {
        int32_t sum = 0;
        for (int64_t k = 0; k < length; ++k) sum += input[i * stride + k];
        expected.push_back(sum);
      }
      GuardedBuffer<int32_t> sums(rows, guard);
      for (const Isa isa : VectorIsas()) {
        auto* const row_sums =
            Resolve<kernels::RowSumsFunction>(isa, ArrayOperation::kRowSums, this->kType);
        ASSERT_NE(row_sums, nullptr);
        std::memset(sums.data(), 0xFF, static_cast<size_t>(rows) * sizeof(int32_t));
        row_sums(input.data(), rows, length, stride, sums.data());
        ASSERT_TRUE(sums.CanariesIntact()) << Describe(isa, length, guard);
        ASSERT_TRUE(SameBits(sums.data(), expected.data(), rows)) << Describe(isa, length, guard);
      }
    }
  }
}

// All 255, all -128: nothing saturates or overflows on the way, and beyond int32 it wraps.
TYPED_TEST(RowKernels, RowSumsOfExtremes) {
  using T = TypeParam;
  constexpr T kExtreme = std::is_signed_v<T> ? T(-128) : T(255);
  for (const int64_t length : {66000, 17000003}) {
    const std::vector<T> input(static_cast<size_t>(length), kExtreme);
    for (const Isa isa : VectorIsas()) {
      auto* const row_sums =
          Resolve<kernels::RowSumsFunction>(isa, ArrayOperation::kRowSums, this->kType);
      ASSERT_NE(row_sums, nullptr);
      int32_t sum = 0;
      row_sums(input.data(), 1, length, length, &sum);
      EXPECT_EQ(sum, static_cast<int32_t>(length * kExtreme)) << IsaName(isa);
    }
  }
}

TYPED_TEST(RowKernels, Widen) {
  using T = TypeParam;
  Random random(2);
  for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
    for (const int64_t length : Lengths()) {
      const auto input = Filled<T>(length, guard, [&] { return random.Any<T>(); });
      const int64_t padded = length + (length % 3 == 0 ? 0 : random.Integer<int64_t>(0, 140));
      std::vector<int16_t> expected(static_cast<size_t>(padded), 0);
      for (int64_t i = 0; i < length; ++i) expected[i] = input[i];
      GuardedBuffer<int16_t> output(padded, guard);
      for (const Isa isa : VectorIsas()) {
        auto* const widen =
            Resolve<kernels::WidenFunction>(isa, ArrayOperation::kWiden, this->kType);
        ASSERT_NE(widen, nullptr);
        std::memset(output.data(), 0xFF, static_cast<size_t>(padded) * sizeof(int16_t));
        widen(input.data(), length, padded, output.data());
        ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
        ASSERT_TRUE(SameBits(output.data(), expected.data(), padded))
            << Describe(isa, length, guard) << ", padded to " << padded;
      }
    }
  }
}

TEST(FlipSign, AddsAHundredAndTwentyEight) {
  Random random(3);
  for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
    for (const int64_t length : Lengths()) {
      const auto input = Filled<int8_t>(length, guard, [&] { return random.Any<int8_t>(); });
      const int64_t padded = length + (length % 3 == 0 ? 0 : random.Integer<int64_t>(0, 140));
      std::vector<uint8_t> expected(static_cast<size_t>(padded), 0);
      for (int64_t i = 0; i < length; ++i) expected[i] = static_cast<uint8_t>(input[i] + 128);
      GuardedBuffer<uint8_t> output(padded, guard);
      for (const Isa isa : VectorIsas()) {
        auto* const flip_sign =
            Resolve<kernels::FlipSignFunction>(isa, ArrayOperation::kFlipSign, DataType::kNone);
        ASSERT_NE(flip_sign, nullptr);
        std::memset(output.data(), 0xFF, static_cast<size_t>(padded));
        flip_sign(input.data(), length, padded, output.data());
        ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
        ASSERT_TRUE(SameBits(output.data(), expected.data(), padded))
            << Describe(isa, length, guard) << ", padded to " << padded;
      }
    }
  }
}

// Also for ISAs that this machine lacks: nothing but their instructions.
TEST(ArrayKernels, AreEmittedForEveryIsaUnderNamesOfTheirOwn) {
  std::set<std::string> names;
  int count = 0;
  for (const Isa isa : AllIsas()) {
    for (int operation = 0; operation < kernels::kArrayOperationCount; ++operation) {
      for (const DataType type :
           {DataType::kNone, DataType::kU8, DataType::kS8, DataType::kF16, DataType::kBF16}) {
        const ArrayKernel kernel{isa, static_cast<ArrayOperation>(operation), type};
        const Result<jit::CodeBytes> code = kernels::EmitArrayKernel(kernel);
        if (!code.ok()) {
          EXPECT_EQ(code.status().code(), StatusCode::kInternal);
          continue;
        }
        EXPECT_EQ(code->name, kernel.Name());
        const CodeInspection inspection =
            InspectCode(code->bytes.data(), code->bytes.size(), kernel.isa);
        EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
        EXPECT_LT(code->bytes.size(), size_t{2048}) << code->name;
        names.insert(code->name);
        ++count;
      }
    }
  }
  // 10 operations have two types, 4 have none.
  EXPECT_EQ(count, (kIsaCount - 1) * (10 * 2 + 4));
  EXPECT_EQ(names.size(), static_cast<size_t>(count));
}

TEST(ArrayKernels, AreFoundAgain) {
  for (const Isa isa : VectorIsas()) {
    const ArrayKernel kernel{isa, ArrayOperation::kQuantize, DataType::kU8};
    const auto first = kernels::GetArrayKernel(kernel);
    const auto second = kernels::GetArrayKernel(kernel);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(*first, *second);
    EXPECT_EQ((*first)->name(), kernel.Name());
  }
}

TEST(ArrayKernels, ThatDoNotExistAreErrors) {
  for (const ArrayKernel& kernel :
       {ArrayKernel{Isa::kScalar, ArrayOperation::kUpdateRange, DataType::kNone},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kUpdateRange, DataType::kU8},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kQuantize, DataType::kNone},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kQuantize, DataType::kF32},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kQuantize, DataType::kF16},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kToF32, DataType::kU8},
        ArrayKernel{Isa::kAvx2, ArrayOperation::kFromF32, DataType::kNone},
        ArrayKernel{Isa::kAvx2, static_cast<ArrayOperation>(kernels::kArrayOperationCount),
                    DataType::kU8},
        ArrayKernel{static_cast<Isa>(kIsaCount), ArrayOperation::kQuantize, DataType::kU8}}) {
    EXPECT_TRUE(IsError(kernels::EmitArrayKernel(kernel).status(), StatusCode::kInternal, ""));
    EXPECT_TRUE(IsError(kernels::GetArrayKernel(kernel).status(), StatusCode::kInternal, ""));
  }
}

}  // namespace
}  // namespace qforge::test
