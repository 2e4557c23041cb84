//! Notes under `refs/notes/koan`: one JSON object a line, appended by compare-and-swap, laid out as git lays them out.
//!
//! Of a repository's refs, this is the only one that is written without being asked for; [`refs`](super::refs) and [`refused`](super::refused)
//! write others.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::note::plumbing::State;
use gix::objs::Kind;

use super::Repo;
use super::refs::{self, Attempt, Writer, steps};
use crate::change::{Content, FileMode};

/// The full name of the ref.
pub const REF: &str = "refs/notes/koan";

/// What the commits of the ref say.
const MESSAGE: &str = "Notes added by koan-guard";

/// So many bytes of notes are kept before they are asked for.
const MAX_AHEAD: usize = 256 << 20;

/// The note of one object, if it has one.
pub fn get(repo: &Repo, commit_id: ObjectId) -> anyhow::Result<Option<Vec<u8>>> {
    Reader::new(repo)?.get(commit_id)
}

/// Reads the notes of many objects, one after another: what of the tree was read once stays.
pub struct Reader<'repo> {
    repo: &'repo Repo,
    notes: State,
    /// By noted object: what was read before it was asked for.
    ahead: HashMap<ObjectId, Vec<u8>>,
}

impl Reader<'_> {
    pub fn new(repo: &Repo) -> anyhow::Result<Reader<'_>> {
        let notes =
            State::new(refs::tip(repo, REF)?.tree_id, &repo.inner).context("read the notes")?;
        Ok(Reader {
            repo,
            notes,
            ahead: HashMap::new(),
        })
    }

    /// Reads the notes of these objects in the order of packs, as far as they are not large, and keeps each until it is asked for.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read_ahead(&mut self, ids: &[ObjectId]) -> anyhow::Result<()> {
        let mut found = Vec::new();
        for id in ids {
            let blob_id = self.notes.get(id, &self.repo.inner);
            if let Some(blob_id) = blob_id.context("read the notes")? {
                found.push((*id, blob_id));
            }
        }
        self.repo.sort_by_pack(&mut found, |(_, blob_id)| *blob_id);
        let mut room = MAX_AHEAD;
        for (id, blob_id) in found {
            let note = read(self.repo, blob_id)?;
            let Some(rest) = room.checked_sub(note.len()) else {
                break;
            };
            room = rest;
            self.ahead.insert(id, note);
        }
        Ok(())
    }

    /// The note of one object, if it has one.
    pub fn get(&mut self, id: ObjectId) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(note) = self.ahead.remove(&id) {
            return Ok(Some(note));
        }
        let blob_id = self.notes.get(&id, &self.repo.inner);
        let blob_id = blob_id.context("read the notes")?;
        blob_id.map(|blob_id| read(self.repo, blob_id)).transpose()
    }
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
    let on_disk = refs::on_disk(repo)?;
    refs::patiently(repo, "write notes", |writer| {
        steps::step("turn");
        refs::sturdily(|| try_append(&on_disk, lines, writer))
    })
}

/// Every noted object with its note, sorted by id.
pub fn list(repo: &Repo) -> anyhow::Result<Vec<(ObjectId, Vec<u8>)>> {
    let files = repo
        .files(refs::tip(repo, REF)?.tree_id)
        .context("list the notes")?;
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

fn try_append(
    repo: &Repo,
    lines: &[(ObjectId, String)],
    writer: &mut Writer,
) -> anyhow::Result<Attempt<()>> {
    let tip = refs::tip(repo, REF)?;
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
        steps::step("blob");
        notes
            .edit(*id, Some(blob_id), odb)
            .with_context(|| format!("note `{id}`"))?;
    }
    let tree_id = notes.write(odb).context("write the notes")?;
    steps::step("trees");
    if tree_id == tip.tree_id {
        return Ok(Attempt::Done(()));
    }
    let parent_ids = tip.commit_id.into_iter().collect();
    let commit_id = refs::commit_tree(repo, tree_id, parent_ids, MESSAGE)?;
    // That another writer put the very same commit there is fine: then the very same lines are in it.
    let log = format!("notes: {MESSAGE}");
    writer.swap(repo, REF, (tip.commit_id, commit_id), &log)
}

fn read(repo: &Repo, blob_id: ObjectId) -> anyhow::Result<Vec<u8>> {
    let n_bytes = repo.blob_size(blob_id)?;
    ensure!(
        n_bytes <= Content::MAX_BYTES,
        "note `{blob_id}` is too large: {n_bytes} bytes"
    );
    repo.object(blob_id, Kind::Blob)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, Instant};

    use super::super::testing::TestRepo;
    use super::super::turn::Turn;
    use super::*;

    fn repo() -> (TestRepo, ObjectId) {
        let repo = TestRepo::new();
        let commit_id = repo.write("f", "1\n").commit("one");
        (repo, commit_id)
    }

    /// Ids that need not be there to be noted.
    fn ids(n: usize) -> Vec<ObjectId> {
        let blob = |n: usize| format!("object {n}").into_bytes();
        (0..n)
            .map(|n| gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Blob, &blob(n)))
            .collect::<Result<_, _>>()
            .expect("hash")
    }

    #[test]
    fn git_shows_what_was_appended() {
        let (test, commit_id) = repo();
        let repo = test.open();
        assert_eq!(get(&repo, commit_id).expect("read"), None);
        append(&repo, commit_id, r#"{"a":1}"#).expect("write");
        append(&repo, commit_id, r#"{"b":2}"#).expect("write");
        append(&repo, commit_id, r#"{"a":1}"#).expect("write");
        let shown = test.git(&["notes", "--ref=koan", "show", "HEAD"]);
        assert_eq!(shown, "{\"a\":1}\n{\"b\":2}");
        let note = get(&test.open(), commit_id).expect("read");
        assert_eq!(note, Some(b"{\"a\":1}\n{\"b\":2}\n".to_vec()));
        let log = test.git(&["log", "--format=%s", REF]);
        assert_eq!(
            log,
            format!("{MESSAGE}\n{MESSAGE}"),
            "the third time there was nothing to write"
        );
        assert_eq!(
            test.git(&["reflog", "--format=%gs", REF]).lines().count(),
            2
        );
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn the_layout_is_gits() {
        for n in [1, 20, 300] {
            let (test, _) = repo();
            for n in 0..n {
                test.write(&format!("noted/{n}"), n.to_string());
            }
            test.commit("what is noted");
            let listed = test.git(&["ls-tree", "--format=%(objectname)", "HEAD:noted"]);
            let repo = test.open();
            for id in listed.lines() {
                append(&repo, id.parse().expect("an id"), "x").expect("write");
            }
            let first = listed.lines().next().expect("one");
            test.git(&["notes", "--ref=git", "add", "-m", "x", first]);
            let copies = listed.lines().skip(1).map(|id| format!("{first} {id}\n"));
            let args = ["notes", "--ref=git", "copy", "--stdin"];
            test.git_with(&args, &copies.collect::<String>());
            let [ours, gits] =
                [REF, "refs/notes/git"].map(|name| test.id(&format!("{name}^{{tree}}")));
            assert_eq!(ours, gits, "{n} notes");
        }
    }

    #[test]
    fn notes_of_git_and_of_ours_stand_side_by_side() {
        let (test, commit_id) = repo();
        test.git(&["notes", "--ref=koan", "add", "-m", "by hand", "HEAD"]);
        test.git(&["pack-refs", "--all"]);
        let repo = test.open();
        append(&repo, commit_id, "ours").expect("write");
        let tree_id = test.id("HEAD^{tree}");
        append(&repo, tree_id, "a tree").expect("write");
        let mut expected = vec![
            (commit_id, b"by hand\nours\n".to_vec()),
            (tree_id, b"a tree\n".to_vec()),
        ];
        expected.sort();
        assert_eq!(list(&test.open()).expect("list"), expected);
    }

    #[test]
    fn a_batch_is_one_commit() {
        let (test, _) = repo();
        let lines: Vec<_> = ids(300)
            .into_iter()
            .map(|id| (id, "x".to_owned()))
            .collect();
        append_all(&test.open(), &lines).expect("write");
        assert_eq!(test.git(&["rev-list", "--count", REF]), "1");
        assert_eq!(list(&test.open()).expect("list").len(), 300);
    }

    #[test]
    fn writers_at_once_lose_nothing() {
        let (test, commit_id) = repo();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let repo = test.open();
                scope.spawn(move || {
                    for n in 0..10 {
                        append(&repo, commit_id, &format!("{writer}-{n}")).expect("write");
                    }
                });
            }
        });
        let note = get(&test.open(), commit_id).expect("read").expect("a note");
        assert_eq!(note.split(|&byte| byte == b'\n').count(), 41);
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    fn what_is_not_one_line_is_not_written() {
        let (test, commit_id) = repo();
        for line in ["", "a\nb", "a\r", "a\0"] {
            assert!(append(&test.open(), commit_id, line).is_err(), "{line:?}");
        }
        assert_eq!(get(&test.open(), commit_id).expect("read"), None);
    }

    #[test]
    fn a_note_never_lands_on_a_branch() {
        let (test, commit_id) = repo();
        test.git(&["symbolic-ref", REF, "refs/heads/main"]);
        let error = append(&test.open(), commit_id, "x").expect_err("a symbolic ref");
        assert!(
            format!("{error:#}").contains("points at another ref"),
            "{error:#}"
        );
        assert_eq!(test.id("main"), commit_id);
    }

    #[test]
    fn other_refs_and_the_index_stay_as_they_are() {
        let (test, commit_id) = repo();
        test.write("f", "staged\n").add();
        let state = || {
            let refs = test.git(&["for-each-ref", "--exclude=refs/notes/koan"]);
            (refs, test.git(&["status", "--porcelain=v2", "--branch"]))
        };
        let before = state();
        append(&test.open(), commit_id, "x").expect("write");
        assert_eq!(state(), before);
    }

    #[test]
    fn a_name_is_made_up_only_where_git_knows_none() {
        let (test, commit_id) = repo();
        append(&test.open(), commit_id, "x").expect("write");
        test.git(&["config", "user.name", "Grace"]);
        test.git(&["config", "user.email", "grace@example.com"]);
        append(&test.open(), commit_id, "y").expect("write");
        let authors = test.git(&["log", "--format=%an <%ae>", REF]);
        assert!(
            authors.starts_with("Grace <grace@example.com>\n"),
            "{authors}"
        );
    }

    #[test]
    fn a_repository_that_cannot_be_written_is_an_error_at_once() {
        let (test, commit_id) = repo();
        let objects = test.path().join(".git/objects");
        let permit = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&objects, permissions).expect("set permissions");
        };
        permit(0o555);
        // Nothing is forbidden to root.
        let is_forbidden = std::fs::write(objects.join("probe"), "").is_err();
        let written = append(&test.open(), commit_id, "x");
        permit(0o755);
        assert_eq!(written.is_err(), is_forbidden);
    }

    #[test]
    fn a_ref_that_stays_locked_is_waited_for() {
        let (test, commit_id) = repo();
        test.git(&["notes", "--ref=koan", "add", "-m", "x", "HEAD"]);
        let lock = test.path().join(".git/refs/notes/koan.lock");
        std::fs::write(&lock, "").expect("lock");
        std::thread::scope(|scope| {
            let written = scope.spawn(|| append(&test.open(), commit_id, "y"));
            std::thread::sleep(Duration::from_millis(400));
            assert!(!written.is_finished(), "it must wait");
            std::fs::remove_file(&lock).expect("unlock");
            written.join().expect("no panic").expect("write");
        });
    }

    /// Where [`writer`] writes to.
    const REPO: &str = "KOAN_GUARD_TEST_REPO";

    /// Writes notes in a process of its own, until it is killed.
    #[test]
    #[ignore = "other tests start it"]
    fn writer() {
        let path = std::env::var_os(REPO).expect("where to");
        let repo = Repo::open(path.as_ref()).expect("open");
        let id = repo.head_id().expect("read").expect("a commit");
        for n in 0..1000 {
            append(&repo, id, &format!("{}-{n}", std::process::id())).expect("write");
        }
    }

    fn start_writer(test: &TestRepo, step: &str) -> std::process::Child {
        let mut command = std::process::Command::new(std::env::current_exe().expect("this"));
        command.args(["--exact", "git::notes::tests::writer", "--ignored", "-q"]);
        command.env(REPO, test.path()).env(steps::VARIABLE, step);
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        command.spawn().expect("start")
    }

    fn lines_of(test: &TestRepo, id: ObjectId) -> Vec<Vec<u8>> {
        let note = get(&test.open(), id).expect("read").unwrap_or_default();
        let lines = note.split(|&byte| byte == b'\n');
        lines
            .filter(|line| !line.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    }

    /// Nothing is broken, and nothing keeps the next writer out.
    #[track_caller]
    fn check_whole(test: &TestRepo, id: ObjectId, before: &[Vec<u8>]) {
        test.git(&["fsck", "--strict"]);
        assert_eq!(
            lines_of(test, id)[..before.len()],
            *before,
            "what was there is there"
        );
        let line = format!("after {}", before.len());
        append(&test.open(), id, &line).expect("write");
        assert_eq!(lines_of(test, id).last(), Some(&line.into_bytes()));
        assert!(!test.path().join(".git/refs/notes/koan.lock").exists());
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    fn a_writer_may_be_killed_at_every_step() {
        for step in ["turn", "blob", "trees", "written", "announced", "swapped"] {
            let (test, id) = repo();
            append(&test.open(), id, "before").expect("write");
            let status = start_writer(&test, step).wait().expect("wait");
            assert!(!status.success(), "{step}: it must have died");
            let lines = lines_of(&test, id);
            let n_new = usize::from(step == "swapped");
            assert_eq!(lines.len(), 1 + n_new, "{step}: the state is old or new");
            check_whole(&test, id, &lines);
        }
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn a_writer_may_be_killed_at_any_instant() {
        let (test, id) = repo();
        append(&test.open(), id, "before").expect("write");
        for round in 0..12 {
            let mut child = start_writer(&test, "never");
            std::thread::sleep(Duration::from_millis(40 + round * 7));
            child.kill().expect("kill");
            child.wait().expect("wait");
            let lines = lines_of(&test, id);
            check_whole(&test, id, &lines);
        }
    }

    #[test]
    fn the_lock_of_a_killed_writer_is_cleared_and_no_other() {
        let (test, id) = repo();
        append(&test.open(), id, "before").expect("write");
        let lock = test.path().join(".git/refs/notes/koan.lock");
        let said = test.path().join(".git/koan-guard/writer.lock");
        let new_id = "1".repeat(40);
        for content in [new_id.as_str(), ""] {
            std::fs::write(&said, format!("{REF} {new_id}\n")).expect("write");
            std::fs::write(&lock, content).expect("write");
            check_whole(&test, id, &[b"before".to_vec()]);
        }
        // What the writer did not say is somebody else's.
        std::fs::write(&lock, "").expect("write");
        let mut turn = Turn::wait(&test.open(), Instant::now()).expect("a turn");
        turn.done().expect("write");
        assert!(lock.exists());
    }

    #[test]
    fn many_processes_and_a_gc_at_once_lose_nothing() {
        let (test, id) = repo();
        let repos: Vec<Repo> = (0..40).map(|_| test.open()).collect();
        std::thread::scope(|scope| {
            for (writer, repo) in repos.into_iter().enumerate() {
                scope.spawn(move || {
                    for n in 0..3 {
                        append(&repo, id, &format!("{writer}-{n}")).expect("write");
                    }
                });
            }
            for _ in 0..3 {
                test.git(&["gc", "--quiet"]);
            }
        });
        let lines = lines_of(&test, id);
        assert_eq!(lines.len(), 120);
        check_whole(&test, id, &lines);
    }

    #[test]
    fn a_reader_finds_what_a_single_look_does() {
        let (test, _) = repo();
        let ids = ids(50);
        let lines: Vec<_> = ids[..30].iter().map(|id| (*id, id.to_string())).collect();
        append_all(&test.open(), &lines).expect("write");
        let repo = test.open();
        let mut reader = Reader::new(&repo).expect("read");
        for id in ids {
            assert_eq!(reader.get(id).expect("read"), get(&repo, id).expect("read"));
        }
    }
}
