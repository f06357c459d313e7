// A bar on the terminal that says how far a long step is. Nothing where standard error is not a
// terminal.
#ifndef QFORGE_BENCH_COMMON_PROGRESS_H_
#define QFORGE_BENCH_COMMON_PROGRESS_H_

#include <string>

namespace qforge::bench {

class Progress {
 public:
  explicit Progress(std::string step);
  // Removes the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` of the step is done, in [0, 1].
  void Update(double fraction);

 private:
  const std::string step_;
  const bool visible_;
  int shown_percent_ = -1;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_COMMON_PROGRESS_H_
