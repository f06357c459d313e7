// Runs the benchmarks, as programs of their own, and says where their figures are.
#ifndef QFORGE_BENCH_REPORT_RUNS_H_
#define QFORGE_BENCH_REPORT_RUNS_H_

#include <string>
#include <vector>

#include "report/figures.h"

namespace qforge::report {

struct RunOptions {
  std::string programs;  // the folder that has gemm/gemm_bench and the others, or all side by side
  std::string results;   // an existing folder for the JSON files
  std::vector<std::string> families = {"int8", "fp16", "bf16", "fp32"};
  bool full = false;  // all rounds, and all look-ups from memory
};

// Shows a bar for each program where standard error is a terminal. Throws std::runtime_error where
// a program is not there or fails.
Sources RunBenchmarks(const RunOptions& options);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_RUNS_H_
