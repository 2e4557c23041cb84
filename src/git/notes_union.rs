//! Two refs of notes made one: of every object all lines of both notes, sorted and each once, as git's own `cat_sort_uniq` has them.

use std::collections::BTreeSet;

use anyhow::Context as _;
use gix::ObjectId;
use gix::note::plumbing::State;

use super::refs::on_disk;
use super::{Repo, refs};
use crate::change::FileMode;

/// Writes the tree of `ours` with what `theirs` has more; both are trees of notes. A tree that has it all already is given back.
pub fn union(repo: &Repo, ours: ObjectId, theirs: ObjectId) -> anyhow::Result<ObjectId> {
    refs::sturdily(|| try_union(repo, ours, theirs))
}

fn try_union(repo: &Repo, ours: ObjectId, theirs: ObjectId) -> anyhow::Result<ObjectId> {
    let writer = on_disk(repo)?;
    let odb = &writer.inner;
    let mut notes = State::new(ours, odb).context("read the notes")?;
    for (noted_id, blob_id) in differing(repo, ours, theirs)? {
        let there = notes.get(&noted_id, odb).context("read the notes")?;
        let merged_id = match there {
            Some(there) if there == blob_id => continue,
            Some(there) => {
                let (one, other) = (
                    refs::blob(repo, Some(there))?,
                    refs::blob(repo, Some(blob_id))?,
                );
                if lines(&other).is_subset(&lines(&one)) {
                    continue;
                }
                let merged = lines(&one).union(&lines(&other)).copied().collect();
                odb.write_blob(joined(merged))
                    .context("write a note")?
                    .detach()
            }
            None => blob_id,
        };
        notes
            .edit(noted_id, Some(merged_id), odb)
            .with_context(|| format!("note `{noted_id}`"))?;
    }
    notes.write(odb).context("write the notes")
}

/// Lines that the notes of one tree have and those of the other have not.
pub fn n_missing(repo: &Repo, tree_id: ObjectId, there: ObjectId) -> anyhow::Result<usize> {
    let mut notes = State::new(there, &repo.inner).context("read the notes")?;
    let mut n = 0;
    for (noted_id, blob_id) in differing(repo, there, tree_id)? {
        let other = notes
            .get(&noted_id, &repo.inner)
            .context("read the notes")?;
        let (these, those) = (refs::blob(repo, Some(blob_id))?, refs::blob(repo, other)?);
        n += lines(&these).difference(&lines(&those)).count();
    }
    Ok(n)
}

/// Notes of `theirs` that `ours` does not have at the same place, by what they are about.
fn differing(
    repo: &Repo,
    ours: ObjectId,
    theirs: ObjectId,
) -> anyhow::Result<Vec<(ObjectId, ObjectId)>> {
    if ours == theirs {
        return Ok(Vec::new());
    }
    let mut known = BTreeSet::new();
    for file in repo.files(ours).context("list the notes")? {
        known.insert((file.path, file.id));
    }
    let mut found = Vec::new();
    for file in repo.files(theirs).context("list the notes")? {
        let mut hex = file.path.as_bytes().to_vec();
        hex.retain(|&byte| byte != b'/');
        // git lets other files stand in a notes tree; those of others stay theirs.
        if let (Ok(id), FileMode::Regular) = (ObjectId::from_hex(&hex), file.mode)
            && !known.contains(&(file.path, file.id))
        {
            found.push((id, file.id));
        }
    }
    Ok(found)
}

fn lines(note: &[u8]) -> BTreeSet<&[u8]> {
    let lines = note.split(|&byte| byte == b'\n');
    lines.filter(|line| !line.is_empty()).collect()
}

fn joined(lines: BTreeSet<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    #[test]
    fn it_is_what_git_makes_of_it() {
        let test = TestRepo::new();
        for n in 0..40 {
            test.write(&format!("f{n}"), n.to_string());
        }
        test.commit("what is noted");
        let ids = test.git(&["ls-tree", "--format=%(objectname)", "HEAD"]);
        let ids: Vec<&str> = ids.lines().collect();
        let note = |name: &str, id: &str, text: &str| {
            let name = format!("--ref={name}");
            test.git(&["notes", &name, "append", "--no-separator", "-m", text, id]);
        };
        for (at, id) in ids.iter().enumerate() {
            match at % 4 {
                0 => note("one", id, "{\"b\":1}"),
                1 => note("two", id, "{\"b\":1}"),
                2 => {
                    note("one", id, "{\"b\":1}\n{\"a\":1}");
                    note("two", id, "{\"c\":1}\n{\"a\":1}");
                }
                _ => {
                    note("one", id, "same");
                    note("two", id, "same");
                }
            }
        }
        let tree_id = |name: &str| test.id(&format!("refs/notes/{name}^{{tree}}"));
        let (one, two) = (tree_id("one"), tree_id("two"));
        let repo = test.open();
        assert_eq!(n_missing(&repo, two, one).expect("count"), 20);
        let merged = union(&repo, one, two).expect("merge");
        test.git(&["notes", "--ref=one", "merge", "-s", "cat_sort_uniq", "two"]);
        assert_eq!(merged, tree_id("one"));
        assert_eq!(union(&repo, merged, two).expect("merge"), merged);
        assert_eq!(union(&repo, one, one).expect("merge"), one);
        assert_eq!(n_missing(&repo, two, merged).expect("count"), 0);
        test.git(&["fsck", "--strict"]);
    }
}
