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
    })
}

fn shown(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    crate::change::RepoPath::new(absolute.as_os_str().as_encoded_bytes()).to_string()
}
