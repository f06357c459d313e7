#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "ops/array_functions.h"
#include "ops/weights_blob.h"
#include "ops/weights_scrub.h"
#include "pack/panel_sections.h"
#include "pack/unpack.h"
#include "plan/summation.h"

namespace qforge {
namespace {

using pack::PackedMatrix;
using pack::PanelLayout;

// A column of one larger weight would leave int32, and so many of them fit there.
constexpr uint32_t kMostWeight = (1u << 24) - 1;
constexpr int64_t kBlockInputs = 64;

// What packing derives from s8 weights, derived again from the packed ones.
class Verifier {
 public:
  Verifier(const BlobName& name, const PackedMatrix& matrix)
      : name_(name), matrix_(matrix), unpacker_(matrix) {
    if (matrix.row_sums) row_sums_.resize(matrix.row_sums->sums.size());
  }

  Status Verify() {
    for (int64_t product = 0; product < matrix_.layout.products; ++product) {
      for (int64_t block = 0; block < unpacker_.blocks(); ++block) {
        unpacker_.Unpack(product, block);
        QFORGE_RETURN_IF_ERROR(VerifyBlock(product, block));
      }
    }
    if (matrix_.row_sums && !row_sums_.empty() &&
        std::memcmp(row_sums_.data(), matrix_.row_sums->sums.data(),
                    row_sums_.size() * sizeof(uint32_t)) != 0) {
      return name_.Corrupted("row sums do not match the weights");
    }
    return VerifySteps();
  }

 private:
  Status VerifyBlock(int64_t product, int64_t block) {
    const PanelLayout& layout = matrix_.layout;
    const int64_t columns = unpacker_.columns(block);
    uint32_t* const row_sums =
        row_sums_.empty() ? nullptr : row_sums_.data() + product * layout.inputs;
    for (int64_t j = 0; j < unpacker_.padded_columns(block); ++j) {
      const int32_t* const weights = unpacker_.Column(j);
      for (int64_t k = j < columns ? layout.inputs : 0; k < unpacker_.padded_inputs(); ++k) {
        if (weights[k] != 0) return name_.Corrupted("there are weights beyond K or N");
      }
      if (j >= columns) continue;
      const int64_t column = product * layout.outputs + unpacker_.first_column(block) + j;
      QFORGE_RETURN_IF_ERROR(VerifyColumn(column, weights));
      if (row_sums == nullptr) continue;
      for (int64_t k = 0; k < layout.inputs; ++k) row_sums[k] += static_cast<uint32_t>(weights[k]);
    }
    return Status();
  }

  Status VerifyColumn(int64_t column, const int32_t* weights) const {
    const size_t at = static_cast<size_t>(column);
    const int32_t zero_point = matrix_.zero_points.empty() ? 0 : matrix_.zero_points[at];
    int64_t sum = 0;
    int64_t magnitude = 0;
    uint32_t bits = 0;  // that any weight has, or that it lacks if it is negative
    for (int64_t begin = 0; begin < matrix_.layout.inputs; begin += kBlockInputs) {
      const int64_t end = std::min(matrix_.layout.inputs, begin + kBlockInputs);
      int32_t block_sum = 0;
      int32_t block_magnitude = 0;
      for (int64_t k = begin; k < end; ++k) {
        bits |= static_cast<uint32_t>(weights[k] ^ weights[k] >> 31);
      }
      if (bits > kMostWeight) return name_.Corrupted("a weight is larger than any can be");
      for (int64_t k = begin; k < end; ++k) {
        block_sum += weights[k];
        block_magnitude += std::abs(weights[k] - zero_point);
      }
      sum += block_sum;
      magnitude += block_magnitude;
    }
    if (bits > 127 && !matrix_.has_outliers) {
      return name_.Corrupted("weights are beyond s8, and none should be");
    }
    if (static_cast<int32_t>(sum) != matrix_.sums[at] ||
        (!matrix_.magnitudes.empty() && magnitude != matrix_.magnitudes[at])) {
      return name_.Corrupted("column " + std::to_string(column) +
                             ": its sums do not match the weights");
    }
    return Status();
  }

  // No sum of 16 bits can overflow.
  Status VerifySteps() const {
    const PanelLayout& layout = matrix_.layout;
    if (layout.summation != kernels::Summation::kNarrow) return Status();
    const int64_t largest = plan::LargestNarrowSum(matrix_.activation_maximum);
    pack::PanelSections sections;
    for (size_t i = 0; i < matrix_.panel_offsets.size(); ++i) {
      const int64_t panel = static_cast<int64_t>(i) % layout.panels;
      if (!pack::ReadPanelSections(matrix_, panel, matrix_.panel_offsets[i],
                                   static_cast<int64_t>(matrix_.weights.size()), &sections) ||
          !pack::StepsFit(layout, sections, largest)) {
        return name_.Corrupted("products that are summed in 16 bits could leave them");
      }
    }
    return Status();
  }

  const BlobName& name_;
  const PackedMatrix& matrix_;
  pack::Unpacker unpacker_;
  std::vector<uint32_t> row_sums_;
};

// The bound within which products agree with their row sums is made again, not compared: another
// version may have a tighter one.
Status RemakeFloatRowSums(PackedMatrix* matrix) {
  if (!matrix->float_row_sums) return Status();
  kernels::ToF32Function* to_f32 = nullptr;
  if (matrix->layout.type != DataType::kF32) {
    const Result<Isa> isa = BestIsa();
    if (!isa.ok()) return isa.status();
    const Result<kernels::ToF32Function*> found = GetToF32(*isa, matrix->layout.type);
    if (!found.ok()) return found.status();
    to_f32 = *found;
  }
  Result<pack::FloatRowSums> sums =
      pack::MakeFloatRowSums(matrix->layout, matrix->weights.data(), to_f32);
  if (!sums.ok()) return sums.status();
  matrix->float_row_sums = std::move(sums).value();
  std::vector<uint64_t> of_weights = matrix->checksums;
  of_weights.pop_back();
  AddChecksums(std::move(of_weights), matrix);
  return Status();
}

}  // namespace

Status VerifyWeights(const BlobName& name, const WeightsHeader& header, PackedMatrix* matrix) {
  if (base::ChecksumOf(matrix->weights.data(), matrix->weights.size()) != header.weights_checksum) {
    return name.Corrupted("the weights' checksum does not match");
  }
  if (matrix->layout.type == DataType::kS8) return Verifier(name, *matrix).Verify();
  return RemakeFloatRowSums(matrix);
}

}  // namespace qforge
