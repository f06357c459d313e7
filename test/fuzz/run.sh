#!/bin/sh
# Fuzzes each target for a time, from the corpus: run.sh <seconds> [<target> ...]
set -eu

[ $# -ge 1 ] || { echo 'usage: sh test/fuzz/run.sh <seconds> [<target> ...]' >&2; exit 2; }
seconds=$1
shift
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd -- "$root"
build=build/fuzz
cmake -S test/fuzz/libfuzzer -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++ >/dev/null
cmake --build "$build"

if [ $# -eq 0 ]; then
  for source in test/fuzz/*.cc; do
    set -- "$@" "$(basename "$source" .cc)"
  done
fi
for target; do
  found=$build/found/$target
  mkdir -p "$found"
  # In processes of a minute, so that the kernels they keep are let go.
  left=$seconds
  while [ "$left" -gt 0 ]; do
    "$build/fuzz_$target" -max_total_time=$((left < 60 ? left : 60)) -max_len=1024 -timeout=60 \
      -rss_limit_mb=4096 -verbosity=0 "-artifact_prefix=$found/" "$found" \
      "test/fuzz/corpus/$target"
    left=$((left - 60))
  done
  printf '%s: %s s without a finding\n' "$target" "$seconds"
done
