// Whether two sets of times differ by more than noise.
#ifndef QFORGE_BENCH_COMPARE_JUDGEMENT_H_
#define QFORGE_BENCH_COMPARE_JUDGEMENT_H_

#include <cstddef>
#include <vector>

#include "compare/entries.h"

namespace qforge::compare {

enum class Verdict {
  kSame,  // within noise, or below the threshold
  kSlower,
  kFaster,
  kDisturbed,  // no sample of a side was left alone by other processes
  kUnknown,    // one figure per side, and neither says how it varies
};

struct Judgement {
  Verdict verdict = Verdict::kUnknown;
  double base = 0, fresh = 0;  // geometric means over runs
  double ratio = 1;            // fresh / base
  double low = 1, high = 1;    // what the ratio may be by noise
};

// All arithmetic is of logarithms. A side is the mean of its runs. The variance of a run is the
// larger of the sample variance between runs and the mean variance of the rounds within them:
// within one run it is not divided by the number of rounds, as what differs between two runs
// (addresses, pages, the clock) is the same in all rounds of one. The variance of the mean is that
// over the number of runs; a side that has neither is taken to vary as the other. The interval is
// Welch's: Student's t with degrees of freedom after Satterthwaite, at a confidence of 99 % that
// none of `entries` intervals misses (Bonferroni). Slower means that it lies above 1 and the ratio
// is above 1 + threshold.
Judgement Judge(const std::vector<Sample>& base, const std::vector<Sample>& fresh, double threshold,
                size_t entries);

}  // namespace qforge::compare

#endif  // QFORGE_BENCH_COMPARE_JUDGEMENT_H_
