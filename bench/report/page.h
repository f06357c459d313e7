// The whole report as one file of HTML that needs nothing else.
#ifndef QFORGE_BENCH_REPORT_PAGE_H_
#define QFORGE_BENCH_REPORT_PAGE_H_

#include <string>

#include "report/figures.h"

namespace qforge::report {

// Sections of which there are no figures are left out.
std::string Page(const Figures& figures);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_PAGE_H_
