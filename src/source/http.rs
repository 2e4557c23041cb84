//! How every server is asked: nowhere else than asked for, in bounded time, and by nothing that could read a token on the way.

use std::time::Duration;

/// For one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// `origin` is scheme, host and port. Statuses are answers, no errors; redirects are not followed.
pub fn agent(origin: &str) -> ureq::Agent {
    let is_tls = origin.starts_with("https://");
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(is_tls)
        .timeout_global(Some(ANSWER))
        .user_agent(concat!("koan-guard/", env!("CARGO_PKG_VERSION")));
    if !is_tls {
        // A proxy would see the token.
        config = config.proxy(None);
    }
    config.build().into()
}
