//! The tables of a schema, and what their columns hold.

use std::collections::BTreeMap;

use super::session::{Query, Session, Value};
use crate::policy::Field;
use crate::source::table::columns::{self, Columns, Schema, Table};
use crate::usage::UsageError;

/// The tables that were asked for.
pub struct Tables<'s> {
    pub schema: String,
    pub server_version: i64,
    session: &'s Session,
    /// By table and column.
    kinds: BTreeMap<(String, String), Kind>,
}

/// What of a column's type a reading depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Integer,
    /// With a fraction.
    Number,
    Timestamp,
    TimestampTz,
    Date,
    Json,
    Jsonb,
    Bytes,
    /// Text, and whatever can be written as text.
    Text,
}

const TABLES: &str = "
    SELECT c.relname::text, c.relkind::text, c.oid::int8 FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1";

/// The type of a domain is the one below it; types of the schema's own are texts to us.
const COLUMNS: &str = "
    SELECT a.attname::text, CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace THEN b.typname::text ELSE '' END
    FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

impl<'s> Tables<'s> {
    pub fn new(session: &'s Session, schema: &str, server_version: i64) -> Tables<'s> {
        Tables {
            schema: schema.to_owned(),
            server_version,
            session,
            kinds: BTreeMap::new(),
        }
    }

    pub fn kind(&self, field: &Field, columns: &Columns) -> Kind {
        let table = field.table.as_ref().unwrap_or(&columns.table);
        let place = (table.clone(), field.column.clone());
        self.kinds.get(&place).copied().unwrap_or(Kind::Text)
    }
}

impl Schema for Tables<'_> {
    fn table(&mut self, name: &str) -> anyhow::Result<Table> {
        let query = Query::new(TABLES, vec![Value::Text(self.schema.clone())]);
        let mut names = Vec::new();
        let mut facts = BTreeMap::new();
        for row in self.session.rows(&query)? {
            let name: String = row.try_get(0)?;
            facts.insert(
                name.clone(),
                (row.try_get::<_, String>(1)?, row.try_get::<_, i64>(2)?),
            );
            names.push(name);
        }
        let found = columns::find(&names, name).cloned();
        let Some(((kind, oid), name)) = found.and_then(|name| Some((facts.remove(&name)?, name)))
        else {
            return Err(UsageError::with_hint(
                format!("no table `{name}` in schema `{}`", self.schema),
                format!(
                    "it has {}; `schema` of the source names another",
                    columns::list(&names)
                ),
            )
            .into());
        };
        if kind != "r" && kind != "p" {
            let kind = match kind.as_str() {
                "v" => "a view",
                "m" => "a materialized view",
                _ => "a foreign table",
            };
            return Err(UsageError::new(format!("`{name}` is no ordinary table: {kind}")).into());
        }
        let mut columns = Vec::new();
        // The catalog's numbers of tables are 32 bits wide.
        let query = Query::new(COLUMNS.replace("$1", &oid.to_string()), Vec::new());
        for row in self.session.rows(&query)? {
            let column: String = row.try_get(0)?;
            let kind = kind_of(row.try_get(1)?);
            self.kinds.insert((name.clone(), column.clone()), kind);
            columns.push(column);
        }
        Ok((name, columns))
    }
}

fn kind_of(type_name: &str) -> Kind {
    match type_name {
        "bool" => Kind::Bool,
        "int2" | "int4" | "int8" => Kind::Integer,
        "float4" | "float8" | "numeric" => Kind::Number,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "date" => Kind::Date,
        "json" => Kind::Json,
        "jsonb" => Kind::Jsonb,
        "bytea" => Kind::Bytes,
        _ => Kind::Text,
    }
}
