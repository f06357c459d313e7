// Brings rows of A into the form that kernels read, where that is not the caller's own: activations
// that are quantised on the way in, transposed, signed, or widened to 16 bits where the ISA has no
// u8 x s8 dot product. Also finds dynamic scales and the row sums that weight zero-points need.
#ifndef QFORGE_OPS_ROW_PREPARATION_H_
#define QFORGE_OPS_ROW_PREPARATION_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/array_kernels.h"
#include "pack/panel_layout.h"
#include "qforge/linear.h"
#include "qforge/status.h"

namespace qforge {

class RowPreparation {
 public:
  RowPreparation() = default;
  // Throws std::bad_alloc.
  static Result<RowPreparation> Create(const pack::PanelLayout& layout, bool weight_zero_points,
                                       const LinearOptions& options);

  // Whether kernels read prepared rows; else they read the caller's.
  bool copies() const { return copies_; }
  // Whether anything has to be done before the product at all.
  bool needed() const { return copies_ || row_terms_ || parameters_per_row_; }
  // Whether scale and zero-point are found from the values.
  bool dynamic() const;
  // Whether kernels read scales and zero-points from arrays of the workspace.
  bool parameters_per_row() const { return parameters_per_row_; }
  bool row_terms() const { return row_terms_; }

  // One product's part of a row as kernels read it, prepared or not: K elements, and where they are
  // of 16 bits zeros up to a whole group of k.
  int64_t segment_elements() const { return segment_elements_; }
  // Bytes of such a part of a prepared row, and of a whole one.
  int64_t segment_bytes() const { return segment_bytes_; }
  int64_t row_bytes() const { return segment_bytes_ * products_; }
  // Bytes that one PrepareRows() works in.
  int64_t scratch_bytes() const { return scratch_bytes_; }

  // Where PrepareRows() finds and leaves things. Arrays are indexed from the block's first row.
  struct Target {
    std::byte* rows = nullptr;       // row_bytes() each; only if copies()
    float* scales = nullptr;         // only if parameters_per_row()
    int32_t* zero_points = nullptr;  // only if parameters_per_row()
    int32_t* row_terms = nullptr;    // products x row_terms_stride; only if row_terms()
    int64_t row_terms_stride = 0;
    std::byte* scratch = nullptr;
  };

  // Prepares rows [begin, end) of A for a block that starts at `block_begin`. `quantization` is the
  // caller's, or for kDynamicPerTensor what was found.
  void PrepareRows(const InputMatrix& input, const InputQuantization& quantization, int64_t begin,
                   int64_t end, int64_t block_begin, const Target& target) const;

  // Widens [*min, *max] by the values in rows [begin, end) of A as it is stored.
  void UpdateRange(const InputMatrix& input, int64_t begin, int64_t end, float* min,
                   float* max) const;

  // The zero-point as kernels see it: signed activations are shifted where the dot product takes
  // unsigned ones.
  int32_t KernelZeroPoint(int32_t zero_point) const {
    return flips_sign_ ? zero_point + 128 : zero_point;
  }

  // "none: A is read as it is", or what is done.
  const std::string& description() const { return description_; }

 private:
  // Rows that are prepared together. Where there are no gaps between them they are one long row to
  // most steps: array kernels cost more to call than short rows cost to convert.
  struct Batch {
    const std::byte* values;  // of the first row
    int64_t stride;           // elements from row to row
    int64_t rows;
    // A pair per row; null where `quantization` holds one for all.
    const float* scales;
    const int32_t* zero_points;
  };

  int64_t columns() const { return inputs_ * products_; }
  void TransposeRows(const InputMatrix& input, int64_t first, Batch* batch, std::byte* to) const;
  void ConvertRows(const InputMatrix& input, int64_t first, Batch* batch, std::byte* to) const;
  void FindParameters(const Batch& batch, float* scales, int32_t* zero_points) const;
  void Quantize(const Batch& batch, const QuantizationParameters& parameters, std::byte* to) const;
  void FindRowTerms(const Batch& batch, int32_t zero_point, int32_t* terms, int64_t stride) const;
  void Widen(const Batch& batch, std::byte* to) const;
  void FlipSign(const Batch& batch, std::byte* to) const;

  DataType source_ = DataType::kU8;
  bool quantizes_ = false;  // A is of floats
  InputScaling scaling_ = InputScaling::kPerTensor;
  bool transposed_ = false;
  bool by_way_of_scratch_ = false;  // transposed or converted into scratch memory
  bool copies_ = false;
  bool flips_sign_ = false;
  bool widens_ = false;
  bool row_terms_ = false;
  bool parameters_per_row_ = false;
  int64_t inputs_ = 0;    // K
  int64_t products_ = 0;  // G
  int64_t segment_elements_ = 0;
  int64_t segment_bytes_ = 0;
  int64_t rows_at_once_ = 0;
  int64_t quantized_offset_ = 0;  // in the scratch memory, of u8 that is widened afterwards
  int64_t scratch_bytes_ = 0;
  std::string description_;

  kernels::ToF32Function* to_f32_ = nullptr;  // A is of 16-bit floats
  kernels::UpdateRangeFunction* update_range_ = nullptr;
  kernels::QuantizeFunction* quantize_ = nullptr;
  kernels::RowSumsFunction* row_sums_ = nullptr;
  kernels::WidenFunction* widen_ = nullptr;
  kernels::FlipSignFunction* flip_sign_ = nullptr;
};

}  // namespace qforge

#endif  // QFORGE_OPS_ROW_PREPARATION_H_
