#!/bin/sh
# Builds koan-guard and installs it below a prefix. Needs cargo, a C compiler and git; never needs root.
set -eu

usage() {
  cat <<'END'
Usage: ./install.sh [--prefix DIR] [--demo] [--uninstall] [--help]

Build koan-guard and install `koan-guard` and `git-koan-guard` into DIR/bin.

  --prefix DIR   where to install (default: $HOME/.local)
  --demo         run `koan-guard demo` after installing
  --uninstall    remove both from DIR/bin; first run `koan-guard uninstall` in every guarded repository
  --help         print this
END
}

# fail STATUS MESSAGE
fail() {
  printf 'install.sh: %s\n' "$2" >&2
  exit "$1"
}

start=$(pwd)
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
prefix='' demo='' uninstall=''
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) [ $# -gt 1 ] || fail 2 '`--prefix` needs a folder'; prefix=$2; shift ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --demo) demo=yes ;;
    --uninstall) uninstall=yes ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail 2 "unknown argument \`$1\`" ;;
  esac
  shift
done
if [ -z "$prefix" ]; then
  [ -n "${HOME:-}" ] || fail 2 'HOME is not set: say where to install with `--prefix DIR`'
  prefix=$HOME/.local
fi
case $prefix in /*) ;; *) prefix=$start/$prefix ;; esac
bin=$prefix/bin

if [ -n "$uninstall" ]; then
  rm -f -- "$bin/koan-guard" "$bin/git-koan-guard"
  echo "removed koan-guard and git-koan-guard from $bin"
  echo 'hooks that `koan-guard install` put into repositories refuse commits until they are removed too'
  exit 0
fi

command -v cargo >/dev/null || fail 1 'cargo is missing: get Rust from https://rustup.rs'
command -v git >/dev/null || fail 1 'git is missing: install git 2.34 or later with the package manager of your system'
[ -n "${CC:-}" ] || command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
  fail 1 'a C compiler is missing (SQLite is built in): install gcc or clang with the package manager of your system'
cargo --version >/dev/null || fail 1 'cargo does not run: if HOME was changed, set CARGO_HOME and RUSTUP_HOME to where Rust is'

case ${CARGO_TARGET_DIR:-/} in /*) ;; *) CARGO_TARGET_DIR=$start/$CARGO_TARGET_DIR; export CARGO_TARGET_DIR ;; esac
cd "$here"
messages=$(cargo build --release --locked --bin koan-guard --message-format json-render-diagnostics) || fail 1 'the build failed'
built=$(printf '%s\n' "$messages" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$built" ] || fail 1 'cargo built no `koan-guard`'

mkdir -p -- "$bin"
cp -- "$built" "$bin/.koan-guard.new"
chmod 755 "$bin/.koan-guard.new"
mv -f -- "$bin/.koan-guard.new" "$bin/koan-guard"
ln -sf koan-guard "$bin/git-koan-guard"
echo "installed koan-guard and git-koan-guard into $bin"
case :${PATH:-}: in
  *:"$bin":*) ;;
  *) echo "$bin is not on PATH: add it, or call $bin/koan-guard" ;;
esac

if [ -n "$demo" ]; then
  cd "$start"
  exec "$bin/koan-guard" demo
fi
