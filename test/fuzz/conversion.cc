// Arrays of floats to 16 bits and back.
#include "qforge/conversion.h"

#include "fuzz_input.h"

namespace qforge::fuzz {
namespace {

template <class To, class From, class Convert_>
void FuzzConversion(FuzzInput& in, Convert_&& convert, To (*definition)(From)) {
  const int64_t size = in.Integer(0, 100);
  GuardedBuffer<From> input = DrawArray<From>(in, size);
  GuardedBuffer<To> output = DrawArray<To>(in, in.Rarely() ? in.Integer(0, 100) : size);
  ArrayView<const From> from(input.data(), in.Rarely() ? in.Nearly(size) : size);
  ArrayView<To> to(output.data(), output.size());
  if (from.size() != to.size() || !in.Rarely()) {
    if (from.size() > input.size()) from = ArrayView<const From>(input.data(), input.size());
  } else if (in.Bool()) {
    from = ArrayView<const From>(nullptr, to.size());
  } else {
    to = ArrayView<To>(reinterpret_cast<To*>(input.data()), to.size() / 2);
    from = ArrayView<const From>(input.data(), to.size());
  }
  input.Seal();
  const Status status = convert(from, to);
  Check(output.CanariesIntact(), "written beyond the output");
  if (!status.ok() || definition == nullptr) return;
  for (int64_t i = 0; i < to.size(); ++i) {
    const To expected = definition(from[i]);
    Check(std::memcmp(&expected, &to[i], sizeof(To)) == 0, "not what qforge/half.h says");
  }
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qforge;
  fuzz::FuzzInput in(data, size);
  ConversionOptions options;
  options.clip_to_finite = in.Bool();
  switch (in.Any<uint8_t>() % 4) {
    case 0:
      fuzz::FuzzConversion<Half, float>(
          in, [&](auto from, auto to) { return Convert(from, to, options); },
          options.clip_to_finite ? nullptr : &ToHalf);
      break;
    case 1:
      fuzz::FuzzConversion<BFloat16, float>(
          in, [&](auto from, auto to) { return Convert(from, to, options); },
          options.clip_to_finite ? nullptr : &ToBFloat16);
      break;
    case 2:
      fuzz::FuzzConversion<float, Half>(
          in, [](auto from, auto to) { return Convert(from, to); }, &ToFloat);
      break;
    default:
      fuzz::FuzzConversion<float, BFloat16>(
          in, [](auto from, auto to) { return Convert(from, to); }, &ToFloat);
  }
  return 0;
}
