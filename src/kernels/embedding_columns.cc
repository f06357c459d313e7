#include "kernels/embedding_columns.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/row_checksum.h"

namespace qforge::kernels {
namespace {

int ElementBits(RowFormat format) {
  switch (format) {
    case RowFormat::kF32:
      return 32;
    case RowFormat::kF16:
    case RowFormat::kBF16:
      return 16;
    case RowFormat::kU8:
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      return 8;
    case RowFormat::kU4:
    case RowFormat::kCodebook4:
    case RowFormat::kTwoTier4:
      return 4;
    case RowFormat::kU2:
      return 2;
  }
  return 0;
}

int64_t ParameterBytes(const EmbeddingKernel& kernel) {
  switch (kernel.format) {
    case RowFormat::kU8:
      return 2 * DataTypeSize(kernel.parameters);
    case RowFormat::kU4:
    case RowFormat::kU2:
      return 2 * 2;
    case RowFormat::kCodebook4:
      return 16 * 2;
    case RowFormat::kTwoTier4:
      return 2;
    default:
      return 0;
  }
}

ColumnVector PlaceVector(const RowShape& row, int64_t column, int count, int window_bytes) {
  ColumnVector vector;
  vector.count = count;
  const int64_t own = row.payload + column * row.element_bits / 8;
  // A checksum is not part of a window, which begins with a whole element.
  if (row.content < window_bytes) {  // then there is no other vector
    vector.offset = own;
    vector.exact_bytes = base::CeilDiv(count * row.element_bits, 8);
    return vector;
  }
  vector.offset = std::min(own, row.content - window_bytes);
  vector.skipped = static_cast<int>((own - vector.offset) * 8 / row.element_bits);
  return vector;
}

// Adds a group or, where none fits into `columns`, a vector that begins with `column`.
void PlaceNext(const RowShape& row, int64_t column, int64_t columns, int lanes, int window_bytes,
               const std::vector<int>& groups, std::vector<ColumnVector>* vectors) {
  for (const int parts : groups) {
    if (parts * lanes > columns) continue;
    ColumnVector vector;
    vector.count = lanes;
    vector.offset = row.payload + column * row.element_bits / 8;
    vector.parts = parts;
    for (; vector.part < parts; ++vector.part) vectors->push_back(vector);
    return;
  }
  const int count = static_cast<int>(std::min<int64_t>(lanes, columns));
  vectors->push_back(PlaceVector(row, column, count, window_bytes));
}

}  // namespace

RowShape ShapeOfRow(const EmbeddingKernel& kernel) {
  RowShape row;
  row.element_bits = ElementBits(kernel.format);
  const int64_t payload_bytes = base::CeilDiv(kernel.dimension * row.element_bits, int64_t{8});
  const int64_t parameter_bytes = ParameterBytes(kernel);
  row.content = payload_bytes + parameter_bytes;
  row.bytes = row.content;
  if (kernel.check == RowCheck::kInRow) row.bytes += base::ChecksumBytes(row.content);
  if (kernel.place == ParameterPlace::kFirst) {
    row.payload = parameter_bytes;
  } else {
    row.parameters = payload_bytes;
  }
  return row;
}

std::vector<ColumnBlock> CutIntoBlocks(const EmbeddingKernel& kernel, int lanes, int window_bytes,
                                       const std::vector<int>& groups, int max_vectors) {
  const RowShape row = ShapeOfRow(kernel);
  const int64_t vectors = base::CeilDiv(kernel.dimension, int64_t{lanes});
  std::vector<ColumnBlock> blocks;
  const auto add = [&](int64_t block_vectors, int64_t repeat) {
    ColumnBlock block;
    if (!blocks.empty()) {
      const ColumnBlock& before = blocks.back();
      block.first_column = before.first_column + before.repeat * before.columns;
    }
    block.repeat = repeat;
    block.columns = std::min(block_vectors * lanes, kernel.dimension - block.first_column);
    while (static_cast<int64_t>(block.vectors.size()) * lanes < block.columns) {
      const int64_t at = static_cast<int64_t>(block.vectors.size()) * lanes;
      PlaceNext(row, block.first_column + at, block.columns - at, lanes, window_bytes, groups,
                &block.vectors);
    }
    blocks.push_back(std::move(block));
  };
  if (vectors <= max_vectors) {
    add(vectors, 1);
    return blocks;
  }
  // Whole blocks in the middle, and the rest in two halves around them. The last block has two
  // vectors at least, so that no window of a middle one needs to be moved.
  const int64_t middle = (vectors - max_vectors - 1) / max_vectors;
  const int64_t rest = vectors - middle * max_vectors;
  add(rest - rest / 2, 1);
  if (middle > 0) add(max_vectors, middle);
  add(rest / 2, 1);
  return blocks;
}

}  // namespace qforge::kernels
