//! Tries a shipped set of attacks and honest changes on the installed policy, over a real tree of the repository and in memory.
//!
//! The perimeter alone is tried: no test runs. What counts is the policy that `check` would read, not the file of the work tree.

mod because;
mod places;
mod stage;
mod table;

use jiff::civil::Date;
use serde::Serialize;

use self::places::Places;
use self::table::{Case, Mark};
use crate::change::RepoPath;
use crate::check::lane::{self, LaneChoice, LaneDecision, Marks};
use crate::check::trust::Trusted;
use crate::check::waive;
use crate::check::{self, Subject};
use crate::git::{Person, Repo};
use crate::perimeter::Finding;
use crate::policy::{Effective, Lane, Level, Mode, Policy, Rule};

/// What came of all of them.
#[derive(Debug, Serialize)]
pub struct Selftest {
    pub trusted: Trusted,
    pub policy_digest: String,
    /// The files that stood for code and tests.
    pub code: RepoPath,
    pub test: RepoPath,
    pub attacks: Vec<Attack>,
    pub honest: Vec<Honest>,
    /// Where the policy says that it only observes.
    pub observes: Vec<Effective>,
}

#[derive(Debug, Serialize)]
pub struct Attack {
    pub name: &'static str,
    pub end: End,
}

/// What becomes of an attack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Refused by these rules.
    Stopped(Vec<Rule>),
    /// It would be refused, and the policy refuses nothing.
    Observed(Vec<Rule>),
    /// The policy lets it through.
    Passed {
        /// What the preset `default` refuses it by, and its fact.
        by_default: Vec<Missed>,
        /// What makes the difference, as far as it can be told.
        because: Vec<Effective>,
    },
    /// The policy has no tests of the language that it is about.
    NotApplicable,
}

/// What the preset `default` says of an attack.
#[derive(Debug, Serialize)]
pub struct Missed {
    pub rule: Rule,
    pub fact: String,
}

#[derive(Debug, Serialize)]
pub struct Honest {
    pub name: &'static str,
    /// What the policy refuses it for: nothing, if all is well. `None` where it has no tests of the language.
    pub refused: Option<Vec<Missed>>,
}

/// Runs every shipped change through `policy`.
///
/// # Errors
/// The trusted tree cannot be read, or a shipped change cannot be made of it.
pub fn run(
    repo: &Repo,
    trusted: &Trusted,
    policy: &Policy,
    today: Date,
) -> anyhow::Result<Selftest> {
    let commit_id = gix::ObjectId::from_hex(trusted.commit.as_bytes())?;
    let tree_id = repo.commit(commit_id)?.tree_id;
    let places = Places::choose(repo, policy, tree_id)?;
    let reference = because::reference(policy)?;
    let bench = Bench {
        repo,
        policy,
        reference: &reference,
        places: &places,
        today,
    };
    let attacks = table::attacks()?;
    let attacks = attacks.iter().map(|case| bench.attack(case));
    let honest = table::honest()?;
    let honest = honest.iter().map(|case| bench.honest(case));
    Ok(Selftest {
        trusted: trusted.clone(),
        policy_digest: policy.digest.clone(),
        code: places.code().clone(),
        test: places.test().clone(),
        attacks: attacks.collect::<anyhow::Result<_>>()?,
        honest: honest.collect::<anyhow::Result<_>>()?,
        observes: because::observes(policy),
    })
}

/// What every case is tried with.
struct Bench<'a> {
    repo: &'a Repo,
    policy: &'a Policy,
    reference: &'a Policy,
    places: &'a Places,
    /// By which waivers end.
    today: Date,
}

impl Bench<'_> {
    fn attack(&self, case: &Case) -> anyhow::Result<Attack> {
        let name = case.name;
        let Some(subject) = stage::subject(self.repo, self.places, case)? else {
            let end = End::NotApplicable;
            return Ok(Attack { name, end });
        };
        let lane = lane(self.policy, case, &subject);
        let found = check::findings(self.repo, &subject, self.policy, lane.lane, &[])?;
        let found = waive::waive(found, &subject.change, &self.policy.waivers, self.today);
        let rules = rules(&denied(found.findings));
        let end = match (rules.is_empty(), self.policy.mode_of(lane.lane)) {
            (false, Mode::Enforce) => End::Stopped(rules),
            (false, Mode::Observe) => End::Observed(rules),
            (true, _) => {
                let by_default = self.refused(&subject, self.reference)?;
                let mut because = because::because(self.policy, self.reference, &lane, &by_default);
                because.extend(found.waived.iter().map(because::waiver));
                End::Passed {
                    because,
                    by_default,
                }
            }
        };
        Ok(Attack { name, end })
    }

    fn honest(&self, case: &Case) -> anyhow::Result<Honest> {
        let subject = stage::subject(self.repo, self.places, case)?;
        let refused = subject.map(|subject| self.refused(&subject, self.policy));
        Ok(Honest {
            name: case.name,
            refused: refused.transpose()?,
        })
    }

    /// What a policy refuses a change for, whatever it waives.
    fn refused(&self, subject: &Subject, policy: &Policy) -> anyhow::Result<Vec<Missed>> {
        check::findings(self.repo, subject, policy, Lane::Repair, &[]).map(denied)
    }
}

fn denied(findings: Vec<Finding>) -> Vec<Missed> {
    let findings = findings.into_iter();
    let denied = findings.filter(|finding| finding.level == Level::Deny);
    denied
        .map(|finding| Missed {
            rule: finding.rule,
            fact: finding.fact,
        })
        .collect()
}

/// `repair`, as `check` has it; the policy's own word where the case bears a mark.
fn lane(policy: &Policy, case: &Case, subject: &Subject) -> LaneDecision {
    let Some(mark) = &case.mark else {
        let lane = Lane::Repair;
        return lane::decide(&LaneChoice::Fixed(lane), policy, &Marks::default());
    };
    let (branch, email) = match mark {
        Mark::Branch(name) => (Some(*name), "somebody@example.org"),
        Mark::Author(address) => (None, *address),
    };
    let author = Person {
        name: "Somebody".into(),
        email: email.into(),
        seconds: 0,
    };
    let trailers = subject.message.as_ref().map(|message| message.trailers());
    let marks = Marks {
        branch,
        people: vec![&author],
        trailers: trailers.as_deref().unwrap_or_default(),
        text: b"",
        environment: None,
    };
    lane::decide(&LaneChoice::Auto(lane::Pusher::None), policy, &marks)
}

/// Each once.
fn rules(missed: &[Missed]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = missed.iter().map(|missed| missed.rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

impl Selftest {
    /// What the policy would let through, for whatever reason.
    pub fn n_passed(&self) -> usize {
        let attacks = self.attacks.iter();
        attacks
            .filter(|attack| matches!(attack.end, End::Passed { .. } | End::Observed(_)))
            .count()
    }

    pub fn n_stopped(&self) -> usize {
        let attacks = self.attacks.iter();
        attacks
            .filter(|attack| matches!(attack.end, End::Stopped(_)))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::trust::TrustSource;
    use crate::git::testing::TestRepo;

    /// A repository with code and tests, and what a policy makes of all that is shipped.
    fn run_on(files: &[(&str, &str)], policy: &str) -> (Selftest, Vec<Case>) {
        let test = TestRepo::new();
        for (path, text) in files {
            test.write(path, text);
        }
        test.commit("start");
        let repo = test.open();
        let trusted = Trusted {
            commit: test.id("HEAD").to_string(),
            name: "main".into(),
            source: TrustSource::Argument,
            floors: Vec::new(),
        };
        let policy = Policy::load(policy, "p.yaml").expect("loads");
        let selftest = run(&repo, &trusted, &policy, Date::constant(2026, 1, 2))
            .expect("every change can be made");
        (selftest, table::attacks().expect("read"))
    }

    const ALL: &str =
        "version: 1\nextends: [default, go, javascript, php, python, ruby, rust, shell]\n";
    const PYTHON: [(&str, &str); 2] = [
        (
            "shop/cart.py",
            "def total(prices):\n    result = 0\n    for price in prices:\n        result += price\n    return result\n",
        ),
        (
            "tests/test_cart.py",
            "from shop.cart import total\n\n\ndef test_total():\n    assert total([1]) == 1\n",
        ),
    ];
    const RUST: [(&str, &str); 2] = [
        (
            "src/cart.rs",
            "pub fn total(prices: &[u32]) -> u32 {\n    let prices = prices.iter();\n    // All of them.\n    prices.sum()\n}\n",
        ),
        (
            "tests/cart.rs",
            "use cart::total;\n\n#[test]\nfn one() {\n    assert_eq!(total(&[1]), 1);\n}\n",
        ),
    ];

    #[test]
    fn the_preset_default_stops_every_attack_by_the_rule_that_is_named() {
        for files in [&PYTHON[..], &RUST[..], &[("README.md", "Nothing yet\n")]] {
            let (selftest, cases) = run_on(files, ALL);
            let wrong: Vec<String> = std::iter::zip(&selftest.attacks, &cases)
                .filter(|(attack, case)| match &attack.end {
                    End::Stopped(rules) => !case.rules.iter().any(|rule| rules.contains(rule)),
                    _ => true,
                })
                .map(|(attack, case)| {
                    format!("{}: {:?}, not {:?}", attack.name, attack.end, case.rules)
                })
                .collect();
            assert_eq!(wrong, Vec::<String>::new());
        }
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn the_preset_default_has_nothing_against_an_honest_change() {
        for files in [&PYTHON[..], &RUST[..], &[("README.md", "Nothing yet\n")]] {
            let (selftest, _) = run_on(files, ALL);
            let refused: Vec<String> = selftest
                .honest
                .iter()
                .filter(|honest| {
                    honest
                        .refused
                        .as_ref()
                        .is_none_or(|refused| !refused.is_empty())
                })
                .map(|honest| format!("{}: {:?}", honest.name, honest.refused))
                .collect();
            assert_eq!(refused, Vec::<String>::new());
        }
    }

    /// How many attacks a policy lets through, and the values that it is said to be for.
    #[track_caller]
    fn check_blind(policy: &str, passes: &str, because: &str) {
        let (selftest, _) = run_on(&PYTHON, policy);
        assert!(selftest.n_passed() > 0, "{policy}");
        let passed = selftest.attacks.iter().find(|attack| attack.name == passes);
        let Some(Attack {
            end:
                End::Passed {
                    because: values,
                    by_default,
                },
            ..
        }) = passed
        else {
            panic!("{passed:?}");
        };
        assert!(!by_default.is_empty());
        let said: Vec<String> = values
            .iter()
            .map(|value| format!("{} = {} ({})", value.key, value.value, value.origin))
            .collect();
        assert_eq!(said.join("; "), because);
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn a_policy_that_is_blind_is_seen_through() {
        check_blind(
            "version: 1\nextends: [python]\nperimeter: {rules: {mode-change: off}}\n",
            "code becomes executable",
            "perimeter.rules.mode-change = off (`p.yaml`, line 3)",
        );
        check_blind(
            "version: 1\nextends: [python]\nperimeter: {rules: {lockfile-changed: warn}}\n",
            "a lock file",
            "perimeter.rules.lockfile-changed = warn (`p.yaml`, line 3)",
        );
        check_blind(
            "version: 1\nextends: [python]\nperimeter: {limits: {lines: 1000000, files: 1000000}}\n",
            "a rewrite in one file",
            "perimeter.limits.lines = 1000000 (`p.yaml`, line 3)",
        );
        check_blind(
            "version: 1\nextends: [python]\nperimeter: {rules: {destructive-operation: off}}\n",
            "a table is dropped",
            "perimeter.rules.destructive-operation = off (`p.yaml`, line 3)",
        );
        check_blind(
            "version: 1\nextends: [default, python]\nwaivers: [{path: '**', rule: mode-change, until: 2026-02-02, because: why not}]\n",
            "code becomes executable",
            "waivers = mode-change in ** (`p.yaml`, line 3)",
        );
        check_blind(
            "version: 1\nlanes: {repair: {agents: []}}\nextends: [default, python]\n",
            "a workflow by a known agent",
            "lanes.repair.branches = koan/** (preset `default`, line 7); lanes.repair.agents =  (`p.yaml`, line 2); lanes.others = human (preset `default`, line 8)",
        );
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn a_policy_that_observes_stops_nothing() {
        let (selftest, cases) = run_on(&PYTHON, &format!("{ALL}mode: observe\n"));
        assert_eq!(
            (selftest.n_stopped(), selftest.n_passed()),
            (0, cases.len())
        );
        assert_eq!(selftest.observes[0].value, "observe");
        let (selftest, cases) = run_on(
            &PYTHON,
            &format!("{ALL}lanes: {{repair: {{mode: observe}}}}\n"),
        );
        assert_eq!(
            (selftest.n_stopped(), selftest.n_passed()),
            (0, cases.len())
        );
        assert_eq!(selftest.observes[0].key, "lanes.repair.mode");
    }

    #[test]
    fn honest_changes_that_a_policy_refuses_are_named() {
        let (selftest, _) = run_on(
            &PYTHON,
            "version: 1\nextends: [default, python]\nperimeter: {limits: {lines: 1}}\n",
        );
        let honest = &selftest.honest;
        let twenty = honest
            .iter()
            .find(|honest| honest.name == "twenty lines in one place");
        let refused = twenty
            .and_then(|honest| honest.refused.as_ref())
            .expect("tried");
        assert_eq!(
            refused[0].fact,
            "20 production lines added and removed, at most 1"
        );
    }
}
