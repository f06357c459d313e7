#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>

#include "base/arithmetic.h"
#include "ops/embedding_bag_core.h"
#include "ops/index_view.h"
#include "ops/parallel.h"
#include "ops/row_layout.h"
#include "ops/validate.h"
#include "plan/embedding.h"
#include "plan/partition.h"

namespace qforge {
namespace {

// Sets *output_rows to what indices and bounds imply.
Status CheckBoundsSize(const BagCore& core, const BagInput& input, int64_t* output_rows) {
  QFORGE_RETURN_IF_ERROR(CheckIntegers("input.bounds", input.bounds));
  const int64_t size = input.bounds.size();
  if (!core.pooled()) {
    *output_rows = input.indices.size();
    if (size == 0) return Status();
    return Status::Error(StatusCode::kInvalidArgument, "input.bounds",
                         "given, but the operation was created with Pooling::kNone");
  }
  *output_rows = size;
  if (core.options.bounds != BagBounds::kOffsets) return Status();
  *output_rows = size - 1;
  if (size > 0) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "input.bounds",
                       "no values; offsets with the last one are bags + 1 values");
}

Status CheckWeightsSize(const BagCore& core, const BagInput& input) {
  const ArrayView<const float> weights = input.weights;
  QFORGE_RETURN_IF_ERROR(
      CheckArray("input.weights", weights.data(), weights.size(), DataType::kF32));
  if (weights.size() > kMostElements) {
    return Status::Error(StatusCode::kOutOfRange, "input.weights", "%" PRId64 " values",
                         weights.size());
  }
  switch (core.options.weights) {
    case BagWeights::kNone:
      if (weights.empty()) return Status();
      return Status::Error(StatusCode::kInvalidArgument, "input.weights",
                           "given, but the operation was created with BagWeights::kNone");
    case BagWeights::kPerPosition:
      if (weights.size() == input.indices.size()) return Status();
      return Status::Error(StatusCode::kInvalidArgument, "input.weights",
                           "%" PRId64 " values for %" PRId64 " indices", weights.size(),
                           input.indices.size());
    case BagWeights::kPerBagPosition:
      break;
  }
  return Status();
}

// What a look-up reads, besides its output.
struct ReadArray {
  const char* name;
  const void* data;
  int64_t bytes;
};
constexpr int kReadArrays = 6;
struct ReadArrays {
  explicit ReadArrays(const BagCore& core, const BagInput& input) noexcept
      : all{{"the table", core.table->data, core.table_bytes},
            {"the codebooks", core.table->codebooks, core.codebook_bytes},
            {"options.row_map", core.options.row_map.data(), core.options.row_map.size() * 4},
            {"input.indices", input.indices.data(),
             input.indices.size() * input.indices.element_bytes()},
            {"input.bounds", input.bounds.data(),
             input.bounds.size() * input.bounds.element_bytes()},
            {"input.weights", input.weights.data(), input.weights.size() * 4}} {}
  ReadArray all[kReadArrays];
};

// Whether `bytes` > 0 bytes are plainly apart from what a look-up reads: never yes where they have
// one in common, and perhaps no for an array without bytes.
bool PlainlyApart(const void* written, int64_t bytes, const BagCore& core, const BagInput& input) {
  const auto meets = [&](const void* data, int64_t size) {
    return Overlap(written, bytes, data, size);
  };
  if (meets(core.table->data, core.table_bytes)) return false;
  if (core.codebook_bytes != 0 && meets(core.table->codebooks, core.codebook_bytes)) return false;
  const ArrayView<const int32_t> map = core.options.row_map;
  if (!map.empty() && meets(map.data(), map.size() * 4)) return false;
  const IndexView& indices = input.indices;
  if (meets(indices.data(), indices.size() * indices.element_bytes())) return false;
  const IndexView& bounds = input.bounds;
  if (meets(bounds.data(), bounds.size() * bounds.element_bytes())) return false;
  return input.weights.empty() || !meets(input.weights.data(), input.weights.size() * 4);
}

// Sizes, and gaps between rows, beyond which a call is not plainly valid: so small that no offset
// overflows.
constexpr uint64_t kLargestSize = uint64_t{1} << 24;
constexpr uint64_t kLargestGap = uint64_t{1} << 32;

bool IsPlain(const void* data, int64_t size, int element_bytes) {
  return static_cast<uint64_t>(size) <= kLargestSize && (data != nullptr || size == 0) &&
         base::IsAligned(data, static_cast<uintptr_t>(element_bytes));
}

// What ValidateBagShapes() decides, for calls in a hurry: for one request, the checks that have the
// words took longer than the rows. Says no to all that is invalid and to some of what is valid
// (empty outputs, huge sizes).
bool HasPlainShapes(const BagCore& core, const BagInput& input, const OutputMatrix& output) {
  const IndexView& indices = input.indices;
  const IndexView& bounds = input.bounds;
  const ArrayView<const float> weights = input.weights;
  if (!IsPlain(indices.data(), indices.size(), indices.element_bytes()) ||
      !IsPlain(bounds.data(), bounds.size(), bounds.element_bytes()) ||
      !IsPlain(weights.data(), weights.size(), sizeof(float))) {
    return false;
  }
  int64_t rows = indices.size();
  if (core.pooled()) {
    rows = bounds.size() - (core.options.bounds == BagBounds::kOffsets ? 1 : 0);
  } else if (bounds.size() != 0) {
    return false;
  }
  if (core.options.weights != BagWeights::kPerBagPosition &&
      weights.size() != (core.options.weights == BagWeights::kNone ? 0 : indices.size())) {
    return false;
  }
  const uint64_t gap =
      static_cast<uint64_t>(output.stride) - static_cast<uint64_t>(core.output_columns);
  if (rows <= 0 || output.rows != rows || output.cols != core.output_columns ||
      output.type != core.options.output || gap > kLargestGap || output.data == nullptr ||
      !base::IsAligned(output.data, static_cast<uintptr_t>(core.output_element_bytes))) {
    return false;
  }
  const int64_t bytes = ((rows - 1) * output.stride + output.cols) * core.output_element_bytes;
  return PlainlyApart(output.data, bytes, core, input);
}

// Checks bounds in one pass, and writes the starts of bags to `starts` unless that is null. Each
// culprit is named where it is met: the branches that never happen cost next to nothing.
template <class T>
Status CheckOffsets(const T* offsets, int64_t count, int64_t indices, int64_t* starts) {
  int64_t previous = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t offset = offsets[i];
    if (offset < previous || offset > indices) [[unlikely]] {
      if (offset > indices) {
        return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                             "offset %" PRId64 " is %" PRId64 ", beyond the %" PRId64 " indices", i,
                             offset, indices);
      }
      if (i == 0 || offset < 0) {
        return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                             "offset %" PRId64 " is %" PRId64 ", which is negative", i, offset);
      }
      return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                           "bag %" PRId64 ": it ends at offset %" PRId64
                           ", before it begins, at %" PRId64,
                           i - 1, offset, previous);
    }
    if (starts != nullptr) starts[i] = offset;
    previous = offset;
  }
  return Status();
}

template <class T>
Status CheckLengths(const T* lengths, int64_t count, int64_t indices, int64_t* starts) {
  int64_t next = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = lengths[i];
    if (length < 0 || length > indices - next) [[unlikely]] {
      if (length < 0) {
        return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                             "bag %" PRId64 ": its length %" PRId64 " is negative", i, length);
      }
      return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                           "bag %" PRId64 ": %" PRId64 " positions from %" PRId64
                           " on run past the %" PRId64 " indices",
                           i, length, next, indices);
    }
    starts[i] = next;
    next += length;
  }
  starts[count] = next;
  if (next == indices) return Status();
  return Status::Error(StatusCode::kOutOfRange, "input.bounds",
                       "the lengths add up to %" PRId64 "; there are %" PRId64 " indices", next,
                       indices);
}

// The same without a check.
template <class T>
void TrustBounds(const T* bounds, int64_t count, bool lengths, int64_t* starts) {
  uint64_t next = 0;  // whatever the lengths are
  for (int64_t i = 0; i < count; ++i) {
    starts[i] = lengths ? static_cast<int64_t>(next) : bounds[i];
    next += static_cast<uint64_t>(bounds[i]);
  }
  if (lengths) starts[count] = static_cast<int64_t>(next);
}

template <class T>
Status MakeStarts(const BagLookup& lookup, int64_t* room) {
  const BagCore& core = *lookup.core;
  const T* const bounds = static_cast<const T*>(lookup.input->bounds.data());
  const int64_t count = lookup.input->bounds.size();
  const int64_t indices = lookup.input->indices.size();
  const bool lengths = core.options.bounds == BagBounds::kLengths;
  if (core.options.trusted) {
    if (room != nullptr) TrustBounds(bounds, count, lengths, room);
  } else if (lengths) {
    QFORGE_RETURN_IF_ERROR(CheckLengths(bounds, count, indices, room));
  } else {
    QFORGE_RETURN_IF_ERROR(CheckOffsets(bounds, count, indices, room));
  }
  if (core.options.bounds == BagBounds::kOffsetsNoLast) room[count] = indices;
  return Status();
}

Status CheckLongestBag(const BagLookup& lookup) {
  const int64_t weights = lookup.input->weights.size();
  for (int64_t bag = 0; bag < lookup.output_rows(); ++bag) {
    const int64_t length = lookup.starts[bag + 1] - lookup.starts[bag];
    if (length > weights) {
      return Status::Error(StatusCode::kInvalidArgument, "input.weights",
                           "%" PRId64 " values; bag %" PRId64 " has %" PRId64 " positions", weights,
                           bag, length);
    }
  }
  return Status();
}

template <class T>
bool AllBelow(const T* indices, int64_t count, int64_t limit) {
  bool outside = false;
  for (int64_t i = 0; i < count; ++i) {
    outside |= static_cast<uint64_t>(int64_t{indices[i]}) >= static_cast<uint64_t>(limit);
  }
  return !outside;
}

// Fewer indices than this are checked here: calling the kernel takes longer.
constexpr int64_t kFewIndices = 4;

int64_t IndicesToCheck(const BagLookup& lookup) {
  return lookup.core->options.trusted ? 0 : lookup.end_position() - lookup.first_position();
}

// Whether those in [first, last) of a look-up's indices to check are in range.
bool AreInRange(const BagLookup& lookup, int64_t first, int64_t last) {
  const int64_t count = last - first;
  if (count <= 0) return true;
  const IndexView& indices = lookup.input->indices;
  const int64_t limit = lookup.core->index_limit();
  const std::byte* const begin = static_cast<const std::byte*>(indices.data()) +
                                 (lookup.first_position() + first) * indices.element_bytes();
  const BagCore::Functions& functions = lookup.core->functions(indices.element_bytes());
  if (functions.check != nullptr && count >= kFewIndices) {
    return functions.check(begin, count, limit) != 0;
  }
  if (indices.element_bytes() == 4) {
    return AllBelow(reinterpret_cast<const int32_t*>(begin), count, limit);
  }
  return AllBelow(reinterpret_cast<const int64_t*>(begin), count, limit);
}

bool AllAreInRange(const BagLookup& lookup) {
  return AreInRange(lookup, 0, IndicesToCheck(lookup));
}

// The same for a part of the indices of all look-ups, laid end to end.
bool AreInRange(const BagLookup* lookups, int64_t count, plan::Range part) {
  int64_t before = 0;
  for (int64_t i = 0; i < count && before < part.end; ++i) {
    const int64_t behind = before + IndicesToCheck(lookups[i]);
    const int64_t first = std::max(part.begin, before);
    const int64_t last = std::min(part.end, behind);
    if (!AreInRange(lookups[i], first - before, last - before)) return false;
    before = behind;
  }
  return true;
}

// In how many parts to check so many indices.
int64_t CheckParts(const Context& context, int64_t indices) {
  constexpr int64_t kIndicesPerLine = 8;
  return plan::LookupParts(indices / kIndicesPerLine, context.thread_count());
}

// Names the first index that is out of range.
Status FindCulprit(const BagLookup& lookup) {
  const int64_t limit = lookup.core->index_limit();
  for (int64_t p = lookup.first_position(); p < lookup.end_position(); ++p) {
    const int64_t index = lookup.input->indices[p];
    if (index >= 0 && index < limit) continue;
    char bag[32] = "";
    if (lookup.starts != nullptr) {
      const int64_t* const ends = lookup.starts + 1;
      const int64_t number = std::upper_bound(ends, ends + lookup.output_rows(), p) - ends;
      std::snprintf(bag, sizeof(bag), "bag %" PRId64 ", ", number);
    }
    return Status::Error(StatusCode::kOutOfRange, "input.indices",
                         "%sposition %" PRId64 ": index %" PRId64 " is not in [0, %" PRId64 ")",
                         bag, p, index, limit);
  }
  return Status();
}

}  // namespace

Status ValidateBagShapes(const BagCore& core, const BagInput& input,
                         const OutputMatrix& output) noexcept {
  if (HasPlainShapes(core, input, output)) return Status();
  QFORGE_RETURN_IF_ERROR(CheckIntegers("input.indices", input.indices));
  int64_t output_rows = 0;
  QFORGE_RETURN_IF_ERROR(CheckBoundsSize(core, input, &output_rows));
  QFORGE_RETURN_IF_ERROR(CheckWeightsSize(core, input));
  const InputMatrix written = AsInput(output);
  QFORGE_RETURN_IF_ERROR(
      CheckMatrix("output", written, core.options.output, output_rows, core.output_columns));
  for (const ReadArray& read : ReadArrays(core, input).all) {
    QFORGE_RETURN_IF_ERROR(
        CheckNoOverlap("output", written, read.name, AsBytes(read.data, read.bytes)));
  }
  return Status();
}

Status ValidateBagBounds(BagLookup* lookup, int64_t* room) noexcept {
  const BagCore& core = *lookup->core;
  if (!core.pooled()) return Status();
  const IndexView& bounds = lookup->input->bounds;
  const bool made = StartsToMake(core, *lookup->input) != 0;
  if (!made) room = nullptr;
  QFORGE_RETURN_IF_ERROR(bounds.element_bytes() == 4 ? MakeStarts<int32_t>(*lookup, room)
                                                     : MakeStarts<int64_t>(*lookup, room));
  lookup->starts = made ? room : static_cast<const int64_t*>(bounds.data());
  if (core.options.trusted || core.options.weights != BagWeights::kPerBagPosition) return Status();
  return CheckLongestBag(*lookup);
}

bool IndicesAreInRange(const Context& context, const BagLookup* lookups, int64_t count) noexcept {
  if (context.pool() == nullptr) return std::all_of(lookups, lookups + count, AllAreInRange);
  int64_t indices = 0;
  for (int64_t i = 0; i < count; ++i) indices += IndicesToCheck(lookups[i]);
  const int64_t parts = CheckParts(context, indices);
  std::atomic<bool> in_range{true};
  ParallelFor(context.pool(), parts, [&](int64_t part) {
    if (AreInRange(lookups, count, plan::PartOf(indices, 1, parts, part))) return;
    in_range.store(false, std::memory_order_relaxed);
  });
  return in_range.load();
}

Status FindBadIndex(const BagLookup* lookups, int64_t count, int64_t* number) noexcept {
  const BagLookup* const bad = std::find_if_not(lookups, lookups + count, AllAreInRange);
  *number = bad - lookups;
  return FindCulprit(*bad);
}

Status ValidateBagContents(BagLookup* lookup, int64_t* room) noexcept {
  QFORGE_RETURN_IF_ERROR(ValidateBagBounds(lookup, room));
  // A small request waits for each call that is made here.
  const Context& context = lookup->core->context;
  const bool in_range =
      context.pool() == nullptr ? AllAreInRange(*lookup) : IndicesAreInRange(context, lookup, 1);
  return in_range ? Status() : FindCulprit(*lookup);
}

Status CheckOutputsApart(const BagLookup* lookups, int64_t count, uintptr_t* room) noexcept {
  struct Extent {
    uintptr_t begin;
    uintptr_t end;
  };
  Extent* const extents = reinterpret_cast<Extent*>(room);
  Extent whole = {UINTPTR_MAX, 0};
  for (int64_t i = 0; i < count; ++i) {
    const OutputMatrix& output = *lookups[i].output;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(output.data);
    const int64_t elements = output.rows == 0 ? 0 : (output.rows - 1) * output.stride + output.cols;
    const int64_t bytes = elements * lookups[i].core->output_element_bytes;
    extents[i] = {begin, begin + static_cast<uintptr_t>(bytes)};
    if (bytes == 0) continue;
    whole = {std::min(whole.begin, begin), std::max(whole.end, extents[i].end)};
  }
  // As a rule outputs are columns of one matrix, and what is read lies in front of it or behind.
  const auto apart_from_whole = [&](const BagLookup& lookup) {
    return PlainlyApart(reinterpret_cast<const void*>(whole.begin),
                        static_cast<int64_t>(whole.end - whole.begin), *lookup.core, *lookup.input);
  };
  if (whole.end == 0 || std::all_of(lookups, lookups + count, apart_from_whole)) return Status();

  // Outputs may be columns of one matrix, and so lie across one another. Sorted by where they
  // begin, with the furthest end so far, they answer in log(count) whether any meets an array.
  std::sort(extents, extents + count,
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (int64_t i = 1; i < count; ++i) extents[i].end = std::max(extents[i].end, extents[i - 1].end);

  for (int64_t j = 0; j < count; ++j) {
    for (const ReadArray& read : ReadArrays(*lookups[j].core, *lookups[j].input).all) {
      const uintptr_t begin = reinterpret_cast<uintptr_t>(read.data);
      const uintptr_t end = begin + static_cast<uintptr_t>(read.bytes);
      const Extent* const behind =
          std::lower_bound(extents, extents + count, end,
                           [](const Extent& extent, uintptr_t at) { return extent.begin < at; });
      if (begin == end || behind == extents || behind[-1].end <= begin) continue;
      for (int64_t i = 0; i < count; ++i) {
        char field[48];
        std::snprintf(field, sizeof(field), "bags[%" PRId64 "].output", i);
        char other[64];
        std::snprintf(other, sizeof(other), "%s of bags[%" PRId64 "]", read.name, j);
        QFORGE_RETURN_IF_ERROR(CheckNoOverlap(field, AsInput(*lookups[i].output), other,
                                              AsBytes(read.data, read.bytes)));
      }
    }
  }
  return Status();
}

}  // namespace qforge
