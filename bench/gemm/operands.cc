#include "gemm/operands.h"

#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "cpu/isa_table.h"

namespace qforge::bench {
namespace {

constexpr double kClippedDeviations = 4;

// In the order of Family.
constexpr FamilyTraits kFamilies[] = {
    // All of s8 and u8 occurs where weights are uniform.
    {"int8", DataType::kS8, DataType::kU8, -128, 127, 0, 255, 0.0},
    {"int8_acc16", DataType::kS8, DataType::kU8, -64, 64, 0, 127, 0.0},
    {"int8_outlier", DataType::kS8, DataType::kU8, -63, 63, 0, 255, 0.001},
    {"fp32", DataType::kF32, DataType::kF32, -1, 1, -1, 1, 0.0},
    {"fp16", DataType::kF16, DataType::kF32, -1, 1, -1, 1, 0.0},
    {"bf16", DataType::kBF16, DataType::kF32, -1, 1, -1, 1, 0.0},
};

DataType InputOf(Family family, Isa isa) {
  if (Traits(family).weights == DataType::kS8) return DataType::kU8;
  // What the dot product takes, where there is one.
  return family == Family::kBf16 && cpu::Traits(isa).bf16 ? DataType::kBF16 : DataType::kF32;
}

}  // namespace

const FamilyTraits& Traits(Family family) { return kFamilies[static_cast<int>(family)]; }

Family ParseFamily(const std::string& name) {
  std::string known;
  int index = 0;
  for (const FamilyTraits& traits : kFamilies) {
    if (name == traits.name) return static_cast<Family>(index);
    known += std::string(index++ == 0 ? "" : ", ") + traits.name;
  }
  throw std::runtime_error("no family " + name + "; there are " + known);
}

double Operands::WeightBytes(const Shape& shape) const {
  return static_cast<double>(shape.n) * static_cast<double>(shape.k) *
         DataTypeSize(traits().weights);
}

double Operands::WeightDeviation() const {
  if (weights == WeightDistribution::kNormal) return traits().weight_maximum / kClippedDeviations;
  return (traits().weight_maximum - traits().weight_minimum + 1) / std::sqrt(12.0);
}

std::string Operands::Variant() const {
  return weights == WeightDistribution::kNormal ? "/weights:normal" : "";
}

std::string Operands::ProductText() const {
  const std::string types = std::string(DataTypeName(input)) + " activations, " +
                            DataTypeName(traits().weights) + " weights";
  const std::string output = std::string(DataTypeName(traits().output)) + " output";
  return types + (is_float() ? ", " : ", bias, scales per channel, ReLU, ") + output;
}

std::string Operands::Description() const {
  const std::string maximum = std::to_string(traits().weight_maximum);
  const std::string range =
      weights == WeightDistribution::kNormal
          ? "normal, clipped at 4 sigma to +-" + maximum
          : "uniform from " + std::to_string(traits().weight_minimum) + " to " + maximum;
  char outliers[64] = "";
  if (OutlierShare() > 0.0) {
    std::snprintf(outliers, sizeof(outliers), ", %g %% of them beyond", 100.0 * OutlierShare());
  }
  return "weights " + range + outliers + "; activations " +
         std::to_string(traits().activation_minimum) + " to " +
         std::to_string(traits().activation_maximum);
}

std::vector<Operands> OperandsChoice::On(Isa isa) const {
  std::vector<Operands> result;
  for (const Family family : families) {
    const bool any_weights = Traits(family).weights != DataType::kS8 ||
                             (family == Family::kInt8 && cpu::Traits(isa).vnni);
    const WeightDistribution usual =
        any_weights ? WeightDistribution::kUniform : WeightDistribution::kNormal;
    result.push_back({family, InputOf(family, isa), weights.value_or(usual)});
  }
  return result;
}

}  // namespace qforge::bench
