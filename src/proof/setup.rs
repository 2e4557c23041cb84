//! Installs what the tests need, once for all trees and from the trusted tree only: no line of a judged change runs with a network.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::ObjectId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Case, Doubt, Gap, Progress, Shortfall};
use crate::git::{Repo, TreeFile};
use crate::policy::{Network, SetupPolicy};
use crate::suite::area::Area;
use crate::suite::area::setup::{Layer, SetUp};
use crate::suite::process::{End, Finished, Job};
use crate::suite::runner::Toolbox;
use crate::suite::setup::Surroundings;

/// What was installed, for the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SetupEvidence {
    /// Of everything that decides the result: lines, inputs, tools, sandbox, guard.
    pub digest: String,
    /// The tree that it was installed from.
    pub tree_id: String,
    pub lines: Vec<String>,
    /// Names of the user's variables that the phase was given.
    pub env: Vec<String>,
    pub network: Network,
    /// Whether an earlier proof had installed it.
    pub reused: bool,
    /// `layers`, or `copies` where nothing can be mounted.
    pub shown_as: &'static str,
}

/// Dependencies below every tree.
#[derive(Debug)]
pub struct Installed {
    pub set_up: Arc<SetUp>,
    pub evidence: SetupEvidence,
}

/// How much of a command's last words is told.
const N_LINES: usize = 12;

/// All that the phase works with.
pub struct Site<'a> {
    pub repo: &'a Repo,
    pub policy: &'a SetupPolicy,
    pub area: &'a Arc<Area>,
    pub toolbox: &'a Toolbox,
    /// Of a hook.
    pub deadline: Option<Instant>,
    pub hook_budget: Duration,
}

/// Installs, or finds what was installed before, and lays it below every tree of the area.
pub fn install(
    site: &Site,
    case: &Case,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Result<Installed, Shortfall>> {
    let inputs = site.inputs(case.trusted_tree_id)?;
    if let Some(doubt) = site.other_inputs(&inputs, case)? {
        return Ok(Err(doubt.into()));
    }
    let given = Surroundings::of(site.toolbox, &site.policy.lines, &site.policy.env)?;
    let digest = site.digest(&inputs, &given);
    let (layer, reused) = match site.area.find_layer(&digest)? {
        Some(layer) => (layer, true),
        None => match site.make(case.trusted_tree_id, &given, &digest, progress)? {
            Ok(layer) => (layer, false),
            Err(doubt) => return Ok(Err(doubt.into())),
        },
    };
    let short = Shortfall {
        gaps: covered(case, &layer),
        doubts: Vec::new(),
    };
    if !short.is_empty() {
        return Ok(Err(short));
    }
    let sandbox = site.area.sandbox();
    let evidence = SetupEvidence {
        digest,
        tree_id: case.trusted_tree_id.to_string(),
        lines: site.policy.lines.clone(),
        env: site.policy.env.clone(),
        network: site.policy.network,
        reused,
        shown_as: if sandbox.namespaces {
            "layers"
        } else {
            "copies"
        },
    };
    let set_up = Arc::new(site.area.use_layer(layer)?);
    Ok(Ok(Installed { set_up, evidence }))
}

/// A change may not bring a file of its own among what was installed: the tree's files win over those.
fn covered(case: &Case, layer: &Layer) -> Vec<Gap> {
    let paths = case.change.files.iter().map(|file| &file.path);
    paths
        .filter(|path| layer.covers(path.as_path()))
        .map(|path| Gap::JudgeInputChanged(path.clone()))
        .collect()
}

impl Site<'_> {
    fn inputs(&self, tree_id: ObjectId) -> anyhow::Result<Vec<TreeFile>> {
        let mut files = self.repo.files(tree_id)?;
        files.retain(|file| self.policy.is_input(&file.path));
        Ok(files)
    }

    /// An earlier, unproved commit may have changed what is to be installed: that is not installed here.
    fn other_inputs(&self, trusted: &[TreeFile], case: &Case) -> anyhow::Result<Option<Doubt>> {
        if case.parent_tree_id == case.trusted_tree_id {
            return Ok(None);
        }
        let parent = self.inputs(case.parent_tree_id)?;
        let differs = |a: &[TreeFile], b: &[TreeFile]| {
            let other = a.iter().find(|file| !b.contains(file));
            other.map(|file| file.path.clone())
        };
        let path = differs(&parent, trusted).or_else(|| differs(trusted, &parent));
        Ok(path.map(|path| Doubt::SetupNotTrusted { path }))
    }

    /// Everything that decides what the lines install; the content of other files of the tree is the project's to name in `setup_inputs`.
    fn digest(&self, inputs: &[TreeFile], given: &Surroundings) -> String {
        let sandbox = self.area.sandbox();
        let mut parts = vec![
            format!("setup 1, koan-guard {}", env!("CARGO_PKG_VERSION")),
            format!("{:?} {}", sandbox.level, sandbox.namespaces),
            format!("network {}", self.policy.network.as_str()),
            format!("user {}", rustix::process::geteuid().as_raw()),
        ];
        let view = self.area.tree();
        let mut hasher = Sha256::new();
        parts.extend(self.policy.lines.iter().map(|line| format!("line {line}")));
        parts.extend(self.policy.env.iter().map(|name| format!("env {name}")));
        parts.extend(given.tools.iter().map(|tool| format!("tool {tool}")));
        let mut add = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        // Scripts name their interpreter by its whole path.
        add(view.as_os_str().as_bytes());
        parts.iter().for_each(|part| add(part.as_bytes()));
        for file in inputs {
            add(file.path.as_bytes());
            add(format!("{:?} {}", file.mode, file.id).as_bytes());
        }
        let digest = hasher.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn make(
        &self,
        tree_id: ObjectId,
        given: &Surroundings,
        digest: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Result<Layer, Doubt>> {
        let site = self.area.begin_layer(
            |folder: &Path| self.repo.export(tree_id, folder),
            |home| given.seed(home),
        )?;
        let end = Instant::now() + self.policy.timeout;
        let has_network = self.policy.network == Network::Allow;
        for (n, line) in self.policy.lines.iter().enumerate() {
            let of = self.policy.lines.len();
            progress(Progress::SettingUp { n: n + 1, of });
            let end = self.deadline.map_or(end, |deadline| deadline.min(end));
            let job = Job {
                argv: ["/bin/sh", "-c", line].map(Into::into).to_vec(),
                dir: self.area.tree(),
                env: given.env.clone().into_job_env(),
                timeout: end.saturating_duration_since(Instant::now()),
                readable: given.readable.clone(),
                scratch: Vec::new(),
                shown: Vec::new(),
                report: false,
            };
            let finished = self.area.set_up(&site, has_network, &job)?;
            if self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                let seconds = self.hook_budget.as_secs();
                return Ok(Err(Doubt::BudgetSpent { seconds }));
            }
            if finished.end != End::Exit(0) {
                return Ok(Err(Doubt::SetupFailed {
                    line: line.clone(),
                    end: self.ended(finished.end),
                    said: last_words(&finished, given),
                }));
            }
        }
        self.area.keep_layer(site, digest).map(Ok)
    }

    fn ended(&self, end: End) -> String {
        match end {
            End::Exit(code) => format!("ended with exit code {code}"),
            End::Signal(signal) => format!("was ended by signal {signal}"),
            End::TimedOut => {
                let seconds = self.policy.timeout.as_secs();
                format!("was not done when the {seconds} s of `proof.setup_timeout` were over")
            }
        }
    }
}

fn last_words(finished: &Finished, given: &Surroundings) -> Vec<String> {
    let lines_of = |bytes: &[u8]| -> Vec<String> {
        let text = given.redacted(bytes);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        lines[lines.len().saturating_sub(N_LINES)..].to_vec()
    };
    let said = lines_of(&finished.stderr);
    if said.is_empty() {
        lines_of(&finished.stdout)
    } else {
        said
    }
}
