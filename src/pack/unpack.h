// Gives the weights of a packed matrix back.
#ifndef QFORGE_PACK_UNPACK_H_
#define QFORGE_PACK_UNPACK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pack/packed_matrix.h"

namespace qforge::pack {

// s8 weights by blocks of columns: a panel, or some columns of a plain matrix. The matrix is one
// that packing has made, or FindPanels() has found nothing wrong with; it outlives this.
class Unpacker {
 public:
  // Throws std::bad_alloc.
  explicit Unpacker(const PackedMatrix& matrix);

  int64_t blocks() const { return blocks_; }  // of a product
  int64_t first_column(int64_t block) const { return block * block_columns_; }
  // The columns of a block that the matrix has, and all of them.
  int64_t columns(int64_t block) const;
  int64_t padded_columns(int64_t block) const;
  // K rounded up to whole groups.
  int64_t padded_inputs() const { return padded_inputs_; }

  // Unpacks a block. What stands for one weight is added up modulo 2^32, as products are. Throws
  // std::bad_alloc.
  void Unpack(int64_t product, int64_t block);
  // padded_inputs() weights of a column of that block, outliers included.
  const int32_t* Column(int64_t column) const { return weights_.data() + column * padded_inputs_; }

 private:
  void SetPlain(int64_t product, int64_t block);
  void AddPlainOutliers(int64_t product, int64_t block);
  template <int kGroup>
  void SetDense(int64_t product, int64_t panel);
  void AddSections(int64_t product, int64_t panel);

  const PackedMatrix& matrix_;
  int64_t block_columns_ = 0;
  int64_t blocks_ = 0;
  int64_t padded_inputs_ = 0;
  std::vector<int32_t> weights_;
};

// A whole matrix of floats as products of K x N below each other, in `plain`, which has room.
void UnpackFloats(const PackedMatrix& matrix, std::byte* plain);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_UNPACK_H_
