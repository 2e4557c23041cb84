//! `proof.runner`: which runners there are, and how a policy names one or several of them.

use super::file::{At, RunnerFile, Runners};
use super::merge::{Layer, Merge, Read, nobody_says};
use super::{CustomRunner, Origin, Policy, RunnerConfig, value};

/// The runners that are built in, and `custom`; `suite::runner` holds the same list, and a test compares them.
pub(super) const BUILT_IN: &[&str] = &[
    "bats", "cargo", "custom", "go", "jest", "minitest", "mocha", "node", "phpunit", "pytest",
    "rspec", "unittest", "vitest",
];

const CARGO: &str = "cargo";
const CUSTOM: &str = "custom";

impl RunnerConfig {
    /// In place of a feature's name: every feature of every package.
    pub const ALL_FEATURES: &'static str = "all";
    /// Without those that a package has by default.
    pub const NO_DEFAULT_FEATURES: &'static str = "no-default-features";
}

impl Merge<'_> {
    /// The last list counts as a whole.
    pub(super) fn runners(&mut self) -> Read<Vec<RunnerConfig>> {
        let key = "proof.runner";
        let mut last: Option<(Vec<(RunnerConfig, Origin)>, Origin)> = None;
        for (layer, at) in self.said(|file| &file.proof.runner) {
            let mut runners = Vec::new();
            match &at.value {
                Runners::Name(name) if name == Policy::NO_RUNNER => (),
                Runners::List(list) => {
                    for entry in list {
                        runners.push((one(layer, entry)?, layer.origin(entry.line)));
                    }
                    if runners.is_empty() {
                        let none = Policy::NO_RUNNER;
                        return Err(layer.wrong(
                            at,
                            format!(
                                "an empty list of runners; `{none}` says that nothing can be proved"
                            ),
                        ));
                    }
                }
                _ => runners.push((one(layer, at)?, layer.origin(at.line))),
            }
            for (n, (runner, _)) in runners.iter().enumerate() {
                let is_same = |(other, _): &(RunnerConfig, Origin)| {
                    other.name == runner.name && other.dir == runner.dir
                };
                if runners[..n].iter().any(is_same) {
                    return Err(layer.wrong(
                        at,
                        format!("runner `{}` stands here twice for one folder", runner.name),
                    ));
                }
            }
            last = Some((runners, layer.origin(at.line)));
        }
        let (runners, origin) = last.ok_or_else(|| nobody_says(key))?;
        if runners.is_empty() {
            self.note(key, Policy::NO_RUNNER, origin);
        }
        for (runner, origin) in &runners {
            self.note(key, runner.to_string(), origin.clone());
        }
        Ok(runners.into_iter().map(|(runner, _)| runner).collect())
    }
}

fn one(layer: &Layer, at: &At<Runners>) -> Read<RunnerConfig> {
    match &at.value {
        Runners::Name(name) => {
            let name = canonical(name);
            known(name).map_err(|err| layer.wrong(at, err))?;
            if name == CUSTOM {
                return Err(layer.wrong(at, "runner `custom` needs a `command` and a `report`"));
            }
            Ok(RunnerConfig {
                name: name.to_owned(),
                ..RunnerConfig::default()
            })
        }
        Runners::One(file) => mapping(layer, at, file),
        Runners::List(_) => Err(layer.wrong(at, "a list of runners inside a list")),
    }
}

fn mapping(layer: &Layer, at: &At<Runners>, file: &RunnerFile) -> Read<RunnerConfig> {
    let name = file.name.0.as_ref();
    let name = name.ok_or_else(|| layer.wrong(at, "this runner has no `name`"))?;
    let own_name = canonical(&name.value);
    known(own_name).map_err(|err| layer.wrong(name, err))?;
    let dir = match &file.dir.0 {
        Some(dir) => value::folder(&dir.value).map_err(|err| layer.wrong(dir, err))?,
        None => String::new(),
    };
    let features = features(layer, own_name, file)?;
    let is_custom = name.value == CUSTOM;
    let custom = is_custom.then(|| custom(layer, at, file)).transpose()?;
    let keys = [&file.build, &file.command, &file.report];
    let extra = keys.iter().find_map(|said| said.0.as_ref());
    if let (Some(extra), false) = (extra, is_custom) {
        return Err(layer.wrong(extra, "only runner `custom` is told how to run"));
    }
    if let (Some(extra), false) = (&file.trust_report.0, is_custom) {
        return Err(layer.wrong(extra, "only runner `custom` has a report to be trusted"));
    }
    Ok(RunnerConfig {
        name: own_name.to_owned(),
        dir,
        features,
        custom,
    })
}

/// Each of them becomes part of one argument of cargo's, so that only names are let through.
fn features(layer: &Layer, runner: &str, file: &RunnerFile) -> Read<Vec<String>> {
    let mut features: Vec<String> = Vec::new();
    let said = file.features.0.as_ref();
    for feature in said.into_iter().flat_map(|said| &said.value) {
        let name = &feature.value;
        if runner != CARGO {
            return Err(layer.wrong(feature, "only runner `cargo` builds with features"));
        }
        if !is_feature(name) {
            return Err(layer.wrong(feature, format!("`{name}` is no name of a cargo feature")));
        }
        if features.contains(name) {
            return Err(layer.wrong(feature, format!("feature `{name}` stands here twice")));
        }
        features.push(name.clone());
    }
    Ok(features)
}

/// `serde`, or `shop/serde` for that of one package.
fn is_feature(name: &str) -> bool {
    let is_name = |part: &str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.');
        part.starts_with(|c: char| c.is_alphanumeric() || c == '_') && part.chars().all(is_part)
    };
    match name.split_once('/') {
        Some((package, feature)) => is_name(package) && is_name(feature),
        None => is_name(name),
    }
}

fn custom(layer: &Layer, at: &At<Runners>, file: &RunnerFile) -> Read<CustomRunner> {
    let missing = |key: &str| layer.wrong(at, format!("runner `custom` needs a `{key}`"));
    let command = file.command.0.as_ref().ok_or_else(|| missing("command"))?;
    let report = file.report.0.as_ref().ok_or_else(|| missing("report"))?;
    value::glob(&report.value).map_err(|err| layer.wrong(report, err))?;
    for line in [Some(command), file.build.0.as_ref()].into_iter().flatten() {
        if line.value.trim().is_empty() || line.value.contains('\0') {
            return Err(layer.wrong(line, "an empty command"));
        }
    }
    Ok(CustomRunner {
        build: file.build.0.as_ref().map(|build| build.value.clone()),
        command: command.value.clone(),
        report: report.value.clone(),
        trust_report: file.trust_report.0.as_ref().is_some_and(|at| at.value),
    })
}

/// `node:test` is how Node.js itself calls its runner.
fn canonical(name: &str) -> &str {
    if name == "node:test" { "node" } else { name }
}

fn known(name: &str) -> Result<(), String> {
    if BUILT_IN.contains(&name) {
        return Ok(());
    }
    Err(value::unknown("runner", name, BUILT_IN))
}

/// As `policy show` and the digest say it: everything that tells two configurations apart.
impl std::fmt::Display for RunnerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        if !self.dir.is_empty() {
            write!(f, " in {}", self.dir)?;
        }
        if !self.features.is_empty() {
            write!(f, ", features {}", self.features.join(" "))?;
        }
        let Some(custom) = &self.custom else {
            return Ok(());
        };
        if let Some(build) = &custom.build {
            write!(f, ", build {build:?}")?;
        }
        write!(
            f,
            ", command {:?}, report {:?}",
            custom.command, custom.report
        )?;
        if custom.trust_report {
            f.write_str(", its report is trusted")?;
        }
        Ok(())
    }
}
