// The figures as a table for people and as JSON for programs.
#ifndef QFORGE_BENCH_DLRM_REPORT_H_
#define QFORGE_BENCH_DLRM_REPORT_H_

#include <string>

#include "dlrm/experiment.h"

namespace dlrm {

std::string TextReport(const ExperimentResult& result);

// An object with a "setup" and one object per variant, under the variant's name.
std::string JsonReport(const ExperimentResult& result);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_REPORT_H_
