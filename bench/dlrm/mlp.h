// A chain of linear layers, ready to run.
#ifndef QFORGE_BENCH_DLRM_MLP_H_
#define QFORGE_BENCH_DLRM_MLP_H_

#include <cstdint>

#include "qforge/views.h"

namespace dlrm {

class Mlp {
 public:
  virtual ~Mlp() = default;

  // `output` row i is the result for `input` row i; at most the rows that the chain was made for.
  // Uses scratch memory of the object: one call at a time.
  virtual void Run(const qforge::MatrixView<const float>& input,
                   const qforge::MatrixView<float>& output) = 0;

  // Weights and biases, as they are laid out for running.
  virtual int64_t weight_bytes() const = 0;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_MLP_H_
