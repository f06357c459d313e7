#include "kernels/embedding_output.h"

#include <algorithm>
#include <utility>

#include "qforge/half.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Register;
using jit::Vec;

// Which column each lane has.
std::vector<int> ColumnsOf(const Emitter& e, const RowDecoder& decoder,
                           const ColumnVector& columns) {
  std::vector<int> of_lanes;
  for (int lane = 0; lane < e.lanes(); ++lane) of_lanes.push_back(decoder.ColumnOf(columns, lane));
  return of_lanes;
}

// Brings the columns of one vector into their order.
void EmitReorder(Emitter& e, const RowDecoder& decoder, const ColumnVector& columns, Vec v,
                 Vec scratch) {
  const std::vector<int> column_of = ColumnsOf(e, decoder, columns);
  std::vector<int> lane_of(column_of.size(), 0);
  bool in_order = true;
  for (int lane = 0; lane < e.lanes(); ++lane) {
    const int column = column_of[static_cast<size_t>(lane)];
    if (column < 0 || column >= columns.count) continue;
    lane_of[static_cast<size_t>(column)] = lane;
    in_order = in_order && lane == column;
  }
  if (in_order) return;
  e.Load(scratch, e.ConstantLanes(lane_of));
  e.Permute32(v, scratch, v);
}

// Brings the columns of a group into their order: a network, in which the first of two vectors gets
// the lower half of the columns of both, and the second the upper half. Vector i of n has every
// n-th column from i on, so that this sorts them all. Sums may change places with the two
// scratches.
void EmitReorderGroup(Emitter& e, const RowDecoder& decoder, const ColumnVector* group, Vec* sums,
                      Vec* scratch) {
  std::vector<std::vector<int>> columns_of;
  for (int i = 0; i < group->parts; ++i) columns_of.push_back(ColumnsOf(e, decoder, group[i]));
  for (int distance = group->parts / 2; distance > 0; distance /= 2) {
    for (int i = 0; i < group->parts; ++i) {
      if ((i & distance) != 0) continue;
      const int pair[] = {i, i + distance};
      std::vector<std::pair<int, int>> both;  // a column and where it is
      for (const int of : pair) {
        for (const int column : columns_of[static_cast<size_t>(of)]) {
          both.emplace_back(column, static_cast<int>(both.size()));
        }
      }
      std::sort(both.begin(), both.end());
      for (int k = 0; k < 2; ++k) {
        std::vector<int> order;
        std::vector<int>& columns = columns_of[static_cast<size_t>(pair[k])];
        for (int lane = 0; lane < e.lanes(); ++lane) {
          const auto& [column, where] = both[static_cast<size_t>(k * e.lanes() + lane)];
          columns[static_cast<size_t>(lane)] = column;
          order.push_back(where);
        }
        e.Load(scratch[k], e.ConstantLanes(order));
        e.Permute32OfTwo(scratch[k], sums[pair[0]], sums[pair[1]]);
      }
      for (int k = 0; k < 2; ++k) std::swap(sums[pair[k]], scratch[k]);
    }
  }
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
  std::vector<Vec> in_order = sums;
  Vec free[] = {scratch[0], scratch[1]};
  for (size_t i = 0; i < block.vectors.size(); ++i) {
    const ColumnVector& columns = block.vectors[i];
    if (columns.parts == 1) {
      EmitReorder(e, decoder, columns, in_order[i], free[0]);
    } else if (columns.part == 0) {
      EmitReorderGroup(e, decoder, &columns, &in_order[i], free);
    }
    const Vec sum = in_order[i];
    if (kernel.output == DataType::kF16) e.NarrowF32ToF16(sum, sum);
    if (kernel.output == DataType::kBF16) e.NarrowF32ToBF16(sum, sum, free[0], free[1]);
    e.StoreBytes(output, offset, sum, columns.count * element_bytes);
    offset += columns.count * element_bytes;
  }
}

}  // namespace qforge::kernels
