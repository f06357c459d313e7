#include "common/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace qforge::bench {
namespace {

// The format's own limit, so that a damaged length does not allocate the whole memory.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr int64_t kLengthBytes = 8;

// Bytes of one element; 0 if the dtype is not known.
int64_t ElementBytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kTypes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
      {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
  for (const auto& [name, bytes] : kTypes) {
    if (name == dtype) return bytes;
  }
  return 0;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += size < 0 ? "any" : std::to_string(size);
  }
  return text + "]";
}

// Of what is nested the kind alone: dump() recurses, as deep as a bad file likes.
std::string ValueText(const nlohmann::json& value) {
  return value.is_structured() ? value.type_name() : value.dump();
}

// A header's number: nlohmann's get() would turn -1, 0.5 and 2^64 - 1 into some integer.
int64_t ToSize(const nlohmann::json& value) {
  const bool fits =
      value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
  if (!fits) throw std::runtime_error("'" + ValueText(value) + "' is not a size");
  return value.get<int64_t>();
}

std::vector<int64_t> ToSizes(const nlohmann::json& values) {
  if (!values.is_array()) {
    throw std::runtime_error("'" + ValueText(values) + "' is not a list of sizes");
  }
  std::vector<int64_t> sizes;
  for (const auto& value : values) sizes.push_back(ToSize(value));
  return sizes;
}

TensorInfo ToTensorInfo(const nlohmann::json& entry) {
  TensorInfo info;
  info.dtype = entry.at("dtype").get<std::string>();
  info.shape = ToSizes(entry.at("shape"));
  const std::vector<int64_t> offsets = ToSizes(entry.at("data_offsets"));
  if (offsets.size() != 2) throw std::runtime_error("data_offsets must be two numbers");
  info.begin = offsets[0];
  info.end = offsets[1];
  if (info.begin > info.end) throw std::runtime_error("data_offsets end before they begin");

  int64_t bytes = ElementBytes(info.dtype);
  if (bytes == 0) throw std::runtime_error("unknown dtype '" + info.dtype + "'");
  for (const int64_t size : info.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      throw std::runtime_error("shape " + ShapeText(info.shape) + " overflows");
    }
  }
  if (bytes != info.end - info.begin) {
    throw std::runtime_error(info.dtype + " of shape " + ShapeText(info.shape) + " takes " +
                             std::to_string(bytes) + " bytes, but data_offsets span " +
                             std::to_string(info.end - info.begin));
  }
  return info;
}

}  // namespace

SafeTensorsFile::SafeTensorsFile(const std::string& path)
    : path_(path), stream_(path, std::ios::binary | std::ios::ate) {
  if (!stream_) Fail("cannot be opened");
  const int64_t file_bytes = stream_.tellg();
  if (file_bytes < kLengthBytes) Fail("is too short to be a safetensors file");

  uint64_t header_bytes = 0;
  stream_.seekg(0);
  stream_.read(reinterpret_cast<char*>(&header_bytes), kLengthBytes);
  if (!stream_) Fail("cannot be read");
  if (header_bytes > kMaxHeaderBytes ||
      header_bytes > static_cast<uint64_t>(file_bytes - kLengthBytes)) {
    Fail("is no safetensors file, or is truncated: it states a header of " +
         std::to_string(header_bytes) + " bytes and has " + std::to_string(file_bytes) +
         " bytes in all");
  }
  std::string header(header_bytes, '\0');
  stream_.read(header.data(), static_cast<std::streamsize>(header_bytes));
  if (!stream_) Fail("cannot be read");

  data_start_ = kLengthBytes + static_cast<int64_t>(header_bytes);
  const int64_t data_bytes = file_bytes - data_start_;
  ParseHeader(header, data_bytes);
  CheckLayout(data_bytes);
}

void SafeTensorsFile::ParseHeader(const std::string& header, int64_t data_bytes) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(header);
  } catch (const nlohmann::json::exception& error) {
    Fail(std::string("has a header that is not JSON: ") + error.what());
  }
  if (!json.is_object()) Fail("has a header that is not a JSON object");
  for (const auto& [name, entry] : json.items()) {
    try {
      if (name == "__metadata__") {
        metadata_ = entry.get<std::map<std::string, std::string>>();
        continue;
      }
      const TensorInfo info = ToTensorInfo(entry);
      if (info.end > data_bytes) {
        throw std::runtime_error("ends at byte " + std::to_string(info.end) +
                                 " of the data, which has " + std::to_string(data_bytes) +
                                 ": the file is truncated");
      }
      tensors_.emplace(name, info);
    } catch (const std::runtime_error& error) {
      Fail("'" + name + "': " + error.what());
    } catch (const nlohmann::json::exception& error) {
      Fail("'" + name + "': " + error.what());
    }
  }
}

// The format allows neither overlaps nor holes.
void SafeTensorsFile::CheckLayout(int64_t data_bytes) const {
  std::vector<std::pair<int64_t, int64_t>> spans;
  for (const auto& [name, info] : tensors_) spans.emplace_back(info.begin, info.end);
  std::sort(spans.begin(), spans.end());
  spans.emplace_back(data_bytes, data_bytes);
  int64_t covered = 0;
  for (const auto& [begin, end] : spans) {
    if (begin != covered) {
      Fail(std::string("has tensors that ") + (begin < covered ? "overlap" : "leave a hole") +
           " in the data at byte " + std::to_string(std::min(begin, covered)));
    }
    covered = end;
  }
}

const TensorInfo& SafeTensorsFile::Info(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) Fail("has no tensor '" + name + "'");
  return found->second;
}

template <class T>
std::vector<T> SafeTensorsFile::Read(const std::string& name, const char* dtype,
                                     const std::vector<int64_t>& shape) {
  const TensorInfo& info = Info(name);
  if (info.dtype != dtype) Fail("'" + name + "' is " + info.dtype + ", expected " + dtype);
  const auto matches = [](int64_t expected, int64_t size) {
    return expected < 0 || expected == size;
  };
  if (!std::equal(shape.begin(), shape.end(), info.shape.begin(), info.shape.end(), matches)) {
    Fail("'" + name + "' has shape " + ShapeText(info.shape) + ", expected " + ShapeText(shape));
  }
  std::vector<T> values((info.end - info.begin) / sizeof(T));
  stream_.clear();
  stream_.seekg(data_start_ + info.begin);
  stream_.read(reinterpret_cast<char*>(values.data()), info.end - info.begin);
  if (!stream_) Fail("cannot be read at '" + name + "'");
  return values;
}

std::vector<float> SafeTensorsFile::ReadFloats(const std::string& name,
                                               const std::vector<int64_t>& shape) {
  return Read<float>(name, "F32", shape);
}

std::vector<Half> SafeTensorsFile::ReadHalves(const std::string& name,
                                              const std::vector<int64_t>& shape) {
  return Read<Half>(name, "F16", shape);
}

std::vector<BFloat16> SafeTensorsFile::ReadBFloat16s(const std::string& name,
                                                     const std::vector<int64_t>& shape) {
  return Read<BFloat16>(name, "BF16", shape);
}

std::vector<int64_t> SafeTensorsFile::ReadIntegers(const std::string& name,
                                                   const std::vector<int64_t>& shape) {
  return Read<int64_t>(name, "I64", shape);
}

void SafeTensorsFile::Fail(const std::string& message) const {
  throw std::runtime_error(path_ + " " + message);
}

}  // namespace qforge::bench
