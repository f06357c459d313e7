#include "dlrm/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace dlrm {

Progress::Progress(std::string step)
    : step_(std::move(step)), visible_(isatty(STDERR_FILENO) != 0) {
  Update(0.0);
}

Progress::~Progress() {
  if (visible_) std::fputs("\r\033[2K", stderr);
}

void Progress::Update(double fraction) {
  const int percent = static_cast<int>(100.0 * std::clamp(fraction, 0.0, 1.0));
  if (!visible_ || percent == shown_percent_) return;
  shown_percent_ = percent;
  std::fprintf(stderr, "\r\033[2K%3d %%  %s", percent, step_.c_str());
  std::fflush(stderr);
}

}  // namespace dlrm
