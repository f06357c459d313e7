// A host program may have changed how floats round: results stay the same, and so does its setting.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <vector>

#include "embedding/bag_case.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// MXCSR without the sticky exception flags.
constexpr unsigned kSettings = 0xFFC0;

// Sets MXCSR of this thread for its lifetime.
class ScopedEnvironment {
 public:
  explicit ScopedEnvironment(unsigned mxcsr) : before_(_mm_getcsr()) { _mm_setcsr(mxcsr); }
  ~ScopedEnvironment() { _mm_setcsr(before_); }

 private:
  const unsigned before_;
};

constexpr unsigned kEnvironments[] = {0x2000,
                                      0x4000,
                                      0x6000,  // down, up, to zero
                                      0x8000,
                                      0x0040,  // flush to zero, denormals are zero
                                      0x8000 | 0x4000 | 0x0040};

using LookUpFloatEnvironment = EveryIsaTest;

TEST_F(LookUpFloatEnvironment, ChangesNoResultAndIsRestored) {
  for (const RowFormat format : kAllFormats) {
    for (const bool many : {false, true}) {
      BagCase c;
      c.layout = LayoutOf(format, 40);
      c.weights = BagWeights::kPerPosition;
      c.pooling = Pooling::kMean;
      c.output = many ? DataType::kF16 : DataType::kF32;
      c.specials = !many;  // one special value in a long bag decides all
      c.lengths = many ? std::vector<int64_t>(200, 20) : std::vector<int64_t>{1, 2, 0, 1, 1, 3, 1};
      BagData data(c);
      const TestMatrix expected = data.Expected();
      data.Seal();
      for (const unsigned environment : kEnvironments) {
        const unsigned mxcsr = _MM_MASK_MASK | environment;
        for (const Isa isa : SupportedIsas()) {
          const TestMatrix result = data.MakeOutput();
          Status status;
          unsigned mxcsr_after;
          {
            const ScopedEnvironment scope(mxcsr);
            FixedPool pool(2);  // its threads inherit the setting
            const EmbeddingBag bag = EmbeddingBag::Create(ContextFor(isa, many ? &pool : nullptr),
                                                          data.table.Borrow(), data.options())
                                         .value();
            status = bag.Run(data.input(), result.output());
            mxcsr_after = _mm_getcsr();
          }
          ASSERT_TRUE(status.ok()) << status.message();
          EXPECT_EQ(mxcsr_after & kSettings, mxcsr & kSettings) << IsaName(isa);
          EXPECT_TRUE(SameBits(expected, result)) << IsaName(isa) << ": " << c;
          RecordChecked(isa);
        }
      }
    }
  }
}

TEST(TableFloatEnvironment, ChangesNoResultAndIsRestored) {
  const std::vector<float> values = {0.1f, -0.7f, 0.35f, 1e-6f, 0.2f};
  for (const RowFormat format : {RowFormat::kU8, RowFormat::kU4, RowFormat::kF16}) {
    const TableData data(LayoutOf(format, 5), 3, 1);
    const Context context = Context::Create().value();
    const auto result = [&] {
      EmbeddingTable table = EmbeddingTable::Copy(data.bytes.data(), 3, data.layout).value();
      EXPECT_TRUE(table.UpdateRow(1, values, 5).ok());
      TestMatrix decoded(DataType::kF32, 3, 5);
      EXPECT_TRUE(table.Dequantize(context, 0, decoded.output()).ok());
      return decoded;
    };
    const TestMatrix expected = result();
    for (const unsigned environment : kEnvironments) {
      const unsigned mxcsr = _MM_MASK_MASK | environment;
      const ScopedEnvironment scope(mxcsr);
      EXPECT_TRUE(SameBits(expected, result()));
      EXPECT_EQ(_mm_getcsr() & kSettings, mxcsr & kSettings);
    }
  }
}

}  // namespace
}  // namespace qforge::test
