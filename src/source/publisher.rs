//! Says in a server of errors that an issue has a fix. The one thing here that writes, with a token of its own; nothing that reads can reach it.

use std::io::Read as _;
use std::path::Path;

use serde_json::json;

use super::sentry::escaped;
use super::{http, secret};
use crate::policy::{ServerConfig, TokenPlace};
use crate::usage::UsageError;

/// What is read of why it does not take something, in bytes.
const MAX_OBJECTION: u64 = 4 << 10;

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

    /// Says that an issue of the server's is done with. One that is done with already stays so.
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
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(err) => anyhow::bail!("tell `{origin}`: {err}"),
        };
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            400 if path.ends_with("/resolve/") && is_resolved(&mut answer) => Ok(()),
            401 | 403 => Err(UsageError::with_hint(
                format!("`{origin}` does not let us write: {}", answer.status().as_u16()),
                "it needs a token that may comment on and resolve issues, in the variable that `triage.publish` names",
            )
            .into()),
            status => anyhow::bail!("`{origin}` answered {status}"),
        }
    }
}

/// Whether a server (Bugsink) only objects that there is nothing left to resolve.
fn is_resolved(answer: &mut ureq::http::Response<ureq::Body>) -> bool {
    let mut bytes = Vec::new();
    let mut body = answer.body_mut().as_reader().take(MAX_OBJECTION);
    let Ok(_) = body.read_to_end(&mut bytes) else {
        return false;
    };
    let body = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap_or_default();
    body["detail"] == "Issue is already resolved."
}

enum Method {
    Post,
    Put,
}
