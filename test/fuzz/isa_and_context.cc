// Names of ISAs, and contexts of any options.
#include <string>

#include "fuzz_input.h"
#include "qforge/context.h"
#include "qforge/isa.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qforge;
  fuzz::FuzzInput in(data, size);

  const auto any = in.Any<Isa>();
  fuzz::Check(IsaName(any) != nullptr, "an ISA without a name");
  (void)IsaSupported(any);
  const Result<Isa> best = BestIsa(any);
  if (best.ok()) {
    fuzz::Check(*best <= any && IsaSupported(*best), "the best ISA is beyond its cap");
  }

  fuzz::SerialPool pool;
  ContextOptions options;
  options.max_isa = in.Rarely() ? any : fuzz::DrawIsa(in);
  const auto threads = in.Any<int32_t>();
  // A ready-made pool starts threads, so it is asked for few.
  options.max_threads = in.Bool() ? threads : static_cast<int>(in.Nearly(1) % 4);
  options.pool = options.max_threads > 3 || in.Bool() ? &pool : nullptr;
  const Result<Context> context = Context::Create(options);
  if (context.ok()) {
    fuzz::Check(context->thread_count() >= 1, "a context without threads");
    fuzz::Check(IsaSupported(context->isa()), "an ISA that is not supported");
  }

  const std::string name(reinterpret_cast<const char*>(in.data()), in.left());
  const Result<Isa> parsed = ParseIsa(name.c_str());
  if (parsed.ok()) fuzz::Check(name.c_str() == std::string(IsaName(*parsed)), "another name");
  return 0;
}
