//! The SQL of a reading. Names come from the schema and are quoted, texts of ours are quoted too; times are numbers of ours; nothing else varies.

use super::Pointer;
use super::functions::{AT, GROUP};
use super::tally::{TALLY, UNDATED};
use crate::policy::{Field, FramesConfig, Inner};
use crate::source::Filter;
use crate::source::gather::MAX_MESSAGE;
use crate::source::table::columns::{Column, Columns, quote};
use crate::source::table::{
    self, FIELD_END, FRAME_END, FRAME_FIELDS, MAX_NAME, MAX_STACK, MAX_WORD,
};

pub struct Queries {
    /// Hands every event to [`TALLY`], and gives one row.
    pub tally: String,
    /// Whether the events say who was hit.
    pub names_users: bool,
    /// The event that a pointer leads to.
    pub sample: String,
}

/// What the function that tells groups apart is given.
const KEY: &str = "type, module, stack, frames, file, function, message_key";

impl Queries {
    pub fn new(columns: &Columns, pointer: &Pointer, filter: &Filter) -> Queries {
        let has_times = columns.has(Column::At);
        let (from, end, latest) = table::seconds(filter);
        let until = filter.window.until.as_second();
        // With a limit each value is computed once a row, and not wherever it is named.
        let events = format!("({} LIMIT -1)", events(columns, pointer, None));
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
            [] => "1".to_owned(),
            conditions => conditions.join(" AND "),
        };
        let group = format!("{GROUP}({KEY})");
        let (wanted, number) = if has_times {
            let undated = format!("(at IS NULL OR at > {latest})");
            (
                format!("({inside}) OR {undated}"),
                format!("CASE WHEN {undated} THEN {UNDATED} ELSE {group} END"),
            )
        } else {
            (inside, group.clone())
        };
        Queries {
            tally: format!(
                "SELECT {TALLY}({number}, max(({until} - at) / 3600, 0), release, environment, level, muted, resolved, n, at, id, pointer, user)
                 FROM {events} WHERE {wanted}"
            ),
            names_users: columns.has(Column::User),
            sample: format!(
                "SELECT {group} AS g, type, module, message, template, stack, frames, file, function, line, id FROM ({})",
                self::events(columns, pointer, Some("?1"))
            ),
        }
    }
}

/// How many rows the tables have.
pub fn count(columns: &Columns) -> String {
    format!("SELECT count(*) FROM {}", from(columns, None))
}

/// The table with our names for its columns; all of it, or one row of it.
fn events(columns: &Columns, pointer: &Pointer, only: Option<&str>) -> String {
    let table = quote(&columns.table);
    let pointer = format!("{table}.{}", quote(&pointer.column));
    let only = only.map(|value| format!("{pointer} = {value}"));
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
                {} AS user, {} AS muted, {} AS resolved, {} AS at, {} AS n,
                CASE typeof({pointer}) WHEN 'integer' THEN {pointer} ELSE CAST({pointer} AS TEXT) END AS pointer
         FROM {}",
        text(Column::Type, MAX_NAME),
        text(Column::Module, MAX_NAME),
        text(Column::Template, MAX_MESSAGE),
        text(Column::File, MAX_NAME),
        text(Column::Function, MAX_NAME),
        text(Column::Line, 20),
        text(Column::Id, MAX_NAME),
        text(Column::Level, MAX_WORD),
        text(Column::Release, MAX_NAME),
        text(Column::Environment, MAX_NAME),
        value(columns, Column::User).unwrap_or("NULL".to_owned()),
        text(Column::Muted, MAX_WORD),
        text(Column::Resolved, MAX_WORD),
        at(columns),
        n(columns),
        from(columns, only),
    )
}

/// The tables and the rows of them that count.
fn from(columns: &Columns, only: Option<String>) -> String {
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
        .chain(only)
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

/// Seconds since 1970, whatever form the column has.
fn at(columns: &Columns) -> String {
    match (columns.plain(Column::At), value(columns, Column::At)) {
        (Some(field), _) => format!("{AT}({})", place(columns, field)),
        (None, Some(sql)) => format!("{AT}({sql})"),
        (None, None) => "NULL".to_owned(),
    }
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
