// Sparse weights with arrays of their own, to be kept in files.
//
//   auto packed = PackedSparseWeights::Create(columns);
//   Status saved = packed->Save("layer.qsparse");
//
//   auto mapped = PackedSparseWeights::Map("layer.qsparse");
//   auto sparse = SparseLinear::Create(context, mapped->weights());
//
// What is stored is the same for every instruction set, so that nothing is ever packed again:
// SparseLinear::Create() lays entries out for the kernels of the machine that it runs on.
// PackedWeightsOptions::outliers and what QuantizeWeightsWithOutliers() makes of them are sparse
// weights as well: this is their file form where they are kept apart from the others.
#ifndef QFORGE_PACKED_SPARSE_WEIGHTS_H_
#define QFORGE_PACKED_SPARSE_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "qforge/export.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// Immutable; a handle whose copies share the data. Safe to use from any number of threads.
class PackedSparseWeights {
 public:
  // Copies the arrays, entries as they are given, with rows of 32 bits where K <= 2^31. Sizes of 0
  // are legal. Fails as SparseLinear::Create() does.
  static Result<PackedSparseWeights> Create(const SparseWeights& weights) noexcept;

  // The matrix: a view, valid as long as a copy of the handle.
  SparseWeights weights() const noexcept;

  // The file form: a header with version and checksums, then the arrays as they are in memory. It
  // is the same in files and in memory, and may lie anywhere in a file of the caller's. What it
  // says is not trusted: whatever the bytes are, they are refused, or they are weights that
  // Create() could have made. (The checksums find accidents. Whoever changes a file on purpose can
  // change its weights.)
  //
  // Reading gives, with "path" or "bytes" as the field: kDataCorrupted where something does not
  // match, kUnsupported for what is no such form or of another version, kInvalidArgument where
  // there is no such file or no access. Everything is verified, in mapped files, too: unlike
  // PackedWeights, which kernels read where they are, sparse weights are read as a whole by
  // whatever is made of them. Save() and Serialize() verify them as well, with "weights" as the
  // field.

  // Replaces a file when the new one is complete, keeps its mode, and follows symbolic links.
  Status Save(const std::string& path) const noexcept;
  static Result<PackedSparseWeights> Load(const std::string& path) noexcept;
  // Views the arrays in the file, without a copy, in as many processes as like to. The file may be
  // deleted, or replaced as Save() does, but must not be written to or cut short: reading weights
  // that are no longer there ends the process (SIGBUS), and what is written later has been verified
  // by nobody.
  static Result<PackedSparseWeights> Map(const std::string& path) noexcept;

  int64_t serialized_bytes() const noexcept;
  // Writes the form to `bytes`, of that size.
  Status Serialize(ArrayView<uint8_t> bytes) const noexcept;
  // Copies a form in memory; `bytes` needs no alignment.
  static Result<PackedSparseWeights> Deserialize(ArrayView<const uint8_t> bytes) noexcept;
  // Views the arrays where they are, in a file that the caller has mapped, say. `bytes` begins at a
  // multiple of 64, outlives the weights, and does not change.
  static Result<PackedSparseWeights> Borrow(ArrayView<const uint8_t> bytes) noexcept;

  int64_t inputs() const noexcept;   // K
  int64_t outputs() const noexcept;  // N
  int64_t entries() const noexcept;
  int64_t bytes() const noexcept;  // of the arrays
  // One line: sizes, entries, bytes. Empty when memory runs out.
  std::string Describe() const noexcept;

 private:
  struct State;
  explicit PackedSparseWeights(std::shared_ptr<const State> state) noexcept
      : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_PACKED_SPARSE_WEIGHTS_H_
