// Expectations on errors.
#ifndef QFORGE_TEST_SUPPORT_STATUS_MATCHERS_H_
#define QFORGE_TEST_SUPPORT_STATUS_MATCHERS_H_

#include <gtest/gtest.h>

#include <string_view>

#include "qforge/status.h"

namespace qforge::test {

// Whether `status` has this code, names `field` or a part of it ("scales" as "scales[3]", "input"
// as "input.stride"), and says something.
inline ::testing::AssertionResult IsError(const Status& status, StatusCode code,
                                          std::string_view field) {
  const std::string_view actual = status.field();
  const bool same_field =
      actual == field || (actual.substr(0, field.size()) == field &&
                          (actual[field.size()] == '.' || actual[field.size()] == '['));
  const std::string_view message = status.message();
  const bool explains = message.size() > std::string_view(StatusCodeName(code)).size() +
                                             actual.size() + std::string_view(": : ").size();
  if (status.code() == code && same_field && explains) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "expected " << StatusCodeName(code) << " of \"" << field
                                       << "\" with a reason, got \"" << message << "\"";
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_STATUS_MATCHERS_H_
