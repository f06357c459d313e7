// How a row of an embedding table is stored, byte by byte.
//
// A row holds `dimension` values x[0], x[1], ... . Little-endian; values begin at the lowest bits:
//
//   format          payload                   parameters                 x[j]
//   f32, f16, bf16  the values                none                       the value
//   u8              1 byte each               scale, bias: f32 or f16    fma(q, scale, bias)
//   u4              4 bits each               scale, bias: f16           fma(q, scale, bias)
//   u2              2 bits each               scale, bias: f16           fma(q, scale, bias)
//   codebook4       4 bits each               16 centres: f16            centre[q]
//   twotier4        4 bits each               number of codebook: u16    codebook[q]
//   e4m3, e5m2      1 byte each               none                       see below
//
// The codebooks of twotier4 belong to the table: 16 f16 centres each.
//
// Parameters follow the payload or precede it (ParameterPlace), without padding; unused bits of the
// payload's last byte are written as 0 and ignored. u8 with f32 parameters behind, and u4 and u2,
// are the rows that FBGEMM and PyTorch call fused row-wise (8-bit; 4- and 2-bit "SBHalf").
//
// e4m3 is a number for every byte: (-1)^s * 2^(e - bias) * (1 + m/8), with e = 0 subnormal,
// (-1)^s * 2^(1 - bias) * m/8; there are no infinities and no NaN. e5m2 is the upper byte of an f16
// where its exponent bias is 15, infinities and NaN included; another bias scales the finite values
// by 2^(15 - bias).
//
// A row may carry a checksum, by which look-ups and EmbeddingTable::Scrub() see that a bit of it
// has flipped. It stands behind everything else: for `bytes` bytes in front of it n = 1 +
// ceil(bytes / 125) bytes c[0] to c[n - 1], such that, all bytes taken as s8,
//
//   sum of the bytes in front of it + c[0] + 127 * (c[1] + ... + c[n - 1]) = 0.
//
// Of the ways to write that, c[0] is in [-63, 63], all others in [-127, 127], and as many of the
// first of them as it takes are at one of those ends. Any one bit that flips changes the sum by an
// odd number times a power of two.
#ifndef QFORGE_ROW_LAYOUT_H_
#define QFORGE_ROW_LAYOUT_H_

#include <cstdint>

#include "qforge/export.h"
#include "qforge/types.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

enum class RowFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kU8,
  kU4,
  kU2,
  kCodebook4,
  kTwoTier4,
  kE4M3,
  kE5M2,
};
inline constexpr int kRowFormatCount = 10;

// The name in the table above, for example "u4". "unknown" for anything else.
const char* RowFormatName(RowFormat format) noexcept;

enum class ParameterPlace : uint8_t { kLast, kFirst };

struct RowLayout {
  RowFormat format = RowFormat::kF32;
  int64_t dimension = 0;  // 1 to 2^20
  // u8: kF32, which kNone stands for, or kF16. Other formats: kNone, or what the table above says.
  DataType parameters = DataType::kNone;
  ParameterPlace place = ParameterPlace::kLast;
  // Bytes from row to row, at least RowBytes(); 0: RowBytes(). Any number: no row needs alignment.
  int64_t stride = 0;
  // e4m3 and e5m2: 1 to 31; 0: 7 for e4m3, 15 for e5m2. Other formats: 0.
  int exponent_bias = 0;
  bool checksum = false;  // every row ends with one
};

// Bytes of a row, checksum included. 0 if the layout is not valid.
int64_t RowBytes(const RowLayout& layout) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_ROW_LAYOUT_H_
