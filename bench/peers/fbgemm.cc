#include <fbgemm/Fbgemm.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "peers/fbgemm_isa.h"
#include "peers/peer.h"

namespace qforge::bench {
namespace {

using Requantization = fbgemm::ReQuantizeOutput<true, fbgemm::QuantizationGranularity::OUT_CHANNEL>;

// Everything that a call needs and that does not change between calls. Products are summed in
// `Sum`, of 32 bits or of 16, which go to 32 every 256 k.
template <class Sum>
struct Product {
  using PackedInput = fbgemm::PackAMatrix<uint8_t, Sum>;

  Product(const Int8Problem& problem_in, uint8_t* output_in)
      : problem(problem_in),
        output(output_in),
        m(static_cast<int>(problem.shape.m)),
        n(static_cast<int>(problem.shape.n)),
        k(static_cast<int>(problem.shape.k)),
        weights(fbgemm::matrix_op_t::NoTranspose, k, n, problem.weights.As<int8_t>(), n),
        column_sums(static_cast<size_t>(n)),
        zero_points(static_cast<size_t>(n)),
        accumulators(static_cast<size_t>(m) * n),
        // The packed block of A starts on a cache line.
        packed_input(static_cast<size_t>(PackedInput::packedBufferSize()) + 64) {
    const int8_t* b = problem.weights.As<int8_t>();
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < n; ++j) column_sums[static_cast<size_t>(j)] += b[i * n + j];
    }
    for (const float scale : problem.weight_scales) {
      multipliers.push_back(problem.input_scale * scale / problem.output_scale);
    }
  }

  void Run() {
    const uintptr_t address = reinterpret_cast<uintptr_t>(packed_input.data());
    uint8_t* const aligned = packed_input.data() + (-address & 63);
    // Row offsets, and their cost, are needed for weight zero-points only.
    PackedInput input(fbgemm::matrix_op_t::NoTranspose, m, k, problem.input.As<uint8_t>(), k,
                      aligned);
    const Requantization requantization(
        nothing_more, multipliers.data(), problem.output_zero_point, problem.input_zero_point,
        zero_points.data(), /*row_offsets=*/nullptr, column_sums.data(), problem.bias.data(), n);
    fbgemm::fbgemmPacked(input, weights, output, accumulators.data(), static_cast<uint32_t>(n),
                         requantization, /*thread_id=*/0, /*num_threads=*/1);
  }

  const Int8Problem& problem;
  uint8_t* output;
  int m, n, k;
  fbgemm::PackBMatrix<int8_t, Sum> weights;
  std::vector<int32_t> column_sums;
  std::vector<int32_t> zero_points;
  std::vector<float> multipliers;
  std::vector<int32_t> accumulators;
  std::vector<uint8_t> packed_input;
  fbgemm::DoNothing<> nothing_more;
};

template <class Sum>
Work ProductWork(const Int8Problem& problem, Isa isa, uint8_t* output) {
  const auto product = std::make_shared<Product<Sum>>(problem, output);
  // The packed layout belongs to the instruction set that was in force.
  return [product, isa](int64_t repetitions) {
    fbgemm::fbgemmForceIsa(FbgemmInstructionSet(isa));
    for (int64_t i = 0; i < repetitions; ++i) product->Run();
  };
}

class Fbgemm : public Peer {
 public:
  const char* name() const override { return "fbgemm"; }
  std::string description() const override { return "FBGEMM"; }

  bool Has(const Operands& operands) const override { return !operands.is_float(); }

  Work Prepare(const Int8Problem& problem, Isa isa, uint8_t* output) override {
    KeepFbgemmTo(isa);
    // Its outliers, which 16 bits have no room for, are left out: the family has none.
    return problem.operands.family == Family::kInt8Acc16
               ? ProductWork<int16_t>(problem, isa, output)
               : ProductWork<int32_t>(problem, isa, output);
  }
};

}  // namespace

std::unique_ptr<Peer> MakeFbgemm() {
  if (!fbgemm::fbgemmSupportedCPU()) return nullptr;
  return std::make_unique<Fbgemm>();
}

}  // namespace qforge::bench
