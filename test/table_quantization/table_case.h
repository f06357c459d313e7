// Rows to quantise, ways to do it, and what comes back.
#ifndef QFORGE_TEST_TABLE_QUANTIZATION_TABLE_CASE_H_
#define QFORGE_TEST_TABLE_QUANTIZATION_TABLE_CASE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "qforge/context.h"
#include "qforge/embedding_table.h"
#include "support/random.h"
#include "support/test_matrix.h"

namespace qforge::test {

// N(0, 1).
double Normal(Random& random);
TestMatrix NormalRows(int64_t rows, int64_t cols, uint64_t seed);

// Rows of every kind that could go wrong: constant, zeros of both signs, outliers, tiny, huge and
// subnormal values, infinities, NaN, far from zero, few different values, one sign only.
TestMatrix DifficultRows(int64_t cols, uint64_t seed);

TableQuantizationOptions Options(RowFormat format, RangeSearch method = RangeSearch::kMinMax,
                                 DataType parameters = DataType::kNone);
// Every format, with every kind of parameters and every method that it takes.
std::vector<TableQuantizationOptions> AllOptions();
std::string Describe(const TableQuantizationOptions& options);

// An ISA that this machine has. Ends the program where there is no such context.
Context MakeContext(Isa isa, ThreadPool* pool = nullptr);
Context BestContext();

// Ends the program, with the message, where that fails.
EmbeddingTable Quantize(const Context& context, const InputMatrix& rows,
                        const TableQuantizationOptions& options);

// Rows, with what is between them, and codebooks.
std::vector<std::byte> Bytes(const EmbeddingTable& table);

// A value as quantisation takes it: NaN as 0, infinities as the largest finite float.
double Finite(float value);

// |x - q(x)|^2 of each row.
std::vector<double> SquaredErrors(const EmbeddingTable& table, const TestMatrix& rows);
double NormalisedLoss(const EmbeddingTable& table, const TestMatrix& rows);

}  // namespace qforge::test

#endif  // QFORGE_TEST_TABLE_QUANTIZATION_TABLE_CASE_H_
