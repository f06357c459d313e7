# The tests are written with it.
qforge_dependency(GTest TARGET GTest::gtest_main VERSION 1.12 DEBIAN libgtest-dev
  URL https://github.com/google/googletest/archive/refs/tags/release-1.12.1.tar.gz
  SHA256 81964fe578e9bd7c94dfdb09c8e4d6e6759e19967e397dbea48d1c10e45d0df2
  OPTIONS INSTALL_GTEST=OFF BUILD_GMOCK=OFF)
