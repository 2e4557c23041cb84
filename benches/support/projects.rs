//! The projects whose fix is proved: each with a policy, a suite that takes a second or two, and a branch `fix` with one line of fix and one
//! new test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Selection;
use super::support::{build_repo, command, commit_policy, git, write_file};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Python,
    Rust,
}

/// A repository on branch `koan/fix`, which stands where `main` does.
pub struct Project {
    pub name: String,
    pub language: Language,
    pub repo: PathBuf,
    /// The file that the fix changes.
    pub source: &'static str,
    /// The file that the new test stands in.
    pub test: &'static str,
    python: PathBuf,
    _folder: tempfile::TempDir,
}

/// Of each kind of module.
const N_MODULES: usize = 40;
const N_TESTS: usize = 8;

const PYTHON_TEST: &str = "\
def test_work_{n}():
    total = 0
    for i in range({rounds}):
        total = (total * 31 + i) % 1000003
    assert total == shop.module{m}.work({rounds})
";

const CART_PY: &str = "\
def total(prices, discount):
    whole = sum(prices)
    return whole - discount
";

const RUST_TEST: &str = "\
#[test]
fn work_{n}() {
    let mut total = 0_u64;
    for i in 0..{rounds}_u64 {
        total = (total * 31 + i) % 1_000_003;
    }
    assert_eq!(total, shop::module{m}::work({rounds}));
}
";

const CART_RS: &str = "\
//! A cart.

/// What is to be paid.
pub fn total(prices: &[i64], discount: i64) -> i64 {
    let whole: i64 = prices.iter().sum();
    whole - discount
}
";

const MAIN_RS: &str = "\
use clap::Parser;

#[derive(Parser, serde::Serialize)]
struct Args {
    prices: Vec<i64>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(\"{} {}\", shop::cart::total(&args.prices, 0), serde_json::to_string(&args)?);
    Ok(())
}
";

pub fn python(is_small: bool) -> anyhow::Result<Project> {
    let python = std::env::var_os("KOAN_TEST_PYTHON").map_or("python3".into(), PathBuf::from);
    let probe = Command::new(&python).args(["-c", "import pytest"]).status();
    ensure!(
        probe.is_ok_and(|status| status.success()),
        "`{}` has no pytest: give a Python that has it in KOAN_TEST_PYTHON",
        python.display()
    );
    let project = Project::new(
        "pytest",
        Language::Python,
        ("shop/cart.py", "tests/test_cart.py"),
        python,
    )?;
    let rounds = if is_small { 10_000 } else { 40_000 };
    build_repo(&project.repo, |stream| {
        write_file(
            stream,
            "pyproject.toml",
            "[tool.pytest.ini_options]\npythonpath = ['.']\n",
        )?;
        write_file(stream, "shop/__init__.py", "")?;
        write_file(stream, project.source, CART_PY)?;
        let test =
            "from shop import cart\n\n\ndef test_plain():\n    assert cart.total([3, 4], 0) == 7\n";
        write_file(stream, project.test, test)?;
        for m in 0..N_MODULES {
            let work = "def work(rounds):\n    total = 0\n    for i in range(rounds):\n        total = (total * 31 + i) % 1000003\n    return total\n";
            write_file(
                stream,
                &format!("shop/module{m}.py"),
                &format!("{work}\n\n{}", lines(m, 80)),
            )?;
            let tests: Vec<String> = (0..N_TESTS)
                .map(|n| filled(PYTHON_TEST, m, n, rounds))
                .collect();
            let text = format!("import shop.module{m}\n\n\n{}", tests.join("\n\n"));
            write_file(stream, &format!("tests/test_module{m}.py"), &text)?;
        }
        Ok(())
    })?;
    let new_test = "\n\ndef test_never_below_zero():\n    assert cart.total([3], 5) == 0\n";
    project.commit_fix(
        "return whole - discount",
        "return max(whole - discount, 0)",
        new_test,
    )?;
    Ok(project)
}

/// Fewer dependencies take less time, and are less like a real project.
pub fn rust(has_few_dependencies: bool) -> anyhow::Result<Project> {
    let name = match has_few_dependencies {
        true => "cargo, few dependencies",
        false => "cargo",
    };
    let project = Project::new(
        name,
        Language::Rust,
        ("src/cart.rs", "tests/cart.rs"),
        PathBuf::new(),
    )?;
    let more = match has_few_dependencies {
        true => "",
        false => {
            "regex = '1'\ngix = { version = '*', default-features = false, features = ['sha1', 'revision'] }\njiff = { version = '0.2', default-features = false, features = ['std'] }\nsyn = { version = '2', features = ['full'] }\nserde-saphyr = { version = '2', default-features = false, features = ['deserialize'] }\n"
        }
    };
    let manifest = format!(
        "[package]\nname = 'shop'\nversion = '0.1.0'\nedition = '2021'\n\n[dependencies]\nanyhow = '1'\nclap = {{ version = '4', features = ['derive'] }}\nserde = {{ version = '1', features = ['derive'] }}\nserde_json = '1'\n{more}"
    );
    // Dependencies in the versions that are in cargo's cache.
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let lock = fs::read_to_string(lock).context("read our own lock file")?;
    build_repo(&project.repo, |stream| {
        write_file(stream, "Cargo.toml", &manifest)?;
        write_file(stream, ".gitignore", "/target\n")?;
        write_file(stream, "src/main.rs", MAIN_RS)?;
        write_file(stream, project.source, CART_RS)?;
        let test = "#[test]\nfn plain() {\n    assert_eq!(shop::cart::total(&[3, 4], 0), 7);\n}\n";
        write_file(stream, project.test, test)?;
        let mut modules = "pub mod cart;\n".to_owned();
        for m in 0..N_MODULES {
            modules += &format!("pub mod module{m};\n");
            write_file(stream, &format!("src/module{m}.rs"), &rust_module(m))?;
        }
        write_file(stream, "src/lib.rs", &modules)?;
        for part in 0..3 {
            let tests: Vec<String> = (0..30).map(|n| filled(RUST_TEST, n, n, 400_000)).collect();
            write_file(stream, &format!("tests/part{part}.rs"), &tests.join("\n"))?;
        }
        Ok(())
    })?;
    fs::write(project.repo.join("Cargo.lock"), lock)?;
    let mut pruned = project.command("cargo");
    // Other than `metadata`, it wants no dependency of another platform.
    pruned.args(["update", "--offline", "--workspace", "--quiet"]);
    let answer = pruned.output()?;
    ensure!(answer.status.success(), "cargo update: {answer:?}");
    git(&project.repo, &["add", "Cargo.lock"])?;
    git(&project.repo, &["commit", "--quiet", "--message=lock"])?;
    let new_test =
        "\n#[test]\nfn never_below_zero() {\n    assert_eq!(shop::cart::total(&[3], 5), 0);\n}\n";
    project.commit_fix(
        "    whole - discount",
        "    (whole - discount).max(0)",
        new_test,
    )?;
    Ok(project)
}

fn filled(text: &str, m: usize, n: usize, rounds: usize) -> String {
    text.replace("{m}", &m.to_string())
        .replace("{n}", &n.to_string())
        .replace("{rounds}", &rounds.to_string())
}

/// Some eighty lines that the compiler has to work on.
fn rust_module(m: usize) -> String {
    let mut text = format!(
        "//! Module {m}.\n\nuse std::collections::BTreeMap;\n\npub fn work(rounds: u64) -> u64 {{\n    (0..rounds).fold(0, |total, i| (total * 31 + i) % 1_000_003)\n}}\n"
    );
    for n in 0..8 {
        text += &format!(
            "
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Order{n} {{
    pub name: String,
    pub prices: BTreeMap<String, u64>,
}}

pub fn sum{n}(orders: &[Order{n}]) -> Option<u64> {{
    let prices = orders.iter().flat_map(|order| order.prices.values());
    prices.map(|price| price.checked_mul({n} + 1)).sum()
}}
"
        );
    }
    text
}

/// Text of that many lines.
pub fn lines(i: usize, n_lines: usize) -> String {
    (0..n_lines)
        .map(|line| format!("x{line} = 'file {i} line {line} of some text'\n"))
        .collect()
}

impl Project {
    fn new(
        name: &str,
        language: Language,
        (source, test): (&'static str, &'static str),
        python: PathBuf,
    ) -> anyhow::Result<Project> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().canonicalize()?;
        fs::create_dir(root.join("home"))?;
        Ok(Project {
            name: name.to_owned(),
            language,
            repo: root.join("repo"),
            source,
            test,
            python,
            _folder: folder,
        })
    }

    /// A policy, and after it the fix: on branch `fix`, while the work tree stays at the policy.
    fn commit_fix(&self, old: &str, new: &str, new_test: &str) -> anyhow::Result<()> {
        commit_policy(&self.repo, "")?;
        let source = fs::read_to_string(self.repo.join(self.source))?;
        ensure!(source.contains(old), "nothing to fix");
        git(&self.repo, &["switch", "--quiet", "--create", "fix"])?;
        fs::write(self.repo.join(self.source), source.replace(old, new))?;
        let test = fs::read_to_string(self.repo.join(self.test))?;
        fs::write(self.repo.join(self.test), test + new_test)?;
        git(
            &self.repo,
            &[
                "commit",
                "--quiet",
                "--all",
                "--message=fix: a discount above the price",
            ],
        )?;
        git(
            &self.repo,
            &["switch", "--quiet", "--create", "koan/fix", "main"],
        )
    }

    /// Stages what `fix` holds, for a hook.
    pub fn stage_fix(&self) -> anyhow::Result<()> {
        git(&self.repo, &["checkout", "--quiet", "fix", "--", "."])
    }

    pub fn text_at(&self, commit: &str, path: &str) -> anyhow::Result<Vec<u8>> {
        let blob = format!("{commit}:{path}");
        let answer = command(&self.repo, "git")
            .args(["cat-file", "blob", &blob])
            .output()?;
        ensure!(answer.status.success(), "git cat-file: {answer:?}");
        Ok(answer.stdout)
    }

    /// One side of the proof, to run bare commands in; `other` is AFTER with a new test that expects something else.
    pub fn add_worktree(&self, tree: &str) -> anyhow::Result<()> {
        let (commit, other) = match tree {
            "parent" => ("main", None),
            "before" => ("main", Some(("fix", self.test))),
            "after" | "other" => ("fix", None),
            _ => ("fix", Some(("main", self.test))),
        };
        let place = self.repo.with_file_name(tree);
        let path = place.to_str().context("a path")?;
        git(
            &self.repo,
            &["worktree", "add", "--quiet", "--detach", path, commit],
        )?;
        if let Some((commit, path)) = other {
            fs::write(place.join(path), self.text_at(commit, path)?)?;
        }
        if tree == "other" {
            let test = fs::read_to_string(place.join(self.test))?;
            let (expected, other) = match self.language {
                Language::Python => ("5) == 0", "5) == 9"),
                Language::Rust => ("5), 0)", "5), 9)"),
            };
            let other = test.replace(expected, other);
            ensure!(other != test, "nothing to expect otherwise");
            fs::write(place.join(self.test), other)?;
        }
        Ok(())
    }

    /// A command in the repository that finds the tools of the language.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.command_in(&self.repo, program)
    }

    fn command_in(&self, folder: &Path, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = command(&self.repo, program);
        command.current_dir(folder);
        let home = std::env::var_os("HOME").map(PathBuf::from);
        for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let default = || Some(home.as_ref()?.join(default)).filter(|path| path.is_dir());
            let value = std::env::var_os(name).map(PathBuf::from).or_else(default);
            command.envs(value.map(|value| (name, value)));
        }
        if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        // The guard takes the first Python of the `PATH`.
        let folders = self.python.parent().into_iter().map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = folders
            .filter(|folder| folder.is_absolute())
            .chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        command
    }

    /// The command that the guard's run amounts to, without the guard. In the sandbox no byte code is kept.
    pub fn bare(&self, tree: &str, selection: Selection, keeps_byte_code: bool) -> Command {
        let folder = self.repo.with_file_name(tree);
        match self.language {
            Language::Python => {
                let mut command = self.command_in(&folder, &self.python);
                if !keeps_byte_code {
                    // Neither written nor found.
                    command.args(["-B", "-X", "pycache_prefix=/nonexistent"]);
                }
                command.args(["-m", "pytest", "-q", "--tb=no"]);
                match selection {
                    Selection::All | Selection::Examples => &mut command,
                    Selection::File => command.arg(self.test),
                    Selection::Test => command.arg(format!("{}::test_never_below_zero", self.test)),
                };
                command
            }
            Language::Rust => {
                let mut command = self.command_in(&folder, "cargo");
                command.env("CARGO_INCREMENTAL", "0").args([
                    "test",
                    "--offline",
                    "--quiet",
                    "--no-fail-fast",
                ]);
                match selection {
                    Selection::All => command.arg("--tests"),
                    Selection::Examples => command.arg("--doc"),
                    Selection::File => command.args(["--test", "cart"]),
                    Selection::Test => {
                        command.args(["--test", "cart", "--", "--exact", "never_below_zero"])
                    }
                };
                command
            }
        }
    }
}
