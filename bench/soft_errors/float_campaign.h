// Faults in float products: bits of packed weights and of sums. What a rounding error could be is
// not found, so that the share that is depends on the bit.
#ifndef QFORGE_BENCH_SOFT_ERRORS_FLOAT_CAMPAIGN_H_
#define QFORGE_BENCH_SOFT_ERRORS_FLOAT_CAMPAIGN_H_

#include <string>
#include <vector>

#include "soft_errors/campaign.h"
#include "soft_errors/product_campaign.h"

namespace qforge::bench {

// "fp32", "fp16", "bf16": of the weights. Activations are f32, beside bf16 weights bf16.
std::vector<std::string> FloatFamilies();

// Throws std::runtime_error where the library fails.
CaseResult RunFloatCampaign(const ProductCase& which, const CampaignOptions& options);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SOFT_ERRORS_FLOAT_CAMPAIGN_H_
