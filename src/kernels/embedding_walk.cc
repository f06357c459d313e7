// Emits the walk over bags, positions and blocks of columns.
#include <algorithm>
#include <cstddef>

#include "base/row_checksum.h"
#include "kernels/embedding_columns.h"
#include "kernels/embedding_decoder.h"
#include "kernels/embedding_generators.h"
#include "kernels/embedding_output.h"
#include "kernels/embedding_row_check.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kArguments{Gpr::RDI};
const Register kScratch{Gpr::RAX};
const Register kIndices{Gpr::RSI};
const Register kPosition{Gpr::RDX};
const Register kBagEnd{Gpr::RCX};     // pooled: the position
const Register kMappedRow{Gpr::RCX};  // not pooled: negative where the row is missing
const Register kRows{Gpr::R8};
const Register kRowStride{Gpr::R9};
const Register kIndicesAhead{Gpr::R10};  // kIndices, moved on by the prefetch distance
const Register kRow{Gpr::R11};
const Register kWeights{Gpr::RBX};  // of position 0
const Register kRowMap{Gpr::RBP};
const Register kNextRow{Gpr::RBP};      // where rows start ahead, which mapped ones do not
const Register kRowAhead{Gpr::R12};     // the row to prefetch, from kRows
const Register kBlockOffset{Gpr::R13};  // in the payload, of a repeated block from the first
const Register kSegmentEnd{Gpr::R13};   // of the first block, which is not a repeated one
const Register kOutput{Gpr::R14};
const Register kOutputRow{Gpr::R15};  // bag or, not pooled, position

// The next row of the output that is checked, where not all are: below the stack, which nothing
// else uses while a kernel runs.
const jit::AddressTerms kNextChecked = Register{Gpr::RSP} + -8;

// What lies beyond is left to the hardware, which follows a row once it has begun.
constexpr int64_t kMostPrefetchedBytes = 4096;

constexpr int64_t kCodebookBytes = 32;

// Where in a row to prefetch.
std::vector<int64_t> LinesToPrefetch(int64_t row_bytes, const EmbeddingKernel& kernel) {
  constexpr int64_t kLineBytes = 64;
  const int64_t bytes = std::min(row_bytes, kMostPrefetchedBytes);
  // Out of the caches the loads themselves may fetch every other line, and each request takes the
  // place of a load: without those, f32 rows of 64 gain 5 %.
  const bool alternate = kernel.prefetch == RowPrefetch::kFromCaches && bytes >= 2 * kLineBytes;
  std::vector<int64_t> lines;
  for (int64_t line = 0; line < bytes; line += (alternate ? 2 : 1) * kLineBytes) {
    lines.push_back(line);
  }
  // Some rows end in one line more. However few they are, waiting for that line costs more than
  // asking for it each time.
  if (!alternate && !kernel.fewest_lines && bytes - 1 > lines.back()) lines.push_back(bytes - 1);
  return lines;
}

class Walk {
 public:
  Walk(Emitter& emitter, const EmbeddingKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        shape_(ShapeOfRow(kernel)),
        lines_(LinesToPrefetch(shape_.bytes, kernel)),
        registers_(TakeRegisters()) {
    decoder_ = RowDecoder::Make(e_, kernel, registers_);
    const bool check = kernel.check != RowCheck::kNone;
    const int kept = check ? RowChecker::LeastVectors(e_) : 0;
    blocks_ = CutIntoBlocks(kernel, e_.lanes(), decoder_->WindowBytes(), decoder_->Groups(),
                            e_.vectors().Free() - kept);
    for (const ColumnBlock& block : blocks_) {
      sums_.resize(std::max(sums_.size(), block.vectors.size()));
    }
    for (Vec& sum : sums_) sum = e_.vectors().Take();
    if (!check) return;
    // The second one holds what a group has loaded.
    const Vec scratch[] = {registers_.scratch[2], registers_.scratch[1]};
    checker_ =
        std::make_unique<RowChecker>(e_, RowToCheck(), e_.vectors().Free(), scratch, kScratch);
  }

  void Generate();

 private:
  bool pooled() const { return kernel_.pooling != Pooling::kNone; }
  bool prefetches() const { return kernel_.prefetch != RowPrefetch::kNone; }
  bool weighted() const { return kernel_.weights != BagWeights::kNone; }
  jit::Address Argument(size_t offset) const {
    return e_.ptr[kArguments + static_cast<int>(offset)];
  }
  // The sums of a block.
  std::vector<Vec> SumsOf(const ColumnBlock& block) const {
    return {sums_.begin(), sums_.begin() + static_cast<std::ptrdiff_t>(block.vectors.size())};
  }

  DecoderRegisters TakeRegisters() {
    DecoderRegisters registers;
    for (Vec& scratch : registers.scratch) scratch = e_.vectors().Take();
    registers.general_scratch = kScratch;
    registers.arguments = kArguments;
    if (weighted()) registers.weight = e_.vectors().Take();
    return registers;
  }

  CheckedRow RowToCheck() const {
    CheckedRow row;
    row.bytes = shape_.content;
    row.check = kernel_.check;
    row.codebooks = kernel_.checks_codebooks;
    row.short_rows = shape_.element_bits == 16 && kernel_.dimension <= e_.lanes();
    if (!checks_loaded()) return row;
    row.loaded_begin = shape_.payload;
    row.loaded_end = shape_.payload;
    for (const ColumnBlock& block : blocks_) {
      for (const ColumnVector& columns : block.vectors) {
        if (columns.parts == 1 && !all_are_loaded()) continue;
        row.loaded_end += block.repeat * columns.count * shape_.element_bits / 8;
        if (columns.part != 0) continue;
        const int group_bytes = columns.parts * columns.count * shape_.element_bits / 8;
        row.loads.push_back(
            {columns.parts > 1 ? group_bytes : decoder_->WindowBytes(), block.repeat});
      }
    }
    return row;
  }
  // Whether the decoder adds bytes of its columns to the sums that are checked, and whether it adds
  // all.
  bool checks_loaded() const {
    return all_are_loaded() ||
           (decoder_->BytesToCheck() == RowDecoder::LoadedBytes::kOfGroups && blocks_.size() == 1);
  }
  bool all_are_loaded() const { return decoder_->BytesToCheck() == RowDecoder::LoadedBytes::kAll; }

  void EmitStart();
  void EmitOutputRow();
  void EmitBlock(const ColumnBlock& block);
  void EmitPool(const ColumnBlock& block, const RowTerms& row);
  void EmitStartRow(const Register& to, const Register& position, const ColumnBlock& block,
                    const RowTerms& row, Label& missing);
  void EmitGather(const ColumnBlock& block, const RowTerms& row);
  void EmitLoadBagStart(const Register& to);
  void EmitLoadIndex(const Register& to, const jit::AddressTerms& at);
  void EmitFindSegmentEnd();
  void EmitPrefetchFirstRows(const Register& first);
  void EmitPrefetchAgain();
  void EmitPrefetchRow(const jit::AddressTerms& index, const Register& scratch);
  void EmitFindRowAhead(const jit::AddressTerms& index, const Register& scratch);
  void EmitPrefetchLines(size_t begin, size_t end);
  void EmitLoadWeight(const Register& position);
  // Whether columns of this block, or the rest of the row with them, are added to the sums that are
  // checked. The first block takes the rest.
  bool AddsToCheck(const ColumnBlock& block) const {
    return checks_ && (block.first_column == 0 || checks_loaded());
  }
  void EmitCheckedOutputRow(Label& end);
  void EmitCheckRow(const ColumnBlock& block);
  void EmitCheckRest();
  void EmitFindChecksum(const Register& to, const Register& index);

  Emitter& e_;
  const EmbeddingKernel kernel_;
  const RowShape shape_;
  const std::vector<int64_t> lines_;
  const DecoderRegisters registers_;
  std::unique_ptr<RowDecoder> decoder_;
  std::unique_ptr<RowChecker> checker_;  // null: no check
  bool checks_ = false;                  // the bag that is being emitted
  std::vector<ColumnBlock> blocks_;
  std::vector<Vec> sums_;
};

void Walk::Generate() {
  EmitStart();
  Label next, done;
  e_.L(next);
  e_.cmp(kOutputRow, Argument(offsetof(EmbeddingArguments, end)));
  e_.jge(done, Emitter::T_NEAR);
  if (pooled()) {
    e_.mov(kScratch, Argument(offsetof(EmbeddingArguments, starts)));
    e_.mov(kBagEnd, e_.ptr[kScratch + kOutputRow * 8 + 8]);
  } else {
    e_.mov(kPosition, kOutputRow);
    if (prefetches()) {
      e_.mov(kScratch, kPosition);
      e_.add(kScratch, Argument(offsetof(EmbeddingArguments, prefetch_distance)));
      e_.cmp(kScratch, Argument(offsetof(EmbeddingArguments, index_end)));
      e_.cmovge(kIndicesAhead, kIndices);
      EmitPrefetchRow(kIndicesAhead + kPosition * kernel_.index_bytes, kScratch);
    }
    EmitLoadIndex(kRow, kIndices + kPosition * kernel_.index_bytes);
    if (kernel_.mapped) {
      e_.movsxd(kMappedRow, e_.dword[kRowMap + kRow * 4]);
      e_.mov(kRow, kMappedRow);
    }
    e_.imul(kRow, kRowStride);
    e_.add(kRow, kRows);
    if (weighted()) EmitLoadWeight(kPosition);
  }
  checker_ == nullptr ? EmitOutputRow() : EmitCheckedOutputRow(done);
  e_.add(kOutput, Argument(offsetof(EmbeddingArguments, output_stride)));
  e_.inc(kOutputRow);
  e_.jmp(next, Emitter::T_NEAR);
  e_.L(done);
  if (checker_ != nullptr) e_.mov(kScratch, kOutputRow);
  e_.LeaveFrame();
}

void Walk::EmitOutputRow() {
  for (const ColumnBlock& block : blocks_) EmitBlock(block);
}

// Jumps to `end` where the rows do not agree with their checksums. The first block adds them up.
void Walk::EmitCheckedOutputRow(Label& end) {
  Label not_checked, done;
  if (kernel_.sampled) {
    e_.mov(kScratch, e_.ptr[kNextChecked]);
    e_.cmp(kScratch, kOutputRow);
    e_.jne(not_checked, Emitter::T_NEAR);
    e_.add(kScratch, Argument(offsetof(EmbeddingArguments, check_interval)));
    e_.mov(e_.ptr[kNextChecked], kScratch);
  }
  checker_->EmitZero();
  checks_ = true;
  if (checks_loaded()) decoder_->AddLoadedTo(checker_.get());
  EmitOutputRow();
  checks_ = false;
  decoder_->AddLoadedTo(nullptr);
  checker_->EmitTotal(kScratch);
  e_.test(kScratch.cvt32(), kScratch.cvt32());
  e_.jnz(end, Emitter::T_NEAR);
  if (!kernel_.sampled) return;
  e_.jmp(done, Emitter::T_NEAR);
  e_.L(not_checked);
  EmitOutputRow();
  e_.L(done);
}

void Walk::EmitStart() {
  e_.EnterFrame({kWeights, kRowMap, kRowAhead, kBlockOffset, kOutput, kOutputRow});
  const auto load = [&](const Register& to, size_t offset) { e_.mov(to, Argument(offset)); };
  load(kIndices, offsetof(EmbeddingArguments, indices));
  load(kRows, offsetof(EmbeddingArguments, rows));
  load(kRowStride, offsetof(EmbeddingArguments, row_stride));
  if (prefetches()) {
    load(kIndicesAhead, offsetof(EmbeddingArguments, prefetch_distance));
    e_.imul(kIndicesAhead, kIndicesAhead, kernel_.index_bytes);
    e_.add(kIndicesAhead, kIndices);
  }
  if (weighted()) load(kWeights, offsetof(EmbeddingArguments, weights));
  if (kernel_.mapped) load(kRowMap, offsetof(EmbeddingArguments, row_map));
  load(kOutputRow, offsetof(EmbeddingArguments, begin));
  load(kOutput, offsetof(EmbeddingArguments, output_stride));
  e_.imul(kOutput, kOutputRow);
  e_.add(kOutput, Argument(offsetof(EmbeddingArguments, output)));

  if (pooled()) EmitLoadBagStart(kPosition);
  if (prefetches()) EmitPrefetchFirstRows(pooled() ? kPosition : kOutputRow);

  EmitPrepareStore(e_, kernel_);
  const int exact_bytes = blocks_.front().vectors.front().exact_bytes;
  if (exact_bytes != 0) e_.PrepareExactLoad(exact_bytes);
  decoder_->EmitKernelStart();
  if (checker_ == nullptr) return;
  checker_->EmitKernelStart();
  if (!kernel_.sampled) return;
  load(kScratch, offsetof(EmbeddingArguments, first_checked));
  e_.mov(e_.ptr[kNextChecked], kScratch);
}

// The rows from `first` on that are too near to be prefetched on the way. Asked for in one go,
// their latencies overlap; looked up as they are, only those of the few rows that fit into the
// reorder buffer do.
void Walk::EmitPrefetchFirstRows(const Register& first) {
  const Register position = kScratch;
  const Register end = kSegmentEnd;
  Label next, done;
  e_.mov(end, Argument(offsetof(EmbeddingArguments, prefetch_distance)));
  e_.add(end, first);
  e_.mov(position, Argument(offsetof(EmbeddingArguments, index_end)));
  e_.cmp(end, position);
  e_.cmovg(end, position);
  e_.mov(position, first);
  e_.L(next);
  e_.cmp(position, end);
  e_.jge(done, Emitter::T_NEAR);
  EmitPrefetchRow(kIndices + position * kernel_.index_bytes, kBagEnd);  // which no bag uses yet
  e_.inc(position);
  e_.jmp(next, Emitter::T_NEAR);
  e_.L(done);
}

void Walk::EmitBlock(const ColumnBlock& block) {
  const std::vector<Vec> sums = SumsOf(block);
  const int64_t output_bytes = block.columns * DataTypeSize(kernel_.output);
  const int64_t payload_bytes = block.columns * shape_.element_bits / 8;
  const bool repeated = block.repeat > 1;
  // Pooled, the sum of kRows and kRow is left to the address, but for the blocks that need both
  // registers of it.
  const Register started = decoder_->StartsAhead() ? kNextRow : kRow;
  RowTerms row{started, kRow};
  if (pooled()) row = {kRows + started, kRows + kRow};
  Label again;
  if (repeated) {
    row = {started, kRow + kBlockOffset};
    e_.xor_(kBlockOffset.cvt32(), kBlockOffset.cvt32());
    e_.L(again);
  }
  pooled() ? EmitPool(block, row) : EmitGather(block, row);
  EmitStore(e_, kernel_, *decoder_, block, sums, kOutput,
            block.first_column * DataTypeSize(kernel_.output), registers_.scratch);
  if (!repeated) return;
  e_.add(kOutput, static_cast<uint32_t>(output_bytes));
  e_.add(kBlockOffset, static_cast<uint32_t>(payload_bytes));
  e_.cmp(kBlockOffset, static_cast<uint32_t>(block.repeat * payload_bytes));
  e_.jl(again, Emitter::T_NEAR);
  e_.sub(kOutput, static_cast<uint32_t>(block.repeat * output_bytes));
}

void Walk::EmitPool(const ColumnBlock& block, const RowTerms& row) {
  const std::vector<Vec> sums = SumsOf(block);
  Label segment, next, missing, done;
  // The first block begins where the bag before has ended: no load has to be waited for.
  if (block.first_column != 0) EmitLoadBagStart(kPosition);
  if (kernel_.weights == BagWeights::kPerBagPosition) {
    e_.mov(kWeights, Argument(offsetof(EmbeddingArguments, weights)));
    e_.lea(kScratch, e_.ptr[kPosition * 4]);
    e_.sub(kWeights, kScratch);
  }
  for (Vec sum : sums) e_.Zero(sum);
  decoder_->EmitBagStart();
  e_.cmp(kPosition, kBagEnd);
  e_.jge(done, Emitter::T_NEAR);
  const bool starts_ahead = decoder_->StartsAhead();
  if (starts_ahead) EmitStartRow(kNextRow, kPosition, block, row, missing);

  // Other blocks find what the first one had prefetched.
  const bool prefetch = prefetches() && block.first_column == 0;
  // From memory all lines are asked for in one go, before the row is read: much faster than one by
  // one between the vectors (u8 rows of 256 on Zen 5: 14.3 to 11.4 ns). From the caches that would
  // hold up the loads (f32 rows of 64: 3 %).
  const bool in_between = prefetch && kernel_.prefetch == RowPrefetch::kFromCaches;
  const Register end = prefetch ? kSegmentEnd : kBagEnd;
  if (prefetch) {
    e_.L(segment);
    EmitFindSegmentEnd();
  }
  e_.align(64);
  e_.L(next);
  if (prefetch) {
    EmitFindRowAhead(kIndicesAhead + kPosition * kernel_.index_bytes, kScratch);
    if (!in_between) EmitPrefetchLines(0, lines_.size());
    if (kernel_.prefetch == RowPrefetch::kFromMemoryTwice) EmitPrefetchAgain();
  }
  if (starts_ahead) {
    decoder_->EmitRowTurn();
    e_.mov(kRow, kNextRow);
    // Behind the last row of the bag is no other: it starts once more.
    const Register next_position = kScratch;
    e_.lea(next_position, e_.ptr[kPosition + 1]);
    e_.cmp(next_position, kBagEnd);
    e_.cmovge(next_position, kPosition);
    EmitStartRow(kNextRow, next_position, block, row, missing);
  } else {
    EmitStartRow(kRow, kPosition, block, row, missing);
  }
  if (AddsToCheck(block)) checker_->EmitRowStart();
  for (size_t i = 0; i < sums.size(); ++i) {
    decoder_->EmitAdd(sums[i], block.vectors[i], row);
    if (in_between) {
      EmitPrefetchLines(i * lines_.size() / sums.size(), (i + 1) * lines_.size() / sums.size());
    }
  }
  if (AddsToCheck(block)) EmitCheckRow(block);
  e_.L(missing);
  e_.inc(kPosition);
  e_.cmp(kPosition, end);
  e_.jl(next, Emitter::T_NEAR);
  if (prefetch) {
    e_.cmp(kPosition, kBagEnd);
    e_.jl(segment, Emitter::T_NEAR);
  }

  e_.L(done);
  decoder_->EmitBagEnd(sums);
  if (kernel_.pooling != Pooling::kMean) return;
  const Register count = kScratch;
  EmitLoadBagStart(count);
  e_.neg(count);
  e_.add(count, kBagEnd);
  EmitMean(e_, sums, count, registers_.scratch);
}

// Lets `to` be the row at `position`, or jumps to `missing`.
void Walk::EmitStartRow(const Register& to, const Register& position, const ColumnBlock& block,
                        const RowTerms& row, Label& missing) {
  EmitLoadIndex(to, kIndices + position * kernel_.index_bytes);
  if (kernel_.mapped) {
    e_.movsxd(to, e_.dword[kRowMap + to * 4]);
    e_.test(to, to);
    e_.js(missing, Emitter::T_NEAR);
  }
  e_.imul(to, kRowStride);
  if (block.repeat > 1) e_.add(to, kRows);
  if (weighted()) EmitLoadWeight(position);
  decoder_->EmitRowStart(row);
}

void Walk::EmitGather(const ColumnBlock& block, const RowTerms& row) {
  const std::vector<Vec> sums = SumsOf(block);
  Label missing, done;
  if (kernel_.mapped) {
    e_.test(kMappedRow, kMappedRow);
    e_.js(missing, Emitter::T_NEAR);
  }
  decoder_->EmitRowStart(row);
  if (AddsToCheck(block)) checker_->EmitRowStart();
  for (size_t i = 0; i < sums.size(); ++i) decoder_->EmitDecode(sums[i], block.vectors[i], row);
  if (AddsToCheck(block)) EmitCheckRow(block);
  if (!kernel_.mapped) return;
  e_.jmp(done, Emitter::T_NEAR);
  e_.L(missing);
  for (Vec sum : sums) e_.Zero(sum);
  e_.L(done);
}

// Adds what the decoder does not add of the row at kRow to the sums that are checked.
void Walk::EmitCheckRow(const ColumnBlock& block) {
  if (block.first_column == 0) EmitCheckRest();
  checker_->EmitRowEnd();
}

void Walk::EmitCheckRest() {
  // Pooled, kRow is an offset from kRows.
  const bool relative = pooled();
  if (checker_->loops()) {
    if (relative) e_.add(kRow, kRows);
    checker_->EmitRow(kRow);
    if (relative) e_.sub(kRow, kRows);
  } else {
    checker_->EmitRow(relative ? kRows + kRow : kRow);
  }
  if (kernel_.check == RowCheck::kBeside) {
    EmitLoadIndex(kScratch, kIndices + kPosition * kernel_.index_bytes);
    if (kernel_.mapped) e_.movsxd(kScratch, e_.dword[kRowMap + kScratch * 4]);
    EmitFindChecksum(kScratch, kScratch);
    checker_->EmitChecksum(kScratch);
  }
  if (!kernel_.checks_codebooks) return;
  static_assert(base::ChecksumBytes(kCodebookBytes) == 2);
  EmitLoadCodebookNumber(e_, kernel_, kScratch, kArguments, relative ? kRows + kRow : kRow);
  e_.add(kScratch, kScratch);
  e_.add(kScratch, Argument(offsetof(EmbeddingArguments, codebook_checksums)));
  checker_->EmitCodebookChecksum(kScratch);
  e_.sub(kScratch, Argument(offsetof(EmbeddingArguments, codebook_checksums)));
  e_.shl(kScratch, 4);  // twice the number becomes 32 times
  e_.add(kScratch, Argument(offsetof(EmbeddingArguments, codebooks)));
  checker_->EmitCodebook(kScratch);
}

// Lets `to` be where the checksum of row `index` is that stands beside it.
void Walk::EmitFindChecksum(const Register& to, const Register& index) {
  e_.imul(to, index, static_cast<int>(checker_->checksum_bytes()));
  e_.add(to, Argument(offsetof(EmbeddingArguments, checksums)));
}

void Walk::EmitLoadBagStart(const Register& to) {
  e_.mov(to, Argument(offsetof(EmbeddingArguments, starts)));
  e_.mov(to, e_.ptr[to + kOutputRow * 8]);
}

void Walk::EmitLoadIndex(const Register& to, const jit::AddressTerms& at) {
  if (kernel_.index_bytes == 8) {
    e_.mov(to, e_.ptr[at]);
  } else {
    e_.movsxd(to, e_.dword[at]);
  }
}

// A bag is walked in one go as long as there is an index ahead of each position. From the first
// position without one, which is never left behind again, nothing is looked for ahead.
void Walk::EmitFindSegmentEnd() {
  Label ahead;
  e_.mov(kSegmentEnd, Argument(offsetof(EmbeddingArguments, index_end)));
  e_.sub(kSegmentEnd, Argument(offsetof(EmbeddingArguments, prefetch_distance)));
  e_.cmp(kSegmentEnd, kPosition);
  e_.jg(ahead);
  e_.mov(kIndicesAhead, kIndices);
  e_.mov(kSegmentEnd, kBagEnd);
  e_.L(ahead);
  e_.cmp(kSegmentEnd, kBagEnd);
  e_.cmovg(kSegmentEnd, kBagEnd);
}

// With very many on their way, some requests get lost. Asked for again, these lines still come in
// time.
void Walk::EmitPrefetchAgain() {
  const Register position = kScratch;
  e_.mov(position, Argument(offsetof(EmbeddingArguments, second_prefetch_distance)));
  e_.add(position, kPosition);
  e_.cmp(position, Argument(offsetof(EmbeddingArguments, index_end)));
  e_.cmovge(position, kPosition);
  EmitPrefetchRow(kIndices + position * kernel_.index_bytes, kScratch);
}

void Walk::EmitPrefetchRow(const jit::AddressTerms& index, const Register& scratch) {
  EmitFindRowAhead(index, scratch);
  EmitPrefetchLines(0, lines_.size());
}

// Where the map has no row, an address in front of the table is prefetched, which does nothing. A
// checksum that stands beside it is prefetched here; `scratch` may be part of `index`.
void Walk::EmitFindRowAhead(const jit::AddressTerms& index, const Register& scratch) {
  EmitLoadIndex(kRowAhead, index);
  if (kernel_.mapped) e_.movsxd(kRowAhead, e_.dword[kRowMap + kRowAhead * 4]);
  if (kernel_.check == RowCheck::kBeside) {
    EmitFindChecksum(scratch, kRowAhead);
    e_.prefetcht0(e_.ptr[scratch]);
  }
  e_.imul(kRowAhead, kRowStride);
}

void Walk::EmitPrefetchLines(size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    e_.prefetcht0(e_.ptr[kRows + kRowAhead + static_cast<int>(lines_[i])]);
  }
}

void Walk::EmitLoadWeight(const Register& position) {
  e_.Broadcast32(registers_.weight, e_.ptr[kWeights + position * 4]);
}

}  // namespace

void GenerateEmbedding(Emitter& emitter, const EmbeddingKernel& kernel) {
  Walk(emitter, kernel).Generate();
}

}  // namespace qforge::kernels
