// A std::vector that starts at a cache line, so that no vector load of an aligned row spans two.
#ifndef QFORGE_BENCH_DLRM_ALIGNED_VECTOR_H_
#define QFORGE_BENCH_DLRM_ALIGNED_VECTOR_H_

#include <cstddef>
#include <new>
#include <vector>

namespace dlrm {

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlignment)); }
  void deallocate(T* data, size_t) { ::operator delete(data, kAlignment); }
  friend bool operator==(CacheLineAllocator, CacheLineAllocator) { return true; }
};

template <class T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_ALIGNED_VECTOR_H_
