// EmbeddingTable::Load and Map. A first byte says which checksums of the file (see the head of
// src/ops/embedding_file.cc) are made right first, since no fuzzer guesses them.
#include <vector>

#include "base/checksum.h"
#include "fuzz_input.h"
#include "memory_file.h"
#include "qforge/embedding_bag.h"

namespace qforge::fuzz {
namespace {

constexpr size_t kHeaderBytes = 128;
constexpr size_t kRowsOffset = 72;
constexpr size_t kFileBytes = 80;
constexpr size_t kCodebooksChecksum = 88;
constexpr size_t kRowsChecksum = 96;
constexpr size_t kHeaderChecksum = 120;

void CorrectChecksums(uint8_t which, std::vector<uint8_t>& file) {
  if (file.size() < kHeaderBytes) return;
  const auto put = [&](size_t offset, uint64_t value) {
    std::memcpy(file.data() + offset, &value, sizeof(value));
  };
  if ((which & 1) != 0) {
    uint64_t rows = 0;
    std::memcpy(&rows, file.data() + kRowsOffset, sizeof(rows));
    if (rows >= kHeaderBytes && rows <= file.size()) {
      put(kCodebooksChecksum, base::ChecksumOf(file.data() + kHeaderBytes, rows - kHeaderBytes));
      put(kRowsChecksum, base::ChecksumOf(file.data() + rows, file.size() - rows));
    }
  }
  if ((which & 2) != 0) put(kFileBytes, file.size());
  if ((which & 4) != 0) {
    put(kHeaderChecksum, base::ChecksumOf(file.data(), kHeaderChecksum));
  }
}

// Whatever has been loaded can be used.
void Use(const EmbeddingTable& table) {
  const Context& context = ContextFor(kHighestIsa, false);
  (void)table.Describe();
  const int64_t rows = std::min<int64_t>(table.rows(), 16);
  if (rows == 0 || table.dimension() > 4096) return;
  GuardedBuffer<float> output(rows * table.dimension(), test::Guard::kBehind);
  (void)table.Dequantize(context, table.rows() - rows, {output.data(), rows, table.dimension()})
      .ok();
  (void)table.Scrub(context, 0, table.rows()).ok();
  const Result<EmbeddingBag> bag = EmbeddingBag::Create(context, table);
  if (!bag.ok()) return;
  const int64_t indices[] = {0, table.rows() - 1};
  const int64_t offsets[] = {0, 2};
  BagInput input;
  input.indices = IndexView(indices);
  input.bounds = IndexView(offsets);
  (void)bag->Run(input, {output.data(), 1, table.dimension()}).ok();
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qforge;
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(data + 1, data + size);
  fuzz::CorrectChecksums(data[0], bytes);
  const fuzz::MemoryFile file(bytes.data(), bytes.size());
  const Result<EmbeddingTable> loaded = EmbeddingTable::Load(file.path());
  const Result<EmbeddingTable> verified = EmbeddingTable::Map(file.path(), true);
  const Result<EmbeddingTable> mapped = EmbeddingTable::Map(file.path());
  fuzz::Check(loaded.ok() == verified.ok(), "Load and Map do not agree on a file");
  fuzz::Check(mapped.ok() || !loaded.ok(), "Map refuses what Load takes");
  if (loaded.ok()) fuzz::Use(*loaded);
  if (mapped.ok()) fuzz::Use(*mapped);
  return 0;
}
