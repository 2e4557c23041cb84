//! Notes under `refs/notes/koan`: one JSON object a line, appended by compare-and-swap, laid out as git lays them out.
//!
//! This is the only part of the program that writes into a repository, and this ref is the only one it writes.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::actor::SignatureRef;
use gix::date::parse::TimeBuf;
use gix::note::plumbing::State;
use gix::objs::Kind;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullNameRef, Target};

use super::Repo;
use crate::change::{Content, FileMode};

/// The full name of the ref.
pub const REF: &str = "refs/notes/koan";

/// What the commits of the ref say.
const MESSAGE: &str = "Notes added by koan-guard";

/// Who writes notes where git knows no name of the user's.
const FALLBACK: (&str, &str) = ("koan-guard", "koan-guard@localhost");

/// How long other writers may keep us from writing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the ref points at.
struct Tip {
    /// `None` before the first note.
    commit_id: Option<ObjectId>,
    tree_id: ObjectId,
}

/// The note of one object, if it has one.
pub fn get(repo: &Repo, commit_id: ObjectId) -> anyhow::Result<Option<Vec<u8>>> {
    let tree_id = tip(repo)?.tree_id;
    let mut notes = State::new(tree_id, &repo.inner).context("read the notes")?;
    let blob_id = notes
        .get(&commit_id, &repo.inner)
        .context("read the notes")?;
    blob_id.map(|blob_id| read(repo, blob_id)).transpose()
}

/// Adds `line` to the note of a commit; a line that is there already is not written twice. Retries when another writer was faster.
pub fn append(repo: &Repo, commit_id: ObjectId, line: &str) -> anyhow::Result<()> {
    append_all(repo, &[(commit_id, line.to_owned())])
}

/// Adds a line to the note of each object, all in one commit.
pub fn append_all(repo: &Repo, lines: &[(ObjectId, String)]) -> anyhow::Result<()> {
    for (id, line) in lines {
        let is_line = !line.is_empty() && !line.contains(['\n', '\r', '\0']);
        ensure!(is_line, "what is noted about `{id}` is not one line");
    }
    ensure!(
        repo.quarantine.is_none(),
        "notes cannot be written while a push is being judged"
    );
    let writer = on_disk(repo)?;
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        match try_append(&writer, lines)? {
            Attempt::Written => return Ok(()),
            Attempt::TooLate(error) => {
                let is_over = Instant::now() >= deadline;
                if is_over {
                    return Err(error).with_context(|| {
                        format!("write notes: `{REF}` was busy for {PATIENCE:?}")
                    });
                }
            }
        }
        std::thread::sleep(jitter(pause));
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Every noted object with its note, sorted by id.
pub fn list(repo: &Repo) -> anyhow::Result<Vec<(ObjectId, Vec<u8>)>> {
    let files = repo.files(tip(repo)?.tree_id).context("list the notes")?;
    let mut notes: BTreeMap<ObjectId, Vec<u8>> = BTreeMap::new();
    for file in files {
        let mut hex = file.path.as_bytes().to_vec();
        hex.retain(|&byte| byte != b'/');
        let id = ObjectId::from_hex(&hex);
        // git lets other files stand in a notes tree, and so do we.
        let (Ok(id), FileMode::Regular) = (id, file.mode) else {
            continue;
        };
        // Two writers who disagreed about the fan-out: git shows both notes, one after the other.
        notes.entry(id).or_default().extend(read(repo, file.id)?);
    }
    Ok(notes.into_iter().collect())
}

enum Attempt {
    Written,
    /// Another writer was faster, or is writing now.
    TooLate(anyhow::Error),
}

fn try_append(repo: &Repo, lines: &[(ObjectId, String)]) -> anyhow::Result<Attempt> {
    let tip = tip(repo)?;
    let odb = &repo.inner;
    let mut notes = State::new(tip.tree_id, odb).context("read the notes")?;
    for (id, line) in lines {
        let mut note = match notes.get(id, odb).context("read the notes")? {
            Some(blob_id) => read(repo, blob_id)?,
            None => Vec::new(),
        };
        if note
            .split(|&byte| byte == b'\n')
            .any(|there| there == line.as_bytes())
        {
            continue;
        }
        if !note.is_empty() && !note.ends_with(b"\n") {
            note.push(b'\n');
        }
        note.extend_from_slice(line.as_bytes());
        note.push(b'\n');
        let blob_id = odb.write_blob(&note).context("write a note")?.detach();
        notes
            .edit(*id, Some(blob_id), odb)
            .with_context(|| format!("note `{id}`"))?;
    }
    let tree_id = notes.write(odb).context("write the notes")?;
    if tree_id == tip.tree_id {
        return Ok(Attempt::Written);
    }
    let mut time_buf = TimeBuf::default();
    let writer = identity(repo, &mut time_buf)?;
    let commit_id = odb
        .new_commit_as(
            writer,
            writer,
            format!("{MESSAGE}\n"),
            tree_id,
            tip.commit_id,
        )
        .context("write the notes")?
        .id;
    swap(repo, tip.commit_id, commit_id, writer)
}

/// Points the ref at `new_id`, if it still is what was read.
///
/// That also succeeds when another writer put the very same commit there: then the very same lines are in it.
fn swap(
    repo: &Repo,
    old_id: Option<ObjectId>,
    new_id: ObjectId,
    writer: SignatureRef,
) -> anyhow::Result<Attempt> {
    let expected = match old_id {
        Some(old_id) => PreviousValue::MustExistAndMatch(Target::Object(old_id)),
        None => PreviousValue::MustNotExist,
    };
    let log = LogChange {
        message: format!("notes: {MESSAGE}").into(),
        ..Default::default()
    };
    let edit = RefEdit {
        change: Change::Update {
            log,
            expected,
            new: Target::Object(new_id),
        },
        name: full_name()?.to_owned(),
        deref: false,
    };
    match repo.inner.edit_references_as([edit], Some(writer)) {
        Ok(_) => Ok(Attempt::Written),
        Err(error) if error.is_conflict() || error.is_retryable() => {
            Ok(Attempt::TooLate(error.into()))
        }
        Err(error) => Err(error).with_context(|| format!("update `{REF}`")),
    }
}

/// # Errors
/// The ref is symbolic: a note must never land on somebody's branch.
fn tip(repo: &Repo) -> anyhow::Result<Tip> {
    let found = repo
        .inner
        .try_find_reference(full_name()?)
        .with_context(|| format!("read `{REF}`"))?;
    let Some(reference) = found else {
        return Ok(Tip {
            commit_id: None,
            tree_id: ObjectId::empty_tree(repo.inner.object_hash()),
        });
    };
    let commit_id = reference
        .try_id()
        .with_context(|| format!("`{REF}` points at another ref"))?
        .detach();
    Ok(Tip {
        commit_id: Some(commit_id),
        tree_id: repo.commit(commit_id)?.tree_id,
    })
}

fn read(repo: &Repo, blob_id: ObjectId) -> anyhow::Result<Vec<u8>> {
    let n_bytes = repo.blob_size(blob_id)?;
    ensure!(
        n_bytes <= Content::MAX_BYTES,
        "note `{blob_id}` is too large: {n_bytes} bytes"
    );
    repo.object(blob_id, Kind::Blob)
}

/// The same repository, but new objects are written into it.
fn on_disk(repo: &Repo) -> anyhow::Result<Repo> {
    let mut repo = repo.clone();
    repo.inner.objects.take_object_memory();
    Ok(repo)
}

fn identity<'a>(repo: &'a Repo, time_buf: &'a mut TimeBuf) -> anyhow::Result<SignatureRef<'a>> {
    match repo.inner.committer() {
        Some(committer) => committer.context("read the committer"),
        None => Ok(SignatureRef {
            name: FALLBACK.0.into(),
            email: FALLBACK.1.into(),
            time: gix::date::Time::now_utc().to_str(time_buf),
        }),
    }
}

fn full_name() -> anyhow::Result<&'static FullNameRef> {
    REF.try_into().context("name the ref of the notes")
}

/// Between a half of `pause` and one and a half, so that writers who met once do not meet again.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1024;
    pause / 2 + pause * random as u32 / 1024
}
