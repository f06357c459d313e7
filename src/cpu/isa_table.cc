#include "cpu/isa_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace qforge::cpu {
namespace {

constexpr IsaTraits kTable[] = {
    // isa, name, vector bytes, vector registers, evex, vnni, bf16
    {Isa::kScalar, "scalar", 0, 0, false, false, false},
    {Isa::kAvx2, "avx2", 32, 16, false, false, false},
    {Isa::kAvxVnni, "avx_vnni", 32, 16, false, true, false},
    {Isa::kAvx512_256, "avx512_256", 32, 32, true, false, false},
    {Isa::kAvx512, "avx512", 64, 32, true, false, false},
    {Isa::kAvx512Vnni256, "avx512_vnni_256", 32, 32, true, true, false},
    {Isa::kAvx512Vnni, "avx512_vnni", 64, 32, true, true, false},
    {Isa::kAvx512Bf16, "avx512_bf16", 64, 32, true, true, true},
};

constexpr bool RowsFollowTheEnumeration() {
  int position = 0;
  for (const IsaTraits& row : kTable) {
    if (static_cast<int>(row.isa) != position++) return false;
  }
  return position == kIsaCount;
}
static_assert(RowsFollowTheEnumeration());

// Whether `name` is one of the words of `list`.
constexpr bool Holds(std::string_view list, std::string_view name) {
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(' ', begin), list.size());
    if (list.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

constexpr auto kEnabled = [] {
  std::array<bool, kIsaCount> enabled{};
  for (const IsaTraits& row : kTable) {
    enabled[static_cast<size_t>(row.isa)] = row.isa == Isa::kScalar || Holds(QFORGE_ISAS, row.name);
  }
  return enabled;
}();

}  // namespace

bool IsEnabled(Isa isa) noexcept { return kEnabled[static_cast<size_t>(isa)]; }

const IsaTraits& Traits(Isa isa) noexcept { return kTable[static_cast<int>(isa)]; }

}  // namespace qforge::cpu
