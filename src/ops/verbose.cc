#include "ops/verbose.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cpu/dispatch.h"
#include "cpu/host.h"

namespace qforge {

bool Verbose() noexcept {
  static const bool verbose = [] {
    const char* value = std::getenv("QFORGE_VERBOSE");
    return value != nullptr && *value != '\0' && std::strcmp(value, "0") != 0;
  }();
  return verbose;
}

void PrintCreation(const std::string& description, Isa isa) {
  std::string text = "qforge: " + description;
  const Result<Isa>& cap = cpu::EnvironmentCap();
  for (int better = static_cast<int>(isa) + 1; better < kIsaCount; ++better) {
    const std::string why = cpu::WhyRefused(static_cast<Isa>(better), kHighestIsa,
                                            cap.ok() ? *cap : kHighestIsa, cpu::Host().features);
    text += std::string("  not ") + IsaName(static_cast<Isa>(better)) + ": " +
            (why.empty() ? "above the cap of the context or the packed weights" : why) + "\n";
  }
  std::fputs(text.c_str(), stderr);
}

}  // namespace qforge
