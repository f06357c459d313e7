// Float products against the reference, bit for bit, on every ISA: every remainder of every tile.
#include <gtest/gtest.h>

#include "float_gemm/float_case.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

class FloatProducts : public EveryIsaTest {
 protected:
  // Calls `visit` with a case for each ISA and combination of types.
  template <class Visit>
  void ForEachKind(Visit&& visit) {
    for (const Isa isa : SupportedIsas()) {
      for (const DataType weights : kFloatTypes) {
        for (const DataType input : kFloatTypes) {
          FloatCase c;
          c.isa = isa;
          c.weights = weights;
          c.input = input;
          visit(c);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
};

TEST_F(FloatProducts, EveryHeightAndWidthOfATile) {
  uint64_t seed = 1;
  ForEachKind([&](FloatCase c) {
    c.inputs = 11;
    for (int64_t rows = 1; rows <= 14; ++rows) {
      for (const int64_t outputs : {1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 66, 130}) {
        c.rows = rows;
        c.outputs = outputs;
        c.guard = ++seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
        ASSERT_NO_FATAL_FAILURE(ExpectRight(c, seed));
      }
    }
  });
}

TEST_F(FloatProducts, EveryNumberOfInputs) {
  uint64_t seed = 1000;
  ForEachKind([&](FloatCase c) {
    for (int64_t inputs = 0; inputs <= 35; ++inputs) {
      c.rows = 1 + inputs % 7;
      c.inputs = inputs;
      c.outputs = 5 + inputs * 3;
      c.layout =
          inputs % 2 == 0 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
      c.guard = inputs % 3 == 0 ? Guard::kBehind : Guard::kInFront;
      ASSERT_NO_FATAL_FAILURE(ExpectRight(c, ++seed));
    }
  });
}

// Few columns and many k: sums in parts, side by side for few rows and one after the other for
// many.
TEST_F(FloatProducts, PartsOfK) {
  uint64_t seed = 2000;
  ForEachKind([&](FloatCase c) {
    for (const int64_t inputs : {127, 128, 131, 255, 256, 257, 263, 519}) {
      for (const int64_t outputs : {1, 16, 30, 64, 65}) {
        for (const int64_t rows : {1, 2, 3, 4, 13}) {
          c.rows = rows;
          c.inputs = inputs;
          c.outputs = outputs;
          c.guard = ++seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
          ASSERT_NO_FATAL_FAILURE(ExpectRight(c, seed));
        }
      }
    }
  });
}

TEST_F(FloatProducts, GroupsTransposedInputsAndGaps) {
  uint64_t seed = 3000;
  ForEachKind([&](FloatCase c) {
    for (const bool transposed : {false, true}) {
      for (const WeightsLayout layout :
           {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
        c.groups = 3;
        c.rows = 37;
        c.inputs = 70;
        c.outputs = 41;
        c.gap = 3;
        c.transposed_input = transposed;
        c.layout = layout;
        ASSERT_NO_FATAL_FAILURE(ExpectRight(c, ++seed));
      }
    }
  });
}

// More weights than the second-level cache holds are prefetched, and many rows taken in blocks.
TEST_F(FloatProducts, LargerThanCaches) {
  FloatCase c;
  c.isa = SupportedIsas().back();
  c.weights = DataType::kF16;
  for (const int64_t rows : {1, 5}) {
    c.rows = rows;
    c.inputs = 1500;
    c.outputs = 1001;
    ASSERT_NO_FATAL_FAILURE(ExpectRight(c, 4000));
  }
  c.rows = 900;
  c.inputs = 700;
  c.outputs = 70;
  for (const Isa isa : SupportedIsas()) {
    c.isa = isa;
    ASSERT_NO_FATAL_FAILURE(ExpectRight(c, 4001));
  }
}

// Rows of A that share a set of the first-level cache: few panels of columns take them in shorter
// tiles, many have them copied.
TEST_F(FloatProducts, RowsAPowerOfTwoApart) {
  struct Size {
    int64_t rows, inputs, outputs;
  };
  for (const Isa isa : SupportedIsas()) {
    for (const Size& size : {Size{25, 1024, 40}, Size{25, 20, 263}, Size{25, 20, 1040}}) {
      for (const int threads : {1, 2}) {
        FloatCase c;
        c.isa = isa;
        c.rows = size.rows;
        c.inputs = size.inputs;
        c.outputs = size.outputs;
        c.gap = 1024 - size.inputs;
        c.threads = threads;
        ASSERT_NO_FATAL_FAILURE(ExpectRight(c, 4500));
      }
    }
  }
}

TEST_F(FloatProducts, EmptyOnes) {
  ForEachKind([&](FloatCase c) {
    c.bias = !c.dot();
    for (int which = 0; which < 3; ++which) {
      c.rows = which == 0 ? 0 : 9;
      c.inputs = which == 1 ? 0 : 5;
      c.outputs = which == 2 ? 0 : 4;
      ASSERT_NO_FATAL_FAILURE(ExpectRight(c, 5000));
    }
  });
}

}  // namespace
}  // namespace qforge::test
