// The demo reports errors as exceptions that main() prints. qforge itself throws none: these two
// turn its statuses into them.
#ifndef QFORGE_BENCH_DLRM_CHECK_H_
#define QFORGE_BENCH_DLRM_CHECK_H_

#include <stdexcept>
#include <string>
#include <utility>

#include "qforge/status.h"

namespace dlrm {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void Check(const qforge::Status& status) {
  if (!status.ok()) throw Error(status.message());
}

template <class T>
T Take(qforge::Result<T> result) {
  Check(result.status());
  return std::move(result).value();
}

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_CHECK_H_
