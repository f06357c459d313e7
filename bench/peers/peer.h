// Other libraries that compute the same product, measured beside qforge in the same process.
#ifndef QFORGE_BENCH_PEERS_PEER_H_
#define QFORGE_BENCH_PEERS_PEER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gemm/float_problem.h"
#include "gemm/int8_problem.h"
#include "gemm/operands.h"
#include "qforge/isa.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

class Peer {
 public:
  virtual ~Peer() = default;
  // As in benchmark names: "onednn".
  virtual const char* name() const = 0;
  // As in text: "oneDNN 3.8.0".
  virtual std::string description() const = 0;
  // Whether the library has products that are meant for them.
  virtual bool Has(const Operands& operands) const = 0;
  // Packs the weights and returns the product, which writes to `output` (m x n) and which the
  // problem must outlive. The library is kept to the instructions of `isa`, where it has a way to
  // do so once per process: an error if it was kept to others before. One thread. Throws
  // std::runtime_error if the library cannot do it.
  virtual Work Prepare(const Int8Problem& problem, Isa isa, uint8_t* output);
  virtual Work Prepare(const FloatProblem& problem, Isa isa, float* output);
};

// Those that this program was built with.
const std::vector<std::unique_ptr<Peer>>& Peers();
// Of these the ones that have the product.
std::vector<Peer*> Peers(const Operands& operands);

// A prepared product of a peer whose first result has been compared with the reference.
struct PeerWork {
  Work work;
  // Whether the result was right up to rounding. Without VNNI, libraries let sums of two products
  // or more saturate at 16 bits, which is faster than being exact.
  bool exact = false;
};
// Throws as Prepare(), and where the result of a float product is wrong, for which there is no
// such reason.
PeerWork PreparePeer(Peer& peer, std::shared_ptr<const Problem> problem, Isa isa);

// Made by the adapters; null in a program built without the library.
std::unique_ptr<Peer> MakeOneDnn();
std::unique_ptr<Peer> MakeFbgemm();
std::unique_ptr<Peer> MakeFbgemmFp16();

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_PEERS_PEER_H_
