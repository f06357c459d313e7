// Tells a child made by fork() from its parent.
#ifndef QFORGE_BASE_PROCESS_H_
#define QFORGE_BASE_PROCESS_H_

namespace qforge::base {

// How many fork() lie between the start of the program and this process. What was made when the
// count was another one belongs to a parent: its threads are not here. Process ids would not do
// alone, as a grandchild may have that of its grandparent, and asking for them is a system call.
// clone() without fork() runs no handlers, and is not counted.
unsigned ForkCount() noexcept;

}  // namespace qforge::base

#endif  // QFORGE_BASE_PROCESS_H_
