#include "kernels/gemm_epilogue.h"

namespace qforge::kernels {

using jit::Address;
using jit::Vec;

namespace {

bool IsByte(DataType type) { return type == DataType::kU8 || type == DataType::kS8; }

}  // namespace

GemmEpilogue::GemmEpilogue(jit::Emitter& emitter, const GemmKernel& kernel,
                           const EpilogueRegisters& registers)
    : e_(emitter), kernel_(kernel), r_(registers) {}

Address GemmEpilogue::Column(ColumnField field, int vector) {
  const int slot = vector * ColumnFieldCount(kernel_) + ColumnFieldIndex(kernel_, field);
  return e_.ptr[r_.columns + slot * e_.vector_bytes()];
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

void GemmEpilogue::Prepare() {
  e_.PrepareTail(LanesOf(kernel_.vectors - 1), IsByte(kernel_.output) ? RowBytes() : 0);
}

void GemmEpilogue::StartPanel() {
  if (kernel_.per_row) return;
  const Vec common = e_.vectors().Take();
  const Vec value = e_.vectors().Take();
  // bias - a_zero_point * offset
  e_.mov(r_.scratch, Argument(offsetof(GemmArguments, input_zero_point)));
  e_.Broadcast32(common, e_.ptr[r_.scratch]);
  for (int v = 0; v < kernel_.vectors; ++v) {
    const Vec product = e_.vectors().Take();
    e_.Mul32(product, common, Column(ColumnField::kOffset, v));
    e_.Load(value, Column(ColumnField::kBias, v));
    e_.Sub32(value, value, e_.Full(product));
    e_.Store(Argument(offsetof(GemmArguments, panel_start) + Bytes(v)), value);
    e_.vectors().Release(product);
  }
  if (kernel_.scaled()) {
    e_.mov(r_.scratch, Argument(offsetof(GemmArguments, input_scale)));
    e_.Broadcast32(common, e_.ptr[r_.scratch]);
    for (int v = 0; v < kernel_.vectors; ++v) {
      e_.MulF32(value, common, Column(ColumnField::kMultiplier, v));
      e_.Store(Argument(offsetof(GemmArguments, panel_multiplier) + Bytes(v)), value);
    }
  }
  e_.vectors().Release(common);
  e_.vectors().Release(value);
}

void GemmEpilogue::Start(const std::vector<Vec>& accumulators) {
  for (int v = 0; v < kernel_.vectors; ++v) {
    const Vec first = accumulators[static_cast<size_t>(v)];
    e_.Load(first, kernel_.per_row ? Column(ColumnField::kBias, v)
                                   : Argument(offsetof(GemmArguments, panel_start) + Bytes(v)));
    for (int row = 1; row < kernel_.rows; ++row) {
      e_.Move(accumulators[static_cast<size_t>(row * kernel_.vectors + v)], first);
    }
  }
}

// Corrections that differ between rows.
void GemmEpilogue::Correct(Vec accumulator, int row, int vector) {
  const auto add_product = [&](size_t rows_argument, ColumnField field, bool subtract) {
    e_.mov(r_.scratch, e_.ptr[r_.arguments + static_cast<int>(rows_argument)]);
    e_.Broadcast32(temporary_, e_.ptr[r_.scratch + r_.row_offset + 4 * row]);
    e_.Mul32(temporary_, temporary_, Column(field, vector));
    if (subtract) {
      e_.Sub32(accumulator, accumulator, e_.Full(temporary_));
    } else {
      e_.Add32(accumulator, accumulator, e_.Full(temporary_));
    }
  };
  if (kernel_.per_row) {
    add_product(offsetof(GemmArguments, input_zero_point), ColumnField::kOffset, true);
  }
  if (kernel_.weight_zero_points) {
    add_product(offsetof(GemmArguments, row_terms), ColumnField::kZeroPoint, false);
  }
}

void GemmEpilogue::Scale(Vec accumulator, int row, int vector) {
  e_.ConvertS32ToF32(accumulator, accumulator);
  Vec multiplier = temporary_;
  if (kernel_.per_row) {
    e_.mov(r_.scratch, e_.ptr[r_.arguments + offsetof(GemmArguments, input_scale)]);
    e_.Broadcast32(multiplier, e_.ptr[r_.scratch + r_.row_offset + 4 * row]);
    e_.MulF32(multiplier, multiplier, Column(ColumnField::kMultiplier, vector));
  } else {
    multiplier = multipliers_[static_cast<size_t>(vector)];
  }
  if (kernel_.float_bias) {
    e_.FmaF32(accumulator, multiplier, Column(ColumnField::kFloatBias, vector));
  } else {
    e_.MulF32(accumulator, accumulator, e_.Full(multiplier));
  }
}

// The constants' address must be in r_.scratch.
void GemmEpilogue::AddResidual(Vec accumulator, int vector) {
  e_.LoadExtendBytes(temporary_, r_.residual, vector * e_.lanes(), LanesOf(vector),
                     kernel_.residual == DataType::kS8);
  e_.Sub32(temporary_, temporary_, Constant(offsetof(EpilogueConstants, residual_zero_point)));
  e_.ConvertS32ToF32(temporary_, temporary_);
  e_.FmaAddF32(accumulator, temporary_, Constant(offsetof(EpilogueConstants, residual_scale)));
}

void GemmEpilogue::Store(const std::vector<Vec>& accumulators) {
  jit::RegisterPool& pool = e_.vectors();
  const bool bytes = IsByte(kernel_.output);
  std::vector<Vec> taken;
  const auto take = [&] {
    taken.push_back(pool.Take());
    return taken.back();
  };
  temporary_ = take();
  const bool clamps_in_float = bytes && !kernel_.bounded;
  if (clamps_in_float) upper_ = take();
  multipliers_.clear();
  for (int v = 0; v < kernel_.vectors && kernel_.scaled() && !kernel_.per_row; ++v) {
    multipliers_.push_back(take());
    e_.Load(multipliers_.back(), Argument(offsetof(GemmArguments, panel_multiplier) + Bytes(v)));
  }
  pack_order_ = Vec{};
  if (bytes && pool.Free() > 0) {
    pack_order_ = take();
    e_.Load(pack_order_, e_.PackOrder());
  }
  const auto constants = [&] {
    e_.mov(r_.scratch, e_.ptr[r_.arguments + offsetof(GemmArguments, constants)]);
  };
  if (clamps_in_float) {
    constants();
    e_.Load(upper_, Constant(offsetof(EpilogueConstants, upper)));
  }

  for (int row = 0; row < kernel_.rows; ++row) {
    const auto begin = accumulators.begin() + row * kernel_.vectors;
    const std::vector<Vec> vectors(begin, begin + kernel_.vectors);
    for (int v = 0; v < kernel_.vectors; ++v) {
      Correct(vectors[static_cast<size_t>(v)], row, v);
      if (kernel_.scaled()) Scale(vectors[static_cast<size_t>(v)], row, v);
    }
    constants();
    if (kernel_.residual != DataType::kNone) {
      for (int v = 0; v < kernel_.vectors; ++v) AddResidual(vectors[static_cast<size_t>(v)], v);
      e_.add(r_.residual, e_.ptr[r_.arguments + offsetof(GemmArguments, residual_stride)]);
    }
    if (bytes) {
      StoreRow8(vectors);
    } else {
      StoreRow32(vectors);
    }
    e_.add(r_.output, e_.ptr[r_.arguments + offsetof(GemmArguments, output_stride)]);
  }
  pool.Release(taken);
}

void GemmEpilogue::StoreRow32(const std::vector<Vec>& row) {
  for (int v = 0; v < kernel_.vectors; ++v) {
    const Vec value = row[static_cast<size_t>(v)];
    const Address to = e_.ptr[r_.output + v * e_.vector_bytes()];
    const bool whole = LanesOf(v) == e_.lanes();
    if (kernel_.output == DataType::kF32) {
      // lower first: it turns a NaN into the bound.
      if (kernel_.lower_clamp) {
        e_.MaxF32(value, value, Constant(offsetof(EpilogueConstants, lower)));
      }
      if (kernel_.upper_clamp) {
        e_.MinF32(value, value, Constant(offsetof(EpilogueConstants, upper)));
      }
    } else {
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
    }
    if (whole) {
      e_.Store(to, value);
    } else {
      e_.StoreTail32(to, value, temporary_);
    }
  }
}

void GemmEpilogue::StoreRow8(const std::vector<Vec>& row) {
  // A conversion turns a value of 2^31 and more into INT_MIN, so that the upper bound is applied in
  // float unless such values are known not to come. Too small values and NaN convert to INT_MIN or
  // thereabouts, which the saturating packs turn into the type's lower limit. The other bounds are
  // applied to bytes, four times as many to the instruction, which is the same because rounding is
  // monotone. In min(a, b), b comes through where either is NaN, hence the operands' order.
  for (Vec value : row) {
    if (!kernel_.bounded) e_.MinF32(value, upper_, e_.Full(value));
    e_.ConvertF32ToS32(value, value);
  }
  const auto vector = [&](int v) {
    return row[static_cast<size_t>(v < kernel_.vectors ? v : kernel_.vectors - 1)];
  };
  const Vec low = row[0];
  const Vec high = vector(2);
  const Address zero_point = Constant(offsetof(EpilogueConstants, zero_point));
  e_.PackS32ToS16(low, vector(0), vector(1));
  e_.AddSaturateS16(low, low, zero_point);
  if (kernel_.vectors > 2) {
    e_.PackS32ToS16(high, vector(2), vector(3));
    e_.AddSaturateS16(high, high, zero_point);
  }
  const Vec upper_half = kernel_.vectors > 2 ? high : low;
  const Address lower = Constant(offsetof(EpilogueConstants, lower_byte));
  const Address upper = Constant(offsetof(EpilogueConstants, upper_byte));
  if (kernel_.output == DataType::kU8) {
    e_.PackS16ToU8(low, low, upper_half);
    if (kernel_.lower_clamp) e_.MaxU8(low, low, lower);
    if (kernel_.upper_clamp) e_.MinU8(low, low, upper);
  } else {
    e_.PackS16ToS8(low, low, upper_half);
    if (kernel_.lower_clamp) e_.MaxS8(low, low, lower);
    if (kernel_.upper_clamp) e_.MinS8(low, low, upper);
  }
  Vec order = pack_order_;
  if (order.index < 0) {
    order = temporary_;
    e_.Load(order, e_.PackOrder());
  }
  e_.Permute32(low, order, low);
  e_.StoreBytes(r_.output, 0, low, RowBytes());
}

}  // namespace qforge::kernels
