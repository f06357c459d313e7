// The sections of the page: each a heading, what is to be seen, charts, and the figures as a table.
#ifndef QFORGE_BENCH_REPORT_SECTIONS_H_
#define QFORGE_BENCH_REPORT_SECTIONS_H_

#include <string>

#include "report/chart.h"
#include "report/figures.h"
#include "report/markup.h"

namespace qforge::report {

inline const Party kQforge{"qforge", Shape::kCircle, "qforge"};
inline const Party kFbgemm{"fbgemm", Shape::kDiamond, "FBGEMM"};
inline const Party kOneDnn{"onednn", Shape::kSquare, "oneDNN"};

// A party's mark where other processes disturbed the measurement: paler.
inline Party Pale(Party party, bool disturbed) {
  if (disturbed) party.style += " pale";
  return party;
}
inline const char* DisturbedNote(bool disturbed) {
  return disturbed ? "\ndisturbed by other processes" : "";
}

// A section with a heading and a paragraph.
inline Markup Section(const std::string& id, const std::string& heading, const std::string& text) {
  Markup section("section");
  section.Set("id", id);
  section.Add("h2", heading);
  section.Add("p", text);
  return section;
}

// "int8 on avx512_vnni"
inline std::string TitleOf(const ProductTable& table) { return table.family + " on " + table.isa; }

Markup Summary(const Figures& figures);
Markup Roofline(const Figures& figures);
Markup BesidePeers(const Figures& figures);
Markup LookUps(const Figures& figures);
Markup Accuracy(const Figures& figures);
Markup SoftErrors(const Figures& figures);
Markup HowMeasured(const Figures& figures);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_SECTIONS_H_
