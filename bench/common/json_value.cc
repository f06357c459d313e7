#include "common/json_value.h"

#include <cmath>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace qforge::bench {

using nlohmann::json;

JsonValue::JsonValue(std::shared_ptr<const std::string> file, std::shared_ptr<const json> root,
                     const json* value, std::string place)
    : file_(std::move(file)), root_(std::move(root)), value_(value), place_(std::move(place)) {}

JsonValue JsonValue::Read(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) throw std::runtime_error(path + " cannot be read");
  try {
    auto root = std::make_shared<const json>(json::parse(stream));
    const json* const value = root.get();
    return {std::make_shared<const std::string>(path), std::move(root), value, ""};
  } catch (const json::exception& error) {
    throw std::runtime_error(path + " is not JSON: " + error.what());
  }
}

void JsonValue::Fail(const std::string& problem) const {
  throw std::runtime_error(*file_ + ": " + (place_.empty() ? "" : place_ + " ") + problem);
}

JsonValue JsonValue::Child(const json& value, const std::string& place) const {
  return {file_, root_, &value, place_.empty() ? place : place_ + "." + place};
}

bool JsonValue::Has(const std::string& field) const {
  return is_object() && value_->contains(field) && !(*value_)[field].is_null();
}

JsonValue JsonValue::At(const std::string& field) const {
  if (!Has(field)) Fail("has no field '" + field + "'");
  return Child((*value_)[field], field);
}

std::vector<JsonValue> JsonValue::List(const std::string& field) const {
  const JsonValue list = At(field);
  if (!list.value_->is_array()) list.Fail("is not an array");
  std::vector<JsonValue> values;
  for (const json& value : *list.value_) {
    values.push_back(Child(value, field + "[" + std::to_string(values.size()) + "]"));
  }
  return values;
}

std::vector<std::string> JsonValue::Names(const std::string& field) const {
  const JsonValue object = At(field);
  if (!object.is_object()) object.Fail("is not an object");
  std::vector<std::string> names;
  for (const auto& [name, value] : object.value_->items()) names.push_back(name);
  return names;
}

double JsonValue::Number(const std::string& field) const {
  const JsonValue number = At(field);
  if (!number.value_->is_number()) number.Fail("is not a number");
  return number.value_->get<double>();
}

int64_t JsonValue::Integer(const std::string& field) const {
  const JsonValue number = At(field);
  if (!number.value_->is_number_integer()) number.Fail("is not an integer");
  return number.value_->get<int64_t>();
}

std::string JsonValue::Text(const std::string& field) const {
  const JsonValue text = At(field);
  if (!text.value_->is_string()) text.Fail("is not a text");
  return text.value_->get<std::string>();
}

bool JsonValue::Flag(const std::string& field) const {
  const JsonValue flag = At(field);
  if (!flag.value_->is_boolean()) flag.Fail("is not true or false");
  return flag.value_->get<bool>();
}

double JsonValue::Positive(const std::string& field) const {
  const double number = Number(field);
  if (!std::isfinite(number) || number <= 0) At(field).Fail("is not above 0");
  return number;
}

}  // namespace qforge::bench
