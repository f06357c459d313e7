#include "packed_files/weights_case.h"

#include <algorithm>

#include "base/checksum.h"
#include "pack/packed_matrix.h"
#include "qforge/linear.h"
#include "support/isas.h"
#include "support/random.h"

namespace qforge::test {

std::vector<WeightsCase> AllCases() {
  std::vector<WeightsCase> cases;
  const auto add = [&](const char* name, auto set) {
    WeightsCase c;
    c.name = name;
    set(c);
    cases.push_back(c);
  };
  // Without VNNI: in 32 bits, since nothing fits; then in 16, without and with groups split and
  // summed in 32.
  add("any", [](WeightsCase& c) { c.zero_points = true; });
  add("tiny", [](WeightsCase& c) { c.largest = 7; });
  add("small", [](WeightsCase& c) {
    c.largest = 50;
    c.groups = 3;
    c.inputs = 67;
    c.zero_points = true;
  });
  add("one column", [](WeightsCase& c) { c.outputs = 1; });
  add("few inputs", [](WeightsCase& c) { c.inputs = 3; });
  add("many", [](WeightsCase& c) {
    c.inputs = 301;
    c.outputs = 400;
    c.largest = 30;
    c.checked = true;  // with several slices
  });
  add("saturating", [](WeightsCase& c) {
    c.inputs = 600;
    c.accumulation = Accumulation::kSaturating16;
  });
  add("promised", [](WeightsCase& c) { c.activation_maximum = 127; });
  add("outliers", [](WeightsCase& c) {
    c.outlier_rarity = 20;
    c.groups = 2;
    c.zero_points = true;
  });
  add("negative outliers", [](WeightsCase& c) {
    c.outlier_rarity = 3;
    c.outlier = -128;
    c.inputs = 41;
  });
  add("outliers within s8", [](WeightsCase& c) {
    c.largest = 10;
    c.outlier_rarity = 9;
    c.outlier = 3;
  });
  add("main bits", [](WeightsCase& c) { c.main_bits = 4; });
  add("cheapest main bits", [](WeightsCase& c) { c.main_bits = 0; });
  add("density", [](WeightsCase& c) { c.outlier_density = 0.3; });
  add("checked", [](WeightsCase& c) { c.checked = c.zero_points = true; });
  add("checked groups", [](WeightsCase& c) {
    c.checked = true;
    c.groups = 3;
    c.largest = 50;
    c.outlier_rarity = 20;
  });
  add("no inputs", [](WeightsCase& c) {
    c.inputs = 0;
    c.checked = true;
  });
  add("no outputs", [](WeightsCase& c) {
    c.outputs = 0;
    c.groups = 2;
  });
  for (const DataType type : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
    const auto add_float = [&](const char* name, int64_t inputs, int64_t groups, bool checked) {
      add(name, [&](WeightsCase& c) {
        c.type = type;
        c.inputs = inputs;
        c.groups = groups;
        c.checked = checked;
      });
    };
    add_float("floats", 33, 1, false);
    add_float("checked floats", 33, 2, true);
    add_float("few checked floats", 2, 1, true);
    add_float("no floats", 0, 1, true);
  }
  return cases;
}

std::vector<WeightsCase> SmallCases() {
  std::vector<WeightsCase> cases;
  for (WeightsCase c : AllCases()) {
    const bool wanted = c.outlier_rarity != 0 || c.checked || c.largest < 127;
    if (!wanted || c.inputs > 70) continue;
    c.inputs = c.inputs < 20 ? c.inputs : 20;
    c.outputs = 9;
    cases.push_back(c);
  }
  return cases;
}

PackedWeights MakeWeights(const WeightsCase& c, Isa isa) {
  Random random(static_cast<uint64_t>(c.inputs * 1000 + c.outputs));
  if (c.type != DataType::kS8) {
    const TestMatrix weights(c.type, c.groups * c.inputs, c.outputs);
    weights.SetRandom(random);
    FloatWeightsOptions options;
    options.groups = c.groups;
    options.max_isa = isa;
    options.soft_error_check = c.checked;
    switch (c.type) {
      case DataType::kF32:
        return PackedWeights::Create(MatrixView<const float>(weights.view<const float>()), options)
            .value();
      case DataType::kF16:
        return PackedWeights::Create(MatrixView<const Half>(weights.view<const Half>()), options)
            .value();
      default:
        return PackedWeights::Create(MatrixView<const BFloat16>(weights.view<const BFloat16>()),
                                     options)
            .value();
    }
  }
  const int64_t columns = c.groups * c.outputs;
  const TestMatrix weights(DataType::kS8, c.groups * c.inputs, c.outputs);
  weights.Set([&](int64_t, int64_t) { return random.Integer(-c.largest, c.largest); });
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> rows;
  std::vector<int8_t> values;
  for (int64_t j = 0; j < columns; ++j) {
    scales.push_back(random.Real(0.5f, 2.0f));
    zero_points.push_back(random.Integer(-3, 3));
    for (int64_t k = 0; k < c.inputs; ++k) {
      if (c.outlier_rarity == 0 || random.Integer(1, c.outlier_rarity) != 1) continue;
      rows.insert(rows.end(), 2, static_cast<int32_t>(k));
      values.insert(values.end(), 2, c.outlier);
    }
    offsets.push_back(static_cast<int64_t>(values.size()));
  }
  PackedWeightsOptions options;
  options.groups = c.groups;
  options.scales = scales;
  if (c.zero_points) options.zero_points = zero_points;
  if (c.outlier_rarity != 0) options.outliers = {c.inputs, columns, offsets, rows, values};
  options.main_bits = c.main_bits;
  options.outlier_density = c.outlier_density;
  options.activation_maximum = c.activation_maximum;
  options.accumulation = c.accumulation;
  options.soft_error_check = c.checked;
  options.max_isa = isa;
  return PackedWeights::Create(weights.view<const int8_t>(), options).value();
}

Bytes Serialized(const PackedWeights& weights) {
  Bytes bytes(static_cast<size_t>(weights.serialized_bytes()));
  const Status status = weights.Serialize(bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  return bytes;
}

void Seal(Bytes* bytes) {
  const size_t size = bytes->size();
  const size_t offset = std::clamp(static_cast<size_t>(WeightsOffset(*bytes)), kHeaderBytes, size);
  const uint8_t* const data = bytes->data();
  SetNumber(bytes, 144, base::ChecksumOf(data + kHeaderBytes, offset - kHeaderBytes));
  SetNumber(bytes, 152, base::ChecksumOf(data + offset, size - offset));
  SetNumber(bytes, 248, base::ChecksumOf(data, 248));
}

Status Multiply(const PackedWeights& weights, TestMatrix* product) {
  constexpr int64_t kRows = 5;
  const bool is_float = weights.type() != DataType::kS8;
  Random random(7);
  TestMatrix input(is_float ? DataType::kF32 : DataType::kU8, kRows,
                   weights.groups() * weights.inputs());
  if (is_float) {
    input.SetRandom(random);
  } else {
    const int32_t largest = weights.matrix().activation_maximum;
    input.Set([&](int64_t, int64_t) {
      return random.Integer(0, 3) == 0 ? random.Integer(0, largest) : largest;
    });
  }
  input.Seal();
  Epilogue epilogue;
  epilogue.output.type = is_float ? DataType::kF32 : DataType::kS32;
  *product = TestMatrix(epilogue.output.type, kRows, weights.groups() * weights.outputs());
  const Context context = Context::Create().value();
  const Result<Linear> linear = Linear::Create(context, weights, epilogue);
  if (!linear.ok()) return linear.status();
  InputQuantization quantization;
  quantization.zero_point = is_float ? 0 : 3;
  RecordChecked(weights.isa());
  return linear->Run(input.input(), quantization, product->output());
}

TestMatrix Product(const PackedWeights& weights) {
  TestMatrix product;
  const Status status = Multiply(weights, &product);
  EXPECT_TRUE(status.ok()) << status.message();
  return product;
}

}  // namespace qforge::test
