// Pooled look-up in embedding tables.
//
// Numerics. A bag is a run of positions p in the indices. For each column on its own, from acc =
// +0, over the positions of the bag in order, in binary32, each operation rounded to nearest even:
//
//                                   unweighted                      with a weight w
//   f32, f16, bf16, e4m3, e5m2      acc = acc + x                   acc = fma(w, x, acc)
//   u4, u2, codebook4, twotier4     acc = acc + x                   acc = acc + w * x
//   u8                              acc = fma(q, scale, acc)        acc = fma(q, w * scale, acc)
//                                   b = b + bias                    b = fma(w, bias, b)
//
// and for u8, at the end of the bag, acc = acc + b. x is what qforge/row_layout.h says, rounded
// once. A mean is acc * (1 / float(n)) for the n positions of the bag, pruned rows included; an
// empty bag gives +0. Then the result is rounded to the output's type. Without pooling, each
// position gives a row of the output: x, or w * x. Every ISA and number of threads gives the same
// bits; only which NaN comes out of several is not specified.
#ifndef QFORGE_EMBEDDING_BAG_H_
#define QFORGE_EMBEDDING_BAG_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "qforge/context.h"
#include "qforge/embedding_table.h"
#include "qforge/export.h"
#include "qforge/soft_errors.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

enum class Pooling : uint8_t { kSum, kMean, kNone };

enum class BagWeights : uint8_t {
  kNone,
  kPerPosition,    // weights[p]: as many as indices
  kPerBagPosition  // weights[p - the bag's first p]: at least as many as the longest bag has
};

// What the last dimension of a bag's description means. Offsets may begin above 0 and end before
// the indices do: indices that no bag has are neither read nor checked.
enum class BagBounds : uint8_t {
  kOffsets,        // bags + 1 values: bag b is [offsets[b], offsets[b + 1])
  kOffsetsNoLast,  // bags values: the last bag ends with the indices
  kLengths,        // bags values: they add up to the number of indices
};

struct EmbeddingBagOptions {
  Pooling pooling = Pooling::kSum;
  BagWeights weights = BagWeights::kNone;
  BagBounds bounds = BagBounds::kOffsets;  // ignored without pooling
  // kF32, kF16 or kBF16. Without pooling and weights also kU8: the bytes of the row as they are
  // stored, RowBytes() of them.
  DataType output = DataType::kF32;
  // A table with rows pruned away: indices are looked up in this array of the unpruned number of
  // rows first, which gives the row in the table, or -1 for a row that adds nothing (without
  // pooling: a row of zeros). Borrowed; must outlive the operation. Empty: none. Its entries are
  // checked at creation, against the table, and must not change afterwards: Run reads the rows that
  // they name, wherever those are.
  ArrayView<const int32_t> row_map = {};
  // How many positions ahead rows are prefetched; 0: not at all; -1: the library chooses.
  int prefetch_distance = -1;
  // The caller has checked that indices and bounds are valid: Run does not, and reads anywhere
  // where they are not.
  bool trusted = false;
  // Of tables that have checksums (TableQuantizationOptions::row_checksum,
  // EmbeddingTable::AddChecksums()). See "Soft errors" below.
  SoftErrorOptions soft_errors = {};
};

// Soft errors. Where a table has checksums, the bytes of all rows of a bag are added to their
// checksums, and the total must be 0 at the end of the bag: integers, compared exactly, so that
// there is no false alarm, and any one bit that flips in payload, parameters, codebook or checksum
// is noticed. The codebooks of twotier4 are added with the rows that name them, or, where fewer
// than the rows that a thread looks up, all of them beforehand, once per call. (Sums are of 32
// bits: where one row stands in a bag a multiple of 2^25 times, it is not.) Without pooling each
// position is a bag. What happens then is up to SoftErrorOptions::policy:
//
//   kReport     the call succeeds; the bag holds what its rows gave as they were read
//   kRecompute  the rows are read from memory once more; if they agree now the bag is right, and
//               otherwise the call fails as with kFail
//   kFail       kDataCorrupted, with the first bag that failed and its first row that does not
//               agree
//
// A call that fails so does all its bags nevertheless: those that failed hold what their rows gave,
// all others are right. RunAll() does all look-ups, and returns the first such error in order.
//
// The arithmetic of pooling is not checked, and need not be: what is exposed is a few registers for
// the time of one bag, well below a microsecond, against gigabytes for weeks; and no tolerance is
// both sound and tight enough for floats to find more than flips of the upper bits. Who distrusts a
// core itself can do better: results are the same bits on every core, ISA and number of threads, so
// that a second call elsewhere verifies the first exactly. Indices, bounds, weights and output are
// the caller's; an index in which a bit has flipped reads another sound row. Some bytes are loaded
// twice, for their value and for the check, nanoseconds apart: what is wrong the first time alone
// goes unseen.
//
// What it costs: see bench/README.md. Rows of f32, f16 and bf16 whose size is a multiple of a cache
// line are cheaper with checksums beside them, since those in the rows push the next row off its
// line.

// What changes per call.
struct BagInput {
  IndexView indices;
  IndexView bounds = {};                // empty without pooling
  ArrayView<const float> weights = {};  // as options.weights says
};

// Creation validates and emits; Run validates what changes per call. Immutable: any number of
// threads may Run one EmbeddingBag at the same time. Run takes no lock and, once a thread has run a
// call of the size, allocates nothing, besides what the pool does.
class EmbeddingBag {
 public:
  // Of a twotier4 table this reads a line of every row, to check the number of its codebook; in a
  // mapped table, from the file. The numbers must not change afterwards, neither in memory that is
  // borrowed nor in the file: Run reads the codebooks that they name, wherever those are.
  static Result<EmbeddingBag> Create(const Context& context, const EmbeddingTable& table,
                                     const EmbeddingBagOptions& options = {}) noexcept;

  // `output` is bags x dimension; without pooling, indices x dimension (kU8: indices x RowBytes()).
  // An index out of range, bounds that decrease, run past the end or do not add up: kOutOfRange,
  // with bag, position and value in the message. On an error nothing is written, but for
  // kDataCorrupted, as described above.
  Status Run(const BagInput& input, const OutputMatrix& output) const noexcept;

  // Many look-ups in one parallel region, cut into parts of equal work. `outputs` may be columns of
  // one matrix, but must have no element in common, which is not checked: threads would race. The
  // first error in order comes back, with "bags[i]" in front of its field, and nothing is written
  // anywhere, but for kDataCorrupted, as described above.
  static Status RunAll(const Context& context, ArrayView<const EmbeddingBag> bags,
                       ArrayView<const BagInput> inputs,
                       ArrayView<const OutputMatrix> outputs) noexcept;

  // What was chosen and why. Empty when memory runs out.
  std::string Describe() const noexcept;

 private:
  struct State;
  explicit EmbeddingBag(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// For a pruned table: the rows of the table that `indices` are mapped to, without those that are
// pruned, and the bounds (offsets with the last one) of the bags that are left. `kept_positions`,
// where given, takes the position that each kept index had. Outputs are of the size of their inputs
// (offsets: bags + 1); `*count` is how many indices are left. For callers that look up elsewhere.
Status CompactIndices(const IndexView& indices, const IndexView& offsets,
                      ArrayView<const int32_t> row_map, ArrayView<int64_t> kept_indices,
                      ArrayView<int64_t> kept_offsets, ArrayView<int64_t> kept_positions,
                      int64_t* count) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_EMBEDDING_BAG_H_
