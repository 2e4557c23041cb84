//! The SQL of a reading. Names come from the schema and are quoted; times are numbers of ours; nothing else varies.

use super::columns::quote;
use super::{Column, Columns};
use crate::source::Window;

/// In characters: what is pulled of a message before it is redacted and cut for people.
pub const MAX_MESSAGE: usize = 4_000;
const MAX_STACK: usize = 20_000;
const MAX_NAME: usize = 400;

/// Events may be this much ahead of our clock, in seconds.
const MAX_SKEW: i64 = 300;

pub struct Queries {
    /// How many events have no time that can be read, or come from the future. `None` where the table has no times.
    pub undated: Option<String>,
    /// One row a group: its newest event and its users; the most frequent group first.
    pub samples: String,
    /// One row a group and hour.
    pub ages: String,
    /// One row a group, release, environment and level.
    pub places: String,
}

impl Queries {
    pub fn new(columns: &Columns, window: &Window) -> Queries {
        let has_times = columns.get(Column::At).is_some();
        let (from, now) = (window.from.as_second(), window.until.as_second());
        let latest = now + MAX_SKEW;
        let events = events(columns);
        let inside = if has_times {
            format!("WHERE at > {from} AND at <= {latest}")
        } else {
            String::new()
        };
        let key = "type, stack, file, function, message_key";
        let undated = format!("SELECT count(*) FROM ({events}) WHERE at IS NULL OR at > {latest}");
        Queries {
            undated: has_times.then_some(undated),
            // With one max() SQLite takes the other columns from the row that has it.
            samples: format!(
                "SELECT {key}, message, line, id, max(at) AS last, {users} AS n_users
                 FROM ({events}) {inside} GROUP BY {key} ORDER BY sum(n) DESC, {key}",
                users = match columns.get(Column::User) {
                    Some(_) => "count(DISTINCT user)",
                    None => "NULL",
                },
            ),
            ages: format!(
                "SELECT {key}, max(({now} - at) / 3600, 0) AS age, sum(n) AS n, min(at) AS first, max(at) AS last
                 FROM ({events}) {inside} GROUP BY {key}, max(({now} - at) / 3600, 0)"
            ),
            places: format!(
                "SELECT DISTINCT {key}, release, environment, level FROM ({events}) {inside}"
            ),
        }
    }
}

/// The table with our names for its columns.
fn events(columns: &Columns) -> String {
    let text = |column: Column, most: usize| match columns.get(column) {
        Some(name) => format!("substr(CAST({} AS TEXT), 1, {most})", quote(name)),
        None => "NULL".to_owned(),
    };
    let message = text(Column::Message, MAX_MESSAGE);
    let places: Vec<String> = [Column::Stack, Column::File, Column::Function]
        .iter()
        .filter_map(|&column| columns.get(column))
        .map(|name| format!("coalesce(CAST({} AS TEXT), '') = ''", quote(name)))
        .collect();
    let message_key = if places.is_empty() {
        message.clone()
    } else {
        format!("CASE WHEN {} THEN {message} END", places.join(" AND "))
    };
    format!(
        "SELECT {} AS type, {message} AS message, {message_key} AS message_key, {} AS stack, {} AS file, {} AS function,
                {} AS line, {} AS id, {} AS level, {} AS release, {} AS environment, {} AS user, {} AS at, {} AS n
         FROM main.{}",
        text(Column::Type, MAX_NAME),
        text(Column::Stack, MAX_STACK),
        text(Column::File, MAX_NAME),
        text(Column::Function, MAX_NAME),
        text(Column::Line, 20),
        text(Column::Id, MAX_NAME),
        text(Column::Level, 40),
        text(Column::Release, MAX_NAME),
        text(Column::Environment, MAX_NAME),
        columns.sql(Column::User),
        at(columns),
        n(columns),
        quote(&columns.table),
    )
}

/// Seconds since 1970, whatever form the column has: ISO 8601 (UTC if it names no zone), or a number of seconds, milli-, micro- or
/// nanoseconds by its size.
fn at(columns: &Columns) -> String {
    let Some(name) = columns.get(Column::At) else {
        return "NULL".to_owned();
    };
    let at = quote(name);
    let number = |at: &str| {
        format!(
            "CAST(CASE WHEN {at} < 1e11 THEN {at} WHEN {at} < 1e14 THEN {at} / 1e3 WHEN {at} < 1e17 THEN {at} / 1e6 ELSE {at} / 1e9 END AS INTEGER)"
        )
    };
    format!(
        "CASE WHEN typeof({at}) IN ('integer', 'real') THEN {}
              WHEN typeof({at}) <> 'text' THEN NULL
              WHEN {at} NOT GLOB '*[^0-9.]*' THEN {}
              ELSE unixepoch(replace({at}, ' UTC', '')) END",
        number(&at),
        number(&format!("CAST({at} AS REAL)")),
    )
}

/// How many events a row stands for.
fn n(columns: &Columns) -> String {
    match columns.get(Column::Count) {
        Some(name) => {
            let count = quote(name);
            format!("CASE WHEN typeof({count}) = 'integer' AND {count} > 0 THEN {count} ELSE 1 END")
        }
        None => "1".to_owned(),
    }
}
