//! What is kept while commits go by: counts, a few examples, sizes. Nothing here grows with the number of findings.

use std::collections::BTreeMap;

use gix::ObjectId;
use serde::Serialize;

use super::Backtest;
use super::fit::{self, Sized};
use super::kind::Kind;
use crate::check::trust;
use crate::git::Repo;
use crate::perimeter::{Finding, Sizes, shown_subject};
use crate::policy::{Policy, Rule};

/// So many examples are kept of each thing, the newest.
const EXAMPLES: usize = 3;

/// The longest fact that is kept, in characters.
const FACT_CHARS: usize = 200;

/// So many protected places are told.
const PLACES: usize = 20;

/// How many commits of a kind end how.
#[derive(Clone, Debug, Serialize)]
pub struct Counts {
    pub kind: Kind,
    pub commits: usize,
    /// The perimeter has nothing against it.
    pub inside: usize,
    /// Nor against this one, but for how its message is written.
    pub but_for_message: usize,
    pub refused: usize,
    pub undecided: usize,
}

/// One rule and the commits that it stops.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    pub rule: Rule,
    pub fixes: usize,
    pub others: usize,
    /// Fixes that no other rule stops.
    pub fixes_alone: usize,
    /// Fixes first, each newest first.
    pub examples: Vec<Example>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    pub commit: String,
    pub subject: String,
    pub fact: String,
}

/// An entry of the protected list and the commits that touched it.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    pub entry: String,
    pub fixes: usize,
    pub others: usize,
    pub examples: Vec<Example>,
}

/// One commit, judged.
pub(super) struct Replayed {
    pub kind: Kind,
    pub sizes: Sizes,
    pub places: Vec<String>,
    /// Those that refuse.
    pub findings: Vec<Finding>,
    pub subject: String,
}

#[derive(Default)]
pub(super) struct Tally {
    ends: BTreeMap<Kind, Ends>,
    reasons: BTreeMap<Rule, Met>,
    places: BTreeMap<String, Met>,
    undecided: Examples,
    sized: Vec<Sized>,
}

#[derive(Default)]
struct Ends {
    inside: usize,
    but_for_message: usize,
    refused: usize,
    undecided: usize,
}

/// What some commits have in common.
#[derive(Default)]
struct Met {
    fixes: usize,
    others: usize,
    fixes_alone: usize,
    of_fixes: Examples,
    of_others: Examples,
}

/// The newest few, by their place in the list.
#[derive(Default)]
struct Examples(Vec<(usize, Example)>);

impl Tally {
    pub fn count(&mut self, n: usize, id: ObjectId, replayed: &Replayed) {
        let Replayed { kind, findings, .. } = replayed;
        let is_of_message = |rule: Rule| {
            matches!(
                rule,
                Rule::NotConventional
                    | Rule::TypeNotAllowed
                    | Rule::SubjectTooLong
                    | Rule::TrailerMissing
            )
        };
        let ends = self.ends.entry(*kind).or_default();
        let is_inside = findings.iter().all(|finding| is_of_message(finding.rule));
        match (findings.is_empty(), is_inside) {
            (true, _) => ends.inside += 1,
            (false, true) => ends.but_for_message += 1,
            (false, false) => ends.refused += 1,
        }
        let mut rules: BTreeMap<Rule, &Finding> = BTreeMap::new();
        for finding in findings {
            rules.entry(finding.rule).or_insert(finding);
        }
        let is_alone = rules.len() == 1;
        for (rule, finding) in rules {
            let met = self.reasons.entry(rule).or_default();
            met.count(n, *kind, is_alone, || {
                Example::of(id, replayed, &finding.fact)
            });
        }
        for place in &replayed.places {
            let met = self.places.entry(place.clone()).or_default();
            met.count(n, *kind, false, || Example::of(id, replayed, ""));
        }
        self.sized
            .extend(Sized::of(n, *kind, &replayed.sizes, is_inside));
    }

    /// A commit that cannot be judged is not accepted either.
    pub fn count_undecided(&mut self, n: usize, id: ObjectId, repo: &Repo, error: &anyhow::Error) {
        self.ends.entry(Kind::Other).or_default().undecided += 1;
        self.undecided.keep(n, || Example {
            commit: trust::short(id),
            subject: match repo.commit(id) {
                Ok(commit) => shown_subject(&commit.message),
                Err(_) => String::new(),
            },
            fact: cut(&format!("{error:#}")),
        });
    }

    pub fn add(&mut self, other: Tally) {
        for (kind, ends) in other.ends {
            let mine = self.ends.entry(kind).or_default();
            mine.inside += ends.inside;
            mine.but_for_message += ends.but_for_message;
            mine.refused += ends.refused;
            mine.undecided += ends.undecided;
        }
        for (rule, met) in other.reasons {
            self.reasons.entry(rule).or_default().add(met);
        }
        for (place, met) in other.places {
            self.places.entry(place).or_default().add(met);
        }
        self.undecided.add(other.undecided);
        self.sized.extend(other.sized);
    }

    pub fn report(mut self, policy: &Policy, ids: &[ObjectId]) -> Backtest {
        self.sized.sort_by_key(|sized| sized.n);
        let provable = self.sized.iter();
        let provable = provable
            .filter(|sized| sized.is_inside && sized.kind == Kind::TestedFix)
            .map(|sized| ids[sized.n])
            .collect();
        let mut reasons: Vec<Reason> = self.reasons.into_iter().map(Met::reason).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse((reason.fixes, reason.others)));
        let mut protected: Vec<Place> = self.places.into_iter().map(Met::place).collect();
        protected.sort_by_key(|place| std::cmp::Reverse(place.fixes + place.others));
        protected.truncate(PLACES);
        let ends = Kind::ALL.into_iter();
        let kinds = ends
            .map(|kind| counts(kind, self.ends.get(&kind)))
            .collect();
        Backtest {
            n_commits: ids.len(),
            policy_digest: policy.digest.clone(),
            kinds,
            reasons,
            undecided: self.undecided.told(),
            limits: fit::fit(&self.sized, policy),
            protected,
            proofs: None,
            provable,
        }
    }
}

fn counts(kind: Kind, ends: Option<&Ends>) -> Counts {
    let none = Ends::default();
    let ends = ends.unwrap_or(&none);
    Counts {
        kind,
        commits: ends.inside + ends.but_for_message + ends.refused + ends.undecided,
        inside: ends.inside,
        but_for_message: ends.but_for_message,
        refused: ends.refused,
        undecided: ends.undecided,
    }
}

impl Met {
    fn count(&mut self, n: usize, kind: Kind, is_alone: bool, example: impl FnOnce() -> Example) {
        if kind.is_fix() {
            self.fixes += 1;
            self.fixes_alone += usize::from(is_alone);
            self.of_fixes.keep(n, example);
        } else {
            self.others += 1;
            self.of_others.keep(n, example);
        }
    }

    fn add(&mut self, other: Met) {
        self.fixes += other.fixes;
        self.others += other.others;
        self.fixes_alone += other.fixes_alone;
        self.of_fixes.add(other.of_fixes);
        self.of_others.add(other.of_others);
    }

    fn reason((rule, met): (Rule, Met)) -> Reason {
        Reason {
            rule,
            fixes: met.fixes,
            others: met.others,
            fixes_alone: met.fixes_alone,
            examples: met.examples(),
        }
    }

    fn place((entry, met): (String, Met)) -> Place {
        Place {
            entry,
            fixes: met.fixes,
            others: met.others,
            examples: met.examples(),
        }
    }

    fn examples(self) -> Vec<Example> {
        let mut examples = self.of_fixes.told();
        examples.extend(self.of_others.told());
        examples.truncate(EXAMPLES);
        examples
    }
}

impl Examples {
    fn keep(&mut self, n: usize, example: impl FnOnce() -> Example) {
        let at = self.0.partition_point(|(other, _)| *other < n);
        if at < EXAMPLES {
            self.0.insert(at, (n, example()));
            self.0.truncate(EXAMPLES);
        }
    }

    fn add(&mut self, other: Examples) {
        for (n, example) in other.0 {
            self.keep(n, || example);
        }
    }

    fn told(self) -> Vec<Example> {
        self.0.into_iter().map(|(_, example)| example).collect()
    }
}

impl Example {
    fn of(id: ObjectId, replayed: &Replayed, fact: &str) -> Example {
        Example {
            commit: trust::short(id),
            subject: cut(&replayed.subject),
            fact: cut(fact),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(FACT_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_examples_stay_whoever_finds_them_first() {
        let example = |n: usize| Example {
            commit: n.to_string(),
            subject: String::new(),
            fact: String::new(),
        };
        let keep = |ns: &[usize]| {
            let mut examples = Examples::default();
            ns.iter().for_each(|&n| examples.keep(n, || example(n)));
            examples
        };
        let mut one = keep(&[9, 4, 7, 1, 8]);
        one.add(keep(&[6, 2, 3]));
        let told: Vec<String> = one.told().into_iter().map(|it| it.commit).collect();
        assert_eq!(told, ["1", "2", "3"]);
    }
}
