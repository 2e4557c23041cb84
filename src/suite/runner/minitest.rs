//! Minitest and test-unit, driven by a script of the guard's own that runs each class as its framework does and sees each raw exception.

use std::path::Path;

use anyhow::bail;

use super::{Canary, Order, Runner, Toolbox, ruby};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Minitest {
    ruby: ruby::Ruby,
    version: String,
}

const SCRIPT: &str = include_str!("koan_minitest.rb");

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Minitest> {
    let ruby = ruby::Ruby::open("minitest", SCRIPT, dir, toolbox)?;
    let version = match ruby.gem("minitest") {
        Some(minitest) => format!("minitest {minitest}, {}", ruby.version()),
        None if ruby.has_gemfile() => format!("minitest of the bundle, {}", ruby.version()),
        None => {
            let program = ruby.executable().display();
            bail!(UsageError::with_hint(
                format!("`{program}` has no minitest"),
                "`gem install minitest` (Debian, Ubuntu: ruby-minitest), or a `Gemfile` whose gems `proof.setup` installs",
            ));
        }
    };
    Ok(Minitest { ruby, version })
}

impl Runner for Minitest {
    fn name(&self) -> &'static str {
        "minitest"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["rb"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        if !ruby::is_test_file(path) {
            return None;
        }
        ruby::append(content, &canaries(content, canary))
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let name = &canary.name;
        let path = ruby::canary_path(beside, "test", &format!("test_{name}.rb"));
        (path, canaries(b"", canary).into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        self.ruby.run(area, side, order, &ruby::MINITEST)
    }
}

/// One for each family of assertions that the file uses; in a file without any, that of Minitest's own classes.
fn canaries(content: &[u8], canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    let holds = |word: &str| {
        content
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    let class = ruby::constant(canary);
    let mut tests = String::new();
    if holds("Test::Unit") || holds("test/unit") {
        tests += &format!(
            "\nclass U{class} < ::Test::Unit::TestCase\n  def test_{name}\n    assert_equal(1, 2, \"{nonce}\")\n  end\nend\n"
        );
    }
    let has_specs = holds("describe ") || holds("describe(");
    if has_specs {
        tests += &format!(
            "\n::Kernel.instance_method(:describe).bind_call(self, \"S{class}\") do\n  it \"{name}\" do\n    ::Minitest::Expectation.new(1, self).must_equal(2, \"{nonce}\")\n  end\nend\n"
        );
    }
    if tests.is_empty() || has_specs {
        tests += &format!(
            "\nclass {class} < ::Minitest::Test\n  def test_{name}\n    assert_equal(1, 2, \"{nonce}\")\n  end\nend\n"
        );
    }
    tests
}
