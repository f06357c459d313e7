#include "cpu/dispatch.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cpu/host.h"
#include "cpu/isa_table.h"

namespace qforge {
namespace cpu {
namespace {

// "scalar, avx2, ..." in a fixed buffer: an error message must not allocate.
struct KnownNames {
  char text[160] = "";
  KnownNames() noexcept {
    size_t used = 0;
    for (int i = 0; i < kIsaCount && used < sizeof(text); ++i) {
      used += static_cast<size_t>(std::snprintf(text + used, sizeof(text) - used, "%s%s",
                                                i == 0 ? "" : ", ", IsaName(static_cast<Isa>(i))));
    }
  }
};

Result<Isa> ParseName(const char* name, const char* field) noexcept {
  const std::string_view wanted = name == nullptr ? "" : name;
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (wanted == IsaName(isa)) return isa;
  }
  return Status::Error(StatusCode::kInvalidArgument, field,
                       "unknown instruction set \"%.40s\"; known are %s", wanted.data(),
                       KnownNames().text);
}

}  // namespace

bool IsWithinCap(Isa isa, Isa cap) noexcept {
  return isa <= cap && Traits(isa).vector_bytes <= Traits(cap).vector_bytes;
}

Result<Isa> ParseEnvironmentCap(const char* value) noexcept {
  if (value == nullptr || value[0] == '\0') return kHighestIsa;
  return ParseName(value, kMaxIsaVariable);
}

const Result<Isa>& EnvironmentCap() noexcept {
  static const Result<Isa> cap = ParseEnvironmentCap(std::getenv(kMaxIsaVariable));
  return cap;
}

Isa ChooseIsa(Isa cap, Isa environment_cap, const CpuFeatures& features) noexcept {
  for (int i = kIsaCount - 1; i > 0; --i) {
    const Isa isa = static_cast<Isa>(i);
    if (IsWithinCap(isa, cap) && IsWithinCap(isa, environment_cap) && Supported(isa, features)) {
      return isa;
    }
  }
  return Isa::kScalar;
}

std::string WhyRefused(Isa isa, Isa cap, Isa environment_cap, const CpuFeatures& features) {
  // First what no change of a cap would help.
  if (const char* reason = WhyUnsupported(isa, features)) return reason;
  const auto beyond = [isa](Isa limit) {
    return isa > limit ? "above the cap " : "wider than the cap ";
  };
  if (!IsWithinCap(isa, environment_cap)) {
    return beyond(environment_cap) + std::string(kMaxIsaVariable) + "=" + IsaName(environment_cap);
  }
  if (!IsWithinCap(isa, cap)) return beyond(cap) + std::string(IsaName(cap));
  return "";
}

}  // namespace cpu

const char* IsaName(Isa isa) noexcept {
  return cpu::IsKnown(isa) ? cpu::Traits(isa).name : "unknown";
}

Result<Isa> ParseIsa(const char* name) noexcept { return cpu::ParseName(name, "name"); }

bool IsaSupported(Isa isa) noexcept {
  return cpu::IsKnown(isa) && cpu::Supported(isa, cpu::Host().features);
}

Result<Isa> BestIsa(Isa cap) noexcept {
  if (!cpu::IsKnown(cap)) {
    return Status::Error(StatusCode::kInvalidArgument, "cap", "%d is not one of the %d known ones",
                         static_cast<int>(cap), kIsaCount);
  }
  const Result<Isa>& environment_cap = cpu::EnvironmentCap();
  if (!environment_cap.ok()) return environment_cap.status();
  return cpu::ChooseIsa(cap, *environment_cap, cpu::Host().features);
}

}  // namespace qforge
