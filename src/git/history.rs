//! Commits, the names they go by, and how they follow from each other.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::objs::{CommitRef, Kind};
use gix::revision::plumbing::Spec;

use super::object::cut_off;
use super::{Commit, Person, Repo, Revision};
use crate::change::CommitMessage;
use crate::usage::UsageError;

impl Repo {
    /// The commit of `HEAD`; `None` on an unborn branch.
    pub fn head_id(&self) -> anyhow::Result<Option<ObjectId>> {
        let head = self.inner.head().context("read `HEAD`")?;
        Ok(head.id().map(gix::Id::detach))
    }

    /// The full name of the branch that `HEAD` is on; `None` if it is detached.
    pub fn head_branch(&self) -> anyhow::Result<Option<String>> {
        let name = self.inner.head_name().context("read `HEAD`")?;
        name.map(|name| utf8(name.as_bstr())).transpose()
    }

    /// The commit that a full ref name points at, peeled; `None` if there is no such ref.
    pub fn find_ref(&self, name: &str) -> anyhow::Result<Option<ObjectId>> {
        let Some(mut reference) = self.full_ref(name)? else {
            return Ok(None);
        };
        let commit = reference
            .peel_to_commit()
            .with_context(|| format!("follow `{name}` to a commit"))?;
        Ok(Some(commit.id))
    }

    /// The full name of the branch that `refs/remotes/origin/HEAD` points at, such as `refs/remotes/origin/main`; `None` if it is not there.
    pub fn remote_default_branch(&self) -> anyhow::Result<Option<String>> {
        let Some(reference) = self.full_ref("refs/remotes/origin/HEAD")? else {
            return Ok(None);
        };
        let target = reference.target().try_name().map(|name| name.to_owned());
        target.map(|name| utf8(name.as_bstr())).transpose()
    }

    /// What `spec` names: a revision or `A..B`.
    ///
    /// # Errors
    /// [`UsageError`] if it names nothing, or something else.
    pub fn parse(&self, spec: &str) -> anyhow::Result<Revision> {
        let parsed = self.inner.rev_parse(spec).map_err(|error| {
            let reason = error.probable_cause().to_string();
            UsageError::with_hint(
                format!("`{spec}` names no commit"),
                format!("git says more with `git rev-parse --verify`; here: {reason}"),
            )
        })?;
        match parsed.detach() {
            Spec::Include(id) => Ok(Revision::Commit(self.peel(id, spec)?)),
            Spec::Range { from, to } => Ok(Revision::Range {
                from: self.peel(from, spec)?,
                to: self.peel(to, spec)?,
            }),
            Spec::Merge { .. } => Err(UsageError::with_hint(
                format!("`{spec}` means the commits of either side"),
                "write `A..B` for what B has and A has not",
            )
            .into()),
            _ => Err(UsageError::with_hint(
                format!("`{spec}` is neither a commit nor a range"),
                "write a commit, or `A..B`",
            )
            .into()),
        }
    }

    /// A commit, read strictly: one that git would show differently to different readers is an error.
    pub fn commit(&self, id: ObjectId) -> anyhow::Result<Commit> {
        let data = self.object(id, Kind::Commit)?;
        parse_commit(id, &data).with_context(|| format!("parse commit `{id}`"))
    }

    /// The commits that `to` has and `from` has not, parents before children. `None`: all of `to`'s history.
    ///
    /// # Errors
    /// [`UsageError`] if a shallow clone ends before the range does.
    pub fn commits_between(
        &self,
        from: Option<ObjectId>,
        to: ObjectId,
    ) -> anyhow::Result<Vec<ObjectId>> {
        let shallow_ids = self.shallow_ids()?;
        let walk = self
            .inner
            .rev_walk([to])
            .with_hidden(from)
            .use_commit_graph(false)
            .all()
            .with_context(|| format!("walk the history of `{to}`"))?;
        let mut parent_ids = HashMap::new();
        for info in walk {
            let info = info.with_context(|| format!("walk the history of `{to}`"))?;
            if let Some(shallow_ids) = &shallow_ids
                && shallow_ids.contains(&info.id)
            {
                return Err(cut_off(info.id).into());
            }
            parent_ids.insert(info.id, info.parent_ids);
        }
        Ok(parents_first(to, &parent_ids))
    }

    /// The best common ancestor, if there is one.
    ///
    /// # Errors
    /// [`UsageError`] if a shallow clone ends before it can be known.
    pub fn merge_base(&self, one: ObjectId, two: ObjectId) -> anyhow::Result<Option<ObjectId>> {
        let mut graph = self.inner.revision_graph(None);
        let base_id = self
            .inner
            .merge_base_with_graph(one, two, &mut graph)
            .with_context(|| format!("find the merge base of `{one}` and `{two}`"))?
            .map(gix::Id::detach);
        if self.is_shallow()? {
            // Behind a cut there may be a better one: both ways down must be whole.
            self.commits_between(base_id, one)?;
            self.commits_between(base_id, two)?;
        }
        Ok(base_id)
    }

    fn full_ref(&self, name: &str) -> anyhow::Result<Option<gix::Reference<'_>>> {
        let full_name = <&gix::refs::FullNameRef>::try_from(name)
            .map_err(|_| UsageError::new(format!("`{name}` is not the full name of a ref")))?;
        let found = self
            .inner
            .try_find_reference(full_name)
            .with_context(|| format!("read ref `{name}`"))?;
        Ok(found.filter(|reference| reference.name() == full_name))
    }

    fn peel(&self, id: ObjectId, spec: &str) -> anyhow::Result<ObjectId> {
        let object = self
            .inner
            .find_object(id)
            .with_context(|| format!("read `{spec}`"))?
            .peel_tags_to_end()
            .with_context(|| format!("follow the tag `{spec}`"))?;
        if object.kind != Kind::Commit {
            let message = format!("`{spec}` is a {}, not a commit", object.kind);
            return Err(UsageError::new(message).into());
        }
        Ok(object.id)
    }
}

fn parse_commit(id: ObjectId, data: &[u8]) -> anyhow::Result<Commit> {
    // git shows a message up to the first NUL only: what follows could carry trailers that nobody sees.
    ensure!(!data.contains(&0), "it holds a NUL byte");
    let commit = CommitRef::from_bytes(data, id.kind())?;
    for (name, _) in &commit.extra_headers {
        let is_core = [&b"tree"[..], b"parent", b"author", b"committer"].contains(&name.as_bytes());
        ensure!(!is_core, "its header `{name}` is repeated or out of order");
    }
    Ok(Commit {
        id,
        tree_id: commit.tree(),
        parent_ids: commit.parents().collect(),
        author: person(commit.author()?)?,
        committer: person(commit.committer()?)?,
        message: CommitMessage::new(commit.message),
    })
}

fn person(signature: gix::actor::SignatureRef<'_>) -> anyhow::Result<Person> {
    let trimmed = signature.trim();
    Ok(Person {
        name: trimmed.name.to_str_lossy().into_owned(),
        email: trimmed.email.to_str_lossy().into_owned(),
        seconds: signature.time().context("read a date")?.seconds,
    })
}

/// Orders a set of commits by descent from `tip`, whatever their dates say.
fn parents_first<Parents: AsRef<[ObjectId]>>(
    tip: ObjectId,
    parent_ids: &HashMap<ObjectId, Parents>,
) -> Vec<ObjectId> {
    let mut ordered = Vec::with_capacity(parent_ids.len());
    let mut seen = HashSet::from([tip]);
    let mut path: Vec<(ObjectId, &[ObjectId])> = Vec::new();
    if let Some(parents) = parent_ids.get(&tip) {
        path.push((tip, parents.as_ref()));
    }
    while let Some((id, parents)) = path.pop() {
        let Some((&parent_id, rest)) = parents.split_first() else {
            ordered.push(id);
            continue;
        };
        path.push((id, rest));
        if let Some(parents) = parent_ids.get(&parent_id)
            && seen.insert(parent_id)
        {
            path.push((parent_id, parents.as_ref()));
        }
    }
    ordered
}

fn utf8(name: &gix::bstr::BStr) -> anyhow::Result<String> {
    let name = name.to_str().context("a ref name is not UTF-8")?;
    Ok(name.to_owned())
}
