//! A commit of edits, first in memory, where it can be judged, and on the disk once it is worth it.

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::actor::SignatureRef;
use gix::date::parse::TimeBuf;
use gix::objs::{CommitRef, Kind};

use super::refs::{self, Attempt, identity, on_disk};
use super::{Edit, Repo};

/// What a commit is made of.
#[derive(Clone, Debug)]
pub struct Work {
    pub parent_id: ObjectId,
    /// Of the parent's tree.
    pub edits: Vec<Edit>,
    pub message: String,
    /// Name and e-mail address; `None` for whoever writes here.
    pub author: Option<(String, String)>,
}

impl Repo {
    /// Writes the commit in memory only: whoever has this value can read it, and no git can.
    pub fn draft(&self, work: &Work) -> anyhow::Result<ObjectId> {
        let parent = self.commit(work.parent_id)?;
        let tree_id = self.edit_tree(parent.tree_id, work.edits.clone())?;
        let mut time_buf = TimeBuf::default();
        let committer = identity(self, &mut time_buf)?;
        let author = match &work.author {
            Some((name, email)) => SignatureRef {
                name: name.as_str().into(),
                email: email.as_str().into(),
                time: committer.time,
            },
            None => match self.inner.author() {
                Some(author) => author.context("read the author")?,
                None => committer,
            },
        };
        let commit =
            self.inner
                .new_commit_as(committer, author, &work.message, tree_id, [work.parent_id]);
        Ok(commit.context("make a commit")?.id)
    }

    /// Writes what [`draft`](Repo::draft) made for every git to read. No ref points at it yet.
    pub fn persist(&self, work: &Work, commit_id: ObjectId) -> anyhow::Result<()> {
        ensure!(
            self.quarantine.is_none(),
            "nothing can be written while a push is being judged"
        );
        let data = self.object(commit_id, Kind::Commit)?;
        let commit =
            CommitRef::from_bytes(&data, self.inner.object_hash()).context("read the commit")?;
        let parent = self.commit(work.parent_id)?;
        refs::sturdily(|| {
            let writer = on_disk(self)?;
            let tree_id = writer.edit_tree(parent.tree_id, work.edits.clone())?;
            ensure!(tree_id == commit.tree(), "the tree is another one now");
            let written = writer.inner.write_object(&commit);
            let written = written.context("write the commit")?.detach();
            ensure!(written == commit_id, "the commit is another one now");
            Ok(())
        })
    }

    /// Makes a branch that was not there; `false` if it was.
    pub fn new_branch(&self, name: &str, commit_id: ObjectId, why: &str) -> anyhow::Result<bool> {
        refs::patiently(self, &format!("make `{name}`"), |writer| {
            if self.find_ref(name)?.is_some() {
                return Ok(Attempt::Done(false));
            }
            let swapped = writer.swap(self, name, (None, commit_id), why)?;
            Ok(swapped.map(|()| true))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Blob;
    use super::super::testing::TestRepo;
    use super::*;
    use crate::change::FileMode;

    fn work(test: &TestRepo) -> Work {
        let put = Edit::Put {
            path: "new/file".into(),
            mode: FileMode::Executable,
            content: Blob::Bytes(b"new\n".to_vec()),
        };
        Work {
            parent_id: test.id("HEAD"),
            edits: vec![put],
            message: "fix: it\n\nKoan-Issue: x\n".into(),
            author: Some(("Bot".into(), "bot@example.org".into())),
        }
    }

    #[test]
    fn a_draft_is_there_for_us_and_for_nobody_else() {
        let test = TestRepo::new();
        test.write("f", "1\n").commit("one");
        let (repo, work) = (test.open(), work(&test));
        let id = repo.draft(&work).expect("a draft");
        let commit = repo.commit(id).expect("read");
        assert_eq!(commit.author.email, "bot@example.org");
        let is_there = |test: &TestRepo| {
            let mut git = test.command(test.path());
            let seen = git.args(["cat-file", "-e", &id.to_string()]).output();
            seen.expect("git").status.success()
        };
        assert!(!is_there(&test));
        repo.persist(&work, id).expect("written");
        assert!(is_there(&test));
        let branch = "refs/heads/koan/x";
        assert!(repo.new_branch(branch, id, "koan-guard: x").expect("made"));
        assert!(!repo.new_branch(branch, id, "koan-guard: x").expect("there"));
        assert_eq!(test.git(&["show", "koan/x:new/file"]), "new");
        test.git(&["fsck", "--strict"]);
    }
}
