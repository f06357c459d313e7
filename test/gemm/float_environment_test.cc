// A host program may have changed how floats round: results stay the same, and so does its setting.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <ostream>
#include <utility>
#include <vector>

#include "gemm/linear_case.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// MXCSR without the sticky exception flags.
constexpr unsigned kSettings = 0xFFC0;

struct Environment {
  const char* name;
  unsigned bits;  // to be set in the default, 0x1F80
  friend std::ostream& operator<<(std::ostream& out, const Environment& x) { return out << x.name; }
};
constexpr Environment kEnvironments[] = {
    {"round_down", 0x2000},         {"round_up", 0x4000},
    {"round_to_zero", 0x6000},      {"flush_to_zero", 0x8000},
    {"denormals_are_zero", 0x0040}, {"all_of_it", 0x8000 | 0x4000 | 0x0040},
};

// Sets MXCSR of this thread for its lifetime.
class ScopedEnvironment {
 public:
  explicit ScopedEnvironment(unsigned mxcsr) : before_(_mm_getcsr()) { _mm_setcsr(mxcsr); }
  ~ScopedEnvironment() { _mm_setcsr(before_); }

 private:
  const unsigned before_;
};

// Cases in which each setting would show: ordinary roundings, and multipliers, biases and results
// that are denormal.
std::vector<LinearData> SensitiveData(int64_t rows) {
  std::vector<LinearData> all;
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32}) {
    for (const DataType input : {DataType::kU8, DataType::kF32}) {
      for (const bool denormal : {false, true}) {
        LinearCase c;
        c.rows = rows;
        c.outputs = 120;
        c.inputs = 101;
        c.input = input;
        c.scaling = input == DataType::kF32 ? InputScaling::kDynamicPerRow : InputScaling::kPerRow;
        c.zero_points = Granularity::kPerChannel;
        c.output = output;
        c.bias = DataType::kF32;
        c.residual = DataType::kU8;
        LinearData data(c);
        if (denormal) {
          for (float& scale : data.row_scales) scale *= 1e-20f;
          for (float& scale : data.scales) scale *= 1e-20f;
          for (float& bias : data.bias_f32) bias *= 1e-40f;
          data.residual_options.scale *= 1e-40f;
          if (output != DataType::kF32) data.output.scale *= 1e-40f;
        }
        all.push_back(std::move(data));
      }
    }
  }
  return all;
}

constexpr int64_t kManyRows = 220;  // enough work for two threads
constexpr int64_t kFewRows = 3;     // a call that is over before it is divided

std::vector<LinearData> SensitiveData() {
  std::vector<LinearData> all = SensitiveData(kManyRows);
  for (LinearData& data : SensitiveData(kFewRows)) all.push_back(std::move(data));
  return all;
}

class FloatEnvironments : public EveryIsaTest, public ::testing::WithParamInterface<Environment> {};

// Packing, creation (which divides scales) and Run, all under the host's setting; the pool's
// threads have it, too.
TEST_P(FloatEnvironments, ChangeNoResultAndAreRestored) {
  const unsigned mxcsr = _MM_MASK_MASK | GetParam().bits;
  for (LinearData& data : SensitiveData()) {
    const TestMatrix expected = ReferenceResult(data);
    data.Seal();
    for (const Isa isa : SupportedIsas()) {
      for (const int threads : {1, 2}) {
        const TestMatrix result = data.MakeOutput(Guard::kBehind);
        Status status;
        unsigned mxcsr_after;
        {
          const ScopedEnvironment environment(mxcsr);
          FixedPool pool(threads);
          ContextOptions options;
          options.pool = threads == 1 ? nullptr : &pool;
          const Result<Context> context = Context::Create(options);
          status = context.ok() ? data.Run(*context, isa, result) : context.status();
          mxcsr_after = _mm_getcsr();
        }
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_EQ(mxcsr_after & kSettings, mxcsr & kSettings) << IsaName(isa) << ": " << data.c;
        ASSERT_TRUE(SameBits(expected, result))
            << "  " << IsaName(isa) << ", " << threads << " threads: " << data.c;
        RecordChecked(isa);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, FloatEnvironments, ::testing::ValuesIn(kEnvironments),
                         [](const auto& info) { return info.param.name; });

// The cases above prove something only if the settings change what the reference, which takes the
// environment as it finds it, computes.
TEST(FloatEnvironmentCases, WouldShow) {
  for (const Environment& environment : kEnvironments) {
    bool shows = false;
    for (const LinearData& data : SensitiveData()) {
      const TestMatrix expected = ReferenceResult(data);
      const ScopedEnvironment scope(_MM_MASK_MASK | environment.bits);
      shows = shows || !SameBits(expected, ReferenceResult(data));
    }
    EXPECT_TRUE(shows) << environment.name;
  }
}

}  // namespace
}  // namespace qforge::test
