//! Errors in tables of a SQLite file.

mod functions;
mod open;
mod query;
mod tally;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Statement};

use self::query::Queries;
use self::tally::{Tallied, Tallying};
use super::table::columns::{self, Columns, Schema, Table};
use super::table::{Chosen, Sample, Settling};
use super::{Checked, Filter, Reading, Settings};
use crate::policy::TableConfig;
use crate::usage::UsageError;

/// Reads the errors of `table` that `filter` lets through.
///
/// [`TableConfig::columns`] maps our names to the table's; if it is empty they are guessed from common names, see [`Reading::columns`].
///
/// # Errors
/// [`UsageError`] if file, table or a column is not there; any other error means that nothing is known.
pub fn read(
    path: &Path,
    table: &TableConfig,
    settings: &Settings,
    filter: &Filter,
) -> anyhow::Result<Reading> {
    let mut source = open::open(path, open::deadline(table))?;
    let columns = Columns::resolve(&mut Tables(&source.connection), table)?;
    let pointer = Pointer::of(&source.connection, &columns.table)?;
    open::restrict(&mut source.connection, reads(&columns, &pointer))?;
    let queries = Queries::new(&columns, &pointer, filter);
    // One transaction: several looks at one state.
    let transaction = source.connection.transaction()?;
    let Tallied { counts, n_undated } = count(&transaction, &queries)?;
    let chosen = counts.chosen();
    let mut settling = Settling::new(counts, settings, &columns)?;
    let mut statement = prepare(&transaction, &queries.sample)?;
    for group in &chosen {
        let sample = find(&mut statement, &pointer, group)?;
        settling.add(group.key, sample)?;
    }
    drop(statement);
    transaction.finish()?;
    source.verify()?;
    settling.finish(&columns, n_undated, source.rung)
}

/// Says which columns would be read, and tries to write.
///
/// # Errors
/// As [`read`]; also where a statement that writes is not refused.
pub fn check(path: &Path, table: &TableConfig) -> anyhow::Result<Checked> {
    let mut source = open::open(path, open::deadline(table))?;
    let columns = Columns::resolve(&mut Tables(&source.connection), table)?;
    let pointer = Pointer::of(&source.connection, &columns.table)?;
    open::restrict(&mut source.connection, reads(&columns, &pointer))?;
    let refused = open::try_to_write(&source.connection, &columns)?;
    let n_rows: i64 = prepare(&source.connection, &query::count(&columns))?
        .query_row([], |row| row.get(0))
        .map_err(open::explain)?;
    source.verify()?;
    let mut facts = vec![format!("table `{}`: {n_rows} rows", columns.table)];
    for (table, column) in columns.reads() {
        facts.push(format!("may read `{table}`.`{column}`"));
    }
    Ok(Checked {
        rung: source.rung,
        columns: columns.mapped(),
        refused,
        facts,
    })
}

/// The tables of a database.
pub struct Tables<'c>(pub &'c Connection);

/// The column by which one row of the events' table is found again.
struct Pointer {
    column: String,
    /// What the authorizer hears it called.
    names: Vec<String>,
}

impl Pointer {
    /// # Errors
    /// [`UsageError`] for a table whose rows have no name of one column.
    fn of(connection: &Connection, table: &str) -> anyhow::Result<Pointer> {
        let mut statement = connection.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
        let columns = statement
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(String, i64)>, _>>()
            .context("read the columns of the table")?;
        let keys = columns.iter().filter(|(_, place)| *place > 0);
        let keys: Vec<&str> = keys.map(|(name, _)| name.as_str()).collect();
        let has_no_rowid: bool = connection.query_row(
            "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
            [table],
            |row| row.get(0),
        )?;
        if has_no_rowid {
            let [key] = keys.as_slice() else {
                return Err(UsageError::new(format!(
                    "table `{table}` is `WITHOUT ROWID` and its key is not one column"
                ))
                .into());
            };
            return Ok(Pointer {
                column: (*key).to_owned(),
                names: vec![(*key).to_owned()],
            });
        }
        let is_free = |name: &&str| {
            !columns
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        let column = ["rowid", "_rowid_", "oid"].into_iter().find(is_free);
        let column = column.with_context(|| format!("the rows of `{table}` cannot be named"))?;
        // A key that is the rowid goes by its own name.
        let names = keys.into_iter().take(1).chain(["ROWID"]);
        Ok(Pointer {
            column: column.to_owned(),
            names: names.map(str::to_owned).collect(),
        })
    }
}

/// Every column that a query may name, with its table.
fn reads(columns: &Columns, pointer: &Pointer) -> BTreeSet<(String, String)> {
    let of_pointer = pointer.names.iter();
    let of_pointer = of_pointer.map(|name| (columns.table.clone(), name.clone()));
    columns.reads().into_iter().chain(of_pointer).collect()
}

impl Schema for Tables<'_> {
    fn table(&mut self, name: &str) -> anyhow::Result<Table> {
        let name = find_table(self.0, name)?;
        let columns = columns_of(self.0, &name)?;
        Ok((name, columns))
    }
}

/// What is in groups, and how many events are in none.
fn count(connection: &Connection, queries: &Queries) -> anyhow::Result<Tallied> {
    let tallying = Tallying::add(connection)?;
    prepare(connection, &queries.tally)?
        .query_row([], |row| row.get::<_, i64>(0))
        .map_err(open::explain)?;
    tallying.take(queries.names_users)
}

/// The event that a group's pointer leads to. Joined to several rows it may be in several groups.
fn find(
    statement: &mut Statement<'_>,
    pointer: &Pointer,
    group: &Chosen<i64>,
) -> anyhow::Result<Sample> {
    let mut rows = statement.query([&group.pointer])?;
    while let Some(row) = rows.next().map_err(open::explain)? {
        if row.get::<_, i64>("g")? == group.key {
            return Ok(Sample {
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
            });
        }
    }
    anyhow::bail!(
        "the row of an event was not found again by its `{}`",
        pointer.column
    )
}

/// Prepares a statement and makes sure that it cannot write.
fn prepare<'c>(connection: &'c Connection, sql: &str) -> anyhow::Result<Statement<'c>> {
    let statement = connection
        .prepare(sql)
        .context("prepare a query of the errors")?;
    anyhow::ensure!(statement.readonly(), "a query of the errors would write");
    Ok(statement)
}

/// An ordinary table: a view or a virtual table would run code of the schema's.
fn find_table(connection: &Connection, table: &str) -> anyhow::Result<String> {
    let mut statement =
        connection.prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main'")?;
    let tables = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()
        .context("read the schema")?;
    let found = tables
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(table));
    match found {
        Some((name, kind)) if kind == "table" && !name.starts_with("sqlite_") => Ok(name.clone()),
        Some((name, kind)) => {
            Err(UsageError::new(format!("`{name}` is no ordinary table: {kind}")).into())
        }
        None => {
            let mut names: Vec<&String> = tables
                .iter()
                .filter(|(name, kind)| kind == "table" && !name.starts_with("sqlite_"))
                .map(|(name, _)| name)
                .collect();
            names.sort();
            Err(UsageError::with_hint(
                format!("no table `{table}` in the database"),
                format!("it has {}", columns::list(&names)),
            )
            .into())
        }
    }
}

fn columns_of(connection: &Connection, table: &str) -> anyhow::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement
        .query_map([table], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()
        .context("read the columns of the table")?;
    Ok(names)
}

/// A column as text, whatever bytes it holds: they are a stranger's.
fn text(row: &Row, name: &str) -> anyhow::Result<Option<String>> {
    Ok(match row.get_ref(name)? {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    })
}

#[cfg(test)]
mod tests;
