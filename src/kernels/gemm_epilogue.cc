#include "kernels/gemm_epilogue.h"

#include <algorithm>

#include "kernels/float_columns.h"

namespace qforge::kernels {

using jit::Address;
using jit::Vec;

namespace {

bool IsByte(DataType type) { return type == DataType::kU8 || type == DataType::kS8; }
bool Is16Bit(DataType type) { return type == DataType::kF16 || type == DataType::kBF16; }

}  // namespace

GemmEpilogue::GemmEpilogue(jit::Emitter& emitter, const GemmKernel& kernel,
                           const EpilogueRegisters& registers)
    : e_(emitter), kernel_(kernel), r_(registers) {}

Address GemmEpilogue::Column(const jit::Register& columns, ColumnField field, int vector) {
  const int slot = vector * ColumnFieldCount(kernel_) + ColumnFieldIndex(kernel_, field);
  return e_.ptr[columns + slot * e_.vector_bytes()];
}

Vec GemmEpilogue::Take() {
  taken_.push_back(e_.vectors().Take());
  return taken_.back();
}

Address GemmEpilogue::Argument(size_t offset) {
  return e_.ptr[r_.arguments + static_cast<int>(offset)];
}

// The constants' address must be in r_.scratch.
Address GemmEpilogue::Constant(size_t offset) {
  return e_.ptr[r_.scratch + static_cast<int>(offset)];
}

int GemmEpilogue::LanesOf(int vector) const {
  const bool tail = kernel_.tail_lanes != 0 && vector == kernel_.vectors - 1;
  return tail ? kernel_.tail_lanes : e_.lanes();
}

int GemmEpilogue::RowBytes() const {
  return ((kernel_.vectors - 1) * e_.lanes() + LanesOf(kernel_.vectors - 1)) *
         DataTypeSize(kernel_.output);
}

// Bytes of up to four vectors are packed together: those of several rows where a row has fewer, if
// each still has a 128-bit lane of its own.
int GemmEpilogue::RowsAtOnce() const {
  if (!IsByte(kernel_.output) || WholeRowBytes() < 16) return 1;
  return kernel_.vectors <= 2 ? 4 / kernel_.vectors : 1;
}

void GemmEpilogue::Prepare() {
  const int lanes = LanesOf(kernel_.vectors - 1);
  const int bytes = IsByte(kernel_.output) ? RowBytes() : Is16Bit(kernel_.output) ? 2 * lanes : 0;
  e_.PrepareTail(lanes, bytes);
  if (Is16Bit(kernel_.residual)) e_.PrepareExactLoad(2 * lanes);
}

void GemmEpilogue::StartPanel(const jit::Register& columns) {
  if (kernel_.per_row) return;
  const Vec common = e_.vectors().Take();
  const Vec value = e_.vectors().Take();
  e_.mov(r_.scratch, Argument(offsetof(GemmArguments, input_zero_point)));
  e_.Broadcast32(common, e_.ptr[r_.scratch]);
  for (int v = 0; v < kernel_.vectors; ++v) {
    e_.Mul32(value, common, Column(columns, ColumnField::kOffset, v));
    e_.Add32(value, value, Column(columns, ColumnField::kBias, v));
    e_.Store(Argument(offsetof(GemmArguments, panel_start) + Bytes(v)), value);
  }
  if (kernel_.scaled()) {
    e_.mov(r_.scratch, Argument(offsetof(GemmArguments, input_scale)));
    e_.Broadcast32(common, e_.ptr[r_.scratch]);
    for (int v = 0; v < kernel_.vectors; ++v) {
      e_.MulF32(value, common, Column(columns, ColumnField::kMultiplier, v));
      e_.Store(Argument(offsetof(GemmArguments, panel_multiplier) + Bytes(v)), value);
    }
  }
  e_.vectors().Release(common);
  e_.vectors().Release(value);
}

void GemmEpilogue::StartRow(const std::vector<Vec>& row, const jit::Register& columns) {
  for (int v = 0; v < kernel_.vectors; ++v) {
    e_.Load(row[static_cast<size_t>(v)],
            kernel_.per_row ? Column(columns, ColumnField::kBias, v)
                            : Argument(offsetof(GemmArguments, panel_start) + Bytes(v)));
  }
}

// Corrections that differ between rows.
void GemmEpilogue::Correct(Vec accumulator, int row, int vector) {
  const auto add_product = [&](size_t rows_argument, ColumnField field) {
    e_.mov(r_.scratch, Argument(rows_argument));
    e_.Broadcast32(temporary_, e_.ptr[r_.scratch + r_.row_offset + 4 * row]);
    e_.Mul32(temporary_, temporary_, Column(r_.columns, field, vector));
    e_.Add32(accumulator, accumulator, e_.Full(temporary_));
  };
  if (kernel_.per_row) {
    add_product(offsetof(GemmArguments, input_zero_point), ColumnField::kOffset);
  }
  if (kernel_.weight_zero_points) {
    add_product(offsetof(GemmArguments, row_terms), ColumnField::kZeroPoint);
  }
}

void GemmEpilogue::Scale(Vec accumulator, int row, int vector) {
  e_.ConvertS32ToF32(accumulator, accumulator);
  Vec multiplier = temporary_;
  if (kernel_.per_row) {
    e_.mov(r_.scratch, Argument(offsetof(GemmArguments, input_scale)));
    e_.Broadcast32(multiplier, e_.ptr[r_.scratch + r_.row_offset + 4 * row]);
    e_.MulF32(multiplier, multiplier, Column(r_.columns, ColumnField::kMultiplier, vector));
  } else {
    multiplier = multipliers_[static_cast<size_t>(vector)];
  }
  if (kernel_.float_bias) {
    e_.FmaF32(accumulator, multiplier, Column(r_.columns, ColumnField::kFloatBias, vector));
  } else {
    e_.MulF32(accumulator, accumulator, e_.Full(multiplier));
  }
}

// The constants' address must be in r_.scratch.
void GemmEpilogue::AddResidual(Vec accumulator, int vector) {
  const int offset = vector * e_.lanes() * DataTypeSize(kernel_.residual);
  if (IsFloat(kernel_.residual)) {
    LoadFloatColumns(e_, kernel_.residual, temporary_, r_.residual, offset, LanesOf(vector));
  } else {
    e_.LoadExtendBytes(temporary_, r_.residual, offset, LanesOf(vector),
                       kernel_.residual == DataType::kS8);
    e_.Sub32(temporary_, temporary_, Constant(offsetof(EpilogueConstants, residual_zero_point)));
    e_.ConvertS32ToF32(temporary_, temporary_);
  }
  e_.FmaAddF32(accumulator, temporary_, Constant(offsetof(EpilogueConstants, residual_scale)));
}

int GemmEpilogue::LeastRegisters() const {
  const int multipliers = kernel_.scaled() && !kernel_.per_row ? kernel_.vectors : 0;
  const int upper = IsByte(kernel_.output) && !kernel_.bounded ? 1 : 0;
  const int rounding = kernel_.output == DataType::kBF16 ? 1 : 0;
  return multipliers + upper + rounding + 1;
}

void GemmEpilogue::LoadMultipliers() {
  multipliers_.clear();
  for (int v = 0; v < kernel_.vectors && kernel_.scaled() && !kernel_.per_row; ++v) {
    multipliers_.push_back(Take());
    e_.Load(multipliers_.back(), Argument(offsetof(GemmArguments, panel_multiplier) + Bytes(v)));
  }
}

void GemmEpilogue::Begin() {
  const bool bytes = IsByte(kernel_.output);
  temporary_ = Take();
  rounding_ = kernel_.output == DataType::kBF16 ? Take() : Vec{};
  if (bytes && !kernel_.bounded) {
    upper_ = Take();
    e_.mov(r_.scratch, Argument(offsetof(GemmArguments, constants)));
    e_.Load(upper_, Constant(offsetof(EpilogueConstants, upper)));
  }
  pack_order_ = Vec{};
  if (bytes && e_.vectors().Free() > 1) {
    pack_order_ = Take();
    e_.Load(pack_order_, e_.PackOrder());
  }
}

void GemmEpilogue::End() {
  e_.vectors().Release(taken_);
  taken_.clear();
}

void GemmEpilogue::StoreRows(const std::vector<std::vector<Vec>>& rows, int first_row) {
  for (size_t i = 0; i < rows.size(); ++i) {
    for (int v = 0; v < kernel_.vectors; ++v) {
      const Vec accumulator = rows[i][static_cast<size_t>(v)];
      Correct(accumulator, first_row + static_cast<int>(i), v);
      if (kernel_.scaled()) Scale(accumulator, first_row + static_cast<int>(i), v);
    }
  }
  e_.mov(r_.scratch, Argument(offsetof(GemmArguments, constants)));
  for (size_t i = 0; i < rows.size() && kernel_.residual != DataType::kNone; ++i) {
    for (int v = 0; v < kernel_.vectors; ++v) AddResidual(rows[i][static_cast<size_t>(v)], v);
    e_.add(r_.residual, Argument(offsetof(GemmArguments, residual_stride)));
  }
  if (IsByte(kernel_.output)) {
    StoreRows8(rows);
  } else if (IsFloat(kernel_.output)) {
    StoreFloatRow(rows.front());
  } else {
    StoreIntegerRow(rows.front());
  }
}

void GemmEpilogue::NextOutputRow() {
  e_.add(r_.output, Argument(offsetof(GemmArguments, output_stride)));
}

void GemmEpilogue::StoreFloatRow(const std::vector<Vec>& row) {
  const int vector_bytes = e_.lanes() * DataTypeSize(kernel_.output);
  for (int v = 0; v < kernel_.vectors; ++v) {
    const Vec value = row[static_cast<size_t>(v)];
    // lower first: it turns a NaN into the bound.
    if (kernel_.lower_clamp) {
      e_.MaxF32(value, value, Constant(offsetof(EpilogueConstants, lower)));
    }
    if (kernel_.upper_clamp) {
      e_.MinF32(value, value, Constant(offsetof(EpilogueConstants, upper)));
    }
    StoreFloatColumns(e_, kernel_.output, r_.output, v * vector_bytes, value, LanesOf(v),
                      {temporary_, rounding_});
  }
  NextOutputRow();
}

void GemmEpilogue::StoreIntegerRow(const std::vector<Vec>& row) {
  for (int v = 0; v < kernel_.vectors; ++v) {
    const Vec value = row[static_cast<size_t>(v)];
    const Address to = e_.ptr[r_.output + v * e_.vector_bytes()];
    const bool whole = LanesOf(v) == e_.lanes();
    if (kernel_.lower_clamp) {
      e_.Zero(temporary_);
      e_.MaxS32(value, value, e_.Full(temporary_));
    }
    if (kernel_.accumulate) {
      if (whole) {
        e_.Add32(value, value, to);
      } else {
        e_.LoadTail32(temporary_, to);
        e_.Add32(value, value, e_.Full(temporary_));
      }
    }
    if (whole) {
      e_.Store(to, value);
    } else {
      e_.StoreTail32(to, value, temporary_);
    }
  }
  NextOutputRow();
}

void GemmEpilogue::StoreRows8(const std::vector<std::vector<Vec>>& rows) {
  // A conversion turns a value of 2^31 and more into INT_MIN, so that the upper bound is applied in
  // float unless such values are known not to come. Too small values and NaN convert to INT_MIN or
  // thereabouts, which the saturating packs turn into the type's lower limit. The other bounds are
  // applied to bytes, four times as many to the instruction, which is the same because rounding is
  // monotone. In min(a, b), b comes through where either is NaN, hence the operands' order.
  std::vector<Vec> vectors;
  for (const std::vector<Vec>& row : rows) vectors.insert(vectors.end(), row.begin(), row.end());
  for (Vec value : vectors) {
    if (!kernel_.bounded) e_.MinF32(value, upper_, e_.Full(value));
    e_.ConvertF32ToS32(value, value);
  }
  const auto vector = [&](size_t i) { return vectors[std::min(i, vectors.size() - 1)]; };
  const Vec low = vectors[0];
  const Vec high = vectors.size() > 2 ? vectors[2] : low;
  const Address zero_point = Constant(offsetof(EpilogueConstants, zero_point));
  e_.PackS32ToS16(low, low, vector(1));
  e_.AddSaturateS16(low, low, zero_point);
  if (vectors.size() > 2) {
    e_.PackS32ToS16(high, high, vector(3));
    e_.AddSaturateS16(high, high, zero_point);
  }
  const Address lower = Constant(offsetof(EpilogueConstants, lower_byte));
  const Address upper = Constant(offsetof(EpilogueConstants, upper_byte));
  if (kernel_.output == DataType::kU8) {
    e_.PackS16ToU8(low, low, high);
    if (kernel_.lower_clamp) e_.MaxU8(low, low, lower);
    if (kernel_.upper_clamp) e_.MinU8(low, low, upper);
  } else {
    e_.PackS16ToS8(low, low, high);
    if (kernel_.lower_clamp) e_.MaxS8(low, low, lower);
    if (kernel_.upper_clamp) e_.MinS8(low, low, upper);
  }
  Vec order = pack_order_;
  if (order.index < 0) {
    order = temporary_;
    e_.Load(order, e_.PackOrder());
  }
  e_.Permute32(low, order, low);
  for (size_t i = 0; i < rows.size(); ++i) {
    Vec part = i + 1 < rows.size() && RowBytes() < WholeRowBytes() ? temporary_ : low;
    if (i == 0 && part.index != low.index) e_.Move(part, low);
    if (i > 0) {
      part = temporary_;
      e_.ExtractPart(part, low, static_cast<int>(i), WholeRowBytes());
    }
    e_.StoreBytes(r_.output, 0, part, RowBytes());
    NextOutputRow();
  }
}

}  // namespace qforge::kernels
