// Counts what a piece of code allocates, in all threads, and makes allocations fail: malloc and its
// relatives, which operator new goes through, and mmap.
#ifndef QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_
#define QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_

#include <cstdint>

namespace qforge::test {

// A program that links this file has its own malloc and mmap, which count and forward to the
// system's. With a sanitizer, which must have malloc for itself, that sanitizer's hooks count: mmap
// is not seen, nothing fails, and what is live is not known.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kAllocationsCanFail = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kAllocationsCanFail = false;
#else
inline constexpr bool kAllocationsCanFail = true;
#endif
#else
inline constexpr bool kAllocationsCanFail = true;
#endif

// The number of allocations of this process so far.
int64_t AllocationCount();

// The n-th allocation from now on fails, n >= 1, once. 0: none does.
void FailAllocation(int64_t n);
// Whether it has come to that since FailAllocation() was called.
bool AllocationFailed();

// Blocks of malloc and its relatives that are not freed yet, and bytes of mmap not unmapped.
struct LiveMemory {
  int64_t blocks;
  int64_t mapped_bytes;
};
LiveMemory CountLiveMemory();

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_ALLOCATION_COUNTER_H_
