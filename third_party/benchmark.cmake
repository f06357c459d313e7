# Google Benchmark: the benchmark programs are written with it.
qforge_dependency(benchmark TARGET benchmark::benchmark VERSION 1.7 DEBIAN libbenchmark-dev
  URL https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz
  SHA256 6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7
  OPTIONS BENCHMARK_ENABLE_TESTING=OFF BENCHMARK_ENABLE_INSTALL=OFF)
