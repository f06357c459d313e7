#include "qforge/embedding_bag.h"

#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/workspace.h"
#include "ops/embedding_bag_core.h"
#include "ops/verbose.h"

namespace qforge {
namespace {

// The error of one look-up among several.
Status AmongAll(const Status& status, int64_t number) {
  char field[80];  // cut by Status where it is too long
  std::snprintf(field, sizeof(field), "bags[%" PRId64 "]%s%s", number,
                *status.field() == '\0' ? "" : ".", status.field());
  // The sentence, behind "CODE: field: ".
  const char* sentence = status.message() + std::strlen(StatusCodeName(status.code())) + 2;
  if (*status.field() != '\0') sentence += std::strlen(status.field()) + 2;
  return Status::Error(status.code(), field, "%s", sentence);
}

template <class T>
Status CheckCount(const char* field, ArrayView<const T> values, int64_t bags) {
  if (values.size() != bags || bags < 0) {
    return Status::Error(StatusCode::kInvalidArgument, field, "%" PRId64 " for %" PRId64 " bags",
                         values.size(), bags);
  }
  if (bags == 0 || values.data() != nullptr) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field, "is null");
}

// Memory for the time of a call: on the stack where a little will do, which saves a lease.
class Room {
 public:
  Status Make(size_t bytes) noexcept {
    data_ = small_;
    if (bytes <= sizeof(small_)) return Status();
    const Status status = workspace_.Lease(bytes);
    data_ = workspace_.data();
    return status;
  }
  std::byte* data() noexcept { return data_; }

 private:
  // A look-up of one bag takes 64 bytes, and 16 more where starts are made.
  alignas(BagLookup) std::byte small_[2048];
  std::byte* data_ = nullptr;
  base::Workspace workspace_;
};

}  // namespace

struct EmbeddingBag::State {
  explicit State(BagCore&& own_core) noexcept : core(std::move(own_core)) {}

  // The first row of the output that the next call checks.
  int64_t NextFirstChecked() const noexcept {
    const auto interval = static_cast<uint64_t>(core.options.soft_errors.sample_interval);
    if (interval == 1) return 0;
    return static_cast<int64_t>(calls_.fetch_add(1, std::memory_order_relaxed) % interval);
  }

  const BagCore core;

 private:
  mutable std::atomic<uint64_t> calls_{0};
};

Result<EmbeddingBag> EmbeddingBag::Create(const Context& context, const EmbeddingTable& table,
                                          const EmbeddingBagOptions& options) noexcept {
  try {
    Result<BagCore> core = BagCore::Create(context, table, options);
    if (!core.ok()) return core.status();
    auto state = std::make_shared<State>(std::move(core).value());
    if (Verbose()) PrintCreation(state->core.Describe(), context.isa());
    return EmbeddingBag(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory for the operation");
  }
}

Status EmbeddingBag::Run(const BagInput& input, const OutputMatrix& output) const noexcept {
  const BagCore& core = state_->core;
  QFORGE_RETURN_IF_ERROR(ValidateBagShapes(core, input, output));
  Room room;
  const size_t starts = static_cast<size_t>(StartsToMake(core, input));
  QFORGE_RETURN_IF_ERROR(room.Make(starts * sizeof(int64_t)));
  BagLookup lookup{&core, &input, &output, nullptr};
  QFORGE_RETURN_IF_ERROR(ValidateBagContents(&lookup, reinterpret_cast<int64_t*>(room.data())));
  lookup.first_checked = state_->NextFirstChecked();
  RunLookups(core.context, &lookup, 1);
  return core.check == kernels::RowCheck::kNone ? Status() : FinishChecks(lookup);
}

Status EmbeddingBag::RunAll(const Context& context, ArrayView<const EmbeddingBag> bags,
                            ArrayView<const BagInput> inputs,
                            ArrayView<const OutputMatrix> outputs) noexcept {
  const int64_t count = bags.size();
  QFORGE_RETURN_IF_ERROR(CheckCount("bags", bags, count));
  QFORGE_RETURN_IF_ERROR(CheckCount("inputs", inputs, count));
  QFORGE_RETURN_IF_ERROR(CheckCount("outputs", outputs, count));
  if (count == 0) return Status();

  // Bounds are read of those look-ups alone whose shapes, and those before, are right, and indices
  // of those whose bounds are; so the first error in order is what comes back.
  Status later_error;
  int64_t sound = 0;
  int64_t starts = 0;
  for (; sound < count; ++sound) {
    const BagCore& core = bags[sound].state_->core;
    later_error = ValidateBagShapes(core, inputs[sound], outputs[sound]);
    if (!later_error.ok()) break;
    starts += StartsToMake(core, inputs[sound]);
  }
  const size_t lookup_bytes = static_cast<size_t>(sound) * sizeof(BagLookup);
  const size_t extent_bytes = static_cast<size_t>(sound) * 2 * sizeof(uintptr_t);
  Room room;
  QFORGE_RETURN_IF_ERROR(
      room.Make(lookup_bytes + extent_bytes + static_cast<size_t>(starts) * sizeof(int64_t)));
  BagLookup* const lookups = reinterpret_cast<BagLookup*>(room.data());
  uintptr_t* const extents = reinterpret_cast<uintptr_t*>(room.data() + lookup_bytes);
  int64_t* next_starts = reinterpret_cast<int64_t*>(room.data() + lookup_bytes + extent_bytes);
  for (int64_t i = 0; i < sound; ++i) {
    const BagCore& core = bags[i].state_->core;
    BagLookup* const lookup = new (lookups + i) BagLookup{&core, &inputs[i], &outputs[i], nullptr};
    const Status status = ValidateBagBounds(lookup, next_starts);
    if (!status.ok()) {
      later_error = status;
      sound = i;
    }
    next_starts += StartsToMake(core, inputs[i]);
  }
  if (!IndicesAreInRange(context, lookups, sound)) {
    int64_t number;
    const Status bad_index = FindBadIndex(lookups, sound, &number);
    return AmongAll(bad_index, number);
  }
  if (!later_error.ok()) return AmongAll(later_error, sound);
  QFORGE_RETURN_IF_ERROR(CheckOutputsApart(lookups, count, extents));
  for (int64_t i = 0; i < count; ++i) lookups[i].first_checked = bags[i].state_->NextFirstChecked();
  RunLookups(context, lookups, count);
  Status first_error;
  for (int64_t i = 0; i < count; ++i) {
    if (lookups[i].core->check == kernels::RowCheck::kNone) continue;
    const Status status = FinishChecks(lookups[i]);
    if (first_error.ok() && !status.ok()) first_error = AmongAll(status, i);
  }
  return first_error;
}

std::string EmbeddingBag::Describe() const noexcept {
  try {
    return state_->core.Describe();
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
