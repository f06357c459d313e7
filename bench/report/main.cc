// qforge_report: measures, and writes a page for people. See bench/README.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "report/figures.h"
#include "report/page.h"
#include "report/runs.h"

namespace qforge::report {
namespace {

namespace fs = std::filesystem;

// A folder that goes when the program ends, unless the user named one.
class ResultsFolder {
 public:
  explicit ResultsFolder(const std::string& named) : path_(named), keep_(!named.empty()) {
    if (keep_) {
      fs::create_directories(path_);
      return;
    }
    path_ = (fs::temp_directory_path() / "qforge_report_XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  ~ResultsFolder() {
    std::error_code ignored;
    if (!keep_) fs::remove_all(path_, ignored);
  }
  ResultsFolder(const ResultsFolder&) = delete;
  ResultsFolder& operator=(const ResultsFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const bool keep_;
};

void Write(const std::string& page, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << page;
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

void Main(int argc, char** argv) {
  CLI::App app(
      "Runs the benchmarks and writes one page with charts of what they measured, which opens in "
      "any browser without a network. Given files that were measured already, it only draws.",
      "qforge_report");
  app.get_formatter()->column_width(34);
  RunOptions options;
  Sources sources;
  std::string output = "report.html", results;
  app.add_option("--output", output, "the page")->type_name("FILE")->capture_default_str();

  constexpr char kRun[] = "To measure";
  auto* const programs =
      app.add_option("--programs", options.programs,
                     "where the other programs are (default: beside this one, or in the folders "
                     "of the build tree)")
          ->type_name("DIR")
          ->group(kRun);
  app.add_flag("--full", options.full,
               "all rounds and all look-ups; far longer than the minutes without")
      ->group(kRun);
  app.add_option("--families", options.families, "of products")
      ->delimiter(',')
      ->capture_default_str()
      ->group(kRun);
  app.add_option("--results", results, "keep the JSON files in this folder")
      ->type_name("DIR")
      ->group(kRun);

  constexpr char kDraw[] = "To draw what was measured (JSON files)";
  const auto files = [&](const std::string& flag, auto& paths, const std::string& from) {
    app.add_option(flag, paths, "of " + from)->type_name("FILE")->group(kDraw);
  };
  files("--gemm", sources.products, "gemm_bench --table");
  files("--embedding", sources.look_ups, "embedding_bag_bench --table");
  files("--accuracy", sources.losses, "qforge_quantize_table --compare");
  files("--soft-errors", sources.soft_errors, "soft_error_campaign");
  files("--machine", sources.machine, "qforge_info");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  if (programs->count() == 0) {
    options.programs = fs::canonical("/proc/self/exe").parent_path().parent_path().string();
  }

  const bool draw_only = !sources.products.empty() || !sources.look_ups.empty() ||
                         !sources.losses.empty() || !sources.soft_errors.empty();
  std::optional<ResultsFolder> folder;  // until all files are read
  if (!draw_only) {
    options.results = folder.emplace(results).path();
    const std::string machine = sources.machine;
    sources = RunBenchmarks(options);
    if (!machine.empty()) sources.machine = machine;
  }
  Write(Page(ReadFigures(sources)), output);
  std::printf("%s\n", output.c_str());
}

}  // namespace
}  // namespace qforge::report

int main(int argc, char** argv) {
  try {
    qforge::report::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qforge_report: %s\n", error.what());
    return 2;
  }
  return 0;
}
