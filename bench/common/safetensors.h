// Reads the safetensors format: an 8-byte little-endian header length, a JSON header with dtype,
// shape and data_offsets per tensor, then the raw little-endian data.
#ifndef QFORGE_BENCH_COMMON_SAFETENSORS_H_
#define QFORGE_BENCH_COMMON_SAFETENSORS_H_

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "qforge/half.h"

namespace qforge::bench {

struct TensorInfo {
  std::string dtype;  // "F32", "I64" and so on
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes, from the start of the data
  int64_t end = 0;
};

// A file whose header has been read and checked against the file's size: every tensor lies inside
// the data, fits its dtype and shape, and overlaps no other. Tensors are read when asked for, so
// that a large model is in memory once. Throws std::runtime_error, with the path, on anything else.
class SafeTensorsFile {
 public:
  explicit SafeTensorsFile(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  bool Has(const std::string& name) const { return tensors_.count(name) != 0; }
  const TensorInfo& Info(const std::string& name) const;

  // The dtype must be F32, F16, BF16 or I64. `shape`: what the tensor must have; -1 stands for any
  // size.
  std::vector<float> ReadFloats(const std::string& name, const std::vector<int64_t>& shape);
  std::vector<Half> ReadHalves(const std::string& name, const std::vector<int64_t>& shape);
  std::vector<BFloat16> ReadBFloat16s(const std::string& name, const std::vector<int64_t>& shape);
  std::vector<int64_t> ReadIntegers(const std::string& name, const std::vector<int64_t>& shape);

  // Throws std::runtime_error with the path in front of `message`.
  [[noreturn]] void Fail(const std::string& message) const;

 private:
  void ParseHeader(const std::string& header, int64_t data_bytes);
  void CheckLayout(int64_t data_bytes) const;
  template <class T>
  std::vector<T> Read(const std::string& name, const char* dtype,
                      const std::vector<int64_t>& shape);

  const std::string path_;
  std::ifstream stream_;
  int64_t data_start_ = 0;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, TensorInfo> tensors_;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_COMMON_SAFETENSORS_H_
