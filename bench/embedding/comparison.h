// A look-up and what it is compared with, side by side in paired rounds.
#ifndef QFORGE_BENCH_EMBEDDING_COMPARISON_H_
#define QFORGE_BENCH_EMBEDDING_COMPARISON_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "embedding/formats.h"
#include "embedding/table_data.h"
#include "qforge/isa.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// qforge's look-up is party 0 of rounds(); the Add functions add others. All throw
// std::runtime_error for what cannot be made, and where a sum is wrong. One thread.
class Comparison {
 public:
  Comparison(const Case& which, Isa isa);

  void AddFbgemm();
  // qforge's own look-up of the same rows of a u4 table.
  void AddU4();
  // qforge's own look-up of the same rows with checksums, which it checks.
  void AddChecked(Checksums checksums);
  // The loop that fetches the rows and does nothing else.
  void AddLimit();

  PairedRounds& rounds() { return rounds_; }
  const Case& which() const { return data_->which(); }

  size_t lookup() const { return 0; }
  std::optional<size_t> fbgemm() const { return fbgemm_; }
  std::optional<size_t> limit() const { return limit_; }
  std::optional<size_t> checked(Checksums checksums) const {
    return checksums == Checksums::kInRow ? checked_in_row_ : checked_beside_;
  }
  std::string limit_description() const { return limit_description_; }

  double NanosecondsPerRow(size_t party) const;
  // Bytes of the rows, as they are stored, in 10^9 per second.
  double GigabytesPerSecond(size_t party) const;
  // How many times as fast as the other the look-up is.
  std::optional<Spread> OverFbgemm() const { return Over(fbgemm_); }
  std::optional<Spread> OverU4() const { return Over(u4_); }
  // Its rate over that of the limit.
  std::optional<Spread> OfLimit() const { return Over(limit_); }
  // The part of its time that checking adds.
  std::optional<Spread> CheckOverhead(Checksums checksums) const;
  // How many times as fast as FBGEMM, which checks nothing, the look-up that checks is.
  std::optional<Spread> CheckedOverFbgemm(Checksums checksums) const;

 private:
  size_t Add(std::shared_ptr<const TableData> data, const Work& work);
  std::optional<Spread> Over(std::optional<size_t> party) const;

  Isa isa_;
  std::shared_ptr<const TableData> data_;
  std::shared_ptr<Lookups> lookups_;
  PairedRounds rounds_;
  std::optional<size_t> fbgemm_, u4_, limit_, checked_in_row_, checked_beside_;
  std::string limit_description_;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_COMPARISON_H_
