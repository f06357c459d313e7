// qforge_report, on small files, on programs that are not there, and in a browser where one is.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "report/program.h"

namespace qforge::test {
namespace {

using nlohmann::json;

json LookUps(bool in_caches) {
  json entries = json::array();
  for (const int d : {32, 64}) {
    for (const char* const format : {"u4", "bf16"}) {
      json entry = {{"format", format}, {"d", d},           {"ns_per_row", 0.02 * d},
                    {"gb_per_s", 20},   {"disturbed", 0.0}, {"fbgemm_ns_per_row", 0.05 * d}};
      if (!in_caches) entry["limit_ns_per_row"] = 0.015 * d;
      if (std::string(format) == "bf16") entry["fbgemm_ns_per_row"] = 100.0 * d;
      entries.push_back(entry);
    }
  }
  return {{"cpu", "A <CPU> & more"},
          {"rounds", 5},
          {"tables",
           {{{"isa", "avx2"},
             {"rows", in_caches ? 2000 : 4000000},
             {"cache_state", in_caches ? "warm" : "flushed"},
             {"entries", entries}}}}};
}

json Accuracy() {
  const auto table = [](const char* format, const char* method, double of_fp32, double loss) {
    return json{{"format", format},
                {"method", method},
                {"bytes", static_cast<int64_t>(12800 * of_fp32)},
                {"of_fp32", of_fp32},
                {"l2_loss", loss}};
  };
  return {{"tensor", "\"emb\""},
          {"rows", 50},
          {"columns", 64},
          {"tables",
           json::array({table("u4", "greedy", 0.1406, 0.06), table("u4", "minmax", 0.1406, 0.07),
                        table("f32", "rounding", 1.0, 0.0)})}};
}

json Campaign() {
  json entries = json::array();
  for (const char* const name : {"int8/6x256x1024/isa:avx2/threads:1/weights",
                                 "int8/6x256x1024/isa:avx2/threads:1/accumulators",
                                 "embedding_bag/u4/d:64/rows:1000/isa:avx2/threads:1/payload"}) {
    entries.push_back({{"name", name},
                       {"changed_result", 1100},
                       {"detected", 1100},
                       {"overhead", 0.02},
                       {"overhead_low", -0.01},
                       {"overhead_high", 0.04},
                       {"clean_rows", 1234},
                       {"false_positives", 0}});
  }
  return {{"entries", entries}};
}

json Machine() {
  return {{"cpu",
           {{"brand", "A <CPU> & more"},
            {"microarchitecture", "unknown"},
            {"cores", 2},
            {"logical_processors", 4}}},
          {"caches", {{"L1d", {{"bytes", 49152}}}, {"L2", {{"bytes", 1048576}}}}},
          {"isas", json::array({{{"name", "avx2"}, {"usable", true}}})},
          {"chosen", "avx2"}};
}

json Products() {
  return ProductTable(json::array({ProductEntry(1, 256, 512, 1e-6), ProductEntry(6, 256, 512, 2e-6),
                                   ProductEntry(64, 4096, 4096, 2e-3)}));
}

const std::vector<std::string>& ChartIds() {
  static const std::vector<std::string> ids = {"roofline-0",     "peers-0",      "lookups-0-u4",
                                               "lookups-0-bf16", "lookups-1-u4", "accuracy-0",
                                               "overhead-0",     "overhead-1",   "detection"};
  return ids;
}

// What is wrong with the nesting of tags, or "". Strict as XML is; entities have to be those that
// both XML and HTML know.
std::string Malformation(const std::string& page) {
  std::vector<std::string> open;
  for (size_t at = page.find('<', 1); at != std::string::npos; at = page.find('<', at + 1)) {
    const size_t end = page.find('>', at);
    if (end == std::string::npos) return "an open tag at the end";
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "'<' in " + tag;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != tag) return "unexpected " + tag;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
  }
  for (size_t at = page.find('&'); at != std::string::npos; at = page.find('&', at + 1)) {
    const std::string entity = page.substr(at, page.find(';', at) - at);
    if (entity != "&amp" && entity != "&lt" && entity != "&quot") return "entity " + entity;
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

class Report : public ProgramTest {
 protected:
  int RunOn(const std::string& arguments) const {
    return Run(std::string("'") + QFORGE_REPORT + "' --output '" + File("report.html") + "' " +
               arguments);
  }
  std::string Page() const { return Read(File("report.html")); }

  std::string AllFiles() const {
    return "--gemm " + Write("gemm", Products()) + " --embedding " +
           Write("cached", LookUps(true)) + " " + Write("memory", LookUps(false)) + " --accuracy " +
           Write("accuracy", Accuracy()) + " --soft-errors " + Write("campaign", Campaign()) +
           " --machine " + Write("machine", Machine());
  }

  // Programs that do nothing but write the JSON that a benchmark would.
  void WritePrograms() const {
    WriteProgram("qforge_info", Machine());
    WriteProgram("qforge_quantize_table", Accuracy());
    WriteProgram("gemm_bench", Products());
    WriteProgram("embedding_bag_bench", LookUps(true));
    WriteProgram("soft_error_campaign", Campaign());
  }
  void WriteProgram(const std::string& name, const json& result) const {
    WriteScript(name, "for last; do :; done\necho a line\ncp '" + Write(name + ".json", result) +
                          "' \"$last\"\n");
  }
  void WriteScript(const std::string& name, const std::string& body) const {
    namespace fs = std::filesystem;
    fs::permissions(WriteText(name, "#!/bin/sh\n" + body), fs::perms::owner_all);
  }
};

TEST_F(Report, ContainsEveryChart) {
  ASSERT_EQ(RunOn(AllFiles()), 0) << output();
  const std::string page = Page();
  EXPECT_EQ(Malformation(page), "");
  for (const std::string& id : ChartIds()) {
    EXPECT_NE(page.find("<svg id=\"" + id + "\""), std::string::npos) << id;
    EXPECT_NE(page.find("<title id=\"" + id + "-title\">"), std::string::npos) << id;
    EXPECT_NE(page.find("<desc id=\"" + id + "-text\">"), std::string::npos) << id;
  }
  // Figures as people read them, in tooltips and in tables.
  for (const char* const text :
       {"64 × 4,096 × 4,096\n1,074 GOPS", "1.20× as fast as FBGEMM", "u4, greedy\n14.06",
        "1,100 of 1,100", "A &lt;CPU> &amp; more", "0 in 2,468 rows", "48 KiB", "L2, 150 GB/s",
        "FBGEMM: 3,200 to 6,400 ns", "<td>6 × 256 × 512</td><td>issue</td>"}) {
    EXPECT_NE(page.find(text), std::string::npos) << text;
  }
}

TEST_F(Report, RefersToNothingOutside) {
  ASSERT_EQ(RunOn(AllFiles()), 0) << output();
  const std::string page = Page();
  for (const char* const reference : {"http", "src=", "url(", "@import", "<script", "<link"}) {
    EXPECT_EQ(page.find(reference), std::string::npos) << reference;
  }
  for (size_t at = page.find("href=\""); at != std::string::npos;
       at = page.find("href=\"", at + 1)) {
    EXPECT_EQ(page[at + 6], '#');
  }
}

TEST_F(Report, LeavesOutWhatWasNotMeasured) {
  ASSERT_EQ(RunOn("--accuracy " + Write("accuracy", Accuracy())), 0) << output();
  const std::string page = Page();
  EXPECT_EQ(Malformation(page), "");
  EXPECT_NE(page.find("id=\"accuracy-0\""), std::string::npos);
  for (const char* const id : {"roofline", "peers", "lookups", "soft-errors"}) {
    EXPECT_EQ(page.find("id=\"" + std::string(id)), std::string::npos) << id;
  }
}

TEST_F(Report, NamesFileAndFieldOfBadInput) {
  json products = Products(), look_ups = LookUps(true), campaign = Campaign();
  products["tables"][0]["shapes"][1].erase("gops");
  look_ups["tables"][0]["entries"][2]["ns_per_row"] = 0;
  campaign["entries"][0]["name"] = "int8";
  const std::pair<std::string, std::string> cases[] = {
      {"--gemm " + File("absent"), "absent cannot be read"},
      {"--gemm " + WriteText("broken", "{"), "broken is not JSON"},
      {"--gemm " + Write("a", products), "a: tables[0].shapes[1] has no field 'gops'"},
      {"--gemm " + Write("b", ProductTable(json::array())), "no entry in 'shapes'"},
      {"--embedding " + Write("c", look_ups), "tables[0].entries[2].ns_per_row is not above 0"},
      {"--soft-errors " + Write("d", campaign), "entries[0] has a 'name' of fewer than four parts"},
      {"--accuracy " + Write("e", Machine()), "has no field 'tensor'"},
  };
  for (const auto& [arguments, message] : cases) {
    EXPECT_EQ(RunOn(arguments), 2) << arguments;
    EXPECT_NE(output().find(message), std::string::npos) << output();
  }
  EXPECT_EQ(RunOn("--no-such-flag"), 2);
  EXPECT_FALSE(std::filesystem::exists(File("report.html")));
}

TEST_F(Report, RunsTheProgramsBesideIt) {
  WritePrograms();
  ASSERT_EQ(RunOn("--families int8 --programs " + File("") + " --results " + File("results")), 0)
      << output();
  for (const std::string& id : ChartIds()) {
    if (id == "lookups-1-u4") continue;  // the program above knows one setting alone
    EXPECT_NE(Page().find("<svg id=\"" + id + "\""), std::string::npos) << id;
  }
  EXPECT_TRUE(std::filesystem::exists(File("results") + "/gemm_int8.json"));
}

TEST_F(Report, SaysWhichProgramIsMissingOrFails) {
  EXPECT_EQ(RunOn("--programs " + File("")), 2);
  EXPECT_NE(output().find("qforge_info is neither in"), std::string::npos) << output();
  WritePrograms();
  WriteScript("gemm_bench", "echo this CPU has no legs >&2\nexit 3\n");
  EXPECT_EQ(RunOn("--programs " + File("")), 2);
  EXPECT_NE(output().find("gemm_bench ended with 3: this CPU has no legs"), std::string::npos)
      << output();
}

// What a browser makes of a page is what it was written to be: elements that it did not understand
// would have moved, and what it complains of is on its console.
class RenderedReport : public Report {
 protected:
  void ExpectRenders(const std::string& page) const {
#ifdef QFORGE_CHROMIUM
    ASSERT_EQ(
        Run("(timeout 60 '" QFORGE_CHROMIUM
            "' --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
            "--disable-background-networking --disable-component-update --disable-sync "
            "--enable-logging=stderr --v=0 --user-data-dir='" +
            File("profile") + "' --dump-dom 'file://" + page + "' 2> '" + File("console") + "')"),
        0)
        << Read(File("console"));
    for (const std::string& id : ChartIds()) {
      EXPECT_NE(output().find("<svg id=\"" + id + "\""), std::string::npos) << id;
    }
    EXPECT_NE(output().find("</section></main>"), std::string::npos);
    EXPECT_EQ(Read(File("console")).find("CONSOLE"), std::string::npos) << Read(File("console"));
#else
    GTEST_SKIP() << "no browser was found, which would show " << page;
#endif
  }
};

TEST_F(RenderedReport, OfEveryKindOfFile) {
  ASSERT_EQ(RunOn(AllFiles()), 0) << output();
  ExpectRenders(File("report.html"));
}

TEST_F(RenderedReport, TheCommittedExample) { ExpectRenders(QFORGE_EXAMPLE_REPORT); }

}  // namespace
}  // namespace qforge::test
