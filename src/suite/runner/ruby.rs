//! What rspec and minitest share: the interpreter, its environment, the order that the guard's script gets, and what an exception means.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::events::{self, Dialect, Exception, Owner, Place};
use super::{Canary, Order, Toolbox, script, tools};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Side};
use crate::usage::UsageError;

/// An interpreter with one of the guard's scripts.
#[derive(Debug)]
pub(super) struct Ruby {
    facts: Facts,
    runner: &'static str,
    /// The folder that it works in, relative to the tree.
    dir: PathBuf,
    script: PathBuf,
    scripts: PathBuf,
    checkout: Option<PathBuf>,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
}

/// What the interpreter says about itself.
#[derive(Debug, Default)]
struct Facts {
    executable: PathBuf,
    /// `ruby 3.1.7`.
    engine: String,
    version: (u32, u32),
    /// The interpreter's own folders, and those of gems.
    folders: Vec<PathBuf>,
    gem_folders: Vec<PathBuf>,
    /// Versions of installed gems by name, the newest.
    gems: BTreeMap<String, String>,
}

/// Asked with `RubyGems`, and without what the environment or the folder would load.
const ASK: &str = r#"
puts "executable\t#{RbConfig.ruby}", "engine\t#{RUBY_ENGINE} #{RUBY_ENGINE_VERSION}", "version\t#{RUBY_VERSION}"
puts RbConfig::CONFIG.values_at("prefix", "rubylibdir", "rubyarchdir", "sitelibdir", "vendordir").compact.map { |path| "folder\t#{path}" }
puts Gem.path.map { |path| "gems\t#{path}" }
%w[rspec-core minitest test-unit bundler].each do |name|
  spec = Gem::Specification.find_all_by_name(name).max_by(&:version)
  puts "gem\t#{name}\t#{spec.version}" if spec
end
"#;

const REPORT: &str = include_str!("koan_report.rb");

/// Both have the same words, so that a suite of either may use what the other brings; the first name is the one that is shown.
pub(super) const MINITEST: Dialect = Dialect {
    assertions: &[
        "Minitest::Assertion",
        "Test::Unit::AssertionFailedError",
        "RSpec::Expectations::ExpectationNotMetError",
        "RSpec::Mocks::MockExpectationError",
    ],
    skips: &[
        "Minitest::Skip",
        "Test::Unit::PendedError",
        "Test::Unit::OmittedError",
    ],
    is_missing_name,
    nothing_ran: 0,
    not_started: 0,
};

pub(super) const RSPEC: Dialect = Dialect {
    assertions: &[
        "RSpec::Expectations::ExpectationNotMetError",
        "RSpec::Mocks::MockExpectationError",
        "Minitest::Assertion",
        "Test::Unit::AssertionFailedError",
    ],
    skips: &["RSpec::Core::Pending::SkipDeclaredInExample"],
    is_missing_name,
    nothing_ran: 0,
    not_started: 0,
};

impl Ruby {
    /// Finds the interpreter and writes `script` beside the guard's other programs.
    pub fn open(
        runner: &'static str,
        script: &str,
        dir: &Path,
        toolbox: &Toolbox,
    ) -> anyhow::Result<Ruby> {
        let Some(program) = tools::on_path(toolbox, "ruby") else {
            bail!(UsageError::with_hint(
                "there is no `ruby` on the `PATH`",
                "install Ruby 2.7 or later (Debian, Ubuntu: ruby)",
            ));
        };
        let answer = tools::ask(toolbox, &program, &["--disable=rubyopt", "-e", ASK])?;
        let facts = Facts::read(&answer);
        if facts.version < (2, 7) {
            let found = format!("`{}` is {}", program.display(), facts.engine);
            bail!(UsageError::with_hint(
                found,
                "koan-guard needs Ruby 2.7 or later"
            ));
        }
        let text = format!("{REPORT}\n{script}");
        let script = tools::write_script(toolbox, &format!("koan_{runner}.rb"), &text)?;
        let bin = facts.executable.parent().unwrap_or(Path::new("/"));
        let mut env = tools::test_env(toolbox, bin)?;
        let gem_path = std::env::join_paths(&facts.gem_folders)?;
        env.insert("GEM_PATH".into(), gem_path);
        let mut readable: Vec<PathBuf> = facts
            .folders
            .iter()
            .chain(&facts.gem_folders)
            .filter(|path| path.parent().is_some() && path.is_dir())
            .filter(|path| !is_in_checkout(path, toolbox))
            .cloned()
            .collect();
        readable.push(toolbox.scripts.clone());
        readable.sort();
        readable.dedup();
        Ok(Ruby {
            facts,
            runner,
            dir: dir.to_owned(),
            script,
            scripts: toolbox.scripts.clone(),
            checkout: toolbox.work_dir.clone(),
            env,
            readable,
        })
    }

    /// `ruby 3.1.7`.
    pub fn version(&self) -> &str {
        &self.facts.engine
    }

    /// The newest installed version of a gem. A project's bundle may hold another one.
    pub fn gem(&self, name: &str) -> Option<&str> {
        self.facts.gems.get(name).map(String::as_str)
    }

    /// Whether the project brings gems of its own, which are known only once its set-up has run.
    pub fn has_gemfile(&self) -> bool {
        let checkout = self.checkout.as_ref();
        checkout.is_some_and(|checkout| checkout.join(&self.dir).join("Gemfile").is_file())
    }

    pub fn executable(&self) -> &Path {
        &self.facts.executable
    }

    pub fn run(
        &self,
        area: &Area,
        side: &Side,
        order: &Order,
        dialect: &Dialect,
    ) -> anyhow::Result<TestRun> {
        let tree = area.tree().join(&self.dir);
        let file = script::write_order(
            &self.scripts,
            self.runner,
            &tree,
            order,
            self.checkout.as_deref(),
        )?;
        let argv = vec![
            self.facts.executable.clone().into(),
            "--disable=rubyopt".into(),
            self.script.clone().into(),
            file.path().into(),
        ];
        let job = script::job(argv, tree, &self.env, &self.readable, order);
        let finished = area.run(side, crate::suite::area::Phase::Run, &job)?;
        Ok(events::read(&finished, order.canary, dialect))
    }
}

impl Facts {
    fn read(answer: &str) -> Facts {
        let mut facts = Facts::default();
        for line in answer.lines() {
            let Some((key, value)) = line.split_once('\t') else {
                continue;
            };
            match key {
                "executable" => facts.executable = value.into(),
                "engine" => facts.engine = value.to_owned(),
                "version" => {
                    let mut numbers = value.split('.').map(|part| part.parse().unwrap_or(0));
                    facts.version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
                }
                "folder" => facts.folders.push(value.into()),
                "gems" => facts.gem_folders.push(value.into()),
                "gem" => {
                    if let Some((name, version)) = value.split_once('\t') {
                        facts.gems.insert(name.to_owned(), version.to_owned());
                    }
                }
                _ => {}
            }
        }
        facts
    }
}

/// Gems that lie in the user's checkout are another tree's; a judged tree has those of its own set-up.
fn is_in_checkout(path: &Path, toolbox: &Toolbox) -> bool {
    let checkout = toolbox.work_dir.as_deref();
    checkout.is_some_and(|checkout| path.starts_with(checkout))
}

/// The name of the first folder of tests that `beside` stands in, else `usual`.
pub(super) fn canary_path(beside: &RepoPath, usual: &str, name: &str) -> RepoPath {
    let folder = match beside.to_str().and_then(|path| path.split_once('/')) {
        Some((folder @ ("test" | "spec"), _)) => folder,
        _ => usual,
    };
    RepoPath::new(format!("{folder}/{name}"))
}

/// Whether the scripts take this file for one that holds tests.
pub(super) fn is_test_file(path: &RepoPath) -> bool {
    const HELPERS: [&[u8]; 5] = [
        b"test_helper.rb",
        b"spec_helper.rb",
        b"rails_helper.rb",
        b"helper.rb",
        b"minitest_helper.rb",
    ];
    let name = path.file_name();
    let Some(stem) = name.strip_suffix(b".rb") else {
        return false;
    };
    let ends = [&b"_test"[..], b"-test", b"_tests", b"_spec", b"-spec"];
    let is_named = matches!(stem, b"test" | b"tests")
        || stem.starts_with(b"test_")
        || stem.starts_with(b"test-")
        || stem.starts_with(b"spec_")
        || ends.iter().any(|end| stem.ends_with(end));
    is_named && !HELPERS.contains(&name)
}

/// Appended to a test file: the lines above it keep their numbers. `None` where nothing below would be read.
pub(super) fn append(content: &[u8], test: &str) -> Option<Vec<u8>> {
    if content
        .split(|&byte| byte == b'\n')
        .any(|line| line.trim_ascii_end() == b"__END__")
    {
        return None;
    }
    let mut planted = content.to_vec();
    if !planted.is_empty() && !planted.ends_with(b"\n") {
        planted.push(b'\n');
    }
    planted.extend_from_slice(test.as_bytes());
    Some(planted)
}

/// `Koan_0123…` as a constant.
pub(super) fn constant(canary: &Canary) -> String {
    let name = &canary.name;
    format!("Test_{name}")
}

fn is_missing_name(exc: &Exception) -> bool {
    let outside_production = exc.nearest != Place::Tree;
    if exc.is_a("LoadError") {
        return outside_production;
    }
    if exc.is_a("NoMethodError") {
        let is_definite = matches!(
            exc.owner,
            Some(Owner::Module | Owner::Class | Owner::TreeInstance)
        );
        return exc.nearest == Place::Test && is_definite;
    }
    if exc.is_a("NameError") {
        return outside_production;
    }
    // A double of a class verifies what the class has.
    let is_double = exc.is_a("RSpec::Mocks::MockExpectationError")
        || exc.is_a("RSpec::Expectations::ExpectationNotMetError")
        || exc.is_a("RSpec::Mocks::VerifyingDoubleNotDefinedError");
    if is_double && exc.kind.starts_with("RSpec::Mocks::") {
        return exc.message.contains("does not implement")
            || exc.message.contains("is not a defined constant")
            || exc.message.contains("Wrong number of arguments");
    }
    exc.is_a("ArgumentError") && exc.nearest == Place::Test && is_about_signature(&exc.message)
}

fn is_about_signature(message: &str) -> bool {
    [
        "wrong number of arguments",
        "missing keyword",
        "unknown keyword",
        "no keywords accepted",
        "required keyword",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}
