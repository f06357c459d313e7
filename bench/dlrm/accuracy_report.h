// The figures of accuracy.h as tables for people and as JSON for programs.
#ifndef QFORGE_BENCH_DLRM_ACCURACY_REPORT_H_
#define QFORGE_BENCH_DLRM_ACCURACY_REPORT_H_

#include <string>

#include "dlrm/accuracy.h"

namespace dlrm {

std::string TextReport(const AccuracyResult& result);

// An object with a "setup", the "layers" and the "ways", by name.
std::string JsonReport(const AccuracyResult& result);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_ACCURACY_REPORT_H_
