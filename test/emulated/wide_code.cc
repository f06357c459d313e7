// wide_code sse|avx2: whether this CPU runs code of that set and ends what goes beyond it.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

void RunSse() { asm volatile("pxor %%xmm1, %%xmm1" ::: "xmm1"); }
void RunAvx2() { asm volatile("vpxor %%ymm1, %%ymm1, %%ymm1" ::: "xmm1"); }
void RunAvx512() { asm volatile(".byte 0x62, 0xf1, 0x75, 0x48, 0xef, 0xc9" ::: "xmm1"); }

// The signal that ends a process which calls `code`; 0: none does.
int SignalOf(void (*code)()) {
  const pid_t child = fork();
  if (child == 0) {
    code();
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int main(int argc, char** argv) {
  const bool avx2 = argc == 2 && std::strcmp(argv[1], "avx2") == 0;
  const int own = SignalOf(avx2 ? RunAvx2 : RunSse);
  const int beyond = SignalOf(avx2 ? RunAvx512 : RunAvx2);
  std::printf("own code: signal %d; code beyond: signal %d, SIGILL being %d\n", own, beyond,
              SIGILL);
  return own == 0 && beyond == SIGILL ? 0 : 1;
}
