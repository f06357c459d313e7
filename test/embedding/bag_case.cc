#include "embedding/bag_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <ostream>

namespace qforge::test {
namespace {

constexpr int64_t kClusters = 5;

int BitsOf(RowFormat format) {
  switch (format) {
    case RowFormat::kF32:
      return 32;
    case RowFormat::kF16:
    case RowFormat::kBF16:
      return 16;
    case RowFormat::kU8:
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      return 8;
    case RowFormat::kU2:
      return 2;
    default:
      return 4;
  }
}

// IEEE 754: a sign, `exponent_bits` and `mantissa_bits`.
float SmallFloat(int code, int exponent_bits, int mantissa_bits, int bias, bool has_infinity) {
  const int mantissa = code & ((1 << mantissa_bits) - 1);
  const int exponent = code >> mantissa_bits & ((1 << exponent_bits) - 1);
  const bool negative = (code >> (mantissa_bits + exponent_bits) & 1) != 0;
  const double fraction = mantissa / std::pow(2.0, mantissa_bits);
  double value;
  if (has_infinity && exponent == (1 << exponent_bits) - 1) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity()
                          : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = fraction * std::pow(2.0, 1 - bias);
  } else {
    value = (1.0 + fraction) * std::pow(2.0, exponent - bias);
  }
  return static_cast<float>(negative ? -value : value);
}

float HalfValue(int bits) { return SmallFloat(bits, 5, 10, 15, true); }
float BFloat16Value(int bits) { return SmallFloat(bits, 8, 7, 127, true); }

// `bits` bits from position j * bits on.
int CodeAt(const std::byte* payload, int64_t j, int bits) {
  int code = 0;
  for (int i = 0; i < bits; ++i) {
    const int64_t bit = j * bits + i;
    code |= (std::to_integer<int>(payload[bit / 8]) >> (bit % 8) & 1) << i;
  }
  return code;
}

float FloatAt(const std::byte* at) {
  float value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
int WordAt(const std::byte* at) {
  return std::to_integer<int>(at[0]) | std::to_integer<int>(at[1]) << 8;
}

void ScaleAndBias(const RowLayout& layout, const std::byte* row, float* scale, float* bias) {
  const std::byte* const at =
      layout.place == ParameterPlace::kFirst ? row : row + PayloadBytes(layout);
  const bool wide = layout.parameters == DataType::kF32;
  *scale = wide ? FloatAt(at) : HalfValue(WordAt(at));
  *bias = wide ? FloatAt(at + 4) : HalfValue(WordAt(at + 2));
}

float RandomValue(Random& random, bool specials) {
  static const float kSpecials[] = {0.0f,
                                    -0.0f,
                                    std::numeric_limits<float>::infinity(),
                                    -std::numeric_limits<float>::infinity(),
                                    std::numeric_limits<float>::quiet_NaN(),
                                    std::numeric_limits<float>::denorm_min(),
                                    -1e-40f,
                                    6e-8f,
                                    -3e-5f,
                                    65504.0f,
                                    -3e38f};
  if (specials && random.Integer(0, 2) == 0) return kSpecials[random.Integer(0, 10)];
  return random.Real(-2.0f, 2.0f);
}

void PutFloat(std::byte* at, float value, DataType type) {
  if (type == DataType::kF32) {
    std::memcpy(at, &value, 4);
    return;
  }
  const uint16_t bits = type == DataType::kF16 ? ToHalf(value).bits : ToBFloat16(value).bits;
  std::memcpy(at, &bits, 2);
}

// By the definition; c[0] is what the others leave.
void FillChecksum(std::byte* row, int64_t bytes) {
  int rest = 0;
  for (int64_t i = 0; i < bytes; ++i) rest -= static_cast<int8_t>(row[i]);
  std::byte* const checksum = row + bytes;
  for (int64_t i = (bytes + 124) / 125; i > 0; --i) checksum[i] = std::byte{0};
  for (int64_t i = 1; rest < -63 || rest > 63; ++i) {
    int digit = std::clamp(rest / 127, -127, 127);
    if (std::abs(rest - digit * 127) > 63 && std::abs(digit) < 127) digit += rest < 0 ? -1 : 1;
    checksum[i] = static_cast<std::byte>(digit);
    rest -= digit * 127;
  }
  checksum[0] = static_cast<std::byte>(rest);
}

void FillRow(const RowLayout& layout, Random& random, bool specials, std::byte* row) {
  const bool first = layout.place == ParameterPlace::kFirst;
  std::byte* const payload = row + (first ? ParameterBytes(layout) : 0);
  std::byte* const parameters = row + (first ? 0 : PayloadBytes(layout));
  for (int64_t i = 0; i < PayloadBytes(layout); ++i)
    payload[i] = static_cast<std::byte>(random.Any<uint8_t>());
  switch (layout.format) {
    case RowFormat::kF32:
    case RowFormat::kF16:
    case RowFormat::kBF16: {
      const DataType type = layout.format == RowFormat::kF32   ? DataType::kF32
                            : layout.format == RowFormat::kF16 ? DataType::kF16
                                                               : DataType::kBF16;
      for (int64_t j = 0; j < layout.dimension; ++j) {
        PutFloat(payload + j * DataTypeSize(type), RandomValue(random, specials), type);
      }
      break;
    }
    case RowFormat::kU8:
    case RowFormat::kU4:
    case RowFormat::kU2:
      PutFloat(parameters, specials ? RandomValue(random, true) : random.Real(0.001f, 0.1f),
               layout.parameters);
      PutFloat(parameters + DataTypeSize(layout.parameters), RandomValue(random, specials),
               layout.parameters);
      break;
    case RowFormat::kCodebook4:
      for (int i = 0; i < 16; ++i) {
        PutFloat(parameters + 2 * i, RandomValue(random, specials), DataType::kF16);
      }
      break;
    case RowFormat::kTwoTier4: {
      const uint16_t number = random.Integer<uint16_t>(0, kClusters - 1);
      std::memcpy(parameters, &number, 2);
      break;
    }
    case RowFormat::kE4M3:
      break;
    case RowFormat::kE5M2:
      if (specials) break;
      for (int64_t i = 0; i < layout.dimension; ++i) payload[i] &= std::byte{0xBF};  // finite
      break;
  }
  if (layout.checksum) FillChecksum(row, PayloadBytes(layout) + ParameterBytes(layout));
}

}  // namespace

RowLayout LayoutOf(RowFormat format, int64_t dimension) {
  RowLayout layout;
  layout.format = format;
  layout.dimension = dimension;
  return layout;
}

int64_t PayloadBytes(const RowLayout& layout) {
  return (layout.dimension * BitsOf(layout.format) + 7) / 8;
}

int64_t ParameterBytes(const RowLayout& layout) {
  switch (layout.format) {
    case RowFormat::kU8:
      return layout.parameters == DataType::kF16 ? 4 : 8;
    case RowFormat::kU4:
    case RowFormat::kU2:
      return 4;
    case RowFormat::kCodebook4:
      return 32;
    case RowFormat::kTwoTier4:
      return 2;
    default:
      return 0;
  }
}

int64_t ChecksumBytes(const RowLayout& layout) {
  return 1 + (PayloadBytes(layout) + ParameterBytes(layout) + 124) / 125;
}

std::vector<float> DecodeByDefinition(const RowLayout& layout, const std::byte* row,
                                      const Half* codebooks) {
  const bool first = layout.place == ParameterPlace::kFirst;
  const std::byte* const payload = row + (first ? ParameterBytes(layout) : 0);
  const std::byte* const parameters = row + (first ? 0 : PayloadBytes(layout));
  std::vector<float> values;
  for (int64_t j = 0; j < layout.dimension; ++j) {
    const int bits = BitsOf(layout.format);
    const int code = bits == 32 ? 0 : CodeAt(payload, j, bits);
    float scale, bias;
    switch (layout.format) {
      case RowFormat::kF32:
        values.push_back(FloatAt(payload + 4 * j));
        break;
      case RowFormat::kF16:
        values.push_back(HalfValue(code));
        break;
      case RowFormat::kBF16:
        values.push_back(BFloat16Value(code));
        break;
      case RowFormat::kU8:
      case RowFormat::kU4:
      case RowFormat::kU2:
        ScaleAndBias(layout, row, &scale, &bias);
        values.push_back(std::fma(static_cast<float>(code), scale, bias));
        break;
      case RowFormat::kCodebook4:
        values.push_back(HalfValue(WordAt(parameters + 2 * code)));
        break;
      case RowFormat::kTwoTier4:
        values.push_back(HalfValue(codebooks[16 * WordAt(parameters) + code].bits));
        break;
      case RowFormat::kE4M3:
        values.push_back(SmallFloat(code, 4, 3, layout.exponent_bias, false));
        break;
      case RowFormat::kE5M2:
        values.push_back(SmallFloat(code, 5, 2, layout.exponent_bias, true));
        break;
    }
  }
  return values;
}

TableData::TableData(const RowLayout& given, int64_t row_count, uint64_t seed, Guard guard,
                     bool specials)
    : layout(given), rows(row_count) {
  const int64_t row_bytes =
      PayloadBytes(layout) + ParameterBytes(layout) + (layout.checksum ? ChecksumBytes(layout) : 0);
  if (layout.stride == 0) layout.stride = row_bytes;
  if (layout.parameters == DataType::kNone && ParameterBytes(layout) > 2) {
    layout.parameters = layout.format == RowFormat::kU8 ? DataType::kF32 : DataType::kF16;
  }
  if (layout.exponent_bias == 0 && layout.format == RowFormat::kE4M3) layout.exponent_bias = 7;
  if (layout.exponent_bias == 0 && layout.format == RowFormat::kE5M2) layout.exponent_bias = 15;
  const int64_t size = rows == 0 ? 0 : (rows - 1) * layout.stride + row_bytes;
  bytes = GuardedBytes(static_cast<size_t>(size), guard);
  Random random(seed);
  for (int64_t i = 0; i < rows; ++i) FillRow(layout, random, specials, row(i));
  if (layout.format != RowFormat::kTwoTier4) return;
  codebooks = GuardedBuffer<Half>(kClusters * 16, guard);
  for (Half& centre : codebooks) centre = ToHalf(RandomValue(random, specials));
}

EmbeddingTable TableData::Borrow() const {
  return EmbeddingTable::Borrow(bytes.data(), rows, layout,
                                ArrayView<const Half>(codebooks.data(), codebooks.size()))
      .value();
}

std::vector<float> TableData::Row(int64_t index) const {
  return DecodeByDefinition(layout, row(index), codebooks.data());
}

void TableData::Seal() {
  bytes.Seal();
  if (codebooks.size() != 0) codebooks.Seal();
}

std::ostream& operator<<(std::ostream& out, const BagCase& c) {
  static const char* const kPooling[] = {"sum", "mean", "gather"};
  static const char* const kWeights[] = {"", " weighted", " weighted by position in bag"};
  static const char* const kBounds[] = {"offsets", "offsets without the last", "lengths"};
  out << kPooling[static_cast<int>(c.pooling)] << kWeights[static_cast<int>(c.weights)] << " of "
      << RowFormatName(c.layout.format) << " " << c.rows << " x " << c.layout.dimension << " to "
      << DataTypeName(c.output) << ", indices of " << c.index_bytes << " bytes, "
      << kBounds[static_cast<int>(c.bounds)] << " of " << c.bounds_bytes;
  if (c.layout.parameters != DataType::kNone)
    out << ", parameters " << DataTypeName(c.layout.parameters);
  if (c.layout.place == ParameterPlace::kFirst) out << ", parameters first";
  if (c.layout.stride != 0) out << ", stride " << c.layout.stride;
  if (c.layout.exponent_bias != 0) out << ", exponent bias " << c.layout.exponent_bias;
  if (c.mapped) out << ", mapped";
  if (c.layout.checksum) out << ", checksums in rows";
  if (c.checksums_beside) out << ", checksums beside rows";
  if (c.specials) out << ", special values";
  if (c.trusted) out << ", trusted";
  if (c.output_gap != 0) out << ", output gap " << c.output_gap;
  if (c.guard == Guard::kInFront) out << ", guards in front";
  return out << ", prefetch " << c.prefetch_distance << ", seed " << c.seed;
}

BagData::BagData(const BagCase& the_case)
    : c(the_case), table(c.layout, c.rows, c.seed, c.guard, c.specials) {
  Random random(c.seed + 1000);
  int64_t positions = 0;
  int64_t longest = 0;
  for (const int64_t length : c.lengths) {
    positions += length;
    longest = std::max(longest, length);
  }
  int64_t limit = c.rows;
  if (c.mapped) {
    limit = 2 * c.rows;
    row_map = GuardedBuffer<int32_t>(limit, c.guard);
    for (int32_t& row : row_map) {
      row = random.Integer(0, 2) == 0
                ? -1
                : random.Integer<int32_t>(0, static_cast<int32_t>(c.rows) - 1);
    }
  }
  if (c.index_bytes == 4) {
    indices_32 = GuardedBuffer<int32_t>(positions, c.guard);
  } else {
    indices_64 = GuardedBuffer<int64_t>(positions, c.guard);
  }
  for (int64_t p = 0; p < positions; ++p) {
    // The first and the last row among them, whose neighbours are guarded.
    const int64_t index = p == 0 ? limit - 1 : p == 1 ? 0 : random.Integer<int64_t>(0, limit - 1);
    if (c.index_bytes == 4) {
      indices_32[p] = static_cast<int32_t>(index);
    } else {
      indices_64[p] = index;
    }
  }
  if (c.pooling != Pooling::kNone) {
    std::vector<int64_t> values = c.lengths;
    if (c.bounds != BagBounds::kLengths) {
      int64_t next = 0;
      for (int64_t& value : values) {
        const int64_t length = value;
        value = next;
        next += length;
      }
      if (c.bounds == BagBounds::kOffsets) values.push_back(next);
    }
    const int64_t size = static_cast<int64_t>(values.size());
    if (c.bounds_bytes == 4) {
      bounds_32 = GuardedBuffer<int32_t>(size, c.guard);
      for (int64_t i = 0; i < size; ++i)
        bounds_32[i] = static_cast<int32_t>(values[static_cast<size_t>(i)]);
    } else {
      bounds_64 = GuardedBuffer<int64_t>(size, c.guard);
      for (int64_t i = 0; i < size; ++i) bounds_64[i] = values[static_cast<size_t>(i)];
    }
  }
  if (c.weights == BagWeights::kNone) return;
  weights =
      GuardedBuffer<float>(c.weights == BagWeights::kPerPosition ? positions : longest, c.guard);
  for (float& weight : weights) weight = RandomValue(random, c.specials);
}

EmbeddingBagOptions BagData::options() const {
  EmbeddingBagOptions options;
  options.pooling = c.pooling;
  options.weights = c.weights;
  options.bounds = c.bounds;
  options.output = c.output;
  options.row_map = ArrayView<const int32_t>(row_map.data(), row_map.size());
  options.prefetch_distance = c.prefetch_distance;
  options.trusted = c.trusted;
  return options;
}

IndexView BagData::indices() const {
  return c.index_bytes == 4 ? IndexView(indices_32.data(), indices_32.size())
                            : IndexView(indices_64.data(), indices_64.size());
}

IndexView BagData::bounds() const {
  return c.bounds_bytes == 4 ? IndexView(bounds_32.data(), bounds_32.size())
                             : IndexView(bounds_64.data(), bounds_64.size());
}

BagInput BagData::input() const {
  return {indices(), bounds(), ArrayView<const float>(weights.data(), weights.size())};
}

TestMatrix BagData::MakeOutput() const {
  const bool bytes = c.output == DataType::kU8;
  return TestMatrix(
      c.output,
      c.pooling == Pooling::kNone ? indices().size() : static_cast<int64_t>(c.lengths.size()),
      bytes ? RowBytes(table.layout) : c.layout.dimension, c.output_gap, c.guard);
}

int64_t BagData::RowOf(int64_t position) const {
  const int64_t index = indices()[position];
  return c.mapped ? row_map[index] : index;
}

TestMatrix BagData::Expected() const {
  const TestMatrix expected = MakeOutput();
  const RowFormat format = c.layout.format;
  const bool weighted = c.weights != BagWeights::kNone;
  if (c.output == DataType::kU8) {
    expected.Set([&](int64_t p, int64_t j) {
      return RowOf(p) < 0 ? 0 : std::to_integer<int>(table.row(RowOf(p))[j]);
    });
    return expected.Clone(c.guard);
  }
  if (c.pooling == Pooling::kNone) {
    for (int64_t p = 0; p < expected.rows(); ++p) {
      std::vector<float> row(static_cast<size_t>(expected.cols()), 0.0f);
      if (RowOf(p) >= 0) {
        row = table.Row(RowOf(p));
        for (float& x : row) {
          if (weighted) x = weights[p] * x;
        }
      }
      TestMatrix one(c.output, 1, expected.cols());
      one.Set([&](int64_t, int64_t j) { return row[static_cast<size_t>(j)]; });
      std::memcpy(expected.data<std::byte>() + p * expected.stride() * DataTypeSize(c.output),
                  one.data<std::byte>(), one.bytes().size());
    }
    return expected.Clone(c.guard);
  }
  std::vector<std::vector<float>> decoded;
  for (int64_t i = 0; i < c.rows; ++i) decoded.push_back(table.Row(i));
  std::vector<int64_t> starts = {0};
  for (const int64_t length : c.lengths) starts.push_back(starts.back() + length);
  expected.Set([&](int64_t bag, int64_t j) {
    const int64_t begin = starts[static_cast<size_t>(bag)];
    const int64_t end = starts[static_cast<size_t>(bag) + 1];
    float acc = 0.0f;
    float b = 0.0f;
    for (int64_t p = begin; p < end; ++p) {
      if (RowOf(p) < 0) continue;
      const float w = !weighted                                  ? 1.0f
                      : c.weights == BagWeights::kPerBagPosition ? weights[p - begin]
                                                                 : weights[p];
      const float x = decoded[static_cast<size_t>(RowOf(p))][static_cast<size_t>(j)];
      switch (format) {
        case RowFormat::kF32:
        case RowFormat::kF16:
        case RowFormat::kBF16:
        case RowFormat::kE4M3:
        case RowFormat::kE5M2:
          acc = weighted ? std::fma(w, x, acc) : acc + x;
          break;
        case RowFormat::kU4:
        case RowFormat::kU2:
        case RowFormat::kCodebook4:
        case RowFormat::kTwoTier4:
          acc = weighted ? acc + w * x : acc + x;
          break;
        case RowFormat::kU8: {
          float scale, bias;
          const std::byte* const row = table.row(RowOf(p));
          ScaleAndBias(table.layout, row, &scale, &bias);
          const bool first = table.layout.place == ParameterPlace::kFirst;
          const std::byte* const payload = row + (first ? ParameterBytes(table.layout) : 0);
          const float q = static_cast<float>(CodeAt(payload, j, 8));
          acc = std::fma(q, weighted ? w * scale : scale, acc);
          b = weighted ? std::fma(w, bias, b) : b + bias;
          break;
        }
      }
    }
    if (format == RowFormat::kU8) acc = acc + b;
    if (c.pooling == Pooling::kMean && begin != end)
      acc = acc * (1.0f / static_cast<float>(end - begin));
    return acc;
  });
  return expected.Clone(c.guard);
}

void BagData::Seal() {
  table.Seal();
  for (GuardedBuffer<int32_t>* buffer : {&row_map, &indices_32, &bounds_32}) {
    if (buffer->size() != 0) buffer->Seal();
  }
  for (GuardedBuffer<int64_t>* buffer : {&indices_64, &bounds_64}) {
    if (buffer->size() != 0) buffer->Seal();
  }
  if (weights.size() != 0) weights.Seal();
}

Context ContextFor(Isa isa, ThreadPool* pool) {
  ContextOptions options;
  options.max_isa = isa;
  options.pool = pool;
  return Context::Create(options).value();
}

Context BestContext() { return Context::Create().value(); }

void CheckOnEveryIsa(const BagCase& c) {
  BagData data(c);
  const TestMatrix expected = data.Expected();
  data.Seal();
  EmbeddingTable table = data.table.Borrow();
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    if (c.checksums_beside) {
      ASSERT_TRUE(table.AddChecksums(context).ok());
    }
    const Result<EmbeddingBag> bag = EmbeddingBag::Create(context, table, data.options());
    ASSERT_TRUE(bag.ok()) << bag.status().message() << ": " << c;
    const TestMatrix result = data.MakeOutput();
    const Status status = bag->Run(data.input(), result.output());
    ASSERT_TRUE(status.ok()) << status.message() << ": " << c;
    ASSERT_TRUE(SameBits(expected, result)) << IsaName(context.isa()) << ": " << c;
    RecordChecked(context.isa());
  }
}

}  // namespace qforge::test
