#include "kernels/embedding_row_check.h"

#include <algorithm>

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
constexpr size_t kMostHeld = 3;

// More rows than one on their way need more sums than one: a dot product takes 4 or 5 cycles.
constexpr int kMostSums = 4;

uint8_t WeightOf(const CheckedBytes& stretch, int64_t i) {
  if (i >= stretch.bytes) return 0;
  return static_cast<uint8_t>(i < stretch.checksum ? 1
                                                   : base::ChecksumWeight(i - stretch.checksum));
}

int WidthOf(const CheckedBytes& stretch, int vector_bytes) {
  int width = vector_bytes;
  if (stretch.padded) {
    while (width > 16 && width / 2 >= stretch.bytes) width /= 2;
    return width;
  }
  while (width > stretch.bytes && width > 4) width /= 2;
  return width > stretch.bytes ? static_cast<int>(stretch.bytes) : width;
}

}  // namespace

CheckedWindows::CheckedWindows(const CheckedBytes& stretch, int vector_bytes)
    : width_(WidthOf(stretch, vector_bytes)) {
  for (int64_t done = 0; done < stretch.bytes; done += width_) {
    Window window;
    const int64_t last = stretch.padded ? done : stretch.bytes - width_;
    window.offset = std::min(done, last);
    window.weights.assign(static_cast<size_t>(width_), 0);
    for (int64_t i = done - window.offset; i < width_; ++i) {
      window.weights[static_cast<size_t>(i)] = WeightOf(stretch, window.offset + i);
    }
    windows_.push_back(std::move(window));
  }
  if (std::ssize(windows_) <= kMostUnrolled) return;
  const auto other = std::find_if(windows_.begin(), windows_.end(), [&](const Window& window) {
    return window.weights != windows_.front().weights;
  });
  looped_ = (other - windows_.begin()) / kUnrolled * kUnrolled;
}

RowChecker::RowChecker(Emitter& emitter, int64_t row_bytes, RowCheck check, bool codebooks,
                       const Vec* scratch, const Register& counter)
    : e_(emitter),
      weights_scratch_(scratch[0]),
      bytes_scratch_(scratch[1]),
      counter_(counter),
      checksum_bytes_(base::ChecksumBytes(row_bytes)) {
  const bool beside = check == RowCheck::kBeside;
  row_ = CheckedWindows({row_bytes + (beside ? 0 : checksum_bytes_), row_bytes}, e_.vector_bytes());
  TakeSums(row_, e_.evex() ? kMostSums : 1);
  if (beside) {
    checksum_ = CheckedWindows({checksum_bytes_, 0, true}, e_.vector_bytes());
    TakeSums(checksum_, 1);
  }
  if (codebooks) {
    codebook_ = CheckedWindows({kCodebookBytes, kCodebookBytes}, 16);
    codebook_checksum_ =
        CheckedWindows({base::ChecksumBytes(kCodebookBytes), 0, true}, e_.vector_bytes());
    TakeSums(codebook_, 1);
    TakeSums(codebook_checksum_, 1);
  }
  if (!e_.evex()) return;
  for (const CheckedWindows* stretch : {&row_, &checksum_, &codebook_, &codebook_checksum_}) {
    HoldWeights(*stretch);
  }
}

// Sums of one width serve all stretches of it.
void RowChecker::TakeSums(const CheckedWindows& stretch, int most) {
  for (const Sums& sums : sums_) {
    if (sums.width == std::max(stretch.width(), 16)) return;
  }
  const int count = static_cast<int>(std::min<int64_t>(std::ssize(stretch.windows()), most));
  sums_.push_back({std::max(stretch.width(), 16), e_.vectors().Take(count)});
}

const std::vector<Vec>& RowChecker::SumsOf(int width) const {
  const auto sums = std::find_if(sums_.begin(), sums_.end(), [&](const Sums& candidate) {
    return candidate.width == std::max(width, 16);
  });
  return sums->vectors;
}

void RowChecker::HoldWeights(const CheckedWindows& stretch) {
  for (const CheckedWindows::Window& window : stretch.windows()) {
    if (held_.size() == kMostHeld) return;
    if (FindHeld(window.weights) != nullptr) continue;
    held_.push_back({window.weights, e_.vectors().Take()});
  }
}

// Weights of a narrow window may be the first of a wide one's.
const RowChecker::HeldWeights* RowChecker::FindHeld(const std::vector<uint8_t>& weights) const {
  const auto held = std::find_if(held_.begin(), held_.end(), [&](const HeldWeights& candidate) {
    return weights.size() <= candidate.weights.size() &&
           std::equal(weights.begin(), weights.end(), candidate.weights.begin());
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
    for (Vec sum : sums.vectors) e_.Zero(sum);
  }
}

void RowChecker::EmitStretch(const CheckedWindows& stretch, const AddressTerms& at) {
  const std::vector<Vec>& sums = SumsOf(stretch.width());
  const auto emit = [&](int64_t i, const AddressTerms& from) {
    const CheckedWindows::Window& window = stretch.windows()[static_cast<size_t>(i)];
    EmitWindow(sums[static_cast<size_t>(i) % sums.size()], stretch.width(), window.weights,
               from + static_cast<int>(window.offset));
  };
  if (stretch.looped() != 0) {
    const int64_t bytes = stretch.looped() * stretch.width();
    jit::Label again;
    e_.mov(counter_, -bytes);
    e_.L(again);
    for (int64_t i = 0; i < CheckedWindows::kUnrolled; ++i) {
      emit(i, at + counter_ + static_cast<int>(bytes));
    }
    e_.add(counter_, CheckedWindows::kUnrolled * stretch.width());
    e_.jnz(again, Emitter::T_NEAR);
  }
  for (int64_t i = stretch.looped(); i < std::ssize(stretch.windows()); ++i) emit(i, at);
}

void RowChecker::EmitWindow(Vec sum, int width, const std::vector<uint8_t>& weights,
                            const AddressTerms& at) {
  const HeldWeights* const held = FindHeld(weights);
  const Vec by = held == nullptr ? weights_scratch_ : held->vector;
  if (held == nullptr) e_.Load(by, Constant(weights));
  if (width >= 16) return EmitAddProducts(sum, width, by, e_.ptr[at]);
  const xb::Xmm bytes = e_.Low(bytes_scratch_);
  if (width == 8) {
    e_.vmovq(bytes, e_.ptr[at]);
  } else if (width == 4) {
    e_.vmovd(bytes, e_.ptr[at]);
  } else {
    e_.Zero(bytes_scratch_);
    for (int i = 0; i < width; ++i) {
      e_.vpinsrb(bytes, bytes, e_.ptr[at + i], static_cast<uint8_t>(i));
    }
  }
  EmitAddProducts(sum, width, by, bytes);
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
  Vec total = sums_.front().vectors.front();
  for (int width = 64; width >= 16; width /= 2) {
    bool any = false;
    for (const Sums& sums : sums_) any = any || sums.width > width;
    if (any) {
      e_.ExtractPart(part, total, 1, width);
      e_.vpaddd(Part(total, width), Part(total, width), Part(part, width));
    }
    for (const Sums& sums : sums_) {
      if (sums.width != width) continue;
      for (Vec sum : sums.vectors) {
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
