#include "support/isas.h"

#include <array>
#include <cstdlib>

namespace qforge::test {
namespace {

// By Isa. Tests of one binary run one after the other.
std::array<bool, kIsaCount> checked{};

const char* EnvironmentCap() {
  const char* value = std::getenv("QFORGE_MAX_ISA");
  return value == nullptr ? "not set" : value;
}

}  // namespace

std::vector<Isa> AllIsas() {
  std::vector<Isa> isas;
  for (int i = 0; i < kIsaCount; ++i) isas.push_back(static_cast<Isa>(i));
  return isas;
}

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : AllIsas()) {
    if (IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

void RecordChecked(Isa isa) { checked[static_cast<size_t>(isa)] = true; }

void EveryIsaTest::SetUp() { checked.fill(false); }

void EveryIsaTest::TearDown() {
  if (IsSkipped() || HasFatalFailure()) return;
  for (const Isa isa : SupportedIsas()) {
    EXPECT_TRUE(checked[static_cast<size_t>(isa)])
        << "this machine has " << IsaName(isa)
        << ", but no result of this test was computed with it (QFORGE_MAX_ISA is "
        << EnvironmentCap() << ")";
  }
}

}  // namespace qforge::test
