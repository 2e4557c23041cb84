//! BEFORE without the tests that do not build there: one test of something new must not hide the proof of the others.
//!
//! A name that went with a test could mean something else now. So what is red with fewer tests must be green AFTER with just the same tests:
//! then the fix makes the difference, and not what went.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::Context as _;
use gix::ObjectId;

use super::missing::{self, Missing};
use super::runs::{Bench, Staged, Trees, stage};
use super::split::Split;
use super::trees::LaidOut;
use super::{Doubt, Shortfall, Tree, compare};
use crate::change::{Change, RepoPath};
use crate::git::{Blob, Edit};
use crate::policy::Before;
use crate::suite::inline::{self, CannotCut};
use crate::suite::{NotBuilt, Outcome, TestId, TestRun};

/// As solving one error reveals others: names first, then what is asked of them.
const MAX_ROUNDS: usize = 3;

/// What went, and the two trees without it.
#[derive(Debug)]
pub(super) struct Pruned {
    pub before: ObjectId,
    pub after: ObjectId,
    /// `tests::of_nothing`, `use tests::probe`
    pub names: BTreeSet<String>,
    /// What is left of the commit's version of each test file, line by line in its place.
    pub left: BTreeMap<RepoPath, String>,
    /// What was said first of what went.
    first: NotBuilt,
}

/// The texts of test files, from round to round.
#[derive(Default)]
struct Cut {
    texts: BTreeMap<RepoPath, String>,
    /// What went out of each.
    names: BTreeMap<RepoPath, BTreeSet<String>>,
    /// The test functions among it.
    tests: BTreeSet<String>,
}

impl Bench<'_> {
    /// BEFORE and its first run; without the tests that do not build there, if something is red only then.
    pub(super) fn first_before(
        &mut self,
        trees: &Trees,
        split: &Split,
        change: &Change,
    ) -> Staged<(LaidOut, TestRun)> {
        let whole = LaidOut::when_needed(Tree::Before, trees.before);
        let run = stage!(self.run_touched(&whole, 1)?);
        let Some(first) = run.not_built.first() else {
            return Ok(Ok((whole, run)));
        };
        let takes_names = self.policy.proof.before == Before::MissingSymbol;
        let may_miss = takes_names && !compare::has_red(&run);
        let Some((cut, laid_out, pruned_run)) =
            stage!(self.prune(trees.before, &run, split, change)?)
        else {
            let is_collected = |not_built: &NotBuilt| {
                let mut errors = not_built.errors.iter();
                missing::is_for_want_of_a_name(not_built) && errors.all(|err| err.bytes.is_none())
            };
            if may_miss && run.not_built.iter().any(is_collected) {
                self.missing = Some(Missing::default());
            }
            return Ok(Ok((whole, run)));
        };
        if compare::has_red(&pruned_run) && pruned_run.distrust.is_empty() {
            let first = first.clone();
            let before = laid_out.tree_id;
            self.pruned =
                Some(self.prune_after((before, trees.after), &cut, split, change, first)?);
            self.inspect(&laid_out)?;
            return Ok(Ok((laid_out, pruned_run)));
        }
        if may_miss {
            self.missing = Some(Missing::new(cut.tests));
        }
        Ok(Ok((whole, run)))
    }

    /// What is red and green without what went is so because of the fix: AFTER without it, they pass too.
    pub(super) fn same_tests(&mut self, tests: &BTreeSet<TestId>) -> Staged<()> {
        let Some(pruned) = &self.pruned else {
            return Ok(Ok(()));
        };
        let (tree_id, doubt) = (pruned.after, Doubt::from(&pruned.first));
        let after = LaidOut::when_needed(Tree::After, tree_id);
        let run = stage!(self.run_candidates(&after, tests, 1)?);
        let is_green = |test: &TestId| run.outcome(test) == Some(Outcome::Passed);
        Ok(
            match run.distrust.is_empty() && tests.iter().all(is_green) {
                true => Ok(()),
                false => Err(Shortfall::from(doubt)),
            },
        )
    }

    /// Takes out what does not build, round by round. `None` if something else does not build, or still does not.
    fn prune(
        &mut self,
        before: ObjectId,
        run: &TestRun,
        split: &Split,
        change: &Change,
    ) -> Staged<Option<(Cut, LaidOut, TestRun)>> {
        let mut cut = Cut::default();
        let mut not_built = run.not_built.clone();
        for _ in 0..MAX_ROUNDS {
            if self.cut_out(before, &mut cut, &not_built, split)?.is_err() {
                return Ok(Ok(None));
            }
            let mut edits = Vec::new();
            for (path, text) in &cut.texts {
                edits.push(put(change, path, text.clone())?);
            }
            let tree_id = self.repo.edit_tree(before, edits)?;
            let laid_out = LaidOut::when_needed(Tree::Before, tree_id);
            let run = stage!(self.run_touched(&laid_out, 1)?);
            if run.not_built.is_empty() {
                return Ok(Ok(Some((cut, laid_out, run))));
            }
            not_built = run.not_built;
        }
        Ok(Ok(None))
    }

    /// One round: every file in which something does not build.
    fn cut_out(
        &self,
        before: ObjectId,
        cut: &mut Cut,
        not_built: &[NotBuilt],
        split: &Split,
    ) -> anyhow::Result<Result<(), CannotCut>> {
        let by_file = match places(not_built) {
            Ok(by_file) => by_file,
            Err(reason) => return Ok(Err(reason)),
        };
        for (path, errors) in by_file {
            let is_test_file = split.tests.contains(&path);
            if !is_test_file && !split.inline.iter().any(|inline| inline.path == path) {
                let reason = format!("`{path}` holds no test of the change");
                return Ok(Err(CannotCut(reason)));
            }
            let text = match cut.texts.remove(&path) {
                Some(text) => Some(text),
                None => self.read(before, &path)?,
            };
            let Some(text) = text else {
                return Ok(Err(CannotCut(format!("`{path}` is no text"))));
            };
            let planted = self.runner.plant(&path, text.as_bytes(), &self.canary);
            let planted = planted.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let built = planted.as_deref().unwrap_or(&text);
            let errors = errors.iter().map(|error| own_place(&text, built, error));
            let Some(errors) = errors.collect::<Option<Vec<_>>>() else {
                let reason = "an error lies in the guard's own test";
                return Ok(Err(CannotCut(reason.into())));
            };
            match inline::prune(&text, is_test_file, &errors) {
                Ok(pruned) => {
                    let names = cut.names.entry(path.clone()).or_default();
                    names.extend(pruned.tests.iter().cloned());
                    names.extend(pruned.others);
                    cut.tests.extend(pruned.tests);
                    cut.texts.insert(path, pruned.text);
                }
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok(()))
    }

    /// AFTER with the tests that BEFORE is left with.
    fn prune_after(
        &self,
        (before, after): (ObjectId, ObjectId),
        cut: &Cut,
        split: &Split,
        change: &Change,
        first: NotBuilt,
    ) -> anyhow::Result<Pruned> {
        let mut edits = Vec::new();
        let mut left = BTreeMap::new();
        for (path, text) in &cut.texts {
            let is_test_file = split.tests.contains(path);
            let new = self.read(after, path)?;
            let new = new.with_context(|| format!("`{path}` is no text"))?;
            let names = &cut.names[path];
            left.insert(path.clone(), inline::without(&new, is_test_file, names)?);
            let joined = match is_test_file {
                true => text.clone(),
                false => inline::join(&new, text)?,
            };
            edits.push(put(change, path, joined)?);
        }
        Ok(Pruned {
            before,
            after: self.repo.edit_tree(after, edits)?,
            names: cut.names.values().flatten().cloned().collect(),
            left,
            first,
        })
    }

    fn read(&self, tree_id: ObjectId, path: &RepoPath) -> anyhow::Result<Option<String>> {
        let bytes = self.repo.read_file(tree_id, path)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}

fn put(change: &Change, path: &RepoPath, text: String) -> anyhow::Result<Edit> {
    let version = change.file(path).and_then(|file| file.new.as_ref());
    let version = version.with_context(|| format!("`{path}` is not in the commit"))?;
    Ok(Edit::Put {
        path: path.clone(),
        mode: version.mode,
        content: Blob::Bytes(text.into_bytes()),
    })
}

/// Where each error lies, by file; only where all of them say that a name is missing, and where in the tree.
fn places(not_built: &[NotBuilt]) -> Result<BTreeMap<RepoPath, Vec<Range<usize>>>, CannotCut> {
    let mut by_file: BTreeMap<RepoPath, Vec<Range<usize>>> = BTreeMap::new();
    for not_built in not_built {
        if !missing::is_for_want_of_a_name(not_built) {
            let reason = format!("`{}` lacks more than a name", not_built.what);
            return Err(CannotCut(reason));
        }
        for error in &not_built.errors {
            let is_rust = error.file.ends_with(".rs");
            let Some(bytes) = error.bytes.clone().filter(|_| is_rust) else {
                return Err(CannotCut("an error has no place in the tree".into()));
            };
            let errors = by_file
                .entry(RepoPath::new(error.file.as_str()))
                .or_default();
            errors.push(bytes);
        }
    }
    Ok(by_file)
}

/// Where a range of the source as it was built stands in the source itself: the same line, up to where the canary begins.
fn own_place(source: &str, built: &str, bytes: &Range<usize>) -> Option<Range<usize>> {
    let place = |offset: usize| {
        let above = built.get(..offset)?;
        let n = above.matches('\n').count();
        let column = offset - above.rfind('\n').map_or(0, |at| at + 1);
        let mut lines = source.split_inclusive('\n');
        let start: usize = lines.by_ref().take(n).map(str::len).sum();
        let line = lines.next()?;
        let is_same = line.get(..column)? == &above[offset - column..];
        is_same.then_some(start + column)
    };
    Some(place(bytes.start)?..place(bytes.end)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::BuildError;

    #[test]
    fn a_place_is_found_again_where_no_canary_stands_before_it() {
        let source = "one\ntwo }\n";
        let built = "one\ntwo CANARY }\nCANARY\n";
        for (bytes, expected) in [
            (0..3, Some(0..3)),
            (4..7, Some(4..7)),
            (0..7, Some(0..7)),
            (8..14, None),
            (15..16, None),
            (17..20, None),
            (0..99, None),
        ] {
            assert_eq!(own_place(source, built, &bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn errors_have_a_place_and_are_about_names_or_nothing_is_cut() {
        let error = BuildError {
            file: "src/lib.rs".into(),
            bytes: Some(3..6),
            line: 1,
            is_missing_name: true,
        };
        let check = |errors: &[BuildError], expected: Option<usize>| {
            let mut not_built = NotBuilt::new("shop", "error");
            not_built.errors = errors.to_vec();
            let found = places(&[not_built]).ok();
            assert_eq!(found.map(|by_file| by_file.len()), expected, "{errors:?}");
        };
        let other = |change: fn(&mut BuildError)| {
            let mut other = error.clone();
            change(&mut other);
            other
        };
        check(std::slice::from_ref(&error), Some(1));
        check(
            &[error.clone(), other(|e| e.file = "tests/a.rs".into())],
            Some(2),
        );
        check(&[], None);
        for wrong in [
            other(|error| error.is_missing_name = false),
            other(|error| error.bytes = None),
            other(|error| error.file = String::new()),
            other(|error| error.file = "a.py".into()),
        ] {
            check(&[error.clone(), wrong], None);
        }
    }
}
