// What the tables of all programs have in common.
#ifndef QFORGE_BENCH_SUPPORT_REPORT_H_
#define QFORGE_BENCH_SUPPORT_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>

#include "support/paired_rounds.h"

namespace qforge::bench {

// Whether too many slices were disturbed for figures to be trusted.
inline bool Unreliable(double disturbed) { return disturbed > 0.2; }

nlohmann::json ToJson(const Spread& spread);

// The quartiles of a party's times over the rounds, each divided by `pieces` of work per
// repetition. Tables write them as "seconds" of each entry; qforge_compare takes its noise from
// them.
nlohmann::json SecondsJson(const PairedRounds& rounds, size_t party, double pieces = 1);

// The CPU and its caches, in one line.
std::string MachineText();

// Throws std::runtime_error where the file cannot be written.
void WriteJson(const nlohmann::json& figures, const std::string& path);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SUPPORT_REPORT_H_
