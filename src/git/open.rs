//! Opening a repository: as a hook finds it, or at a path; never with less care for its owner than git has.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gix::sec::Permission;
use gix::sec::trust::Mapping;

use super::Repo;
use crate::usage::UsageError;

/// Whatever the user's configuration says: neither replace refs nor a commit-graph may change what is read, and one object may not eat
/// the machine's memory.
const OVERRIDES: [&str; 3] = [
    "core.useReplaceRefs=false",
    "core.commitGraph=false",
    "gitoxide.objects.allocLimit=2g",
];

impl Repo {
    /// Opens the repository of the current folder as git would inside a hook (`GIT_DIR`, `GIT_INDEX_FILE` and their kin honoured).
    ///
    /// # Errors
    /// [`UsageError`] if there is none; any other error (unsupported storage, owned by somebody else) is a doubt.
    pub fn discover() -> anyhow::Result<Repo> {
        let search = gix::discover::upwards::Options {
            match_ceiling_dir_or_error: false,
            ..Default::default()
        };
        let options = options(gix::open::Permissions::all());
        let trust = Mapping {
            full: options.clone(),
            reduced: options,
        };
        let opened =
            gix::ThreadSafeRepository::discover_with_environment_overrides_opts(".", search, trust);
        let mut repo = usable(opened, Path::new("."))?;
        if let Some(quarantine) = std::env::var_os("GIT_OBJECT_DIRECTORY") {
            let alternates = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES");
            super::quarantine::read_through(&mut repo, &quarantine, alternates.as_deref())
                .context("read the objects of a push")?;
        }
        Ok(repo)
    }

    /// Opens the repository at `path` without looking at the environment (the user's own configuration files are read).
    ///
    /// # Errors
    /// As for [`discover`](Repo::discover).
    pub fn open(path: &Path) -> anyhow::Result<Repo> {
        let mut permissions = gix::open::Permissions::all();
        permissions.config.env = false;
        permissions.env.git_prefix = Permission::Deny;
        permissions.env.objects = Permission::Deny;
        permissions.env.identity = Permission::Deny;
        usable(options(permissions).open(path), path)
    }

    /// The folder of this worktree's own state.
    pub fn git_dir(&self) -> &Path {
        self.inner.git_dir()
    }

    /// The folder that all worktrees share.
    pub fn common_dir(&self) -> &Path {
        self.inner.common_dir()
    }

    /// `None` in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.inner.workdir()
    }

    /// A string of git's configuration.
    pub fn config(&self, key: &str) -> Option<String> {
        let value = self.inner.config_snapshot().string(key)?;
        // A value that is not UTF-8 stays a value: to be rejected by whoever compares it, not to be taken for unset.
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// All values that the repository's own configuration file gives a key, and neither the user's, the machine's nor the environment's.
    pub fn own_config(&self, key: &str) -> Vec<String> {
        let snapshot = self.inner.config_snapshot();
        let is_own = |meta: &gix::config::file::Metadata| meta.source == gix::config::Source::Local;
        let values = snapshot.plumbing().strings_filter(key, is_own);
        let values = values.into_iter().flatten();
        values
            .map(|value| String::from_utf8_lossy(&value).into_owned())
            .collect()
    }

    /// The last value that anything but the repository's own configuration files gives a key: the user's, the machine's, the environment's.
    pub fn config_of_user(&self, key: &str) -> Option<String> {
        use gix::config::Source;
        let snapshot = self.inner.config_snapshot();
        let is_users = |meta: &gix::config::file::Metadata| {
            !matches!(meta.source, Source::Local | Source::Worktree)
        };
        let values = snapshot.plumbing().strings_filter(key, is_users)?;
        let value = values.last()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The folder that git looks for hooks in: `core.hooksPath` or the common folder's `hooks`.
    ///
    /// # Errors
    /// [`UsageError`] if `core.hooksPath` is empty: git runs no hook then.
    pub fn hooks_dir(&self) -> anyhow::Result<PathBuf> {
        let snapshot = self.inner.config_snapshot();
        if snapshot
            .string("core.hooksPath")
            .is_some_and(|path| path.is_empty())
        {
            return Err(UsageError::with_hint(
                "`core.hooksPath` is empty, so git runs no hooks",
                "find out who set it: `git config --show-origin core.hooksPath`",
            )
            .into());
        }
        let configured = snapshot
            .trusted_path("core.hooksPath")
            .context("read `core.hooksPath`")?;
        let top = self.work_dir().unwrap_or(self.git_dir());
        Ok(match configured {
            Some(folder) => top.join(folder),
            None => self.common_dir().join("hooks"),
        })
    }
}

fn options(permissions: gix::open::Permissions) -> gix::open::Options {
    gix::open::Options::default()
        .permissions(permissions)
        .strict_config(true)
        .bail_if_untrusted(true)
        .config_overrides(OVERRIDES)
}

/// Turns what gix opened into a [`Repo`] that reads raw objects and keeps new ones in memory.
fn usable(opened: gix::Result<gix::ThreadSafeRepository>, path: &Path) -> anyhow::Result<Repo> {
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) if error.is_not_found() => {
            return Err(UsageError::with_hint(
                format!("no git repository at `{}`", shown(path)),
                "go to a folder of a repository, or `git init`",
            )
            .into());
        }
        Err(error) => {
            return Err(anyhow::Error::from(error)).context("open the repository");
        }
    };
    let mut inner = opened.to_thread_local().with_object_memory();
    inner.objects.ignore_replacements = true;
    let storage = inner.config_snapshot().string("extensions.refStorage");
    if storage.is_some_and(|storage| storage != "files") {
        anyhow::bail!("the repository keeps its refs in a format that cannot be read (reftable)");
    }
    Ok(Repo {
        inner,
        quarantine: None,
        disguises: Default::default(),
    })
}

fn shown(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    crate::change::RepoPath::new(absolute.as_os_str().as_encoded_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::super::testing::TestRepo;
    use super::*;

    /// Where [`probe`] writes what it saw.
    const PROBE: &str = "KOAN_GUARD_TEST_PROBE";

    /// Runs inside a process of its own, and says what [`Repo::discover`] finds there.
    #[test]
    #[ignore = "other tests start it"]
    fn probe() {
        let staged = || {
            let repo = Repo::discover()?;
            let staged = repo.staged()?;
            let change = repo.diff(staged.parent_tree_id, staged.tree_id)?;
            anyhow::Ok((staged, change))
        };
        let seen = match staged() {
            Ok((staged, change)) => {
                let paths = change.files.iter().map(|file| file.path.to_string());
                format!("{} {}", staged.tree_id, paths.collect::<Vec<_>>().join(","))
            }
            Err(error) => format!("error: {error:#}"),
        };
        fs::write(std::env::var_os(PROBE).expect("where to"), seen).expect("write");
    }

    fn probe_command() -> String {
        let program = std::env::current_exe().expect("this program");
        let program = program.to_str().expect("UTF-8");
        format!("'{program}' --exact git::open::tests::probe --ignored -q >/dev/null")
    }

    /// A repository whose commits run the probe as their `pre-commit` hook.
    fn probed() -> TestRepo {
        let repo = TestRepo::new();
        repo.write("a", "1\n")
            .write("b", "1\n")
            .write("sub/c", "1\n")
            .commit("one");
        let hook = repo.path().join(".git/hooks/pre-commit");
        fs::create_dir_all(hook.parent().expect("a folder")).expect("make a folder");
        let probe = probe_command();
        fs::write(&hook, format!("#!/bin/sh\nexec {probe}\n")).expect("write a hook");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("set permissions");
        repo
    }

    /// Commits in `folder` of the home, and checks that the hook saw these paths and the tree that was committed.
    #[track_caller]
    fn check_commit(repo: &TestRepo, folder: &str, args: &[&str], paths: &str) {
        let out = repo.home().join("seen");
        let folder = repo.home().join(folder);
        let mut commit = repo.command(&folder);
        commit
            .args(["commit", "-q", "-m", "x"])
            .args(args)
            .env(PROBE, &out);
        let output = commit.output().expect("start git");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let mut head = repo.command(&folder);
        let head = head
            .args(["rev-parse", "HEAD^{tree}"])
            .output()
            .expect("start git");
        let tree_id = String::from_utf8_lossy(&head.stdout);
        let seen = fs::read_to_string(&out).expect("the hook ran");
        assert_eq!(seen, format!("{} {paths}", tree_id.trim()));
    }

    #[test]
    fn a_hook_sees_what_will_be_committed() {
        let repo = probed();
        repo.write("a", "2\n").add();
        check_commit(&repo, "repo", &[], "a");
        repo.write("a", "3\n").write("b", "3\n");
        check_commit(&repo, "repo", &["-a"], "a,b");
        repo.write("a", "4\n").write("sub/c", "4\n").add();
        check_commit(&repo, "repo", &["--", "a"], "a");
        check_commit(&repo, "repo/sub", &[], "sub/c");
        repo.write("b", "5\n");
        check_commit(&repo, "repo", &["-i", "b"], "b");
    }

    #[test]
    fn a_hook_of_a_linked_worktree_sees_its_own_index() {
        let repo = probed();
        repo.git(&["worktree", "add", "-q", "../linked"]);
        repo.write("a", "main\n").add();
        repo.write("../linked/b", "linked\n");
        check_commit(&repo, "linked", &["-a"], "b");
        check_commit(&repo, "repo", &[], "a");
    }

    #[track_caller]
    fn check_discover(repo: &TestRepo, folder: &Path, env: &[(&str, &Path)], expected: &str) {
        let out = repo.home().join("seen");
        let mut command = Command::new("sh");
        command.arg("-c").arg(probe_command()).current_dir(folder);
        for name in [
            "GIT_DIR",
            "GIT_INDEX_FILE",
            "GIT_WORK_TREE",
            "GIT_OBJECT_DIRECTORY",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", repo.home()).env(PROBE, &out);
        command.envs(env.iter().copied());
        assert!(command.status().expect("start").success());
        let seen = fs::read_to_string(&out).expect("the probe ran");
        assert!(seen.contains(expected), "{seen}");
    }

    #[test]
    fn the_environment_says_where_the_repository_is() {
        let repo = probed();
        let tree_id = repo.git(&["write-tree"]);
        let git_dir = repo.path().join(".git");
        check_discover(&repo, &repo.path().join("sub"), &[], &tree_id);
        check_discover(&repo, repo.home(), &[("GIT_DIR", &git_dir)], &tree_id);
        check_discover(&repo, repo.home(), &[], "no git repository at");
        check_discover(
            &repo,
            repo.path(),
            &[("GIT_DIR", repo.home())],
            "no git repository at",
        );
    }

    #[test]
    fn no_repository_is_the_users_to_correct() {
        let folder = tempfile::tempdir().expect("make a folder");
        for path in [folder.path().to_owned(), folder.path().join("nope")] {
            let error = Repo::open(&path).err().expect("nothing there");
            let usage = error.downcast_ref::<UsageError>();
            assert!(usage.is_some_and(|usage| usage.hint.is_some()), "{error:#}");
        }
    }

    #[test]
    fn reftable_is_a_doubt_with_a_name() {
        let repo = TestRepo::init(&["--ref-format=reftable"]);
        let error = Repo::open(repo.path()).and_then(|repo| repo.head_id());
        let error = error.expect_err("not readable");
        assert!(error.downcast_ref::<UsageError>().is_none());
        assert!(format!("{error:#}").contains("reftable"), "{error:#}");
    }

    #[test]
    fn a_repository_of_somebody_else_is_a_doubt() {
        let repo = TestRepo::new();
        repo.commit("one");
        let chowned = std::os::unix::fs::chown(repo.path().join(".git"), Some(4242), None);
        let chowned =
            chowned.and_then(|()| std::os::unix::fs::chown(repo.path(), Some(4242), None));
        // Only root can give a folder away.
        if chowned.is_ok() {
            let error = Repo::open(repo.path()).err().expect("dubious ownership");
            assert!(error.downcast_ref::<UsageError>().is_none(), "{error:#}");
        }
    }

    #[test]
    fn bare_repositories_and_worktrees_know_their_folders() {
        let repo = TestRepo::new();
        repo.commit("one");
        repo.git(&["worktree", "add", "-q", "../linked"]);
        repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
        let common = repo.path().join(".git");
        let linked = Repo::open(&repo.home().join("linked")).expect("open");
        assert_eq!(
            linked.common_dir().canonicalize().expect("there"),
            common.canonicalize().expect("there")
        );
        assert!(linked.git_dir().ends_with(".git/worktrees/linked"));
        assert_eq!(
            linked.head_branch().expect("read").as_deref(),
            Some("refs/heads/linked")
        );
        let bare = Repo::open(&repo.home().join("bare.git")).expect("open");
        assert!(bare.work_dir().is_none());
        assert_eq!(bare.head_id().expect("read"), Some(repo.id("HEAD")));
    }

    #[track_caller]
    fn check_hooks_dir(hooks_path: Option<&str>, expected: &str) {
        let repo = TestRepo::new();
        if let Some(hooks_path) = hooks_path {
            repo.git(&["config", "core.hooksPath", hooks_path]);
        }
        let folder = repo.open().hooks_dir().expect("read");
        assert!(
            folder.ends_with(expected) && folder.is_absolute(),
            "{}",
            folder.display()
        );
    }

    #[test]
    fn the_hooks_folder_is_where_git_looks() {
        check_hooks_dir(None, "repo/.git/hooks");
        check_hooks_dir(Some(".husky/_"), "repo/.husky/_");
        check_hooks_dir(Some("/opt/hooks"), "/opt/hooks");
        let home = std::env::home_dir().expect("a home");
        check_hooks_dir(Some("~/hooks"), home.join("hooks").to_str().expect("UTF-8"));
    }

    #[test]
    fn an_empty_hooks_path_means_that_no_hook_runs() {
        let repo = TestRepo::new();
        repo.git(&["config", "core.hooksPath", ""]);
        assert!(repo.open().hooks_dir().is_err());
    }

    #[test]
    fn configuration_is_read_with_its_includes() {
        let repo = TestRepo::new();
        repo.write("../more", "[koan]\n\tmode = observe\n");
        repo.git(&["config", "include.path", "../../more"]);
        assert_eq!(repo.open().config("koan.mode").as_deref(), Some("observe"));
        assert_eq!(repo.open().config("koan.nothing"), None);
    }
}
