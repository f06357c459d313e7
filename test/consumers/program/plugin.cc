// A shared library that holds a qforge of its own, where that is static, and offers one function.
#include "operations.h"

int CountTasksOnOwnThreads();  // own_threads.cc: 100

extern "C" [[gnu::visibility("default")]] bool PluginWorks() {
  const qforge::Result<qforge::Context> context = qforge::Context::Create();
  return context.ok() && MultiplyBytes(*context).ok() && MultiplyFloats(*context).ok() &&
         PoolRows(*context).ok() && ChooseARange().ok() && CountTasksOnOwnThreads() == 100;
}
