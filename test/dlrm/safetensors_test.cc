#include "common/safetensors.h"

#include <gtest/gtest.h>

#include "temporary_file.h"

namespace dlrm {
namespace {

using qforge::Half;
using qforge::bench::SafeTensorsFile;

std::string ErrorOfFile(const std::string& contents) {
  const TemporaryFile file(contents);
  return ErrorOf([&] { SafeTensorsFile opened(file.path()); });
}

// A file with one tensor "a", of which `entry` is the JSON, and 8 bytes of data.
std::string ErrorOfEntry(const std::string& entry) {
  return ErrorOfFile(Safetensors("{\"a\":" + entry + "}", std::string(8, '\0')));
}

TEST(SafeTensors, ReadsWhatWasWritten) {
  const TemporaryFile written(SafetensorsBuilder(R"({"format":"test","empty":""})")
                                  .Add("weights", "[2, 3]", std::vector<float>{1, 2, 3, 4, 5, 6})
                                  .Add("rows", "[2]", std::vector<int64_t>{-7, 1LL << 40})
                                  .Add("scalar", "[]", std::vector<float>{0.5f})
                                  .Add("nothing", "[0, 4]", std::vector<float>{})
                                  .Build());
  SafeTensorsFile file(written.path());
  EXPECT_EQ(file.metadata().at("format"), "test");
  EXPECT_EQ(file.metadata().at("empty"), "");
  EXPECT_TRUE(file.Has("rows"));
  EXPECT_FALSE(file.Has("__metadata__"));
  EXPECT_EQ(file.Info("weights").shape, (std::vector<int64_t>{2, 3}));
  // In another order than they lie in.
  EXPECT_EQ(file.ReadFloats("scalar", {}), std::vector<float>{0.5f});
  EXPECT_TRUE(file.ReadFloats("nothing", {-1, 4}).empty());
  EXPECT_EQ(file.ReadIntegers("rows", {2}), (std::vector<int64_t>{-7, 1LL << 40}));
  EXPECT_EQ(file.ReadFloats("weights", {-1, 3}), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(SafeTensors, ReadsHalves) {
  const TemporaryFile written(
      Safetensors(R"({"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}})",
                  Bytes(std::vector<uint16_t>{0x3C00, 0xC000})));
  SafeTensorsFile file(written.path());
  const std::vector<Half> halves = file.ReadHalves("a", {-1, 1});
  ASSERT_EQ(halves.size(), 2u);
  EXPECT_EQ(halves[0].bits, 0x3C00);
  EXPECT_EQ(halves[1].bits, 0xC000);
  EXPECT_TRUE(Says(ErrorOf([&] { file.ReadFloats("a", {2, 1}); }), "'a' is F16"));
}

TEST(SafeTensors, ReadsDataThatIsNotAligned) {
  std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  while (header.size() % 4 != 1) header += ' ';
  const TemporaryFile written(Safetensors(header, Bytes(std::vector<float>{2.5f})));
  EXPECT_EQ(SafeTensorsFile(written.path()).ReadFloats("a", {1}), std::vector<float>{2.5f});
}

TEST(SafeTensors, RefusesAnotherTypeShapeOrName) {
  const TemporaryFile written(
      SafetensorsBuilder("{}").Add("a", "[2]", std::vector<float>{1, 2}).Build());
  SafeTensorsFile file(written.path());
  EXPECT_TRUE(Says(ErrorOf([&] { file.ReadIntegers("a", {2}); }), "'a' is F32"));
  EXPECT_TRUE(Says(ErrorOf([&] { file.ReadFloats("a", {3}); }), "expected [3]"));
  EXPECT_TRUE(Says(ErrorOf([&] { file.ReadFloats("a", {2, 1}); }), "expected [2, 1]"));
  EXPECT_TRUE(Says(ErrorOf([&] { file.ReadFloats("b", {2}); }), "no tensor 'b'"));
}

TEST(SafeTensors, RefusesMissingAndShortFiles) {
  EXPECT_TRUE(Says(ErrorOf([] { SafeTensorsFile file("/no/such/file"); }), "cannot be opened"));
  EXPECT_TRUE(Says(ErrorOfFile(""), "too short"));
  EXPECT_TRUE(Says(ErrorOfFile("1234567"), "too short"));
}

TEST(SafeTensors, RefusesADirectory) {
  EXPECT_TRUE(Says(ErrorOf([] { SafeTensorsFile file(testing::TempDir()); }), "cannot be"));
}

TEST(SafeTensors, RefusesAHeaderLengthThatLeavesTheFile) {
  for (const uint64_t length : {uint64_t{3}, uint64_t{1} << 32, uint64_t{1} << 63, ~uint64_t{0}}) {
    const std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
    EXPECT_TRUE(Says(ErrorOfFile(bytes + "{}"), "truncated")) << length;
  }
}

TEST(SafeTensors, RefusesEveryTruncation) {
  const std::string whole = SafetensorsBuilder(R"({"k":"v"})")
                                .Add("a", "[2]", std::vector<float>{1, 2})
                                .Add("b", "[1]", std::vector<int64_t>{3})
                                .Build();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(ErrorOfFile(whole.substr(0, size)), "") << size << " bytes";
  }
  EXPECT_TRUE(Says(ErrorOfFile(whole.substr(0, whole.size() - 1)), "truncated"));
}

TEST(SafeTensors, RefusesWhatIsNotJson) {
  for (const char* header : {"", "{", "garbage", "{\"a\":}", "\xff\xfe", "{\"a\":\"\xc3\"}"}) {
    EXPECT_TRUE(Says(ErrorOfFile(Safetensors(header, "")), "not JSON")) << header;
  }
  EXPECT_TRUE(Says(ErrorOfFile(Safetensors(std::string(100'000, '['), "")), "not JSON"));
  EXPECT_TRUE(Says(ErrorOfFile(Safetensors("[1]", "")), "not a JSON object"));
}

TEST(SafeTensors, RefusesBadEntries) {
  for (const char* entry : {"1", "null", "[]", "{}", R"({"dtype":"F32"})",
                            R"({"dtype":4,"shape":[2],"data_offsets":[0,8]})",
                            R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})",
                            R"({"dtype":"F32","shape":[2],"data_offsets":8})"}) {
    EXPECT_TRUE(Says(ErrorOfEntry(entry), "'a'")) << entry;
  }
  EXPECT_TRUE(Says(ErrorOfEntry(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"),
                   "unknown dtype 'F33'"));
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,16]})"), "two numbers"));
  EXPECT_TRUE(Says(ErrorOfEntry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
                   "before they begin"));
  for (const char* size : {"-2", "2.0", "\"2\"", "18446744073709551615"}) {
    EXPECT_TRUE(Says(ErrorOfEntry(std::string(R"({"dtype":"F32","shape":[)") + size +
                                  R"(],"data_offsets":[0,8]})"),
                     "not a size"));
  }
  EXPECT_TRUE(
      Says(ErrorOfFile(Safetensors(R"({"__metadata__":{"dim":16}})", "")), "'__metadata__'"));
}

TEST(SafeTensors, RefusesDeeplyNestedSizes) {
  constexpr size_t kDepth = 1'000'000;
  const std::string nested = std::string(kDepth, '[') + std::string(kDepth, ']');
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":)" + nested + R"(,"data_offsets":[0,8]})"),
           "not a size"));
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":{"x":)" + nested + R"(},"data_offsets":[0,8]})"),
           "not a list of sizes"));
}

TEST(SafeTensors, RefusesSizesThatDoNotFit) {
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "takes 12 bytes"));
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"I64","shape":[2],"data_offsets":[0,8]})"), "takes 16 bytes"));
  // 2^62 elements of 4 bytes would be 0 bytes, modulo 2^64.
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":[2147483648,2147483648],"data_offsets":[0,0]})"),
           "overflows"));
  EXPECT_TRUE(
      Says(ErrorOfEntry(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})"), "truncated"));
}

TEST(SafeTensors, RefusesOverlapsAndHoles) {
  const auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  const auto error = [&](const char* a, const char* b, size_t bytes) {
    return ErrorOfFile(Safetensors(two(a, b), std::string(bytes, '\0')));
  };
  EXPECT_TRUE(Says(error("[0,4]", "[2,6]", 6), "overlap in the data at byte 2"));
  EXPECT_TRUE(Says(error("[0,4]", "[0,4]", 4), "overlap in the data at byte 0"));
  EXPECT_TRUE(Says(error("[0,4]", "[6,10]", 10), "leave a hole in the data at byte 4"));
  EXPECT_TRUE(Says(error("[4,8]", "[0,4]", 9), "leave a hole in the data at byte 8"));
}

}  // namespace
}  // namespace dlrm
