// Hands out vector registers and fails, in Release too, when a kernel asks for more than there are.
#ifndef QFORGE_JIT_REGISTER_POOL_H_
#define QFORGE_JIT_REGISTER_POOL_H_

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace qforge::jit {

// A vector register of the width of the ISA that code is emitted for.
struct Vec {
  int index = -1;
};

// Thrown while emitting and turned into a Status where the emission was asked for.
class EmissionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class RegisterPool {
 public:
  explicit RegisterPool(int count) : count_(count) {}

  Vec Take() {
    for (int i = 0; i < count_; ++i) {
      if ((taken_ >> i & 1) == 0) {
        taken_ |= uint32_t{1} << i;
        return Vec{i};
      }
    }
    throw EmissionError("no vector register is left of " + std::to_string(count_));
  }
  std::vector<Vec> Take(int n) {
    std::vector<Vec> registers;
    for (int i = 0; i < n; ++i) registers.push_back(Take());
    return registers;
  }
  // Takes these registers, which must be free.
  void Reserve(const std::vector<Vec>& registers) {
    for (Vec v : registers) {
      if ((taken_ >> v.index & 1) != 0) {
        throw EmissionError("vector register " + std::to_string(v.index) + " is taken already");
      }
      taken_ |= uint32_t{1} << v.index;
    }
  }
  void Release(Vec v) { taken_ &= ~(uint32_t{1} << v.index); }
  void Release(const std::vector<Vec>& registers) {
    for (Vec v : registers) Release(v);
  }

  int Free() const { return count_ - __builtin_popcount(taken_); }

 private:
  int count_;
  uint32_t taken_ = 0;
};

}  // namespace qforge::jit

#endif  // QFORGE_JIT_REGISTER_POOL_H_
