#include "soft_errors/lookup_campaign.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

#include "qforge/embedding_bag.h"
#include "support/isas.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

using Random = std::mt19937_64;

constexpr int64_t kBags = 10;
constexpr int64_t kRowsPerBag = 100;

int64_t Below(Random& random, int64_t bound) {
  return std::uniform_int_distribution<int64_t>(0, bound - 1)(random);
}

// Bytes of a row: first come those of its elements, then what else it holds, then its checksum.
struct RowParts {
  int64_t payload = 0;
  int64_t content = 0;

  explicit RowParts(const RowLayout& layout) {
    RowLayout plain = layout;
    plain.checksum = false;
    plain.stride = 0;
    content = RowBytes(plain);
    switch (layout.format) {
      case RowFormat::kU8:
        payload = layout.dimension;
        break;
      case RowFormat::kU4:
      case RowFormat::kCodebook4:
      case RowFormat::kTwoTier4:
        payload = (layout.dimension + 1) / 2;
        break;
      case RowFormat::kU2:
        payload = (layout.dimension + 3) / 4;
        break;
      default:
        payload = content;
    }
  }
};

class Lookups {
 public:
  Lookups(const LookupCase& which, const CampaignOptions& options)
      : case_(which),
        context_(MakeContext(which.isa, options.threads)),
        random_(options.seed),
        indices_(kBags * kRowsPerBag),
        output_(static_cast<size_t>(kBags * which.dimension)),
        clean_(output_.size()) {
    std::vector<float> values(static_cast<size_t>(which.rows * which.dimension));
    // Uniform: normal values would take most of the campaign's time.
    for (float& value : values) {
      value = static_cast<float>(static_cast<int32_t>(random_())) * 0x1p-31f;
    }
    TableQuantizationOptions quantization;
    quantization.format = which.format;
    quantization.iterations = 2;  // of codebooks, whose quality does not matter here
    quantization.clusters = 64;
    const InputMatrix rows(values.data(), which.rows, which.dimension);
    unchecked_.emplace(ValueOrThrow(EmbeddingTable::Quantize(context_, rows, quantization)));
    quantization.row_checksum = true;
    checked_.emplace(ValueOrThrow(EmbeddingTable::Quantize(context_, rows, quantization)));
    for (int64_t bag = 0; bag <= kBags; ++bag) offsets_.push_back(bag * kRowsPerBag);
    Draw();
  }

  // Other rows.
  void Draw() {
    for (int64_t& index : indices_) index = Below(random_, case_.rows);
  }

  EmbeddingBag MakeBag(const EmbeddingTable& table, const SoftErrorOptions& soft_errors) const {
    EmbeddingBagOptions options;
    options.soft_errors = soft_errors;
    return ValueOrThrow(EmbeddingBag::Create(context_, table, options));
  }

  bool Passes(const EmbeddingBag& bag) {
    const Status status = bag.Run({IndexView(indices_), IndexView(offsets_)},
                                  OutputMatrix(output_.data(), kBags, case_.dimension));
    if (!status.ok() && status.code() != StatusCode::kDataCorrupted) {
      throw std::runtime_error(status.message());
    }
    return status.ok();
  }
  void KeepOutput() { clean_ = output_; }
  bool OutputChanged() const {
    return std::memcmp(output_.data(), clean_.data(), output_.size() * sizeof(float)) != 0;
  }

  // A byte of a row that is looked up. The memory is the library's own, and writable.
  uint8_t* ByteOfRow(int64_t begin, int64_t end) {
    const int64_t row = indices_[static_cast<size_t>(Below(random_, kBags * kRowsPerBag))];
    return const_cast<uint8_t*>(static_cast<const uint8_t*>(checked_->row(row))) + begin +
           Below(random_, end - begin);
  }
  // A byte of the codebook that such a row names.
  uint8_t* ByteOfCodebook() {
    const int64_t row = indices_[static_cast<size_t>(Below(random_, kBags * kRowsPerBag))];
    uint16_t number;
    const RowParts parts(checked_->layout());
    std::memcpy(&number, static_cast<const uint8_t*>(checked_->row(row)) + parts.payload,
                sizeof(number));
    const Half* centres = checked_->codebooks().data() + 16 * int64_t{number};
    return reinterpret_cast<uint8_t*>(const_cast<Half*>(centres)) + Below(random_, 32);
  }

  const EmbeddingTable& checked() const { return *checked_; }
  const EmbeddingTable& unchecked() const { return *unchecked_; }
  Random& random() { return random_; }

 private:
  const LookupCase case_;
  const Context context_;
  Random random_;
  std::vector<int64_t> indices_;
  std::vector<int64_t> offsets_;
  std::vector<float> output_;
  std::vector<float> clean_;
  std::optional<EmbeddingTable> checked_;
  std::optional<EmbeddingTable> unchecked_;
};

template <class ChooseByte>
PlaceResult Inject(const std::string& place, Lookups& lookups, const CampaignOptions& options,
                   const ChooseByte& choose) {
  PlaceResult result;
  result.place = place;
  const EmbeddingBag bag = lookups.MakeBag(lookups.checked(), {});
  for (int64_t i = 0; i < options.injections; ++i) {
    lookups.Draw();
    if (!lookups.Passes(bag)) throw std::runtime_error("a look-up without a fault did not pass");
    lookups.KeepOutput();
    uint8_t* const byte = choose();
    const int bit = static_cast<int>(Below(lookups.random(), 8));
    *byte ^= static_cast<uint8_t>(1u << bit);
    const bool passes = lookups.Passes(bag);
    *byte ^= static_cast<uint8_t>(1u << bit);
    result.Count(lookups.OutputChanged(), !passes, bit);
  }
  return result;
}

}  // namespace

std::vector<LookupCase> LookupCases() {
  std::vector<LookupCase> cases;
  for (const RowFormat format :
       {RowFormat::kU8, RowFormat::kU4, RowFormat::kU2, RowFormat::kCodebook4, RowFormat::kTwoTier4,
        RowFormat::kE4M3, RowFormat::kF16, RowFormat::kBF16, RowFormat::kF32}) {
    for (const int64_t dimension : {32, 64, 128, 256}) {
      LookupCase& which = cases.emplace_back();
      which.format = format;
      which.dimension = dimension;
    }
  }
  return cases;
}

CaseResult RunLookupCampaign(const LookupCase& which, const CampaignOptions& options) {
  CaseResult result;
  result.name = std::string("embedding_bag/") + RowFormatName(which.format) +
                "/d:" + std::to_string(which.dimension) + "/rows:" + std::to_string(which.rows) +
                "/isa:" + IsaName(which.isa) + "/threads:" + std::to_string(options.threads);
  Lookups lookups(which, options);
  SoftErrorMonitor monitor;
  SoftErrorOptions soft_errors;
  soft_errors.policy = SoftErrorPolicy::kReport;
  soft_errors.monitor = &monitor;
  const EmbeddingBag counted = lookups.MakeBag(lookups.checked(), soft_errors);
  for (int64_t bags = 0; bags < options.clean_rows; bags += kBags) {
    if (bags % (100 * kBags) == 0) lookups.Draw();
    lookups.Passes(counted);
  }
  result.clean_rows = static_cast<int64_t>(monitor.counts().checked);
  result.false_positives = static_cast<int64_t>(monitor.counts().detected);

  const RowParts parts(lookups.checked().layout());
  result.places.push_back(
      Inject("payload", lookups, options, [&] { return lookups.ByteOfRow(0, parts.payload); }));
  if (which.format == RowFormat::kTwoTier4) {
    result.places.push_back(
        Inject("codebook", lookups, options, [&] { return lookups.ByteOfCodebook(); }));
  } else if (parts.content > parts.payload) {
    const bool codebook = which.format == RowFormat::kCodebook4;
    result.places.push_back(Inject(codebook ? "codebook" : "parameters", lookups, options, [&] {
      return lookups.ByteOfRow(parts.payload, parts.content);
    }));
  }

  lookups.Draw();
  const EmbeddingBag with = lookups.MakeBag(lookups.checked(), {});
  const EmbeddingBag without = lookups.MakeBag(lookups.unchecked(), {});
  result.overhead = MeasureOverhead([&] { return lookups.Passes(with); },
                                    [&] { return lookups.Passes(without); }, options);
  return result;
}

}  // namespace qforge::bench
