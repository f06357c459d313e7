#include "qforge/version.h"

#include <gtest/gtest.h>

#include <string>

namespace qforge {
namespace {

TEST(VersionTest, HeadersHaveTheVersionOfTheProject) {
  EXPECT_EQ(std::to_string(QFORGE_VERSION_MAJOR) + "." + std::to_string(QFORGE_VERSION_MINOR) +
                "." + std::to_string(QFORGE_VERSION_PATCH),
            PROJECT_VERSION);
}

TEST(VersionTest, NumbersCanBeCompared) {
#if QFORGE_VERSION < 100 || QFORGE_VERSION >= 1000000
#error "not the number of any release"
#endif
  EXPECT_EQ(QFORGE_VERSION / 10000, QFORGE_VERSION_MAJOR);
  EXPECT_EQ(QFORGE_VERSION / 100 % 100, QFORGE_VERSION_MINOR);
  EXPECT_EQ(QFORGE_VERSION % 100, QFORGE_VERSION_PATCH);
}

TEST(VersionTest, LibraryAndHeadersAreOfOneVersion) { EXPECT_EQ(Version(), QFORGE_VERSION); }

}  // namespace
}  // namespace qforge
