//! RSpec, driven by a script of the guard's own that loads the files one by one and sees each example's raw exception.

use std::path::Path;

use anyhow::bail;

use super::{Canary, Order, Runner, Toolbox, ruby};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Rspec {
    ruby: ruby::Ruby,
    version: String,
}

const SCRIPT: &str = include_str!("koan_rspec.rb");

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Rspec> {
    let ruby = ruby::Ruby::open("rspec", SCRIPT, dir, toolbox)?;
    let version = match ruby.gem("rspec-core") {
        Some(rspec) => format!("rspec {rspec}, {}", ruby.version()),
        None if ruby.has_gemfile() => format!("rspec of the bundle, {}", ruby.version()),
        None => {
            let program = ruby.executable().display();
            bail!(UsageError::with_hint(
                format!("`{program}` has no rspec"),
                "`gem install rspec` (Debian, Ubuntu: ruby-rspec), or a `Gemfile` whose gems `proof.setup` installs",
            ));
        }
    };
    Ok(Rspec { ruby, version })
}

impl Runner for Rspec {
    fn name(&self) -> &'static str {
        "rspec"
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
        ruby::append(content, &test(canary))
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let name = &canary.name;
        let path = ruby::canary_path(beside, "spec", &format!("{name}_spec.rb"));
        (path, test(canary).into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        self.ruby.run(area, side, order, &ruby::RSPEC)
    }
}

fn test(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "\n::RSpec.describe \"{name}\" do\n  it \"{name}\" do\n    expect(1).to eq(2), \"{nonce}\"\n  end\nend\n"
    )
}
