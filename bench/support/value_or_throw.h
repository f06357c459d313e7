// Benchmark programs end at the first error: a Status becomes an exception that main() prints.
#ifndef QFORGE_BENCH_SUPPORT_VALUE_OR_THROW_H_
#define QFORGE_BENCH_SUPPORT_VALUE_OR_THROW_H_

#include <stdexcept>
#include <utility>

#include "qforge/status.h"

namespace qforge::bench {

template <class T>
T ValueOrThrow(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(result).value();
}

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SUPPORT_VALUE_OR_THROW_H_
