//! The logs of all issues in `refs/koan/triage`: one file each, in folders so that many of them stay quick to write.

use anyhow::Context as _;
use gix::ObjectId;

use super::log;
use crate::change::{FileMode, RepoPath};
use crate::git::Repo;
use crate::git::refs::{self, Draft, Tip};
use crate::issue::Fingerprint;

/// The full name of the ref.
pub const REF: &str = "refs/koan/triage";

/// One log as it stands in a tree.
#[derive(Clone, Debug)]
pub struct Stored {
    pub issue: Fingerprint,
    pub blob_id: ObjectId,
}

/// What a tree holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by issue.
    pub logs: Vec<Stored>,
    /// Files that are no issue's log. They stay where they are.
    pub foreign: Vec<RepoPath>,
}

/// Where the log of an issue stands: `k1/ab/cdef…`.
pub fn path_of(issue: &Fingerprint) -> RepoPath {
    let (version, digits) = issue.as_str().split_at(2);
    let (folder, rest) = digits[1..].split_at(2);
    RepoPath::from(format!("{version}/{folder}/{rest}").as_str())
}

fn issue_at(path: &RepoPath) -> Option<Fingerprint> {
    let path = path.to_str()?;
    let (version, rest) = path.split_once('/')?;
    let (folder, rest) = rest.split_once('/')?;
    let issue = Fingerprint::parse(&format!("{version}:{folder}{rest}"))?;
    (path_of(&issue).to_str() == Some(path)).then_some(issue)
}

pub fn tip(repo: &Repo) -> anyhow::Result<Tip> {
    refs::tip(repo, REF)
}

pub fn list(repo: &Repo, tree_id: ObjectId) -> anyhow::Result<Listing> {
    let mut listing = Listing::default();
    for file in repo.files(tree_id).context("list the issues")? {
        match issue_at(&file.path) {
            Some(issue) if file.mode == FileMode::Regular => listing.logs.push(Stored {
                issue,
                blob_id: file.id,
            }),
            _ => listing.foreign.push(file.path),
        }
    }
    Ok(listing)
}

/// The log of an issue; empty where there is none.
pub fn read(repo: &Repo, tree_id: ObjectId, issue: &Fingerprint) -> anyhow::Result<Vec<u8>> {
    let found = match repo.find_entry(tree_id, &path_of(issue))? {
        Some((FileMode::Regular, blob_id)) => Some(blob_id),
        _ => None,
    };
    refs::blob(repo, found).with_context(|| format!("read the log of {issue}"))
}

/// Writes a commit on top of `tip` in which these logs have these lines more. `None` where they have them already.
pub fn draft(
    repo: &Repo,
    tip: &Tip,
    lines: &[(Fingerprint, Vec<String>)],
    message: &str,
) -> anyhow::Result<Option<ObjectId>> {
    let mut files = Vec::new();
    for (issue, lines) in lines {
        let before = read(repo, tip.tree_id, issue)?;
        let after = log::union(&before, lines.join("\n").as_bytes());
        if after != before {
            files.push((path_of(issue), after));
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let draft = Draft {
        tree_id: tip.tree_id,
        files,
        parent_ids: tip.commit_id.into_iter().collect(),
        message: message.to_owned(),
    };
    refs::commit(repo, draft).map(Some)
}

/// The tree of `ours` with every line more that `theirs` has. A tree that has it all already is given back.
pub fn union(repo: &Repo, ours: ObjectId, theirs: ObjectId) -> anyhow::Result<ObjectId> {
    let mut files = Vec::new();
    for (path, [one, other]) in refs::differences(repo, [ours, theirs])? {
        let Some(other) = other else {
            continue;
        };
        let before = refs::blob(repo, one)?;
        let theirs = refs::blob(repo, Some(other))?;
        let after = match issue_at(&path) {
            Some(_) => log::union(&before, &theirs),
            // What is no log has no lines to unite. Ours stays.
            None if one.is_some() => continue,
            None => theirs,
        };
        if one.is_none() || after != before {
            files.push((path, after));
        }
    }
    if files.is_empty() {
        return Ok(ours);
    }
    refs::tree(repo, ours, files)
}

/// Lines that the logs of one tree have and those of the other have not.
pub fn n_missing(repo: &Repo, tree_id: ObjectId, there: ObjectId) -> anyhow::Result<usize> {
    let mut n = 0;
    for (_, [one, other]) in refs::differences(repo, [tree_id, there])? {
        n += log::n_missing(&refs::blob(repo, one)?, &refs::blob(repo, other)?);
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    fn issue(n: u8) -> Fingerprint {
        Fingerprint::parse(&format!("k1:{n:024x}")).expect("a fingerprint")
    }

    #[test]
    fn an_issue_has_one_place_and_no_other_file_is_one() {
        let issue = Fingerprint::parse("k1:0123456789abcdef01234567").expect("a fingerprint");
        assert_eq!(
            path_of(&issue).to_str(),
            Some("k1/01/23456789abcdef01234567")
        );
        assert_eq!(issue_at(&path_of(&issue)), Some(issue));
        for path in [
            "k1/0/123456789abcdef01234567",
            "k1/01/23456789ABCDEF01234567",
            "k2/01/23456789abcdef01234567",
            "k1/01/2345",
            "README",
        ] {
            assert_eq!(issue_at(&RepoPath::from(path)), None, "{path}");
        }
    }

    #[test]
    fn a_batch_is_one_commit_and_the_same_again_is_none() {
        let test = TestRepo::new();
        let repo = test.open();
        let lines: Vec<_> = (0..100)
            .map(|n| (issue(n), vec!["a".into(), "b".into()]))
            .collect();
        let before = tip(&repo).expect("no ref");
        let commit_id = draft(&repo, &before, &lines, "triage: test").expect("write");
        let ids = (before.commit_id, commit_id.expect("a commit"));
        refs::patiently(&repo, "write", |writer| writer.swap(&repo, REF, ids, "x")).expect("move");
        assert_eq!(test.git(&["rev-list", "--count", REF]), "1");
        let after = tip(&repo).expect("the ref");
        let again = draft(&repo, &after, &lines, "triage: test").expect("nothing");
        assert_eq!(again, None);
        let listing = list(&repo, after.tree_id).expect("list");
        assert_eq!((listing.logs.len(), listing.foreign.len()), (100, 0));
        assert_eq!(
            test.git(&["show", &format!("{REF}:{}", path_of(&issue(7)))]),
            "a\nb"
        );
        test.git(&["fsck", "--strict"]);
    }

    #[test]
    fn trees_unite_line_by_line_and_keep_what_is_foreign() {
        let test = TestRepo::new();
        let repo = test.open();
        let tree = |files: &[(&str, &str)]| {
            let files = files
                .iter()
                .map(|(path, text)| (RepoPath::from(*path), text.as_bytes().to_vec()));
            refs::tree(&repo, repo.empty_tree_id(), files.collect()).expect("a tree")
        };
        let (a, b) = (path_of(&issue(1)), path_of(&issue(2)));
        let (a, b) = (a.to_str().expect("UTF-8"), b.to_str().expect("UTF-8"));
        let one = tree(&[(a, "1\n2\n"), ("README", "ours\n")]);
        let two = tree(&[
            (a, "2\n3\n"),
            (b, "4\n"),
            ("README", "theirs\n"),
            ("x", "y"),
        ]);
        let both = tree(&[
            (a, "1\n2\n3\n"),
            (b, "4\n"),
            ("README", "ours\n"),
            ("x", "y"),
        ]);
        assert_eq!(union(&repo, one, two).expect("unite"), both);
        assert_eq!(union(&repo, both, one).expect("unite"), both);
        assert_eq!(union(&repo, both, two).expect("unite"), both);
        assert_eq!(n_missing(&repo, one, both).expect("count"), 0);
        assert_eq!(n_missing(&repo, both, one).expect("count"), 3);
    }
}
