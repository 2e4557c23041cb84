//! Repositories built by code, in a clean environment with fixed names and dates, and the answers of koan-guard in them.

#![allow(dead_code, reason = "stories use what they need")]

pub mod errors;
pub mod http;
pub mod postgres;
pub mod samples;
pub mod secrets;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use koan_guard::git;
use koan_guard::install::{self, version::Version};
use regex::Regex;
use tempfile::TempDir;

/// A repository in a temporary folder of its own, which goes when this is dropped.
pub struct Repo {
    temp: TempDir,
    /// The top of the work tree, links resolved.
    pub root: PathBuf,
}

impl Repo {
    /// A repository without commits, on branch `main`.
    pub fn empty() -> Repo {
        let temp = tempfile::Builder::new()
            .prefix("koan-it-")
            .tempdir()
            .expect("temporary folder");
        let base = temp.path().canonicalize().expect("temporary folder");
        for folder in ["repo", "home"] {
            fs::create_dir(base.join(folder)).expect("folder");
        }
        let root = base.join("repo");
        let repo = Repo { temp, root };
        repo.git(["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// The folder that stands for the user's own.
    pub fn home(&self) -> PathBuf {
        self.beside("home")
    }

    /// A path in the temporary folder, outside the repository.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.with_file_name(name)
    }

    /// Writes a file, its folders made where they are missing.
    pub fn write(&self, path: &str, text: &str) -> &Repo {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        fs::write(path, text).expect("file");
        self
    }

    /// Writes an executable file.
    pub fn write_script(&self, path: &str, text: &str) -> &Repo {
        self.write(path, text);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.root.join(path), mode).expect("mode");
        self
    }

    pub fn remove(&self, path: &str) -> &Repo {
        fs::remove_file(self.root.join(path)).expect("file to remove");
        self
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|err| panic!("`{path}`: {err}"))
    }

    /// Hooks that call `binary`, in their folder alone: what `install` makes where git runs none of its configuration.
    pub fn install_shims(&self, binary: &Path) {
        let repo = git::Repo::open(&self.root).expect("repository");
        install::install_for(&repo, binary, Version(2, 53)).expect("install");
    }

    /// Stages everything and commits it past all hooks.
    pub fn commit(&self, message: &str) -> &Repo {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--no-verify", "--message", message]);
        self
    }

    /// What git prints, which has to succeed.
    #[track_caller]
    pub fn git<const N: usize>(&self, args: [&str; N]) -> String {
        let output = self.run(self.command("git", &self.root).args(args));
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            self.answer(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8 from git")
    }

    /// What git answers, whether it succeeds or not.
    pub fn try_git<const N: usize>(&self, args: [&str; N]) -> String {
        let output = self.run(self.command("git", &self.root).args(args));
        self.answer(&output)
    }

    /// What koan-guard answers at the top of the repository.
    #[track_caller]
    pub fn guard<const N: usize>(&self, args: [&str; N]) -> String {
        self.guard_in("", args)
    }

    /// What koan-guard answers in a folder of the repository. Whatever it answers, what is the user's stays as it was.
    #[track_caller]
    pub fn guard_in<const N: usize>(&self, folder: &str, args: [&str; N]) -> String {
        let before = self.state();
        let output = self.run(self.guard_command(args).current_dir(self.root.join(folder)));
        let writes = ["init", "install", "uninstall"].contains(&args[0]);
        if !writes {
            assert_eq!(self.state(), before, "koan-guard {args:?}");
        }
        self.answer(&output)
    }

    /// koan-guard at the top of the repository, not yet started.
    pub fn guard_command<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_koan-guard"), &self.root);
        command.args(args);
        command
    }

    /// What is the user's, with the index to the byte; what a command of git's own may rewrite counts as a change.
    pub fn state(&self) -> String {
        let index = fs::read(self.git_dir().join("index")).unwrap_or_default();
        format!("{}{}", self.contents(), sha256(&index))
    }

    /// What is the user's: work tree, index, `HEAD`, configuration, and every ref but those of the guard's own.
    pub fn contents(&self) -> String {
        let git_dir = self.git_dir();
        let refs = self.lines_of_git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        let refs: Vec<&str> = refs
            .lines()
            .filter(|line| {
                let own = ["refs/notes/koan ", "refs/notes/remotes/", "refs/koan/"];
                !own.iter().any(|start| line.starts_with(start))
            })
            .collect();
        [
            self.lines_of_git(&["status", "--porcelain"]),
            self.lines_of_git(&["ls-files", "--stage"]),
            fs::read_to_string(git_dir.join("HEAD")).unwrap_or_default(),
            fs::read_to_string(git_dir.join("config")).unwrap_or_default(),
            refs.join("\n"),
        ]
        .concat()
    }

    fn git_dir(&self) -> PathBuf {
        let answer = self.lines_of_git(&["rev-parse", "--git-dir"]);
        self.root.join(answer.trim_end())
    }

    /// What git prints, if anything, without touching the index itself.
    fn lines_of_git(&self, args: &[&str]) -> String {
        let mut command = self.command("git", &self.root);
        let output = self.run(command.arg("--no-optional-locks").args(args));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What any command answers; made by [`Repo::command`].
    pub fn answer_of(&self, command: &mut Command) -> String {
        self.answer(&self.run(command))
    }

    /// A command in the clean environment.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().envs([
            ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
            ("GIT_AUTHOR_EMAIL", "author@example.com"),
            ("GIT_AUTHOR_NAME", "An Author"),
            ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
            ("GIT_COMMITTER_EMAIL", "committer@example.com"),
            ("GIT_COMMITTER_NAME", "A Committer"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
        ]);
        command.env("HOME", self.home());
        for (name, value) in toolchains() {
            command.env(name, value);
        }
        command
    }

    fn run(&self, command: &mut Command) -> Output {
        let output = command.stdin(Stdio::null()).output();
        output.unwrap_or_else(|err| panic!("{command:?}: {err}"))
    }

    /// Exit code and both streams, with what differs from run to run replaced.
    pub fn answer(&self, output: &Output) -> String {
        let exit = match output.status.code() {
            Some(code) => code.to_string(),
            None => output.status.to_string(),
        };
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let text = format!("exit: {exit}\nstdout:\n{stdout}stderr:\n{stderr}");
        self.normal(&text)
    }

    fn normal(&self, text: &str) -> String {
        let home = self.home();
        let temp = self.temp.path().canonicalize().expect("temporary folder");
        let mut text = text.to_owned();
        for (path, name) in [
            (Path::new(env!("CARGO_BIN_EXE_koan-guard")), "[koan-guard]"),
            (&self.root, "[repo]"),
            (&home, "[home]"),
            (&temp, "[temp]"),
            (self.temp.path(), "[temp]"),
        ] {
            text = text.replace(path.to_str().expect("UTF-8 path"), name);
        }
        // What depends on the machine: durations, versions of tools, and how far its sandbox goes.
        for (pattern, name) in [
            (r"\b\d+(\.\d+)?\s?(ms|µs|s|min)\b", "[time]"),
            (r"CPython \d[\d.]*", "CPython [version]"),
            (r"cargo \d[\d.]*, rustc \d[\d.]*", "cargo [version]"),
            (r"\b[0-9a-f]{64}\b", "[digest]"),
            (r"sandbox L[23]", "sandbox [level]"),
            (r"\.tmp[0-9A-Za-z]{6}\b", ".tmp[random]"),
            (r"(remote: )?  not enforced: .*\n", ""),
            // What git 2.54 and later is told beside the hooks in their folder.
            (r"  git config     hook\.koan-guard-.*\n", ""),
        ] {
            let pattern = Regex::new(pattern).expect("regular expression");
            text = pattern.replace_all(&text, name).into_owned();
        }
        text
    }
}

/// A copy of the guard, made by another process: one that is being written by ours could not be run while a thread forks.
pub fn copy_binary(to: &Path) {
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_koan-guard"))
        .arg(to)
        .status();
    assert!(copied.expect("cp").success());
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What children need of the real environment to find compilers and interpreters; `HOME` is not among it.
fn toolchains() -> Vec<(&'static str, std::ffi::OsString)> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let with_default = |name: &'static str, folder: &str| {
        let default = || Some(home.as_ref()?.join(folder)).filter(|path| path.is_dir());
        let value = env::var_os(name).map(PathBuf::from).or_else(default)?;
        Some((name, value.into_os_string()))
    };
    let kept = ["PATH", "RUSTUP_TOOLCHAIN", "TMPDIR"].map(|name| Some((name, env::var_os(name)?)));
    kept.into_iter()
        .chain([
            with_default("CARGO_HOME", ".cargo"),
            with_default("RUSTUP_HOME", ".rustup"),
        ])
        .flatten()
        .collect()
}

/// The Python that has pytest; `tests/run.sh` makes it.
pub fn python_with_pytest() -> PathBuf {
    env::var_os("KOAN_TEST_PYTHON")
        .expect("run this by tests/run.sh: KOAN_TEST_PYTHON is not set")
        .into()
}
