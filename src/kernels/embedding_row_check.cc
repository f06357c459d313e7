#include "kernels/embedding_row_check.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/row_checksum.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Register;
using jit::Vec;
namespace xb = qforge_xbyak;

constexpr int64_t kCodebookBytes = 32;

// More windows than this of a stretch are left to a loop.
constexpr int64_t kMostUnrolled = 64;

// Registers for weights, where there are many. Others come from memory each time.
constexpr int kMostHeld = 4;

// A dot product takes 4 or 5 cycles, in which others cannot be added to the same sum. Up to so many
// windows of a row have a sum each. More share two, which are added to the total row by row.
constexpr int64_t kMostSums = 6;
constexpr int kSharedSums = 2;

uint8_t WeightOf(const CheckedBytes& stretch, int64_t i) {
  if (i >= stretch.bytes || (i >= stretch.loaded_begin && i < stretch.loaded_end)) return 0;
  return static_cast<uint8_t>(i < stretch.checksum ? 1
                                                   : base::ChecksumWeight(i - stretch.checksum));
}

// The narrowest of `least` bytes and more that holds so many, or all of a vector.
int WidthFor(int64_t bytes, int least, int vector_bytes) {
  int width = least;
  while (width < bytes && width < vector_bytes) width *= 2;
  return width;
}

// The widest that the stretch has room for. Fewer than 4 bytes are loaded one at a time.
int WidestIn(const CheckedBytes& stretch, int vector_bytes) {
  int width = vector_bytes;
  while (width > stretch.bytes && width > 4) width /= 2;
  return width > stretch.bytes ? static_cast<int>(stretch.bytes) : width;
}

}  // namespace

// A wide window nearly always lies in two cache lines, which takes twice as long: what is left at
// the end of a row is loaded by a narrow one (u4 rows of 256 on Zen 5: checking takes 6 % instead
// of 11). Of checksums that stand beside rows, the second line has not been prefetched.
CheckedWindows::CheckedWindows(const CheckedBytes& stretch, int vector_bytes) {
  const int widest = WidestIn(stretch, vector_bytes);
  for (int64_t done = 0;;) {
    // To the next byte that is not in a register.
    if (done >= stretch.loaded_begin) done = std::max(done, stretch.loaded_end);
    if (done >= stretch.bytes) break;
    const int64_t end = done < stretch.loaded_begin ? stretch.loaded_begin : stretch.bytes;
    const int fitting = WidthFor(end - done, stretch.padded ? 2 : 16, vector_bytes);
    const int width = stretch.padded ? fitting : std::min(fitting, widest);
    Window window;
    window.offset = stretch.padded ? done : std::min(done, stretch.bytes - width);
    window.weights.assign(static_cast<size_t>(width), 0);
    for (int64_t i = done - window.offset; i < width; ++i) {
      window.weights[static_cast<size_t>(i)] = WeightOf(stretch, window.offset + i);
    }
    done = window.offset + width;
    windows_.push_back(std::move(window));
  }
  if (std::ssize(windows_) <= kMostUnrolled) return;
  const auto other = std::find_if(windows_.begin(), windows_.end(), [&](const Window& window) {
    return window.weights != windows_.front().weights;
  });
  looped_ = (other - windows_.begin()) / kUnrolled * kUnrolled;
}

RowChecker::RowChecker(Emitter& emitter, const CheckedRow& row, int most_vectors,
                       const Vec* scratch, const Register& counter)
    : e_(emitter),
      weights_scratch_(scratch[0]),
      bytes_scratch_(scratch[1]),
      counter_(counter),
      checksum_bytes_(base::ChecksumBytes(row.bytes)) {
  const bool beside = row.check == RowCheck::kBeside;
  CheckedBytes in_row;
  in_row.bytes = row.bytes + (beside ? 0 : checksum_bytes_);
  in_row.checksum = row.bytes;
  in_row.loaded_begin = row.loaded_begin;
  in_row.loaded_end = row.loaded_end;
  row_ = CheckedWindows(in_row, e_.vector_bytes());
  int widest_load = 0;
  for (const CheckedRow::Loads& loads : row.loads) {
    CountWindows(loads.width, loads.count);
    widest_load = std::max(widest_load, loads.width);
  }
  CountWindows(row_);
  if (beside) {
    checksum_ = CheckedWindows({checksum_bytes_, 0, true}, e_.vector_bytes());
    CountWindows(checksum_);
  }
  if (row.codebooks) {
    codebook_ = CheckedWindows({kCodebookBytes, kCodebookBytes}, 32);
    codebook_checksum_ =
        CheckedWindows({base::ChecksumBytes(kCodebookBytes), 0, true}, e_.vector_bytes());
    CountWindows(codebook_);
    CountWindows(codebook_checksum_);
  }
  const bool in_turn = e_.evex() && e_.traits().vnni;
  if (in_turn && row.short_rows) SumRows();
  for (Sums& sums : sums_) sums.vectors.push_back(e_.vectors().Take());
  const int left = most_vectors - static_cast<int>(sums_.size()) - (sums_rows_ ? 1 : 0);
  if (!e_.evex()) return;
  if (widest_load != 0) {
    HoldWeights(std::vector<uint8_t>(static_cast<size_t>(widest_load), 1), left);
  }
  for (const CheckedWindows* stretch : {&row_, &checksum_, &codebook_, &codebook_checksum_}) {
    HoldWeights(*stretch, left);
  }
  if (in_turn && !sums_rows_) TakeSums(left - static_cast<int>(held_.size()));
}

void RowChecker::CountWindows(const CheckedWindows& stretch) {
  for (const CheckedWindows::Window& window : stretch.windows()) CountWindows(window.width(), 1);
}

// Sums of one width serve all stretches of it.
void RowChecker::CountWindows(int width, int64_t windows) {
  width = std::max(width, 16);
  for (Sums& sums : sums_) {
    if (sums.width != width) continue;
    sums.windows += windows;
    return;
  }
  sums_.push_back({width, windows, {}, {}});
}

void RowChecker::SumRows() {
  sums_rows_ = true;
  Sums all{0, 0, {}, e_.vectors().Take(1)};
  for (const Sums& sums : sums_) all.width = std::max(all.width, sums.width);
  sums_ = {all};
}

// More than one of a width, for dot products that need not wait for each other.
void RowChecker::TakeSums(int most_vectors) {
  for (Sums& sums : sums_) {
    const bool shared = sums.windows > kMostSums;
    const int vectors = shared ? kSharedSums : static_cast<int>(sums.windows);
    const int more = vectors - 1 + (shared ? 1 : 0);
    if (more > most_vectors) continue;
    most_vectors -= more;
    while (std::ssize(sums.vectors) < vectors) sums.vectors.push_back(e_.vectors().Take());
    if (shared) sums.totals = e_.vectors().Take(1);
  }
}

int RowChecker::SumWidth(int width) const {
  return sums_rows_ ? sums_.front().width : std::max(width, 16);
}

Vec RowChecker::NextSum(int width) {
  const auto sums = std::find_if(sums_.begin(), sums_.end(), [&](const Sums& candidate) {
    return candidate.width == SumWidth(width);
  });
  return sums->vectors[sums->next++ % sums->vectors.size()];
}

void RowChecker::HoldWeights(const CheckedWindows& stretch, int most_vectors) {
  for (const CheckedWindows::Window& window : stretch.windows()) {
    HoldWeights(window.weights, most_vectors);
  }
}

void RowChecker::HoldWeights(const std::vector<uint8_t>& weights, int most_vectors) {
  if (std::ssize(held_) >= std::min(kMostHeld, most_vectors)) return;
  if (FindHeld(weights) == nullptr) held_.push_back({weights, e_.vectors().Take()});
}

// Weights of a narrow window may be the first of a wide one's; but those that fill no 16 bytes, of
// which a product always takes all, are followed by zeros.
const RowChecker::HeldWeights* RowChecker::FindHeld(const std::vector<uint8_t>& weights) const {
  const auto held = std::find_if(held_.begin(), held_.end(), [&](const HeldWeights& candidate) {
    const size_t taken = std::max<size_t>(weights.size(), 16);
    for (size_t i = 0; i < taken; ++i) {
      const int wanted = i < weights.size() ? weights[i] : 0;
      const int found = i < candidate.weights.size() ? candidate.weights[i] : 0;
      if (wanted != found) return false;
    }
    return true;
  });
  return held == held_.end() ? nullptr : &*held;
}

Address RowChecker::Constant(const std::vector<uint8_t>& weights) {
  std::vector<uint8_t> bytes = weights;
  bytes.resize(static_cast<size_t>(e_.vector_bytes()), 0);
  return e_.ConstantBytes(bytes);
}

void RowChecker::EmitKernelStart() {
  for (const HeldWeights& held : held_) e_.Load(held.vector, Constant(held.weights));
}

void RowChecker::EmitZero() {
  for (const Sums& sums : sums_) {
    for (Vec sum : sums.totals.empty() ? sums.vectors : sums.totals) e_.Zero(sum);
  }
}

void RowChecker::EmitRowStart() {
  for (const Sums& sums : sums_) {
    if (sums.totals.empty()) continue;
    for (Vec sum : sums.vectors) e_.Zero(sum);
  }
}

void RowChecker::EmitRowEnd() {
  for (const Sums& sums : sums_) {
    if (sums.totals.empty()) continue;
    const xb::Xmm total = Part(sums.totals.front(), sums.width);
    for (Vec sum : sums.vectors) e_.vpaddd(total, total, Part(sum, sums.width));
  }
}

void RowChecker::EmitLoaded(Vec bytes, int width, int skipped, int count) {
  std::vector<uint8_t> weights(static_cast<size_t>(width), 0);
  std::fill_n(weights.begin() + skipped, count, uint8_t{1});
  const HeldWeights* const held = FindHeld(weights);
  const Vec by = held == nullptr ? weights_scratch_ : held->vector;
  if (held == nullptr) e_.Load(by, Constant(weights));
  const int sum_width = SumWidth(width);
  EmitAddProducts(NextSum(width), sum_width, by, Part(bytes, sum_width));
}

void RowChecker::EmitStretch(const CheckedWindows& stretch, const AddressTerms& at) {
  const auto emit = [&](int64_t i, const AddressTerms& from) {
    const CheckedWindows::Window& window = stretch.windows()[static_cast<size_t>(i)];
    EmitWindow(window, from + static_cast<int>(window.offset));
  };
  if (stretch.looped() != 0) {
    const int width = stretch.windows().front().width();
    const int64_t bytes = stretch.looped() * width;
    jit::Label again;
    e_.mov(counter_, -bytes);
    e_.L(again);
    for (int64_t i = 0; i < CheckedWindows::kUnrolled; ++i) {
      emit(i, at + counter_ + static_cast<int>(bytes));
    }
    e_.add(counter_, CheckedWindows::kUnrolled * width);
    e_.jnz(again, Emitter::T_NEAR);
  }
  for (int64_t i = stretch.looped(); i < std::ssize(stretch.windows()); ++i) emit(i, at);
}

void RowChecker::EmitWindow(const CheckedWindows::Window& window, const AddressTerms& at) {
  const std::vector<uint8_t>& weights = window.weights;
  const int width = window.width();
  const Vec sum = NextSum(width);
  const HeldWeights* const held = FindHeld(weights);
  const Vec by = held == nullptr ? weights_scratch_ : held->vector;
  if (held == nullptr) e_.Load(by, Constant(weights));
  const int sum_width = SumWidth(width);
  if (width == sum_width) return EmitAddProducts(sum, width, by, e_.ptr[at]);
  const xb::Xmm bytes = e_.Low(bytes_scratch_);
  if (width >= 16) {
    e_.vmovups(Part(bytes_scratch_, width), e_.ptr[at]);
  } else if (width == 2) {
    e_.vpbroadcastw(bytes, e_.ptr[at]);  // only the first two have a weight
  } else if (width == 8) {
    e_.vmovq(bytes, e_.ptr[at]);
  } else if (width == 4) {
    e_.vmovd(bytes, e_.ptr[at]);
  } else {
    e_.Zero(bytes_scratch_);
    for (int i = 0; i < width; ++i) {
      e_.vpinsrb(bytes, bytes, e_.ptr[at + i], static_cast<uint8_t>(i));
    }
  }
  EmitAddProducts(sum, sum_width, by, Part(bytes_scratch_, sum_width));
}

// Clobbers the scratch of the weights.
void RowChecker::EmitAddProducts(Vec sum, int width, Vec weights, const xb::Operand& bytes) {
  const xb::Xmm to = Part(sum, width);
  const xb::Xmm by = Part(weights, width);
  if (e_.traits().vnni) {
    return e_.vpdpbusd(to, by, bytes, e_.evex() ? xb::EvexEncoding : xb::VexEncoding);
  }
  const xb::Xmm products = Part(weights_scratch_, width);
  const std::vector<uint8_t> ones = [&] {
    std::vector<uint8_t> words(static_cast<size_t>(e_.vector_bytes()), 0);
    for (size_t i = 0; i < words.size(); i += 2) words[i] = 1;
    return words;
  }();
  e_.vpmaddubsw(products, by, bytes);
  e_.vpmaddwd(products, products, e_.ConstantBytes(ones));
  e_.vpaddd(to, to, products);
}

xb::Xmm RowChecker::Part(Vec v, int width) const {
  if (width >= 64) return xb::Zmm(v.index);
  if (width >= 32) return xb::Ymm(v.index);
  return xb::Xmm(v.index);
}

void RowChecker::EmitTotal(const Register& to) {
  const Vec part = bytes_scratch_;
  // From the widest sums on, each is folded into one of half its width.
  Vec total{};
  for (int width = 64; width >= 16; width /= 2) {
    bool any = false;
    for (const Sums& sums : sums_) any = any || sums.width > width;
    if (any) {
      e_.ExtractPart(part, total, 1, width);
      e_.vpaddd(Part(total, width), Part(total, width), Part(part, width));
    }
    for (const Sums& sums : sums_) {
      if (sums.width != width) continue;
      for (Vec sum : sums.totals.empty() ? sums.vectors : sums.totals) {
        if (!any) {
          total = sum;
          any = true;
        } else if (sum.index != total.index) {
          e_.vpaddd(Part(total, width), Part(total, width), Part(sum, width));
        }
      }
    }
  }
  const xb::Xmm low = e_.Low(total), moved = e_.Low(part);
  e_.vpshufd(moved, low, 0xEE);
  e_.vpaddd(low, low, moved);
  e_.vpshufd(moved, low, 0x55);
  e_.vpaddd(low, low, moved);
  e_.vmovd(to.cvt32(), low);
}

}  // namespace qforge::kernels
