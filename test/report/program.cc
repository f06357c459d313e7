#include "report/program.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace qforge::test {

using nlohmann::json;

ProgramTest::ProgramTest() {
  std::string name = testing::TempDir() + "/qforge_report_test_XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = name;
}

ProgramTest::~ProgramTest() {
  std::error_code ignored;  // a browser may still be leaving
  std::filesystem::remove_all(folder_, ignored);
}

std::string ProgramTest::WriteText(const std::string& name, const std::string& text) const {
  std::ofstream file(File(name));
  file << text;
  return File(name);
}

std::string ProgramTest::Write(const std::string& name, const json& value) const {
  return WriteText(name, value.dump());
}

std::string ProgramTest::Read(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int ProgramTest::Run(const std::string& command) const {
  const int status = std::system((command + " > '" + File("log") + "' 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

json ProductEntry(int m, int n, int k, double seconds, double spread) {
  const auto around = [&](double value) {
    return json{{"median", value}, {"low", value * (1 - spread)}, {"high", value * (1 + spread)}};
  };
  return {{"m", m},
          {"n", n},
          {"k", k},
          {"gops", 2e-9 * m * n * k / seconds},
          {"seconds", around(seconds)},
          {"of_limit", around(0.9)},
          {"bound", m == 1 ? "stream" : "issue"},
          {"issue_gops", 1000},
          {"stream_gb_per_s", 150},
          {"disturbed", 0.0},
          {"peers",
           {{"fbgemm", {{"gops", 300}, {"exact", true}, {"qforge_speedup", around(1.2)}}},
            {"onednn", {{"error", "not on this machine"}}}}}};
}

json ProductTable(const json& entries) {
  return {{"cpu", "A <CPU> & more"},
          {"rounds", 5},
          {"tables",
           {{{"family", "int8"},
             {"isa", "avx2"},
             {"product", "u8 times s8"},
             {"threads", 1},
             {"shapes", entries}}}}};
}

}  // namespace qforge::test
