//! The YAML shape of a policy and its errors; the only file that names the YAML crate.
//!
//! What the values mean is said in [`merge`](super::merge). Every value keeps its place, so that an error and `policy show --origin` can name it.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Spanned};

use super::schema;
use crate::usage::UsageError;

/// A larger file is refused before it is parsed.
pub const MAX_BYTES: usize = 256 << 10;

/// A value with the place where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub value: T,
    /// 1-based; 0 where the parser does not know.
    pub line: u64,
    pub column: u64,
}

/// A value that need not be there. If its key is there, so is a value: an empty one is an error.
#[derive(Clone, Debug)]
pub(super) struct Said<T>(pub Option<At<T>>);

/// The entries of a mapping whose keys are names, in order.
#[derive(Clone, Debug)]
pub(super) struct Entries<T>(pub Vec<(At<String>, At<T>)>);

pub(super) type List = Said<Vec<At<String>>>;

macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident $(= $key:literal)?: $type:ty),* $(,)? }) => {
        #[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        $(#[$meta])*
        pub(super) struct $name { $($(#[$about])* $(#[serde(rename = $key)])? pub $field: $type),* }
    };
}

section!(
    /// What an agent's fix may do in a repository, and what proves it.
    #[schemars(extend("required" = ["version"]))]
    PolicyFile {
        /// The form of this file; 1.
        #[schemars(schema_with = "schema::version")]
        version: Said<u64>,
        /// Presets that this policy begins with; later ones win, this file wins over all. Without this key it is `default`.
        #[schemars(schema_with = "schema::presets")]
        extends: List,
        /// How strictly a commit is judged. A mark can only move a commit up, from human over agent to repair.
        lanes: LanesFile,
        /// With `observe` everything is judged and said, and nothing is refused.
        #[schemars(schema_with = "schema::mode")]
        mode: Said<String>,
        /// Where a fix may go, how large it may be, and what must not come in.
        perimeter: PerimeterFile,
        /// How tests are run, and what they must show.
        proof: ProofFile,
        /// What a commit message must look like.
        message: MessageFile,
        /// Where the errors of production are.
        sources: Said<Vec<At<SourceFile>>>,
        /// How errors are grouped and ranked, and how their releases are commits.
        triage: TriageFile,
        /// Findings that a person lets pass, for a while.
        waivers: Said<Vec<At<WaiverFile>>>,
        /// The loop with an agent.
        run: super::run::RunFile,
    }
);
section!(
    /// The lanes.
    LanesFile {
        /// Perimeter, message and proof.
        repair: RepairFile,
        /// Perimeter and message, a proof only where the message says `fix`.
        agent: AgentFile,
        /// Who is a person, by the names and e-mail addresses that CI knows its pushers by.
        #[schemars(schema_with = "schema::lines")]
        people: List,
        /// The lane of everybody else.
        #[schemars(schema_with = "schema::lane")]
        others: Said<String>,
    }
);
section!(
    /// Whose commits need a proof.
    RepairFile {
        /// Globs over names of branches.
        #[schemars(schema_with = "schema::globs")]
        branches: List,
        /// `known` for the shipped table of agents, or a list of exact names and e-mail addresses, in which `known` may stand too.
        agents: Said<Names>,
        /// `observe` says what it would refuse in this lane, and refuses nothing.
        #[schemars(schema_with = "schema::mode")]
        mode: Said<String>,
    }
);
section!(
    /// Agents that build features too.
    AgentFile {
        /// Exact names and e-mail addresses.
        #[schemars(schema_with = "schema::lines")]
        agents: Said<Names>,
        /// `observe` says what it would refuse in this lane, and refuses nothing.
        #[schemars(schema_with = "schema::mode")]
        mode: Said<String>,
    }
);
section!(
    /// The perimeter.
    PerimeterFile {
        /// Globs of what a fix may touch; empty for everywhere but what is protected.
        #[schemars(schema_with = "schema::globs")]
        allow: List,
        /// Globs of what no fix may touch, beside a list that is built in and cannot be shortened.
        #[schemars(schema_with = "schema::globs")]
        protect: List,
        /// Limits for production files. The smallest that a preset or this file says counts.
        limits: LimitsFile,
        /// Limits for tests and fixtures.
        test_limits: TestLimitsFile,
        /// Texts that must not come in, or go out.
        forbid: Said<Vec<At<ForbidFile>>>,
        /// SHA-256 digests of values that look like secrets and are none: `printf %s VALUE | sha256sum`.
        #[schemars(schema_with = "schema::digests")]
        not_secrets: List,
        /// How much a finding weighs, by rule. The strictest that a preset or this file says counts, and some rules cannot be lowered.
        #[schemars(schema_with = "schema::rules")]
        rules: Said<Entries<String>>,
    }
);
section!(
    /// What a change may do to production files.
    LimitsFile {
        /// Files that are changed.
        #[schemars(schema_with = "schema::count")]
        files: Said<u64>,
        /// Files that are added.
        #[schemars(schema_with = "schema::count")]
        new_files: Said<u64>,
        /// Lines added and removed together.
        #[schemars(schema_with = "schema::count")]
        lines: Said<u64>,
        /// Places that are changed.
        #[schemars(schema_with = "schema::count")]
        hunks: Said<u64>,
        /// Folders that are touched.
        #[schemars(schema_with = "schema::count")]
        directories: Said<u64>,
        /// Bytes of an added line.
        #[schemars(schema_with = "schema::count")]
        line_length: Said<u64>,
        /// Bytes of a file.
        #[schemars(schema_with = "schema::bytes")]
        file_bytes: Said<u64>,
    }
);
section!(
    /// What a change may do to tests and fixtures.
    TestLimitsFile {
        /// Files that are changed.
        #[schemars(schema_with = "schema::count")]
        files: Said<u64>,
        /// Lines that are added.
        #[schemars(schema_with = "schema::count")]
        added: Said<u64>,
        /// Bytes of a file.
        #[schemars(schema_with = "schema::bytes")]
        file_bytes: Said<u64>,
    }
);
section!(
    /// One text that must not come in, or go out.
    #[schemars(extend("required" = ["id", "pattern"]))]
    ForbidFile {
        /// What findings call it.
        #[schemars(schema_with = "schema::identifier")]
        id: Said<String>,
        /// A regular expression of the linear-time kind: no look-around, no back-references.
        #[schemars(schema_with = "schema::pattern")]
        pattern: Said<String>,
        /// Whether it is looked for in what is added (where nothing is said), in what is removed, or in both.
        #[schemars(schema_with = "schema::on")]
        on: Said<String>,
        /// Globs of the files that it is looked for in; all where nothing is said.
        #[schemars(schema_with = "schema::some_globs")]
        paths = "in": List,
        /// Whether it is looked for in tests, too (where nothing is said), those inside of Rust sources among them, or only outside of them.
        tests: Said<bool>,
        /// The reason, as the end of a sentence.
        why: Said<String>,
    }
);
section!(
    /// The proof.
    ProofFile {
        /// Globs of tests and fixtures.
        #[schemars(schema_with = "schema::globs")]
        tests: List,
        /// What runs the tests: a runner that is built in, a mapping with its `name` and `dir`, or a list of these.
        runner: Said<Runners>,
        /// What a hook proves.
        hook: HookFile,
        /// What must still pass: all tests, or those of the touched files.
        #[schemars(schema_with = "schema::suite")]
        suite: Said<String>,
        /// Variables that the tests see besides the allow-list.
        #[schemars(schema_with = "schema::variables")]
        env: Said<Entries<String>>,
        /// What a new test must do without the fix; `missing_symbol` also takes one that does not start for want of a new name.
        #[schemars(schema_with = "schema::before")]
        before: Said<String>,
        /// Whether a red test may come in a commit of its own; the range must end green.
        #[schemars(schema_with = "schema::allow_or_deny")]
        red_commits: Said<String>,
        /// Whether what an existing test expects may change: never without a person, or where it is one of those that prove the fix.
        #[schemars(schema_with = "schema::existing_tests")]
        existing_tests: Said<String>,
        /// Whether a fix without a test of its own may be proved by tests that are red on the parent.
        #[schemars(schema_with = "schema::allow_or_deny")]
        existing_red: Said<String>,
        /// Whether a commit that takes back exactly what another one did passes if no test breaks; else a person decides.
        #[schemars(schema_with = "schema::allow_or_deny")]
        reverts: Said<String>,
        /// Runs of each new test on each side; any disagreement is flaky.
        #[schemars(schema_with = "schema::samples")]
        samples: Said<u64>,
        /// For one run.
        #[schemars(schema_with = "schema::duration")]
        timeout: Said<String>,
        /// Globs of files that decide how tests run, beside a list that is built in. A fix may not touch them.
        #[schemars(schema_with = "schema::globs")]
        inputs: List,
        /// Lines for `/bin/sh -c` that install dependencies, from the trusted tree, with a network. The last list counts.
        #[schemars(schema_with = "schema::lines")]
        setup: List,
        /// Globs of files that decide what is installed, beside a list that is built in. A fix may not touch them.
        #[schemars(schema_with = "schema::globs")]
        setup_inputs: List,
        /// Variables of the user's that `setup` gets.
        #[schemars(schema_with = "schema::variable_names")]
        setup_env: List,
        /// Whether `setup` has a network.
        #[schemars(schema_with = "schema::allow_or_deny")]
        setup_network: Said<String>,
        /// For all lines of `setup` together.
        #[schemars(schema_with = "schema::duration")]
        setup_timeout: Said<String>,
        /// Lines for `/bin/sh -c` that make of each tree what its tests import and is not in git. The last list counts.
        #[schemars(schema_with = "schema::lines")]
        build: List,
        /// Globs over names of tests that are left out on every tree.
        #[schemars(schema_with = "schema::globs")]
        tests_exclude: List,
        /// Servers that run beside the tests, fresh for each run.
        services: Said<Vec<At<ServiceFile>>>,
        /// What tests are shut in.
        sandbox: SandboxFile,
        /// Whether a fix that names an error of production must be shown by a test that failed as production did.
        #[schemars(schema_with = "schema::signature")]
        signature: Said<String>,
        /// What a part of the fix weighs that no new test needs.
        #[schemars(schema_with = "schema::level")]
        necessity: Said<String>,
        /// What a fix weighs that only knows the new tests' own values.
        #[schemars(schema_with = "schema::level")]
        neighbours: Said<String>,
        /// Further circumstances that new tests must stand.
        #[schemars(schema_with = "schema::variations")]
        variations: List,
    }
);
section!(
    /// One runner, and where it works.
    #[schemars(extend("required" = ["name"]))]
    RunnerFile {
        /// One that is built in, or `custom`.
        #[schemars(schema_with = "schema::runner")]
        name: Said<String>,
        /// The folder of its project; the top where nothing is said.
        #[schemars(schema_with = "schema::text")]
        dir: Said<String>,
        /// For `cargo`: what it builds with, by name; `all` for every feature, `no-default-features` without those by default.
        #[schemars(schema_with = "schema::lines")]
        features: List,
        /// For `custom`: a line that builds, before `command`.
        #[schemars(schema_with = "schema::text")]
        build: Said<String>,
        /// For `custom`: the line that runs tests and writes JUnit reports. `{files}` stands for the touched test files.
        #[schemars(schema_with = "schema::text")]
        command: Said<String>,
        /// For `custom`: a glob for the reports that it writes.
        #[schemars(schema_with = "schema::text")]
        report: Said<String>,
        /// For `custom`: whether a report counts that the tests could have written themselves. A person's decision.
        trust_report: Said<bool>,
    }
);
section!(
    /// One server: a `preset`, or how to `start` it and when it is `ready`.
    ServiceFile {
        /// What messages call it.
        #[schemars(schema_with = "schema::identifier")]
        name: Said<String>,
        /// One that is built in.
        #[schemars(schema_with = "schema::service")]
        preset: Said<String>,
        /// A line that fills the service's folder, once for all runs; `{dir}`, `{tmp}` and `{port}` are filled in, here and below.
        #[schemars(schema_with = "schema::text")]
        prepare: Said<String>,
        /// The line that runs the server.
        #[schemars(schema_with = "schema::text")]
        start: Said<String>,
        /// A line that succeeds once the server can be used.
        #[schemars(schema_with = "schema::text")]
        ready: Said<String>,
        /// Variables that the tests see.
        #[schemars(schema_with = "schema::variables")]
        env: Said<Entries<String>>,
        /// Where it listens.
        #[schemars(schema_with = "schema::port")]
        port: Said<u64>,
        /// How long it may take until it is ready.
        #[schemars(schema_with = "schema::duration")]
        ready_timeout: Said<String>,
    }
);
section!(
    /// What a hook proves.
    HookFile {
        /// Of what passed before, what is run again.
        #[schemars(schema_with = "schema::suite")]
        suite: Said<String>,
        /// The longest that a hook may prove.
        #[schemars(schema_with = "schema::duration")]
        budget: Said<String>,
    }
);
section!(
    /// The sandbox.
    SandboxFile {
        /// 3 hermetic, 2 confined, 1 limits only, 0 none. Below it the proof is undecided.
        #[schemars(schema_with = "schema::sandbox_level")]
        min_level: Said<u64>,
    }
);
section!(
    /// The commit message.
    MessageFile {
        /// `conventional` for `fix: what was wrong`.
        #[schemars(schema_with = "schema::style")]
        style: Said<String>,
        /// Types of conventional commits that a fix may have.
        #[schemars(schema_with = "schema::commit_types")]
        types: List,
        /// Characters of the first line.
        #[schemars(schema_with = "schema::subject_length")]
        subject_length: Said<u64>,
        /// Trailers that each fix must have.
        #[schemars(schema_with = "schema::trailers")]
        require_trailers: List,
    }
);
section!(
    /// One rule that does not count for some paths, up to a day.
    #[schemars(extend("required" = ["path", "rule", "until", "because"]))]
    WaiverFile {
        /// A glob of the paths.
        #[schemars(schema_with = "schema::text")]
        path: Said<String>,
        /// The rule's id; none of those that no policy can lower.
        #[schemars(schema_with = "schema::open_rule")]
        rule: Said<String>,
        /// The last day on which it counts, as `2026-12-31`.
        #[schemars(schema_with = "schema::day")]
        until: Said<String>,
        /// The reason.
        #[schemars(schema_with = "schema::text")]
        because: Said<String>,
    }
);
section!(
    /// One source of errors.
    #[schemars(extend("required" = ["name", "kind"]))]
    SourceFile {
        /// What messages call it.
        #[schemars(schema_with = "schema::identifier")]
        name: Said<String>,
        /// What it is.
        #[schemars(schema_with = "schema::source")]
        kind: Said<String>,
        /// The tables of a well-known library; every key here wins over it.
        #[schemars(schema_with = "schema::source_preset")]
        preset: Said<String>,
        /// The file of a database or a log; `-` is standard input, for `jsonl`.
        #[schemars(schema_with = "schema::text")]
        path: Said<String>,
        /// The table with one row an event.
        #[schemars(schema_with = "schema::text")]
        table: Said<String>,
        /// A second table that says more of each row.
        #[schemars(schema_with = "schema::text")]
        join: Said<String>,
        /// The column of `table` that names a column of `join`: `{error_id: id}`.
        #[schemars(schema_with = "schema::texts")]
        on: Said<Entries<String>>,
        /// Our names for its columns: `column`, `table.column`, `column -> $.path` in JSON, `column -> @name` in XML, alternatives with ` | `.
        #[schemars(schema_with = "schema::columns")]
        columns: Said<Entries<String>>,
        /// Frames in a JSON column: `of`, `order` (`crash_first`, `crash_last`), members `file`, `line`, `function`, `application`, `in_app`.
        #[schemars(schema_with = "schema::frames")]
        frames: Said<Entries<String>>,
        /// Only rows that have these values.
        #[schemars(schema_with = "schema::texts")]
        r#where = "where": Said<Entries<String>>,
        /// What its own levels mean: `{"50": error}`.
        #[schemars(schema_with = "schema::levels")]
        levels: Said<Entries<String>>,
        /// Globs of the folders that the project is deployed to; they are cut off paths: `/srv/shop/releases/*/`.
        #[schemars(schema_with = "schema::globs")]
        app_root: List,
        /// Globs of files and functions that are the project's own, whatever else is known of them.
        #[schemars(schema_with = "schema::globs")]
        in_app: List,
        /// Globs of files and functions that are not.
        #[schemars(schema_with = "schema::globs")]
        not_in_app: List,
        /// The project's own applications (Elixir, Erlang).
        #[schemars(schema_with = "schema::lines")]
        applications: List,
        /// Patterns that are redacted beside those that are built in, by the name that stands in their place.
        #[schemars(schema_with = "schema::texts")]
        redact: Said<Entries<String>>,
        /// The address of the server: of `sentry` without a path, of `postgres` as `postgres://role@host:5432/database`, without a password.
        #[schemars(schema_with = "schema::text")]
        url: Said<String>,
        /// The environment variable that holds the whole address, a password too; for `postgres`.
        #[schemars(schema_with = "schema::variable")]
        url_env: Said<String>,
        /// The environment variable that holds the password.
        #[schemars(schema_with = "schema::variable")]
        password_env: Said<String>,
        /// The file that holds the password.
        #[schemars(schema_with = "schema::text")]
        password_file: Said<String>,
        /// The schema of the tables, `public` where nothing is said.
        #[schemars(schema_with = "schema::text")]
        schema: Said<String>,
        /// Whether the way to the server is encrypted, and its certificate checked: `required` for every other machine, where nothing is said.
        #[schemars(schema_with = "schema::tls")]
        tls: Said<String>,
        /// A file of certificates (PEM) of those who may sign the server's, in the place of the well-known ones.
        #[schemars(schema_with = "schema::text")]
        ca_file: Said<String>,
        /// The one role that may be used though it could write. Every other one that could is refused.
        #[schemars(schema_with = "schema::text")]
        allow_writer_role: Said<String>,
        /// How long a reading of a database may take: `10s` for `sqlite` and `30s` for `postgres`, where nothing is said.
        #[schemars(schema_with = "schema::duration")]
        timeout: Said<String>,
        /// The organization's name in addresses; empty where the server has none.
        #[schemars(schema_with = "schema::identifier")]
        org: Said<String>,
        /// The project's name or number in addresses.
        #[schemars(schema_with = "schema::identifier")]
        project: Said<String>,
        /// The environment variable that holds the token.
        #[schemars(schema_with = "schema::variable")]
        token_env: Said<String>,
        /// The file that holds the token.
        #[schemars(schema_with = "schema::text")]
        token_file: Said<String>,
    }
);

section!(
    /// Errors of production, as the project sees them.
    TriageFile {
        /// Classes of exceptions by which the program says no, as it should: by their whole names, or the last part of them.
        #[schemars(schema_with = "schema::lines")]
        expected: List,
        /// What parts of the code weigh, 0 to 100, by globs; 30 where nothing is said, and the highest of several.
        #[schemars(schema_with = "schema::weights")]
        areas: Said<Entries<u64>>,
        /// Fingerprints that are one issue with another one, each to that one.
        #[schemars(schema_with = "schema::merges")]
        merge: Said<Entries<String>>,
        /// Fingerprints that are several issues, each to what tells these apart.
        #[schemars(schema_with = "schema::splits")]
        split: Said<Entries<String>>,
        /// Values beside an error that an agent may see, redacted: their paths in an event of a log or a server, as `extra.order_id`.
        #[schemars(schema_with = "schema::contexts")]
        context: List,
        /// How the name of a release is a commit.
        releases: ReleasesFile,
        /// Where `triage publish` tells what fixed an issue.
        publish: PublishFile,
    }
);
section!(
    /// A server that is told. Without both keys none is.
    PublishFile {
        /// The name of one of `sources`, of kind `sentry`.
        #[schemars(schema_with = "schema::identifier")]
        source: Said<String>,
        /// The environment variable that holds a token which may comment and resolve: not the one that reads.
        #[schemars(schema_with = "schema::variable")]
        token_env: Said<String>,
    }
);
section!(
    /// Releases. One that is the id of a commit needs none of this.
    ReleasesFile {
        /// The tag of a release, in which `{release}` stands for its name; `v{release}` and `{release}` where nothing is said.
        #[schemars(schema_with = "schema::tag")]
        tag: Said<String>,
        /// A file of JSON lines that says what was deployed: `release`, `commit`, `environment`, `at`.
        #[schemars(schema_with = "schema::text")]
        deployments: Said<String>,
    }
);

/// A word in place of a list, or a list of names.
#[derive(Clone, Debug)]
pub(super) enum Names {
    Word(String),
    List(Vec<At<String>>),
}

/// The name of a runner, or runners one by one, each a name or a mapping.
#[derive(Clone, Debug)]
pub(super) enum Runners {
    Name(String),
    One(Box<RunnerFile>),
    List(Vec<At<Runners>>),
}

/// Keys that the documents describe and this version does not enforce.
const LATER: &[&str] = &[
    "agent",
    "attempts",
    "document_limits",
    "environment",
    "network",
    "preset",
    "source_sensitive",
    "weights",
    "writable",
];

/// Reads the shape; what the values mean is looked at later.
///
/// # Errors
/// [`UsageError`], with the place and what is wrong there.
pub(super) fn parse(text: &str, name: &str) -> Result<PolicyFile, UsageError> {
    if text.len() > MAX_BYTES {
        let n_bytes = text.len();
        return Err(UsageError::new(format!(
            "{name}: the file is too large: {n_bytes} bytes, at most {MAX_BYTES}"
        )));
    }
    shape(text, name)
}

/// Reads a text of ours or of a person's into any shape.
pub(super) fn shape<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, UsageError> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|err| explain(&err, text, name))
}

/// An error at a place of the file `name`.
pub(super) fn wrong<T>(name: &str, at: &At<T>, message: impl fmt::Display) -> UsageError {
    located(name, at.line, at.column, message)
}

/// The nearest of `names`, as a question at the end of a sentence; empty if none is near.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&word, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(word.len()) / 3 + 1)
        .min()
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Text of a file, fit for one line of a message.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
        .replace("\\'", "'")
        .replace("\\\"", "\"")
        .replace("\\\\", "\\")
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 20_000,
            max_events: 50_000,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    }
}

fn explain(err: &Error, text: &str, name: &str) -> UsageError {
    let (line, column) = err
        .location()
        .map_or((0, 0), |location| (location.line(), location.column()));
    let message = match err.without_snippet() {
        Error::SerdeUnknownField { field, .. } if LATER.contains(&field.as_str()) => {
            format!("key `{field}` is not supported by this version of koan-guard")
        }
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let nearest = nearest(field, expected.iter().copied());
            format!(
                "unknown key `{}`{nearest} (known here: {})",
                shown(field),
                quoted(expected)
            )
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("key `{}` stands here twice", shown(key))
        }
        Error::DuplicateMappingKey { key: None, .. } => "a key stands here twice".to_owned(),
        Error::Budget { breach, .. } => budget(breach),
        Error::MultipleDocuments { .. } => "more than one YAML document".to_owned(),
        other => {
            let said = other.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let said = said.lines().next().unwrap_or("cannot be read");
            let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
            let said = said.replace("invalid u64", "expected a whole number");
            match offending(text, line, column) {
                Some(offending) => format!("{said}: `{offending}`"),
                None => said,
            }
        }
    };
    located(name, line, column, message)
}

fn budget(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach as Breach;
    match breach {
        Breach::Aliases { .. } | Breach::Anchors { .. } => {
            "anchors and aliases are not allowed in a policy".to_owned()
        }
        Breach::MergeKeys { .. } => "merge keys are not allowed in a policy".to_owned(),
        Breach::Documents { .. } => "more than one YAML document".to_owned(),
        Breach::Depth { .. } => "nested too deep for a policy".to_owned(),
        other => format!("too large for a policy: {other:?}"),
    }
}

/// The rest of the line from where the parser points.
fn offending(text: &str, line: u64, column: u64) -> Option<String> {
    let line = text
        .lines()
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let n_before = usize::try_from(column).ok()?.saturating_sub(1);
    let rest: String = line.chars().skip(n_before).collect();
    let rest = rest.trim();
    let rest = if rest.is_empty() { line.trim() } else { rest };
    (!rest.is_empty()).then(|| shown(rest))
}

fn located(name: &str, line: u64, column: u64, message: impl fmt::Display) -> UsageError {
    let hint = "correct it and try `koan-guard policy lint`";
    let message = if line == 0 {
        format!("{name}: {message}")
    } else {
        format!("{name}:{line}:{column}: {message}")
    };
    UsageError::with_hint(message, hint)
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl<T> Default for Said<T> {
    fn default() -> Said<T> {
        Said(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Said<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said<T>, D::Error> {
        At::deserialize(deserializer).map(|at| Said(Some(at)))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At<T>, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(At {
            value: spanned.value,
            line: spanned.referenced.line(),
            column: spanned.referenced.column(),
        })
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a word or a list of names")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Names, E> {
                Ok(Names::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Names::List(names))
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

impl<'de> Deserialize<'de> for Runners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Runners, D::Error> {
        struct NameOrMore;

        impl<'de> Visitor<'de> for NameOrMore {
            type Value = Runners;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(
                    "the name of a runner, a mapping with its `name` and `dir`, or a list of these",
                )
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Runners, E> {
                Ok(Runners::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Runners, A::Error> {
                RunnerFile::deserialize(MapAccessDeserializer::new(map))
                    .map(|file| Runners::One(Box::new(file)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Runners, A::Error> {
                let mut list = Vec::new();
                while let Some(runner) = seq.next_element()? {
                    list.push(runner);
                }
                Ok(Runners::List(list))
            }
        }

        deserializer.deserialize_any(NameOrMore)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<T>, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for InOrder<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// `expected` is `ok`, or what the message must hold, beginning with line and column.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        match parse(text, "p.yaml") {
            Ok(file) => assert_eq!("ok", expected, "{file:?}"),
            Err(err) => {
                let message = err
                    .message
                    .strip_prefix("p.yaml:")
                    .expect("the file is named");
                assert!(
                    message.starts_with(expected),
                    "{message}\n  wanted {expected}"
                );
            }
        }
    }

    #[test]
    fn a_misspelt_key_names_its_place_and_the_nearest_one() {
        check(
            "version: 1\nperimter: {}\n",
            "2:1: unknown key `perimter`; did you mean `perimeter`?",
        );
        check(
            "perimeter:\n  limits: {files: 2, line: 3}\n",
            "2:22: unknown key `line`; did you mean `lines`?",
        );
        check("zzz: 1\n", "1:1: unknown key `zzz` (known here: `version`,");
    }

    #[test]
    fn a_key_of_a_later_version_is_said_to_be_one() {
        check(
            "proof:\n  writable: [x]\n",
            "2:3: key `writable` is not supported by this version",
        );
        check(
            "agent: {command: [x]}\n",
            "1:1: key `agent` is not supported by this version",
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_at_any_depth() {
        check(
            "version: 1\nversion: 1\n",
            "2:1: key `version` stands here twice",
        );
        check(
            "perimeter:\n  limits:\n    files: 2\n    files: 3\n",
            "4:5: key `files` stands here twice",
        );
        check(
            "proof: {env: {A: 1, A: 2}}\n",
            "1:21: key `A` stands here twice",
        );
    }

    #[test]
    fn a_wrong_type_is_an_error_with_the_text() {
        check(
            "perimeter: {limits: {files: two}}\n",
            "1:29: expected a whole number: `two}}`",
        );
        check(
            "perimeter: {limits: {files: -1}}\n",
            "1:29: expected a whole number: `-1}}`",
        );
        check(
            "perimeter: {limits: {files: 1.5}}\n",
            "1:29: expected a whole number",
        );
        check(
            "perimeter: {limits: {files: 010}}\n",
            "1:29: expected a whole number",
        );
        check(
            "perimeter: {allow: src}\n",
            "1:20: expected sequence start: `src}`",
        );
        check(
            "mode: [enforce]\n",
            "1:7: expected string scalar: `[enforce]`",
        );
        check("lanes: {repair: {agents: 5}}\n", "1:18: invalid type");
        check("[1]\n", "1:1: expected mapping start: `[1]`");
    }

    #[test]
    fn a_key_without_a_value_is_not_a_key_that_is_absent() {
        check(
            "perimeter:\n  allow:\nmode: enforce\n",
            "2:8: expected sequence start",
        );
        check("perimeter:\n", "1:10: expected mapping start");
        check("mode: ~\n", "1:7: null is not allowed here: `~`");
        check("lanes: {repair: {agents: }}\n", "1:18: invalid type");
    }

    #[test]
    fn what_yaml_offers_beyond_plain_values_is_refused() {
        check(
            "mode: &a enforce\n",
            "1:10: anchors and aliases are not allowed in a policy",
        );
        check("mode: *a\n", "1:7: ");
        check("<<: {mode: enforce}\n", "1:1: ");
        check("mode: !x enforce\n", "1:10: unsupported tag `!x`");
        check(
            "mode: enforce\n---\nmode: observe\n",
            "2:1: more than one YAML document",
        );
        check("mode: \"enforce\n", "1:7: unclosed quote");
    }

    #[test]
    fn byte_order_mark_and_carriage_returns_do_no_harm() {
        check("\u{feff}version: 1\r\nmode: enforce\r\n", "ok");
    }

    #[test]
    fn bombs_are_errors_at_once() {
        let aliases: String = (1..40)
            .map(|n| {
                format!(
                    "x{n}: &a{n} [{}]\n",
                    vec![format!("*a{}", n - 1); 10].join(",")
                )
            })
            .collect();
        let begin = Instant::now();
        check(
            &format!("perimeter: {{allow: {}", "[".repeat(100_000)),
            "1:",
        );
        check(&format!("version: {}", "{a: ".repeat(50_000)), "1:");
        check(&format!("x0: &a0 [1]\n{aliases}"), "1:");
        check(
            &format!(
                "perimeter:\n  allow: [&a src, {}]\n",
                vec!["*a"; 20_000].join(",")
            ),
            "2:14: anchors and aliases",
        );
        check(
            &format!("perimeter:\n  allow: [{}]\n", vec!["a"; 30_000].join(",")),
            "2:",
        );
        assert!(
            begin.elapsed() < Duration::from_secs(2),
            "{:?}",
            begin.elapsed()
        );
    }

    #[test]
    fn a_file_over_the_cap_is_not_even_parsed() {
        let text = format!("version: 1\n#{}\n", "x".repeat(MAX_BYTES));
        check(
            &text,
            " the file is too large: 262157 bytes, at most 262144",
        );
    }

    #[test]
    fn text_of_the_file_cannot_drive_a_terminal() {
        check("\"\\e[2J\": 1\n", "1:1: unknown key `\\u{1b}[2J`");
    }
}
