//! Every hunk earns its place: without it, some new test is red again.
//!
//! What nobody can miss is exempt: comments, blank lines, texts for readers. Up to [`ONE_BY_ONE`] hunks are left out one by one, more of
//! them by halves: what can go together with nothing turning red is needed by no test.

use gix::ObjectId;

use super::Gap;
use super::echo::comment_mark;
use super::lexer::{self, Language};
use super::split::Split;
use crate::change::{Change, FileChange, RepoPath};
use crate::git::{Blob, Edit, Repo};

/// So many hunks are each tried alone.
pub(super) const ONE_BY_ONE: usize = 8;

/// A part of the fix that can be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    path: RepoPath,
    /// 1-based, in the new version; in the old one where a file is deleted.
    line: usize,
    n_added: usize,
    n_removed: usize,
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    /// The file as a whole: it is added, deleted, binary, or only its mode differs.
    File,
    /// The hunk of this number of [`hunks`].
    Hunk(usize),
}

/// One run of differing lines of two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

/// The pieces of the fix that a test could miss.
pub(super) fn pieces(change: &Change, split: &Split) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for path in &split.fix {
        let Some(file) = change.file(path) else {
            continue;
        };
        let Some((old, new)) = texts(file, split) else {
            pieces.push(Piece {
                path: path.clone(),
                line: 1,
                n_added: file.n_added(),
                n_removed: file.n_removed(),
                how: How::File,
            });
            continue;
        };
        let differences = differences(old, new);
        for (n, difference) in differences.iter().enumerate() {
            if is_idle(path, old, new, &differences, n) {
                continue;
            }
            pieces.push(Piece {
                path: path.clone(),
                line: difference.new.start + 1,
                n_added: difference.new.len(),
                n_removed: difference.old.len(),
                how: How::Hunk(n),
            });
        }
    }
    pieces
}

/// The commit's tree without `pieces`.
pub(super) fn without(
    repo: &Repo,
    change: &Change,
    split: &Split,
    tree_id: ObjectId,
    pieces: &[&Piece],
) -> anyhow::Result<ObjectId> {
    let mut edits = Vec::new();
    for path in &split.fix {
        let own: Vec<&&Piece> = pieces.iter().filter(|piece| piece.path == *path).collect();
        let Some(file) = change.file(path).filter(|_| !own.is_empty()) else {
            continue;
        };
        let path = path.clone();
        edits.push(match (texts(file, split), &file.old, &file.new) {
            (Some((old, new)), _, Some(version)) => {
                let is_out = |n| own.iter().any(|piece| piece.how == How::Hunk(n));
                Edit::Put {
                    path,
                    mode: version.mode,
                    content: Blob::Bytes(
                        undone(old, new, &differences(old, new), is_out).into_bytes(),
                    ),
                }
            }
            (_, Some(version), _) => Edit::Put {
                path,
                mode: version.mode,
                content: Blob::Id(version.id),
            },
            (_, None, _) => Edit::Remove { path },
        });
    }
    repo.edit_tree(tree_id, edits)
}

/// Finds the pieces that nothing needs. `is_needed` runs the new tests without some pieces; `None` ends the search, and what is not
/// known by then is not among the answer.
pub(super) fn search<E>(
    pieces: &[Piece],
    mut is_needed: impl FnMut(&[&Piece]) -> Result<Option<bool>, E>,
) -> Result<Search, E> {
    let mut search = Search::default();
    if pieces.len() < 2 {
        // Without its only piece AFTER is BEFORE, which is red.
        return Ok(search);
    }
    if pieces.len() <= ONE_BY_ONE {
        for (n, piece) in pieces.iter().enumerate() {
            match is_needed(&[piece])? {
                Some(true) => {}
                Some(false) => search.unneeded.push(piece.gap()),
                None => {
                    search.n_untried = pieces.len() - n;
                    break;
                }
            }
        }
        return Ok(search);
    }
    // All of them together are the fix.
    let (left, right) = pieces.split_at(pieces.len() / 2);
    let mut groups = vec![right, left];
    let mut out: Vec<&Piece> = Vec::new();
    while let Some(group) = groups.pop() {
        let tried: Vec<&Piece> = out.iter().copied().chain(group).collect();
        match is_needed(&tried)? {
            Some(false) => out = tried,
            Some(true) if group.len() > 1 => {
                let (left, right) = group.split_at(group.len() / 2);
                groups.extend([right, left]);
            }
            Some(true) => {}
            None => {
                search.n_untried =
                    group.len() + groups.iter().map(|group| group.len()).sum::<usize>();
                break;
            }
        }
    }
    search.unneeded = out.iter().map(|piece| piece.gap()).collect();
    Ok(search)
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    pub unneeded: Vec<Gap>,
    /// Pieces that the time did not suffice for.
    pub n_untried: usize,
}

impl Piece {
    fn gap(&self) -> Gap {
        Gap::UnprovenHunk {
            path: self.path.clone(),
            line: self.line,
            n_added: self.n_added,
            n_removed: self.n_removed,
        }
    }
}

/// Both versions of a file that has two: without the fix, but with the commit's inline tests, and as committed.
fn texts<'a>(file: &'a FileChange, split: &'a Split) -> Option<(&'a str, &'a str)> {
    let (old, new) = (file.old.as_ref()?, file.new.as_ref()?);
    let inline = split.inline.iter().find(|inline| inline.path == file.path);
    let old_text = match inline {
        Some(inline) => inline.before(),
        None => old.content.text()?,
    };
    let new_text = new.content.text()?;
    (old_text != new_text).then_some((old_text, new_text))
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// In lines, 0-based.
fn differences(old: &str, new: &str) -> Vec<Difference> {
    let (old, new) = (lines(old), lines(new));
    let ops = similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new);
    let mut differences: Vec<Difference> = Vec::new();
    for op in ops.iter().filter(|op| op.tag() != similar::DiffTag::Equal) {
        let (old, new) = (op.old_range(), op.new_range());
        match differences.last_mut() {
            // What follows without a line between is one hunk.
            Some(last) if last.old.end == old.start && last.new.end == new.start => {
                last.old.end = old.end;
                last.new.end = new.end;
            }
            _ => differences.push(Difference { old, new }),
        }
    }
    differences
}

/// The new text with the differences that `is_out` names as they were.
fn undone(
    old: &str,
    new: &str,
    differences: &[Difference],
    is_out: impl Fn(usize) -> bool,
) -> String {
    let (old, new) = (lines(old), lines(new));
    let mut text = String::new();
    let mut at = 0;
    for (n, difference) in differences.iter().enumerate() {
        text.extend(new[at..difference.new.start].iter().copied());
        if is_out(n) {
            text.extend(old[difference.old.clone()].iter().copied());
        } else {
            text.extend(new[difference.new.clone()].iter().copied());
        }
        at = difference.new.end;
    }
    text.extend(new[at..].iter().copied());
    text
}

/// Whether a hunk changes nothing that runs. Where the language is not known, that is white space and lines of comments.
fn is_idle(path: &RepoPath, old: &str, new: &str, differences: &[Difference], n: usize) -> bool {
    if let Some(language) = Language::of(path) {
        let without = undone(old, new, differences, |other| other == n);
        let essence = |text| lexer::essence(language, text);
        return match (essence(new), essence(&without)) {
            (Some(new), Some(without)) => new == without,
            _ => false,
        };
    }
    let mark = comment_mark(path).map(str::trim_end);
    let said = |text: &str, range: &std::ops::Range<usize>| -> Vec<String> {
        let all = lines(text);
        let kept = all[range.clone()].iter().map(|line| line.trim_end());
        kept.filter(|line| !line.is_empty())
            .filter(|line| mark.is_none_or(|mark| !line.trim_start().starts_with(mark)))
            .map(str::to_owned)
            .collect()
    };
    let Difference {
        old: removed,
        new: added,
    } = &differences[n];
    said(old, removed) == said(new, added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Content, FileMode, FileVersion};
    use crate::git::testing::TestRepo;
    use crate::policy::Policy;

    fn version(text: &str) -> Option<FileVersion> {
        let id = gix::ObjectId::null(gix::hash::Kind::Sha1);
        let content = Content::from_blob(text.as_bytes().to_vec());
        let mode = FileMode::Regular;
        Some(FileVersion { mode, id, content })
    }

    fn found(path: &str, old: Option<&str>, new: Option<&str>) -> Vec<Piece> {
        let path = RepoPath::from(path);
        let file = FileChange {
            path: path.clone(),
            old: old.and_then(version),
            new: new.and_then(version),
            hunks: Vec::new(),
        };
        let split = Split {
            fix: vec![path],
            ..Split::default()
        };
        pieces(&Change { files: vec![file] }, &split)
    }

    #[track_caller]
    fn check(path: &str, old: &str, new: &str, expected: &[usize]) {
        let pieces = found(path, Some(old), Some(new));
        let lines: Vec<usize> = pieces.iter().map(|piece| piece.line).collect();
        assert_eq!(lines, expected, "{pieces:?}");
    }

    #[test]
    fn a_piece_is_a_run_of_lines_that_do_something() {
        check("a.py", "a\nb\nc\n", "x\nb\ny\n", &[1, 3]);
        check("a.py", "a\nb\n", "a\n# why\n\nb\nc\n", &[5]);
        check(
            "a.py",
            "def f():\n    '''a'''\n    a\n",
            "def f():\n    '''b'''\n    b\n",
            &[2],
        );
        check(
            "a.py",
            "def f():\n    '''a'''\n    x\n    a\n",
            "def f():\n    '''b'''\n    x\n    b\n",
            &[4],
        );
        check("a.rs", "f();\ng();\n", "// a\nf();\ng(1);\n", &[3]);
        // A language that is not known to its tokens.
        check("a.rb", "f\ng\n", "# a\nf\ng 1\n", &[3]);
        check("a.sql", "a\nb\n", "-- c\na\nb \n", &[1]);
        // What cannot be read is no comment.
        check("a.py", "x = 1\n", "x = 1\n# a\n'\n", &[2]);
    }

    #[test]
    fn a_file_that_comes_or_goes_is_a_piece() {
        assert_eq!(found("a.py", None, Some("x\n")).len(), 1);
        assert_eq!(found("a.py", Some("x\n"), None).len(), 1);
        // Equal texts: the mode differs.
        assert_eq!(found("a.py", Some("x\n"), Some("x\n")).len(), 1);
    }

    #[test]
    fn a_hunk_is_undone_by_itself() {
        let (old, new) = ("a\nb\nc\nd", "A\nb\nC\nc\n");
        let differences = differences(old, new);
        let undo = |n: usize| undone(old, new, &differences, |other| other == n);
        assert_eq!(differences.len(), 3);
        assert_eq!(undo(0), "a\nb\nC\nc\n");
        assert_eq!(undo(1), "A\nb\nc\n");
        assert_eq!(undo(2), "A\nb\nC\nc\nd");
        assert_eq!(undone(old, new, &differences, |_| true), old);
        assert_eq!(undone(old, new, &differences, |_| false), new);
    }

    /// `n` pieces of which those of `needed` are; the runs that it took, and what was found.
    fn searched(n: usize, needed: &[usize], most: usize) -> (usize, Vec<usize>, usize) {
        let piece = |line| Piece {
            path: RepoPath::from("a.py"),
            line,
            n_added: 1,
            n_removed: 0,
            how: How::Hunk(line),
        };
        let pieces: Vec<Piece> = (1..=n).map(piece).collect();
        let mut n_runs = 0;
        let search = search(&pieces, |out| {
            n_runs += 1;
            let is_red = out.iter().any(|piece| needed.contains(&piece.line));
            Ok::<_, ()>((n_runs <= most).then_some(is_red))
        });
        let search = search.expect("no error");
        let lines = search.unneeded.iter().map(|gap| match gap {
            Gap::UnprovenHunk { line, .. } => *line,
            other => panic!("{other:?}"),
        });
        (n_runs, lines.collect(), search.n_untried)
    }

    #[test]
    fn few_pieces_are_left_out_one_by_one() {
        assert_eq!(searched(1, &[], 99), (0, vec![], 0));
        assert_eq!(searched(2, &[1], 99), (2, vec![2], 0));
        assert_eq!(searched(3, &[1, 3], 99), (3, vec![2], 0));
        assert_eq!(searched(8, &[1, 2, 3, 4, 5, 6, 7, 8], 99), (8, vec![], 0));
        assert_eq!(searched(3, &[1], 1), (2, vec![], 2));
    }

    #[test]
    fn many_pieces_are_left_out_by_halves() {
        let (n_runs, lines, _) = searched(16, &[3], 99);
        let expected: Vec<usize> = (1..=16).filter(|&line| line != 3).collect();
        let mut sorted = lines.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
        assert!(n_runs < 10, "{n_runs}");
        let all: Vec<usize> = (1..=9).collect();
        assert_eq!(searched(9, &all, 99).1, Vec::<usize>::new());
        let (_, lines, n_untried) = searched(16, &[3], 2);
        assert_eq!((lines.len(), n_untried), (0, 16));
    }

    /// Every set of needed pieces of ten: all others are found, and none of these.
    #[test]
    fn halves_find_just_what_is_not_needed() {
        for mask in 1..1usize << 10 {
            let needed: Vec<usize> = (1..=10).filter(|n| mask >> (n - 1) & 1 == 1).collect();
            let (_, mut lines, _) = searched(10, &needed, 999);
            lines.sort();
            let expected: Vec<usize> = (1..=10).filter(|line| !needed.contains(line)).collect();
            assert_eq!(lines, expected, "{needed:?}");
        }
    }

    #[test]
    fn the_tree_without_a_piece_has_all_the_others() {
        let test = TestRepo::new();
        let old = test.tree(&[("a.py", "a\nb\nc\n"), ("b.py", "a\n"), ("gone.py", "a\n")]);
        std::fs::remove_file(test.path().join("gone.py")).expect("a file");
        let new = test.tree(&[("a.py", "x\nb\ny\n"), ("b.py", "z\n"), ("new.py", "n\n")]);
        let repo = test.open();
        let change = repo.diff(old, new).expect("a diff");
        let paths = ["a.py", "b.py", "gone.py", "new.py"];
        let split = Split {
            fix: paths.map(RepoPath::from).to_vec(),
            ..Split::default()
        };
        let pieces = pieces(&change, &split);
        let left = |pieces: &[&Piece]| {
            let tree_id = without(&repo, &change, &split, new, pieces).expect("a tree");
            let texts = paths.map(|path| {
                let content = repo.read_file(tree_id, &path.into()).expect("read");
                let text = content.map(|bytes| String::from_utf8(bytes).expect("text"));
                text.map_or("-".into(), |text| text.replace('\n', ""))
            });
            texts.join(" ")
        };
        assert_eq!(left(&[]), "xby z - n");
        let each: Vec<String> = pieces.iter().map(|piece| left(&[piece])).collect();
        let expected = [
            "aby z - n",
            "xbc z - n",
            "xby a - n",
            "xby z a n",
            "xby z - -",
        ];
        assert_eq!(each, expected);
        assert_eq!(left(&[&pieces[0], &pieces[2]]), "aby a - n");
    }

    #[test]
    fn inline_tests_are_no_piece_of_their_file() {
        let tests = |n: u8| {
            format!(
                "fn a() {{ {n} }}\n\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn b() {{ {n} }}\n}}\n"
            )
        };
        let test = TestRepo::new();
        let [old, new] = [1, 2].map(|n| {
            test.tree(&[
                ("src/lib.rs", &tests(n)),
                ("src/z.rs", &format!("\nfn z() {{ {n} }}\n")),
            ])
        });
        let change = test.open().diff(old, new).expect("a diff");
        let policy = Policy::load("version: 1\nextends: [default, rust]\n", "p.yaml");
        let split = Split::of(&change, &policy.expect("loads"), |_| false).expect("a split");
        let places: Vec<String> = pieces(&change, &split)
            .iter()
            .map(|piece| format!("{}:{}", piece.path, piece.line))
            .collect();
        assert_eq!(places, ["src/lib.rs:1", "src/z.rs:2"]);
    }
}
