// Which algorithm an operation takes on an ISA, and why.
#ifndef QFORGE_PLAN_ALGORITHM_H_
#define QFORGE_PLAN_ALGORITHM_H_

#include "kernels/gemm_kernel.h"
#include "qforge/isa.h"

namespace qforge::plan {

struct Algorithm {
  const char* name;
  const char* reason;
};

// Of the int8 product; `summation` says nothing for kScalar.
Algorithm Int8Algorithm(Isa isa, kernels::Summation summation);

// Of the functions on arrays: quantisation, ranges, preparation of activations.
Algorithm ArrayAlgorithm(Isa isa);

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_ALGORITHM_H_
