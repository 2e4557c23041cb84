//! `hook agent`: what an agent's client asks before it runs a tool, judged and answered in that client's own protocol.
//!
//! A convenience and no boundary: it tells an agent early what hooks, `check` and the server would refuse later, or could not see. Whatever
//! cannot be read or understood is denied; whatever is not, runs by the client's own rules.

mod command;
mod git;
mod places;
mod shell;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};

use crate::git::Repo;
pub use places::Places;
use shell::Word;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Claude,
    Codex,
    Cursor,
    Gemini,
}

/// Where the agent works.
pub struct Scene<'a> {
    /// The folder that commands start in.
    pub folder: PathBuf,
    pub places: Places,
    /// The name of the branch that is checked out, without `refs/heads/`.
    pub head_branch: Option<String>,
    /// Branches that others start from.
    pub guarded_branches: Vec<String>,
    /// What an alias of git's stands for.
    pub alias: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a tool may not run.
#[derive(Debug, PartialEq, Eq)]
pub struct Denial {
    /// A sentence without a period.
    pub fact: String,
    /// What to do instead.
    pub next: String,
}

/// What a client wants to do.
#[derive(Debug)]
pub struct Request {
    event: String,
    tool: String,
    input: Map<String, Value>,
    /// The folder of the session.
    pub folder: Option<PathBuf>,
}

/// Branches that others start from, whatever the repository says.
const DEFAULT_BRANCHES: [&str; 3] = ["main", "master", "trunk"];

const SHELL_TOOLS: [&str; 8] = [
    "Bash",
    "Shell",
    "shell",
    "local_shell",
    "shell_command",
    "exec_command",
    "run_shell_command",
    "beforeShellExecution",
];

/// Tools that write the file they name.
const EDIT_TOOLS: [&str; 12] = [
    "Edit",
    "MultiEdit",
    "Write",
    "NotebookEdit",
    "StrReplace",
    "Delete",
    "EditNotebook",
    "TabWrite",
    "write_file",
    "replace",
    "edit",
    "write",
];

const PATCH_TOOLS: [&str; 2] = ["apply_patch", "ApplyPatch"];

/// Tools that change nothing, whatever they name.
const READ_TOOLS: [&str; 17] = [
    "Read",
    "NotebookRead",
    "Grep",
    "Glob",
    "LS",
    "WebFetch",
    "WebSearch",
    "read_file",
    "read_many_files",
    "glob",
    "grep_search",
    "search_file_content",
    "list_directory",
    "web_fetch",
    "google_web_search",
    "ReadFile",
    "view_image",
];

const PATH_KEYS: [&str; 11] = [
    "file_path",
    "filePath",
    "path",
    "paths",
    "notebook_path",
    "target_file",
    "target_notebook",
    "absolute_path",
    "filename",
    "file",
    "files",
];

const COMMAND_KEYS: [&str; 5] = ["command", "cmd", "script", "commands", "argv"];

impl Client {
    /// What the client calls the moment before a tool runs.
    fn events(self) -> &'static [&'static str] {
        match self {
            Client::Claude | Client::Codex => &["PreToolUse"],
            Client::Gemini => &["BeforeTool"],
            Client::Cursor => &["beforeShellExecution", "beforeMCPExecution", "preToolUse"],
        }
    }
}

impl Request {
    /// Reads what a client writes to its hooks.
    ///
    /// # Errors
    /// For whatever is not a question about a tool: the caller has to deny it.
    pub fn read(client: Client, json: &[u8]) -> anyhow::Result<Request> {
        let value: Value = serde_json::from_slice(json).context("read the client's question")?;
        let Value::Object(mut fields) = value else {
            bail!("the client's question is no JSON object");
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let event = text("hook_event_name").context("the client does not say what is going on")?;
        ensure!(
            client.events().contains(&event.as_str()),
            "`{event}` is not asked before a tool runs"
        );
        let folder = text("cwd").or_else(|| {
            let roots = fields.get("workspace_roots")?.as_array()?;
            roots.first()?.as_str().map(str::to_owned)
        });
        let tool = match event.as_str() {
            "beforeShellExecution" => event.clone(),
            _ => text("tool_name").context("the client does not name the tool")?,
        };
        let input = match fields.remove("tool_input") {
            Some(Value::Object(input)) => input,
            // Cursor hands on what a tool of somebody else's gets as text.
            Some(Value::String(text)) => match serde_json::from_str(&text) {
                Ok(Value::Object(input)) => input,
                _ => bail!("the input of `{tool}` is no JSON object"),
            },
            None if tool == event => fields,
            _ => bail!("the client does not say what `{tool}` gets"),
        };
        Ok(Request {
            event,
            tool,
            input,
            folder: folder
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
        })
    }
}

/// Judges what a client wants to do; `None` leaves it to the client's own rules.
///
/// # Errors
/// What cannot be read: the caller has to deny it.
pub fn judge(request: &Request, scene: &Scene) -> anyhow::Result<Option<Denial>> {
    let tool = request.tool.as_str();
    if SHELL_TOOLS.contains(&tool) {
        let mut scene = scene.here();
        for name in [
            "cwd",
            "workdir",
            "directory",
            "dir_path",
            "working_directory",
        ] {
            if let Some(folder) = request.input.get(name).and_then(Value::as_str) {
                scene.folder = scene.folder.join(folder);
            }
        }
        let command = COMMAND_KEYS.iter().find_map(|key| request.input.get(*key));
        let text = match command {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(words)) => {
                let words: Option<Vec<String>> = words
                    .iter()
                    .map(|word| word.as_str().map(str::to_owned))
                    .collect();
                command::line(&words.context("a word of the command is no text")?)
            }
            _ => bail!("`{tool}` gets no command that can be read"),
        };
        return Ok(patch_in(&text, &scene).or_else(|| command::judge(&text, &scene)));
    }
    if PATCH_TOOLS.contains(&tool) {
        let mut texts = Vec::new();
        all_texts(&Value::Object(request.input.clone()), &mut texts);
        ensure!(!texts.is_empty(), "`{tool}` gets no patch that can be read");
        return Ok(texts.iter().find_map(|text| patched(text, scene)));
    }
    let found = Found::of(&request.input);
    let is_edit = EDIT_TOOLS.contains(&tool);
    ensure!(
        !is_edit || !found.paths.is_empty(),
        "`{tool}` names no file that can be read"
    );
    if READ_TOOLS.contains(&tool) {
        return Ok(None);
    }
    if !is_edit && found.has_command {
        return Ok(Some(denied(
            format!("`{tool}` is not known here, and it is given a command"),
            "run commands by the client's own shell tool",
        )));
    }
    let mut paths = found.paths.iter();
    let is_guarded = paths.any(|path| scene.is_guarded(&Word::literal(path)));
    Ok(is_guarded.then(guards_file))
}

/// The files and commands that a tool's input names, however deep.
#[derive(Default)]
struct Found<'a> {
    paths: Vec<&'a str>,
    has_command: bool,
}

impl<'a> Found<'a> {
    fn of(input: &'a Map<String, Value>) -> Found<'a> {
        let mut found = Found::default();
        found.fields(input);
        found
    }

    fn fields(&mut self, fields: &'a Map<String, Value>) {
        for (key, value) in fields {
            self.has_command |= COMMAND_KEYS.contains(&key.as_str());
            self.value(value, PATH_KEYS.contains(&key.as_str()));
        }
    }

    fn value(&mut self, value: &'a Value, is_path: bool) {
        match value {
            Value::String(path) if is_path => self.paths.push(path),
            Value::Array(values) => values.iter().for_each(|value| self.value(value, is_path)),
            Value::Object(fields) => self.fields(fields),
            _ => {}
        }
    }
}

fn all_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| all_texts(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| all_texts(value, texts)),
        _ => {}
    }
}

/// A patch that is handed to the shell tool, as models do that know `apply_patch`.
fn patch_in(text: &str, scene: &Scene) -> Option<Denial> {
    text.contains("*** Begin Patch")
        .then(|| patched(text, scene))
        .flatten()
}

/// The files that a patch touches.
fn patched(text: &str, scene: &Scene) -> Option<Denial> {
    const STARTS: [&str; 7] = [
        "*** Update File: ",
        "*** Add File: ",
        "*** Delete File: ",
        "*** Move to: ",
        "+++ ",
        "--- ",
        "rename to ",
    ];
    let paths = text.lines().filter_map(|line| {
        let path = STARTS.iter().find_map(|start| line.strip_prefix(start))?;
        let path = path.split('\t').next().unwrap_or(path).trim();
        Some(
            path.strip_prefix("a/")
                .or_else(|| path.strip_prefix("b/"))
                .unwrap_or(path),
        )
    });
    paths
        .into_iter()
        .any(|path| scene.is_guarded(&Word::literal(path)))
        .then(guards_file)
}

/// The answer on standard output, which the client reads if the exit code is 0.
pub fn answer(client: Client, request: &Request, denial: Option<&Denial>) -> String {
    let Some(denial) = denial else {
        // No opinion: an "allow" would spare the person the client's own question.
        return match client {
            Client::Claude | Client::Codex => String::new(),
            Client::Gemini | Client::Cursor => "{}\n".to_owned(),
        };
    };
    let reason = denial.reason();
    let answer = match client {
        Client::Claude | Client::Codex => json!({"hookSpecificOutput": {
            "hookEventName": request.event,
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        }}),
        Client::Gemini => json!({"decision": "deny", "reason": reason}),
        Client::Cursor => json!({
            "permission": "deny",
            "user_message": reason,
            "agent_message": reason,
        }),
    };
    format!("{answer}\n")
}

impl Denial {
    /// For the model, and for whoever looks on.
    pub fn reason(&self) -> String {
        format!("koan-guard: {}\nnext: {}", self.fact, self.next)
    }
}

impl<'a> Scene<'a> {
    /// What is known of `folder` where `repo` is, or where there is none.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn of(
        folder: PathBuf,
        repo: Option<&Repo>,
        home: Option<PathBuf>,
        alias: &'a dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Scene<'a>> {
        let mut guarded_branches: Vec<String> = DEFAULT_BRANCHES.map(str::to_owned).into();
        let mut places = Places {
            work_dir: None,
            git_dirs: Vec::new(),
            home,
        };
        let mut head_branch = None;
        if let Some(repo) = repo {
            let real = |path: &Path| fs::canonicalize(path).ok();
            places.work_dir = repo.work_dir().and_then(real);
            let dirs = [
                Some(repo.git_dir().to_owned()),
                Some(repo.common_dir().to_owned()),
                repo.hooks_dir().ok(),
            ];
            places.git_dirs = dirs
                .into_iter()
                .flatten()
                .filter_map(|dir| real(&dir))
                .collect();
            // A hooks folder that is the work tree itself would close all of it.
            places
                .git_dirs
                .retain(|dir| Some(dir) != places.work_dir.as_ref());
            let branch = |name: String| match name.strip_prefix("refs/heads/") {
                Some(short) => short.to_owned(),
                None => name,
            };
            head_branch = repo.head_branch()?.map(branch);
            let trusted = [
                repo.remote_default_branch()?,
                repo.config("koan.trustedRef"),
            ];
            let remotes = repo.remotes()?;
            for name in trusted.into_iter().flatten() {
                // `refs/remotes/origin/main`, `origin/main`, `refs/heads/main` and `main` are all pushed to as `main`.
                let short = name.strip_prefix("refs/remotes/").unwrap_or(&name);
                let of_remote = remotes.iter().find_map(|remote| {
                    let rest = short.strip_prefix(remote.as_str())?;
                    rest.strip_prefix('/').map(str::to_owned)
                });
                guarded_branches.push(of_remote.unwrap_or_else(|| branch(name.clone())));
            }
        }
        Ok(Scene {
            folder,
            places,
            head_branch,
            guarded_branches,
            alias,
        })
    }

    fn is_guarded(&self, word: &Word) -> bool {
        let folder: &Path = &self.folder;
        self.places.is_guarded(Some(folder), word)
    }

    /// Whether a ref, by any of the names that git takes for it, is not an agent's to write.
    fn is_guarded_ref(&self, name: &str) -> bool {
        const FOLDERS: [&str; 3] = ["refs/koan/", "refs/notes/", "refs/replace/"];
        let branches = self
            .guarded_branches
            .iter()
            .map(|name| format!("refs/heads/{name}"));
        let full = match name {
            _ if name.starts_with("refs/") => name.to_owned(),
            _ if ["heads/", "notes/", "replace/"]
                .iter()
                .any(|start| name.starts_with(start)) =>
            {
                format!("refs/{name}")
            }
            _ => format!("refs/heads/{name}"),
        };
        match full.split_once('*') {
            Some((start, _)) => {
                FOLDERS
                    .iter()
                    .any(|folder| folder.starts_with(start) || start.starts_with(folder))
                    || branches.into_iter().any(|branch| branch.starts_with(start))
            }
            None => {
                FOLDERS.iter().any(|folder| full.starts_with(folder))
                    || branches.into_iter().any(|branch| branch == full)
            }
        }
    }

    /// The same scene, for a command that starts in another folder.
    fn here(&self) -> Scene<'_> {
        Scene {
            folder: self.folder.clone(),
            places: self.places.clone(),
            head_branch: self.head_branch.clone(),
            guarded_branches: self.guarded_branches.clone(),
            alias: self.alias,
        }
    }
}

fn denied(fact: impl Into<String>, next: impl Into<String>) -> Denial {
    Denial {
        fact: fact.into(),
        next: next.into(),
    }
}

fn guards_file() -> Denial {
    denied(
        "this writes a file that the guard rests on: `.git`, hooks, its policy, or the settings of a client",
        "leave these files to a person, and say what should change",
    )
}

/// One word of the shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
