//! What a release is as a commit: by a record of deployments, by its tag, or because it is named by the commit itself.

mod known;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use gix::ObjectId;
use jiff::Timestamp;
use serde::Deserialize;

use crate::git::{Repo, Revision};
use crate::policy::ReleasePolicy;
use crate::usage::UsageError;

/// The releases of a repository as its policy names them.
pub struct Releases<'r> {
    repo: &'r Repo,
    policy: &'r ReleasePolicy,
    deployments: Vec<Deployment>,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Deployment {
    pub release: String,
    /// Its full id; else the release is a commit by its tag.
    #[serde(default)]
    pub commit: Option<String>,
    #[serde(default)]
    pub environment: Option<String>,
    #[serde(deserialize_with = "time")]
    pub at: Timestamp,
}

/// A longer record is none.
const MAX_RECORD: u64 = 16 << 20;

impl<'r> Releases<'r> {
    /// `folder` is where a relative path begins.
    ///
    /// # Errors
    /// [`UsageError`] if the record is not there, or a line of it is none: part of it would look like all of it.
    pub fn open(
        repo: &'r Repo,
        policy: &'r ReleasePolicy,
        folder: &Path,
    ) -> anyhow::Result<Releases<'r>> {
        let deployments = match &policy.deployments {
            Some(path) => read(&folder.join(path))?,
            None => Vec::new(),
        };
        Ok(Releases {
            repo,
            policy,
            deployments,
        })
    }

    pub fn deployments(&self) -> &[Deployment] {
        &self.deployments
    }

    /// The commit of a release; `None` if there is none, or more than one that it could be.
    pub fn commit_of(&self, release: &str) -> anyhow::Result<Option<ObjectId>> {
        let mut found = BTreeSet::new();
        for deployment in self.deployments.iter().filter(|one| one.release == release) {
            if let Some(hex) = &deployment.commit {
                found.extend(self.by_id(hex)?);
            }
        }
        if found.is_empty() {
            for tag in self.policy.tags_of(release) {
                found.extend(self.by_tag(&tag));
            }
        }
        if found.is_empty() {
            let parts = release.rsplit(['@', '+']).take(1).chain([release]);
            for hex in parts {
                found.extend(self.by_id(hex)?);
            }
        }
        let mut found = found.into_iter();
        Ok(match (found.next(), found.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        })
    }

    /// A tag that is no commit is none here.
    fn by_tag(&self, tag: &str) -> Option<ObjectId> {
        let name = format!("refs/tags/{tag}");
        let is_name = Repo::is_ref_name(&name);
        is_name
            .then(|| self.repo.find_ref(&name).ok())
            .flatten()
            .flatten()
    }

    /// The beginning of an id, or all of it. Of digits alone it must be all: many numbers of versions are such.
    fn by_id(&self, hex: &str) -> anyhow::Result<Option<ObjectId>> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let has_letter = hex.bytes().any(|byte| byte.is_ascii_lowercase());
        if hex.len() < 7 || !hex.bytes().all(is_hex) {
            return Ok(None);
        }
        if let Ok(id) = ObjectId::from_hex(hex.as_bytes()) {
            return Ok(self.repo.has_commit(id)?.then_some(id));
        }
        if !has_letter {
            return Ok(None);
        }
        Ok(match self.repo.parse(hex) {
            // A ref may have such a name too.
            Ok(Revision::Commit(id)) if id.to_string().starts_with(hex) => Some(id),
            _ => None,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<Deployment>> {
    let shown = path.display();
    let file = File::open(path).map_err(|err| {
        UsageError::with_hint(
            format!("read the record of deployments `{shown}`: {err}"),
            "`triage.releases.deployments` of the policy names it",
        )
    })?;
    let mut deployments = Vec::new();
    let mut reader = BufReader::new(file.take(MAX_RECORD + 1));
    let (mut line, mut n_bytes) = (Vec::new(), 0);
    for n in 1.. {
        line.clear();
        let n_read = reader.read_until(b'\n', &mut line);
        n_bytes += n_read.with_context(|| format!("read `{shown}`"))? as u64;
        if line.is_empty() {
            break;
        }
        if n_bytes > MAX_RECORD {
            let message =
                format!("the record of deployments `{shown}` has more than {MAX_RECORD} bytes");
            return Err(UsageError::new(message).into());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let deployment = serde_json::from_slice(&line).map_err(|err| {
            UsageError::with_hint(
                format!("line {n} of `{shown}` is no deployment: {err}"),
                r#"it looks so: {"release": "1.5.0", "commit": "…", "environment": "production", "at": "2026-11-20T08:00:00Z"}"#,
            )
        })?;
        deployments.push(deployment);
    }
    Ok(deployments)
}

fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse()
        .map_err(|_| serde::de::Error::custom("`at` is no time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;
    use crate::policy::TriagePolicy;

    fn repo() -> TestRepo {
        let repo = TestRepo::new();
        for n in 1..=3 {
            repo.write("f", n.to_string()).add().commit(&format!("{n}"));
        }
        repo.git(&["tag", "v1.0", "HEAD~2"]);
        repo.git(&["tag", "-a", "-m", "x", "2.0", "HEAD~1"]);
        repo.git(&["tag", "v2.1", "HEAD~1"]);
        repo.git(&["tag", "2.1", "HEAD"]);
        let blob = repo.git(&["rev-parse", "HEAD:f"]);
        repo.git(&["tag", "v-blob", &blob]);
        repo
    }

    /// Subject of the commit that a release is.
    #[track_caller]
    fn check(repo: &TestRepo, record: &str, release: &str, expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("d.jsonl"), record).expect("a record");
        let policy = ReleasePolicy {
            deployments: (!record.is_empty()).then(|| "d.jsonl".to_owned()),
            ..TriagePolicy::default().releases
        };
        let opened = repo.open();
        let releases = Releases::open(&opened, &policy, folder.path());
        let said = match releases.and_then(|releases| releases.commit_of(release)) {
            Ok(Some(id)) => repo.git(&["log", "-1", "--format=%s", &id.to_string()]),
            Ok(None) => "none".to_owned(),
            Err(err) => format!(
                "{}{err:#}",
                if err.is::<UsageError>() { "" } else { "DOUBT " }
            ),
        };
        assert!(
            said.starts_with(expected),
            "{release}: {said}, wanted {expected}"
        );
    }

    #[test]
    fn a_tag_is_a_release() {
        let repo = repo();
        check(&repo, "", "1.0", "1");
        check(&repo, "", "shop@1.0", "1");
        check(&repo, "", "2.0", "2");
        check(&repo, "", "9.9", "none");
        check(&repo, "", "-blob", "none");
        // Which of the two is meant?
        check(&repo, "", "2.1", "none");
        for strange in ["", "../HEAD", "a b", "x..y", "@{-1}", "HEAD", "\u{1b}"] {
            check(&repo, "", strange, "none");
        }
    }

    #[test]
    fn a_commit_is_its_own_name() {
        let repo = repo();
        let id = repo.id("HEAD~1").to_string();
        check(&repo, "", &id, "2");
        check(&repo, "", &format!("shop@{id}"), "2");
        check(&repo, "", &format!("1.4.0+{}", &id[..12]), "2");
        check(&repo, "", &id[..6], "none");
        check(&repo, "", &"0".repeat(40), "none");
        check(&repo, "", "20261122", "none");
    }

    #[test]
    fn the_record_of_deployments_comes_first() {
        let repo = repo();
        let id = repo.id("HEAD").to_string();
        let line = |release: &str, commit: &str| {
            format!(
                r#"{{"release":"{release}","commit":"{commit}","at":"2026-11-20T08:00:00Z","by":"ci"}}"#
            )
        };
        check(&repo, &line("1.0", &id), "1.0", "3");
        check(&repo, &line("other", &id), "1.0", "1");
        let both = [
            line("1.0", &id),
            line("1.0", &repo.id("HEAD~2").to_string()),
        ]
        .join("\n\n");
        check(&repo, &both, "1.0", "none");
        check(
            &repo,
            r#"{"release":"1.0","at":"2026-11-20T08:00:00Z"}"#,
            "1.0",
            "1",
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_is_the_users() {
        let repo = repo();
        for line in ["x", "{}", r#"{"release":"1","at":"soon"}"#, "[]"] {
            check(&repo, line, "1.0", "line 1 of `");
        }
        let policy = ReleasePolicy {
            deployments: Some("none.jsonl".to_owned()),
            ..TriagePolicy::default().releases
        };
        let err = Releases::open(&repo.open(), &policy, Path::new("/nonexistent")).err();
        assert!(err.expect("no record").is::<UsageError>());
    }
}
