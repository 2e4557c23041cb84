//! The sources of a policy: where production errors live, and how their tables are read.
//!
//! Presets for the tables of well-known libraries are policies too, in `policies/sources/`: whatever they can say, anybody can say of a table of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::file::{self, At, Entries, List, Said, SourceFile};
use super::later;
use super::merge::{Layer, Merge, Read};
use super::postgres::PostgresConfig;
use super::value::{self, Pattern};
use crate::issue::Severity;
use crate::usage::UsageError;

/// Where production errors live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    pub name: String,
    pub kind: SourceKind,
    pub levels: BTreeMap<String, Severity>,
    pub stack: StackConfig,
    /// Patterns that are redacted beside those that are built in, by name.
    pub redact: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Tables in a SQLite file.
    Sqlite { path: String, table: TableConfig },
    /// Tables of a PostgreSQL server.
    Postgres {
        server: PostgresConfig,
        table: TableConfig,
    },
    /// Lines of JSON in a file, or on standard input: `-`.
    Jsonl { path: String },
    /// The web interface of Sentry and of what speaks like it.
    Sentry(ServerConfig),
}

/// A table with one row an event, or with a column that counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableConfig {
    pub table: String,
    pub join: Option<JoinConfig>,
    /// Our names to where the values are, best first. Empty if they are to be guessed.
    pub columns: BTreeMap<String, Vec<Field>>,
    pub frames: Option<FramesConfig>,
    /// Only rows that have these values.
    pub filter: Vec<(Field, String)>,
    /// How long a reading may take, where it is said.
    pub timeout: Option<Duration>,
}

/// A second table: `left` of the first is `right` of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinConfig {
    pub table: String,
    pub left: String,
    pub right: String,
}

/// A place of a row: a column, or something inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `None` for the table with the events.
    pub table: Option<String>,
    pub column: String,
    pub inner: Option<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A path inside JSON: `$.user.id`.
    Json(String),
    /// An attribute of the root inside XML.
    Attribute(String),
}

/// Frames in a JSON array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramesConfig {
    pub of: Field,
    pub crash_first: bool,
    /// Members of each frame, by [`FRAME_KEYS`].
    pub members: BTreeMap<String, String>,
}

/// What a policy says of stack traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackConfig {
    pub roots: Vec<String>,
    pub in_app: Vec<String>,
    pub not_in_app: Vec<String>,
    pub applications: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// `https://host[:port]`, or `http` of this machine.
    pub url: String,
    pub org: Option<String>,
    pub project: String,
    pub token: TokenPlace,
}

/// Where a token is; never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    Variable(String),
    File(String),
}

/// Name and text of each preset.
pub(super) const PRESETS: &[(&str, &str)] = &[
    (
        "bugsink",
        include_str!("../../policies/sources/bugsink.yaml"),
    ),
    (
        "django_db_logger",
        include_str!("../../policies/sources/django_db_logger.yaml"),
    ),
    ("elmah", include_str!("../../policies/sources/elmah.yaml")),
    (
        "error_tracker",
        include_str!("../../policies/sources/error_tracker.yaml"),
    ),
    (
        "solid_errors",
        include_str!("../../policies/sources/solid_errors.yaml"),
    ),
    (
        "telescope",
        include_str!("../../policies/sources/telescope.yaml"),
    ),
];

pub(super) const FRAME_KEYS: &[&str] = &[
    "application",
    "file",
    "function",
    "in_app",
    "line",
    "of",
    "order",
];
pub(super) const LEVELS: &[&str] = &["debug", "error", "fatal", "info", "warning"];

impl TableConfig {
    /// A table whose columns are guessed by their names.
    pub fn plain(table: &str) -> TableConfig {
        TableConfig {
            table: table.to_owned(),
            ..TableConfig::default()
        }
    }
}

impl Field {
    /// The column of the table with the events.
    pub fn column(name: &str) -> Field {
        Field {
            table: None,
            column: name.to_owned(),
            inner: None,
        }
    }

    /// `column`, `table.column`, `… -> $.path`, `… -> @attribute`.
    pub fn parse(text: &str) -> Result<Field, String> {
        value::plain_text(text)?;
        let (place, inner) = match text.split_once(" -> ") {
            Some((place, inner)) => (place.trim(), Some(inner_of(inner.trim())?)),
            None => (text.trim(), None),
        };
        let (table, column) = match place.split_once('.') {
            Some((table, column)) => (Some(table.to_owned()), column),
            None => (None, place),
        };
        if column.is_empty() || table.as_ref().is_some_and(String::is_empty) {
            return Err(format!("`{}` names no column", file::shown(text)));
        }
        Ok(Field {
            table,
            column: column.to_owned(),
            inner,
        })
    }
}

fn inner_of(text: &str) -> Result<Inner, String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if let Some(name) = text.strip_prefix('@').filter(|name| is_name(name)) {
        return Ok(Inner::Attribute(name.to_owned()));
    }
    let form = regex::Regex::new(r#"^\$(\.\w+|\."[\w. -]+"|\[#?-?[0-9]+\])+$"#);
    if form.expect("the pattern is constant").is_match(text) {
        return Ok(Inner::Json(text.to_owned()));
    }
    Err(format!(
        "`{}` is no place inside a column: `$.name[0]`, `$.\"a.b\"` in JSON, `@name` in XML",
        file::shown(text)
    ))
}

impl Merge<'_> {
    pub(super) fn sources(&mut self) -> Read<Vec<SourceConfig>> {
        let mut sources: Vec<SourceConfig> = Vec::new();
        let layers = self.layers;
        for layer in layers {
            for at in layer.shape().sources.0.iter().flat_map(|list| &list.value) {
                let source = source(layer, at)?;
                if sources.iter().any(|other| other.name == source.name) {
                    let name = at
                        .value
                        .name
                        .0
                        .as_ref()
                        .unwrap_or_else(|| unreachable!("it has one"));
                    return Err(layer.wrong(
                        name,
                        format!("name `{}` stands in `sources` twice", source.name),
                    ));
                }
                self.note(
                    format!("sources.{}", source.name),
                    shown(&source),
                    layer.origin(at.line),
                );
                sources.push(source);
            }
        }
        Ok(sources)
    }
}

/// Everything that decides what is read, on one line.
fn shown(source: &SourceConfig) -> String {
    let mut parts = vec![match &source.kind {
        SourceKind::Sqlite { path, table } => format!("sqlite {path} {}", shown_table(table)),
        SourceKind::Postgres { server, table } => {
            format!("postgres {server} {}", shown_table(table))
        }
        SourceKind::Jsonl { path } => format!("jsonl {path}"),
        SourceKind::Sentry(server) => format!(
            "sentry {} org {} project {} token {:?}",
            server.url,
            server.org.as_deref().unwrap_or("none"),
            server.project,
            server.token
        ),
    }];
    let stack = &source.stack;
    let lists = [
        ("app_root", &stack.roots),
        ("in_app", &stack.in_app),
        ("not_in_app", &stack.not_in_app),
        ("applications", &stack.applications),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            parts.push(format!("{key} {list:?}"));
        }
    }
    if !source.levels.is_empty() {
        parts.push(format!("levels {:?}", source.levels));
    }
    if !source.redact.is_empty() {
        parts.push(format!("redact {:?}", source.redact));
    }
    parts.join(" ")
}

fn shown_table(table: &TableConfig) -> String {
    let mut said = format!("table {}", table.table);
    if let Some(join) = &table.join {
        said.push_str(&format!(
            " join {} on {} = {}",
            join.table, join.left, join.right
        ));
    }
    let columns = table.columns.iter().map(|(key, fields)| {
        let fields: Vec<String> = fields.iter().map(Field::to_string).collect();
        format!("{key}: {}", fields.join(" | "))
    });
    said.push_str(&format!(
        " columns {{{}}}",
        columns.collect::<Vec<_>>().join(", ")
    ));
    if let Some(frames) = &table.frames {
        let order = if frames.crash_first { "first" } else { "last" };
        said.push_str(&format!(
            " frames {} crash {order} {:?}",
            frames.of, frames.members
        ));
    }
    for (field, wanted) in &table.filter {
        said.push_str(&format!(" where {field} = {wanted:?}"));
    }
    if let Some(timeout) = table.timeout {
        said.push_str(&format!(" timeout {}", value::shown_duration(timeout)));
    }
    said
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(table) = &self.table {
            write!(f, "{table}.")?;
        }
        f.write_str(&self.column)?;
        match &self.inner {
            Some(Inner::Json(path)) => write!(f, " -> {path}"),
            Some(Inner::Attribute(name)) => write!(f, " -> @{name}"),
            None => Ok(()),
        }
    }
}

/// Reads one entry of `sources`.
fn source(layer: &Layer, at: &At<SourceFile>) -> Read<SourceConfig> {
    let entry = &at.value;
    let missing = |key: &str| layer.wrong(at, format!("this entry of `sources` has no `{key}`"));
    let name = entry.name.0.as_ref().ok_or_else(|| missing("name"))?;
    let kind = entry.kind.0.as_ref().ok_or_else(|| missing("kind"))?;
    value::identifier(&name.value).map_err(|err| layer.wrong(name, err))?;
    let kinds = [
        ("jsonl", 'j'),
        ("postgres", 'p'),
        ("sentry", 's'),
        ("sqlite", 't'),
    ];
    let which = value::choice(&kind.value, &kinds).map_err(|err| layer.wrong(kind, err))?;
    let preset = match &entry.preset.0 {
        Some(name) => Some(preset(&name.value).map_err(|err| layer.wrong(name, err))?),
        None => None,
    };
    let entries = Layered {
        layer,
        entry,
        preset: preset.as_ref(),
    };
    let path = || match text(layer, &entry.path)? {
        Some(path) => Ok(path),
        None => Err(missing("path")),
    };
    let kind = match which {
        'j' => SourceKind::Jsonl { path: path()? },
        'p' => SourceKind::Postgres {
            server: PostgresConfig::read(layer, at)?,
            table: entries.table()?.ok_or_else(|| missing("table"))?,
        },
        't' => SourceKind::Sqlite {
            path: path()?,
            table: entries.table()?.ok_or_else(|| missing("table"))?,
        },
        _ => SourceKind::Sentry(server(layer, at)?),
    };
    entries.check_used(&kind)?;
    Ok(SourceConfig {
        name: name.value.clone(),
        kind,
        levels: entries.levels()?,
        stack: entries.stack()?,
        redact: redact(layer, entry)?,
    })
}

fn preset(name: &str) -> Result<SourceFile, String> {
    let choices: Vec<(&str, &str)> = PRESETS.to_vec();
    let text = value::choice(name, &choices)?;
    let shape =
        file::parse(text, &format!("source preset `{name}`")).map_err(|err| err.to_string())?;
    let entries = shape.sources.0.map_or(Vec::new(), |list| list.value);
    let mut entries = entries.into_iter();
    let first = entries.next().ok_or("the preset is empty")?;
    Ok(first.value)
}

/// An entry over its preset.
struct Layered<'a> {
    layer: &'a Layer,
    entry: &'a SourceFile,
    preset: Option<&'a SourceFile>,
}

impl Layered<'_> {
    /// What the entry says, else what its preset says.
    fn said<T>(&self, get: impl Fn(&SourceFile) -> &Said<T>) -> Option<&At<T>> {
        let own = get(self.entry).0.as_ref();
        own.or_else(|| self.preset.and_then(|preset| get(preset).0.as_ref()))
    }

    /// The entries of both; those of the entry win.
    fn entries(
        &self,
        get: impl Fn(&SourceFile) -> &Said<Entries<String>>,
    ) -> BTreeMap<String, (&At<String>, &At<String>)> {
        let both = self.preset.into_iter().chain([self.entry]);
        let said = both.filter_map(|file| get(file).0.as_ref());
        let pairs = said.flat_map(|at| &at.value.0);
        pairs
            .map(|(key, value)| (key.value.clone(), (key, value)))
            .collect()
    }

    /// `None` if nothing names it.
    fn table(&self) -> Read<Option<TableConfig>> {
        let Some(table) = self.said(|file| &file.table) else {
            return Ok(None);
        };
        value::plain_text(&table.value).map_err(|err| self.layer.wrong(table, err))?;
        let join = self.join()?;
        let known: Vec<&str> = join
            .iter()
            .map(|join| join.table.as_str())
            .chain([table.value.as_str()])
            .collect();
        let field = |at: &At<String>, text: &str| -> Read<Field> {
            let mut field = Field::parse(text).map_err(|err| self.layer.wrong(at, err))?;
            match &field.table {
                Some(name) if !known.contains(&name.as_str()) => {
                    return Err(self.layer.wrong(at, value::unknown("table", name, &known)));
                }
                Some(name) if *name == table.value => field.table = None,
                _ => {}
            }
            Ok(field)
        };
        let mut columns = BTreeMap::new();
        for (name, (key, at)) in self.entries(|file| &file.columns) {
            if !later::COLUMNS.contains(&name.as_str()) {
                return Err(self
                    .layer
                    .wrong(key, value::unknown("column", &name, later::COLUMNS)));
            }
            let fields = at.value.split(" | ").map(|text| field(at, text));
            columns.insert(name, fields.collect::<Read<Vec<Field>>>()?);
        }
        let mut filter = Vec::new();
        for (name, (key, at)) in self.entries(|file| &file.r#where) {
            value::plain_text(&at.value).map_err(|err| self.layer.wrong(at, err))?;
            filter.push((field(key, &name)?, at.value.clone()));
        }
        let frames = self.frames(&field)?;
        Ok(Some(TableConfig {
            table: table.value.clone(),
            join,
            columns,
            frames,
            filter,
            timeout: self.timeout()?,
        }))
    }

    fn timeout(&self) -> Read<Option<Duration>> {
        let said = self.said(|file| &file.timeout);
        said.map(|at| value::duration(&at.value).map_err(|err| self.layer.wrong(at, err)))
            .transpose()
    }

    fn join(&self) -> Read<Option<JoinConfig>> {
        let Some(table) = self.said(|file| &file.join) else {
            return Ok(None);
        };
        value::plain_text(&table.value).map_err(|err| self.layer.wrong(table, err))?;
        let on = self.said(|file| &file.on);
        let pairs = on.map(|at| at.value.0.as_slice()).unwrap_or_default();
        let [(left, right)] = pairs else {
            let message = "`join` needs one pair of columns in `on`: `{error_id: id}`";
            return Err(self.layer.wrong(table, message));
        };
        for name in [left, right] {
            value::plain_text(&name.value).map_err(|err| self.layer.wrong(name, err))?;
        }
        Ok(Some(JoinConfig {
            table: table.value.clone(),
            left: left.value.clone(),
            right: right.value.clone(),
        }))
    }

    fn frames(
        &self,
        field: &dyn Fn(&At<String>, &str) -> Read<Field>,
    ) -> Read<Option<FramesConfig>> {
        let Some(said) = self.said(|file| &file.frames) else {
            return Ok(None);
        };
        let mut of = None;
        let mut crash_first = false;
        let mut members = BTreeMap::new();
        for (key, at) in &said.value.0 {
            match key.value.as_str() {
                "of" => of = Some(field(at, &at.value)?),
                "order" => {
                    let orders = [("crash_first", true), ("crash_last", false)];
                    crash_first = value::choice(&at.value, &orders)
                        .map_err(|err| self.layer.wrong(at, err))?;
                }
                name if FRAME_KEYS.contains(&name) => {
                    value::identifier(&at.value).map_err(|err| self.layer.wrong(at, err))?;
                    members.insert(name.to_owned(), at.value.clone());
                }
                name => {
                    return Err(self
                        .layer
                        .wrong(key, value::unknown("key", name, FRAME_KEYS)));
                }
            }
        }
        let of = of.ok_or_else(|| self.layer.wrong(said, "`frames` has no `of`"))?;
        if !matches!(of.inner, Some(Inner::Json(_))) {
            return Err(self.layer.wrong(said, "`of` names no place inside JSON"));
        }
        Ok(Some(FramesConfig {
            of,
            crash_first,
            members,
        }))
    }

    fn levels(&self) -> Read<BTreeMap<String, Severity>> {
        let choices: Vec<(&str, Option<Severity>)> = LEVELS
            .iter()
            .map(|word| (*word, Severity::parse(word)))
            .collect();
        let mut levels = BTreeMap::new();
        for (name, (_, at)) in self.entries(|file| &file.levels) {
            let level =
                value::choice(&at.value, &choices).map_err(|err| self.layer.wrong(at, err))?;
            levels.extend(level.map(|level| (name.to_lowercase(), level)));
        }
        Ok(levels)
    }

    fn stack(&self) -> Read<StackConfig> {
        let list = |get: fn(&SourceFile) -> &List| -> Read<Vec<String>> {
            let both = self.preset.into_iter().chain([self.entry]);
            let items = both
                .filter_map(|file| get(file).0.as_ref())
                .flat_map(|at| &at.value);
            let mut list = Vec::new();
            for item in items {
                value::glob(&item.value).map_err(|err| self.layer.wrong(item, err))?;
                list.push(item.value.clone());
            }
            Ok(list)
        };
        Ok(StackConfig {
            roots: list(|file| &file.app_root)?,
            in_app: list(|file| &file.in_app)?,
            not_in_app: list(|file| &file.not_in_app)?,
            applications: list(|file| &file.applications)?,
        })
    }

    /// A key that says nothing to this kind is a mistake.
    fn check_used(&self, kind: &SourceKind) -> Read<()> {
        let entry = self.entry;
        let place = |said: &Said<String>| said.0.as_ref().map(|at| (at.line, at.column));
        let place_of =
            |said: &Said<Entries<String>>| said.0.as_ref().map(|at| (at.line, at.column));
        let url = [("url", place(&entry.url))];
        let path = [("path", place(&entry.path))];
        let of_sentry = [
            ("org", place(&entry.org)),
            ("project", place(&entry.project)),
            ("token_env", place(&entry.token_env)),
            ("token_file", place(&entry.token_file)),
        ];
        let of_postgres = [
            ("url_env", place(&entry.url_env)),
            ("password_env", place(&entry.password_env)),
            ("password_file", place(&entry.password_file)),
            ("schema", place(&entry.schema)),
            ("tls", place(&entry.tls)),
            ("ca_file", place(&entry.ca_file)),
            ("allow_writer_role", place(&entry.allow_writer_role)),
        ];
        let of_table = [
            ("preset", place(&entry.preset)),
            ("table", place(&entry.table)),
            ("join", place(&entry.join)),
            ("on", place_of(&entry.on)),
            ("columns", place_of(&entry.columns)),
            ("frames", place_of(&entry.frames)),
            ("where", place_of(&entry.r#where)),
            ("timeout", place(&entry.timeout)),
        ];
        let (name, useless): (_, Vec<_>) = match kind {
            SourceKind::Sqlite { .. } => ("sqlite", [&url[..], &of_sentry, &of_postgres].concat()),
            SourceKind::Postgres { .. } => ("postgres", [&path[..], &of_sentry].concat()),
            SourceKind::Jsonl { .. } => (
                "jsonl",
                [&url[..], &of_sentry, &of_postgres, &of_table].concat(),
            ),
            SourceKind::Sentry(_) => ("sentry", [&path[..], &of_postgres, &of_table].concat()),
        };
        let found = useless
            .iter()
            .find_map(|(key, place)| place.map(|place| (key, place)));
        match found {
            Some((key, (line, column))) => {
                let at = At {
                    value: (),
                    line,
                    column,
                };
                Err(self.layer.wrong(
                    &at,
                    format!("`{key}` says nothing to a source of kind `{name}`"),
                ))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn text(layer: &Layer, said: &Said<String>) -> Read<Option<String>> {
    let Some(at) = &said.0 else {
        return Ok(None);
    };
    value::plain_text(&at.value).map_err(|err| layer.wrong(at, err))?;
    Ok(Some(at.value.clone()))
}

fn server(layer: &Layer, at: &At<SourceFile>) -> Read<ServerConfig> {
    let entry = &at.value;
    let missing = |key: &str| layer.wrong(at, format!("this entry of `sources` has no `{key}`"));
    let url = entry.url.0.as_ref().ok_or_else(|| missing("url"))?;
    let project = entry.project.0.as_ref().ok_or_else(|| missing("project"))?;
    check_origin(&url.value).map_err(|err| layer.wrong(url, err))?;
    for name in [Some(project), entry.org.0.as_ref()].into_iter().flatten() {
        value::identifier(&name.value).map_err(|err| layer.wrong(name, err))?;
    }
    let token = secret(
        layer,
        ("token_env", &entry.token_env),
        ("token_file", &entry.token_file),
    )?;
    let token = token.ok_or_else(|| missing("token_env` or `token_file"))?;
    Ok(ServerConfig {
        url: url.value.trim_end_matches('/').to_owned(),
        org: entry.org.0.as_ref().map(|at| at.value.clone()),
        project: project.value.clone(),
        token,
    })
}

/// Where a secret is: in a variable or in a file, and not in both.
pub(super) fn secret(
    layer: &Layer,
    (of_variable, variable): (&str, &Said<String>),
    (of_file, file): (&str, &Said<String>),
) -> Read<Option<TokenPlace>> {
    Ok(match (&variable.0, &file.0) {
        (Some(name), None) => Some(TokenPlace::Variable(variable_name(layer, name)?)),
        (None, Some(path)) => {
            value::plain_text(&path.value).map_err(|err| layer.wrong(path, err))?;
            Some(TokenPlace::File(path.value.clone()))
        }
        (None, None) => None,
        (Some(_), Some(at)) => {
            return Err(layer.wrong(at, format!("either `{of_variable}` or `{of_file}`")));
        }
    })
}

pub(super) fn variable_name(layer: &Layer, name: &At<String>) -> Read<String> {
    let form = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.value.is_empty() || !name.value.chars().all(form) {
        let message = format!("`{}` is no name of a variable", file::shown(&name.value));
        return Err(layer.wrong(name, message));
    }
    Ok(name.value.clone())
}

/// Scheme, host and port, and nothing else; without TLS only to this machine.
fn check_origin(url: &str) -> Result<(), String> {
    let wrong = |why: &str| {
        Err(format!(
            "`{}` is no address of a server: {why}",
            file::shown(url)
        ))
    };
    let url = url.trim_end_matches('/');
    let Some((scheme, host)) = url.split_once("://") else {
        return wrong("it begins with `https://`");
    };
    let form = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if host.is_empty() || !host.chars().all(form) {
        return wrong("after `://` stand a host and perhaps a port");
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match scheme {
        "https" => Ok(()),
        "http" if ["127.0.0.1", "localhost", "[::1]"].contains(&name) => Ok(()),
        _ => wrong("it begins with `https://`, or with `http://` for this machine alone"),
    }
}

fn redact(layer: &Layer, entry: &SourceFile) -> Read<BTreeMap<String, String>> {
    let mut rules = BTreeMap::new();
    for (name, at) in entry.redact.0.iter().flat_map(|at| &at.value.0) {
        value::identifier(&name.value).map_err(|err| layer.wrong(name, err))?;
        let pattern = Pattern::new(&at.value).map_err(|err| layer.wrong(at, err))?;
        if pattern.is_match(b"") {
            return Err(layer.wrong(
                at,
                "the pattern matches nothing at all, so it would match everywhere",
            ));
        }
        rules.insert(name.value.clone(), at.value.clone());
    }
    Ok(rules)
}

/// Names of the presets.
///
/// # Errors
/// One of them does not say which table it is for.
pub fn source_presets() -> Result<BTreeSet<&'static str>, UsageError> {
    for (name, _) in PRESETS {
        preset(name).map_err(UsageError::new)?;
    }
    Ok(PRESETS.iter().map(|(name, _)| *name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[track_caller]
    fn check(entry: &str, expected: &str) {
        let said = match Policy::load(&format!("version: 1\nsources: [{entry}]\n"), "p") {
            Ok(policy) => shown(&policy.sources[0]),
            Err(err) => err.to_string(),
        };
        assert!(said.contains(expected), "{said}\n  wanted {expected}");
    }

    #[test]
    fn every_preset_reads_a_table_alone() {
        for (name, _) in PRESETS {
            check(
                &format!("{{name: a, kind: sqlite, path: x, preset: {name}}}"),
                "sqlite x table ",
            );
        }
        assert_eq!(source_presets().expect("presets").len(), PRESETS.len());
    }

    #[test]
    fn an_entry_wins_over_its_preset() {
        check(
            "{name: a, kind: sqlite, path: x, preset: solid_errors, columns: {release: 'context -> $.\"app.version\" | git_sha'}}",
            "release: context -> $.\"app.version\" | git_sha",
        );
    }

    #[test]
    fn what_no_table_has_is_refused() {
        let table = "{name: a, kind: sqlite, path: x, table: t";
        check(
            &format!("{table}, columns: {{type: 'u.x'}}}}"),
            "unknown table `u`",
        );
        check(
            &format!("{table}, columns: {{type: 'x -> y'}}}}"),
            "`y` is no place inside a column",
        );
        check(
            &format!("{table}, columns: {{type: 'x -> $.a); DROP'}}}}"),
            "is no place inside a column",
        );
        check(&format!("{table}, join: u}}"), "`join` needs one pair");
        check(
            &format!("{table}, url: 'https://a'}}"),
            "`url` says nothing to a source of kind `sqlite`",
        );
        check(
            &format!("{table}, frames: {{file: f}}}}"),
            "`frames` has no `of`",
        );
    }

    #[test]
    fn a_server_has_an_origin_and_a_token_elsewhere() {
        let server = |rest: &str| format!("{{name: a, kind: sentry, project: p, {rest}}}");
        check(
            &server("url: 'https://e.example/', token_env: TOKEN"),
            "sentry https://e.example org none project p token Variable(\"TOKEN\")",
        );
        check(
            &server("url: 'https://e.example'"),
            "has no `token_env` or `token_file`",
        );
        for url in [
            "http://e.example",
            "https://a:b@e.example",
            "https://e.example/x",
            "ftp://x",
            "e.example",
        ] {
            check(
                &server(&format!("url: '{url}', token_env: T")),
                "is no address of a server",
            );
        }
    }

    #[test]
    fn a_policy_adds_to_what_is_redacted() {
        check(
            "{name: a, kind: jsonl, path: '-', redact: {order: 'ORD-[0-9]+'}}",
            "redact {\"order\": \"ORD-[0-9]+\"}",
        );
        check(
            "{name: a, kind: jsonl, path: '-', redact: {order: 'x*'}}",
            "it would match everywhere",
        );
        check(
            "{name: a, kind: jsonl, path: '-', redact: {order: '('}}",
            "does not compile",
        );
    }
}
