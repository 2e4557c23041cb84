//! How `run` calls an agent: which one, how often, for how long, and what of the machine it is given.
//!
//! The agents that are shipped are data, in `policies/agents/`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use super::file::{At, List, Said};
use super::merge::{Merge, Read, Stricter};
use super::{Network, SourceConfig, SourceKind, TokenPlace, Url, file, schema, value};
use crate::usage::UsageError;

/// The section `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPolicy {
    /// `None` where `--agent` must say it.
    pub agent: Option<AgentChoice>,
    /// Further arguments for a shipped agent.
    pub args: Vec<String>,
    /// How often an agent may try one issue.
    pub attempts: usize,
    /// Issues of one run.
    pub max: usize,
    /// For one attempt.
    pub time: Duration,
    /// For one run.
    pub budget: Duration,
    /// Variables of the user's that an agent gets.
    pub env: Vec<String>,
    /// Files of the user's `HOME` that are copied into the agent's own.
    pub home: Vec<String>,
    /// What else it may read, by absolute paths.
    pub readable: Vec<String>,
    pub network: Network,
    /// With a network, the only hosts that an agent reaches; all there are if none is named.
    pub hosts: Vec<Host>,
    pub stop_loss: StopLoss,
    /// `Name <e-mail>`; `None` for whoever git says is at work here.
    pub author: Option<Author>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentChoice {
    /// One that is shipped.
    Named(String),
    /// For `/bin/sh -c`; the brief is its standard input.
    Line(String),
}

/// One port of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

/// So many refusals on an area in so many days, and a person has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLoss {
    pub refusals: usize,
    pub days: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// How one client is called without a terminal, and how its answer is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    pub name: String,
    /// Looked for on the `PATH`.
    pub program: String,
    /// `{prompt}` and `{prompt_file}` are filled in; `{sandbox}` stands for one of the two lists below, `{args}` for the policy's `run.args`.
    pub argv: Vec<String>,
    /// Where the guard's own sandbox shuts it in.
    #[serde(default)]
    pub confined: Vec<String>,
    /// Where it does not.
    #[serde(default)]
    pub alone: Vec<String>,
    pub prompt: PromptBy,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables that hold its key, one of which is enough; the policy names which it is given.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Files of `HOME` in which it keeps a login.
    #[serde(default)]
    pub logins: Vec<String>,
    pub result: ResultSpec,
    /// Globs of files that it leaves in a project without being asked; they are never part of a fix.
    #[serde(default)]
    pub leaves: Vec<String>,
}

/// How an agent is told what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptBy {
    Stdin,
    Argument,
    /// `{prompt_file}` is one of the arguments.
    File,
}

/// Where the answer and the figures stand in what an agent prints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultSpec {
    pub form: ResultForm,
    /// JSON pointers, `*` for every member. The last text that is found is the answer.
    pub answer: Vec<String>,
    /// Of lines, only those that have these values.
    pub answer_in: BTreeMap<String, String>,
    /// Added up.
    pub tokens: Vec<String>,
    /// Of lines, only those that have these values.
    pub figures_in: BTreeMap<String, String>,
    /// Dollars, added up.
    pub cost: Vec<String>,
    /// In text: a pattern whose first group is what it cost; the last match counts.
    pub cost_pattern: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResultForm {
    /// One JSON object.
    Object,
    /// A JSON object on each line.
    Lines,
    #[default]
    Text,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
/// The loop with an agent.
pub(super) struct RunFile {
    /// One that is shipped.
    #[schemars(schema_with = "schema::agent")]
    pub agent: Said<String>,
    /// A line for `/bin/sh -c` in place of a shipped agent; the brief is its standard input.
    #[schemars(schema_with = "schema::text")]
    pub command: Said<String>,
    /// Further arguments for a shipped agent, such as the model.
    #[schemars(schema_with = "schema::lines")]
    pub args: List,
    /// How often an agent may try one issue.
    #[schemars(schema_with = "schema::attempts")]
    pub attempts: Said<u64>,
    /// Issues of one run, at most.
    #[schemars(schema_with = "schema::some_issues")]
    pub max: Said<u64>,
    /// For one attempt.
    #[schemars(schema_with = "schema::duration")]
    pub time: Said<String>,
    /// For a whole run.
    #[schemars(schema_with = "schema::duration")]
    pub budget: Said<String>,
    /// Variables of the user's that an agent gets, such as its client's key; never those of a source of errors.
    #[schemars(schema_with = "schema::variable_names")]
    pub env: List,
    /// Files below the user's `HOME` that are copied into the agent's own, such as its client's login.
    #[schemars(schema_with = "schema::lines")]
    pub home: List,
    /// Absolute paths that an agent may read beside the system's folders and its tools.
    #[schemars(schema_with = "schema::lines")]
    pub readable: List,
    /// Whether an agent has a network: none, or all of it, where `hosts` names no hosts.
    #[schemars(schema_with = "schema::allow_or_deny")]
    pub network: Said<String>,
    /// With `network: allow`, the only hosts that an agent reaches, as `name` (port 443) or `name:port`.
    #[schemars(schema_with = "schema::hosts")]
    pub hosts: List,
    /// When a person has to look.
    pub stop_loss: StopLossFile,
    /// Who the commits are by, as `Name <e-mail>`; where nothing is said, whoever git says.
    #[schemars(schema_with = "schema::text")]
    pub author: Said<String>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
/// Refusals on one area, after which no agent tries it.
pub(super) struct StopLossFile {
    /// So many.
    #[schemars(schema_with = "schema::attempts")]
    pub refusals: Said<u64>,
    /// In so many days.
    #[schemars(schema_with = "schema::days")]
    pub days: Said<u64>,
}

/// Name and text of each shipped agent.
const AGENTS: &[(&str, &str)] = &[
    ("aider", include_str!("../../policies/agents/aider.yaml")),
    ("claude", include_str!("../../policies/agents/claude.yaml")),
    ("codex", include_str!("../../policies/agents/codex.yaml")),
    ("cursor", include_str!("../../policies/agents/cursor.yaml")),
    ("gemini", include_str!("../../policies/agents/gemini.yaml")),
    (
        "opencode",
        include_str!("../../policies/agents/opencode.yaml"),
    ),
];

pub(super) const MAX_ATTEMPTS: u64 = 10;
pub(super) const MAX_ISSUES: u64 = 100;
pub(super) const MAX_DAYS: u64 = 365;
const MAX_HOSTS: usize = 32;

/// The names of the shipped agents, sorted.
pub fn agents() -> impl Iterator<Item = &'static str> {
    AGENTS.iter().map(|(name, _)| *name)
}

/// How a shipped agent is called; `None` if there is none of that name.
pub fn agent(name: &str) -> anyhow::Result<Option<AgentSpec>> {
    let Some((name, text)) = AGENTS.iter().find(|(known, _)| *known == name) else {
        return Ok(None);
    };
    let spec = file::shape(text, name).with_context(|| format!("read the agent `{name}`"))?;
    Ok(Some(spec))
}

impl AgentChoice {
    /// As a person writes it: a name, or a command, which has a space or a slash in it.
    ///
    /// # Errors
    /// It is neither.
    pub fn read(text: &str) -> Result<AgentChoice, String> {
        let text = text.trim();
        if agents().any(|name| name == text) {
            return Ok(AgentChoice::Named(text.to_owned()));
        }
        if text.contains([' ', '/']) {
            value::plain_text(text)?;
            return Ok(AgentChoice::Line(text.to_owned()));
        }
        let names: Vec<&str> = agents().collect();
        let unknown = value::unknown("agent", text, &names);
        Err(format!(
            "{unknown}; a command of your own has a space or a slash in it: `./{text}`"
        ))
    }

    /// What it is called in commits and answers: the name, or that of the command's program.
    pub fn name(&self) -> String {
        match self {
            AgentChoice::Named(name) => name.clone(),
            AgentChoice::Line(line) => {
                let program = line.split_whitespace().next().unwrap_or_default();
                let name = program.rsplit('/').next().unwrap_or_default();
                let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
                let name: String = name.chars().filter(is_plain).take(40).collect();
                if name.is_empty() {
                    "command".into()
                } else {
                    name
                }
            }
        }
    }
}

impl Author {
    /// `Name <e-mail>`.
    fn read(text: &str) -> Result<Author, String> {
        let wrong = || format!("`{}` is not `Name <e-mail>`", file::shown(text));
        let (name, rest) = text.split_once('<').ok_or_else(wrong)?;
        let email = rest.strip_suffix('>').ok_or_else(wrong)?;
        let is_plain = |part: &str| {
            let is_odd = |c: char| c.is_control() || "<>\"".contains(c);
            !part.is_empty() && !part.contains(is_odd)
        };
        let name = name.trim();
        if !is_plain(name) || !is_plain(email) || email.contains(' ') || !email.contains('@') {
            return Err(wrong());
        }
        Ok(Author {
            name: name.to_owned(),
            email: email.to_owned(),
        })
    }
}

impl Host {
    /// As a policy writes it: `api.example.com`, or `localhost:8080`.
    ///
    /// # Errors
    /// It is no name with or without a port. An address is none: whoever is behind it has no name to be checked by.
    pub fn read(text: &str) -> Result<Host, String> {
        let wrong = || {
            let text = file::shown(text);
            Err(format!(
                "`{text}` is no host: a name, as `api.example.com`, or `localhost:8080`"
            ))
        };
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|&port| port > 0)),
            None => (text, Some(443)),
        };
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(is_plain)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // An address ends with a number.
        let is_name = name
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.bytes().all(|c| c.is_ascii_digit()));
        match port {
            Some(port) if is_name && name.len() <= 253 && name.split('.').all(is_label) => {
                let name = name.to_owned();
                Ok(Host { name, port })
            }
            _ => wrong(),
        }
    }
}

impl Merge<'_> {
    /// `sources` says which variables are none of an agent's business.
    pub(super) fn run(&mut self, sources: &[SourceConfig]) -> anyhow::Result<RunPolicy> {
        let agent = self.agent_of_run()?;
        let tokens: Vec<&str> = sources.iter().flat_map(variables_of).collect();
        let key_files: Vec<&str> = sources.iter().flat_map(files_of).collect();
        let env = self.list(
            "run.env",
            |file| &file.run.env,
            |name| {
                value::variable(name)?;
                match tokens.contains(&name) {
                    true => Err(format!(
                        "`{name}` is the key of a source of errors: no agent is given it"
                    )),
                    false => Ok(()),
                }
            },
        )?;
        Ok(RunPolicy {
            agent,
            args: self.ordered("run.args", |file| &file.run.args)?,
            attempts: self.number(
                "run.attempts",
                |file| &file.run.attempts,
                (1, MAX_ATTEMPTS),
                Stricter::Smaller,
            )?,
            max: self.number(
                "run.max",
                |file| &file.run.max,
                (1, MAX_ISSUES),
                Stricter::Smaller,
            )?,
            time: self.duration("run.time", |file| &file.run.time)?,
            budget: self.duration("run.budget", |file| &file.run.budget)?,
            env,
            home: self.list("run.home", |file| &file.run.home, below_home)?,
            readable: self.list(
                "run.readable",
                |file| &file.run.readable,
                |path| {
                    absolute(path)?;
                    let is_above = |file: &&str| Path::new(*file).starts_with(path);
                    match key_files.iter().any(is_above) {
                        true => Err(format!(
                            "in `{path}` is the key of a source of errors: no agent may read it"
                        )),
                        false => Ok(()),
                    }
                },
            )?,
            network: self.word(
                "run.network",
                |file| &file.run.network,
                &[("deny", Network::Deny), ("allow", Network::Allow)],
            )?,
            hosts: self.hosts_of_run()?,
            stop_loss: StopLoss {
                refusals: self.number(
                    "run.stop_loss.refusals",
                    |file| &file.run.stop_loss.refusals,
                    (1, MAX_ATTEMPTS),
                    Stricter::Smaller,
                )?,
                days: self.number(
                    "run.stop_loss.days",
                    |file| &file.run.stop_loss.days,
                    (1, MAX_DAYS),
                    Stricter::Larger,
                )?,
            },
            author: self.author_of_run()?,
        })
    }

    fn hosts_of_run(&mut self) -> Read<Vec<Host>> {
        let check = |text: &str| Host::read(text).map(drop);
        let named = self.list("run.hosts", |file| &file.run.hosts, check)?;
        if let Some((layer, at)) = self.said(|file| &file.run.hosts).last()
            && named.len() > MAX_HOSTS
        {
            let n = named.len();
            return Err(layer.wrong(at, format!("{n} hosts: at most {MAX_HOSTS}")));
        }
        let mut hosts: Vec<Host> = Vec::new();
        for host in named.iter().filter_map(|text| Host::read(text).ok()) {
            // `a.example` and `a.example:443` are one.
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// The last layer that names one.
    fn agent_of_run(&mut self) -> Read<Option<AgentChoice>> {
        let mut last = None;
        let layers = self.layers;
        for layer in layers {
            let run = &layer.shape().run;
            let (at, choice) = match (&run.agent.0, &run.command.0) {
                (None, None) => continue,
                (Some(_), Some(at)) => {
                    return Err(layer.wrong(at, "either `agent` or `command`"));
                }
                (Some(at), None) => {
                    let names: Vec<&str> = agents().collect();
                    if !names.contains(&at.value.as_str()) {
                        let message = value::unknown("agent", &at.value, &names);
                        return Err(layer.wrong(at, message));
                    }
                    (at, AgentChoice::Named(at.value.clone()))
                }
                (None, Some(at)) => {
                    value::plain_text(&at.value).map_err(|err| layer.wrong(at, err))?;
                    (at, AgentChoice::Line(at.value.clone()))
                }
            };
            last = Some((choice, layer.origin(at.line)));
        }
        let Some((choice, origin)) = last else {
            return Ok(None);
        };
        match &choice {
            AgentChoice::Named(name) => self.note("run.agent", name, origin),
            AgentChoice::Line(line) => self.note("run.command", line, origin),
        }
        Ok(Some(choice))
    }

    fn author_of_run(&mut self) -> Read<Option<Author>> {
        let key = "run.author";
        if self.said(|file| &file.run.author).is_empty() {
            return Ok(None);
        }
        self.last(
            key,
            |file| &file.run.author,
            |text| Author::read(text),
            |author| format!("{} <{}>", author.name, author.email),
        )
        .map(Some)
    }

    /// The last list that is said is all of it: its order matters.
    fn ordered(
        &mut self,
        key: &str,
        get: impl Fn(&file::PolicyFile) -> &List,
    ) -> Read<Vec<String>> {
        let mut last: Vec<At<String>> = Vec::new();
        let mut origin = None;
        for (layer, at) in self.said(get) {
            for item in &at.value {
                value::plain_text(&item.value).map_err(|err| layer.wrong(item, err))?;
            }
            last.clone_from(&at.value);
            origin = Some(layer.origin(at.line));
        }
        let items: Vec<String> = last.into_iter().map(|at| at.value).collect();
        for (n, item) in items.iter().enumerate() {
            if let Some(origin) = origin.clone() {
                self.note(format!("{key}.{}", n + 1), item, origin);
            }
        }
        Ok(items)
    }
}

/// Variables that hold a key of a source, or say where it is.
fn variables_of(source: &SourceConfig) -> Vec<&str> {
    let mut places = places_of(source);
    places.retain(|place| matches!(place, TokenPlace::Variable(_)));
    let mut names: Vec<&str> = places.into_iter().map(name_of).collect();
    if let SourceKind::Postgres { server, .. } = &source.kind
        && let Url::Variable(name) = &server.url
    {
        names.push(name);
    }
    names
}

/// Files that hold a key of a source.
fn files_of(source: &SourceConfig) -> Vec<&str> {
    let mut places = places_of(source);
    places.retain(|place| matches!(place, TokenPlace::File(_)));
    places.into_iter().map(name_of).collect()
}

fn places_of(source: &SourceConfig) -> Vec<&TokenPlace> {
    match &source.kind {
        SourceKind::Sentry(server) => vec![&server.token],
        SourceKind::Postgres { server, .. } => Vec::from_iter(&server.password),
        SourceKind::Sqlite { .. } | SourceKind::Jsonl { .. } => Vec::new(),
    }
}

fn name_of(place: &TokenPlace) -> &str {
    match place {
        TokenPlace::Variable(name) | TokenPlace::File(name) => name,
    }
}

fn below_home(text: &str) -> Result<(), String> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    match !text.chars().any(char::is_control) && text.split('/').all(is_plain) {
        true => Ok(()),
        false => Err(format!("`{}` is no file below `HOME`", file::shown(text))),
    }
}

fn absolute(text: &str) -> Result<(), String> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    let below = text.strip_prefix('/').unwrap_or_default();
    match !text.chars().any(char::is_control) && below.split('/').all(is_plain) {
        true => Ok(()),
        false => Err(format!(
            "`{}` is no absolute path below `/`",
            file::shown(text)
        )),
    }
}

/// The choice of a person, as a [`UsageError`] where it is none.
pub fn choice(text: &str) -> Result<AgentChoice, UsageError> {
    AgentChoice::read(text).map_err(UsageError::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn policy(run: &str) -> anyhow::Result<RunPolicy> {
        Policy::load(&format!("version: 1\nrun: {run}\n"), "p.yaml").map(|policy| policy.run)
    }

    #[track_caller]
    fn check(run: &str, expected: &str) {
        let error = policy(run).expect_err(run);
        let said = error.to_string();
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn every_shipped_agent_is_read_and_can_be_called() {
        for name in agents() {
            let spec = agent(name).expect(name).expect(name);
            assert_eq!(spec.name, name);
            let all: Vec<&String> = spec.argv.iter().collect();
            let says = |what: &str| all.iter().any(|word| word.contains(what));
            match spec.prompt {
                PromptBy::Argument => assert!(says("{prompt}"), "{name}"),
                PromptBy::File => assert!(says("{prompt_file}"), "{name}"),
                PromptBy::Stdin => assert!(!says("{prompt"), "{name}"),
            }
            assert!(says("{args}"), "{name}");
            assert_eq!(
                says("{sandbox}"),
                !(spec.confined.is_empty() && spec.alone.is_empty()),
                "{name}"
            );
            for glob in &spec.leaves {
                value::glob(glob).expect(name);
            }
            for variable in spec.keys.iter().chain(spec.env.keys()) {
                value::variable(variable).expect(name);
            }
            if let Some(pattern) = &spec.result.cost_pattern {
                let pattern = regex::Regex::new(pattern).expect(name);
                assert_eq!(pattern.captures_len(), 2, "{name}");
            }
        }
        assert!(agent("nobody").expect("no error").is_none());
    }

    #[test]
    fn without_a_word_nobody_is_called_and_nothing_is_open() {
        let run = policy("{}").expect("a policy");
        assert_eq!((run.agent, run.network), (None, Network::Deny));
        assert!(run.env.is_empty() && run.home.is_empty() && run.readable.is_empty());
        assert_eq!((run.attempts, run.stop_loss.refusals), (2, 3));
    }

    #[test]
    fn what_is_said_counts() {
        let run = policy(
            "{command: ./fix.sh, args: [-m, x], attempts: 3, time: 5m, env: [A_KEY], network: allow, author: 'Bot <b@example.org>'}",
        )
        .expect("a policy");
        assert_eq!(run.agent, Some(AgentChoice::Line("./fix.sh".into())));
        assert_eq!(run.args, ["-m", "x"]);
        assert_eq!((run.attempts, run.time.as_secs()), (3, 300));
        assert_eq!(
            run.author.map(|author| author.email),
            Some("b@example.org".into())
        );
        let hosts = policy("{hosts: [api.example.com, 'localhost:8080', 'api.example.com:443']}")
            .expect("a policy");
        let hosts: Vec<String> = hosts
            .hosts
            .iter()
            .map(|host| format!("{} {}", host.name, host.port))
            .collect();
        assert_eq!(hosts, ["api.example.com 443", "localhost 8080"]);
        let named = policy("{agent: codex}").expect("a policy");
        assert_eq!(named.agent, Some(AgentChoice::Named("codex".into())));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        check("{agent: codx}", "did you mean `codex`?");
        check("{agent: codex, command: x}", "either `agent` or `command`");
        check("{attempts: 0}", "0 is not between 1 and 10");
        check("{env: [GIT_DIR]}", "`GIT_DIR` cannot be given");
        check("{home: [../x]}", "no file below `HOME`");
        let long = format!("{}.example", "a".repeat(64));
        for host in [
            "https://a.example",
            "a.example/v1",
            "a.example:0",
            "a.example:65536",
            "a.example:",
            "*.example",
            "-a.example",
            "a..example",
            "A.example",
            "10.0.0.1",
            "127.0.0.1:80",
            "::1",
            "a b",
            "",
            &long,
        ] {
            check(&format!("{{hosts: ['{host}']}}"), "is no host");
        }
        let many: Vec<String> = (0..33).map(|n| format!("a{n}.example")).collect();
        check(
            &format!("{{hosts: [{}]}}", many.join(", ")),
            "33 hosts: at most 32",
        );
        check("{home: [/etc/passwd]}", "no file below `HOME`");
        check("{readable: [x]}", "no absolute path");
        check("{readable: [/]}", "no absolute path");
        check("{author: Bot}", "is not `Name <e-mail>`");
        check("{tokens: 5}", "unknown key `tokens`");
    }

    #[test]
    fn the_key_of_a_source_is_never_given_away() {
        let sentry = "kind: sentry, url: 'https://x.example', project: p, org: o";
        let postgres = "kind: postgres, table: errors";
        for (source, run) in [
            (
                format!("{sentry}, token_env: ERRORS"),
                "env: [OTHER, ERRORS]",
            ),
            (format!("{postgres}, url_env: ERRORS"), "env: [ERRORS]"),
            (
                format!("{postgres}, url: 'postgres://a@localhost/b', password_env: ERRORS"),
                "env: [ERRORS]",
            ),
            (
                format!("{sentry}, token_file: /srv/keys/errors"),
                "readable: [/srv/keys]",
            ),
        ] {
            let text = format!("version: 1\nsources: [{{name: a, {source}}}]\nrun: {{{run}}}\n");
            let error = Policy::load(&text, "p.yaml").expect_err(&source);
            let said = error.to_string();
            assert!(said.contains("key of a source of errors"), "{said}");
            let without = text
                .replace("ERRORS]", "OTHER]")
                .replace("/srv/keys]", "/srv/other]");
            Policy::load(&without, "p.yaml").expect(&source);
        }
    }

    #[test]
    fn a_word_on_the_command_line_is_a_name_or_a_command() {
        assert_eq!(
            AgentChoice::read("codex"),
            Ok(AgentChoice::Named("codex".into()))
        );
        assert_eq!(
            AgentChoice::read("./a"),
            Ok(AgentChoice::Line("./a".into()))
        );
        assert_eq!(
            AgentChoice::read("a b"),
            Ok(AgentChoice::Line("a b".into()))
        );
        let error = AgentChoice::read("codx").expect_err("neither");
        assert!(error.contains("did you mean `codex`?"), "{error}");
        for (line, name) in [
            ("/x/fix.sh -a", "fix.sh"),
            ("'$(x)' y", "x"),
            ("; y", "command"),
        ] {
            assert_eq!(AgentChoice::Line(line.into()).name(), name);
        }
    }
}
