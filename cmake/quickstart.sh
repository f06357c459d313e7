#!/bin/sh
# From a fresh machine to a running demo, a test result or a benchmark, in one command.
set -eu

usage() {
  cat >&2 <<'TEXT'
usage: sh cmake/quickstart.sh demo|test|bench [arguments]
       sh cmake/quickstart.sh install <folder>

  demo     build, and run the recommendation model; arguments go to dlrm
  test     build, and run all tests; arguments go to ctest
  bench    build, and measure a few typical shapes and embedding look-ups; arguments go to
           gemm_bench, which then runs alone, for example --benchmark_filter=1024x1024x1024
  install  build the library, and install it in a folder, for find_package and pkg-config

Installs with apt-get what is missing, and builds in build/release, or for install in build/library.
TEXT
  exit 2
}

fail() {
  printf 'quickstart: %s\n' "$1" >&2
  exit 1
}

[ $# -ge 1 ] || usage
action=$1
shift
case $action in
  demo | test | bench) ;;
  install)
    [ $# -eq 1 ] || usage
    # An absolute path, since the work is done in another folder.
    mkdir -p -- "$1"
    prefix=$(CDPATH='' cd -- "$1" && pwd)
    ;;
  *) usage ;;
esac

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd -- "$root"
build=build/release
options=

packages='g++ cmake ninja-build pkg-config libxbyak-dev libasmjit-dev libcpuinfo-dev
      libpthreadpool-dev'
case $action in
  install)
    build=build/library
    options='-DQFORGE_BUILD_TESTS=OFF -DQFORGE_BUILD_BENCHMARKS=OFF -DQFORGE_BUILD_TOOLS=OFF'
    ;;
  *)
    packages="$packages
      libzydis-dev nlohmann-json3-dev libcli11-dev libgtest-dev libbenchmark-dev"
    ;;
esac
[ "$action" != test ] ||
  packages="$packages libtbb-dev doxygen clang libclang-rt-dev qemu-user chromium"

step() {
  printf '[%s/4] %s\n' "$1" "$2"
}

missing_packages() {
  for package in $packages; do
    case $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true) in
      installed) ;;
      *) printf ' %s' "$package" ;;
    esac
  done
}

install_packages() {
  # shellcheck disable=SC2086  # lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet=2 --no-install-recommends $missing >"$log" 2>&1
}

show_log_and_fail() {
  cat "$log" >&2
  fail "$1"
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  missing=$(missing_packages)
  if [ -z "$missing" ]; then
    step 1 'everything needed is installed'
  else
    step 1 "installing$missing"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null || fail 'installing needs root or sudo'
      as_root=sudo
    fi
    log=$(mktemp)
    trap 'rm -f -- "$log"' EXIT
    # A fresh machine's package lists are empty or old: they are fetched when a first try fails.
    if ! install_packages; then
      $as_root apt-get update --quiet=2 >"$log" 2>&1 || show_log_and_fail 'apt-get update failed'
      install_packages || show_log_and_fail 'apt-get install failed'
    fi
  fi
else
  step 1 'no apt-get here; going on with what is installed'
  printf '      needed, under the names that Debian gives them: %s\n' "$packages"
  for tool in cmake ninja c++; do
    command -v "$tool" >/dev/null || fail "$tool was not found"
  done
fi

step 2 "configuring $build"
# shellcheck disable=SC2086  # lists of words
if ! output=$(cmake --preset release -B "$build" $options \
  -DQFORGE_WERROR="${QFORGE_WERROR:-OFF}" 2>&1); then
  printf '%s\n' "$output" >&2
  fail 'cmake failed'
fi

case $action in
  demo) targets=dlrm ;;
  test) targets=all ;;
  bench) targets='gemm_bench embedding_bag_bench' ;;
  install) targets=qforge ;;
esac
step 3 "building $targets in $build"
# shellcheck disable=SC2086  # a list of words
cmake --build "$build" --target $targets || fail 'the build failed'

case $action in
  demo)
    step 4 'running the demo'
    "$build/bench/dlrm/dlrm" "$@"
    ;;
  test)
    step 4 'running the tests'
    ctest --preset release --parallel 2 "$@"
    ;;
  bench)
    step 4 'measuring'
    if [ $# -eq 0 ]; then
      "$build/bench/embedding/embedding_bag_bench" --table --rows 2000 --rounds 7
      shapes='1x4096x1024|6x2048x512|64x4096x4096|1024x1024x1024'
      set -- --benchmark_filter="^int8/($shapes)/isa:[^/]+/threads:1(/peer:[a-z]+)?/real_time\$"
    fi
    "$build/bench/gemm/gemm_bench" "$@"
    ;;
  install)
    step 4 "installing in $prefix"
    cmake --install "$build" --prefix "$prefix" >/dev/null || fail 'the installation failed'
    ;;
esac
