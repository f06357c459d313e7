// An int8 product, a float product and a look-up, all checked for soft errors, with their data and
// what they give on one thread.
#ifndef QFORGE_TEST_THREADS_OPERATIONS_H_
#define QFORGE_TEST_THREADS_OPERATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qforge/context.h"
#include "qforge/embedding_bag.h"
#include "qforge/linear.h"
#include "qforge/soft_errors.h"

namespace qforge::test {

class Operations {
 public:
  static constexpr int kKinds = 5;
  // The first ones. Kernels of the others are for children made by fork() to emit.
  static constexpr int kKindsOfParents = 3;

  // Kinds, from 0, differ in shapes, epilogues and formats: their kernels are different ones.
  Operations(const Context& context, int kind);

  // Runs all into memory of its own. "", or which result has other bits than on one thread or did
  // not pass its check. For any number of threads at once.
  std::string Run() const;

  // The int8 product once more, its accumulators handed to a callback that runs `inner` too.
  // "" or what went wrong.
  std::string RunAround(const Operations& inner) const;

 private:
  struct All {
    Linear int8;
    Linear accumulators;
    Linear floats;
    EmbeddingBag bag;
  };
  struct Results {
    std::vector<float> int8;
    std::vector<float> floats;
    std::vector<float> sums;
  };
  All Create(const Context& context);
  Status RunAll(const All& all, Results* results) const;

  const int kind_;
  const int64_t rows_, inputs_, outputs_;
  std::vector<uint8_t> activations_;
  std::vector<float> float_activations_;
  std::vector<int8_t> weights_;
  std::vector<float> float_weights_;
  std::vector<float> table_;
  std::vector<int64_t> indices_, offsets_;

  mutable SoftErrorMonitor monitor_;
  std::optional<All> all_;
  Results expected_;
  std::vector<int32_t> expected_accumulators_;
};

}  // namespace qforge::test

#endif  // QFORGE_TEST_THREADS_OPERATIONS_H_
