#include "embedding/comparison.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "embedding/fetch_limit.h"
#include "peers/fbgemm_embedding.h"
#include "qforge/embedding_bag.h"
#include "support/isas.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

using Output = std::shared_ptr<base::AlignedBuffer>;

Output MakeOutput(const TableData& data, const Lookups& lookups) {
  const int64_t bytes = lookups.bags() * data.which().dimension * int64_t{sizeof(float)};
  return std::make_shared<base::AlignedBuffer>(
      ValueOrThrow(base::AlignedBuffer::Allocate(static_cast<size_t>(bytes))));
}

Work QforgeLookup(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups, Isa isa,
                  Output output) {
  const EmbeddingBag bag =
      ValueOrThrow(EmbeddingBag::Create(MakeContext(isa, 1), data->table(), {}));
  const OutputMatrix matrix(output->As<float>(), lookups->bags(), data->which().dimension);
  return [=](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      BagInput input;
      input.indices = IndexView(lookups->Next(), lookups->rows_per_call());
      input.bounds = lookups->offsets();
      const Status status = bag.Run(input, matrix);
      if (!status.ok()) throw std::runtime_error(status.message());
    }
    (void)data;
    (void)output;
  };
}

// Runs one call and looks at its result.
void CheckSums(const char* who, const Work& work, const TableData& data, const Lookups& lookups,
               const Output& output) {
  const int64_t* const indices = lookups.Peek();
  work(1);
  if (!IsSumOfRows(data, lookups, indices, output->As<float>())) {
    throw std::runtime_error(std::string("wrong sums from ") + who + ", " + data.which().Name());
  }
}

}  // namespace

#if !QFORGE_BENCH_HAVE_FBGEMM
bool FbgemmHas(RowFormat) { return false; }
bool FbgemmFollows(RowFormat, Isa) { return false; }
Work FbgemmLookup(std::shared_ptr<const TableData>, std::shared_ptr<Lookups>, Isa, float*) {
  throw std::runtime_error("this program was built without FBGEMM");
}
#endif

Comparison::Comparison(const Case& which, Isa isa)
    : isa_(isa),
      data_(std::make_shared<const TableData>(which)),
      lookups_(std::make_shared<Lookups>(which.setting)) {
  const Output output = MakeOutput(*data_, *lookups_);
  const Work work = QforgeLookup(data_, lookups_, isa_, output);
  CheckSums("qforge", work, *data_, *lookups_, output);
  Add(data_, work);
}

void Comparison::AddFbgemm() {
  const Output output = MakeOutput(*data_, *lookups_);
  const Work work = FbgemmLookup(data_, lookups_, isa_, output->As<float>());
  CheckSums("FBGEMM", work, *data_, *lookups_, output);
  fbgemm_ = Add(data_, [work, output](int64_t repetitions) { work(repetitions); });
}

void Comparison::AddU4() {
  Case u4 = which();
  u4.format = FindFormat("u4");
  const auto data = std::make_shared<const TableData>(u4);
  u4_ = Add(data, QforgeLookup(data, lookups_, isa_, MakeOutput(*data, *lookups_)));
}

void Comparison::AddChecked(Checksums checksums) {
  Case in_row = which();
  in_row.checksums = Checksums::kInRow;
  const auto data = checksums == Checksums::kBeside ? TableData::WithChecksums(data_)
                                                    : std::make_shared<const TableData>(in_row);
  const Output output = MakeOutput(*data, *lookups_);
  const Work work = QforgeLookup(data, lookups_, isa_, output);
  CheckSums("qforge with checksums", work, *data, *lookups_, output);
  (checksums == Checksums::kInRow ? checked_in_row_ : checked_beside_) = Add(data, work);
}

void Comparison::AddLimit() {
  FetchLimit limit = FindFetchLimit(data_, lookups_);
  limit_description_ = limit.description;
  limit_ = Add(data_, limit.work);
}

size_t Comparison::Add(std::shared_ptr<const TableData> data, const Work& work) {
  if (!which().setting.flushed) return rounds_.Add(work);
  return rounds_.Add(work, [lookups = lookups_, data = std::move(data)](int64_t calls) {
    FlushRows(*data, *lookups, calls);
  });
}

double Comparison::NanosecondsPerRow(size_t party) const {
  return Quartiles(rounds_.Seconds(party)).median * 1e9 /
         static_cast<double>(which().rows_per_call());
}

double Comparison::GigabytesPerSecond(size_t party) const {
  return static_cast<double>(which().row_bytes()) / NanosecondsPerRow(party);
}

std::optional<Spread> Comparison::CheckOverhead(Checksums checksums) const {
  std::optional<Spread> overhead = Over(checked(checksums));
  if (!overhead) return overhead;
  for (double* const part : {&overhead->low, &overhead->median, &overhead->high}) *part -= 1;
  return overhead;
}

std::optional<Spread> Comparison::CheckedOverFbgemm(Checksums checksums) const {
  if (!fbgemm_ || !checked(checksums)) return std::nullopt;
  return rounds_.Ratio(*fbgemm_, *checked(checksums));
}

std::optional<Spread> Comparison::Over(std::optional<size_t> party) const {
  if (!party) return std::nullopt;
  return rounds_.Ratio(*party, lookup());
}

}  // namespace qforge::bench
