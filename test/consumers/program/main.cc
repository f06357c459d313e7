// A host program: multiplies with qforge beside an xbyak and an asmjit of its own.
#include <qforge/qforge.h>

#include <cstdint>
#include <cstdio>

int CallCodeFromOwnXbyak();    // own_xbyak.cc: 42
int CallCodeFromOwnAsmjit();   // own_asmjit.cc: 43
int CountTasksOnOwnThreads();  // own_threads.cc: 100

namespace {

// C = A x B, where A = {1 2 3} and B has the columns {1 2 3}, {-1 0 1}.
qforge::Status Multiply(int32_t* c) {
  const uint8_t a[] = {1, 2, 3};
  const int8_t b[] = {1, -1, 2, 0, 3, 1};

  const qforge::Result<qforge::Context> context = qforge::Context::Create();
  if (!context.ok()) return context.status();
  const qforge::Result<qforge::PackedWeights> weights =
      qforge::PackedWeights::Create(qforge::MatrixView<const int8_t>(b, 3, 2));
  if (!weights.ok()) return weights.status();
  qforge::Epilogue epilogue;
  epilogue.output = qforge::OutputS32{};
  const qforge::Result<qforge::Linear> linear =
      qforge::Linear::Create(*context, *weights, epilogue);
  if (!linear.ok()) return linear.status();
  return linear->Run(qforge::InputMatrix(a, 1, 3), qforge::InputQuantization(),
                     qforge::OutputMatrix(c, 1, 2));
}

}  // namespace

int main() {
  const qforge::Result<qforge::Isa> isa = qforge::BestIsa();
  if (!isa.ok()) {
    std::printf("BestIsa: %s\n", isa.status().message());
    return 1;
  }
  std::printf("qforge runs on %s\n", qforge::IsaName(*isa));

  const int from_xbyak = CallCodeFromOwnXbyak();
  const int from_asmjit = CallCodeFromOwnAsmjit();
  if (from_xbyak != 42 || from_asmjit != 43) {
    std::printf("own xbyak: %d, not 42; own asmjit: %d, not 43\n", from_xbyak, from_asmjit);
    return 1;
  }

  const int tasks = CountTasksOnOwnThreads();
  if (tasks != 100) {
    std::printf("%d tasks ran on own threads, not 100\n", tasks);
    return 1;
  }

  int32_t c[] = {0, 0};
  const qforge::Status status = Multiply(c);
  if (!status.ok() || c[0] != 14 || c[1] != 2) {
    std::printf("{%d %d}, not {14 2}: %s\n", c[0], c[1], status.message());
    return 1;
  }
  return 0;
}
