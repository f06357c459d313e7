#include "jit/kernel_cache.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include "base/platform.h"
#include "base/process.h"
#include "jit/code_memory.h"
#include "jit/profilers.h"

// Fork can happen while any thread is anywhere in here, and the child has only the forking thread.
// Two things make that safe without a handler that waits for locks:
// - The table only grows, by one pointer store per kernel: the child's copy is always whole.
// - What has a lock, or memory that parent and child share, sits in a Publisher, which the child
//   never uses again: it makes its own.

namespace qforge::jit {
#if QFORGE_JIT
namespace {

struct Entry {
  Kernel kernel;
  const Entry* next;
};

// Chains, newest first. Processes have some hundreds of kernels, tests some ten thousands.
constexpr size_t kBucketCount = 4096;
std::atomic<const Entry*> table[kBucketCount];

std::atomic<const Entry*>& BucketOf(const std::string& name) {
  return table[std::hash<std::string>()(name) % kBucketCount];
}

const Kernel* Find(const std::string& name) {
  for (const Entry* entry = BucketOf(name).load(std::memory_order_acquire); entry != nullptr;
       entry = entry->next) {
    if (entry->kernel.name() == name) return &entry->kernel;
  }
  return nullptr;
}

// What one process publishes with. Immortal, since the code in its memory is.
class Publisher {
 public:
  using Clock = std::chrono::steady_clock;

  static Publisher& OfThisProcess();

  Result<const Kernel*> Publish(CodeBytes code, Clock::time_point requested);

 private:
  explicit Publisher(const Publisher* inherited) : inherited_(inherited) {}
  // Process ids are used again, and clone() without fork() is not counted: both are looked at.
  bool IsOfThisProcess() const { return process_ == getpid() && forks_ == base::ForkCount(); }

  // Makes memory_ and profilers_.
  Status ReadEnvironment();

  static std::atomic<Publisher*> current_;

  const pid_t process_ = getpid();
  const unsigned forks_ = base::ForkCount();
  // Only kept, so that leak checkers see where its memory went.
  [[maybe_unused]] const Publisher* const inherited_;

  std::mutex mutex_;  // guards what follows, and additions to the table
  std::optional<CodeMemory> memory_;
  std::vector<std::unique_ptr<Profiler>> profilers_;
};

std::atomic<Publisher*> Publisher::current_{nullptr};

Publisher& Publisher::OfThisProcess() {
  Publisher* publisher = current_.load(std::memory_order_acquire);
  while (publisher == nullptr || !publisher->IsOfThisProcess()) {
    std::unique_ptr<Publisher> created(new Publisher(publisher));
    if (current_.compare_exchange_strong(publisher, created.get(), std::memory_order_acq_rel)) {
      publisher = created.release();
    }
  }
  return *publisher;
}

Status Publisher::ReadEnvironment() {
  Result<CodeMemoryMode> mode = ParseCodeMemoryMode(std::getenv("QFORGE_CODE_MEMORY"));
  if (!mode.ok()) return mode.status();
  profilers_ = ProfilersFromEnvironment();
  const bool private_pages =
      std::any_of(profilers_.begin(), profilers_.end(),
                  [](const auto& profiler) { return profiler->NeedsPrivatePages(); });
  if (*mode == CodeMemoryMode::kAutomatic && private_pages) *mode = CodeMemoryMode::kPrivatePages;
  memory_.emplace(*mode);
  return Status();
}

Result<const Kernel*> Publisher::Publish(CodeBytes code, Clock::time_point requested) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const Kernel* kernel = Find(code.name)) return kernel;  // another thread was faster

  if (!memory_.has_value()) QFORGE_RETURN_IF_ERROR(ReadEnvironment());
  const Result<const void*> entry = memory_->Publish(code.bytes.data(), code.bytes.size());
  if (!entry.ok()) return entry.status();
  const std::chrono::nanoseconds emission = Clock::now() - requested;

  std::atomic<const Entry*>& bucket = BucketOf(code.name);
  const Entry* const added = new Entry{
      Kernel(std::move(code.name), *entry, code.bytes.size(), emission.count()), bucket.load()};
  for (const std::unique_ptr<Profiler>& profiler : profilers_) {
    try {
      profiler->Add(added->kernel);
    } catch (...) {  // no memory: a profile that lacks a name is no reason to lack the kernel
    }
  }
  bucket.store(added, std::memory_order_release);
  return &added->kernel;
}

}  // namespace

namespace internal {

Result<const Kernel*> FindOrEmit(const std::string& name, EmitFunction* emit,
                                 const void* emitter) noexcept {
  try {
    if (const Kernel* kernel = Find(name)) return kernel;
    const Publisher::Clock::time_point requested = Publisher::Clock::now();
    Result<CodeBytes> code = emit(emitter);  // holds no lock, so it may ask for other kernels
    if (!code.ok()) return code.status();
    if (code->name != name) {
      return Status::Error(StatusCode::kInternal, "", "kernel %s asked for, %s emitted",
                           name.c_str(), code->name.c_str());
    }
    return Publisher::OfThisProcess().Publish(std::move(*code), requested);
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit kernel %s",
                         name.c_str());
  } catch (const std::exception& error) {
    return Status::Error(StatusCode::kInternal, "", "emitting kernel %s: %s", name.c_str(),
                         error.what());
  } catch (...) {
    return Status::Error(StatusCode::kInternal, "", "emitting kernel %s threw something unknown",
                         name.c_str());
  }
}

}  // namespace internal

std::vector<const Kernel*> PublishedKernels() {
  std::vector<const Kernel*> kernels;
  for (const std::atomic<const Entry*>& bucket : table) {
    for (const Entry* entry = bucket.load(std::memory_order_acquire); entry != nullptr;
         entry = entry->next) {
      kernels.push_back(&entry->kernel);
    }
  }
  std::sort(kernels.begin(), kernels.end(),
            [](const Kernel* a, const Kernel* b) { return a->name() < b->name(); });
  return kernels;
}

#else  // There is no emitter for this CPU; what asks for kernels stays the same.

namespace internal {

Result<const Kernel*> FindOrEmit(const std::string& name, EmitFunction*, const void*) noexcept {
  return Status::Error(StatusCode::kUnsupported, "", "kernel %s: code is emitted for x86-64 only",
                       name.c_str());
}

}  // namespace internal

std::vector<const Kernel*> PublishedKernels() { return {}; }

#endif

}  // namespace qforge::jit
