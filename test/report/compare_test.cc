// qforge_compare, on files whose differences are known.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "report/program.h"
#include "support/random.h"

namespace qforge::test {
namespace {

using nlohmann::json;

class Compare : public ProgramTest {
 protected:
  int RunOn(const std::string& arguments) const {
    return Run(std::string("'") + QFORGE_COMPARE + "' " + arguments);
  }

  // Three products whose times are multiplied by `factors`.
  std::string Table(const std::string& name, const std::vector<double>& factors,
                    double spread = 0.01) const {
    json entries = json::array();
    int m = 1;
    for (const double factor : factors) {
      entries.push_back(ProductEntry(m, 256, 512, 1e-6 * m * factor, spread));
      m += 5;
    }
    return Write(name, ProductTable(entries));
  }

  // Ten repetitions of two benchmarks, around `times` with a deviation of 1 %.
  std::string GoogleBenchmark(const std::string& name, const std::vector<double>& times,
                              uint64_t seed) const {
    Random random(seed);
    json entries = json::array();
    for (size_t i = 0; i < times.size(); ++i) {
      const std::string of = "BM_" + std::to_string(i);
      for (int repetition = 0; repetition < 10; ++repetition) {
        entries.push_back({{"name", of},
                           {"run_name", of},
                           {"run_type", "iteration"},
                           {"real_time", times[i] * random.Real(0.983f, 1.017f)},
                           {"time_unit", "us"}});
      }
      entries.push_back({{"name", of + "_mean"}, {"run_name", of}, {"run_type", "aggregate"}});
    }
    return Write(name, {{"benchmarks", entries}});
  }
};

json Around(double value) {
  return {{"median", value}, {"low", value * 0.99}, {"high", value * 1.01}};
}

TEST_F(Compare, FlagsAPlantedSlowdown) {
  const std::string base = Table("base", {1, 1, 1}), fresh = Table("new", {1, 1.2, 1});
  EXPECT_EQ(RunOn(base + " " + fresh), 1);
  EXPECT_NE(output().find("SLOWER"), std::string::npos) << output();
  EXPECT_NE(output().find("3 compared, new/base 1.063"), std::string::npos) << output();
  EXPECT_NE(output().find("1 slower, 0 faster; 2 are not"), std::string::npos) << output();
  EXPECT_EQ(RunOn(fresh + " " + base), 0);
  EXPECT_NE(output().find("0 slower, 1 faster; 2 are not"), std::string::npos) << output();
}

TEST_F(Compare, IsNotFooledByNoise) {
  const std::string base = Table("base", {1, 1, 1}, 0.08),
                    fresh = Table("new", {1.1, 1.2, 0.9}, 0.08);
  EXPECT_EQ(RunOn(base + " " + fresh), 0) << output();
  EXPECT_NE(output().find("0 slower, 0 faster; 3 are not"), std::string::npos) << output();
}

TEST_F(Compare, TakesNoDifferenceBelowTheThresholdForOne) {
  const std::string base = Table("base", {1, 1, 1}, 1e-4), fresh = Table("new", {1.02, 1, 1}, 1e-4);
  EXPECT_EQ(RunOn(base + " " + fresh), 0) << output();
  EXPECT_EQ(RunOn("--threshold 1 " + base + " " + fresh), 1) << output();
}

TEST_F(Compare, TrustsSmallDifferencesOfSeveralRunsAlone) {
  const std::string a = Table("a", {1.0}, 1e-3), b = Table("b", {1.001}, 1e-3),
                    c = Table("c", {0.999}, 1e-3);
  const std::string d = Table("d", {1.06}, 1e-3), e = Table("e", {1.061}, 1e-3),
                    f = Table("f", {1.059}, 1e-3);
  EXPECT_EQ(RunOn(a + " " + d), 0) << output();
  EXPECT_EQ(RunOn("--threshold 3 " + a + " " + d), 1) << output();
  EXPECT_EQ(RunOn("--base " + a + " " + b + " " + c + " --new " + d + " " + e + " " + f), 1)
      << output();
}

TEST_F(Compare, SeveralRunsShowWhatProcessesDifferBy) {
  const std::string a = Table("a", {1.0, 1.0}, 1e-4), b = Table("b", {1.15, 1.01}, 1e-4);
  const std::string c = Table("c", {0.95, 1.0}, 1e-4), d = Table("d", {1.2, 1.2}, 1e-4);
  const std::string e = Table("e", {1.0, 1.21}, 1e-4), f = Table("f", {1.1, 1.19}, 1e-4);
  // Alone, the first file of each would show two slowdowns.
  EXPECT_EQ(RunOn(a + " " + d), 1);
  EXPECT_NE(output().find("2 slower"), std::string::npos) << output();
  EXPECT_EQ(RunOn("--base " + a + " " + b + " " + c + " --new " + d + " " + e + " " + f), 1);
  EXPECT_NE(output().find("1 slower, 0 faster; 1 are not"), std::string::npos) << output();
}

// Of hundreds of entries some differ by chance, the more so where the variance is that of three
// runs.
TEST_F(Compare, IsNotFooledByManyEntries) {
  Random random(1);
  constexpr int kEntries = 300;
  // The sum of three uniform values varies nearly as a normal one, here with a deviation of 3 %.
  const auto noise = [&] {
    const float sum =
        random.Real(-1.0f, 1.0f) + random.Real(-1.0f, 1.0f) + random.Real(-1.0f, 1.0f);
    return std::exp(0.03 * static_cast<double>(sum));
  };
  const auto run = [&](const char* name, double factor_of_last) {
    json entries = json::array();
    for (int m = 1; m <= kEntries; ++m) {
      const double factor = m == kEntries ? factor_of_last : 1.0;
      entries.push_back(ProductEntry(m, 256, 512, 1e-6 * m * factor * noise()));
    }
    return Write(name, ProductTable(entries)) + " ";
  };
  std::string base = "--base ", same = "--new ", slower = same;
  for (const char* const name : {"a1", "a2", "a3"}) base += run(name, 1.0);
  for (const char* const name : {"b1", "b2", "b3"}) same += run(name, 1.0);
  for (const char* const name : {"c1", "c2", "c3"}) slower += run(name, 10.0);
  EXPECT_EQ(RunOn(base + same), 0) << output();
  EXPECT_NE(output().find("0 slower, 0 faster; 300 are not"), std::string::npos) << output();
  EXPECT_EQ(RunOn(base + slower), 1) << output();
  EXPECT_NE(output().find("1 slower, 0 faster; 299 are not"), std::string::npos) << output();
}

// One round has no quartiles, and writes its time three times.
TEST_F(Compare, TakesOneRoundForNoSpread) {
  EXPECT_EQ(RunOn(Table("base", {1, 1}, 0) + " " + Table("new", {1.5, 1}, 0)), 2);
  EXPECT_NE(output().find("neither side says how its figures vary"), std::string::npos) << output();
}

TEST_F(Compare, DoesNotJudgeWhatWasDisturbed) {
  json entry = ProductEntry(6, 256, 512, 2e-6);
  entry["disturbed"] = 0.5;
  const std::string fresh = Write("new", ProductTable(json::array({entry})));
  const std::string base =
      Write("base", ProductTable(json::array({ProductEntry(6, 256, 512, 1e-6)})));
  EXPECT_EQ(RunOn(base + " " + fresh), 0);
  EXPECT_NE(output().find("Not judged: 1 that other"), std::string::npos) << output();
}

TEST_F(Compare, TakesTheLimitForAMeasure) {
  // A slower clock: times grow, and the part of the limit remains.
  const std::string base = Table("base", {1, 1}), fresh = Table("new", {1.3, 1.3});
  EXPECT_EQ(RunOn(base + " " + fresh), 1);
  EXPECT_EQ(RunOn("--of-limit " + base + " " + fresh), 0) << output();
}

TEST_F(Compare, ReadsRepetitionsOfGoogleBenchmark) {
  const std::string base = GoogleBenchmark("base", {10, 20, 30}, 1);
  const std::string same = GoogleBenchmark("same", {10, 20, 30}, 2);
  const std::string slow = GoogleBenchmark("slow", {10, 24, 30}, 3);
  EXPECT_EQ(RunOn(base + " " + same), 0) << output();
  EXPECT_EQ(RunOn(base + " " + slow), 1);
  EXPECT_NE(output().find("1 slower, 0 faster; 2 are not"), std::string::npos) << output();
}

TEST_F(Compare, ReadsOtherTablesAndCampaigns) {
  const auto look_ups = [&](double seconds) {
    const json entry = {{"format", "u4"}, {"d", 64}, {"seconds", Around(seconds)}};
    return json{
        {"tables",
         {{{"isa", "avx2"}, {"threads", 1}, {"rows", 2000}, {"entries", json::array({entry})}}}}};
  };
  EXPECT_EQ(RunOn(Write("a", look_ups(1e-9)) + " " + Write("b", look_ups(1.2e-9))), 1);
  EXPECT_NE(output().find("embedding_bag/u4/d:64/rows:2000/isa:avx2/threads:1"), std::string::npos)
      << output();

  const auto sparse = [&](double seconds) {
    const json entry = {{"m", 6},           {"n", 256},           {"k", 512},
                        {"density", 0.001}, {"accumulate", true}, {"seconds", Around(seconds)}};
    return json{{"tables", {{{"isa", "avx2"}, {"threads", 1}, {"rows", json::array({entry})}}}}};
  };
  EXPECT_EQ(RunOn(Write("a", sparse(1e-6)) + " " + Write("b", sparse(1.2e-6))), 1);
  EXPECT_NE(output().find("int8_sparse/6x256x512/density:0.001/isa:avx2/threads:1/accumulate"),
            std::string::npos)
      << output();

  const auto campaign = [&](double overhead) {
    json entries = json::array();
    for (const char* const place : {"weights", "accumulators"}) {
      entries.push_back({{"name", std::string("int8/6x256x512/isa:avx2/threads:1/") + place},
                         {"overhead", overhead},
                         {"overhead_low", overhead - 0.01},
                         {"overhead_high", overhead + 0.01}});
    }
    return json{{"entries", entries}};
  };
  EXPECT_EQ(RunOn(Write("a", campaign(0.02)) + " " + Write("b", campaign(0.22))), 1);
  EXPECT_NE(output().find("\n1 compared"), std::string::npos) << output();
}

TEST_F(Compare, SaysWhatOnlyOneSideHas) {
  EXPECT_EQ(RunOn(Table("base", {1, 1, 1}) + " " + Table("new", {1, 1})), 0);
  EXPECT_NE(output().find("only in base: int8/11x256x512/isa:avx2/threads:1"), std::string::npos)
      << output();
}

TEST_F(Compare, NamesFileAndFieldOfBadInput) {
  const std::string good = Table("good", {1});
  json no_seconds = ProductEntry(1, 2, 3, 1e-6), text = no_seconds, negative = no_seconds;
  no_seconds.erase("seconds");
  text["seconds"]["low"] = "fast";
  negative["seconds"]["median"] = -1;
  const std::pair<std::string, std::string> cases[] = {
      {File("absent"), "absent cannot be read"},
      {WriteText("broken", "{\"tables\": ["), "broken is not JSON"},
      {Write("empty", json::object()), "none of the fields 'tables', 'entries' and 'benchmarks'"},
      {Write("a", ProductTable(json::array({no_seconds}))),
       "tables[0].shapes[0] has no field 'seconds'"},
      {Write("b", ProductTable(json::array({text}))),
       "tables[0].shapes[0].seconds.low is not a number"},
      {Write("c", ProductTable(json::array({negative}))),
       "tables[0].shapes[0].seconds.median is not above 0"},
      {Write("d", {{"benchmarks", json::array()}}), "no iterations"},
      {Write("e", {{"tables", 1}}), "tables is not an array"},
      {Write("f", ProductTable(json::array({ProductEntry(7, 7, 7, 1)}))), "no entry in common"},
  };
  for (const auto& [file, message] : cases) {
    EXPECT_EQ(RunOn(good + " " + file), 2) << file;
    EXPECT_NE(output().find(message), std::string::npos) << output();
  }
  EXPECT_EQ(RunOn(good), 2);
  EXPECT_EQ(RunOn("--base " + good), 2);
  EXPECT_EQ(RunOn("--no-such-flag"), 2);
  EXPECT_EQ(RunOn("--help"), 0);
}

TEST_F(Compare, RefusesFiguresWithoutNoise) {
  const json once = {{"benchmarks", {{{"name", "a"}, {"real_time", 1.0}, {"time_unit", "ns"}}}}};
  EXPECT_EQ(RunOn(Write("a", once) + " " + Write("b", once)), 2);
  EXPECT_NE(output().find("--benchmark_repetitions"), std::string::npos) << output();
}

}  // namespace
}  // namespace qforge::test
