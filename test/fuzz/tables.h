// Embedding tables of any layout, valid and not.
#ifndef QFORGE_TEST_FUZZ_TABLES_H_
#define QFORGE_TEST_FUZZ_TABLES_H_

#include "fuzz_input.h"
#include "qforge/embedding_table.h"

namespace qforge::fuzz {

inline constexpr int64_t kMostTableBytes = 1 << 16;

// Dimensions are few because there is a kernel for each, which is kept until the program ends.
inline int64_t DrawDimension(FuzzInput& in) {
  return in.Pick<int64_t>({8, 1, 3, 4, 7, 15, 16, 17, 32, 63, 64, 65, 130});
}

inline RowLayout DrawLayout(FuzzInput& in) {
  RowLayout layout;
  layout.format = in.Enum<RowFormat>(kRowFormatCount);
  layout.dimension = in.Nearly(DrawDimension(in));
  if (layout.format == RowFormat::kU8) {
    layout.parameters = DrawType(in, {DataType::kNone, DataType::kF32, DataType::kF16});
  } else if (in.Rarely()) {
    layout.parameters = in.Enum<DataType>(7);
  }
  layout.place = in.Enum<ParameterPlace>(2);
  if (layout.format >= RowFormat::kE4M3 || in.Rarely()) {
    layout.exponent_bias = in.Bool() ? 0 : static_cast<int>(in.Nearly(in.Integer(1, 31)));
  }
  layout.checksum = in.Bool();
  if (in.Any<uint8_t>() % 4 == 3) {
    layout.stride = in.Nearly(RowBytes(layout) + in.Pick<int64_t>({0, 1, 5, 64}));
  }
  return layout;
}

// Rows of random bytes, in memory of exactly what the layout says.
struct FuzzTable {
  explicit FuzzTable(FuzzInput& in)
      : layout(DrawLayout(in)), rows(in.Pick<int64_t>({5, 1, 0, 40})) {
    const int64_t row_bytes = RowBytes(layout);
    const int64_t stride = layout.stride == 0 ? row_bytes : layout.stride;
    const bool valid = row_bytes > 0 && stride >= row_bytes;
    const bool plain = valid && stride < kMostTableBytes / 64;
    const int64_t needed = !plain ? 0 : rows == 0 ? 0 : (rows - 1) * stride + row_bytes;
    bytes = GuardedBytes(static_cast<size_t>(needed), in.Guard());
    FillRandomly(in, DataType::kU8, bytes.data(), bytes.size());
    clusters =
        layout.format == RowFormat::kTwoTier4 || in.Rarely() ? in.Pick<int64_t>({3, 1, 16}) : 0;
    codebooks = DrawArray<Half>(in, in.Nearly(16 * clusters));
    if (layout.format == RowFormat::kTwoTier4 && plain && !in.Rarely()) {
      test::Random random = in.Seed();
      const int64_t number =
          layout.place == ParameterPlace::kFirst ? 0 : (layout.dimension + 1) / 2;
      for (int64_t i = 0; i < rows; ++i) {
        const auto codebook =
            random.Integer<uint16_t>(0, static_cast<uint16_t>(std::max<int64_t>(clusters, 1) - 1));
        std::memcpy(bytes.data() + i * stride + number, &codebook, sizeof(codebook));
      }
    }
    if (in.Rarely()) rows = plain ? in.Pick<int64_t>({-1, 0, rows}) : in.Nearly(rows);
    data = plain || (!valid && in.Bool()) ? bytes.data() : nullptr;
  }

  Result<EmbeddingTable> Borrow() const {
    return EmbeddingTable::Borrow(data, rows, layout, {codebooks.data(), codebooks.size()});
  }
  Result<EmbeddingTable> Copy() const {
    return EmbeddingTable::Copy(data, rows, layout, {codebooks.data(), codebooks.size()});
  }

  RowLayout layout;
  int64_t rows;
  int64_t clusters = 0;
  GuardedBytes bytes;
  GuardedBuffer<Half> codebooks;
  const void* data = nullptr;
};

}  // namespace qforge::fuzz

#endif  // QFORGE_TEST_FUZZ_TABLES_H_
