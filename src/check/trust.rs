//! Where the policy comes from: the trusted side of the judged change, never the change itself.

use anyhow::{Context as _, anyhow, bail};
use gix::ObjectId;
use serde::Serialize;

use super::floor;
use crate::change::RepoPath;
use crate::git::Repo;
use crate::policy::{self, Policy};
use crate::usage::UsageError;

/// The tip that is trusted, before it is known what is judged.
#[derive(Clone, Debug)]
pub struct Tip {
    pub commit_id: ObjectId,
    /// As it was named: a revision, a ref.
    pub name: String,
    pub source: TrustSource,
}

/// Who named the trusted ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustSource {
    /// `--base`
    Argument,
    /// `koan.trustedRef`
    Config,
    /// The remote's default branch.
    Remote,
    /// Nobody, and there is no remote: the local branch that others start from.
    LocalBranch,
    /// Nobody, and what is judged stands on that branch itself: the commit before.
    Parent,
}

/// The policy's origin, part of every verdict: local refs and configuration are writable by whoever works there.
#[derive(Clone, Debug, Serialize)]
pub struct Trusted {
    /// The commit whose tree holds the policy.
    pub commit: String,
    pub name: String,
    pub source: TrustSource,
    /// The machine's own policies that were put below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub floors: Vec<String>,
}

/// Branches that others start from.
const DEFAULT_BRANCHES: [&str; 3] = ["main", "master", "trunk"];

/// Finds the trusted tip: `base`, else `koan.trustedRef`, else the remote's default branch, else the local one where another is judged,
/// else nothing. A branch's own commits never decide while there is one that it comes from.
///
/// # Errors
/// A [`UsageError`] where a name is given that names no commit.
pub fn tip(repo: &Repo, base: Option<&str>) -> anyhow::Result<Option<Tip>> {
    tip_for(repo, base, repo.head_branch()?.as_deref())
}

/// Like [`tip`], where the branch `judged` (its full name) is judged in place of the one that is checked out.
///
/// # Errors
/// As [`tip`].
pub fn tip_for(
    repo: &Repo,
    base: Option<&str>,
    judged: Option<&str>,
) -> anyhow::Result<Option<Tip>> {
    if let Some(name) = base {
        return named(repo, name, TrustSource::Argument)
            .context("resolve `--base`")
            .map(Some);
    }
    if let Some(name) = repo.config("koan.trustedRef") {
        return named(repo, &name, TrustSource::Config)
            .context("resolve `koan.trustedRef`")
            .map(Some);
    }
    let Some(name) = repo.remote_default_branch()? else {
        return local_branch(repo, judged);
    };
    named(repo, &name, TrustSource::Remote)
        .context("resolve the remote's default branch")
        .map(Some)
}

fn local_branch(repo: &Repo, judged: Option<&str>) -> anyhow::Result<Option<Tip>> {
    for name in DEFAULT_BRANCHES {
        let full = format!("refs/heads/{name}");
        let Some(commit_id) = repo.find_ref(&full)? else {
            continue;
        };
        return Ok((judged != Some(&full)).then(|| Tip {
            commit_id,
            name: name.to_owned(),
            source: TrustSource::LocalBranch,
        }));
    }
    Ok(None)
}

fn named(repo: &Repo, name: &str, source: TrustSource) -> anyhow::Result<Tip> {
    let commit_id = match repo.parse(name)? {
        crate::git::Revision::Commit(commit_id) => commit_id,
        crate::git::Revision::Range { .. } => {
            return Err(UsageError::new(format!("`{name}` is a range, not one commit")).into());
        }
    };
    Ok(Tip {
        commit_id,
        name: name.to_owned(),
        source,
    })
}

/// Reads the policy for a change whose parent is `parent_id`: from where the trusted tip and the parent meet.
///
/// # Errors
/// A [`UsageError`] if there is no policy there, or one that does not load.
pub fn policy(
    repo: &Repo,
    tip: Option<&Tip>,
    parent_id: Option<ObjectId>,
) -> anyhow::Result<(Trusted, Policy)> {
    let (commit_id, name, source) = match (tip, parent_id) {
        (Some(tip), Some(parent_id)) => {
            let base_id = base(repo, tip, parent_id)?;
            (base_id, tip.name.clone(), tip.source)
        }
        (Some(tip), None) => (tip.commit_id, tip.name.clone(), tip.source),
        (None, Some(parent_id)) => (parent_id, "the parent".to_owned(), TrustSource::Parent),
        (None, None) => {
            return Err(no_policy(
                "no trusted ref is named, and there is no commit before this one",
            )
            .into());
        }
    };
    let tree_id = repo.commit(commit_id)?.tree_id;
    let text = repo
        .read_file(tree_id, &RepoPath::from(policy::PATH))?
        .ok_or_else(|| {
            no_policy(&format!(
                "there is no `{}` in {} ({name})",
                policy::PATH,
                short(commit_id)
            ))
        })?;
    let text = String::from_utf8(text).map_err(|_| {
        UsageError::new(format!(
            "`{}` in {} is not UTF-8",
            policy::PATH,
            short(commit_id)
        ))
    })?;
    let floors = floor::of_machine(repo)?;
    let policy = Policy::load_above(&text, policy::PATH, &floors)
        .with_context(|| format!("read the policy of {}", short(commit_id)))?;
    Ok((
        Trusted {
            commit: commit_id.to_string(),
            name,
            source,
            floors: floors.into_iter().map(|floor| floor.path).collect(),
        },
        policy,
    ))
}

/// The policy for a range that begins at all of these commits.
///
/// # Errors
/// As for [`policy`]; also where they have different ones.
pub fn policy_of_all(
    repo: &Repo,
    tip: Option<&Tip>,
    base_ids: &[ObjectId],
) -> anyhow::Result<(Trusted, Policy)> {
    let [first_id, others @ ..] = base_ids else {
        bail!("the two ends of the range have no common history");
    };
    let (trusted, policy) = self::policy(repo, tip, Some(*first_id))?;
    for other_id in others {
        let (other, other_policy) = self::policy(repo, tip, Some(*other_id))?;
        if other_policy.digest != policy.digest {
            return Err(several([&trusted.commit, &other.commit]));
        }
    }
    Ok((trusted, policy))
}

/// Where the trusted tip and a commit meet.
fn base(repo: &Repo, tip: &Tip, parent_id: ObjectId) -> anyhow::Result<ObjectId> {
    let base_ids = repo.merge_bases(tip.commit_id, parent_id)?;
    let [base_id, others @ ..] = &base_ids[..] else {
        bail!(
            "the judged commit and the trusted `{}` have no common history",
            tip.name
        );
    };
    let blob_of = |id: ObjectId| {
        let tree_id = repo.commit(id)?.tree_id;
        repo.find_entry(tree_id, &RepoPath::from(policy::PATH))
    };
    let file = blob_of(*base_id)?;
    for other_id in others {
        if blob_of(*other_id)? != file {
            return Err(several([&base_id.to_string(), &other_id.to_string()]));
        }
    }
    Ok(*base_id)
}

/// Neither is more trusted than the other.
fn several([one, other]: [&str; 2]) -> anyhow::Error {
    anyhow!(
        "the histories cross: they meet in `{one}` and in `{other}`, whose policies differ; rebase onto the trusted ref"
    )
}

fn no_policy(fact: &str) -> UsageError {
    UsageError::with_hint(
        format!("no policy to judge by: {fact}"),
        format!(
            "`koan-guard init` writes one; a person commits `{}` on the trusted branch, before the hooks are installed or past them",
            policy::PATH
        ),
    )
}

/// The first digits of an id, for people.
pub fn short(id: ObjectId) -> String {
    id.to_hex_with_len(10).to_string()
}

impl TrustSource {
    pub fn as_str(self) -> &'static str {
        match self {
            TrustSource::Argument => "--base",
            TrustSource::Config => "koan.trustedRef",
            TrustSource::Remote => "the remote's default branch",
            TrustSource::LocalBranch => "the local default branch",
            TrustSource::Parent => "no trusted ref is configured",
        }
    }
}
