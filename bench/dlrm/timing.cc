#include "dlrm/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace dlrm {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// An engine has the machine to itself for a while, so that its weights stay in the caches as they
// would in production; turns are short against the drift of the machine's clock.
constexpr int kTurns = 10;
constexpr double kWarmUpShare = 0.1;
constexpr double kMlpShare = 0.2;

struct Measurement {
  std::vector<double> seconds;  // of each batch
  std::vector<double> rates;    // of each turn, in requests per second
  std::vector<double> mlp_rates;
  int64_t request = 0;  // the first one of the batch that ran last
};

class Rate {
 public:
  void Add(int64_t requests, double seconds) {
    requests_ += requests;
    seconds_ += seconds;
  }
  double PerSecond() const { return static_cast<double>(requests_) / seconds_; }

 private:
  int64_t requests_ = 0;
  double seconds_ = 0.0;
};

// Calls `body` until `seconds` have passed, but at least once, and hands each call's duration to
// `record`.
template <class Body, class Record>
void Repeat(double seconds, const Body& body, const Record& record) {
  const Clock::time_point end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
  Clock::time_point before = Clock::now();
  do {
    body();
    const Clock::time_point after = Clock::now();
    record(Seconds(after - before).count());
    before = after;
  } while (before < end);
}

void TakeTurn(Engine& engine, const Requests& requests, int64_t batch, double seconds,
              std::vector<float>& logits, Measurement& measurement) {
  const auto run = [&] {
    measurement.request += batch;
    if (measurement.request + batch > requests.rows) measurement.request = 0;
    engine.Run(requests, measurement.request, batch, logits.data());
  };
  const auto run_mlps = [&] {
    engine.RunMlps(requests, measurement.request, batch, logits.data());
  };
  Repeat(kWarmUpShare * seconds, run, [](double) {});
  Rate rate;
  Repeat((1.0 - kWarmUpShare - kMlpShare) * seconds, run, [&](double duration) {
    measurement.seconds.push_back(duration);
    rate.Add(batch, duration);
  });
  measurement.rates.push_back(rate.PerSecond());
  Rate mlp_rate;
  Repeat(kMlpShare * seconds, run_mlps, [&](double duration) { mlp_rate.Add(batch, duration); });
  measurement.mlp_rates.push_back(mlp_rate.PerSecond());
}

}  // namespace

double Quantile(std::vector<double>& values, double fraction) {
  const double rank = std::ceil(fraction * static_cast<double>(values.size()));
  const auto nth = values.begin() + std::max<int64_t>(static_cast<int64_t>(rank) - 1, 0);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

std::vector<BatchTiming> MeasureBatch(const std::vector<Engine*>& engines, const Requests& requests,
                                      int64_t batch, double seconds,
                                      qforge::bench::Progress& progress) {
  std::vector<Measurement> measurements(engines.size());
  std::vector<float> logits(batch);
  const int turns = kTurns * static_cast<int>(engines.size());
  for (int turn = 0; turn < turns; ++turn) {
    const size_t i = turn % engines.size();
    TakeTurn(*engines[i], requests, batch, seconds / turns, logits, measurements[i]);
    progress.Update(static_cast<double>(turn + 1) / turns);
  }

  std::vector<BatchTiming> timings;
  for (Measurement& m : measurements) {
    timings.push_back({.batch = batch,
                       .requests_per_second = Quantile(m.rates, 0.5),
                       .p50_microseconds = 1e6 * Quantile(m.seconds, 0.50),
                       .p99_microseconds = 1e6 * Quantile(m.seconds, 0.99),
                       .mlp_requests_per_second = Quantile(m.mlp_rates, 0.5)});
  }
  return timings;
}

}  // namespace dlrm
