//! What agents type, and what comes of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scene(alias: &dyn Fn(&str) -> Option<String>) -> Scene<'_> {
    Scene {
        folder: "/srv/shop".into(),
        places: Places {
            work_dir: Some("/srv/shop".into()),
            git_dirs: vec!["/srv/shop/.git".into()],
            home: Some("/home/ada".into()),
        },
        head_branch: Some("koan/1".into()),
        guarded_branches: vec!["main".into()],
        alias,
    }
}

fn aliases(name: &str) -> Option<String> {
    let meaning = match name {
        "ci" => "commit",
        "yolo" => "commit --no-verify",
        "sneak" => "!git commit -n",
        "loop" => "loop",
        "st" => "status",
        _ => return None,
    };
    Some(meaning.to_owned())
}

#[track_caller]
fn denied(command: &str, expected: &str) {
    let denial = command::judge(command, &scene(&aliases));
    let Some(denial) = denial else {
        panic!("let through: {command}");
    };
    assert!(denial.fact.contains(expected), "{command}: {}", denial.fact);
    assert!(!denial.next.is_empty() && !denial.fact.ends_with('.'));
}

#[track_caller]
fn allowed(command: &str) {
    let denial = command::judge(command, &scene(&aliases));
    assert_eq!(denial, None, "{command}");
}

#[test]
fn a_commit_that_skips_hooks_is_denied_however_it_is_written() {
    for command in [
        "git commit --no-verify -m x",
        "git commit -n -m x",
        "git commit -anm x",
        "git commit -nam x",
        "git commit -qn",
        "git commit --amend --no-edit -n",
        "git commit -m x --no-veri",
        "git commit -m x --no-ver",
        "git commit -m 'a -m b' -n",
        "git commit --message x -n",
        "git commit --trailer a:b -n",
        "git  commit\t-n",
        "git \\\n commit \\\n -n",
        "git add -A\ngit commit -n",
        "true && git commit -n",
        "false || git commit -n",
        "git status; git commit -n",
        "git status & git commit -n",
        "(git commit -n)",
        "{ git commit -n; }",
        "if true; then git commit -n; fi",
        "for f in a b; do git commit -n $f; done",
        "while ! git commit -n; do :; done",
        "f() { git commit -n; }; f",
        "function f { git commit -n; }; f",
        "! git commit -n",
        "case x in x) git commit -n;; esac",
        "echo $(git commit -n)",
        "echo `git commit -n`",
        "x=$(git commit -n) true",
        "cat <(git commit -n)",
        "cat <<EOF\n$(git commit -n)\nEOF",
        "/usr/bin/git commit -n",
        "./git commit -n",
        "/usr/lib/git-core/git-commit -n",
        "\\git commit -n",
        "'git' \"commit\" -'n'",
        "g\"\"it com''mit --no-\"verify\"",
        "git $'commit' $'\\x2dn'",
        "GIT commit -n",
        "=git commit -n",
        "git -C sub commit -n",
        "git -c user.name=x commit -n",
        "git --git-dir=.git --work-tree=. commit -n",
        "git --no-pager -p commit -n",
        "env git commit -n",
        "env -i PATH=/bin git commit -n",
        "env -u X git commit -n",
        "env -S 'git commit -n'",
        "env '-Sgit commit -n'",
        "FOO=1 git commit -n",
        "command git commit -n",
        "exec git commit -n",
        "builtin command git commit -n",
        "time git commit -n",
        "nice -n 10 git commit -n",
        "timeout 60 git commit -n",
        "timeout -k 1 60 nohup git commit -n",
        "sudo -u ada git commit -n",
        "xargs -I{} git commit -n {}",
        "sh -c 'git commit -n'",
        "bash -lc \"git commit -n\"",
        "bash -o pipefail -c 'git commit -n'",
        "bash -c -- 'git commit -n'",
        "sh -c \"sh -c 'git commit -n'\"",
        "eval 'git commit -n'",
        "eval git commit -n",
        "sh <<< 'git commit -n'",
        "bash <<EOF\ngit commit -n\nEOF",
        "bash -s <<'EOF'\ngit commit -n\nEOF",
        "echo 'git commit -n' | sh",
        "echo git commit -n | bash",
        "find . -name x -exec git commit -n \\;",
        "npx git commit -n",
        "strange-wrapper --flag git commit -n",
        "su ada -c 'git commit -n'",
        "watch 'git commit -n'",
        "trap 'git commit -n' EXIT",
        "git ci -n",
        "git yolo -m x",
        "git sneak",
        "git rebase -x 'git commit -n' main",
        "git rebase --exec='git commit -n' main",
        "git submodule foreach 'git commit -n'",
        "git bisect run git commit -n",
    ] {
        denied(command, "skips the hooks");
    }
}

#[test]
fn other_commands_that_skip_hooks_are_denied() {
    for command in [
        "git merge --no-verify x",
        "git push --no-verify origin koan/1",
        "git pull --no-verify",
        "git rebase --no-verify main",
        "git am -n < patch",
        "git am --no-verify patch",
    ] {
        denied(command, "skips the hooks");
    }
}

#[test]
fn settings_that_the_guard_rests_on_are_denied() {
    for command in [
        "git -c core.hooksPath=/dev/null commit -m x",
        "git -c CORE.HOOKSPATH= commit -m x",
        "git -c hook.koan-guard-pre-commit.enabled=false commit -m x",
        "git -c alias.x='!git commit -n' x",
        "git -c include.path=/tmp/x status",
        "git --config-env=core.hooksPath=HOME commit -m x",
        "git --config-env core.hooksPath=HOME commit -m x",
        "git config core.hooksPath /dev/null",
        "git config --global core.hookspath ''",
        "git config set core.hooksPath x",
        "git config core.hooksPath list",
        "git config --unset-all core.hooksPath",
        "git config --add hook.x.command true",
        "git config alias.ci 'commit -n'",
        "git config --remove-section core",
        "git config --rename-section hook.x hook.y",
        "git config koan.trustedRef x",
        "git config notes.rewriteRef x",
        "git config --file .git/config core.hooksPath x",
    ] {
        denied(command, "decides whether and how commits are judged");
    }
    denied("git config --edit", "an editor");
    denied("git config \"$KEY\" x", "which key");
    denied("git -c \"$SETTING\" commit -m x", "which key");
    denied("git --exec-path=/tmp/x commit -m x", "--exec-path");
}

#[test]
fn variables_that_keep_hooks_from_running_are_denied() {
    for command in [
        "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0= git commit -m x",
        "GIT_CONFIG_PARAMETERS=\"'core.hooksPath'=''\" git commit -m x",
        "env GIT_CONFIG_GLOBAL=/tmp/x git commit -m x",
        "export GIT_CONFIG_COUNT=1; git commit -m x",
        "sudo GIT_CONFIG_COUNT=1 git commit -m x",
        "HUSKY=0 git commit -m x",
        "export HUSKY=0",
        "env HUSKY=0 npm run release",
        "HUSKY=$X git commit -m x",
        "LEFTHOOK=0 git commit -m x",
        "LEFTHOOK=false git commit -m x",
        "SKIP=koan-guard git commit -m x",
        "SKIP=\"$HOOKS\" git commit -m x",
        "PREK_SKIP=koan-guard git commit -m x",
        "HK=0 git commit -m x",
        "set -x HUSKY 0; git commit -m x",
        "setenv LEFTHOOK 0",
    ] {
        denied(command, "can keep hooks from running");
    }
}

#[test]
fn commits_past_every_hook_are_denied() {
    for command in [
        "git commit-tree HEAD^{tree} -m x",
        "git update-ref refs/heads/main HEAD",
        "git fast-import < stream",
        "git symbolic-ref HEAD refs/heads/x",
        "git symbolic-ref -d X",
        "git replace a b",
        "git filter-branch --msg-filter cat",
        "id=$(git commit-tree -m x $(git write-tree))",
    ] {
        denied(command, "past every hook");
    }
    denied("git notes --ref=koan add -m x HEAD", "evidence");
    denied("git notes --ref refs/notes/koan remove HEAD", "evidence");
    denied("git notes --ref=\"$R\" append HEAD", "evidence");
}

#[test]
fn guarded_refs_are_not_pushed_to() {
    for command in [
        "git push origin main",
        "git push origin HEAD:main",
        "git push -f origin +koan/1:refs/heads/main",
        "git push origin :main",
        "git push --delete origin main",
        "git push origin refs/notes/koan",
        "git push origin notes/koan",
        "git push origin 'refs/koan/*:refs/koan/*'",
        "git push origin 'refs/*:refs/*'",
        "git push origin refs/heads/*:refs/heads/*",
        "git fetch . koan/1:main",
        "git fetch origin +x:refs/koan/triage",
    ] {
        denied(command, "guarded ref");
    }
    denied("git push --mirror", "every branch");
    denied("git push --all origin", "every branch");
    denied("git push origin \"$BRANCH\"", "cannot be told");
}

#[test]
fn what_cannot_be_understood_and_speaks_of_git_is_denied() {
    for command in [
        "git commit -m 'x",
        "git $SUB -m x",
        "$GIT commit -m x",
        "$(echo git) commit -m x",
        "g=git; $g commit -n",
        "{git,commit,-n}",
        "git${IFS}commit${IFS}-n",
        "git commit $FLAGS",
        "git commit -m $MESSAGE",
        "git commit -m x *",
        "git commit \"$@\"",
        "git commi{t,} -n",
        "git commit -m x --no-{verify,x}",
        "eval \"git $x\"",
        "echo \"git $x\" | base64 -d | sh",
        "bash <(echo git commit -n)",
        "python3 -c \"import os; os.system('git commit -n')\"",
        "python3.12 - <<'EOF'\nimport subprocess\nsubprocess.run(['git', 'commit', '-n'])\nEOF",
        "node -e 'require(\"child_process\").execSync(\"git commit -n\")'",
        "perl -e 'system\"git\",\"commit\",\"-n\"'",
        "echo 'import git' | python3",
        "alias g='git commit -n'",
        "awk 'BEGIN { system(\"git commit -n\") }'",
        "git --strange-option commit -m x",
        "git loop",
        "xargs git commit < files",
        "parallel git ::: 'commit -n'",
        "bash -c '$0 commit -n' git",
        "sh -c 'exec \"$@\"' sh git commit -n",
        "tmux send-keys 'git commit -n' Enter",
        "echo -n | xargs git commit -m x",
    ] {
        let denial = command::judge(command, &scene(&aliases));
        assert!(denial.is_some(), "let through: {command}");
    }
}

#[test]
fn the_guards_files_are_not_written() {
    for command in [
        "echo exit 0 > .git/hooks/pre-commit",
        "cat > .git/hooks/pre-commit <<EOF\nEOF",
        "true >> .git/config",
        "printf x | tee .git/hooks/commit-msg",
        "rm .git/hooks/pre-commit",
        "rm -rf .git/hooks",
        "rm -rf .g*/hooks",
        "rm -rf .git",
        "rm -rf .",
        "rm -rf /srv/shop",
        "mv .git/hooks .git/hooks.off",
        "chmod -x .git/hooks/pre-commit",
        "cp /dev/null .git/hooks/pre-commit",
        "cp -t .git/hooks /tmp/pre-commit",
        "ln -sf /dev/null .git/hooks/pre-commit",
        "sed -i d .git/hooks/pre-commit",
        "sed --in-place d .husky/pre-commit",
        "truncate -s 0 .git/hooks/pre-commit",
        "dd if=/dev/null of=.git/hooks/pre-commit",
        "find .git/hooks -type f -delete",
        "find .git/hooks -exec chmod -x {} +",
        "cd .git/hooks && rm pre-commit",
        "cd src; echo > ../.koan-guard.yaml",
        "cd \"$X\" && rm .git/hooks/pre-commit",
        "echo {} > .claude/settings.local.json",
        "echo x > /srv/shop/.codex/hooks.json",
        "rm ~/.gitconfig",
        "sudo rm .husky/pre-commit",
        "sh -c 'rm .git/hooks/*'",
        "git rm .koan-guard.yaml",
        "git mv .husky x",
    ] {
        denied(command, "writes a file that the guard rests on");
    }
    denied("koan-guard uninstall", "a person decides");
    denied("git koan-guard uninstall", "a person decides");
    denied("pre-commit uninstall", "a person decides");
    denied("npx lefthook uninstall", "a person decides");
    denied("koan-guard approve HEAD", "a person's signature");
}

#[test]
fn ordinary_work_is_let_through() {
    for command in [
        "git status",
        "git st",
        "git diff --stat HEAD~1",
        "git add -A && git commit -m 'fix: total of an empty cart'",
        "git commit -m \"docs: say what -n and --no-verify do\"",
        "git commit -m 'a -n b' -m '--no-verify is gone'",
        "git commit -mnothing",
        "git commit -am 'fix: n'",
        "git commit -F message.txt",
        "git commit --amend --no-edit",
        "git commit --message='x -n'",
        "git commit -m \"$MESSAGE\"",
        "git commit --message=\"$MESSAGE\"",
        "git commit -m x -- \"$FILE\" *.py",
        "git commit -m x src/*.py",
        "git commit -S -m x",
        "git commit -uno -m x",
        "git commit -m \"$(cat <<'EOF'\nfix: don't use `-n`\n\ngit commit --no-verify is denied\nEOF\n)\"",
        "git log -n 5",
        "git log --oneline -n5 --grep=--no-verify",
        "git log --no-verify-x | head -n 3",
        "grep -- --no-verify file",
        "grep -rn 'git commit -n' docs",
        "rg 'git push --no-verify'",
        "echo 'git commit -n'",
        "echo \"git commit --no-verify\" > notes.txt",
        "cat .git/HEAD .git/hooks/pre-commit",
        "cp .git/config /tmp/config",
        "ls .git/hooks",
        "sed -n 1,5p .git/config",
        "head -n 1 .git/HEAD",
        "find .git -name '*.lock'",
        "find . -name '*.rs' -exec grep -n git {} +",
        "ls | xargs grep git",
        "git ls-files -z | xargs -0 grep -l git",
        "git push origin koan/1",
        "git push -u origin HEAD",
        "git push",
        "git fetch origin main",
        "git pull --rebase",
        "git merge -m \"$M\" topic",
        "git rebase main",
        "git cherry-pick -n abc",
        "git push -n origin koan/1",
        "git config user.name",
        "git config user.email ada@example.org",
        "git config --get core.hooksPath",
        "git config core.hooksPath",
        "git config --list",
        "git -c user.name=Ada -c commit.gpgsign=false commit -m x",
        "git -C sub status",
        "git notes --ref=koan show HEAD",
        "git notes add -m x",
        "git symbolic-ref HEAD",
        "git symbolic-ref --short HEAD",
        "git replace -l",
        "git rev-parse --show-toplevel",
        "cd \"$(git rev-parse --show-toplevel)\" && cargo test",
        "for f in $(git diff --name-only); do echo \"$f\"; done",
        "git show HEAD:src/main.rs > /tmp/main.rs",
        "rm -rf target build",
        "rm -rf /tmp/other/.git",
        "apt-get install -y git curl",
        "brew install git",
        "command -v git",
        "which git",
        "git --version",
        "git lfs pull",
        "python3 -m pytest tests/test_git.py -n 4",
        "python3 -c 'print(1)'",
        "python3 - <<'EOF'\nprint('.gitignore')\nEOF",
        "node --test",
        "cargo test -- --no-capture",
        "make -n",
        "npm run build && npm test",
        "gh pr create --title x --body 'never git commit -n'",
        "HUSKY=1 npm ci",
        "SKIP= make",
        "bash scripts/build.sh",
        "curl -fsSL https://example.org/x | sh",
        "eval \"$(direnv hook bash)\"",
        "\"$PYTHON\" -m pytest",
        "koan-guard check --lane repair",
        "git koan-guard check HEAD",
        "koan-guard audit",
        "echo x > src/git.rs",
        "touch .gitignore .github/workflows/ci.yml",
        "",
        "# git commit -n",
    ] {
        allowed(command);
    }
}

#[test]
fn a_push_of_the_checked_out_branch_is_known_by_its_name() {
    let mut on_main = scene(&aliases);
    on_main.head_branch = Some("main".into());
    for command in [
        "git push",
        "git push origin",
        "git push -f origin HEAD",
        "git push origin @",
    ] {
        let denial = command::judge(command, &on_main);
        assert!(
            denial.is_some_and(|it| it.fact.contains("guarded ref")),
            "{command}"
        );
    }
    on_main.head_branch = None;
    assert!(command::judge("git push", &on_main).is_some());
}

#[test]
fn what_is_made_to_be_slow_or_deep_ends() {
    for text in [
        "$((".repeat(5000) + " git",
        "`".repeat(5001) + "git",
        "eval ".repeat(50) + "git commit -n",
        "git ".repeat(60_000),
        "\"$(".repeat(500) + "git commit -n" + &")\"".repeat(500),
        "x".repeat(1 << 20) + " git",
    ] {
        let start = std::time::Instant::now();
        let denial = command::judge(&text, &scene(&aliases));
        assert!(
            denial.is_some() || text.starts_with("git git"),
            "{}",
            &text[..40]
        );
        assert!(start.elapsed().as_secs() < 5, "{}", &text[..40]);
    }
}

proptest! {
    #[test]
    fn whatever_is_typed_is_answered(text in "[git comn'\"$(){}<>|;&\\\\`*~=#\\[\\]\\n-]{0,80}") {
        command::judge(&text, &scene(&aliases));
    }

    #[test]
    fn what_stands_around_a_commit_that_skips_hooks_does_not_hide_it(around in prop::collection::vec(0..AROUND.len(), 0..5)) {
        let text = around.iter().fold("git commit -n".to_owned(), |text, i| AROUND[*i].replace('@', &text));
        prop_assert!(command::judge(&text, &scene(&aliases)).is_some(), "{}", text);
    }
}

/// What runs the command that stands for `@`.
const AROUND: [&str; 12] = [
    "true && @",
    "@ || true",
    "cd src; @",
    "(@)",
    "{ @; }",
    "if true; then @; fi",
    "X=$( @ )",
    "echo `true` \"$( @ )\"",
    "nice @",
    "sh -c \"$( @ )\"",
    "cat <<EOF\n$( @ )\nEOF\n",
    "while @; do :; done",
];

/// What the client is answered: `none`, `deny`, or `error` where the question cannot be read.
#[track_caller]
fn ask(client: Client, question: Value, expected: &str) {
    let judged = Request::read(client, question.to_string().as_bytes())
        .and_then(|request| judge(&request, &scene(&aliases)));
    let found = match judged {
        Ok(None) => "none",
        Ok(Some(_)) => "deny",
        Err(_) => "error",
    };
    assert_eq!(found, expected, "{question}");
}

#[test]
fn tools_are_judged_by_what_they_are_given() {
    let of = |tool: &str, input: Value| json!({"hook_event_name": "PreToolUse", "cwd": "/srv/shop", "tool_name": tool, "tool_input": input});
    for (tool, input, expected) in [
        ("Bash", json!({"command": "git commit -n"}), "deny"),
        ("Bash", json!({"command": "git status"}), "none"),
        (
            "Bash",
            json!({"command": "rm pre-commit", "cwd": ".git/hooks"}),
            "deny",
        ),
        (
            "shell",
            json!({"command": ["bash", "-lc", "git commit -n"]}),
            "deny",
        ),
        (
            "shell",
            json!({"command": ["git", "commit", "-m", "-n"]}),
            "none",
        ),
        ("Bash", json!({}), "error"),
        ("Bash", json!({"command": 1}), "error"),
        ("Bash", json!({"command": ["git", 1]}), "error"),
        (
            "Write",
            json!({"file_path": "/srv/shop/.git/hooks/pre-commit", "content": ""}),
            "deny",
        ),
        (
            "Write",
            json!({"file_path": "src/main.rs", "content": "git commit -n"}),
            "none",
        ),
        (
            "Edit",
            json!({"file_path": ".claude/settings.json"}),
            "deny",
        ),
        (
            "MultiEdit",
            json!({"file_path": ".koan-guard.yaml", "edits": []}),
            "deny",
        ),
        ("NotebookEdit", json!({"notebook_path": "a.ipynb"}), "none"),
        ("Edit", json!({"old_string": "x"}), "error"),
        ("Read", json!({"file_path": ".git/config"}), "none"),
        (
            "Grep",
            json!({"pattern": "git commit -n", "path": ".git"}),
            "none",
        ),
        (
            "TodoWrite",
            json!({"todos": [{"content": "git commit -n"}]}),
            "none",
        ),
        (
            "mcp__fs__write_file",
            json!({"path": ".husky/pre-commit"}),
            "deny",
        ),
        (
            "mcp__fs__edit",
            json!({"edits": [{"path": ".git/config"}]}),
            "deny",
        ),
        ("mcp__term__run", json!({"command": "ls"}), "deny"),
        ("PowerShell", json!({"command": "git commit -n"}), "deny"),
        (
            "apply_patch",
            json!({"command": "*** Begin Patch\n*** Update File: .git/config\n"}),
            "deny",
        ),
        (
            "apply_patch",
            json!({"input": "*** Begin Patch\n*** Add File: src/x.rs\n+x\n"}),
            "none",
        ),
        (
            "apply_patch",
            json!({"input": "*** Begin Patch\n*** Update File: a\n*** Move to: .koan/x\n"}),
            "deny",
        ),
        ("apply_patch", json!({}), "error"),
        (
            "Bash",
            json!({"command": "apply_patch <<'E'\n*** Begin Patch\n*** Add File: .husky/x\nE"}),
            "deny",
        ),
    ] {
        ask(Client::Claude, of(tool, input.clone()), expected);
        ask(Client::Codex, of(tool, input), expected);
    }
    for question in [
        json!(1),
        json!({}),
        json!([]),
        json!({"hook_event_name": "Stop"}),
    ] {
        for client in [
            Client::Claude,
            Client::Codex,
            Client::Gemini,
            Client::Cursor,
        ] {
            ask(client, question.clone(), "error");
        }
    }
}

#[test]
fn each_client_asks_in_its_own_words() {
    let gemini = |tool: &str, input: Value| json!({"hook_event_name": "BeforeTool", "cwd": "/srv/shop", "tool_name": tool, "tool_input": input});
    ask(
        Client::Gemini,
        gemini("run_shell_command", json!({"command": "git commit -n"})),
        "deny",
    );
    ask(
        Client::Gemini,
        gemini("write_file", json!({"file_path": ".git/config"})),
        "deny",
    );
    ask(
        Client::Gemini,
        gemini("replace", json!({"file_path": "src/x"})),
        "none",
    );
    ask(
        Client::Gemini,
        gemini("read_file", json!({"absolute_path": ".git/config"})),
        "none",
    );
    let cursor = |command: &str| json!({"hook_event_name": "beforeShellExecution", "command": command, "cwd": "", "workspace_roots": ["/srv/shop"]});
    ask(Client::Cursor, cursor("git commit -n"), "deny");
    ask(Client::Cursor, cursor("git status"), "none");
    let tool = json!({"hook_event_name": "preToolUse", "tool_name": "Write", "tool_input": {"file_path": ".cursor/hooks.json"}});
    ask(Client::Cursor, tool, "deny");
    let mcp = json!({"hook_event_name": "beforeMCPExecution", "tool_name": "fs_write", "tool_input": "{\"path\": \".git/config\"}"});
    ask(Client::Cursor, mcp, "deny");
    let odd = json!({"hook_event_name": "beforeMCPExecution", "tool_name": "fs_write", "tool_input": "path"});
    ask(Client::Cursor, odd, "error");
}

#[test]
fn answers_are_in_the_clients_own_form() {
    let question = json!({"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "git commit -n"}});
    let request = Request::read(Client::Claude, question.to_string().as_bytes()).expect("question");
    let denial = super::denied("a", "b");
    for (client, field) in [
        (Client::Claude, "/hookSpecificOutput/permissionDecision"),
        (Client::Codex, "/hookSpecificOutput/permissionDecision"),
        (Client::Gemini, "/decision"),
        (Client::Cursor, "/permission"),
    ] {
        let json: Value =
            serde_json::from_str(&answer(client, &request, Some(&denial))).expect("JSON");
        assert_eq!(json.pointer(field), Some(&json!("deny")), "{client:?}");
        assert!(
            json.to_string().contains("koan-guard: a\\nnext: b"),
            "{json}"
        );
        assert!(
            !answer(client, &request, None).contains("allow"),
            "{client:?}"
        );
    }
}
