// The check of range options, for operations that hand them on.
#ifndef QFORGE_OPS_RANGE_CHOICE_H_
#define QFORGE_OPS_RANGE_CHOICE_H_

#include "qforge/range_choice.h"
#include "qforge/status.h"

namespace qforge {

// Fields are called "options.method" and so on; those of options.parameters as the arguments say.
Status CheckRangeOptions(const RangeOptions& options, const char* type_field,
                         const char* bits_field) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_RANGE_CHOICE_H_
