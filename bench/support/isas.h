// The instruction sets that a program measures on.
#ifndef QFORGE_BENCH_SUPPORT_ISAS_H_
#define QFORGE_BENCH_SUPPORT_ISAS_H_

#include <string>
#include <vector>

#include "qforge/context.h"
#include "qforge/isa.h"

namespace qforge::bench {

// Those that --isa names: the best one where it names none, and for "all" every one that this
// machine has but the scalar one, best first (peers are measured beside the first). Throws
// std::runtime_error for what the machine does not have.
std::vector<Isa> ChooseIsas(const std::vector<std::string>& names);

// A context with that ISA and number of threads. Throws std::runtime_error if it cannot be made.
Context MakeContext(Isa isa, int threads);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SUPPORT_ISAS_H_
