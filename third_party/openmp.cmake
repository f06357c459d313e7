# One of the pools that qforge/threads/ has adapters for: its tests need it. Comes with the compiler.
qforge_dependency(OpenMP TARGET OpenMP::OpenMP_CXX MODULE OPTIONAL)
