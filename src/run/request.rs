//! A pull request for a proved fix, through the client that the user has: pushed is this one branch, and nothing is ever merged.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use gix::ObjectId;

use super::work::Session;
use crate::brief::Brief;
use crate::brief::owners::Owners;
use crate::change::shown;
use crate::git::Repo;
use crate::suite::process::{self, End};
use crate::sync::Remote;

/// What the request is about.
pub struct About<'a> {
    pub commit_id: ObjectId,
    pub message: &'a str,
    pub branch: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// `gh`
    GitHub,
    /// `glab`
    GitLab,
}

const TIMEOUT: Duration = Duration::from_secs(120);

/// The user's own hooks may prove the branch once more.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Pushes the branch and opens the request. The answer is its address, as the client says it.
pub fn open(
    session: &Session,
    repo: &Repo,
    brief: &Brief,
    about: About,
    evidence: &str,
) -> anyhow::Result<String> {
    let remote = Remote::find(repo, None)?.context("this repository has no remote")?;
    let url = repo
        .config(&format!("remote.{}.url", remote.name))
        .context("the remote has no address")?;
    let path = session
        .settings
        .toolbox
        .env
        .get("PATH")
        .map_or("", String::as_str);
    let client = client(&url, &|program| {
        std::env::split_paths(path).any(|folder| folder.join(program).is_file())
    })?;
    push(repo, &remote, &about)?;
    let title = about.message.lines().next().unwrap_or_default();
    let text = body(brief, &about, evidence);
    let target = target(repo, &remote.name)?;
    let owner = match brief.places.first() {
        Some(place) => reviewer(&Owners::of(repo, session.trusted_tree_id)?.of_path(&place.path)),
        None => None,
    };
    let args = arguments(
        client,
        (title, &text),
        (about.branch, target.as_deref()),
        owner.as_deref(),
    );
    let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    let folder = repo.work_dir().unwrap_or(repo.git_dir());
    let finished = process::output(&args, folder, remote.environment(), TIMEOUT)?;
    let said = String::from_utf8_lossy(&finished.stdout);
    if finished.end != End::Exit(0) {
        let trouble = String::from_utf8_lossy(&finished.stderr);
        bail!("{}", shown(trouble.trim().as_bytes()));
    }
    let address = said.lines().rev().find(|line| line.contains("://"));
    Ok(shown(address.unwrap_or(said.trim()).trim().as_bytes()))
}

/// By the address of the remote, else by what is there.
fn client(url: &str, is_there: &dyn Fn(&str) -> bool) -> anyhow::Result<Client> {
    let all = [
        (Client::GitHub, "gh", "github"),
        (Client::GitLab, "glab", "gitlab"),
    ];
    let named = all
        .iter()
        .find(|(_, _, host)| url.to_lowercase().contains(host));
    let found = match named {
        Some((client, program, _)) => is_there(program).then_some(*client),
        None => all
            .iter()
            .find(|(_, program, _)| is_there(program))
            .map(|(client, ..)| *client),
    };
    found.context("neither `gh` nor `glab` is on the `PATH`, or not the one of this remote")
}

fn push(repo: &Repo, remote: &Remote, about: &About) -> anyhow::Result<()> {
    let spec = format!("{}:refs/heads/{}", about.commit_id, about.branch);
    let git_dir = std::path::absolute(repo.git_dir())?;
    let args = ["git", "--git-dir"].map(OsStr::new);
    let rest = [
        "push",
        "--quiet",
        "--no-follow-tags",
        "--",
        &remote.name,
        &spec,
    ]
    .map(OsStr::new);
    let argv: Vec<&OsStr> = args
        .into_iter()
        .chain([git_dir.as_os_str()])
        .chain(rest)
        .collect();
    let finished = process::output(&argv, Path::new("/"), remote.environment(), PATIENCE)?;
    ensure!(
        finished.end == End::Exit(0),
        "push `{}`: {}",
        about.branch,
        shown(finished.stderr.trim_ascii())
    );
    Ok(())
}

/// The remote's default branch, by its short name.
fn target(repo: &Repo, remote: &str) -> anyhow::Result<Option<String>> {
    let name = repo.remote_default_branch()?;
    let start = format!("refs/remotes/{remote}/");
    Ok(name.and_then(|name| name.strip_prefix(&start).map(str::to_owned)))
}

fn arguments(
    client: Client,
    (title, text): (&str, &str),
    (branch, target): (&str, Option<&str>),
    owner: Option<&str>,
) -> Vec<String> {
    let words: &[&str] = match client {
        Client::GitHub => &[
            "gh", "pr", "create", "--head", branch, "--title", title, "--body", text,
        ],
        Client::GitLab => &[
            "glab",
            "mr",
            "create",
            "--yes",
            "--source-branch",
            branch,
            "--title",
            title,
            "--description",
            text,
        ],
    };
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(target) = target {
        let flag = match client {
            Client::GitHub => "--base",
            Client::GitLab => "--target-branch",
        };
        words.extend([flag.to_owned(), target.to_owned()]);
    }
    if let Some(owner) = owner {
        words.extend(["--reviewer".to_owned(), owner.to_owned()]);
    }
    words
}

/// The evidence, and who may know more. What strangers wrote stands in code, where it is no Markdown.
fn body(brief: &Brief, about: &About, evidence: &str) -> String {
    let issue = &brief.ranked.issue;
    let mut text = format!(
        "Fixes `{}`, seen {} times. An agent wrote it; `koan-guard` judged it and made the commit. A person decides whether it is merged.\n\n## Evidence\n\n~~~text\n{}\n~~~\n",
        issue.fingerprint,
        issue.tally.n_events,
        evidence.trim_end().replace("~~~", "~ ~ ~")
    );
    let suspects: Vec<String> = brief
        .suspects
        .iter()
        .flat_map(|suspects| &suspects.commits)
        .map(|suspect| {
            let subject = suspect.subject.replace(['`', '\n'], " ");
            format!(
                "- {}: `{subject}`\n",
                &suspect.id[..suspect.id.len().min(12)]
            )
        })
        .collect();
    if !suspects.is_empty() {
        text.push_str("\n## Commits that may have brought it in\n\n");
        text.extend(suspects);
    }
    text.push_str(&format!(
        "\nCheck it yourself: `koan-guard check {}`. Its statement: `git notes --ref=koan show`, after `koan-guard sync`.\n",
        &about.commit_id.to_string()[..12]
    ));
    text
}

/// The first owner whom a client knows. A team is asked as a team; an address is nobody.
fn reviewer(owners: &[String]) -> Option<String> {
    let mut names = owners.iter().filter_map(|owner| owner.strip_prefix('@'));
    names.find(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reviewer_is_a_name() {
        let first = |owners: &[&str]| {
            let owners: Vec<String> = owners.iter().map(|&owner| owner.into()).collect();
            reviewer(&owners)
        };
        assert_eq!(first(&["docs@example.org", "@ada"]).as_deref(), Some("ada"));
        assert_eq!(first(&["@org/carts", "@ada"]).as_deref(), Some("org/carts"));
        assert_eq!(first(&["docs@example.org", "@"]), None);
    }

    #[test]
    fn the_client_is_the_remotes() {
        let only = |program: &'static str| move |name: &str| name == program;
        let found = |url: &str, program| client(url, &only(program)).ok();
        assert_eq!(found("git@github.com:a/b", "gh"), Some(Client::GitHub));
        assert_eq!(found("git@github.com:a/b", "glab"), None);
        assert_eq!(
            found("https://gitlab.example/a", "glab"),
            Some(Client::GitLab)
        );
        assert_eq!(found("/srv/a.git", "glab"), Some(Client::GitLab));
        assert_eq!(found("/srv/a.git", "hub"), None);
    }
}
