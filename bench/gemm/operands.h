// What the matrices of a benchmark hold: its family, and how the weights are distributed.
#ifndef QFORGE_BENCH_GEMM_OPERANDS_H_
#define QFORGE_BENCH_GEMM_OPERANDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qforge/isa.h"

namespace qforge::bench {

// Families of benchmarks, see FamilyTraits.
enum class Family : uint8_t { kInt8, kInt8Acc16, kInt8Outlier };

enum class WeightDistribution : uint8_t {
  kUniform,
  kNormal,  // rounded, and clipped at 4 standard deviations, which are weight_maximum
};

struct FamilyTraits {
  const char* name;
  int weight_minimum;  // of uniform weights
  int weight_maximum;
  int activation_maximum;  // uniform from 0 on
  // Of the weights, so many are instead uniform beyond the range above, up to 127 either way.
  double outlier_share;
  // Without VNNI, the part of the limit to reach on products of 6 rows and more, and 256 inputs and
  // outputs and more.
  double narrow_target;
};
const FamilyTraits& Traits(Family family);
Family ParseFamily(const std::string& name);  // throws std::runtime_error

struct Operands {
  Family family = Family::kInt8;
  WeightDistribution weights = WeightDistribution::kUniform;
  bool has_outliers = true;  // if the family has any

  const FamilyTraits& traits() const { return Traits(family); }
  double OutlierShare() const { return has_outliers ? traits().outlier_share : 0.0; }
  // Standard deviation of the weights.
  double WeightDeviation() const;
  // The end of a benchmark's name: "/weights:normal", or "" where they are uniform.
  std::string Variant() const;
  // For a heading: "weights normal, clipped at 4 sigma to +-127; activations to 255".
  std::string Description() const;
};

// What the command line asks for.
struct OperandsChoice {
  std::vector<Family> families = {Family::kInt8};
  // Unless given: normal where the speed depends on the weights or the family is stated for them,
  // which is all but int8 with VNNI.
  std::optional<WeightDistribution> weights;

  std::vector<Operands> On(Isa isa) const;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_OPERANDS_H_
