//! Says in a server of errors that an issue has a fix. The one thing here that writes, with a token of its own; nothing that reads can reach it.

use std::path::Path;

use serde_json::json;

use super::sentry::escaped;
use super::{http, secret};
use crate::policy::{ServerConfig, TokenPlace};
use crate::usage::UsageError;

/// A server that lets us write.
pub struct Publisher<'a> {
    agent: ureq::Agent,
    server: &'a ServerConfig,
    token: String,
}

impl<'a> Publisher<'a> {
    /// `variable` holds the token, which is not the one that reads.
    ///
    /// # Errors
    /// [`UsageError`] if there is none.
    pub fn new(server: &'a ServerConfig, variable: &str) -> anyhow::Result<Publisher<'a>> {
        let place = TokenPlace::Variable(variable.to_owned());
        Ok(Publisher {
            agent: http::agent(&server.url),
            server,
            token: secret::read(&place, Path::new(""), "token")?,
        })
    }

    /// Leaves a comment at an issue of the server's. It is not tried twice: it could stand there twice then.
    pub fn comment(&self, id: &str, text: &str) -> anyhow::Result<()> {
        let id_escaped = escaped(id);
        match &self.server.org {
            Some(org) => {
                let path = format!(
                    "/api/0/organizations/{}/issues/{id_escaped}/comments/",
                    escaped(org)
                );
                self.send(Method::Post, &path, &json!({"text": text}).to_string())
            }
            None => {
                let body = json!({"issue": id, "comment": text}).to_string();
                self.send(Method::Post, "/api/canonical/0/issue-comments/", &body)
            }
        }
    }

    /// Says that an issue of the server's is done with.
    pub fn resolve(&self, id: &str) -> anyhow::Result<()> {
        let id = escaped(id);
        match &self.server.org {
            Some(org) => {
                let path = format!("/api/0/organizations/{}/issues/{id}/", escaped(org));
                self.send(
                    Method::Put,
                    &path,
                    &json!({"status": "resolved"}).to_string(),
                )
            }
            None => {
                let path = format!("/api/canonical/0/issues/{id}/resolve/");
                self.send(Method::Post, &path, "{}")
            }
        }
    }

    fn send(&self, method: Method, path: &str, body: &str) -> anyhow::Result<()> {
        let origin = &self.server.url;
        let url = format!("{origin}{path}");
        let request = match method {
            Method::Post => self.agent.post(&url),
            Method::Put => self.agent.put(&url),
        };
        let answer = request
            .header("Accept", "application/json")
            .header("Authorization", format!("Bearer {}", self.token))
            .content_type("application/json")
            .send(body);
        let status = match answer {
            Ok(answer) => answer.status().as_u16(),
            Err(err) => anyhow::bail!("tell `{origin}`: {err}"),
        };
        match status {
            200..=299 => Ok(()),
            401 | 403 => Err(UsageError::with_hint(
                format!("`{origin}` does not let us write: {status}"),
                "it needs a token that may comment on and resolve issues, in the variable that `triage.publish` names",
            )
            .into()),
            _ => anyhow::bail!("`{origin}` answered {status}"),
        }
    }
}

enum Method {
    Post,
    Put,
}
