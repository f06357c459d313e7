// Safetensors files for tests, written and removed again.
#ifndef QFORGE_TEST_DLRM_TEMPORARY_FILE_H_
#define QFORGE_TEST_DLRM_TEMPORARY_FILE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace dlrm {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents) {
    static int count = 0;
    path_ = testing::TempDir() + "/qforge_dlrm_" + std::to_string(getpid()) + "_" +
            std::to_string(count++);
    std::ofstream(path_, std::ios::binary) << contents;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The bytes of a file with this header and data.
inline std::string Safetensors(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  return bytes + header + data;
}

template <class T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Builds a well-formed file, tensor by tensor.
class SafetensorsBuilder {
 public:
  // `metadata` and `shape` are JSON.
  explicit SafetensorsBuilder(const std::string& metadata)
      : header_("{\"__metadata__\":" + metadata) {}

  SafetensorsBuilder& Add(const std::string& name, const std::string& shape,
                          const std::vector<float>& values) {
    return AddBytes(name, "F32", shape, Bytes(values));
  }
  SafetensorsBuilder& Add(const std::string& name, const std::string& shape,
                          const std::vector<int64_t>& values) {
    return AddBytes(name, "I64", shape, Bytes(values));
  }
  std::string Build() const { return Safetensors(header_ + "}", data_); }

 private:
  SafetensorsBuilder& AddBytes(const std::string& name, const std::string& dtype,
                               const std::string& shape, const std::string& bytes) {
    header_ += ",\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
               ",\"data_offsets\":[" + std::to_string(data_.size()) + ",";
    data_ += bytes;
    header_ += std::to_string(data_.size()) + "]}";
    return *this;
  }

  std::string header_;
  std::string data_;
};

// The message of the error that `body` throws; empty, and a failure, where it throws none.
template <class Body>
std::string ErrorOf(const Body& body) {
  try {
    body();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline testing::AssertionResult Says(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << message << "\" does not say \"" << part << "\"";
}

}  // namespace dlrm

#endif  // QFORGE_TEST_DLRM_TEMPORARY_FILE_H_
