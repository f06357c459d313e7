// Reads JSON files that others wrote: what is missing or of another type is an error that names the
// file and the place in it.
#ifndef QFORGE_BENCH_COMMON_JSON_VALUE_H_
#define QFORGE_BENCH_COMMON_JSON_VALUE_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qforge::bench {

// A value in a file, which is kept alive. All functions throw std::runtime_error.
class JsonValue {
 public:
  static JsonValue Read(const std::string& path);

  bool is_object() const { return value_->is_object(); }
  // Whether this is an object with a field of that name that is not null.
  bool Has(const std::string& field) const;
  // The field of an object, which must exist.
  JsonValue At(const std::string& field) const;
  // The elements of the array in a field.
  std::vector<JsonValue> List(const std::string& field) const;
  // The names of the fields of the object in a field.
  std::vector<std::string> Names(const std::string& field) const;

  double Number(const std::string& field) const;
  int64_t Integer(const std::string& field) const;
  std::string Text(const std::string& field) const;
  bool Flag(const std::string& field) const;
  // A number that rates and times can be: finite and above 0.
  double Positive(const std::string& field) const;

  const std::string& file() const { return *file_; }
  // Throws with the file and the place in front of `problem`.
  [[noreturn]] void Fail(const std::string& problem) const;

 private:
  JsonValue(std::shared_ptr<const std::string> file, std::shared_ptr<const nlohmann::json> root,
            const nlohmann::json* value, std::string place);
  JsonValue Child(const nlohmann::json& value, const std::string& place) const;

  std::shared_ptr<const std::string> file_;
  std::shared_ptr<const nlohmann::json> root_;
  const nlohmann::json* value_;
  std::string place_;  // "tables[0].shapes[3]"; "" at the top
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_COMMON_JSON_VALUE_H_
