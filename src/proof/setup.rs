//! Installs what the tests need, once for all trees and from the trusted tree only: no line of a judged change runs with a network.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::ObjectId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Budget, Case, Doubt, Gap, Progress, Shortfall};
use crate::git::{Repo, TreeFile};
use crate::policy::{Network, ProofPolicy};
use crate::suite::area::Area;
use crate::suite::area::setup::{Layer, SetUp};
use crate::suite::process::{self, End, Finished, Job};
use crate::suite::runner::Toolbox;
use crate::suite::sandbox::Outside;
use crate::suite::service::{self, Places, Service};
use crate::suite::setup::{self, Surroundings};
use crate::suite::version;

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

/// A server that ran beside the tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceEvidence {
    pub name: String,
    /// What it says of itself; `null` for one that the policy starts in its own way.
    pub version: Option<String>,
    pub start: String,
}

/// What lies below every tree and runs beside every run.
#[derive(Debug)]
pub struct Installed {
    pub set_up: Arc<SetUp>,
    /// `None` where the policy has no lines, but services only.
    pub evidence: Option<SetupEvidence>,
    pub services: Vec<ServiceEvidence>,
}

/// One line of shell, and what it is given.
struct Step<'a> {
    line: &'a str,
    env: BTreeMap<OsString, OsString>,
    readable: &'a [PathBuf],
    outside: Outside,
}

/// How far below the trusted commit a tag is looked for.
const N_COMMITS: usize = 10_000;

/// How much of a command's last words is told.
const N_LINES: usize = 12;

/// All that the phase works with.
pub struct Site<'a> {
    pub repo: &'a Repo,
    pub policy: &'a ProofPolicy,
    pub area: &'a Arc<Area>,
    pub toolbox: &'a Toolbox,
    pub budget: Option<Budget>,
}

/// Installs, or finds what was installed before, and lays it below every tree of the area; services run beside it from now on.
pub fn install(
    site: &Site,
    case: &Case,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Result<Installed, Shortfall>> {
    let namespaces = site.area.sandbox().namespaces;
    if !site.policy.services.is_empty() && !namespaces {
        let reason = "`proof.services` needs a network of its own for each run: sandbox level 3, which this machine does not give";
        return Ok(Err(Doubt::Other(reason.into()).into()));
    }
    let inputs = site.inputs(case.trusted_tree_id)?;
    if let Some(doubt) = site.other_inputs(&inputs, case)? {
        return Ok(Err(doubt.into()));
    }
    let (lines, names) = match &site.policy.setup {
        Some(setup) => (&setup.lines[..], &setup.env[..]),
        None => (&[][..], &[][..]),
    };
    let mut given = Surroundings::of(site.toolbox, lines, names)?;
    let named = site.named(case.trusted_tree_id, &inputs)?;
    let told = version::env(&named, || site.nearest_version(case.trusted_id))?;
    given.offer(told.clone());
    let services = Services::of(site)?;
    let digest = site.digest(&inputs, (&given, &told), &services);
    let (layer, reused) = match site.area.find_layer(&digest)? {
        Some(layer) => (layer, true),
        None => {
            let tree_id = case.trusted_tree_id;
            match site.make(tree_id, &given, &services, &digest, progress)? {
                Ok(layer) => (layer, false),
                Err(doubt) => return Ok(Err(doubt.into())),
            }
        }
    };
    let short = Shortfall {
        gaps: covered(case, &layer),
        doubts: Vec::new(),
    };
    if !short.is_empty() {
        return Ok(Err(short));
    }
    let evidence = site.policy.setup.as_ref().map(|setup| SetupEvidence {
        digest,
        tree_id: case.trusted_tree_id.to_string(),
        lines: setup.lines.clone(),
        env: setup.env.clone(),
        network: setup.network,
        reused,
        shown_as: if namespaces { "layers" } else { "copies" },
    });
    let set_up = Arc::new(site.area.use_layer(layer)?);
    Ok(Ok(Installed {
        set_up,
        evidence,
        services: services.evidence(),
    }))
}

/// The services of a proof, with what of the machine they need.
struct Services {
    all: Vec<Service>,
    readable: Vec<PathBuf>,
    env: BTreeMap<OsString, OsString>,
}

impl Services {
    /// Finds them, and tells the area, which from now on is who they can be.
    fn of(site: &Site) -> anyhow::Result<Services> {
        let places = Places {
            home: site.area.home(),
            tmp: site.area.tmp(),
        };
        let all = service::resolve(&site.policy.services, site.toolbox, &places)?;
        let lines: Vec<String> = all
            .iter()
            .flat_map(|service| {
                [&service.start, &service.ready]
                    .into_iter()
                    .chain(&service.prepare)
            })
            .cloned()
            .collect();
        let readable = setup::programs(site.toolbox, &lines)?;
        let mut env = process::base_env();
        let path = site.toolbox.env.get("PATH").map_or("", String::as_str);
        env.insert("PATH".into(), path.into());
        if !all.is_empty() {
            site.area.use_services(&all, path.as_ref(), &readable)?;
        }
        Ok(Services { all, readable, env })
    }

    fn evidence(&self) -> Vec<ServiceEvidence> {
        let evidence = |service: &Service| ServiceEvidence {
            name: service.name.clone(),
            version: service.version.clone(),
            start: service.start.clone(),
        };
        self.all.iter().map(evidence).collect()
    }
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
        let Some(setup) = &self.policy.setup else {
            return Ok(Vec::new());
        };
        let mut files = self.repo.files(tree_id)?;
        files.retain(|file| setup.is_input(&file.path));
        Ok(files)
    }

    /// The files in which a project names itself; they are among the inputs.
    fn named(&self, tree_id: ObjectId, inputs: &[TreeFile]) -> anyhow::Result<Vec<String>> {
        let asked = inputs
            .iter()
            .filter(|file| version::is_asked(file.path.as_bytes()));
        let mut texts = Vec::new();
        for file in asked {
            let content = self.repo.read_file(tree_id, &file.path)?;
            texts.push(String::from_utf8_lossy(&content.unwrap_or_default()).into_owned());
        }
        Ok(texts)
    }

    /// The version that the nearest tag below a commit names.
    fn nearest_version(&self, commit_id: ObjectId) -> anyhow::Result<Option<String>> {
        let mut versions = BTreeMap::new();
        for tag in self.repo.tag_names()? {
            if let Some(version) = version::of_tag(&tag)
                && let Ok(Some(id)) = self.repo.find_ref(&format!("refs/tags/{tag}"))
            {
                versions.insert(id, version.to_owned());
            }
        }
        if let Some(version) = versions.get(&commit_id) {
            return Ok(Some(version.clone()));
        }
        // Where a shallow clone ends before, nobody knows.
        let is_tagged = |id: &ObjectId| versions.contains_key(id);
        let nearest = self.repo.newest_ancestor(commit_id, is_tagged, N_COMMITS);
        let nearest = nearest.ok().flatten();
        Ok(nearest.and_then(|id| versions.remove(&id)))
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
    fn digest(
        &self,
        inputs: &[TreeFile],
        (given, told): (&Surroundings, &BTreeMap<OsString, OsString>),
        services: &Services,
    ) -> String {
        let sandbox = self.area.sandbox();
        let mut parts = vec![
            format!("setup 1, koan-guard {}", env!("CARGO_PKG_VERSION")),
            format!("{:?} {}", sandbox.level, sandbox.namespaces),
            format!("user {}", rustix::process::geteuid().as_raw()),
        ];
        if let Some(setup) = &self.policy.setup {
            parts.push(format!("network {}", setup.network.as_str()));
            parts.extend(setup.lines.iter().map(|line| format!("line {line}")));
            parts.extend(setup.env.iter().map(|name| format!("env {name}")));
            parts.extend(given.tools.iter().map(|tool| format!("tool {tool}")));
            parts.extend(
                told.iter()
                    .map(|(name, value)| format!("told {name:?} {value:?}")),
            );
        }
        for service in &services.all {
            let Service {
                name,
                version,
                prepare,
                ..
            } = service;
            parts.push(format!("service {name} {version:?} {prepare:?}"));
        }
        let view = self.area.tree();
        let mut hasher = Sha256::new();
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

    /// What is to be done: the policy's lines, then what makes the services' folders ready.
    fn steps<'b>(&'b self, given: &'b Surroundings, services: &'b Services) -> Vec<Step<'b>> {
        let setup = self.policy.setup.iter();
        let mut steps: Vec<Step> = setup
            .flat_map(|setup| {
                setup.lines.iter().map(|line| Step {
                    line,
                    env: given.env.clone().into_job_env(),
                    readable: &given.readable,
                    outside: match setup.network {
                        Network::Allow => Outside::All,
                        Network::Deny => Outside::Nothing,
                    },
                })
            })
            .collect();
        let prepares = services
            .all
            .iter()
            .filter_map(|service| service.prepare.as_ref());
        steps.extend(prepares.map(|line| Step {
            line,
            env: services.env.clone(),
            readable: &services.readable,
            outside: Outside::Nothing,
        }));
        steps
    }

    fn make(
        &self,
        tree_id: ObjectId,
        given: &Surroundings,
        services: &Services,
        digest: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Result<Layer, Doubt>> {
        let site = self.area.begin_layer(
            |folder: &Path| self.repo.export(tree_id, folder),
            |home| match self.policy.setup {
                Some(_) => given.seed(home),
                None => Ok(()),
            },
        )?;
        let setup = self.policy.setup.as_ref();
        let timeout = setup.map_or(self.policy.timeout, |setup| setup.timeout);
        let end = Instant::now() + timeout;
        let end = self.budget.map_or(end, |budget| budget.until.min(end));
        let steps = self.steps(given, services);
        for (n, step) in steps.iter().enumerate() {
            let of = steps.len();
            progress(Progress::SettingUp { n: n + 1, of });
            let job = Job {
                argv: ["/bin/sh", "-c", step.line].map(Into::into).to_vec(),
                dir: self.area.tree(),
                env: step.env.clone(),
                timeout: end.saturating_duration_since(Instant::now()),
                readable: step.readable.to_vec(),
                scratch: Vec::new(),
                shown: Vec::new(),
                report: false,
            };
            let finished = self.area.set_up(&site, &step.outside, &job)?;
            if let Some(Err(spent)) = self.budget.map(|budget| budget.left()) {
                return Ok(Err(spent));
            }
            if finished.end != End::Exit(0) {
                return Ok(Err(Doubt::SetupFailed {
                    line: step.line.to_owned(),
                    end: ended(finished.end, timeout),
                    said: last_words(&finished, given),
                }));
            }
        }
        self.area.keep_layer(site, digest).map(Ok)
    }
}

fn ended(end: End, timeout: Duration) -> String {
    match end {
        End::Exit(code) => format!("ended with exit code {code}"),
        End::Signal(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => {
            let seconds = timeout.as_secs();
            format!("was not done when the {seconds} s of `proof.setup_timeout` were over")
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
