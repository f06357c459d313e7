// Faults in tables: bits of the payload of rows, of their parameters and of codebooks.
#ifndef QFORGE_BENCH_SOFT_ERRORS_LOOKUP_CAMPAIGN_H_
#define QFORGE_BENCH_SOFT_ERRORS_LOOKUP_CAMPAIGN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "qforge/isa.h"
#include "qforge/row_layout.h"
#include "soft_errors/campaign.h"

namespace qforge::bench {

// Sums of 10 bags of 100 rows, f32 output, as arXiv 2103.00130 measures them.
struct LookupCase {
  RowFormat format = RowFormat::kU8;
  int64_t dimension = 64;
  int64_t rows = 100'000;  // of the table
  Isa isa = Isa::kScalar;
};

// Formats of tables, each with the dimensions 32, 64, 128 and 256.
std::vector<LookupCase> LookupCases();

// Throws std::runtime_error where the library fails.
CaseResult RunLookupCampaign(const LookupCase& which, const CampaignOptions& options);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SOFT_ERRORS_LOOKUP_CAMPAIGN_H_
