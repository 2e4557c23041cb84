//! Issues of Sentry, GlitchTip and Bugsink over their web interfaces: each issue with its newest event, grouped anew.

mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use jiff::Timestamp;
use serde_json::Value;

use self::client::Client;
use super::gather::{Gatherer, RawEvent};
use super::stack::RawFrame;
use super::{Checked, Filter, Place, Reading, Rung, Settings, context, time};
use crate::issue::Standing;
use crate::policy::ServerConfig;
use crate::usage::UsageError;

/// More issues than this are not asked for one by one: those that were seen last come first.
const MAX_LISTED: usize = 500;
const MAX_PAGES: usize = 30;

/// Reads the issues of a project.
///
/// # Errors
/// [`UsageError`] if the token is missing, the server refuses it, or knows no such project; any other error means that nothing is known.
pub fn read(
    server: &ServerConfig,
    folder: &Path,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let client = Client::new(server, folder, thread::sleep)?;
    read_from(&client, server, settings, filter)
}

/// Asks for one issue. That a token could also write is not seen by reading.
///
/// # Errors
/// As [`read`].
pub fn check(server: &ServerConfig, folder: &Path, _: &Settings) -> anyhow::Result<Checked> {
    let client = Client::new(server, folder, thread::sleep)?;
    let page = client.get(&first_page(server, 1, None)?)?;
    let n_issues = items(&page.body).len();
    Ok(Checked {
        rung: Rung::Get,
        columns: BTreeMap::new(),
        refused: Vec::new(),
        facts: vec![
            format!(
                "`{}` answers: {n_issues} issues on a page of one",
                server.url
            ),
            "only GET is ever sent; give the token no right but to read".to_owned(),
        ],
    })
}

fn read_from(
    client: &Client,
    server: &ServerConfig,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let (issues, is_cut) = list(client, server, filter)?;
    let mut reader = Reader {
        gatherer: Gatherer::new(settings)?,
        filter,
        standings: BTreeMap::new(),
        n_undated: 0,
        n_unlisted: u64::from(is_cut),
        n_broken: 0,
    };
    for issue in &issues {
        let Some(id) = issue.get("id").and_then(text) else {
            reader.n_broken += 1;
            continue;
        };
        if reader.is_outside(issue) {
            continue;
        }
        match newest_event(client, server, &id)? {
            Some(event) => reader.take(&id, issue, &event),
            None => reader.n_broken += 1,
        }
    }
    Ok(reader.finish())
}

/// The issues that were seen last, and whether there are more.
fn list(
    client: &Client,
    server: &ServerConfig,
    filter: &Filter,
) -> anyhow::Result<(Vec<Value>, bool)> {
    let mut issues: Vec<Value> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = Some(first_page(server, 100, Some(filter))?);
    while let Some(url) = next {
        anyhow::ensure!(
            seen.len() < MAX_PAGES && seen.insert(url.clone()),
            "the pages of `{}` do not end",
            server.url
        );
        let page = client.get(&url)?;
        issues.extend(items(&page.body).iter().cloned());
        next = page.next;
        if issues.len() >= MAX_LISTED {
            let is_cut = next.is_some() || issues.len() > MAX_LISTED;
            issues.truncate(MAX_LISTED);
            return Ok((issues, is_cut));
        }
    }
    Ok((issues, false))
}

/// A list itself, or the `results` of an answer.
fn items(body: &Value) -> &[Value] {
    let list = body.as_array().or_else(|| body.get("results")?.as_array());
    list.map_or(&[], Vec::as_slice)
}

fn first_page(
    server: &ServerConfig,
    limit: usize,
    filter: Option<&Filter>,
) -> anyhow::Result<String> {
    let project = escaped(&server.project);
    let Some(org) = &server.org else {
        let is_filtered = filter
            .is_some_and(|filter| !(filter.environments.is_empty() && filter.releases.is_empty()));
        if is_filtered {
            return Err(UsageError::with_hint(
                "a server without organizations cannot be asked for one environment or release",
                "leave out `--environment` and `--release`, or read its database: `preset: bugsink`",
            )
            .into());
        }
        return Ok(format!(
            "/api/canonical/0/issues/?project={project}&sort=last_seen&order=desc"
        ));
    };
    let mut path = format!(
        "/api/0/projects/{}/{project}/issues/?statsPeriod=14d&sort=date&limit={limit}&query=",
        escaped(org)
    );
    if let Some(filter) = filter {
        let releases: Vec<String> = filter
            .releases
            .iter()
            .map(|name| format!("release:\"{}\"", name.replace('"', "")))
            .collect();
        path.push_str(&escaped(&releases.join(" ")));
        for environment in &filter.environments {
            path.push_str(&format!("&environment={}", escaped(environment)));
        }
    }
    Ok(path)
}

/// The newest event of an issue, as Sentry tells it or as a Sentry SDK sent it; `None` if the server no longer has it.
fn newest_event(client: &Client, server: &ServerConfig, id: &str) -> anyhow::Result<Option<Value>> {
    let id = escaped(id);
    if let Some(org) = &server.org {
        let path = format!(
            "/api/0/organizations/{}/issues/{id}/events/latest/",
            escaped(org)
        );
        return found(client.get(&path).map(|page| page.body));
    }
    let path = format!("/api/canonical/0/events/?issue={id}&order=desc");
    let events = client.get(&path)?;
    let newest = items(&events.body)
        .first()
        .and_then(|event| event.get("id"))
        .and_then(text);
    let Some(newest) = newest else {
        return Ok(None);
    };
    let path = format!("/api/canonical/0/events/{}/", escaped(&newest));
    found(client.get(&path).map(|page| page.body))
}

/// An event may be gone while its issue is still listed.
fn found(answer: anyhow::Result<Value>) -> anyhow::Result<Option<Value>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(err) if err.is::<UsageError>() && err.to_string().ends_with(": 404") => Ok(None),
        Err(err) => Err(err),
    }
}

struct Reader<'a> {
    gatherer: Gatherer<'a>,
    filter: &'a Filter,
    standings: BTreeMap<crate::issue::Fingerprint, Standing>,
    n_undated: u64,
    n_unlisted: u64,
    n_broken: u64,
}

impl Reader<'_> {
    fn is_outside(&self, issue: &Value) -> bool {
        let last = first(issue, &["lastSeen", "last_seen"]).and_then(time::parse);
        let is_deleted = issue.get("is_deleted").and_then(Value::as_bool) == Some(true);
        is_deleted || last.is_some_and(|last| last <= self.filter.window.from)
    }

    fn take(&mut self, id: &str, issue: &Value, event: &Value) {
        let count = first(issue, &["count", "digested_event_count"]).and_then(text);
        let count = count
            .and_then(|count| count.parse::<u64>().ok())
            .unwrap_or(1);
        let seen = |names: &[&str]| first(issue, names).and_then(time::parse);
        let (first_seen, last_seen) = (
            seen(&["firstSeen", "first_seen"]),
            seen(&["lastSeen", "last_seen"]),
        );
        let Some(last_seen) = last_seen else {
            self.n_undated += count;
            return;
        };
        if self.filter.place(last_seen) == Place::Future {
            self.n_undated += count;
            return;
        }
        let mut raw = raw_event(id, issue, event, last_seen);
        raw.context = context::values(payload(event), &self.gatherer.settings.context);
        let Some(fingerprint) = self.gatherer.add(raw) else {
            self.n_unlisted += count;
            return;
        };
        let mut flags = BTreeSet::new();
        let release = event
            .get("release")
            .and_then(|release| release.get("version").or(Some(release)))
            .and_then(text);
        let release = release.or_else(|| payload(event).get("release").and_then(text));
        let environment =
            tag(event, "environment").or_else(|| payload(event).get("environment").and_then(text));
        let mut clean = |text: Option<String>| {
            let text = text.filter(|text| !text.is_empty())?;
            Some(self.gatherer.cleaner.label(&text, &mut flags))
        };
        let (release, environment) = (clean(release), clean(environment));
        let level = first(issue, &["level"])
            .and_then(text)
            .or_else(|| payload(event).get("level").and_then(text));
        let severity = self.gatherer.severity(level.as_deref(), None);
        let standing = standing(issue);
        let filter = self.filter;
        let Some(known) = self.gatherer.issues.get_mut(&fingerprint) else {
            return;
        };
        let hours = by_hour(issue, filter);
        if hours.is_empty() {
            known.tally.add(count, None, first_seen, Some(last_seen));
        } else {
            for (age, n) in hours {
                known.tally.add(n, Some(age), first_seen, Some(last_seen));
            }
        }
        known.server_ids.insert(id.to_owned());
        known.flags.extend(flags);
        known.severity = known.severity.max(severity);
        known.releases.extend(release);
        known.environments.extend(environment);
        let n_users = issue.get("userCount").and_then(Value::as_u64);
        known.users = known.users.max(n_users);
        let before = self.standings.entry(fingerprint).or_insert(standing);
        *before = standing.min(*before);
    }

    fn finish(self) -> Reading {
        let mut issues = self.gatherer.issues;
        for (fingerprint, standing) in self.standings {
            if let Some(issue) = issues.get_mut(&fingerprint) {
                issue.standing = standing;
            }
        }
        let issues: Vec<_> = issues.into_values().collect();
        Reading {
            n_events: issues.iter().map(|issue| issue.tally.n_events).sum(),
            issues,
            n_undated: self.n_undated,
            n_unlisted: self.n_unlisted,
            n_broken: self.n_broken,
            rung: Rung::Get,
            columns: BTreeMap::new(),
            columns_guessed: false,
            redactions: self.gatherer.cleaner.redactor.counts,
        }
    }
}

/// The issue's own counters, if the server sent them: `[[seconds, count], …]`, a day or an hour each.
fn by_hour(issue: &Value, filter: &Filter) -> BTreeMap<u32, u64> {
    let stats = issue
        .get("stats")
        .and_then(|stats| stats.get("14d").or_else(|| stats.get("24h")));
    let mut hours: BTreeMap<u32, u64> = BTreeMap::new();
    for pair in stats.and_then(Value::as_array).into_iter().flatten() {
        let at = pair
            .get(0)
            .and_then(Value::as_i64)
            .and_then(|at| Timestamp::from_second(at).ok());
        let n = pair.get(1).and_then(Value::as_u64).unwrap_or(0);
        if let (Some(Place::Inside(age)), true) = (at.map(|at| filter.place(at)), n > 0) {
            *hours.entry(age).or_default() += n;
        }
    }
    hours
}

fn standing(issue: &Value) -> Standing {
    let is = |name: &str| issue.get(name).and_then(Value::as_bool) == Some(true);
    match issue.get("status").and_then(Value::as_str) {
        Some("resolved") => Standing::Resolved,
        Some("ignored") => Standing::Muted,
        _ if is("is_resolved") => Standing::Resolved,
        _ if is("is_muted") => Standing::Muted,
        _ => Standing::Open,
    }
}

/// What an SDK sent, where the server shows it as it is.
fn payload(event: &Value) -> &Value {
    event
        .get("data")
        .filter(|data| data.is_object())
        .unwrap_or(event)
}

fn raw_event(id: &str, issue: &Value, event: &Value, at: Timestamp) -> RawEvent {
    let payload = payload(event);
    let entries = event.get("entries").and_then(Value::as_array);
    let entry = |kind: &str| {
        let mut entries = entries.into_iter().flatten();
        let entry = entries.find(|entry| entry.get("type").and_then(Value::as_str) == Some(kind));
        entry.and_then(|entry| entry.get("data"))
    };
    let exception = entry("exception").or_else(|| payload.get("exception"));
    let values =
        exception.and_then(|exception| exception.get("values").unwrap_or(exception).as_array());
    let values: &[Value] = values.map_or(&[], Vec::as_slice);
    // The exception that was reported comes last, its causes before it.
    let (main, causes) = match values.split_last() {
        Some((main, causes)) => (Some(main), causes),
        None => (None, &[][..]),
    };
    let of_main = |name: &str| main.and_then(|main| main.get(name)).and_then(text);
    let message = entry("message").or_else(|| payload.get("logentry"));
    let of_message = |names: &[&str]| {
        message
            .and_then(|message| first(message, names))
            .and_then(text)
    };
    let title = || first(issue, &["title", "calculated_value"]).and_then(text);
    let explicit = payload.get("fingerprint").and_then(Value::as_array);
    let explicit: Vec<String> = explicit.into_iter().flatten().filter_map(text).collect();
    let is_default = explicit.iter().any(|part| part.contains("{{"));
    let event_id = first(event, &["eventID", "event_id"]).and_then(text);
    RawEvent {
        error_type: of_main("type"),
        module: of_main("module"),
        message: of_main("value")
            .or_else(|| of_message(&["formatted", "message"]))
            .or_else(title)
            .unwrap_or_default(),
        template: of_message(&["message"]),
        frames: main.map(frames).unwrap_or_default(),
        causes: causes
            .iter()
            .rev()
            .map(|cause| {
                let part = |name: &str| cause.get(name).and_then(text).unwrap_or_default();
                format!("{}: {}", part("type"), part("value"))
            })
            .collect(),
        explicit: if is_default { Vec::new() } else { explicit },
        id: event_id.or_else(|| Some(id.to_owned())),
        at: Some(at),
        ..RawEvent::default()
    }
}

/// The innermost last, in the spellings of the server and of the SDKs.
fn frames(exception: &Value) -> Vec<RawFrame> {
    let stack = first(
        exception,
        &["stacktrace", "rawStacktrace", "raw_stacktrace"],
    );
    let frames = stack
        .and_then(|stack| stack.get("frames"))
        .and_then(Value::as_array);
    let frames = frames.into_iter().flatten().map(|frame| {
        let part = |names: &[&str]| first(frame, names).and_then(text);
        RawFrame {
            file: part(&["filename", "absPath", "abs_path", "module"])
                .unwrap_or_else(|| "<unknown>".to_owned()),
            line: part(&["lineNo", "lineno"]).and_then(|line| line.parse().ok()),
            function: part(&["function"]),
            application: None,
            in_app: first(frame, &["inApp", "in_app"]).and_then(Value::as_bool),
        }
    });
    frames.collect()
}

/// The first of some names that is there and not null.
fn first<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names
        .iter()
        .filter_map(|name| value.get(name))
        .find(|value| !value.is_null())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn tag(event: &Value, name: &str) -> Option<String> {
    let tags = event.get("tags").and_then(Value::as_array)?;
    let tag = tags
        .iter()
        .find(|tag| tag.get("key").and_then(Value::as_str) == Some(name))?;
    text(tag.get("value")?)
}

/// For a path or a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
