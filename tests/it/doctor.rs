//! `doctor`: each way in which a guard is off without a word, built with real git, and proved by a commit that nobody judged.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use koan_guard::doctor::{self, Machine};
use koan_guard::git;
use koan_guard::install::{self, version::Version};
use koan_guard::suite::sandbox::Sandbox;

use crate::support::Repo;
use crate::support::samples::CART_FIXED;

/// The sample with its hooks in their folder, on a branch in lane `repair`.
fn guarded() -> Repo {
    let repo = Repo::python_sample();
    repo.install_shims(guard());
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo
}

fn guard() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_koan-guard"))
}

/// Commits a fix without a test, which the hooks refuse; says whether it was judged.
#[track_caller]
fn is_judged(repo: &Repo, folder: &str) -> bool {
    let folder = repo.root.join(folder);
    fs::write(folder.join("cart.py"), CART_FIXED).expect("fix");
    let mut command = repo.command("git", &folder);
    let answer = repo.answer_of(command.args([
        "commit",
        "--all",
        "--quiet",
        "--message",
        "fix: total of an empty cart",
    ]));
    answer.contains("refused[no-test]") || answer.contains("is UNGUARDED")
}

/// What `doctor` finds: ids alone.
#[track_caller]
fn ids(repo: &Repo) -> Vec<String> {
    let answer = repo.guard(["doctor", "--format", "json"]);
    let json = answer
        .split_once("stdout:\n")
        .and_then(|(_, rest)| rest.split_once("stderr:"))
        .and_then(|(json, _)| serde_json::from_str::<serde_json::Value>(json).ok())
        .unwrap_or_else(|| panic!("{answer}"));
    let findings = json["doctor"]["findings"].as_array().expect("findings");
    assert_eq!(json["exit"], u8::from(!findings.is_empty()), "{answer}");
    for finding in findings {
        for field in ["fact", "why", "mend"] {
            let text = finding[field].as_str().expect("text");
            assert!(!text.is_empty() && !text.ends_with('.'), "{finding}");
        }
    }
    let ids = findings
        .iter()
        .map(|finding| finding["id"].as_str().expect("id"));
    ids.map(str::to_owned).collect()
}

#[test]
fn a_guard_that_is_on_has_no_findings() {
    let repo = guarded();
    let answer = repo.guard(["doctor"]);
    assert!(
        answer.starts_with("exit: 0\nstdout:\nthe guard is on: hooks in `[repo]/.git/hooks`, git "),
        "{answer}"
    );
    assert!(ids(&repo).is_empty());
    assert!(is_judged(&repo, ""));
}

#[test]
fn without_hooks_nothing_is_judged() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    hook-missing: there is no hook of koan-guard's in `[repo]/.git/hooks`
      why: commits are not judged where they are made
      mend: koan-guard install
    ledger-not-kept: `notes.rewriteRef`, `notes.koan.mergeStrategy` of this repository's configuration lacks what koan-guard sets
      why: notes with proofs are lost by amend and rebase, or are not fetched
      mend: koan-guard install
    2 findings by which the guard may be off
    stderr:
    ");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    assert!(!is_judged(&repo, ""));
}

#[test]
fn a_single_hook_that_is_gone_is_named() {
    let repo = guarded();
    fs::remove_file(repo.root.join(".git/hooks/commit-msg")).expect("remove");
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    hook-missing: there is no `commit-msg` in `[repo]/.git/hooks`
      why: commits are not judged where they are made
      mend: koan-guard install
    1 finding by which the guard may be off
    stderr:
    ");
}

#[test]
fn a_hook_without_its_bit_is_left_out_by_git() {
    let repo = guarded();
    for hook in ["pre-commit", "commit-msg", "post-commit"] {
        let path = repo.root.join(".git/hooks").join(hook);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("mode");
    }
    assert_eq!(ids(&repo), ["hook-not-executable"; 3]);
    assert!(!is_judged(&repo, ""));
}

#[test]
fn a_link_to_nothing_is_no_hook() {
    let repo = guarded();
    for hook in ["pre-commit", "commit-msg", "post-commit"] {
        let path = repo.root.join(".git/hooks").join(hook);
        fs::remove_file(&path).expect("remove");
        symlink("/nowhere/koan-guard", path).expect("link");
    }
    assert_eq!(ids(&repo), ["hook-dangling"; 3]);
    assert!(!is_judged(&repo, ""));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn hooks_that_were_damaged_or_moved_are_told_apart() {
    let check = |text: &dyn Fn(&str) -> String, expected: &str| {
        let repo = guarded();
        let path = ".git/hooks/pre-commit";
        let old = repo.read(path);
        repo.write_script(path, &text(&old));
        assert_eq!(ids(&repo), [expected]);
        let mend = repo.guard(["doctor"]);
        assert!(mend.contains("  mend: "), "{mend}");
    };
    check(&|old| old.replace('\n', "\r\n"), "hook-crlf");
    check(
        &|old| old.split_once('\n').expect("lines").1.to_owned(),
        "hook-no-shebang",
    );
    check(&|old| old.replace("shim 1:", "shim 0:"), "shim-outdated");
    check(
        &|old| old.replace("guard='", "guard='/nowhere"),
        "shim-program-gone",
    );
    check(&|_| "#!/bin/sh\nexit 0\n".into(), "hook-foreign");
}

#[test]
fn a_shim_whose_program_is_gone_is_mended_by_install() {
    let repo = guarded();
    let path = ".git/hooks/pre-commit";
    repo.write_script(path, &repo.read(path).replace("guard='", "guard='/nowhere"));
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    shim-program-gone: `[repo]/.git/hooks/pre-commit` calls `/nowhere[koan-guard]`, which is gone
      why: no commit passes, and people get used to `--no-verify`
      mend: koan-guard install
    1 finding by which the guard may be off
    stderr:
    ");
    repo.guard(["install"]);
    assert!(ids(&repo).is_empty());
}

#[test]
fn a_hooks_path_that_was_set_later_is_found() {
    let repo = guarded();
    repo.git(["config", "core.hooksPath", "elsewhere"]);
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    hooks-path-elsewhere: koan-guard's hooks are in `[repo]/.git/hooks`, and git looks for hooks in `elsewhere` (local)
      why: `core.hooksPath` was set after `install`
      mend: koan-guard install
            or take `core.hooksPath` back: git config --unset-all core.hooksPath && koan-guard install
    hook-missing: there is no hook of koan-guard's in `[repo]/elsewhere`
      why: commits are not judged where they are made
      mend: koan-guard install
    2 findings by which the guard may be off
    stderr:
    ");
    assert!(!is_judged(&repo, ""));
}

#[test]
fn an_empty_hooks_path_runs_nothing() {
    let repo = guarded();
    repo.git(["config", "core.hooksPath", ""]);
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    hooks-path-empty: `core.hooksPath` is empty (local)
      why: git runs no hooks
      mend: git config --unset-all core.hooksPath && koan-guard install
    1 finding by which the guard may be off
    stderr:
    ");
    assert!(!is_judged(&repo, ""));
}

#[test]
fn a_hooks_path_of_the_user_is_no_repositorys() {
    let repo = guarded();
    repo.git(["config", "--global", "core.hooksPath", "~/hooks"]);
    let found = ids(&repo);
    assert!(
        found.contains(&"hooks-path-of-user".to_owned()),
        "{found:?}"
    );
    assert!(!is_judged(&repo, ""));
}

#[test]
fn a_relative_hooks_path_is_missing_in_linked_worktrees() {
    let repo = guarded();
    repo.git(["config", "core.hooksPath", ".githooks"]);
    repo.install_shims(guard());
    assert!(ids(&repo).is_empty());
    repo.git(["worktree", "add", "--quiet", "../linked", "-b", "koan/2"]);
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    no-hooks-in-worktree: in the work tree `[temp]/linked` there is no `[temp]/linked/.githooks`, where git looks for hooks
      why: `core.hooksPath` is relative, so every work tree needs that folder; git runs no hook there and says nothing
      mend: git config core.hooksPath \"$(git rev-parse --path-format=absolute --git-common-dir)/hooks\"
            or run what makes the folder (`npm run prepare`) in that work tree
    1 finding by which the guard may be off
    stderr:
    ");
    assert!(!is_judged(&repo, "../linked"));
    assert!(is_judged(&repo, ""));
}

#[test]
fn managers_that_took_over_are_named_with_what_to_add() {
    // As lefthook leaves it: ours aside, its own in the place.
    let repo = guarded();
    for hook in ["pre-commit", "commit-msg"] {
        let path = repo.root.join(".git/hooks").join(hook);
        fs::rename(&path, path.with_extension("old")).expect("rename");
        repo.write_script(
            &format!(".git/hooks/{hook}"),
            "#!/bin/sh\ncall_lefthook run \"x\" \"$@\"\n",
        );
    }
    repo.write("lefthook.yml", "pre-commit:\n  jobs: []\n");
    let answer = repo.guard(["doctor"]);
    assert!(
        answer.contains("shim-put-aside: `pre-commit`, `commit-msg` in `"),
        "{answer}"
    );
    assert!(
        answer.contains("run: koan-guard hook pre-commit"),
        "{answer}"
    );
    repo.write(
        "lefthook.yml",
        "a: koan-guard hook pre-commit\nb: koan-guard hook commit-msg {1}\n",
    );
    assert!(ids(&repo).is_empty());

    // As pre-commit leaves it: ours is run from `.legacy`.
    let repo = guarded();
    let hook = repo.root.join(".git/hooks/pre-commit");
    let legacy = hook.with_extension("legacy");
    fs::rename(&hook, &legacy).expect("rename");
    repo.write_script(
        ".git/hooks/pre-commit",
        "#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n",
    );
    assert!(ids(&repo).is_empty());
    fs::remove_file(legacy).expect("remove");
    assert_eq!(ids(&repo), ["manager-without-entry"]);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn managers_without_our_entry_are_named_before_they_take_over() {
    for (file, name) in [
        (".husky/pre-commit", "husky"),
        ("lefthook.yml", "lefthook"),
        ("hk.pkl", "hk"),
    ] {
        let repo = guarded();
        repo.write(file, "npm test\n");
        let answer = repo.guard(["doctor"]);
        let line =
            format!("manager-without-entry: {name} is used here, and `{file}` names no koan-guard");
        assert!(answer.contains(&line), "{answer}");
        repo.write(file, "koan-guard hook pre-commit\n");
        assert!(ids(&repo).is_empty());
    }
}

#[test]
fn variables_that_leave_hooks_out_are_named() {
    let repo = guarded();
    for (name, value) in [
        ("HUSKY", "0"),
        ("LEFTHOOK", "false"),
        ("SKIP", "koan-guard"),
        ("GIT_CONFIG_PARAMETERS", "'core.hooksPath'='/dev/null'"),
    ] {
        let mut command = repo.guard_command(["doctor"]);
        let answer = repo.answer_of(command.env(name, value));
        assert!(answer.starts_with("exit: 1\n"), "{answer}");
        assert!(
            answer.contains(&format!("variable-skips-hooks: `{name}` is ")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("mend: unset {name}\n")),
            "{answer}"
        );
    }
    let mut command = repo.guard_command(["doctor"]);
    let answer = repo.answer_of(command.env("HUSKY", "1").env("SKIP", ""));
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
fn clients_that_leave_hooks_out_are_known() {
    let repo = guarded();
    repo.write(".aider.chat.history.md", "");
    assert_eq!(ids(&repo), ["aider-skips-hooks"]);
    repo.guard(["install", "--agent", "aider"]);
    assert!(ids(&repo).is_empty());

    let repo = guarded();
    repo.write(".gemini/settings.json", "{}");
    assert_eq!(ids(&repo), ["gemini-empties-hooks-path"]);
    // What it does to every command.
    let mut command = repo.command("git", &repo.root);
    command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "core.hooksPath")
        .env("GIT_CONFIG_VALUE_0", "");
    fs::write(repo.root.join("cart.py"), CART_FIXED).expect("fix");
    let answer =
        repo.answer_of(command.args(["commit", "--all", "--quiet", "--message", "fix: x"]));
    assert!(
        answer.starts_with("exit: 0\nstdout:\nstderr:\n"),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_the_ledger_needs_is_missed() {
    let repo = guarded();
    repo.git(["config", "--unset-all", "notes.rewriteRef"]);
    assert_snapshot!(repo.guard(["doctor"]), @"
    exit: 1
    stdout:
    ledger-not-kept: `notes.rewriteRef` of this repository's configuration lacks what koan-guard sets
      why: notes with proofs are lost by amend and rebase, or are not fetched
      mend: koan-guard install
    1 finding by which the guard may be off
    stderr:
    ");
    repo.guard(["install"]);
    assert!(ids(&repo).is_empty());
    repo.git(["init", "--quiet", "--bare", "../bare.git"]);
    repo.git(["remote", "add", "origin", "../bare.git"]);
    let found = ids(&repo);
    assert_eq!(found, ["ledger-not-kept", "policy-untrusted"]);
    repo.guard(["install"]);
    repo.git(["push", "--quiet", "--no-verify", "origin", "main"]);
    repo.git(["remote", "set-head", "origin", "main"]);
    assert!(ids(&repo).is_empty());
}

#[test]
fn a_policy_that_is_not_there_is_missed() {
    let repo = Repo::empty();
    repo.write("a", "").commit("feat: a");
    repo.guard(["install"]);
    assert_eq!(ids(&repo), ["policy-missing"]);
    let repo = guarded();
    repo.git(["config", "koan.trustedRef", "nowhere"]);
    assert_eq!(ids(&repo), ["trusted-ref-missing"]);
}

#[test]
fn locks_that_nobody_holds_are_found() {
    let repo = guarded();
    for path in [".git/index.lock", ".git/refs/notes/koan.lock"] {
        repo.write(path, "");
        assert!(ids(&repo).is_empty(), "{path}");
        let file = fs::File::options()
            .write(true)
            .open(repo.root.join(path))
            .expect("file");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600))
            .expect("time");
        assert_eq!(ids(&repo), ["stale-lock"]);
        fs::remove_file(repo.root.join(path)).expect("remove");
    }
}

#[test]
fn a_server_is_looked_at_for_its_own_hook() {
    let repo = Repo::python_sample();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let doctor = || {
        let mut command = repo.command(env!("CARGO_BIN_EXE_koan-guard"), &repo.beside("bare.git"));
        repo.answer_of(command.arg("doctor"))
    };
    let answer = doctor();
    assert!(
        answer.contains("mend: koan-guard install --server\n"),
        "{answer}"
    );
    repo.answer_of(
        repo.command(env!("CARGO_BIN_EXE_koan-guard"), &repo.beside("bare.git"))
            .args(["install", "--server"]),
    );
    let answer = doctor();
    assert!(!answer.contains("hook-missing"), "{answer}");
}

/// What is found where git is of another version, and the sandbox goes as far as on this machine or not at all.
fn ids_with(repo: &Repo, git_version: &str, level_is_low: bool) -> Vec<&'static str> {
    let mut sandbox = Sandbox::probe_with(Path::new(env!("CARGO_BIN_EXE_koan-guard")));
    if level_is_low {
        sandbox.level = koan_guard::suite::sandbox::SandboxLevel::None;
    }
    let machine = Machine {
        binary: env!("CARGO_BIN_EXE_koan-guard").into(),
        variables: [
            ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
            ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ]
        .into(),
        home: None,
        sandbox,
        git: Some(git_version.to_owned()),
    };
    let opened = git::Repo::open(&repo.root).expect("repository");
    let health = doctor::examine(&opened, &machine).expect("health");
    health.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn versions_of_git_and_levels_of_the_sandbox_count() {
    let repo = guarded();
    assert_eq!(ids_with(&repo, "git version 2.55.0", false), [""; 0]);
    assert_eq!(
        ids_with(&repo, "git version 2.25.1", false),
        ["git-too-old"]
    );
    assert_eq!(
        ids_with(&repo, "git version 2.47.3", true),
        ["sandbox-too-low"]
    );
}

#[test]
fn hooks_in_the_configuration_stand_in_where_git_runs_them() {
    let repo = guarded();
    for hook in install::HOOKS {
        let key = format!("hook.koan-guard-{hook}");
        repo.git(["config", &format!("{key}.event"), hook]);
        repo.git([
            "config",
            &format!("{key}.command"),
            &format!("koan-guard hook {hook}"),
        ]);
        fs::remove_file(repo.root.join(".git/hooks").join(hook)).expect("remove");
    }
    assert_eq!(ids_with(&repo, "2.54.0", false), [""; 0]);
    assert_eq!(ids_with(&repo, "2.53.9", false), ["hook-missing"]);
    repo.write(".gemini/settings.json", "{}");
    assert_eq!(ids_with(&repo, "2.54.0", false), [""; 0]);
    assert_eq!(
        ids_with(&repo, "2.53.0", false),
        ["hook-missing", "gemini-empties-hooks-path"]
    );
    repo.git(["config", "hook.koan-guard-pre-commit.enabled", "false"]);
    assert_eq!(
        ids_with(&repo, "2.54.0", false),
        ["hook-disabled", "hook-missing"]
    );
}

/// The sample with hooks in their folder and in the configuration.
fn guarded_twice() -> Repo {
    let repo = guarded();
    let opened = git::Repo::open(&repo.root).expect("repository");
    install::install_for(&opened, guard(), Version::WITH_CONFIG_HOOKS).expect("install");
    repo
}

#[test]
fn what_is_in_the_way_is_said_beside_hooks_of_the_configuration() {
    let newer = |repo: &Repo| ids_with(repo, "2.54.0", false);
    let repo = guarded_twice();
    assert_eq!(newer(&repo), [""; 0]);
    let path = ".git/hooks/pre-commit";
    let shim = repo.read(path);
    for (text, expected) in [
        (
            shim.replace("guard='", "guard='/nowhere"),
            "shim-program-gone",
        ),
        (shim.replace("shim 1:", "shim 0:"), "shim-outdated"),
        (shim.replace('\n', "\r\n"), "hook-crlf"),
    ] {
        repo.write_script(path, &text);
        assert_eq!(newer(&repo), [expected]);
    }
    // What git does not start is in nobody's way.
    repo.write_script(path, "#!/bin/sh\nexit 0\n");
    assert_eq!(newer(&repo), [""; 0]);
}

#[test]
fn hooks_of_the_configuration_that_do_not_judge_stand_in_for_nothing() {
    let set = |repo: &Repo, key: &str, value: &str| {
        repo.git([
            "config",
            "--add",
            &format!("hook.koan-guard-pre-push.{key}"),
            value,
        ]);
    };
    let repo = guarded_twice();
    fs::remove_file(repo.root.join(".git/hooks/pre-push")).expect("remove");
    assert_eq!(ids_with(&repo, "2.54.0", false), [""; 0]);
    set(
        &repo,
        "command",
        "'/nowhere/koan-guard' hook --beside-shim pre-push",
    );
    assert_eq!(ids_with(&repo, "2.54.0", false), ["config-program-gone"]);
    set(&repo, "command", "true");
    assert_eq!(ids_with(&repo, "2.54.0", false), ["hook-missing"]);

    let repo = guarded_twice();
    fs::remove_file(repo.root.join(".git/hooks/pre-push")).expect("remove");
    set(&repo, "event", "");
    assert_eq!(ids_with(&repo, "2.54.0", false), ["hook-missing"]);
    set(&repo, "event", "pre-push");
    assert_eq!(ids_with(&repo, "2.54.0", false), [""; 0]);
}
