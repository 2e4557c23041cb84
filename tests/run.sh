#!/bin/sh
# Runs the tests, and with `--all` the slow ones and a quick round of the benchmarks. What the tests need is put under the target folder.
# Other arguments go to `cargo test`.
set -eu
cd "$(dirname -- "$0")/.."

fail() {
  printf 'tests/run.sh: %s\n' "$1" >&2
  exit 1
}

all=
if [ "${1:-}" = --all ]; then
  all=yes
  shift
fi

command -v cargo >/dev/null || fail 'cargo is missing: get Rust from https://rustup.rs'
command -v git >/dev/null || fail 'git is missing: install git 2.34 or later'
command -v python3 >/dev/null || fail 'python3 is missing: the tests of the Python runners need Python 3.9 or later'

# program, its package in Debian and Ubuntu
for needed in 'go golang-go' 'bats bats'; do
  program=${needed% *} package=${needed#* }
  command -v "$program" >/dev/null && continue
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "$package"; } </dev/null >&2 ||
      fail "apt-get could not install $package"
  else
    fail "$program is missing: the tests of its runner need it (Debian, Ubuntu: $package)"
  fi
done
# The tests of services start real servers, which Debian keeps beside the usual folders.
postgres=
for program in /usr/lib/postgresql/*/bin/postgres; do
  if [ -x "$program" ]; then postgres=yes; fi
done
if command -v postgres >/dev/null; then postgres=yes; fi
missing=
[ -n "$postgres" ] && command -v psql >/dev/null || missing="$missing postgresql"
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing="$missing redis-server"
if [ -n "$all" ]; then
  command -v mysql >/dev/null && { command -v mariadbd || command -v mysqld || [ -x /usr/sbin/mariadbd ] || [ -x /usr/sbin/mysqld ]; } >/dev/null ||
    missing="$missing mariadb-server"
fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # Only the programs are wanted: no server of the machine's own shall be started.
    # shellcheck disable=SC2086
    { apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends $missing; } </dev/null >&2 ||
      fail "apt-get could not install$missing"
  else
    fail "servers for the tests of services are missing: install$missing (names of Debian and Ubuntu)"
  fi
fi

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
venv=$target/test-python
if ! "$venv/bin/python" -c 'import pytest' 2>/dev/null; then
  rm -rf -- "$venv"
  if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    # Debian keeps them in a package of their own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y python3-venv; } </dev/null >&2 ||
        fail 'apt-get could not install python3-venv'
    else
      fail 'the module `venv` of python3 is missing: install it (Debian, Ubuntu: python3-venv)'
    fi
  fi
  mkdir -p -- "$target"
  python3 -m venv "$venv" || fail 'python3 could not make a virtual environment'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pytest>=8,<10' || fail 'pip could not install pytest'
fi
KOAN_TEST_PYTHON=$venv/bin/python
export KOAN_TEST_PYTHON
# Tests that open repositories in their own process shall not see what the developer configured.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

if [ -z "$all" ]; then
  exec cargo test --locked "$@"
fi
cargo test --locked --features slow-tests "$@"
cargo bench --locked --bench hook -- --quick
