# Programs parse their command line with it.
qforge_dependency(CLI11 TARGET CLI11::CLI11 VERSION 2.1 DEBIAN libcli11-dev
  URL https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.1.2.tar.gz
  SHA256 26291377e892ba0e5b4972cdfd4a2ab3bf53af8dac1f4ea8fe0d1376b625c8cb
  INCLUDE_DIR include)
