//! The releases between which an error came in: the last that it was not seen in, and the first that it was.

use std::collections::{BTreeSet, HashMap};

use gix::ObjectId;
use jiff::Timestamp;

use crate::extract::Releases;
use crate::git::{Repo, refs};
use crate::issue::Issue;
use crate::usage::UsageError;

/// Two releases by their names, which are other people's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub last_good: String,
    pub first_bad: String,
}

/// What is known of the releases around an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub first_bad: ObjectId,
    /// With its commit; `None` if no release below the first bad one is known.
    pub last_good: Option<(ObjectId, Range)>,
}

/// A release that is a commit.
struct Release {
    at: Timestamp,
    name: String,
    id: ObjectId,
}

/// How many releases of an issue are compared, the oldest.
const MAX_COMPARED: usize = 20;
/// How far below the first bad release the last good one is looked for, in commits.
const MAX_APART: usize = 10_000;

/// `None` if no release of the issue is a commit, or if it was seen before the first of them was made.
///
/// # Errors
/// [`UsageError`] if a shallow clone hides which release is the first.
pub fn of(repo: &Repo, releases: &Releases, issue: &Issue) -> anyhow::Result<Option<Bounds>> {
    let mut seen = Vec::new();
    for name in &issue.releases {
        if let Some(id) = releases.commit_of(name)? {
            let at = Timestamp::from_second(repo.commit(id)?.committer.seconds)?;
            let name = name.clone();
            seen.push(Release { at, name, id });
        }
    }
    seen.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
    let Some(first) = first(repo, &seen)? else {
        return Ok(None);
    };
    if issue.tally.first_seen.is_some_and(|seen| seen < first.at) {
        return Ok(None);
    }
    let seen_ids: BTreeSet<ObjectId> = seen.iter().map(|release| release.id).collect();
    let mut others = HashMap::new();
    for (name, id) in releases.others(&issue.releases)? {
        if !seen_ids.contains(&id) {
            others.entry(id).or_insert(name);
        }
    }
    let found = if others.is_empty() {
        Ok(None)
    } else {
        repo.newest_ancestor(first.id, |id| others.contains_key(id), MAX_APART)
    };
    let good_id = match found {
        // It may lie behind the cut: then it is not known.
        Err(err) if err.is::<UsageError>() => None,
        found => found?,
    };
    let last_good = good_id.and_then(|id| {
        let range = Range {
            last_good: others.remove(&id)?,
            first_bad: first.name.clone(),
        };
        Some((id, range))
    });
    Ok(Some(Bounds {
        first_bad: first.id,
        last_good,
    }))
}

/// Of releases by date, the first one that has none of the others below it.
fn first<'s>(repo: &Repo, seen: &'s [Release]) -> anyhow::Result<Option<&'s Release>> {
    let seen = &seen[..seen.len().min(MAX_COMPARED)];
    'releases: for release in seen {
        for other in seen.iter().filter(|other| other.id != release.id) {
            if refs::is_ancestor(repo, other.id, release.id)? {
                continue 'releases;
            }
        }
        return Ok(Some(release));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::issue::Fingerprint;
    use crate::policy::{ReleasePolicy, TriagePolicy};

    fn commit(repo: &TestRepo, name: &str, seconds: u64) {
        let date = format!("@{seconds} +0000");
        let mut command = repo.command(repo.path());
        command.args(["commit", "-q", "--allow-empty", "-m", name]);
        command.env("GIT_COMMITTER_DATE", date);
        assert!(command.status().expect("start git").success());
        repo.git(&["tag", name]);
    }

    /// v1.0 ── v1.1 ── v1.2 ── latest ── v2.0 ── v3.0, whose clock was wrong
    ///           └─ v1.1.1
    fn repo() -> TestRepo {
        let repo = TestRepo::new();
        commit(&repo, "v1.0", 1_000);
        commit(&repo, "v1.1", 2_000);
        repo.git(&["switch", "-q", "-c", "side"]);
        commit(&repo, "v1.1.1", 4_000);
        repo.git(&["switch", "-q", "main"]);
        for (name, seconds) in [("v1.2", 3_000), ("latest", 4_500), ("v2.0", 5_000)] {
            commit(&repo, name, seconds);
        }
        commit(&repo, "v3.0", 20);
        repo.git(&["tag", "v2.0-rc1", "v2.0"]);
        repo
    }

    /// `GOOD..BAD` of an error that was seen in these releases.
    #[track_caller]
    fn check(repo: &TestRepo, (record, releases, first_seen): (&str, &str, i64), expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("d.jsonl"), record).expect("a record");
        let policy = ReleasePolicy {
            deployments: (!record.is_empty()).then(|| "d.jsonl".to_owned()),
            ..TriagePolicy::default().releases
        };
        let mut issue = Issue::new(Fingerprint::new(Some("E"), &[], "m"));
        issue.releases = releases.split_whitespace().map(str::to_owned).collect();
        issue.tally.first_seen = Timestamp::from_second(first_seen).ok();
        let opened = repo.open();
        let known = Releases::open(&opened, &policy, folder.path()).expect("releases");
        let said = match of(&opened, &known, &issue) {
            Ok(None) => "unknown".to_owned(),
            Ok(Some(bounds)) => match bounds.last_good {
                Some((id, range)) => {
                    assert_ne!(id, bounds.first_bad);
                    format!("{}..{}", range.last_good, range.first_bad)
                }
                None => {
                    let id = bounds.first_bad.to_string();
                    format!("..{}", repo.git(&["log", "-1", "--format=%s", &id]))
                }
            },
            Err(err) => format!("DOUBT {err:#}"),
        };
        assert_eq!(said, expected, "{releases}");
    }

    #[test]
    fn the_first_bad_release_has_no_other_below_it() {
        let repo = repo();
        for (releases, expected) in [
            ("2.0", "v1.2..2.0"),
            ("shop@2.0", "v1.2..shop@2.0"),
            ("1.2 2.0", "v1.1..1.2"),
            ("2.0 1.1 1.0", "..v1.0"),
            // Whatever their dates say.
            ("2.0 3.0", "v1.2..2.0"),
            // Neither is below the other: the earlier one.
            ("1.1.1 2.0", "v1.1..1.1.1"),
            ("1.1.1 1.2", "v1.1..1.2"),
            // What is no commit says nothing.
            ("9.9 1.2", "v1.1..1.2"),
            ("9.9", "unknown"),
            ("", "unknown"),
        ] {
            check(&repo, ("", releases, 9_000), expected);
        }
    }

    #[test]
    fn an_error_that_is_older_than_its_first_release_is_not_from_there() {
        let repo = repo();
        check(&repo, ("", "2.0", 5_000), "v1.2..2.0");
        check(&repo, ("", "2.0", 4_999), "unknown");
    }

    #[test]
    fn the_last_good_release_may_be_one_of_the_record() {
        let repo = repo();
        let line = |release: &str| {
            let id = repo.id("latest");
            format!(r#"{{"release":"{release}","commit":"{id}","at":"2026-11-20T08:00:00Z"}}"#)
        };
        check(&repo, (&line("7"), "2.0", 9_000), "7..2.0");
        check(&repo, (&line("7"), "shop@7 2.0", 9_000), "v1.2..2.0");
        check(&repo, (&line("7"), "7 2.0", 9_000), "v1.2..7");
    }

    #[test]
    fn a_shallow_clone_does_not_tell_the_first_one() {
        let repo = repo();
        let shallow = format!("{}\n", repo.id("v1.2"));
        std::fs::write(repo.path().join(".git/shallow"), shallow).expect("shallow");
        // The last good one is behind the cut.
        check(&repo, ("", "1.2", 9_000), "..v1.2");
        check(&repo, ("", "2.0", 9_000), "v1.2..2.0");
        let opened = repo.open();
        let policy = TriagePolicy::default().releases;
        let known = Releases::open(&opened, &policy, repo.path()).expect("releases");
        let mut issue = Issue::new(Fingerprint::new(Some("E"), &[], "m"));
        issue.releases = ["1.1.1", "2.0"].map(str::to_owned).into();
        let err = of(&opened, &known, &issue).expect_err("cut off");
        assert!(err.is::<UsageError>(), "{err:#}");
    }
}
