// Packed weights of every kind, and what they compute.
#ifndef QFORGE_TEST_PACKED_FILES_WEIGHTS_CASE_H_
#define QFORGE_TEST_PACKED_FILES_WEIGHTS_CASE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "qforge/packed_weights.h"
#include "support/test_matrix.h"

namespace qforge::test {

// What is packed: everything that the file form has a place for.
struct WeightsCase {
  const char* name = "";
  DataType type = DataType::kS8;
  int64_t inputs = 70;
  int64_t outputs = 50;
  int64_t groups = 1;
  int largest = 127;  // of the weights' magnitudes
  bool zero_points = false;
  // One weight in so many is an outlier, of this value, twice; 0: there are none.
  int outlier_rarity = 0;
  int8_t outlier = 127;
  int main_bits = 8;
  double outlier_density = 0.0;
  int32_t activation_maximum = 255;
  Accumulation accumulation = Accumulation::kExact;
  bool checked = false;
};

// Every summation, section, array and flag.
std::vector<WeightsCase> AllCases();
// Small ones of the kinds that differ in their form, for tests that spoil every byte.
std::vector<WeightsCase> SmallCases();

PackedWeights MakeWeights(const WeightsCase& c, Isa isa);

using Bytes = std::vector<uint8_t>;
Bytes Serialized(const PackedWeights& weights);

// Places in the file form, see ops/weights_blob.h.
inline constexpr size_t kHeaderBytes = 256;
template <class T>
T NumberAt(const Bytes& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}
template <class T>
void SetNumber(Bytes* bytes, size_t at, T value) {
  std::memcpy(bytes->data() + at, &value, sizeof(value));
}
inline int64_t WeightsOffset(const Bytes& bytes) { return NumberAt<int64_t>(bytes, 128); }
// Makes the checksums of a form right whose header is complete, whatever it says.
void Seal(Bytes* bytes);

// C of a product with some rows of A, which depend on the sizes alone: s32, or f32 of float
// weights; with the rows checked where the weights allow that. Everything is on guarded memory, so
// that weights which lead a kernel astray show. Records that the ISA was checked.
Status Multiply(const PackedWeights& weights, TestMatrix* product);
// The same, which must succeed.
TestMatrix Product(const PackedWeights& weights);

}  // namespace qforge::test

#endif  // QFORGE_TEST_PACKED_FILES_WEIGHTS_CASE_H_
