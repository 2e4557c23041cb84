//! The SQL of a reading. Names come from the schema and are quoted, texts of ours are quoted too; times are numbers of ours; nothing else varies.

use super::columns::{Column, Columns, quote};
use crate::policy::{Field, FramesConfig, Inner};
use crate::source::Filter;
use crate::source::gather::MAX_MESSAGE;

/// In characters. Of a longer stack the middle goes: the crash is at one of its ends.
const MAX_STACK: usize = 20_000;
const MAX_NAME: usize = 400;

/// Between the fields of a frame, and between frames: no text of a program has them.
pub const FIELD_END: char = '\u{1f}';
pub const FRAME_END: char = '\u{1e}';
/// What each frame has, in this order.
pub const FRAME_FIELDS: [&str; 5] = ["file", "line", "function", "application", "in_app"];

pub struct Queries {
    /// How many events have no time that can be read, or come from the future. `None` where the table has no times.
    pub undated: Option<String>,
    /// One row a group: its newest event and its users; the most frequent group first.
    pub samples: String,
    /// One row a group and hour.
    pub ages: String,
    /// One row a group, release, environment, level and standing.
    pub places: String,
}

impl Queries {
    pub fn new(columns: &Columns, filter: &Filter) -> Queries {
        let has_times = columns.has(Column::At);
        let window = filter.window;
        let (from, until) = (window.from.as_second(), window.until.as_second());
        let latest = filter.now.as_second() + Filter::MAX_SKEW;
        let end = (until + Filter::MAX_SKEW).min(latest);
        let events = events(columns);
        let mut inside = Vec::new();
        if has_times {
            inside.push(format!("at > {from} AND at <= {end}"));
        }
        for (name, wanted) in [
            ("environment", &filter.environments),
            ("release", &filter.releases),
        ] {
            if !wanted.is_empty() {
                let texts: Vec<String> = wanted.iter().map(|text| literal(text)).collect();
                inside.push(format!("{name} IN ({})", texts.join(", ")));
            }
        }
        let inside = match inside.as_slice() {
            [] => String::new(),
            conditions => format!("WHERE {}", conditions.join(" AND ")),
        };
        let key = "type, module, stack, frames, file, function, message_key";
        // What the table has not is the same in every row: grouping by it costs time and says nothing.
        let group = group(columns);
        let place = place_of(columns, &group);
        let undated = format!("SELECT count(*) FROM ({events}) WHERE at IS NULL OR at > {latest}");
        let age = format!("max(({until} - at) / 3600, 0)");
        Queries {
            undated: has_times.then_some(undated),
            // With one max() SQLite takes the other columns from the row that has it.
            samples: format!(
                "SELECT {key}, message, template, line, id, max(at) AS last, {users} AS n_users
                 FROM ({events}) {inside} GROUP BY {group} ORDER BY sum(n) DESC, {group}",
                users = if columns.has(Column::User) {
                    "count(DISTINCT user)"
                } else {
                    "NULL"
                },
            ),
            ages: format!(
                "SELECT {key}, {age} AS age, sum(n) AS n, min(at) AS first, max(at) AS last
                 FROM ({events}) {inside} GROUP BY {group}, {age}"
            ),
            places: format!(
                "SELECT {key}, release, environment, level, muted, resolved FROM ({events}) {inside} GROUP BY {place}"
            ),
        }
    }
}

/// The columns that tell groups apart, of those that there are.
fn group(columns: &Columns) -> String {
    let of_table = [
        (Column::Type, "type"),
        (Column::Module, "module"),
        (Column::Stack, "stack"),
        (Column::File, "file"),
        (Column::Function, "function"),
    ];
    let mut names = known(columns, &of_table);
    if columns.frames.is_some() {
        names.push("frames");
    }
    names.push("message_key");
    names.join(", ")
}

/// `group`, and the columns that tell places apart.
fn place_of(columns: &Columns, group: &str) -> String {
    let of_place = [
        (Column::Release, "release"),
        (Column::Environment, "environment"),
        (Column::Level, "level"),
        (Column::Muted, "muted"),
        (Column::Resolved, "resolved"),
    ];
    let mut names = vec![group];
    names.extend(known(columns, &of_place));
    names.join(", ")
}

fn known<'a>(columns: &Columns, names: &[(Column, &'a str)]) -> Vec<&'a str> {
    let known = names.iter().filter(|(column, _)| columns.has(*column));
    known.map(|(_, name)| *name).collect()
}

/// How many rows the tables have.
pub fn count(columns: &Columns) -> String {
    format!("SELECT count(*) FROM {}", from(columns))
}

/// The table with our names for its columns.
fn events(columns: &Columns) -> String {
    let text = |column: Column, most: usize| match value(columns, column) {
        Some(sql) => format!("substr({sql}, 1, {most})"),
        None => "NULL".to_owned(),
    };
    let message = text(Column::Message, MAX_MESSAGE);
    let stack = match value(columns, Column::Stack) {
        Some(sql) => ends(&sql),
        None => "NULL".to_owned(),
    };
    let frames = columns.frames.as_ref().map_or("NULL".to_owned(), |frames| {
        ends(&json_frames(columns, frames))
    });
    let mut places: Vec<String> = [Column::Stack, Column::File, Column::Function]
        .iter()
        .filter_map(|&column| value(columns, column))
        .map(|sql| format!("coalesce({sql}, '') = ''"))
        .collect();
    if columns.frames.is_some() {
        places.push(format!("coalesce({frames}, '') = ''"));
    }
    let words = if columns.has(Column::Template) {
        format!(
            "coalesce(nullif({}, ''), {message})",
            text(Column::Template, MAX_MESSAGE)
        )
    } else {
        message.clone()
    };
    let message_key = if places.is_empty() {
        words
    } else {
        format!("CASE WHEN {} THEN {words} END", places.join(" AND "))
    };
    format!(
        "SELECT {} AS type, {} AS module, {message} AS message, {message_key} AS message_key, {} AS template, {stack} AS stack,
                {frames} AS frames, {} AS file, {} AS function, {} AS line, {} AS id, {} AS level, {} AS release, {} AS environment,
                {} AS user, {} AS muted, {} AS resolved, {} AS at, {} AS n
         FROM {}",
        text(Column::Type, MAX_NAME),
        text(Column::Module, MAX_NAME),
        text(Column::Template, MAX_MESSAGE),
        text(Column::File, MAX_NAME),
        text(Column::Function, MAX_NAME),
        text(Column::Line, 20),
        text(Column::Id, MAX_NAME),
        text(Column::Level, 40),
        text(Column::Release, MAX_NAME),
        text(Column::Environment, MAX_NAME),
        value(columns, Column::User).unwrap_or("NULL".to_owned()),
        text(Column::Muted, 40),
        text(Column::Resolved, 40),
        at(columns),
        n(columns),
        from(columns),
    )
}

/// The tables and the rows of them that count.
fn from(columns: &Columns) -> String {
    let table = quote(&columns.table);
    let mut sql = format!("main.{table}");
    if let Some(join) = &columns.join {
        let other = quote(&join.table);
        let (left, right) = (quote(&join.left), quote(&join.right));
        sql.push_str(&format!(
            " JOIN main.{other} ON {table}.{left} = {other}.{right}"
        ));
    }
    let conditions: Vec<String> = columns
        .filter
        .iter()
        .map(|(field, wanted)| format!("{} = {}", one(columns, field), literal(wanted)))
        .collect();
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    sql
}

/// A value as text, the first alternative that is not empty; `None` if nothing says what it is.
fn value(columns: &Columns, column: Column) -> Option<String> {
    match columns.fields(column) {
        [] => None,
        [field] => Some(one(columns, field)),
        fields => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("nullif({}, '')", one(columns, field)))
                .collect();
            Some(format!("coalesce({})", fields.join(", ")))
        }
    }
}

fn one(columns: &Columns, field: &Field) -> String {
    let column = place(columns, field);
    match &field.inner {
        None => format!("CAST({column} AS TEXT)"),
        Some(Inner::Json(path)) => format!(
            "CASE WHEN json_valid({column}) THEN CAST(json_extract({column}, {}) AS TEXT) END",
            literal(path)
        ),
        // The text between the first `name="` and the quote after it.
        Some(Inner::Attribute(name)) => {
            let mark = literal(&format!(" {name}=\""));
            let n = name.len() + 3;
            let rest = format!("substr({column}, instr({column}, {mark}) + {n})");
            format!(
                "CASE WHEN instr({column}, {mark}) > 0 THEN substr({rest}, 1, instr({rest}, '\"') - 1) END"
            )
        }
    }
}

fn place(columns: &Columns, field: &Field) -> String {
    let table = field.table.as_ref().unwrap_or(&columns.table);
    format!("{}.{}", quote(table), quote(&field.column))
}

/// The frames of a JSON array as one text, so that the database can group by them.
fn json_frames(columns: &Columns, frames: &FramesConfig) -> String {
    let column = place(columns, &frames.of);
    let Some(Inner::Json(path)) = &frames.of.inner else {
        return "NULL".to_owned();
    };
    let path = literal(path);
    let fields = FRAME_FIELDS.map(|name| match frames.members.get(name) {
        Some(member) => format!(
            "coalesce(json_extract(f.value, {}), '')",
            literal(&format!("$.{member}"))
        ),
        None => "''".to_owned(),
    });
    let separator = format!(" || char({}) || ", u32::from(FIELD_END));
    format!(
        "CASE WHEN json_valid({column}) THEN (SELECT group_concat({}, char({})) FROM json_each({column}, {path}) AS f WHERE json_valid(f.value)) END",
        fields.join(&separator),
        u32::from(FRAME_END),
    )
}

/// Both ends of a text that may be too long.
fn ends(sql: &str) -> String {
    let half = MAX_STACK / 2;
    format!(
        "CASE WHEN length({sql}) > {MAX_STACK} THEN substr({sql}, 1, {half}) || char(10, 10) || substr({sql}, -{half}) ELSE {sql} END"
    )
}

fn literal(text: &str) -> String {
    // SQL ends at a NUL.
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// Seconds since 1970, whatever form the column has: ISO 8601 (UTC if it names no zone), or a number of seconds, milli-, micro- or
/// nanoseconds by its size.
fn at(columns: &Columns) -> String {
    let at = match (columns.plain(Column::At), value(columns, Column::At)) {
        (Some(field), _) => place(columns, field),
        (None, Some(sql)) => format!("({sql})"),
        (None, None) => return "NULL".to_owned(),
    };
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
    match columns.plain(Column::Count) {
        Some(field) => {
            let count = place(columns, field);
            format!("CASE WHEN typeof({count}) = 'integer' AND {count} > 0 THEN {count} ELSE 1 END")
        }
        None => "1".to_owned(),
    }
}
