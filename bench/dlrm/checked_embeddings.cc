#include "dlrm/checked_embeddings.h"

#include <cstring>
#include <utility>

#include "dlrm/check.h"

namespace dlrm {

TableMemory::TableMemory(const qforge::Context& context, const Model& model) {
  for (const EmbeddingTable& values : model.tables) {
    qforge::TableQuantizationOptions options;
    options.format = qforge::RowFormat::kU8;
    const qforge::EmbeddingTable made = Take(qforge::EmbeddingTable::Quantize(
        context, {values.values.data(), values.rows, model.dim}, options));
    row_bytes_ = made.layout().stride;
    const auto* bytes = static_cast<const uint8_t*>(made.row(0));
    std::vector<uint8_t> rows(bytes, bytes + values.rows * row_bytes_);
    qforge::EmbeddingTable handle =
        Take(qforge::EmbeddingTable::Borrow(rows.data(), values.rows, made.layout()));
    Check(handle.AddChecksums(context));
    std::vector<uint8_t> copy = rows;
    // Moving a vector leaves its elements where they are.
    tables_.push_back({std::move(rows), std::move(copy), std::move(handle)});
  }
}

void TableMemory::Flip(size_t table, int64_t row, int64_t bit) {
  tables_[table].rows[static_cast<size_t>(row * row_bytes_ + bit / 8)] ^=
      static_cast<uint8_t>(1u << (bit % 8));
}

void TableMemory::Repair(size_t table, int64_t row) {
  Table& of = tables_[table];
  std::memcpy(of.rows.data() + row * row_bytes_, of.copy.data() + row * row_bytes_,
              static_cast<size_t>(row_bytes_));
}

CheckedEmbeddings::CheckedEmbeddings(const qforge::Context& context, const Model& model,
                                     std::shared_ptr<TableMemory> memory,
                                     qforge::SoftErrorPolicy policy,
                                     qforge::SoftErrorMonitor* monitor)
    : context_(context),
      dim_(model.dim),
      memory_(std::move(memory)),
      inputs_(model.tables.size()),
      outputs_(model.tables.size()) {
  for (size_t i = 0; i < memory_->tables(); ++i) {
    qforge::EmbeddingBagOptions options;
    options.soft_errors.policy = policy;
    options.soft_errors.monitor = monitor;
    bags_.push_back(Take(qforge::EmbeddingBag::Create(context, memory_->table(i), options)));
  }
}

void CheckedEmbeddings::Run(const Requests& requests, int64_t first,
                            const qforge::MatrixView<float>& output) {
  for (size_t i = 0; i < bags_.size(); ++i) {
    const Bags& bags = requests.bags[i];
    inputs_[i].indices = bags.indices;
    inputs_[i].bounds = {bags.offsets.data() + first, output.rows + 1};
    float* const pooled = output.data + static_cast<int64_t>(i) * dim_;
    outputs_[i] = {pooled, output.rows, dim_, output.stride};
  }
  const qforge::Status status = qforge::EmbeddingBag::RunAll(context_, bags_, inputs_, outputs_);
  if (status.code() != qforge::StatusCode::kDataCorrupted) return Check(status);
  // Repairs every row of the batch; which one it was does not matter here.
  for (size_t i = 0; i < bags_.size(); ++i) {
    const Bags& bags = requests.bags[i];
    const auto offset = bags.offsets.begin() + first;
    for (int64_t p = *offset; p < *(offset + output.rows); ++p) {
      memory_->Repair(i, bags.indices[static_cast<size_t>(p)]);
    }
  }
  Check(qforge::EmbeddingBag::RunAll(context_, bags_, inputs_, outputs_));
}

int64_t CheckedEmbeddings::bytes() const {
  int64_t bytes = 0;
  for (size_t i = 0; i < memory_->tables(); ++i) bytes += memory_->table(i).bytes();
  return bytes;
}

}  // namespace dlrm
