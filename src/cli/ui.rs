//! The only writer: answers go to stdout, talk to stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::change::shown;
use crate::proof::Progress;
use crate::render;

/// How often the time is shown anew.
const BEAT: Duration = Duration::from_millis(250);

/// Writes the answer. A reader that went away is an error: nobody may take silence for acceptance.
pub fn answer(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("write the answer to stdout")
}

/// Says something beside the answer. If nobody can hear it, nothing depends on it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what is going on and for how long, where a person may be watching.
#[derive(Debug)]
pub struct Ticker {
    bar: ProgressBar,
}

impl Ticker {
    pub fn new() -> Ticker {
        if !io::stderr().is_terminal() {
            return Ticker {
                bar: ProgressBar::hidden(),
            };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let line = ProgressStyle::with_template("{spinner} {msg}, for {elapsed}");
        Ticker {
            bar: match line {
                Ok(line) => bar.with_style(line),
                Err(_) => bar,
            },
        }
    }

    pub fn tick(&self, name: &str, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        let name = shown(name.as_bytes());
        self.bar.reset_elapsed();
        self.bar
            .set_message(format!("{name}: {}", render::of_progress(progress)));
        self.bar.enable_steady_tick(BEAT);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
