#include "pack/narrow_panels.h"

#include <algorithm>
#include <cstring>

#include "base/arithmetic.h"
#include "pack/section_writer.h"

namespace qforge::pack {
namespace {

constexpr int kMostColumns = 32;
// Sums of 16 bits: two for each column.
constexpr int kMostSums = 2 * kMostColumns;

// Groups among which one is looked for that fits into a step.
constexpr size_t kWindow = 256;
// A group is split to fit if no more than a quarter of the sums would overflow.
constexpr int kSplitFraction = 4;

// The weights of 4 k.
struct Group {
  int32_t offset = 0;
  int8_t weights[kMostColumns * kGroupSize] = {};
  // By column and half of the group, the sum of weights > 0 and of those < 0: what products can sum
  // to, divided by the largest activation.
  int16_t positive[kMostSums] = {};
  int16_t negative[kMostSums] = {};
};

// Room for sums of either sign.
class Room {
 public:
  Room(int columns, int32_t largest) : sums_(2 * columns) {
    const int16_t most = static_cast<int16_t>(std::min(largest, 32767));
    std::fill_n(positive_, sums_, most);
    std::fill_n(negative_, sums_, most);
  }
  int16_t positive(int i) const { return positive_[i]; }
  int16_t negative(int i) const { return negative_[i]; }

  void Take(const Group& group) {
    for (int i = 0; i < sums_; ++i) {
      positive_[i] = static_cast<int16_t>(positive_[i] - group.positive[i]);
      negative_[i] = static_cast<int16_t>(negative_[i] - group.negative[i]);
    }
  }
  // Sums that have no room.
  int Missing(const Group& group) const {
    // Most of packing is this: vectors of 8, which every compiler for this library knows.
    Sums8 missing = {};
    for (int i = 0; i < sums_; i += 8) {
      missing += At(positive_ + i) < At(group.positive + i);
      missing += At(negative_ + i) < At(group.negative + i);
    }
    int count = 0;
    for (int i = 0; i < 8; ++i) count -= missing[i];  // true is -1
    return count;
  }

 private:
  using Sums8 [[gnu::vector_size(16)]] = int16_t;
  static Sums8 At(const int16_t* from) {
    Sums8 sums;
    std::memcpy(&sums, from, sizeof(sums));
    return sums;
  }

  const int sums_;  // a multiple of 16: no vector has fewer columns than 8
  int16_t positive_[kMostSums];
  int16_t negative_[kMostSums];
};

void FindSums(int columns, Group* group) {
  for (int i = 0; i < 2 * columns; ++i) {
    const int a = group->weights[2 * i], b = group->weights[2 * i + 1];
    group->positive[i] = static_cast<int16_t>(std::max(a, 0) + std::max(b, 0));
    group->negative[i] = static_cast<int16_t>(std::max(-a, 0) + std::max(-b, 0));
  }
}

// Takes from two weights what their sum of the sign `sign` exceeds `room` by.
void SplitPair(int8_t* weights, int8_t* excess, int sign, int room) {
  int over = -room;
  for (int i = 0; i < 2; ++i) over += std::max(sign * weights[i], 0);
  for (int i = 0; i < 2 && over > 0; ++i) {
    const int taken = std::min(over, std::max(sign * weights[i], 0));
    weights[i] = static_cast<int8_t>(weights[i] - sign * taken);
    excess[i] = static_cast<int8_t>(excess[i] + sign * taken);
    over -= taken;
  }
}

// Leaves in `group` what fits, and returns the rest.
Group Split(int columns, const Room& room, Group* group) {
  Group rest;
  rest.offset = group->offset;
  for (int i = 0; i < 2 * columns; ++i) {
    SplitPair(group->weights + 2 * i, rest.weights + 2 * i, 1, room.positive(i));
    SplitPair(group->weights + 2 * i, rest.weights + 2 * i, -1, room.negative(i));
  }
  FindSums(columns, group);
  FindSums(columns, &rest);
  return rest;
}

// Groups that are in no step yet, in the order in which they are tried.
class Pending {
 public:
  explicit Pending(size_t count) : order_(count) {
    for (size_t i = 0; i < count; ++i) order_[i] = i;
  }
  bool empty() const { return first_ == order_.size(); }
  size_t window() const { return std::min(kWindow, order_.size() - first_); }
  size_t operator[](size_t i) const { return order_[first_ + i]; }
  void Add(size_t group) { order_.push_back(group); }
  size_t Take(size_t i) {
    const size_t group = order_[first_ + i];
    const auto first = order_.begin() + static_cast<std::ptrdiff_t>(first_);
    std::move_backward(first, first + static_cast<std::ptrdiff_t>(i),
                       first + static_cast<std::ptrdiff_t>(i) + 1);
    ++first_;
    return group;
  }

 private:
  std::vector<size_t> order_;
  size_t first_ = 0;
};

class Schedule {
 public:
  Schedule(const NarrowRules& rules, std::vector<Group> groups)
      : rules_(rules), groups_(std::move(groups)), given_(groups_.size()), pending_(given_) {
    while (!pending_.empty()) FillStep();
  }

  int64_t split() const { return static_cast<int64_t>(groups_.size() - given_); }
  int64_t steps() const { return static_cast<int64_t>(places_.size()) / rules_.depth; }
  // The groups of all steps, one step behind the other; null where there is none.
  const Group* At(size_t place) const {
    return places_[place] == kNone ? nullptr : &groups_[places_[place]];
  }
  size_t places() const { return places_.size(); }

 private:
  static constexpr size_t kNone = ~size_t{0};

  void FillStep() {
    Room room(rules_.columns, rules_.largest_sum);
    Place(pending_.Take(0), &room);
    int filled = 1;
    for (; filled < rules_.depth && !pending_.empty(); ++filled) {
      size_t best = 0;
      int missing = 2 * kMostSums + 1;
      for (size_t i = 0; i < pending_.window() && missing > 0; ++i) {
        const int now = room.Missing(groups_[pending_[i]]);
        if (now < missing) {
          missing = now;
          best = i;
        }
      }
      if (missing > 2 * rules_.columns / kSplitFraction) break;
      Place(pending_.Take(best), &room);
    }
    places_.insert(places_.end(), static_cast<size_t>(rules_.depth - filled), kNone);
  }

  void Place(size_t index, Room* room) {
    if (room->Missing(groups_[index]) > 0) {
      const Group rest = Split(rules_.columns, *room, &groups_[index]);
      pending_.Add(groups_.size());
      groups_.push_back(rest);
    }
    room->Take(groups_[index]);
    places_.push_back(index);
  }

  const NarrowRules& rules_;
  std::vector<Group> groups_;
  const size_t given_;
  Pending pending_;
  std::vector<size_t> places_;
};

// The panel's groups. The last one, if k does not fill it, is moved back to lie within the row;
// what it then shares with the one before it is 0 in it.
std::vector<Group> MakeGroups(const NarrowRules& rules, const int8_t* from, int64_t inputs) {
  std::vector<Group> groups(static_cast<size_t>(base::CeilDiv<int64_t>(inputs, kGroupSize)));
  const size_t bytes = static_cast<size_t>(rules.columns * kGroupSize);
  for (size_t i = 0; i < groups.size(); ++i) {
    Group& group = groups[i];
    group.offset = static_cast<int32_t>(i) * kGroupSize;
    std::memcpy(group.weights, from + i * bytes, bytes);
    const int32_t behind =
        static_cast<int32_t>(std::max<int64_t>(0, group.offset + kGroupSize - inputs));
    if (behind > 0) {
      group.offset -= behind;
      for (size_t column = 0; column < bytes; column += kGroupSize) {
        int8_t* weights = group.weights + column;
        std::rotate(weights, weights + kGroupSize - behind, weights + kGroupSize);
      }
    }
    FindSums(rules.columns, &group);
  }
  return groups;
}

bool FitsInBytes(const WideGroup& group) {
  return std::all_of(group.weights.begin(), group.weights.end(),
                     [](int16_t weight) { return weight >= -128 && weight <= 127; });
}

Group AsGroup(const NarrowRules& rules, const WideGroup& wide) {
  Group group;
  group.offset = wide.offset;
  std::transform(wide.weights.begin(), wide.weights.end(), group.weights,
                 [](int16_t weight) { return static_cast<int8_t>(weight); });
  FindSums(rules.columns, &group);
  return group;
}

void AddWide(const NarrowRules& rules, const std::vector<Group>& groups,
             std::vector<WideGroup>* wide) {
  for (const Group& group : groups) {
    WideGroup& added = wide->emplace_back();
    added.offset = group.offset;
    added.weights.assign(group.weights, group.weights + rules.columns * kGroupSize);
  }
}

}  // namespace

NarrowPanel PackNarrowPanel(const NarrowRules& rules, const int8_t* groups, int64_t inputs,
                            const std::vector<WideGroup>& outliers) {
  NarrowPanel panel;
  std::vector<Group> all = MakeGroups(rules, groups, inputs);
  const int64_t vectors = rules.columns / rules.vector_columns;
  panel.shares.groups = vectors * static_cast<int64_t>(all.size());
  std::vector<WideGroup> wide;
  for (const WideGroup& group : outliers) {
    if (FitsInBytes(group)) {
      all.push_back(AsGroup(rules, group));
      panel.shares.split += vectors;
    } else {
      wide.push_back(group);
    }
  }
  const Schedule schedule(rules, all);
  const double narrow_cost = static_cast<double>(schedule.steps()) * rules.step_cost;
  const double wide_cost = static_cast<double>(all.size()) * rules.wide_group_cost;
  const bool narrow = narrow_cost <= wide_cost;

  const int64_t steps = narrow ? schedule.steps() : 0;
  SectionWriter writer(steps, steps * rules.depth, rules.vector_columns * kGroupSize,
                       rules.columns * kGroupSize, &panel.bytes);
  int64_t position = 0;
  if (narrow) {
    for (size_t place = 0; place < schedule.places(); ++place) {
      const Group* group = schedule.At(place);
      const int64_t offset = group == nullptr ? position : group->offset;
      writer.Add(offset - position, group == nullptr ? nullptr : group->weights);
      position = offset;
    }
    panel.shares.split += vectors * schedule.split();
  } else {
    AddWide(rules, all, &wide);
  }
  PackWideSection(rules.columns, rules.vector_columns, position, wide, &panel.bytes);
  panel.shares.wide_groups = vectors * static_cast<int64_t>(wide.size());
  panel.shares.cost = static_cast<double>(steps) * rules.step_cost +
                      static_cast<double>(wide.size()) * rules.wide_group_cost;
  return panel;
}

}  // namespace qforge::pack
