//! What became of the issues of a reading that people and agents have dealt with: the log of each, its fix, and the releases it is seen in.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::fixes;
use super::releases::Releases;
use crate::git::Repo;
use crate::issue::{Fingerprint, Issue};
use crate::policy::ReleasePolicy;
use crate::tracker::Tracker;
use crate::triage::fold::{Base, Record, Word};
use crate::triage::{Doubt, Fix, Holds, Recurrence, Recurrences};

/// What was done about an issue, and which of the releases that were read have its fix.
#[derive(Clone, Debug)]
pub struct Past {
    pub record: Record,
    pub fix: Option<Fix>,
    pub holds: BTreeMap<String, Holds>,
}

/// What is known of each of these issues. `folder` is where relative paths of the policy begin.
pub fn pasts(
    repo: &Repo,
    policy: &ReleasePolicy,
    folder: &Path,
    issues: &[Issue],
    now: Timestamp,
) -> anyhow::Result<BTreeMap<Fingerprint, Past>> {
    let names: Vec<&Fingerprint> = issues.iter().map(|issue| &issue.fingerprint).collect();
    let records = Tracker::open(repo, None, now)?.records(&names)?;
    let fixes = fixes::of(repo, &records)?;
    let releases = Releases::open(repo, policy, folder)?;
    let mut pasts = BTreeMap::new();
    // Those of all issues: an error in a release with the fix says that it runs.
    let mut commits = BTreeMap::new();
    if !fixes.is_empty() {
        for release in issues.iter().flat_map(|issue| &issue.releases) {
            if !commits.contains_key(release) {
                commits.insert(release, releases.commit_of(release)?);
            }
        }
    }
    for (name, record) in records {
        let mut past = Past {
            record,
            fix: None,
            holds: BTreeMap::new(),
        };
        if let Some(known) = fixes.get(&name) {
            past.fix = Some(known.fix(repo, &name, &releases)?);
            for (release, commit_id) in &commits {
                let holds = match commit_id {
                    Some(id) => known.is_in(repo, &name, *id)?,
                    None => Holds::Unknown(Doubt::Unmapped((*release).clone())),
                };
                past.holds.insert((*release).clone(), holds);
            }
        }
        pasts.insert(name, past);
    }
    Ok(pasts)
}

/// What that means for those that are seen now.
pub fn recurrences(
    issues: &[Issue],
    pasts: &BTreeMap<Fingerprint, Past>,
    now: Timestamp,
) -> Recurrences {
    let known = issues.iter().filter_map(|issue| {
        let past = pasts.get(&issue.fingerprint)?;
        Some((issue.fingerprint.clone(), past.recurrence(issue, now)?))
    });
    known.collect()
}

impl Past {
    fn recurrence(&self, issue: &Issue, now: Timestamp) -> Option<Recurrence> {
        match (self.record.word(now), &self.record.base, &self.fix) {
            (Word::Undecided, ..) => Some(Recurrence::Undecided),
            (Word::Ignored, ..) => Some(Recurrence::Ignored),
            (_, Base::Regressed { release, .. }, _) => Some(Recurrence::Regressed {
                fix: None,
                release: release.clone(),
            }),
            (_, Base::Ignored { until, .. }, _) if until.is_none_or(|until| now < until) => {
                Some(Recurrence::Ignored)
            }
            (.., Some(fix)) => Some(Recurrence::of(issue, fix, &self.holds)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attestation::{PREDICATE_TYPE, STATEMENT_TYPE};
    use crate::git::notes;
    use crate::git::testing::TestRepo;
    use crate::policy::TriagePolicy;
    use crate::tracker::{Hand, Wish};

    const ISSUE: &str = "k1:0123456789abcdef01234567";

    fn name() -> Fingerprint {
        Fingerprint::parse(ISSUE).expect("a fingerprint")
    }

    fn now() -> Timestamp {
        "2090-01-01T00:00:00Z".parse().expect("a time")
    }

    /// one (v1.0) ── fix ── two (v1.1), and from one a branch without it (v1.0.1) and one on which it was picked (v1.0.2).
    fn repo() -> TestRepo {
        let repo = TestRepo::new();
        repo.write("f", "1\n").write("g", "1\n").add().commit("one");
        repo.git(&["tag", "v1.0"]);
        repo.git(&["branch", "old"]);
        let message = format!("fix: it\n\nKoan-Issue: {ISSUE}");
        let fix = repo.write("f", "2\n").add().commit(&message);
        repo.write("g", "2\n").add().commit("two");
        repo.git(&["tag", "v1.1"]);
        repo.git(&["checkout", "-q", "old"]);
        repo.write("h", "1\n").add().commit("beside");
        repo.git(&["tag", "v1.0.1"]);
        repo.git(&["cherry-pick", &fix.to_string()]);
        repo.git(&["tag", "v1.0.2"]);
        repo.git(&["checkout", "-q", "-"]);
        repo.git(&["tag", "the-fix", &fix.to_string()]);
        repo
    }

    fn say_fixed(repo: &TestRepo, commit: &str) {
        let opened = repo.open();
        let at = "2026-06-01T00:00:00Z".parse().expect("a time");
        let tracker = Tracker::open(&opened, None, at).expect("open");
        let wish = Wish::Fixed {
            commit: commit.to_owned(),
        };
        tracker
            .act(&name(), &wish, &Hand::default())
            .expect("fixed");
    }

    /// What an issue is that was seen in these releases.
    fn state(repo: &TestRepo, releases: &str) -> String {
        let mut issue = Issue::new(name());
        issue.releases = releases.split_whitespace().map(str::to_owned).collect();
        issue.tally.last_seen = Some(now());
        let (opened, issues) = (repo.open(), [issue]);
        let policy = TriagePolicy::default().releases;
        let pasts = pasts(&opened, &policy, repo.path(), &issues, now()).expect("pasts");
        match recurrences(&issues, &pasts, now()).remove(&name()) {
            None => "nothing".to_owned(),
            Some(Recurrence::Fixed { .. }) => "fixed".to_owned(),
            Some(Recurrence::Regressed { release, .. }) => {
                format!("regressed {}", release.unwrap_or_default())
            }
            Some(Recurrence::Maybe { doubt, .. }) => format!("maybe: {doubt}"),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn the_fix_of_the_log_is_looked_for_in_the_releases() {
        let repo = repo();
        assert_eq!(state(&repo, "1.1"), "nothing");
        say_fixed(&repo, &repo.id("the-fix").to_string());
        for (releases, expected) in [
            ("1.0", "fixed"),
            ("1.0 1.0.1", "fixed"),
            ("1.1", "regressed 1.1"),
            ("shop@1.1", "regressed shop@1.1"),
            ("1.0 1.1", "regressed 1.1"),
            ("1.0.2", "regressed 1.0.2"),
            (
                "7.7",
                "maybe: release `7.7` is no commit that this clone knows",
            ),
            ("", "maybe: its events name no release"),
        ] {
            assert_eq!(state(&repo, releases), expected, "{releases}");
        }
        let id = repo.id("v1.1").to_string();
        assert_eq!(state(&repo, &id), format!("regressed {id}"));
    }

    #[test]
    fn a_fix_that_is_not_here_is_in_no_release_that_anybody_knows() {
        let repo = repo();
        say_fixed(&repo, &"c".repeat(40));
        let missing = "maybe: the commit of the fix is not in this clone";
        assert_eq!(state(&repo, "1.1"), missing);
    }

    #[test]
    fn a_shallow_clone_cannot_tell() {
        let repo = repo();
        say_fixed(&repo, &repo.id("the-fix").to_string());
        let parents = repo.id("v1.1").to_string();
        std::fs::write(repo.path().join(".git/shallow"), format!("{parents}\n")).expect("shallow");
        assert_eq!(state(&repo, "1.1"), "maybe: this clone is shallow");
        // All of its history is here, and the fix is not in it.
        assert_eq!(state(&repo, "1.0"), "fixed");
    }

    /// A note as `check` writes it, but for the proof.
    fn note(repo: &TestRepo, spec: &str) {
        let id = repo.id(spec);
        let tree = repo.git(&["rev-parse", &format!("{spec}^{{tree}}")]);
        let line = format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"fix: it","digest":{{"gitCommit":"{id}","gitTree":"{tree}"}}}}],"predicateType":"{PREDICATE_TYPE}","predicate":{{"result":"accepted","lane":"repair","judgedBy":"check","issue":"{ISSUE}","policy":{{"digest":"d","commit":"c"}},"trees":{{"parent":"p","before":"b","after":"{tree}","oldTests":"o"}},"failToPass":{{}},"passToPass":{{"count":0,"sha256":""}},"stillRed":[],"runner":{{"name":"cargo","version":"1","suite":"all"}},"sandbox":{{}},"milliseconds":1,"guardVersion":"0"}}}}"#
        );
        notes::append(&repo.open(), id, &line).expect("a note");
    }

    #[test]
    fn a_note_of_head_is_a_fix_until_a_person_says_otherwise() {
        let repo = repo();
        note(&repo, "the-fix");
        assert_eq!(state(&repo, "1.1"), "regressed 1.1");
        assert_eq!(state(&repo, "1.0"), "fixed");
        say_fixed(&repo, &repo.id("v1.1").to_string());
        let opened = repo.open();
        let tracker = Tracker::open(&opened, None, now()).expect("open");
        let wish = Wish::Reopen { because: None };
        tracker
            .act(&name(), &wish, &Hand::default())
            .expect("open again");
        assert_eq!(state(&repo, "1.1"), "nothing");
    }

    #[test]
    fn a_note_on_another_branch_is_no_fix_yet() {
        let repo = repo();
        note(&repo, "v1.0.2");
        assert_eq!(state(&repo, "1.1"), "nothing");
    }

    #[test]
    fn what_is_ignored_or_cannot_be_read_is_said() {
        let repo = repo();
        let opened = repo.open();
        let tracker = Tracker::open(&opened, None, now()).expect("open");
        let wish = Wish::Ignore {
            because: "load test".to_owned(),
            until: None,
        };
        tracker
            .act(&name(), &wish, &Hand::default())
            .expect("ignored");
        assert_eq!(state(&repo, "1.1"), "Ignored");
    }
}
