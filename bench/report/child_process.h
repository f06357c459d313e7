// Another program, whose output is read line by line.
#ifndef QFORGE_BENCH_REPORT_CHILD_PROCESS_H_
#define QFORGE_BENCH_REPORT_CHILD_PROCESS_H_

#include <functional>
#include <string>
#include <vector>

namespace qforge::report {

// Runs `arguments`, of which the first is the path of the program, without a shell, and waits for
// its end. Each line of its standard output and standard error goes to `on_line`. Returns its exit
// code, or 128 and the number of the signal that ended it. Throws std::runtime_error where it
// cannot be started.
int RunProgram(const std::vector<std::string>& arguments,
               const std::function<void(const std::string& line)>& on_line);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_CHILD_PROCESS_H_
