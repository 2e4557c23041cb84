#!/bin/sh
# Runs the tests, and with `--all` the slow ones and a quick round of the benchmarks. What the tests need is put under the target folder, or,
# by apt-get where root runs this, on the machine. Other arguments go to `cargo test`.
set -eu
cd "$(dirname -- "$0")/.."

fail() {
  printf 'tests/run.sh: %s\n' "$1" >&2
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

all=
if [ "${1:-}" = --all ]; then
  all=yes
  shift
fi

has cargo || fail 'cargo is missing: get Rust from https://rustup.rs'
has git || fail 'git is missing: install git 2.34 or later'
has python3 || fail 'python3 is missing: the tests of the Python runners need Python 3.9 or later'

# Runners, services and their tools, by the names of their packages in Debian and Ubuntu.
missing=
want() {
  missing="$missing $1"
}
python3 -c 'import venv, ensurepip' 2>/dev/null || want python3-venv
has go || want golang-go
has bats || want bats
ruby -e 'gem "rspec"; gem "minitest"; gem "test-unit"' 2>/dev/null || want 'ruby ruby-rspec ruby-minitest ruby-test-unit'
{ has phpunit && phpunit --version 2>/dev/null | grep -q 'PHPUnit 9\.'; } || want phpunit
{ has redis-server && has redis-cli; } || want redis-server
# Debian keeps servers beside the usual folders.
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || has postgres || want postgresql
has psql || want postgresql-client
ls /usr/lib*/faketime/libfaketimeMT.so.1 /usr/lib*/*/faketime/libfaketimeMT.so.1 /usr/local/lib/faketime/libfaketimeMT.so.1 2>/dev/null |
  grep -q . || want faketime
if [ -n "$all" ]; then
  # The baseline of the bench of digests.
  has sqlite3 || want sqlite3
  { has mysql && { has mariadbd || has mysqld || [ -x /usr/sbin/mariadbd ] || [ -x /usr/sbin/mysqld ]; }; } || want mariadb-server
fi
has ssh-keygen || want openssh-client
# Certificates of the servers that tests start.
has openssl || want openssl
has node || want nodejs
has npm || want npm
if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ] || ! has apt-get; then
    fail "these are missing, by their names in Debian and Ubuntu:$missing"
  fi
  # Only the programs are wanted: no server of the machine's own shall be started.
  # shellcheck disable=SC2086
  { apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends $missing; } </dev/null >&2 ||
    fail "apt-get could not install$missing"
fi

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
mkdir -p -- "$target"

venv=$target/test-python
if ! "$venv/bin/python" -c 'import pytest, in_toto_attestation' 2>/dev/null; then
  rm -rf -- "$venv"
  python3 -m venv "$venv" || fail 'python3 could not make a virtual environment'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'pytest>=8,<10' 'in-toto-attestation>=0.9,<1' ||
    fail 'pip could not install pytest and in-toto-attestation'
fi
KOAN_TEST_PYTHON=$venv/bin/python
export KOAN_TEST_PYTHON

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
cargo test --locked --no-fail-fast --features slow-tests "$@"
cargo bench --locked --bench hook -- --quick
cargo bench --locked --bench ledger -- --quick
cargo bench --locked --bench triage -- --quick
cargo bench --locked --bench digest -- --quick
