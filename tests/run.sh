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

# Debian's packages of the frameworks for Ruby; elsewhere they are to be brought.
if ! ruby -e 'gem "rspec"; gem "minitest"; gem "test-unit"' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y ruby ruby-rspec ruby-minitest ruby-test-unit; } </dev/null >&2 ||
      fail 'apt-get could not install ruby, ruby-rspec, ruby-minitest and ruby-test-unit'
  else
    fail 'Ruby with rspec, minitest and test-unit is missing (Debian, Ubuntu: ruby ruby-rspec ruby-minitest ruby-test-unit; else: gem install)'
  fi
fi
if ! command -v phpunit >/dev/null || ! phpunit --version 2>/dev/null | grep -q 'PHPUnit 9\.'; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y phpunit; } </dev/null >&2 ||
      fail 'apt-get could not install phpunit'
  else
    fail 'PHPUnit 9 is missing from the include path of php (Debian 12, Ubuntu 22.04 and 24.04: phpunit)'
  fi
fi

KOAN_TEST_PYTHON=$venv/bin/python
export KOAN_TEST_PYTHON
command -v node >/dev/null && command -v npm >/dev/null || fail 'node is missing: the tests of the JavaScript runners need Node.js 20 or later with npm'
packages=$target/test-node
if ! [ -f "$packages/complete" ]; then
  rm -rf -- "$packages"
  mkdir -p -- "$packages"
  printf '{"private": true}\n' >"$packages/package.json"
  npm install --prefix "$packages" --no-audit --no-fund --silent jest@30 mocha@11 vitest@4 chai@6 typescript@5 ts-jest@29 tsx@4 </dev/null >&2 ||
    fail 'npm could not install the test frameworks'
  : >"$packages/complete"
fi
KOAN_TEST_NODE_MODULES=$packages/node_modules
export KOAN_TEST_NODE_MODULES
# Tests that open repositories in their own process shall not see what the developer configured.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

if [ -z "$all" ]; then
  exec cargo test --locked "$@"
fi
cargo test --locked --features slow-tests "$@"
cargo bench --locked --bench hook -- --quick
