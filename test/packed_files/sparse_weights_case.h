// Sparse weights of every kind that the file form knows, and what they compute.
#ifndef QFORGE_TEST_PACKED_FILES_SPARSE_WEIGHTS_CASE_H_
#define QFORGE_TEST_PACKED_FILES_SPARSE_WEIGHTS_CASE_H_

#include <cstdint>
#include <vector>

#include "packed_files/weights_case.h"
#include "qforge/packed_sparse_weights.h"
#include "support/test_matrix.h"

namespace qforge::test {

// Arrays that SparseWeights views.
struct SparseArrays {
  const char* name = "";
  int64_t inputs = 0;
  std::vector<int64_t> offsets = {0};
  std::vector<int64_t> rows;
  std::vector<int8_t> values;

  int64_t outputs() const { return static_cast<int64_t>(offsets.size()) - 1; }
  SparseWeights view() const { return {inputs, outputs(), offsets, rows, values}; }
};

std::vector<SparseArrays> AllSparseCases();
// 6 x 3, of 5 entries: {1, -128, .}, {.}, {127 + 127, 3}.
SparseArrays SmallSparseCase();

PackedSparseWeights MakeSparse(const SparseArrays& arrays);
Bytes Serialized(const PackedSparseWeights& weights);

// Places in the file form, see ops/sparse_blob.h.
inline constexpr size_t kSparseHeaderBytes = 128;
inline size_t SparseRowsOffset(const Bytes& bytes) { return NumberAt<size_t>(bytes, 40); }
inline size_t SparseValuesOffset(const Bytes& bytes) { return NumberAt<size_t>(bytes, 48); }
// Makes the checksums of a form right whose header is complete, whatever it says.
void SealSparse(Bytes* bytes);

// C of a product with some rows of A, which depend on the sizes alone, on guarded memory. Records
// that the ISA was checked.
TestMatrix SparseProduct(const SparseWeights& weights, int64_t rows, Isa isa);

}  // namespace qforge::test

#endif  // QFORGE_TEST_PACKED_FILES_SPARSE_WEIGHTS_CASE_H_
