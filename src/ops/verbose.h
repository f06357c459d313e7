// What QFORGE_VERBOSE=1 prints: for each operation that is created, what was chosen and why nothing
// better was.
#ifndef QFORGE_OPS_VERBOSE_H_
#define QFORGE_OPS_VERBOSE_H_

#include <string>

#include "qforge/isa.h"

namespace qforge {

// Whether QFORGE_VERBOSE is set to something other than "0". Read once per process.
bool Verbose() noexcept;

// Prints `description` of an operation on `isa` to standard error, and why each higher ISA was
// refused. May throw std::bad_alloc.
void PrintCreation(const std::string& description, Isa isa);

}  // namespace qforge

#endif  // QFORGE_OPS_VERBOSE_H_
