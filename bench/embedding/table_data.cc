#include "embedding/table_data.h"

#include <emmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

#include "base/row_checksum.h"
#include "pack/embedding_table_data.h"
#include "ref/row_checksum.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

constexpr int64_t kLineBytes = 64;
constexpr int64_t kClusters = 256;
constexpr int kCentres = 16;
using Random = std::mt19937_64;

// Uniform in [low, low + 1).
float Uniform(Random& random, float low) {
  return low + static_cast<float>(random() >> 40) * 0x1p-24f;
}
float Value(Random& random) { return 2.0f * Uniform(random, -0.5f); }

template <class T>
std::byte* Put(const T& value, std::byte* to) {
  std::memcpy(to, &value, sizeof(value));
  return to + sizeof(value);
}

std::byte* PutBits(int64_t bytes, Random& random, std::byte* to) {
  for (int64_t i = 0; i < bytes; ++i) *to++ = static_cast<std::byte>(random() >> 56);
  return to;
}

// Of q from 0 to `levels`, so that values lie around 0.
struct Parameters {
  Parameters(int levels, Random& random)
      : scale(Uniform(random, 0.5f) * 2.0f / static_cast<float>(levels)),
        bias(-0.5f * scale * static_cast<float>(levels)) {}
  float scale, bias;
};

// Rows are of the layouts that RowLayout has by default: parameters behind, in f32 for u8.
void WriteRow(const RowLayout& layout, Random& random, std::byte* to) {
  const int64_t d = layout.dimension;
  switch (layout.format) {
    case RowFormat::kF32:
      for (int64_t i = 0; i < d; ++i) to = Put(Value(random), to);
      return;
    case RowFormat::kF16:
      for (int64_t i = 0; i < d; ++i) to = Put(ToHalf(Value(random)), to);
      return;
    case RowFormat::kBF16:
      for (int64_t i = 0; i < d; ++i) to = Put(ToBFloat16(Value(random)), to);
      return;
    case RowFormat::kU8: {
      const Parameters parameters(255, random);
      to = Put(parameters.scale, PutBits(d, random, to));
      Put(parameters.bias, to);
      return;
    }
    case RowFormat::kU4:
    case RowFormat::kU2: {
      const int bits = layout.format == RowFormat::kU4 ? 4 : 2;
      const Parameters parameters((1 << bits) - 1, random);
      to = Put(ToHalf(parameters.scale), PutBits((d * bits + 7) / 8, random, to));
      Put(ToHalf(parameters.bias), to);
      return;
    }
    case RowFormat::kCodebook4:
      to = PutBits((d + 1) / 2, random, to);
      for (int i = 0; i < kCentres; ++i) to = Put(ToHalf(Value(random)), to);
      return;
    case RowFormat::kTwoTier4:
      Put(static_cast<uint16_t>(random() % kClusters), PutBits((d + 1) / 2, random, to));
      return;
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      PutBits(d, random, to);
      return;
  }
}

base::AlignedBuffer MakeRows(const Case& which) {
  constexpr int64_t kBlockRows = 8192;
  Random random(1);
  const int64_t row_bytes = which.row_bytes();
  base::AlignedBuffer buffer =
      ValueOrThrow(base::AlignedBuffer::Allocate(static_cast<size_t>(which.table_bytes())));
  const int64_t block_rows = std::min(which.setting.rows, kBlockRows);
  for (int64_t row = 0; row < block_rows; ++row) {
    std::byte* const to = buffer.data() + row * row_bytes;
    WriteRow(which.layout(), random, to);
    if (!which.layout().checksum) continue;
    RowLayout content = which.layout();
    content.checksum = false;
    ref::WriteChecksum(to, RowBytes(content), to + RowBytes(content));
  }
  const int64_t block_bytes = block_rows * row_bytes;
  for (int64_t at = block_bytes; at < which.table_bytes(); at += block_bytes) {
    std::memcpy(buffer.data() + at, buffer.data(),
                static_cast<size_t>(std::min(block_bytes, which.table_bytes() - at)));
  }
  return buffer;
}

std::vector<Half> MakeCodebooks(const Case& which) {
  std::vector<Half> codebooks;
  if (which.format.rows != RowFormat::kTwoTier4) return codebooks;
  Random random(2);
  for (int64_t i = 0; i < kClusters * kCentres; ++i) codebooks.push_back(ToHalf(Value(random)));
  return codebooks;
}

}  // namespace

TableData::TableData(const Case& which)
    : which_(which),
      rows_(MakeRows(which)),
      codebooks_(MakeCodebooks(which)),
      table_(ValueOrThrow(
          EmbeddingTable::Borrow(rows_.data(), which.setting.rows, which.layout(), codebooks_))) {}

TableData::TableData(const Case& which, std::shared_ptr<const TableData> lender)
    : which_(which),
      lender_(std::move(lender)),
      table_(ValueOrThrow(EmbeddingTable::Borrow(lender_->rows(), which.setting.rows,
                                                 which.layout(), lender_->codebooks_))) {
  const Status status = table_.AddChecksums(Context::Create().value());
  if (!status.ok()) throw std::runtime_error(status.message());
}

std::shared_ptr<const TableData> TableData::WithChecksums(std::shared_ptr<const TableData> rows) {
  Case which = rows->which();
  which.checksums = Checksums::kBeside;
  return std::shared_ptr<const TableData>(new TableData(which, std::move(rows)));
}

Lookups::Lookups(const Setting& setting) {
  // Where rows are flushed before they are read, enough for a million of them; where they are to
  // stay in the caches, one.
  constexpr int64_t kFreshCalls = 1024;
  calls_ = setting.flushed ? kFreshCalls : 1;
  for (int64_t bag = 0; bag <= setting.bags; ++bag) offsets_.push_back(bag * setting.rows_per_bag);
  Random random(3);
  std::uniform_int_distribution<int64_t> row(0, setting.rows - 1);
  indices_.resize(static_cast<size_t>(calls_ * rows_per_call()));
  for (int64_t& index : indices_) index = row(random);
}

const int64_t* Lookups::Next() {
  const int64_t* const indices = Peek();
  next_ = (next_ + 1) % calls_;
  return indices;
}

const int64_t* Lookups::Peek(int64_t ahead) const {
  return indices_.data() + (next_ + ahead) % calls_ * rows_per_call();
}

void FlushRows(const TableData& data, const Lookups& lookups, int64_t calls) {
  const int64_t row_bytes = data.which().row_bytes();
  const int64_t checksum_bytes = base::ChecksumBytes(row_bytes);
  for (int64_t call = 0; call < calls; ++call) {
    const int64_t* const indices = lookups.Peek(call);
    for (int64_t i = 0; i < lookups.rows_per_call(); ++i) {
      const std::byte* const row = data.rows() + indices[i] * row_bytes;
      for (int64_t at = 0; at < row_bytes; at += kLineBytes) _mm_clflush(row + at);
      _mm_clflush(row + row_bytes - 1);
      if (data.which().checksums != Checksums::kBeside) continue;
      _mm_clflush(data.table().table().checksums + indices[i] * checksum_bytes);
    }
  }
  _mm_mfence();
}

bool IsSumOfRows(const TableData& data, const Lookups& lookups, const int64_t* indices,
                 const float* output) {
  ContextOptions portable;  // shares no code with what is measured
  portable.max_isa = Isa::kScalar;
  const Context context = Context::Create(portable).value();
  const int64_t dimension = data.which().dimension;
  std::vector<float> row(static_cast<size_t>(dimension));
  std::vector<double> sums(row.size()), magnitudes(row.size());
  for (int64_t bag = 0; bag < lookups.bags(); ++bag) {
    std::fill(sums.begin(), sums.end(), 0.0);
    std::fill(magnitudes.begin(), magnitudes.end(), 0.0);
    const int64_t begin = lookups.offsets()[static_cast<size_t>(bag)];
    const int64_t end = lookups.offsets()[static_cast<size_t>(bag) + 1];
    for (int64_t i = begin; i < end; ++i) {
      const Status status =
          data.table().Dequantize(context, indices[i], {row.data(), 1, dimension});
      if (!status.ok()) throw std::runtime_error(status.message());
      for (size_t j = 0; j < row.size(); ++j) {
        sums[j] += row[j];
        magnitudes[j] += std::abs(row[j]);
      }
    }
    // Half a unit in the last place for each addition; eight times that, since a row's bias may be
    // added apart from the rest, where it cancels most of it.
    const double tolerance = static_cast<double>(end - begin) * 0x1p-21;
    for (size_t j = 0; j < row.size(); ++j) {
      const double difference =
          std::abs(output[static_cast<size_t>(bag * dimension) + j] - sums[j]);
      if (!(difference <= tolerance * magnitudes[j])) return false;
    }
  }
  return true;
}

}  // namespace qforge::bench
