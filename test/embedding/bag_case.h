// Look-ups to test with: tables, indices and bounds on guarded memory, and what the definitions in
// qforge/row_layout.h and qforge/embedding_bag.h make of them, computed here once more.
#ifndef QFORGE_TEST_EMBEDDING_BAG_CASE_H_
#define QFORGE_TEST_EMBEDDING_BAG_CASE_H_

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "qforge/embedding_bag.h"
#include "qforge/embedding_table.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/test_matrix.h"

namespace qforge::test {

inline constexpr RowFormat kAllFormats[] = {
    RowFormat::kF32,  RowFormat::kF16, RowFormat::kBF16,      RowFormat::kU8,
    RowFormat::kU4,   RowFormat::kU2,  RowFormat::kCodebook4, RowFormat::kTwoTier4,
    RowFormat::kE4M3, RowFormat::kE5M2};
static_assert(sizeof(kAllFormats) / sizeof(*kAllFormats) == kRowFormatCount);

// Any layout of a format; parameters, stride and bias as in RowLayout.
RowLayout LayoutOf(RowFormat format, int64_t dimension);

// Bytes of a row and of its parameters, by the table in row_layout.h.
int64_t ParameterBytes(const RowLayout& layout);
int64_t PayloadBytes(const RowLayout& layout);
int64_t ChecksumBytes(const RowLayout& layout);  // of a row's checksum, wherever it stands

// The values of a row, by the definition of its format.
std::vector<float> DecodeByDefinition(const RowLayout& layout, const std::byte* row,
                                      const Half* codebooks);

// A table with random contents.
class TableData {
 public:
  // `layout` as a caller gives it: zeros stand for what they stand for. Where `specials` is true,
  // infinities, NaN, subnormals and zeros of both signs are among the values and parameters.
  TableData(const RowLayout& layout, int64_t rows, uint64_t seed, Guard guard = Guard::kBehind,
            bool specials = false);

  EmbeddingTable Borrow() const;
  std::vector<float> Row(int64_t index) const;
  std::byte* row(int64_t index) const { return bytes.data() + index * layout.stride; }
  void Seal();

  RowLayout layout;  // complete
  int64_t rows;
  GuardedBytes bytes;
  GuardedBuffer<Half> codebooks;
};

struct BagCase {
  RowLayout layout;
  int64_t rows = 23;
  Pooling pooling = Pooling::kSum;
  BagWeights weights = BagWeights::kNone;
  BagBounds bounds = BagBounds::kOffsets;
  DataType output = DataType::kF32;
  int index_bytes = 8;
  int bounds_bytes = 8;
  bool mapped = false;
  bool checksums_beside = false;
  bool specials = false;
  bool trusted = false;
  int prefetch_distance = -1;
  int64_t output_gap = 0;
  Guard guard = Guard::kBehind;
  std::vector<int64_t> lengths = {3, 0, 1, 7, 2};
  uint64_t seed = 1;

  friend std::ostream& operator<<(std::ostream& out, const BagCase& c);
};

class BagData {
 public:
  explicit BagData(const BagCase& the_case);

  EmbeddingBagOptions options() const;
  BagInput input() const;
  IndexView indices() const;
  IndexView bounds() const;
  TestMatrix MakeOutput() const;
  TestMatrix Expected() const;
  void Seal();

  const BagCase c;
  TableData table;
  GuardedBuffer<int32_t> row_map;
  GuardedBuffer<int32_t> indices_32;
  GuardedBuffer<int64_t> indices_64;
  GuardedBuffer<int32_t> bounds_32;
  GuardedBuffer<int64_t> bounds_64;
  GuardedBuffer<float> weights;

 private:
  int64_t RowOf(int64_t position) const;
};

Context ContextFor(Isa isa, ThreadPool* pool = nullptr);
Context BestContext();

// Runs a case on every ISA and compares with its definition.
void CheckOnEveryIsa(const BagCase& c);

}  // namespace qforge::test

#endif  // QFORGE_TEST_EMBEDDING_BAG_CASE_H_
