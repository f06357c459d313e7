// Which products are measured.
#ifndef QFORGE_BENCH_GEMM_SHAPES_H_
#define QFORGE_BENCH_GEMM_SHAPES_H_

#include <cstdint>
#include <string>
#include <vector>

namespace qforge::bench {

// C (m x n) = A (m x k) times B (k x n).
struct Shape {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  double target = 0;  // of the limit, for avx512_vnni on one thread: 0.92; 0: none

  double operations() const { return 2.0 * static_cast<double>(m) * n * k; }
  // "64x4096x1024"
  std::string Name() const;
};

// The shapes of shapes.txt, compiled in.
std::vector<Shape> PublishedShapes();

// The shapes of a file of that form. Throws std::runtime_error with the line that is wrong.
std::vector<Shape> ReadShapes(const std::string& path);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_SHAPES_H_
