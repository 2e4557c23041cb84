//! The commands of `proof.build`: they make of each tree's own sources what its tests import, and what is not in git.
//!
//! They run once for each tree, without a network, on the tree as it was asked for: the guard's own tests are not in it. What they leave in
//! the place of a file of the tree, of a test, of an input of the judge or among installed packages does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;

use super::trees::Base;
use super::{Doubt, Tree};
use crate::change::RepoPath;
use crate::git::Repo;
use crate::policy::{FileKind, Policy};
use crate::suite::area::{Area, Side};
use crate::suite::process::{self, End, Finished, Job};
use crate::suite::runner::{self, Toolbox};
use crate::suite::{NotBuilt, setup};

/// How every tree is built.
#[derive(Debug)]
pub(super) struct Build<'a> {
    policy: &'a Policy,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
    /// The packages of the user's checkout, where setup installed none.
    shown: Vec<(PathBuf, PathBuf)>,
}

/// What the commands may put into a side.
struct Allowed<'a> {
    policy: &'a Policy,
    files: BTreeSet<RepoPath>,
    /// Folders in which the tree has files.
    folders: BTreeSet<RepoPath>,
}

impl Build<'_> {
    /// `None` where the policy has no commands.
    pub fn of<'a>(policy: &'a Policy, toolbox: &Toolbox) -> anyhow::Result<Option<Build<'a>>> {
        let lines = &policy.proof.build;
        if lines.is_empty() {
            return Ok(None);
        }
        let mut env = process::base_env();
        let path = toolbox.env.get("PATH").map_or("", String::as_str);
        env.insert("PATH".into(), path.into());
        let said = policy.proof.env.iter();
        env.extend(said.map(|(name, value)| (name.into(), value.into())));
        Ok(Some(Build {
            policy,
            env,
            readable: setup::programs(toolbox, lines)?,
            shown: runner::shown(toolbox)?,
        }))
    }

    /// Builds a tree for `side`, in which it is laid out already. The answer is what could not be built.
    pub fn make(
        &self,
        (repo, area, base): (&Repo, &Area, &Base),
        (tree, tree_id): (Tree, ObjectId),
        side: &mut Side,
        timeout: Duration,
    ) -> anyhow::Result<Result<Option<NotBuilt>, Doubt>> {
        let site = area.begin_build(&base.side, |folder| {
            repo.export_over((base.tree_id, None), tree_id, folder)
        })?;
        let end = Instant::now() + timeout;
        for line in &self.policy.proof.build {
            let job = Job {
                argv: ["/bin/sh", "-c", line].map(Into::into).to_vec(),
                dir: area.tree(),
                env: self.env.clone(),
                timeout: end.saturating_duration_since(Instant::now()),
                readable: self.readable.clone(),
                scratch: Vec::new(),
                shown: self.shown.clone(),
                report: false,
            };
            let finished = area.build(&site, &job)?;
            if finished.end == End::TimedOut {
                let seconds = timeout.as_secs();
                return Ok(Err(Doubt::Other(format!(
                    "`{line}` of `proof.build` was not done on {tree} when the {seconds} s that it may take were over"
                ))));
            }
            if let Some(not_built) = failed(line, &finished) {
                return Ok(Ok(Some(not_built)));
            }
        }
        let allowed = Allowed::of(self.policy, repo, tree_id)?;
        let other = area.end_build(site, side, |place| allowed.holds(place))?;
        Ok(match other {
            None => Ok(None),
            Some(place) => {
                let place = RepoPath::new(place.as_os_str().as_bytes());
                Err(Doubt::Other(format!(
                    "`{place}` of {tree} is made by `proof.build` and was made by `proof.setup` before, from the trusted tree; setup must only install, as `npm ci --ignore-scripts` does"
                )))
            }
        })
    }
}

impl Allowed<'_> {
    fn of<'a>(policy: &'a Policy, repo: &Repo, tree_id: ObjectId) -> anyhow::Result<Allowed<'a>> {
        let files = repo.files(tree_id)?.into_iter().map(|file| file.path);
        Ok(Allowed::new(policy, files.collect()))
    }

    fn new(policy: &Policy, files: BTreeSet<RepoPath>) -> Allowed<'_> {
        let mut folders = BTreeSet::new();
        for path in &files {
            let mut folder = path.folder();
            while !folder.as_bytes().is_empty() && folders.insert(folder.clone()) {
                folder = folder.folder();
            }
        }
        Allowed {
            policy,
            files,
            folders,
        }
    }

    fn holds(&self, place: &Path) -> bool {
        let path = RepoPath::new(place.as_os_str().as_bytes());
        if self.files.contains(&path) {
            return false;
        }
        match self.policy.kind_of(&path) {
            FileKind::Production | FileKind::Documentation => true,
            // It says what kind of modules are beside it: of no importance to a folder that is all made.
            FileKind::JudgeInput => {
                let folder = path.folder();
                path.file_name() == b"package.json"
                    && !folder.as_bytes().is_empty()
                    && !self.folders.contains(&folder)
                    && self.policy.kind_of(&folder) == FileKind::Production
            }
            FileKind::Protected | FileKind::Test => false,
        }
    }
}

fn failed(line: &str, finished: &Finished) -> Option<NotBuilt> {
    let how = match finished.end {
        End::Exit(0) => return None,
        End::Exit(code) => format!("ended with exit code {code}"),
        End::Signal(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => "was not done in time".to_owned(),
    };
    let said = [&finished.stderr, &finished.stdout]
        .into_iter()
        .find_map(|bytes| last_word(bytes));
    let detail = match said {
        Some(said) => format!("{how}: {said}"),
        None => how,
    };
    Some(NotBuilt::new(line, detail))
}

/// The last line that is not the package manager's own.
fn last_word(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("npm ");
    text.lines()
        .map(str::trim)
        .rfind(is_said)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_adds_production_files_only_and_changes_none() {
        let policy = "version: 1\nextends: [default, javascript]\nproof:\n  runner: mocha\n";
        let policy = Policy::load(policy, "p.yaml").expect("a policy");
        let files = ["package.json", "src/a.js", "lib/kept.js", "test/a.js"];
        let allowed = Allowed::new(&policy, files.map(RepoPath::from).into());
        for (path, expected) in [
            ("dist", true),
            ("dist/index.js", true),
            ("dist/cjs/package.json", true),
            ("dist/README.md", true),
            ("lib/new.js", true),
            ("lib/kept.js", false),
            ("src/a.js", false),
            ("lib/package.json", false),
            ("test/package.json", false),
            ("package.json", false),
            ("node_modules", false),
            ("node_modules/chai/index.js", false),
            ("src/node_modules/chai/index.js", false),
            ("dist/node_modules/chai/package.json", false),
            ("test/a.js", false),
            ("test/more.js", false),
            ("test/helper.js", false),
            ("src/b.test.js", false),
            (".mocharc.json", false),
            ("babel.config.js", false),
            (".git/hooks/x", false),
            (".koan-guard.yaml", false),
            ("unittest.py", false),
        ] {
            assert_eq!(allowed.holds(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn what_a_command_said_last_tells_why_it_failed() {
        let check = |end, stderr: &str, expected: Option<&str>| {
            let finished = Finished {
                end,
                stdout: b"> build\n".to_vec(),
                stderr: stderr.as_bytes().to_vec(),
                report: Vec::new(),
                truncated: false,
            };
            let detail = failed("make", &finished).map(|not_built| not_built.detail);
            assert_eq!(detail.as_deref(), expected);
        };
        check(End::Exit(0), "a warning", None);
        check(
            End::Exit(2),
            "error TS1\nnpm error code 2\n\n",
            Some("ended with exit code 2: error TS1"),
        );
        check(End::Signal(9), "", Some("was ended by signal 9: > build"));
    }
}
