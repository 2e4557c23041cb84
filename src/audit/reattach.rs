//! Statements whose commits were rewritten, put beside the commits that took their place. There they are claims, until the proof is run again.

use std::collections::{HashMap, HashSet};

use gix::ObjectId;
use serde::Serialize;

use super::{Question, is_too_old, named};
use crate::attestation::ledger::{self, About, Relation};
use crate::attestation::line::{self, Line, Stated};
use crate::check::trust;
use crate::git::{Commit, Repo, notes};
use crate::perimeter::shown_subject;

/// A commit that has a statement again.
#[derive(Debug, Serialize)]
pub struct Reattached {
    pub commit: String,
    pub subject: String,
    /// What the statement is about.
    pub of: String,
    /// Whether the two have the same tree; else they make the same change.
    pub is_same_tree: bool,
}

/// All statements of all notes, by what they can be found by.
#[derive(Default)]
struct Lost {
    stated: Vec<Stated>,
    by_tree: HashMap<String, Vec<usize>>,
    by_patch: HashMap<String, Vec<usize>>,
}

/// Finds statements for the commits of the question that have none, by tree and by patch id, and adds them to their notes, all in one commit.
///
/// A statement about a commit that is still in the history has not lost its place, and stays there.
pub fn reattach(repo: &Repo, question: &Question) -> anyhow::Result<Vec<Reattached>> {
    let ids = repo.commits_between(question.from, question.to)?;
    let history: HashSet<String> = match question.from {
        None => ids.iter().map(ObjectId::to_string).collect(),
        Some(_) => {
            let all = repo.commits_between(None, question.to)?;
            all.iter().map(ObjectId::to_string).collect()
        }
    };
    let lost = Lost::find(repo, &history)?;
    let mut notes = notes::Reader::new(repo)?;
    let mut latest = HashMap::new();
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    for id in ids {
        let commit = repo.commit(id)?;
        if is_too_old(&commit, question.since, &mut latest) || commit.parent_ids.len() > 1 {
            continue;
        }
        let note = notes.get(id)?.unwrap_or_default();
        let Some((stated, is_same_tree)) = lost.of(repo, &commit, &line::read(&note))? else {
            continue;
        };
        lines.push((id, String::from_utf8(stated.text.clone())?));
        found.push(Reattached {
            commit: trust::short(id),
            subject: shown_subject(&commit.message),
            of: named(&stated.statement),
            is_same_tree,
        });
    }
    if !lines.is_empty() {
        notes::append_all(repo, &lines)?;
    }
    Ok(found)
}

impl Lost {
    fn find(repo: &Repo, history: &HashSet<String>) -> anyhow::Result<Lost> {
        let mut lost = Lost::default();
        for (_, note) in notes::list(repo)? {
            for (_, line) in line::read(&note) {
                match line {
                    Line::Statement(stated) if !history.contains(stated.commit()) => {
                        lost.add(*stated);
                    }
                    _ => (),
                }
            }
        }
        Ok(lost)
    }

    fn add(&mut self, stated: Stated) {
        let at = self.stated.len();
        if let Some((_, tree_id)) = stated.statement.commit_and_tree() {
            let tree_id = tree_id.to_owned();
            self.by_tree.entry(tree_id).or_default().push(at);
        }
        if let Some(patch_id) = &stated.statement.predicate.patch_id {
            let patch_id = patch_id.clone();
            self.by_patch.entry(patch_id).or_default().push(at);
        }
        self.stated.push(stated);
    }

    /// The best that fits a commit, and whether it has the same tree; none, where the commit's note says something of it already.
    fn of(
        &self,
        repo: &Repo,
        commit: &Commit,
        lines: &[(usize, Line)],
    ) -> anyhow::Result<Option<(&Stated, bool)>> {
        let parent_tree_id = match *commit.parent_ids {
            [parent_id] => repo.commit(parent_id)?.tree_id,
            _ => repo.empty_tree_id(),
        };
        if parent_tree_id == commit.tree_id {
            return Ok(None);
        }
        let about = About::of(commit, Some(parent_tree_id));
        let mut patch_id = || ledger::patch_id(repo, commit);
        let relations = ledger::relations(lines, &about, &mut patch_id)?;
        let says = |relation: &Option<Relation>| {
            matches!(relation, Some(Relation::Own | Relation::Tied(_)))
        };
        if relations.iter().any(says) {
            return Ok(None);
        }
        let of_tree = self
            .by_tree
            .get(&about.tree_id)
            .map_or(&[][..], Vec::as_slice);
        let parent = parent_tree_id.to_string();
        let has_parent = |at: &&usize| self.stated[**at].statement.predicate.trees.parent == parent;
        if let Some(&at) = of_tree.iter().find(has_parent).or(of_tree.first()) {
            return Ok(Some((&self.stated[at], true)));
        }
        if self.by_patch.is_empty() {
            return Ok(None);
        }
        let of_patch = patch_id()?.and_then(|patch_id| self.by_patch.get(&patch_id)?.first());
        Ok(of_patch.map(|&at| (&self.stated[at], false)))
    }
}
