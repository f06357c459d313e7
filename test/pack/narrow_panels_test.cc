#include "pack/narrow_panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/gemm_kernel.h"
#include "pack/outliers.h"
#include "plan/summation.h"
#include "support/guarded_buffer.h"
#include "support/random.h"

namespace qforge::pack {
namespace {

using kernels::SectionHeader;
using test::Guard;
using test::GuardedBuffer;
using test::Random;

constexpr int kGroup = 4;

// Weights by column and k.
class Weights {
 public:
  Weights(int columns, int64_t inputs)
      : inputs_(inputs), values_(static_cast<size_t>(columns * inputs)) {}
  int32_t& at(int column, int64_t k) { return values_[static_cast<size_t>(column * inputs_ + k)]; }
  int32_t at(int column, int64_t k) const {
    return values_[static_cast<size_t>(column * inputs_ + k)];
  }
  bool operator==(const Weights& other) const = default;

 private:
  int64_t inputs_;
  std::vector<int32_t> values_;
};

// What PackNarrowPanel() is called with.
struct Panel {
  NarrowRules rules;
  int64_t inputs = 0;
  std::vector<WideGroup> outliers;

  friend std::ostream& operator<<(std::ostream& out, const Panel& x) {
    return out << x.rules.columns << " columns in vectors of " << x.rules.vector_columns
               << ", depth " << x.rules.depth << ", K " << x.inputs << ", sums up to "
               << x.rules.largest_sum << ", " << x.outliers.size() << " outliers";
  }
};

// Rules of the cost model.
NarrowRules MakeRules(int vectors, int vector_columns, int depth, int32_t activation_maximum) {
  NarrowRules rules;
  rules.columns = vectors * vector_columns;
  rules.vector_columns = vector_columns;
  rules.depth = depth;
  rules.largest_sum = plan::LargestNarrowSum(activation_maximum);
  rules.step_cost = vectors * plan::NarrowStepCost(depth);
  rules.wide_group_cost = vectors * plan::kWideGroupCost;
  return rules;
}

// Reads the sections of a panel back, as kernels/gemm_kernel.h describes them and a kernel reads
// them, and checks on the way what a kernel relies on.
class Reader {
 public:
  Reader(const std::vector<std::byte>& bytes, const NarrowRules& rules, int64_t inputs,
         int64_t position)
      : bytes_(bytes),
        rules_(rules),
        inputs_(inputs),
        position_(position),
        weights_(rules.columns, inputs) {}

  void Steps() {
    Section(rules_.depth, rules_.columns * kGroup, [&](int64_t step, const std::byte* from) {
      // By column, half of a group, and sign.
      std::vector<int32_t> sums(static_cast<size_t>(rules_.columns * 4));
      for (int group = 0; group < rules_.depth; ++group) {
        Move();
        for (int column = 0; column < rules_.columns; ++column) {
          for (int k = 0; k < kGroup; ++k) {
            int8_t weight;
            std::memcpy(&weight, from + (group * rules_.columns + column) * kGroup + k, 1);
            Add(column, k, weight);
            sums[static_cast<size_t>(column * 4 + k / 2 * 2 + (weight < 0))] += std::abs(weight);
          }
        }
      }
      const int32_t largest = *std::max_element(sums.begin(), sums.end());
      EXPECT_LE(largest, rules_.largest_sum) << "step " << step;
      largest_sum_ = std::max(largest_sum_, largest);
    });
    steps_ = count_;
  }

  void WideGroups() {
    Section(1, 2 * rules_.columns * kGroup, [&](int64_t, const std::byte* from) {
      Move();
      const int lanes = rules_.vector_columns;
      for (int vector = 0; vector < rules_.columns / lanes; ++vector) {
        for (int odd = 0; odd < 2; ++odd) {
          for (int i = 0; i < 2 * lanes; ++i) {
            int16_t weight;
            std::memcpy(&weight, from, sizeof(weight));
            from += sizeof(weight);
            Add(vector * lanes + i / 2, i % 2 * 2 + odd, weight);
          }
        }
      }
    });
    wide_groups_ = count_;
  }

  const Weights& weights() const { return weights_; }
  int64_t steps() const { return steps_; }
  int64_t wide_groups() const { return wide_groups_; }
  int32_t largest_sum() const { return largest_sum_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  // Visits entries of `groups` groups of `bytes` bytes each.
  template <class Entry>
  void Section(int groups, int64_t bytes, Entry&& entry) {
    ASSERT_LE(at_ + sizeof(SectionHeader), bytes_.size());
    // Kernels load whole vectors; alignment is what keeps them within a cache line.
    const size_t vector_bytes = static_cast<size_t>(rules_.vector_columns * kGroup);
    EXPECT_EQ(at_ % vector_bytes, 0u);
    SectionHeader header;
    std::memcpy(&header, bytes_.data() + at_, sizeof(header));
    ASSERT_GE(header.count, 0);
    const int64_t all = header.count * groups;
    EXPECT_EQ(header.weights_from % static_cast<int64_t>(vector_bytes), 0);
    ASSERT_GE(header.weights_from,
              static_cast<int64_t>(sizeof(header)) + all * int64_t{sizeof(int32_t)});
    const size_t weights = at_ + static_cast<size_t>(header.weights_from);
    ASSERT_LE(weights + static_cast<size_t>(all * bytes), bytes_.size());
    move_ = bytes_.data() + at_ + sizeof(header);
    for (int64_t i = 0; i < header.count; ++i) {
      entry(i, bytes_.data() + weights + i * groups * bytes);
    }
    at_ = weights + static_cast<size_t>(all * bytes);
    count_ = header.count;
  }

  void Move() {
    int32_t move;
    std::memcpy(&move, move_, sizeof(move));
    move_ += sizeof(move);
    position_ += move;
    EXPECT_GE(position_, 0);
    EXPECT_LE(position_ + kGroup, inputs_);
  }

  void Add(int column, int k, int32_t weight) {
    if (position_ >= 0 && position_ + k < inputs_) weights_.at(column, position_ + k) += weight;
  }

  const std::vector<std::byte>& bytes_;
  const NarrowRules rules_;
  const int64_t inputs_;
  int64_t position_;
  Weights weights_;
  size_t at_ = 0;
  const std::byte* move_ = nullptr;
  int64_t count_ = 0;
  int64_t steps_ = 0;
  int64_t wide_groups_ = 0;
  int32_t largest_sum_ = 0;
};

bool FitsInBytes(const WideGroup& group) {
  return std::all_of(group.weights.begin(), group.weights.end(),
                     [](int16_t weight) { return weight >= -128 && weight <= 127; });
}

// What a check saw.
struct Seen {
  NarrowShares shares;
  int64_t steps = 0;
  int32_t largest_sum = 0;
};

// Packs the panel with weight(column, k), and expects that what kernels read is that.
template <class Weight>
Seen Check(const Panel& panel, Weight&& weight, Guard guard = Guard::kBehind) {
  const NarrowRules& rules = panel.rules;
  const int64_t groups = (panel.inputs + kGroup - 1) / kGroup;
  Weights expected(rules.columns, panel.inputs);
  GuardedBuffer<int8_t> source(groups * rules.columns * kGroup, guard);
  std::fill(source.begin(), source.end(), int8_t{0});
  for (int column = 0; column < rules.columns; ++column) {
    for (int64_t k = 0; k < panel.inputs; ++k) {
      const int8_t value = static_cast<int8_t>(weight(column, k));
      source[(k / kGroup * rules.columns + column) * kGroup + k % kGroup] = value;
      expected.at(column, k) = value;
    }
  }
  for (const WideGroup& group : panel.outliers) {
    for (int column = 0; column < rules.columns; ++column) {
      for (int k = 0; k < kGroup; ++k) {
        expected.at(column, group.offset + k) +=
            group.weights[static_cast<size_t>(column * kGroup + k)];
      }
    }
  }
  source.Seal();

  const NarrowPanel packed = PackNarrowPanel(rules, source.data(), panel.inputs, panel.outliers);
  Reader reader(packed.bytes, rules, panel.inputs, 0);
  reader.Steps();
  reader.WideGroups();
  EXPECT_TRUE(reader.at_end()) << panel;
  EXPECT_TRUE(reader.weights() == expected) << "other weights: " << panel;

  const NarrowShares& shares = packed.shares;
  const int vectors = rules.columns / rules.vector_columns;
  EXPECT_EQ(shares.groups, vectors * groups) << panel;
  EXPECT_EQ(shares.wide_groups, vectors * reader.wide_groups()) << panel;
  EXPECT_DOUBLE_EQ(shares.cost,
                   static_cast<double>(reader.steps()) * rules.step_cost +
                       static_cast<double>(reader.wide_groups()) * rules.wide_group_cost)
      << panel;
  // Outliers that s8 can hold are groups like others.
  const int64_t narrow = std::count_if(panel.outliers.begin(), panel.outliers.end(), FitsInBytes);
  const int64_t wide = static_cast<int64_t>(panel.outliers.size()) - narrow;
  if (reader.steps() == 0) {
    EXPECT_EQ(shares.split, vectors * narrow) << panel;
    EXPECT_EQ(reader.wide_groups(), groups + narrow + wide) << panel;
  } else {
    EXPECT_GE(shares.split, vectors * narrow) << panel;
    EXPECT_EQ(reader.wide_groups(), wide) << panel;
    EXPECT_GE(reader.steps() * rules.depth * vectors, shares.groups + shares.split) << panel;
  }
  return {shares, reader.steps(), reader.largest_sum()};
}

constexpr int kVectorColumns[] = {8, 16};
constexpr int32_t kMaxima[] = {255, 254, 127, 64, 15, 1};

TEST(NarrowPanels, HoldRandomWeights) {
  Random random(1);
  int64_t narrow = 0, split = 0, wide = 0;
  for (int i = 0; i < 1200 && !::testing::Test::HasFailure(); ++i) {
    Panel panel;
    const int depth = plan::kNarrowDepths[random.Integer(0, 3)];
    panel.rules = MakeRules(random.Integer(1, 2), kVectorColumns[random.Integer(0, 1)], depth,
                            kMaxima[random.Integer(0, 5)]);
    panel.inputs = random.Integer<int64_t>(4, i % 10 == 0 ? 700 : 70);
    // Weights of any width, a few of them unsafe.
    const int reach = 1 << random.Integer(0, 7);
    const int outliers = i % 3 == 0 ? random.Integer(1, 50) : 0;
    for (int left = i % 4 == 0 ? random.Integer(1, 5) : 0; left > 0; --left) {
      WideGroup& group = panel.outliers.emplace_back();
      group.offset = random.Integer(0, static_cast<int32_t>(panel.inputs) - kGroup);
      const bool narrow = left % 2 == 0;
      for (int j = 0; j < panel.rules.columns * kGroup; ++j) {
        group.weights.push_back(narrow ? random.Any<int8_t>() : random.Any<int16_t>());
      }
    }
    const auto weight = [&](int, int64_t) {
      if (random.Integer(0, 999) < outliers) return random.Integer(0, 1) == 0 ? 127 : -128;
      return random.Integer(-reach, reach - 1);
    };
    const Seen seen = Check(panel, weight, i % 2 == 0 ? Guard::kBehind : Guard::kInFront);
    narrow += seen.steps > 0;
    split += seen.shares.split > 0;
    wide += seen.steps == 0;
  }
  EXPECT_GT(narrow, 300);
  EXPECT_GT(split, 100);
  EXPECT_GT(wide, 30);
}

// The last group of k is moved back to lie within the row.
TEST(NarrowPanels, HoldEveryRemainder) {
  Random random(2);
  for (int64_t inputs = 4; inputs <= 40; ++inputs) {
    for (int depth : plan::kNarrowDepths) {
      Panel panel;
      panel.rules = MakeRules(2, 8, depth, 255);
      panel.inputs = inputs;
      Check(panel, [&](int, int64_t) { return random.Integer(-9, 9); });
      Check(panel, [&](int, int64_t k) { return k == inputs - 1 ? 127 : 1; });
    }
  }
}

// Weights whose sums come to the very limit in steps of each depth, and one beyond it.
TEST(NarrowPanels, FillStepsToTheLimit) {
  for (int vector_columns : kVectorColumns) {
    for (int depth : plan::kNarrowDepths) {
      for (int sign : {1, -1}) {
        Panel panel;
        panel.rules = MakeRules(depth > 2 ? 2 : 1, vector_columns, depth, 255);
        panel.inputs = 8 * 4 * 5;
        const int value = sign * 64 / depth;
        const Seen full = Check(panel, [&](int, int64_t) { return value; });
        EXPECT_EQ(full.steps, 40 / depth);
        EXPECT_EQ(full.shares.split, 0);
        EXPECT_EQ(full.shares.wide_groups, 0);
        EXPECT_EQ(full.largest_sum, 128);

        // What is too much in one sum is one group more.
        const int last = panel.rules.columns - 1;
        for (int column : {0, last}) {
          for (int64_t k : {int64_t{0}, panel.inputs - 1}) {
            const Seen beyond = Check(panel, [&](int j, int64_t i) {
              return j == column && i == k ? value + sign : value;
            });
            EXPECT_EQ(beyond.steps, 40 / depth + 1);
            EXPECT_EQ(beyond.shares.split, panel.rules.columns / vector_columns);
            EXPECT_EQ(beyond.largest_sum, 128);
          }
        }
      }
    }
  }
}

// Sums of either sign have room of their own.
TEST(NarrowPanels, SignsDoNotShareRoom) {
  Panel panel;
  panel.rules = MakeRules(1, 8, 2, 255);
  panel.inputs = 64;
  const Seen by_k = Check(panel, [](int, int64_t k) { return k % 2 == 0 ? 64 : -64; });
  EXPECT_EQ(by_k.steps, 8);
  EXPECT_EQ(by_k.shares.split, 0);
  // Groups that look different, of which those are brought together that fit.
  const Seen by_group = Check(panel, [](int, int64_t k) { return k % 8 < 4 ? 64 : -64; });
  EXPECT_EQ(by_group.steps, 8);
  EXPECT_EQ(by_group.shares.split, 0);
  const Seen far_apart = Check(panel, [](int, int64_t k) { return k < 32 ? 64 : -64; });
  EXPECT_EQ(far_apart.steps, 8);
  EXPECT_EQ(far_apart.shares.split, 0);
}

// -128 twice is split into 128 and 128, of which s8 can hold each part of; a promised maximum makes
// it fit.
TEST(NarrowPanels, SplitTheMostNegativeWeights) {
  for (int depth : plan::kNarrowDepths) {
    Panel panel;
    panel.rules = MakeRules(1, 16, depth, 255);
    panel.rules.wide_group_cost = 1000;
    panel.inputs = 60;
    const Seen split = Check(panel, [](int, int64_t) { return -128; });
    EXPECT_EQ(split.shares.split, 15);
    EXPECT_EQ(split.steps, 30);
    EXPECT_EQ(split.largest_sum, 128);
    panel.rules.largest_sum = plan::LargestNarrowSum(127);
    EXPECT_EQ(Check(panel, [](int, int64_t) { return -128; }).shares.split, 0);
    panel.rules.largest_sum = plan::LargestNarrowSum(1);
    const Seen free = Check(panel, [](int, int64_t) { return -128; });
    EXPECT_EQ(free.shares.split, 0);
    EXPECT_EQ(free.steps, (15 + depth - 1) / depth);
  }
}

TEST(NarrowPanels, TakeWideGroupsWhereStepsCostMore) {
  Panel panel;
  panel.rules = MakeRules(2, 8, 4, 255);
  panel.inputs = 63;
  const Seen unsafe = Check(panel, [](int, int64_t) { return 127; });
  EXPECT_EQ(unsafe.steps, 0);
  EXPECT_EQ(unsafe.shares.wide_groups, 2 * 16);
  const Seen safe = Check(panel, [](int, int64_t) { return 1; });
  EXPECT_EQ(safe.steps, 4);
  EXPECT_EQ(safe.shares.wide_groups, 0);
}

// The section alone, for positions that are counted from somewhere in the row.
TEST(WideSection, HoldsItsGroups) {
  Random random(3);
  for (int i = 0; i < 200 && !::testing::Test::HasFailure(); ++i) {
    NarrowRules rules;
    rules.vector_columns = kVectorColumns[i % 2];
    rules.columns = rules.vector_columns * random.Integer(1, 2);
    const int32_t inputs = random.Integer(4, 90);
    const int64_t position = inputs / kGroup * kGroup;
    Weights expected(rules.columns, inputs);
    std::vector<WideGroup> groups(static_cast<size_t>(random.Integer(0, 20)));
    for (WideGroup& group : groups) {
      group.offset = random.Integer(0, inputs - kGroup);
      for (int column = 0; column < rules.columns; ++column) {
        for (int k = 0; k < kGroup; ++k) {
          group.weights.push_back(random.Any<int16_t>());
          expected.at(column, group.offset + k) += group.weights.back();
        }
      }
    }
    std::vector<std::byte> bytes;
    const int64_t end =
        PackWideSection(rules.columns, rules.vector_columns, position, groups, &bytes);
    EXPECT_EQ(end, groups.empty() ? position : groups.back().offset);
    Reader reader(bytes, rules, inputs, position);
    reader.WideGroups();
    EXPECT_TRUE(reader.at_end());
    EXPECT_EQ(reader.wide_groups(), static_cast<int64_t>(groups.size()));
    EXPECT_TRUE(reader.weights() == expected) << "groups " << groups.size() << ", K " << inputs;
  }
}

}  // namespace
}  // namespace qforge::pack
