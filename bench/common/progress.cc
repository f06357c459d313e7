#include "common/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace qforge::bench {

Progress::Progress(std::string step)
    : step_(std::move(step)), visible_(isatty(STDERR_FILENO) != 0) {
  Update(0.0);
}

Progress::~Progress() {
  if (visible_) std::fputs("\r\033[2K", stderr);
}

void Progress::Update(double fraction) {
  constexpr size_t kWidth = 25;
  const int percent = static_cast<int>(100.0 * std::clamp(fraction, 0.0, 1.0));
  if (!visible_ || percent == shown_percent_) return;
  shown_percent_ = percent;
  const std::string done(kWidth * static_cast<size_t>(percent) / 100, '#');
  const std::string left(kWidth - done.size(), '.');
  std::fprintf(stderr, "\r\033[2K[%s%s] %3d %%  %s", done.c_str(), left.c_str(), percent,
               step_.c_str());
  std::fflush(stderr);
}

}  // namespace qforge::bench
