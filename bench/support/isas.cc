#include "support/isas.h"

#include <stdexcept>

#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

std::vector<Isa> AllSupported() {
  std::vector<Isa> isas;
  for (int i = kIsaCount - 1; i >= 0; --i) {
    const Isa isa = static_cast<Isa>(i);
    if (isa != Isa::kScalar && IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

}  // namespace

std::vector<Isa> ChooseIsas(const std::vector<std::string>& names) {
  if (names.empty()) return {ValueOrThrow(BestIsa())};
  if (names.size() == 1 && names.front() == "all") return AllSupported();
  std::vector<Isa> isas;
  for (const std::string& name : names) {
    const Isa isa = ValueOrThrow(ParseIsa(name.c_str()));
    if (!IsaSupported(isa)) throw std::runtime_error("this machine has no " + name);
    isas.push_back(isa);
  }
  return isas;
}

Context MakeContext(Isa isa, int threads) {
  ContextOptions options;
  options.max_threads = threads;
  options.max_isa = isa;
  const Context context = ValueOrThrow(Context::Create(options));
  if (context.isa() != isa) {
    throw std::runtime_error(std::string("asked for ") + IsaName(isa) + ", got " +
                             IsaName(context.isa()) + "; is QFORGE_MAX_ISA set?");
  }
  return context;
}

}  // namespace qforge::bench
