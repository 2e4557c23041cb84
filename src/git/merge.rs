//! The merge that git would make by itself, in memory. Merge drivers, attributes and configuration are without effect.

use anyhow::Context as _;
use gix::ObjectId;
use gix::diff::blob as diff_blob;
use gix::merge::blob as merge_blob;
use gix::merge::plumbing::tree::TreatAsUnresolved;
use gix::worktree::stack::State;
use gix::worktree::stack::state::Attributes;

use super::Repo;
use crate::change::Content;

impl Repo {
    /// The tree that git would make of merging the parents of a commit automatically; `None` where it would stop with a conflict.
    ///
    /// # Errors
    /// As for [`merge_base`](Repo::merge_base).
    pub fn auto_merge(&self, ours: ObjectId, theirs: ObjectId) -> anyhow::Result<Option<ObjectId>> {
        if self.merge_base(ours, theirs)?.is_none() {
            return Ok(None);
        }
        let merging = || format!("merge `{theirs}` into `{ours}`");
        let mut outcome = gix::merge::plumbing::commit(
            ours,
            theirs,
            merge_blob::builtin_driver::text::Labels::default(),
            &mut self.inner.revision_graph(None),
            &mut self.blob_differ(),
            &mut self.blob_merger(),
            &self.inner,
            &mut |id| id.to_string(),
            options(),
        )
        .with_context(merging)?
        .tree_merge;
        if outcome.has_unresolved_conflicts(TreatAsUnresolved::forced_resolution()) {
            return Ok(None);
        }
        let tree_id = outcome
            .tree
            .write(|tree| self.inner.write_object(tree).map(gix::Id::detach));
        tree_id.map(Some).with_context(merging)
    }

    /// Compares blobs to find renames.
    fn blob_differ(&self) -> diff_blob::Platform {
        let pipeline = diff_blob::Pipeline::new(
            diff_blob::pipeline::WorktreeRoots::default(),
            self.no_filters(),
            Vec::new(),
            diff_blob::pipeline::Options {
                large_file_threshold_bytes: Content::MAX_BYTES,
                ..Default::default()
            },
        );
        diff_blob::Platform::new(
            diff_blob::platform::Options::default(),
            pipeline,
            diff_blob::pipeline::Mode::ToGit,
            no_attributes(),
        )
    }

    fn blob_merger(&self) -> merge_blob::Platform {
        let pipeline = merge_blob::Pipeline::new(
            merge_blob::pipeline::WorktreeRoots::default(),
            self.no_filters(),
            merge_blob::pipeline::Options {
                large_file_threshold_bytes: Content::MAX_BYTES,
            },
        );
        merge_blob::Platform::new(
            pipeline,
            merge_blob::pipeline::Mode::ToGit,
            no_attributes(),
            Vec::new(),
            merge_blob::platform::Options::default(),
        )
    }

    fn no_filters(&self) -> gix::filter::plumbing::Pipeline {
        gix::filter::plumbing::Pipeline::new(
            Default::default(),
            self.inner.object_hash(),
            Default::default(),
        )
    }
}

fn options() -> gix::merge::plumbing::commit::Options {
    gix::merge::plumbing::commit::Options {
        allow_missing_merge_base: false,
        tree_merge: gix::merge::plumbing::tree::Options {
            rewrites: Some(gix::diff::Rewrites::default()),
            fail_on_conflict: Some(TreatAsUnresolved::forced_resolution()),
            ..Default::default()
        },
        use_first_merge_base: false,
    }
}

/// A stack that reads no `.gitattributes`, neither of the tree nor of the user.
fn no_attributes() -> gix::worktree::Stack {
    gix::worktree::Stack::new(
        std::path::PathBuf::new(),
        State::AttributesStack(Attributes::default()),
        gix::glob::pattern::Case::Sensitive,
        Vec::new(),
        Vec::new(),
    )
}
