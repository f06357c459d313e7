#include <cinttypes>

#include "ops/index_view.h"
#include "ops/validate.h"
#include "qforge/embedding_bag.h"

namespace qforge {
namespace {

Status CheckOutput(const char* field, ArrayView<int64_t> output, int64_t size) {
  if (output.size() != size) {
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "room for %" PRId64 " values; %" PRId64 " are needed", output.size(),
                         size);
  }
  return CheckIntegers(field, IndexView(output.data(), size));
}

Status CheckOffsets(const IndexView& offsets, int64_t indices) {
  int64_t previous = 0;
  for (int64_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] < previous || offsets[i] > indices) {
      return Status::Error(StatusCode::kOutOfRange, "offsets",
                           "offset %" PRId64 " is %" PRId64 ", which is not in [%" PRId64
                           ", %" PRId64 "]",
                           i, offsets[i], previous, indices);
    }
    previous = offsets[i];
  }
  return Status();
}

Status CheckBags(const IndexView& indices, const IndexView& offsets,
                 ArrayView<const int32_t> row_map) {
  for (int64_t bag = 0; bag + 1 < offsets.size(); ++bag) {
    for (int64_t p = offsets[bag]; p < offsets[bag + 1]; ++p) {
      const int64_t index = indices[p];
      if (index < 0 || index >= row_map.size()) {
        return Status::Error(StatusCode::kOutOfRange, "indices",
                             "bag %" PRId64 ", position %" PRId64 ": index %" PRId64
                             " is not in [0, %" PRId64 ")",
                             bag, p, index, row_map.size());
      }
      if (row_map[index] < -1) {
        return Status::Error(StatusCode::kOutOfRange, "row_map",
                             "entry %" PRId64 " is %d; -1 stands for a pruned row", index,
                             row_map[index]);
      }
    }
  }
  return Status();
}

}  // namespace

Status CompactIndices(const IndexView& indices, const IndexView& offsets,
                      ArrayView<const int32_t> row_map, ArrayView<int64_t> kept_indices,
                      ArrayView<int64_t> kept_offsets, ArrayView<int64_t> kept_positions,
                      int64_t* count) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckIntegers("indices", indices));
  QFORGE_RETURN_IF_ERROR(CheckIntegers("offsets", offsets));
  if (offsets.size() == 0) {
    return Status::Error(StatusCode::kInvalidArgument, "offsets",
                         "no values; offsets with the last one are bags + 1 values");
  }
  QFORGE_RETURN_IF_ERROR(CheckArray("row_map", row_map.data(), row_map.size(), DataType::kS32));
  QFORGE_RETURN_IF_ERROR(CheckOutput("kept_indices", kept_indices, indices.size()));
  QFORGE_RETURN_IF_ERROR(CheckOutput("kept_offsets", kept_offsets, offsets.size()));
  const bool positions = !kept_positions.empty();
  if (positions) {
    QFORGE_RETURN_IF_ERROR(CheckOutput("kept_positions", kept_positions, indices.size()));
  }
  if (count == nullptr) return Status::Error(StatusCode::kInvalidArgument, "count", "is null");

  struct Array {
    const char* field;
    InputMatrix bytes;
  };
  const auto written = [](const char* field, ArrayView<int64_t> output) {
    return Array{field, AsBytes(output.data(), output.size() * 8)};
  };
  // What is written, then what is read: none may meet one that is behind it.
  const Array arrays[] = {written("kept_indices", kept_indices),
                          written("kept_offsets", kept_offsets),
                          written("kept_positions", kept_positions),
                          {"indices", BytesOf(indices)},
                          {"offsets", BytesOf(offsets)},
                          {"row_map", AsBytes(row_map.data(), row_map.size() * 4)}};
  for (int output = 0; output < 3; ++output) {
    for (int other = output + 1; other < 6; ++other) {
      QFORGE_RETURN_IF_ERROR(CheckNoOverlap(arrays[output].field, arrays[output].bytes,
                                            arrays[other].field, arrays[other].bytes));
    }
  }
  QFORGE_RETURN_IF_ERROR(CheckOffsets(offsets, indices.size()));
  QFORGE_RETURN_IF_ERROR(CheckBags(indices, offsets, row_map));

  int64_t kept = 0;
  kept_offsets[0] = 0;
  for (int64_t bag = 0; bag + 1 < offsets.size(); ++bag) {
    for (int64_t p = offsets[bag]; p < offsets[bag + 1]; ++p) {
      const int32_t row = row_map[indices[p]];
      if (row < 0) continue;
      kept_indices[kept] = row;
      if (positions) kept_positions[kept] = p;
      ++kept;
    }
    kept_offsets[bag + 1] = kept;
  }
  *count = kept;
  return Status();
}

}  // namespace qforge
