//! What is the user's of a repository: configuration, hooks, `HEAD`, refs, index and checkout, so that a later look can tell what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use gix::refs::Target;
use sha2::{Digest as _, Sha256};

use super::Repo;
use super::folder::{self, Contents, Whose};
use crate::change::RepoPath;

/// All of it, as it was at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// By its name for people: `HEAD`, `refs/heads/main`, `hooks/pre-commit`.
    parts: BTreeMap<String, String>,
    checkout: Option<Contents>,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Changed {
    pub what: String,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    New,
    Gone,
    Changed,
}

/// A hook or a file of settings is no larger.
const MAX_FILE: u64 = 16 << 20;

impl Repo {
    /// The state of now. Refs for which `is_own` holds are the guard's business.
    pub fn state(&self, is_own: &dyn Fn(&str) -> bool) -> anyhow::Result<State> {
        let mut parts = BTreeMap::new();
        let (git_dir, common_dir) = (self.git_dir(), self.common_dir());
        for (name, path) in [
            ("HEAD", git_dir.join("HEAD")),
            ("config", common_dir.join("config")),
            ("config.worktree", git_dir.join("config.worktree")),
            ("info/attributes", common_dir.join("info/attributes")),
            ("info/exclude", common_dir.join("info/exclude")),
            ("info/grafts", common_dir.join("info/grafts")),
            (
                "objects/info/alternates",
                common_dir.join("objects/info/alternates"),
            ),
        ] {
            add_file(&mut parts, name, &path)?;
        }
        let mut folders = BTreeSet::from([common_dir.join("hooks")]);
        // An empty `core.hooksPath` means that there is no other folder.
        folders.extend(self.hooks_dir().ok());
        for (n, folder) in folders.iter().enumerate() {
            let name = if n == 0 {
                "hooks"
            } else {
                "hooks of core.hooksPath"
            };
            add_folder(&mut parts, name, folder)?;
        }
        self.add_refs(&mut parts, is_own)?;
        let tracked = self.add_index(&mut parts)?;
        let checkout = match self.work_dir() {
            None => None,
            Some(folder) => {
                let contents = folder::contents(folder, &tracked, Whose::Users)?;
                Some(
                    contents
                        .map_err(|unfit| anyhow::anyhow!("look at the checkout: {}", unfit.0))?,
                )
            }
        };
        Ok(State { parts, checkout })
    }

    fn add_refs(
        &self,
        parts: &mut BTreeMap<String, String>,
        is_own: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let platform = self.inner.references().context("list refs")?;
        for reference in platform.all().context("list refs")? {
            let reference = reference
                .map_err(|error| anyhow::anyhow!("{error}"))
                .context("read a ref")?;
            let name = reference.name().as_bstr().to_string();
            if !is_own(&name) {
                let target = match &reference.inner.target {
                    Target::Object(id) => id.to_string(),
                    Target::Symbolic(to) => to.to_string(),
                };
                parts.insert(name, target);
            }
        }
        Ok(())
    }

    /// Its entries, since git rewrites the rest of it for itself; and their paths.
    fn add_index(
        &self,
        parts: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<BTreeSet<RepoPath>> {
        let index = gix::index::File::at_or_default(
            self.inner.index_path(),
            self.inner.object_hash(),
            true,
            gix::index::decode::Options::default(),
        )
        .context("read the index")?;
        let mut hash = Sha256::new();
        let mut paths = BTreeSet::new();
        for entry in index.entries() {
            let path = entry.path(&index);
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path);
            hash.update(entry.id.as_slice());
            hash.update(entry.mode.bits().to_le_bytes());
            hash.update([entry.stage_raw() as u8]);
            paths.insert(RepoPath::new(path));
        }
        parts.insert("index".into(), hex(hash));
        Ok(paths)
    }
}

impl State {
    /// What is not the same later, sorted.
    pub fn changes(&self, later: &State) -> Vec<Changed> {
        let names: BTreeSet<&String> = self.parts.keys().chain(later.parts.keys()).collect();
        let mut changed: Vec<Changed> = names
            .into_iter()
            .filter_map(|name| {
                let how = match (self.parts.get(name), later.parts.get(name)) {
                    (None, Some(_)) => How::New,
                    (Some(_), None) => How::Gone,
                    (before, after) if before != after => How::Changed,
                    _ => return None,
                };
                let what = name.clone();
                Some(Changed { what, how })
            })
            .collect();
        if let (Some(before), Some(after)) = (&self.checkout, &later.checkout) {
            changed.extend(before.differences(after).into_iter().map(|path| Changed {
                what: format!("the checkout's {path}"),
                how: How::Changed,
            }));
        }
        changed.sort();
        changed
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::New => "new",
            How::Gone => "gone",
            How::Changed => "changed",
        };
        write!(f, "{} ({how})", self.what)
    }
}

fn add_file(parts: &mut BTreeMap<String, String>, name: &str, path: &Path) -> anyhow::Result<()> {
    let data = match fs::symlink_metadata(path) {
        Ok(data) => data,
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(err) => return Err(err).with_context(|| format!("look at `{}`", path.display())),
    };
    let mut hash = Sha256::new();
    hash.update(data.permissions().mode().to_le_bytes());
    if data.is_symlink() {
        hash.update(fs::read_link(path)?.as_os_str().as_encoded_bytes());
    }
    // Of a link, what it leads to counts too.
    if fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= MAX_FILE) {
        let bytes = fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
        hash.update(bytes);
    }
    parts.insert(name.to_owned(), hex(hash));
    Ok(())
}

/// Files that stand directly in it; hooks are no deeper, and what they call in folders below is told by its own times.
fn add_folder(
    parts: &mut BTreeMap<String, String>,
    name: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        other => other.with_context(|| format!("list `{}`", folder.display()))?,
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let file_name = RepoPath::new(file_name.as_encoded_bytes());
        add_file(parts, &format!("{name}/{file_name}"), &entry.path())?;
    }
    Ok(())
}

fn hex(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    #[track_caller]
    fn check(change: impl Fn(&TestRepo), expected: &[&str]) {
        let test = TestRepo::new();
        test.write("f", "1\n").write(".gitignore", "*.log\n");
        test.commit("one");
        let own = |name: &str| name.starts_with("refs/koan/");
        let before = test.open().state(&own).expect("a state");
        change(&test);
        let after = test.open().state(&own).expect("a state");
        let said: Vec<String> = before
            .changes(&after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn everything_of_the_users_is_told() {
        check(|_| {}, &[]);
        check(
            |test| fs::write(test.path().join(".git/hooks/pre-commit"), "#!").expect("a hook"),
            &["hooks/pre-commit (new)"],
        );
        check(
            |test| drop(test.git(&["config", "a.b", "c"])),
            &["config (changed)"],
        );
        check(
            |test| drop(test.git(&["branch", "x"])),
            &["refs/heads/x (new)"],
        );
        check(
            |test| drop(test.git(&["checkout", "-q", "--detach"])),
            &["HEAD (changed)"],
        );
        check(
            |test| {
                test.write("f", "2\n");
            },
            &["the checkout's f (changed)"],
        );
        check(
            |test| {
                test.write("new", "");
            },
            &["the checkout's new (changed)"],
        );
        check(
            |test| drop(test.git(&["rm", "-q", "--cached", "f"])),
            &["index (changed)"],
        );
    }

    #[test]
    fn what_is_the_guards_or_nobodys_is_not() {
        check(
            |test| drop(test.git(&["update-ref", "refs/koan/x", "HEAD"])),
            &[],
        );
        check(
            |test| {
                test.write("x.log", "");
            },
            &[],
        );
        check(|test| drop(test.git(&["status"])), &[]);
        check(|test| drop(test.git(&["pack-refs", "--all"])), &[]);
    }
}
