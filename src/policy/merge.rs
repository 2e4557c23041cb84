//! Presets and file into one policy: lists add up, limits take the minimum, levels the maximum, everything else the last word.
//!
//! Every value is checked wherever it stands, also where it is overruled, and remembered with its origin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::file::{self, At, Entries, List, Names, PolicyFile, Said, shown};
use super::preset::{self, PRESETS};
use super::value::{self, Pattern};
use super::{
    Effective, ExistingTests, Forbidden, Lane, Lanes, Level, Limits, MessagePolicy, Mode, On,
    Origin, PathSet, Perimeter, Policy, ProofPolicy, RedCommits, Rule, SourceConfig, SourceKind,
    Suite, TestLimits, builtin, later,
};
use crate::change::Content;
use crate::usage::UsageError;

/// One file that takes part.
pub(super) struct Layer {
    origin: Name,
    file: PolicyFile,
    /// `default` where the policy does not extend it: it only fills in what nobody says.
    is_fallback: bool,
}

enum Name {
    Preset(&'static str),
    File(String),
}

struct Merge<'a> {
    layers: &'a [Layer],
    values: Vec<Effective>,
}

type Read<T> = Result<T, UsageError>;

/// Reads `text` and the presets that it extends.
pub(super) fn layers(text: &str, name: &str) -> anyhow::Result<Vec<Layer>> {
    let file = file::parse(text, name)?;
    match &file.version.0 {
        Some(version) if version.value == 1 => {}
        Some(version) if version.value > 1 => anyhow::bail!(
            "policy `{name}` has version {}, this koan-guard knows 1: a newer one is needed to judge",
            version.value
        ),
        Some(version) => return Err(file::wrong(name, version, "the version is 1").into()),
        None => {
            let message = format!("{name}: key `version` is missing");
            return Err(UsageError::with_hint(message, "begin the file with `version: 1`").into());
        }
    }
    let mut layers = Vec::new();
    let mut extended = BTreeSet::new();
    match &file.extends.0 {
        None => layers.push(Layer::of_preset(preset::DEFAULT)?),
        Some(names) => {
            for at in &names.value {
                let wrong = |message| file::wrong(name, at, message);
                let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
                let Some(&preset) = names.iter().find(|preset| **preset == at.value) else {
                    return Err(wrong(value::unknown("preset", &at.value, &names)).into());
                };
                if !extended.insert(preset) {
                    return Err(wrong(format!("preset `{preset}` stands here twice")).into());
                }
                layers.push(Layer::of_preset(preset)?);
            }
            if names.value.first().map(|at| at.value.as_str()) != Some(preset::DEFAULT) {
                let mut fallback = Layer::of_preset(preset::DEFAULT)?;
                fallback.is_fallback = true;
                layers.insert(0, fallback);
            }
        }
    }
    layers.push(Layer {
        origin: Name::File(name.to_owned()),
        file,
        is_fallback: false,
    });
    Ok(layers)
}

pub(super) fn merge(layers: &[Layer]) -> anyhow::Result<Policy> {
    let mut merge = Merge {
        layers,
        values: Vec::with_capacity(160),
    };
    let mode = merge.word(
        "mode",
        |file| &file.mode,
        &[("enforce", Mode::Enforce), ("observe", Mode::Observe)],
    )?;
    let lanes = merge.lanes()?;
    let perimeter = merge.perimeter()?;
    let proof = merge.proof()?;
    let message = merge.message()?;
    let sources = merge.sources()?;
    Ok(Policy {
        mode,
        lanes,
        perimeter,
        proof,
        message,
        sources,
        digest: digest(&merge.values),
        values: merge.values,
    })
}

impl Layer {
    fn of_preset(name: &'static str) -> anyhow::Result<Layer> {
        let Some(text) = preset::text_of(name) else {
            anyhow::bail!("no preset `{name}`");
        };
        Ok(Layer {
            origin: Name::Preset(name),
            file: file::parse(text, &format!("preset `{name}`"))?,
            is_fallback: false,
        })
    }

    pub(super) fn shape(&self) -> &PolicyFile {
        &self.file
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self.origin, Name::File(_))
    }

    fn origin(&self, line: u64) -> Origin {
        match &self.origin {
            Name::Preset(name) => Origin::Preset { name, line },
            Name::File(name) => Origin::File {
                name: name.clone(),
                line,
            },
        }
    }

    fn wrong<T>(&self, at: &At<T>, message: impl fmt::Display) -> UsageError {
        match &self.origin {
            Name::Preset(name) => file::wrong(&format!("preset `{name}`"), at, message),
            Name::File(name) => file::wrong(name, at, message),
        }
    }
}

impl<'a> Merge<'a> {
    fn lanes(&mut self) -> Read<Lanes> {
        let branches = self.globs("lanes.repair.branches", |file| &file.lanes.repair.branches)?;
        let (repair_known_agents, repair_agents) = self.repair_agents()?;
        let agent_agents = self.agent_agents()?;
        let lanes = [
            ("human", Lane::Human),
            ("agent", Lane::Agent),
            ("repair", Lane::Repair),
        ];
        Ok(Lanes {
            repair_branches: branch_set(&branches)?,
            repair_agents,
            repair_known_agents,
            agent_agents,
            others: self.word("lanes.others", |file| &file.lanes.others, &lanes)?,
        })
    }

    /// `known`, or a list of names in which `known` may stand too.
    fn repair_agents(&mut self) -> Read<(bool, Vec<String>)> {
        let key = "lanes.repair.agents";
        let mut last = None;
        for (layer, at) in self.said(|file| &file.lanes.repair.agents) {
            let mut known = false;
            let mut names = Vec::new();
            match &at.value {
                Names::Word(word) if word == "known" => known = true,
                Names::Word(word) => return Err(layer.wrong(at, known_or_list(word))),
                Names::List(list) => {
                    for name in list {
                        match name.value.as_str() {
                            "known" => known = true,
                            text => names.push(
                                value::agent_name(text).map_err(|err| layer.wrong(name, err))?,
                            ),
                        }
                    }
                }
            }
            last = Some((known, names, layer.origin(at.line)));
        }
        let (known, names, origin) = last.ok_or_else(|| nobody_says(key))?;
        let shown: Vec<&str> = known
            .then_some("known")
            .into_iter()
            .chain(names.iter().map(String::as_str))
            .collect();
        self.note(key, shown.join(", "), origin);
        Ok((known, names))
    }

    fn agent_agents(&mut self) -> Read<Vec<String>> {
        let key = "lanes.agent.agents";
        let mut last = None;
        for (layer, at) in self.said(|file| &file.lanes.agent.agents) {
            let Names::List(list) = &at.value else {
                return Err(layer.wrong(at, "this lane takes a list of exact names; `known` stands in `lanes.repair.agents`"));
            };
            let mut names = Vec::new();
            for name in list {
                if name.value == "known" {
                    return Err(layer.wrong(
                        name,
                        "this lane takes exact names; `known` stands in `lanes.repair.agents`",
                    ));
                }
                names.push(value::agent_name(&name.value).map_err(|err| layer.wrong(name, err))?);
            }
            last = Some((names, layer.origin(at.line)));
        }
        let (names, origin) = last.unwrap_or((Vec::new(), Origin::BuiltIn));
        self.note(key, names.join(", "), origin);
        Ok(names)
    }

    fn perimeter(&mut self) -> anyhow::Result<Perimeter> {
        let allow = self.globs("perimeter.allow", |file| &file.perimeter.allow)?;
        let protect = self.globs("perimeter.protect", |file| &file.perimeter.protect)?;
        Ok(Perimeter {
            allow: if allow.is_empty() {
                None
            } else {
                Some(PathSet::new(allow)?)
            },
            protect: PathSet::with_look_alikes(protect, &builtin::PROTECTED)?,
            limits: self.limits()?,
            test_limits: self.test_limits()?,
            forbid: self.forbid()?,
            levels: self.levels()?,
        })
    }

    fn limits(&mut self) -> Read<Limits> {
        Ok(Limits {
            files: self.limit("perimeter.limits.files", |file| {
                &file.perimeter.limits.files
            })?,
            new_files: self.limit("perimeter.limits.new_files", |file| {
                &file.perimeter.limits.new_files
            })?,
            lines: self.limit("perimeter.limits.lines", |file| {
                &file.perimeter.limits.lines
            })?,
            hunks: self.limit("perimeter.limits.hunks", |file| {
                &file.perimeter.limits.hunks
            })?,
            directories: self.limit("perimeter.limits.directories", |file| {
                &file.perimeter.limits.directories
            })?,
            line_length: self.limit("perimeter.limits.line_length", |file| {
                &file.perimeter.limits.line_length
            })?,
            file_bytes: self.minimum(
                "perimeter.limits.file_bytes",
                |file| &file.perimeter.limits.file_bytes,
                Content::MAX_BYTES,
            )?,
        })
    }

    fn test_limits(&mut self) -> Read<TestLimits> {
        Ok(TestLimits {
            files: self.limit("perimeter.test_limits.files", |file| {
                &file.perimeter.test_limits.files
            })?,
            added: self.limit("perimeter.test_limits.added", |file| {
                &file.perimeter.test_limits.added
            })?,
            file_bytes: self.minimum(
                "perimeter.test_limits.file_bytes",
                |file| &file.perimeter.test_limits.file_bytes,
                Content::MAX_BYTES,
            )?,
        })
    }

    fn forbid(&mut self) -> anyhow::Result<Vec<Forbidden>> {
        let mut forbid: Vec<Forbidden> = Vec::new();
        let layers = self.layers;
        for layer in layers.iter().filter(|layer| !layer.is_fallback) {
            for at in layer
                .file
                .perimeter
                .forbid
                .0
                .iter()
                .flat_map(|list| &list.value)
            {
                let entry = &at.value;
                let missing =
                    |key: &str| layer.wrong(at, format!("this entry of `forbid` has no `{key}`"));
                let id = entry.id.0.as_ref().ok_or_else(|| missing("id"))?;
                let pattern = entry.pattern.0.as_ref().ok_or_else(|| missing("pattern"))?;
                value::identifier(&id.value).map_err(|err| layer.wrong(id, err))?;
                if forbid.iter().any(|other| other.id == id.value) {
                    return Err(layer
                        .wrong(id, format!("id `{}` stands in `forbid` twice", id.value))
                        .into());
                }
                let on = match &entry.on.0 {
                    None => On::Added,
                    Some(on) => {
                        let choices = [
                            ("added", On::Added),
                            ("removed", On::Removed),
                            ("both", On::Both),
                        ];
                        value::choice(&on.value, &choices).map_err(|err| layer.wrong(on, err))?
                    }
                };
                let paths = match &entry.paths.0 {
                    None => vec!["**".to_owned()],
                    Some(list) if list.value.is_empty() => {
                        return Err(layer
                            .wrong(
                                list,
                                "`in` is empty: this pattern would be looked for nowhere",
                            )
                            .into());
                    }
                    Some(list) => {
                        for glob in &list.value {
                            value::glob(&glob.value).map_err(|err| layer.wrong(glob, err))?;
                        }
                        list.value.iter().map(|glob| glob.value.clone()).collect()
                    }
                };
                let why = entry
                    .why
                    .0
                    .as_ref()
                    .map_or("the policy forbids this text", |why| &why.value);
                let shown = format!("{on:?} in {}: {}, {why}", paths.join(" "), pattern.value);
                self.note(
                    format!("perimeter.forbid.{}", id.value),
                    shown,
                    layer.origin(at.line),
                );
                forbid.push(Forbidden {
                    id: id.value.clone(),
                    pattern: if layer.is_file() {
                        Pattern::new(&pattern.value).map_err(|err| layer.wrong(pattern, err))?
                    } else {
                        Pattern::of_preset(&pattern.value)
                    },
                    on,
                    paths: PathSet::new(paths)?,
                    why: why.to_owned(),
                });
            }
        }
        Ok(forbid)
    }

    fn levels(&mut self) -> Read<BTreeMap<Rule, Level>> {
        let mut said: BTreeMap<Rule, (Level, Origin)> = BTreeMap::new();
        for (layer, at) in self.said(|file| &file.perimeter.rules) {
            for (id, level) in &at.value.0 {
                let rule: Rule = id
                    .value
                    .parse()
                    .map_err(|()| layer.wrong(id, unknown_rule(&id.value)))?;
                let levels = [
                    ("deny", Level::Deny),
                    ("warn", Level::Warn),
                    ("off", Level::Off),
                ];
                let level_value =
                    value::choice(&level.value, &levels).map_err(|err| layer.wrong(level, err))?;
                let is_higher = said
                    .get(&rule)
                    .is_none_or(|(before, _)| level_value >= *before);
                if is_higher && !layer.is_fallback {
                    said.insert(rule, (level_value, layer.origin(id.line)));
                }
            }
        }
        let mut levels = BTreeMap::new();
        for &rule in Rule::ALL {
            let info = rule.info();
            let (level, origin) = match said.remove(&rule) {
                Some(said) if !info.closed || said.0 >= info.level => said,
                _ => (info.level, Origin::BuiltIn),
            };
            let shown = match level {
                Level::Off => "off",
                Level::Warn => "warn",
                Level::Deny => "deny",
            };
            self.note(format!("perimeter.rules.{rule}"), shown, origin);
            levels.insert(rule, level);
        }
        Ok(levels)
    }

    fn proof(&mut self) -> anyhow::Result<ProofPolicy> {
        let suites = [("all", Suite::All), ("touched", Suite::Touched)];
        let existing = [
            ("strict", ExistingTests::Strict),
            ("allow_if_fail_to_pass", ExistingTests::AllowIfFailToPass),
        ];
        let tests = self.globs("proof.tests", |file| &file.proof.tests)?;
        let inputs = self.globs("proof.inputs", |file| &file.proof.inputs)?;
        Ok(ProofPolicy {
            tests: PathSet::new(tests)?,
            inputs: PathSet::with_look_alikes(inputs, &builtin::JUDGE_INPUTS)?,
            runner: self.runner()?,
            hook_suite: self.word("proof.hook.suite", |file| &file.proof.hook.suite, &suites)?,
            hook_budget: self.duration("proof.hook.budget", |file| &file.proof.hook.budget)?,
            suite: self.word("proof.suite", |file| &file.proof.suite, &suites)?,
            env: self.env()?,
            red_commits: self.word(
                "proof.red_commits",
                |file| &file.proof.red_commits,
                &[("allow", RedCommits::Allow), ("deny", RedCommits::Deny)],
            )?,
            existing_tests: self.word(
                "proof.existing_tests",
                |file| &file.proof.existing_tests,
                &existing,
            )?,
            samples: self.number("proof.samples", |file| &file.proof.samples, 1, 20)?,
            timeout: self.duration("proof.timeout", |file| &file.proof.timeout)?,
            sandbox_min_level: self.number(
                "proof.sandbox.min_level",
                |file| &file.proof.sandbox.min_level,
                0,
                3,
            )?,
        })
    }

    fn runner(&mut self) -> Read<String> {
        self.last(
            "proof.runner",
            |file| &file.proof.runner,
            |name: &String| {
                if later::RUNNERS.contains(&name.as_str()) {
                    return Err(format!(
                        "runner `{name}` is not supported by this version of koan-guard"
                    ));
                }
                match later::BUILT_IN_RUNNERS.contains(&name.as_str()) || name == Policy::NO_RUNNER
                {
                    true => Ok(name.clone()),
                    false => Err(value::unknown("runner", name, later::BUILT_IN_RUNNERS)),
                }
            },
            Clone::clone,
        )
    }

    fn env(&mut self) -> Read<BTreeMap<String, String>> {
        let mut env = BTreeMap::new();
        for (layer, at) in self.said(|file| &file.proof.env) {
            for (name, text) in &at.value.0 {
                value::variable(&name.value).map_err(|err| layer.wrong(name, err))?;
                if text.value.contains('\0') {
                    return Err(layer.wrong(text, "a variable cannot hold a NUL"));
                }
                env.insert(
                    name.value.clone(),
                    (text.value.clone(), layer.origin(name.line)),
                );
            }
        }
        for (name, (text, origin)) in &env {
            self.note(format!("proof.env.{name}"), text, origin.clone());
        }
        Ok(env
            .into_iter()
            .map(|(name, (text, _))| (name, text))
            .collect())
    }

    fn message(&mut self) -> Read<MessagePolicy> {
        let styles = [("conventional", true), ("off", false)];
        Ok(MessagePolicy {
            conventional: self.word("message.style", |file| &file.message.style, &styles)?,
            types: self.list(
                "message.types",
                |file| &file.message.types,
                |name| match later::COMMIT_TYPES.contains(&name) {
                    true => Ok(()),
                    false => Err(value::unknown("type", name, later::COMMIT_TYPES)),
                },
            )?,
            subject_length: self.number(
                "message.subject_length",
                |file| &file.message.subject_length,
                10,
                1_000,
            )?,
            require_trailers: self.list(
                "message.require_trailers",
                |file| &file.message.require_trailers,
                value::trailer,
            )?,
        })
    }

    fn sources(&mut self) -> Read<Vec<SourceConfig>> {
        let mut sources: Vec<SourceConfig> = Vec::new();
        let layers = self.layers;
        for layer in layers {
            for at in layer.file.sources.0.iter().flat_map(|list| &list.value) {
                let entry = &at.value;
                let missing =
                    |key: &str| layer.wrong(at, format!("this entry of `sources` has no `{key}`"));
                let name = entry.name.0.as_ref().ok_or_else(|| missing("name"))?;
                let kind = entry.kind.0.as_ref().ok_or_else(|| missing("kind"))?;
                value::identifier(&name.value).map_err(|err| layer.wrong(name, err))?;
                if sources.iter().any(|other| other.name == name.value) {
                    return Err(layer.wrong(
                        name,
                        format!("name `{}` stands in `sources` twice", name.value),
                    ));
                }
                if later::SOURCES.contains(&kind.value.as_str()) {
                    let message = format!(
                        "kind `{}` is not supported by this version of koan-guard",
                        kind.value
                    );
                    return Err(layer.wrong(kind, message));
                }
                value::choice(&kind.value, &[("sqlite", ())])
                    .map_err(|err| layer.wrong(kind, err))?;
                let path = entry.path.0.as_ref().ok_or_else(|| missing("path"))?;
                let table = entry.table.0.as_ref().ok_or_else(|| missing("table"))?;
                for text in [path, table] {
                    value::plain_text(&text.value).map_err(|err| layer.wrong(text, err))?;
                }
                let columns = columns(layer, &entry.columns)?;
                let shown = format!(
                    "sqlite {} table {} columns {columns:?}",
                    path.value, table.value
                );
                self.note(
                    format!("sources.{}", name.value),
                    shown,
                    layer.origin(at.line),
                );
                sources.push(SourceConfig {
                    name: name.value.clone(),
                    kind: SourceKind::Sqlite {
                        path: path.value.clone(),
                        table: table.value.clone(),
                        columns,
                    },
                });
            }
        }
        Ok(sources)
    }

    /// The last word on a value that is one of a few.
    fn word<T: Clone>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<String>,
        choices: &[(&str, T)],
    ) -> Read<T> {
        self.last(
            key,
            get,
            |word| value::choice(word, choices).map(|value| (word.clone(), value)),
            |(word, _)| word.clone(),
        )
        .map(|(_, value)| value)
    }

    fn duration(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<String>,
    ) -> Read<Duration> {
        self.last(
            key,
            get,
            |text| value::duration(text),
            |duration| value::shown_duration(*duration),
        )
    }

    fn number<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<u64>,
        least: u64,
        most: u64,
    ) -> Read<T> {
        let number = self.last(
            key,
            get,
            |number| value::within(*number, least, most),
            u64::to_string,
        )?;
        fit(key, number)
    }

    fn limit(&mut self, key: &str, get: impl Fn(&PolicyFile) -> &Said<u64>) -> Read<usize> {
        const MOST: u64 = 1_000_000;
        let number = self.minimum(key, get, MOST)?;
        fit(key, number)
    }

    /// The smallest that anybody says.
    fn minimum(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<u64>,
        most: u64,
    ) -> Read<u64> {
        let mut least: Option<(u64, Origin)> = None;
        let mut fallback = None;
        for (layer, at) in self.said(get) {
            let number = value::within(at.value, 0, most).map_err(|err| layer.wrong(at, err))?;
            if layer.is_fallback {
                fallback = Some((number, layer.origin(at.line)));
            } else if least.as_ref().is_none_or(|(before, _)| number < *before) {
                least = Some((number, layer.origin(at.line)));
            }
        }
        let (number, origin) = least.or(fallback).ok_or_else(|| nobody_says(key))?;
        self.note(key, number.to_string(), origin);
        Ok(number)
    }

    /// What the last layer says that says anything.
    fn last<T: 'static, U>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<T>,
        read: impl Fn(&T) -> Result<U, String>,
        show: impl Fn(&U) -> String,
    ) -> Read<U> {
        let mut last = None;
        for (layer, at) in self.said(get) {
            let value = read(&at.value).map_err(|err| layer.wrong(at, err))?;
            last = Some((value, layer.origin(at.line)));
        }
        let (value, origin) = last.ok_or_else(|| nobody_says(key))?;
        self.note(key, show(&value), origin);
        Ok(value)
    }

    fn globs(&mut self, key: &str, get: impl Fn(&PolicyFile) -> &List) -> Read<Vec<String>> {
        self.list(key, get, value::glob)
    }

    /// All that is said, each once, in order.
    fn list(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &List,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Read<Vec<String>> {
        let mut list: Vec<String> = Vec::new();
        for (layer, at) in self.said(get) {
            for item in &at.value {
                check(&item.value).map_err(|err| layer.wrong(item, err))?;
                if !layer.is_fallback && !list.contains(&item.value) {
                    self.note(key, &item.value, layer.origin(item.line));
                    list.push(item.value.clone());
                }
            }
        }
        Ok(list)
    }

    fn said<T: 'a>(
        &self,
        get: impl Fn(&'a PolicyFile) -> &'a Said<T>,
    ) -> Vec<(&'a Layer, &'a At<T>)> {
        let layers = self.layers.iter();
        layers
            .filter_map(|layer| get(&layer.file).0.as_ref().map(|at| (layer, at)))
            .collect()
    }

    fn note(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.values.push(Effective {
            key: key.into(),
            value: value.into(),
            origin,
        });
    }
}

fn columns(layer: &Layer, said: &Said<Entries<String>>) -> Read<BTreeMap<String, String>> {
    let mut columns = BTreeMap::new();
    for (name, column) in said.0.iter().flat_map(|at| &at.value.0) {
        if !later::COLUMNS.contains(&name.value.as_str()) {
            return Err(layer.wrong(name, value::unknown("column", &name.value, later::COLUMNS)));
        }
        value::plain_text(&column.value).map_err(|err| layer.wrong(column, err))?;
        columns.insert(name.value.clone(), column.value.clone());
    }
    Ok(columns)
}

/// Branch names are matched like paths: `*` stays between two slashes.
fn branch_set(globs: &[String]) -> Read<globset::GlobSet> {
    let mut set = globset::GlobSetBuilder::new();
    for glob in globs {
        set.add(
            super::paths::parse(glob)
                .map_err(|err| UsageError::new(format!("branches `{glob}`: {err}")))?,
        );
    }
    set.build()
        .map_err(|err| UsageError::new(format!("`lanes.repair.branches`: {err}")))
}

fn known_or_list(word: &str) -> String {
    format!(
        "`{}` is neither `known` nor a list of exact names",
        shown(word)
    )
}

fn unknown_rule(id: &str) -> String {
    if later::RULES.contains(&id) {
        return format!("rule `{id}` is not supported by this version of koan-guard");
    }
    let ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    value::unknown("rule", id, &ids)
}

fn fit<T: TryFrom<u64>>(key: &str, number: u64) -> Read<T> {
    T::try_from(number).map_err(|_| UsageError::new(format!("`{key}`: {number} is too large")))
}

/// Cannot happen while `default` has a value for everything, which is tested.
fn nobody_says(key: &str) -> UsageError {
    UsageError::new(format!("nothing says what `{key}` is"))
}

/// Over keys and values in order, not over their origins. Lists count as sets.
fn digest(values: &[Effective]) -> String {
    let values: BTreeSet<(&str, &str)> = values
        .iter()
        .map(|value| (value.key.as_str(), value.value.as_str()))
        .collect();
    let mut hasher = Sha256::new();
    for (key, value) in values {
        for text in [key, value] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
