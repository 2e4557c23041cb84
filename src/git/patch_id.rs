//! The id of a change by what it says rather than where it stands, so that it is known again on another base: git's stable patch id.
//!
//! What `git diff-tree -p -U0 --no-renames --full-index OLD NEW | git patch-id --verbatim` prints for the same hunks (`builtin/patch-id.c`): white space
//! counts, line numbers do not, and neither does the order of files. Without context around the hunks, lines beside them may change. Where several
//! diffs say the same, git may choose another one than ours: ids are made by the guard and compared with the guard's.

use anyhow::Context as _;
use gix::hash::{Hasher, Kind, hasher};

use super::Repo;
use crate::change::{Change, Content, FileChange, FileMode, FileVersion, Hunk, Lines};

impl Repo {
    /// The patch id of a change, hexadecimal; `None` if nothing differs.
    pub fn patch_id(&self, change: &Change) -> anyhow::Result<Option<String>> {
        let mut patch = Patch::new(self.inner.object_hash());
        for file in &change.files {
            match (&file.old, &file.new) {
                // git shows another kind of file as one that goes and one that comes.
                (Some(old), Some(new)) if is_other_kind(old, new) => {
                    patch.file(&whole(file, Some(old), None))?;
                    patch.file(&whole(file, None, Some(new)))?;
                }
                _ => patch.file(file)?,
            }
        }
        if change.is_empty() {
            return Ok(None);
        }
        patch.flush()?;
        Ok(Some(hex(&patch.sum)))
    }
}

/// What git's reader of patches keeps.
struct Patch {
    kind: Kind,
    hasher: Hasher,
    /// The sum of the hashes of all files so far, as one number, its first byte the least.
    sum: Vec<u8>,
    last: Last,
}

/// What the last file's part of the patch was, by which git reads the next one's first line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing yet, or a header without lines.
    Header,
    Lines,
    Binary,
}

impl Patch {
    fn new(kind: Kind) -> Patch {
        Patch {
            kind,
            hasher: hasher(kind),
            sum: vec![0; kind.len_in_bytes()],
            last: Last::Header,
        }
    }

    fn file(&mut self, file: &FileChange) -> anyhow::Result<()> {
        let path = file.path.as_bytes();
        let (a, b) = (quoted(b"a/", path), quoted(b"b/", path));
        if self.last == Last::Lines {
            self.flush()?;
        }
        // After a binary file git takes this line for the end of it.
        if self.last != Last::Binary {
            self.line(&[b"diff --git ", &a, b" ", &b]);
        }
        self.last = Last::Header;
        match (&file.old, &file.new) {
            (None, Some(new)) => self.line(&[b"new file mode ", mode(new.mode)]),
            (Some(old), None) => self.line(&[b"deleted file mode ", mode(old.mode)]),
            (Some(old), Some(new)) if old.mode != new.mode => {
                self.line(&[b"old mode ", mode(old.mode)]);
                self.line(&[b"new mode ", mode(new.mode)]);
            }
            _ => (),
        }
        if id_of(self.kind, file.old.as_ref()) == id_of(self.kind, file.new.as_ref()) {
            return Ok(());
        }
        let (Some(old), Some(new)) = (text(file.old.as_ref()), text(file.new.as_ref())) else {
            for version in [&file.old, &file.new] {
                let id = id_of(self.kind, version.as_ref());
                self.hasher.update(id.as_bytes());
            }
            self.last = Last::Binary;
            return self.flush();
        };
        if old.is_empty() && new.is_empty() {
            return Ok(());
        }
        let name = |version: &Option<FileVersion>, name: &[u8]| match version {
            None => b"/dev/null".to_vec(),
            // git ends a name that has a blank in it with a tab.
            Some(_) if name.contains(&b' ') => [name, b"\t"].concat(),
            Some(_) => name.to_vec(),
        };
        self.line(&[b"--- ", &name(&file.old, &a)]);
        self.line(&[b"+++ ", &name(&file.new, &b)]);
        let whole = [Hunk {
            old: all(&old),
            new: all(&new),
        }];
        let mut versions = [&file.old, &file.new].into_iter().flatten();
        let is_submodule = versions.any(|version| version.mode == FileMode::Gitlink);
        let hunks = if is_submodule {
            &whole[..]
        } else {
            &file.hunks
        };
        for hunk in hunks {
            self.lines(b"-", &old, &hunk.old);
            self.lines(b"+", &new, &hunk.new);
        }
        self.last = Last::Lines;
        Ok(())
    }

    fn lines(&mut self, sign: &[u8], text: &[u8], lines: &Lines) {
        let bytes = text.get(lines.bytes.clone()).unwrap_or_default();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.hasher.update(sign);
            self.hasher.update(line);
            if !line.ends_with(b"\n") {
                self.hasher.update(b"\n\\ No newline at end of file\n");
            }
        }
    }

    fn line(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.hasher.update(part);
        }
        self.hasher.update(b"\n");
    }

    /// Adds the hash of what was read to the sum, and starts anew.
    fn flush(&mut self) -> anyhow::Result<()> {
        let hasher = std::mem::replace(&mut self.hasher, hasher(self.kind));
        let hash = hasher.try_finalize().context("hash a patch")?;
        let mut carry = 0;
        for (sum, byte) in self.sum.iter_mut().zip(hash.as_bytes()) {
            let total = u16::from(*sum) + u16::from(*byte) + carry;
            [*sum, _] = total.to_le_bytes();
            carry = total >> 8;
        }
        Ok(())
    }
}

/// The same path, but only one of its versions.
fn whole(file: &FileChange, old: Option<&FileVersion>, new: Option<&FileVersion>) -> FileChange {
    let (old, new) = (old.cloned(), new.cloned());
    let lines_of = |version: &Option<FileVersion>| text(version.as_ref()).map(|text| all(&text));
    let hunks = match (lines_of(&old), lines_of(&new)) {
        (Some(old), Some(new)) => vec![Hunk { old, new }],
        _ => Vec::new(),
    };
    FileChange {
        path: file.path.clone(),
        old,
        new,
        hunks,
    }
}

fn is_other_kind(old: &FileVersion, new: &FileVersion) -> bool {
    let kind = |mode| match mode {
        FileMode::Regular | FileMode::Executable => 0,
        FileMode::Symlink => 1,
        FileMode::Gitlink => 2,
    };
    kind(old.mode) != kind(new.mode)
}

fn all(text: &[u8]) -> Lines {
    Lines {
        start: 1,
        n_lines: text.split_inclusive(|&byte| byte == b'\n').count(),
        bytes: 0..text.len(),
    }
}

/// What a diff has of a version: nothing of one that is not there, a line for a submodule; `None` where it has no lines.
fn text(version: Option<&FileVersion>) -> Option<Vec<u8>> {
    let Some(version) = version else {
        return Some(Vec::new());
    };
    match &version.content {
        Content::Text(bytes) => Some(bytes.clone()),
        Content::None => Some(format!("Subproject commit {}\n", version.id).into_bytes()),
        Content::Binary(_) | Content::TooLarge { .. } => None,
    }
}

fn id_of(kind: Kind, version: Option<&FileVersion>) -> String {
    let id = version.map(|version| version.id);
    id.unwrap_or_else(|| kind.null()).to_string()
}

fn mode(mode: FileMode) -> &'static [u8] {
    match mode {
        FileMode::Regular => b"100644",
        FileMode::Executable => b"100755",
        FileMode::Symlink => b"120000",
        FileMode::Gitlink => b"160000",
    }
}

/// A path as a diff names it: between quotes, with escapes, where it has bytes that are not plain.
fn quoted(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| (b' '..0x7f).contains(byte) && !b"\"\\".contains(byte);
    if path.iter().all(is_plain) {
        return [prefix, path].concat();
    }
    let mut quoted = [b"\"", prefix].concat();
    for byte in path {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            0x07 => quoted.extend(b"\\a"),
            0x08 => quoted.extend(b"\\b"),
            b'\t' => quoted.extend(b"\\t"),
            b'\n' => quoted.extend(b"\\n"),
            0x0b => quoted.extend(b"\\v"),
            0x0c => quoted.extend(b"\\f"),
            b'\r' => quoted.extend(b"\\r"),
            byte if is_plain(byte) => quoted.push(*byte),
            byte => quoted.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::super::testing::TestRepo;

    const DIFF: [&str; 7] = [
        "diff-tree",
        "-p",
        "-U0",
        "--no-renames",
        "--full-index",
        "--histogram",
        "--no-indent-heuristic",
    ];

    fn ours(repo: &TestRepo, old: &str, new: &str) -> Option<String> {
        let tree = |spec: &str| repo.id(&format!("{spec}^{{tree}}"));
        let open = repo.open();
        let change = open.diff(tree(old), tree(new)).expect("diff");
        open.patch_id(&change).expect("patch id")
    }

    fn gits(repo: &TestRepo, old: &str, new: &str) -> Option<String> {
        let mut command = repo.command(repo.path());
        let diff = command.args(DIFF).args([old, new]).output().expect("git");
        let file = repo.home().join("patch");
        fs::write(&file, diff.stdout).expect("write");
        let mut command = repo.command(repo.path());
        command.args(["patch-id", "--verbatim"]);
        let patch = fs::File::open(file).expect("open");
        let output = command.stdin(patch).output().expect("git");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.split_whitespace().next().map(str::to_owned)
    }

    /// Commits what `change` makes of a tree of all kinds of files, and compares with git.
    #[track_caller]
    fn check(options: &[&str], change: impl Fn(&TestRepo)) {
        let repo = TestRepo::init(options);
        let lines: String = (0..60).map(|n| format!("line {n}\n")).collect();
        repo.write("a.txt", &lines)
            .write("b c.txt", "one\ntwo\n")
            .write("d/ü\"e.txt", "x\n")
            .write("bin", b"\0one")
            .write("bin2", b"\0two")
            .write("end", "no line feed")
            .write("empty", "");
        symlink("a.txt", repo.path().join("link")).expect("link");
        repo.commit("before");
        change(&repo);
        repo.commit("after");
        let gits = gits(&repo, "HEAD~1", "HEAD");
        assert_eq!(ours(&repo, "HEAD~1", "HEAD"), gits);
        // What goes back is another patch.
        let back = ours(&repo, "HEAD", "HEAD~1");
        assert_eq!(back, self::gits(&repo, "HEAD", "HEAD~1"));
        assert!(back.is_none() || back != gits);
    }

    fn edited(from: usize, to: &str) -> String {
        let line = |n: usize| match n {
            n if n == from => format!("{to}\n"),
            n => format!("line {n}\n"),
        };
        (0..60).map(line).collect()
    }

    #[test]
    fn it_is_gits() {
        check(&[], |_| ());
        check(&[], |repo| {
            repo.write("a.txt", edited(30, "another"));
        });
        check(&[], |repo| {
            repo.write("a.txt", edited(3, "another\n  with a blank"))
                .write("b c.txt", "one\n")
                .write("d/ü\"e.txt", "y\n")
                .write("new", "1\n2\n");
        });
        check(&[], |repo| {
            repo.write("end", "no line feed here either")
                .write("b c.txt", "one\ntwo\nthree");
        });
        check(&[], |repo| {
            repo.write("bin", b"\0other")
                .write("bin2", b"\0another")
                .write("end", "x\n");
        });
        check(&[], |repo| {
            for name in ["a.txt", "bin", "empty", "d/ü\"e.txt"] {
                fs::remove_file(repo.path().join(name)).expect("remove");
            }
            repo.write("also empty", "").write("z", "z\n");
        });
        check(&[], |repo| {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(repo.path().join("a.txt"), mode).expect("mode");
            repo.write("empty", "no longer\n");
        });
        check(&[], |repo| {
            fs::remove_file(repo.path().join("link")).expect("remove");
            symlink("end", repo.path().join("link")).expect("link");
        });
        check(&[], |repo| {
            fs::remove_file(repo.path().join("link")).expect("remove");
            repo.write("link", "a file now\n");
        });
        check(&["--object-format=sha256"], |repo| {
            repo.write("a.txt", edited(30, "another"))
                .write("b c.txt", "");
        });
    }

    #[test]
    fn a_submodule_has_a_line() {
        let repo = TestRepo::new();
        repo.write("a", "1\n").commit("one");
        let first = repo.id("HEAD").to_string();
        for (n, id) in [&first, &"1".repeat(40)].iter().enumerate() {
            let entry = format!("160000,{id},sub");
            repo.git(&["update-index", "--add", "--cacheinfo", &entry]);
            repo.git(&["commit", "-q", "-m", &n.to_string()]);
            assert_eq!(ours(&repo, "HEAD~1", "HEAD"), gits(&repo, "HEAD~1", "HEAD"));
        }
    }

    #[test]
    fn it_is_the_same_on_another_base() {
        let repo = TestRepo::new();
        repo.write("a", edited(60, "")).commit("one");
        repo.git(&["switch", "-q", "-c", "side"]);
        repo.write("a", edited(30, "fixed")).commit("fix");
        repo.git(&["switch", "-q", "main"]);
        repo.write("a", format!("above\n{}", edited(60, "")))
            .write("b", "x")
            .commit("moved on");
        repo.git(&["cherry-pick", "side"]);
        let id = ours(&repo, "side~1", "side");
        assert!(id.is_some());
        assert_eq!(ours(&repo, "main~1", "main"), id);
        repo.write("a", format!("above\n{}", edited(30, " fixed")))
            .git(&["add", "a"]);
        repo.git(&["commit", "-q", "--amend", "-m", "with white space"]);
        assert_ne!(ours(&repo, "main~1", "main"), id);
    }
}
