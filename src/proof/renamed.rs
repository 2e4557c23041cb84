//! Tests that the change only renames or moves: the same lines under another name; and those that get parameters and say what they said. What a
//! vanished test has become keeps its word for it.

use std::collections::{BTreeMap, BTreeSet};

use super::bodies::{Heads, names};
use super::rewritten::keeps_data;
use super::split::Split;
use crate::change::{Change, FileVersion};
use crate::suite::{Outcome, TestId, TestRun};

#[derive(Debug, Default)]
pub(super) struct Renames {
    /// Old names to new ones; of each kind there is only one.
    names: BTreeMap<String, String>,
    /// Tests of touched files that have as many assertions and all their data under the same name.
    kept: BTreeSet<String>,
}

/// A test of one side that the other side has not, in the same file.
struct Lone {
    name: String,
    /// With its name left out.
    body: String,
}

impl Renames {
    /// Tests that one file loses and that it, or another one, gains with the same lines; and those that it keeps.
    pub fn of(change: &Change, split: &Split) -> Renames {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut kept = BTreeSet::new();
        for path in split.test_files() {
            let (Some(file), Some(heads)) = (change.file(&path), Heads::of(&path)) else {
                continue;
            };
            let text = |version: &Option<FileVersion>| -> String {
                let text = version.as_ref().and_then(|version| version.content.text());
                text.unwrap_or_default().to_owned()
            };
            let (old, new) = (text(&file.old), text(&file.new));
            let (old, new) = (heads.bodies(&old), heads.bodies(&new));
            let is_kept = |name: &&str| {
                let new = new.get(name);
                new.is_some_and(|new| new.len() == 1 && keeps_data(&old[name], new))
            };
            kept.extend(old.keys().copied().filter(is_kept).map(str::to_owned));
            for (from, to, lone) in [(&old, &new, &mut gone), (&new, &old, &mut come)] {
                for (name, texts) in from.iter().filter(|(name, _)| !to.contains_key(*name)) {
                    lone.extend(texts.iter().map(|text| Lone {
                        name: (*name).to_owned(),
                        body: text.replacen(name, "", 1),
                    }));
                }
            }
        }
        let mut names = BTreeMap::new();
        for old in &gone {
            let same: Vec<&Lone> = come.iter().filter(|new| new.body == old.body).collect();
            let n_old = gone.iter().filter(|other| other.body == old.body).count();
            if let ([new], 1) = (&same[..], n_old) {
                names.insert(old.name.clone(), new.name.clone());
            }
        }
        Renames { names, kept }
    }

    pub fn has(&self, old_name: &str) -> bool {
        self.names.contains_key(old_name)
    }

    /// The tests that are gone AFTER, each with the one that it has become: the only test of the new name that was not there before, or the first
    /// of those that it has become by parameters.
    pub fn tests(&self, parent: &TestRun, after: &TestRun) -> BTreeMap<TestId, TestId> {
        let gone = parent
            .results
            .keys()
            .filter(|test| after.outcome(test).is_none());
        let mut tests = BTreeMap::new();
        for old in gone {
            if let Some(first) = self.parametrised(old, after) {
                tests.insert(old.clone(), first.clone());
                continue;
            }
            let new_name = self.names.iter().find(|(name, _)| names(old, name));
            let Some((_, new_name)) = new_name else {
                continue;
            };
            let parameters =
                |test: &TestId| test.0.split_once('[').map(|(_, rest)| rest.to_owned());
            let candidates: Vec<&TestId> = after
                .results
                .iter()
                .filter(|(test, result)| {
                    result.outcome == Outcome::Passed
                        && parent.outcome(test).is_none()
                        && names(test, new_name)
                        && parameters(test) == parameters(old)
                })
                .map(|(test, _)| test)
                .collect();
            if let [new] = candidates[..] {
                tests.insert(old.clone(), new.clone());
            }
        }
        tests
    }

    /// `test_a[x]` of `test_a`, where that has its data still and all of its cases pass.
    fn parametrised<'r>(&self, old: &TestId, after: &'r TestRun) -> Option<&'r TestId> {
        let is_kept = self.kept.iter().any(|name| names(old, name));
        let is_plain = !old.0.ends_with(']') && !old.0.contains(" with data set ");
        if !is_kept || !is_plain {
            return None;
        }
        let is_case = |test: &TestId| {
            let rest = test.0.strip_prefix(&*old.0);
            rest.is_some_and(|rest| rest.starts_with('[') || rest.starts_with(" with data set "))
        };
        let mut cases = after.results.iter().filter(|(test, _)| is_case(test));
        let all_pass = cases
            .clone()
            .all(|(_, case)| case.outcome == Outcome::Passed);
        cases.next().filter(|_| all_pass).map(|(test, _)| test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::policy::Policy;
    use crate::suite::TestResult;

    const TEST: &str = "def test_a():\n    assert 1 == 1\n";

    type Files<'a> = &'a [(&'a str, &'a str)];

    fn run(tests: &[&str]) -> TestRun {
        let result = |test: &&str| {
            (
                TestId((*test).to_owned()),
                TestResult::new(Outcome::Passed, ""),
            )
        };
        TestRun {
            results: tests.iter().map(result).collect(),
            ..TestRun::default()
        }
    }

    /// Which tests have become which, when `old` files become `new` ones.
    #[track_caller]
    fn check((old, new): (Files, Files), (parent, after): (&[&str], &[&str]), expected: &str) {
        let test = TestRepo::new();
        let trees = [old, new].map(|files| {
            for (path, text) in files {
                match *text {
                    "" => std::fs::remove_file(test.path().join(path)).expect("a file"),
                    text => _ = test.write(path, text),
                }
            }
            test.commit("a tree");
            test.id("HEAD^{tree}")
        });
        let change = test.open().diff(trees[0], trees[1]).expect("a diff");
        let policy = "version: 1\nextends: [default, python]\n";
        let policy = Policy::load(policy, "p.yaml").expect("loads");
        let split = Split::of(&change, &policy, |_| false).expect("a split");
        let renamed = Renames::of(&change, &split).tests(&run(parent), &run(after));
        let shown: Vec<String> = renamed
            .iter()
            .map(|(old, new)| format!("{old} -> {new}"))
            .collect();
        assert_eq!(shown.join(", "), expected);
    }

    #[test]
    fn a_test_with_the_same_lines_has_only_another_name() {
        let renamed = TEST.replace("test_a", "test_b");
        let weaker = renamed.replace("== 1", "> 0");
        let ids = (
            &["tests/test_x.py::test_a"][..],
            &["tests/test_x.py::test_b"][..],
        );
        let old = &[("tests/test_x.py", TEST)][..];
        let moved = "tests/test_x.py::test_a -> tests/test_x.py::test_b";
        check((old, &[("tests/test_x.py", &renamed)]), ids, moved);
        check((old, &[("tests/test_x.py", &weaker)]), ids, "");
        let twice = format!("{renamed}\n\n{}", TEST.replace("test_a", "test_c"));
        check((old, &[("tests/test_x.py", &twice)]), ids, "");
        let still_there = (
            ids.0,
            &["tests/test_x.py::test_a", "tests/test_x.py::test_b"][..],
        );
        check((old, &[("tests/test_x.py", &renamed)]), still_there, "");
        let another = "tests/test_y.py::test_b";
        let was_there = (&[ids.0[0], another][..], &[another][..]);
        check((old, &[("tests/test_x.py", &renamed)]), was_there, "");
    }

    #[test]
    fn a_test_may_move_to_another_file() {
        check(
            (
                &[("tests/test_x.py", TEST)],
                &[("tests/test_x.py", ""), ("tests/test_y.py", TEST)],
            ),
            (&["tests/test_x.py::test_a"], &["tests/test_y.py::test_a"]),
            "tests/test_x.py::test_a -> tests/test_y.py::test_a",
        );
    }

    #[test]
    fn a_test_that_gets_parameters_is_the_same_with_the_same_assertions() {
        let head = "@mark('a', [1, 2])\ndef test_a(a):";
        let cases = TEST.replace("def test_a():", head);
        let weaker = cases.replace("[1, 2]", "[3, 2]").replace("== 1", "== a");
        let id = "tests/test_x.py::test_a";
        let (one, two) = (format!("{id}[1]"), format!("{id}[2]"));
        let ids = (&[id][..], &[&*one, &*two][..]);
        let old = &[("tests/test_x.py", TEST)][..];
        let cases_of = format!("{id} -> {one}");
        check((old, &[("tests/test_x.py", &cases)]), ids, &cases_of);
        check((old, &[("tests/test_x.py", &weaker)]), ids, "");
        let left = cases.replace("    assert", "    return\n    assert");
        check((old, &[("tests/test_x.py", &left)]), ids, "");
        let silent = cases.replace("assert", "print");
        check((old, &[("tests/test_x.py", &silent)]), ids, "");
        let other = (&[&*one][..], &[&*two][..]);
        check((old, &[("tests/test_x.py", &cases)]), other, "");
        check(
            (old, &[("tests/test_x.py", &cases)]),
            (&[id], &["tests/test_x.py::test_ab[1]"]),
            "",
        );
    }

    #[test]
    fn another_new_test_is_not_the_one_that_is_gone() {
        let renamed = TEST.replace("test_a", "test_b");
        let files = (
            &[("tests/test_x.py", TEST)][..],
            &[("tests/test_x.py", renamed.as_str())][..],
        );
        let id = |name: &str| format!("tests/test_x.py::{name}");
        for (old, new) in [("test_a", "test_z"), ("test_a[1]", "test_b[2]")] {
            check(files, (&[&id(old)], &[&id(new)]), "");
        }
    }
}
