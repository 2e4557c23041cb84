//! How the servers that tests need are made ready and started on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::runner::{self, Toolbox};
use crate::policy::{Preset, ServiceKind, ServicePolicy};
use crate::usage::UsageError;

/// A server, with everything filled in. Lines are for `/bin/sh -c`.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    /// What the server says of itself; `None` where it is not known how to ask.
    pub version: Option<String>,
    /// Fills its folder, once for all runs.
    pub prepare: Option<String>,
    pub start: String,
    pub ready: String,
    /// What the tests see.
    pub env: BTreeMap<String, String>,
    pub ready_timeout: Duration,
}

/// The folders that jobs see, for what a service's lines may name.
#[derive(Clone, Debug)]
pub struct Places {
    pub home: PathBuf,
    pub tmp: PathBuf,
}

/// Where services without a port of their own begin to count.
const FIRST_PORT: u16 = 20_000;

/// How one of the known servers is run.
struct Recipe {
    version: String,
    prepare: Option<String>,
    start: String,
    ready: String,
    env: Vec<(&'static str, &'static str)>,
    port: u16,
}

impl Places {
    /// The folder of a service, in the `HOME` that every run finds as it was prepared.
    fn dir(&self, name: &str) -> PathBuf {
        self.home.join(".services").join(name)
    }
}

/// Finds the programs of every service.
///
/// # Errors
/// [`UsageError`] where a preset's server is not installed.
pub fn resolve(
    policies: &[ServicePolicy],
    toolbox: &Toolbox,
    places: &Places,
) -> anyhow::Result<Vec<Service>> {
    let services = policies.iter().zip(FIRST_PORT..);
    services
        .map(|(policy, port)| resolve_one(policy, port, toolbox, places))
        .collect()
}

fn resolve_one(
    policy: &ServicePolicy,
    port: u16,
    toolbox: &Toolbox,
    places: &Places,
) -> anyhow::Result<Service> {
    let recipe = match &policy.kind {
        ServiceKind::Preset(Preset::Postgres) => Some(postgres(toolbox)?),
        ServiceKind::Preset(Preset::Mysql) => Some(mysql(toolbox)?),
        ServiceKind::Preset(Preset::Redis) => Some(redis(toolbox)?),
        ServiceKind::Own { .. } => None,
    };
    let port = recipe.as_ref().map_or(port, |recipe| recipe.port);
    let port = policy.port.unwrap_or(port);
    let dir = places.dir(&policy.name);
    let fill = |text: &str| {
        text.replace("{dir}", &dir.to_string_lossy())
            .replace("{tmp}", &places.tmp.to_string_lossy())
            .replace("{port}", &port.to_string())
    };
    let mut env = BTreeMap::new();
    for (name, value) in recipe.iter().flat_map(|recipe| &recipe.env) {
        env.insert((*name).to_owned(), fill(value));
    }
    for (name, value) in &policy.env {
        env.insert(name.clone(), fill(value));
    }
    let (version, prepare, start, ready) = match (&policy.kind, recipe) {
        (_, Some(recipe)) => (
            Some(recipe.version),
            recipe.prepare,
            recipe.start,
            recipe.ready,
        ),
        (
            ServiceKind::Own {
                prepare,
                start,
                ready,
            },
            None,
        ) => (None, prepare.clone(), start.clone(), ready.clone()),
        (ServiceKind::Preset(preset), None) => {
            anyhow::bail!("preset `{}` has no recipe", preset.as_str())
        }
    };
    // The folder is there also for a service that prepares nothing.
    let prepare = match prepare {
        Some(line) => format!("mkdir -p '{{dir}}' && {line}"),
        None => "mkdir -p '{dir}'".to_owned(),
    };
    Ok(Service {
        name: policy.name.clone(),
        version,
        prepare: Some(fill(&prepare)),
        start: fill(&start),
        ready: fill(&ready),
        env,
        ready_timeout: policy.ready_timeout,
    })
}

fn postgres(toolbox: &Toolbox) -> anyhow::Result<Recipe> {
    let bin = folder_of(toolbox, "postgres", &versions("/usr/lib/postgresql", "bin"))
        .ok_or_else(|| missing("PostgreSQL", "postgresql"))?;
    let tool = |name: &str| quoted(&bin.join(name));
    let (initdb, postgres, pg_isready) = (tool("initdb"), tool("postgres"), tool("pg_isready"));
    // What lies in memory for one run needs not survive a loss of power.
    let settings = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c unix_socket_directories=''";
    Ok(Recipe {
        version: runner::say(toolbox, &bin.join("postgres"), "--version")?,
        prepare: Some(format!(
            "{initdb} -D '{{dir}}/data' -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions >&2 && \
             echo 'CREATE DATABASE test' | {postgres} --single -D '{{dir}}/data' postgres >&2"
        )),
        start: format!(
            "exec {postgres} -D '{{dir}}/data' -p {{port}} -c listen_addresses=127.0.0.1 {settings}"
        ),
        ready: format!("{pg_isready} -q -h 127.0.0.1 -p {{port}} -U postgres -d test"),
        env: vec![
            ("PGHOST", "127.0.0.1"),
            ("PGPORT", "{port}"),
            ("PGUSER", "postgres"),
            ("PGDATABASE", "test"),
            ("DATABASE_URL", "postgres://postgres@127.0.0.1:{port}/test"),
        ],
        port: 5432,
    })
}

fn mysql(toolbox: &Toolbox) -> anyhow::Result<Recipe> {
    let extra = ["/usr/sbin", "/usr/libexec"].map(PathBuf::from);
    let find = |name| folder_of(toolbox, name, &extra).map(|folder| folder.join(name));
    let none = || missing("MariaDB or MySQL", "mariadb-server");
    let maria = find("mariadbd").zip(find("mariadb-install-db"));
    let (server, prepare) = match maria {
        Some((server, install)) => {
            let line = format!(
                "{} --no-defaults --datadir='{{dir}}/data' --auth-root-authentication-method=normal >&2",
                quoted(&install)
            );
            (server, line)
        }
        None => {
            let server = find("mysqld").ok_or_else(none)?;
            let line = format!(
                "{} --no-defaults --datadir='{{dir}}/data' --initialize-insecure >&2",
                quoted(&server)
            );
            (server, line)
        }
    };
    let client = find("mariadb").or_else(|| find("mysql")).ok_or_else(none)?;
    let (run, client) = (quoted(&server), quoted(&client));
    Ok(Recipe {
        version: runner::say(toolbox, &server, "--version")?,
        prepare: Some(prepare),
        start: format!(
            "exec {run} --no-defaults --datadir='{{dir}}/data' --port={{port}} --bind-address=127.0.0.1 --socket='{{tmp}}/mysql.sock' \
             --pid-file='{{dir}}/pid' --skip-name-resolve --innodb-use-native-aio=0 --innodb-flush-log-at-trx-commit=0"
        ),
        ready: format!(
            "{client} --no-defaults -h 127.0.0.1 -P {{port}} -u root -e 'CREATE DATABASE IF NOT EXISTS test'"
        ),
        env: vec![
            ("MYSQL_HOST", "127.0.0.1"),
            ("MYSQL_PORT", "{port}"),
            ("MYSQL_TCP_PORT", "{port}"),
            ("MYSQL_USER", "root"),
            ("MYSQL_DATABASE", "test"),
            ("DATABASE_URL", "mysql://root@127.0.0.1:{port}/test"),
        ],
        port: 3306,
    })
}

fn redis(toolbox: &Toolbox) -> anyhow::Result<Recipe> {
    let find = |names: &[&str]| names.iter().find_map(|name| runner::on_path(toolbox, name));
    let none = || missing("Redis", "redis-server");
    let server = find(&["redis-server", "valkey-server"]).ok_or_else(none)?;
    let client = find(&["redis-cli", "valkey-cli"]).ok_or_else(none)?;
    let (run, ask) = (quoted(&server), quoted(&client));
    Ok(Recipe {
        version: runner::say(toolbox, &server, "--version")?,
        prepare: None,
        start: format!(
            "exec {run} --port {{port}} --bind 127.0.0.1 --dir '{{dir}}' --save '' --appendonly no"
        ),
        ready: format!("test \"$({ask} -h 127.0.0.1 -p {{port}} ping)\" = PONG"),
        env: vec![
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", "{port}"),
            ("REDIS_URL", "redis://127.0.0.1:{port}/0"),
        ],
        port: 6379,
    })
}

/// The folder that has this program: one of `others`, the first first, else one of the `PATH`, since Debian puts wrappers there.
fn folder_of(toolbox: &Toolbox, name: &str, others: &[PathBuf]) -> Option<PathBuf> {
    let other = others.iter().find(|folder| folder.join(name).is_file());
    other.cloned().or_else(|| {
        let program = runner::on_path(toolbox, name)?;
        program.parent().map(Path::to_owned)
    })
}

/// The folders `ROOT/N/below`, the highest number first.
fn versions(root: &str, below: &str) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let folder = |version: &u32| Path::new(root).join(version.to_string()).join(below);
    versions.iter().rev().map(folder).collect()
}

fn missing(what: &str, package: &str) -> UsageError {
    UsageError::with_hint(
        format!("`proof.services` wants {what}, which is not installed"),
        format!("install it (Debian, Ubuntu: {package}), or say how to `start` another one"),
    )
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
