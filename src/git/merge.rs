//! The merge that git would make by itself, in memory. Merge drivers, attributes and configuration are without effect.

use anyhow::Context as _;
use gix::ObjectId;
use gix::diff::blob as diff_blob;
use gix::merge::blob as merge_blob;
use gix::merge::plumbing::tree::TreatAsUnresolved;
use gix::objs::Kind;
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
        let outcome = gix::merge::plumbing::commit(
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
        self.written(outcome).with_context(merging)
    }

    /// The tree of a merge of two trees that began as `base`; `None` where it would stop with a conflict.
    pub fn merge_trees(
        &self,
        base: ObjectId,
        ours: ObjectId,
        theirs: ObjectId,
    ) -> anyhow::Result<Option<ObjectId>> {
        let merging = || format!("merge tree `{theirs}` into `{ours}`");
        let outcome = gix::merge::plumbing::tree(
            &base,
            &ours,
            &theirs,
            merge_blob::builtin_driver::text::Labels::default(),
            &self.inner,
            |blob| gix::objs::Write::write_buf(&self.inner, Kind::Blob, blob),
            &mut Default::default(),
            &mut self.blob_differ(),
            &mut self.blob_merger(),
            options().tree_merge,
        )
        .with_context(merging)?;
        self.written(outcome).with_context(merging)
    }

    fn written(
        &self,
        mut outcome: gix::merge::plumbing::tree::Outcome,
    ) -> anyhow::Result<Option<ObjectId>> {
        if outcome.has_unresolved_conflicts(TreatAsUnresolved::forced_resolution()) {
            return Ok(None);
        }
        let tree_id = outcome
            .tree
            .write(|tree| self.inner.write_object(tree).map(gix::Id::detach));
        Ok(Some(tree_id?))
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

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;

    const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

    /// Two branches that change a file of ten lines in their own ways.
    fn repo(ours: impl Fn(&TestRepo), theirs: impl Fn(&TestRepo)) -> TestRepo {
        let repo = TestRepo::new();
        repo.write("f", LINES).write("other", LINES).commit("base");
        repo.git(&["switch", "-q", "-c", "theirs"]);
        theirs(&repo);
        repo.commit("theirs");
        repo.git(&["switch", "-q", "main"]);
        ours(&repo);
        repo.commit("ours");
        repo
    }

    /// Our merge is git's: the same tree, or a conflict for both.
    #[track_caller]
    fn check(repo: &TestRepo) -> bool {
        let ours = repo
            .open()
            .auto_merge(repo.id("main"), repo.id("theirs"))
            .expect("merge");
        let args = ["merge-tree", "--write-tree", "main", "theirs"];
        let output = repo
            .command(repo.path())
            .args(args)
            .output()
            .expect("start git");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let theirs = output.status.success().then(|| stdout.trim().to_owned());
        assert_eq!(ours.map(|id| id.to_string()), theirs);
        ours.is_some()
    }

    fn changed(from: &str, to: &str) -> String {
        LINES.replace(from, to)
    }

    #[test]
    fn a_clean_merge_is_gits() {
        let first = |repo: &TestRepo| {
            repo.write("f", changed("1", "one"));
        };
        let last = |repo: &TestRepo| {
            repo.write("f", changed("9", "nine"));
        };
        let added = |repo: &TestRepo| {
            repo.write("new/file", "x\n");
        };
        let renamed = |repo: &TestRepo| {
            repo.git(&["mv", "f", "g"]);
        };
        let removed = |repo: &TestRepo| {
            repo.git(&["rm", "-q", "other"]);
        };
        assert!(check(&repo(first, last)));
        assert!(check(&repo(first, added)));
        assert!(check(&repo(first, renamed)));
        assert!(check(&repo(removed, last)));
        assert!(check(&repo(first, first)));
    }

    #[test]
    fn a_conflict_is_none() {
        let one = |repo: &TestRepo| {
            repo.write("f", changed("5", "ours"));
        };
        let two = |repo: &TestRepo| {
            repo.write("f", changed("5", "theirs"));
        };
        let gone = |repo: &TestRepo| {
            repo.git(&["rm", "-q", "f"]);
        };
        let binary = |repo: &TestRepo| {
            repo.write("f", "\0");
        };
        assert!(!check(&repo(one, two)));
        assert!(!check(&repo(one, gone)));
        assert!(!check(&repo(one, binary)));
    }

    #[test]
    fn unrelated_histories_are_not_merged() {
        let repo = TestRepo::new();
        repo.write("f", "1\n").commit("one");
        repo.git(&["switch", "-q", "--orphan", "theirs"]);
        repo.write("g", "1\n").commit("other");
        let merged = repo.open().auto_merge(repo.id("main"), repo.id("theirs"));
        assert_eq!(merged.expect("merge"), None);
    }

    /// A driver is a command out of the configuration, `union` resolves what git by itself would not.
    #[test]
    fn attributes_and_merge_drivers_are_without_effect() {
        for attribute in ["union", "evil"] {
            let repo = repo(
                |repo| {
                    repo.write("f", changed("5", "ours"));
                },
                |repo| {
                    repo.write("f", changed("5", "theirs"));
                },
            );
            repo.git(&["config", "merge.evil.driver", "touch driven; true"]);
            repo.write(".gitattributes", format!("* merge={attribute}\n"));
            repo.write(".git/info/attributes", format!("* merge={attribute}\n"));
            repo.commit("attributes");
            let merged = repo.open().auto_merge(repo.id("main"), repo.id("theirs"));
            assert_eq!(merged.expect("merge"), None);
            assert!(!repo.path().join("driven").exists());
        }
    }

    #[test]
    fn a_merge_stays_in_memory() {
        let repo = repo(
            |repo| {
                repo.write("f", changed("1", "one"));
            },
            |repo| {
                repo.write("f", changed("9", "nine"));
            },
        );
        let before = repo.git(&["count-objects"]);
        let open = repo.open();
        let merged = open.auto_merge(repo.id("main"), repo.id("theirs"));
        let tree_id = merged.expect("merge").expect("no conflict");
        let merged = open.read_file(tree_id, &"f".into()).expect("read");
        assert_eq!(
            merged,
            Some(changed("1", "one").replace('9', "nine").into_bytes())
        );
        assert_eq!(repo.git(&["count-objects"]), before);
    }
}
