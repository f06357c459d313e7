// What a look-up does about rows that do not agree with their checksums: policies, events, counts
// and samples.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "embedding/bag_case.h"
#include "support/isas.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

constexpr StatusCode kCorrupted = StatusCode::kDataCorrupted;
constexpr int64_t kDimension = 24;

RowLayout CheckedLayout(RowFormat format = RowFormat::kU8) {
  RowLayout layout = LayoutOf(format, kDimension);
  layout.checksum = true;
  return layout;
}

// Remembers all events.
struct Listener {
  static void Hear(void* listener, const SoftErrorEvent& event) noexcept {
    auto* const self = static_cast<Listener*>(listener);
    const std::lock_guard<std::mutex> lock(self->mutex);
    self->events.push_back(event);
  }
  std::mutex mutex;
  std::vector<SoftErrorEvent> events;
  SoftErrorMonitor monitor{Hear, this};
};

EmbeddingBagOptions Options(SoftErrorPolicy policy, SoftErrorMonitor* monitor) {
  EmbeddingBagOptions options;
  options.soft_errors.policy = policy;
  options.soft_errors.monitor = monitor;
  return options;
}

const std::vector<int64_t> kIndices = {0, 2, 3, 1, 4, 1, 0, 0};
const std::vector<int64_t> kOffsets = {0, 2, 6, 8, 8};
const BagInput kInput = {kIndices, kOffsets, {}};

class SoftErrorPolicies : public EveryIsaTest {};

TEST_F(SoftErrorPolicies, OnAnErrorThatStays) {
  const struct {
    SoftErrorPolicy policy;
    SoftErrorOutcome outcome;
    bool fails;
  } cases[] = {{SoftErrorPolicy::kReport, SoftErrorOutcome::kReported, false},
               {SoftErrorPolicy::kRecompute, SoftErrorOutcome::kPersistent, true},
               {SoftErrorPolicy::kFail, SoftErrorOutcome::kFailed, true}};
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const auto& the_case : cases) {
      const TableData data(CheckedLayout(), 5, 1);
      Listener listener;
      const EmbeddingBag bag =
          EmbeddingBag::Create(context, data.Borrow(), Options(the_case.policy, &listener.monitor))
              .value();
      const TestMatrix sound(DataType::kF32, 4, kDimension);
      ASSERT_TRUE(bag.Run(kInput, sound.output()).ok());
      EXPECT_EQ(listener.monitor.counts().checked, 4u);
      EXPECT_EQ(listener.monitor.counts().detected, 0u);

      data.row(4)[5] ^= std::byte{0x80};
      const TestMatrix output(DataType::kF32, 4, kDimension);
      const Status status = bag.Run(kInput, output.output());
      if (the_case.fails) {
        EXPECT_TRUE(IsError(status, kCorrupted, "table"));
        EXPECT_NE(std::string(status.message()).find("row 4 "), std::string::npos);
      } else {
        EXPECT_TRUE(status.ok()) << status.message();
      }
      ASSERT_EQ(listener.events.size(), 1u);
      const SoftErrorEvent& event = listener.events[0];
      EXPECT_STREQ(event.operation, "EmbeddingBag");
      EXPECT_EQ(event.outcome, the_case.outcome);
      EXPECT_EQ(event.row, 1);
      EXPECT_EQ(event.first_column, 0);
      EXPECT_EQ(event.columns, kDimension);
      EXPECT_EQ(event.table_row, 4);
      const SoftErrorCounts counts = listener.monitor.counts();
      EXPECT_EQ(counts.checked, 8u);
      EXPECT_EQ(counts.detected, 1u);
      EXPECT_EQ(counts.corrected, 0u);
      EXPECT_EQ(counts.persistent, the_case.policy == SoftErrorPolicy::kRecompute ? 1u : 0u);
      // All other bags are right, and this one is what its rows give.
      const size_t row_bytes = static_cast<size_t>(kDimension) * sizeof(float);
      for (const int64_t other : {0, 2, 3}) {
        EXPECT_EQ(std::memcmp(&output.at<float>(other, 0), &sound.at<float>(other, 0), row_bytes),
                  0);
      }
      EXPECT_NE(output.at<float>(1, 5), sound.at<float>(1, 5));
      EXPECT_EQ(output.at<float>(1, 4), sound.at<float>(1, 4));
    }
    RecordChecked(context.isa());
  }
}

// --- An error that passes ------------------------------------------------------------------------
//
// The row that is flipped is read first. Then the bag reads a row on a page that faults, upon which
// the handler puts the bit back: by the time that rows are read once more all are sound.

struct Fault {
  std::byte* page = nullptr;
  size_t page_bytes = 0;
  std::byte* flipped = nullptr;
  std::byte bit{};
};
Fault fault;

void PutBack(int, siginfo_t* info, void*) {
  const auto* const at = static_cast<const std::byte*>(info->si_addr);
  if (fault.page == nullptr || at < fault.page || at >= fault.page + fault.page_bytes) _exit(1);
  *fault.flipped ^= fault.bit;
  mprotect(fault.page, fault.page_bytes, PROT_READ | PROT_WRITE);
}

TEST(PassingErrors, AreCorrected) {
  if (SupportedIsas().back() == Isa::kScalar) GTEST_SKIP() << "the portable path compares later";
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const mapped =
      mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* const memory = static_cast<std::byte*>(mapped);
  RowLayout layout = CheckedLayout();
  layout.stride = static_cast<int64_t>(page_bytes);
  const TableData data(CheckedLayout(), 2, 1);
  const size_t bytes = static_cast<size_t>(RowBytes(data.layout));
  std::memcpy(memory, data.row(0), bytes);
  std::memcpy(memory + page_bytes, data.row(1), bytes);
  struct sigaction handler {};
  handler.sa_sigaction = PutBack;
  handler.sa_flags = SA_SIGINFO;
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGSEGV, &handler, &before), 0);

  const std::vector<int64_t> indices = {0, 1};
  const std::vector<int64_t> offsets = {0, 2};
  const struct {
    SoftErrorPolicy policy;
    SoftErrorOutcome outcome;
    bool fails;
  } cases[] = {{SoftErrorPolicy::kReport, SoftErrorOutcome::kReported, false},
               {SoftErrorPolicy::kRecompute, SoftErrorOutcome::kCorrected, false},
               {SoftErrorPolicy::kFail, SoftErrorOutcome::kFailed, true}};
  for (const Isa isa : SupportedIsas()) {
    // The portable path compares behind the look-up, and sees sound rows.
    if (isa == Isa::kScalar) continue;
    const Context context = ContextFor(isa);
    for (const auto& the_case : cases) {
      Listener listener;
      const EmbeddingTable table = EmbeddingTable::Borrow(memory, 2, layout).value();
      EmbeddingBagOptions options = Options(the_case.policy, &listener.monitor);
      options.prefetch_distance = 0;
      const EmbeddingBag bag = EmbeddingBag::Create(context, table, options).value();
      const TestMatrix sound(DataType::kF32, 1, kDimension);
      ASSERT_TRUE(bag.Run({indices, offsets, {}}, sound.output()).ok());

      fault = {memory + page_bytes, page_bytes, memory + 3, std::byte{0x20}};
      memory[3] ^= std::byte{0x20};
      ASSERT_EQ(mprotect(fault.page, page_bytes, PROT_NONE), 0);
      const TestMatrix output(DataType::kF32, 1, kDimension);
      const Status status = bag.Run({indices, offsets, {}}, output.output());
      fault.page = nullptr;

      EXPECT_EQ(status.ok(), !the_case.fails) << status.message();
      if (the_case.fails) {
        EXPECT_TRUE(IsError(status, kCorrupted, "table"));
      }
      ASSERT_EQ(listener.events.size(), 1u);
      EXPECT_EQ(listener.events[0].outcome, the_case.outcome);
      EXPECT_EQ(listener.events[0].table_row, -1);
      EXPECT_EQ(listener.monitor.counts().detected, 1u);
      const bool corrected = the_case.outcome == SoftErrorOutcome::kCorrected;
      EXPECT_EQ(listener.monitor.counts().corrected, corrected ? 1u : 0u);
      EXPECT_EQ(SameBits(sound, output), corrected);
    }
  }
  sigaction(SIGSEGV, &before, nullptr);
  munmap(mapped, 2 * page_bytes);
}

// --- Many bags -----------------------------------------------------------------------------------

TEST_F(SoftErrorPolicies, EveryBagThatFailsIsReported) {
  constexpr int64_t kBags = 3000;
  std::vector<int64_t> indices, offsets = {0};
  for (int64_t bag = 0; bag < kBags; ++bag) {
    for (int64_t i = 0; i < 8; ++i) indices.push_back(bag % 10 == 7 && i == 3 ? 4 : (bag + i) % 4);
    offsets.push_back(static_cast<int64_t>(indices.size()));
  }
  FixedPool pool(3);
  for (const Isa isa : SupportedIsas()) {
    for (ThreadPool* const threads :
         {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&pool)}) {
      const Context context = ContextFor(isa, threads);
      const TableData data(CheckedLayout(RowFormat::kU4), 5, 1);
      data.row(4)[2] ^= std::byte{1};
      Listener listener;
      EmbeddingBagOptions options = Options(SoftErrorPolicy::kFail, &listener.monitor);
      options.soft_errors.name = "a table";
      const EmbeddingBag bag = EmbeddingBag::Create(context, data.Borrow(), options).value();
      const TestMatrix output(DataType::kF32, kBags, kDimension);
      const Status status = bag.Run({indices, offsets, {}}, output.output());
      EXPECT_TRUE(IsError(status, kCorrupted, "table"));
      EXPECT_NE(std::string(status.message()).find("bag 7 "), std::string::npos);
      EXPECT_EQ(listener.events.size(), 300u);
      EXPECT_EQ(listener.monitor.counts().checked, static_cast<uint64_t>(kBags));
      EXPECT_EQ(listener.monitor.counts().detected, 300u);
      for (const SoftErrorEvent& event : listener.events) {
        EXPECT_EQ(event.row % 10, 7);
        EXPECT_STREQ(event.operation, "a table");
      }
      RecordChecked(context.isa());
    }
  }
}

// One bag in n: in n calls each bag once.
TEST_F(SoftErrorPolicies, SamplesOtherBagsInEachCall) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const Pooling pooling : {Pooling::kSum, Pooling::kNone}) {
      const TableData data(CheckedLayout(), 5, 1);
      for (int64_t row = 0; row < 5; ++row) data.row(row)[2] ^= std::byte{1};
      Listener listener;
      EmbeddingBagOptions options = Options(SoftErrorPolicy::kReport, &listener.monitor);
      options.pooling = pooling;
      options.soft_errors.sample_interval = 3;
      const EmbeddingBag bag = EmbeddingBag::Create(context, data.Borrow(), options).value();
      const std::vector<int64_t> offsets = {0, 1, 2, 3, 4, 5, 6, 7, 8};
      BagInput input = {kIndices, offsets, {}};
      if (pooling == Pooling::kNone) input.bounds = {};
      std::vector<int> seen(8, 0);
      for (int call = 0; call < 3; ++call) {
        const TestMatrix output(DataType::kF32, 8, kDimension);
        ASSERT_TRUE(bag.Run(input, output.output()).ok());
        EXPECT_EQ(listener.events.size(), call == 2 ? 2u : 3u);
        for (const SoftErrorEvent& event : listener.events) ++seen[static_cast<size_t>(event.row)];
        listener.events.clear();
      }
      EXPECT_EQ(seen, std::vector<int>(8, 1));
      EXPECT_EQ(listener.monitor.counts().checked, 8u);
    }
    RecordChecked(context.isa());
  }
}

// RunAll does all look-ups, and names the first that fails.
TEST_F(SoftErrorPolicies, AmongManyLookUps) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    const TableData sound(CheckedLayout(), 5, 1);
    const TableData bad(CheckedLayout(), 5, 1);
    Listener listener;
    const EmbeddingBagOptions options = Options(SoftErrorPolicy::kFail, &listener.monitor);
    const std::vector<EmbeddingBag> bags = {
        EmbeddingBag::Create(context, sound.Borrow(), options).value(),
        EmbeddingBag::Create(context, bad.Borrow(), options).value(),
        EmbeddingBag::Create(context, bad.Borrow(), options).value()};
    bad.row(3)[0] ^= std::byte{2};
    const std::vector<BagInput> inputs(3, kInput);
    const TestMatrix first(DataType::kF32, 4, kDimension);
    const TestMatrix second(DataType::kF32, 4, kDimension);
    const TestMatrix third(DataType::kF32, 4, kDimension);
    const std::vector<OutputMatrix> outputs = {first.output(), second.output(), third.output()};
    const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
    EXPECT_TRUE(IsError(status, kCorrupted, "bags[1].table")) << status.message();
    EXPECT_EQ(listener.events.size(), 2u);
    EXPECT_EQ(listener.monitor.counts().checked, 12u);
    EXPECT_EQ(first.at<float>(3, 0), 0.0f);
    EXPECT_EQ(third.at<float>(2, 1), first.at<float>(2, 1));
    RecordChecked(context.isa());
  }
}

TEST(SoftErrorOptions, AreValidated) {
  const TableData data(CheckedLayout(), 5, 1);
  EmbeddingBagOptions options;
  options.soft_errors.policy = static_cast<SoftErrorPolicy>(9);
  EXPECT_TRUE(IsError(EmbeddingBag::Create(BestContext(), data.Borrow(), options).status(),
                      StatusCode::kInvalidArgument, "options.soft_errors.policy"));
  options.soft_errors.policy = SoftErrorPolicy::kFail;
  options.soft_errors.sample_interval = 0;
  EXPECT_TRUE(IsError(EmbeddingBag::Create(BestContext(), data.Borrow(), options).status(),
                      StatusCode::kOutOfRange, "options.soft_errors.sample_interval"));
  options.soft_errors.sample_interval = 1;
  SoftErrorInjection injection;
  options.soft_errors.injection = &injection;
  EXPECT_TRUE(IsError(EmbeddingBag::Create(BestContext(), data.Borrow(), options).status(),
                      StatusCode::kUnsupported, "options.soft_errors.injection"));
}

// What cannot be checked is refused where a check is asked for, and only there.
TEST(SoftErrorOptions, NeedChecksums) {
  RowLayout layout = CheckedLayout();
  layout.checksum = false;
  const TableData data(layout, 5, 1);
  const auto create = [&](const SoftErrorOptions& soft_errors) {
    EmbeddingBagOptions options;
    options.soft_errors = soft_errors;
    return EmbeddingBag::Create(BestContext(), data.Borrow(), options).status();
  };
  SoftErrorMonitor monitor;
  EXPECT_TRUE(create({}).ok());
  EXPECT_TRUE(create({SoftErrorPolicy::kOff, &monitor}).ok());
  EXPECT_TRUE(IsError(create({SoftErrorPolicy::kReport}), StatusCode::kInvalidArgument,
                      "options.soft_errors"));
  EXPECT_TRUE(IsError(create({SoftErrorPolicy::kFail, &monitor}), StatusCode::kInvalidArgument,
                      "options.soft_errors"));
}

}  // namespace
}  // namespace qforge::test
