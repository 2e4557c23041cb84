//! What was tried for an issue before and refused: what is kept under `refs/koan/refused/`, and what the issue's log says.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::check::refusal;
use crate::git::{Repo, refused};
use crate::issue::Fingerprint;
use crate::tracker::Tracker;

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub at: Timestamp,
    /// The commit, where it is kept.
    pub commit: Option<String>,
    /// The rules that refused, or what the log says.
    pub why: String,
}

const MAX_WHY: usize = 200;

/// The newest first.
pub fn of(repo: &Repo, issue: &Fingerprint, now: Timestamp) -> anyhow::Result<Vec<Tried>> {
    let mut tried = Vec::new();
    let kept = refusal::kept(repo)?;
    let ids = refused::list(repo)?;
    for kept in kept {
        let refusal = kept.refusal.as_ref();
        let is_its = refusal.and_then(|it| it.predicate.issue.as_deref()) == Some(issue.as_str());
        let Some((_, id)) = ids.iter().find(|(name, _)| is_its && *name == kept.name) else {
            continue;
        };
        let rules: BTreeSet<&str> = kept.rules();
        let rules: Vec<&str> = rules.into_iter().collect();
        tried.push(Tried {
            at: Timestamp::from_second(repo.commit(*id)?.committer.seconds).context("a time")?,
            commit: kept.name.split('-').next().map(str::to_owned),
            why: cut(&rules.join(", ")),
        });
    }
    let records = Tracker::open(repo, None, now)?.records(&[issue])?;
    for said in records.values().flat_map(|record| &record.refusals) {
        tried.push(Tried {
            at: said.at,
            commit: None,
            why: cut(said.because.as_deref().unwrap_or("")),
        });
    }
    tried.sort_by(|one, other| (other.at, &other.why).cmp(&(one.at, &one.why)));
    Ok(tried)
}

/// On one line, whoever wrote it.
fn cut(text: &str) -> String {
    let shown = crate::change::shown(text.as_bytes());
    shown.chars().take(MAX_WHY).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::tracker::{Hand, Wish};

    #[test]
    fn refusals_of_this_issue_are_told_and_no_others() {
        let repo = TestRepo::new();
        let head = repo.write("f", "1\n").add().commit("one");
        let names = ["k1:0123456789abcdef01234567", "k1:ffffffffffffffffffffffff"];
        let issues = names.map(|name| Fingerprint::parse(name).expect("a fingerprint"));
        let opened = repo.open();
        for (n, issue) in names.iter().enumerate() {
            let record = format!(
                r#"{{"_type":"x","subject":[],"predicateType":"y","predicate":{{"result":"refused","lane":"repair","policy":{{"digest":"d","commit":"c"}},"issue":"{issue}","parentTree":"p","reasons":[{{"rule":"no-test","detail":{{}}}},{{"rule":"path-{n}","detail":{{}}}}],"guardVersion":"0"}}}}"#
            );
            let name = format!("{head}{}", ["", "-range"][n]);
            refused::keep(&opened, &name, record.as_bytes(), None).expect("keep");
        }
        refused::keep(&opened, "odd", b"{}", None).expect("keep");
        let later: Timestamp = "2090-01-01T00:00:00Z".parse().expect("a time");
        let tracker = Tracker::open(&opened, None, later).expect("open");
        let wish = Wish::Refused {
            because: "still-fails\n## Steps".to_owned(),
        };
        tracker
            .act(&issues[0], &wish, &Hand::default())
            .expect("say");
        let shown = |issue| -> Vec<String> {
            let tried = of(&repo.open(), issue, later).expect("tried");
            tried.into_iter().map(|one| one.why).collect()
        };
        assert_eq!(
            shown(&issues[0]),
            ["still-fails\\n## Steps", "no-test, path-0"]
        );
        assert_eq!(shown(&issues[1]), ["no-test, path-1"]);
    }
}
