#include "support/report.h"

#include <fstream>
#include <stdexcept>

#include "cpu/host.h"

namespace qforge::bench {

nlohmann::json ToJson(const Spread& spread) {
  return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

nlohmann::json SecondsJson(const PairedRounds& rounds, size_t party, double pieces) {
  return ToJson(rounds.Over([&](size_t round) { return rounds.Seconds(party)[round] / pieces; }));
}

std::string MachineText() {
  const cpu::CpuInfo& host = cpu::Host();
  const auto size = [](const char* name, const cpu::CacheLevel& level) {
    return std::string(", ") + name + " " + std::to_string(level.bytes >> 10) + " KiB";
  };
  return std::string(host.brand) + " (" + host.microarchitecture + ")" + size("L1d", host.l1d) +
         size("L2", host.l2) + size("L3", host.l3);
}

void WriteJson(const nlohmann::json& figures, const std::string& path) {
  std::ofstream file(path);
  file << figures.dump(2) << "\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace qforge::bench
