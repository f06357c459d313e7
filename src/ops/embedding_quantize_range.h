// The search for scale and bias of a row: u8, u4 and u2.
#ifndef QFORGE_OPS_EMBEDDING_QUANTIZE_RANGE_H_
#define QFORGE_OPS_EMBEDDING_QUANTIZE_RANGE_H_

#include <cstdint>

#include "kernels/table_quantize.h"
#include "ops/embedding_quantize_rows.h"
#include "qforge/embedding_table.h"

namespace qforge {

struct FoundRange {
  float scale;
  float bias;
  kernels::RowRange range;  // the same, to encode the row with as Find() left it
};

// Belongs to one thread.
class RangeFinder {
 public:
  // `parameters` is kF32 or kF16, `levels` 255, 15 or 3.
  RangeFinder(const TableQuantizationOptions& options, DataType parameters, int levels,
              kernels::RangeLossesFunction* range_losses, MemoryCutter& memory);

  // Multiplies the row by a power of two, which brings its values near 1, so that no square
  // overflows or becomes subnormal. `row` has padding, see kernels/table_quantize.h.
  FoundRange Find(float* row, int64_t count, const kernels::ValueBounds& bounds) noexcept;

 private:
  // [min + left * step, max - right * step].
  struct Candidate {
    int left = 0;
    int right = 0;
    float loss = 0.0f;
  };

  FoundRange Range(float bias, double hi) const noexcept;
  // Prepares Range() of candidates that are shrunk by less than so many steps from a side.
  void ListBounds(int steps) noexcept;
  FoundRange Range(const Candidate& candidate) const noexcept {
    return Range(biases_[candidate.left], highs_[candidate.right]);
  }
  // Finds the losses of two candidates, one of which may be worthless.
  void Evaluate(Candidate* a, Candidate* b) const noexcept;
  Candidate GreedySearch() noexcept;
  Candidate HistogramSearch() noexcept;
  void FindClippedLosses() noexcept;
  double CertainlyBetter(float loss) const noexcept;

  const RangeSearch method_;
  const int bins_;
  const int greedy_steps_;
  const DataType parameters_;
  const int levels_;
  kernels::RangeLossesFunction* const range_losses_;

  // See ListBounds().
  float* const biases_;
  double* const highs_;
  // Of bins_, or bins_ + 1 bounds between them: see FindClippedLosses().
  double* const counts_;
  double* const sums_;
  double* const squares_;
  double* const below_;
  double* const above_;

  // The row that is being looked at.
  const float* row_ = nullptr;
  int64_t count_ = 0;
  float factor_ = 1.0f;  // it was multiplied by, and its inverse
  double unfactor_ = 1.0;
  double min_ = 0.0;
  double max_ = 0.0;
  double step_ = 0.0;
};

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_QUANTIZE_RANGE_H_
