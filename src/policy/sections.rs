//! The sections of a policy, key by key: what each may hold and how presets and file are put together.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Names, PolicyFile, Said, shown};
use super::merge::{MODES, Merge, Read, Stricter, nobody_says};
use super::value::{self, Pattern};
use super::{
    Before, ExistingRed, ExistingTests, Forbidden, Lane, Lanes, Level, Limits, MessagePolicy, Mode,
    On, Origin, PathSet, Perimeter, ProofPolicy, RedCommits, Reverts, Rule, Signature, Suite,
    TestLimits, Variation, builtin, floor, later, preset,
};
use crate::change::Content;

impl Merge<'_> {
    /// `mode` is the policy's, for lanes that have no word of their own on it.
    pub(super) fn lanes(&mut self, mode: Mode) -> anyhow::Result<Lanes> {
        let branches = self.globs("lanes.repair.branches", |file| &file.lanes.repair.branches)?;
        let (repair_known_agents, repair_agents) = self.repair_agents()?;
        let agent_agents = self.agent_agents()?;
        let people = self.list(
            "lanes.people",
            |file| &file.lanes.people,
            |name| value::agent_name(name).map(|_| ()),
        )?;
        let people = people
            .iter()
            .map(|name| name.trim().to_lowercase())
            .collect();
        let lanes = [
            ("repair", Lane::Repair),
            ("agent", Lane::Agent),
            ("human", Lane::Human),
        ];
        Ok(Lanes {
            repair_branches: PathSet::new(branches)?,
            repair_agents,
            repair_known_agents,
            agent_agents,
            people,
            others: self.word("lanes.others", |file| &file.lanes.others, &lanes)?,
            repair_mode: self
                .lane_mode("lanes.repair.mode", mode, |file| &file.lanes.repair.mode)?,
            agent_mode: self.lane_mode("lanes.agent.mode", mode, |file| &file.lanes.agent.mode)?,
        })
    }

    /// A lane's own word, which no floor of the machine is escaped by.
    fn lane_mode(
        &mut self,
        key: &str,
        mode: Mode,
        get: impl Fn(&PolicyFile) -> &Said<String>,
    ) -> Read<Mode> {
        let mut is_said = false;
        for (layer, at) in self.said(&get) {
            value::choice(&at.value, &MODES).map_err(|err| layer.wrong(at, err))?;
            is_said = true;
        }
        let floors = self.said(|file| &file.mode);
        let is_held = floors.iter().any(|(layer, _)| layer.is_floor) && mode == Mode::Enforce;
        if is_said && !is_held {
            return self.word(key, get, &MODES);
        }
        let [(enforce, _), (observe, _)] = MODES;
        let word = match mode {
            Mode::Enforce => enforce,
            Mode::Observe => observe,
        };
        let origin = self.noted("mode").unwrap_or(Origin::BuiltIn);
        self.note(key, word, origin);
        Ok(mode)
    }

    /// `known`, or a list of names in which `known` may stand too.
    fn repair_agents(&mut self) -> Read<(bool, Vec<String>)> {
        let key = "lanes.repair.agents";
        let mut last: Option<(bool, Vec<String>, Origin)> = None;
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
            last = match last {
                // More marks are stricter.
                Some((was_known, mut others, origin)) if layer.is_floor => {
                    others.extend(names);
                    Some((known || was_known, others, origin))
                }
                _ => Some((known, names, layer.origin(at.line))),
            };
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

    pub(super) fn perimeter(&mut self) -> anyhow::Result<Perimeter> {
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
            not_secrets: self
                .list(
                    "perimeter.not_secrets",
                    |file| &file.perimeter.not_secrets,
                    value::sha256,
                )?
                .into_iter()
                .collect(),
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
        let mut all = BTreeSet::new();
        let layers = self.layers;
        for layer in layers.iter().filter(|layer| !layer.is_fallback) {
            for at in layer
                .shape()
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
                let mut same = forbid.iter().filter(|other| other.id == id.value);
                if same.next().is_some() && !layer.is_floor {
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
                let in_tests = entry.tests.0.as_ref().is_none_or(|tests| tests.value);
                let but = if in_tests { "" } else { ", tests left out" };
                let paths_shown = paths.join(" ");
                let said = format!("{on:?} in {paths_shown}{but}: {}", pattern.value);
                // What a floor says again, of the same files, counts once.
                if !all.insert((id.value.clone(), said.clone())) {
                    continue;
                }
                let shown = format!("{said}, {why}");
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
                        Pattern::of_preset(&pattern.value, preset::needles_of(&id.value))
                    },
                    on,
                    paths: PathSet::new(paths)?,
                    in_tests,
                    why: why.to_owned(),
                });
            }
        }
        Ok(forbid)
    }

    fn levels(&mut self) -> Read<BTreeMap<Rule, Level>> {
        let mut said: BTreeMap<Rule, (Level, Origin)> = BTreeMap::new();
        let mut floors: BTreeMap<Rule, (Level, Origin)> = BTreeMap::new();
        for (layer, at) in self.said(|file| &file.perimeter.rules) {
            for (id, level) in &at.value.0 {
                let rule: Rule = id
                    .value
                    .parse()
                    .map_err(|()| layer.wrong(id, unknown_rule(&id.value)))?;
                let level_value =
                    value::choice(&level.value, &LEVELS).map_err(|err| layer.wrong(level, err))?;
                let said = if layer.is_floor {
                    &mut floors
                } else {
                    &mut said
                };
                let is_higher = said
                    .get(&rule)
                    .is_none_or(|(before, _)| level_value >= *before);
                if is_higher && !layer.is_fallback {
                    said.insert(rule, (level_value, layer.origin(id.line)));
                }
            }
        }
        for layer in self.layers.iter().filter(|layer| layer.is_floor) {
            for &rule in Rule::ALL {
                // Who sets a limit wants it kept.
                if floor::speaks_of(layer.shape(), rule) {
                    let level = (rule.info().level, layer.origin(0));
                    floors.entry(rule).or_insert(level);
                }
            }
        }
        let mut levels = BTreeMap::new();
        for &rule in Rule::ALL {
            let info = rule.info();
            let (mut level, mut origin) = match said.remove(&rule) {
                Some(said) if !info.closed || said.0 >= info.level => said,
                _ => (info.level, Origin::BuiltIn),
            };
            if let Some((floor, by)) = floors.remove(&rule).filter(|(floor, _)| *floor > level) {
                (level, origin) = (floor, by);
            }
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

    pub(super) fn proof(&mut self) -> anyhow::Result<ProofPolicy> {
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
            runners: self.runners()?,
            hook_suite: self.word("proof.hook.suite", |file| &file.proof.hook.suite, &suites)?,
            hook_budget: self.duration("proof.hook.budget", |file| &file.proof.hook.budget)?,
            suite: self.word("proof.suite", |file| &file.proof.suite, &suites)?,
            env: self.env()?,
            before: self.word(
                "proof.before",
                |file| &file.proof.before,
                &[
                    ("failed", Before::Failed),
                    ("missing_symbol", Before::MissingSymbol),
                ],
            )?,
            red_commits: self.word(
                "proof.red_commits",
                |file| &file.proof.red_commits,
                &[("deny", RedCommits::Deny), ("allow", RedCommits::Allow)],
            )?,
            existing_tests: self.word(
                "proof.existing_tests",
                |file| &file.proof.existing_tests,
                &existing,
            )?,
            existing_red: self.word(
                "proof.existing_red",
                |file| &file.proof.existing_red,
                &[("deny", ExistingRed::Deny), ("allow", ExistingRed::Allow)],
            )?,
            reverts: self.word(
                "proof.reverts",
                |file| &file.proof.reverts,
                &[("deny", Reverts::Deny), ("allow", Reverts::Allow)],
            )?,
            samples: self.number(
                "proof.samples",
                |file| &file.proof.samples,
                (1, 20),
                Stricter::Larger,
            )?,
            timeout: self.duration("proof.timeout", |file| &file.proof.timeout)?,
            sandbox_min_level: self.number(
                "proof.sandbox.min_level",
                |file| &file.proof.sandbox.min_level,
                (0, 3),
                Stricter::Larger,
            )?,
            setup: self.setup()?,
            build: self.build()?,
            services: self.services()?,
            tests_exclude: self.tests_exclude()?,
            signature: self.word(
                "proof.signature",
                |file| &file.proof.signature,
                &[
                    ("required", Signature::Required),
                    ("when_known", Signature::WhenKnown),
                    ("preferred", Signature::Preferred),
                    ("off", Signature::Off),
                ],
            )?,
            necessity: self.word("proof.necessity", |file| &file.proof.necessity, &LEVELS)?,
            neighbours: self.word("proof.neighbours", |file| &file.proof.neighbours, &LEVELS)?,
            variations: self.variations()?,
        })
    }

    fn variations(&mut self) -> Read<BTreeSet<Variation>> {
        let named = |name: &str| value::choice(name, &VARIATIONS);
        let names = self.list(
            "proof.variations",
            |file| &file.proof.variations,
            |name| named(name).map(|_| ()),
        )?;
        Ok(names.iter().flat_map(|name| named(name)).collect())
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

    pub(super) fn message(&mut self) -> Read<MessagePolicy> {
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
                (10, 1_000),
                Stricter::Smaller,
            )?,
            require_trailers: self.list(
                "message.require_trailers",
                |file| &file.message.require_trailers,
                value::trailer,
            )?,
        })
    }
}

const LEVELS: [(&str, Level); 3] = [
    ("deny", Level::Deny),
    ("warn", Level::Warn),
    ("off", Level::Off),
];

const VARIATIONS: [(&str, Variation); 2] = [
    ("clock", Variation::Clock),
    ("hash-seed", Variation::HashSeed),
];

fn known_or_list(word: &str) -> String {
    format!(
        "`{}` is neither `known` nor a list of exact names",
        shown(word)
    )
}

pub(super) fn unknown_rule(id: &str) -> String {
    let ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    value::unknown("rule", id, &ids)
}
