#include "kernels/embedding_output.h"

#include "qforge/half.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Register;
using jit::Vec;

void EmitReorder(Emitter& e, const RowDecoder& decoder, const ColumnVector& columns, Vec v,
                 Vec scratch) {
  std::vector<int> lane_of(static_cast<size_t>(e.lanes()), 0);
  bool in_order = true;
  for (int column = 0; column < columns.count; ++column) {
    const int lane = decoder.LaneOf(columns, column);
    lane_of[static_cast<size_t>(column)] = lane;
    in_order = in_order && lane == column;
  }
  if (in_order) return;
  e.Load(scratch, e.ConstantLanes(lane_of));
  e.Permute32(v, scratch, v);
}

}  // namespace

void EmitPrepareStore(Emitter& e, const EmbeddingKernel& kernel) {
  const auto tail = static_cast<int>(kernel.dimension % e.lanes());
  e.PrepareTail(tail, tail * DataTypeSize(kernel.output));
}

void EmitMean(Emitter& e, const std::vector<Vec>& sums, const Register& count, const Vec* scratch) {
  const Vec divisor = scratch[0], inverse = scratch[1];
  e.cmp(count, 1);
  e.adc(count, 0);  // 0 becomes 1
  e.Zero(divisor);
  e.vcvtsi2ss(e.Low(divisor), e.Low(divisor), count);
  e.Load(inverse, e.Constant32(internal::FloatBits(1.0f)));
  e.vdivss(e.Low(inverse), e.Low(inverse), e.Low(divisor));
  e.Repeat32(inverse, e.Low(inverse));
  for (Vec sum : sums) e.MulF32(sum, sum, e.Full(inverse));
}

void EmitStore(Emitter& e, const EmbeddingKernel& kernel, const RowDecoder& decoder,
               const ColumnBlock& block, const std::vector<Vec>& sums, const Register& output,
               int64_t offset, const Vec* scratch) {
  const int element_bytes = DataTypeSize(kernel.output);
  for (size_t i = 0; i < block.vectors.size(); ++i) {
    const ColumnVector& columns = block.vectors[i];
    EmitReorder(e, decoder, columns, sums[i], scratch[0]);
    if (kernel.output == DataType::kF16) e.NarrowF32ToF16(sums[i], sums[i]);
    if (kernel.output == DataType::kBF16) {
      e.NarrowF32ToBF16(sums[i], sums[i], scratch[0], scratch[1]);
    }
    e.StoreBytes(output, offset, sums[i], columns.count * element_bytes);
    offset += columns.count * element_bytes;
  }
}

}  // namespace qforge::kernels
