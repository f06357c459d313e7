#include <oneapi/dnnl/dnnl.hpp>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "peers/peer.h"

namespace qforge::bench {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

struct Limitation {
  dnnl::cpu_isa isa;
  bool prefer_256_bits = false;
};

Limitation LimitationTo(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return {dnnl::cpu_isa::avx2};
    case Isa::kAvxVnni:
      return {dnnl::cpu_isa::avx2_vnni};
    case Isa::kAvx512_256:
      return {dnnl::cpu_isa::avx512_core, true};
    case Isa::kAvx512:
      return {dnnl::cpu_isa::avx512_core};
    case Isa::kAvx512Vnni256:
      return {dnnl::cpu_isa::avx512_core_vnni, true};
    case Isa::kAvx512Vnni:
      return {dnnl::cpu_isa::avx512_core_vnni};
    case Isa::kAvx512Bf16:
      return {dnnl::cpu_isa::avx512_core_bf16};
    case Isa::kScalar:
      break;
  }
  throw std::runtime_error("oneDNN has no scalar path to compare with");
}

// What a primitive and its arguments refer to, kept alive with them.
struct Product {
  explicit Product(std::shared_ptr<const Problem> problem_in) : problem(std::move(problem_in)) {
    // One scale from accumulator to output: those of input and output as arguments of their own
    // would cost oneDNN time.
    for (size_t j = 0; j < problem->weight_scales.size(); ++j) {
      multipliers.push_back(problem->input_scale * problem->weight_scales[j] /
                            problem->output_scale);
      scaled_bias.push_back(static_cast<float>(problem->bias[j]) * multipliers.back());
    }
  }

  std::shared_ptr<const Problem> problem;
  std::vector<float> multipliers;
  std::vector<float> scaled_bias;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  Arguments arguments;
};

// How quantisation is described differs between releases.
#if DNNL_VERSION_MAJOR >= 3

dnnl::primitive_attr Attributes(const Product&) {
  dnnl::primitive_attr attributes;
  attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 1);
  attributes.set_zero_points_mask(DNNL_ARG_SRC, 0);
  attributes.set_zero_points_mask(DNNL_ARG_DST, 0);
  dnnl::post_ops relu;
  relu.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(relu);
  return attributes;
}

// The bias is added after scaling.
memory Bias(Product& product) {
  return memory({{1, product.problem->shape.n}, memory::data_type::f32, memory::format_tag::ab},
                product.engine, product.scaled_bias.data());
}

void AddQuantization(Product& product) {
  const Problem& problem = *product.problem;
  const auto array = [&](memory::dim size, memory::data_type type, const void* data) {
    return memory({{size}, type, memory::format_tag::a}, product.engine, const_cast<void*>(data));
  };
  product.arguments.insert({
      {DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS,
       array(problem.shape.n, memory::data_type::f32, product.multipliers.data())},
      {DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC,
       array(1, memory::data_type::s32, &problem.input_zero_point)},
      {DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST,
       array(1, memory::data_type::s32, &problem.output_zero_point)},
  });
}

dnnl::matmul::primitive_desc Describe(const Product& product, const memory::desc& input,
                                      const memory::desc& weights, const memory::desc& bias,
                                      const memory::desc& output,
                                      const dnnl::primitive_attr& attributes) {
  return {product.engine, input, weights, bias, output, attributes};
}

#else

dnnl::primitive_attr Attributes(const Product& product) {
  dnnl::primitive_attr attributes;
  attributes.set_output_scales(1 << 1, product.multipliers);
  attributes.set_zero_points(DNNL_ARG_SRC, 0, {product.problem->input_zero_point});
  attributes.set_zero_points(DNNL_ARG_DST, 0, {product.problem->output_zero_point});
  dnnl::post_ops relu;
  relu.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(relu);
  return attributes;
}

// The bias is added before scaling.
memory Bias(Product& product) {
  return memory({{1, product.problem->shape.n}, memory::data_type::s32, memory::format_tag::ab},
                product.engine, const_cast<int32_t*>(product.problem->bias.data()));
}

// It is all in the attributes.
void AddQuantization(Product&) {}

dnnl::matmul::primitive_desc Describe(const Product& product, const memory::desc& input,
                                      const memory::desc& weights, const memory::desc& bias,
                                      const memory::desc& output,
                                      const dnnl::primitive_attr& attributes) {
  return {{input, weights, bias, output}, attributes, product.engine};
}

#endif

std::shared_ptr<Product> MakeProduct(std::shared_ptr<const Problem> problem_in, uint8_t* output) {
  const auto product = std::make_shared<Product>(std::move(problem_in));
  const Problem& problem = *product->problem;
  const dnnl::engine& engine = product->engine;
  const memory::dim m = problem.shape.m, n = problem.shape.n, k = problem.shape.k;
  using Type = memory::data_type;
  using Tag = memory::format_tag;

  dnnl::primitive_attr attributes = Attributes(*product);
  // Nothing is allocated in a call.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const memory::desc input({m, k}, Type::u8, Tag::ab);
  const memory::desc result({m, n}, Type::u8, Tag::ab);
  const memory bias = Bias(*product);
  // The library chooses the layout of the weights, packed once here.
  const auto description = Describe(*product, input, memory::desc({k, n}, Type::s8, Tag::any),
                                    bias.get_desc(), result, attributes);
  product->primitive = dnnl::matmul(description);
  memory plain({{k, n}, Type::s8, Tag::ab}, engine,
               const_cast<int8_t*>(problem.weights.As<int8_t>()));
  memory packed(description.weights_desc(), engine);
  dnnl::reorder(plain, packed).execute(product->stream, plain, packed);
  product->stream.wait();

  product->arguments = {
      {DNNL_ARG_SRC, memory(input, engine, const_cast<uint8_t*>(problem.input.As<uint8_t>()))},
      {DNNL_ARG_WEIGHTS, packed},
      {DNNL_ARG_BIAS, bias},
      {DNNL_ARG_DST, memory(result, engine, output)},
      {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), engine)},
  };
  AddQuantization(*product);
  return product;
}

class OneDnn : public Peer {
 public:
  const char* name() const override { return "onednn"; }

  std::string description() const override {
    const dnnl_version_t* version = dnnl_version();
    return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch);
  }

  bool Has(Family family) const override { return family == Family::kInt8; }

  Work Prepare(std::shared_ptr<const Problem> problem, Isa isa, uint8_t* output) override {
    const Limitation limitation = LimitationTo(isa);
    // Both can be set once, before the first primitive; what counts is what is in force.
    (void)dnnl_set_max_cpu_isa(static_cast<dnnl_cpu_isa_t>(limitation.isa));
    (void)dnnl_set_cpu_isa_hints(limitation.prefer_256_bits ? dnnl_cpu_isa_prefer_ymm
                                                            : dnnl_cpu_isa_no_hints);
    if (dnnl::get_effective_cpu_isa() != limitation.isa ||
        (dnnl_get_cpu_isa_hints() == dnnl_cpu_isa_prefer_ymm) != limitation.prefer_256_bits) {
      throw std::runtime_error(std::string("oneDNN is not limited to ") + IsaName(isa) +
                               " in this process");
    }
#if defined(_OPENMP)
    omp_set_num_threads(1);  // for builds of oneDNN that use OpenMP; others have one thread here
#endif
    const auto product = MakeProduct(std::move(problem), output);
    return [product](int64_t repetitions) {
      for (int64_t i = 0; i < repetitions; ++i) {
        product->primitive.execute(product->stream, product->arguments);
      }
      product->stream.wait();
    };
  }
};

}  // namespace

std::unique_ptr<Peer> MakeOneDnn() { return std::make_unique<OneDnn>(); }

}  // namespace qforge::bench
