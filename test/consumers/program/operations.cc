#include "operations.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace {

constexpr int64_t kRows = 7;
constexpr int64_t kInputs = 61;
constexpr int64_t kOutputs = 77;

qforge::Status Wrong(const char* what, double found, double expected) {
  return qforge::Status::Error(qforge::StatusCode::kInternal, what, "is %g, not %g", found,
                               expected);
}

// Small integers, so that sums of products are exact in every type.
int Element(int64_t i, int64_t j) { return static_cast<int>((i * 31 + j * 17) % 15); }

int Product(int64_t i, int64_t j) {
  int sum = 0;
  for (int64_t k = 0; k < kInputs; ++k) sum += Element(i, k) * (Element(j, k) - 7);
  return sum;
}

template <class A, class B, class C>
qforge::Status Multiply(const qforge::Context& context, const qforge::Epilogue& epilogue,
                        const char* what, C (*expected)(int product)) {
  std::vector<A> a(kRows * kInputs);
  std::vector<B> b(kInputs * kOutputs);
  std::vector<C> c(kRows * kOutputs);
  for (int64_t k = 0; k < kInputs; ++k) {
    for (int64_t i = 0; i < kRows; ++i) a[i * kInputs + k] = static_cast<A>(Element(i, k));
    for (int64_t j = 0; j < kOutputs; ++j) b[k * kOutputs + j] = static_cast<B>(Element(j, k) - 7);
  }

  const qforge::Result<qforge::PackedWeights> weights =
      qforge::PackedWeights::Create(qforge::MatrixView<const B>(b.data(), kInputs, kOutputs));
  if (!weights.ok()) return weights.status();
  const qforge::Result<qforge::Linear> linear = qforge::Linear::Create(context, *weights, epilogue);
  if (!linear.ok()) return linear.status();
  const qforge::Status status =
      linear->Run(qforge::InputMatrix(a.data(), kRows, kInputs), qforge::InputQuantization(),
                  qforge::OutputMatrix(c.data(), kRows, kOutputs));
  if (!status.ok()) return status;
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kOutputs; ++j) {
      const C should = expected(Product(i, j));
      const C is = c[i * kOutputs + j];
      if (is != should) return Wrong(what, static_cast<double>(is), static_cast<double>(should));
    }
  }
  return qforge::Status();
}

}  // namespace

qforge::Status MultiplyBytes(const qforge::Context& context) {
  qforge::Epilogue sums;
  sums.output = qforge::OutputS32{};
  const qforge::Status status = Multiply<uint8_t, int8_t, int32_t>(
      context, sums, "an int32 sum", [](int product) { return int32_t{product}; });
  if (!status.ok()) return status;

  qforge::Epilogue quantised;
  quantised.activation = qforge::Activation::kRelu;
  quantised.output = qforge::OutputU8{4.0f, 3};
  return Multiply<uint8_t, int8_t, uint8_t>(
      context, quantised, "a requantised product", [](int product) {
        const int scaled = product <= 0                 ? 0
                           : product / 4 * 4 == product ? product / 4
                           : product % 4 == 2 ? product / 4 + product / 4 % 2  // half to even
                                              : (product + 2) / 4;
        return static_cast<uint8_t>(scaled + 3 > 255 ? 255 : scaled + 3);
      });
}

qforge::Status MultiplyFloats(const qforge::Context& context) {
  return Multiply<float, float, float>(context, qforge::Epilogue(), "a float product",
                                       [](int product) { return static_cast<float>(product); });
}

qforge::Status PoolRows(const qforge::Context& context) {
  constexpr int64_t kTableRows = 50;
  constexpr int64_t kDimension = 36;
  // Each row holds 0 to 15 and so is the same after quantisation to 4 bits.
  std::vector<float> rows(kTableRows * kDimension);
  for (int64_t i = 0; i < kTableRows; ++i) {
    for (int64_t j = 0; j < kDimension; ++j) {
      rows[i * kDimension + j] = static_cast<float>((i * 7 + j) % 16);
    }
  }
  qforge::TableQuantizationOptions quantization;
  quantization.format = qforge::RowFormat::kU4;
  const qforge::Result<qforge::EmbeddingTable> table = qforge::EmbeddingTable::Quantize(
      context, qforge::InputMatrix(rows.data(), kTableRows, kDimension), quantization);
  if (!table.ok()) return table.status();
  const qforge::Result<qforge::EmbeddingBag> bag = qforge::EmbeddingBag::Create(context, *table);
  if (!bag.ok()) return bag.status();

  const std::vector<int64_t> indices = {3, 49, 0, 3, 17, 20};
  const std::vector<int64_t> offsets = {0, 4, 4, 6};  // the second bag is empty
  std::vector<float> sums(3 * kDimension, -1.0f);
  const qforge::Status status =
      bag->Run({indices, offsets}, qforge::OutputMatrix(sums.data(), 3, kDimension));
  if (!status.ok()) return status;
  for (int64_t j = 0; j < kDimension; ++j) {
    const float expected[] = {rows[3 * kDimension + j] * 2 + rows[49 * kDimension + j] + rows[j],
                              0.0f, rows[17 * kDimension + j] + rows[20 * kDimension + j]};
    for (int64_t i = 0; i < 3; ++i) {
      const float is = sums[i * kDimension + j];
      if (is != expected[i]) return Wrong("a sum of rows", is, expected[i]);
    }
  }
  return qforge::Status();
}

qforge::Status ChooseARange() {
  qforge::Result<qforge::Histogram> histogram = qforge::Histogram::Create();
  if (!histogram.ok()) return histogram.status();
  std::vector<float> values(10000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 101) - 50.0f;
  const qforge::Status status = histogram->Observe(values);
  if (!status.ok()) return status;
  qforge::RangeOptions options;
  options.method = qforge::RangeMethod::kMinMax;
  const qforge::Result<qforge::ChosenRange> range = qforge::ChooseRange(*histogram, options);
  if (!range.ok()) return range.status();
  const float expected = 100.0f / 255.0f;
  const float scale = range->parameters.scale;
  return scale == expected ? qforge::Status() : Wrong("a scale", scale, expected);
}

qforge::Status RefuseNan(const qforge::Context& context) {
  const int8_t weight = 1;
  const std::vector<float> bias = {std::numeric_limits<float>::quiet_NaN()};
  const qforge::Result<qforge::PackedWeights> weights =
      qforge::PackedWeights::Create(qforge::MatrixView<const int8_t>(&weight, 1, 1));
  if (!weights.ok()) return weights.status();
  qforge::Epilogue epilogue;
  epilogue.bias = bias;
  const qforge::Result<qforge::Linear> linear = qforge::Linear::Create(context, *weights, epilogue);
  if (linear.status().code() == qforge::StatusCode::kOutOfRange) return qforge::Status();
  return qforge::Status::Error(qforge::StatusCode::kInternal, "", "a bias of NaN is accepted");
}
