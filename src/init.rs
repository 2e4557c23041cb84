//! Writes a first policy: looks at the repository, chooses presets and runner, and says why beside each choice.
//!
//! An existing policy is never overwritten.

mod built;
mod cargo;
mod frameworks;
mod javascript;
mod language;
pub mod limits;
mod php;
mod render;
mod ruby;
mod tools;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

pub use self::built::Build;
pub use self::frameworks::{Found, Framework};
pub use self::language::Language;
use self::language::{extends, languages};
use anyhow::Context as _;

use crate::change::RepoPath;
use crate::git::Repo;
use crate::policy::{self, FileKind, Policy};
use crate::usage::UsageError;

/// How many subjects say whether messages follow a convention.
const N_SUBJECTS: usize = 200;

/// What hook managers leave at the top of the tree.
const HOOK_MANAGERS: &[(&str, &str)] = &[
    (".husky/", "husky"),
    ("lefthook.", "lefthook"),
    (".lefthook.", "lefthook"),
    (".pre-commit-config.yaml", "pre-commit"),
    ("prek.toml", "prek"),
];

/// A policy that fits a repository, and what was seen in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The YAML text.
    pub text: String,
    pub facts: Facts,
}

/// What is known of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// That of a framework first, then most files first.
    pub languages: Vec<Language>,
    pub frameworks: Vec<Found>,
    /// One, or one for each package that is tested by itself.
    pub runners: Vec<Choice>,
    /// What makes of each side what its tests import.
    pub build: Option<Build>,
    /// Subjects that follow the convention, of how many.
    pub n_conventional: usize,
    /// How many of the subjects are fixes by the convention, and how many say so without it.
    pub n_conventional_fixes: usize,
    pub n_plain_fixes: usize,
    pub n_subjects: usize,
    /// Folders and files that hold tests but match no glob of the presets, as globs.
    pub more_tests: Vec<String>,
    pub n_test_files: usize,
    /// Hooks and hook managers that are there already.
    pub hooks: Vec<String>,
    /// What past fixes needed, where that was measured.
    pub limits: Option<limits::Measured>,
}

/// A value and the reason for it, a sentence without a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: &'static str,
    /// The folder that it works in; empty at the top.
    pub dir: String,
    /// What cargo builds with beside the default features.
    pub features: Vec<String>,
    /// Where the runner is `custom`.
    pub custom: Option<Custom>,
    pub why: String,
}

/// How a build tool is told to run tests and to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub command: String,
    pub report: &'static str,
    /// A line that brings what the tests need, with a network.
    pub setup: String,
    /// What the project must take in before its tests can report.
    pub lacks: Option<&'static str>,
}

/// What is looked at, as plain values.
struct Seen<'a> {
    /// Every file of `HEAD`'s tree.
    files: &'a [RepoPath],
    /// Of the newest commits, merges left out.
    subjects: &'a [String],
    /// Names of files in git's folder of hooks.
    hooks: &'a [String],
    /// The content of a file of the tree.
    read: &'a dyn Fn(&RepoPath) -> anyhow::Result<Option<Vec<u8>>>,
}

/// Looks at `HEAD` of `repo` and proposes a policy.
///
/// # Errors
/// [`UsageError`] if there is no commit yet.
pub fn propose(repo: &Repo) -> anyhow::Result<Proposal> {
    let Some(head_id) = repo.head_id()? else {
        return Err(UsageError::with_hint(
            "there is no commit to look at",
            "make a first commit, then run `init` again",
        )
        .into());
    };
    let tree_id = repo.commit(head_id)?.tree_id;
    let files: Vec<RepoPath> = repo
        .files(tree_id)?
        .into_iter()
        .map(|file| file.path)
        .collect();
    let subjects = subjects(repo, head_id)?;
    let hooks = hooks(&repo.hooks_dir()?)?;
    let seen = Seen {
        files: &files,
        subjects: &subjects,
        hooks: &hooks,
        read: &|path| repo.read_file(tree_id, path),
    };
    propose_from(&seen)
}

impl Proposal {
    /// The same with limits that fit past fixes.
    pub fn fitted(self, measured: limits::Measured) -> anyhow::Result<Proposal> {
        let facts = Facts {
            limits: Some(measured),
            ..self.facts
        };
        let text = render::yaml(&facts);
        Policy::load(&text, policy::PATH).context("the proposed policy does not load")?;
        Ok(Proposal { text, facts })
    }

    /// Writes the policy to the top of `work_dir`, with the schema that its first line names, and returns its path.
    ///
    /// # Errors
    /// [`UsageError`] if there is a policy already, whatever it is.
    pub fn write(&self, work_dir: &Path) -> anyhow::Result<PathBuf> {
        let path = work_dir.join(policy::PATH);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = match file {
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {
                let hint =
                    "`koan-guard policy show` shows what it says; `init` never overwrites a policy";
                return Err(UsageError::with_hint(
                    format!("`{}` is there already", policy::PATH),
                    hint,
                )
                .into());
            }
            file => file.with_context(|| format!("create `{}`", path.display()))?,
        };
        file.write_all(self.text.as_bytes())
            .with_context(|| format!("write `{}`", path.display()))?;
        write_schema(work_dir)?;
        Ok(path)
    }
}

/// Writes the schema of this version beside the policy, in the place of an older one.
pub fn write_schema(work_dir: &Path) -> anyhow::Result<()> {
    let path = work_dir.join(policy::SCHEMA_PATH);
    let written = || -> anyhow::Result<()> {
        // Renamed to its place, so that a link there is replaced and not followed.
        let mut file = tempfile::NamedTempFile::new_in(work_dir)?;
        file.write_all(policy::schema().as_bytes())?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable)?;
        file.persist(&path)?;
        Ok(())
    };
    written().with_context(|| format!("write `{}`", path.display()))
}

/// The newest first, without those of merges.
fn subjects(repo: &Repo, head_id: gix::ObjectId) -> anyhow::Result<Vec<String>> {
    let mut subjects = Vec::new();
    for id in repo.commits_between(None, head_id)?.into_iter().rev() {
        let commit = repo.commit(id)?;
        if commit.parent_ids.len() < 2 {
            subjects.push(commit.message.subject().to_string());
        }
        if subjects.len() == N_SUBJECTS {
            break;
        }
    }
    Ok(subjects)
}

/// Names of hooks that would run; samples are none.
fn hooks(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.with_context(|| format!("read `{}`", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("read `{}`", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.contains('.') && !entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn propose_from(seen: &Seen) -> anyhow::Result<Proposal> {
    let frameworks = frameworks::find(seen)?;
    let languages = languages(seen.files, &frameworks);
    let (more_tests, n_test_files) = tests(seen.files, &languages, &frameworks)?;
    let (conventional, free): (Vec<&str>, Vec<&str>) =
        (seen.subjects.iter().map(String::as_str)).partition(|subject| is_conventional(subject));
    let runners = runners(seen, &languages)?;
    let is_javascript = |choice: &Choice| {
        choice.dir.is_empty() && ["jest", "mocha", "node", "vitest"].contains(&choice.value)
    };
    let build = match runners.iter().any(is_javascript) {
        true => built::of(seen)?,
        false => None,
    };
    let facts = Facts {
        runners,
        build,
        languages,
        frameworks,
        n_conventional: conventional.len(),
        n_conventional_fixes: conventional.iter().filter(|said| is_fix(said)).count(),
        n_plain_fixes: free.iter().filter(|said| is_fix(said)).count(),
        n_subjects: seen.subjects.len(),
        more_tests,
        n_test_files,
        hooks: existing_hooks(seen),
        limits: None,
    };
    let text = render::yaml(&facts);
    Policy::load(&text, policy::PATH).context("the proposed policy does not load")?;
    Ok(Proposal { text, facts })
}

/// The runners of the language that the project is built in; where it is built in two, of the one with more files.
fn runners(seen: &Seen, languages: &[Language]) -> anyhow::Result<Vec<Choice>> {
    let speaks = languages.contains(&Language::JavaScript);
    let leads = languages.first() == Some(&Language::JavaScript);
    if leads {
        let choices = javascript::runners(seen)?;
        if !choices.is_empty() {
            return Ok(choices);
        }
    }
    match runner(seen, languages)? {
        Some(choice) => Ok(vec![choice]),
        None if speaks && !leads => javascript::runners(seen),
        None => Ok(Vec::new()),
    }
}

/// The runner of a language that has one for the whole project.
fn runner(seen: &Seen, languages: &[Language]) -> anyhow::Result<Option<Choice>> {
    let has = |name: &str| seen.files.contains(&RepoPath::from(name));
    let is_python_project = ["pyproject.toml", "setup.py", "setup.cfg"]
        .into_iter()
        .any(has);
    let python_leads = languages.first() == Some(&Language::Python);
    if has("Cargo.toml") && !(is_python_project && python_leads) {
        return Ok(Some(cargo::runner(seen)?));
    }
    let go_leads = languages.first() == Some(&Language::Go);
    if go_leads && let Some(module) = seen.files.iter().find(|path| is_go_module(path)) {
        return Ok(Some(Choice {
            value: "go",
            dir: String::new(),
            features: Vec::new(),
            custom: None,
            why: format!("there is `{module}`"),
        }));
    }
    for language in languages {
        let choice = match language {
            Language::Python => Some(python_runner(seen)?),
            Language::Ruby => ruby::runner(seen)?,
            Language::Php => php::runner(seen)?,
            Language::Java | Language::Kotlin => tools::jvm(seen)?,
            Language::DotNet => tools::dotnet(seen)?,
            Language::Elixir => tools::mix(seen)?,
            Language::Go | Language::JavaScript | Language::Rust | Language::Shell => None,
        };
        if choice.is_some() {
            return Ok(choice);
        }
    }
    let bats = seen
        .files
        .iter()
        .find(|path| path.extension() == Some(b"bats"));
    if let Some(path) = bats {
        return Ok(Some(Choice {
            value: "bats",
            dir: String::new(),
            features: Vec::new(),
            custom: None,
            why: format!("`{path}` has tests of bats"),
        }));
    }
    Ok(None)
}

/// A module of the project's own, in whatever folder.
fn is_go_module(path: &RepoPath) -> bool {
    let is_foreign = |part: &[u8]| {
        matches!(part, b"vendor" | b"testdata" | b"node_modules") || part.starts_with(b"_")
    };
    path.file_name() == b"go.mod" && !path.as_bytes().split(|&byte| byte == b'/').any(is_foreign)
}

/// pytest where anything asks for it, else unittest.
fn python_runner(seen: &Seen) -> anyhow::Result<Choice> {
    let pytest = |why: String| Choice {
        value: "pytest",
        dir: String::new(),
        features: Vec::new(),
        custom: None,
        why,
    };
    for path in seen.files {
        let name = path.file_name();
        if matches!(
            name,
            b"conftest.py" | b"pytest.ini" | b".pytest.ini" | b"pytest.toml"
        ) {
            return Ok(pytest(format!("there is `{path}`")));
        }
        let is_top = !path.as_bytes().contains(&b'/');
        let is_setting = is_top
            && matches!(
                name,
                b"pyproject.toml"
                    | b"setup.cfg"
                    | b"setup.py"
                    | b"tox.ini"
                    | b"noxfile.py"
                    | b"Pipfile"
            );
        let is_requirements =
            name.starts_with(b"requirements") || path.as_bytes().starts_with(b"requirements/");
        if (is_setting || is_requirements)
            && (seen.read)(path)?.is_some_and(|content| holds(&content, b"pytest"))
        {
            return Ok(pytest(format!("`{path}` names it")));
        }
    }
    for path in seen.files.iter().filter(|path| is_python_test(path)) {
        if let Some(content) = (seen.read)(path)? {
            let has_function = content
                .split(|&byte| byte == b'\n')
                .any(|line| line.starts_with(b"def test") || line.starts_with(b"async def test"));
            if has_function || holds(&content, b"import pytest") {
                return Ok(pytest(format!("`{path}` has tests that only pytest runs")));
            }
        }
    }
    Ok(Choice {
        value: "unittest",
        dir: String::new(),
        features: Vec::new(),
        custom: None,
        why: "nothing names pytest, and no test is a function outside a class".to_owned(),
    })
}

fn is_python_test(path: &RepoPath) -> bool {
    let name = path.file_name();
    path.extension() == Some(b"py")
        && (name.starts_with(b"test_") || name.ends_with(b"_test.py") || name == b"tests.py")
}

fn holds(content: &[u8], word: &[u8]) -> bool {
    content.windows(word.len()).any(|window| window == word)
}

/// Globs for tests that the presets do not see, and how many test files there are with them.
fn tests(
    files: &[RepoPath],
    languages: &[Language],
    frameworks: &[Found],
) -> anyhow::Result<(Vec<String>, usize)> {
    let extends = extends(languages, frameworks);
    let presets = Policy::load(&format!("version: 1\nextends: [{extends}]\n"), "presets")?;
    let mut more = BTreeSet::new();
    let mut n_test_files = 0;
    for path in files {
        let kind = presets.kind_of(path);
        if kind == FileKind::Test {
            n_test_files += 1;
        } else if kind == FileKind::Production {
            let glob = unseen_test(path);
            n_test_files += usize::from(glob.is_some());
            more.extend(glob);
        }
    }
    Ok((more.into_iter().map(str::to_owned).collect(), n_test_files))
}

/// Names by which projects call tests beside those that the presets know.
fn unseen_test(path: &RepoPath) -> Option<&'static str> {
    let top = path
        .as_bytes()
        .split(|&byte| byte == b'/')
        .next()
        .unwrap_or(b"");
    match (top, path.file_name()) {
        (b"test", name) if name != b"test" => Some("test/**"),
        // Go leaves folders out of its packages whose names begin like that.
        (b"_test", name) if name != b"_test" => Some("_test/**"),
        (_, b"tests.py") => Some("**/tests.py"),
        _ => None,
    }
}

/// `area: what changed` has the same form; only a type that people of the convention use makes a subject conventional.
fn is_conventional(subject: &str) -> bool {
    const TYPES: [&str; 11] = [
        "build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style",
        "test",
    ];
    git_conventional::Commit::parse(subject)
        .is_ok_and(|commit| TYPES.iter().any(|known| commit.type_() == *known))
}

/// A subject that begins with the word, in whatever form: `fix(cart): …`, `Fixed …`, `Bugfix: …`.
fn is_fix(subject: &str) -> bool {
    let word = subject.split(|letter: char| !letter.is_ascii_alphabetic());
    let word = word.into_iter().next().unwrap_or_default();
    ["fix", "fixes", "fixed", "fixing", "bugfix"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

fn existing_hooks(seen: &Seen) -> Vec<String> {
    let mut hooks: Vec<String> = seen.hooks.iter().map(|name| format!("`{name}`")).collect();
    for (start, manager) in HOOK_MANAGERS {
        let is_there = seen
            .files
            .iter()
            .any(|path| path.as_bytes().starts_with(start.as_bytes()));
        if is_there && !hooks.iter().any(|hook| hook == manager) {
            hooks.push((*manager).to_owned());
        }
    }
    hooks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `files` are `path` or `path=content`.
    fn proposal(files: &[&str], subjects: &[&str], hooks: &[&str]) -> Proposal {
        let files: Vec<(RepoPath, &str)> = files
            .iter()
            .map(|file| file.split_once('=').unwrap_or((file, "")))
            .map(|(path, content)| (RepoPath::from(path), content))
            .collect();
        let paths: Vec<RepoPath> = files.iter().map(|(path, _)| path.clone()).collect();
        let own = |list: &[&str]| {
            list.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        let seen = Seen {
            files: &paths,
            subjects: &own(subjects),
            hooks: &own(hooks),
            read: &|path| {
                Ok(files
                    .iter()
                    .find(|(at, _)| at == path)
                    .map(|(_, content)| content.as_bytes().to_vec()))
            },
        };
        propose_from(&seen).expect("a proposal")
    }

    #[track_caller]
    fn check_runner(files: &[&str], expected: &str) {
        let proposal = proposal(files, &[], &[]);
        let policy = Policy::load(&proposal.text, "p.yaml").expect("loads");
        let name = policy
            .proof
            .runners
            .first()
            .map_or("none", |runner| &runner.name);
        assert_eq!(name, expected, "{files:?}\n{}", proposal.text);
    }

    #[test]
    fn the_runner_is_the_one_that_the_project_names() {
        check_runner(
            &[
                "a.py",
                "tests/test_a.py=class TestA(unittest.TestCase):\n    def test_a(self): pass",
            ],
            "unittest",
        );
        check_runner(&["a.py", "tests/test_a.py=def test_a(): pass"], "pytest");
        check_runner(
            &["a.py", "pyproject.toml=[tool.pytest.ini_options]"],
            "pytest",
        );
        check_runner(&["lib/a.rb", ".rspec"], "rspec");
        check_runner(
            &["lib/a.rb", "Gemfile=gem 'rspec'", "spec/a_spec.rb"],
            "rspec",
        );
        check_runner(&["lib/a.rb", "spec/a_spec.rb=RSpec.describe A do"], "rspec");
        check_runner(
            &["lib/a.rb", "a.gemspec=minitest", "spec/a_spec.rb"],
            "minitest",
        );
        check_runner(&["lib/a.rb", "test/a_test.rb"], "minitest");
        check_runner(&["lib/a.rb", "test/spec_a.rb"], "minitest");
        check_runner(&["lib/a.rb", "test/spec_helper.rb"], "none");
        check_runner(
            &["lib/a.rb", "test/test_a.rb", "Gemfile=gem 'rspec'"],
            "minitest",
        );
        check_runner(&["lib/a.rb"], "none");
        check_runner(&["src/A.php", "phpunit.xml.dist"], "phpunit");
        check_runner(&["src/A.php", "composer.json=phpunit/phpunit"], "phpunit");
        check_runner(
            &["src/A.php", "tests/ATest.php=extends TestCase"],
            "phpunit",
        );
        check_runner(&["src/A.php", "composer.json={}"], "none");
        check_runner(&["a.py", "pyproject.toml=[project]"], "unittest");
        check_runner(&["a.py", "requirements-dev.txt=pytest==9"], "pytest");
        check_runner(&["a.py", "tests/conftest.py"], "pytest");
        check_runner(&["Cargo.toml", "src/lib.rs"], "cargo");
        check_runner(
            &["a.js", "package.json={\"scripts\": {\"test\": \"jest\"}}"],
            "jest",
        );
        check_runner(
            &[
                "a.ts",
                "package.json={\"devDependencies\": {\"vitest\": \"4\"}}",
            ],
            "vitest",
        );
        check_runner(&["a.js", "package.json={}", ".mocharc.yml"], "mocha");
        check_runner(
            &["a.js", "package.json={}", "test/a.js=require('node:test')"],
            "node",
        );
        check_runner(
            &[
                "web/a.js",
                "web/package.json={\"scripts\": {\"test\": \"vitest\"}}",
            ],
            "vitest",
        );
        check_runner(
            &["Cargo.toml", "src/lib.rs", "package.json={\"jest\": {}}"],
            "cargo",
        );
        check_runner(
            &["a.js", "package.json={\"scripts\": {\"test\": \"ava\"}}"],
            "none",
        );
        check_runner(&["Cargo.toml", "src/lib.rs", "scripts/x.py"], "cargo");
        check_runner(
            &[
                "Cargo.toml",
                "src/lib.rs",
                "pyproject.toml=pytest",
                "a.py",
                "b.py",
            ],
            "pytest",
        );
        check_runner(&["main.go", "go.mod"], "go");
        check_runner(&["main.go", "tool/go.mod", "x.py", "y.go"], "go");
        check_runner(&["main.go", "testdata/go.mod"], "none");
        check_runner(&["pom.xml", "src/main/java/A.java"], "custom");
        check_runner(&["build.gradle.kts", "src/main/kotlin/A.kt"], "custom");
        check_runner(&["src/main/java/A.java"], "none");
        check_runner(
            &["Shop.sln", "src/Shop/A.cs", "src/Shop/Shop.csproj"],
            "custom",
        );
        check_runner(&["src/Shop/A.fs", "src/Shop/Shop.fsproj"], "custom");
        check_runner(&["mix.exs", "lib/a.ex"], "custom");
        check_runner(&["install.sh", "test/install.bats"], "bats");
        check_runner(&["install.sh", "test.sh"], "none");
        check_runner(&[], "none");
    }

    /// `expected` is `extends`, then the words of a custom runner's command and its folder.
    #[track_caller]
    fn check_world(files: &[&str], expected: &str) {
        let proposal = proposal(files, &[], &[]);
        let extends = proposal
            .text
            .lines()
            .find(|line| line.starts_with("extends: "));
        let policy = Policy::load(&proposal.text, "p.yaml").expect("loads");
        let runner = policy.proof.runners.first().expect("a runner");
        let command = runner
            .custom
            .as_ref()
            .map_or(&runner.name, |custom| &custom.command);
        assert!(
            runner
                .custom
                .as_ref()
                .is_none_or(|custom| !custom.trust_report)
        );
        let said = format!(
            "{} {} in `{}`",
            extends.unwrap_or_default(),
            command,
            runner.dir
        );
        assert_eq!(said, expected, "{}", proposal.text);
    }

    #[test]
    fn frameworks_and_build_tools_are_recognised() {
        check_world(
            &[
                "Gemfile=gem 'minitest'",
                "config/application.rb",
                "app/a.rb",
                "test/a_test.rb",
                "x.js",
                "y.js",
                "z.js",
                "package.json={\"scripts\": {\"test\": \"jest\"}}",
                "w.js",
            ],
            "extends: [default, ruby, rails, javascript] minitest in ``",
        );
        check_world(
            &["artisan", "composer.json=phpunit/phpunit", "app/A.php"],
            "extends: [default, php, laravel] phpunit in ``",
        );
        check_world(
            &[
                "pom.xml",
                "mvnw",
                "src/main/java/A.java",
                "src/main/kotlin/B.kt",
            ],
            "extends: [default, java, kotlin] ./mvnw -B -o -fae test in ``",
        );
        check_world(
            &[
                "server/settings.gradle.kts",
                "server/app/build.gradle.kts",
                "server/app/src/A.kt",
                "README.md",
            ],
            "extends: [default, java, kotlin] gradle --offline --no-daemon --continue test in `server`",
        );
        check_world(
            &[
                "mix.exs=defp deps, do: [{:phoenix, \"~> 1.7\"}]",
                "lib/a.ex",
                "assets/a.js",
                "assets/b.js",
            ],
            "extends: [default, elixir, phoenix, javascript] mix test --formatter JUnitFormatter in ``",
        );
        check_world(
            &["App.sln", "src/A.cs", "src/App.csproj"],
            "extends: [default, dotnet] dotnet test --no-restore --logger 'junit;LogFilePath=TestResults/{assembly}.xml' in ``",
        );
        check_world(
            &["manage.py=import django", "a/models.py"],
            "extends: [default, python, django] unittest in ``",
        );
        check_world(
            &[
                "requirements.txt=Flask==3\npytest",
                "app.py=app = Flask(__name__)",
            ],
            "extends: [default, python, flask] pytest in ``",
        );
        check_world(
            &[
                "a.ts",
                "package.json={\"dependencies\": {\"next\": \"15\"}, \"scripts\": {\"test\": \"jest\"}}",
            ],
            "extends: [default, javascript, nextjs] jest in ``",
        );
        check_world(
            &[
                "a.ts",
                "package.json={\"dependencies\": {\"@nestjs/core\": \"11\"}, \"scripts\": {\"test\": \"jest\"}}",
            ],
            "extends: [default, javascript, nestjs] jest in ``",
        );
        // A library that only speaks of one is none.
        check_world(
            &["requirements.txt=flask\npytest", "lib.py=import flask"],
            "extends: [default, python] pytest in ``",
        );
    }

    #[test]
    fn what_a_project_lacks_for_its_reports_is_said() {
        let lacks = |files: &[&str]| proposal(files, &[], &[]).text.contains("the project lacks");
        assert!(lacks(&["mix.exs", "lib/a.ex"]));
        assert!(!lacks(&[
            "mix.exs={:junit_formatter, \"~> 3\"}",
            "lib/a.ex"
        ]));
        assert!(lacks(&["a.cs", "A.csproj"]));
        assert!(!lacks(&["a.cs", "A.csproj=JunitXml.TestLogger"]));
        assert!(!lacks(&["A.java", "pom.xml"]));
    }

    #[test]
    fn a_policy_for_rust_judges_small_fixes_rightly() {
        let proposal = proposal(
            &["Cargo.toml", "src/lib.rs", "tests/it.rs", "CHANGELOG.md"],
            &[],
            &[],
        );
        let policy = Policy::load(&proposal.text, "p.yaml").expect("loads");
        for (path, kind) in [
            ("src/lib.rs", FileKind::Production),
            ("tests/it.rs", FileKind::Test),
            ("CHANGELOG.md", FileKind::Documentation),
            ("docs/guide.md", FileKind::Documentation),
            ("Cargo.toml", FileKind::JudgeInput),
            (".koan-guard.yaml", FileKind::Protected),
        ] {
            assert_eq!(policy.kind_of(&path.into()), kind, "{path}");
        }
        assert_eq!(
            (policy.perimeter.limits.files, policy.perimeter.limits.lines),
            (2, 50)
        );
        assert!(policy.perimeter.allow.is_none());
    }

    #[test]
    fn tests_that_the_presets_do_not_see_get_a_glob() {
        let django = proposal(&["shop/models.py", "shop/tests.py"], &[], &[]);
        assert_eq!(django.facts.more_tests, ["**/tests.py"]);
        let policy = Policy::load(&django.text, "p.yaml").expect("loads");
        assert_eq!(policy.kind_of(&"shop/tests.py".into()), FileKind::Test);
        let data = proposal(&["go.mod", "a.go", "_test/extra.txt"], &[], &[]);
        assert_eq!(data.facts.more_tests, ["_test/**"]);
        let usual = proposal(&["a.py", "tests/test_a.py", "tests/data.json"], &[], &[]);
        assert_eq!(
            (usual.facts.more_tests.len(), usual.facts.n_test_files),
            (0, 2)
        );
    }

    #[test]
    fn the_convention_is_asked_for_where_it_is_kept() {
        let conventional = |subjects: &[&str]| {
            let proposal = proposal(&["a.py"], subjects, &[]);
            Policy::load(&proposal.text, "p.yaml")
                .expect("loads")
                .message
                .conventional
        };
        assert!(conventional(&[
            "fix: a",
            "feat(x)!: b",
            "docs: c",
            "Add d",
            "Add e"
        ]));
        assert!(!conventional(&["fix: a", "Add b", "Merge c", "feat: d"]));
        assert!(!conventional(&["printer: a", "globset: b", "ignore: c"]));
        // Types for all but fixes.
        assert!(!conventional(&["build: a", "docs: b", "ci: c", "Fix d"]));
        assert!(conventional(&["build: a", "docs: b", "fix(x): c", "Fix d"]));
        assert!(conventional(&["build: a", "docs: b", "Fixture c"]));
        assert!(!conventional(&[]));
    }

    #[test]
    fn hooks_that_are_there_are_named() {
        let proposal = proposal(
            &[
                ".husky/pre-commit",
                ".pre-commit-config.yaml",
                "lefthook.yml",
            ],
            &[],
            &["commit-msg"],
        );
        assert_eq!(
            proposal.facts.hooks,
            ["`commit-msg`", "husky", "lefthook", "pre-commit"]
        );
        assert!(
            proposal
                .text
                .contains("# Hooks that are there already: `commit-msg`, husky,")
        );
    }

    #[test]
    fn every_proposal_loads_and_looks_right() {
        for files in [
            &["a.py"][..],
            &["Cargo.toml", "src/a.rs"],
            &["a.py", "b.rs", "Cargo.toml"],
            &["x.go"],
            &["x.go", "go.mod", "x_test.go"],
            &["x.sh", "test/x.bats"],
            &["pom.xml", "A.java"],
            &["a/mix.exs", "a/lib/b.ex"],
            &["A.sln", "A.fs"],
            &["Gemfile", "config/application.rb", "a.rb"],
            &[],
        ] {
            let proposal = proposal(files, &["fix: a"], &[]);
            let warnings = policy::lint(&proposal.text, "p.yaml").expect("loads");
            let placed: Vec<_> = warnings
                .iter()
                .filter(|warning| warning.line.is_some())
                .collect();
            assert!(placed.is_empty(), "{placed:?}\n{}", proposal.text);
        }
    }

    #[test]
    fn a_policy_that_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let proposal = proposal(&["a.py"], &[], &[]);
        let path = proposal.write(folder.path()).expect("writes");
        assert_eq!(
            std::fs::read_to_string(&path).expect("reads"),
            proposal.text
        );
        let schema = folder.path().join(policy::SCHEMA_PATH);
        let first = proposal.text.lines().next().expect("a line");
        assert_eq!(
            first,
            "# yaml-language-server: $schema=.koan-guard.schema.json"
        );
        assert_eq!(
            std::fs::read_to_string(&schema).expect("reads"),
            policy::schema()
        );
        std::fs::write(&schema, "{}").expect("writes");
        write_schema(folder.path()).expect("an older one is replaced");
        assert_eq!(
            std::fs::read_to_string(&schema).expect("reads"),
            policy::schema()
        );
        let err = proposal.write(folder.path()).expect_err("is there");
        assert!(err.is::<UsageError>(), "{err:#}");
        std::fs::remove_file(&path).expect("removes");
        std::os::unix::fs::symlink("nowhere", &path).expect("links");
        assert!(
            proposal
                .write(folder.path())
                .expect_err("a link is there")
                .is::<UsageError>()
        );
    }

    #[test]
    fn hooks_that_would_run_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["pre-commit", "pre-push.sample", "commit-msg"] {
            std::fs::write(folder.path().join(name), "").expect("writes");
        }
        assert_eq!(
            hooks(folder.path()).expect("reads"),
            ["commit-msg", "pre-commit"]
        );
        assert!(
            hooks(&folder.path().join("none"))
                .expect("reads")
                .is_empty()
        );
    }

    #[test]
    fn a_policy_can_name_every_runner_that_is_built_in() {
        for runner in crate::suite::runner::NAMES {
            let text = format!("version: 1\nproof: {{runner: {runner}}}\n");
            let policy = Policy::load(&text, "p.yaml").expect("loads");
            assert_eq!(policy.proof.runners[0].name, *runner);
        }
        let text = "version: 1\nproof: {runner: \"node:test\"}\n";
        let policy = Policy::load(text, "p.yaml").expect("loads");
        assert_eq!(policy.proof.runners[0].name, "node");
    }
}
