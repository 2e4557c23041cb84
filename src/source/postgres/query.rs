//! The SQL of a reading. Names come from the schema and are quoted, texts are values beside the statement, numbers are ours.

use super::session::{Query, Value};
use super::tables::{Kind, Tables};
use crate::policy::{Field, FramesConfig, Inner};
use crate::source::Filter;
use crate::source::gather::MAX_MESSAGE;
use crate::source::table::columns::{Column, Columns, quote};
use crate::source::table::{
    self, FIELD_END, FRAME_END, FRAME_FIELDS, MAX_NAME, MAX_STACK, MAX_WORD,
};

pub struct Queries {
    /// How many events have no time that can be read, or come from the future. `None` where the table has no times.
    pub undated: Option<Query>,
    /// One row a group, hour and place, in the order of the groups.
    pub cells: Query,
    /// One row a group; `None` where nothing says who was hit.
    pub users: Option<Query>,
}

/// `IS JSON` is known.
const HAS_IS_JSON: i64 = 160_000;

impl Queries {
    pub fn new(columns: &Columns, tables: &Tables, filter: &Filter) -> Queries {
        let has_times = columns.has(Column::At);
        let until = filter.window.until.as_second();
        let mut builder = Builder::new(columns, tables);
        let events = builder.keyed(&Rows::Inside(filter));
        let separator = format!("pg_catalog.chr({})", u32::from(FIELD_END));
        let newest = format!(
            "lpad(greatest(coalesce(at, 0), 0)::text, 15, '0') || {separator} || coalesce(id, '') || {separator} || pointer"
        );
        let cells = format!(
            "SELECT * FROM (SELECT key, age, release, environment, level, muted, resolved,
                    sum(n)::int8 AS n, min(at) AS first, max(at) AS last, max(newest COLLATE \"C\") AS newest
             FROM (SELECT *, greatest(({until} - at) / 3600, 0) AS age, {newest} AS newest FROM ({events}) AS e) AS e
             GROUP BY key, age, release, environment, level, muted, resolved OFFSET 0) AS e ORDER BY key"
        );
        let cells = builder.query(cells);
        let users = columns.has(Column::User).then(|| {
            let mut builder = Builder::new(columns, tables);
            let events = builder.keyed(&Rows::Inside(filter));
            builder.query(format!(
                "SELECT key, count(account) AS n FROM (SELECT DISTINCT key, account FROM ({events}) AS e) AS e
                 GROUP BY key"
            ))
        });
        let undated = has_times.then(|| {
            let mut builder = Builder::new(columns, tables);
            let (_, _, latest) = table::seconds(filter);
            let from = builder.from(None);
            let condition = builder.undated(latest);
            builder.query(format!(
                "SELECT count(*) FROM (SELECT {condition} AS is_so FROM {from}) AS e WHERE is_so"
            ))
        });
        Queries {
            undated,
            cells,
            users,
        }
    }
}

/// The events that these pointers lead to, and others at the same places of other parts of the table.
pub fn samples(columns: &Columns, tables: &Tables, pointers: Vec<String>) -> Query {
    let mut builder = Builder::new(columns, tables);
    let places = pointers
        .iter()
        .filter_map(|pointer| pointer.split_once('!'));
    let places = places.map(|(_, place)| place.to_owned()).collect();
    let events = builder.keyed(&Rows::At(places));
    builder.query(format!(
        "SELECT key, pointer, type, module, message, template, stack, frames, file, function, line, id FROM ({events}) AS e"
    ))
}

/// How many rows the tables have, counted up to a million.
pub fn count(columns: &Columns, tables: &Tables) -> Query {
    let mut builder = Builder::new(columns, tables);
    let from = builder.from(None);
    builder.query(format!(
        "SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT {MAX_COUNT}) AS e"
    ))
}

pub const MAX_COUNT: i64 = 1_000_000;

/// The name of the events' table, for statements that must be refused.
pub fn table(columns: &Columns, tables: &Tables) -> String {
    format!("{}.{}", quote(&tables.schema), quote(&columns.table))
}

/// Which rows are wanted.
enum Rows<'a> {
    Inside(&'a Filter),
    /// At these places of the table.
    At(Vec<String>),
}

/// A statement in the making.
struct Builder<'a> {
    columns: &'a Columns,
    tables: &'a Tables<'a>,
    values: Vec<Value>,
}

impl<'a> Builder<'a> {
    fn new(columns: &'a Columns, tables: &'a Tables<'a>) -> Builder<'a> {
        Builder {
            columns,
            tables,
            values: Vec::new(),
        }
    }

    fn query(self, sql: String) -> Query {
        Query::new(sql, self.values)
    }

    fn text(&mut self, text: &str) -> String {
        // A text of PostgreSQL has no NUL.
        self.values.push(Value::Text(text.replace('\0', "")));
        format!("${}", self.values.len())
    }

    fn texts(&mut self, texts: Vec<String>) -> String {
        let texts = texts.into_iter().map(|text| text.replace('\0', ""));
        self.values.push(Value::Texts(texts.collect()));
        format!("${}", self.values.len())
    }

    /// The events with our names for their columns, and a key of what tells their groups apart.
    ///
    /// `OFFSET 0` keeps the server from computing a value again wherever it is named.
    fn keyed(&mut self, rows: &Rows) -> String {
        let cut = self.cut(rows);
        let columns = self.columns;
        let names = [
            (columns.has(Column::Type), "type"),
            (columns.has(Column::Module), "module"),
            (columns.has(Column::Stack), "stack"),
            (columns.frames.is_some(), "frames"),
            (columns.has(Column::File), "file"),
            (columns.has(Column::Function), "function"),
            (true, "message_key"),
        ];
        // Every value with its length before it, so that no two lists of values are one text. What is missing has no length; an error without a
        // type is one whose type is empty.
        let parts = names.iter().filter(|(has, _)| *has);
        let parts = parts.map(|(_, name)| match *name {
            "type" => "coalesce(octet_length(type), 0), ':', type".to_owned(),
            name => format!("octet_length({name}), ':', {name}"),
        });
        let parts: Vec<String> = parts.collect();
        let key = format!("sha256(convert_to(concat({}), 'UTF8'))", parts.join(", "));
        format!("SELECT {key} AS key, * FROM ({cut}) AS e OFFSET 0")
    }

    fn cut(&mut self, rows: &Rows) -> String {
        let columns = self.columns;
        let events = self.events(rows);
        let mut inside = Vec::new();
        if let Rows::Inside(filter) = rows {
            if columns.has(Column::At) {
                let (from, end, _) = table::seconds(filter);
                inside.push(format!("at > {from} AND at <= {end}"));
            }
            for (name, wanted) in [
                ("environment", &filter.environments),
                ("release", &filter.releases),
            ] {
                if !wanted.is_empty() {
                    inside.push(format!("{name} = ANY({})", self.texts(wanted.clone())));
                }
            }
        }
        let inside = match inside.as_slice() {
            [] => String::new(),
            conditions => format!("WHERE {}", conditions.join(" AND ")),
        };
        let has = |column| columns.has(column);
        let places: Vec<&str> = [
            (has(Column::Stack), "stack"),
            (has(Column::File), "file"),
            (has(Column::Function), "function"),
            (columns.frames.is_some(), "frames"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect();
        let words = "coalesce(nullif(template, ''), message)";
        let message_key = if places.is_empty() {
            words.to_owned()
        } else {
            let empty = places
                .iter()
                .map(|name| format!("coalesce({name}, '') = ''"));
            let empty: Vec<String> = empty.collect();
            format!("CASE WHEN {} THEN {words} END", empty.join(" AND "))
        };
        format!(
            "SELECT type, module, message, template, {stack} AS stack, {frames} AS frames, file, function, line, id, level, release, environment,
                    account, muted, resolved, at, n, pointer, {message_key} AS message_key
             FROM ({events}) AS e {inside} OFFSET 0",
            stack = ends("stack"),
            frames = ends("frames"),
        )
    }

    fn events(&mut self, rows: &Rows) -> String {
        let columns = self.columns;
        let mut fields = Vec::new();
        for (column, name, most) in [
            (Column::Type, "type", MAX_NAME),
            (Column::Module, "module", MAX_NAME),
            (Column::Message, "message", MAX_MESSAGE),
            (Column::Template, "template", MAX_MESSAGE),
            (Column::File, "file", MAX_NAME),
            (Column::Function, "function", MAX_NAME),
            (Column::Line, "line", 20),
            (Column::Id, "id", MAX_NAME),
            (Column::Level, "level", MAX_WORD),
            (Column::Release, "release", MAX_NAME),
            (Column::Environment, "environment", MAX_NAME),
            (Column::User, "account", MAX_NAME),
            (Column::Muted, "muted", MAX_WORD),
            (Column::Resolved, "resolved", MAX_WORD),
        ] {
            let value = self.value(column);
            fields.push(match value {
                Some(sql) => format!("substr({sql}, 1, {most}) COLLATE \"C\" AS {name}"),
                None => format!("NULL::text AS {name}"),
            });
        }
        let stack = self.value(Column::Stack);
        let frames = columns.frames.as_ref().map(|frames| self.frames(frames));
        for (sql, name) in [(stack, "stack"), (frames, "frames")] {
            let sql = sql.unwrap_or("NULL".to_owned());
            fields.push(format!("({sql})::text COLLATE \"C\" AS {name}"));
        }
        fields.push(format!("{} AS at", self.at()));
        fields.push(format!("{} AS n", self.n()));
        fields.push(
            "(t.tableoid::int8::text || '!' || t.ctid::text) COLLATE \"C\" AS pointer".to_owned(),
        );
        let from = self.from(Some(rows));
        format!("SELECT {} FROM {from} OFFSET 0", fields.join(", "))
    }

    /// The tables and the rows of them that count.
    fn from(&mut self, rows: Option<&Rows>) -> String {
        let columns = self.columns;
        let mut sql = format!("{} AS t", table(columns, self.tables));
        if let Some(join) = &columns.join {
            sql.push_str(&format!(
                " JOIN {}.{} AS j ON t.{} = j.{}",
                quote(&self.tables.schema),
                quote(&join.table),
                quote(&join.left),
                quote(&join.right)
            ));
        }
        let mut conditions = Vec::new();
        for (field, wanted) in &columns.filter {
            let one = self.one(field);
            conditions.push(format!("{one} = {}", self.text(wanted)));
        }
        match rows {
            Some(Rows::Inside(filter)) => conditions.extend(self.time_range(filter)),
            Some(Rows::At(places)) => {
                let places = self.texts(places.clone());
                conditions.push(format!("t.ctid = ANY({places}::tid[])"));
            }
            None => {}
        }
        if !conditions.is_empty() {
            sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        sql
    }

    /// The window as the column itself can be asked for, so that an index can answer.
    fn time_range(&self, filter: &Filter) -> Option<String> {
        let field = self.columns.plain(Column::At)?;
        let zone = match self.tables.kind(field, self.columns) {
            Kind::Timestamp => " AT TIME ZONE 'UTC'",
            Kind::TimestampTz => "",
            _ => return None,
        };
        let at = self.place(field);
        let (from, end, _) = table::seconds(filter);
        Some(format!(
            "{at} >= to_timestamp({}){zone} AND {at} < to_timestamp({}){zone}",
            from + 1,
            end + 1
        ))
    }

    /// Whether a row has no time that can be read, or one from the future.
    fn undated(&mut self, latest: i64) -> String {
        if let Some(field) = self.columns.plain(Column::At) {
            let at = self.place(field);
            let zone = match self.tables.kind(field, self.columns) {
                Kind::Timestamp => Some(" AT TIME ZONE 'UTC'"),
                Kind::TimestampTz => Some(""),
                _ => None,
            };
            if let Some(zone) = zone {
                return format!(
                    "({at} IS NULL OR {at} = '-infinity' OR {at} >= to_timestamp({}){zone})",
                    latest + 1
                );
            }
        }
        let at = self.at();
        format!("(SELECT at IS NULL OR at > {latest} FROM (SELECT {at} AS at OFFSET 0) AS a)")
    }

    /// A value as text, the first alternative that is not empty; `None` if nothing says what it is.
    fn value(&mut self, column: Column) -> Option<String> {
        let columns = self.columns;
        match columns.fields(column) {
            [] => None,
            [field] => Some(self.one(field)),
            fields => {
                let fields = fields
                    .iter()
                    .map(|field| format!("nullif({}, '')", self.one(field)));
                let fields: Vec<String> = fields.collect();
                Some(format!("coalesce({})", fields.join(", ")))
            }
        }
    }

    fn one(&mut self, field: &Field) -> String {
        match &field.inner {
            None => self.plain(field),
            Some(Inner::Json(path)) => {
                let document = self.document(field);
                let path = self.texts(path_of(path));
                format!("({document} #>> {path})")
            }
            // The text between the first `name="` and the quote after it.
            Some(Inner::Attribute(name)) => {
                let column = self.plain(field);
                let mark = self.text(&format!(" {name}=\""));
                let n = name.len() + 3;
                format!(
                    "CASE WHEN strpos({column}, {mark}) > 0 THEN split_part(substr({column}, strpos({column}, {mark}) + {n}), '\"', 1) END"
                )
            }
        }
    }

    fn plain(&self, field: &Field) -> String {
        let column = self.place(field);
        match self.tables.kind(field, self.columns) {
            Kind::Bool => format!("CASE WHEN {column} THEN '1' WHEN NOT {column} THEN '0' END"),
            Kind::Bytes => format!("encode({column}, 'escape')"),
            _ => format!("{column}::text"),
        }
    }

    fn place(&self, field: &Field) -> String {
        let alias = match &field.table {
            Some(_) => "j",
            None => "t",
        };
        format!("{alias}.{}", quote(&field.column))
    }

    /// A column as JSON, where it is JSON. No text of PostgreSQL can hold what `\u0000` stands for.
    fn document(&self, field: &Field) -> String {
        let column = self.place(field);
        let json = format!(r"replace({column}::text, '\u0000', '\ufffd')::json");
        match self.tables.kind(field, self.columns) {
            Kind::Jsonb => column,
            Kind::Json => json,
            _ if self.tables.server_version >= HAS_IS_JSON => {
                format!("(CASE WHEN {column}::text IS JSON THEN {json} END)")
            }
            // What looks like JSON and is none is an error, and so a doubt.
            _ => format!(r"(CASE WHEN {column}::text ~ '^\s*[\[{{]' THEN {json} END)"),
        }
    }

    /// The frames of a JSON array as one text, so that the database can group by them.
    fn frames(&mut self, frames: &FramesConfig) -> String {
        let Some(Inner::Json(path)) = &frames.of.inner else {
            return "NULL".to_owned();
        };
        let document = self.document(&frames.of);
        let json = match self.tables.kind(&frames.of, self.columns) {
            Kind::Jsonb => "jsonb",
            _ => "json",
        };
        let path = self.texts(path_of(path));
        let fields = FRAME_FIELDS.map(|name| match frames.members.get(name) {
            Some(member) => {
                let member = self.texts(member.split('.').map(str::to_owned).collect());
                format!("coalesce(f.frame #>> {member}, '')")
            }
            None => "''".to_owned(),
        });
        format!(
            "CASE WHEN {json}_typeof({document} #> {path}) = 'array' THEN (
                 SELECT string_agg(concat_ws(chr({}), {}), chr({}) ORDER BY f.place)
                 FROM {json}_array_elements({document} #> {path}) WITH ORDINALITY AS f(frame, place)
                 WHERE {json}_typeof(f.frame) = 'object') END",
            u32::from(FIELD_END),
            fields.join(", "),
            u32::from(FRAME_END),
        )
    }

    /// Seconds since 1970, whatever form the column has: a time (UTC if it names no zone), ISO 8601, or a number of seconds, milli-, micro- or
    /// nanoseconds by its size.
    fn at(&mut self) -> String {
        let columns = self.columns;
        if let Some(field) = columns.plain(Column::At) {
            let at = self.place(field);
            match self.tables.kind(field, columns) {
                Kind::Timestamp | Kind::TimestampTz | Kind::Date => {
                    return format!(
                        "CASE WHEN isfinite({at}) THEN floor(date_part('epoch', {at}))::int8 END"
                    );
                }
                Kind::Integer | Kind::Number => return seconds(&at),
                _ => {}
            }
        }
        match self.value(Column::At) {
            Some(text) => time_of_text(&text),
            None => "NULL::int8".to_owned(),
        }
    }

    /// How many events a row stands for.
    fn n(&self) -> String {
        match self.columns.plain(Column::Count) {
            Some(field) if self.tables.kind(field, self.columns) == Kind::Integer => {
                let count = self.place(field);
                format!("CASE WHEN {count} > 0 THEN {count}::int8 ELSE 1 END")
            }
            _ => "1::int8".to_owned(),
        }
    }
}

/// The steps of `$.a."b.c"[#-1]`.
fn path_of(path: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        let (step, after) = if let Some(quoted) = rest.strip_prefix(".\"") {
            quoted.split_once('"').unwrap_or((quoted, ""))
        } else if let Some(number) = rest.strip_prefix('[') {
            let (number, after) = number.split_once(']').unwrap_or((number, ""));
            (number.trim_start_matches('#'), after)
        } else {
            let name = rest.trim_start_matches('.');
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        };
        steps.push(step.to_owned());
        rest = after;
    }
    steps
}

/// Both ends of a text that may be too long. The bytes are counted first: that is cheap.
fn ends(sql: &str) -> String {
    let half = MAX_STACK / 2;
    format!(
        "CASE WHEN octet_length({sql}) > {MAX_STACK} AND length({sql}) > {MAX_STACK}
              THEN substr({sql}, 1, {half}) || chr(10) || chr(10) || right({sql}, {half}) ELSE {sql} END"
    )
}

fn seconds(number: &str) -> String {
    format!(
        "CASE WHEN {number} > 0 AND {number} < 1e19 THEN floor(CASE
             WHEN {number} < 1e11 THEN {number}::float8 WHEN {number} < 1e14 THEN {number}::float8 / 1e3
             WHEN {number} < 1e17 THEN {number}::float8 / 1e6 ELSE {number}::float8 / 1e9 END)::int8 END"
    )
}

/// What cannot be a time must not reach a function that would say so: one bad row would spoil the reading.
fn time_of_text(text: &str) -> String {
    let form = r"^\s*([1-9]\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,]\d+)?)?\s*(?:Z|UTC|([+-])(\d\d):?(\d\d))?\s*$";
    let zone = "(m[8]::int8 * 3600 + m[9]::int8 * 60)";
    let number = seconds("x::numeric");
    format!(
        "(SELECT CASE
             WHEN x ~ '^[0-9]{{1,19}}(\\.[0-9]{{0,9}})?$' THEN {number}
             ELSE (SELECT date_part('epoch', make_timestamp(m[1]::int, m[2]::int, 1, m[4]::int, m[5]::int, coalesce(m[6], '0')::float8))::int8
                          + (m[3]::int8 - 1) * 86400
                          - CASE m[7] WHEN '+' THEN {zone} WHEN '-' THEN -{zone} ELSE 0 END
                   FROM regexp_match(x, '{form}') AS m WHERE m IS NOT NULL) END
          FROM (SELECT ({text}) AS x) AS x)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart() {
        assert_eq!(path_of("$.user.id"), ["user", "id"]);
        assert_eq!(path_of("$.\"app.version\""), ["app.version"]);
        assert_eq!(
            path_of("$.exception.values[#-1].type"),
            ["exception", "values", "-1", "type"]
        );
        assert_eq!(path_of("$[0]"), ["0"]);
    }
}
