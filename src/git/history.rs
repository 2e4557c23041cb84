//! Commits, the names they go by, and how they follow from each other.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, ensure};
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::objs::{CommitRef, Kind};
use gix::revision::plumbing::Spec;

use super::object::cut_off;
use super::{Commit, Person, Repo, Revision, fsck};
use crate::change::CommitMessage;
use crate::usage::UsageError;

impl Repo {
    /// The commit of `HEAD`; `None` on an unborn branch.
    pub fn head_id(&self) -> anyhow::Result<Option<ObjectId>> {
        let head = self.inner.head().context("read `HEAD`")?;
        Ok(head.id().map(gix::Id::detach))
    }

    /// What a merge that is being made adds to `HEAD`; empty if there is none.
    pub fn merge_heads(&self) -> anyhow::Result<Vec<ObjectId>> {
        let path = self.git_dir().join("MERGE_HEAD");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(err).context("read `MERGE_HEAD`"),
        };
        text.trim_ascii()
            .split(|&byte| byte == b'\n')
            .map(|line| ObjectId::from_hex(line.trim_ascii()).context("read `MERGE_HEAD`"))
            .collect()
    }

    /// The full name of the branch that `HEAD` is on; `None` if it is detached.
    pub fn head_branch(&self) -> anyhow::Result<Option<String>> {
        let name = self.inner.head_name().context("read `HEAD`")?;
        name.map(|name| utf8(name.as_bstr())).transpose()
    }

    /// The commit that a full ref name points at, peeled; `None` if there is no such ref.
    pub fn find_ref(&self, name: &str) -> anyhow::Result<Option<ObjectId>> {
        let Some(mut reference) = self.full_ref(name)? else {
            return Ok(None);
        };
        let commit = reference
            .peel_to_commit()
            .with_context(|| format!("follow `{name}` to a commit"))?;
        Ok(Some(commit.id))
    }

    /// Whether this could be the full name of a ref.
    pub fn is_ref_name(name: &str) -> bool {
        <&gix::refs::FullNameRef>::try_from(name).is_ok()
    }

    /// The full name of the branch that `refs/remotes/origin/HEAD` points at, such as `refs/remotes/origin/main`; `None` if it is not there.
    pub fn remote_default_branch(&self) -> anyhow::Result<Option<String>> {
        let Some(reference) = self.full_ref("refs/remotes/origin/HEAD")? else {
            return Ok(None);
        };
        let target = reference.target().try_name().map(|name| name.to_owned());
        target.map(|name| utf8(name.as_bstr())).transpose()
    }

    /// What `spec` names: a revision or `A..B`.
    ///
    /// # Errors
    /// [`UsageError`] if it names nothing, something else, or perhaps one of two.
    pub fn parse(&self, spec: &str) -> anyhow::Result<Revision> {
        self.ensure_unambiguous(spec)?;
        let parsed = self.inner.rev_parse(spec).map_err(|error| {
            let reason = error.probable_cause().to_string();
            UsageError::with_hint(
                format!("`{spec}` names no commit"),
                format!("git says more with `git rev-parse --verify`; here: {reason}"),
            )
        })?;
        match parsed.detach() {
            Spec::Include(id) => Ok(Revision::Commit(self.peel(id, spec)?)),
            Spec::Range { from, to } => Ok(Revision::Range {
                from: self.peel(from, spec)?,
                to: self.peel(to, spec)?,
            }),
            Spec::Merge { .. } => Err(UsageError::with_hint(
                format!("`{spec}` means the commits of either side"),
                "write `A..B` for what B has and A has not",
            )
            .into()),
            _ => Err(UsageError::with_hint(
                format!("`{spec}` is neither a commit nor a range"),
                "write a commit, or `A..B`",
            )
            .into()),
        }
    }

    /// A commit, read strictly: one that git would show differently to different readers is an error.
    pub fn commit(&self, id: ObjectId) -> anyhow::Result<Commit> {
        self.ensure_undisguised(id)?;
        let data = self.object(id, Kind::Commit)?;
        parse_commit(id, &data).with_context(|| format!("parse commit `{id}`"))
    }

    /// Whether there is a commit of this id.
    pub fn has_commit(&self, id: ObjectId) -> anyhow::Result<bool> {
        let header = self.inner.try_find_header(id);
        let header = header.with_context(|| format!("look for `{id}`"))?;
        Ok(header.is_some_and(|header| header.kind() == Kind::Commit))
    }

    /// The commits that `to` has and `from` has not, parents before children. `None`: all of `to`'s history.
    ///
    /// # Errors
    /// [`UsageError`] if a shallow clone ends before the range does.
    pub fn commits_between(
        &self,
        from: Option<ObjectId>,
        to: ObjectId,
    ) -> anyhow::Result<Vec<ObjectId>> {
        let shallow_ids = self.shallow_ids()?;
        let walk = self
            .inner
            .rev_walk([to])
            .with_hidden(from)
            .use_commit_graph(false)
            .all()
            .with_context(|| format!("walk the history of `{to}`"))?;
        let mut parent_ids = HashMap::new();
        for info in walk {
            let info = info.with_context(|| format!("walk the history of `{to}`"))?;
            if let Some(shallow_ids) = &shallow_ids
                && shallow_ids.contains(&info.id)
            {
                return Err(cut_off(info.id).into());
            }
            parent_ids.insert(info.id, info.parent_ids);
        }
        Ok(parents_first(to, &parent_ids))
    }

    /// The best common ancestor, if there is one.
    ///
    /// # Errors
    /// [`UsageError`] if a shallow clone ends before it can be known.
    pub fn merge_base(&self, one: ObjectId, two: ObjectId) -> anyhow::Result<Option<ObjectId>> {
        Ok(self.merge_bases(one, two)?.first().copied())
    }

    /// All of the best common ancestors: where two histories cross, there are several.
    ///
    /// # Errors
    /// As for [`merge_base`](Repo::merge_base).
    pub fn merge_bases(&self, one: ObjectId, two: ObjectId) -> anyhow::Result<Vec<ObjectId>> {
        // Of a shallow clone's last commits, only the ids of the parents are known.
        self.object(one, Kind::Commit)?;
        self.object(two, Kind::Commit)?;
        let mut graph = self.inner.revision_graph(None);
        let base_ids: Vec<ObjectId> = self
            .inner
            .merge_bases_many_with_graph(one, &[two], &mut graph)
            .with_context(|| format!("find the merge base of `{one}` and `{two}`"))?
            .into_iter()
            .map(gix::Id::detach)
            .collect();
        if self.is_shallow()? {
            // Behind a cut there may be a better one: both ways down must be whole.
            let base_id = base_ids.first().copied();
            self.commits_between(base_id, one)?;
            self.commits_between(base_id, two)?;
        }
        Ok(base_ids)
    }

    /// Whether there is a ref of this full name.
    pub(super) fn has_ref(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.full_ref(name)?.is_some())
    }

    fn full_ref(&self, name: &str) -> anyhow::Result<Option<gix::Reference<'_>>> {
        let full_name = <&gix::refs::FullNameRef>::try_from(name)
            .map_err(|_| UsageError::new(format!("`{name}` is not the full name of a ref")))?;
        let found = self
            .inner
            .try_find_reference(full_name)
            .with_context(|| format!("read ref `{name}`"))?;
        Ok(found.filter(|reference| reference.name() == full_name))
    }

    fn peel(&self, id: ObjectId, spec: &str) -> anyhow::Result<ObjectId> {
        let object = self
            .inner
            .find_object(id)
            .with_context(|| format!("read `{spec}`"))?
            .peel_tags_to_end()
            .with_context(|| format!("follow the tag `{spec}`"))?;
        if object.kind != Kind::Commit {
            let message = format!("`{spec}` is a {}, not a commit", object.kind);
            return Err(UsageError::new(message).into());
        }
        Ok(object.id)
    }
}

fn parse_commit(id: ObjectId, data: &[u8]) -> anyhow::Result<Commit> {
    // git shows a message up to the first NUL only: what follows could carry trailers that nobody sees.
    ensure!(!data.contains(&0), "it holds a NUL byte");
    let commit = CommitRef::from_bytes(data, id.kind())?;
    for (name, _) in &commit.extra_headers {
        let is_core = [&b"tree"[..], b"parent", b"author", b"committer"].contains(&name.as_bytes());
        ensure!(!is_core, "its header `{name}` is repeated or out of order");
    }
    Ok(Commit {
        id,
        tree_id: commit.tree(),
        parent_ids: commit.parents().collect(),
        author: person(commit.author()?)?,
        committer: person(commit.committer()?)?,
        message: CommitMessage::new(commit.message),
        flaws: fsck::commit_flaws(data),
    })
}

fn person(signature: gix::actor::SignatureRef<'_>) -> anyhow::Result<Person> {
    let trimmed = signature.trim();
    Ok(Person {
        name: trimmed.name.to_str_lossy().into_owned(),
        email: trimmed.email.to_str_lossy().into_owned(),
        seconds: signature.time().context("read a date")?.seconds,
    })
}

/// Orders a set of commits by descent from `tip`, whatever their dates say.
fn parents_first<Parents: AsRef<[ObjectId]>>(
    tip: ObjectId,
    parent_ids: &HashMap<ObjectId, Parents>,
) -> Vec<ObjectId> {
    let mut ordered = Vec::with_capacity(parent_ids.len());
    let mut seen = HashSet::from([tip]);
    let mut path: Vec<(ObjectId, &[ObjectId])> = Vec::new();
    if let Some(parents) = parent_ids.get(&tip) {
        path.push((tip, parents.as_ref()));
    }
    while let Some((id, parents)) = path.pop() {
        let Some((&parent_id, rest)) = parents.split_first() else {
            ordered.push(id);
            continue;
        };
        path.push((id, rest));
        if let Some(parents) = parent_ids.get(&parent_id)
            && seen.insert(parent_id)
        {
            path.push((parent_id, parents.as_ref()));
        }
    }
    ordered
}

fn utf8(name: &gix::bstr::BStr) -> anyhow::Result<String> {
    let name = name.to_str().context("a ref name is not UTF-8")?;
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    /// What `spec` means: `commit`, `range`, or the message of the usage error.
    #[track_caller]
    fn check(repo: &TestRepo, spec: &str, expected: &str) {
        let meaning = match repo.open().parse(spec) {
            Ok(Revision::Commit(id)) => repo.git(&["log", "-1", "--format=%s", &id.to_string()]),
            Ok(Revision::Range { from, to }) => {
                let range = format!("{from}..{to}");
                repo.git(&["log", "--format=%s", &range]).replace('\n', " ")
            }
            Err(error) => {
                let usage = error.downcast_ref::<UsageError>();
                usage.unwrap_or_else(|| panic!("{error:#}")).message.clone()
            }
        };
        assert_eq!(meaning, expected, "{spec}");
    }

    /// one ── two ── merge (main)
    ///   └─ side ─────┘
    fn repo() -> TestRepo {
        let repo = TestRepo::new();
        repo.write("f", "1\n").commit("one");
        repo.git(&["switch", "-q", "-c", "side"]);
        repo.write("s", "1\n").commit("side");
        repo.git(&["switch", "-q", "main"]);
        repo.write("f", "2\n").commit("two");
        repo.git(&["merge", "-q", "-m", "merge", "side"]);
        repo
    }

    #[test]
    fn a_revision_is_what_git_takes_it_for() {
        let repo = repo();
        repo.git(&["tag", "-a", "-m", "tag", "v1", "side"]);
        repo.git(&["tag", "-a", "-m", "tag of a tag", "v2", "v1"]);
        check(&repo, "HEAD", "merge");
        check(&repo, "HEAD~1", "two");
        check(&repo, "HEAD^2", "side");
        check(&repo, "v2", "side");
        check(&repo, "side", "side");
        check(&repo, &repo.id("main").to_string()[..8], "merge");
        check(&repo, "side..main", "merge two");
        check(&repo, "v2..main", "merge two");
        check(&repo, "side..", "merge two");
        check(&repo, "main..side", "");
    }

    #[test]
    fn what_names_no_commit_is_the_users_to_correct() {
        let repo = repo();
        check(&repo, "nope", "`nope` names no commit");
        check(&repo, "nope..main", "`nope..main` names no commit");
        check(
            &repo,
            "side...main",
            "`side...main` means the commits of either side",
        );
        check(&repo, "HEAD:f", "`HEAD:f` is a blob, not a commit");
        check(
            &repo,
            "HEAD^{tree}",
            "`HEAD^{tree}` is a tree, not a commit",
        );
        check(&repo, "^main", "`^main` is neither a commit nor a range");
        check(&repo, "", "`` names no commit");
        check(&repo, "--staged", "`--staged` names no commit");
    }

    #[test]
    fn a_range_has_parents_before_children_whatever_the_dates_say() {
        let repo = TestRepo::new();
        let mut ids = Vec::new();
        for (n, date) in [500, 100, 900, 50, 700].iter().enumerate() {
            let date = format!("@{date} +0000");
            let subject = n.to_string();
            let mut command = repo.command(repo.path());
            command.args(["commit", "-q", "--allow-empty", "-m", &subject]);
            let status = command.env("GIT_COMMITTER_DATE", date).status();
            assert!(status.expect("start git").success());
            ids.push(repo.id("HEAD"));
        }
        let between = |from, to| repo.open().commits_between(from, to).expect("walk");
        assert_eq!(between(None, ids[4]), ids);
        assert_eq!(between(Some(ids[1]), ids[4]), ids[2..]);
        assert_eq!(between(Some(ids[4]), ids[1]), ids[..0]);
        assert_eq!(between(Some(ids[4]), ids[4]), ids[..0]);
    }

    #[test]
    fn a_merge_comes_after_both_sides() {
        let repo = repo();
        let range = repo
            .open()
            .commits_between(None, repo.id("main"))
            .expect("walk");
        let at = |spec: &str| {
            range
                .iter()
                .position(|&id| id == repo.id(spec))
                .expect("there")
        };
        assert_eq!(range.len(), 4);
        assert!(at("main~2") < at("side") && at("side") < at("main") && at("main~1") < at("main"));
        let base_id = repo.open().merge_base(repo.id("main~1"), repo.id("side"));
        assert_eq!(base_id.expect("walk"), Some(repo.id("main~2")));
    }

    #[test]
    fn unrelated_histories_have_no_merge_base() {
        let repo = repo();
        repo.git(&["switch", "-q", "--orphan", "other"]);
        repo.commit("other");
        let base_id = repo.open().merge_base(repo.id("main"), repo.id("other"));
        assert_eq!(base_id.expect("walk"), None);
    }

    #[test]
    fn a_shallow_clone_says_that_it_is_shallow() {
        let repo = repo();
        repo.git(&["switch", "-q", "-c", "fork", "main~2"]);
        repo.commit("fork");
        repo.git(&["switch", "-q", "main"]);
        repo.commit("three");
        let url = format!("file://{}", repo.path().display());
        repo.git(&[
            "clone",
            "-q",
            "--depth=2",
            "--no-single-branch",
            &url,
            "../shallow",
        ]);
        let shallow = repo.at("shallow");
        let (main, fork) = (shallow.id("origin/main"), shallow.id("origin/fork"));
        let open = shallow.open();
        let cut = |error: anyhow::Error| {
            let usage = error.downcast_ref::<UsageError>();
            let hint = usage.and_then(|usage| usage.hint.as_deref());
            assert!(
                hint.is_some_and(|hint| hint.contains("--unshallow")),
                "{error:#}"
            );
        };
        cut(open.merge_base(main, fork).expect_err("a cut"));
        cut(open.commits_between(None, main).expect_err("a cut"));
        cut(open.commits_between(Some(fork), main).expect_err("a cut"));
        let whole = open.commits_between(Some(shallow.id("origin/main~1")), main);
        assert_eq!(whole.expect("not cut"), [main]);
        let boundary = open.commit(shallow.id("origin/main~1")).expect("there");
        cut(open.commit(boundary.parent_ids[0]).expect_err("a cut"));
    }

    #[test]
    fn replace_refs_and_grafts_change_no_walk() {
        let repo = repo();
        let (main, side) = (repo.id("main"), repo.id("side"));
        repo.git(&["commit-graph", "write", "--reachable"]);
        repo.git(&["replace", &main.to_string(), &side.to_string()]);
        std::fs::create_dir_all(repo.path().join(".git/info")).expect("make a folder");
        repo.write(".git/info/grafts", format!("{side}\n"));
        let open = repo.open();
        assert_eq!(open.commits_between(None, main).expect("walk").len(), 4);
        // And neither of the two is judged while git shows it as something else.
        assert!(open.commit(main).is_err() && open.commit(side).is_err());
        assert!(open.commit(repo.id("main~1")).is_ok());
    }

    /// Stores a commit object that `git commit` would not make, and says what is wrong with it.
    #[track_caller]
    fn check_commit(extra: &str, message: &str, expected: &str) {
        let repo = repo();
        let tree_id = repo.id("HEAD^{tree}");
        let person = "Ada <ada@example.com> 1700000000 +0000";
        let commit =
            format!("tree {tree_id}\nauthor {person}\ncommitter {person}\n{extra}\n{message}");
        repo.write("../commit", commit);
        let args = [
            "hash-object",
            "-w",
            "--literally",
            "-t",
            "commit",
            "../commit",
        ];
        let id = repo.git(&args).parse().expect("id");
        let read = match repo.open().commit(id) {
            Ok(commit) => format!("{}", commit.message.as_bstr()),
            Err(error) => error.root_cause().to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_commit_is_read_strictly() {
        check_commit("", "subject\n", "subject\n");
        check_commit("encoding ISO-8859-1\n", "subject\n", "subject\n");
        check_commit("", "shown\n\0\nKoan-Issue: hidden\n", "it holds a NUL byte");
        let other = "parent 1111111111111111111111111111111111111111\n";
        check_commit(
            other,
            "x\n",
            "its header `parent` is repeated or out of order",
        );
        check_commit(
            "author Eve <e> 1 +0000\n",
            "x\n",
            "its header `author` is repeated or out of order",
        );
    }

    #[test]
    fn people_and_dates_are_read() {
        let repo = repo();
        let commit = repo.open().commit(repo.id("side")).expect("read");
        assert_eq!(
            (commit.author.name.as_str(), commit.author.email.as_str()),
            ("Ada", "ada@example.com")
        );
        assert_eq!(commit.committer.seconds, 1_700_000_000);
        assert_eq!(commit.tree_id, repo.id("side^{tree}"));
    }

    #[test]
    fn head_and_refs_are_found_by_their_full_names() {
        let repo = repo();
        let open = repo.open();
        assert_eq!(
            open.head_branch().expect("read"),
            Some("refs/heads/main".to_owned())
        );
        assert_eq!(
            open.find_ref("refs/heads/side").expect("read"),
            Some(repo.id("side"))
        );
        assert_eq!(open.find_ref("refs/heads/nope").expect("read"), None);
        assert!(open.find_ref("side").is_err());
        repo.git(&["tag", "-a", "-m", "x", "v1", "side"]);
        assert_eq!(
            open.find_ref("refs/tags/v1").expect("read"),
            Some(repo.id("side"))
        );
        repo.git(&["switch", "-q", "--detach", "side"]);
        assert_eq!(open.head_branch().expect("read"), None);
        assert_eq!(open.head_id().expect("read"), Some(repo.id("side")));
        assert_eq!(open.remote_default_branch().expect("read"), None);
        repo.git(&[
            "symbolic-ref",
            "refs/remotes/origin/HEAD",
            "refs/remotes/origin/main",
        ]);
        let default = open.remote_default_branch().expect("read");
        assert_eq!(default.as_deref(), Some("refs/remotes/origin/main"));
    }
}
