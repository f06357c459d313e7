#include "kernels/float_gemm_epilogue.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/float_columns.h"

namespace qforge::kernels {

using jit::Vec;

namespace {

// A converted value and what converting needs beside it.
constexpr int kScratchVectors = 2;

}  // namespace

void FloatEpilogue::Prepare() {
  PrepareFloatColumns(e_, kernel_.tail_lanes == 0 ? e_.lanes() : kernel_.tail_lanes);
}

void FloatEpilogue::Begin() {
  scratch_ = e_.vectors().Take(std::max(kScratchVectors, ActivationScratch(kernel_.activation)));
}

void FloatEpilogue::BeginStream(int stream) {
  if (stream > 0) Move(-kernel_.rows, 1);
  stream_ = stream;
}

void FloatEpilogue::Move(int rows, int streams) {
  const auto move = [&](const jit::Register& pointer, size_t stride, DataType type) {
    if (rows != 0) {
      e_.imul(r_.scratch, Argument(stride), rows);
      e_.add(pointer, r_.scratch);
    }
    e_.imul(r_.scratch, Argument(offsetof(FloatGemmArguments, stream_columns)),
            streams * DataTypeSize(type));
    e_.add(pointer, r_.scratch);
  };
  move(r_.output, offsetof(FloatGemmArguments, output_stride), kernel_.output);
  if (kernel_.residual != DataType::kNone) {
    move(r_.residual, offsetof(FloatGemmArguments, residual_stride), kernel_.residual);
  }
}

void FloatEpilogue::End() {
  if (stream_ > 0) Move(0, -stream_);
  e_.vectors().Release(scratch_);
  scratch_.clear();
}

int FloatEpilogue::LanesOf(size_t vector) const {
  const bool last = static_cast<int>(vector) == kernel_.vectors - 1;
  return last && kernel_.tail_lanes != 0 ? kernel_.tail_lanes : e_.lanes();
}

void FloatEpilogue::Row(const std::vector<Vec>& sums) {
  e_.mov(r_.scratch, Argument(offsetof(FloatGemmArguments, constants)));
  ScaleAndBias(sums);
  if (kernel_.accumulate) {
    AddScaled(sums, kernel_.output, r_.output, offsetof(FloatEpilogueConstants, beta));
  }
  if (kernel_.residual != DataType::kNone) {
    AddScaled(sums, kernel_.residual, r_.residual,
              offsetof(FloatEpilogueConstants, residual_scale));
    e_.add(r_.residual, Argument(offsetof(FloatGemmArguments, residual_stride)));
  }
  Activate(sums);
  const int vector_bytes = e_.lanes() * DataTypeSize(kernel_.output);
  for (size_t v = 0; v < sums.size(); ++v) {
    StoreFloatColumns(e_, kernel_.output, r_.output, static_cast<int64_t>(v) * vector_bytes,
                      sums[v], LanesOf(v), {scratch_[0], scratch_[1]});
  }
  e_.add(r_.output, Argument(offsetof(FloatGemmArguments, output_stride)));
}

void FloatEpilogue::ScaleAndBias(const std::vector<Vec>& sums) {
  if (kernel_.bias && stream_ == 0) {
    e_.mov(r_.pointer, Argument(offsetof(FloatGemmArguments, bias)));
  } else if (kernel_.bias) {
    e_.imul(r_.pointer, Argument(offsetof(FloatGemmArguments, stream_columns)), 4 * stream_);
    e_.add(r_.pointer, Argument(offsetof(FloatGemmArguments, bias)));
  }
  const Vec alpha = scratch_[0];
  if (kernel_.scaled) e_.Load(alpha, Constant(offsetof(FloatEpilogueConstants, alpha)));
  for (size_t v = 0; v < sums.size(); ++v) {
    const jit::Address bias = e_.ptr[r_.pointer + static_cast<int>(v) * e_.vector_bytes()];
    if (kernel_.scaled && kernel_.bias) {
      e_.FmaF32(sums[v], alpha, bias);
    } else if (kernel_.scaled) {
      e_.MulF32(sums[v], sums[v], e_.Full(alpha));
    } else if (kernel_.bias) {
      e_.AddF32(sums[v], sums[v], bias);
    }
  }
}

void FloatEpilogue::AddScaled(const std::vector<Vec>& sums, DataType type,
                              const jit::Register& base, size_t factor) {
  const Vec value = scratch_[0];
  for (size_t v = 0; v < sums.size(); ++v) {
    LoadFloatColumns(e_, type, value, base,
                     static_cast<int64_t>(v) * e_.lanes() * DataTypeSize(type), LanesOf(v));
    e_.FmaAddF32(sums[v], value, Constant(factor));
  }
}

// In max(a, b) and min(a, b), b comes through where either is NaN: so the sum is b.
void FloatEpilogue::Activate(const std::vector<Vec>& sums) {
  const Vec bound = scratch_[0];
  switch (kernel_.activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      e_.Zero(bound);
      for (Vec sum : sums) e_.MaxF32(sum, bound, e_.Full(sum));
      return;
    case Activation::kClamp:
      e_.Load(bound, Constant(offsetof(FloatEpilogueConstants, lower)));
      for (Vec sum : sums) e_.MaxF32(sum, bound, e_.Full(sum));
      e_.Load(bound, Constant(offsetof(FloatEpilogueConstants, upper)));
      for (Vec sum : sums) e_.MinF32(sum, bound, e_.Full(sum));
      return;
    case Activation::kGeluErf:
    case Activation::kGeluTanh:
    case Activation::kSigmoid:
    case Activation::kSilu:
      for (Vec sum : sums) EmitActivation(e_, kernel_.activation, sum, scratch_.data());
      return;
  }
}

}  // namespace qforge::kernels
