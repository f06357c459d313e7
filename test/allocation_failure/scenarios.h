// What is done while allocations fail: short programs that together go through every way to create
// and to run something.
#ifndef QFORGE_TEST_ALLOCATION_FAILURE_SCENARIOS_H_
#define QFORGE_TEST_ALLOCATION_FAILURE_SCENARIOS_H_

#include <string>
#include <vector>

#include "qforge/status.h"

namespace qforge::test {

struct Scenario {
  const char* name;
  // Writes the bytes of all results into *result, which has room for kResultBytes.
  Status (*run)(std::string* result);
};
inline constexpr size_t kResultBytes = 1 << 16;

const std::vector<Scenario>& Scenarios();

}  // namespace qforge::test

#endif  // QFORGE_TEST_ALLOCATION_FAILURE_SCENARIOS_H_
