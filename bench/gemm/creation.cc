#include "gemm/creation.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "gemm/problem.h"
#include "jit/kernel_cache.h"
#include "qforge/linear.h"
#include "support/isas.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

base::AlignedBuffer Allocate(size_t bytes) {
  return ValueOrThrow(base::AlignedBuffer::Allocate(bytes));
}

Epilogue TypicalEpilogue() {
  Epilogue epilogue;
  epilogue.activation = Activation::kRelu;
  epilogue.output = OutputU8{0.05f, 5};
  return epilogue;
}

// Makes the layer in this process, which has not emitted anything.
FirstEmission MakeLayerHere(Isa isa) {
  constexpr int64_t kSize = 64;
  const std::vector<int8_t> values(kSize * kSize, 1);
  const std::vector<float> scales(kSize, 0.01f);
  const Context context = MakeContext(isa, 1);
  PackedWeightsOptions options;
  options.scales = scales;
  options.max_isa = isa;
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  };

  const auto start = Clock::now();
  const PackedWeights weights = ValueOrThrow(
      PackedWeights::Create(MatrixView<const int8_t>(values.data(), kSize, kSize), options));
  const auto have_weights = Clock::now();
  const Linear linear = ValueOrThrow(Linear::Create(context, weights, TypicalEpilogue()));
  const auto have_linear = Clock::now();

  FirstEmission first;
  first.weights_seconds = seconds(start, have_weights);
  first.linear_seconds = seconds(have_weights, have_linear);
  for (const jit::Kernel* kernel : jit::PublishedKernels()) {
    first.emission_seconds += static_cast<double>(kernel->emission_ns()) * 1e-9;
    first.code_bytes += static_cast<double>(kernel->code_size());
    first.kernels += 1;
  }
  return first;
}

}  // namespace

CreationComparison::CreationComparison(int64_t size, WeightsLayout layout, const Operands& operands,
                                       Isa isa) {
  const Shape shape{1, size, size};
  const std::shared_ptr<const Problem> problem = MakeProblem(shape, operands);
  const Context context = MakeContext(isa, 1);
  const Epilogue epilogue = problem->EpilogueFor(operands.traits().output);
  LinearOptions options;
  options.input = operands.input;
  create_ = rounds_.Add([=](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      const PackedWeights weights = ValueOrThrow(problem->Pack(layout, isa));
      const Linear linear = ValueOrThrow(Linear::Create(context, weights, epilogue, options));
    }
  });
  const size_t bytes = static_cast<size_t>(operands.WeightBytes(shape));
  const auto source = std::make_shared<base::AlignedBuffer>(Allocate(bytes));
  std::memset(source->data(), 1, bytes);
  copy_to_new_ = rounds_.Add([=](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      base::AlignedBuffer target = Allocate(bytes);
      std::memcpy(target.data(), source->data(), bytes);
    }
  });
  const auto target = std::make_shared<base::AlignedBuffer>(Allocate(bytes));
  copy_ = rounds_.Add([=](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) std::memcpy(target->data(), source->data(), bytes);
  });
}

FirstEmission MakeFirstLayer(Isa isa) {
  if (!jit::PublishedKernels().empty()) {
    throw std::runtime_error("kernels have been emitted before; run this benchmark first");
  }
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    bool written = false;
    try {
      const FirstEmission first = MakeLayerHere(isa);
      written = write(ends[1], &first, sizeof(first)) == static_cast<ssize_t>(sizeof(first));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    _exit(written ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  close(ends[1]);
  FirstEmission first;
  const bool complete = read(ends[0], &first, sizeof(first)) == static_cast<ssize_t>(sizeof(first));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!complete)
    throw std::runtime_error(std::string("no layer could be made for ") + IsaName(isa));
  return first;
}

FirstEmission Median(const std::vector<FirstEmission>& samples) {
  FirstEmission median;
  for (double FirstEmission::*field :
       {&FirstEmission::weights_seconds, &FirstEmission::linear_seconds,
        &FirstEmission::emission_seconds, &FirstEmission::kernels, &FirstEmission::code_bytes}) {
    std::vector<double> values;
    for (const FirstEmission& sample : samples) values.push_back(sample.*field);
    median.*field = Quartiles(std::move(values)).median;
  }
  return median;
}

}  // namespace qforge::bench
