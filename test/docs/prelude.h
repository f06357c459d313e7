// What fragments in the documents take as given: a context, and small operands of every kind. Each
// fragment becomes the body of a function that returns a Status, which has to be OK when it is run.
#ifndef QFORGE_TEST_DOCS_PRELUDE_H_
#define QFORGE_TEST_DOCS_PRELUDE_H_

#include <qforge/qforge.h>
#include <qforge/threads/executor.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// `count` values that go back and forth between low and high.
template <class T>
std::vector<T> Values(int64_t count, double low, double high) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<T>(low + (high - low) * static_cast<double>(i * 37 % 101) / 100));
  }
  return values;
}

// M rows of K inputs give M rows of N outputs.
constexpr int64_t m = 4;
constexpr int64_t k = 64;
constexpr int64_t n = 32;

inline const qforge::Context context = *qforge::Context::Create();

// Weights, N x K.
inline const std::vector<float> w = Values<float>(n * k, -1, 1);
inline const std::vector<int8_t> w_s8 = Values<int8_t>(n * k, -127, 127);
inline const std::vector<float> w_scales(n, 1.0f / 127);
inline const std::vector<float> bias = Values<float>(n, -1, 1);

// Activations, M x K, and what becomes of them, M x N.
inline const std::vector<float> x_f32 = Values<float>(m * k, -1, 3);
inline const std::vector<uint8_t> x = Values<uint8_t>(m * k, 0, 255);
constexpr float x_scale = 4.0f / 255;
constexpr int32_t x_zero_point = 64;
inline std::vector<float> y_f32(m* n);
inline std::vector<int32_t> y_s32(m* n);
inline std::vector<uint8_t> y(m* n);
constexpr float y_scale = 0.25f;
constexpr int32_t y_zero_point = 128;
inline const std::vector<std::vector<float>> calibration(3, x_f32);

// A table of `rows` rows, and look-ups of two bags in it.
constexpr int64_t rows = 100;
constexpr int64_t dimension = 16;
inline const std::vector<float> rows_f32 = Values<float>(rows * dimension, -1, 1);
inline const std::vector<int64_t> indices = {3, 14, 15, 92, 65};
inline const std::vector<int64_t> offsets = {0, 2, 5};
constexpr int64_t bags = 2;
inline std::vector<float> sums(bags* dimension);

struct Block {
  const char* place;
  qforge::Status (*run)();
};

inline int RunBlocks(std::initializer_list<Block> blocks) {
  int failed = 0;
  for (const Block& block : blocks) {
    const qforge::Status status = block.run();
    if (status.ok()) continue;
    std::fprintf(stderr, "%s: %s\n", block.place, status.message());
    ++failed;
  }
  return failed;
}

#endif  // QFORGE_TEST_DOCS_PRELUDE_H_
