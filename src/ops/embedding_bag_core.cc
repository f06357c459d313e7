#include "ops/embedding_bag_core.h"

#include <cinttypes>
#include <cstring>

#include "base/arithmetic.h"
#include "cpu/host.h"
#include "ops/embedding_rows.h"
#include "ops/row_layout.h"
#include "ops/soft_error_response.h"
#include "ops/validate.h"
#include "plan/embedding.h"

namespace qforge {
namespace {

constexpr int kMostPrefetchDistance = 1024;
constexpr int64_t kLineBytes = 64;

const char* PoolingName(Pooling pooling) {
  switch (pooling) {
    case Pooling::kSum:
      return "sum";
    case Pooling::kMean:
      return "mean";
    case Pooling::kNone:
      break;
  }
  return "gather";
}

const char* PolicyName(SoftErrorPolicy policy) {
  switch (policy) {
    case SoftErrorPolicy::kOff:
      break;
    case SoftErrorPolicy::kReport:
      return "report";
    case SoftErrorPolicy::kRecompute:
      return "recompute";
    case SoftErrorPolicy::kFail:
      return "fail";
  }
  return "nothing";
}

// AMD's cores do from Zen 4 on, the first with AVX-512. Others may take 150 cycles.
bool MultipliesSubnormalsFast() {
  const cpu::CpuInfo& host = cpu::Host();
  return host.features.avx512f && std::strcmp(host.vendor, "AMD") == 0;
}

Status NotOne(const char* field, int value, const char* what) {
  return Status::Error(StatusCode::kInvalidArgument, field, "%d is no %s", value, what);
}

Status CheckOptions(const EmbeddingBagOptions& options) {
  if (options.pooling > Pooling::kNone) {
    return NotOne("options.pooling", static_cast<int>(options.pooling), "pooling");
  }
  if (options.weights > BagWeights::kPerBagPosition) {
    return NotOne("options.weights", static_cast<int>(options.weights), "kind of weights");
  }
  if (options.bounds > BagBounds::kLengths) {
    return NotOne("options.bounds", static_cast<int>(options.bounds), "kind of bounds");
  }
  const bool pooled = options.pooling != Pooling::kNone;
  if (!pooled && options.weights == BagWeights::kPerBagPosition) {
    return Status::Error(StatusCode::kUnsupported, "options.weights",
                         "per position of a bag; without pooling there are no bags");
  }
  switch (options.output) {
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
      break;
    case DataType::kU8:
      if (!pooled && options.weights == BagWeights::kNone) break;
      return Status::Error(StatusCode::kUnsupported, "options.output",
                           "u8, rows as they are stored, needs neither pooling nor weights");
    default:
      return Status::Error(StatusCode::kInvalidArgument, "options.output",
                           "%s; f32, f16, bf16 or u8 is needed", DataTypeName(options.output));
  }
  if (options.prefetch_distance < -1 || options.prefetch_distance > kMostPrefetchDistance) {
    return Status::Error(StatusCode::kOutOfRange, "options.prefetch_distance",
                         "%d is not in [-1, %d]", options.prefetch_distance, kMostPrefetchDistance);
  }
  const SoftErrorOptions& soft_errors = options.soft_errors;
  if (soft_errors.policy > SoftErrorPolicy::kFail) {
    return NotOne("options.soft_errors.policy", static_cast<int>(soft_errors.policy), "policy");
  }
  if (soft_errors.sample_interval < 1) {
    return Status::Error(StatusCode::kOutOfRange, "options.soft_errors.sample_interval",
                         "%" PRId64 " is less than 1", soft_errors.sample_interval);
  }
  return Status();
}

Status CheckSoftErrors(const EmbeddingTable& table, const SoftErrorOptions& soft_errors) {
  if (soft_errors.policy == SoftErrorPolicy::kOff) return Status();
  if (soft_errors.injection != nullptr) {
    return Status::Error(StatusCode::kUnsupported, "options.soft_errors.injection",
                         "is for products; flip a bit of the table instead");
  }
  const bool asked = SoftErrorResponse::Asks(soft_errors) || soft_errors.sample_interval != 1;
  if (!asked || HasChecksums(table.table())) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "options.soft_errors",
                       "asks for a check, but the table has no checksums");
}

Status CheckRowMap(ArrayView<const int32_t> map, int64_t rows) {
  QFORGE_RETURN_IF_ERROR(CheckArray("options.row_map", map.data(), map.size(), DataType::kS32));
  for (int64_t i = 0; i < map.size(); ++i) {
    if (map[i] < -1 || map[i] >= rows) {
      return Status::Error(StatusCode::kOutOfRange, "options.row_map",
                           "entry %" PRId64 " is %d, which is neither -1 nor in [0, %" PRId64 ")",
                           i, map[i], rows);
    }
  }
  return Status();
}

// Whether the first `bytes` of no row lie in more cache lines than of a row that begins with one.
bool LieInFewestLines(const pack::EmbeddingTableData& table, int64_t bytes) {
  int64_t alignment = kLineBytes;  // of every row
  while (table.layout.stride % alignment != 0 ||
         !base::IsAligned(table.data, static_cast<uintptr_t>(alignment))) {
    alignment /= 2;
  }
  return bytes - alignment <= (base::CeilDiv(bytes, kLineBytes) - 1) * kLineBytes;
}

}  // namespace

Result<BagCore> BagCore::Create(const Context& context, const EmbeddingTable& table,
                                const EmbeddingBagOptions& options) {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options));
  QFORGE_RETURN_IF_ERROR(CheckSoftErrors(table, options.soft_errors));
  QFORGE_RETURN_IF_ERROR(CheckRowMap(options.row_map, table.rows()));
  // Here and not per call, since it reads a line of every row. Whoever changes the bytes of a table
  // afterwards, in his own memory or in a mapped file, vouches for their codebooks himself.
  QFORGE_RETURN_IF_ERROR(CheckCodebookNumbers(table.table(), 0, table.rows()));

  BagCore core(context);
  core.table = table.shared_table();
  core.options = options;
  if (options.row_map.empty()) core.options.row_map = {};  // an empty vector's data may be anywhere
  core.row_bytes = PartsOfRow(table.layout()).bytes();
  core.output_columns = core.copies_rows() ? core.row_bytes : table.dimension();
  core.output_element_bytes = DataTypeSize(options.output);
  core.table_bytes = TableExtent(table.rows(), table.layout());
  core.codebook_bytes = core.table->clusters * kCodebookBytes;
  core.ResolveCheck();
  // A checksum that stands beside its row is a line more that is on its way.
  const int64_t fetched_bytes =
      core.row_bytes + (core.check == kernels::RowCheck::kBeside ? kLineBytes : 0);
  const cpu::CpuInfo& host = cpu::Host();
  if (options.prefetch_distance == -1) {
    core.options.prefetch_distance = plan::PrefetchDistance(
        fetched_bytes, table.bytes(),
        plan::NearTableBytes(table.dimension(), core.row_bytes, host.l1d.bytes, host.l2.bytes),
        host.l3.bytes);
  }
  core.from_memory = plan::ComesFromMemory(table.bytes(), host.l3.bytes);
  if (core.from_memory) {
    core.second_prefetch_distance = plan::SecondPrefetchDistance(table.dimension(), core.row_bytes,
                                                                 core.options.prefetch_distance);
  }
  if (core.scalar()) return core;
  QFORGE_RETURN_IF_ERROR(core.Resolve(4, &core.functions_32));
  QFORGE_RETURN_IF_ERROR(core.Resolve(8, &core.functions_64));
  QFORGE_RETURN_IF_ERROR(core.ResolveCodebookCheck());
  return core;
}

void BagCore::ResolveCheck() {
  if (options.soft_errors.policy == SoftErrorPolicy::kOff) return;
  if (table->layout.checksum) check = kernels::RowCheck::kInRow;
  if (table->checksums != nullptr) check = kernels::RowCheck::kBeside;
}

kernels::RowPrefetch BagCore::Prefetch() const {
  if (options.prefetch_distance == 0) return kernels::RowPrefetch::kNone;
  if (!from_memory) return kernels::RowPrefetch::kFromCaches;
  return second_prefetch_distance == 0 ? kernels::RowPrefetch::kFromMemory
                                       : kernels::RowPrefetch::kFromMemoryTwice;
}

kernels::EmbeddingKernel BagCore::Kernel(int index_bytes) const {
  kernels::EmbeddingKernel kernel = KernelOf(context.isa(), table->layout);
  kernel.pooling = options.pooling;
  kernel.weights = options.weights;
  kernel.index_bytes = index_bytes;
  kernel.mapped = !options.row_map.empty();
  kernel.prefetch = Prefetch();
  const RowParts parts = PartsOfRow(table->layout);
  // A checksum that nobody checks is not read.
  const int64_t read_bytes =
      check == kernels::RowCheck::kInRow ? parts.bytes() : parts.content_bytes();
  kernel.fewest_lines =
      kernel.prefetch != kernels::RowPrefetch::kNone && LieInFewestLines(*table, read_bytes);
  kernel.fast_subnormals = table->layout.format == RowFormat::kE4M3 &&
                           options.pooling != Pooling::kNone && MultipliesSubnormalsFast();
  kernel.output = options.output;
  kernel.check = check;
  kernel.checks_codebooks = checks_codebooks();
  kernel.sampled = check != kernels::RowCheck::kNone && options.soft_errors.sample_interval != 1;
  return kernel;
}

Status BagCore::Resolve(int index_bytes, Functions* functions) const {
  const Result<const jit::Kernel*> check = kernels::GetCheckIndices(context.isa(), index_bytes);
  if (!check.ok()) return check.status();
  functions->check = (*check)->As<kernels::CheckIndicesFunction>();
  if (copies_rows()) return Status();
  const Result<const jit::Kernel*> look_up = kernels::GetEmbeddingKernel(Kernel(index_bytes));
  if (!look_up.ok()) return look_up.status();
  functions->look_up = (*look_up)->As<kernels::EmbeddingFunction>();
  if (!checks_codebooks()) return Status();
  kernels::EmbeddingKernel sound = Kernel(index_bytes);
  sound.checks_codebooks = false;
  const Result<const jit::Kernel*> look_up_sound = kernels::GetEmbeddingKernel(sound);
  if (!look_up_sound.ok()) return look_up_sound.status();
  functions->look_up_sound_codebooks = (*look_up_sound)->As<kernels::EmbeddingFunction>();
  return Status();
}

Status BagCore::ResolveCodebookCheck() {
  if (!checks_codebooks()) return Status();
  const Result<const jit::Kernel*> sum =
      kernels::GetRowSum(context.isa(), kCodebookBytes, kernels::RowCheck::kBeside);
  if (!sum.ok()) return sum.status();
  sum_codebooks = (*sum)->As<kernels::RowSumFunction>();
  return Status();
}

std::string BagCore::Describe() const {
  const RowLayout& layout = table->layout;
  std::string text = std::string("embedding bag, ") + PoolingName(options.pooling) + " of " +
                     RowFormatName(layout.format) + " " + std::to_string(table->rows) + " x " +
                     std::to_string(layout.dimension) + " (" + std::to_string(row_bytes) +
                     " bytes a row) to " + DataTypeName(options.output) + ", isa " +
                     IsaName(context.isa()) + ", " + std::to_string(context.thread_count()) +
                     " thread(s)\n";
  if (!options.row_map.empty()) {
    text += "  through a map of " + std::to_string(options.row_map.size()) + " rows\n";
  }
  const bool portable = !copies_rows() && scalar();
  if (copies_rows()) {
    text += "  rows are copied\n";
  } else if (portable) {
    text += "  portable code\n";
  } else {
    text += "  kernels: " + Kernel(4).Name() + ", " + Kernel(8).Name() + "\n";
  }
  text += portable || options.prefetch_distance == 0
              ? std::string("  no prefetch\n")
              : "  prefetch: " + std::to_string(options.prefetch_distance) +
                    (from_memory ? " positions ahead, from memory\n"
                                 : " positions ahead, from the caches\n");
  if (check != kernels::RowCheck::kNone) {
    text += std::string("  rows are checked, by checksums ") +
            (check == kernels::RowCheck::kInRow ? "in the rows" : "beside the rows");
    const int64_t interval = options.soft_errors.sample_interval;
    if (interval != 1) text += ", one bag in " + std::to_string(interval);
    text += std::string("; on an error: ") + PolicyName(options.soft_errors.policy) + "\n";
    if (sum_codebooks != nullptr) text += "  codebooks are checked once where that is less\n";
  }
  return text + (options.trusted ? "  indices are trusted\n" : "  indices are checked\n");
}

}  // namespace qforge
