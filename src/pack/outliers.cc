#include "pack/outliers.h"

#include <algorithm>
#include <map>

#include "pack/section_writer.h"

namespace qforge::pack {
namespace {

// By group of k, what is added to each of its weights: columns x 4.
using Addends = std::map<int64_t, std::vector<int64_t>>;

Addends FindAddends(const SparseWeights& sparse, const ColumnRange& range, int64_t inputs) {
  Addends addends;
  const int64_t end = std::min(range.end, range.begin + range.columns);
  if (sparse.column_offsets.empty()) return addends;
  for (int64_t j = range.begin; j < end; ++j) {
    for (int64_t e = sparse.column_offsets[j]; e < sparse.column_offsets[j + 1]; ++e) {
      const int64_t k = sparse.row_indices[e];
      if (k >= inputs) break;
      std::vector<int64_t>& group = addends[k / kGroupSize];
      group.resize(static_cast<size_t>(range.columns * kGroupSize));
      group[static_cast<size_t>((j - range.begin) * kGroupSize + k % kGroupSize)] +=
          sparse.values[e];
    }
  }
  return addends;
}

// Groups that begin `behind` k too late to lie within the row are moved back.
void MoveBack(int behind, WideGroup* group) {
  if (behind <= 0) return;
  group->offset -= behind;
  for (auto column = group->weights.begin(); column != group->weights.end(); column += kGroupSize) {
    std::rotate(column, column + kGroupSize - behind, column + kGroupSize);
  }
}

}  // namespace

std::vector<WideGroup> TakeOutliers(const SparseWeights& sparse, const ColumnRange& range,
                                    int64_t inputs, int bits, int8_t* groups) {
  std::vector<WideGroup> left_over;
  Addends addends = FindAddends(sparse, range, inputs);
  const int64_t count = base::CeilDiv<int64_t>(inputs, kGroupSize);
  const size_t size = static_cast<size_t>(range.columns * kGroupSize);
  if (bits < 8) {
    for (int64_t g = 0; g < count; ++g) addends[g].resize(size);
  }
  const int64_t lowest = -(int64_t{1} << (bits - 1));
  const int64_t highest = -lowest - 1;
  for (auto& [index, rest] : addends) {
    int8_t* group = groups + static_cast<size_t>(index) * size;
    bool any = false;
    for (size_t i = 0; i < size; ++i) {
      const int64_t total = group[i] + rest[i];
      group[i] = static_cast<int8_t>(std::clamp(total, lowest, highest));
      rest[i] = total - group[i];
      any = any || rest[i] != 0;
    }
    while (any) {
      any = false;
      WideGroup& wide = left_over.emplace_back();
      wide.offset = static_cast<int32_t>(index * kGroupSize);
      for (int64_t& weight : rest) {
        const int64_t part = std::clamp<int64_t>(weight, -32768, 32767);
        wide.weights.push_back(static_cast<int16_t>(part));
        weight -= part;
        any = any || weight != 0;
      }
      MoveBack(static_cast<int>(wide.offset + kGroupSize - inputs), &wide);
    }
  }
  return left_over;
}

int64_t PackWideSection(int columns, int vector_columns, int64_t position,
                        const std::vector<WideGroup>& wide_groups, std::vector<std::byte>* out) {
  const int64_t count = static_cast<int64_t>(wide_groups.size());
  SectionWriter writer(count, count, vector_columns * kGroupSize, 2 * columns * kGroupSize, out);
  std::vector<int16_t> ordered(static_cast<size_t>(columns * kGroupSize));
  for (const WideGroup& group : wide_groups) {
    for (int column = 0; column < columns; ++column) {
      for (int k = 0; k < kGroupSize; ++k) {
        const int vector = column / vector_columns * 2 + k % 2;
        const int place = vector * 2 * vector_columns + 2 * (column % vector_columns) + k / 2;
        ordered[static_cast<size_t>(place)] =
            group.weights[static_cast<size_t>(column * kGroupSize + k)];
      }
    }
    writer.Add(group.offset - position, ordered.data());
    position = group.offset;
  }
  return position;
}

void PackOutlierSections(int columns, int vector_columns, int64_t position,
                         const std::vector<WideGroup>& wide_groups, std::vector<std::byte>* out) {
  for (int column = 0; column < columns; column += vector_columns) {
    std::vector<WideGroup> part;
    for (const WideGroup& group : wide_groups) {
      const auto begin = group.weights.begin() + column * kGroupSize;
      const auto end = begin + vector_columns * kGroupSize;
      if (std::all_of(begin, end, [](int16_t weight) { return weight == 0; })) continue;
      part.push_back({group.offset, std::vector<int16_t>(begin, end)});
    }
    position = PackWideSection(vector_columns, vector_columns, position, part, out);
  }
}

}  // namespace qforge::pack
