// The programs that read JSON, run as a user runs them.
#ifndef QFORGE_TEST_REPORT_PROGRAM_H_
#define QFORGE_TEST_REPORT_PROGRAM_H_

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace qforge::test {

// A test with a folder of its own.
class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest();
  ~ProgramTest() override;

  std::string File(const std::string& name) const { return folder_ + "/" + name; }
  std::string Write(const std::string& name, const nlohmann::json& value) const;
  std::string WriteText(const std::string& name, const std::string& text) const;
  static std::string Read(const std::string& path);

  // The exit code of a command line of the shell; what it prints goes to output().
  int Run(const std::string& command) const;
  std::string output() const { return Read(File("log")); }

 private:
  std::string folder_;
};

// What qforge says of a product in its tables.
nlohmann::json ProductEntry(int m, int n, int k, double seconds, double spread = 0.01);
nlohmann::json ProductTable(const nlohmann::json& entries);

}  // namespace qforge::test

#endif  // QFORGE_TEST_REPORT_PROGRAM_H_
