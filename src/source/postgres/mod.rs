//! Errors in tables of a PostgreSQL server.

mod query;
mod role;
mod session;
mod tables;
mod tls;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use self::query::Queries;
use self::role::Role;
use self::session::Session;
use self::tables::Tables;
use super::table::columns::{Columns, quote};
use super::table::{Cell, Chosen, Counts, Sample, Settling};
use super::{Checked, Filter, Reading, Settings};
use crate::policy::{PostgresConfig, TableConfig};

/// Events are asked for so many at a time.
const N_SAMPLES: usize = 200;

/// The hash that the server makes of what tells two groups apart.
type Key = [u8; 32];

/// Reads the errors of `table` that `filter` lets through.
///
/// # Errors
/// [`UsageError`](crate::usage::UsageError) if server, table or a column is not there, or the role could write; any other error means that nothing
/// is known.
pub fn read(
    server: &PostgresConfig,
    table: &TableConfig,
    folder: &Path,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let session = Session::open(server, folder, deadline(table))?;
    let role = Role::of(&session, server.allow_writer_role.as_deref())?;
    let mut tables = Tables::new(&session, &server.schema, role.server_version);
    let columns = Columns::resolve(&mut tables, table)?;
    let queries = Queries::new(&columns, &tables, filter);
    let n_undated = match &queries.undated {
        Some(query) => one_number(&session, query)?,
        None => 0,
    };
    let counts = count(&session, &queries)?;
    let chosen = counts.chosen();
    let mut settling = Settling::new(counts, settings, &columns)?;
    for group in chosen.chunks(N_SAMPLES) {
        let mut samples = samples(&session, &columns, &tables, group)?;
        for one in group {
            let sample = samples.remove(&one.key);
            let sample = sample.context("the event of a group was not found again")?;
            settling.add(one.key, sample)?;
        }
    }
    session.run("ROLLBACK")?;
    settling.finish(&columns, n_undated, role.rung)
}

/// Says which columns would be read and by whom, and tries to write.
///
/// # Errors
/// As [`read`]; also where a statement that writes is not refused.
pub fn check(
    server: &PostgresConfig,
    table: &TableConfig,
    folder: &Path,
) -> anyhow::Result<Checked> {
    let session = Session::open(server, folder, deadline(table))?;
    let role = Role::of(&session, server.allow_writer_role.as_deref())?;
    let mut tables = Tables::new(&session, &server.schema, role.server_version);
    let columns = Columns::resolve(&mut tables, table)?;
    let refused = try_to_write(&session, &columns, &tables)?;
    let n_rows = one_number(&session, &query::count(&columns, &tables))?;
    session.run("ROLLBACK")?;
    let n_rows = if n_rows < query::MAX_COUNT.unsigned_abs() {
        format!("{n_rows} rows")
    } else {
        format!("{n_rows} rows or more")
    };
    let mut facts = vec![
        format!("role `{}`", role.name.escape_debug()),
        format!("table `{}`.`{}`: {n_rows}", server.schema, columns.table),
    ];
    facts.extend(
        role.rights
            .iter()
            .map(|right| format!("allowed although {right}")),
    );
    for (table, column) in columns.reads() {
        facts.push(format!("reads `{table}`.`{column}`"));
    }
    Ok(Checked {
        rung: role.rung,
        columns: columns.mapped(),
        refused,
        facts,
    })
}

fn deadline(table: &TableConfig) -> Duration {
    table.timeout.unwrap_or(session::DEADLINE)
}

/// Tries what would write. Each statement would change nothing even if it were not refused, and the transaction is never committed.
fn try_to_write(
    session: &Session,
    columns: &Columns,
    tables: &Tables,
) -> anyhow::Result<Vec<(String, String)>> {
    let table = query::table(columns, tables);
    let schema = quote(&tables.schema);
    let reads = columns.reads();
    let own = reads.iter().find(|(name, _)| *name == columns.table);
    let (_, column) = own.context("no column of the table is read")?;
    let column = quote(column);
    let statements = [
        format!("INSERT INTO {table} SELECT * FROM {table} WHERE false"),
        format!("UPDATE {table} SET {column} = {column} WHERE false"),
        format!("DELETE FROM {table} WHERE false"),
        format!("SELECT {column} FROM {table} WHERE false FOR UPDATE"),
        format!("CREATE TABLE {schema}.koan_guard_probe ()"),
        "CREATE TEMPORARY TABLE koan_guard_probe ()".to_owned(),
        "SET TRANSACTION READ WRITE".to_owned(),
    ];
    let mut refused = Vec::new();
    for sql in statements {
        let why = session.try_to(&sql)?;
        refused.push((sql, why));
    }
    Ok(refused)
}

fn count(session: &Session, queries: &Queries) -> anyhow::Result<Counts<Key>> {
    let mut counts = Counts::new();
    session.each_row(&queries.cells, |row| {
        counts.add(Cell {
            key: key(row)?,
            n: row.try_get::<_, i64>("n")?.unsigned_abs(),
            age: row.try_get("age")?,
            first: row.try_get("first")?,
            last: row.try_get("last")?,
            newest: text(row, "newest")?.unwrap_or_default(),
            release: text(row, "release")?,
            environment: text(row, "environment")?,
            level: text(row, "level")?,
            muted: text(row, "muted")?,
            resolved: text(row, "resolved")?,
        })
    })?;
    if let Some(query) = &queries.users {
        session.each_row(query, |row| {
            counts.add_users(key(row)?, row.try_get::<_, i64>("n")?.unsigned_abs());
            Ok(())
        })?;
    }
    Ok(counts)
}

/// The events that the pointers of these groups lead to.
fn samples(
    session: &Session,
    columns: &Columns,
    tables: &Tables,
    groups: &[Chosen<Key>],
) -> anyhow::Result<HashMap<Key, Sample>> {
    let pointers: Vec<String> = groups.iter().map(|group| group.pointer.clone()).collect();
    let wanted: HashMap<Key, &str> = groups
        .iter()
        .map(|group| (group.key, group.pointer.as_str()))
        .collect();
    let mut samples = HashMap::new();
    session.each_row(&query::samples(columns, tables, pointers), |row| {
        let key = key(row)?;
        let pointer = text(row, "pointer")?;
        if wanted.get(&key).copied() == pointer.as_deref() {
            let sample = Sample {
                error_type: text(row, "type")?,
                module: text(row, "module")?,
                message: text(row, "message")?,
                template: text(row, "template")?,
                stack: text(row, "stack")?,
                frames: text(row, "frames")?,
                file: text(row, "file")?,
                function: text(row, "function")?,
                line: text(row, "line")?,
                id: text(row, "id")?,
            };
            samples.insert(key, sample);
        }
        Ok(())
    })?;
    Ok(samples)
}

fn one_number(session: &Session, query: &session::Query) -> anyhow::Result<u64> {
    let rows = session.rows(query)?;
    let row = rows.first().context("the server answers with no row")?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

fn key(row: &Row) -> anyhow::Result<Key> {
    let bytes: &[u8] = row.try_get("key")?;
    Ok(bytes.try_into()?)
}

/// Text as the server sends it, whatever bytes it holds: they are a stranger's.
struct Bytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(
        _type: &Type,
        bytes: &'a [u8],
    ) -> Result<Bytes<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Bytes(bytes))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TEXT
    }
}

fn text(row: &Row, name: &str) -> anyhow::Result<Option<String>> {
    let bytes: Option<Bytes> = row.try_get(name)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes.0).into_owned()))
}
