// Tables in files: what is written comes back, and nothing else is believed.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "embedding/bag_case.h"
#include "qforge/packed_weights.h"
#include "support/child_process.h"
#include "support/files.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kCorrupted = StatusCode::kDataCorrupted;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

enum class How { kLoad, kMap, kMapVerified };
Result<EmbeddingTable> Open(const std::string& path, How how) {
  return how == How::kLoad ? EmbeddingTable::Load(path)
                           : EmbeddingTable::Map(path, how == How::kMapVerified);
}
constexpr How kEveryWay[] = {How::kLoad, How::kMap, How::kMapVerified};

::testing::AssertionResult SameTable(const EmbeddingTable& expected, const EmbeddingTable& actual) {
  const RowLayout& a = expected.layout();
  const RowLayout& b = actual.layout();
  if (a.format != b.format || a.dimension != b.dimension || a.parameters != b.parameters ||
      a.place != b.place || a.stride != b.stride || a.exponent_bias != b.exponent_bias ||
      expected.rows() != actual.rows() ||
      expected.codebooks().size() != actual.codebooks().size()) {
    return ::testing::AssertionFailure() << expected.Describe() << " became " << actual.Describe();
  }
  for (int64_t i = 0; i < expected.rows(); ++i) {
    if (std::memcmp(expected.row(i), actual.row(i), static_cast<size_t>(RowBytes(a))) != 0) {
      return ::testing::AssertionFailure() << "row " << i << " differs";
    }
  }
  for (int64_t i = 0; i < expected.codebooks().size(); ++i) {
    if (expected.codebooks()[i].bits != actual.codebooks()[i].bits) {
      return ::testing::AssertionFailure() << "centre " << i << " differs";
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(TableFiles, ComeBack) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  for (const RowFormat format : kAllFormats) {
    for (const int64_t rows : {0, 1, 37}) {
      for (const int64_t gap : {0, 7}) {
        RowLayout layout = LayoutOf(format, 11);
        layout.place = gap == 0 ? ParameterPlace::kLast : ParameterPlace::kFirst;
        if (gap != 0) layout.stride = RowBytes(layout) + gap;
        if (format == RowFormat::kU8 && gap != 0) layout.parameters = DataType::kF16;
        if (format == RowFormat::kE4M3) layout.exponent_bias = 11;
        TableData data(layout, rows, 5);
        data.Seal();
        const EmbeddingTable table = data.Borrow();
        const Status saved = table.Save(path);
        ASSERT_TRUE(saved.ok()) << saved.message();
        for (const How how : kEveryWay) {
          const Result<EmbeddingTable> back = Open(path, how);
          ASSERT_TRUE(back.ok()) << back.status().message();
          EXPECT_TRUE(SameTable(table, *back));
          EXPECT_NE(back->Describe().find(how == How::kLoad ? "owned" : "mapped"),
                    std::string::npos);
          if (rows == 0) continue;
          EXPECT_EQ(reinterpret_cast<uintptr_t>(back->row(0)) % 64, 0u);
        }
      }
    }
  }
  EXPECT_EQ(folder.Files(), 1) << "temporary files are left";
}

TEST(TableFiles, ReplaceWhatIsThere) {
  const TemporaryFolder folder;
  const TableData data(LayoutOf(RowFormat::kU8, 8), 3, 5);
  const std::string path = folder.File("table"), link = folder.File("link");
  WriteAll(path, "old");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  ASSERT_EQ(symlink("table", link.c_str()), 0);
  const Status saved = data.Borrow().Save(link);
  ASSERT_TRUE(saved.ok()) << saved.message();
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(folder.Files(), 2);
  struct stat state {};
  ASSERT_EQ(stat(path.c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 07777, 0640u);
  EXPECT_TRUE(SameTable(data.Borrow(), EmbeddingTable::Load(path).value()));
}

TEST(TableFiles, FollowLinksToWhatIsNotThere) {
  const TemporaryFolder folder;
  const TableData data(LayoutOf(RowFormat::kU8, 8), 3, 5);
  const std::string link = folder.File("link"), link_to_link = folder.File("link_to_link");
  ASSERT_EQ(symlink("table", link.c_str()), 0);
  ASSERT_EQ(symlink(link.c_str(), link_to_link.c_str()), 0);
  const Status saved = data.Borrow().Save(link_to_link);
  ASSERT_TRUE(saved.ok()) << saved.message();
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_TRUE(std::filesystem::is_symlink(link_to_link));
  EXPECT_TRUE(SameTable(data.Borrow(), EmbeddingTable::Load(folder.File("table")).value()));

  const std::string loop = folder.File("loop"), nowhere = folder.File("nowhere");
  ASSERT_EQ(symlink("loop", loop.c_str()), 0);
  ASSERT_EQ(symlink("no_folder/table", nowhere.c_str()), 0);
  EXPECT_TRUE(IsError(data.Borrow().Save(loop), kInvalid, "path"));
  EXPECT_TRUE(IsError(data.Borrow().Save(nowhere), kInvalid, "path"));
  EXPECT_EQ(folder.Files(), 5);
}

// Opening one waits for the other end, unless it is opened not to.
TEST(TableFiles, AreNotPipes) {
  const TemporaryFolder folder;
  const std::string pipe = folder.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const How how : kEveryWay) EXPECT_TRUE(IsError(Open(pipe, how).status(), kInvalid, "path"));
  EXPECT_TRUE(IsError(PackedWeights::Load(pipe).status(), kInvalid, "path"));
  EXPECT_TRUE(IsError(PackedWeights::Map(pipe).status(), kInvalid, "path"));
  const TableData data(LayoutOf(RowFormat::kU8, 8), 3, 5);
  EXPECT_TRUE(IsError(data.Borrow().Save(pipe), kInvalid, "path"));
}

// Beyond such a limit the system ends a process that writes.
TEST(TableFiles, KeepToALimitOfFileSizes) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  const TableData data(LayoutOf(RowFormat::kU8, 8), 1000, 5);
  const EmbeddingTable table = data.Borrow();
  ASSERT_TRUE(table.Save(path).ok());
  const auto size = static_cast<rlim_t>(std::filesystem::file_size(path));
  for (const bool enough : {false, true}) {
    const std::string failure = RunInChild([&]() -> std::string {
      const rlimit limit = {enough ? size : size - 1, RLIM_INFINITY};
      QFORGE_CHILD_EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
      const Status saved = table.Save(path);
      QFORGE_CHILD_EXPECT(saved.code() ==
                          (enough ? StatusCode::kOk : StatusCode::kResourceExhausted));
      return "";
    });
    EXPECT_EQ(failure, "");
    EXPECT_EQ(folder.Files(), 1);
  }
  EXPECT_TRUE(SameTable(table, EmbeddingTable::Load(path).value()));
}

// Left by a process of the same number that died while it saved.
TEST(TableFiles, PassOverStaleOnes) {
  const TemporaryFolder folder;
  const TableData data(LayoutOf(RowFormat::kU8, 8), 3, 5);
  const std::string path = folder.File("table");
  for (int i = 0; i < 1000; ++i) {
    WriteAll(path + "." + std::to_string(getpid()) + "." + std::to_string(i) + ".partial", "");
  }
  const Status saved = data.Borrow().Save(path);
  EXPECT_TRUE(saved.ok()) << saved.message();
  EXPECT_EQ(folder.Files(), 1001);
}

// One row needs no memory for the gap behind it.
TEST(TableFiles, OfOneRowAndAHugeStride) {
  const TemporaryFolder folder;
  RowLayout layout = LayoutOf(RowFormat::kU8, 8);
  layout.stride = int64_t{1} << 42;
  const TableData data(layout, 1, 5);
  const Status saved = data.Borrow().Save(folder.File("table"));
  ASSERT_TRUE(saved.ok()) << saved.message();
  for (const How how : kEveryWay) {
    EXPECT_TRUE(SameTable(data.Borrow(), Open(folder.File("table"), how).value()));
  }
}

// More rows than the writer's buffer holds, with gaps that must come out as zeros.
TEST(TableFiles, ComeBackInPieces) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  RowLayout layout = LayoutOf(RowFormat::kF16, 100);
  layout.stride = 1000;
  const TableData data(layout, 2500, 5);
  ASSERT_TRUE(data.Borrow().Save(path).ok());
  EXPECT_TRUE(SameTable(data.Borrow(), EmbeddingTable::Map(path, true).value()));
  EXPECT_TRUE(SameTable(data.Borrow(), EmbeddingTable::Load(path).value()));
  const std::string bytes = ReadAll(path);
  ASSERT_EQ(bytes.size(), 128u + 2499 * 1000 + 200);
  for (size_t row = 0; row < 2499; ++row) {
    for (size_t i = 200; i < 1000; ++i) ASSERT_EQ(bytes[128 + row * 1000 + i], 0) << row;
  }
}

// The look-up of a mapped table is the look-up of the table.
TEST(TableFiles, AreLookedUp) {
  const TemporaryFolder folder;
  for (const RowFormat format : kAllFormats) {
    BagCase c;
    c.layout = LayoutOf(format, 48);
    BagData data(c);
    const TestMatrix expected = data.Expected();
    ASSERT_TRUE(data.table.Borrow().Save(folder.File("table")).ok());
    for (const How how : kEveryWay) {
      // The handle goes at once: the operation keeps the mapping alive.
      const EmbeddingBag bag =
          EmbeddingBag::Create(Context::Create().value(), Open(folder.File("table"), how).value(),
                               data.options())
              .value();
      const TestMatrix result = data.MakeOutput();
      ASSERT_TRUE(bag.Run(data.input(), result.output()).ok());
      EXPECT_TRUE(SameBits(expected, result)) << RowFormatName(format);
    }
  }
}

// The layout that the source documents, byte by byte.
TEST(TableFiles, HaveTheDocumentedBytes) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  const std::vector<uint8_t> rows = {0x21, 1, 0, 0x43, 0, 0};
  std::vector<Half> codebooks(32);
  for (size_t i = 0; i < 32; ++i) codebooks[i].bits = static_cast<uint16_t>(0x3C00 + i);
  ASSERT_TRUE(EmbeddingTable::Copy(rows.data(), 2, LayoutOf(RowFormat::kTwoTier4, 2), codebooks)
                  .value()
                  .Save(path)
                  .ok());
  const std::string bytes = ReadAll(path);
  ASSERT_EQ(bytes.size(), 198u);
  const auto number = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
    return value;
  };
  EXPECT_EQ(bytes.substr(0, 8), "QFORGETB");
  EXPECT_EQ(number(8, 4), 1u);     // version
  EXPECT_EQ(number(12, 4), 128u);  // header
  EXPECT_EQ(number(16, 4), 7u);    // twotier4, no parameters, last, no bias
  EXPECT_EQ(number(20, 4), 0u);
  EXPECT_EQ(number(24, 8), 2u);    // dimension
  EXPECT_EQ(number(32, 8), 2u);    // rows
  EXPECT_EQ(number(40, 8), 3u);    // stride
  EXPECT_EQ(number(48, 8), 2u);    // clusters
  EXPECT_EQ(number(56, 8), 192u);  // rows_offset
  EXPECT_EQ(number(64, 8), 198u);  // file_bytes
  EXPECT_EQ(number(72, 8), base::ChecksumOf(bytes.data() + 128, 64));
  EXPECT_EQ(number(80, 8), base::ChecksumOf(bytes.data() + 192, 6));
  for (size_t i = 88; i < 120; ++i) EXPECT_EQ(bytes[i], 0);
  EXPECT_EQ(number(120, 8), base::ChecksumOf(bytes.data(), 120));
  EXPECT_EQ(std::memcmp(bytes.data() + 128, codebooks.data(), 64), 0);
  EXPECT_EQ(std::memcmp(bytes.data() + 192, rows.data(), 6), 0);
}

// A small file with all sections: 128 bytes of header, 160 of codebooks, padding to 320, 10 rows.
class SpoiltFiles : public ::testing::Test {
 protected:
  SpoiltFiles() : path_(folder_.File("table")) {
    const TableData data(LayoutOf(RowFormat::kTwoTier4, 6), 10, 2);
    EXPECT_TRUE(data.Borrow().Save(path_).ok());
    good_ = ReadAll(path_);
    EXPECT_EQ(good_.size(), 320u + 50u);
  }

  void SealHeader(std::string* bytes) const {
    const uint64_t checksum = base::ChecksumOf(bytes->data(), 120);
    std::memcpy(bytes->data() + 120, &checksum, sizeof(checksum));
  }

  TemporaryFolder folder_;
  std::string path_;
  std::string good_;
};

TEST_F(SpoiltFiles, CutAnywhere) {
  for (size_t size = 0; size < good_.size(); ++size) {
    WriteAll(path_, good_.substr(0, size));
    for (const How how : kEveryWay) {
      EXPECT_TRUE(IsError(Open(path_, how).status(), kCorrupted, "path")) << size;
    }
  }
  WriteAll(path_, good_ + '\0');
  for (const How how : kEveryWay) {
    EXPECT_TRUE(IsError(Open(path_, how).status(), kCorrupted, "path"));
  }
}

TEST_F(SpoiltFiles, AnyBitChanged) {
  for (size_t at = 0; at < good_.size(); ++at) {
    std::string bytes = good_;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    WriteAll(path_, bytes);
    for (const How how : kEveryWay) {
      const Result<EmbeddingTable> table = Open(path_, how);
      if (how == How::kMap && at >= 320) {
        EXPECT_TRUE(table.ok()) << "rows are not verified where nobody asks for it";
        continue;
      }
      EXPECT_TRUE(IsError(table.status(), at < 12 ? kUnsupported : kCorrupted, "path")) << at;
    }
  }
}

// A header that says something impossible under a checksum that is right.
TEST_F(SpoiltFiles, HeadersThatLie) {
  const struct {
    const char* what;
    size_t at;
    uint64_t value;
    size_t size;
  } lies[] = {{"header_bytes", 12, 256, 4},
              {"format", 16, 10, 1},
              {"parameters", 17, 4, 1},
              {"place", 18, 2, 1},
              {"exponent_bias", 19, 7, 1},
              {"no dimension", 24, 0, 8},
              {"dimension", 24, uint64_t{1} << 62, 8},
              {"other dimension", 24, 8, 8},
              {"rows", 32, 11, 8},
              {"negative rows", 32, ~uint64_t{0}, 8},
              {"rows that overflow", 32, uint64_t{1} << 62, 8},
              {"rows that end at 2^63", 32, ((uint64_t{1} << 63) - 1) / 5, 8},
              {"stride", 40, 4, 8},
              {"negative stride", 40, ~uint64_t{0}, 8},
              {"clusters", 48, 7, 8},
              {"no clusters", 48, 0, 8},
              {"clusters that overflow", 48, uint64_t{1} << 59, 8},
              {"rows_offset", 56, 64, 8},
              {"file_bytes", 64, 371, 8},
              {"unused", 21, 1, 1},
              {"reserved", 88, 1, 1},
              {"the last reserved", 119, 128, 1}};
  for (const auto& lie : lies) {
    std::string bytes = good_;
    std::memcpy(bytes.data() + lie.at, &lie.value, lie.size);
    SealHeader(&bytes);
    WriteAll(path_, bytes);
    for (const How how : kEveryWay) {
      EXPECT_TRUE(IsError(Open(path_, how).status(), kCorrupted, "path")) << lie.what;
    }
  }
}

TEST_F(SpoiltFiles, OtherVersionsAndOtherFiles) {
  std::string bytes = good_;
  bytes[8] = 3;
  SealHeader(&bytes);
  WriteAll(path_, bytes);
  for (const How how : kEveryWay) {
    const Status status = Open(path_, how).status();
    EXPECT_TRUE(IsError(status, kUnsupported, "path"));
    EXPECT_NE(std::string(status.message()).find("version 3"), std::string::npos);
  }
  WriteAll(path_, std::string(1000, 'x'));
  for (const How how : kEveryWay) {
    EXPECT_TRUE(IsError(Open(path_, how).status(), kUnsupported, "path"));
  }
}

TEST(TableFiles, SayWhatTheSystemSays) {
  const TemporaryFolder folder;
  const TableData data(LayoutOf(RowFormat::kU4, 6), 10, 2);
  for (const How how : kEveryWay) {
    const Status missing = Open(folder.File("none"), how).status();
    EXPECT_TRUE(IsError(missing, kInvalid, "path"));
    EXPECT_NE(std::string(missing.message()).find("No such file"), std::string::npos);
    EXPECT_TRUE(IsError(Open(folder.File(""), how).status(), kInvalid, "path"));
    EXPECT_TRUE(IsError(Open("", how).status(), kInvalid, "path"));
  }
  EXPECT_TRUE(IsError(data.Borrow().Save(folder.File("no/such/folder")), kInvalid, "path"));
  EXPECT_TRUE(IsError(data.Borrow().Save(folder.File("")), kInvalid, "path"));
  EXPECT_EQ(folder.Files(), 0);
}

// Saving over the file that a table is mapped from leaves the table as it is.
TEST(TableFiles, AreReplacedAsAWhole) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  const TableData first(LayoutOf(RowFormat::kU8, 50), 200, 1);
  const TableData second(LayoutOf(RowFormat::kU2, 5), 3, 2);
  ASSERT_TRUE(first.Borrow().Save(path).ok());
  const EmbeddingTable mapped = EmbeddingTable::Map(path).value();
  ASSERT_TRUE(second.Borrow().Save(path).ok());
  EXPECT_TRUE(SameTable(first.Borrow(), mapped));
  ASSERT_TRUE(mapped.Save(path).ok());
  EXPECT_TRUE(SameTable(first.Borrow(), EmbeddingTable::Load(path).value()));
  EXPECT_EQ(folder.Files(), 1);
}

TEST(TableFiles, UpdatesNeedARowOfOnesOwn) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  const TableData data(LayoutOf(RowFormat::kU4, 4), 3, 1);
  ASSERT_TRUE(data.Borrow().Save(path).ok());
  const std::vector<float> values = {1, 2, 3, 4};
  EmbeddingTable mapped = EmbeddingTable::Map(path).value();
  EXPECT_TRUE(IsError(mapped.UpdateRow(0, values, 1), kUnsupported, "table"));
  EmbeddingTable loaded = EmbeddingTable::Load(path).value();
  EXPECT_TRUE(loaded.UpdateRow(0, values, 1).ok());
}

// A table with checksums, in the rows or beside them.
EmbeddingTable CheckedTable(const TableData& data, bool beside) {
  EmbeddingTable table = data.Borrow();
  if (beside) {
    EXPECT_TRUE(table.AddChecksums(BestContext()).ok());
  }
  return table;
}

TEST(TableFiles, KeepChecksums) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table"), again = folder.File("again");
  for (const RowFormat format : kAllFormats) {
    for (const bool beside : {false, true}) {
      RowLayout layout = LayoutOf(format, 21);
      layout.checksum = !beside;
      const TableData data(layout, 50, 3);
      const EmbeddingTable table = CheckedTable(data, beside);
      ASSERT_TRUE(table.Save(path).ok());
      const std::string bytes = ReadAll(path);
      EXPECT_EQ(bytes[8], 2) << "version";
      for (const How how : kEveryWay) {
        const Result<EmbeddingTable> opened = Open(path, how);
        ASSERT_TRUE(opened.ok()) << opened.status().message();
        EXPECT_TRUE(SameTable(table, *opened));
        EXPECT_EQ(opened->layout().checksum, !beside);
        EXPECT_TRUE(opened->Scrub(BestContext(), 0, 50).ok());
        const EmbeddingBag bag = EmbeddingBag::Create(BestContext(), *opened).value();
        EXPECT_NE(bag.Describe().find("rows are checked"), std::string::npos);
        ASSERT_TRUE(opened->Save(again).ok());
        EXPECT_EQ(ReadAll(again), bytes);
      }
      // In rows that are mapped, whose file's checksum nobody has compared.
      std::string spoilt = bytes;
      spoilt[spoilt.size() - 1] = static_cast<char>(spoilt[spoilt.size() - 1] ^ 1);
      WriteAll(again, spoilt);
      const EmbeddingTable mapped = EmbeddingTable::Map(again).value();
      const Status status = mapped.Scrub(BestContext(), 0, 50);
      EXPECT_TRUE(IsError(status, kCorrupted, "table"));
      EXPECT_NE(std::string(status.message()).find("row 49 "), std::string::npos);
    }
  }
}

TEST(TableFiles, ThatAreLoadedUpdateChecksums) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  for (const bool beside : {false, true}) {
    RowLayout layout = LayoutOf(RowFormat::kU4, 4);
    layout.checksum = !beside;
    const TableData data(layout, 3, 1);
    ASSERT_TRUE(CheckedTable(data, beside).Save(path).ok());
    const std::vector<float> values = {1, 2, 3, 4};
    EmbeddingTable loaded = EmbeddingTable::Load(path).value();
    EXPECT_TRUE(loaded.UpdateRow(1, values, 1).ok());
    EXPECT_TRUE(loaded.Scrub(BestContext(), 0, 3).ok());
  }
}

TEST(TableFiles, WithChecksumsThatAreSpoilt) {
  const TemporaryFolder folder;
  const std::string path = folder.File("table");
  const TableData data(LayoutOf(RowFormat::kTwoTier4, 6), 10, 2);
  ASSERT_TRUE(CheckedTable(data, true).Save(path).ok());
  const std::string good = ReadAll(path);
  // Header, 5 codebooks and their checksums, those of the rows, 64 zeros; rows.
  const size_t rows_offset = (128 + 5 * 32 + 5 * 2 + 10 * 2 + 64 + 63) / 64 * 64;
  ASSERT_EQ(good.size(), rows_offset + 50);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    WriteAll(path, bytes);
    for (const How how : kEveryWay) {
      if (how == How::kMap && at >= rows_offset) continue;
      EXPECT_TRUE(IsError(Open(path, how).status(), at < 12 ? kUnsupported : kCorrupted, "path"))
          << at;
    }
  }
  // Headers that lie about them under a checksum that is right.
  const struct {
    size_t at;
    char value;
  } lies[] = {{8, 1}, {20, 0}, {20, 1}, {20, 3}};
  for (const auto& lie : lies) {
    std::string bytes = good;
    bytes[lie.at] = lie.value;
    const uint64_t checksum = base::ChecksumOf(bytes.data(), 120);
    std::memcpy(bytes.data() + 120, &checksum, sizeof(checksum));
    WriteAll(path, bytes);
    for (const How how : kEveryWay) {
      EXPECT_TRUE(IsError(Open(path, how).status(), kCorrupted, "path")) << lie.at;
    }
  }
}

}  // namespace
}  // namespace qforge::test
