//! A PostgreSQL server as a source: where it is, who asks, and where the secrets are; never a secret.

use std::fmt;

use super::file::{self, At, SourceFile};
use super::merge::{Layer, Read};
use super::sources::{TokenPlace, secret, text, variable_name};
use super::value;

/// A server of PostgreSQL, a database of it, and the role that reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    pub url: Url,
    pub password: Option<TokenPlace>,
    /// The schema of the tables.
    pub schema: String,
    pub tls: Tls,
    /// Who may sign the server's certificate, in the place of the well-known ones.
    pub ca_file: Option<String>,
    /// The one role that may be used though it could write.
    pub allow_writer_role: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// Without a password.
    Given(String),
    Variable(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Required for every other machine.
    Elsewhere,
    Required,
    Off,
}

impl PostgresConfig {
    pub(super) fn read(layer: &Layer, at: &At<SourceFile>) -> Read<PostgresConfig> {
        let entry = &at.value;
        let url = match (&entry.url.0, &entry.url_env.0) {
            (Some(url), None) => {
                check_url(&url.value).map_err(|err| layer.wrong(url, err))?;
                Url::Given(url.value.clone())
            }
            (None, Some(name)) => Url::Variable(variable_name(layer, name)?),
            (Some(_), Some(name)) => {
                return Err(layer.wrong(name, "either `url` or `url_env`"));
            }
            (None, None) => {
                let message = "this entry of `sources` has no `url` or `url_env`";
                return Err(layer.wrong(at, message));
            }
        };
        let tls = match &entry.tls.0 {
            Some(word) => {
                let words = [("required", Tls::Required), ("off", Tls::Off)];
                value::choice(&word.value, &words).map_err(|err| layer.wrong(word, err))?
            }
            None => Tls::Elsewhere,
        };
        Ok(PostgresConfig {
            url,
            password: secret(
                layer,
                ("password_env", &entry.password_env),
                ("password_file", &entry.password_file),
            )?,
            schema: text(layer, &entry.schema)?.unwrap_or_else(|| "public".to_owned()),
            tls,
            ca_file: text(layer, &entry.ca_file)?,
            allow_writer_role: text(layer, &entry.allow_writer_role)?,
        })
    }
}

impl fmt::Display for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Url::Given(url) => f.write_str(url)?,
            Url::Variable(name) => write!(f, "of variable {name}")?,
        }
        if let Some(place) = &self.password {
            write!(f, " password {place:?}")?;
        }
        write!(f, " schema {} tls {:?}", self.schema, self.tls)?;
        if let Some(path) = &self.ca_file {
            write!(f, " ca_file {path}")?;
        }
        if let Some(role) = &self.allow_writer_role {
            write!(f, " allow_writer_role {role}")?;
        }
        Ok(())
    }
}

/// `postgres://role@host:port/database`, perhaps with `?host=/folder` for a socket. A password in it would be in the repository: the message
/// does not repeat it.
fn check_url(url: &str) -> Result<(), String> {
    let rest = ["postgres://", "postgresql://"];
    let Some(rest) = rest.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return Err("an address of PostgreSQL begins with `postgres://`".to_owned());
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (who, place) = place.rsplit_once('@').unwrap_or(("", place));
    if who.contains(':') || url.to_lowercase().contains("password") {
        return Err("a password does not belong into a policy: name it with `password_env` or `password_file`".to_owned());
    }
    if who.is_empty() {
        return Err("the address names no role: `postgres://role@host/database`".to_owned());
    }
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let key = part.split('=').next().unwrap_or("");
        if key != "host" && key != "port" {
            return Err(format!(
                "`{}` cannot be set in the address: only `host` and `port`",
                file::shown(key)
            ));
        }
    }
    let database = place.split_once('/').map_or("", |(_, name)| name);
    if database.is_empty() {
        return Err("the address names no database: `postgres://role@host/database`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[track_caller]
    fn check(rest: &str, expected: &str) {
        let text =
            format!("version: 1\nsources: [{{name: a, kind: postgres, table: t, {rest}}}]\n");
        let said = match Policy::load(&text, "p") {
            Ok(policy) => format!("{:?}", policy.sources[0].kind),
            Err(err) => err.to_string(),
        };
        assert!(said.contains(expected), "{said}\n  wanted {expected}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_server_is_named_and_its_secrets_are_elsewhere() {
        check(
            "url: 'postgres://reader@db.example:5433/app'",
            "tls: Elsewhere",
        );
        check(
            "url: 'postgres://reader@/app?host=/run/postgresql'",
            "schema: \"public\"",
        );
        check(
            "url_env: DATABASE_URL, password_file: f",
            "Variable(\"DATABASE_URL\")",
        );
        for url in [
            "postgres://reader:hunter2@db.example/app",
            "postgres://reader@db.example/app?password=hunter2",
            "postgres://reader@db.example/app?PassWord=hunter2",
        ] {
            check(
                &format!("url: '{url}'"),
                "a password does not belong into a policy",
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        check("url: 'mysql://a@b/c'", "begins with `postgres://`");
        check("url: 'postgres://db.example/app'", "names no role");
        check("url: 'postgres://a@db.example'", "names no database");
        check(
            "url: 'postgres://a@db.example/b?options=-c%20x'",
            "`options` cannot be set",
        );
        check(
            "url: 'postgres://a@db.example/b?sslmode=disable'",
            "`sslmode` cannot be set",
        );
        check(
            "url_env: A, url: 'postgres://a@b/c'",
            "either `url` or `url_env`",
        );
        check(
            "url_env: A, password_env: B, password_file: c",
            "either `password_env` or",
        );
        check("url_env: A, tls: prefer", "unknown value `prefer`");
        check(
            "url_env: A, path: x",
            "`path` says nothing to a source of kind `postgres`",
        );
        check("url_env: A, token_env: x", "`token_env` says nothing");
    }
}
