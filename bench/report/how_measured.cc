// The machine, and how figures came about.

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

void AddTerm(const std::string& term, const std::string& text, Markup* list) {
  list->Add("dt", term);
  list->Add("dd", text);
}

std::string Join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

void AddMachine(const Machine& machine, Markup* list) {
  const std::string known =
      machine.microarchitecture == "unknown" ? "" : " (" + machine.microarchitecture + ")";
  AddTerm("CPU", machine.brand + known, list);
  AddTerm("Cores",
          Fixed(static_cast<double>(machine.cores), 0) + ", logical processors " +
              Fixed(static_cast<double>(machine.logical_processors), 0),
          list);
  std::vector<std::string> caches;
  for (const auto& [name, bytes] : machine.caches) caches.push_back(name + " " + Bytes(bytes));
  AddTerm("Caches", Join(caches), list);
  AddTerm("Instruction sets", Join(machine.isas), list);
  if (!machine.chosen.empty()) AddTerm("Chosen", machine.chosen, list);
}

}  // namespace

Markup HowMeasured(const Figures& figures) {
  Markup section = Section("machine", "The machine, and how it was measured",
                           "One thread, caches warm unless a heading says otherwise. Ratios carry "
                           "over to other machines; rates do not.");
  Markup& list = section.Add("dl");
  if (figures.machine) {
    AddMachine(*figures.machine, &list);
  } else if (!figures.cpus.empty()) {
    AddTerm("CPU", Join(figures.cpus), &list);
  }
  std::vector<std::string> products;
  for (const ProductTable& table : figures.products) {
    products.push_back(TitleOf(table) + " (" + std::to_string(table.rounds) + " rounds)");
  }
  if (!products.empty()) AddTerm("Products", Join(products), &list);
  AddTerm("Rounds",
          "All parties of an entry, qforge, peers and the loops that measure the limits, run in "
          "turn in slices of some milliseconds. Ratios are taken within a round; shown are the "
          "median and the quartiles over rounds.",
          &list);
  AddTerm("Limit",
          "The larger of two times: operations over the rate at which the core issues them, and "
          "bytes of weights over the rate at which it reads them from where they lie. Of look-ups "
          "from memory: a loop that reads one byte of each line of the same rows.",
          &list);
  AddTerm("Results",
          "Compared with a scalar reference before anything is timed; an entry whose result is "
          "wrong fails.",
          &list);
  return section;
}

}  // namespace qforge::report
