// What the matrices of a benchmark hold: its family, and how the weights are distributed.
#ifndef QFORGE_BENCH_GEMM_OPERANDS_H_
#define QFORGE_BENCH_GEMM_OPERANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gemm/shapes.h"
#include "qforge/isa.h"
#include "qforge/types.h"

namespace qforge::bench {

// Families of benchmarks, see FamilyTraits.
enum class Family : uint8_t { kInt8, kInt8Acc16, kInt8Outlier, kFp32, kFp16, kBf16 };

enum class WeightDistribution : uint8_t {
  kUniform,
  kNormal,  // clipped at 4 standard deviations, which are weight_maximum; s8: rounded
};

struct FamilyTraits {
  const char* name;
  DataType weights;    // kS8, or those of a float product
  DataType output;     // what the product is measured with
  int weight_minimum;  // of uniform weights
  int weight_maximum;
  int activation_minimum;  // uniform from here on
  int activation_maximum;
  // Of the weights, so many are instead uniform beyond the range above, up to 127 either way.
  double outlier_share;
};
const FamilyTraits& Traits(Family family);
Family ParseFamily(const std::string& name);  // throws std::runtime_error

struct Operands {
  Family family = Family::kInt8;
  DataType input = DataType::kU8;  // of the activations
  WeightDistribution weights = WeightDistribution::kUniform;
  bool has_outliers = true;  // if the family has any

  const FamilyTraits& traits() const { return Traits(family); }
  bool is_float() const { return traits().weights != DataType::kS8; }
  // Of a matrix of weights, before it is packed.
  double WeightBytes(const Shape& shape) const;
  double OutlierShare() const { return has_outliers ? traits().outlier_share : 0.0; }
  // Standard deviation of the weights.
  double WeightDeviation() const;
  // The end of a benchmark's name: "/weights:normal", or "" where they are uniform.
  std::string Variant() const;
  // For a heading: "u8 activations, s8 weights, bias, scales per channel, ReLU, u8 output".
  std::string ProductText() const;
  // Likewise: "weights normal, clipped at 4 sigma to +-127; activations 0 to 255".
  std::string Description() const;
};

// What the command line asks for.
struct OperandsChoice {
  std::vector<Family> families = {Family::kInt8};
  // Unless given: normal where the speed depends on the weights or the family is stated for them,
  // which is those of s8 but for int8 with VNNI.
  std::optional<WeightDistribution> weights;

  std::vector<Operands> On(Isa isa) const;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_OPERANDS_H_
