//! Statements in git notes: written one a line, read back with what they are worth.

use anyhow::Context as _;
use gix::ObjectId;

use super::{PREDICATE_TYPE, STATEMENT_TYPE, Statement};
use crate::git::{Commit, Repo, notes};

/// What a commit's note is worth without running anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A statement about just this commit and its tree.
    Stated(Box<Statement>),
    /// A statement about another commit with the same tree: carried over by an amend, a rebase or a cherry-pick.
    Claimed(Box<Statement>),
    /// A statement about another tree.
    Stale,
    /// A note that holds no statement of ours.
    Unreadable,
    /// No note.
    Missing,
}

/// Adds a statement to the note of its commit, unless the note says the same already.
pub fn record(repo: &Repo, commit_id: ObjectId, statement: &Statement) -> anyhow::Result<()> {
    if let Some(note) = notes::get(repo, commit_id)?
        && says(&note, statement)
    {
        return Ok(());
    }
    let line = serde_json::to_string(statement).context("write the statement as JSON")?;
    notes::append(repo, commit_id, &line).with_context(|| format!("write the note of {commit_id}"))
}

/// Whether a note holds this statement, however long its proof took then; one that rests on no cache says it too.
fn says(note: &[u8], statement: &Statement) -> bool {
    note.split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Statement>(line).ok())
        .any(|mut stated| {
            stated.predicate.milliseconds = statement.predicate.milliseconds;
            stated.predicate.local |= statement.predicate.local;
            stated == *statement
        })
}

/// Reads the note of a commit.
pub fn standing(repo: &Repo, commit: &Commit) -> anyhow::Result<Standing> {
    let Some(note) = notes::get(repo, commit.id)? else {
        return Ok(Standing::Missing);
    };
    Ok(weigh(
        &note,
        &commit.id.to_string(),
        &commit.tree_id.to_string(),
    ))
}

/// The best that the lines of a note say about this commit; what rests on a cache is worth less than the same without.
fn weigh(note: &[u8], commit_id: &str, tree_id: &str) -> Standing {
    let mut best = Standing::Unreadable;
    for line in note.split(|&byte| byte == b'\n') {
        let Ok(statement) = serde_json::from_slice::<Statement>(line) else {
            continue;
        };
        if statement.kind != STATEMENT_TYPE
            || statement.predicate_type != PREDICATE_TYPE
            || statement.predicate.result != "accepted"
        {
            continue;
        }
        let Some((stated_commit, stated_tree)) = statement.commit_and_tree() else {
            continue;
        };
        match (stated_commit == commit_id, stated_tree == tree_id) {
            (true, true) if !statement.predicate.local => {
                return Standing::Stated(Box::new(statement));
            }
            (true, true) => best = Standing::Stated(Box::new(statement)),
            (false, true) if !matches!(best, Standing::Stated(_)) => {
                best = Standing::Claimed(Box::new(statement))
            }
            (_, false) if best == Standing::Unreadable => best = Standing::Stale,
            _ => (),
        }
    }
    best
}

impl Standing {
    pub fn as_str(&self) -> &'static str {
        match self {
            Standing::Stated(_) => "stated",
            Standing::Claimed(_) => "claimed",
            Standing::Stale => "stale",
            Standing::Unreadable => "unreadable",
            Standing::Missing => "missing",
        }
    }
}

/// What must hold of any note: see [`crate::fuzzing`].
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing {
    use super::{Standing, weigh};

    /// A note states nothing of a commit or a tree that it does not name.
    pub fn note(data: &[u8]) {
        let (commit_id, tree_id) = ("1".repeat(40), "2".repeat(40));
        let names = |id: &str| data.windows(40).any(|window| window == id.as_bytes());
        match weigh(data, &commit_id, &tree_id) {
            Standing::Stated(_) => assert!(names(&commit_id) && names(&tree_id)),
            Standing::Claimed(_) => assert!(names(&tree_id)),
            Standing::Stale | Standing::Unreadable | Standing::Missing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(commit_id: &str, tree_id: &str, result: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"fix: it","digest":{{"gitCommit":"{commit_id}","gitTree":"{tree_id}"}}}}],"predicateType":"{PREDICATE_TYPE}","predicate":{{"result":"{result}","lane":"repair","judgedBy":"check","policy":{{"digest":"d","commit":"c"}},"trees":{{"parent":"p","before":"b","after":"a","oldTests":"o"}},"failToPass":{{}},"passToPass":{{"count":0,"sha256":""}},"stillRed":[],"runner":{{"name":"cargo","version":"1","suite":"all"}},"sandbox":{{}},"milliseconds":1,"guardVersion":"0"}}}}"#
        )
    }

    #[track_caller]
    fn check(lines: &[String], expected: &str) {
        assert_eq!(
            weigh(lines.join("\n").as_bytes(), "c1", "t1").as_str(),
            expected
        );
    }

    #[test]
    fn a_statement_about_this_commit_and_tree_is_stated() {
        check(&[line("c1", "t1", "accepted")], "stated");
        check(
            &[
                line("c0", "t0", "accepted"),
                String::new(),
                line("c1", "t1", "accepted"),
            ],
            "stated",
        );
    }

    #[test]
    fn a_statement_is_the_same_however_long_its_proof_took() {
        let line = line("c1", "t1", "accepted");
        let mut statement: Statement = serde_json::from_str(&line).expect("statement");
        statement.predicate.milliseconds = 2;
        assert!(says(format!("x\n{line}\n").as_bytes(), &statement));
        statement.predicate.lane = "agent".into();
        assert!(!says(line.as_bytes(), &statement));
    }

    #[test]
    fn what_rests_on_a_cache_adds_nothing_and_is_worth_less() {
        let line = line("c1", "t1", "accepted");
        let local = line.replace("\"milliseconds\"", "\"local\":true,\"milliseconds\"");
        let mut statement: Statement = serde_json::from_str(&line).expect("statement");
        assert!(!says(local.as_bytes(), &statement));
        statement.predicate.local = true;
        assert!(says(line.as_bytes(), &statement));
        assert!(says(local.as_bytes(), &statement));
        for note in [format!("{line}\n{local}"), format!("{local}\n{line}")] {
            match weigh(note.as_bytes(), "c1", "t1") {
                Standing::Stated(stated) => assert!(!stated.predicate.local),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_statement_that_came_along_is_a_claim_only() {
        check(&[line("c0", "t1", "accepted")], "claimed");
    }

    #[test]
    fn a_statement_about_another_tree_is_stale() {
        check(&[line("c1", "t0", "accepted")], "stale");
        check(&[line("c0", "t0", "accepted")], "stale");
    }

    #[test]
    fn anything_else_says_nothing() {
        check(&["hello".into()], "unreadable");
        check(&[line("c1", "t1", "refused")], "unreadable");
    }
}
