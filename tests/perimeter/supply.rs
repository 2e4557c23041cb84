//! Code of other people, and what decides how the tests run.

use crate::site::{Case, kept_out};

pub const CASES: &[Case] = &[
    kept_out(
        "lockfile-changed",
        "another package in the lock file",
        |site| {
            site.edit(
                "package-lock.json",
                "3",
                "3,\n  \"resolved\": \"https://example.com/x.tgz\"",
            );
        },
    ),
    kept_out("manifest-changed", "a requirement more", |site| {
        site.append("requirements.txt", "leftpad==1.0\n");
    }),
    kept_out(
        "manifest-changed",
        "a script after the installation",
        |site| {
            site.edit(
                "package.json",
                "\"jest\"}",
                "\"jest\", \"postinstall\": \"node x.js\"}",
            );
        },
    ),
    kept_out(
        "judge-input-changed",
        "a configuration of the tests",
        |site| {
            site.write("pytest.ini", "[pytest]\naddopts = -k nothing\n");
        },
    ),
    kept_out("judge-input-changed", "a plugin of the tests", |site| {
        site.write(
            "tests/conftest.py",
            "def pytest_runtest_call(item):\n    pass\n",
        );
    }),
    kept_out(
        "judge-input-changed",
        "a module that Python starts with",
        |site| {
            site.write("sitecustomize.py", "import sys\n");
        },
    ),
    kept_out("judge-input-changed", "a path file of Python", |site| {
        site.write("shop.pth", "import sys\n");
    }),
    kept_out(
        "judge-input-changed",
        "a file in the place of the test framework",
        |site| {
            site.write("unittest.py", "def main():\n    pass\n");
        },
    ),
    kept_out(
        "judge-input-changed",
        "a package in the place of the standard library",
        |site| {
            site.write("random/__init__.py", "def random():\n    return 0\n");
        },
    ),
    kept_out("judge-input-changed", "a rule of make", |site| {
        site.edit("Makefile", "python -m unittest", "true");
    }),
    kept_out("judge-input-changed", "a build script of Rust", |site| {
        site.write("build.rs", "fn main() {}\n");
    }),
    kept_out("judge-input-changed", "a runner of cargo", |site| {
        site.write(
            ".cargo/config.toml",
            "[target.x86_64-unknown-linux-gnu]\nrunner = 'true'\n",
        );
    }),
    kept_out("judge-input-changed", "a set-up of jest", |site| {
        site.write("jest.setup.js", "global.expect = () => {};\n");
    }),
    kept_out("judge-input-changed", "a helper of RSpec", |site| {
        site.write("spec/spec_helper.rb", "exit 0\n");
    }),
    kept_out("path-protected", "a registry of packages", |site| {
        site.write(".npmrc", "registry=https://example.com\n");
    }),
    kept_out("path-protected", "an index of Python packages", |site| {
        site.write("pip.conf", "[global]\nindex-url = https://example.com\n");
    }),
    kept_out(
        "generated-or-vendored",
        "a package beside the code",
        |site| {
            site.write("node_modules/left/index.js", "module.exports = 1\n");
        },
    ),
    kept_out("generated-or-vendored", "byte code", |site| {
        site.write("__pycache__/shop.cpython-311.pyc", "x\n");
    }),
];
