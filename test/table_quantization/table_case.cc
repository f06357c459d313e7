#include "table_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numbers>

namespace qforge::test {
namespace {

template <class T>
T ValueOrEnd(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message());
    std::abort();
  }
  return std::move(result).value();
}

}  // namespace

double Normal(Random& random) {
  const auto uniform = [&] { return static_cast<double>(random.Next() >> 11) * 0x1p-53; };
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

TestMatrix NormalRows(int64_t rows, int64_t cols, uint64_t seed) {
  Random random(seed);
  TestMatrix matrix(DataType::kF32, rows, cols);
  matrix.Set([&](int64_t, int64_t) { return Normal(random); });
  return matrix;
}

TestMatrix DifficultRows(int64_t cols, uint64_t seed) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr int64_t kKinds = 24;
  Random random(seed);
  TestMatrix rows(DataType::kF32, kKinds, cols);
  rows.Set([&](int64_t i, int64_t j) -> double {
    const double normal = Normal(random);
    const bool chosen = j == i % cols;
    switch (i) {
      case 0:
        return 0.0;
      case 1:
        return j % 2 == 0 ? 0.0 : -0.0;
      case 2:
        return 0.1;  // which f16 does not have
      case 3:
        return -1e6;
      case 4:
        return 1e30;
      case 5:
        return 1e-30;
      case 6:
        return chosen ? 1000.0 : normal;
      case 7:
        return chosen ? -1e30 : normal;
      case 8:
        return normal * 1e-5;
      case 9:
        return normal * 1e-8;
      case 10:
        return normal * 1e-20;
      case 11:
        return normal * 1e-30;
      case 12:
        return normal * 1e-41;
      case 13:
        return normal * 6e4;
      case 14:
        return normal * 1e20;
      case 15:
        return j % 2 == 0 ? std::numeric_limits<float>::max()
                          : std::numeric_limits<float>::lowest();
      case 16:
        return chosen ? kInfinity : normal;
      case 17:
        return j % 3 == 0 ? -kInfinity : normal * 1e37;
      case 18:
        return chosen ? kNan : normal;
      case 19:
        return kNan;
      case 20:
        return normal + 1000.0;
      case 21:
        return static_cast<double>(random.Integer(0, 4));
      case 22:
        return -std::exp(normal * 3.0);
      default:
        return random.Integer(0, 1) == 0 ? -0x1p-149 : 0x1p-149;
    }
  });
  return rows;
}

TableQuantizationOptions Options(RowFormat format, RangeSearch method, DataType parameters) {
  TableQuantizationOptions options;
  options.format = format;
  options.method = method;
  options.parameters = parameters;
  return options;
}

std::vector<TableQuantizationOptions> AllOptions() {
  std::vector<TableQuantizationOptions> all;
  for (const RowFormat format :
       {RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16, RowFormat::kE4M3, RowFormat::kE5M2}) {
    all.push_back(Options(format));
  }
  for (const RangeSearch method : {RangeSearch::kMinMax, RangeSearch::kSymmetric,
                                   RangeSearch::kGreedy, RangeSearch::kHistogram}) {
    all.push_back(Options(RowFormat::kU8, method, DataType::kF32));
    all.push_back(Options(RowFormat::kU8, method, DataType::kF16));
    all.push_back(Options(RowFormat::kU4, method));
    all.push_back(Options(RowFormat::kU2, method));
    // Fewer ranges to try: these tests are about bytes.
    for (size_t i = all.size() - 4; i < all.size(); ++i) all[i].bins = 40;
  }
  all.push_back(Options(RowFormat::kCodebook4, RangeSearch::kKMeans));
  all.push_back(Options(RowFormat::kTwoTier4, RangeSearch::kKMeans));
  all.back().clusters = 5;
  all.back().iterations = 4;
  return all;
}

std::string Describe(const TableQuantizationOptions& options) {
  return std::string(RowFormatName(options.format)) + ", " + RangeSearchName(options.method) +
         ", parameters " + DataTypeName(options.parameters);
}

Context MakeContext(Isa isa, ThreadPool* pool) {
  ContextOptions options;
  options.max_isa = isa;
  options.pool = pool;
  return ValueOrEnd(Context::Create(options));
}

Context BestContext() { return ValueOrEnd(Context::Create()); }

EmbeddingTable Quantize(const Context& context, const InputMatrix& rows,
                        const TableQuantizationOptions& options) {
  return ValueOrEnd(EmbeddingTable::Quantize(context, rows, options));
}

std::vector<std::byte> Bytes(const EmbeddingTable& table) {
  const size_t rows = static_cast<size_t>(table.rows() * table.layout().stride);
  const size_t codebooks = static_cast<size_t>(table.codebooks().size()) * sizeof(Half);
  std::vector<std::byte> bytes(rows + codebooks);
  if (rows != 0) std::memcpy(bytes.data(), table.row(0), rows);
  if (codebooks != 0) std::memcpy(bytes.data() + rows, table.codebooks().data(), codebooks);
  return bytes;
}

double Finite(float value) {
  if (std::isnan(value)) return 0.0;
  constexpr float kLargest = std::numeric_limits<float>::max();
  return static_cast<double>(std::clamp(value, -kLargest, kLargest));
}

std::vector<double> SquaredErrors(const EmbeddingTable& table, const TestMatrix& rows) {
  const TestMatrix decoded(DataType::kF32, rows.rows(), rows.cols());
  const Status status = table.Dequantize(BestContext(), 0, decoded.output());
  EXPECT_TRUE(status.ok()) << status.message();
  std::vector<double> errors;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    double sum = 0.0;
    for (int64_t j = 0; j < rows.cols(); ++j) {
      const double error =
          Finite(rows.at<float>(i, j)) - static_cast<double>(decoded.at<float>(i, j));
      sum += error * error;
    }
    errors.push_back(sum);
  }
  return errors;
}

double NormalisedLoss(const EmbeddingTable& table, const TestMatrix& rows) {
  const std::vector<double> errors = SquaredErrors(table, rows);
  double total = 0.0;
  for (int64_t i = 0; i < rows.rows(); ++i) {
    double square = 0.0;
    for (int64_t j = 0; j < rows.cols(); ++j) {
      square += Finite(rows.at<float>(i, j)) * Finite(rows.at<float>(i, j));
    }
    const double error = errors[static_cast<size_t>(i)];
    total += square == 0.0 ? (error == 0.0 ? 0.0 : 1.0) : std::sqrt(error / square);
  }
  return total / static_cast<double>(rows.rows());
}

}  // namespace qforge::test
