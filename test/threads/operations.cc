#include "threads/operations.h"

#include <atomic>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include "support/random.h"

namespace qforge::test {
namespace {

// Some million products each, so that they are worth several threads.
struct Kind {
  int64_t rows, inputs, outputs;
  Activation activation, float_activation;
  RowFormat format;
};
constexpr Kind kAllKinds[] = {
    {61, 260, 300, Activation::kNone, Activation::kGeluTanh, RowFormat::kU4},
    {3, 1024, 1400, Activation::kRelu, Activation::kSilu, RowFormat::kU8},
    {130, 129, 201, Activation::kClamp, Activation::kSigmoid, RowFormat::kF16},
    {50, 300, 310, Activation::kRelu, Activation::kGeluErf, RowFormat::kU2},
    {5, 900, 1000, Activation::kClamp, Activation::kRelu, RowFormat::kBF16},
};
static_assert(std::size(kAllKinds) == Operations::kKinds);

constexpr int64_t kTableRows = 500, kDimension = 64, kBags = 120, kBagLength = 30;

bool SameBytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<float> Reals(Random& random, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.Real(-1.0f, 1.0f);
  return values;
}

void ThrowUnlessOk(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message());
}

}  // namespace

Operations::Operations(const Context& context, int kind)
    : kind_(kind),
      rows_(kAllKinds[kind].rows),
      inputs_(kAllKinds[kind].inputs),
      outputs_(kAllKinds[kind].outputs) {
  Random random(static_cast<uint64_t>(kind));
  activations_.resize(static_cast<size_t>(rows_ * inputs_));
  for (uint8_t& value : activations_) value = random.Any<uint8_t>();
  weights_.resize(static_cast<size_t>(inputs_ * outputs_));
  for (int8_t& value : weights_) value = random.Any<int8_t>();
  float_activations_ = Reals(random, rows_ * inputs_);
  float_weights_ = Reals(random, inputs_ * outputs_);
  table_ = Reals(random, kTableRows * kDimension);
  for (int64_t i = 0; i < kBags * kBagLength; ++i) {
    indices_.push_back(random.Integer<int64_t>(0, kTableRows - 1));
  }
  for (int64_t i = 0; i <= kBags; ++i) offsets_.push_back(i * kBagLength);

  const All alone = Create(Context::Create().value());
  ThrowUnlessOk(RunAll(alone, &expected_));
  expected_accumulators_.resize(static_cast<size_t>(rows_ * outputs_));
  ThrowUnlessOk(alone.accumulators.Run({activations_.data(), rows_, inputs_}, InputQuantization(),
                                       {expected_accumulators_.data(), rows_, outputs_}));
  all_ = Create(context);
}

Operations::All Operations::Create(const Context& context) {
  SoftErrorOptions soft_errors;
  soft_errors.policy = SoftErrorPolicy::kRecompute;
  soft_errors.monitor = &monitor_;
  LinearOptions options;
  options.soft_errors = soft_errors;

  PackedWeightsOptions packing;
  packing.soft_error_check = true;
  const PackedWeights weights =
      PackedWeights::Create(MatrixView<const int8_t>(weights_.data(), inputs_, outputs_), packing)
          .value();
  Epilogue epilogue;
  epilogue.activation = kAllKinds[kind_].activation;
  epilogue.clamp_min = -1000.0f;
  epilogue.clamp_max = 3000.0f;
  epilogue.output = OutputF32{};
  Epilogue accumulators;
  accumulators.output = OutputS32{};
  LinearOptions tile_options = options;
  tile_options.soft_errors.policy = SoftErrorPolicy::kFail;  // tiles are not computed again

  FloatWeightsOptions float_packing;
  float_packing.soft_error_check = true;
  const PackedWeights float_weights =
      PackedWeights::Create(MatrixView<const float>(float_weights_.data(), inputs_, outputs_),
                            float_packing)
          .value();
  Epilogue float_epilogue;
  float_epilogue.activation = kAllKinds[kind_].float_activation;

  TableQuantizationOptions quantization;
  quantization.format = kAllKinds[kind_].format;
  quantization.row_checksum = true;
  const EmbeddingTable table =
      EmbeddingTable::Quantize(context, {table_.data(), kTableRows, kDimension}, quantization)
          .value();
  EmbeddingBagOptions pooling;
  pooling.soft_errors = soft_errors;

  return {Linear::Create(context, weights, epilogue, options).value(),
          Linear::Create(context, weights, accumulators, tile_options).value(),
          Linear::Create(context, float_weights, float_epilogue, options).value(),
          EmbeddingBag::Create(context, table, pooling).value()};
}

Status Operations::RunAll(const All& all, Results* results) const {
  results->int8.resize(static_cast<size_t>(rows_ * outputs_));
  results->floats.resize(static_cast<size_t>(rows_ * outputs_));
  results->sums.resize(static_cast<size_t>(kBags * kDimension));
  Status status = all.int8.Run({activations_.data(), rows_, inputs_}, {0.02f, 100},
                               {results->int8.data(), rows_, outputs_});
  if (!status.ok()) return status;
  status = all.floats.Run({float_activations_.data(), rows_, inputs_},
                          {results->floats.data(), rows_, outputs_});
  if (!status.ok()) return status;
  return all.bag.Run({indices_, offsets_}, {results->sums.data(), kBags, kDimension});
}

std::string Operations::Run() const {
  const uint64_t checked_before = monitor_.counts().checked;
  Results results;
  const Status status = RunAll(*all_, &results);
  if (!status.ok()) return status.message();
  if (!SameBytes(results.int8, expected_.int8)) return "the int8 product has other bits";
  if (!SameBytes(results.floats, expected_.floats)) return "the float product has other bits";
  if (!SameBytes(results.sums, expected_.sums)) return "the look-up has other bits";
  const SoftErrorCounts counts = monitor_.counts();
  if (counts.detected != 0) return "a false alarm";
  // At least those of this call.
  if (counts.checked < checked_before + static_cast<uint64_t>(2 * rows_ + kBags)) {
    return "not all was checked";
  }
  return "";
}

std::string Operations::RunAround(const Operations& inner) const {
  std::atomic<int64_t> wrong{0}, covered{0}, failed{0};
  const Status status = all_->accumulators.RunTiles(
      {activations_.data(), rows_, inputs_}, InputQuantization(), [&](const AccumulatorTile& tile) {
        for (int64_t i = 0; i < tile.rows; ++i) {
          for (int64_t j = 0; j < tile.columns; ++j) {
            const int64_t place = (tile.row + i) * outputs_ + tile.column + j;
            wrong += tile.data[i * tile.stride + j] !=
                     expected_accumulators_[static_cast<size_t>(place)];
          }
        }
        // The first tile of every panel.
        if (tile.row == 0 && !inner.Run().empty()) ++failed;
        covered += tile.rows * tile.columns;
      });
  if (!status.ok()) return status.message();
  if (wrong != 0) return "accumulators are wrong";
  if (failed != 0) return "operations within the callback went wrong";
  if (covered != rows_ * outputs_) return "tiles do not cover the product";
  return "";
}

}  // namespace qforge::test
