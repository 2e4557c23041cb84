//! The pure comparison of runs: outcomes of four trees in, a proof or what is short of one out.
//!
//! Nothing here maps hunks to tests. Per test id the outcomes are compared: at the PARENT, BEFORE (the parent with the tests of the change),
//! AFTER (the commit), and AFTER with the parent's own tests. Making any outcome worse never turns a refusal into an acceptance.

use std::collections::{BTreeMap, BTreeSet};

use super::{Doubt, Gap, Proof, Shortfall, Tree};
use crate::policy::ExistingTests;
use crate::suite::{NotBuilt, Outcome, TestId, TestResult, TestRun};

/// The runs of one judged change. What must still pass ran on three trees, the touched test files among it.
#[derive(Debug)]
pub struct Runs<'a> {
    pub parent: &'a TestRun,
    /// The touched test files: the first run holds all of their tests, the further ones at least the candidates.
    pub before: &'a [TestRun],
    /// The first run is of all that must still pass, the further ones at least of the candidates.
    pub after: &'a [TestRun],
    /// AFTER with every test file of the parent put back.
    pub old_tests: &'a TestRun,
    /// Whether the parent has tests that should have run: an empty baseline is then no baseline.
    pub expects_baseline: bool,
}

/// What is known of the tests before any run.
#[derive(Debug)]
pub struct Terms<'a> {
    pub existing_tests: ExistingTests,
    /// Red tests that an earlier commit of the same range brought: failing at the parent is their duty.
    pub carried: &'a BTreeSet<TestId>,
    /// Tests that are gone AFTER, each with the one that has its lines under another name.
    pub renamed: &'a BTreeMap<TestId, TestId>,
    /// Tests that failed at the parent when they ran there again: what they do AFTER says nothing.
    pub unsteady: &'a BTreeSet<TestId>,
}

/// Weighs all runs at once. The stages below are what it is made of; a caller that stops at the first gap calls them one by one.
pub fn compare(runs: &Runs, terms: &Terms) -> Result<Proof, Shortfall> {
    let [first_before, ..] = runs.before else {
        return Err(Shortfall::from(Doubt::Other("nothing ran BEFORE".into())));
    };
    let [first_after, ..] = runs.after else {
        return Err(Shortfall::from(Doubt::Other("nothing ran AFTER".into())));
    };
    let candidates = red(runs.parent, first_before, terms)?;
    green(&candidates, runs.parent, first_before, first_after)?;
    let fail_to_pass = reproduced(&candidates, runs.parent, runs.before, runs.after)?;
    let Kept {
        pass_to_pass,
        still_red,
    } = kept(runs, first_after, &fail_to_pass, terms)?;
    Ok(Proof {
        fail_to_pass,
        pass_to_pass,
        still_red,
        samples: runs.before.len().min(runs.after.len()),
    })
}

/// Whether anything is red at all; where nothing is, the rest of a proof is in vain.
pub fn has_red(before: &TestRun) -> bool {
    before
        .results
        .values()
        .any(|result| result.outcome == Outcome::Failed)
}

/// The tests that are red BEFORE and were not red at the parent already: those that may become FAIL_TO_PASS.
pub fn red(
    parent: &TestRun,
    before: &TestRun,
    terms: &Terms,
) -> Result<BTreeSet<TestId>, Shortfall> {
    trusted(Tree::Parent, parent)?;
    trusted(Tree::Before, before)?;
    let mut candidates = BTreeSet::new();
    let mut green = Vec::new();
    let mut already_red = Vec::new();
    let mut doubts = Vec::new();
    for (test, result) in &before.results {
        let at_parent = parent.outcome(test);
        match result.outcome {
            Outcome::Failed
                if at_parent == Some(Outcome::Failed) && !terms.carried.contains(test) =>
            {
                already_red.push(test.clone())
            }
            Outcome::Failed => _ = candidates.insert(test.clone()),
            Outcome::Passed if at_parent.is_none() => green.push(test.clone()),
            Outcome::Errored if at_parent != Some(Outcome::Errored) => {
                doubts.push(Doubt::BeforeErrored {
                    what: test.to_string(),
                    detail: result.detail.clone(),
                    at_parent: says_it_too(parent, &result.detail),
                });
            }
            Outcome::TimedOut if at_parent != Some(Outcome::TimedOut) => {
                doubts.push(Doubt::TimedOut(test.clone()))
            }
            _ => (),
        }
    }
    // Also where the parent's version did not build either: what never started is no reason to say that it passes.
    doubts.extend(before.not_built.iter().map(|entry| {
        let is_same = |other: &NotBuilt| other.what == entry.what;
        Doubt::BeforeErrored {
            what: entry.what.clone(),
            detail: entry.detail.clone(),
            at_parent: parent.not_built.iter().any(is_same) || says_it_too(parent, &entry.detail),
        }
    }));
    if !candidates.is_empty() {
        return Ok(candidates);
    }
    let gap = match (doubts.is_empty(), green.is_empty(), already_red.is_empty()) {
        (false, ..) => {
            return Err(Shortfall {
                gaps: Vec::new(),
                doubts,
            });
        }
        (true, true, false) => Gap::AlreadyRed(already_red),
        // Nothing new ran at all, or only tests that pass: the change reproduces nothing.
        (true, ..) => Gap::AlreadyPasses(green),
    };
    Err(Shortfall::from(gap))
}

/// Whether the parent's run has the same error somewhere.
fn says_it_too(parent: &TestRun, detail: &str) -> bool {
    let errored = |result: &TestResult| result.outcome == Outcome::Errored;
    let errors = parent.results.values().filter(|result| errored(result));
    let errors = errors.map(|result| &result.detail);
    let mut said = errors.chain(parent.not_built.iter().map(|entry| &entry.detail));
    !detail.is_empty() && said.any(|said| said == detail)
}

/// The tests of the parent that the change turns green without touching them.
pub fn revived(parent: &TestRun, after: &TestRun) -> Result<BTreeSet<TestId>, Shortfall> {
    trusted(Tree::Parent, parent)?;
    trusted(Tree::After, after)?;
    let is_red = |result: &TestResult| result.outcome == Outcome::Failed;
    let red = parent.results.iter().filter(|(_, result)| is_red(result));
    let revived: BTreeSet<TestId> = red
        .map(|(test, _)| test)
        .filter(|test| after.outcome(test) == Some(Outcome::Passed))
        .cloned()
        .collect();
    if revived.is_empty() {
        return Err(Shortfall::from(Gap::NoTest));
    }
    Ok(revived)
}

/// The tests that pass at the parent and AFTER, where none that passed fails and none that is new there does. A test may be gone: the caller
/// knows that it went with what it tested.
pub fn unbroken(parent: &TestRun, after: &TestRun) -> Result<BTreeSet<TestId>, Shortfall> {
    trusted(Tree::Parent, parent)?;
    trusted(Tree::After, after)?;
    let mut short = Shortfall::default();
    let mut kept = BTreeSet::new();
    for (test, result) in &after.results {
        let passed = parent.outcome(test) == Some(Outcome::Passed);
        let is_new = parent.outcome(test).is_none();
        match result.outcome {
            Outcome::Passed if passed => _ = kept.insert(test.clone()),
            Outcome::Passed => {}
            Outcome::Skipped if passed => short.gaps.push(Gap::Vanished(test.clone())),
            Outcome::Skipped => {}
            Outcome::TimedOut if passed || is_new => {
                short.doubts.push(Doubt::TimedOut(test.clone()));
            }
            _ if passed => short.gaps.push(Gap::Broken(test.clone())),
            _ if is_new => short.gaps.push(Gap::StillFails(test.clone())),
            _ => {}
        }
    }
    short
        .gaps
        .extend(after.not_built.iter().map(|entry| Gap::NotBuilt {
            what: entry.what.clone(),
            detail: entry.detail.clone(),
        }));
    if kept.is_empty() {
        let said = "no test passed both before and after the revert";
        short.doubts.push(Doubt::NoBaseline(said.into()));
    }
    short.into_result(kept)
}

/// No candidate and no other new test may fail AFTER. One that was skipped at the parent is as good as new.
pub fn green(
    candidates: &BTreeSet<TestId>,
    parent: &TestRun,
    before: &TestRun,
    after: &TestRun,
) -> Result<(), Shortfall> {
    trusted(Tree::After, after)?;
    let mut short = Shortfall::default();
    for test in candidates {
        match after.outcome(test) {
            Some(Outcome::Passed) => (),
            Some(Outcome::Skipped) | None => short.gaps.push(Gap::Vanished(test.clone())),
            Some(Outcome::Failed | Outcome::Errored | Outcome::TimedOut) => {
                short.gaps.push(Gap::StillFails(test.clone()))
            }
        }
    }
    for (test, result) in &after.results {
        let has_run = !matches!(parent.outcome(test), None | Some(Outcome::Skipped));
        let is_new = !has_run && !candidates.contains(test);
        let is_bad = matches!(
            result.outcome,
            Outcome::Failed | Outcome::Errored | Outcome::TimedOut
        );
        if is_new && is_bad {
            let gap = match before.outcome(test) {
                Some(Outcome::Passed) => Gap::Broken(test.clone()),
                _ => Gap::StillFails(test.clone()),
            };
            short.gaps.push(gap);
        }
    }
    short.gaps.extend(
        after
            .not_built
            .iter()
            .filter(|what| !parent.not_built.iter().any(|other| other.agrees_with(what)))
            .map(|what| Gap::NotBuilt {
                what: what.what.clone(),
                detail: what.detail.clone(),
            }),
    );
    short.into_result(())
}

/// A further run BEFORE agrees with the first: every candidate failed again.
pub fn still_red(candidates: &BTreeSet<TestId>, before: &TestRun) -> Result<(), Shortfall> {
    trusted(Tree::Before, before)?;
    let doubts = candidates
        .iter()
        .filter(|test| before.outcome(test) != Some(Outcome::Failed))
        .map(|test| Doubt::Flaky(test.clone()))
        .collect();
    Shortfall {
        gaps: Vec::new(),
        doubts,
    }
    .into_result(())
}

/// The trees that only differ in comments from BEFORE and AFTER do what those do.
pub fn deaf(
    candidates: &BTreeSet<TestId>,
    before: &TestRun,
    after: &TestRun,
) -> Result<(), Shortfall> {
    trusted(Tree::Before, before)?;
    trusted(Tree::After, after)?;
    let is_deaf = |test: &&TestId| {
        before.outcome(test) == Some(Outcome::Failed)
            && after.outcome(test) == Some(Outcome::Passed)
    };
    let doubts = candidates
        .iter()
        .filter(|test| !is_deaf(test))
        .map(|test| Doubt::ReadsSource(test.clone()))
        .collect();
    Shortfall {
        gaps: Vec::new(),
        doubts,
    }
    .into_result(())
}

/// FAIL_TO_PASS: failed in every sample BEFORE, passed in every sample AFTER. Any disagreement is flaky.
///
/// A test that passed at the parent, is not red BEFORE every time and always passes AFTER proves nothing; where others do, it is one of those
/// that must go on passing.
///
/// The value is what the runner said about the first failure.
pub fn reproduced(
    candidates: &BTreeSet<TestId>,
    parent: &TestRun,
    before: &[TestRun],
    after: &[TestRun],
) -> Result<BTreeMap<TestId, String>, Shortfall> {
    for run in before {
        trusted(Tree::Before, run)?;
    }
    for run in after {
        trusted(Tree::After, run)?;
    }
    let mut short = Shortfall::default();
    let mut fail_to_pass = BTreeMap::new();
    let mut unsteady = Vec::new();
    for test in candidates {
        let is_red = |run: &TestRun| run.outcome(test) == Some(Outcome::Failed);
        let is_green = |run: &TestRun| run.outcome(test) == Some(Outcome::Passed);
        let is_old = parent.outcome(test) == Some(Outcome::Passed);
        if is_old && before.iter().any(is_green) && after.iter().all(is_green) {
            unsteady.push(Doubt::Flaky(test.clone()));
        } else if !before.iter().all(is_red) || !after.iter().all(is_green) {
            short.doubts.push(Doubt::Flaky(test.clone()));
        } else if let Some(result) = before.first().and_then(|run| run.results.get(test)) {
            fail_to_pass.insert(test.clone(), result.detail.clone());
        }
    }
    if fail_to_pass.is_empty() {
        short.doubts.append(&mut unsteady);
    }
    if fail_to_pass.is_empty() && short.is_empty() {
        short
            .doubts
            .push(Doubt::Other("no test was sampled".into()));
    }
    short.into_result(fail_to_pass)
}

/// What passed at the parent and still does, and what failed there and still does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub pass_to_pass: BTreeSet<TestId>,
    pub still_red: BTreeSet<TestId>,
}

/// Nothing else broke: what passed at the parent passes with the commit's tests and with the parent's own.
pub fn kept(
    runs: &Runs,
    after: &TestRun,
    fail_to_pass: &BTreeMap<TestId, String>,
    terms: &Terms,
) -> Result<Kept, Shortfall> {
    trusted(Tree::Parent, runs.parent)?;
    trusted(Tree::After, after)?;
    trusted(Tree::OldTests, runs.old_tests)?;
    baseline(runs)?;
    let mut short = Shortfall::default();
    let mut kept = Kept::default();
    let passed_before = |test: &TestId| {
        let first = runs.before.first();
        first.and_then(|run| run.outcome(test)) == Some(Outcome::Passed)
    };
    for (test, result) in &runs.parent.results {
        let name_after = terms.renamed.get(test).unwrap_or(test);
        let outcome_after = after.outcome(name_after);
        match (result.outcome, outcome_after) {
            (Outcome::Skipped, _) => (),
            (Outcome::Passed, Some(_)) if terms.unsteady.contains(test) => {
                kept.still_red.insert(test.clone());
            }
            (Outcome::Passed, Some(Outcome::Passed)) => {
                let is_replaced = terms.existing_tests == ExistingTests::AllowIfFailToPass
                    && fail_to_pass.contains_key(test);
                if runs.old_tests.outcome(test) == Some(Outcome::Passed) {
                    kept.pass_to_pass.insert(test.clone());
                } else if !is_replaced {
                    short.doubts.push(Doubt::ExpectationChanged(test.clone()));
                }
            }
            (Outcome::Passed, Some(Outcome::Failed | Outcome::Errored | Outcome::TimedOut)) => {
                short.gaps.push(Gap::Broken(test.clone()));
            }
            (_, None) | (Outcome::Passed, Some(Outcome::Skipped)) => {
                short.gaps.push(Gap::Vanished(test.clone()))
            }
            (_, Some(Outcome::Passed)) => (),
            // It was red at the parent, but the commit's version of it passes without the fix and no longer with it.
            (_, Some(Outcome::Failed | Outcome::Errored | Outcome::TimedOut))
                if passed_before(name_after) =>
            {
                short.gaps.push(Gap::Broken(test.clone()));
            }
            (_, Some(_)) => _ = kept.still_red.insert(test.clone()),
        }
    }
    for not_built in &runs.old_tests.not_built {
        let was_built = !runs
            .parent
            .not_built
            .iter()
            .any(|other| other.what == not_built.what);
        if was_built {
            short.doubts.push(Doubt::OldTestsNotBuilt {
                what: not_built.what.clone(),
                detail: not_built.detail.clone(),
            });
        }
    }
    for not_built in &after.not_built {
        if !runs
            .parent
            .not_built
            .iter()
            .any(|other| other.what == not_built.what)
        {
            short.gaps.push(Gap::NotBuilt {
                what: not_built.what.clone(),
                detail: not_built.detail.clone(),
            });
        }
    }
    // Where the parent's tests do not even build, the ids that are missing there say nothing more.
    if short
        .doubts
        .iter()
        .any(|doubt| matches!(doubt, Doubt::OldTestsNotBuilt { .. }))
    {
        short.doubts.retain(|doubt| !matches!(doubt, Doubt::ExpectationChanged(test) if runs.old_tests.outcome(test).is_none()));
    }
    short.into_result(kept)
}

/// The tests that passed at the parent and are said to fail now, on AFTER or as the parent has them.
pub fn blamed(short: &Shortfall) -> BTreeSet<TestId> {
    let broken = short.gaps.iter().filter_map(|gap| match gap {
        Gap::Broken(test) => Some(test),
        _ => None,
    });
    let changed = short.doubts.iter().filter_map(|doubt| match doubt {
        Doubt::ExpectationChanged(test) => Some(test),
        _ => None,
    });
    broken.chain(changed).cloned().collect()
}

/// A blamed test that passes when it runs again on the same tree is flaky: a doubt of that name, and never a proof.
pub fn again(short: Shortfall, after: &TestRun, old_tests: &TestRun) -> Shortfall {
    let passes = |run: &TestRun, test: &TestId| run.outcome(test) == Some(Outcome::Passed);
    let mut flaky = Vec::new();
    let mut is_steady = |run: &TestRun, test: &TestId| {
        if passes(run, test) {
            flaky.push(Doubt::Flaky(test.clone()));
        }
        !passes(run, test)
    };
    let Shortfall {
        mut gaps,
        mut doubts,
    } = short;
    gaps.retain(|gap| match gap {
        Gap::Broken(test) => is_steady(after, test),
        _ => true,
    });
    doubts.retain(|doubt| match doubt {
        Doubt::ExpectationChanged(test) => is_steady(old_tests, test),
        _ => true,
    });
    doubts.extend(flaky);
    Shortfall { gaps, doubts }
}

/// The tests that are short of nothing but steadiness; none where anything else is short.
pub fn flaky(short: &Shortfall) -> BTreeSet<TestId> {
    let tests = short.doubts.iter().map(|doubt| match doubt {
        Doubt::Flaky(test) => Some(test.clone()),
        _ => None,
    });
    let tests: Option<BTreeSet<TestId>> = tests.collect();
    tests.filter(|_| short.gaps.is_empty()).unwrap_or_default()
}

/// What never ran cannot have kept passing.
fn baseline(runs: &Runs) -> Result<(), Shortfall> {
    let count = |outcome| {
        runs.parent
            .results
            .values()
            .filter(|result| result.outcome == outcome)
            .count()
    };
    let n_passed = count(Outcome::Passed);
    let n_errored =
        count(Outcome::Errored) + count(Outcome::TimedOut) + runs.parent.not_built.len();
    let is_short = n_passed < n_errored || (n_passed == 0 && runs.expects_baseline);
    if is_short {
        let said = format!("{n_passed} tests passed at the parent, {n_errored} errored");
        return Err(Shortfall::from(Doubt::NoBaseline(said)));
    }
    Ok(())
}

fn trusted(tree: Tree, run: &TestRun) -> Result<(), Shortfall> {
    let doubts: Vec<Doubt> = run
        .distrust
        .iter()
        .map(|reason| Doubt::RunnerUntrusted {
            tree,
            reason: reason.clone(),
        })
        .collect();
    Shortfall {
        gaps: Vec::new(),
        doubts,
    }
    .into_result(())
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Option<Outcome>; 6] = [
        None,
        Some(Outcome::Passed),
        Some(Outcome::Failed),
        Some(Outcome::Errored),
        Some(Outcome::Skipped),
        Some(Outcome::TimedOut),
    ];

    /// The outcomes of one test at the PARENT, BEFORE, AFTER, and AFTER with the parent's tests.
    type Row = [Option<Outcome>; 4];

    /// `-` absent, `P`assed, `F`ailed, `E`rrored, `S`kipped, `T`imed out.
    fn rows(table: &str) -> Vec<(TestId, Row)> {
        let outcome = |mark: &str| match mark {
            "-" => None,
            "P" => Some(Outcome::Passed),
            "F" => Some(Outcome::Failed),
            "E" => Some(Outcome::Errored),
            "S" => Some(Outcome::Skipped),
            "T" => Some(Outcome::TimedOut),
            _ => panic!("unknown mark {mark}"),
        };
        table
            .split(',')
            .map(|row| {
                let words: Vec<&str> = row.split_whitespace().collect();
                let [name, parent, before, after, old] = words[..] else {
                    panic!("name and four marks: {row}")
                };
                (
                    TestId(name.to_owned()),
                    [
                        outcome(parent),
                        outcome(before),
                        outcome(after),
                        outcome(old),
                    ],
                )
            })
            .collect()
    }

    fn run(rows: &[(TestId, Row)], side: usize) -> TestRun {
        let results = rows
            .iter()
            .filter_map(|(test, row)| Some((test.clone(), TestResult::new(row[side]?, ""))))
            .collect();
        TestRun {
            results,
            ..TestRun::default()
        }
    }

    fn weigh(rows: &[(TestId, Row)], existing_tests: ExistingTests) -> Result<Proof, Shortfall> {
        let [parent, before, after, old_tests] = [0, 1, 2, 3].map(|side| run(rows, side));
        weigh_runs(&parent, &before, &after, &old_tests, existing_tests)
    }

    fn weigh_runs(
        parent: &TestRun,
        before: &TestRun,
        after: &TestRun,
        old_tests: &TestRun,
        existing_tests: ExistingTests,
    ) -> Result<Proof, Shortfall> {
        let runs = Runs {
            parent,
            before: &[before.clone(), before.clone()],
            after: &[after.clone(), after.clone()],
            old_tests,
            expects_baseline: true,
        };
        compare(
            &runs,
            &Terms {
                existing_tests,
                carried: &BTreeSet::new(),
                renamed: &BTreeMap::new(),
                unsteady: &BTreeSet::new(),
            },
        )
    }

    #[track_caller]
    fn check(table: &str, expected: &str) {
        let actual = match weigh(&rows(table), ExistingTests::Strict) {
            Ok(proof) => format!(
                "F2P {} P2P {} red {}",
                proof.fail_to_pass.len(),
                proof.pass_to_pass.len(),
                proof.still_red.len()
            ),
            Err(short) => said(&short),
        };
        assert_eq!(actual, expected);
    }

    fn said(short: &Shortfall) -> String {
        let gaps = short.gaps.iter().map(|gap| format!("{gap:?}"));
        let doubts = short.doubts.iter().map(|doubt| format!("{doubt:?}"));
        let said: Vec<String> = gaps.chain(doubts).collect();
        said.join(" ").replace("TestId", "")
    }

    #[test]
    fn a_new_test_that_fails_then_passes_is_proof() {
        check("new - F P -, old P P P P", "F2P 1 P2P 1 red 0");
    }

    #[test]
    fn a_changed_test_that_fails_then_passes_is_proof() {
        check("changed P F P P, old P P P P", "F2P 1 P2P 2 red 0");
    }

    #[test]
    fn a_new_test_that_already_passes_proves_nothing() {
        check("new - P P -, old P P P P", r#"AlreadyPasses([("new")])"#);
    }

    #[test]
    fn a_green_new_test_beside_a_red_one_does_no_harm() {
        check(
            "red - F P -, green - P P -, old P P P P",
            "F2P 1 P2P 1 red 0",
        );
    }

    #[test]
    fn absent_before_is_not_failed() {
        check("new - - P -, old P P P P", "AlreadyPasses([])");
    }

    #[test]
    fn an_error_before_is_not_a_failure() {
        check(
            "new - E P -, old P P P P",
            r#"BeforeErrored { what: "new", detail: "", at_parent: false }"#,
        );
    }

    #[test]
    fn what_errs_or_hangs_at_the_parent_too_is_no_excuse_for_a_green_test() {
        let new = "new - P P -, old P P P P";
        for sick in ["sick E E E E", "sick T T T T"] {
            check(&format!("{new}, {sick}"), r#"AlreadyPasses([("new")])"#);
        }
        check("new - T P -, old P P P P", r#"TimedOut(("new"))"#);
    }

    #[test]
    fn a_test_that_was_red_at_the_parent_is_not_new() {
        check("red F F P P, old P P P P", r#"AlreadyRed([("red")])"#);
    }

    #[test]
    fn a_new_test_that_is_red_afterwards_refuses_the_fix() {
        check("new - F F -, old P P P P", r#"StillFails(("new"))"#);
    }

    #[test]
    fn breaking_an_old_test_refuses_the_fix() {
        check("new - F P -, old P P F F", r#"Broken(("old"))"#);
    }

    #[test]
    fn a_test_that_the_fix_turns_red_refuses_it_whatever_it_was_at_the_parent() {
        check("new - F P -, old P P P P, un S P F -", r#"Broken(("un"))"#);
        check(
            "new - F P -, old P P P P, un S - E S",
            r#"StillFails(("un"))"#,
        );
        check(
            "new - F P -, old P P P P, sick F P F F",
            r#"Broken(("sick"))"#,
        );
        check(
            "new - F P -, old P P P P, sick F - F F",
            "F2P 1 P2P 1 red 1",
        );
    }

    #[test]
    fn an_old_test_that_is_gone_or_skipped_refuses_the_fix() {
        check("new - F P -, old P P - P", r#"Vanished(("old"))"#);
        check(
            "new - F P -, old P P S P, other P P P P",
            r#"Vanished(("old"))"#,
        );
    }

    #[test]
    fn an_old_expectation_that_only_the_new_version_meets_needs_a_person() {
        check("new - F P -, old P P P F", r#"ExpectationChanged(("old"))"#);
    }

    #[test]
    fn what_was_red_may_stay_red() {
        check(
            "new - F P -, old P P P P, sick F F F F",
            "F2P 1 P2P 1 red 1",
        );
    }

    #[test]
    fn a_parent_without_a_passing_test_is_no_baseline() {
        check(
            "new - F P -",
            r#"NoBaseline("0 tests passed at the parent, 0 errored")"#,
        );
        for sick in ["one E E E E, two E E E E", "one T T T T, two T T T T"] {
            check(
                &format!("new - F P -, old P P P P, {sick}"),
                r#"NoBaseline("1 tests passed at the parent, 2 errored")"#,
            );
        }
    }

    #[test]
    fn an_expectation_may_change_where_the_policy_lets_the_new_one_be_proof() {
        let rows = rows("changed P F P F, old P P P P");
        assert!(weigh(&rows, ExistingTests::Strict).is_err());
        assert!(weigh(&rows, ExistingTests::AllowIfFailToPass).is_ok());
    }

    #[test]
    fn a_file_that_builds_on_neither_side_is_undecided() {
        let broken = TestRun {
            not_built: vec![NotBuilt::new("it", "no module")],
            ..TestRun::default()
        };
        let terms = Terms {
            existing_tests: ExistingTests::Strict,
            carried: &BTreeSet::new(),
            renamed: &BTreeMap::new(),
            unsteady: &BTreeSet::new(),
        };
        let short = red(&broken, &broken, &terms).expect_err("a shortfall");
        assert!(
            short.gaps.is_empty() && short.doubts.len() == 1,
            "{short:?}"
        );
    }

    #[test]
    fn an_error_of_the_parent_is_told_from_one_of_the_new_test() {
        let run = |what: &str, detail: &str| TestRun {
            not_built: vec![NotBuilt::new(what, detail)],
            ..TestRun::default()
        };
        let terms = Terms {
            existing_tests: ExistingTests::Strict,
            carried: &BTreeSet::new(),
            renamed: &BTreeMap::new(),
            unsteady: &BTreeSet::new(),
        };
        let result = |outcome| TestRun {
            results: [(TestId("old".into()), TestResult::new(outcome, "no module"))].into(),
            ..TestRun::default()
        };
        for (parent, expected) in [
            (result(Outcome::Errored), true),
            (result(Outcome::Failed), false),
            (run("it", "no module"), true),
            (run("it", "line 3: no module"), true),
            (run("other", "no module"), true),
            (run("other", "no name"), false),
            (TestRun::default(), false),
        ] {
            let short = red(&parent, &run("it", "no module"), &terms).expect_err("a shortfall");
            let [Doubt::BeforeErrored { at_parent, .. }] = short.doubts[..] else {
                panic!("{short:?}");
            };
            assert_eq!(at_parent, expected, "{parent:?}");
        }
    }

    #[test]
    fn a_new_test_that_is_skipped_neither_proves_nor_hinders() {
        check(
            "new - F P -, later - S S -, old P P P P",
            "F2P 1 P2P 1 red 0",
        );
        check("later - S S -, old P P P P", "AlreadyPasses([])");
        check("later - S P -, old P P P P", "AlreadyPasses([])");
        check(
            "new - F P -, later - S F -, old P P P P",
            r#"StillFails(("later"))"#,
        );
    }

    #[test]
    fn samples_that_disagree_are_flaky() {
        let candidates = BTreeSet::from([TestId("new".into())]);
        let [red, green] = ["new - F P -", "new - P P -"].map(|table| run(&rows(table), 1));
        let check = |before: &[&TestRun], after: &[&TestRun]| {
            let [before, after] =
                [before, after].map(|runs| runs.iter().copied().cloned().collect::<Vec<_>>());
            let short = reproduced(&candidates, &TestRun::default(), &before, &after)
                .expect_err("a shortfall");
            assert_eq!(short.doubts, [Doubt::Flaky(TestId("new".into()))]);
        };
        check(&[&red, &green], &[&green]);
        check(&[&red], &[&green, &red]);
        check(&[&red, &TestRun::default()], &[&green]);
    }

    #[test]
    fn an_old_test_that_is_not_red_every_time_leaves_the_proof_to_others() {
        let drawn = |red: bool| {
            let old = if red { "old P F P P" } else { "old P P P P" };
            rows(&format!("new - F P -, {old}"))
        };
        let parent = run(&drawn(true), 0);
        let before = [run(&drawn(true), 1), run(&drawn(false), 1)];
        let after = run(&drawn(true), 2);
        let both = ["new", "old"].map(|test| TestId(test.into()));
        let weigh = |candidates: &[TestId], parent: &TestRun, after: &TestRun| {
            let candidates = candidates.iter().cloned().collect();
            let after = [after.clone(), after.clone()];
            match reproduced(&candidates, parent, &before, &after) {
                Ok(proof) => proof.into_keys().map(|test| test.0).collect(),
                Err(short) => format!("{:?}", short.doubts).replace("TestId", ""),
            }
        };
        assert_eq!(weigh(&both, &parent, &after), "new");
        let flaky = r#"[Flaky(("old"))]"#;
        assert_eq!(weigh(&both[1..], &parent, &after), flaky);
        assert_eq!(weigh(&both, &TestRun::default(), &after), flaky);
        let red_after = run(&rows("new - F P -, old P F F P"), 2);
        assert_eq!(weigh(&both, &parent, &red_after), flaky);
    }

    #[test]
    fn a_blamed_test_that_passes_again_is_flaky_and_still_no_proof() {
        let broken = |test: &str| Gap::Broken(TestId(test.into()));
        let changed = |test: &str| Doubt::ExpectationChanged(TestId(test.into()));
        let flaky_one = |test: &str| Doubt::Flaky(TestId(test.into()));
        let short = Shortfall {
            gaps: vec![broken("old"), broken("other")],
            doubts: vec![changed("early"), changed("late")],
        };
        assert_eq!(blamed(&short).len(), 4);
        let rows = rows("old P P P P, other P P F F, early P P P P, late P P P F");
        let (after, old_tests) = (run(&rows, 2), run(&rows, 3));
        let short = again(short, &after, &old_tests);
        assert_eq!(short.gaps, [broken("other")]);
        assert_eq!(
            short.doubts,
            [changed("late"), flaky_one("old"), flaky_one("early")]
        );
        assert!(flaky(&short).is_empty());
        let short = Shortfall {
            gaps: Vec::new(),
            doubts: vec![flaky_one("old")],
        };
        assert_eq!(flaky(&short).len(), 1);
        assert!(flaky(&Shortfall::default()).is_empty());
    }

    #[test]
    fn what_failed_at_the_parent_in_another_run_says_nothing() {
        let table = "new - F P -, old P P P P, early P P P F, late P P F P";
        let rows = rows(table);
        let [parent, before, after, old_tests] = [0, 1, 2, 3].map(|n| run(&rows, n));
        let runs = Runs {
            parent: &parent,
            before: std::slice::from_ref(&before),
            after: std::slice::from_ref(&after),
            old_tests: &old_tests,
            expects_baseline: true,
        };
        let weigh = |unsteady: &[&str]| {
            let unsteady = unsteady.iter().map(|&test| TestId(test.into())).collect();
            let terms = Terms {
                existing_tests: ExistingTests::Strict,
                carried: &BTreeSet::new(),
                renamed: &BTreeMap::new(),
                unsteady: &unsteady,
            };
            compare(&runs, &terms).map(|proof| (proof.pass_to_pass.len(), proof.still_red.len()))
        };
        assert_eq!(weigh(&["early", "late"]), Ok((1, 2)));
        let short = weigh(&["early"]).expect_err("a broken test");
        assert_eq!(short.gaps, [Gap::Broken(TestId("late".into()))]);
        assert!(weigh(&["late"]).is_err());
    }

    /// Every combination of outcomes of one more test, beside a sound proof: 1,296 rows against the rule in other words.
    #[test]
    fn the_whole_table() {
        use Outcome::{Errored, Failed, Passed, Skipped, TimedOut};
        let sound = rows("proof - F P -, old P P P P");
        for (parent, before, after, old) in itertools(&OUTCOMES) {
            let mut rows = sound.clone();
            rows.push((TestId("probe".into()), [parent, before, after, old]));
            let is_bad = matches!(after, Some(Failed | Errored | TimedOut));
            let stays_good = match parent {
                Some(Passed) => after == Some(Passed) && old == Some(Passed),
                Some(Failed | Errored | TimedOut) => {
                    after.is_some() && !(before == Some(Passed) && is_bad)
                }
                None | Some(Skipped) => !is_bad,
            };
            let is_candidate = before == Some(Failed) && parent != Some(Failed);
            let holds = stays_good && (!is_candidate || after == Some(Passed));
            // A parent where as much errors as passes is no baseline; here two of three may.
            let accepted = weigh(&rows, ExistingTests::Strict).is_ok();
            assert_eq!(accepted, holds, "{parent:?} {before:?} {after:?} {old:?}");
        }
    }

    fn itertools(
        all: &[Option<Outcome>],
    ) -> impl Iterator<
        Item = (
            Option<Outcome>,
            Option<Outcome>,
            Option<Outcome>,
            Option<Outcome>,
        ),
    > {
        all.iter().flat_map(move |&a| {
            all.iter().flat_map(move |&b| {
                all.iter()
                    .flat_map(move |&c| all.iter().map(move |&d| (a, b, c, d)))
            })
        })
    }

    #[test]
    fn a_test_that_turns_with_the_comments_reads_its_sources() {
        let candidates = BTreeSet::from([TestId("a".to_owned())]);
        let reads = |before: &str, after: &str| {
            let (before, after) = (
                rows(&format!("a {before} - - -")),
                rows(&format!("a {after} - - -")),
            );
            deaf(&candidates, &run(&before, 0), &run(&after, 0)).is_err()
        };
        assert!(!reads("F", "P"));
        for other in ["P", "E", "S", "T", "-"] {
            assert!(reads(other, "P"), "BEFORE {other}");
        }
        for other in ["F", "E", "S", "T", "-"] {
            assert!(reads("F", other), "AFTER {other}");
        }
    }

    #[test]
    fn what_did_not_build_at_the_parent_stands_for_itself_alone() {
        let rows = rows("proof - F P -, old P P P P, more P P P P, most P P P P");
        let accepts = |side: usize, what: &str| {
            let mut runs = [0, 1, 2, 3].map(|side| run(&rows, side));
            runs[0].not_built.push(NotBuilt::new("other", "error"));
            runs[side].not_built.push(NotBuilt::new(what, "error"));
            let [parent, before, after, old_tests] = &runs;
            weigh_runs(parent, before, after, old_tests, ExistingTests::Strict).is_ok()
        };
        for side in [2, 3] {
            assert!(accepts(side, "other"));
            assert!(!accepts(side, "it"));
        }
    }

    #[test]
    fn only_a_failed_test_is_red() {
        let of = |row: &str| has_red(&run(&rows(row), 1));
        assert!(of("a - P P -, b - F P -"));
        assert!(!of("a - P P -, b - E P -, c - T P -, d - S P -"));
    }

    /// A revert has a PARENT and an AFTER only.
    #[track_caller]
    fn check_unbroken(table: &str, expected: &str) {
        let rows = rows(table);
        let actual = match unbroken(&run(&rows, 0), &run(&rows, 2)) {
            Ok(kept) => kept.into_iter().map(|test| test.0).collect(),
            Err(short) => said(&short),
        };
        assert_eq!(actual, expected, "{table}");
    }

    #[test]
    fn a_revert_breaks_nothing_that_passed_and_brings_nothing_red() {
        let old = |more: &str| format!("old P - P -, {more}");
        for fine in [
            "gone P - - -",
            "sick F - F -",
            "sick T - T -",
            "healed E - P -",
            "idle S - S -",
            "new - - P -",
            "new - - S -",
        ] {
            check_unbroken(&old(fine), "old");
        }
        check_unbroken(&old("more P - F -"), r#"Broken(("more"))"#);
        check_unbroken(&old("more P - E -"), r#"Broken(("more"))"#);
        check_unbroken(&old("more P - S -"), r#"Vanished(("more"))"#);
        check_unbroken(&old("more P - T -"), r#"TimedOut(("more"))"#);
        check_unbroken(&old("new - - F -"), r#"StillFails(("new"))"#);
        check_unbroken(&old("new - - E -"), r#"StillFails(("new"))"#);
        check_unbroken(&old("new - - T -"), r#"TimedOut(("new"))"#);
        let nothing = r#"NoBaseline("no test passed both before and after the revert")"#;
        check_unbroken("gone P - - -, new - - P -, sick F - F -", nothing);
    }

    #[test]
    fn a_revert_that_does_not_build_is_no_revert() {
        let rows = rows("old P - P -");
        let mut after = run(&rows, 2);
        after.not_built.push(NotBuilt::new("it", "error"));
        let short = unbroken(&run(&rows, 0), &after).expect_err("a shortfall");
        assert_eq!(said(&short), r#"NotBuilt { what: "it", detail: "error" }"#);
    }
}
