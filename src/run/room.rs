//! The agent's room: the files of `HEAD` and a throw-away `.git`, in a folder of the guard's own.
//!
//! It is an export, neither a linked worktree nor a clone. A linked worktree has a `.git` that leads to the real one, with its hooks, its
//! configuration and its refs; a clone has, or borrows, its objects. Here there is no way to the real one that could be left open by mistake,
//! and what comes back is files, read as data: the guard makes the commit. What it costs is history: an agent cannot ask `git blame`, and the
//! brief names the suspects instead.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gix::ObjectId;

use super::agent::Agent;
use crate::change::RepoPath;
use crate::git::folder::{self, Contents, Unfit, Whose};
use crate::git::{Edit, Repo};
use crate::policy::{Network, PathSet, Policy, RunPolicy};
use crate::suite::area::Area;
use crate::suite::area::room::Room;
use crate::suite::process::{self, End, Finished, Job};
use crate::suite::runner::{self, Toolbox};
use crate::suite::sandbox::{Gate, Outside, launcher};
use crate::suite::setup;

/// A room, and what of the machine is seen in it.
pub struct Furnished<'a> {
    area: &'a Area,
    room: Room<'a>,
    tracked: &'a BTreeSet<RepoPath>,
    /// As it was laid out.
    before: Contents,
    /// The throw-away `.git`, where no agent can write; `None` where there is no git.
    git: Option<PathBuf>,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
    shown: Vec<(PathBuf, PathBuf)>,
    leaves: PathSet,
    outside: Outside,
}

/// Where a job finds the brief, below its `HOME`.
const BRIEF: &str = "koan-brief.md";

const PATIENCE: Duration = Duration::from_secs(120);

/// A login or a file of settings is no larger.
const MAX_HOME_FILE: u64 = 4 << 20;

/// Folders of toolchains, by the variables that name them, and where below `HOME` they are else. `CARGO_HOME` is none: it holds tokens.
const TOOLCHAINS: &[(&str, Option<&str>)] = &[
    ("VIRTUAL_ENV", None),
    ("RUSTUP_HOME", Some(".rustup")),
    ("PYENV_ROOT", Some(".pyenv")),
];
const TOOL_SETTINGS: &[&str] = &["PATH", "RUSTUP_TOOLCHAIN", "PYENV_VERSION"];

/// Makes the commit that an agent may look at.
const GIT_SCRIPT: &str = "\
git init --quiet . &&
git config user.name 'An agent' && git config user.email agent@localhost &&
git update-index --add -z --stdin <\"$HOME/koan-files\" &&
git -c core.hooksPath=/dev/null commit --quiet --no-verify --allow-empty --message='The files of HEAD'
rc=$?; rm -f \"$HOME/koan-files\"; exit $rc";

impl<'a> Furnished<'a> {
    /// Lays out the tree and what belongs to it.
    pub fn new(
        repo: &Repo,
        policy: &Policy,
        area: &'a Area,
        (tree_id, tracked): (ObjectId, &'a BTreeSet<RepoPath>),
        (agent, toolbox): (&Agent, &Toolbox),
    ) -> anyhow::Result<Furnished<'a>> {
        let room = area.room(|folder| repo.export(tree_id, folder))?;
        let outside = outside(&policy.run);
        let mut furnished = Furnished {
            area,
            room,
            tracked,
            before: Contents::default(),
            git: None,
            env: environment(toolbox, &policy.run, &outside)?,
            readable: readable(repo, toolbox, &policy.run, agent)?,
            shown: runner::shown(toolbox)?,
            leaves: PathSet::new(agent.leaves().to_vec())?,
            outside,
        };
        for (place, folder) in downloads(toolbox) {
            furnished.room.link_home(&place, &folder)?;
        }
        furnished.seed_home(toolbox, &policy.run)?;
        furnished.make_git()?;
        furnished.before = folder::contents(&furnished.room.tree(), tracked, Whose::Guards)?
            .map_err(|Unfit(why)| anyhow::anyhow!("the files of `HEAD`: {why}"))?;
        Ok(furnished)
    }

    fn seed_home(&self, toolbox: &Toolbox, policy: &RunPolicy) -> anyhow::Result<()> {
        let Some(home) = toolbox.env.get("HOME") else {
            return Ok(());
        };
        for place in policy.home.iter().map(Path::new) {
            let path = Path::new(home).join(place);
            let is_file =
                fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() <= MAX_HOME_FILE);
            if is_file {
                let bytes =
                    fs::read(&path).with_context(|| format!("read `{}`", path.display()))?;
                self.room.write_home(place, &bytes)?;
            }
        }
        Ok(())
    }

    /// One that cannot be made is left out: no more depends on it than an agent's `git diff`.
    fn make_git(&mut self) -> anyhow::Result<()> {
        let mut list = Vec::new();
        for path in self.tracked {
            list.extend_from_slice(path.as_bytes());
            list.push(0);
        }
        self.room.write_home(Path::new("koan-files"), &list)?;
        let mut env = self.env.clone();
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            env.insert(name.into(), "koan-guard".into());
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            env.insert(name.into(), "koan-guard@localhost".into());
        }
        let job = Job {
            argv: ["/bin/sh", "-c", GIT_SCRIPT].map(Into::into).to_vec(),
            shown: Vec::new(),
            ..self.job(env, PATIENCE)
        };
        let before = launcher::time_of_jobs();
        let finished = self.room.run(&Outside::Nothing, &job)?;
        // Neither the agent nor a command of the project.
        launcher::count_as_own(launcher::time_of_jobs().saturating_sub(before));
        if finished.end == End::Exit(0) {
            self.git = Some(self.room.put_aside(".git")?);
        }
        Ok(())
    }

    fn job(&self, env: BTreeMap<OsString, OsString>, timeout: Duration) -> Job {
        Job {
            argv: Vec::new(),
            dir: self.area.tree(),
            env,
            timeout,
            readable: self.readable.clone(),
            scratch: Vec::new(),
            shown: self.shown.clone(),
            report: false,
        }
    }

    /// Calls the agent with `prompt`, in the room as its last call left it; only `.git` is as it was at first.
    pub fn work(
        &self,
        (agent, policy): (&Agent, &RunPolicy),
        is_confined: bool,
        prompt: &str,
        (attempt, timeout): (usize, Duration),
    ) -> anyhow::Result<Finished> {
        if let Some(git) = &self.git {
            self.room.restore(git, ".git")?;
        }
        self.room.write_home(Path::new(BRIEF), prompt.as_bytes())?;
        let prompt_file = self.area.home().join(BRIEF);
        let call = agent.call(policy, is_confined, (prompt, &prompt_file))?;
        let mut env = self.env.clone();
        env.extend(call.env);
        env.insert("KOAN_ATTEMPT".into(), attempt.to_string().into());
        let job = Job {
            argv: call.argv,
            ..self.job(env, timeout)
        };
        self.room.run(&self.outside, &job)
    }

    /// What the agent left, as edits of the tree that was laid out.
    pub fn edits(&self) -> anyhow::Result<Result<Vec<Edit>, Unfit>> {
        let is_left_behind = |path: &RepoPath| {
            let at = path.as_path();
            let is_shown = self.shown.iter().any(|(_, place)| at.starts_with(place));
            is_shown || self.area.has_installed(at) || self.leaves.is_match(path)
        };
        folder::edits(
            &self.room.tree(),
            self.tracked,
            &self.before,
            &is_left_behind,
        )
    }
}

/// What an agent reaches, as the policy has it.
pub fn outside(policy: &RunPolicy) -> Outside {
    match policy.network {
        Network::Deny => Outside::Nothing,
        Network::Allow if policy.hosts.is_empty() => Outside::All,
        Network::Allow => {
            let gates = policy.hosts.iter().map(|host| Gate {
                host: host.name.clone(),
                port: host.port,
            });
            Outside::Gates(gates.collect())
        }
    }
}

/// Nothing of the user's but what is named: by us, for tools; by the policy, for the client.
fn environment(
    toolbox: &Toolbox,
    policy: &RunPolicy,
    outside: &Outside,
) -> anyhow::Result<BTreeMap<OsString, OsString>> {
    let mut env = process::base_env();
    if *outside != Outside::Nothing {
        env.extend(setup::for_network(toolbox).0);
    }
    if let Outside::Gates(_) = outside {
        // There is no way to a proxy, and none is needed.
        env.retain(|name, _| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            !name.ends_with("_proxy")
        });
    }
    for name in TOOL_SETTINGS {
        if let Some(value) = toolbox.env.get(*name) {
            env.insert((*name).into(), value.into());
        }
    }
    let toolchains = toolchains(toolbox).into_iter();
    env.extend(toolchains.map(|(name, folder)| (name.into(), folder.into_os_string())));
    if *outside != Outside::All {
        env.insert("CARGO_NET_OFFLINE".into(), "true".into());
    }
    let path = toolbox.env.get("PATH").map_or("", String::as_str);
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    env.insert("PATH".into(), std::env::join_paths(folders)?);
    env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    for name in &policy.env {
        if let Some(value) = toolbox.user_env.get(name) {
            env.insert(name.into(), value.into());
        }
    }
    Ok(env)
}

/// Folders of toolchains that are there, by their variables.
fn toolchains(toolbox: &Toolbox) -> Vec<(&'static str, PathBuf)> {
    let home = toolbox.env.get("HOME").map(PathBuf::from);
    let found = TOOLCHAINS.iter().filter_map(|(name, place)| {
        let said = toolbox.env.get(*name).map(PathBuf::from);
        let folder = said.or_else(|| Some(home.as_ref()?.join((*place)?)))?;
        folder.is_dir().then_some((*name, folder))
    });
    found.collect()
}

/// What cargo has downloaded, and where below a `HOME` it looks for it: no more of `CARGO_HOME`, where tokens are.
fn downloads(toolbox: &Toolbox) -> Vec<(PathBuf, PathBuf)> {
    let cargo_home = toolbox.env.get("CARGO_HOME").map(PathBuf::from);
    let home = toolbox.env.get("HOME").map(PathBuf::from);
    let Some(folder) = cargo_home.or_else(|| Some(home?.join(".cargo"))) else {
        return Vec::new();
    };
    let found = ["registry", "git"].map(|name| (Path::new(".cargo").join(name), folder.join(name)));
    let found = found.into_iter().filter(|(_, folder)| folder.is_dir());
    found.collect()
}

/// Tools, and what the policy names; never a folder with the repository in it.
fn readable(
    repo: &Repo,
    toolbox: &Toolbox,
    policy: &RunPolicy,
    agent: &Agent,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut readable = setup::on_path(toolbox, &agent.words())?;
    readable.extend(toolchains(toolbox).into_iter().map(|(_, folder)| folder));
    readable.extend(downloads(toolbox).into_iter().map(|(_, folder)| folder));
    readable.extend(policy.readable.iter().map(PathBuf::from));
    readable.extend(agent.files());
    if policy.network == Network::Allow {
        readable.extend(setup::for_network(toolbox).1);
    }
    let git = fs::canonicalize(repo.common_dir()).context("look at the repository")?;
    readable.retain(|path| match fs::canonicalize(path) {
        Ok(real) => !git.starts_with(&real) && !real.starts_with(&git),
        // It is not there.
        Err(_) => false,
    });
    Ok(readable)
}
