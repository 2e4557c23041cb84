//! What agents' clients are told of the guard: their settings, the skill, and a paragraph in `AGENTS.md`.
//!
//! Nothing that is there is clobbered: settings are added to byte by byte, and a file that cannot be added to safely is left alone, with the
//! lines to put in by hand. What was written is recorded in the git folder, so that it can be taken out again.

mod files;
mod settings;
mod splice;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::shim;
use crate::git::Repo;
use crate::usage::UsageError;
use files::Outcome;

/// An agent's client that can be told of the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    Aider,
    Claude,
    Codex,
    Cursor,
    Gemini,
    Opencode,
}

/// What was done, for people to read.
#[derive(Debug)]
pub struct Told {
    /// Files by their paths below the top of the work tree.
    pub files: Vec<(String, Change)>,
    /// Sentences about what will not work as one may think.
    pub caveats: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Written,
    /// Added to what was there.
    Extended,
    /// What an earlier `install` had written was replaced.
    Renewed,
    Unchanged,
    /// Taken out of what others wrote.
    TakenOut,
    Removed,
    /// Not as it was written, so it stays.
    Left,
}

/// What was written for whom, kept in the git folder of the work tree.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    clients: Vec<Client>,
    files: Vec<Written>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    path: String,
    /// For whom; nobody for what all clients share.
    client: Option<Client>,
    is_created: bool,
    /// What was put in, in this order. For a file of our own, all of it.
    inserted: Vec<String>,
    made_dirs: Vec<String>,
}

pub const SKILL: &str = include_str!("../../skills/koan-guard/SKILL.md");

/// Where clients look for skills.
const SKILL_PATHS: [&str; 2] = [
    ".agents/skills/koan-guard/SKILL.md",
    ".claude/skills/koan-guard/SKILL.md",
];

const AGENTS_PATH: &str = "AGENTS.md";

/// The paragraph for clients that read `AGENTS.md` and know no skills.
const PARAGRAPH: &str = "\
<!-- koan-guard: begin -->
## Commits are judged by koan-guard

A fix is taken only with a new test that fails without it, both in one commit. Before you fix a bug, read
`.agents/skills/koan-guard/SKILL.md`: test, fix, `koan-guard check --staged`, commit. What is refused says why and what to do next.
Never skip hooks (`--no-verify`), and never change `.git`, hooks, `.koan-guard.yaml` or the settings of your client.
<!-- koan-guard: end -->
";

/// Writes the settings of `clients`, the skill and the paragraph. `path` is where programs are looked for.
///
/// # Errors
/// [`UsageError`] with the lines to put in by hand where a file cannot be added to safely; nothing is written then.
pub fn tell(
    repo: &Repo,
    binary: &Path,
    path: Option<&OsStr>,
    clients: &[Client],
) -> anyhow::Result<Told> {
    super::check_binary(binary)?;
    let top = top(repo)?;
    let (command, by_name) = command(binary, path);
    let mut record = Record::load(repo)?;
    let mut outcomes = Vec::new();
    for &client in clients {
        for file in settings::of(client, &command) {
            outcomes.push(files::settings(&top, client, &file, record.of(&file.path))?);
        }
    }
    for path in SKILL_PATHS {
        outcomes.push(files::whole(&top, path, SKILL, record.of(path))?);
    }
    outcomes.push(files::paragraph(
        &top,
        AGENTS_PATH,
        PARAGRAPH,
        record.of(AGENTS_PATH),
    )?);

    for outcome in &outcomes {
        record.put(outcome.written.clone());
    }
    record.clients.extend_from_slice(clients);
    record.clients.sort();
    record.clients.dedup();
    // Recorded first: what is recorded and missing is harmless, what is written and unrecorded would stay.
    record.save(repo)?;
    for outcome in &outcomes {
        outcome.write(&top)?;
    }
    let mut caveats: Vec<String> = clients
        .iter()
        .filter_map(|client| settings::caveat(*client))
        .map(str::to_owned)
        .collect();
    if !by_name && clients.iter().any(|client| settings::calls_guard(*client)) {
        caveats.push(format!(
            "the settings name `{}` by its whole path, because `PATH` does not lead to it: do not commit them for others",
            binary.display()
        ));
    }
    Ok(Told {
        files: outcomes.into_iter().map(Outcome::told).collect(),
        caveats,
    })
}

/// Takes out what [`tell`] wrote for `clients`; the skill and the paragraph go with the last of them.
///
/// # Errors
/// A file cannot be read or written.
pub fn untell(repo: &Repo, clients: &[Client]) -> anyhow::Result<Told> {
    let top = top(repo)?;
    let mut record = Record::load(repo)?;
    record.clients.retain(|client| !clients.contains(client));
    let is_last = record.clients.is_empty();
    let mut outcomes = Vec::new();
    for &client in clients {
        // Whatever command was written.
        for file in settings::of(client, "") {
            outcomes.extend(files::without_settings(
                &top,
                client,
                &file,
                record.of(&file.path),
            )?);
        }
    }
    if is_last {
        for path in SKILL_PATHS.into_iter().chain([AGENTS_PATH]) {
            outcomes.extend(files::without(&top, path, record.of(path))?);
        }
    }
    for outcome in &outcomes {
        outcome.write(&top)?;
        record
            .files
            .retain(|file| file.path != outcome.written.path);
    }
    record.save(repo)?;
    Ok(Told {
        files: outcomes.into_iter().map(Outcome::told).collect(),
        caveats: Vec::new(),
    })
}

/// How a client's settings call the guard, and whether that is by its name alone.
fn command(binary: &Path, path: Option<&OsStr>) -> (String, bool) {
    let real = fs::canonicalize(binary).ok();
    let mut folders = path.into_iter().flat_map(std::env::split_paths);
    // The first of the name is the one that a shell starts.
    let found = folders.find_map(|folder| fs::canonicalize(folder.join("koan-guard")).ok());
    if real.is_some() && found == real {
        return ("koan-guard".to_owned(), true);
    }
    let quoted = shim::quoted(binary.as_os_str().as_bytes());
    (String::from_utf8_lossy(&quoted).into_owned(), false)
}

fn top(repo: &Repo) -> anyhow::Result<PathBuf> {
    let top = repo.work_dir().ok_or_else(|| {
        UsageError::new("a bare repository has no work tree, and no agent works in it")
    })?;
    fs::canonicalize(top).context("find the top of the work tree")
}

impl Record {
    fn path(repo: &Repo) -> PathBuf {
        repo.git_dir().join("koan-agents.json")
    }

    fn load(repo: &Repo) -> anyhow::Result<Record> {
        let path = Record::path(repo);
        match fs::read(&path) {
            Ok(json) => {
                serde_json::from_slice(&json).with_context(|| format!("read `{}`", path.display()))
            }
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Record::default()),
            Err(err) => Err(err).with_context(|| format!("read `{}`", path.display())),
        }
    }

    fn save(&self, repo: &Repo) -> anyhow::Result<()> {
        let path = Record::path(repo);
        let done = if self.files.is_empty() && self.clients.is_empty() {
            match fs::remove_file(&path) {
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done,
            }
        } else {
            fs::write(&path, serde_json::to_vec_pretty(self)?)
        };
        done.with_context(|| format!("write `{}`", path.display()))
    }

    fn of(&self, path: &str) -> Option<&Written> {
        self.files.iter().find(|file| file.path == path)
    }

    fn put(&mut self, written: Written) {
        self.files.retain(|file| file.path != written.path);
        self.files.push(written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skill_is_one_by_the_specification() {
        let rest = SKILL.strip_prefix("---\n").expect("front matter");
        let (front, body) = rest.split_once("\n---\n").expect("end of the front matter");
        let fields: Vec<(&str, &str)> = front
            .lines()
            .map(|line| line.split_once(": ").expect("a field a line"))
            .collect();
        let field = |name: &str| {
            let mut values = fields.iter().filter(|(key, _)| *key == name);
            values.next().map(|(_, value)| *value)
        };
        let name = field("name").expect("name");
        assert!((1..=64).contains(&name.len()));
        assert!(
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        );
        assert!(!name.starts_with('-') && !name.ends_with('-') && !name.contains("--"));
        for path in SKILL_PATHS {
            assert!(
                path.ends_with(&format!("/skills/{name}/SKILL.md")),
                "{path}"
            );
        }
        let description = field("description").expect("description");
        assert!((1..=1024).contains(&description.chars().count()));
        // Plain scalars of YAML: nothing in them that would begin something else.
        for (key, value) in &fields {
            assert!(
                ["name", "description", "license", "compatibility"].contains(key),
                "{key}"
            );
            assert!(!value.contains(": ") && !value.contains(" #"), "{value}");
            assert!(
                value.starts_with(|c: char| c.is_ascii_alphabetic()),
                "{value}"
            );
        }
        assert!(field("compatibility").is_none_or(|text| text.len() <= 500));
        assert!(body.lines().count() < 500 && body.contains("# Fix with proof"));
    }

    #[test]
    fn the_guard_is_called_by_name_where_path_leads_to_it() {
        let folder = tempfile::tempdir().expect("folder");
        let other = tempfile::tempdir().expect("folder");
        let binary = folder.path().join("koan-guard");
        fs::write(&binary, "").expect("file");
        let check = |folders: &[&Path], expected: bool| {
            let path = std::env::join_paths(folders).expect("path");
            let (command, by_name) = command(&binary, Some(&path));
            assert_eq!(by_name, expected, "{command}");
            assert_eq!(command == "koan-guard", expected, "{command}");
        };
        check(&[folder.path()], true);
        check(&[other.path(), folder.path()], true);
        check(&[other.path()], false);
        fs::write(other.path().join("koan-guard"), "").expect("file");
        check(&[other.path(), folder.path()], false);
        assert!(!command(&binary, None).1);
    }
}
