# JitAllocator owns executable memory.
qforge_dependency(asmjit TARGET asmjit::asmjit DEBIAN libasmjit-dev)
