// Counts what a piece of code allocates, in all threads: malloc and its relatives, which operator
// new goes through, and mmap.
#ifndef QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_
#define QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace qforge::test {

// The number of allocations of this process so far. A program that links this file has its own
// malloc and mmap, which count and forward to the system's; with a sanitizer, which must have
// malloc for itself, that sanitizer's hooks count, and mmap is not seen.
int64_t AllocationCount();

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_
