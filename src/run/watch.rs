//! When nothing more is to be begun: something of the user's is not as it was, a signal came, time, tokens or money are spent, or too much was refused.

use std::sync::PoisonError;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::pick::{self, Skipped};
use super::report::Halt;
use super::work::Session;
use crate::git::Repo;
use crate::suite::process::ending;
use crate::triage::Ranked;

/// What is the guard's own to move: see [`State`].
pub fn is_own_ref(name: &str) -> bool {
    name == "refs/notes/koan"
        || ["refs/notes/remotes/", "refs/koan/", "refs/heads/koan/"]
            .iter()
            .any(|start| name.starts_with(start))
        // What a push of a fix leaves here.
        || (name.starts_with("refs/remotes/") && name.contains("/koan/"))
}

impl Session<'_> {
    /// Whether something of the user's is not as it was, which ends the whole run.
    pub(super) fn compare(&self, repo: &Repo) -> anyhow::Result<()> {
        let now = repo
            .state(&is_own_ref)
            .context("look whether anything has changed")?;
        let changes = self.before.changes(&now);
        if changes.is_empty() {
            return Ok(());
        }
        let shown: Vec<String> = changes.iter().take(5).map(ToString::to_string).collect();
        let shown = shown.join(", ");
        self.halt(Halt::Changed(changes));
        bail!("the repository is not as it was: {shown}")
    }

    /// Whether so much was refused meanwhile that a person has to look first.
    pub(super) fn stopped(&self, repo: &Repo, ranked: &Ranked) -> anyhow::Result<Option<Skipped>> {
        super::knowing(repo, self.policy, self.options.base.as_deref(), |known| {
            Ok(pick::stopped(ranked, self.ranked, known))
        })
    }

    fn halt(&self, why: Halt) {
        let mut halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        // A change outweighs everything, and nothing outweighs what was first.
        if halt.is_none() || matches!(why, Halt::Changed(_)) {
            *halt = Some(why);
        }
    }

    /// Whether nothing more is to be begun.
    pub fn is_over(&self) -> bool {
        if ending::is_asked_for() {
            self.halt(Halt::Signal);
        } else if Instant::now() >= self.deadline {
            self.halt(Halt::Budget("time".into()));
        }
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let options = self.options;
        if options
            .max_tokens
            .is_some_and(|most| spent.tokens.unwrap_or(0) >= most)
        {
            self.halt(Halt::Budget("tokens".into()));
        }
        if options
            .max_dollars
            .is_some_and(|most| spent.dollars.unwrap_or(0.0) >= most)
        {
            self.halt(Halt::Budget("money".into()));
        }
        let halt = self.halt.lock().unwrap_or_else(PoisonError::into_inner);
        halt.is_some()
    }
}
