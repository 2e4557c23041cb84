//! Rules about where a change is, and under what names.

use std::collections::{BTreeMap, BTreeSet};

use gix::bstr::{BStr, ByteSlice as _};
use gix::validate::path::component;

use super::text::is_invisible;
use super::{Judged, Objection};
use crate::change::{Change, FileMode, RepoPath};
use crate::policy::{FileKind, Hit, PathSet, Rule, fold};

pub(super) fn protected(files: &[Judged], protect: &PathSet) -> Vec<Objection> {
    let files = files.iter().filter(|file| file.kind == FileKind::Protected);
    files
        .map(|Judged { file, .. }| {
            let path = &file.path;
            let fact = match protect.hit(path) {
                Some(Hit::Glob(glob)) => format!("`{path}` matches protected `{glob}`"),
                Some(Hit::BuiltIn(entry)) => {
                    format!("`{path}` matches `{entry}`, which is always protected")
                }
                None => format!("`{path}` is protected"),
            };
            Objection::file(Rule::PathProtected, path, fact)
        })
        .collect()
}

pub(super) fn not_allowed(files: &[Judged], allow: &PathSet) -> Vec<Objection> {
    let files = files.iter().filter(|Judged { file, kind }| {
        // What is protected is refused already.
        *kind != FileKind::Protected && !allow.is_match(&file.path)
    });
    files
        .map(|Judged { file, .. }| {
            let path = &file.path;
            let fact = format!("`{path}` matches none of `{}`", allow.globs.join("`, `"));
            Objection::file(Rule::PathNotAllowed, path, fact)
        })
        .collect()
}

/// Names that some file system or some reader takes for others.
pub(super) fn encoding(change: &Change) -> Vec<Objection> {
    let files = change.files.iter().filter_map(|file| {
        let new = file.new.as_ref()?;
        let why = encoding_fault(&file.path, new.mode == FileMode::Symlink)?;
        let fact = format!("`{}` {why}", file.path);
        Some(Objection::file(Rule::PathEncoding, &file.path, fact))
    });
    files.collect()
}

/// Two paths that are one on a file system that folds: among the changed paths, and between an added one and its neighbours.
pub(super) fn case_collisions(change: &Change, neighbours: Option<&[RepoPath]>) -> Vec<Objection> {
    let added: Vec<&RepoPath> = change
        .files
        .iter()
        .filter(|file| file.is_added())
        .map(|file| &file.path)
        .collect();
    if added.is_empty() {
        return Vec::new();
    }
    let deleted: BTreeSet<&RepoPath> = change
        .files
        .iter()
        .filter(|file| file.is_deleted())
        .map(|file| &file.path)
        .collect();
    let changed = change.files.iter().map(|file| &file.path);
    let others = changed.chain(neighbours.unwrap_or(&[]));
    let names = added_names(change);
    let mut by_fold: BTreeMap<Vec<u8>, BTreeSet<RepoPath>> = BTreeMap::new();
    for path in others.filter(|path| !deleted.contains(path)) {
        for path in with_folders(path) {
            let folded = fold(path.as_bytes());
            if names.contains(&*folded) {
                by_fold.entry(folded.into_owned()).or_default().insert(path);
            }
        }
    }
    let mut objections = Vec::new();
    for path in added {
        let twin = with_folders(path).into_iter().find_map(|part| {
            let alike = by_fold.get(&*fold(part.as_bytes()))?;
            let twin = alike.iter().find(|other| **other != part)?;
            Some(twin.clone())
        });
        if let Some(twin) = twin {
            let fact =
                format!("`{path}` and `{twin}` are one file where case or form does not count");
            objections.push(Objection::file(Rule::PathCaseCollision, path, fact));
        }
    }
    objections
}

/// The folders of the judged tree whose entries [`Candidate::neighbours`](super::Candidate::neighbours) should hold: those on the way to an
/// added file, the top (an empty path) included. None if no file is added.
pub fn folders_to_list(change: &Change) -> BTreeSet<RepoPath> {
    let added = change.files.iter().filter(|file| file.is_added());
    let mut folders = BTreeSet::new();
    for file in added {
        let mut folder = file.path.folder();
        while folders.insert(folder.clone()) && !folder.as_bytes().is_empty() {
            folder = folder.folder();
        }
    }
    folders
}

/// The folded forms of every added path and of the folders on the way to it: what any other path could collide with.
pub fn added_names(change: &Change) -> BTreeSet<Vec<u8>> {
    let added = change.files.iter().filter(|file| file.is_added());
    let paths = added.flat_map(|file| with_folders(&file.path));
    paths
        .map(|path| fold(path.as_bytes()).into_owned())
        .collect()
}

/// The path and every folder that it stands in.
fn with_folders(path: &RepoPath) -> Vec<RepoPath> {
    let mut paths = vec![path.clone()];
    let mut folder = path.folder();
    while !folder.as_bytes().is_empty() {
        let next = folder.folder();
        paths.push(folder);
        folder = next;
    }
    paths
}

/// What is wrong with a path, as the end of a sentence that begins with it.
fn encoding_fault(path: &RepoPath, is_symlink: bool) -> Option<String> {
    let Some(text) = path.to_str() else {
        return Some("is not UTF-8".into());
    };
    if let Some(c) = text.chars().find(|&c| c.is_control() || is_invisible(c)) {
        return Some(format!("holds U+{:04X}, which is not seen", u32::from(c)));
    }
    let parts: Vec<&str> = text.split('/').collect();
    for (n, part) in parts.iter().enumerate() {
        let is_link = is_symlink && n + 1 == parts.len();
        if let Some(fault) = part_fault(part, is_link) {
            return Some(fault);
        }
    }
    None
}

fn part_fault(part: &str, is_symlink: bool) -> Option<String> {
    let mode = is_symlink.then_some(component::Mode::Symlink);
    let judge = |part: &str| {
        gix::validate::path::component(BStr::new(part), mode, component::Options::default()).err()
    };
    let folded = fold(part.as_bytes());
    let error = judge(part).or_else(|| judge(folded.to_str().ok()?))?;
    Some(match error {
        component::Error::DotGitDir => {
            format!("has a part that is `.git` to some file system: `{part}`")
        }
        component::Error::WindowsReservedName => {
            format!("has a part that is a device on Windows: `{part}`")
        }
        component::Error::WindowsIllegalCharacter if part.ends_with(['.', ' ']) => {
            format!("has a part with a dot or a space at its end: `{part}`")
        }
        error => format!("has a part that some file system cannot hold: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts};
    use super::*;

    #[track_caller]
    fn check_fault(path: &str, expected: Option<&str>) {
        let fault = encoding_fault(&RepoPath::from(path), false);
        match expected {
            None => assert_eq!(fault, None, "{path:?}"),
            Some(expected) => {
                let fault = fault.unwrap_or_default();
                assert!(fault.contains(expected), "{path:?}: {fault}");
            }
        }
    }

    #[test]
    fn plain_names_have_no_fault() {
        for path in [
            "src/total.py",
            "src/größe.py",
            ".github/x",
            ".gitignore",
            "a b/c-d_e.f",
            "git",
            "src/[id].ts",
            "common.rs",
            "日本.md",
        ] {
            check_fault(path, None);
        }
    }

    #[test]
    fn what_is_not_seen_is_a_fault() {
        check_fault("a\nb", Some("U+000A"));
        check_fault("a\u{1b}[2Jb", Some("U+001B"));
        check_fault("a\u{202e}b", Some("U+202E"));
        check_fault("a\u{200b}b", Some("U+200B"));
        check_fault("a\u{fe0f}", Some("U+FE0F"));
        let path = RepoPath::new(&b"a\xff"[..]);
        assert_eq!(
            encoding_fault(&path, false).as_deref(),
            Some("is not UTF-8")
        );
    }

    #[test]
    fn a_part_that_is_git_somewhere_is_a_fault() {
        for path in [
            ".git/config",
            "a/.GIT/x",
            "GIT~1/x",
            "git~1",
            ".git./x",
            ".git /x",
            ".git::$INDEX_ALLOCATION/x",
            ".git:x",
            "．ｇｉｔ/x",
        ] {
            check_fault(path, Some("`.git`"));
        }
    }

    #[test]
    fn names_that_other_systems_change_or_refuse_are_faults() {
        check_fault("a./b", Some("a dot or a space"));
        check_fault("a /b", Some("a dot or a space"));
        check_fault("a/nul", Some("a device"));
        check_fault("a/COM1.txt", Some("a device"));
        check_fault("a\\b", Some("some file system"));
        check_fault("c:/x", Some("some file system"));
        check_fault("a::$DATA", Some("some file system"));
        check_fault("../x", Some("some file system"));
        check_fault("a//b", Some("some file system"));
    }

    #[test]
    fn a_link_in_the_place_of_submodule_settings_is_a_fault() {
        assert!(encoding_fault(&RepoPath::from(".gitmodules"), true).is_some());
        assert!(encoding_fault(&RepoPath::from("GITMOD~1"), true).is_some());
        check_fault(".gitmodules", None);
    }

    #[track_caller]
    fn check_collision(files: &[(&str, &str, &str)], neighbours: &[&str], expected: &[&str]) {
        let neighbours: Vec<_> = neighbours
            .iter()
            .map(|path| RepoPath::from(*path))
            .collect();
        let change = change(files);
        assert_eq!(facts(case_collisions(&change, Some(&neighbours))), expected);
    }

    #[test]
    fn an_added_path_meets_another_by_case_or_form() {
        check_collision(
            &[("src/Total.py", "", "x")],
            &["src", "src/total.py"],
            &["`src/Total.py` and `src/total.py` are one file where case or form does not count"],
        );
        check_collision(
            &[("SRC/a.py", "", "x")],
            &["SRC", "src", "SRC/a.py"],
            &["`SRC/a.py` and `src` are one file where case or form does not count"],
        );
        check_collision(
            &[("a/cafe\u{301}", "", "x"), ("a/café", "", "x")],
            &[],
            &[
                "`a/cafe\u{301}` and `a/café` are one file where case or form does not count",
                "`a/café` and `a/cafe\u{301}` are one file where case or form does not count",
            ],
        );
    }

    #[test]
    fn a_rename_that_changes_case_only_meets_nobody() {
        check_collision(&[("A.py", "", "x"), ("a.py", "x", "")], &["A.py"], &[]);
        check_collision(&[("a.py", "x", "y")], &["A.py"], &[]);
        check_collision(
            &[("src/b.py", "", "x")],
            &["src", "src/a.py", "src/b.py"],
            &[],
        );
    }

    #[test]
    fn the_folders_on_the_way_to_an_added_file_are_asked_for() {
        let folders = |files: &[(&str, &str, &str)]| -> Vec<String> {
            let folders = folders_to_list(&change(files));
            folders.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            folders(&[("a/b/c", "", "x"), ("a/d", "", "x")]),
            ["", "a", "a/b"]
        );
        assert_eq!(folders(&[("a/b/c", "x", "y")]), [""; 0]);
    }

    #[test]
    fn a_fault_counts_in_what_comes_and_not_in_what_goes() {
        let mut change = change(&[
            ("a\u{202e}.py", "", "x\n"),
            ("b\u{202e}.py", "x\n", ""),
            (".gitmodules", "x\n", "y\n"),
            ("c.py", "x\n", "y\n"),
        ]);
        let paths = |change: &Change| -> Vec<String> {
            let objections = encoding(change).into_iter();
            let paths = objections.filter_map(|found| found.location);
            paths.map(|location| location.path.to_string()).collect()
        };
        assert_eq!(paths(&change).len(), 1);
        // As a link, git's own files lead elsewhere.
        if let Some(new) = &mut change.files[2].new {
            new.mode = FileMode::Symlink;
        }
        assert_eq!(paths(&change).len(), 2);
    }
}
