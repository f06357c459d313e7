// qforge_quantize_table, run as a user runs it.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "qforge/embedding_table.h"
#include "support/random.h"

namespace qforge::test {
namespace {

constexpr int64_t kRows = 50, kColumns = 12;

// A file with one matrix, "m", in a folder of its own.
class QuantizeTable : public ::testing::Test {
 protected:
  QuantizeTable() {
    std::string name = testing::TempDir() + "/qforge_tool_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
    Random random(1);
    for (int64_t i = 0; i < kRows * kColumns; ++i) values_.push_back(random.Real(-1.0f, 1.0f));
  }
  ~QuantizeTable() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name) const { return folder_ + "/" + name; }
  InputMatrix Rows() const { return InputMatrix(values_.data(), kRows, kColumns); }

  void WriteInput(const std::string& dtype, const void* data, size_t bytes) const {
    const std::string header = R"({"m":{"dtype":")" + dtype + R"(","shape":[50,12],)" +
                               R"("data_offsets":[0,)" + std::to_string(bytes) + "]}}";
    const uint64_t length = header.size();
    std::ofstream file(File("in.safetensors"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), sizeof(length));
    file << header;
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  }
  void WriteInput() const { WriteInput("F32", values_.data(), values_.size() * sizeof(float)); }

  // What the program returns; its output and errors go to output().
  int Run(const std::string& arguments) const {
    const std::string command = std::string("'") + QFORGE_QUANTIZE_TABLE + "' --input '" +
                                File("in.safetensors") + "' --tensor m " + arguments + " > '" +
                                File("log") + "' 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string output() const {
    std::ifstream file(File("log"));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // The saved table is what Quantize() makes of the rows.
  void ExpectTable(const TableQuantizationOptions& options) const {
    const EmbeddingTable expected =
        EmbeddingTable::Quantize(Context::Create().value(), Rows(), options).value();
    const Result<EmbeddingTable> table = EmbeddingTable::Load(File("out"));
    ASSERT_TRUE(table.ok()) << table.status().message();
    EXPECT_EQ(table->Describe(), expected.Describe());
    for (int64_t i = 0; i < kRows; ++i) {
      ASSERT_EQ(std::memcmp(table->row(i), expected.row(i),
                            static_cast<size_t>(RowBytes(expected.layout()))),
                0)
          << "row " << i;
    }
  }

  std::string folder_;
  std::vector<float> values_;
};

TEST_F(QuantizeTable, SavesWhatTheLibraryMakes) {
  WriteInput();
  ASSERT_EQ(Run("--output '" + File("out") + "'"), 0) << output();
  TableQuantizationOptions options;
  options.format = RowFormat::kU4;
  options.method = RangeSearch::kGreedy;
  ExpectTable(options);
  EXPECT_NE(output().find("u4"), std::string::npos) << output();
  EXPECT_NE(output().find("greedy"), std::string::npos) << output();
}

TEST_F(QuantizeTable, TakesEveryPartOfALayout) {
  WriteInput();
  ASSERT_EQ(Run("--format u8 --method minmax --parameters f16 --parameters-first --stride 32 "
                "--output '" +
                File("out") + "'"),
            0)
      << output();
  TableQuantizationOptions options;
  options.parameters = DataType::kF16;
  options.place = ParameterPlace::kFirst;
  options.stride = 32;
  ExpectTable(options);
}

TEST_F(QuantizeTable, AddsChecksums) {
  WriteInput();
  for (const RowFormat format : {RowFormat::kU4, RowFormat::kF32}) {
    ASSERT_EQ(Run(std::string("--row-checksum --method minmax --format ") + RowFormatName(format) +
                  " --output '" + File("out") + "'"),
              0)
        << output();
    TableQuantizationOptions options;
    options.format = format;
    options.row_checksum = true;
    ExpectTable(options);
    const EmbeddingTable table = EmbeddingTable::Load(File("out")).value();
    EXPECT_TRUE(table.layout().checksum);
    EXPECT_TRUE(table.Scrub(Context::Create().value(), 0, kRows).ok());
  }
}

TEST_F(QuantizeTable, ReadsMatricesOf16Bits) {
  std::vector<Half> halves;
  std::vector<BFloat16> bfloats;
  for (const float value : values_) {
    halves.push_back(ToHalf(value));
    bfloats.push_back(ToBFloat16(value));
  }
  TableQuantizationOptions options;
  options.method = RangeSearch::kGreedy;
  const std::string arguments = "--format u8 --output '" + File("out") + "'";
  WriteInput("F16", halves.data(), halves.size() * sizeof(Half));
  ASSERT_EQ(Run(arguments), 0) << output();
  for (size_t i = 0; i < values_.size(); ++i) values_[i] = ToFloat(halves[i]);
  ExpectTable(options);
  WriteInput("BF16", bfloats.data(), bfloats.size() * sizeof(BFloat16));
  ASSERT_EQ(Run(arguments), 0) << output();
  for (size_t i = 0; i < values_.size(); ++i) values_[i] = ToFloat(bfloats[i]);
  ExpectTable(options);
}

TEST_F(QuantizeTable, ComparesEveryFormat) {
  WriteInput();
  ASSERT_EQ(Run("--compare"), 0) << output();
  for (int i = 0; i < kRowFormatCount; ++i) {
    const char* const name = RowFormatName(static_cast<RowFormat>(i));
    EXPECT_NE(output().find(name), std::string::npos) << name;
  }
}

TEST_F(QuantizeTable, RefusesToCompareOneFormat) {
  WriteInput();
  for (const std::string argument :
       {"--format u4", "--method greedy", "--parameters f16", "--parameters-first", "--stride 64",
        "--exponent-bias 9", "--row-checksum"}) {
    EXPECT_NE(Run("--compare " + argument), 0) << argument;
    EXPECT_NE(output().find(argument.substr(0, argument.find(' '))), std::string::npos) << output();
  }
  EXPECT_NE(Run("--compare --output '" + File("out") + "'"), 0);
}

// Before it quantises: no progress is shown, and nothing is left.
TEST_F(QuantizeTable, TriesTheOutputFirst) {
  WriteInput();
  EXPECT_EQ(Run("--output '" + File("no such folder/out") + "'"), 1);
  EXPECT_NE(output().find("no such folder/out"), std::string::npos) << output();
  EXPECT_EQ(output().find("rows of"), std::string::npos) << output();
  ASSERT_EQ(Run("--output '" + File("out") + "'"), 0) << output();
  EXPECT_FALSE(std::filesystem::exists(File("out.trial")));
}

}  // namespace
}  // namespace qforge::test
