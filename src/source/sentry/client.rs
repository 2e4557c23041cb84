//! One server, asked with `GET` alone: no redirects, no other origin, answers of bounded size, waiting where it says so.

use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use crate::policy::ServerConfig;
use crate::source::{http, secret};
use crate::usage::UsageError;

/// Of one answer, in bytes.
const MAX_BODY: u64 = 10 << 20;
const N_TRIES: u32 = 4;
/// For all of a reading.
const DEADLINE: Duration = Duration::from_secs(300);
/// A server that wants to be left alone for longer is asked another time.
const MAX_PAUSE: Duration = Duration::from_secs(60);

pub struct Client {
    agent: ureq::Agent,
    /// Scheme, host and port.
    origin: String,
    token: String,
    end: Instant,
    /// How waiting is done.
    pause: fn(Duration),
}

/// An answer, and where the list goes on.
#[derive(Debug)]
pub struct Page {
    pub body: Value,
    pub next: Option<String>,
}

/// What one try brought.
enum Tried {
    Page(Page),
    /// Try again after this.
    Wait(Duration, anyhow::Error),
}

impl Client {
    /// # Errors
    /// [`UsageError`] if the token is not where the policy says.
    pub fn new(
        server: &ServerConfig,
        folder: &Path,
        pause: fn(Duration),
    ) -> anyhow::Result<Client> {
        Ok(Client {
            agent: http::agent(&server.url),
            origin: server.url.clone(),
            token: secret::read(&server.token, folder, "token")?,
            end: Instant::now() + DEADLINE,
            pause,
        })
    }

    /// Asks for `path`, which begins with a slash, or for an address of the same origin.
    ///
    /// # Errors
    /// [`UsageError`] if the server does not let us in, or has no such page; any other error means that nothing is known.
    pub fn get(&self, path: &str) -> anyhow::Result<Page> {
        let url = if path.starts_with('/') {
            format!("{}{path}", self.origin)
        } else {
            self.same_origin(path)?
        };
        let mut n = 0;
        loop {
            n += 1;
            anyhow::ensure!(
                Instant::now() < self.end,
                "asking `{}` took longer than {} s",
                self.origin,
                DEADLINE.as_secs()
            );
            match self.try_once(&url, n)? {
                Tried::Page(page) => return Ok(page),
                Tried::Wait(_, err) if n >= N_TRIES => return Err(err),
                Tried::Wait(pause, err) if pause > MAX_PAUSE => {
                    let seconds = pause.as_secs();
                    return Err(err.context(format!(
                        "`{}` asks for {seconds} s of patience",
                        self.origin
                    )));
                }
                Tried::Wait(pause, _) => (self.pause)(pause),
            }
        }
    }

    /// A link of an answer leads nowhere else, whatever the server says: the token would go with us.
    fn same_origin(&self, url: &str) -> anyhow::Result<String> {
        let is_same = url
            .strip_prefix(&self.origin)
            .is_some_and(|rest| rest.starts_with('/'));
        anyhow::ensure!(
            is_same,
            "`{}` sends us to another server for its next page",
            self.origin
        );
        Ok(url.to_owned())
    }

    fn try_once(&self, url: &str, n: u32) -> anyhow::Result<Tried> {
        let backoff = Duration::from_millis(500 << n.min(6));
        let request = self
            .agent
            .get(url)
            .header("Accept", "application/json")
            .header("Authorization", format!("Bearer {}", self.token));
        let mut response = match request.call() {
            Ok(response) => response,
            Err(err) => return Ok(Tried::Wait(backoff, self.failed(&err))),
        };
        let status = response.status().as_u16();
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        match status {
            200 => {}
            429 => {
                let err = anyhow::anyhow!("`{}` is asked too often", self.origin);
                let pause = pause_of(header("retry-after"), header("x-sentry-rate-limit-reset"));
                return Ok(Tried::Wait(pause.unwrap_or(backoff), err));
            }
            500..=599 => {
                let err = anyhow::anyhow!("`{}` answered {status}", self.origin);
                return Ok(Tried::Wait(backoff, err));
            }
            300..=399 => anyhow::bail!(
                "`{}` sends us elsewhere ({status}), which is not followed",
                self.origin
            ),
            401 | 403 => {
                return Err(UsageError::with_hint(
                    format!("`{}` does not let us in: {status}", self.origin),
                    "it needs a token that may read issues and events, in the variable or file that the policy names",
                )
                .into());
            }
            400 | 404 => {
                let message = format!(
                    "`{}` knows no such organization or project: {status}",
                    self.origin
                );
                return Err(UsageError::new(message).into());
            }
            _ => anyhow::bail!("`{}` answered {status}", self.origin),
        }
        let link = header("link").and_then(next_of_link);
        let mut bytes = Vec::new();
        let mut body = response.body_mut().as_reader().take(MAX_BODY + 1);
        if let Err(err) = body.read_to_end(&mut bytes) {
            let err =
                anyhow::Error::from(err).context(format!("`{}` broke off its answer", self.origin));
            return Ok(Tried::Wait(backoff, err));
        }
        anyhow::ensure!(
            bytes.len() as u64 <= MAX_BODY,
            "an answer of `{}` is larger than {} MiB",
            self.origin,
            MAX_BODY >> 20
        );
        let Ok(body) = serde_json::from_slice::<Value>(&bytes) else {
            let err = anyhow::anyhow!("an answer of `{}` is no JSON", self.origin);
            return Ok(Tried::Wait(backoff, err));
        };
        let next = link.or_else(|| body.get("next").and_then(Value::as_str).map(str::to_owned));
        Ok(Tried::Page(Page { body, next }))
    }

    /// What went wrong on the way. Its text is ours or the library's, never the server's.
    fn failed(&self, err: &ureq::Error) -> anyhow::Error {
        anyhow::anyhow!("ask `{}`: {err}", self.origin)
    }
}

/// How long to wait: seconds, or a time as seconds since 1970.
fn pause_of(retry_after: Option<&str>, reset: Option<&str>) -> Option<Duration> {
    let seconds = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let until = |at: u64| at.saturating_sub(Timestamp::now().as_second().unsigned_abs());
    let pause = seconds(retry_after).or_else(|| seconds(reset).map(until));
    pause.map(|seconds| Duration::from_secs(seconds.max(1)))
}

/// The address of `rel="next"` if it has results. Some servers write a set where the list should be, so it is looked for anywhere.
fn next_of_link(header: &str) -> Option<String> {
    static NEXT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"<([^<>]+)>;\s*rel="next";\s*results="(true|false)""#)
            .expect("the pattern is constant")
    });
    let found = NEXT.captures(header)?;
    (&found[2] == "true").then(|| found[1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_wherever_it_stands() {
        let link = r#"<https://a/?c=0:0:1>; rel="previous"; results="false"; cursor="0:0:1", <https://a/?c=0:100:0>; rel="next"; results="true"; cursor="0:100:0""#;
        assert_eq!(next_of_link(link).as_deref(), Some("https://a/?c=0:100:0"));
        assert_eq!(
            next_of_link(&format!("{{'{link}'}}")).as_deref(),
            Some("https://a/?c=0:100:0")
        );
        assert_eq!(next_of_link(&link.replace("true", "false")), None);
        assert_eq!(next_of_link(""), None);
    }

    #[test]
    fn a_wait_is_said_in_seconds_or_as_a_time() {
        assert_eq!(pause_of(Some("7"), None), Some(Duration::from_secs(7)));
        assert_eq!(pause_of(None, Some("1000")), Some(Duration::from_secs(1)));
        assert_eq!(pause_of(Some("soon"), None), None);
    }
}
