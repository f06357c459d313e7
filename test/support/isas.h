// Tests that run on every instruction set of the machine, and fail when they missed one.
#ifndef QFORGE_TEST_SUPPORT_ISAS_H_
#define QFORGE_TEST_SUPPORT_ISAS_H_

#include <gtest/gtest.h>

#include <vector>

#include "qforge/isa.h"

namespace qforge::test {

// Every Isa, and those that this machine can run, in order of preference.
std::vector<Isa> AllIsas();
std::vector<Isa> SupportedIsas();

// Records that the running test has checked a result that `isa` computed: the one that the library
// says it used, not the one that was asked for, so that a cap which is not obeyed shows.
void RecordChecked(Isa isa);

// A test that fails, and names the ISA, when none of its results was checked on a supported one.
class EveryIsaTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
};

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_ISAS_H_
