//! `hook agent` and `install --agent`, as clients start and find them.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::Repo;

const CLIENTS: [&str; 4] = ["claude", "codex", "gemini", "cursor"];

/// What a client gets for a question; the answer of a process that read `input`.
#[track_caller]
fn asked(repo: &Repo, args: &[&str], input: &str) -> String {
    let mut command = repo.guard_command([]);
    command.args(args).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("koan-guard");
    let mut stdin = child.stdin.take().expect("stdin");
    // Whoever does not need the question does not read it.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().expect("answer");
    let exit = output.status.code().expect("code");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    format!("exit: {exit}\nstdout:\n{stdout}stderr:\n{stderr}")
        .replace(repo.root.to_str().expect("UTF-8"), "[repo]")
}

fn question(repo: &Repo, client: &str, command: &str) -> String {
    let cwd = repo.root.to_str().expect("UTF-8");
    let question = match client {
        "cursor" => {
            json!({"hook_event_name": "beforeShellExecution", "command": command, "cwd": cwd})
        }
        "gemini" => {
            json!({"hook_event_name": "BeforeTool", "cwd": cwd, "tool_name": "run_shell_command", "tool_input": {"command": command}})
        }
        _ => {
            json!({"hook_event_name": "PreToolUse", "cwd": cwd, "tool_name": "Bash", "tool_input": {"command": command}})
        }
    };
    question.to_string()
}

#[test]
fn each_client_is_answered_in_its_own_protocol() {
    let repo = Repo::python_sample();
    let ask = |client: &str, command: &str| {
        asked(
            &repo,
            &["hook", "agent", "--client", client],
            &question(&repo, client, command),
        )
    };
    assert_snapshot!(ask("claude", "git commit -anm x"), @"
    exit: 0
    stdout:
    {\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\",\"permissionDecision\":\"deny\",\"permissionDecisionReason\":\"koan-guard: `-n` in `-anm` skips the hooks that judge the commit\\nnext: leave it out; what a hook refuses, it says how to mend\"}}
    stderr:
    ");
    assert_snapshot!(ask("gemini", "git commit -anm x"), @"
    exit: 0
    stdout:
    {\"decision\":\"deny\",\"reason\":\"koan-guard: `-n` in `-anm` skips the hooks that judge the commit\\nnext: leave it out; what a hook refuses, it says how to mend\"}
    stderr:
    ");
    assert_snapshot!(ask("cursor", "git commit -anm x"), @"
    exit: 0
    stdout:
    {\"agent_message\":\"koan-guard: `-n` in `-anm` skips the hooks that judge the commit\\nnext: leave it out; what a hook refuses, it says how to mend\",\"permission\":\"deny\",\"user_message\":\"koan-guard: `-n` in `-anm` skips the hooks that judge the commit\\nnext: leave it out; what a hook refuses, it says how to mend\"}
    stderr:
    ");
    assert_eq!(
        ask("codex", "git commit -anm x"),
        ask("claude", "git commit -anm x")
    );
    assert_eq!(ask("claude", "git status"), "exit: 0\nstdout:\nstderr:\n");
    assert_eq!(
        ask("cursor", "git status"),
        "exit: 0\nstdout:\n{}\nstderr:\n"
    );
}

#[test]
fn what_cannot_be_read_is_blocked_by_the_exit_code() {
    let repo = Repo::python_sample();
    for client in CLIENTS {
        for input in ["", "{", "[]", "{\"hook_event_name\": \"Stop\"}"] {
            let answer = asked(&repo, &["hook", "agent", "--client", client], input);
            assert!(
                answer.starts_with("exit: 2\nstdout:\nstderr:\nkoan-guard: "),
                "{answer}"
            );
        }
    }
    let gone = json!({"hook_event_name": "PreToolUse", "cwd": "/nowhere/at/all", "tool_name": "Bash", "tool_input": {"command": "ls"}});
    let answer = asked(
        &repo,
        &["hook", "agent", "--client", "claude"],
        &gone.to_string(),
    );
    assert!(answer.starts_with("exit: 2\n"), "{answer}");
    for args in [
        &["hook", "agent"][..],
        &["hook", "agent", "--client", "emacs"],
    ] {
        let answer = asked(&repo, args, "{}");
        assert!(answer.starts_with("exit: 2\n"), "{answer}");
    }
}

#[test]
fn the_repository_says_which_aliases_and_branches_there_are() {
    let repo = Repo::python_sample();
    repo.git(["config", "alias.yolo", "commit --no-verify"]);
    repo.git(["config", "core.hooksPath", "my-hooks"]);
    repo.write_script("my-hooks/pre-commit", "#!/bin/sh\n");
    let is_denied = |command: &str| {
        let answer = asked(
            &repo,
            &["hook", "agent", "--client", "claude"],
            &question(&repo, "claude", command),
        );
        answer.contains("\"deny\"")
    };
    assert!(is_denied("git yolo -m x"));
    assert!(is_denied("git push"), "main is checked out");
    assert!(is_denied("rm my-hooks/pre-commit"));
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    assert!(!is_denied("git push origin koan/1"));
    assert!(!is_denied("git commit -m x"));
    repo.git(["remote", "add", "up/stream", "../bare.git"]);
    for name in [
        "up/stream/develop",
        "refs/remotes/up/stream/develop",
        "refs/heads/develop",
        "develop",
    ] {
        repo.git(["config", "koan.trustedRef", name]);
        assert!(is_denied("git push origin develop"), "{name}");
    }
    // Where there is no repository, the habits are judged all the same.
    let cwd = repo.home();
    let outside = json!({"hook_event_name": "PreToolUse", "cwd": cwd, "tool_name": "Bash", "tool_input": {"command": "git -C repo commit -n"}});
    let answer = asked(
        &repo,
        &["hook", "agent", "--client", "claude"],
        &outside.to_string(),
    );
    assert!(answer.contains("\"deny\""), "{answer}");
}

#[test]
fn clients_are_told_and_what_was_written_goes_again() {
    let repo = Repo::python_sample();
    let before = files(&repo);
    assert_snapshot!(repo.guard(["install", "--agent", "claude", "--agent", "codex", "--agent", "aider"]), @"
    exit: 0
    stdout:
      .aider.conf.yml                          written
      .claude/settings.json                    written
      .codex/hooks.json                        written
      .agents/skills/koan-guard/SKILL.md       written
      .claude/skills/koan-guard/SKILL.md       written
      AGENTS.md                                written
    note: Aider reads `.aider.conf.yml`, unless an option or a variable says otherwise
    note: Codex skips hooks of a project that is not trusted, without a word: trust it in Codex, and let CI judge
    note: the settings name `[koan-guard]` by its whole path, because `PATH` does not lead to it: do not commit them for others
    stderr:
    ");
    let settings = repo.read(".claude/settings.json");
    let settings = settings.replace(env!("CARGO_BIN_EXE_koan-guard"), "[koan-guard]");
    assert_snapshot!(settings, @"
    {
      \"hooks\": {
        \"PreToolUse\": [
          {
            \"hooks\": [
              {
                \"command\": \"'[koan-guard]' hook agent --client claude || exit 2\",
                \"timeout\": 30,
                \"type\": \"command\"
              }
            ],
            \"matcher\": \"Bash|Edit|MultiEdit|NotebookEdit|PowerShell|Write|mcp__.*\"
          }
        ]
      }
    }
    ");
    assert_snapshot!(repo.read(".aider.conf.yml"), @"
    git-commit-verify: true
    ");
    let after = files(&repo);
    let again = repo.guard([
        "install", "--agent", "claude", "--agent", "codex", "--agent", "aider",
    ]);
    assert_eq!(again.matches("there already").count(), 6, "{again}");
    assert_eq!(files(&repo), after);
    // The skill and the paragraph stay as long as somebody is told.
    repo.guard(["uninstall", "--agent", "claude"]);
    assert!(!repo.root.join(".claude/settings.json").exists());
    assert!(
        repo.root
            .join(".agents/skills/koan-guard/SKILL.md")
            .exists()
    );
    assert_snapshot!(repo.guard(["uninstall", "--agent", "codex", "--agent", "aider"]), @"
    exit: 0
    stdout:
      .aider.conf.yml                          removed
      .codex/hooks.json                        removed
      .agents/skills/koan-guard/SKILL.md       removed
      .claude/skills/koan-guard/SKILL.md       removed
      AGENTS.md                                removed
    stderr:
    ");
    assert_eq!(files(&repo), before);
    assert!(!repo.root.join(".git/koan-agents.json").exists());
    let nothing = repo.guard(["uninstall", "--agent", "codex"]);
    assert!(
        nothing.contains("nothing of koan-guard's is there"),
        "{nothing}"
    );
}

/// Settings that are there already, whose order, numbers and blanks are their owner's.
const SETTINGS: &str = "{\n    \"zoom\": 1.50,\n    \"hooks\": {\n        \"PreToolUse\": [\n            {\"matcher\": \"Bash\", \"hooks\": [ ]}\n        ],\n        \"BeforeTool\": []\n    },\n    \"permission\": {\"bash\": {\"*\": \"ask\"}},\n    \"app\" : [1,2]\n}\n";

#[test]
fn what_others_wrote_stays_as_it_is() {
    for (client, path, event) in [
        ("claude", ".claude/settings.json", "PreToolUse"),
        ("codex", ".codex/hooks.json", "PreToolUse"),
        ("gemini", ".gemini/settings.json", "BeforeTool"),
        ("cursor", ".cursor/hooks.json", "beforeShellExecution"),
        ("opencode", "opencode.json", ""),
    ] {
        let repo = Repo::python_sample();
        repo.write(path, SETTINGS)
            .write("AGENTS.md", "# Agents\n\nBe kind.");
        let before = files(&repo);
        let answer = repo.guard(["install", "--agent", client]);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        let text = repo.read(path);
        let mut lines = SETTINGS.lines().filter(|line| !line.contains("[]"));
        assert!(
            text.starts_with("{\n    \"zoom\": 1.50,\n    \"hooks\": {\n"),
            "{text}"
        );
        assert!(
            lines.all(|line| text.contains(line.trim_end_matches(','))) || client == "opencode",
            "{text}"
        );
        let json: Value = serde_json::from_str(&text).expect("JSON");
        if event.is_empty() {
            assert_eq!(json["permission"]["bash"]["*"], "ask");
            assert_eq!(json["permission"]["bash"]["*core.hooksPath*"], "deny");
            assert_eq!(json["permission"]["edit"][".git/*"], "deny");
        } else {
            let ours = json["hooks"][event]
                .as_array()
                .expect("list")
                .last()
                .expect("ours")
                .to_string();
            assert!(
                ours.contains(&format!("hook agent --client {client} || exit 2")),
                "{ours}"
            );
        }
        // To the byte, what anybody added in between as well.
        repo.guard(["uninstall", "--agent", client]);
        assert_eq!(files(&repo), before, "{client}");

        repo.guard(["install", "--agent", client]);
        let text = repo
            .read(path)
            .replace("\"app\"", "\"new\": true,\n    \"app\"");
        repo.write(path, &text);
        repo.guard(["uninstall", "--agent", client]);
        assert_eq!(
            repo.read(path),
            SETTINGS.replace("\"app\"", "\"new\": true,\n    \"app\"")
        );
    }
}

#[test]
fn settings_that_somebody_wrote_anew_lose_what_is_ours_and_nothing_else() {
    let repo = Repo::python_sample();
    repo.guard(["install", "--agent", "claude"]);
    let mut json: Value = serde_json::from_str(&repo.read(".claude/settings.json")).expect("JSON");
    json["model"] = "x".into();
    json["hooks"]["PreToolUse"]
        .as_array_mut()
        .expect("list")
        .push(json!({"matcher": "Read"}));
    repo.write(".claude/settings.json", &json.to_string());
    let answer = repo.guard(["uninstall", "--agent", "claude"]);
    assert!(
        answer.contains("taken out of what others wrote"),
        "{answer}"
    );
    let left: Value = serde_json::from_str(&repo.read(".claude/settings.json")).expect("JSON");
    assert_eq!(
        left,
        json!({"model": "x", "hooks": {"PreToolUse": [{"matcher": "Read"}]}})
    );
}

#[test]
fn an_older_entry_of_ours_is_renewed() {
    let repo = Repo::python_sample();
    let old = "{\"hooks\": {\"PreToolUse\": [{\"hooks\": [{\"command\": \"/old/koan-guard hook agent --client claude\"}]}, 1]}}";
    repo.write(".claude/settings.json", old);
    let answer = repo.guard(["install", "--agent", "claude"]);
    assert!(answer.contains("renewed"), "{answer}");
    let text = repo.read(".claude/settings.json");
    assert!(
        !text.contains("/old/") && text.contains("|| exit 2"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_added_to_safely_is_left_alone_with_the_lines_to_add() {
    for (client, path, text) in [
        ("claude", ".claude/settings.json", "{\n  // a comment\n}\n"),
        ("codex", ".codex/hooks.json", "{\"hooks\": []}"),
        (
            "gemini",
            ".gemini/settings.json",
            "{\"hooks\": {\"BeforeTool\": {}}}",
        ),
        ("cursor", ".cursor/hooks.json", "{\"version\": 2}"),
        ("opencode", "opencode.json", "{\"permission\": \"ask\"}"),
        ("opencode", "opencode.jsonc", "{}"),
        ("aider", ".aider.conf.yml", "git-commit-verify: false\n"),
        ("aider", ".aider.conf.yml", "{model: x}\n"),
        ("claude", ".claude/skills/koan-guard/SKILL.md", "mine\n"),
    ] {
        let repo = Repo::python_sample();
        repo.write(path, text);
        let before = files(&repo);
        let answer = repo.guard(["install", "--agent", client]);
        assert!(
            answer.starts_with("exit: 2\n") && answer.contains("hint: "),
            "{answer}"
        );
        let shows_lines = answer.contains("add this to it by hand:") || path.ends_with("SKILL.md");
        assert!(shows_lines, "{answer}");
        assert_eq!(files(&repo), before, "{client}");
    }
}

#[test]
fn an_entry_as_it_is_written_stops_a_commit_that_skips_hooks() {
    let repo = Repo::python_sample();
    repo.guard(["install", "--agent", "claude"]);
    let json: Value = serde_json::from_str(&repo.read(".claude/settings.json")).expect("JSON");
    let line = json["hooks"]["PreToolUse"][0]["hooks"][0]["command"]
        .as_str()
        .expect("command")
        .to_owned();
    // Clients start it by a shell; without the program it blocks as well.
    for (line, is_told) in [
        (line.clone(), true),
        (line.replace("koan-guard' hook", "gone' hook"), false),
    ] {
        let mut command = repo.command("sh", &repo.root);
        command.args(["-c", &line]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sh");
        let question = question(&repo, "claude", "git commit -n");
        drop(
            child
                .stdin
                .take()
                .expect("stdin")
                .write_all(question.as_bytes()),
        );
        let output = child.wait_with_output().expect("answer");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        match is_told {
            true => assert!(
                output.status.success() && stdout.contains("\"deny\""),
                "{stdout}"
            ),
            false => assert_eq!(output.status.code(), Some(2)),
        }
    }
}

#[test]
fn the_skill_and_the_paragraph_name_commands_that_there_are() {
    let repo = Repo::python_sample();
    repo.guard(["install", "--agent", "codex"]);
    let text = repo.read(".agents/skills/koan-guard/SKILL.md") + &repo.read("AGENTS.md");
    let mut commands: Vec<&str> = text
        .split("`koan-guard ")
        .skip(1)
        .filter_map(|rest| rest.split('`').next())
        .collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(commands.len() > 6, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command
            .split(' ')
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            .collect();
        let mut guard = repo.guard_command([]);
        let answer = repo.answer_of(guard.args(&words).arg("--help"));
        assert!(answer.starts_with("exit: 0\n"), "{command}: {answer}");
    }
}

/// Paths and contents of the work tree.
fn files(repo: &Repo) -> Vec<(String, String)> {
    fn walk(folder: &std::path::Path, top: &std::path::Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(top).expect("below").display().to_string();
            if path.is_dir() {
                if name != ".git" {
                    found.push((name, String::new()));
                    walk(&path, top, found);
                }
            } else {
                found.push((name, fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&repo.root, &repo.root, &mut found);
    found.sort();
    found
}
