//! Whether a role could write, if nothing else held it back.

use super::session::{Query, Session, Value};
use crate::source::Rung;
use crate::usage::UsageError;

/// Who is asking whom.
#[derive(Debug)]
pub struct Role {
    pub name: String,
    /// As `server_version_num`: 150004.
    pub server_version: i64,
    pub rung: Rung,
    /// Why it could write.
    pub rights: Vec<String>,
}

/// What a role can be that lets it write whatever its rights on tables are.
const ATTRIBUTES: &str = "
    SELECT r.rolname::text, a.what
    FROM pg_catalog.pg_roles AS r
    CROSS JOIN LATERAL (VALUES
        (r.rolsuper, 'is a superuser'), (r.rolcreatedb, 'may create databases'), (r.rolcreaterole, 'may create roles'),
        (r.rolreplication, 'may replicate'), (r.rolbypassrls, 'bypasses row security'),
        (r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend',
                       'pg_maintain', 'pg_create_subscription'), 'may do what its name says')) AS a(is_so, what)
    WHERE a.is_so AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
    ORDER BY (r.rolname <> session_user), 1, 2 LIMIT 5";

/// Rights of the role, and of every role that it could become.
const RIGHTS: &str = "
    WITH roles AS (SELECT oid, rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER')),
    spaces AS (SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace
               WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'),
    things AS (SELECT c.oid, c.relowner, c.relkind, s.nspname || '.' || c.relname AS name
               FROM pg_catalog.pg_class AS c JOIN spaces AS s ON s.oid = c.relnamespace)
    SELECT roles.rolname::text, found.what::text FROM roles CROSS JOIN LATERAL (
        (SELECT 1 AS place, 'may write to ' || name AS what FROM things
         WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
           AND (relowner = roles.oid
                OR pg_catalog.has_table_privilege(roles.oid, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                OR pg_catalog.has_any_column_privilege(roles.oid, oid, 'INSERT, UPDATE')) ORDER BY name LIMIT 5)
        UNION ALL
        (SELECT 2, 'may count up ' || name FROM things
         WHERE relkind = 'S'
           AND (relowner = roles.oid OR pg_catalog.has_sequence_privilege(roles.oid, oid, 'USAGE, UPDATE')) ORDER BY name LIMIT 5)
        UNION ALL
        (SELECT 3, 'may create in schema ' || nspname FROM spaces
         WHERE nspowner = roles.oid OR pg_catalog.has_schema_privilege(roles.oid, oid, 'CREATE') ORDER BY nspname LIMIT 5)
        UNION ALL
        (SELECT 4, 'may create in the database' FROM pg_catalog.pg_database
         WHERE datname = pg_catalog.current_database()
           AND (datdba = roles.oid OR pg_catalog.has_database_privilege(roles.oid, oid, 'CREATE')))
    ) AS found ORDER BY (roles.rolname <> session_user), found.place, 2 LIMIT 5";

impl Role {
    /// Looks at the role of the session, and whether the session is the one that was asked for.
    ///
    /// # Errors
    /// [`UsageError`] if the role could write and is not `allowed` by its name.
    pub fn of(session: &Session, allowed: Option<&str>) -> anyhow::Result<Role> {
        let query = "SELECT session_user::text, pg_catalog.current_setting('server_version_num')::int8,
                            pg_catalog.current_setting('transaction_read_only'), pg_catalog.current_setting('transaction_isolation')";
        let rows = session.rows(&Query::new(query, Vec::new()))?;
        let [row] = rows.as_slice() else {
            anyhow::bail!("the server does not say who we are");
        };
        let (read_only, isolation): (String, String) = (row.try_get(2)?, row.try_get(3)?);
        anyhow::ensure!(
            (read_only.as_str(), isolation.as_str()) == ("on", "repeatable read"),
            "the server did not begin a read-only transaction"
        );
        let name: String = row.try_get(0)?;
        let mut rights = rights(session, ATTRIBUTES)?;
        if rights.is_empty() {
            rights = self::rights(session, RIGHTS)?;
        }
        let rung = match (rights.is_empty(), allowed) {
            (true, _) => Rung::Reader,
            (false, Some(allowed)) if allowed == name => Rung::Writer,
            (false, _) => return Err(refusal(&name, &rights).into()),
        };
        Ok(Role {
            server_version: row.try_get(1)?,
            name,
            rung,
            rights,
        })
    }
}

fn rights(session: &Session, sql: &str) -> anyhow::Result<Vec<String>> {
    let rows = session.rows(&Query::new(sql, Vec::<Value>::new()))?;
    let rights = rows.iter().map(|row| {
        let (role, what): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        Ok(format!("`{}` {}", role.escape_debug(), what.escape_debug()))
    });
    rights.collect()
}

fn refusal(name: &str, rights: &[String]) -> UsageError {
    let name = name.escape_debug();
    UsageError::with_hint(
        format!("role `{name}` could write: {}", rights.join(", ")),
        format!(
            "read with a role of its own: `create role koan_reader login; grant usage on schema …; grant select on table …`; \
             or allow this one with `allow_writer_role: {name}`"
        ),
    )
}
