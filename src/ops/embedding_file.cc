// The file form of an embedding table.
//
// Little-endian, without compression:
//
//   [0, 128)                    struct Header below
//   [128, rows_offset)          clusters x 16 f16; of tables with checksums (qforge/row_layout.h)
//                               those of the codebooks, then those that stand beside the rows, then
//                               at least 64 zeros; then zeros up to a multiple of 64
//   [rows_offset, file_bytes)   rows as they are in memory, `stride` bytes from one to the next;
//                               gaps are zeros, and there is none behind the last row
//
// Each of the three has a checksum of its own, so that no byte of a file is unaccounted for: XXH64
// with seed 0. rows_offset follows from the sizes before it and file_bytes from the rest: they are
// there to be compared. A change to any of this takes another version: version 1 has no checksums
// of rows and codebooks, and is what tables without any are stored as; version 2 has them.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>
#include <memory>
#include <new>

#include "base/arithmetic.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/row_checksum.h"
#include "ops/embedding_rows.h"
#include "ops/row_layout.h"
#include "pack/embedding_table_data.h"
#include "qforge/embedding_table.h"

namespace qforge {
namespace {

using base::File;
using pack::EmbeddingTableData;

static_assert(std::endian::native == std::endian::little, "structs are stored as they are");

constexpr char kMagic[9] = "QFORGETB";
constexpr uint32_t kVersion = 2;
constexpr uint32_t kFirstVersion = 1;
constexpr int64_t kRowsAlignment = 64;
constexpr int64_t kCodebookChecksumBytes = base::ChecksumBytes(kCodebookBytes);

enum class ChecksumPlace : uint8_t { kNone, kInRow, kBeside };

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;  // 128
  uint8_t format;         // RowFormat
  uint8_t parameters;     // DataType: 0 none, 4 f32, 5 f16
  uint8_t place;          // ParameterPlace
  uint8_t exponent_bias;
  uint8_t checksums;  // ChecksumPlace
  uint8_t unused[3];  // 0
  int64_t dimension;
  int64_t rows;
  int64_t stride;
  int64_t clusters;
  int64_t rows_offset;
  int64_t file_bytes;
  uint64_t codebooks_checksum;  // of [128, rows_offset)
  uint64_t rows_checksum;       // of [rows_offset, file_bytes)
  uint8_t reserved[32];         // 0
  uint64_t header_checksum;     // of all that is in front of it
};
static_assert(sizeof(Header) == 128 && offsetof(Header, header_checksum) == 120);
static_assert(static_cast<int>(DataType::kF32) == 4 && static_cast<int>(DataType::kF16) == 5);
static_assert(static_cast<int>(RowFormat::kE5M2) == 9 && kRowFormatCount == 10);

ChecksumPlace PlaceIn(const Header& header) { return static_cast<ChecksumPlace>(header.checksums); }

uint64_t HeaderChecksum(const Header& header) {
  return base::ChecksumOf(&header, offsetof(Header, header_checksum));
}

// Where the parts of [128, rows_offset) begin.
struct Sections {
  int64_t codebook_checksums = 0;
  int64_t row_checksums = 0;
  int64_t row_checksum_bytes = 0;  // of all rows
  int64_t rows = 0;

  // False where a size leaves int64.
  bool Compute(const EmbeddingTableData& table, ChecksumPlace place) {
    const bool checked = place != ChecksumPlace::kNone;
    codebook_checksums = int64_t{sizeof(Header)} + table.clusters * kCodebookBytes;
    row_checksums = codebook_checksums + (checked ? table.clusters * kCodebookChecksumBytes : 0);
    int64_t end;
    if (place == ChecksumPlace::kBeside &&
        !base::CheckedMultiply(table.rows, RowChecksumBytes(table.layout), &row_checksum_bytes)) {
      return false;
    }
    if (!base::CheckedAdd(row_checksums, row_checksum_bytes, &end) ||
        !base::CheckedAdd(end, (checked ? pack::kChecksumPadding : 0) + kRowsAlignment, &rows)) {
      return false;
    }
    rows = base::AlignUp<int64_t>(rows - kRowsAlignment, kRowsAlignment);
    return true;
  }

  static int64_t RowChecksumBytes(const RowLayout& layout) {
    return base::ChecksumBytes(PartsOfRow(layout).content_bytes());
  }
};

Status Corrupted(const std::string& path, const char* what) {
  return Status::Error(StatusCode::kDataCorrupted, "path", "%.120s: %s", path.c_str(), what);
}

// --- Reading -------------------------------------------------------------------------------------

struct OpenedFile {
  EmbeddingTableData table;  // without its data
  Header header;
  Sections sections;
};

// Layout, rows and clusters of a table whose header has the right checksum, and is believed no
// more than a caller: sizes agree with one another and with the file, and none leaves int64.
Result<OpenedFile> ParseSizes(const std::string& path, const Header& header, int64_t file_bytes) {
  RowLayout layout;
  layout.format = static_cast<RowFormat>(header.format);
  layout.dimension = header.dimension;
  layout.parameters = static_cast<DataType>(header.parameters);
  layout.place = static_cast<ParameterPlace>(header.place);
  layout.stride = header.stride;
  layout.exponent_bias = header.exponent_bias;
  const auto is_zero = [](uint8_t byte) { return byte == 0; };
  if (!std::all_of(std::begin(header.unused), std::end(header.unused), is_zero) ||
      !std::all_of(std::begin(header.reserved), std::end(header.reserved), is_zero)) {
    return Corrupted(path, "the header has values where no version has any");
  }
  const ChecksumPlace place = PlaceIn(header);
  layout.checksum = place == ChecksumPlace::kInRow;
  const Result<RowLayout> complete = CompleteRowLayout("header", layout);
  if (!complete.ok()) return Corrupted(path, complete.status().message());
  const Status size = CheckTableSize("header.rows", header.rows, *complete);
  if (!size.ok()) return Corrupted(path, size.message());
  const bool two_tier = complete->format == RowFormat::kTwoTier4;
  const int64_t least = two_tier && header.rows != 0 ? 1 : 0;
  const int64_t most = two_tier ? kMostCodebooks : 0;
  if (header.clusters < least || header.clusters > most) {
    return Corrupted(path, "the header's number of codebooks is impossible");
  }
  EmbeddingTableData table;
  table.layout = *complete;
  table.rows = header.rows;
  table.clusters = header.clusters;
  Sections sections;
  int64_t expected;
  if (header.header_bytes != sizeof(Header) || place > ChecksumPlace::kBeside ||
      (header.version == kFirstVersion && place != ChecksumPlace::kNone) ||
      !sections.Compute(table, place) || header.rows_offset != sections.rows ||
      !base::CheckedAdd(header.rows_offset, TableExtent(header.rows, *complete), &expected) ||
      header.file_bytes != expected) {
    return Corrupted(path, "the header's sizes contradict one another");
  }
  if (header.file_bytes != file_bytes) {
    return Status::Error(StatusCode::kDataCorrupted, "path",
                         "%.120s has %" PRId64 " bytes; its header says %" PRId64, path.c_str(),
                         file_bytes, header.file_bytes);
  }
  return OpenedFile{std::move(table), header, sections};
}

// Opens a file and reads its header, behind which `file` is left.
Result<OpenedFile> ReadHeader(const std::string& path, File* file) {
  const Result<int64_t> file_bytes = base::SizeOf(*file, path);
  if (!file_bytes.ok()) return file_bytes.status();
  Header header{};
  const size_t readable = static_cast<size_t>(std::min<int64_t>(sizeof(header), *file_bytes));
  QFORGE_RETURN_IF_ERROR(base::ReadExactly(path, file, &header, readable));
  if (std::memcmp(header.magic, kMagic, std::min(readable, sizeof(header.magic))) != 0) {
    return Status::Error(StatusCode::kUnsupported, "path",
                         "%.120s does not begin with \"%s\": it is no file of a table",
                         path.c_str(), kMagic);
  }
  if (readable < sizeof(header)) return Corrupted(path, "the file ends within its header");
  if (header.version < kFirstVersion || header.version > kVersion) {
    return Status::Error(StatusCode::kUnsupported, "path",
                         "%.120s is of version %" PRIu32 "; this build reads versions %" PRIu32
                         " to %" PRIu32,
                         path.c_str(), header.version, kFirstVersion, kVersion);
  }
  if (header.header_checksum != HeaderChecksum(header)) {
    return Corrupted(path, "the header's checksum does not match");
  }
  return ParseSizes(path, header, *file_bytes);
}

Status CheckCodebooks(const std::string& path, const Header& header, const std::byte* codebooks) {
  const size_t bytes = static_cast<size_t>(header.rows_offset) - sizeof(Header);
  if (base::ChecksumOf(codebooks, bytes) == header.codebooks_checksum) return Status();
  return Corrupted(path, "the codebooks' checksum does not match");
}

Status CheckRows(const std::string& path, const Header& header, const std::byte* rows) {
  const size_t bytes = static_cast<size_t>(header.file_bytes - header.rows_offset);
  if (base::ChecksumOf(rows, bytes) == header.rows_checksum) return Status();
  return Corrupted(path, "the rows' checksum does not match");
}

// The next `bytes` bytes of a file.
Result<base::AlignedBuffer> ReadSection(const std::string& path, File* file, int64_t bytes) {
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(static_cast<size_t>(bytes), "path");
  if (!buffer.ok()) return buffer.status();
  QFORGE_RETURN_IF_ERROR(base::ReadExactly(path, file, buffer->data(), buffer->size()));
  return buffer;
}

// Gives a table that was loaded checksums of its own, which UpdateRow() can write.
Status CopyChecksums(const OpenedFile& file, EmbeddingTableData* table) {
  const Sections& sections = file.sections;
  const auto copy = [&](int64_t begin, int64_t bytes, base::AlignedBuffer* own,
                        const std::byte** used) {
    Result<base::AlignedBuffer> buffer = AllocateChecksums(bytes);
    if (!buffer.ok()) return buffer.status();
    std::memcpy(buffer->data(), table->own_codebooks.data() + begin - sizeof(Header),
                static_cast<size_t>(bytes));
    *own = std::move(*buffer);
    *used = own->data();
    return Status();
  };
  const int64_t codebook_bytes = sections.row_checksums - sections.codebook_checksums;
  if (codebook_bytes != 0) {
    QFORGE_RETURN_IF_ERROR(copy(sections.codebook_checksums, codebook_bytes,
                                &table->own_codebook_checksums, &table->codebook_checksums));
  }
  if (PlaceIn(file.header) != ChecksumPlace::kBeside) return Status();
  return copy(sections.row_checksums, sections.row_checksum_bytes, &table->own_checksums,
              &table->checksums);
}

// --- Writing -------------------------------------------------------------------------------------

// Writes rows from where `file` is, and gives their checksum. False on an error of the system.
bool WriteRows(const EmbeddingTableData& table, std::byte* buffer, int64_t buffer_rows, File* file,
               uint64_t* checksum) {
  const int64_t stride = table.layout.stride;
  base::Checksum sum;
  for (int64_t row = 0; row < table.rows; row += buffer_rows) {
    const int64_t rows = std::min(buffer_rows, table.rows - row);
    // The gap behind a piece belongs to it, but for the last: it has been zero from the beginning.
    const bool last = row + rows == table.rows;
    const int64_t bytes = last ? TableExtent(rows, table.layout) : rows * stride;
    CopyRows(table.data + row * stride, rows, table.layout, buffer);
    sum.Update(buffer, static_cast<size_t>(bytes));
    if (!file->Write(buffer, static_cast<size_t>(bytes))) return false;
  }
  *checksum = sum.value();
  return true;
}

ChecksumPlace PlaceOf(const EmbeddingTableData& table) {
  if (table.layout.checksum) return ChecksumPlace::kInRow;
  return table.checksums == nullptr ? ChecksumPlace::kNone : ChecksumPlace::kBeside;
}

Header HeaderOf(const EmbeddingTableData& table, const Sections& sections) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(header.magic));
  header.version = PlaceOf(table) == ChecksumPlace::kNone ? kFirstVersion : kVersion;
  header.header_bytes = sizeof(Header);
  header.format = static_cast<uint8_t>(table.layout.format);
  header.parameters = static_cast<uint8_t>(table.layout.parameters);
  header.place = static_cast<uint8_t>(table.layout.place);
  header.exponent_bias = static_cast<uint8_t>(table.layout.exponent_bias);
  header.dimension = table.layout.dimension;
  header.rows = table.rows;
  header.stride = table.layout.stride;
  header.clusters = table.clusters;
  header.checksums = static_cast<uint8_t>(PlaceOf(table));
  header.rows_offset = sections.rows;
  header.file_bytes = header.rows_offset + TableExtent(table.rows, table.layout);
  return header;
}

// Codebooks and rows, then the header, which has their checksums.
Status WriteTable(const EmbeddingTableData& table, const std::string& path, File* file) {
  constexpr int64_t kBufferBytes = int64_t{1} << 20;
  const int64_t buffer_rows =
      std::clamp<int64_t>(kBufferBytes / table.layout.stride, 1, std::max<int64_t>(1, table.rows));
  const Header no_header{};
  Sections sections;
  if (!sections.Compute(table, PlaceOf(table))) {
    return Status::Error(StatusCode::kOutOfRange, "table", "is too large for a file");
  }
  Header header = HeaderOf(table, sections);
  const size_t codebooks_bytes = static_cast<size_t>(header.rows_offset) - sizeof(Header);
  // Behind the last row is no gap, which may be larger than memory.
  const size_t rows_bytes =
      static_cast<size_t>(buffer_rows >= table.rows ? TableExtent(buffer_rows, table.layout)
                                                    : buffer_rows * table.layout.stride);
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(std::max(codebooks_bytes, rows_bytes), "path");
  if (!buffer.ok()) return buffer.status();
  std::memset(buffer->data(), 0, buffer->size());
  if (table.clusters != 0) {
    std::memcpy(buffer->data(), table.codebooks,
                static_cast<size_t>(table.clusters * kCodebookBytes));
  }
  const auto copy = [&](const std::byte* from, int64_t begin, int64_t bytes) {
    if (bytes == 0) return;
    std::memcpy(buffer->data() + begin - sizeof(Header), from, static_cast<size_t>(bytes));
  };
  copy(table.codebook_checksums, sections.codebook_checksums,
       sections.row_checksums - sections.codebook_checksums);
  copy(table.checksums, sections.row_checksums, sections.row_checksum_bytes);
  header.codebooks_checksum = base::ChecksumOf(buffer->data(), codebooks_bytes);
  if (!file->Write(&no_header, sizeof(no_header)) ||
      !file->Write(buffer->data(), codebooks_bytes)) {
    return base::SystemError("write", path);
  }
  std::memset(buffer->data(), 0, codebooks_bytes);
  if (!WriteRows(table, buffer->data(), buffer_rows, file, &header.rows_checksum)) {
    return base::SystemError("write", path);
  }
  header.header_checksum = HeaderChecksum(header);
  if (lseek(file->descriptor(), 0, SEEK_SET) != 0 || !file->Write(&header, sizeof(header))) {
    return base::SystemError("write", path);
  }
  return Status();
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory for a table");
}

}  // namespace

Status EmbeddingTable::Save(const std::string& path) const noexcept {
  try {
    return base::ReplaceFile(path, [this](File* file, const std::string& name) {
      return WriteTable(*table_, name, file);
    });
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<EmbeddingTable> EmbeddingTable::Load(const std::string& path) noexcept {
  try {
    File file(path, O_RDONLY);
    Result<OpenedFile> opened = ReadHeader(path, &file);
    if (!opened.ok()) return opened.status();
    const Header& header = opened->header;
    EmbeddingTableData& table = opened->table;
    Result<base::AlignedBuffer> codebooks =
        ReadSection(path, &file, header.rows_offset - int64_t{sizeof(Header)});
    if (!codebooks.ok()) return codebooks.status();
    QFORGE_RETURN_IF_ERROR(CheckCodebooks(path, header, codebooks->data()));
    Result<base::AlignedBuffer> rows =
        ReadSection(path, &file, header.file_bytes - header.rows_offset);
    if (!rows.ok()) return rows.status();
    QFORGE_RETURN_IF_ERROR(CheckRows(path, header, rows->data()));
    table.owner = pack::TableOwner::kTable;
    table.own_rows = std::move(*rows);
    table.own_codebooks = std::move(*codebooks);
    table.data = table.own_rows.data();
    table.codebooks = table.own_codebooks.As<Half>();
    QFORGE_RETURN_IF_ERROR(CopyChecksums(*opened, &table));
    return EmbeddingTable(std::make_shared<EmbeddingTableData>(std::move(table)));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<EmbeddingTable> EmbeddingTable::Map(const std::string& path, bool verify) noexcept {
  try {
    File file(path, O_RDONLY);
    Result<OpenedFile> opened = ReadHeader(path, &file);
    if (!opened.ok()) return opened.status();
    const Header& header = opened->header;
    EmbeddingTableData& table = opened->table;
    const Result<std::shared_ptr<const std::byte>> mapping =
        base::MapFile(file, path, static_cast<size_t>(header.file_bytes));
    if (!mapping.ok()) return mapping.status();
    table.owner = pack::TableOwner::kMapping;
    table.mapping = *mapping;
    const std::byte* const begin = mapping->get();
    QFORGE_RETURN_IF_ERROR(CheckCodebooks(path, header, begin + sizeof(Header)));
    table.data = begin + header.rows_offset;
    if (verify) QFORGE_RETURN_IF_ERROR(CheckRows(path, header, table.data));
    if (table.clusters != 0) {
      table.codebooks = reinterpret_cast<const Half*>(begin + sizeof(Header));
    }
    const Sections& sections = opened->sections;
    if (sections.row_checksums != sections.codebook_checksums) {
      table.codebook_checksums = begin + sections.codebook_checksums;
    }
    if (PlaceIn(header) == ChecksumPlace::kBeside) {
      table.checksums = begin + sections.row_checksums;
    }
    return EmbeddingTable(std::make_shared<EmbeddingTableData>(std::move(table)));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

}  // namespace qforge
