// A host program: calls qforge beside an xbyak and an asmjit of its own. Arguments are the
// instruction sets of which qforge must have chosen one; none: any.
#include <qforge/qforge.h>

#include <cstdio>
#include <cstring>

#include "operations.h"

int CallCodeFromOwnXbyak();     // own_xbyak.cc: 42
int CountTasksOnOwnThreads();   // own_threads.cc: 100
extern "C" bool PluginWorks();  // plugin.cc
// own_asmjit.cc: 43. Weak, as not every program has one: beside another user of asmjit nothing
// would show that qforge's package forgot to say that it needs it.
[[gnu::weak]] int CallCodeFromOwnAsmjit();

namespace {

bool Works(const char* what, const qforge::Status& status) {
  if (!status.ok()) std::printf("%s: %s\n", what, status.message());
  return status.ok();
}

bool IsAmong(const char* name, int count, char** names) {
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(names[i], name) == 0) return true;
  }
  return count == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (qforge::Version() != QFORGE_VERSION) {
    std::printf("the library is %d, its headers %d\n", qforge::Version(), QFORGE_VERSION);
    return 1;
  }
  const qforge::Result<qforge::Context> context = qforge::Context::Create();
  if (!Works("Context", context.status())) return 1;
  const char* const isa = qforge::IsaName(context->isa());
  std::printf("qforge runs on %s\n", isa);
  if (!IsAmong(isa, argc - 1, argv + 1)) {
    std::printf("that is not among the %d expected\n", argc - 1);
    return 1;
  }

  const int from_xbyak = CallCodeFromOwnXbyak();
  const int from_asmjit = CallCodeFromOwnAsmjit == nullptr ? 43 : CallCodeFromOwnAsmjit();
  if (from_xbyak != 42 || from_asmjit != 43) {
    std::printf("own xbyak: %d, not 42; own asmjit: %d, not 43\n", from_xbyak, from_asmjit);
    return 1;
  }

  const int tasks = CountTasksOnOwnThreads();
  if (tasks != 100) {
    std::printf("%d tasks ran on own threads, not 100\n", tasks);
    return 1;
  }

  if (!PluginWorks()) {
    std::printf("the plugin does not work beside its host\n");
    return 1;
  }

  const bool all = Works("MultiplyBytes", MultiplyBytes(*context)) &&
                   Works("MultiplyFloats", MultiplyFloats(*context)) &&
                   Works("PoolRows", PoolRows(*context)) && Works("ChooseARange", ChooseARange()) &&
                   Works("RefuseNan", RefuseNan(*context));
  return all ? 0 : 1;
}
