// Everything qforge offers.
#ifndef QFORGE_QFORGE_H_
#define QFORGE_QFORGE_H_

#include "qforge/accuracy.h"
#include "qforge/context.h"
#include "qforge/conversion.h"
#include "qforge/embedding_bag.h"
#include "qforge/embedding_table.h"
#include "qforge/epilogue.h"
#include "qforge/gemm.h"
#include "qforge/half.h"
#include "qforge/histogram.h"
#include "qforge/isa.h"
#include "qforge/linear.h"
#include "qforge/outliers.h"
#include "qforge/packed_sparse_weights.h"
#include "qforge/packed_weights.h"
#include "qforge/quantization.h"
#include "qforge/range_choice.h"
#include "qforge/row_layout.h"
#include "qforge/soft_errors.h"
#include "qforge/sparse_linear.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"
#include "qforge/types.h"
#include "qforge/version.h"
#include "qforge/views.h"

#endif  // QFORGE_QFORGE_H_
