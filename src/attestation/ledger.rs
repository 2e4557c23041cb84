//! Statements in git notes: written one a line, read back with what they are worth.

use std::collections::BTreeSet;

use anyhow::Context as _;
use gix::ObjectId;

use super::envelope;
use super::line::{self, Line, Stated};
use super::signature::{self, Key, Purpose};
use super::{Predicate, Statement};
use crate::git::{Commit, Repo, notes};

/// What a commit's note is worth without running anything, and without a look at signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A statement about just this commit and its tree.
    Stated(Box<Statement>),
    /// A statement about another commit with the same tree, or that makes the same change: carried over by an amend, a rebase or a squash.
    Claimed(Box<Statement>, Tie),
    /// A statement about another commit and another change, or about this commit with other trees.
    Stale(Box<Statement>),
    /// Two statements about just this commit that cannot both be true.
    Contradictory(String),
    /// A note that holds no statement of ours.
    Unreadable,
    /// No note, or none but people's decisions and statements about a range that ends here.
    Missing,
}

/// What a statement has in common with a commit that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    SameTree,
    SamePatch,
}

/// How a statement stands to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Own,
    /// It is about the range that ends with this commit.
    Range,
    Tied(Tie),
    Other,
}

/// What a statement must name to be about a commit.
#[derive(Clone, Debug)]
pub struct About {
    pub commit_id: String,
    pub tree_id: String,
    /// `None` for a merge, which is compared with what its parents make of themselves.
    pub parent_tree_id: Option<String>,
}

/// The patch id of the commit, made when first asked for.
pub type PatchId<'a> = dyn FnMut() -> anyhow::Result<Option<String>> + 'a;

/// What became of statements that were to be written.
#[derive(Debug, Default)]
pub struct Written {
    /// Why some of them are not signed, although a key is there.
    pub unsigned: Option<String>,
}

/// Adds statements to the notes of their commits, each unless its note says the same already; all in one commit.
///
/// What a hook or a local cache vouches for is not signed: whoever works there could have written it.
pub fn record(
    repo: &Repo,
    statements: &[(ObjectId, Statement)],
    key: Option<&Key>,
) -> anyhow::Result<Written> {
    let mut written = Written::default();
    let mut lines = Vec::new();
    for (commit_id, statement) in statements {
        let note = notes::get(repo, *commit_id)?.unwrap_or_default();
        let there = line::read(&note);
        let same = there.iter().filter_map(|(_, line)| match line {
            Line::Statement(stated) if says(&stated.statement, statement) => Some(&**stated),
            _ => None,
        });
        let same: Vec<&Stated> = same.collect();
        let json = serde_json::to_string(statement).context("write the statement as JSON")?;
        let key = key.filter(|_| is_signable(&statement.predicate) && written.unsigned.is_none());
        let sealed = match key {
            Some(key) => match envelope::seal(json.as_bytes(), key, Purpose::State) {
                Ok(sealed) => Some(sealed),
                Err(error) if key.is_optional() => {
                    written.unsigned = Some(format!("{error:#}"));
                    None
                }
                Err(error) => return Err(error).context("sign the statement"),
            },
            None => None,
        };
        let line = match sealed {
            Some(sealed) if !is_there(&sealed, &same)? => sealed,
            None if same.is_empty() => json,
            _ => continue,
        };
        lines.push((*commit_id, line));
    }
    if !lines.is_empty() {
        let ids: BTreeSet<String> = lines.iter().map(|(id, _)| id.to_string()).collect();
        let ids: Vec<String> = ids.into_iter().take(3).collect();
        notes::append_all(repo, &lines)
            .with_context(|| format!("write the note of {}", ids.join(", ")))?;
    }
    Ok(written)
}

fn is_signable(predicate: &Predicate) -> bool {
    predicate.judged_by == "check" && !predicate.local
}

/// Whether one of these has a good signature by the key that made `sealed`.
fn is_there(sealed: &str, same: &[&Stated]) -> anyhow::Result<bool> {
    let key_of = |signature: &str| signature::public_key(signature);
    let ours = envelope::open(sealed.as_bytes()).context("read the envelope back")?;
    let ours = key_of(&ours.signature).context("read the signature back")?;
    for envelope in same.iter().filter_map(|stated| stated.envelope.as_ref()) {
        let is_ours = key_of(&envelope.signature).is_some_and(|key| key == ours);
        if is_ours
            && signature::is_intact(
                &envelope.signed_bytes(),
                &envelope.signature,
                Purpose::State,
            )?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `there` says what `new` does, however long its proof took then; one that rests on no cache says it too.
fn says(there: &Statement, new: &Statement) -> bool {
    let mut there = there.clone();
    there.predicate.milliseconds = new.predicate.milliseconds;
    there.predicate.local |= new.predicate.local;
    there == *new
}

/// Reads the note of a commit.
pub fn standing(repo: &Repo, commit: &Commit) -> anyhow::Result<Standing> {
    let Some(note) = notes::get(repo, commit.id)? else {
        return Ok(Standing::Missing);
    };
    let parent_tree_id = match *commit.parent_ids {
        [] => Some(repo.empty_tree_id()),
        [parent_id] => Some(repo.commit(parent_id)?.tree_id),
        _ => None,
    };
    let about = About::of(commit, parent_tree_id);
    let mut patch_id = || patch_id(repo, commit);
    let lines = line::read(&note);
    Ok(weigh(&lines, &relations(&lines, &about, &mut patch_id)?))
}

/// The patch id of a commit against its only parent.
pub fn patch_id(repo: &Repo, commit: &Commit) -> anyhow::Result<Option<String>> {
    let parent_tree_id = match *commit.parent_ids {
        [] => repo.empty_tree_id(),
        [parent_id] => repo.commit(parent_id)?.tree_id,
        _ => return Ok(None),
    };
    repo.patch_id(&repo.diff(parent_tree_id, commit.tree_id)?)
}

/// How each line stands to a commit; lines that are no statements have no part in that.
pub fn relations(
    lines: &[(usize, Line)],
    about: &About,
    patch_id: &mut PatchId,
) -> anyhow::Result<Vec<Option<Relation>>> {
    let mut known: Option<Option<String>> = None;
    let mut relations = Vec::new();
    for (_, line) in lines {
        let Line::Statement(stated) = line else {
            relations.push(None);
            continue;
        };
        let mut relation = about.relation(&stated.statement);
        let stated_patch = &stated.statement.predicate.patch_id;
        // What names this commit and other trees is wrong, whatever it says of the change.
        let is_elsewhere = stated.commit() != about.commit_id;
        if relation == Relation::Other && is_elsewhere && stated_patch.is_some() {
            if known.is_none() {
                known = Some(patch_id()?);
            }
            if known.as_ref() == Some(stated_patch) {
                relation = Relation::Tied(Tie::SamePatch);
            }
        }
        relations.push(Some(relation));
    }
    Ok(relations)
}

/// The best that the lines of a note say about their commit; what rests on a cache is worth less than the same without.
pub fn weigh(lines: &[(usize, Line)], relations: &[Option<Relation>]) -> Standing {
    let stated = |wanted: fn(&Relation) -> bool| {
        let both = lines.iter().zip(relations);
        both.filter_map(move |((n, line), relation)| match (line, relation) {
            (Line::Statement(stated), Some(relation)) if wanted(relation) => Some((*n, &**stated)),
            _ => None,
        })
    };
    let own: Vec<_> = stated(|relation| *relation == Relation::Own).collect();
    if let Some(fact) = contradiction(&own) {
        return Standing::Contradictory(fact);
    }
    let best = own
        .iter()
        .min_by_key(|(_, stated)| stated.statement.predicate.local);
    if let Some((_, best)) = best {
        return Standing::Stated(Box::new(best.statement.clone()));
    }
    for tie in [Tie::SameTree, Tie::SamePatch] {
        let is_tied = match tie {
            Tie::SameTree => |relation: &Relation| *relation == Relation::Tied(Tie::SameTree),
            Tie::SamePatch => |relation: &Relation| *relation == Relation::Tied(Tie::SamePatch),
        };
        if let Some((_, stated)) = stated(is_tied).next() {
            return Standing::Claimed(Box::new(stated.statement.clone()), tie);
        }
    }
    if let Some((_, stated)) = stated(|relation| *relation == Relation::Other).next() {
        return Standing::Stale(Box::new(stated.statement.clone()));
    }
    let is_odd = |(_, line): &(usize, Line)| matches!(line, Line::Other(_));
    if lines.iter().any(is_odd) {
        Standing::Unreadable
    } else {
        Standing::Missing
    }
}

/// What two statements about one commit say that cannot both be true: by one policy, one guard and one runner, other tests.
fn contradiction(own: &[(usize, &Stated)]) -> Option<String> {
    for (i, (n, one)) in own.iter().enumerate() {
        for (m, two) in &own[..i] {
            let (one, two) = (&one.statement.predicate, &two.statement.predicate);
            let is_comparable = one.policy.digest == two.policy.digest
                && one.guard_version == two.guard_version
                && one.runner == two.runner;
            if is_comparable && !one.fail_to_pass.keys().eq(two.fail_to_pass.keys()) {
                return Some(format!(
                    "lines {m} and {n} of the note disagree about the tests that the fix turned green"
                ));
            }
        }
    }
    None
}

impl About {
    pub fn of(commit: &Commit, parent_tree_id: Option<ObjectId>) -> About {
        About {
            commit_id: commit.id.to_string(),
            tree_id: commit.tree_id.to_string(),
            parent_tree_id: parent_tree_id.map(|id| id.to_string()),
        }
    }

    /// As far as ids tell.
    fn relation(&self, statement: &Statement) -> Relation {
        let Some((commit_id, tree_id)) = statement.commit_and_tree() else {
            return Relation::Other;
        };
        let predicate = &statement.predicate;
        let is_parents = |id: &String| *id == predicate.trees.parent;
        let has_parents = self.parent_tree_id.as_ref().is_none_or(is_parents);
        let has_tree = tree_id == self.tree_id;
        match (&predicate.range, commit_id == self.commit_id) {
            (Some(_), true) if has_tree => Relation::Range,
            (None, true) if has_tree && has_parents && predicate.trees.after == tree_id => {
                Relation::Own
            }
            (_, true) => Relation::Other,
            (_, false) if has_tree => Relation::Tied(Tie::SameTree),
            (_, false) => Relation::Other,
        }
    }
}

impl Standing {
    pub fn as_str(&self) -> &'static str {
        match self {
            Standing::Stated(_) => "stated",
            Standing::Claimed(..) => "claimed",
            Standing::Stale(_) => "stale",
            Standing::Contradictory(_) => "contradictory",
            Standing::Unreadable => "unreadable",
            Standing::Missing => "missing",
        }
    }
}

/// What must hold of any note: see [`crate::fuzzing`].
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing {
    use super::{About, Standing, line, relations, weigh};

    /// A note states nothing of a commit or a tree that it does not name.
    pub fn note(data: &[u8]) {
        let about = About {
            commit_id: "1".repeat(40),
            tree_id: "2".repeat(40),
            parent_tree_id: Some("3".repeat(40)),
        };
        let lines = line::read(data);
        let relations = relations(&lines, &about, &mut || Ok(Some("4".repeat(40))));
        let relations = relations.expect("nothing is read but the lines");
        match weigh(&lines, &relations) {
            Standing::Stated(statement) => assert_eq!(
                statement.commit_and_tree(),
                Some((about.commit_id.as_str(), about.tree_id.as_str()))
            ),
            Standing::Claimed(statement, _) => {
                let is_tree = statement.commit_and_tree().map(|(_, tree)| tree)
                    == Some(about.tree_id.as_str());
                assert!(is_tree || statement.predicate.patch_id == Some("4".repeat(40)));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PREDICATE_TYPE, STATEMENT_TYPE};
    use super::*;

    fn text(commit_id: &str, tree_id: &str) -> String {
        format!(
            r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"name":"fix: it","digest":{{"gitCommit":"{commit_id}","gitTree":"{tree_id}"}}}}],"predicateType":"{PREDICATE_TYPE}","predicate":{{"result":"accepted","lane":"repair","judgedBy":"check","policy":{{"digest":"d","commit":"c"}},"trees":{{"parent":"p1","before":"b","after":"{tree_id}","oldTests":"o"}},"failToPass":{{}},"passToPass":{{"count":0,"sha256":""}},"stillRed":[],"runner":{{"name":"cargo","version":"1","suite":"all"}},"sandbox":{{}},"milliseconds":1,"guardVersion":"0"}}}}"#
        )
    }

    fn with(text: &str, key: &str, value: &str) -> String {
        text.replace(
            "\"milliseconds\"",
            &format!("\"{key}\":{value},\"milliseconds\""),
        )
    }

    fn about() -> About {
        About {
            commit_id: "c1".into(),
            tree_id: "t1".into(),
            parent_tree_id: Some("p1".into()),
        }
    }

    fn standing_of(lines: &[String]) -> Standing {
        let lines = line::read(lines.join("\n").as_bytes());
        let relations = relations(&lines, &about(), &mut || Ok(Some("patch".into())));
        weigh(&lines, &relations.expect("nothing is read"))
    }

    #[track_caller]
    fn check(lines: &[String], expected: &str) {
        assert_eq!(standing_of(lines).as_str(), expected);
    }

    #[test]
    fn a_statement_about_this_commit_and_tree_is_stated() {
        check(&[text("c1", "t1")], "stated");
        check(
            &[text("c0", "t0"), String::new(), text("c1", "t1")],
            "stated",
        );
    }

    #[test]
    fn a_statement_is_the_same_however_long_its_proof_took() {
        let there: Statement = serde_json::from_str(&text("c1", "t1")).expect("statement");
        let mut new = there.clone();
        new.predicate.milliseconds = 2;
        assert!(says(&there, &new));
        new.predicate.lane = "agent".into();
        assert!(!says(&there, &new));
    }

    #[test]
    fn what_rests_on_a_cache_adds_nothing_and_is_worth_less() {
        let whole = text("c1", "t1");
        let local = with(&whole, "local", "true");
        let statement = |text: &str| serde_json::from_str::<Statement>(text).expect("statement");
        assert!(!says(&statement(&local), &statement(&whole)));
        assert!(says(&statement(&whole), &statement(&local)));
        assert!(says(&statement(&local), &statement(&local)));
        for note in [[whole.clone(), local.clone()], [local.clone(), whole]] {
            match standing_of(&note) {
                Standing::Stated(stated) => assert!(!stated.predicate.local),
                other => panic!("{other:?}"),
            }
        }
        assert!(!is_signable(&statement(&local).predicate));
    }

    #[test]
    fn a_statement_that_came_along_is_a_claim_only() {
        check(&[text("c0", "t1")], "claimed");
        let patch = with(&text("c0", "t0"), "patchId", "\"patch\"");
        check(std::slice::from_ref(&patch), "claimed");
        check(&[patch.replace("\"patch\"", "\"other\"")], "stale");
    }

    #[test]
    fn a_statement_about_other_trees_is_stale() {
        check(&[text("c1", "t0")], "stale");
        check(&[text("c0", "t0")], "stale");
        let other_parent = text("c1", "t1").replace("p1", "p0");
        check(&[with(&other_parent, "patchId", "\"patch\"")], "stale");
        check(
            &[text("c1", "t1").replace("\"after\":\"t1\"", "\"after\":\"t0\"")],
            "stale",
        );
    }

    #[test]
    fn a_statement_about_a_range_vouches_for_no_commit_of_it() {
        let range = r#"{"base":"b","tip":"c1","commits":2}"#;
        check(&[with(&text("c1", "t1"), "range", range)], "missing");
        check(&[with(&text("c0", "t1"), "range", range)], "claimed");
    }

    #[test]
    fn two_statements_that_disagree_are_none() {
        let one = text("c1", "t1").replace(
            "\"failToPass\":{}",
            r#""failToPass":{"a":{"before":["failed"],"after":["passed"],"detail":""}}"#,
        );
        let two = one.replace("\"a\"", "\"b\"");
        check(
            &[
                one.clone(),
                one.replace("\"milliseconds\":1", "\"milliseconds\":2"),
            ],
            "stated",
        );
        check(&[one.clone(), two.clone()], "contradictory");
        // By another policy, another guard or another runner another result is none.
        let of_old = two.replace("\"guardVersion\":\"0\"", "\"guardVersion\":\"00\"");
        check(&[one.clone(), of_old], "stated");
        check(
            &[one, two.replace("\"digest\":\"d\"", "\"digest\":\"e\"")],
            "stated",
        );
    }

    #[test]
    fn anything_else_says_nothing_and_is_told_of() {
        let fact = |text: &str| match line::read(text.as_bytes()).as_slice() {
            [(1, Line::Other(oddity))] => oddity.fact(),
            other => panic!("{other:?}"),
        };
        let good = text("c1", "t1");
        for (bad, expected) in [
            ("hello".to_owned(), "it is not a JSON object of one line"),
            ("{}".into(), "it has no `_type`"),
            (
                good.replace("Statement/v1", "Statement/v2"),
                "Statement/v2`, and",
            ),
            (
                good.replace("to-pass:v1", "to-pass:v2"),
                "does not read: upgrade it",
            ),
            (
                good.replace("urn:koan", "urn:other"),
                "of another kind, `urn:other",
            ),
            (
                good.replace("\"lane\":\"repair\",", ""),
                "missing field `lane`",
            ),
            (
                good.replace("accepted", "refused"),
                "its result is `refused`",
            ),
            (
                good.replace("gitTree", "gitBlob"),
                "names no commit and no tree",
            ),
            (format!("{}{good}", " ".repeat(5 << 20)), "bytes, at most"),
        ] {
            assert!(fact(&bad).contains(expected), "{}", fact(&bad));
            check(std::slice::from_ref(&bad), "unreadable");
            check(&[bad, good.clone()], "stated");
        }
        check(&[], "missing");
    }
}
