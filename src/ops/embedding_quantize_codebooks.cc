#include "ops/embedding_quantize_codebooks.h"

#include <algorithm>
#include <utility>

#include "base/workspace.h"
#include "ops/embedding_quantize_centres.h"
#include "ref/table_quantization.h"

namespace qforge {
namespace {

using ref::kCentres;

// More rows hardly change the centres.
constexpr int64_t kSampleRowsPerCodebook = 128;
// Rounds that win less than this part of the loss end the training.
constexpr double kLeastGain = 5e-4;

constexpr int64_t kNone = -1;

// In [0, 1), the number `index` of the sequence that `seed` starts (SplitMix64).
double Uniform(uint64_t seed, int64_t index) {
  uint64_t z = seed + (static_cast<uint64_t>(index) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

class Trainer {
 public:
  Trainer(const Context& context, const InputMatrix& rows, const TableQuantizationOptions& options,
          const RowFunctions& functions, QuantizationProgress* progress)
      : context_(context),
        rows_(rows),
        options_(options),
        functions_(functions),
        progress_(progress),
        sample_rows_(std::min(rows.rows, options.clusters * kSampleRowsPerCodebook)) {
    codebooks_.count = std::min(options.clusters, rows.rows);
  }

  Result<Codebooks> Train() {
    QFORGE_RETURN_IF_ERROR(Allocate());
    if (codebooks_.count == 0) return std::move(codebooks_);
    QFORGE_RETURN_IF_ERROR(Start());
    double previous_loss = 0.0;
    for (int round = 0; round < options_.iterations; ++round) {
      QFORGE_RETURN_IF_ERROR(Assign());
      double loss = 0.0;
      for (int64_t i = 0; i < sample_rows_; ++i) loss += static_cast<double>(choices()[i].loss);
      if (round != 0 && loss >= previous_loss * (1.0 - kLeastGain)) break;
      previous_loss = loss;
      QFORGE_RETURN_IF_ERROR(MoveCentres());
    }
    return std::move(codebooks_);
  }

 private:
  struct Sum {
    double values;
    int64_t count;
  };

  // What a thread has for a row.
  struct RowMemory {
    RowMemory(std::byte* memory, const Trainer& trainer)
        : cutter(memory),
          reader(trainer.rows_, trainer.functions_.load, cutter),
          losses(cutter.Cut<float>(trainer.codebooks_.count)),
          codes(cutter.Cut<uint8_t>(PaddedColumns(trainer.rows_.cols))),
          centre_finder(trainer.rows_.cols, cutter) {}

    MemoryCutter cutter;
    RowReader reader;
    float* const losses;
    uint8_t* const codes;
    CentreFinder centre_finder;
  };

  kernels::Codebook* books() { return codebooks_.books.As<kernels::Codebook>(); }
  Half* stored(int64_t book) { return codebooks_.stored.As<Half>() + book * kCentres; }
  ChosenCodebook* choices() { return choices_.As<ChosenCodebook>(); }
  Sum* sums(int64_t book) { return sums_.As<Sum>() + book * kCentres; }
  int64_t SampleRow(int64_t i) const {
    return static_cast<int64_t>(static_cast<double>(i) / static_cast<double>(sample_rows_) *
                                static_cast<double>(rows_.rows));
  }

  Status Allocate() {
    const auto allocate = [](base::AlignedBuffer* buffer, int64_t count, size_t size) {
      auto allocated = base::AlignedBuffer::Allocate(static_cast<size_t>(count) * size);
      if (allocated.ok()) *buffer = std::move(*allocated);
      return allocated.status();
    };
    const int64_t centres = codebooks_.count * kCentres;
    QFORGE_RETURN_IF_ERROR(allocate(&codebooks_.stored, centres, sizeof(Half)));
    QFORGE_RETURN_IF_ERROR(
        allocate(&codebooks_.books, codebooks_.count, sizeof(kernels::Codebook)));
    QFORGE_RETURN_IF_ERROR(allocate(&sums_, centres, sizeof(Sum)));
    return allocate(&choices_, sample_rows_, sizeof(ChosenCodebook));
  }

  template <class Body>
  Status Walk(int64_t rows, int64_t rows_at_a_time, const Body& body) {
    RowWalk walk;
    walk.rows = rows;
    walk.rows_at_a_time = rows_at_a_time;
    walk.memory_bytes = RowMemory(nullptr, *this).cutter.bytes();
    walk.progress = progress_;
    walk.rows_are_done = false;
    return WalkRows(context_, walk, [&](int64_t begin, int64_t end, std::byte* bytes) {
      RowMemory memory(bytes, *this);
      body(begin, end, memory);
    });
  }

  // The best codebook of one row becomes codebook `book`.
  void CopyRowsBest(int64_t sample, int64_t book, RowMemory& memory) {
    memory.reader.Read(SampleRow(sample));
    books()[book] = memory.centre_finder.Find(memory.reader.row(), rows_.cols, stored(book));
  }

  Status Start() {
    const int64_t count = codebooks_.count;
    return Walk(count, kStartsAtATime, [&](int64_t begin, int64_t end, RowMemory& memory) {
      for (int64_t book = begin; book < end; ++book) {
        // One row from each of as many parts of the sample: no row twice.
        const double part = static_cast<double>(book) + Uniform(options_.seed, book);
        const auto sample = static_cast<int64_t>(part / static_cast<double>(count) *
                                                 static_cast<double>(sample_rows_));
        CopyRowsBest(std::min(sample, sample_rows_ - 1), book, memory);
      }
    });
  }

  Status Assign() {
    const int64_t at_a_time = RowsAtATime(rows_.cols);
    return Walk(sample_rows_, at_a_time, [&](int64_t begin, int64_t end, RowMemory& memory) {
      for (int64_t i = begin; i < end; ++i) {
        memory.reader.Read(SampleRow(i));
        choices()[i] =
            ChooseCodebook(codebooks_, functions_, memory.reader.row(), rows_.cols, memory.losses);
      }
    });
  }

  // On one thread: the order of additions must not depend on how many there are.
  Status MoveCentres() {
    return Walk(1, 1, [&](int64_t, int64_t, RowMemory& memory) {
      std::fill_n(sums(0), codebooks_.count * kCentres, Sum{});
      for (int64_t i = 0; i < sample_rows_; ++i) AddRow(i, memory);
      for (int64_t book = 0; book < codebooks_.count; ++book) MoveCentres(book, memory);
    });
  }

  void AddRow(int64_t i, RowMemory& memory) {
    memory.reader.Read(SampleRow(i));
    const float* const row = memory.reader.row();
    const int64_t book = choices()[i].index;
    functions_.encode_codebook(row, rows_.cols, &books()[book], memory.codes);
    Sum* const book_sums = sums(book);
    for (int64_t j = 0; j < rows_.cols; ++j) {
      Sum& sum = book_sums[memory.codes[j / 2] >> (4 * (j % 2)) & 15];
      sum.values += static_cast<double>(row[j]);
      ++sum.count;
    }
  }

  void MoveCentres(int64_t book, RowMemory& memory) {
    double centres[kCentres];
    bool used = false;
    for (int q = 0; q < kCentres; ++q) {
      const Sum& sum = sums(book)[q];
      used = used || sum.count != 0;
      centres[q] = sum.count != 0 ? sum.values / static_cast<double>(sum.count)
                                  : static_cast<double>(books()[book].centres[q]);
    }
    if (used) {
      books()[book] = MakeCodebook(centres, stored(book));
      return;
    }
    // Chosen by no row: it starts again with the one that is served worst, which leaves its own.
    int64_t worst = kNone;
    for (int64_t i = 0; i < sample_rows_; ++i) {
      if (choices()[i].loss > (worst == kNone ? 0.0f : choices()[worst].loss)) worst = i;
    }
    if (worst == kNone) return;
    CopyRowsBest(worst, book, memory);
    choices()[worst].loss = 0.0f;
  }

  static constexpr int64_t kStartsAtATime = 16;

  const Context& context_;
  const InputMatrix& rows_;
  const TableQuantizationOptions& options_;
  const RowFunctions& functions_;
  QuantizationProgress* const progress_;
  const int64_t sample_rows_;
  Codebooks codebooks_;
  base::AlignedBuffer choices_;
  base::AlignedBuffer sums_;
};

}  // namespace

Result<Codebooks> TrainCodebooks(const Context& context, const InputMatrix& rows,
                                 const TableQuantizationOptions& options,
                                 const RowFunctions& functions,
                                 QuantizationProgress* progress) noexcept {
  return Trainer(context, rows, options, functions, progress).Train();
}

ChosenCodebook ChooseCodebook(const Codebooks& codebooks, const RowFunctions& functions,
                              const float* row, int64_t columns, float* losses) noexcept {
  functions.codebook_losses(row, columns, codebooks.data(), codebooks.count, losses);
  const float* const least = std::min_element(losses, losses + codebooks.count);
  return {least - losses, *least};
}

}  // namespace qforge
