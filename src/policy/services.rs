//! Servers that the tests need, such as a database: a preset's name, or how to start one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::{At, ServiceFile};
use super::merge::{Layer, Merge, Read};
use super::value;

/// A server that is started anew for every run, inside the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePolicy {
    pub name: String,
    pub kind: ServiceKind,
    /// What the tests see; `{dir}`, `{tmp}` and `{port}` stand for folders and a port of the service's own.
    pub env: BTreeMap<String, String>,
    pub port: Option<u16>,
    pub ready_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    Preset(Preset),
    /// Lines for `/bin/sh -c`.
    Own {
        /// Fills `{dir}`, once for all runs.
        prepare: Option<String>,
        start: String,
        ready: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Postgres,
    Mysql,
    Redis,
}

const PRESETS: [(&str, Preset); 3] = [
    ("postgres", Preset::Postgres),
    ("mysql", Preset::Mysql),
    ("redis", Preset::Redis),
];

const READY_TIMEOUT: Duration = Duration::from_secs(60);

impl Merge<'_> {
    pub(super) fn services(&mut self) -> anyhow::Result<Vec<ServicePolicy>> {
        let mut services: Vec<ServicePolicy> = Vec::new();
        let layers = self.layers;
        for layer in layers.iter().filter(|layer| !layer.is_fallback) {
            let said = layer.shape().proof.services.0.iter();
            for at in said.flat_map(|list| &list.value) {
                let service = read(layer, at, services.len() + 1)?;
                if services.iter().any(|other| other.name == service.name) {
                    let message = format!("service `{}` stands here twice", service.name);
                    return Err(layer.wrong(at, message).into());
                }
                self.note(
                    format!("proof.services.{}", service.name),
                    shown(&service),
                    layer.origin(at.line),
                );
                services.push(service);
            }
        }
        Ok(services)
    }
}

fn read(layer: &Layer, at: &At<ServiceFile>, n: usize) -> Read<ServicePolicy> {
    let entry = &at.value;
    let line = |said: &Option<At<String>>| -> Read<Option<String>> {
        let Some(at) = said else { return Ok(None) };
        value::plain_text(&at.value).map_err(|err| layer.wrong(at, err))?;
        Ok(Some(at.value.clone()))
    };
    let (prepare, start, ready) = (
        line(&entry.prepare.0)?,
        line(&entry.start.0)?,
        line(&entry.ready.0)?,
    );
    let mut name = format!("service-{n}");
    let kind = match (&entry.preset.0, start, ready) {
        (Some(preset), None, None) if prepare.is_none() => {
            name.clone_from(&preset.value);
            let preset =
                value::choice(&preset.value, &PRESETS).map_err(|err| layer.wrong(preset, err))?;
            ServiceKind::Preset(preset)
        }
        (Some(preset), _, _) => {
            let message = "a preset knows how it is started: leave out `prepare`, `start`, `ready`";
            return Err(layer.wrong(preset, message));
        }
        (None, Some(start), Some(ready)) => ServiceKind::Own {
            prepare,
            start,
            ready,
        },
        (None, None, _) => {
            let message = "this entry of `services` has neither `preset` nor `start`";
            return Err(layer.wrong(at, message));
        }
        (None, Some(_), None) => {
            let message = "this entry of `services` has no `ready`: a command that succeeds once it can be used";
            return Err(layer.wrong(at, message));
        }
    };
    if let Some(at) = &entry.name.0 {
        value::identifier(&at.value).map_err(|err| layer.wrong(at, err))?;
        name.clone_from(&at.value);
    }
    let mut env = BTreeMap::new();
    for (name, text) in entry.env.0.iter().flat_map(|at| &at.value.0) {
        value::variable(&name.value).map_err(|err| layer.wrong(name, err))?;
        if text.value.contains('\0') {
            return Err(layer.wrong(text, "a variable cannot hold a NUL"));
        }
        env.insert(name.value.clone(), text.value.clone());
    }
    let port = match &entry.port.0 {
        None => None,
        Some(at) => {
            let port = value::within(at.value, 1_024, 65_535)
                .and_then(|port| u16::try_from(port).map_err(|_| format!("{port} is no port")));
            Some(port.map_err(|err| layer.wrong(at, err))?)
        }
    };
    let ready_timeout = match &entry.ready_timeout.0 {
        None => READY_TIMEOUT,
        Some(at) => value::duration(&at.value).map_err(|err| layer.wrong(at, err))?,
    };
    Ok(ServicePolicy {
        name,
        kind,
        env,
        port,
        ready_timeout,
    })
}

/// All of it, because it goes into the policy's digest.
fn shown(service: &ServicePolicy) -> String {
    let ServicePolicy {
        kind,
        env,
        port,
        ready_timeout,
        ..
    } = service;
    let mut shown = match kind {
        ServiceKind::Preset(preset) => format!("preset {}", preset.as_str()),
        ServiceKind::Own {
            prepare,
            start,
            ready,
        } => {
            let prepare = prepare.as_ref().map(|line| format!("prepare `{line}` "));
            format!(
                "{}start `{start}` ready `{ready}`",
                prepare.unwrap_or_default()
            )
        }
    };
    if !env.is_empty() {
        shown += &format!(" env {env:?}");
    }
    if let Some(port) = port {
        shown += &format!(" port {port}");
    }
    shown + &format!(" within {}", value::shown_duration(*ready_timeout))
}

impl Preset {
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Postgres => "postgres",
            Preset::Mysql => "mysql",
            Preset::Redis => "redis",
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    fn load(services: &str) -> anyhow::Result<Policy> {
        Policy::load(
            &format!("version: 1\nproof:\n  services:\n{services}\n"),
            "p.yaml",
        )
    }

    #[track_caller]
    fn check(services: &str, expected: &str) {
        let policy = load(services).expect(services);
        let values = policy.values.iter();
        let shown: Vec<String> = values
            .filter_map(|value| {
                Some(format!(
                    "{}: {}",
                    value.key.strip_prefix("proof.services.")?,
                    value.value
                ))
            })
            .collect();
        assert_eq!(shown.join("\n"), expected);
    }

    #[track_caller]
    fn check_wrong(services: &str, expected: &str) {
        let err = load(services).expect_err(services).to_string();
        assert!(
            err.starts_with("p.yaml:4:") && err.contains(expected),
            "{err}"
        );
    }

    #[test]
    fn a_service_is_a_preset_or_says_how_it_is_started() {
        check("    - preset: redis", "redis: preset redis within 60s");
        check(
            "    - {name: db, preset: postgres, port: 6000, env: {DB: '{port}'}, ready_timeout: 2m}",
            "db: preset postgres env {\"DB\": \"{port}\"} port 6000 within 120s",
        );
        check(
            "    - {start: run, ready: 'true'}\n    - {prepare: mk, start: run2, ready: ask}",
            "service-1: start `run` ready `true` within 60s\nservice-2: prepare `mk` start `run2` ready `ask` within 60s",
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        check_wrong("    - {ready: x}", "neither `preset` nor `start`");
        check_wrong("    - {start: x}", "no `ready`");
        check_wrong("    - {preset: redis, start: x}", "knows how it is started");
        check_wrong("    - {preset: oracle}", "unknown value `oracle`");
        check_wrong("    - {preset: redis, port: 80}", "80 is not between");
        check_wrong("    - {preset: redis, env: {LD_PRELOAD: x}}", "LD_PRELOAD");
        check_wrong("    - {preset: redis, image: x}", "unknown key `image`");
        let err = load("    - preset: redis\n    - preset: redis").expect_err("twice");
        assert!(
            err.to_string().contains("`redis` stands here twice"),
            "{err}"
        );
    }
}
