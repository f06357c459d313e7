// Reads back the sections of panels, see kernels/gemm_kernel.h: what SectionWriter has written, or
// what a file claims to be that.
#ifndef QFORGE_PACK_PANEL_SECTIONS_H_
#define QFORGE_PACK_PANEL_SECTIONS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pack/packed_matrix.h"

namespace qforge::pack {

struct Section {
  int64_t groups = 0;                  // of k
  const std::byte* moves = nullptr;    // of each group
  const std::byte* weights = nullptr;  // of each group
  int first_column = 0;                // of the panel
  int columns = 0;
  bool wide = false;  // s16, else s8

  int64_t group_bytes() const { return int64_t{columns} * (wide ? 8 : 4); }
  int32_t Move(int64_t group) const {
    int32_t move;
    std::memcpy(&move, moves + group * int64_t{sizeof(move)}, sizeof(move));
    return move;
  }
};

// What a panel consists of besides its dense groups, in the order in which kernels take it.
struct PanelSections {
  std::vector<Section> sections;
  int64_t position = 0;  // where the first move starts, from the row's first byte
  int64_t end = 0;       // behind the last one, from the first byte of the packed weights
};

// Of the panel that begins at `begin` and does not reach beyond `end`; false where it does. The
// layout has sections. Throws std::bad_alloc.
bool ReadPanelSections(const PackedMatrix& matrix, int64_t panel, int64_t begin, int64_t end,
                       PanelSections* sections);

// Whether each group of the panel lies within a row of A.
bool GroupsLieInRow(const PanelLayout& layout, const PanelSections& sections);

// For a layout with sections whose panel_bytes and product_bytes are not known: finds them and
// panel_offsets, and looks at every section. False where a kernel that follows them would leave the
// weights or a row. Throws std::bad_alloc.
bool FindPanels(PackedMatrix* matrix);

// Whether the products of each step of a panel of kNarrow fit into 16 bits, for weights of one sign
// whose sum is no larger than `largest_sum`.
bool StepsFit(const PanelLayout& layout, const PanelSections& sections, int64_t largest_sum);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_PANEL_SECTIONS_H_
