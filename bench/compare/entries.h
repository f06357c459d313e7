// What is compared: times by name, from the files of any benchmark here.
#ifndef QFORGE_BENCH_COMPARE_ENTRIES_H_
#define QFORGE_BENCH_COMPARE_ENTRIES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace qforge::compare {

// One run, or one repetition, of an entry.
struct Sample {
  double value = 0;  // above 0; less is better
  std::optional<double>
      variance;            // of the logarithm over the rounds of the run, from its quartiles
  bool disturbed = false;  // other processes took the CPU away too often
};

enum class Quantity {
  kTime,     // seconds; of campaigns for soft errors time with checks over time without
  kOfLimit,  // time over that of the limit, measured in the same rounds: a clock that changes
             // between two runs does not move it. Entries without a limit are left out
};

// In the order of the first file that has them.
struct Entries {
  std::vector<std::string> names;
  std::map<std::string, std::vector<Sample>> samples;
  bool seconds = true;  // whether values are times, not ratios
};

// Reads the tables of gemm_bench (--table and --sparse) and embedding_bag_bench, the figures of
// soft_error_campaign, and what Google Benchmark writes; entries of the same name in several files
// are runs of the same entry. Throws std::runtime_error that names the file and the field.
Entries ReadEntries(const std::vector<std::string>& files, Quantity quantity);

}  // namespace qforge::compare

#endif  // QFORGE_BENCH_COMPARE_ENTRIES_H_
