#include "peers/peer.h"

#include <stdexcept>
#include <utility>

#include "base/aligned_buffer.h"
#include "support/value_or_throw.h"

namespace qforge::bench {

Work Peer::Prepare(const Int8Problem&, Isa, uint8_t*) {
  throw std::runtime_error(std::string(name()) + " has no products of int8");
}

Work Peer::Prepare(const FloatProblem&, Isa, float*) {
  throw std::runtime_error(std::string(name()) + " has no products of floats");
}

const std::vector<std::unique_ptr<Peer>>& Peers() {
  static const auto peers = [] {
    std::vector<std::unique_ptr<Peer>> found;
    for (auto make : {MakeOneDnn, MakeFbgemm, MakeFbgemmFp16}) {
      if (std::unique_ptr<Peer> peer = make()) found.push_back(std::move(peer));
    }
    return found;
  }();
  return peers;
}

std::vector<Peer*> Peers(const Operands& operands) {
  std::vector<Peer*> found;
  for (const std::unique_ptr<Peer>& peer : Peers()) {
    if (peer->Has(operands)) found.push_back(peer.get());
  }
  return found;
}

PeerWork PreparePeer(Peer& peer, std::shared_ptr<const Problem> problem, Isa isa) {
  const Shape& shape = problem->shape;
  const auto output = std::make_shared<base::AlignedBuffer>(
      ValueOrThrow(base::AlignedBuffer::Allocate(static_cast<size_t>(
          shape.m * shape.n * DataTypeSize(problem->operands.traits().output)))));
  const Work work = problem->Prepare(peer, isa, output->data());
  work(1);
  const bool exact = problem->IsRightUpToRounding(output->data());
  if (!exact && problem->operands.is_float()) {
    throw std::runtime_error(std::string("the result of ") + peer.name() + " for " + shape.Name() +
                             " is wrong");
  }
  return {[problem, work, output](int64_t repetitions) { work(repetitions); }, exact};
}

#if !QFORGE_BENCH_HAVE_ONEDNN
std::unique_ptr<Peer> MakeOneDnn() { return nullptr; }
#endif
#if !QFORGE_BENCH_HAVE_FBGEMM
std::unique_ptr<Peer> MakeFbgemm() { return nullptr; }
#endif
#if !QFORGE_BENCH_HAVE_FBGEMM_FP16
std::unique_ptr<Peer> MakeFbgemmFp16() { return nullptr; }
#endif

}  // namespace qforge::bench
