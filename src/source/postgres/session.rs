//! One session with a server: read only from its first word, every wait with an end, and no text of the server in a message.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use tokio::runtime::{self, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

use super::tls::Tls;
use crate::policy::{self, PostgresConfig, TokenPlace, Url};
use crate::source::secret;
use crate::usage::UsageError;

/// For a whole reading, where the policy says no other.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// For the lock of a table: whoever holds it would have others wait behind us.
const LOCK: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(10);
/// The server is given this much longer than its own limit to say that it was reached.
const GRACE: Duration = Duration::from_secs(2);

pub struct Session {
    runtime: Runtime,
    client: Client,
    end: Instant,
}

/// A statement of ours and its values. Values are sent beside the text, never in it.
#[derive(Debug, Default)]
pub struct Query {
    pub sql: String,
    pub values: Vec<Value>,
}

#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    Texts(Vec<String>),
}

impl Session {
    /// Connects and begins the one transaction of the session.
    ///
    /// # Errors
    /// [`UsageError`] if the server cannot be reached or does not let us in; any other error means that nothing is known.
    pub fn open(
        server: &PostgresConfig,
        folder: &Path,
        deadline: Duration,
    ) -> anyhow::Result<Session> {
        let mut config = address(server, folder)?;
        if let Some(place) = &server.password {
            config.password(secret::read(place, folder, "password")?);
        }
        if config.get_user().is_none() || config.get_dbname().is_none() {
            return Err(UsageError::new("the address names no role or no database").into());
        }
        let is_encrypted = match server.tls {
            policy::Tls::Required => true,
            policy::Tls::Off => false,
            policy::Tls::Elsewhere => !is_here(&config),
        };
        config
            .ssl_mode(if is_encrypted {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            .application_name("koan-guard")
            .connect_timeout(CONNECT)
            .options(options(deadline));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start a runtime")?;
        let ca_file = server.ca_file.as_ref().map(|path| folder.join(path));
        let end = Instant::now() + deadline + GRACE;
        let client = if is_encrypted {
            let tls = Tls::new(ca_file.as_deref())?;
            wait(&runtime, end, async {
                let (client, connection) = config.connect(tls).await?;
                tokio::spawn(connection);
                Ok(client)
            })
        } else {
            wait(&runtime, end, async {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            })
        };
        let session = Session {
            client: client.context("connect to PostgreSQL")?,
            runtime,
            end,
        };
        session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        Ok(session)
    }

    /// Runs a statement without values or rows.
    pub fn run(&self, sql: &str) -> anyhow::Result<()> {
        wait(&self.runtime, self.end, self.client.batch_execute(sql))
    }

    /// Tries a statement that must fail, and says why it did.
    ///
    /// # Errors
    /// It did not, or for another reason than that it writes.
    pub fn try_to(&self, sql: &str) -> anyhow::Result<String> {
        self.run("SAVEPOINT koan_guard")?;
        let tried = self.client.batch_execute(sql);
        let tried = wait(&self.runtime, self.end, async { Ok(tried.await) })?;
        let Err(err) = tried else {
            anyhow::bail!("`{sql}` was not refused");
        };
        // A read-only transaction, or one that cannot become another; a role without the right.
        let why = match err.code().map(|code| code.code()) {
            Some("25006") => "the transaction is read only",
            Some("25001") => "the transaction has begun",
            Some("42501") => "permission denied",
            _ => return Err(explain(&err)),
        };
        self.run("ROLLBACK TO SAVEPOINT koan_guard")?;
        Ok(why.to_owned())
    }

    /// Every row of a query, one at a time.
    pub fn each_row(
        &self,
        query: &Query,
        mut take: impl FnMut(&Row) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let values = query.values.iter().map(Value::to_sql);
        let rows = self.client.query_typed_raw(&query.sql, values);
        let rows = wait(&self.runtime, self.end, rows)?;
        let mut rows = Box::pin(rows);
        while let Some(row) = wait(&self.runtime, self.end, rows.try_next())? {
            take(&row)?;
        }
        Ok(())
    }

    /// A query of a few rows.
    pub fn rows(&self, query: &Query) -> anyhow::Result<Vec<Row>> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            query.values.iter().map(Value::to_sql).collect();
        let rows = self.client.query_typed(&query.sql, &values);
        wait(&self.runtime, self.end, rows)
    }
}

impl Query {
    pub fn new(sql: impl Into<String>, values: Vec<Value>) -> Query {
        Query {
            sql: sql.into(),
            values,
        }
    }
}

impl Value {
    fn to_sql(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Value::Text(text) => (text, Type::TEXT),
            Value::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }
}

fn wait<T>(
    runtime: &Runtime,
    end: Instant,
    future: impl Future<Output = Result<T, Error>>,
) -> anyhow::Result<T> {
    let left = end.saturating_duration_since(Instant::now());
    match runtime.block_on(async { tokio::time::timeout(left, future).await }) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(err)) => Err(explain(&err)),
        Err(_) => Err(late()),
    }
}

/// What the policy says of the server, without anything in it that could make the session another one than ours.
fn address(server: &PostgresConfig, folder: &Path) -> anyhow::Result<Config> {
    let (url, shown) = match &server.url {
        Url::Given(url) => (url.clone(), format!("`{url}`")),
        Url::Variable(name) => {
            let place = TokenPlace::Variable(name.clone());
            let url = secret::read(&place, folder, "address")?;
            (url, format!("variable `{name}`"))
        }
    };
    let wrong = || UsageError::new(format!("{shown} holds no address of PostgreSQL"));
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(wrong().into());
    }
    let (place, query) = url.split_once('?').unwrap_or((&url, ""));
    let of_place = ["host", "port", "user", "password", "dbname"];
    let kept: Vec<&str> = query
        .split('&')
        .filter(|part| {
            of_place
                .iter()
                .any(|key| part.split('=').next() == Some(key))
        })
        .collect();
    let url = format!("{place}?{}", kept.join("&"));
    // The error may hold a part of the address.
    let config = url.parse::<Config>().map_err(|_| wrong())?;
    if config.get_hosts().is_empty() {
        return Err(wrong().into());
    }
    Ok(config)
}

/// Whether nobody can listen on the way.
fn is_here(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Tcp(name) => {
            let address = name.parse::<IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let mut addresses = config.get_hostaddrs().iter();
    config.get_hosts().iter().all(is_here) && addresses.all(IpAddr::is_loopback)
}

/// What holds from the first word on. A pooler that does not know it refuses the session, and passes nothing on to the next one.
fn options(deadline: Duration) -> String {
    let settings = [
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", deadline.as_millis().to_string()),
        ("lock_timeout", LOCK.min(deadline).as_millis().to_string()),
        (
            "idle_in_transaction_session_timeout",
            deadline.as_millis().to_string(),
        ),
        ("search_path", "pg_catalog,pg_temp".to_owned()),
        // Rows that a policy of the table's would hide are missed, and its functions are not ours to run.
        ("row_security", "off".to_owned()),
        ("standard_conforming_strings", "on".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("work_mem", "32MB".to_owned()),
        ("jit", "off".to_owned()),
        // Nothing tells the planner that the groups are few: it would sort a million rows to find sixty.
        ("enable_sort", "off".to_owned()),
    ];
    let settings = settings.map(|(name, value)| format!("-c {name}={value}"));
    settings.join(" ")
}

fn late() -> anyhow::Error {
    anyhow::anyhow!("reading the errors took longer than the source's `timeout`")
}

/// What an error means. The server's own words may hold anything that is in the tables, so they are not repeated.
fn explain(err: &Error) -> anyhow::Error {
    let Some(code) = err.code() else {
        return explain_link(err);
    };
    let code = code.code();
    let usage = |message: &str, hint: &str| UsageError::with_hint(message, hint).into();
    match code {
        "28P01" | "28000" => usage(
            "PostgreSQL does not let us in",
            "check the role of the address, and the password in the variable or file that the policy names",
        ),
        "3D000" => usage(
            "there is no such database",
            "check the name at the end of the address",
        ),
        "42501" => usage(
            "the role may not read a table of the source, or not all of its rows",
            "`grant usage on schema …; grant select on table …`; a table with row security needs a policy that does not apply to the role",
        ),
        "55P03" => anyhow::anyhow!("a table of the source is locked by another session"),
        "57014" => late(),
        "57P01" | "57P02" | "57P03" => anyhow::anyhow!("the server is being stopped or started"),
        "53300" => anyhow::anyhow!("the server has no connection left for us"),
        "22P02" | "22P05" | "22032" => anyhow::anyhow!(
            "a row holds something else than its column should, as JSON that is none ({code})"
        ),
        _ => anyhow::anyhow!("PostgreSQL answered with error {code}"),
    }
}

/// What went wrong on the way.
fn explain_link(err: &Error) -> anyhow::Error {
    let shown = err.to_string();
    let source = err.source();
    let reason = source.map_or(String::new(), ToString::to_string);
    if shown.contains("TLS handshake") {
        let hint = if reason.contains("does not support TLS") {
            "the server offers no TLS; `tls: off` does without, where the way is safe"
        } else {
            "`ca_file` names who may sign the certificate, where that is none of the well-known authorities"
        };
        return UsageError::with_hint(format!("no safe way to PostgreSQL: {reason}"), hint).into();
    }
    if err.is_closed() {
        return anyhow::anyhow!("the server closed the connection");
    }
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => anyhow::anyhow!("the connection failed: {}", source.kind()),
        None => anyhow::anyhow!("the connection failed: {shown}"),
    }
}
