//! Past fixes, from their notes: what each proved, what that is worth, and which guarded commits landed without a proof, and how.

mod came;
mod reattach;
mod replay;
mod verify;

use std::collections::{BTreeMap, HashMap, HashSet};

use gix::ObjectId;
use serde::Serialize;

use crate::attestation::ledger::{self, About, Relation, Standing, Tie};
use crate::attestation::line::{self, Line};
use crate::attestation::{Statement, approval};
use crate::change::RepoPath;
use crate::check::approvals::makers;
use crate::check::lane::{self, LaneChoice, LaneDecision, Marks, Pusher};
use crate::check::trust::Tip;
use crate::check::{says_fix, trust};
use crate::git::{Commit, Repo, notes};
use crate::perimeter::shown_subject;
use crate::policy::{Lane, Policy};
use crate::verdict::{Approvable, Approval};

pub use came::Came;
pub use reattach::{Reattached, reattach};
pub use replay::{Replay, Replayed, replay};

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// Says which commits are guarded.
    pub policy: &'a Policy,
    /// Keys of people and judges, from the trusted ref.
    pub signers: &'a [u8],
    /// Everything that `to` has and `from` has not.
    pub from: Option<ObjectId>,
    pub to: ObjectId,
    /// Full name of the branch that `to` was named by. It tells about the commits that are its own.
    pub branch: Option<&'a str>,
    /// In seconds since the epoch; what is older is left out.
    pub since: Option<i64>,
    /// Whether only signed statements count, by the policies that this tip leads to.
    pub verifies: bool,
    pub trusted_tip: Option<&'a Tip>,
}

/// What is known of one commit.
#[derive(Debug, Serialize)]
pub struct Entry {
    #[serde(skip)]
    pub id: ObjectId,
    pub commit: String,
    pub subject: String,
    /// Seconds since the epoch, the committer's.
    pub seconds: i64,
    pub lane: LaneDecision,
    /// `stated`, `in-range`, `claimed`, `stale`, `contradictory`, `unreadable`, `missing`; where signatures are looked at, in the place of `stated`:
    /// `valid`, `unsigned`, `forged`.
    pub standing: &'static str,
    /// Whether nobody and nothing vouches for it, although somebody has to.
    pub unproved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<Box<Statement>>,
    /// The other commit that its statement is about.
    #[serde(skip)]
    of: Option<ObjectId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// What people decided about this commit, as far as they are known and did not make it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Decisions that do not count.
    pub n_void_approvals: usize,
    #[serde(skip)]
    has_note: bool,
}

/// What is to be said of a commit beside its standing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remark {
    /// Whose signature is good.
    SignedBy(String),
    /// Its statement is about another commit with the same tree.
    SameTree {
        of: String,
    },
    /// Its statement is about another commit, or a range, that makes the same change.
    SamePatch {
        of: String,
    },
    /// Its statement is about another commit that is in the same history.
    Copied {
        of: String,
    },
    /// Its statement is about another commit and another change.
    OtherChange {
        of: String,
    },
    /// Its statement names this commit, and other trees than it has.
    OtherTrees,
    /// What it was judged by is not the policy that should have judged it.
    OtherPolicy(String),
    Contradiction(String),
    /// A signature by a key that is nobody's.
    UnknownKey,
    /// A signature that is not one over what the statement says.
    BrokenSignature,
    /// Production has seen the error again, in this release, although it has the fix.
    Regressed {
        issue: String,
        release: Option<String>,
    },
    /// A line of the note that says nothing to us, and stays.
    Odd {
        line: usize,
        fact: String,
    },
    /// Accepted as part of this range.
    InRange(String),
    /// How it may have come without a proof.
    Came(Came),
    /// It is on this branch of a server's.
    OnServer(String),
}

/// Everything worth telling about a range.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Newest first: commits with a note, and guarded commits without one.
    pub entries: Vec<Entry>,
    pub n_commits: usize,
    /// Rules that people overruled, with how often; the most often first.
    pub overruled: Vec<(String, usize)>,
    pub verified: bool,
}

/// A range that a note's statement says was accepted as one change.
struct Range {
    base: String,
    tip_id: ObjectId,
    statement: Box<Statement>,
}

/// At most so many commits are looked up as parts of accepted ranges.
const MAX_IN_RANGES: usize = 1_000_000;

/// Looks at every commit of the question.
pub fn audit(repo: &Repo, question: &Question) -> anyhow::Result<Audit> {
    let repo = &repo.for_many();
    let mut notes = notes::Reader::new(repo)?;
    let ids = repo.commits_between(question.from, question.to)?;
    if question.since.is_none() {
        notes.read_ahead(&ids)?;
    }
    let mut audit = Audit {
        verified: question.verifies,
        ..Audit::default()
    };
    let mut tree_ids: HashMap<ObjectId, ObjectId> = HashMap::new();
    let mut latest: HashMap<ObjectId, i64> = HashMap::new();
    let mut ranges = Vec::new();
    let own_ids = own_ids(repo, question)?;
    for id in &ids {
        let commit = repo.commit(*id)?;
        tree_ids.insert(*id, commit.tree_id);
        if is_too_old(&commit, question.since, &mut latest) {
            continue;
        }
        audit.n_commits += 1;
        let note = notes.get(*id)?;
        let branch = question.branch.filter(|_| own_ids.contains(id));
        let lane = lane_of(question.policy, &commit, branch);
        // In lane `agent` only what says that it is a fix owes a proof.
        let is_due =
            lane.lane == Lane::Repair || (lane.lane == Lane::Agent && says_fix(&commit.message));
        let is_guarded = is_due && commit.parent_ids.len() < 2;
        if note.is_none() && !is_guarded {
            continue;
        }
        let parent_tree_id = match *commit.parent_ids {
            [] => Some(repo.empty_tree_id()),
            [parent_id] => match tree_ids.get(&parent_id) {
                Some(tree_id) => Some(*tree_id),
                None => Some(repo.commit(parent_id)?.tree_id),
            },
            _ => None,
        };
        let about = About::of(&commit, parent_tree_id);
        let lines = note.as_deref().map(line::read).unwrap_or_default();
        let entry = entry(repo, question, (&commit, &about, lane), &lines, &mut ranges)?;
        audit.entries.push(entry);
    }
    if audit.entries.iter().any(|entry| entry.unproved) {
        cover(repo, question, &ranges, &mut audit.entries)?;
        name_copies(repo, question.to, &mut audit.entries, |id| {
            tree_ids.contains_key(id)
        })?;
        came::tell(repo, question, &mut audit.entries)?;
    }
    audit.entries.reverse();
    audit.overruled = overruled(&audit.entries);
    Ok(audit)
}

/// The commits of a branch for repairs that are not on the trusted one too.
fn own_ids(repo: &Repo, question: &Question) -> anyhow::Result<HashSet<ObjectId>> {
    let is_for_repairs = |name: &str| {
        let name = name.strip_prefix("refs/heads/").unwrap_or(name);
        let branches = &question.policy.lanes.repair_branches;
        branches.is_match(&RepoPath::from(name))
    };
    if !question.branch.is_some_and(is_for_repairs) {
        return Ok(HashSet::new());
    }
    let trusted = question.trusted_tip.map(|tip| tip.commit_id);
    // Where nothing says what it comes from, all of it is its own.
    let ids = repo.commits_between(trusted.or(question.from), question.to)?;
    Ok(ids.into_iter().collect())
}

/// Whether it was made before the day that is asked for. A commit is not older than those before it, whatever its own date says.
fn is_too_old(commit: &Commit, since: Option<i64>, latest: &mut HashMap<ObjectId, i64>) -> bool {
    let Some(since) = since else {
        return false;
    };
    let parents = commit.parent_ids.iter().filter_map(|id| latest.get(id));
    let seconds = parents.copied().fold(commit.committer.seconds, i64::max);
    latest.insert(commit.id, seconds);
    seconds < since
}

fn entry(
    repo: &Repo,
    question: &Question,
    (commit, about, lane): (&Commit, &About, LaneDecision),
    lines: &[(usize, Line)],
    ranges: &mut Vec<Range>,
) -> anyhow::Result<Entry> {
    let mut patch_id = || ledger::patch_id(repo, commit);
    let relations = ledger::relations(lines, about, &mut patch_id)?;
    let mut remarks = Vec::new();
    let Weighed {
        standing,
        statement,
        of,
    } = if question.verifies {
        verify::weigh(repo, question, commit, lines, &relations, &mut remarks)?
    } else {
        plain(ledger::weigh(lines, &relations), about, &mut remarks)
    };
    for ((n, line), relation) in lines.iter().zip(&relations) {
        match (line, relation) {
            (Line::Other(oddity), _) => remarks.push(Remark::Odd {
                line: *n,
                fact: oddity.fact(),
            }),
            (Line::Regression(mark), _) if mark.commit() == Some(&*about.commit_id) => {
                remarks.push(Remark::Regressed {
                    issue: mark.predicate.issue.clone(),
                    release: mark.predicate.release.clone(),
                });
            }
            (Line::Statement(stated), Some(Relation::Range)) => {
                let counts = !question.verifies || verify::counts(question, stated)?;
                if let (true, Some(range)) = (counts, &stated.statement.predicate.range) {
                    ranges.push(Range {
                        base: range.base.clone(),
                        tip_id: commit.id,
                        statement: Box::new(stated.statement.clone()),
                    });
                }
            }
            _ => (),
        }
    }
    let (approvals, n_void_approvals) = approvals(lines, commit, question.signers)?;
    let is_good = matches!(standing, "stated" | "valid");
    Ok(Entry {
        id: commit.id,
        commit: trust::short(commit.id),
        subject: shown_subject(&commit.message),
        seconds: commit.committer.seconds,
        unproved: lane.lane > Lane::Human && !is_good && approvals.is_empty(),
        lane,
        standing,
        statement,
        of,
        remarks,
        approvals,
        n_void_approvals,
        has_note: standing != "missing",
    })
}

/// What a note comes to.
#[derive(Default)]
struct Weighed {
    standing: &'static str,
    statement: Option<Box<Statement>>,
    of: Option<ObjectId>,
}

/// What a standing says, signatures aside.
fn plain(standing: Standing, about: &About, remarks: &mut Vec<Remark>) -> Weighed {
    let mut weighed = Weighed {
        standing: standing.as_str(),
        ..Weighed::default()
    };
    match standing {
        Standing::Stated(statement) => weighed.statement = Some(statement),
        Standing::Claimed(statement, tie) => {
            let of = named(&statement);
            remarks.push(match tie {
                Tie::SameTree => Remark::SameTree { of },
                Tie::SamePatch => Remark::SamePatch { of },
            });
            weighed.of = commit_of(&statement);
            weighed.statement = Some(statement);
        }
        Standing::Stale(statement) => {
            let is_own = statement.commit_and_tree().map(|(id, _)| id) == Some(&about.commit_id);
            remarks.push(if is_own {
                Remark::OtherTrees
            } else {
                Remark::OtherChange {
                    of: named(&statement),
                }
            });
            weighed.of = commit_of(&statement);
        }
        Standing::Contradictory(fact) => remarks.push(Remark::Contradiction(fact)),
        Standing::Unreadable | Standing::Missing => (),
    }
    weighed
}

fn commit_of(statement: &Statement) -> Option<ObjectId> {
    let (id, _) = statement.commit_and_tree()?;
    ObjectId::from_hex(id.as_bytes()).ok()
}

/// The commit that a statement is about, as far as it is one.
fn named(statement: &Statement) -> String {
    let id = statement.commit_and_tree().map_or("", |(id, _)| id);
    match &statement.predicate.range {
        Some(range) => format!("{}..{}", abbreviated(&range.base), abbreviated(&range.tip)),
        None => abbreviated(id),
    }
}

fn abbreviated(id: &str) -> String {
    match ObjectId::from_hex(id.as_bytes()) {
        Ok(id) => trust::short(id),
        Err(_) => "something that is no commit".into(),
    }
}

/// Finds those that an accepted range vouches for: all of its commits were judged with it.
fn cover(
    repo: &Repo,
    question: &Question,
    ranges: &[Range],
    entries: &mut [Entry],
) -> anyhow::Result<()> {
    let mut covered: HashMap<ObjectId, String> = HashMap::new();
    let mut room = MAX_IN_RANGES;
    for range in ranges {
        let Ok(base_id) = ObjectId::from_hex(range.base.as_bytes()) else {
            continue;
        };
        if !repo.has_commit(base_id)?
            || repo.commit(base_id)?.tree_id != range.statement.predicate.trees.parent
        {
            continue;
        }
        if question.verifies && !verify::is_of_policy(repo, question, base_id, &range.statement)? {
            continue;
        }
        let ids = repo.commits_between(Some(base_id), range.tip_id)?;
        if ids.len() > room {
            break;
        }
        room -= ids.len();
        let name = named(&range.statement);
        for id in ids {
            covered.entry(id).or_insert_with(|| name.clone());
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.unproved) {
        // Who says something wrong of a commit is heard before who says something of many.
        if let ("missing" | "unsigned" | "claimed", Some(name)) =
            (entry.standing, covered.remove(&entry.id))
        {
            entry.standing = "in-range";
            entry.unproved = false;
            entry.remarks.push(Remark::InRange(name));
        }
    }
    Ok(())
}

/// For more commits than this the history before the range is not looked at.
const MAX_COPIES: usize = 50;

/// A statement about a commit that is still in this history did not come along with a rewritten one: somebody copied it.
fn name_copies(
    repo: &Repo,
    to: ObjectId,
    entries: &mut [Entry],
    is_in_range: impl Fn(&ObjectId) -> bool,
) -> anyhow::Result<()> {
    let mut room = MAX_COPIES;
    for entry in entries {
        let Some(id) = entry.of else {
            continue;
        };
        let mut is_here = is_in_range(&id);
        if !is_here && room > 0 && repo.has_commit(id)? {
            room -= 1;
            is_here = repo.merge_base(id, to)? == Some(id);
        }
        for remark in &mut entry.remarks {
            if let Remark::OtherChange { of } | Remark::SameTree { of } = remark
                && is_here
            {
                let of = std::mem::take(of);
                *remark = Remark::Copied { of };
            }
        }
    }
    Ok(())
}

/// What a note says people decided about its commit: what counts, and how much does not.
fn approvals(
    lines: &[(usize, Line)],
    commit: &Commit,
    signers: &[u8],
) -> anyhow::Result<(Vec<Approval>, usize)> {
    let mut claims = lines
        .iter()
        .filter_map(|(_, line)| match line {
            Line::Decision(claim) => Some(claim),
            _ => None,
        })
        .take(approval::MAX_CLAIMS)
        .peekable();
    let mut approvals = Vec::new();
    let mut n_void = 0;
    if claims.peek().is_none() {
        return Ok((approvals, n_void));
    }
    let (commit_id, makers) = (commit.id.to_string(), makers(commit));
    for claim in claims {
        let is_open = Approvable::of(&claim.decision.rule) == Approvable::Yes;
        let verified = if is_open && claim.names(&commit_id) {
            claim.verified(signers, &makers)?
        } else {
            None
        };
        match verified {
            Some(approval) => approvals.push(approval),
            None => n_void += 1,
        }
    }
    Ok((approvals, n_void))
}

fn overruled(entries: &[Entry]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for approval in entries.iter().flat_map(|entry| &entry.approvals) {
        *counts.entry(&approval.rule).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(rule, n)| (rule.to_owned(), n))
        .collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts
}

/// A fix is guarded by its marks, by its branch, and because it names a production error.
fn lane_of(policy: &Policy, commit: &Commit, branch: Option<&str>) -> LaneDecision {
    let trailers = commit.message.trailers();
    if trailers
        .iter()
        .any(|trailer| trailer.token.eq_ignore_ascii_case("koan-issue"))
    {
        return LaneDecision {
            lane: Lane::Repair,
            reason: "names an issue".into(),
        };
    }
    let marks = Marks {
        branch,
        people: vec![&commit.author, &commit.committer],
        trailers: &trailers,
        text: commit.message.as_bstr(),
        environment: None,
    };
    lane::decide(&LaneChoice::Auto(Pusher::None), policy, &marks)
}

impl Audit {
    pub fn n_unproved(&self) -> usize {
        self.entries.iter().filter(|entry| entry.unproved).count()
    }

    pub fn n_noted(&self) -> usize {
        self.entries.iter().filter(|entry| entry.has_note).count()
    }
}
