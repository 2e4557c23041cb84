//! What stands in a folder as git would see it, and what has become of it since: files, links, modes and what is ignored, all of it data.
//!
//! No link is followed, nothing below any `.git` is looked at, and no program is started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gix::bstr::ByteSlice as _;
use gix::glob::pattern::Case;
use gix::ignore::Search;
use gix::ignore::search::Ignore;

use super::tree::check_name;
use super::{Blob, Edit, Repo};
use crate::change::{FileMode, RepoPath};

/// Every file that counts, with what the system says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents(BTreeMap<RepoPath, Stamp>);

/// A file that was written to has another one: nobody but root sets the time of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    mode: u32,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// What cannot be read in it is made readable, and what no commit can hold is told.
    Guards,
    /// Nothing in it is touched, and what cannot be read is nobody's business.
    Users,
}

/// Why what stands in a folder cannot be a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(pub String);

/// More files than these are no fix.
const MAX_ENTRIES: usize = 1_000_000;
const MAX_CHANGED: usize = 10_000;
const MAX_FILE: u64 = 32 << 20;
const MAX_BYTES: u64 = 128 << 20;
const MAX_DEPTH: usize = 200;
/// Of a `.gitignore`.
const MAX_IGNORE: u64 = 1 << 20;

/// What stands in `folder`: those of `tracked` that are there, and whatever else is not ignored by the `.gitignore`s that stand there too.
///
/// # Errors
/// The folder cannot be read; or, as the inner error, something in it can be in no commit.
pub fn contents(
    folder: &Path,
    tracked: &BTreeSet<RepoPath>,
    whose: Whose,
) -> anyhow::Result<Result<Contents, Unfit>> {
    let mut walk = Walk {
        top: folder,
        tracked,
        whose,
        ignore: Vec::new(),
        found: BTreeMap::new(),
        n_entries: 0,
        unfit: None,
    };
    let mut folders = BTreeMap::new();
    for path in tracked {
        if is_below_folders(folder, path, whose, &mut folders)?
            && let Some(data) = look(&folder.join(path.as_path()))?
            && !data.is_dir()
        {
            walk.found.insert(path.clone(), Stamp::of(&data));
        }
    }
    walk.folder(Path::new(""), 0)
        .with_context(|| format!("list `{}`", folder.display()))?;
    Ok(match walk.unfit {
        Some(unfit) => Err(unfit),
        None => Ok(Contents(walk.found)),
    })
}

impl Contents {
    /// The paths that are not the same in both, sorted.
    pub fn differences<'a>(&'a self, later: &'a Contents) -> BTreeSet<&'a RepoPath> {
        let all = self.0.keys().chain(later.0.keys());
        all.filter(|path| self.0.get(*path) != later.0.get(*path))
            .collect()
    }
}

/// What makes of a tree of these `tracked` files what has become of it in `folder`, where it was laid out and then was as `before` says.
///
/// # Errors
/// As of [`contents`].
pub fn edits(
    folder: &Path,
    tracked: &BTreeSet<RepoPath>,
    before: &Contents,
    leave_out: &dyn Fn(&RepoPath) -> bool,
) -> anyhow::Result<Result<Vec<Edit>, Unfit>> {
    let after = match contents(folder, tracked, Whose::Guards)? {
        Ok(after) => after,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let (mut removed, mut put) = (Vec::new(), Vec::new());
    let mut n_bytes = 0;
    for path in before.differences(&after) {
        let is_tracked = tracked.contains(path);
        if !is_tracked && leave_out(path) {
            continue;
        }
        if removed.len() + put.len() == MAX_CHANGED {
            let why = format!("more than {MAX_CHANGED} files are not as they were");
            return Ok(Err(Unfit(why)));
        }
        match after.0.get(path) {
            None if is_tracked => removed.push(Edit::Remove { path: path.clone() }),
            None => {}
            Some(stamp) => {
                n_bytes += stamp.size;
                if stamp.size > MAX_FILE || n_bytes > MAX_BYTES {
                    let why = format!("`{path}`: more than {} MiB are new", MAX_FILE >> 20);
                    return Ok(Err(Unfit(why)));
                }
                put.push(read(folder, path)?);
            }
        }
    }
    // A file may stand where a folder was.
    removed.extend(put);
    Ok(Ok(removed))
}

/// Whether the `.gitignore` of `folder` leaves out a file at its top.
pub fn ignores(folder: &Path, path: &RepoPath) -> anyhow::Result<bool> {
    let search = patterns(folder, Path::new(""), Whose::Users)?;
    let found = search.pattern_matching_relative_path(path.as_bstr(), Some(false), Case::Sensitive);
    Ok(found.is_some_and(|found| !found.pattern.is_negative()))
}

impl Repo {
    /// The paths of all files of a tree; what is only the name of another repository's commit is none.
    pub fn paths(&self, tree_id: gix::ObjectId) -> anyhow::Result<BTreeSet<RepoPath>> {
        let files = self.files(tree_id)?.into_iter();
        let files = files.filter(|file| file.mode != FileMode::Gitlink);
        Ok(files.map(|file| file.path).collect())
    }
}

struct Walk<'a> {
    top: &'a Path,
    tracked: &'a BTreeSet<RepoPath>,
    whose: Whose,
    /// Of each folder on the way down.
    ignore: Vec<Search>,
    found: BTreeMap<RepoPath, Stamp>,
    n_entries: usize,
    unfit: Option<Unfit>,
}

impl Walk<'_> {
    fn folder(&mut self, place: &Path, depth: usize) -> anyhow::Result<()> {
        let folder = self.top.join(place);
        if depth > MAX_DEPTH {
            self.unfit(format!("folders are deeper than {MAX_DEPTH}"));
            return Ok(());
        }
        if self.whose == Whose::Guards {
            open_up(&folder)?;
        }
        let entries = match fs::read_dir(&folder) {
            Err(_) if self.whose == Whose::Users => return Ok(()),
            other => other?,
        };
        self.ignore.push(patterns(self.top, place, self.whose)?);
        for entry in entries {
            let entry = entry?;
            let place = place.join(entry.file_name());
            let path = RepoPath::new(place.as_os_str().as_bytes());
            self.n_entries += 1;
            if self.n_entries > MAX_ENTRIES {
                self.unfit(format!("there are more than {MAX_ENTRIES} files"));
            }
            if self.unfit.is_some() {
                break;
            }
            if entry.file_name() == ".git" || self.found.contains_key(&path) {
                continue;
            }
            // Somebody may be at work in a checkout.
            let Some(data) = look(&entry.path())? else {
                continue;
            };
            let kind = data.file_type();
            let counts = kind.is_dir() || kind.is_file() || kind.is_symlink();
            if !counts || self.is_ignored(&path, data.is_dir()) {
                continue;
            }
            let name = check_name(entry.file_name().as_bytes().as_bstr());
            if let (Err(error), Whose::Guards) = (name, self.whose) {
                self.unfit(format!("{error:#}"));
            } else if data.is_dir() {
                self.folder(&place, depth + 1)?;
            } else if !self.tracked.contains(&path) {
                self.found.insert(path, Stamp::of(&data));
            }
        }
        self.ignore.pop();
        Ok(())
    }

    /// Of several patterns the one of the nearest folder counts.
    fn is_ignored(&self, path: &RepoPath, is_dir: bool) -> bool {
        let matches = self.ignore.iter().rev().find_map(|search| {
            let path = path.as_bstr();
            search.pattern_matching_relative_path(path, Some(is_dir), Case::Sensitive)
        });
        matches.is_some_and(|found| !found.pattern.is_negative())
    }

    /// The first reason stays.
    fn unfit(&mut self, why: String) {
        self.unfit.get_or_insert(Unfit(why));
    }
}

impl Stamp {
    fn of(data: &Metadata) -> Stamp {
        Stamp {
            inode: data.ino(),
            size: data.size(),
            changed: (data.ctime(), data.ctime_nsec()),
            mode: data.mode(),
        }
    }
}

/// Whether all that a path goes through are folders, and no links.
fn is_below_folders(
    top: &Path,
    path: &RepoPath,
    whose: Whose,
    known: &mut BTreeMap<PathBuf, bool>,
) -> anyhow::Result<bool> {
    let mut folder = path.as_path().parent();
    let mut places = Vec::new();
    while let Some(place) = folder.filter(|place| !place.as_os_str().is_empty()) {
        places.push(place);
        folder = place.parent();
    }
    for place in places.into_iter().rev() {
        let is_folder = match known.get(place) {
            Some(&is_folder) => is_folder,
            None => {
                let data = look(&top.join(place))?;
                let is_folder = data.is_some_and(|data| data.is_dir());
                if is_folder && whose == Whose::Guards {
                    open_up(&top.join(place))?;
                }
                known.insert(place.to_owned(), is_folder);
                is_folder
            }
        };
        if !is_folder {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `None` where nothing is, or something that is no folder stands in the way.
fn look(path: &Path) -> anyhow::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(data) => Ok(Some(data)),
        Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(err) => Err(err).with_context(|| format!("look at `{}`", path.display())),
    }
}

/// A folder whose owner may not list it.
fn open_up(folder: &Path) -> anyhow::Result<()> {
    let mode = fs::symlink_metadata(folder)?.mode();
    if mode & 0o500 != 0o500 {
        let permissions = Permissions::from_mode(mode & 0o7777 | 0o700);
        fs::set_permissions(folder, permissions)
            .with_context(|| format!("open the folder `{}`", folder.display()))?;
    }
    Ok(())
}

fn patterns(top: &Path, place: &Path, whose: Whose) -> anyhow::Result<Search> {
    let mut search = Search::default();
    let path = top.join(place).join(".gitignore");
    let bytes = match read_file(&path, MAX_IGNORE, whose) {
        Err(_) if whose == Whose::Users => None,
        other => other?,
    };
    if let Some(bytes) = bytes {
        search.add_patterns_buffer(&bytes, path, Some(top), Ignore::default())?;
    }
    Ok(search)
}

/// The bytes of a file that is nothing else and no larger than `most`; `None` where there is no such file.
fn read_file(path: &Path, most: u64, whose: Whose) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(data) = look(path)?.filter(|data| data.is_file() && data.len() <= most) else {
        return Ok(None);
    };
    if data.mode() & 0o400 == 0 && whose == Whose::Guards {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).context("flags of a file")?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match file {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("open `{}`", path.display()))?,
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= most))
}

fn read(folder: &Path, path: &RepoPath) -> anyhow::Result<Edit> {
    let at = folder.join(path.as_path());
    let data = fs::symlink_metadata(&at).with_context(|| format!("look at `{path}`"))?;
    let (mode, bytes) = if data.is_symlink() {
        let to = fs::read_link(&at).with_context(|| format!("read `{path}`"))?;
        (FileMode::Symlink, to.as_os_str().as_bytes().to_vec())
    } else {
        let mode = match data.mode() & 0o100 {
            0 => FileMode::Regular,
            _ => FileMode::Executable,
        };
        let bytes = read_file(&at, MAX_FILE, Whose::Guards)?;
        (mode, bytes.with_context(|| format!("read `{path}`"))?)
    };
    ensure!(!data.is_dir(), "`{path}` is a folder");
    Ok(Edit::Put {
        path: path.clone(),
        mode,
        content: Blob::Bytes(bytes),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::testing::TestRepo;
    use super::*;

    /// A laid out tree, edited by `work`: the tree that comes of it beside the one that git makes of the same folder.
    #[track_caller]
    fn check(work: impl Fn(&Path)) {
        let test = TestRepo::new();
        test.write("a/b/c", "deep\n")
            .write("a/d", "near\n")
            .write(".gitignore", "*.log\n/target/\n!keep.log\n")
            .write("old.log", "tracked\n")
            .write("z", "last\n");
        test.git(&["add", "--force", "."]);
        test.git(&["commit", "--quiet", "-m", "start"]);
        let (repo, tree_id) = (test.open(), test.id("HEAD^{tree}"));
        let room = tempfile::tempdir().expect("a folder");
        repo.export(tree_id, room.path()).expect("laid out");
        let tracked = repo.paths(tree_id).expect("paths");
        let before = contents(room.path(), &tracked, Whose::Guards)
            .expect("read")
            .expect("fit");
        work(room.path());
        work(test.path());
        let edits = edits(room.path(), &tracked, &before, &|_| false);
        let edits = edits.expect("read").expect("fit");
        let edited = repo.edit_tree(tree_id, edits).expect("a tree");
        test.git(&["add", "--all"]);
        assert_eq!(edited.to_string(), test.git(&["write-tree"]));
    }

    fn put(folder: &Path, path: &str, text: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    #[test]
    fn nothing_done_is_the_same_tree() {
        check(|_| {});
        check(|folder| put(folder, "z", "last\n"));
    }

    #[test]
    fn files_come_change_and_go_as_git_sees_them() {
        check(|folder| {
            put(folder, "new/file", "new\n");
            put(folder, "z", "LAST\n");
            put(folder, "old.log", "still tracked\n");
            fs::remove_file(folder.join("a/d")).expect("removed");
        });
    }

    #[test]
    fn what_is_ignored_is_left_out() {
        check(|folder| {
            put(folder, "x.log", "");
            put(folder, "keep.log", "");
            put(folder, "target/debug/x", "");
            put(folder, "a/target/x", "");
            put(folder, "cache/.gitignore", "*\n");
            put(folder, "cache/x", "");
        });
    }

    #[test]
    fn a_file_at_the_top_may_be_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_ignored =
            |path: &str| ignores(folder.path(), &RepoPath::from(path)).expect("an answer");
        assert!(!is_ignored(".koan-guard.yaml"));
        put(folder.path(), ".gitignore", "/*\n!/lib\n!README*\n");
        assert!(is_ignored(".koan-guard.yaml"));
        assert!(!is_ignored("README.md"));
    }

    #[test]
    fn a_folder_becomes_a_file_and_a_file_a_folder() {
        check(|folder| {
            fs::remove_dir_all(folder.join("a")).expect("removed");
            put(folder, "a", "a file\n");
            fs::remove_file(folder.join("z")).expect("removed");
            put(folder, "z/y", "below\n");
        });
    }

    #[test]
    fn links_and_modes_are_data() {
        check(|folder| {
            symlink("/etc/passwd", folder.join("link")).expect("a link");
            fs::set_permissions(folder.join("z"), Permissions::from_mode(0o755)).expect("a mode");
        });
        check(|folder| {
            // Nothing is read through it.
            fs::remove_dir_all(folder.join("a")).expect("removed");
            symlink("/etc", folder.join("a")).expect("a link");
        });
    }

    #[test]
    fn neither_a_git_folder_nor_a_pipe_counts() {
        let room = tempfile::tempdir().expect("a folder");
        put(room.path(), ".git/hooks/x", "");
        put(room.path(), "sub/.git/config", "");
        put(room.path(), "sub/file", "");
        let pipe = room.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, mode, 0)
            .expect("a pipe");
        let found = contents(room.path(), &BTreeSet::new(), Whose::Guards).expect("read");
        let found = found.expect("fit");
        let paths: Vec<String> = found.0.keys().map(ToString::to_string).collect();
        assert_eq!(paths, ["sub/file"]);
    }

    #[test]
    fn a_closed_folder_is_opened_and_a_name_that_is_none_is_said() {
        let room = tempfile::tempdir().expect("a folder");
        put(room.path(), "shut/file", "x");
        let shut = room.path().join("shut");
        fs::set_permissions(&shut, Permissions::from_mode(0o000)).expect("a mode");
        let none = BTreeSet::new();
        let found = contents(room.path(), &none, Whose::Guards)
            .expect("read")
            .expect("fit");
        assert_eq!(found.0.len(), 1);
        put(room.path(), ".GIT/config", "");
        let Unfit(why) = contents(room.path(), &none, Whose::Guards)
            .expect("read")
            .expect_err("no");
        assert!(why.contains(".GIT"), "{why}");
    }

    #[test]
    fn too_much_is_said_and_not_read() {
        let room = tempfile::tempdir().expect("a folder");
        let none = BTreeSet::new();
        let before = Contents::default();
        let big = fs::File::create(room.path().join("big")).expect("a file");
        big.set_len(MAX_FILE + 1).expect("a hole");
        let unfit = edits(room.path(), &none, &before, &|_| false).expect("read");
        assert!(unfit.expect_err("too big").0.contains("MiB are new"));
    }
}
