#include "embedding/benchmarks.h"

#include <memory>
#include <optional>
#include <string>

#include "embedding/comparison.h"
#include "peers/fbgemm_embedding.h"
#include "support/paired_benchmark.h"

namespace qforge::bench {
namespace {

using benchmark::UserCounters;

void AddOptional(const char* name, const std::optional<Spread>& spread, UserCounters& counters) {
  if (spread) AddSpread(name, *spread, counters);
}

Measurement Measure(std::shared_ptr<Comparison> comparison, size_t timed_party) {
  Measurement measurement;
  measurement.rounds = {comparison, &comparison->rounds()};
  measurement.timed_party = timed_party;
  measurement.report = [=](UserCounters& counters) {
    counters["ns_per_row"] = comparison->NanosecondsPerRow(timed_party);
    counters["GB/s"] = comparison->GigabytesPerSecond(timed_party);
    if (timed_party == comparison->lookup()) {
      AddOptional("of_limit", comparison->OfLimit(), counters);
      AddOptional("u4_speedup", comparison->OverU4(), counters);
    }
    AddOptional("qforge_speedup", comparison->OverFbgemm(), counters);
  };
  return measurement;
}

Measurement MakeLookup(const Case& which, Isa isa) {
  const auto comparison = std::make_shared<Comparison>(which, isa);
  if (which.setting.flushed) comparison->AddLimit();
  if (which.TargetOverU4() > 0) comparison->AddU4();
  return Measure(comparison, comparison->lookup());
}

Measurement MakeChecked(const Case& which, Isa isa, Checksums checksums) {
  const auto comparison = std::make_shared<Comparison>(which, isa);
  comparison->AddChecked(checksums);
  Measurement measurement = Measure(comparison, *comparison->checked(checksums));
  measurement.report = [=, report = measurement.report](UserCounters& counters) {
    report(counters);
    AddOptional("overhead", comparison->CheckOverhead(checksums), counters);
  };
  return measurement;
}

Measurement MakeFbgemm(const Case& which, Isa isa) {
  const auto comparison = std::make_shared<Comparison>(which, isa);
  comparison->AddFbgemm();
  return Measure(comparison, *comparison->fbgemm());
}

Measurement MakeLimit(const Case& which, Isa isa) {
  const auto comparison = std::make_shared<Comparison>(which, isa);
  comparison->AddLimit();
  return Measure(comparison, *comparison->limit());
}

}  // namespace

void RegisterBenchmarks(const std::vector<Case>& cases, const std::vector<Isa>& isas) {
  for (const Isa isa : isas) {
    for (const Case& which : cases) {
      const std::string suffix = which.Name() + IsaAndThreads(isa, 1);
      RegisterMeasurement("embedding_bag/" + suffix, [=] { return MakeLookup(which, isa); });
      RegisterMeasurement("embedding_bag/" + suffix + "/soft_error_check",
                          [=] { return MakeChecked(which, isa, Checksums::kInRow); });
      RegisterMeasurement("embedding_bag/" + suffix + "/soft_error_check:beside",
                          [=] { return MakeChecked(which, isa, Checksums::kBeside); });
      if (isa != isas.front()) continue;
      if (isa != Isa::kScalar && FbgemmHas(which.format.rows)) {
        RegisterMeasurement("embedding_bag/" + suffix + "/peer:fbgemm",
                            [=] { return MakeFbgemm(which, isa); });
      }
      if (which.setting.flushed) {
        RegisterMeasurement("limit/fetch/" + suffix, [=] { return MakeLimit(which, isa); });
      }
    }
  }
}

}  // namespace qforge::bench
