//! Presets and file into one policy: lists add up, limits take the minimum, levels the maximum, everything else the last word.
//!
//! Every value is checked wherever it stands, also where it is overruled, and remembered with its origin.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::file::{self, At, List, PolicyFile, Said};
use super::floor::{self, Floor};
use super::preset::{self, PRESETS};
use super::value;
use super::{Effective, Mode, Origin, Policy};
use crate::usage::UsageError;

/// One file that takes part.
pub(super) struct Layer {
    origin: Name,
    file: PolicyFile,
    /// `default` where the policy does not extend it: it only fills in what nobody says.
    pub(super) is_fallback: bool,
    /// Of the machine: it only makes stricter what the others say.
    pub(super) is_floor: bool,
}

enum Name {
    Preset(&'static str),
    File(String),
    Floor(String),
}

/// Which of two numbers is the stricter one.
#[derive(Clone, Copy)]
pub(super) enum Stricter {
    Larger,
    Smaller,
}

pub(super) struct Merge<'a> {
    pub(super) layers: &'a [Layer],
    values: Vec<Effective>,
}

pub(super) const MODES: [(&str, Mode); 2] =
    [("enforce", Mode::Enforce), ("observe", Mode::Observe)];

pub(super) type Read<T> = Result<T, UsageError>;

/// Reads `text` and the presets that it extends.
pub(super) fn layers(text: &str, name: &str) -> anyhow::Result<Vec<Layer>> {
    let file = file::parse(text, name)?;
    check_version(&file, name)?;
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
        is_floor: false,
    });
    Ok(layers)
}

/// Reads a floor and the presets that it extends.
pub(super) fn floor_layers(floor: &Floor) -> anyhow::Result<Vec<Layer>> {
    let name = floor.path.as_str();
    let file = file::parse(&floor.text, name).map_err(floor::told)?;
    check_version(&file, name)?;
    floor::check(&file, name).map_err(floor::told)?;
    let mut layers = Vec::new();
    let extended = file.extends.0.iter().flat_map(|list| &list.value);
    for &preset in floor::PRESETS {
        if extended.clone().any(|at| at.value == preset) {
            layers.push(Layer {
                is_floor: true,
                ..Layer::of_preset(preset)?
            });
        }
    }
    layers.push(Layer {
        origin: Name::Floor(name.to_owned()),
        file,
        is_fallback: false,
        is_floor: true,
    });
    Ok(layers)
}

fn check_version(file: &PolicyFile, name: &str) -> anyhow::Result<()> {
    match &file.version.0 {
        Some(version) if version.value == 1 => Ok(()),
        Some(version) if version.value > 1 => anyhow::bail!(
            "policy `{name}` has version {}, this koan-guard knows 1: a newer one is needed to judge",
            version.value
        ),
        Some(version) => Err(file::wrong(name, version, "the version is 1").into()),
        None => {
            let message = format!("{name}: key `version` is missing");
            Err(UsageError::with_hint(message, "begin the file with `version: 1`").into())
        }
    }
}

pub(super) fn merge(layers: &[Layer]) -> anyhow::Result<Policy> {
    let mut merge = Merge {
        layers,
        values: Vec::with_capacity(160),
    };
    let mode = merge.word("mode", |file| &file.mode, &MODES)?;
    let lanes = merge.lanes(mode)?;
    let perimeter = merge.perimeter()?;
    let proof = merge.proof()?;
    let message = merge.message()?;
    let sources = merge.sources()?;
    let triage = merge.triage()?;
    let waivers = merge.waivers()?;
    let run = merge.run(&sources)?;
    Ok(Policy {
        mode,
        lanes,
        perimeter,
        proof,
        message,
        sources,
        triage,
        waivers,
        run,
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
            is_floor: false,
        })
    }

    pub(super) fn shape(&self) -> &PolicyFile {
        &self.file
    }

    /// Whether a person wrote it, of the project or of the machine.
    pub(super) fn is_file(&self) -> bool {
        !matches!(self.origin, Name::Preset(_))
    }

    pub(super) fn origin(&self, line: u64) -> Origin {
        match &self.origin {
            Name::Preset(name) => Origin::Preset { name, line },
            Name::File(name) => Origin::File {
                name: name.clone(),
                line,
            },
            Name::Floor(path) => Origin::Floor {
                path: path.clone(),
                line,
            },
        }
    }

    pub(super) fn wrong<T>(&self, at: &At<T>, message: impl fmt::Display) -> UsageError {
        match &self.origin {
            Name::Preset(name) => file::wrong(&format!("preset `{name}`"), at, message),
            Name::File(name) => file::wrong(name, at, message),
            Name::Floor(path) => floor::told(file::wrong(path, at, message)),
        }
    }
}

impl<'a> Merge<'a> {
    /// The last word on a value that is one of a few, which stand here strictest first.
    pub(super) fn word<T: Clone>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<String>,
        choices: &[(&str, T)],
    ) -> Read<T> {
        let ranks: Vec<(&str, usize)> = choices.iter().map(|(name, _)| *name).zip(0..).collect();
        let rank = self.strictest(
            key,
            get,
            |word| value::choice(word, &ranks),
            |rank, other| rank < other,
            |rank| choices[*rank].0.to_owned(),
        )?;
        Ok(choices[rank].1.clone())
    }

    pub(super) fn duration(
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

    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<u64>,
        (least, most): (u64, u64),
        stricter: Stricter,
    ) -> Read<T> {
        let number = self.strictest(
            key,
            get,
            |number| value::within(*number, least, most),
            |one, other| match stricter {
                Stricter::Larger => one > other,
                Stricter::Smaller => one < other,
            },
            u64::to_string,
        )?;
        fit(key, number)
    }

    pub(super) fn limit(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<u64>,
    ) -> Read<usize> {
        const MOST: u64 = 1_000_000;
        let number = self.minimum(key, get, MOST)?;
        fit(key, number)
    }

    /// The smallest that anybody says.
    pub(super) fn minimum(
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
                continue;
            }
            if layer.is_floor {
                // It lowers what holds without it.
                least = least.or(fallback.take());
            }
            if least.as_ref().is_none_or(|(before, _)| number < *before) {
                least = Some((number, layer.origin(at.line)));
            }
        }
        let (number, origin) = least.or(fallback).ok_or_else(|| nobody_says(key))?;
        self.note(key, number.to_string(), origin);
        Ok(number)
    }

    /// What the last layer says that says anything, or a floor, if that is stricter.
    fn strictest<T: 'static, U>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<T>,
        read: impl Fn(&T) -> Result<U, String>,
        is_stricter: impl Fn(&U, &U) -> bool,
        show: impl Fn(&U) -> String,
    ) -> Read<U> {
        let mut holds: Option<(U, Origin)> = None;
        for (layer, at) in self.said(get) {
            let value = read(&at.value).map_err(|err| layer.wrong(at, err))?;
            let is_overruled = holds
                .as_ref()
                .is_some_and(|(before, _)| layer.is_floor && !is_stricter(&value, before));
            if !is_overruled {
                holds = Some((value, layer.origin(at.line)));
            }
        }
        let (value, origin) = holds.ok_or_else(|| nobody_says(key))?;
        self.note(key, show(&value), origin);
        Ok(value)
    }

    /// What the last layer says that says anything. No floor has a word in it.
    pub(super) fn last<T: 'static, U>(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &Said<T>,
        read: impl Fn(&T) -> Result<U, String>,
        show: impl Fn(&U) -> String,
    ) -> Read<U> {
        let mut last = None;
        for (layer, at) in self.said(get) {
            let value = read(&at.value).map_err(|err| layer.wrong(at, err))?;
            if !layer.is_floor {
                last = Some((value, layer.origin(at.line)));
            }
        }
        let (value, origin) = last.ok_or_else(|| nobody_says(key))?;
        self.note(key, show(&value), origin);
        Ok(value)
    }

    pub(super) fn globs(
        &mut self,
        key: &str,
        get: impl Fn(&PolicyFile) -> &List,
    ) -> Read<Vec<String>> {
        self.list(key, get, value::glob)
    }

    /// All that is said, each once, in order.
    pub(super) fn list(
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

    pub(super) fn said<T: 'a>(
        &self,
        get: impl Fn(&'a PolicyFile) -> &'a Said<T>,
    ) -> Vec<(&'a Layer, &'a At<T>)> {
        let layers = self.layers.iter();
        layers
            .filter_map(|layer| get(&layer.file).0.as_ref().map(|at| (layer, at)))
            .collect()
    }

    /// Where a value comes from that was read already.
    pub(super) fn noted(&self, key: &str) -> Option<Origin> {
        let value = self.values.iter().find(|value| value.key == key);
        value.map(|value| value.origin.clone())
    }

    pub(super) fn note(
        &mut self,
        key: impl Into<String>,
        value: impl Into<String>,
        origin: Origin,
    ) {
        self.values.push(Effective {
            key: key.into(),
            value: value.into(),
            origin,
        });
    }
}

fn fit<T: TryFrom<u64>>(key: &str, number: u64) -> Read<T> {
    T::try_from(number).map_err(|_| UsageError::new(format!("`{key}`: {number} is too large")))
}

/// Cannot happen while `default` has a value for everything, which is tested.
pub(super) fn nobody_says(key: &str) -> UsageError {
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
