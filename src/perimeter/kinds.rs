//! Rules about what an entry is: not a regular text file, not written by hand.

use gix::bstr::ByteSlice as _;

use super::Objection;
use super::names::{self, GENERATED_FILES, LOCKFILES, VENDORED_FOLDERS};
use crate::change::{Change, Content, FileChange, FileMode, FileVersion};
use crate::policy::{self, Rule};

/// How much of a file is searched for the mark of a generator.
const HEAD_BYTES: usize = 2048;

/// Links, submodules, modes.
pub(super) fn entries(change: &Change) -> Vec<Objection> {
    let mut objections = Vec::new();
    for file in &change.files {
        let path = &file.path;
        let (old, new) = (mode(&file.old), mode(&file.new));
        let is_either = |mode| old == Some(mode) || new == Some(mode);
        let verb = match (old, new) {
            (None, _) => "added",
            (_, None) => "deleted",
            _ => "changed",
        };
        if is_either(FileMode::Symlink) {
            let fact = format!("the symbolic link `{path}` is {verb}");
            objections.push(Objection::file(Rule::Symlink, path, fact));
        }
        if is_either(FileMode::Gitlink) {
            let fact = format!("the submodule `{path}` is {verb}");
            objections.push(Objection::file(Rule::Submodule, path, fact));
        }
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            let fact = format!(
                "the mode of `{path}` changes from {} to {}",
                octal(old),
                octal(new)
            );
            objections.push(Objection::file(Rule::ModeChange, path, fact));
        }
    }
    objections
}

/// Bytes that cannot be read in a diff, and attributes that change what a diff shows.
pub(super) fn content(change: &Change) -> Vec<Objection> {
    let mut objections = Vec::new();
    for file in &change.files {
        let path = &file.path;
        if let Some(n_bytes) = versions(file).find_map(binary_bytes) {
            let fact = format!("`{path}` holds {n_bytes} bytes that are not UTF-8 text");
            objections.push(Objection::file(Rule::BinaryFile, path, fact));
        }
        if versions(file).any(is_lfs_pointer) {
            let fact = format!("`{path}` is a pointer to a large file");
            objections.push(Objection::file(Rule::LfsPointer, path, fact));
        }
        let name = policy::fold(path.as_bytes());
        if names::is_one_of(&name, &[".gitattributes"]) {
            let fact = format!("`{path}` holds attributes");
            objections.push(Objection::file(Rule::GitattributesChanged, path, fact));
        }
    }
    objections
}

/// Files that tools write, or other people. Lock files have a rule of their own.
pub(super) fn generated(change: &Change) -> Vec<Objection> {
    let mut objections = Vec::new();
    for file in &change.files {
        let path = &file.path;
        let name = policy::fold(path.as_bytes());
        if names::is_one_of(&name, LOCKFILES) {
            continue;
        }
        let mut parts = name.rsplit(|&byte| byte == b'/').skip(1);
        let folder = parts.find_map(|part| {
            let folders = VENDORED_FOLDERS.iter();
            folders.copied().find(|folder| folder.as_bytes() == part)
        });
        let fact = if let Some(folder) = folder {
            format!("`{path}` stands in a `{folder}` folder")
        } else if names::is_one_of(&name, GENERATED_FILES) {
            format!("`{path}` has a name that generators use")
        } else if let Some(mark) = versions(file).find_map(generator_mark) {
            format!("`{path}` says at its top that it is generated: `{mark}`")
        } else {
            continue;
        };
        objections.push(Objection::file(Rule::GeneratedOrVendored, path, fact));
    }
    objections
}

fn mode(version: &Option<FileVersion>) -> Option<FileMode> {
    version.as_ref().map(|version| version.mode)
}

fn octal(mode: FileMode) -> &'static str {
    match mode {
        FileMode::Regular => "100644",
        FileMode::Executable => "100755",
        FileMode::Symlink => "120000",
        FileMode::Gitlink => "160000",
    }
}

/// The contents, the new one first.
fn versions(file: &FileChange) -> impl Iterator<Item = &Content> {
    let versions = [&file.new, &file.old].into_iter().flatten();
    versions.map(|version| &version.content)
}

fn binary_bytes(content: &Content) -> Option<usize> {
    match content {
        Content::Binary(bytes) => Some(bytes.len()),
        _ => None,
    }
}

fn is_lfs_pointer(content: &Content) -> bool {
    let Content::Text(bytes) = content else {
        return false;
    };
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
        || bytes.starts_with(b"version https://hawser.github.com/spec/")
}

/// The mark of a generator, if it stands in the first lines.
fn generator_mark(content: &Content) -> Option<&'static str> {
    // Written in parts, or this file would be one of those that it is about.
    const MARKS: [&str; 4] = [
        concat!("@", "generated"),
        concat!("DO NOT ", "EDIT"),
        concat!("do not ", "edit"),
        concat!("Do not ", "edit"),
    ];
    let Content::Text(bytes) = content else {
        return None;
    };
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let says_generated = || {
        let text = String::from_utf8_lossy(head).to_lowercase();
        text.contains("generated")
    };
    let marks = MARKS
        .iter()
        .filter_map(|mark| Some((head.find(mark)?, *mark)))
        // A variable of Ruby may have that name.
        .filter(|(at, mark)| !head[at + mark.len()..].trim_start().starts_with(b"="));
    let (_, first) = marks.min()?;
    says_generated().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, facts};
    use super::*;

    #[track_caller]
    fn check(change: &Change, expected: &[&str]) {
        let mut found = facts(entries(change));
        found.extend(facts(content(change)));
        found.extend(facts(generated(change)));
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn check_modes(old: FileMode, new: FileMode, expected: &[&str]) {
        let mut change = change(&[("a", "1\n", "2\n")]);
        let file = &mut change.files[0];
        file.old.as_mut().expect("it is there").mode = old;
        file.new.as_mut().expect("it is there").mode = new;
        check(&change, expected);
    }

    #[test]
    fn entries_that_are_no_regular_files_are_named() {
        use FileMode::{Executable, Gitlink, Regular, Symlink};
        check_modes(Regular, Regular, &[]);
        check_modes(
            Regular,
            Executable,
            &["the mode of `a` changes from 100644 to 100755"],
        );
        check_modes(Symlink, Symlink, &["the symbolic link `a` is changed"]);
        check_modes(Gitlink, Gitlink, &["the submodule `a` is changed"]);
        check_modes(
            Regular,
            Symlink,
            &[
                "the symbolic link `a` is changed",
                "the mode of `a` changes from 100644 to 120000",
            ],
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_named_on_either_side() {
        check(
            &change(&[("a", "", "x\0y")]),
            &["`a` holds 3 bytes that are not UTF-8 text"],
        );
        check(
            &change(&[("a", "x\0y", "")]),
            &["`a` holds 3 bytes that are not UTF-8 text"],
        );
    }

    #[test]
    fn a_pointer_to_a_large_file_is_named() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        check(
            &change(&[("a", "x", pointer)]),
            &["`a` is a pointer to a large file"],
        );
    }

    #[test]
    fn attributes_are_named_in_every_spelling() {
        check(
            &change(&[("a/.gitattributes", "", "* -diff\n")]),
            &["`a/.gitattributes` holds attributes"],
        );
        check(
            &change(&[(".GitAttributes", "", "* -diff\n")]),
            &["`.GitAttributes` holds attributes"],
        );
    }

    #[test]
    fn generated_and_foreign_files_are_named() {
        check(
            &change(&[("vendor/a.go", "1", "2")]),
            &["`vendor/a.go` stands in a `vendor` folder"],
        );
        check(
            &change(&[("a/b.min.js", "1", "2")]),
            &["`a/b.min.js` has a name that generators use"],
        );
        let ruby = concat!("class A\n  @", "generated  = '1'\nend\n");
        check(&change(&[("a.rb", "class A\nend\n", ruby)]), &[]);
        let go = concat!("// Code generated by protoc. DO NOT ", "EDIT.\npackage a\n");
        check(
            &change(&[("a.go", go, "package a\n")]),
            &[concat!(
                "`a.go` says at its top that it is generated: `DO NOT ",
                "EDIT`"
            )],
        );
        check(&change(&[("src/vendor.rs", "1", "2")]), &[]);
        check(&change(&[("a.py", "# do not edit by hand\n", "2")]), &[]);
    }
}
