#include "peers/peer.h"

#include <utility>

#include "base/aligned_buffer.h"
#include "support/value_or_throw.h"

namespace qforge::bench {

const std::vector<std::unique_ptr<Peer>>& Peers() {
  static const auto peers = [] {
    std::vector<std::unique_ptr<Peer>> found;
    for (auto make : {MakeOneDnn, MakeFbgemm}) {
      if (std::unique_ptr<Peer> peer = make()) found.push_back(std::move(peer));
    }
    return found;
  }();
  return peers;
}

std::vector<Peer*> Peers(Family family) {
  std::vector<Peer*> found;
  for (const std::unique_ptr<Peer>& peer : Peers()) {
    if (peer->Has(family)) found.push_back(peer.get());
  }
  return found;
}

PeerWork PreparePeer(Peer& peer, std::shared_ptr<const Problem> problem, Isa isa) {
  // Their float stages round differently from qforge's: a result next to a tie may be off by one.
  constexpr double kOffByOneAllowed = 1e-3;
  const auto output = std::make_shared<base::AlignedBuffer>(ValueOrThrow(
      base::AlignedBuffer::Allocate(static_cast<size_t>(problem->shape.m * problem->shape.n))));
  const Work work = peer.Prepare(problem, isa, output->As<uint8_t>());
  work(1);
  const Deviation deviation = CompareWithReference(*problem, output->As<uint8_t>());
  return {[work, output](int64_t repetitions) { work(repetitions); },
          deviation.by_more == 0 && deviation.by_one <= kOffByOneAllowed};
}

#if !QFORGE_BENCH_HAVE_ONEDNN
std::unique_ptr<Peer> MakeOneDnn() { return nullptr; }
#endif
#if !QFORGE_BENCH_HAVE_FBGEMM
std::unique_ptr<Peer> MakeFbgemm() { return nullptr; }
#endif

}  // namespace qforge::bench
