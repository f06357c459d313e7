// What the benchmarks measured, read from the JSON files that they write. All functions throw
// std::runtime_error that names the file and the field.
#ifndef QFORGE_BENCH_REPORT_FIGURES_H_
#define QFORGE_BENCH_REPORT_FIGURES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace qforge::report {

// The quartiles over rounds.
struct Spread {
  double low = 0;
  double median = 0;
  double high = 0;
};

// --- gemm_bench --table --------------------------------------------------------------------------

struct PeerFigures {
  std::string name;
  bool exact = true;
  double gops = 0;
  Spread speedup;  // of qforge over the peer
};

struct Product {
  int64_t m = 0, n = 0, k = 0;
  double gops = 0;
  std::optional<Spread> of_limit;
  std::string bound;  // "issue", "stream" or ""
  std::optional<double> issue_gops;
  std::optional<double> stream_gb_per_s;
  std::vector<PeerFigures> peers;  // without those that could not run
  bool disturbed = false;          // other processes took too much of the time

  std::string Name() const;  // "6 × 256 × 1,024"
  double operations() const;
};

struct ProductTable {
  std::string family;
  std::string isa;
  std::string product;
  int64_t rounds = 0;
  std::vector<Product> products;

  double WeightBytes(const Product& product) const;
  // Operations per byte of A, B and C, each taken once.
  double Intensity(const Product& product) const;
};

// --- embedding_bag_bench --table -----------------------------------------------------------------

struct LookUp {
  std::string format;
  int64_t dimension = 0;
  double nanoseconds = 0;  // per row
  double gigabytes_per_second = 0;
  std::optional<double> fbgemm_nanoseconds;
  std::optional<double> limit_nanoseconds;
  bool disturbed = false;
};

struct LookUpTable {
  std::string isa;
  int64_t rows = 0;
  bool in_caches = false;
  int64_t rounds = 0;
  std::vector<LookUp> look_ups;
};

// --- qforge_quantize_table --compare -------------------------------------------------------------

struct Quantized {
  std::string format;
  std::string method;
  int64_t bytes = 0;
  double of_fp32 = 0;
  double loss = 0;  // mean over rows of |x - q(x)| / |x|
};

struct TableLosses {
  std::string tensor;
  int64_t rows = 0, columns = 0;
  std::vector<Quantized> tables;
};

// --- soft_error_campaign -------------------------------------------------------------------------

struct FaultPlace {
  std::string place;
  int64_t changed = 0;  // faults that changed a result
  int64_t detected = 0;
};

// A case of a campaign.
struct Checked {
  std::string what;  // "6 × 256 × 1,024", "u4, d = 64"
  Spread overhead;
  int64_t clean_rows = 0;
  int64_t false_positives = 0;
  std::vector<FaultPlace> places;
};

// The cases of one family on one ISA.
struct Campaign {
  std::string family;
  std::string isa;
  std::vector<Checked> cases;
};

// --- qforge_info ---------------------------------------------------------------------------------

struct Machine {
  std::string brand;
  std::string microarchitecture;
  int64_t cores = 0, logical_processors = 0;
  std::vector<std::pair<std::string, int64_t>> caches;  // name and bytes, the smallest first
  std::vector<std::string> isas;                        // that may be used
  std::string chosen;
};

// --- all -----------------------------------------------------------------------------------------

struct Sources {
  std::vector<std::string> products, look_ups, losses, soft_errors;
  std::string machine;  // "": none
};

struct Figures {
  std::vector<std::string> cpus;  // what the files say, each once
  std::vector<ProductTable> products;
  std::vector<LookUpTable> look_ups;
  std::vector<TableLosses> losses;
  std::vector<Campaign> campaigns;
  std::optional<Machine> machine;
};

Figures ReadFigures(const Sources& sources);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_FIGURES_H_
