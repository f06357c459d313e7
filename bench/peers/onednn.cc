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

struct Product {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  Arguments arguments;
};

// With what the arguments refer to.
struct Int8Product : Product {
  explicit Int8Product(const Int8Problem& problem_in) : problem(problem_in) {
    // One scale from accumulator to output: those of input and output as arguments of their own
    // would cost oneDNN time.
    for (size_t j = 0; j < problem.weight_scales.size(); ++j) {
      multipliers.push_back(problem.input_scale * problem.weight_scales[j] / problem.output_scale);
      scaled_bias.push_back(static_cast<float>(problem.bias[j]) * multipliers.back());
    }
  }

  const Int8Problem& problem;
  std::vector<float> multipliers;
  std::vector<float> scaled_bias;
};

// How quantisation and primitives are described differs between releases.
#if DNNL_VERSION_MAJOR >= 3

dnnl::primitive_attr Attributes(const Int8Product&) {
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
memory Bias(Int8Product& product) {
  return memory({{1, product.problem.shape.n}, memory::data_type::f32, memory::format_tag::ab},
                product.engine, product.scaled_bias.data());
}

void AddQuantization(Int8Product& product) {
  const Int8Problem& problem = product.problem;
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

dnnl::matmul::primitive_desc Describe(const Product& product, const memory::desc& input,
                                      const memory::desc& weights, const memory::desc& output,
                                      const dnnl::primitive_attr& attributes) {
  return {product.engine, input, weights, output, attributes};
}

#else

dnnl::primitive_attr Attributes(const Int8Product& product) {
  dnnl::primitive_attr attributes;
  attributes.set_output_scales(1 << 1, product.multipliers);
  attributes.set_zero_points(DNNL_ARG_SRC, 0, {product.problem.input_zero_point});
  attributes.set_zero_points(DNNL_ARG_DST, 0, {product.problem.output_zero_point});
  dnnl::post_ops relu;
  relu.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(relu);
  return attributes;
}

// The bias is added before scaling.
memory Bias(Int8Product& product) {
  return memory({{1, product.problem.shape.n}, memory::data_type::s32, memory::format_tag::ab},
                product.engine, const_cast<int32_t*>(product.problem.bias.data()));
}

// It is all in the attributes.
void AddQuantization(Int8Product&) {}

dnnl::matmul::primitive_desc Describe(const Product& product, const memory::desc& input,
                                      const memory::desc& weights, const memory::desc& bias,
                                      const memory::desc& output,
                                      const dnnl::primitive_attr& attributes) {
  return {{input, weights, bias, output}, attributes, product.engine};
}

dnnl::matmul::primitive_desc Describe(const Product& product, const memory::desc& input,
                                      const memory::desc& weights, const memory::desc& output,
                                      const dnnl::primitive_attr& attributes) {
  return {{input, weights, output}, attributes, product.engine};
}

#endif

using Type = memory::data_type;
using Tag = memory::format_tag;

// In a call: its scratchpad is an argument.
dnnl::primitive_attr AllocatingNothing(dnnl::primitive_attr attributes) {
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// Packs the weights in the layout that `description` chose and fills in the arguments that every
// product has.
void Prepare(Product& product, const dnnl::matmul::primitive_desc& description, const void* input,
             const memory::desc& plain_weights, const void* weights, void* output) {
  const dnnl::engine& engine = product.engine;
  product.primitive = dnnl::matmul(description);
  memory plain(plain_weights, engine, const_cast<void*>(weights));
  memory packed(description.weights_desc(), engine);
  dnnl::reorder(plain, packed).execute(product.stream, plain, packed);
  product.stream.wait();
  product.arguments = {
      {DNNL_ARG_SRC, memory(description.src_desc(), engine, const_cast<void*>(input))},
      {DNNL_ARG_WEIGHTS, packed},
      {DNNL_ARG_DST, memory(description.dst_desc(), engine, output)},
      {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), engine)},
  };
}

std::shared_ptr<Product> MakeProduct(const Int8Problem& problem, uint8_t* output) {
  const auto product = std::make_shared<Int8Product>(problem);
  const memory::dim m = problem.shape.m, n = problem.shape.n, k = problem.shape.k;
  const dnnl::primitive_attr attributes = AllocatingNothing(Attributes(*product));
  const memory bias = Bias(*product);
  const auto description = Describe(*product, memory::desc({m, k}, Type::u8, Tag::ab),
                                    memory::desc({k, n}, Type::s8, Tag::any), bias.get_desc(),
                                    memory::desc({m, n}, Type::u8, Tag::ab), attributes);
  Prepare(*product, description, problem.input.data(), memory::desc({k, n}, Type::s8, Tag::ab),
          problem.weights.data(), output);
  product->arguments.insert({DNNL_ARG_BIAS, bias});
  AddQuantization(*product);
  return product;
}

std::shared_ptr<Product> MakeProduct(const FloatProblem& problem, float* output) {
  const auto product = std::make_shared<Product>();
  const memory::dim m = problem.shape.m, n = problem.shape.n, k = problem.shape.k;
  const Type type = problem.operands.input == DataType::kBF16 ? Type::bf16 : Type::f32;
  const auto description =
      Describe(*product, memory::desc({m, k}, type, Tag::ab), memory::desc({k, n}, type, Tag::any),
               memory::desc({m, n}, Type::f32, Tag::ab), AllocatingNothing({}));
  Prepare(*product, description, problem.input.data(), memory::desc({k, n}, type, Tag::ab),
          problem.weights.data(), output);
  return product;
}

// Keeps oneDNN to `isa` and one thread.
void KeepTo(Isa isa) {
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
}

template <class ProblemType, class Output>
Work ProductWork(const ProblemType& problem, Isa isa, Output* output) {
  KeepTo(isa);
  const std::shared_ptr<Product> product = MakeProduct(problem, output);
  return [product](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      product->primitive.execute(product->stream, product->arguments);
    }
    product->stream.wait();
  };
}

class OneDnn : public Peer {
 public:
  const char* name() const override { return "onednn"; }

  std::string description() const override {
    const dnnl_version_t* version = dnnl_version();
    return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch);
  }

  // Its float products take activations and weights of one type.
  bool Has(const Operands& operands) const override {
    return operands.family == Family::kInt8 || operands.input == operands.traits().weights;
  }

  Work Prepare(const Int8Problem& problem, Isa isa, uint8_t* output) override {
    return ProductWork(problem, isa, output);
  }
  Work Prepare(const FloatProblem& problem, Isa isa, float* output) override {
    return ProductWork(problem, isa, output);
  }
};

}  // namespace

std::unique_ptr<Peer> MakeOneDnn() { return std::make_unique<OneDnn>(); }

}  // namespace qforge::bench
