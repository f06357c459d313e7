// Faults in products: bits of packed weights and of accumulators.
#ifndef QFORGE_BENCH_SOFT_ERRORS_PRODUCT_CAMPAIGN_H_
#define QFORGE_BENCH_SOFT_ERRORS_PRODUCT_CAMPAIGN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "qforge/isa.h"
#include "soft_errors/campaign.h"

namespace qforge::bench {

struct ProductCase {
  std::string family = "int8";  // see ProductFamilies()
  int64_t rows = 0;             // M
  int64_t outputs = 0;          // N
  int64_t inputs = 0;           // K
  Isa isa = Isa::kScalar;
};

// "int8"; "int8_acc16": narrow weights, activations to 127; "int8_outlier": 0.1 % of the weights
// beyond s8.
std::vector<std::string> ProductFamilies();

// The 28 fully connected layers of arXiv 2103.00130 (M, N, K filled in).
std::vector<ProductCase> PublishedLayers();

// "int8/6x256x1024/isa:avx512_vnni/threads:1"
std::string NameOf(const ProductCase& which, const CampaignOptions& options);

// Throws std::runtime_error where the library fails.
CaseResult RunProductCampaign(const ProductCase& which, const CampaignOptions& options);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SOFT_ERRORS_PRODUCT_CAMPAIGN_H_
