#include "report/page.h"

#include <vector>

#include "report/markup.h"
#include "report/sections.h"
#include "report/style.h"

namespace qforge::report {
namespace {

struct Part {
  const char* id;
  const char* name;  // in the list of contents
  bool present;
  Markup (*make)(const Figures& figures);
};

std::vector<Part> PartsOf(const Figures& figures) {
  return {{"roofline", "Roofline", !figures.products.empty(), Roofline},
          {"peers", "Peers", !figures.products.empty(), BesidePeers},
          {"lookups", "Look-ups", !figures.look_ups.empty(), LookUps},
          {"accuracy", "Accuracy and size", !figures.losses.empty(), Accuracy},
          {"soft-errors", "Soft errors", !figures.campaigns.empty(), SoftErrors},
          {"machine", "Machine", true, HowMeasured}};
}

std::string Subtitle(const Figures& figures) {
  std::string text = "Measured";
  if (figures.machine) return text + " on " + figures.machine->brand;
  for (const std::string& cpu : figures.cpus) {
    text += (cpu == figures.cpus.front() ? " on " : ", ") + cpu;
  }
  return text;
}

}  // namespace

std::string Page(const Figures& figures) {
  Markup html("html");
  html.Set("lang", "en");
  Markup& head = html.Add("head");
  head.Add("meta").Set("charset", "utf-8");
  head.Add("meta").Set("name", "viewport").Set("content", "width=device-width, initial-scale=1");
  head.Add("title", "qforge: report");
  head.Add("style", kStyle);

  Markup& body = html.Add("body");
  Markup& header = body.Add("header");
  header.Add("h1", "qforge: speed, accuracy, soft errors");
  header.Add("p", Subtitle(figures)).Set("class", "soft");
  Markup& nav = header.Add("nav").Set("aria-label", "Contents");
  header.Add(Summary(figures));
  Markup& main = body.Add("main");
  for (const Part& part : PartsOf(figures)) {
    if (!part.present) continue;
    nav.Add("a", part.name).Set("href", std::string("#") + part.id);
    main.Add(part.make(figures));
  }
  return "<!DOCTYPE html>" + html.ToString() + "\n";
}

}  // namespace qforge::report
