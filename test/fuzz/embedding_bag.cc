// Tables of any layout, look-ups in them, and CompactIndices.
#include "qforge/embedding_bag.h"

#include <optional>

#include "fuzz_input.h"
#include "tables.h"

namespace qforge::fuzz {
namespace {

// Integers of 32 or 64 bits.
class FuzzIndices {
 public:
  FuzzIndices() = default;
  FuzzIndices(FuzzInput& in, int64_t size)
      : wide_(in.Bool()),
        narrow_(wide_ ? 0 : std::clamp<int64_t>(size, 0, 1024), in.Guard()),
        values_(wide_ ? std::clamp<int64_t>(size, 0, 1024) : 0, in.Guard()) {}

  void Set(int64_t i, int64_t value) {
    if (wide_) {
      values_[i] = value;
    } else {
      narrow_[i] = static_cast<int32_t>(value);
    }
  }
  int64_t size() const { return wide_ ? values_.size() : narrow_.size(); }
  IndexView view() const {
    return wide_ ? IndexView(values_.data(), size()) : IndexView(narrow_.data(), size());
  }

 private:
  bool wide_ = true;
  GuardedBuffer<int32_t> narrow_;
  GuardedBuffer<int64_t> values_;
};

// Bags of indices that are below `rows`, and rarely are not.
struct FuzzLookUp {
  FuzzLookUp(FuzzInput& in, const EmbeddingBagOptions& options, int64_t rows, bool valid)
      : bags(in.Pick<int64_t>({3, 1, 0, 20})) {
    test::Random random = in.Seed();
    const int64_t most = valid && rows <= 0 ? 0 : in.Pick<int64_t>({4, 1, 0, 40});
    const auto nearly = [&](int64_t right) { return valid ? right : in.Nearly(right); };
    const bool pooled = options.pooling != Pooling::kNone;
    bounds = FuzzIndices(
        in, pooled ? nearly(bags + (options.bounds == BagBounds::kOffsets ? 1 : 0)) : nearly(0));
    int64_t end = 0;
    for (int64_t b = 0; b < std::max(bounds.size(), bags); ++b) {
      const int64_t length = random.Integer<int64_t>(0, most);
      if (b < bounds.size()) {
        bounds.Set(b, nearly(options.bounds == BagBounds::kLengths ? length : end));
      }
      const bool counted = options.bounds != BagBounds::kOffsets || b + 1 < bounds.size();
      if (counted) end += length;
    }
    indices = FuzzIndices(in, nearly(end));
    for (int64_t p = 0; p < indices.size(); ++p) {
      indices.Set(p, random.Integer<int64_t>(0, std::max<int64_t>(rows - 1, 0)));
    }
    if (!valid && indices.size() != 0 && in.Any<uint8_t>() % 8 == 7) {
      const int64_t position = in.Integer(0, indices.size() - 1);
      indices.Set(position, in.Nearly(rows));
    }
    if (options.weights != BagWeights::kNone) {
      weights = DrawArray<float>(
          in, nearly(options.weights == BagWeights::kPerBagPosition ? most : indices.size()));
    }
    input.indices = indices.view();
    input.bounds = bounds.view();
    input.weights = {weights.data(), weights.size()};
  }

  int64_t bags;
  FuzzIndices indices;
  FuzzIndices bounds;
  GuardedBuffer<float> weights;
  BagInput input;
};

void FuzzLookUps(FuzzInput& in) {
  const Context& context = DrawContext(in);
  FuzzTable memory(in);
  Result<EmbeddingTable> table = in.Bool() ? memory.Copy() : memory.Borrow();
  if (!table.ok()) return;
  Check(RowBytes(memory.layout) > 0, "a table of a layout that is not valid");
  (void)table->Describe();
  if (in.Bool()) {
    const Status added = table->AddChecksums(context);
    if (added.ok()) CheckOk(table->Scrub(context, 0, table->rows()));
  }

  EmbeddingBagOptions options;
  options.pooling = in.Enum<Pooling>(3);
  options.weights = in.Enum<BagWeights>(3);
  options.bounds = in.Enum<BagBounds>(3);
  options.output = DrawType(in, {DataType::kF32, DataType::kF16, DataType::kBF16, DataType::kU8});
  GuardedBuffer<int32_t> row_map{in.Any<uint8_t>() % 4 == 3 ? in.Pick({7, 1, 60}) : 0, in.Guard()};
  for (int32_t& value : row_map) {
    value =
        static_cast<int32_t>(in.Nearly(in.Integer(-1, std::max<int64_t>(table->rows() - 1, 0))));
  }
  options.row_map = {row_map.data(), row_map.size()};
  options.prefetch_distance = static_cast<int>(in.Nearly(in.Pick<int64_t>({-1, 0, 3, 16})));
  options.trusted = in.Any<uint8_t>() % 8 == 7;
  SoftErrorMonitor monitor;
  if (in.Bool()) {
    options.soft_errors.policy = in.Enum<SoftErrorPolicy>(4);
    options.soft_errors.monitor = in.Bool() ? &monitor : nullptr;
    options.soft_errors.sample_interval = in.Nearly(in.Pick<int64_t>({1, 1, 2, 7}));
  }
  const Result<EmbeddingBag> bag = EmbeddingBag::Create(context, *table, options);
  const Result<EmbeddingBag> scalar = EmbeddingBag::Create(ScalarContext(), *table, options);
  Check(bag.status().code() == scalar.status().code(), "creation ends in another way");
  if (!bag.ok()) return;

  const int64_t rows = row_map.size() != 0 ? row_map.size() : table->rows();
  const FuzzLookUp look_up(in, options, rows, options.trusted);
  const int64_t output_rows =
      options.pooling == Pooling::kNone ? look_up.indices.size() : look_up.bags;
  const int64_t output_cols =
      options.output == DataType::kU8 ? RowBytes(table->layout()) : table->dimension();
  FuzzMatrix output(in, options.output, output_rows, output_cols);
  const Snapshot before(output.bytes());
  const Status expected_status = scalar->Run(look_up.input, output.output());
  Check(output.bytes().CanariesIntact(), "the scalar path wrote beyond the output");
  const Snapshot expected(output.bytes());
  before.Restore(output.bytes());
  const bool together = in.Bool();
  const auto run = [&] {
    if (!together) return bag->Run(look_up.input, output.output());
    const OutputMatrix to = output.output();
    return EmbeddingBag::RunAll(context, {&*bag, 1}, {&look_up.input, 1}, {&to, 1});
  };
  const Status status = run();
  Check(output.bytes().CanariesIntact(), "written beyond the output");
  if (!status.ok() && status.code() != StatusCode::kDataCorrupted) {
    Check(before.Equals(output.bytes()), "failed and wrote");
  }
  Check(status.code() == expected_status.code(), "another status than the scalar path gives");
  Check(SameValues(output.type(), expected.data(), output.bytes().data(), expected.size()),
        "another result than the scalar path gives");
}

void FuzzCompactIndices(FuzzInput& in) {
  EmbeddingBagOptions options;
  const int64_t rows = in.Pick<int64_t>({7, 1, 0, 60});
  const FuzzLookUp look_up(in, options, rows, false);
  GuardedBuffer<int32_t> row_map(rows, in.Guard());
  for (int32_t& value : row_map) value = static_cast<int32_t>(in.Nearly(in.Integer(-1, 9)));
  const int64_t size = look_up.indices.size();
  const auto indices = DrawArray<int64_t>(in, in.Nearly(size));
  const auto offsets = DrawArray<int64_t>(in, in.Nearly(look_up.bounds.size()));
  const auto positions = DrawArray<int64_t>(in, in.Bool() ? 0 : in.Nearly(size));
  int64_t count = -1;
  const Status status =
      CompactIndices(look_up.input.indices, look_up.input.bounds, {row_map.data(), row_map.size()},
                     {indices.data(), indices.size()}, {offsets.data(), offsets.size()},
                     {positions.data(), positions.size()}, in.Rarely() ? nullptr : &count);
  Check(indices.CanariesIntact() && offsets.CanariesIntact() && positions.CanariesIntact(),
        "written beyond an output");
  if (!status.ok()) return;
  Check(count >= 0 && count <= size, "more indices are kept than there were");
  Check(offsets[offsets.size() - 1] <= count, "a bag ends behind the indices that are kept");
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  if (in.Any<uint8_t>() % 8 == 7) {
    qforge::fuzz::FuzzCompactIndices(in);
  } else {
    qforge::fuzz::FuzzLookUps(in);
  }
  return 0;
}
