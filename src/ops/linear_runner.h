// One Run of a product of s8 weights. The parts of it: linear_run.cc plans, prepares A and calls
// kernels; linear_portable.cc is the portable path; linear_checks.cc checks sums of rows.
#ifndef QFORGE_OPS_LINEAR_RUNNER_H_
#define QFORGE_OPS_LINEAR_RUNNER_H_

#include <cstddef>
#include <cstdint>

#include "base/workspace.h"
#include "ops/linear_run.h"
#include "plan/partition.h"
#include "ref/reference.h"

namespace qforge {

// Rows of a tile that goes to a callback.
inline constexpr int64_t kCallbackRows = 48;
// Columns that the portable path takes for a panel.
inline constexpr int64_t kScalarPanelColumns = 64;

int64_t TileBytes(const LinearCore& core);

// One Run: the parts of the workspace, and A as kernels read it.
class LinearRunner {
 public:
  LinearRunner(const LinearCore& core, const RunWeights& weights,
               const RunRequest& request) noexcept
      : core_(core),
        weights_(weights),
        request_(request),
        pool_(core.context.pool()),
        rows_(core.options.transposed_input ? request.input.cols : request.input.rows),
        quantization_(&request.quantization) {}

  Status Execute() noexcept;

  // Execute() of rows that have failed before. The monitor does not hear of it.
  Status ExecuteAgain() noexcept;

 private:
  using Range = plan::Range;

  // A as kernels read it, for the rows of a block. Arrays are indexed by row - first_row.
  struct Rows {
    const std::byte* data = nullptr;
    int64_t stride = 0;         // bytes from row to row
    int64_t segment_bytes = 0;  // from one product's columns to the next's
    const float* scales = nullptr;
    const int32_t* zero_points = nullptr;
    const int32_t* row_terms = nullptr;  // products x block_rows_
    int64_t first_row = 0;
  };

  // Where a part of the product is computed: the number of the task; and if rows are checked, where
  // the sums of its first row go, and whether the injected fault strikes.
  struct Place {
    int64_t task = 0;
    std::byte* row_sums = nullptr;
    bool strikes = false;
  };

  Status PlanWorkspace() noexcept;
  void PlanCheck(int64_t threads) noexcept;
  void FindRange() noexcept;
  Rows Prepare(Range block) noexcept;
  void Multiply(const Rows& rows, Range block) noexcept;
  void MultiplyTask(const Rows& rows, Range block, Range range, Range panels,
                    int64_t task) noexcept;
  void MultiplyRows(const Rows& rows, Range range, Range panels, Place place) noexcept;
  void MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                      const KernelSet& kernels, Place place) noexcept;
  const int8_t* Panel(int64_t product, int64_t panel) const noexcept;
  ref::LinearProblem ScalarProblem(const Rows& rows) const noexcept;
  void MultiplyScalar(const Rows& rows, Range range, Range columns, Place place) noexcept;
  void MultiplyScalarTiles(const ref::LinearProblem& problem, Range range, int64_t shift,
                           Range columns, Place place) noexcept;

  void CheckBlock(const Rows& rows, Range block) noexcept;
  // Checks `range`, whose first row has its sums at `sums`, in `parts` arrays.
  void CheckRows(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
                 int64_t part_stride) noexcept;
  bool Passes(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
              int64_t part_stride) const noexcept;
  SoftErrorOutcome Recompute(const Rows& rows, int64_t row) noexcept;
  void Inject(bool strikes, int64_t first_row, int64_t product, Range panels,
              kernels::GemmArguments* arguments) const noexcept;
  // `arguments` are for the first row and are used up.
  void CallKernels(const KernelSet& kernels, kernels::GemmArguments& arguments,
                   int64_t rows) const noexcept;
  void MoveSums(int64_t rows, kernels::GemmArguments* arguments) const noexcept;
  void HandOver(const int32_t* tile, int64_t stride, Range rows, Range columns) const noexcept;

  const LinearCore& core_;
  const RunWeights& weights_;
  const RunRequest& request_;
  ThreadPool* const pool_;
  const int64_t rows_;
  const InputQuantization* quantization_;  // the caller's, or what was found
  InputQuantization found_;
  int32_t kernel_zero_point_ = 0;
  bool bounded_ = false;

  base::Workspace workspace_;
  int64_t block_rows_ = 0;
  int64_t preparation_tasks_ = 0;
  plan::Grid grid_;
  RowPreparation::Target target_;
  std::byte* scratch_ = nullptr;  // preparation_tasks_ pieces
  // Sums of rows that are checked: as many rows for each task, whose own they are where it computes
  // whole rows, else the block's for each part of the panels.
  std::byte* row_sums_ = nullptr;
  int64_t row_sums_rows_ = 0;
  int64_t row_sums_count_ = 0;
  bool verifies_ = false;  // see ExecuteAgain()
  bool strikes_ = false;   // the injected fault
  FailedRows failed_rows_;
  std::byte* tiles_ = nullptr;  // for callbacks: a piece per task of the grid
};

}  // namespace qforge

#endif  // QFORGE_OPS_LINEAR_RUNNER_H_
