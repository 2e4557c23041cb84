//! Tests that are red only because a name is not there yet, for a policy that takes them: `proof.before: missing_symbol`.
//!
//! Such a test shows that the name is new, not that anything was wrong. Nothing here is asked by the default, `failed`.

use std::collections::{BTreeMap, BTreeSet};

use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};

/// The new tests of what does not build or cannot be collected BEFORE for want of a name.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// The test functions that do not build, by their paths inside their files, where errors have places.
    functions: BTreeSet<String>,
    tests: BTreeMap<TestId, NotBuilt>,
}

/// Test code that asked for a name which is not there fails; the ids of those tests.
pub(super) fn as_red(run: &mut TestRun) -> BTreeSet<TestId> {
    let mut red = BTreeSet::new();
    for (test, result) in &mut run.results {
        if result.outcome == Outcome::Errored && result.is_missing_name {
            result.outcome = Outcome::Failed;
            red.insert(test.clone());
        }
    }
    red
}

/// Whether nothing but a missing name is said against it.
pub(super) fn is_for_want_of_a_name(not_built: &NotBuilt) -> bool {
    let mut errors = not_built.errors.iter();
    !not_built.errors.is_empty() && errors.all(|error| error.is_missing_name)
}

impl Missing {
    /// `functions`: those that had to go before the rest was built.
    pub fn new(functions: BTreeSet<String>) -> Missing {
        Missing {
            functions,
            tests: BTreeMap::new(),
        }
    }

    pub fn tests(&self) -> impl Iterator<Item = &TestId> {
        self.tests.keys()
    }

    /// Finds the tests: those that pass AFTER and are neither at the PARENT nor BEFORE, where they belong to what is not built.
    pub fn find(&mut self, parent: &TestRun, before: &TestRun, after: &TestRun) {
        for (test, result) in &after.results {
            let is_new = parent.outcome(test).is_none() && before.outcome(test).is_none();
            if !is_new || result.outcome != Outcome::Passed {
                continue;
            }
            let mut not_built = before.not_built.iter();
            let holder =
                not_built.find(|entry| is_for_want_of_a_name(entry) && self.holds(entry, test));
            if let Some(holder) = holder {
                self.tests.insert(test.clone(), holder.clone());
            }
        }
    }

    /// Says of each of the tests that it failed, where this run could not build it either, and for the same reason.
    pub fn add_to(&self, before: &mut TestRun) {
        for (test, holder) in &self.tests {
            let mut not_built = before.not_built.iter();
            let again =
                not_built.find(|entry| entry.what == holder.what && is_for_want_of_a_name(entry));
            if let Some(again) = again
                && before.outcome(test).is_none()
            {
                let detail = format!("a name is missing: {}", again.detail);
                let result = TestResult::new(Outcome::Failed, detail);
                before.results.insert(test.clone(), result);
            }
        }
    }

    fn holds(&self, not_built: &NotBuilt, test: &TestId) -> bool {
        let has_places = not_built.errors.iter().any(|error| error.bytes.is_some());
        if !has_places {
            return is_in_file(&not_built.what, test);
        }
        let name = test.0.strip_prefix(not_built.what.as_str());
        let name = name.and_then(|rest| rest.strip_prefix(' '));
        name.is_some_and(|name| self.functions.iter().any(|path| is_of_function(path, name)))
    }
}

/// `cart::tests::a` is of `tests::a`, and so is its case `cart::tests::a::case_1`.
fn is_of_function(path: &str, name: &str) -> bool {
    format!("::{name}::").contains(&format!("::{path}::"))
}

/// Whether the id begins with the file, as a path or as a module.
fn is_in_file(file: &str, test: &TestId) -> bool {
    let dotted = |text: &str| text.replace('/', ".");
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let parts: Vec<&str> = stem.split('/').collect();
    let at = parts.iter().position(|part| *part == "src");
    let below = at.map(|at| [&parts[..at], &parts[at + 1..]].concat().join("."));
    let names = [Some(dotted(file)), Some(dotted(stem)), below];
    let id = dotted(&test.0);
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    names.iter().flatten().any(|name| {
        let rest = id.strip_prefix(name.as_str());
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(goes_on))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::BuildError;

    #[test]
    fn only_a_missing_name_in_test_code_becomes_red() {
        let mut run = TestRun::default();
        for (name, outcome, is_missing_name) in [
            ("name", Outcome::Errored, true),
            ("set-up", Outcome::Errored, false),
            ("passed", Outcome::Passed, false),
            ("skipped", Outcome::Skipped, true),
        ] {
            let mut result = TestResult::new(outcome, "said");
            result.is_missing_name = is_missing_name;
            run.results.insert(TestId(name.into()), result);
        }
        let others = run.clone();
        let red = as_red(&mut run);
        assert_eq!(red, BTreeSet::from([TestId("name".into())]));
        for (test, result) in run.results {
            match red.contains(&test) {
                true => assert_eq!(result.outcome, Outcome::Failed),
                false => assert_eq!(result, others.results[&test]),
            }
        }
    }

    /// Each side: ids of tests that passed there. `expected`: those that are said to have failed BEFORE.
    #[track_caller]
    fn check(not_built: &NotBuilt, [parent, before, after]: [&str; 3], expected: &str) {
        let run = |ids: &str| {
            let results = ids.split(", ").filter(|id| !id.is_empty()).map(|id| {
                let result = TestResult::new(Outcome::Passed, "");
                (TestId(id.to_owned()), result)
            });
            TestRun {
                results: results.collect(),
                ..TestRun::default()
            }
        };
        let (parent, mut before, after) = (run(parent), run(before), run(after));
        before.not_built.push(not_built.clone());
        let mut missing = Missing::new(BTreeSet::from(["tests::new".to_owned()]));
        missing.find(&parent, &before, &after);
        missing.add_to(&mut before);
        let red = before.results.iter();
        let red = red.filter(|(_, result)| result.outcome == Outcome::Failed);
        let red: Vec<&str> = red.map(|(test, _)| test.0.as_str()).collect();
        assert_eq!(red.join(", "), expected);
    }

    fn target(is_missing_name: bool) -> NotBuilt {
        let mut not_built = NotBuilt::new("shop", "error[E0425]: cannot find `new`");
        not_built.errors.push(BuildError {
            file: "src/lib.rs".into(),
            bytes: Some(3..6),
            line: 1,
            is_missing_name,
        });
        not_built
    }

    #[test]
    fn a_function_that_was_not_built_is_red_if_it_is_new_and_passes() {
        let after = "shop cart::tests::new, shop tests::new::case_1, shop tests::newer, shop::api tests::new";
        check(
            &target(true),
            ["", "", after],
            "shop cart::tests::new, shop tests::new::case_1",
        );
        check(
            &target(true),
            ["shop tests::new", "", "shop tests::new"],
            "",
        );
        check(
            &target(true),
            ["", "shop tests::new", "shop tests::new"],
            "",
        );
        check(&target(true), ["", "", ""], "");
        check(&target(false), ["", "", after], "");
        check(&NotBuilt::new("shop", "no reason"), ["", "", after], "");
    }

    #[test]
    fn a_file_that_was_not_collected_holds_its_tests() {
        let mut file = NotBuilt::new("src/shop/test_a.py", "ImportError: cannot import `new`");
        file.errors.push(BuildError {
            is_missing_name: true,
            ..BuildError::default()
        });
        let ids = "shop.test_a.T.t, shop.test_a-b.t, shop.test_a_b.T.t, shop.test_ab.T.t, src/shop/test_a.py::t, src/shop/test_ab.py::t, test_a.T.t";
        check(
            &file,
            ["", "", ids],
            "shop.test_a.T.t, src/shop/test_a.py::t",
        );
    }

    #[test]
    fn a_sample_that_builds_or_fails_otherwise_adds_nothing() {
        let mut missing = Missing::new(BTreeSet::from(["new".to_owned()]));
        let test = TestId("shop new".into());
        missing.tests.insert(test.clone(), target(true));
        for (not_built, expected) in [
            (None, None),
            (Some(target(false)), None),
            (Some(target(true)), Some(Outcome::Failed)),
        ] {
            let mut run = TestRun::default();
            run.not_built.extend(not_built);
            missing.add_to(&mut run);
            assert_eq!(run.outcome(&test), expected);
        }
    }
}
