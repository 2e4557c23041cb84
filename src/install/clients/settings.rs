//! What stands in the settings of each client, and where.

use serde_json::{Value, json};

use super::Client;
use super::splice::Addition;

/// A file of settings, and what belongs into it.
pub(super) struct Settings {
    pub path: String,
    pub content: Content,
}

pub(super) enum Content {
    /// Each with the keys that lead to its place.
    Json(Vec<(Vec<&'static str>, Addition)>),
    /// A line of YAML at the top level.
    Line {
        key: &'static str,
        line: &'static str,
    },
}

/// The settings of one client; `command` is how the guard is called.
pub(super) fn of(client: Client, command: &str) -> Vec<Settings> {
    // A client goes on after a hook that could not be started, or that ends by anything but 2.
    let call = |name: &str| format!("{command} hook agent --client {name} || exit 2");
    let (path, content) = match client {
        Client::Claude => {
            let tools = "Bash|Edit|MultiEdit|NotebookEdit|PowerShell|Write|mcp__.*";
            let hook = json!({"type": "command", "command": call("claude"), "timeout": 30});
            let element = json!({"matcher": tools, "hooks": [hook]});
            let place = vec!["hooks", "PreToolUse"];
            (
                ".claude/settings.json",
                Content::Json(vec![(place, Addition::Element(element))]),
            )
        }
        Client::Codex => {
            let hook = json!({"type": "command", "command": call("codex"), "timeout": 30});
            let element =
                json!({"matcher": "Bash|Edit|Write|apply_patch|mcp__.*", "hooks": [hook]});
            let place = vec!["hooks", "PreToolUse"];
            (
                ".codex/hooks.json",
                Content::Json(vec![(place, Addition::Element(element))]),
            )
        }
        Client::Gemini => {
            // Milliseconds.
            let hook = json!({"type": "command", "command": call("gemini"), "name": "koan-guard", "timeout": 30_000});
            let tools = "run_shell_command|write_file|replace|mcp_.*";
            let element = json!({"matcher": tools, "hooks": [hook]});
            let place = vec!["hooks", "BeforeTool"];
            (
                ".gemini/settings.json",
                Content::Json(vec![(place, Addition::Element(element))]),
            )
        }
        Client::Cursor => {
            let hook = json!({"command": call("cursor"), "failClosed": true});
            let of_files = json!({
                "command": call("cursor"),
                "failClosed": true,
                "matcher": "Write|Edit|StrReplace|Delete|TabWrite|EditNotebook|ApplyPatch",
            });
            let additions = vec![
                (vec![], Addition::Member("version", json!(1))),
                (
                    vec!["hooks", "beforeShellExecution"],
                    Addition::Element(hook.clone()),
                ),
                (vec!["hooks", "beforeMCPExecution"], Addition::Element(hook)),
                (vec!["hooks", "preToolUse"], Addition::Element(of_files)),
            ];
            (".cursor/hooks.json", Content::Json(additions))
        }
        Client::Opencode => ("opencode.json", Content::Json(opencode())),
        Client::Aider => {
            // By default it commits with `--no-verify`.
            let line = "git-commit-verify: true";
            (
                ".aider.conf.yml",
                Content::Line {
                    key: "git-commit-verify",
                    line,
                },
            )
        }
    };
    vec![Settings {
        path: path.to_owned(),
        content,
    }]
}

/// It has no hook that a program could answer, but rules about commands and files; the last that fits wins.
fn opencode() -> Vec<(Vec<&'static str>, Addition)> {
    const COMMANDS: [&str; 12] = [
        "*git*commit*--no-verify*",
        "*git*commit* -n*",
        "*git*push*--no-verify*",
        "*git*merge*--no-verify*",
        "*core.hooksPath*",
        "*GIT_CONFIG_*",
        "*git*commit-tree*",
        "*git*update-ref*",
        "*git*fast-import*",
        "*HUSKY=0*",
        "*LEFTHOOK=0*",
        "*koan-guard uninstall*",
    ];
    const FILES: [&str; 5] = [
        ".git/*",
        ".koan/*",
        ".koan-guard.yaml",
        ".husky/*",
        "opencode.json",
    ];
    let deny = |place: &'static str| {
        move |pattern: &&'static str| {
            (
                vec!["permission", place],
                Addition::Member(pattern, json!("deny")),
            )
        }
    };
    let commands = COMMANDS.iter().map(deny("bash"));
    commands.chain(FILES.iter().map(deny("edit"))).collect()
}

/// Whether an entry of a client's settings is one that koan-guard wrote.
pub(super) fn is_ours(entry: &Value) -> bool {
    let text = entry.to_string();
    text.contains("koan-guard") && text.contains("hook agent --client")
}

/// Whether the client's settings start the guard.
pub(super) fn calls_guard(client: Client) -> bool {
    !matches!(client, Client::Aider | Client::Opencode)
}

/// What will not work as one may think.
pub(super) fn caveat(client: Client) -> Option<&'static str> {
    match client {
        Client::Codex => Some(
            "Codex skips hooks of a project that is not trusted, without a word: trust it in Codex, and let CI judge",
        ),
        Client::Gemini => Some(
            "Gemini CLI empties `core.hooksPath` for what it runs: git older than 2.54 runs no hook there",
        ),
        Client::Opencode => Some(
            "OpenCode compares commands with patterns, which is easy to get around: hooks and CI have to judge",
        ),
        Client::Aider => {
            Some("Aider reads `.aider.conf.yml`, unless an option or a variable says otherwise")
        }
        Client::Claude | Client::Cursor => None,
    }
}
