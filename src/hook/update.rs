//! What a push asks for, ref by ref, and what of that is a person's to do.

use anyhow::Context as _;
use gix::ObjectId;

use crate::change::{RepoPath, shown};
use crate::check::range::RangeJudgement;
use crate::git::Repo;
use crate::policy::PathSet;

/// One ref that is pushed: where it is and where it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// `None` for a new ref.
    pub old_id: Option<ObjectId>,
    /// `None` for a deletion.
    pub new_id: Option<ObjectId>,
    /// The full name on the receiving side.
    pub name: String,
}

/// Who pushes. A name counts only where the judging side learns it from somebody else than the pusher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pusher {
    Person(String),
    /// Anybody else, with why: judged as an agent.
    Other(String),
}

/// What an agent may not push, whatever is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Own,
    Replace,
    Notes,
    Tag,
    Elsewhere,
    NotTopic,
    Deleted,
    Forced,
}

/// The answer for one ref.
#[derive(Debug)]
pub enum Answer {
    Closed(Closed),
    /// Every commit is on the default branch already.
    NothingNew,
    /// A person's to do, and nothing to judge.
    Free,
    /// A person may, although it could not be judged.
    Unjudged(String),
    /// The branch began under another policy than today's.
    OldPolicy,
    Judged(Box<RangeJudgement>),
}

/// The answers for a whole push.
#[derive(Debug)]
pub struct Push {
    pub lines: Vec<(Update, Answer)>,
    pub pusher: Pusher,
    /// The policy only observes.
    pub observed: bool,
}

const BRANCHES: &str = "refs/heads/";

impl Update {
    /// Reads one line of ids and names; `zeros` stand for no commit.
    pub(super) fn of(old: &str, new: &str, name: &str) -> anyhow::Result<Update> {
        let id = |hex: &str| {
            let id = ObjectId::from_hex(hex.as_bytes())
                .with_context(|| format!("read the id `{}`", shown(hex.as_bytes())))?;
            anyhow::Ok((!id.is_null()).then_some(id))
        };
        anyhow::ensure!(
            Repo::is_ref_name(name),
            "`{}` is no name of a ref",
            shown(name.as_bytes())
        );
        Ok(Update {
            old_id: id(old)?,
            new_id: id(new)?,
            name: name.to_owned(),
        })
    }

    /// The name below `refs/heads/`.
    pub fn branch(&self) -> Option<&str> {
        self.name.strip_prefix(BRANCHES)
    }

    /// Whether nothing that was there is lost. Where the old commit cannot be found, it is.
    pub(super) fn is_fast_forward(&self, repo: &Repo) -> anyhow::Result<bool> {
        let (Some(old_id), Some(new_id)) = (self.old_id, self.new_id) else {
            return Ok(self.new_id.is_some());
        };
        if repo.commit(old_id).is_err() {
            return Ok(false);
        }
        Ok(repo.merge_base(old_id, new_id)? == Some(old_id))
    }

    /// What of it an agent may not do; `default` is the full name of the receiving side's default branch.
    pub(super) fn closed(
        &self,
        default: Option<&str>,
        topics: &PathSet,
        is_fast_forward: bool,
    ) -> Option<Closed> {
        let is_below = |folder: &str| self.name.starts_with(folder);
        let is_own = is_below("refs/koan/") || is_below("refs/notes/koan");
        let Some(branch) = self.branch() else {
            return Some(match self.name.as_str() {
                _ if is_own => Closed::Own,
                _ if is_below("refs/replace/") => Closed::Replace,
                _ if is_below("refs/notes/") => Closed::Notes,
                _ if is_below("refs/tags/") => Closed::Tag,
                _ => Closed::Elsewhere,
            });
        };
        let is_default = default == Some(self.name.as_str());
        if !is_default && !topics.is_match(&RepoPath::from(branch)) {
            Some(Closed::NotTopic)
        } else if self.new_id.is_none() {
            Some(Closed::Deleted)
        } else if !is_fast_forward {
            Some(Closed::Forced)
        } else {
            None
        }
    }
}

/// The fields of each line that git hands over.
pub(super) fn fields<const N: usize>(lines: &str) -> anyhow::Result<Vec<[&str; N]>> {
    lines
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let fields: Result<[&str; N], _> = fields.try_into();
            let fields = fields.ok().filter(|fields| !fields.contains(&""));
            fields.with_context(|| format!("`{}` is no line of a push", shown(line.as_bytes())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    /// `what`: `new`, `move`, `force` or `delete`.
    #[track_caller]
    fn check(what: &str, name: &str, expected: Option<Closed>) {
        let topics = PathSet::new(vec!["koan/**".into()]).expect("globs");
        let (old, new, is_fast_forward) = match what {
            "new" => (NONE, TWO, true),
            "move" => (ONE, TWO, true),
            "force" => (ONE, TWO, false),
            _ => (ONE, NONE, false),
        };
        let update = Update::of(old, new, name).expect("a line");
        let closed = update.closed(Some("refs/heads/main"), &topics, is_fast_forward);
        assert_eq!(closed, expected, "{what} {name}");
    }

    #[test]
    fn an_agent_pushes_topic_branches_and_moves_the_default_one_on() {
        for name in [
            "refs/heads/koan/1",
            "refs/heads/koan/a/b",
            "refs/heads/main",
        ] {
            check("new", name, None);
            check("move", name, None);
            check("force", name, Some(Closed::Forced));
            check("delete", name, Some(Closed::Deleted));
        }
    }

    #[test]
    fn everything_else_is_closed_however_it_is_pushed() {
        for what in ["new", "move", "force", "delete"] {
            check(what, "refs/heads/release", Some(Closed::NotTopic));
            check(what, "refs/heads/koan", Some(Closed::NotTopic));
            check(what, "refs/heads/KOAN/1", Some(Closed::NotTopic));
            check(what, "refs/heads/Main", Some(Closed::NotTopic));
            check(what, "refs/heads/main/koan/1", Some(Closed::NotTopic));
            check(what, "refs/tags/v1", Some(Closed::Tag));
            check(what, "refs/tags/koan/1", Some(Closed::Tag));
            check(what, &format!("refs/replace/{ONE}"), Some(Closed::Replace));
            check(what, "refs/notes/commits", Some(Closed::Notes));
            check(what, "refs/notes/koan", Some(Closed::Own));
            check(what, "refs/notes/koan-approvals", Some(Closed::Own));
            check(what, "refs/koan/triage", Some(Closed::Own));
            check(what, "refs/pull/1/head", Some(Closed::Elsewhere));
            check(what, "refs/remotes/origin/main", Some(Closed::Elsewhere));
        }
    }

    #[test]
    fn a_line_that_git_would_not_write_is_an_error() {
        for (old, new, name) in [
            ("", ONE, "refs/heads/main"),
            ("zz", ONE, "refs/heads/main"),
            (ONE, "", "refs/heads/main"),
            (ONE, TWO, ""),
            (ONE, TWO, "refs/heads/../main"),
        ] {
            assert!(Update::of(old, new, name).is_err(), "{old} {new} {name}");
        }
        for lines in ["\n", "a b\n", "a b c d\n", "a  b\n"] {
            assert!(fields::<3>(lines).is_err(), "{lines:?}");
        }
        assert_eq!(fields::<3>("a b c\n").expect("fields"), [["a", "b", "c"]]);
        assert!(fields::<3>("").expect("fields").is_empty());
    }
}
