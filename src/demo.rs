//! A sample project walked through the loop once, in a temporary folder: real hooks, real commits, real refusals.

mod project;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tempfile::TempDir;

use self::project::Attempt;
use crate::extract::WINDOW_DAYS;
use crate::policy;
use crate::policy::TableConfig;
use crate::source::{Filter, Settings, Window, sample, sqlite};
use crate::suite::process::{self, End, Finished};
use crate::usage::UsageError;

#[derive(Debug)]
pub struct Options {
    /// The guard itself: what the hooks are going to call.
    pub program: PathBuf,
    /// A folder of the user's that stays; else a temporary one.
    pub keep: Option<PathBuf>,
    pub now: Timestamp,
}

const DATABASE: &str = "production.sqlite3";
const BRANCH: &str = "koan/cart-total";

/// For each command.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Walks the whole way and says each piece of it through `say`.
///
/// # Errors
/// [`UsageError`] if a tool is missing or the folder cannot be used; any other error means that a step did not end as it must.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let place = Place::new(options.keep.as_deref())?;
    let mut walk = Walk {
        repo: place.folder().join("shop"),
        program: options.program.clone(),
        say,
    };
    walk.need("git", "the demo commits to a repository")?;
    walk.need("cargo", "the demo's project is written in Rust")?;
    walk.prepare(place.folder(), options.now)?;
    let fingerprint = fingerprint_of_bug(place.folder(), options.now)?;
    walk.extract()?;
    for trial in TRIALS {
        walk.commit(trial, &fingerprint)?;
    }
    walk.look_back()?;
    walk.sum_up(&place);
    Ok(())
}

/// One commit that is tried.
struct Trial {
    attempt: Attempt,
    heading: &'static str,
    subject: &'static str,
    /// What the answer must name; `None` if the commit must be accepted.
    refused_by: Option<&'static str>,
}

const TRIALS: &[Trial] = &[
    Trial {
        attempt: Attempt::FixAlone,
        heading: "A fix without a test",
        subject: "fix: a coupon over the price",
        refused_by: Some("no-test"),
    },
    Trial {
        attempt: Attempt::FixWithUselessTest,
        heading: "A fix with a test that proves nothing: it passes without the fix",
        subject: "fix: a coupon over the price",
        refused_by: Some("already-passes"),
    },
    Trial {
        attempt: Attempt::FixWithMigration,
        heading: "A fix that also touches a migration",
        subject: "fix: a coupon over the price",
        refused_by: Some("path-protected"),
    },
    Trial {
        attempt: Attempt::Honest,
        heading: "The same fix with a test that fails without it, and nothing else",
        subject: "fix: a coupon over the price makes the cart free",
        refused_by: None,
    },
];

/// Where the demo happens.
enum Place {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Place {
    fn new(keep: Option<&Path>) -> anyhow::Result<Place> {
        let Some(folder) = keep else {
            let folder = tempfile::Builder::new()
                .prefix("koan-guard-demo-")
                .tempdir();
            return Ok(Place::Temporary(folder.context("make a temporary folder")?));
        };
        let shown = folder.display();
        fs::create_dir_all(folder).with_context(|| format!("make `{shown}`"))?;
        let mut entries = fs::read_dir(folder).with_context(|| format!("look into `{shown}`"))?;
        if entries.next().is_some() {
            return Err(UsageError::with_hint(
                format!("`{shown}` is not empty"),
                "give `--keep` a folder that is empty or does not exist",
            )
            .into());
        }
        let folder = folder
            .canonicalize()
            .with_context(|| format!("find `{shown}`"))?;
        Ok(Place::Kept(folder))
    }

    fn folder(&self) -> &Path {
        match self {
            Place::Temporary(folder) => folder.path(),
            Place::Kept(folder) => folder,
        }
    }
}

/// The demo in progress.
struct Walk<'a> {
    repo: PathBuf,
    program: PathBuf,
    say: &'a mut dyn FnMut(&str),
}

impl Walk<'_> {
    fn need(&mut self, tool: &str, why: &str) -> anyhow::Result<()> {
        let argv = [OsStr::new(tool), OsStr::new("--version")];
        let found = process::output(&argv, Path::new("/"), &environment(), TIMEOUT);
        match found {
            Ok(finished) if finished.end == End::Exit(0) => Ok(()),
            _ => Err(UsageError::new(format!("`{tool}` is missing: {why}")).into()),
        }
    }

    /// The repository, its database of errors, its policy and its hooks.
    fn prepare(&mut self, folder: &Path, now: Timestamp) -> anyhow::Result<()> {
        self.heading("A shop's repository, and the database of its production errors");
        project::write(&self.repo)?;
        sample::create(&folder.join(DATABASE), now)?;
        self.step(&["git", "init", "--quiet", "--initial-branch=main"])?;
        self.step(&["git", "config", "user.name", "Demo"])?;
        self.step(&["git", "config", "user.email", "demo@localhost"])?;
        self.commit_all("feat: a shop")?;

        self.heading(
            "What a fix is allowed to do: a policy, with the database as its source of errors",
        );
        self.step(&["koan-guard", "init"])?;
        self.add_source()?;
        self.commit_all("chore: the perimeter of the shop")?;

        self.heading("The guard goes between the agent and git");
        self.step(&["koan-guard", "install"])?;
        Ok(())
    }

    fn commit_all(&mut self, subject: &str) -> anyhow::Result<()> {
        self.step(&["git", "add", "--all"])?;
        let message = format!("--message={subject}");
        self.step(&["git", "commit", "--quiet", &message])?;
        Ok(())
    }

    fn add_source(&mut self) -> anyhow::Result<()> {
        let path = self.repo.join(policy::PATH);
        let text = fs::read_to_string(&path).with_context(|| format!("read `{}`", policy::PATH))?;
        anyhow::ensure!(
            !text.lines().any(|line| line.starts_with("sources:")),
            "`koan-guard init` found a source of errors where there is none"
        );
        let source = format!(
            "sources:\n  - {{name: production, kind: sqlite, path: ../{DATABASE}, table: {}}}\n",
            sample::TABLE
        );
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| write!(file, "\n{source}"))
            .with_context(|| format!("write `{}`", policy::PATH))?;
        (self.say)(&format!(
            "added to {}:\n{}",
            policy::PATH,
            indented(&source)
        ));
        Ok(())
    }

    fn extract(&mut self) -> anyhow::Result<()> {
        self.heading("What went wrong in production, the most pressing first, secrets taken out");
        self.step(&["koan-guard", "extract", "--format", "md"])?;
        self.step(&["git", "switch", "--quiet", "--create", BRANCH])?;
        Ok(())
    }

    fn commit(&mut self, trial: &Trial, fingerprint: &str) -> anyhow::Result<()> {
        self.heading(trial.heading);
        project::edit(&self.repo, trial.attempt)?;
        self.step(&["git", "diff", "--stat"])?;
        let message = format!("--message={}", trial.subject);
        let issue = format!("--message=Koan-Issue: {fingerprint}");
        let argv = ["git", "commit", "--all", &message, &issue];
        let before = self.head()?;
        match trial.refused_by {
            None => {
                self.step(&argv)?;
                anyhow::ensure!(
                    self.head()? != before,
                    "the honest fix was accepted, but there is no commit"
                );
                (self.say)("accepted: it is in the history, with its proof\n");
            }
            Some(rule) => {
                let said = self.step_to(&argv, 1)?;
                anyhow::ensure!(
                    said.contains(rule),
                    "the commit was stopped, but not for `{rule}`: {}",
                    trial.heading
                );
                anyhow::ensure!(
                    self.head()? == before,
                    "the commit was refused, but it is in the history"
                );
                (self.say)(&format!("refused: {rule}\n"));
                self.quietly(&["git", "reset", "--quiet", "--hard"])?;
            }
        }
        Ok(())
    }

    fn look_back(&mut self) -> anyhow::Result<()> {
        self.heading("What the fix proved stays with its commit");
        let note = self.step(&["git", "notes", "--ref=koan", "show"])?;
        anyhow::ensure!(
            !note.trim().is_empty(),
            "the accepted commit has an empty note"
        );
        self.heading("And can be listed later");
        self.step(&["koan-guard", "audit"])?;
        Ok(())
    }

    fn sum_up(&mut self, place: &Place) {
        self.heading("In short");
        for trial in TRIALS {
            let end = trial
                .refused_by
                .map_or("accepted".to_owned(), |rule| format!("refused, {rule}"));
            (self.say)(&format!("  {end:<24} {}\n", trial.heading));
        }
        (self.say)(
            "\nIn your own repository:\n  koan-guard init       write a policy, then read it and commit it\n  koan-guard install    put the hooks in\n",
        );
        if let Place::Kept(_) = place {
            (self.say)(&format!(
                "\nThe demo's repository stays in {}\n",
                self.repo.display()
            ));
        }
    }

    fn heading(&mut self, text: &str) {
        (self.say)(&format!("\n== {text}\n"));
    }

    /// A command that must succeed.
    fn step(&mut self, argv: &[&str]) -> anyhow::Result<String> {
        self.step_to(argv, 0)
    }

    /// Shows a command and what it says, and returns that.
    fn step_to(&mut self, argv: &[&str], expected: i32) -> anyhow::Result<String> {
        let shown: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
        let shown = shown.join(" ");
        (self.say)(&format!("$ {shown}\n"));
        let finished = self.call(argv)?;
        let said = said(&finished);
        if !said.is_empty() {
            (self.say)(&indented(&said));
        }
        anyhow::ensure!(
            finished.end == End::Exit(expected),
            "`{shown}` must end with exit code {expected}, but {}",
            ended(finished.end)
        );
        Ok(said)
    }

    /// A command that is not part of the story.
    fn quietly(&mut self, argv: &[&str]) -> anyhow::Result<String> {
        let finished = self.call(argv)?;
        let said = said(&finished);
        anyhow::ensure!(
            finished.end == End::Exit(0),
            "`{}` failed: {said}",
            argv.join(" ")
        );
        Ok(said)
    }

    fn head(&mut self) -> anyhow::Result<String> {
        self.quietly(&["git", "rev-parse", "--verify", "HEAD"])
    }

    fn call(&self, argv: &[&str]) -> anyhow::Result<Finished> {
        let words = argv.iter().map(|word| match *word {
            "koan-guard" => self.program.as_os_str(),
            word => OsStr::new(word),
        });
        let words: Vec<&OsStr> = words.collect();
        process::output(&words, &self.repo, &environment(), TIMEOUT)
            .with_context(|| format!("run `{}`", argv.join(" ")))
    }
}

/// The same for everybody: the user's own git configuration (signing, templates, hooks) is not part of the demo.
fn environment() -> BTreeMap<OsString, OsString> {
    let variables = [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_PAGER", "cat"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
        ("NO_COLOR", "1"),
    ];
    variables
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

/// The issue that the demo's commits name.
fn fingerprint_of_bug(folder: &Path, now: Timestamp) -> anyhow::Result<String> {
    let window = Window::days_before(now, WINDOW_DAYS)?;
    let reading = sqlite::read(
        &folder.join(DATABASE),
        &TableConfig::plain(sample::TABLE),
        &Settings::default(),
        &Filter::all(window),
    )?;
    let mut issues = reading.issues.iter();
    let bug = issues.find(|issue| issue.error_type.as_deref() == Some("panic"));
    let bug = bug.context("the sample has lost its bug")?;
    Ok(bug.fingerprint.to_string())
}

fn said(finished: &Finished) -> String {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let stderr = String::from_utf8_lossy(&finished.stderr);
    format!("{stdout}{stderr}")
}

fn ended(end: End) -> String {
    match end {
        End::Exit(code) => format!("ended with {code}"),
        End::Signal(signal) => format!("was ended by signal {signal}"),
        End::TimedOut => format!("did not end within {} s", TIMEOUT.as_secs()),
    }
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '\'', '"']) {
        format!("'{}'", word.replace('\'', "'\\''"))
    } else {
        word.to_owned()
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests;
