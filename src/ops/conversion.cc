#include "qforge/conversion.h"

#include "base/float_environment.h"
#include "ops/array_functions.h"
#include "ops/validate.h"

namespace qforge {
namespace {

template <class To>
Status ConvertFromF32(ArrayView<const float> input, ArrayView<To> output, bool clipped) {
  QFORGE_RETURN_IF_ERROR(CheckConversion(AsRow(input), AsRow(output)));
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::FromF32Function*> convert =
      GetFromF32(*isa, DataTypeOf<To>::kValue, clipped);
  if (!convert.ok()) return convert.status();
  const base::FloatEnvironment environment;
  (*convert)(input.data(), input.size(), output.data());
  return Status();
}

template <class From>
Status ConvertToF32(ArrayView<const From> input, ArrayView<float> output) {
  QFORGE_RETURN_IF_ERROR(CheckConversion(AsRow(input), AsRow(output)));
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::ToF32Function*> convert = GetToF32(*isa, DataTypeOf<From>::kValue);
  if (!convert.ok()) return convert.status();
  const base::FloatEnvironment environment;
  (*convert)(input.data(), input.size(), input.size(), output.data());
  return Status();
}

}  // namespace

Status Convert(ArrayView<const float> input, ArrayView<Half> output,
               const ConversionOptions& options) noexcept {
  return ConvertFromF32(input, output, options.clip_to_finite);
}

Status Convert(ArrayView<const float> input, ArrayView<BFloat16> output,
               const ConversionOptions& options) noexcept {
  return ConvertFromF32(input, output, options.clip_to_finite);
}

Status Convert(ArrayView<const Half> input, ArrayView<float> output) noexcept {
  return ConvertToF32(input, output);
}

Status Convert(ArrayView<const BFloat16> input, ArrayView<float> output) noexcept {
  return ConvertToF32(input, output);
}

}  // namespace qforge
