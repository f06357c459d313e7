// What it costs to make a layer: its memory traffic, and its kernels.
#ifndef QFORGE_BENCH_GEMM_CREATION_H_
#define QFORGE_BENCH_GEMM_CREATION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gemm/operands.h"
#include "qforge/isa.h"
#include "qforge/packed_weights.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// Creating a layer (PackedWeights and Linear, kernels published before) beside copying its weights
// once. Throws std::runtime_error where the layer cannot be made.
class CreationComparison {
 public:
  // The layer is size x size.
  CreationComparison(int64_t size, WeightsLayout layout, const Operands& operands, Isa isa);

  PairedRounds& rounds() { return rounds_; }
  size_t create() const { return create_; }
  // memcpy into memory that is allocated for each copy, as a layer's is, and freed after it.
  size_t copy_to_new() const { return copy_to_new_; }
  // memcpy into memory that is there already.
  size_t copy() const { return copy_; }

 private:
  PairedRounds rounds_;
  size_t create_ = 0;
  size_t copy_to_new_ = 0;
  size_t copy_ = 0;
};

// The first layer in the life of a process, a small one, after the CPU is known.
struct FirstEmission {
  double weights_seconds = 0;   // packing 64 x 64 weights
  double linear_seconds = 0;    // the operation, with all of its kernels
  double emission_seconds = 0;  // of both, inside emitting and publishing kernels
  double kernels = 0;
  double code_bytes = 0;
};

// Makes that layer in a forked process. Call before this process has emitted anything; throws
// std::runtime_error if it has, or if the layer cannot be made.
FirstEmission MakeFirstLayer(Isa isa);

FirstEmission Median(const std::vector<FirstEmission>& samples);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_CREATION_H_
