#include "pack/sparse_form.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace qforge::pack {
namespace {

using kernels::SparseQuad;
using kernels::SparseTile;

constexpr size_t kQuad = 4;
constexpr int kStrip = kernels::kSparseStripInputs;
constexpr int kTile = kernels::kSparseTileColumns;

using Entry = kernels::SparseEntry;

// Where more than this part of the tiles has an entry, the others are listed, too, and the first
// part overwrites C; else C is filled with zeros and only added to.
constexpr double kDenseTiles = 0.75;

// All strips where there are not more of them than entries, else those that have an entry.
std::vector<int64_t> ListStrips(const SparseWeights& weights) {
  const int64_t entries = weights.values.size();
  const int64_t all = base::CeilDiv<int64_t>(weights.inputs, kStrip);
  std::vector<int64_t> strips;
  if (all <= entries) {
    for (int64_t strip = 0; strip < all; ++strip) strips.push_back(strip * kStrip);
    return strips;
  }
  for (int64_t e = 0; e < entries; ++e) {
    strips.push_back(base::AlignDown<int64_t>(weights.row_indices[e], kStrip));
  }
  std::sort(strips.begin(), strips.end());
  strips.erase(std::unique(strips.begin(), strips.end()), strips.end());
  return strips;
}

// The entries from `begin` on, of which there may be none, filled up with weights of 0. Those read
// slot 0 or one that is read anyhow.
SparseQuad MakeQuad(const std::vector<Entry>& entries, size_t begin) {
  SparseQuad quad = {};
  if (begin >= entries.size()) return quad;
  for (size_t i = 0; i < kQuad; ++i) {
    const bool exists = begin + i < entries.size();
    quad.offsets[i] = static_cast<uint16_t>(8 * entries[exists ? begin + i : begin].slot);
    quad.weights[i] = exists ? entries[begin + i].weight : int8_t{0};
  }
  return quad;
}

// Puts entries into an order in which each two neighbours may share the half of a quad, with
// entries of weight 0 where there is no partner. Two of opposite signs always may; of one sign the
// largest is matched with the smallest that is left, or with nothing if that does not fit.
std::vector<Entry> Pair(std::vector<Entry> entries, Isa isa) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.slot < b.slot;
  });
  std::vector<Entry> paired;
  size_t low = 0, high = entries.size();
  while (low < high) {
    const Entry& smallest = entries[low];
    const Entry& largest = entries[high - 1];
    if (low + 1 < high && kernels::SparsePairable(isa, smallest.weight, largest.weight)) {
      paired.insert(paired.end(), {smallest, largest});
      ++low;
      --high;
    } else if (smallest.weight < 0) {  // all are negative, or this is the last
      paired.insert(paired.end(), {smallest, {smallest.slot, 0}});
      ++low;
    } else {
      paired.insert(paired.end(), {largest, {largest.slot, 0}});
      --high;
    }
  }
  return paired;
}

class PartBuilder {
 public:
  PartBuilder(const SparseWeights& weights, Isa isa) : weights_(weights), isa_(isa) {
    next_.assign(weights.column_offsets.data(), weights.column_offsets.data() + weights.outputs);
  }

  // Parts are built in ascending order of k. `strips` are those of the part.
  SparsePart Build(std::vector<int64_t> strips, bool all_tiles) {
    SparsePart part;
    part.strips = std::move(strips);
    const auto count = static_cast<int64_t>(part.strips.size());
    part.contiguous = part.strips.back() - part.strips.front() == (count - 1) * kStrip;
    constexpr int64_t kChunk = kernels::kSparseChunkColumns;
    for (int64_t begin = 0; begin < weights_.outputs; begin += kChunk) {
      const int64_t end = std::min<int64_t>(weights_.outputs, begin + kChunk);
      std::vector<std::vector<Entry>> columns(static_cast<size_t>(end - begin));
      for (int64_t j = begin; j < end; ++j) {
        Collect(j, part, &columns[static_cast<size_t>(j - begin)]);
      }
      AddRuns(columns, begin, &part);
      for (size_t i = 0; i < columns.size(); i += kTile) {
        const auto first = columns.begin() + static_cast<int64_t>(i);
        AddTile({first, first + std::min<int64_t>(kTile, columns.end() - first)},
                begin + static_cast<int64_t>(i), all_tiles, &part);
      }
    }
    part.first_quads.push_back(static_cast<int64_t>(part.quads.size()));
    AddChunk(&part);
    return part;
  }

 private:
  // The entries of `column` in the part, except those of weight 0.
  void Collect(int64_t column, const SparsePart& part, std::vector<Entry>* entries) {
    entries->clear();
    int64_t& e = next_[static_cast<size_t>(column)];
    const int64_t behind = part.strips.back() + kStrip - 1;  // the last k
    auto strip = part.strips.begin();
    for (; e < weights_.column_offsets[column + 1] && weights_.row_indices[e] <= behind; ++e) {
      const int64_t k = weights_.row_indices[e];
      if (weights_.values[e] == 0) continue;
      const int64_t start = base::AlignDown<int64_t>(k, kStrip);
      strip = part.contiguous ? part.strips.begin() + (start - part.strips.front()) / kStrip
                              : std::lower_bound(strip, part.strips.end(), start);
      const int64_t slot = (strip - part.strips.begin()) * kStrip + (k - start);
      entries->push_back({static_cast<uint16_t>(slot), weights_.values[e]});
    }
  }

  static void AddChunk(SparsePart* part) {
    part->chunks.push_back({static_cast<int64_t>(part->runs.size()),
                            static_cast<int64_t>(part->run_columns.size()),
                            static_cast<int64_t>(part->run_entries.size())});
  }

  // A chunk of columns from `first_column` on.
  static void AddRuns(const std::vector<std::vector<Entry>>& columns, int64_t first_column,
                      SparsePart* part) {
    AddChunk(part);
    std::vector<size_t> order;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (!columns[i].empty()) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return columns[a].size() > columns[b].size(); });
    size_t entries = 0;
    for (const size_t i : order) {
      if (columns[i].size() != entries) {
        entries = columns[i].size();
        part->runs.push_back({0, static_cast<int32_t>(entries)});
      }
      ++part->runs.back().columns;
      part->run_columns.push_back(static_cast<int32_t>(first_column + static_cast<int64_t>(i)));
      part->run_entries.insert(part->run_entries.end(), columns[i].begin(), columns[i].end());
    }
  }

  // The tile of `given` columns, fewer than 16 at the end of the matrix.
  void AddTile(const std::vector<std::vector<Entry>>& given, int64_t first_column, bool all_tiles,
               SparsePart* part) const {
    struct Column {
      int position;
      std::vector<Entry> entries;
    };
    const bool any_order = kernels::SparsePairable(isa_, 127, 127);  // then all may be pairs
    Column columns[kTile];
    bool empty = true;
    for (int i = 0; i < kTile; ++i) {
      columns[i].position = i;
      if (static_cast<size_t>(i) >= given.size()) continue;
      const std::vector<Entry>& entries = given[static_cast<size_t>(i)];
      columns[i].entries = any_order ? entries : Pair(entries, isa_);
      empty = empty && entries.empty();
    }
    if (empty && !all_tiles) return;
    const auto quads = [](const Column& column) {
      return base::CeilDiv<size_t>(column.entries.size(), kQuad);
    };
    std::stable_sort(std::begin(columns), std::end(columns),
                     [&](const Column& a, const Column& b) { return quads(a) > quads(b); });
    part->first_quads.push_back(static_cast<int64_t>(part->quads.size()));
    SparseTile tile;
    tile.column = first_column;
    for (int i = 0; i < kTile; i += 2) {
      const size_t count = quads(columns[i]);
      const auto positions =
          static_cast<size_t>(columns[i + 1].position << 4 | columns[i].position);
      tile.pairs[i / 2] = static_cast<uint32_t>(count << 8 | positions);
      for (size_t quad = 0; quad < count; ++quad) {
        for (const Column* column : {&columns[i], &columns[i + 1]}) {
          part->quads.push_back(MakeQuad(column->entries, quad * kQuad));
        }
      }
    }
    part->tiles.push_back(tile);
  }

  const SparseWeights& weights_;
  const Isa isa_;
  std::vector<int64_t> next_;  // entry of each column that no part has yet
};

template <class T>
int64_t BytesOf(const std::vector<T>& values) {
  return static_cast<int64_t>(values.size() * sizeof(T));
}

}  // namespace

SparseForm MakeSparseForm(const SparseWeights& weights, Isa isa) {
  SparseForm form;
  form.inputs = weights.inputs;
  form.outputs = weights.outputs;
  const std::vector<int64_t> strips = ListStrips(weights);
  if (weights.values.empty() || weights.outputs == 0) return form;

  int64_t filled = 0;
  for (int64_t column = 0; column < weights.outputs; column += kTile) {
    const int64_t end = std::min<int64_t>(weights.outputs, column + kTile);
    filled += weights.column_offsets[end] > weights.column_offsets[column];
  }
  const int64_t tiles = base::CeilDiv<int64_t>(weights.outputs, kTile);
  form.has_all_tiles = static_cast<double>(filled) >= kDenseTiles * static_cast<double>(tiles);

  PartBuilder builder(weights, isa);
  constexpr size_t kMostStrips = kernels::kSparsePartInputs / kStrip;
  for (size_t begin = 0; begin < strips.size(); begin += kMostStrips) {
    const size_t end = std::min(strips.size(), begin + kMostStrips);
    SparsePart part = builder.Build(
        {strips.begin() + static_cast<int64_t>(begin), strips.begin() + static_cast<int64_t>(end)},
        /*all_tiles=*/form.has_all_tiles && form.parts.empty());
    if (!part.tiles.empty()) form.parts.push_back(std::move(part));
  }
  return form;
}

bool MakeDense(const SparseWeights& weights, std::vector<int8_t>* dense) {
  dense->assign(static_cast<size_t>(weights.inputs * weights.outputs), 0);
  for (int64_t j = 0; j < weights.outputs; ++j) {
    for (int64_t e = weights.column_offsets[j]; e < weights.column_offsets[j + 1]; ++e) {
      int8_t& weight = (*dense)[static_cast<size_t>(weights.row_indices[e] * weights.outputs + j)];
      const int sum = weight + weights.values[e];
      if (sum < -128 || sum > 127) return false;
      weight = static_cast<int8_t>(sum);
    }
  }
  return true;
}

kernels::SparseRow SparsePart::Row(int64_t begin, int64_t end) const {
  constexpr int64_t kChunk = kernels::kSparseChunkColumns;
  const Chunk& first = chunks[static_cast<size_t>(begin / kChunk)];
  const Chunk& last = chunks[static_cast<size_t>(base::CeilDiv(end, kChunk))];
  return {runs.data() + first.run, runs.data() + last.run, run_columns.data() + first.column,
          run_entries.data() + first.entry};
}

int64_t SparseForm::bytes() const {
  int64_t total = 0;
  for (const SparsePart& part : parts) {
    total += BytesOf(part.strips) + BytesOf(part.tiles) + BytesOf(part.first_quads) +
             BytesOf(part.quads) + BytesOf(part.chunks) + BytesOf(part.runs) +
             BytesOf(part.run_columns) + BytesOf(part.run_entries);
  }
  return total;
}

}  // namespace qforge::pack
