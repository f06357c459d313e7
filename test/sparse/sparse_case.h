// A sparse product to test: what it looks like, its data, and the check against the reference.
#ifndef QFORGE_TEST_SPARSE_SPARSE_CASE_H_
#define QFORGE_TEST_SPARSE_SPARSE_CASE_H_

#include <cstdint>
#include <ostream>
#include <vector>

#include "qforge/sparse_linear.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/test_matrix.h"

namespace qforge::test {

enum class Values : uint8_t {
  kAny,       // all of s8
  kPositive,  // 65 to 127: no two fit into 16 bits
  kNegative,  // -128 to -65
  kExtreme,   // -128, -127, 127, -1, 0 and 1
};

// Everything that decides which code runs, and a seed for the values. Printed, it is a
// reproduction.
struct SparseCase {
  int64_t rows = 1;     // M
  int64_t outputs = 1;  // N
  int64_t inputs = 1;   // K
  double density = 0.1;
  Values values = Values::kAny;
  bool accumulate = false;
  bool wide_indices = false;  // 64 bits
  bool duplicates = false;    // some positions have several entries
  int64_t gap = 0;            // elements between the rows of A and of C
  // Which end of A touches an unmapped page; the other operands take turns.
  Guard guard = Guard::kBehind;
  uint64_t seed = 1;
};

std::ostream& operator<<(std::ostream& out, const SparseCase& c);

struct SparseData {
  explicit SparseData(const SparseCase& c);

  SparseWeights weights() const;
  SparseLinearOptions options() const;
  // A fresh output matrix: the old C, or bytes that must not stay.
  TestMatrix MakeOutput(Guard guard) const;
  // What the reference computes.
  TestMatrix Expected() const;
  // Creates and runs the operation in a context that is capped to `isa`. kInternal if it was made
  // for another ISA.
  Status Run(Context context, Isa isa, const TestMatrix& output) const;
  // Makes all that the library may only read fault on a write.
  void Seal();

  SparseCase c;
  TestMatrix input;
  TestMatrix initial_output;
  GuardedBuffer<int64_t> column_offsets;
  GuardedBuffer<int32_t> narrow_indices;
  GuardedBuffer<int64_t> wide_indices;
  GuardedBuffer<int8_t> values;
};

// A context for `isa` on the calling thread.
Context ContextOf(Isa isa);

// Runs the product on each supported ISA on the calling thread and expects the bits of the
// reference. Stops at the first ISA that fails: its message prints the case.
void CheckOnEveryIsa(const SparseCase& c);

}  // namespace qforge::test

#endif  // QFORGE_TEST_SPARSE_SPARSE_CASE_H_
