//! Notes under `refs/notes/koan`: one JSON object a line, appended by compare-and-swap, laid out as git lays them out.

use gix::ObjectId;

use super::Repo;

/// The full name of the ref.
pub const REF: &str = "refs/notes/koan";

/// The note of one commit, if it has one.
pub fn get(repo: &Repo, commit_id: ObjectId) -> anyhow::Result<Option<Vec<u8>>> {
    let _ = (repo, commit_id);
    anyhow::bail!("not there yet")
}

/// Adds `line` to the note of a commit; a line that is there already is not written twice. Retries when another writer was faster.
pub fn append(repo: &Repo, commit_id: ObjectId, line: &str) -> anyhow::Result<()> {
    let _ = (repo, commit_id, line);
    anyhow::bail!("not there yet")
}

/// Every noted object with its note, sorted by id.
pub fn list(repo: &Repo) -> anyhow::Result<Vec<(ObjectId, Vec<u8>)>> {
    let _ = repo;
    anyhow::bail!("not there yet")
}
