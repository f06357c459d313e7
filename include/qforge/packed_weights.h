// The weight matrix of a linear layer, laid out once for the micro-kernels of one ISA.
#ifndef QFORGE_PACKED_WEIGHTS_H_
#define QFORGE_PACKED_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "qforge/export.h"
#include "qforge/isa.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

namespace pack {
struct PackedMatrix;
}

enum class WeightsLayout : uint8_t {
  kInputsByOutputs,  // K x N: B itself; with groups the K x N blocks stand below each other
  kOutputsByInputs,  // N x K: the transpose, as nn.Linear stores it; blocks below each other
};

// How products are summed where the ISA has no dot product of bytes into 32 bits (VNNI). With VNNI
// everything takes that, and Describe() says so.
enum class Accumulation : uint8_t {
  // Exact: results are those of qforge/types.h. Products are summed in 16 bits where the weights
  // prove that nothing can overflow, which packing arranges for as many as it can, and in 32 bits
  // elsewhere.
  kExact,
  // The statistical schedule of 16-bit accumulation (arXiv 2101.05615), which may saturate: two
  // neighbouring products, of k and k + 1 for even k, are added with saturation to s16; such sums
  // of k % 4 < 2, and those of the others, are added with saturation in two s16, over 256 k from
  // a multiple of 256 on; those go to 32 bits. If K % 256 is below 4, the rest of K belongs to the
  // 256 k before it. FBGEMM keeps one such s16 and not two, and so saturates in other places. It is
  // here to show what saturation does, not for its speed.
  kSaturating16,
};

struct PackedWeightsOptions {
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  // G independent products side by side: group g multiplies columns [g*K, (g+1)*K) of A by its own
  // K x N block into columns [g*N, (g+1)*N) of C. At least 1.
  int64_t groups = 1;
  // real = scale * (q - zero_point). One value, one per group, or one per output channel (G * N).
  // Empty: 1. Each finite and > 0.
  ArrayView<const float> scales = {};
  // As above; empty: 0. Each in [-128, 127].
  ArrayView<const int32_t> zero_points = {};
  Accumulation accumulation = Accumulation::kExact;
  // The largest activation that any call will have, 1 to 255. A lower one than 255 is a promise,
  // for u8 activations only, that lets more products be summed in 16 bits: results are undefined,
  // though nothing else is, where it is broken. Quantize() keeps one of 2^bits - 1 with parameters
  // of so many bits.
  int32_t activation_maximum = 255;
  // Weights that are added to `weights`, K x (groups * N), so that sums can be beyond s8, as
  // QuantizeWeightsWithOutliers makes them. They are part of the product, before everything else:
  // B of qforge/types.h is the sum of both. None if column_offsets or values is empty; with any, K
  // must be in [4, 2^30].
  SparseWeights outliers = {};
  // Weights outside of [-2^(main_bits - 1), 2^(main_bits - 1)) are split: what is beyond is
  // multiplied apart, which makes room in sums of 16 bits. In [2, 8]. 8: where a sum needs it, and
  // nowhere else, which is rarely beaten. 0: the cheapest of these by the cost model, which packs
  // some panels with each to see; Describe() says which. Ignored where no sums have 16 bits: with
  // VNNI, and where packing expects the widened product to be faster.
  int main_bits = 8;
  // Chooses main_bits, which must be 8 then: the smallest beyond which there are no more than this
  // share of the weights, in [0, 1]. 0: main_bits holds.
  double outlier_density = 0.0;
  // The kernels to lay out for are the best supported ones up to this ISA and QFORGE_MAX_ISA.
  Isa max_isa = kHighestIsa;
  // Keeps what operations need to check each row of a product (qforge/soft_errors.h), and what
  // Scrub() needs. Not with kSaturating16, whose sums prove nothing.
  bool soft_error_check = false;
};

struct FloatWeightsOptions {
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  int64_t groups = 1;  // as PackedWeightsOptions::groups
  // What weights are packed as: kF32, kF16 or kBF16, rounded to nearest even. kNone: as given. bf16
  // weights are what the dot product of avx512_bf16 takes, together with bf16 activations.
  DataType type = DataType::kNone;
  // Weights beyond the finite range of `type` become its largest finite values. Otherwise a finite
  // weight that would become infinite is an error.
  bool clip_to_finite = false;
  Isa max_isa = kHighestIsa;      // as PackedWeightsOptions::max_isa
  bool soft_error_check = false;  // as PackedWeightsOptions::soft_error_check
};

// What becomes of weights in a file that are packed for another instruction set than one would pack
// them for here. Weights that are packed again are those that Create() would have made here: the
// same panels, and the same bits of every product.
enum class Repack : uint8_t {
  kNever,     // they are used as they are; where this machine or a cap forbids it, refused
  kIfNeeded,  // packed again where they would be refused
  kForBest,   // packed again unless they are for BestIsa(max_isa)
};

struct LoadWeightsOptions {
  // As PackedWeightsOptions::max_isa: weights for anything beyond are not used as they are.
  Isa max_isa = kHighestIsa;
  Repack repack = Repack::kIfNeeded;
};

struct MapWeightsOptions {
  Isa max_isa = kHighestIsa;  // as LoadWeightsOptions::max_isa
  // With another choice weights that had to be packed again are in memory of their own.
  Repack repack = Repack::kNever;
  // Reads all weights, to compare them with their checksum and what has been derived from them with
  // them, as Load() does. Without it the rest of the file is verified, and that nothing among the
  // weights leads a kernel out of bounds.
  bool verify = false;
};

// Immutable; a handle whose copies share the data. Safe to use from any number of threads.
class PackedWeights {
 public:
  // `weights` is (G*K) x N or (G*N) x K, as options.layout says. Nothing is kept of the arguments.
  // Sizes of 0 are legal. kOutOfRange where products could leave int32 (see qforge/types.h).
  static Result<PackedWeights> Create(const MatrixView<const int8_t>& weights,
                                      const PackedWeightsOptions& options = {}) noexcept;

  // Weights of a float product: (G*K) x N or (G*N) x K of f32, f16 or bf16. Sizes of 0 are legal.
  static Result<PackedWeights> Create(const MatrixView<const float>& weights,
                                      const FloatWeightsOptions& options = {}) noexcept {
    return CreateFloat(weights, options);
  }
  static Result<PackedWeights> Create(const MatrixView<const Half>& weights,
                                      const FloatWeightsOptions& options = {}) noexcept {
    return CreateFloat(weights, options);
  }
  static Result<PackedWeights> Create(const MatrixView<const BFloat16>& weights,
                                      const FloatWeightsOptions& options = {}) noexcept {
    return CreateFloat(weights, options);
  }

  // The file form: a header with version and checksums, scales, sums and the like, then the weights
  // as they are in memory, for one instruction set. It is the same in files and in memory, and may
  // lie anywhere in a file of the caller's. What it says is not trusted: whatever the bytes are,
  // they are refused, or no operation on the weights reads or writes out of bounds. (The checksums
  // find accidents. Whoever changes a file on purpose can change its weights.)
  //
  // Reading gives, with "path" or "bytes" as the field: kDataCorrupted where something does not
  // match, kUnsupported for what is no such form, of another version, or for an instruction set
  // that is not here and options.repack does not help, kInvalidArgument where there is no such file
  // or no access. Weights with soft_error_check keep it; saving them, which fails where Scrub()
  // does, and reading them preserves the checksums of their creation.

  // Replaces a file when the new one is complete, keeps its mode, and follows symbolic links.
  Status Save(const std::string& path) const noexcept;
  // Reads a file and verifies all of it.
  static Result<PackedWeights> Load(const std::string& path,
                                    const LoadWeightsOptions& options = {}) noexcept;
  // Reads weights from the file as they are used, without a copy, in as many processes as like to.
  // The file may be deleted, or replaced as Save() does, but must not be written to or cut
  // short: reading weights that are no longer there ends the process (SIGBUS), and what is written
  // later has been verified by nobody.
  static Result<PackedWeights> Map(const std::string& path,
                                   const MapWeightsOptions& options = {}) noexcept;

  int64_t serialized_bytes() const noexcept;
  // Writes the form to `bytes`, of that size.
  Status Serialize(ArrayView<uint8_t> bytes) const noexcept;
  // Copies and verifies a form in memory; `bytes` needs no alignment.
  static Result<PackedWeights> Deserialize(ArrayView<const uint8_t> bytes,
                                           const LoadWeightsOptions& options = {}) noexcept;
  // Uses the weights where they are, in a file that the caller has mapped, say. `bytes` begins at a
  // multiple of 64, outlives the weights and what is made from them, and does not change.
  static Result<PackedWeights> Borrow(ArrayView<const uint8_t> bytes,
                                      const MapWeightsOptions& options = {}) noexcept;

  DataType type() const noexcept;    // kS8, kF32, kF16 or kBF16
  int64_t inputs() const noexcept;   // K, per group
  int64_t outputs() const noexcept;  // N, per group
  int64_t groups() const noexcept;   // G
  Isa isa() const noexcept;
  int64_t bytes() const noexcept;  // of the packed form
  // One line: sizes, ISA, layout, bytes. Empty when memory runs out.
  std::string Describe() const noexcept;

  // With soft_error_check, else both find nothing: compares the packed form with its checksum. It
  // is cut into slices of 64 KiB, so that a background thread can look at a few now and then:
  // kDataCorrupted names the first of slices [first, first + count) that has changed since
  // creation. `count` < 0: up to the last. kOutOfRange where there are no such slices.
  int64_t scrub_slices() const noexcept;
  Status Scrub(int64_t first = 0, int64_t count = -1) const noexcept;

  // For the library's own operations.
  const pack::PackedMatrix& matrix() const noexcept { return *matrix_; }
  const std::shared_ptr<const pack::PackedMatrix>& shared_matrix() const noexcept {
    return matrix_;
  }

 private:
  // Of a form that is in memory in some way.
  struct Opening;
  static Result<PackedWeights> Open(Opening opening);
  static Result<PackedWeights> PackAgain(const pack::PackedMatrix& matrix, Isa max_isa);
  static Result<PackedWeights> CreateFloat(const InputMatrix& weights,
                                           const FloatWeightsOptions& options) noexcept;
  explicit PackedWeights(std::shared_ptr<const pack::PackedMatrix> matrix) noexcept
      : matrix_(std::move(matrix)) {}
  std::shared_ptr<const pack::PackedMatrix> matrix_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_PACKED_WEIGHTS_H_
