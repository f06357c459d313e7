// SparseLinear, of columns in order or, rarely, not.
#include "qforge/sparse_linear.h"

#include "products.h"

namespace qforge::fuzz {
namespace {

void FuzzSparseLinear(FuzzInput& in) {
  const int64_t inputs = DrawInputs(in);
  const int64_t outputs = DrawOutputs(in);
  const Context& context = DrawContext(in);

  test::Random random = in.Seed();
  const int64_t most = std::min(inputs, in.Pick<int64_t>({4, 0, 1, 16, 64, 300}));
  const int64_t columns = std::clamp<int64_t>(in.Nearly(outputs), 0, 128);
  GuardedBuffer<int64_t> offsets(columns + 1, in.Guard());
  int64_t count = 0;
  for (int64_t j = 0; j <= columns; ++j) {
    offsets[j] = count;
    count += random.Integer<int64_t>(0, most);
  }
  if (in.Rarely()) offsets[in.Integer(0, columns)] = in.Nearly(count);
  const int64_t entries = std::clamp<int64_t>(in.Nearly(offsets[columns]), 0, 1 << 16);
  GuardedBuffer<int32_t> rows_32(entries, in.Guard());
  GuardedBuffer<int64_t> rows_64(entries, in.Guard());
  int64_t column = 0;
  int64_t row = 0;
  for (int64_t e = 0; e < entries; ++e) {
    while (column < columns && offsets[column + 1] <= e) {
      ++column;
      row = 0;
    }
    if (most < inputs && inputs > 0) {
      row = std::min(row + random.Integer<int64_t>(0, 2 * inputs / std::max<int64_t>(most, 1)),
                     inputs - 1);
    }
    rows_32[e] = static_cast<int32_t>(row);
    rows_64[e] = row;
    if (most >= inputs) row = std::min(row + 1, std::max<int64_t>(inputs - 1, 0));
  }
  if (entries != 0 && in.Rarely()) {
    const int64_t position = in.Integer(0, entries - 1);
    rows_64[position] = in.Nearly(in.Integer(0, inputs));
    rows_32[position] = static_cast<int32_t>(rows_64[position]);
  }
  const GuardedBuffer<int8_t> values = DrawArray<int8_t>(in, in.Nearly(entries));
  SparseWeights weights;
  weights.inputs = in.Nearly(inputs);
  weights.outputs = in.Nearly(columns);
  weights.column_offsets = {offsets.data(), offsets.size()};
  weights.row_indices = in.Bool() ? IndexView(rows_64.data(), in.Rarely() ? 0 : entries)
                                  : IndexView(rows_32.data(), entries);
  weights.values = {values.data(), values.size()};

  SparseLinearOptions options;
  options.accumulate = in.Bool();
  const Result<SparseLinear> linear = SparseLinear::Create(context, weights, options);
  const Result<SparseLinear> scalar = SparseLinear::Create(ScalarContext(), weights, options);
  Check(linear.status().code() == scalar.status().code(), "creation ends in another way");
  if (!linear.ok()) return;

  const int64_t rows = in.Pick<int64_t>({1, 0, 2, 3, 15, 16, 17, 33, 64, 65});
  FuzzMatrix input(in, DataType::kU8, rows, inputs);
  if (in.Bool()) input.bytes().Seal();
  FuzzMatrix output(in, DataType::kS32, rows, outputs);
  if (input.type() != DataType::kU8 || output.type() != DataType::kS32) return;
  RunBoth(
      output, true,
      [&](const OutputMatrix&) {
        return scalar->Run(input.view<const uint8_t>(), output.view<int32_t>());
      },
      [&](const OutputMatrix&) {
        return linear->Run(input.view<const uint8_t>(), output.view<int32_t>());
      });
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzSparseLinear(in);
  return 0;
}
