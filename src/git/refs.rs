//! The guard's own refs below `refs/koan/`: commits whose trees hold files, moved by compare-and-swap only.
//!
//! A writer that is killed leaves the old state or the new one; the lock that it may leave is cleared by the next one's [`Turn`].

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::actor::SignatureRef;
use gix::date::parse::TimeBuf;
use gix::objs::Kind;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullNameRef, Target};

use super::turn::Turn;
use super::{Blob, Edit, Repo};
use crate::change::{FileMode, RepoPath};

/// Who writes where git knows no name of the user's.
const FALLBACK: (&str, &str) = ("koan-guard", "koan-guard@localhost");

/// How long other writers may keep us from writing.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a write is tried again.
const MAX_SLIPS: u32 = 5;

/// Nothing that is kept here is larger.
const MAX_BYTES: usize = 64 << 20;

/// What a ref points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// `None` where there is no such ref yet.
    pub commit_id: Option<ObjectId>,
    /// Empty then.
    pub tree_id: ObjectId,
}

/// A new commit that no ref points at yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The tree that the files are put into.
    pub tree_id: ObjectId,
    pub files: Vec<(RepoPath, Vec<u8>)>,
    pub parent_ids: Vec<ObjectId>,
    /// One line.
    pub message: String,
}

/// What came of an attempt that other writers can get in the way of.
pub enum Attempt<T> {
    Done(T),
    /// Another writer was faster, or is writing now.
    TooLate(anyhow::Error),
}

/// # Errors
/// The ref is symbolic, or does not point at a commit.
pub fn tip(repo: &Repo, name: &str) -> anyhow::Result<Tip> {
    let full_name: &FullNameRef = name.try_into().with_context(|| format!("name `{name}`"))?;
    let find = || {
        let found = repo.inner.try_find_reference(full_name);
        found.with_context(|| format!("read `{name}`"))
    };
    // While git packs refs, one look may find it neither here nor there.
    let found = match find()? {
        None => find()?,
        found => found,
    };
    let Some(reference) = found.filter(|reference| reference.name() == full_name) else {
        return Ok(Tip {
            commit_id: None,
            tree_id: repo.empty_tree_id(),
        });
    };
    let commit_id = reference
        .try_id()
        .with_context(|| format!("`{name}` points at another ref"))?
        .detach();
    Ok(Tip {
        commit_id: Some(commit_id),
        tree_id: repo.commit(commit_id)?.tree_id,
    })
}

/// Writes the objects of a commit; its ids are as unique as its files are.
pub fn commit(repo: &Repo, draft: Draft) -> anyhow::Result<ObjectId> {
    let tree_id = tree(repo, draft.tree_id, draft.files)?;
    commit_tree(repo, tree_id, draft.parent_ids, &draft.message)
}

/// Writes a tree like `tree_id` with these files put into it.
pub fn tree(
    repo: &Repo,
    tree_id: ObjectId,
    files: Vec<(RepoPath, Vec<u8>)>,
) -> anyhow::Result<ObjectId> {
    ensure!(
        repo.quarantine.is_none(),
        "nothing can be written while a push is being judged"
    );
    let put = |(path, bytes): &(RepoPath, Vec<u8>)| Edit::Put {
        path: path.clone(),
        mode: FileMode::Regular,
        content: Blob::Bytes(bytes.clone()),
    };
    sturdily(|| on_disk(repo)?.edit_tree(tree_id, files.iter().map(put).collect()))
}

/// Writes a commit of a tree that is there.
pub fn commit_tree(
    repo: &Repo,
    tree_id: ObjectId,
    parent_ids: Vec<ObjectId>,
    message: &str,
) -> anyhow::Result<ObjectId> {
    let writer = on_disk(repo)?;
    let mut time_buf = TimeBuf::default();
    let who = identity(repo, &mut time_buf)?;
    sturdily(|| {
        let (message, parent_ids) = (format!("{message}\n"), parent_ids.clone());
        let commit = writer
            .inner
            .new_commit_as(who, who, message, tree_id, parent_ids);
        Ok(commit.context("write a commit")?.id)
    })
}

/// The same repository, but new objects are written into it.
pub(super) fn on_disk(repo: &Repo) -> anyhow::Result<Repo> {
    let mut repo = repo.clone();
    repo.inner.objects.take_object_memory();
    Ok(repo)
}

pub(super) fn identity<'a>(
    repo: &'a Repo,
    time_buf: &'a mut TimeBuf,
) -> anyhow::Result<SignatureRef<'a>> {
    match repo.inner.committer() {
        Some(committer) => committer.context("read the committer"),
        None => Ok(SignatureRef {
            name: FALLBACK.0.into(),
            email: FALLBACK.1.into(),
            time: gix::date::Time::now_utc().to_str(time_buf),
        }),
    }
}

/// Between a half of `pause` and one and a half, so that writers who met once do not meet again.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1024;
    pause / 2 + pause * random as u32 / 1024
}

/// `git gc` takes empty folders and loose refs away from under a writer: what fails is tried again a few times.
pub(super) fn sturdily<T>(mut write: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut pause = Duration::from_millis(4);
    for _ in 0..MAX_SLIPS {
        if let Ok(done) = write() {
            return Ok(done);
        }
        std::thread::sleep(jitter(pause));
        pause *= 2;
    }
    write()
}

/// The e-mail address of whoever writes here, as git knows it.
pub fn writer(repo: &Repo) -> anyhow::Result<String> {
    let mut time_buf = TimeBuf::default();
    let who = identity(repo, &mut time_buf)?;
    Ok(String::from_utf8_lossy(who.email).into_owned())
}

impl Repo {
    /// The names of all remotes that have an address, sorted.
    pub fn remotes(&self) -> anyhow::Result<Vec<String>> {
        let names = self.inner.remote_names();
        let mut found = Vec::new();
        for name in names {
            let name = std::str::from_utf8(&name).context("read the names of the remotes")?;
            if self.config(&format!("remote.{name}.url")).is_some() {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }
}

/// A file of two trees that is not the same in both: its path, and its blob on either side.
pub type Difference = (RepoPath, [Option<ObjectId>; 2]);

/// The files in which two trees differ, by path. Whatever is no file counts as missing.
pub fn differences(repo: &Repo, tree_ids: [ObjectId; 2]) -> anyhow::Result<Vec<Difference>> {
    let mut all: BTreeMap<RepoPath, [Option<ObjectId>; 2]> = BTreeMap::new();
    if tree_ids[0] == tree_ids[1] {
        return Ok(Vec::new());
    }
    for (side, tree_id) in tree_ids.into_iter().enumerate() {
        let files = repo.files(tree_id)?.into_iter();
        for file in files.filter(|file| file.mode == FileMode::Regular) {
            all.entry(file.path).or_default()[side] = Some(file.id);
        }
    }
    all.retain(|_, [one, other]| one != other);
    Ok(all.into_iter().collect())
}

/// The bytes of a blob; of none, none.
pub fn blob(repo: &Repo, id: Option<ObjectId>) -> anyhow::Result<Vec<u8>> {
    let Some(id) = id else {
        return Ok(Vec::new());
    };
    let bytes = repo.object(id, Kind::Blob)?;
    ensure!(
        bytes.len() <= MAX_BYTES,
        "blob `{id}` is too large: {} bytes",
        bytes.len()
    );
    Ok(bytes)
}

/// Whether everything of `old_id` is in `new_id`.
pub fn is_ancestor(repo: &Repo, old_id: ObjectId, new_id: ObjectId) -> anyhow::Result<bool> {
    Ok(repo.merge_base(old_id, new_id)? == Some(old_id))
}

/// Whoever may move refs now. There is one at a time in a repository, as far as the guard's own go.
pub struct Writer {
    turn: Turn,
}

impl Writer {
    /// Points `name` at `new_id`, if it still is at `old_id`.
    ///
    /// That also succeeds when it is at `new_id` already: whoever must be the only winner writes a commit that nobody else can write.
    pub fn swap(
        &mut self,
        repo: &Repo,
        name: &str,
        (old_id, new_id): (Option<ObjectId>, ObjectId),
        message: &str,
    ) -> anyhow::Result<Attempt<()>> {
        steps::step("written");
        self.turn.announce(name, new_id)?;
        steps::step("announced");
        let swapped = sturdily(|| swap(repo, name, (old_id, new_id), message));
        steps::step("swapped");
        self.turn.done()?;
        swapped
    }
}

fn swap(
    repo: &Repo,
    name: &str,
    (old_id, new_id): (Option<ObjectId>, ObjectId),
    message: &str,
) -> anyhow::Result<Attempt<()>> {
    let expected = match old_id {
        Some(old_id) => PreviousValue::MustExistAndMatch(Target::Object(old_id)),
        None => PreviousValue::MustNotExist,
    };
    let log = LogChange {
        message: message.into(),
        // git keeps none of refs that it does not know.
        force_create_reflog: !name.starts_with("refs/notes/"),
        ..Default::default()
    };
    let edit = RefEdit {
        change: Change::Update {
            log,
            expected,
            new: Target::Object(new_id),
        },
        name: name.try_into().with_context(|| format!("name `{name}`"))?,
        deref: false,
    };
    let mut time_buf = TimeBuf::default();
    let who = identity(repo, &mut time_buf)?;
    match repo.inner.edit_references_as([edit], Some(who)) {
        Ok(_) => Ok(Attempt::Done(())),
        Err(error) if error.is_conflict() || error.is_retryable() => {
            Ok(Attempt::TooLate(error.into()))
        }
        Err(error) => Err(error).with_context(|| format!("update `{name}`")),
    }
}

/// Tries until it is done, for as long as others may keep us from it. Other writers of the guard's own wait meanwhile.
pub fn patiently<T>(
    repo: &Repo,
    what: &str,
    mut attempt: impl FnMut(&mut Writer) -> anyhow::Result<Attempt<T>>,
) -> anyhow::Result<T> {
    ensure!(
        repo.quarantine.is_none(),
        "nothing can be written while a push is being judged"
    );
    let deadline = Instant::now() + PATIENCE;
    let turn = Turn::wait(repo, deadline).with_context(|| format!("wait to {what}"))?;
    let mut writer = Writer { turn };
    let mut pause = Duration::from_millis(2);
    loop {
        match attempt(&mut writer)? {
            Attempt::Done(done) => return Ok(done),
            Attempt::TooLate(error) if Instant::now() >= deadline => {
                return Err(error).with_context(|| format!("{what}: busy for {PATIENCE:?}"));
            }
            Attempt::TooLate(_) => {}
        }
        std::thread::sleep(jitter(pause));
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// Clears what a dead writer of ours left, so that git itself finds no lock in its way.
pub fn settle(repo: &Repo) -> anyhow::Result<()> {
    let turn = Turn::wait(repo, Instant::now() + PATIENCE);
    turn.map(drop).context("wait for other writers")
}

impl<T> Attempt<T> {
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Attempt<U> {
        match self {
            Attempt::Done(done) => Attempt::Done(of(done)),
            Attempt::TooLate(error) => Attempt::TooLate(error),
        }
    }
}

/// The places at which a test kills a writer.
#[cfg(not(test))]
pub(super) mod steps {
    pub fn step(_: &str) {}
}

#[cfg(test)]
pub(super) mod steps {
    /// Where the process that has this in its environment dies.
    pub const VARIABLE: &str = "KOAN_GUARD_TEST_DIE_AT";

    pub fn step(name: &str) {
        if std::env::var_os(VARIABLE).is_some_and(|at| at == name) {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("die");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::super::testing::TestRepo;
    use super::*;

    const NAME: &str = "refs/koan/triage";

    /// Where [`writer`] writes to.
    const REPO: &str = "KOAN_GUARD_TEST_REPO";

    /// Puts one file in, whatever is there.
    fn put(repo: &Repo, path: &str, text: &str) -> anyhow::Result<ObjectId> {
        patiently(repo, "write", |writer| {
            let tip = tip(repo, NAME)?;
            let draft = Draft {
                tree_id: tip.tree_id,
                files: vec![(RepoPath::from(path), text.into())],
                parent_ids: tip.commit_id.into_iter().collect(),
                message: "triage: a test".into(),
            };
            let new_id = commit(repo, draft)?;
            let swapped = writer.swap(repo, NAME, (tip.commit_id, new_id), "triage: a test")?;
            Ok(swapped.map(|()| new_id))
        })
    }

    fn files(test: &TestRepo) -> Vec<String> {
        let listed = test.git(&["ls-tree", "-r", "--name-only", NAME]);
        listed.lines().map(str::to_owned).collect()
    }

    fn lock(test: &TestRepo) -> std::path::PathBuf {
        test.path().join(format!(".git/{NAME}.lock"))
    }

    /// Nothing is broken, nothing keeps the next writer out, and what was there is there.
    #[track_caller]
    fn check_whole(test: &TestRepo, before: &[String]) {
        test.git(&["fsck", "--strict"]);
        let n = files(test).len();
        put(&test.open(), &format!("after/{n}"), "x").expect("write");
        let after = files(test);
        assert_eq!(after.len(), n + 1);
        assert!(before.iter().all(|path| after.contains(path)));
        assert!(!lock(test).exists());
        test.git(&["fsck", "--strict"]);
        test.git(&["pack-refs", "--all"]);
    }

    #[test]
    fn git_shows_what_was_put() {
        let test = TestRepo::new();
        let repo = test.open();
        put(&repo, "k1/ab/cd", "one\n").expect("write");
        put(&repo, "k1/ab/ef", "two\n").expect("write");
        let show = |path: &str| test.git(&["show", &format!("{NAME}:{path}")]);
        assert_eq!(
            (show("k1/ab/cd"), show("k1/ab/ef")),
            ("one".into(), "two".into())
        );
        let reflog = test.git(&["reflog", "--format=%gs", NAME]);
        assert_eq!(reflog, "triage: a test\ntriage: a test");
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    fn a_ref_that_moved_is_not_moved_back() {
        let test = TestRepo::new();
        let repo = test.open();
        let first_id = put(&repo, "a", "1").expect("write");
        let second_id = put(&repo, "a", "2").expect("write");
        for old_id in [None, Some(first_id)] {
            let swapped = swap(&repo, NAME, (old_id, first_id), "x").expect("no error");
            assert!(matches!(swapped, Attempt::TooLate(_)), "{old_id:?}");
        }
        assert_eq!(test.id(NAME), second_id);
    }

    #[test]
    fn it_never_lands_on_a_branch() {
        let test = TestRepo::new();
        let commit_id = test.commit("one");
        test.git(&["symbolic-ref", NAME, "refs/heads/main"]);
        let error = put(&test.open(), "a", "1").expect_err("a symbolic ref");
        let said = format!("{error:#}");
        assert!(said.contains("points at another ref"), "{said}");
        assert_eq!(test.id("main"), commit_id);
    }

    /// Writes in a process of its own, until it is killed.
    #[test]
    #[ignore = "other tests start it"]
    fn writer() {
        let path = std::env::var_os(REPO).expect("where to");
        let repo = Repo::open(Path::new(&path)).expect("open");
        for n in 0..1000 {
            put(&repo, &format!("{}/{n}", std::process::id()), "x").expect("write");
        }
    }

    fn start_writer(test: &TestRepo, step: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this"));
        command.args(["--exact", "git::refs::tests::writer", "--ignored", "-q"]);
        command.env(REPO, test.path()).env(steps::VARIABLE, step);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("start")
    }

    #[test]
    fn a_writer_may_be_killed_at_every_step() {
        for step in ["written", "announced", "swapped"] {
            let test = TestRepo::new();
            put(&test.open(), "before", "x").expect("write");
            let status = start_writer(&test, step).wait().expect("wait");
            assert!(!status.success(), "{step}: it must have died");
            let there = files(&test);
            let n_new = usize::from(step == "swapped");
            assert_eq!(there.len(), 1 + n_new, "{step}: the state is old or new");
            check_whole(&test, &there);
        }
    }

    #[test]
    #[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
    fn a_writer_may_be_killed_at_any_instant() {
        let test = TestRepo::new();
        put(&test.open(), "before", "x").expect("write");
        for round in 0..8 {
            let mut child = start_writer(&test, "never");
            std::thread::sleep(Duration::from_millis(60 + round * 7));
            child.kill().expect("kill");
            child.wait().expect("wait");
            check_whole(&test, &files(&test));
        }
    }

    #[test]
    fn the_lock_of_a_killed_writer_is_cleared_and_no_other() {
        let test = TestRepo::new();
        let id = put(&test.open(), "before", "x").expect("write");
        let said = test.path().join(".git/koan-guard/writer.lock");
        fs::write(&said, format!("{NAME} {id}\n")).expect("write");
        fs::write(lock(&test), format!("{id}\n")).expect("lock");
        check_whole(&test, &["before".into()]);
        fs::write(&said, format!("{NAME} {id}\n")).expect("write");
        // gix locks the packed refs to read them.
        let packed = test.path().join(".git/packed-refs.lock");
        for (said_first, is_cleared) in [(true, true), (false, false)] {
            let write_lock = || fs::write(&packed, "").expect("lock");
            if !said_first {
                write_lock();
                std::thread::sleep(Duration::from_millis(20));
            }
            fs::write(&said, format!("{NAME} {id}\n")).expect("write");
            if said_first {
                write_lock();
                check_whole(&test, &["before".into()]);
            } else {
                Turn::wait(&test.open(), Instant::now()).expect("a turn");
            }
            assert_eq!(!packed.exists(), is_cleared);
        }
        fs::remove_file(&packed).expect("remove");
        let other = "1".repeat(40);
        fs::write(lock(&test), &other).expect("lock");
        let late = swap(&test.open(), NAME, (Some(test.id(NAME)), id), "x").expect("no error");
        assert!(matches!(late, Attempt::TooLate(_)));
        assert_eq!(fs::read_to_string(lock(&test)).expect("read"), other);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_at_once() {
        let start = Instant::now();
        let test = TestRepo::new();
        fs::write(test.path().join(".git/refs/koan"), "").expect("a file in the way");
        put(&test.open(), "a", "1").expect_err("there is no folder");
        fs::remove_file(test.path().join(".git/refs/koan")).expect("remove");
        put(&test.open(), "a", "1").expect("write");
        let folder = test.path().join(".git/koan-guard");
        fs::remove_dir_all(&folder).expect("remove");
        fs::write(&folder, "").expect("a file in the way");
        put(&test.open(), "b", "1").expect_err("there is no folder");
        assert_eq!(files(&test), ["a"]);
        assert!(start.elapsed() < PATIENCE);
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    fn many_writers_and_a_gc_at_once_lose_nothing() {
        let test = TestRepo::new();
        let repos: Vec<Repo> = (0..40).map(|_| test.open()).collect();
        std::thread::scope(|scope| {
            for (writer, repo) in repos.into_iter().enumerate() {
                scope.spawn(move || put(&repo, &format!("f{writer}"), "x").expect("write"));
            }
            for _ in 0..2 {
                test.git(&["gc", "--quiet"]);
            }
        });
        assert_eq!(files(&test).len(), 40);
        assert_eq!(test.git(&["rev-list", "--count", NAME]), "40");
        check_whole(&test, &["f0".into()]);
    }
}
