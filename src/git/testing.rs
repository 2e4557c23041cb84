//! Real repositories for tests: made by git itself, in a folder and an environment of their own, with fixed names and dates.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gix::ObjectId;
use tempfile::TempDir;

use super::Repo;

/// A repository at `repo` in a temporary folder, which is also the home of the git that works in it.
pub struct TestRepo {
    home: TempDir,
    path: PathBuf,
}

impl TestRepo {
    pub fn new() -> TestRepo {
        TestRepo::init(&[])
    }

    /// An empty repository, made by `git init` with these options.
    pub fn init(options: &[&str]) -> TestRepo {
        let home = tempfile::tempdir().expect("make a folder");
        let path = home.path().join("repo");
        let repo = TestRepo { home, path };
        let mut args = vec!["init", "-q", "-b", "main", "repo"];
        args.extend(options);
        repo.git_at(repo.home.path(), &args);
        repo
    }

    /// The same home, another repository or worktree in it.
    pub fn at(self, name: &str) -> TestRepo {
        let path = self.home.path().join(name);
        TestRepo { path, ..self }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn open(&self) -> Repo {
        Repo::open(&self.path).expect("open the repository")
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &TestRepo {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make folders");
        fs::write(path, content).expect("write a file");
        self
    }

    pub fn add(&self) -> &TestRepo {
        self.git(&["add", "-A"]);
        self
    }

    /// Commits everything there is.
    pub fn commit(&self, message: &str) -> ObjectId {
        self.add();
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.id("HEAD")
    }

    /// The tree of everything there is, once these files are written.
    pub fn tree(&self, files: &[(&str, &str)]) -> ObjectId {
        for (path, text) in files {
            self.write(path, text);
        }
        self.commit("a tree");
        self.id("HEAD^{tree}")
    }

    pub fn id(&self, spec: &str) -> ObjectId {
        self.git(&["rev-parse", spec]).parse().expect("an id")
    }

    /// What git prints, without the last line feed.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        self.git_at(&self.path, args)
    }

    #[track_caller]
    fn git_at(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.command(folder).args(args).output().expect("start git");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        let stdout = String::from_utf8(output.stdout).expect("UTF-8");
        stdout.trim_end_matches('\n').to_owned()
    }

    /// What git prints when it is fed with `input`.
    #[track_caller]
    pub fn git_with(&self, args: &[&str], input: &str) -> String {
        let mut command = self.command(&self.path);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("start git");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(input.as_bytes()).expect("feed git");
        drop(stdin);
        let output = child.wait_with_output().expect("wait for git");
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// git in `folder`, with nothing of the surrounding environment but the search path.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new("git");
        command.current_dir(folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Ada");
            command.env(format!("GIT_{role}_EMAIL"), "ada@example.com");
            command.env(format!("GIT_{role}_DATE"), "@1700000000 +0000");
        }
        command
    }
}
