//! Tags by name, and the nearest commit below another one that is looked for.

use anyhow::Context as _;
use gix::ObjectId;
use gix::revision::walk::Sorting;
use gix::traverse::commit::simple::CommitTimeOrder;

use super::Repo;
use super::object::cut_off;

const FOLDER: &str = "refs/tags/";

impl Repo {
    /// The names of all tags. One that cannot be read is none here.
    pub fn tag_names(&self) -> anyhow::Result<Vec<String>> {
        let platform = self.inner.references().context("list tags")?;
        let tags = platform.prefixed(FOLDER).context("list tags")?;
        let names = tags.filter_map(Result::ok).filter_map(|tag| {
            let name = tag.name().as_bstr().to_string();
            name.strip_prefix(FOLDER).map(str::to_owned)
        });
        Ok(names.collect())
    }

    /// The newest proper ancestor of a commit, by date, that is looked for. At most `n` commits are read.
    ///
    /// # Errors
    /// [`UsageError`](crate::usage::UsageError) if a shallow clone ends before it is found.
    pub fn newest_ancestor(
        &self,
        of: ObjectId,
        is_meant: impl Fn(&ObjectId) -> bool,
        n: usize,
    ) -> anyhow::Result<Option<ObjectId>> {
        let shallow_ids = self.shallow_ids()?;
        let walk = self
            .inner
            .rev_walk([of])
            .sorting(Sorting::ByCommitTime(CommitTimeOrder::NewestFirst))
            .use_commit_graph(false)
            .all()
            .with_context(|| format!("walk the history of `{of}`"))?;
        for info in walk.take(n) {
            let id = info
                .with_context(|| format!("walk the history of `{of}`"))?
                .id;
            if id != of && is_meant(&id) {
                return Ok(Some(id));
            }
            if shallow_ids.as_ref().is_some_and(|ids| ids.contains(&id)) {
                return Err(cut_off(id).into());
            }
        }
        Ok(None)
    }
}
