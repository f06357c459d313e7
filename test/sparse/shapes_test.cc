// Every remainder of every block, tile and strip, empty dimensions, every density, and weights that
// hit each way of laying them out.
#include <gtest/gtest.h>

#include "sparse/sparse_case.h"

namespace qforge::test {
namespace {

constexpr double kDensities[] = {0, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.4, 1};

// Lets what does not depend on the shape change from case to case.
SparseCase VariedCase(int64_t rows, int64_t outputs, int64_t inputs, double density,
                      uint64_t seed) {
  Random random(seed);
  SparseCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.density = density;
  c.seed = seed;
  c.values = static_cast<Values>(random.Next() % 4);
  c.accumulate = random.Next() % 2 == 0;
  c.wide_indices = random.Next() % 2 == 0;
  c.duplicates = random.Next() % 4 == 0;
  c.gap = random.Next() % 2 == 0 ? 0 : random.Integer(1, 9);
  c.guard = random.Next() % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  return c;
}

using Shapes = EveryIsaTest;

TEST_F(Shapes, SmallOnes) {
  uint64_t seed = 1;
  for (int64_t rows = 1; rows <= 20; rows += 3) {
    for (int64_t outputs = 1; outputs <= 35; outputs += 3) {
      for (int64_t inputs = 1; inputs <= 35; inputs += 5) {
        const double density = kDensities[3 + seed % 5];
        ASSERT_NO_FATAL_FAILURE(
            CheckOnEveryIsa(VariedCase(rows, outputs, inputs, density, ++seed)));
      }
    }
  }
}

TEST_F(Shapes, EveryNumberOfRows) {
  uint64_t seed = 100;
  for (int64_t rows = 1; rows <= 135; ++rows) {
    for (const double density : {0.002, 0.03, 0.2}) {
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(rows, 37, 81, density, ++seed)));
    }
  }
}

TEST_F(Shapes, EveryNumberOfColumns) {
  uint64_t seed = 1000;
  for (int64_t outputs = 1; outputs <= 150; ++outputs) {
    for (const int64_t rows : {3, 70}) {
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(rows, outputs, 50, 0.05, ++seed)));
    }
  }
}

TEST_F(Shapes, EmptyDimensions) {
  uint64_t seed = 2000;
  for (const int64_t rows : {0, 1, 7, 65}) {
    for (const int64_t outputs : {0, 1, 17}) {
      for (const int64_t inputs : {0, 1, 17}) {
        for (const bool accumulate : {false, true}) {
          SparseCase c = VariedCase(rows, outputs, inputs, 0.5, ++seed);
          c.accumulate = accumulate;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        }
      }
    }
  }
}

// More columns than a chunk has, and more k than a part has.
TEST_F(Shapes, LargeOnesOfEveryDensity) {
  uint64_t seed = 3000;
  for (const double density : kDensities) {
    for (const bool accumulate : {false, true}) {
      for (const int64_t rows : {1, 5, 33, 131}) {
        SparseCase c = VariedCase(rows, 530, 300, density, ++seed);
        c.accumulate = accumulate;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

TEST_F(Shapes, SeveralPartsOfK) {
  uint64_t seed = 4000;
  for (const int64_t inputs : {4096, 4097, 4112, 8192, 12345}) {
    for (const double density : {1e-4, 3e-3, 0.05}) {
      for (const int64_t rows : {2, 40, 70}) {
        for (const bool accumulate : {false, true}) {
          SparseCase c = VariedCase(rows, 19, inputs, density, ++seed);
          c.accumulate = accumulate;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        }
      }
    }
  }
}

using SparseValues = EveryIsaTest;

// Weights of which few or no two may be multiplied at 16 bits together, activations all of u8.
TEST_F(SparseValues, EachKindInEachWay) {
  uint64_t seed = 5000;
  for (const Values values :
       {Values::kAny, Values::kPositive, Values::kNegative, Values::kExtreme}) {
    for (const bool duplicates : {false, true}) {
      for (const double density : {0.005, 0.05, 0.3, 1.0}) {
        for (const int64_t rows : {1, 16, 64}) {
          SparseCase c = VariedCase(rows, 48, 200, density, ++seed);
          c.values = values;
          c.duplicates = duplicates;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        }
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
