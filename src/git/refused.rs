//! Refused work under `refs/koan/refused/`: a commit for each, which holds the record of the refusal and has the refused commit as its parent, so that
//! nothing of it is lost to `git gc`. Of more than [`MAX`] the oldest go.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::date::parse::TimeBuf;
use gix::objs::tree::EntryKind;
use gix::refs::Target;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};

use super::Repo;
use super::refs::{PATIENCE, identity, on_disk};
use super::turn::Turn;
use crate::change::RepoPath;

/// Where the refs are.
pub const FOLDER: &str = "refs/koan/refused/";

/// The file that holds the record.
pub const FILE: &str = "refusal.json";

/// So many refusals are kept.
pub const MAX: usize = 200;

/// Keeps one refusal under a name of its own; a later one of the same name takes its place. `work` is what it is about, unless that must not be kept.
pub fn keep(repo: &Repo, name: &str, record: &[u8], work: Option<ObjectId>) -> anyhow::Result<()> {
    ensure!(
        repo.quarantine.is_none(),
        "refusals cannot be kept while a push is being judged"
    );
    let full = format!("{FOLDER}{name}");
    let repo = on_disk(repo)?;
    let _turn = Turn::wait(&repo, Instant::now() + PATIENCE)?;
    let blob_id = repo.inner.write_blob(record).context("write a refusal")?;
    let mut tree = repo.inner.empty_tree().edit().context("begin a tree")?;
    tree.upsert(FILE, EntryKind::Blob, blob_id.detach())
        .context("put the refusal into a tree")?;
    let tree_id = tree.write().context("write the refusal's tree")?.detach();
    let mut time_buf = TimeBuf::default();
    let writer = identity(&repo, &mut time_buf)?;
    let message = format!("koan-guard refused {name}\n");
    let commit = repo
        .inner
        .new_commit_as(writer, writer, message, tree_id, work);
    let commit_id = commit.context("write a refusal")?.id;
    let update = Change::Update {
        log: LogChange::default(),
        expected: PreviousValue::Any,
        new: Target::Object(commit_id),
    };
    let mut edits = vec![edit(&full, update)?];
    let mut kept = list(&repo)?;
    kept.retain(|(other, _)| *other != name);
    let n_over = (kept.len() + 1).saturating_sub(MAX);
    for (other, id) in kept.into_iter().take(n_over) {
        let delete = Change::Delete {
            expected: PreviousValue::ExistingMustMatch(Target::Object(id)),
            log: RefLog::AndReference,
        };
        edits.push(edit(&format!("{FOLDER}{other}"), delete)?);
    }
    let edited = repo.inner.edit_references_as(edits, Some(writer));
    edited.with_context(|| format!("update `{full}`"))?;
    Ok(())
}

/// The names of all refusals with their commits, the oldest first.
pub fn list(repo: &Repo) -> anyhow::Result<Vec<(String, ObjectId)>> {
    let platform = repo.inner.references().context("list refs")?;
    let mut kept = Vec::new();
    for reference in platform.prefixed(FOLDER).context("list refusals")? {
        let reference = reference
            .map_err(|error| anyhow::anyhow!("{error}"))
            .context("read a refusal's ref")?;
        let name = reference.name().as_bstr().to_string();
        let (Some(name), Some(id)) = (name.strip_prefix(FOLDER), reference.try_id()) else {
            continue;
        };
        let id = id.detach();
        let seconds = repo.commit(id)?.committer.seconds;
        kept.push((seconds, name.to_owned(), id));
    }
    kept.sort();
    Ok(kept.into_iter().map(|(_, name, id)| (name, id)).collect())
}

/// The record of one refusal; `None` where it holds none.
pub fn read(repo: &Repo, id: ObjectId) -> anyhow::Result<Option<Vec<u8>>> {
    repo.read_file(repo.commit(id)?.tree_id, &RepoPath::from(FILE))
}

fn edit(name: &str, change: Change) -> anyhow::Result<RefEdit> {
    Ok(RefEdit {
        change,
        name: name.try_into().with_context(|| format!("name `{name}`"))?,
        deref: false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    #[test]
    fn a_refusal_keeps_the_work_and_says_why() {
        let test = TestRepo::new();
        test.write("f", "1\n").commit("one");
        let work = test.write("f", "2\n").commit("fix: two");
        test.git(&["reset", "-q", "--hard", "HEAD~1"]);
        let repo = test.open();
        keep(&repo, &work.to_string(), b"{\"a\":1}\n", Some(work)).expect("keep");
        keep(&repo, "range", b"{\"b\":1}\n", None).expect("keep");
        keep(&repo, "range", b"{\"b\":2}\n", None).expect("keep");
        test.git(&["reflog", "expire", "--expire=now", "--all"]);
        test.git(&["gc", "--quiet", "--prune=now"]);
        let shown = test.git(&["show", &format!("{FOLDER}{work}:{FILE}")]);
        assert_eq!(shown, "{\"a\":1}");
        assert_eq!(test.git(&["show", &format!("{FOLDER}{work}^:f")]), "2");
        let repo = test.open();
        let kept = list(&repo).expect("list");
        let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 2);
        assert!(names.contains(&"range") && names.contains(&work.to_string().as_str()));
        for (name, id) in kept {
            let record = read(&repo, id).expect("read").expect("a record");
            assert_eq!(record == b"{\"b\":2}\n", name == "range");
        }
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn the_oldest_go() {
        let test = TestRepo::new();
        test.write("f", "1\n").commit("one");
        let repo = test.open();
        for n in 0..MAX + 3 {
            keep(&repo, &format!("{n:04}"), b"{}\n", None).expect("keep");
        }
        let kept = list(&test.open()).expect("list");
        assert_eq!(kept.len(), MAX);
        assert!(kept.iter().all(|(name, _)| name != "0000"));
        assert!(
            kept.iter()
                .any(|(name, _)| *name == format!("{:04}", MAX + 2))
        );
    }
}
