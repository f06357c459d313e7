#include <fbgemm/Fbgemm.h>
#include <fbgemm/FbgemmFP16.h>

#include <memory>
#include <string>
#include <vector>

#include "peers/fbgemm_isa.h"
#include "peers/peer.h"

namespace qforge::bench {
namespace {

// f32 activations and f16 weights, which it takes as f32.
class FbgemmFp16 : public Peer {
 public:
  const char* name() const override { return "fbgemm"; }
  std::string description() const override { return "FBGEMM"; }
  bool Has(const Operands& operands) const override { return operands.family == Family::kFp16; }

  Work Prepare(const FloatProblem& problem, Isa isa, float* output) override {
    KeepFbgemmTo(isa);
    const std::vector<float> plain = problem.WeightsAsF32();
    const auto weights = std::make_shared<fbgemm::PackedGemmMatrixFP16>(
        fbgemm::matrix_op_t::NoTranspose, static_cast<int>(problem.shape.k),
        static_cast<int>(problem.shape.n), /*alpha=*/1.0f, plain.data());
    // The packed layout belongs to the instruction set that was in force.
    return [&problem, weights, isa, output](int64_t repetitions) {
      fbgemm::fbgemmForceIsa(FbgemmInstructionSet(isa));
      for (int64_t i = 0; i < repetitions; ++i) {
        fbgemm::cblas_gemm_compute(fbgemm::matrix_op_t::NoTranspose,
                                   static_cast<int>(problem.shape.m), problem.input.As<float>(),
                                   *weights, /*beta=*/0.0f, output, /*thread_id=*/0,
                                   /*num_threads=*/1);
      }
    };
  }
};

}  // namespace

std::unique_ptr<Peer> MakeFbgemmFp16() {
  if (!fbgemm::fbgemmSupportedCPU()) return nullptr;
  return std::make_unique<FbgemmFp16>();
}

}  // namespace qforge::bench
