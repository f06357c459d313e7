#include "report/runs.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>

#include "common/progress.h"
#include "report/child_process.h"

namespace qforge::report {
namespace {

namespace fs = std::filesystem;

// In the folder that it has in the build tree, or where all programs lie side by side.
std::string Find(const RunOptions& options, const std::string& folder, const std::string& name) {
  const fs::path programs = options.programs;
  for (const fs::path& path : {programs / folder / name, programs / name}) {
    if (fs::is_regular_file(path)) return path.string();
  }
  throw std::runtime_error(name + " is neither in " + programs.string() + " nor in " +
                           (programs / folder).string() + "; --programs names the folder");
}

struct Step {
  std::string title;
  std::vector<std::string> command;
  std::string json;  // the file that it writes
  int lines;         // about how many it prints
};

void Run(const Step& step) {
  bench::Progress progress(step.title);
  std::string last_line;
  int lines = 0;
  std::vector<std::string> command = step.command;
  command.insert(command.end(), {"--json", step.json});
  const int code = RunProgram(command, [&](const std::string& line) {
    progress.Update(static_cast<double>(++lines) / step.lines);
    if (!line.empty()) last_line = line;
  });
  if (code != 0) {
    throw std::runtime_error(command[0] + " ended with " + std::to_string(code) + ": " + last_line);
  }
}

// A table whose rows are normal, each with a spread of its own, as those of trained tables.
void WriteTable(const std::string& path) {
  constexpr int kRows = 5000, kColumns = 64;
  const std::string header = R"({"synthetic":{"dtype":"F32","shape":[)" + std::to_string(kRows) +
                             "," + std::to_string(kColumns) + R"(],"data_offsets":[0,)" +
                             std::to_string(4 * kRows * kColumns) + "]}}";
  const uint64_t length = header.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof(length));
  file << header;
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> spread(0.02f, 0.4f);
  for (int row = 0; row < kRows; ++row) {
    std::normal_distribution<float> normal(0.0f, spread(generator));
    for (int column = 0; column < kColumns; ++column) {
      const float value = normal(generator);
      file.write(reinterpret_cast<const char*>(&value), sizeof(value));
    }
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

}  // namespace

Sources RunBenchmarks(const RunOptions& options) {
  const auto in_results = [&](const std::string& name) {
    return (fs::path(options.results) / name).string();
  };
  // All are looked for before the first one runs.
  const std::string info = Find(options, "tools", "qforge_info");
  const std::string quantize = Find(options, "tools", "qforge_quantize_table");
  const std::string gemm = Find(options, "gemm", "gemm_bench");
  const std::string embedding = Find(options, "embedding", "embedding_bag_bench");
  const std::string campaign = Find(options, "soft_errors", "soft_error_campaign");
  const std::string rounds = options.full ? "31" : "5";

  Sources sources;
  std::vector<Step> steps;
  const auto add = [&](const std::string& title, const std::string& name, int lines,
                       std::vector<std::string> command) {
    steps.push_back({title, std::move(command), in_results(name), lines});
    return in_results(name);
  };
  sources.machine = add("machine", "machine.json", 40, {info});
  const std::string table = in_results("table.safetensors");
  sources.losses.push_back(add("accuracy of tables", "accuracy.json", 30,
                               {quantize, "--input", table, "--tensor", "synthetic", "--compare"}));
  for (const std::string& family : options.families) {
    sources.products.push_back(add("products, " + family, "gemm_" + family + ".json", 110,
                                   {gemm, "--table", "--rounds", rounds, "--family", family}));
  }
  sources.look_ups.push_back(add("look-ups in the caches", "look_ups_cached.json", 50,
                                 {embedding, "--table", "--rounds", rounds, "--rows", "2000"}));
  const std::vector<std::string> from_memory = {embedding, "--table", "--rounds",
                                                rounds,    "--rows",  "4000000"};
  std::vector<std::string> fewer = from_memory;
  fewer.insert(fewer.end(), {"--d", "32,64,128", "--formats", "u8,u4,u2", "--memory", "1"});
  sources.look_ups.push_back(add("look-ups from memory", "look_ups_memory.json",
                                 options.full ? 50 : 19, options.full ? from_memory : fewer));
  for (const std::string family : {"int8", "fp16", "embedding_bag"}) {
    std::vector<std::string> command = {campaign, "--families", family, "--rounds", rounds};
    if (!options.full) command.insert(command.end(), {"--injections", "50"});
    if (!options.full && family == "embedding_bag") {
      command.insert(command.end(), {"--table-rows", "100000"});
    }
    sources.soft_errors.push_back(
        add("soft errors, " + family, "soft_errors_" + family + ".json", 40, command));
  }

  WriteTable(table);
  for (const Step& step : steps) Run(step);
  return sources;
}

}  // namespace qforge::report
