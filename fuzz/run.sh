#!/bin/sh
# Lets libFuzzer look for bytes that break what must hold, for SECONDS (60) in each target, or in the targets that are named after it.
# What it finds lies in fuzz/artifacts; put it into fuzz/corpus/TARGET, where the tests of the crate try it every time.
set -eu
cd "$(dirname -- "$0")/.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- change commit digest message note policy report source triage

cargo fuzz --version >/dev/null 2>&1 || {
  echo 'fuzz/run.sh: cargo-fuzz is missing: cargo install cargo-fuzz' >&2
  exit 1
}

for target in "$@"; do
  printf '\n== %s\n' "$target"
  # New inputs go to a folder of their own: the seeds stay as few as they are. Without a sanitizer a stable compiler will do.
  mkdir -p "fuzz/target/found/$target"
  cargo fuzz run --sanitizer none "$target" "fuzz/target/found/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 -max_len=16384 -print_final_stats=0 -verbosity=0
done
