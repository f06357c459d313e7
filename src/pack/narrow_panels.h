// Panels whose products are summed in 16 bits: vpmaddubsw, the fast multiply-add of machines
// without VNNI, saturates, and so does any sum of 16 bits that grows too long. Here groups of k are
// brought together so that no sum can, whatever the activations are: the weights alone decide. See
// kernels/gemm_kernel.h for the sections of such a panel.
#ifndef QFORGE_PACK_NARROW_PANELS_H_
#define QFORGE_PACK_NARROW_PANELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pack/outliers.h"

namespace qforge::pack {

// What holds for all panels of a matrix.
struct NarrowRules {
  int columns = 0;         // of a panel
  int vector_columns = 0;  // of a vector
  int depth = 0;           // groups of a step
  // The largest sum of weights of one sign whose products with activations fit into 16 bits.
  int32_t largest_sum = 128;
  // What steps and wide groups cost, in the same unit.
  double step_cost = 1.0;
  double wide_group_cost = 1.0;
};

// How the groups of one or more panels are multiplied, counted by vector.
struct NarrowShares {
  int64_t groups = 0;       // of k, as the matrix has them
  int64_t split = 0;        // groups that stand for what did not fit into a step beside others
  int64_t wide_groups = 0;  // summed in 32 bits
  double cost = 0.0;

  void Add(const NarrowShares& other) {
    groups += other.groups;
    split += other.split;
    wide_groups += other.wide_groups;
    cost += other.cost;
  }
};

// A panel's bytes: both of its sections.
struct NarrowPanel {
  std::vector<std::byte> bytes;
  NarrowShares shares;
};

// `groups` holds for each 4 k and each column their 4 weights, with zeros beyond `inputs`, which is
// at least 4. Throws std::bad_alloc.
//
// Steps are filled greedily. A group that leaves no room for any of the next ones gets the one that
// fits best, without the excess of its weights, which become a group of their own; it is worth it
// if few of them are. A panel that is cheaper without steps has wide groups only.
NarrowPanel PackNarrowPanel(const NarrowRules& rules, const int8_t* groups, int64_t inputs,
                            const std::vector<WideGroup>& outliers);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_NARROW_PANELS_H_
