# Names the CPU, its caches and its base instruction sets.
qforge_dependency(cpuinfo TARGET cpuinfo::cpuinfo MODULE DEBIAN libcpuinfo-dev)
