// The formats of tables that are measured, and what is asked of each.
#ifndef QFORGE_BENCH_EMBEDDING_FORMATS_H_
#define QFORGE_BENCH_EMBEDDING_FORMATS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "qforge/row_layout.h"

namespace qforge::bench {

struct Format {
  const char* name;  // as in benchmark names
  RowFormat rows;
};

const std::vector<Format>& AllFormats();
// Throws std::runtime_error for a name that is none of theirs.
Format FindFormat(const std::string& name);

// Where rows come from.
struct Setting {
  int64_t rows;
  int64_t bags;
  int64_t rows_per_bag;
  bool flushed;  // the rows of a call are in no cache when it begins
};
inline constexpr Setting kInCache{2'000, 128, 40, false};
inline constexpr Setting kOutOfCache{4'000'000, 10, 100, true};

// Where the checksums of rows are that look-ups check.
enum class Checksums { kNone, kInRow, kBeside };

struct Case {
  Format format;
  int64_t dimension = 0;
  Setting setting;
  Checksums checksums = Checksums::kNone;

  // "u4/d:64/rows:2000".
  std::string Name() const;
  RowLayout layout() const;
  int64_t row_bytes() const { return RowBytes(layout()); }
  int64_t table_bytes() const { return setting.rows * row_bytes(); }
  int64_t rows_per_call() const { return setting.bags * setting.rows_per_bag; }

  // 0 where nothing is asked for.
  double TargetOverFbgemm() const;  // how many times as fast
  double TargetOverU4() const;
  double TargetOfLimit() const;
  // Of the time that checking adds, with checksums in the rows, as a part of the time without. The
  // most that may be: 1 where nothing is asked for.
  double CheckBudget() const;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_FORMATS_H_
