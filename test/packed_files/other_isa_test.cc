// Weights that were packed for another instruction set than this machine, or a cap, would take.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "packed_files/weights_case.h"
#include "support/files.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

class OtherIsas : public EveryIsaTest {};

// From each ISA to each other: what Create() makes there, byte by byte. On the portable path
// outliers may be cut into other parts, which the product does not show.
TEST_F(OtherIsas, ArePackedAgain) {
  for (const WeightsCase& c : AllCases()) {
    for (const Isa to : SupportedIsas()) {
      const PackedWeights expected = MakeWeights(c, to);
      const Bytes expected_bytes = Serialized(expected);
      const TestMatrix expected_product = Product(expected);
      for (const Isa from : SupportedIsas()) {
        SCOPED_TRACE(std::string(c.name) + " from " + IsaName(from) + " to " + IsaName(to));
        LoadWeightsOptions options;
        options.max_isa = to;
        options.repack = Repack::kForBest;
        const Result<PackedWeights> again =
            PackedWeights::Deserialize(Serialized(MakeWeights(c, from)), options);
        ASSERT_TRUE(again.ok()) << again.status().message();
        ASSERT_EQ(again->isa(), to);
        if (to != Isa::kScalar || c.outlier_rarity == 0) {
          EXPECT_EQ(expected_bytes, Serialized(*again));
        }
        EXPECT_TRUE(SameBits(expected_product, Product(*again)));
      }
    }
  }
}

// The lowest and the highest that the machine has, which differ.
TEST(OtherIsaChoices, AreMadeByOptions) {
  const Isa low = SupportedIsas().front(), high = SupportedIsas().back();
  ASSERT_NE(low, high);
  const TemporaryFolder folder;
  const std::string path = folder.File("weights");

  // For less than the machine has: used as they are, unless better is asked for.
  ASSERT_TRUE(MakeWeights(WeightsCase(), low).Save(path).ok());
  LoadWeightsOptions load;
  EXPECT_EQ(PackedWeights::Load(path, load).value().isa(), low);
  load.repack = Repack::kNever;
  EXPECT_EQ(PackedWeights::Load(path, load).value().isa(), low);
  load.repack = Repack::kForBest;
  EXPECT_EQ(PackedWeights::Load(path, load).value().isa(), high);
  MapWeightsOptions map;
  EXPECT_EQ(PackedWeights::Map(path, map).value().isa(), low);
  map.repack = Repack::kForBest;
  const PackedWeights packed_again = PackedWeights::Map(path, map).value();
  EXPECT_EQ(packed_again.isa(), high);
  EXPECT_EQ(packed_again.Describe().find("mapped"), std::string::npos);

  // For more than the cap.
  ASSERT_TRUE(MakeWeights(WeightsCase(), high).Save(path).ok());
  load = LoadWeightsOptions();
  load.max_isa = map.max_isa = low;
  EXPECT_EQ(PackedWeights::Load(path, load).value().isa(), low);
  map.repack = Repack::kIfNeeded;
  EXPECT_EQ(PackedWeights::Map(path, map).value().isa(), low);
  load.repack = map.repack = Repack::kNever;
  for (const Status& status :
       {PackedWeights::Load(path, load).status(), PackedWeights::Map(path, map).status()}) {
    EXPECT_TRUE(IsError(status, StatusCode::kUnsupported, "path"));
    const std::string message = status.message();
    EXPECT_NE(message.find(IsaName(low)), std::string::npos) << message;
    EXPECT_NE(message.find(IsaName(high)), std::string::npos) << message;
    EXPECT_NE(message.find("above the cap"), std::string::npos) << message;
  }
}

// On a machine that lacks the instruction set altogether, which a tampered name stands for here.
TEST(OtherIsaChoices, UnknownOnesAreNamed) {
  Bytes bytes = Serialized(MakeWeights(WeightsCase(), kHighestIsa));
  const std::string name = "avx1024_dream";
  std::fill_n(bytes.begin() + 16, 24, uint8_t{0});
  std::copy(name.begin(), name.end(), bytes.begin() + 16);
  Seal(&bytes);
  const Status status = PackedWeights::Deserialize(bytes).status();
  EXPECT_TRUE(IsError(status, StatusCode::kUnsupported, "bytes"));
  EXPECT_NE(std::string(status.message()).find(name), std::string::npos) << status.message();
}

}  // namespace
}  // namespace qforge::test
