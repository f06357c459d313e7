// The emitted kernels against the scalar truth, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "kernels/table_quantize.h"
#include "ref/table_quantization.h"
#include "support/code_inspection.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

using kernels::TableQuantizeKernel;
using kernels::TableQuantizeOperation;

// Rows and codes in memory for whole blocks, which ends at an unmapped page.
class RowKernels : public EveryIsaTest {
 protected:
  // `test(isa, count)` for every emitted ISA of this machine.
  template <class Test>
  void ForAll(const Test& test) {
    RecordChecked(Isa::kScalar);  // which the kernels are compared with
    for (const Isa isa : SupportedIsas()) {
      if (isa == Isa::kScalar) continue;
      for (int64_t count = 1; count <= 100; ++count) test(isa, count);
      for (const int64_t count : {255, 256, 257, 1000}) test(isa, count);
      RecordChecked(isa);
    }
  }

  template <class Function>
  static Function* Get(Isa isa, TableQuantizeOperation operation) {
    const auto kernel = kernels::GetTableQuantizeKernel({isa, operation});
    EXPECT_TRUE(kernel.ok()) << kernel.status().message();
    return (*kernel)->template As<Function>();
  }

  static int64_t Padded(int64_t count) { return (count + 15) / 16 * 16; }

  GuardedBuffer<float> Row(int64_t count) {
    GuardedBuffer<float> row(Padded(count), Guard::kBehind);  // NaN behind the elements
    for (int64_t i = 0; i < count; ++i) row[i] = random_.Real(-2.0f, 2.0f);
    row.Seal();
    return row;
  }

  static std::string At(Isa isa, int64_t count) {
    return std::string(IsaName(isa)) + ", " + std::to_string(count) + " elements";
  }

  Random random_{1};
};

TEST_F(RowKernels, LoadRow) {
  ForAll([&](Isa isa, int64_t count) {
    const int64_t padded = Padded(count);
    for (const bool half : {false, true}) {
      GuardedBytes source(static_cast<size_t>(padded) * (half ? 2 : 4), Guard::kBehind);
      for (int64_t i = 0; i < padded; ++i) {
        // Any bits, and behind the elements copies of the first.
        if (half) {
          auto* const values = reinterpret_cast<Half*>(source.data());
          values[i] = i < count ? Half{random_.Any<uint16_t>()} : values[0];
        } else {
          auto* const values = reinterpret_cast<uint32_t*>(source.data());
          values[i] = i < count ? random_.Any<uint32_t>() : values[0];
        }
      }
      std::vector<float> expected(static_cast<size_t>(count));
      float min, max;
      if (half) {
        ref::LoadRow(reinterpret_cast<const Half*>(source.data()), count, expected.data(), &min,
                     &max);
      } else {
        ref::LoadRow(reinterpret_cast<const float*>(source.data()), count, expected.data(), &min,
                     &max);
      }
      GuardedBuffer<float> row(padded, Guard::kBehind);
      kernels::ValueBounds bounds;
      Get<kernels::LoadRowFunction>(
          isa, half ? TableQuantizeOperation::kLoadF16 : TableQuantizeOperation::kLoadF32)(
          source.data(), count, row.data(), &bounds);
      ASSERT_EQ(std::memcmp(row.data(), expected.data(), expected.size() * sizeof(float)), 0)
          << At(isa, count);
      ASSERT_EQ(bounds.min, min) << At(isa, count);
      ASSERT_EQ(bounds.max, max) << At(isa, count);
    }
  });
}

TEST_F(RowKernels, RangeLossesAndCodes) {
  ForAll([&](Isa isa, int64_t count) {
    const GuardedBuffer<float> row = Row(count);
    for (const int bits : {8, 4, 2}) {
      const float levels = static_cast<float>((1 << bits) - 1);
      kernels::RowRange ranges[2];
      float expected[2], losses[2];
      for (int i = 0; i < 2; ++i) {
        const float scale = random_.Real(0.5f, 4.0f) / levels;
        ranges[i] = {scale, 1.0f / scale, random_.Real(-2.0f, 0.0f), levels};
        expected[i] =
            ref::RangeLoss(row.data(), count, scale, 1.0f / scale, ranges[i].bias, levels);
      }
      Get<kernels::RangeLossesFunction>(isa, TableQuantizeOperation::kRangeLosses)(
          row.data(), count, ranges, losses);
      ASSERT_EQ(losses[0], expected[0]) << At(isa, count) << ", " << bits << " bits";
      ASSERT_EQ(losses[1], expected[1]) << At(isa, count) << ", " << bits << " bits";

      std::vector<uint8_t> expected_codes(static_cast<size_t>(Padded(count) * bits / 8), 0);
      ref::EncodeRange(row.data(), count, ranges[0].inverse_scale, ranges[0].bias, bits,
                       expected_codes.data());
      GuardedBuffer<uint8_t> codes(Padded(count) * bits / 8, Guard::kBehind);
      Get<kernels::EncodeRangeFunction>(isa, bits == 8   ? TableQuantizeOperation::kEncode8
                                             : bits == 4 ? TableQuantizeOperation::kEncode4
                                                         : TableQuantizeOperation::kEncode2)(
          row.data(), count, ranges, codes.data());
      ASSERT_EQ(std::vector<uint8_t>(codes.begin(), codes.end()), expected_codes)
          << At(isa, count) << ", " << bits << " bits";
    }
  });
}

TEST_F(RowKernels, CodebookLossesAndCodes) {
  ForAll([&](Isa isa, int64_t count) {
    const GuardedBuffer<float> row = Row(count);
    constexpr int kBooks = 3;
    GuardedBuffer<kernels::Codebook> books(kBooks, Guard::kBehind);
    float expected[kBooks], losses[kBooks];
    for (int book = 0; book < kBooks; ++book) {
      kernels::Codebook& codebook = books[book];
      float centre = -2.5f;
      for (float& c : codebook.centres) c = centre += random_.Real(0.0f, 0.6f);
      // Some centres twice, and some bounds that are elements.
      codebook.centres[5] = codebook.centres[6];
      codebook.centres[9] = codebook.centres[8] = row[0];
      std::sort(codebook.centres, codebook.centres + 16);
      ref::FindBounds(codebook.centres, codebook.bounds);
      expected[book] = ref::CodebookLoss(row.data(), count, codebook.bounds, codebook.centres);
    }
    Get<kernels::CodebookLossesFunction>(isa, TableQuantizeOperation::kCodebookLosses)(
        row.data(), count, books.data(), kBooks, losses);
    for (int book = 0; book < kBooks; ++book) {
      ASSERT_EQ(losses[book], expected[book]) << At(isa, count);
    }
    std::vector<uint8_t> expected_codes(static_cast<size_t>(Padded(count) / 2), 0);
    ref::EncodeCodebook(row.data(), count, books[0].bounds, expected_codes.data());
    GuardedBuffer<uint8_t> codes(Padded(count) / 2, Guard::kBehind);
    Get<kernels::EncodeCodebookFunction>(isa, TableQuantizeOperation::kEncodeCodebook)(
        row.data(), count, books.data(), codes.data());
    ASSERT_EQ(std::vector<uint8_t>(codes.begin(), codes.end()), expected_codes) << At(isa, count);
  });
}

// Also for ISAs that this machine lacks: nothing but their instructions.
TEST(TableQuantizeKernels, AreEmittedForEveryIsaUnderNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Isa isa : AllIsas()) {
    if (isa == Isa::kScalar) continue;
    for (int operation = 0; operation < kernels::kTableQuantizeOperationCount; ++operation) {
      const TableQuantizeKernel kernel{isa, static_cast<TableQuantizeOperation>(operation)};
      const Result<jit::CodeBytes> code = kernels::EmitTableQuantizeKernel(kernel);
      ASSERT_TRUE(code.ok()) << code.status().message();
      EXPECT_EQ(code->name, kernel.Name());
      const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), isa);
      EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
      names.insert(code->name);
    }
  }
  EXPECT_EQ(names.size(),
            static_cast<size_t>((kIsaCount - 1) * kernels::kTableQuantizeOperationCount));
}

TEST(TableQuantizeKernels, ThatDoNotExistAreErrors) {
  for (const TableQuantizeKernel& kernel :
       {TableQuantizeKernel{Isa::kScalar, TableQuantizeOperation::kLoadF32},
        TableQuantizeKernel{static_cast<Isa>(kIsaCount), TableQuantizeOperation::kLoadF32},
        TableQuantizeKernel{Isa::kAvx2, static_cast<TableQuantizeOperation>(
                                            kernels::kTableQuantizeOperationCount)}}) {
    EXPECT_TRUE(
        IsError(kernels::EmitTableQuantizeKernel(kernel).status(), StatusCode::kInternal, ""));
    EXPECT_TRUE(
        IsError(kernels::GetTableQuantizeKernel(kernel).status(), StatusCode::kInternal, ""));
  }
}

}  // namespace
}  // namespace qforge::test
