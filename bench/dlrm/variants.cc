#include "dlrm/variants.h"

#include <algorithm>
#include <utility>

#include "common/progress.h"
#include "dlrm/check.h"
#include "dlrm/float_mlp.h"
#include "dlrm/fp32_embeddings.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/int8_mlp.h"
#include "dlrm/metrics.h"
#include "dlrm/qforge_embeddings.h"

namespace dlrm {
namespace {

// Mean absolute difference of int8 logits from fp32 logits that calibration accepts: in a log loss
// it is far below the 0.02 % that recommendation can spare.
constexpr double kLogitBudget = 0.02;

struct FloatFormat {
  const char* name;
  const char* description;
  qforge::DataType type;
};
constexpr FloatFormat kFloatFormats[] = {
    {"fp32", "f32 weights", qforge::DataType::kF32},
    {"fp16", "f16 weights, f32 activations", qforge::DataType::kF16},
    {"bf16", "bf16 weights and activations", qforge::DataType::kBF16},
};
constexpr char kInt8Name[] = "int8";

// Makes engines of one model, with the same MLPs whatever the tables are.
class Factory {
 public:
  Factory(const qforge::Context& context, const Model& model, int64_t max_rows)
      : context_(context), model_(model), max_rows_(max_rows) {}

  Variant MakeFp32() const {
    return {.name = "fp32",
            .description = std::string("this program's own blocked ") +
                           Fp32KernelsFor(context_.isa()).name +
                           " kernels, weights packed, bias and ReLU fused; own sums of rows",
            .embedding = {},
            .engine = MakeEngine(
                std::make_shared<Fp32Embeddings>(context_, model_),
                std::make_shared<Fp32Mlp>(context_, model_.bottom, /*relu_last=*/true, max_rows_),
                std::make_shared<Fp32Mlp>(context_, model_.top, /*relu_last=*/false, max_rows_))};
  }

  // Of the ways to quantise the MLPs' f32 inputs, from the fastest to the most accurate, the first
  // that keeps the logits of the calibration requests close enough; else the last.
  Variant MakeInt8(const Requests& calibration, Engine& fp32) {
    const qforge::bench::Progress progress("quantising the MLPs");
    const Samples dense(calibration.dense.data(), calibration.rows, model_.dense_features());
    const std::vector<float> top_inputs = fp32.TopInputs(calibration);
    const Samples interactions(top_inputs.data(), calibration.rows, model_.top_inputs());
    const std::vector<float> fp32_logits = fp32.Score(calibration);

    Variant variant;
    variant.name = "int8";
    const auto embeddings = std::make_shared<Fp32Embeddings>(context_, model_);
    for (const auto& [scaling, scaling_text] :
         {std::pair(qforge::InputScaling::kPerTensor, ""),
          std::pair(qforge::InputScaling::kDynamicPerRow,
                    ", inputs in each request's own range")}) {
      bottom_ = std::make_shared<Int8Mlp>(context_, model_.bottom, /*relu_last=*/true, scaling,
                                          dense, max_rows_);
      top_ = std::make_shared<Int8Mlp>(context_, model_.top, /*relu_last=*/false, scaling,
                                       interactions, max_rows_);
      variant.engine = MakeEngine(embeddings, bottom_, top_);
      variant.description =
          std::string(
              "MLPs through qforge: s8 weights per channel, u8 activations in the ranges ") +
          "of the calibration set" + scaling_text + "; own sums of rows";
      const double difference = CompareLogits(variant.engine->Score(calibration), fp32_logits).mean;
      if (difference <= kLogitBudget) break;
    }
    return variant;
  }

  Variant MakeFloat(const FloatFormat& format) {
    bottom_ = std::make_shared<FloatMlp>(context_, model_.bottom, /*relu_last=*/true, format.type,
                                         max_rows_);
    top_ = std::make_shared<FloatMlp>(context_, model_.top, /*relu_last=*/false, format.type,
                                      max_rows_);
    return {
        .name = format.type == qforge::DataType::kF32 ? "fp32_qforge" : format.name,
        .description =
            std::string("MLPs through qforge: ") + format.description + "; own sums of rows",
        .embedding = {},
        .engine = MakeEngine(std::make_shared<Fp32Embeddings>(context_, model_), bottom_, top_)};
  }

  // With the MLPs of the variant that was made last, `mlp`.
  Variant MakeWithRows(const std::string& mlp, const EmbeddingFormat& format) const {
    return {.name = mlp + "_" + format.FullName(),
            .description = "rows through qforge too: " + format.Description(),
            .embedding = format,
            .engine = MakeEngine(std::make_shared<QforgeEmbeddings>(context_, model_, format),
                                 bottom_, top_)};
  }

 private:
  std::unique_ptr<Engine> MakeEngine(std::shared_ptr<Embeddings> embeddings,
                                     std::shared_ptr<Mlp> bottom, std::shared_ptr<Mlp> top) const {
    return std::make_unique<Engine>(context_, model_, std::move(embeddings), std::move(bottom),
                                    std::move(top), max_rows_);
  }

  const qforge::Context context_;
  const Model& model_;
  const int64_t max_rows_;
  std::shared_ptr<Mlp> bottom_, top_;
};

}  // namespace

std::vector<std::string> MlpFormatNames() {
  std::vector<std::string> names;
  for (const FloatFormat& format : kFloatFormats) names.push_back(format.name);
  names.push_back(kInt8Name);
  return names;
}

std::vector<Variant> MakeVariants(const qforge::Context& context, const Model& model,
                                  const Requests& calibration, const std::vector<std::string>& mlps,
                                  const std::vector<EmbeddingFormat>& formats, int64_t max_rows) {
  const std::vector<std::string> known = MlpFormatNames();
  for (const std::string& name : mlps) {
    if (std::count(known.begin(), known.end(), name) == 0) {
      throw Error("--mlp does not know '" + name + "'");
    }
  }
  const auto asked = [&](const std::string& name) {
    return std::count(mlps.begin(), mlps.end(), name) != 0;
  };
  Factory factory(context, model, max_rows);
  std::vector<Variant> variants;
  variants.push_back(factory.MakeFp32());
  for (const FloatFormat& format : kFloatFormats) {
    if (asked(format.name)) variants.push_back(factory.MakeFloat(format));
  }
  if (asked(kInt8Name)) {
    variants.push_back(factory.MakeInt8(calibration, *variants.front().engine));
  }
  if (variants.size() == 1) return variants;
  const std::string mlp = variants.back().name;
  for (const EmbeddingFormat& format : formats) {
    variants.push_back(factory.MakeWithRows(mlp, format));
  }
  return variants;
}

}  // namespace dlrm
