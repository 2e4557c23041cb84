//! Which column of the table is what, checked against the schema.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use crate::policy::{Field, FramesConfig, JoinConfig, TableConfig};
use crate::usage::UsageError;

/// What we look for in a table, with the names that it commonly has there, best first.
macro_rules! columns {
    ($($variant:ident = $key:literal: $($guess:literal)*;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Column { $($variant),* }

        impl Column {
            pub const ALL: &'static [Column] = &[$(Column::$variant),*];

            pub fn key(self) -> &'static str {
                match self { $(Column::$variant => $key),* }
            }

            fn guesses(self) -> &'static [&'static str] {
                match self { $(Column::$variant => &[$($guess),*]),* }
            }
        }
    };
}

columns! {
    Module = "module": ;
    Template = "template": ;
    Muted = "muted": ;
    Resolved = "resolved": ;
    Id = "id": "id" "uuid" "event_id";
    Type = "type": "exception_class" "error_class" "exception_type" "error_type" "class_name" "class" "exception" "kind" "type" "name";
    Message = "message": "message" "error_message" "exception_message" "msg" "reason" "error" "text" "description";
    File = "file": "file" "filename" "file_name" "path" "source_file";
    Line = "line": "line" "line_number" "lineno" "line_no";
    Function = "function": "function" "function_name" "method" "func" "culprit";
    Stack = "stack": "backtrace" "stacktrace" "stack_trace" "stack" "traceback" "trace";
    Level = "level": "level" "severity" "log_level" "priority";
    At = "at": "occurred_at" "created_at" "timestamp" "inserted_at" "logged_at" "raised_at" "time" "date" "at" "ts";
    Release = "release": "release" "app_version" "version" "revision" "git_sha" "deploy";
    Environment = "environment": "environment" "env" "rails_env" "stage";
    User = "user": "user_id" "user" "account_id" "customer_id" "username";
    Count = "count": "count" "occurrences" "occurrence_count" "n_events" "times";
}

/// A table and its columns, spelt as the schema spells them.
#[derive(Debug)]
pub struct Columns {
    pub table: String,
    pub join: Option<JoinConfig>,
    map: BTreeMap<Column, Vec<Field>>,
    pub frames: Option<FramesConfig>,
    pub filter: Vec<(Field, String)>,
    /// Whether we chose the columns by their names.
    pub guessed: bool,
}

/// A table as its database knows it: its name and those of its columns.
pub type Table = (String, Vec<String>);

/// What a database says of its tables.
pub trait Schema {
    /// # Errors
    /// [`UsageError`] if there is no such table, or it is none that stores rows itself: a view would run code of the schema's.
    fn table(&mut self, name: &str) -> anyhow::Result<Table>;
}

impl Columns {
    /// # Errors
    /// [`UsageError`] if a table or a column is not there, a key is unknown, or neither type nor message is known.
    pub fn resolve(schema: &mut dyn Schema, wanted: &TableConfig) -> anyhow::Result<Columns> {
        let mut tables = vec![schema.table(&wanted.table)?];
        let table = tables[0].0.clone();
        let mut join = wanted.join.clone();
        if let Some(join) = &mut join {
            tables.push(schema.table(&join.table)?);
            join.table.clone_from(&tables[1].0);
            join.left = tables[0].find("on", &join.left)?;
            join.right = tables[1].find("on", &join.right)?;
        }
        let there = There { tables };
        let guessed = wanted.columns.is_empty();
        let map = if guessed {
            guess(&there.tables[0].1)
        } else {
            there.look_up(&wanted.columns)?
        };
        if !map.contains_key(&Column::Type) && !map.contains_key(&Column::Message) {
            return Err(UsageError::with_hint(
                format!("table `{table}` has no column known as `type` or `message`"),
                format!(
                    "name them in the source's `columns`; the table has {}",
                    list(&there.tables[0].1)
                ),
            )
            .into());
        }
        let mut frames = wanted.frames.clone();
        if let Some(frames) = &mut frames {
            frames.of = there.field("frames", &frames.of)?;
        }
        let filter = wanted.filter.iter();
        let filter = filter.map(|(field, value)| Ok((there.field("where", field)?, value.clone())));
        Ok(Columns {
            table,
            join,
            map,
            frames,
            filter: filter.collect::<anyhow::Result<_>>()?,
            guessed,
        })
    }

    pub fn has(&self, column: Column) -> bool {
        self.map.contains_key(&column)
    }

    /// The one column that it is, if it is one.
    pub fn plain(&self, column: Column) -> Option<&Field> {
        match self.map.get(&column).map(Vec::as_slice) {
            Some([field]) if field.inner.is_none() => Some(field),
            _ => None,
        }
    }

    pub fn fields(&self, column: Column) -> &[Field] {
        self.map.get(&column).map_or(&[], Vec::as_slice)
    }

    pub fn mapped(&self) -> BTreeMap<&'static str, String> {
        let shown = |fields: &Vec<Field>| {
            let fields: Vec<String> = fields.iter().map(Field::to_string).collect();
            fields.join(" | ")
        };
        let mut mapped: BTreeMap<&'static str, String> = self
            .map
            .iter()
            .map(|(column, fields)| (column.key(), shown(fields)))
            .collect();
        if let Some(frames) = &self.frames {
            mapped.insert("frames", frames.of.to_string());
        }
        mapped
    }

    /// Every column that a query may name, with its table.
    pub fn reads(&self) -> BTreeSet<(String, String)> {
        let of_filter = self.filter.iter().map(|(field, _)| field);
        let of_frames = self.frames.iter().map(|frames| &frames.of);
        let fields = self
            .map
            .values()
            .flatten()
            .chain(of_filter)
            .chain(of_frames);
        let mut reads: BTreeSet<(String, String)> = fields
            .map(|field| {
                (
                    field.table.as_ref().unwrap_or(&self.table).clone(),
                    field.column.clone(),
                )
            })
            .collect();
        if let Some(join) = &self.join {
            reads.insert((self.table.clone(), join.left.clone()));
            reads.insert((join.table.clone(), join.right.clone()));
        }
        reads
    }
}

/// The tables that are there, the first with the events.
struct There {
    tables: Vec<Table>,
}

trait Find {
    fn find(&self, key: &str, name: &str) -> anyhow::Result<String>;
}

impl Find for Table {
    fn find(&self, key: &str, name: &str) -> anyhow::Result<String> {
        let (table, there) = self;
        find(there, name).cloned().ok_or_else(|| {
            let message = format!("table `{table}` has no column `{name}` (for `{key}`)");
            UsageError::with_hint(message, format!("it has {}", list(there))).into()
        })
    }
}

impl There {
    fn field(&self, key: &str, field: &Field) -> anyhow::Result<Field> {
        let wanted = field.table.as_deref();
        let mut tables = self.tables.iter();
        let table = match wanted {
            Some(name) => tables.find(|(table, _)| table.eq_ignore_ascii_case(name)),
            None => tables.next(),
        };
        let table =
            table.with_context(|| format!("no table `{}` is joined", wanted.unwrap_or("")))?;
        Ok(Field {
            table: wanted.map(|_| table.0.clone()),
            column: table.find(key, &field.column)?,
            inner: field.inner.clone(),
        })
    }

    fn look_up(
        &self,
        wanted: &BTreeMap<String, Vec<Field>>,
    ) -> anyhow::Result<BTreeMap<Column, Vec<Field>>> {
        let mut map = BTreeMap::new();
        for (key, fields) in wanted {
            let known = Column::ALL.iter().find(|column| column.key() == key);
            let Some(&column) = known else {
                let keys: Vec<&str> = Column::ALL.iter().map(|column| column.key()).collect();
                return Err(UsageError::with_hint(
                    format!("unknown column key `{key}`"),
                    format!("the keys are {}", list(&keys)),
                )
                .into());
            };
            let fields = fields.iter().map(|field| self.field(key, field));
            map.insert(column, fields.collect::<anyhow::Result<Vec<Field>>>()?);
        }
        Ok(map)
    }
}

/// An identifier of SQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A name as the schema spells it; where several differ by case alone, the one that is meant.
pub fn find<'a>(there: &'a [String], name: &str) -> Option<&'a String> {
    let exact = there.iter().find(|other| *other == name);
    exact.or_else(|| there.iter().find(|other| other.eq_ignore_ascii_case(name)))
}

fn guess(there: &[String]) -> BTreeMap<Column, Vec<Field>> {
    let mut map: BTreeMap<Column, Vec<Field>> = BTreeMap::new();
    for &column in Column::ALL {
        let guesses = column.guesses().iter();
        let found = guesses
            .filter_map(|guess| there.iter().find(|name| name.eq_ignore_ascii_case(guess)))
            .find(|name| !map.values().flatten().any(|taken| taken.column == **name));
        if let Some(name) = found {
            map.insert(column, vec![Field::column(name)]);
        }
    }
    map
}

pub fn list(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref().escape_debug()))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::source::sqlite::Tables;

    #[track_caller]
    fn check(schema: &str, wanted: &[(&str, &str)], expected: &str) {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(schema).expect("the schema is SQL");
        let columns = wanted
            .iter()
            .map(|(key, name)| ((*key).to_owned(), vec![Field::column(name)]))
            .collect();
        let wanted = TableConfig {
            columns,
            ..TableConfig::plain("errors")
        };
        let said = match Columns::resolve(&mut Tables(&connection), &wanted) {
            Ok(columns) => columns
                .mapped()
                .iter()
                .map(|(key, name)| format!("{key}={name}"))
                .collect::<Vec<_>>()
                .join(" "),
            Err(err) => {
                assert!(err.is::<UsageError>(), "{err:#}");
                err.to_string()
            }
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn common_names_are_guessed() {
        check(
            "CREATE TABLE errors(ID INTEGER, exception_class TEXT, Message TEXT, backtrace TEXT, severity TEXT, created_at TEXT, x TEXT)",
            &[],
            "at=created_at id=ID level=severity message=Message stack=backtrace type=exception_class",
        );
    }

    #[test]
    fn a_column_is_not_used_twice() {
        check(
            "CREATE TABLE errors(error TEXT, kind TEXT)",
            &[],
            "message=error type=kind",
        );
        check("CREATE TABLE errors(exception TEXT)", &[], "type=exception");
    }

    #[test]
    fn a_given_map_is_all_there_is() {
        check(
            "CREATE TABLE errors(id, m TEXT, created_at TEXT)",
            &[("message", "M")],
            "message=m",
        );
    }

    #[test]
    fn what_is_not_there_is_the_users_to_correct() {
        check(
            "CREATE TABLE error(message)",
            &[],
            "no table `errors` in the database",
        );
        check(
            "CREATE TABLE errors(m)",
            &[("message", "msg")],
            "table `errors` has no column `msg` (for `message`)",
        );
        check(
            "CREATE TABLE errors(m)",
            &[("massage", "m")],
            "unknown column key `massage`",
        );
        check(
            "CREATE TABLE errors(m)",
            &[],
            "table `errors` has no column known as `type` or `message`",
        );
    }

    #[test]
    fn a_view_is_not_read() {
        check(
            "CREATE TABLE t(message); CREATE VIEW errors AS SELECT message FROM t",
            &[],
            "`errors` is no ordinary table: view",
        );
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(
            quote("a\"; DROP TABLE x; --"),
            "\"a\"\"; DROP TABLE x; --\""
        );
    }
}
