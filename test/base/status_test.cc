#include "qforge/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace qforge {
namespace {

TEST(StatusTest, DefaultIsOk) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kOk);
  EXPECT_STREQ(status.field(), "");
  EXPECT_STREQ(status.message(), "OK");
}

TEST(StatusTest, ErrorNamesCodeFieldAndReason) {
  const Status status =
      Status::Error(StatusCode::kInvalidArgument, "b.columns", "%d does not match %s", 7, "a.rows");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_STREQ(status.field(), "b.columns");
  EXPECT_STREQ(status.message(), "INVALID_ARGUMENT: b.columns: 7 does not match a.rows");
}

TEST(StatusTest, ErrorWithoutFieldHasNoEmptyPart) {
  EXPECT_STREQ(Status::Error(StatusCode::kInternal, "", "tile lost").message(),
               "INTERNAL: tile lost");
  EXPECT_STREQ(Status::Error(StatusCode::kInternal, nullptr, "tile lost").message(),
               "INTERNAL: tile lost");
}

TEST(StatusTest, LongTextIsCutAndTerminated) {
  const std::string field(1000, 'f');
  const std::string sentence(1000, 's');
  const Status status =
      Status::Error(StatusCode::kOutOfRange, field.c_str(), "%s", sentence.c_str());
  const std::string kept_field = status.field();
  const std::string message = status.message();
  EXPECT_GE(kept_field.size(), 40u);
  EXPECT_EQ(kept_field, field.substr(0, kept_field.size()));
  EXPECT_GE(message.size(), 200u);
  EXPECT_EQ(message.find("OUT_OF_RANGE: " + kept_field + ": sss"), 0u);
  EXPECT_EQ(message.find_last_not_of('s'), message.find(": s") + 1);
}

TEST(StatusTest, CopiesCarryTheText) {
  const Status error = Status::Error(StatusCode::kUnsupported, "isa", "no");
  const Status copy = error;
  EXPECT_EQ(copy.code(), StatusCode::kUnsupported);
  EXPECT_STREQ(copy.field(), "isa");
  EXPECT_STREQ(copy.message(), error.message());

  Status assigned;
  assigned = error;
  EXPECT_STREQ(assigned.message(), error.message());
  const Status& same = assigned;
  assigned = same;
  EXPECT_STREQ(assigned.message(), error.message());
  assigned = Status();
  EXPECT_TRUE(assigned.ok());
  EXPECT_STREQ(assigned.message(), "OK");
}

TEST(StatusTest, EveryCodeHasAName) {
  EXPECT_STREQ(StatusCodeName(StatusCode::kOk), "OK");
  EXPECT_STREQ(StatusCodeName(StatusCode::kInvalidArgument), "INVALID_ARGUMENT");
  EXPECT_STREQ(StatusCodeName(StatusCode::kOutOfRange), "OUT_OF_RANGE");
  EXPECT_STREQ(StatusCodeName(StatusCode::kUnsupported), "UNSUPPORTED");
  EXPECT_STREQ(StatusCodeName(StatusCode::kResourceExhausted), "RESOURCE_EXHAUSTED");
  EXPECT_STREQ(StatusCodeName(StatusCode::kDataCorrupted), "DATA_CORRUPTED");
  EXPECT_STREQ(StatusCodeName(StatusCode::kInternal), "INTERNAL");
  EXPECT_STREQ(StatusCodeName(static_cast<StatusCode>(200)), "UNKNOWN");
}

TEST(ResultTest, HoldsAMoveOnlyValue) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.status().ok());
  EXPECT_EQ(**result, 3);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 3);
}

TEST(ResultTest, HoldsAnError) {
  const Result<std::string> result = Status::Error(StatusCode::kOutOfRange, "m", "too large");
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(static_cast<bool>(result));
  EXPECT_STREQ(result.status().message(), "OUT_OF_RANGE: m: too large");
}

TEST(ResultTest, OkStatusWithoutValueIsAnInternalError) {
  const Result<int> result = Status();
  EXPECT_EQ(result.status().code(), StatusCode::kInternal);
}

// std::string owns memory, so that a missing or doubled destructor shows under AddressSanitizer.
TEST(ResultTest, MoveAssignmentReplacesValueAndError) {
  const std::string long_text(100, 'x');
  Result<std::string> result = std::string("old");
  result = Result<std::string>(long_text);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, long_text);
  result = Result<std::string>(Status::Error(StatusCode::kInternal, "", "lost"));
  EXPECT_FALSE(result.ok());
  result = Result<std::string>(long_text);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->size(), 100u);
}

TEST(ResultDeathTest, ValueOfAnErrorEndsTheProgram) {
  Result<int> result = Status::Error(StatusCode::kInternal, "", "none");
  EXPECT_DEATH((void)result.value(), "");
}

Status FailAt(int step, int* reached) {
  for (*reached = 0; *reached < 3; ++*reached) {
    QFORGE_RETURN_IF_ERROR(
        *reached == step ? Status::Error(StatusCode::kInternal, "step", "%d", step) : Status());
  }
  return Status();
}

TEST(StatusTest, ReturnIfErrorStopsAtTheFirstError) {
  int reached = 0;
  EXPECT_STREQ(FailAt(1, &reached).message(), "INTERNAL: step: 1");
  EXPECT_EQ(reached, 1);
  EXPECT_TRUE(FailAt(5, &reached).ok());
  EXPECT_EQ(reached, 3);
}

}  // namespace
}  // namespace qforge
