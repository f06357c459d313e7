// A call of each kind of operation, whose result is known without qforge. Sizes fill vectors of
// every instruction set and leave some over. Each returns an error, or kInternal where a value is
// wrong.
#ifndef OPERATIONS_H_
#define OPERATIONS_H_

#include <qforge/qforge.h>

qforge::Status MultiplyBytes(const qforge::Context& context);
qforge::Status MultiplyFloats(const qforge::Context& context);
qforge::Status PoolRows(const qforge::Context& context);
qforge::Status ChooseARange();
// Whatever the flags that all of a project is compiled with.
qforge::Status RefuseNan(const qforge::Context& context);

#endif  // OPERATIONS_H_
