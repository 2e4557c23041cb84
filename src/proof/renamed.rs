//! Tests that the change only renames or moves: the same lines under another name. What a vanished test has become keeps its word for it.

use std::collections::BTreeMap;

use super::bodies::{Heads, names};
use super::split::Split;
use crate::change::{Change, FileVersion};
use crate::suite::{Outcome, TestId, TestRun};

/// Old names to new ones; of each kind there is only one.
#[derive(Debug, Default)]
pub(super) struct Renames(BTreeMap<String, String>);

/// A test of one side that the other side has not, in the same file.
struct Lone {
    name: String,
    /// With its name left out.
    body: String,
}

impl Renames {
    /// Tests that one file loses and that it, or another one, gains with the same lines.
    pub fn of(change: &Change, split: &Split) -> Renames {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
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
            for (from, to, lone) in [(&old, &new, &mut gone), (&new, &old, &mut come)] {
                for (name, texts) in from.iter().filter(|(name, _)| !to.contains_key(*name)) {
                    lone.extend(texts.iter().map(|text| Lone {
                        name: (*name).to_owned(),
                        body: text.replacen(name, "", 1),
                    }));
                }
            }
        }
        let mut renames = BTreeMap::new();
        for old in &gone {
            let same: Vec<&Lone> = come.iter().filter(|new| new.body == old.body).collect();
            let n_old = gone.iter().filter(|other| other.body == old.body).count();
            if let ([new], 1) = (&same[..], n_old) {
                renames.insert(old.name.clone(), new.name.clone());
            }
        }
        Renames(renames)
    }

    pub fn has(&self, old_name: &str) -> bool {
        self.0.contains_key(old_name)
    }

    /// The tests that are gone AFTER, each with the one that it has become: the only test of the new name that was not there before.
    pub fn tests(&self, parent: &TestRun, after: &TestRun) -> BTreeMap<TestId, TestId> {
        let gone = parent
            .results
            .keys()
            .filter(|test| after.outcome(test).is_none());
        let mut tests = BTreeMap::new();
        for old in gone {
            let new_name = self.0.iter().find(|(name, _)| names(old, name));
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
