//! The hooks, tried by committing: a script that writes down how it was called stands in for the binary.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use koan_guard::git;
use koan_guard::install::version::Version;
use koan_guard::install::{self, Effect, Report};
use koan_guard::usage::UsageError;

use crate::support::Repo;

/// Writes arguments and standard input to `seen` beside the repository; refuses when `refuse` is there.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
input=$(cat)
echo "guard: $* <$input>" | sed 's/[0-9a-f]\{40\}/ID/g' >> "$here/seen"
[ ! -e "$here/refuse" ]
"#;

/// An earlier hook that writes down the same.
const EARLIER: &str = r#"#!/bin/sh
echo "earlier ${0##*/}: $* <$(cat)>" | sed 's/[0-9a-f]\{40\}/ID/g' >> "../it's \"the\" \$guard/seen"
"#;

#[test]
fn a_commit_calls_every_hook_with_its_arguments() {
    let repo = guarded();
    commit(&repo, "one");
    assert_eq!(
        seen(&repo),
        "guard: hook pre-commit <>\nguard: hook commit-msg .git/COMMIT_EDITMSG <>\nguard: hook post-commit <>\n"
    );
}

#[test]
fn post_rewrite_gets_the_list_of_commits() {
    let repo = guarded();
    commit(&repo, "one");
    repo.write_script(".git/hooks/post-rewrite.koan-prev", EARLIER);
    clear(&repo);
    amend(&repo);
    assert_eq!(
        seen(&repo).lines().skip(3).collect::<Vec<_>>(),
        [
            "earlier post-rewrite.koan-prev: amend <ID ID>",
            "guard: hook post-rewrite amend <ID ID>"
        ]
    );
}

#[test]
fn a_refusal_stops_the_commit() {
    let repo = guarded();
    fs::write(repo.beside("it's \"the\" $guard/refuse"), "").expect("file");
    let answer = try_commit(&repo);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert_eq!(
        repo.try_git(["rev-parse", "--quiet", "--verify", "HEAD"]),
        "exit: 1\nstdout:\nstderr:\n"
    );
}

#[test]
fn a_binary_that_is_gone_stops_the_commit_and_is_named() {
    let repo = guarded();
    fs::remove_file(binary(&repo)).expect("remove");
    let answer = try_commit(&repo);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(
        answer.contains("koan-guard: `[temp]/it's \"the\" $guard/koan-guard` is gone"),
        "{answer}"
    );
}

#[test]
fn an_earlier_hook_runs_first_and_its_refusal_is_the_last_word() {
    let repo = Repo::empty();
    repo.write_script(".git/hooks/commit-msg", EARLIER);
    let report = install(&repo).expect("install");
    assert_eq!(effect(&report, "commit-msg"), Some(Effect::Chained));
    commit(&repo, "one");
    assert_eq!(
        seen(&repo).lines().collect::<Vec<_>>(),
        [
            "guard: hook pre-commit <>",
            "earlier commit-msg.koan-prev: .git/COMMIT_EDITMSG <>",
            "guard: hook commit-msg .git/COMMIT_EDITMSG <>",
            "guard: hook post-commit <>",
        ]
    );

    clear(&repo);
    repo.write_script(".git/hooks/commit-msg.koan-prev", "#!/bin/sh\nexit 7\n");
    assert!(try_commit(&repo).starts_with("exit: 1\n"));
    assert_eq!(seen(&repo), "guard: hook pre-commit <>\n");
}

#[test]
fn after_the_commit_an_earlier_hook_that_fails_does_not_cost_the_note() {
    let repo = Repo::empty();
    repo.write_script(".git/hooks/post-commit", "#!/bin/sh\nexit 7\n");
    install(&repo).expect("install");
    commit(&repo, "one");
    assert!(
        seen(&repo).ends_with("guard: hook post-commit <>\n"),
        "{}",
        seen(&repo)
    );
}

#[test]
fn an_earlier_hook_keeps_its_mode_and_stays_a_link() {
    let repo = Repo::empty();
    repo.write_script("scripts/check", EARLIER);
    symlink(
        "../../scripts/check",
        repo.root.join(".git/hooks/pre-commit"),
    )
    .expect("link");
    repo.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n");
    symlink("nowhere", repo.root.join(".git/hooks/post-commit")).expect("link");
    install(&repo).expect("install");
    // git ran neither the hook without its executable bit nor the link to nothing.
    commit(&repo, "one");
    assert_eq!(
        seen(&repo).lines().collect::<Vec<_>>(),
        [
            "earlier pre-commit.koan-prev:  <>",
            "guard: hook pre-commit <>",
            "guard: hook commit-msg .git/COMMIT_EDITMSG <>",
            "guard: hook post-commit <>",
        ]
    );
}

#[test]
fn installing_again_changes_nothing() {
    let repo = guarded();
    let before = tree(&repo.root.join(".git"));
    let report = install(&repo).expect("install");
    assert!(
        report
            .hooks
            .iter()
            .all(|(_, effect)| *effect == Effect::Unchanged),
        "{report:?}"
    );
    assert!(report.settings.is_empty());
    assert_eq!(tree(&repo.root.join(".git")), before);
}

#[test]
fn a_shim_of_another_binary_or_without_its_bit_is_renewed() {
    let repo = guarded();
    let shim = repo.root.join(".git/hooks/pre-commit");
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o644)).expect("mode");
    repo.write(
        ".git/hooks/commit-msg",
        "#!/bin/sh\n# koan-guard shim 0: of long ago\nexit 0\n",
    );
    let report = install(&repo).expect("install");
    assert_eq!(effect(&report, "pre-commit"), Some(Effect::Renewed));
    assert_eq!(effect(&report, "commit-msg"), Some(Effect::Renewed));
    assert_eq!(effect(&report, "post-commit"), Some(Effect::Unchanged));
    assert!(!repo.root.join(".git/hooks/commit-msg.koan-prev").exists());
    commit(&repo, "one");
    assert!(seen(&repo).contains("commit-msg"));
}

#[test]
fn uninstall_restores_what_was_there() {
    for config in [
        "",
        "[notes]\n\trewriteRef = refs/notes/commits\n",
        "[notes]\n\trewriteRef = refs/notes/koan\n[notes \"koan\"]\n\tmergeStrategy = union\n",
        "[remote \"origin\"]\n\turl = ../x\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[remote \"bare\"]\n\turl = ../y\n",
    ] {
        let repo = Repo::empty();
        repo.write_script(".git/hooks/pre-commit", EARLIER);
        repo.write(".git/hooks/commit-msg", "not executable");
        symlink("nowhere", repo.root.join(".git/hooks/post-commit")).expect("link");
        let text = repo.read(".git/config") + config;
        repo.write(".git/config", &text);
        let before = tree(&repo.root.join(".git"));

        install(&repo).expect("install");
        install(&repo).expect("install again");
        assert_ne!(tree(&repo.root.join(".git")), before);
        let report = install::uninstall(&open(&repo)).expect("uninstall");
        assert_eq!(
            report.hooks,
            [
                ("pre-commit", Effect::Restored),
                ("commit-msg", Effect::Restored),
                ("post-commit", Effect::Restored),
                ("post-rewrite", Effect::Removed),
                ("pre-push", Effect::Removed),
            ]
        );
        assert_eq!(tree(&repo.root.join(".git")), before, "{config}");
    }
}

#[test]
fn uninstall_where_nothing_is_installed_touches_nothing() {
    let repo = Repo::empty();
    repo.write_script(".git/hooks/pre-commit", EARLIER);
    let before = tree(&repo.root.join(".git"));
    let report = install::uninstall(&open(&repo)).expect("uninstall");
    assert!(
        report.hooks.is_empty() && report.settings.is_empty(),
        "{report:?}"
    );
    assert_eq!(tree(&repo.root.join(".git")), before);
}

#[test]
fn a_folder_of_hooks_that_was_not_there_goes_again() {
    let repo = Repo::empty();
    fs::remove_dir_all(repo.root.join(".git/hooks")).expect("remove");
    let before = tree(&repo.root.join(".git"));
    install(&repo).expect("install");
    commit(&repo, "one");
    assert!(seen(&repo).contains("pre-commit"));
    install::uninstall(&open(&repo)).expect("uninstall");
    assert!(!repo.root.join(".git/hooks").exists());
    assert_eq!(
        tree(&repo.root.join(".git")).get("config"),
        before.get("config")
    );
}

#[test]
fn a_linked_worktree_has_the_hooks_of_its_repository() {
    let repo = Repo::empty();
    repo.write("file", "").commit("root");
    repo.git(["worktree", "add", "--quiet", "../linked"]);
    let linked = git::Repo::open(&repo.beside("linked")).expect("worktree");
    let report = install::install(&linked, &stand_in(&repo)).expect("install");
    assert_eq!(
        report.hooks_dir.canonicalize().ok(),
        repo.root.join(".git/hooks").canonicalize().ok()
    );
    repo.git([
        "-C",
        "../linked",
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "one",
    ]);
    let seen = seen(&repo);
    assert!(seen.contains("guard: hook pre-commit <>"), "{seen}");
    commit(&repo, "two");
    install::uninstall(&linked).expect("uninstall");
    assert!(!repo.root.join(".git/hooks/pre-commit").exists());
}

#[test]
fn a_folder_of_hooks_behind_a_link_is_one_folder() {
    let repo = Repo::empty();
    repo.write_script("hooks/pre-commit", EARLIER);
    fs::remove_dir_all(repo.root.join(".git/hooks")).expect("remove");
    symlink("../hooks", repo.root.join(".git/hooks")).expect("link");
    let before = tree(&repo.root);
    install(&repo).expect("install");
    install::uninstall(&open(&repo)).expect("uninstall");
    assert_eq!(tree(&repo.root), before);
}

#[test]
fn hooks_put_in_before_core_hooks_path_was_set_are_found() {
    let repo = guarded();
    repo.git(["config", "core.hooksPath", "other"]);
    let report = install::uninstall(&open(&repo)).expect("uninstall");
    assert_eq!(report.hooks.len(), install::HOOKS.len(), "{report:?}");
    assert!(!repo.root.join(".git/hooks/pre-commit").exists());
}

#[test]
fn core_hooks_path_is_where_the_hooks_go() {
    let repo = Repo::empty();
    repo.git(["config", "core.hooksPath", "my hooks"]);
    let before = repo.read(".git/config");
    let report = install(&repo).expect("install");
    assert_eq!(report.hooks_dir, repo.root.join("my hooks"));
    let is_told = |caveat: &String| caveat.contains("belongs to this work tree");
    assert!(report.caveats.iter().any(is_told), "{report:?}");
    commit(&repo, "one");
    assert!(seen(&repo).contains("pre-commit"));
    install::uninstall(&open(&repo)).expect("uninstall");
    assert!(!repo.root.join("my hooks").exists());
    assert_eq!(repo.read(".git/config"), before);
}

#[test]
fn what_cannot_be_done_safely_is_refused_and_nothing_is_touched() {
    let shim = |text: &str| text.replace("{n}", "2");
    let cases: [(&str, &str, &str, &str); 6] = [
        (
            "",
            ".git/hooks/pre-commit",
            "#!/bin/sh\ncall_lefthook run \"pre-commit\" \"$@\"\n",
            "lefthook",
        ),
        (
            "tracked",
            "tracked/pre-commit",
            "# File generated by pre-commit: https://pre-commit.com\n",
            "pre-commit",
        ),
        (
            "tracked",
            "tracked/pre-commit",
            "# File generated by prek: https://github.com/j178/prek\n",
            "prek",
        ),
        (
            "",
            ".git/hooks/pre-commit",
            "#!/bin/sh\nkoan-guard hook pre-commit\n",
            "calls koan-guard already",
        ),
        (
            "",
            ".git/hooks/commit-msg",
            &shim("#!/bin/sh\n# koan-guard shim {n}: later\n"),
            "newer koan-guard",
        ),
        ("file", "file", "", "runs no hooks"),
    ];
    for (hooks_path, path, text, expected) in cases {
        let repo = Repo::empty();
        repo.write_script(path, text);
        if !hooks_path.is_empty() {
            repo.git(["config", "core.hooksPath", hooks_path]);
        }
        refused(&repo, expected);
    }
}

#[test]
fn huskys_own_files_get_a_line_and_lose_it_again() {
    let repo = Repo::empty();
    repo.git(["config", "core.hooksPath", ".husky/_"]);
    for hook in install::HOOKS {
        // What husky 9 writes, as far as it matters: the project's file of that name.
        let stub = "#!/usr/bin/env sh\n[ ! -f \"$(dirname \"$0\")/../${0##*/}\" ] || sh -e \"$(dirname \"$0\")/../${0##*/}\" \"$@\"\n";
        repo.write_script(&format!(".husky/_/{hook}"), stub);
    }
    repo.write(".husky/pre-commit", "echo theirs >&2");
    let before = tree(&repo.root);
    let report = install(&repo).expect("install");
    assert_eq!(effect(&report, "pre-commit"), Some(Effect::Chained));
    assert_eq!(effect(&report, "commit-msg"), Some(Effect::Added));
    assert_eq!(
        repo.read(".husky/pre-commit"),
        "echo theirs >&2\nkoan-guard hook pre-commit\n"
    );
    let again = install(&repo).expect("install again");
    assert!(
        again
            .hooks
            .iter()
            .all(|(_, effect)| *effect == Effect::Unchanged),
        "{again:?}"
    );

    // By its name, from wherever `PATH` leads to it.
    let folder = stand_in(&repo);
    let folder = folder
        .parent()
        .expect("folder")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let mut command = repo.command("git", &repo.root);
    let path = format!("{folder}:{}", std::env::var("PATH").expect("PATH"));
    command.args(["commit", "--quiet", "--allow-empty", "--message", "one"]);
    let answer = repo.answer_of(command.env("PATH", path));
    assert!(answer.contains("theirs"), "{answer}");
    assert!(
        seen(&repo).contains("guard: hook commit-msg .git/COMMIT_EDITMSG"),
        "{}",
        seen(&repo)
    );
    let without = try_commit(&repo);
    assert!(
        without.starts_with("exit: 1\n") && without.contains("not found"),
        "{without}"
    );

    let report = install::uninstall(&open(&repo)).expect("uninstall");
    assert_eq!(effect(&report, "pre-commit"), Some(Effect::Restored));
    assert_eq!(effect(&report, "pre-push"), Some(Effect::Removed));
    assert_eq!(repo.read(".husky/pre-commit"), "echo theirs >&2\n");
    repo.write(".husky/pre-commit", "echo theirs >&2");
    let after = tree(&repo.root);
    let is_kept = |path: &&String| !path.starts_with(".git/");
    assert_eq!(
        after.keys().filter(is_kept).collect::<Vec<_>>(),
        before.keys().filter(is_kept).collect::<Vec<_>>()
    );
}

#[test]
fn newer_git_gets_hooks_in_its_configuration_too() {
    let repo = Repo::empty();
    let before = repo.read(".git/config");
    let binary = stand_in(&repo);
    let for_git = |version| install::install_for(&open(&repo), &binary, version).expect("install");
    let older = for_git(Version(2, 53));
    assert!(
        !older.settings.iter().any(|key| key.starts_with("hook.")),
        "{older:?}"
    );
    let newer = for_git(Version(2, 54));
    assert_eq!(newer.settings.len(), 2 * install::HOOKS.len(), "{newer:?}");
    let quoted = binary.to_str().expect("UTF-8").replace('\'', r"'\''");
    for hook in install::HOOKS {
        let key = format!("hook.koan-guard-{hook}");
        assert_eq!(
            repo.git(["config", &format!("{key}.event")]),
            format!("{hook}\n")
        );
        let command = repo.git(["config", &format!("{key}.command")]);
        assert_eq!(command, format!("'{quoted}' hook --beside-shim {hook}\n"));
    }
    assert!(for_git(Version(2, 54)).settings.is_empty());
    // A program that moved is followed.
    repo.git([
        "config",
        "hook.koan-guard-pre-push.command",
        "/old/koan-guard hook pre-push",
    ]);
    assert_eq!(
        for_git(Version(2, 60)).settings,
        ["hook.koan-guard-pre-push.command"]
    );
    install::uninstall(&open(&repo)).expect("uninstall");
    assert_eq!(repo.read(".git/config"), before);
}

#[test]
fn a_hook_of_the_configuration_leaves_the_work_to_a_shim_that_runs() {
    let repo = Repo::python_sample();
    repo.guard(["install"]);
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("cart.py", crate::support::samples::CART_FIXED);
    repo.git(["add", "--all"]);
    let ask = |variables: &[(&str, &str)]| {
        let mut command = repo.guard_command(["hook", "--beside-shim", "pre-commit"]);
        repo.answer_of(command.envs(variables.iter().copied()))
    };
    assert_eq!(ask(&[]), "exit: 0\nstdout:\nstderr:\n");
    // Where git finds no shim, the hook of the configuration is the one that judges.
    for variables in [
        &[("GIT_CONFIG_PARAMETERS", "'core.hooksPath'='/dev/null'")][..],
        &[
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "core.hooksPath"),
            ("GIT_CONFIG_VALUE_0", ""),
        ],
    ] {
        let answer = ask(variables);
        assert!(
            answer.starts_with("exit: 1\n") && answer.contains("refused[no-test]"),
            "{answer}"
        );
    }
    fs::set_permissions(
        repo.root.join(".git/hooks/pre-commit"),
        fs::Permissions::from_mode(0o644),
    )
    .expect("mode");
    assert!(ask(&[]).contains("refused[no-test]"));
}

/// With `KOAN_GIT`, the path of a git of 2.54 or later.
#[test]
#[ignore = "needs a git that is newer than most machines have"]
fn hooks_of_the_configuration_run_past_an_emptied_hooks_path() {
    let git = std::env::var("KOAN_GIT").expect("KOAN_GIT: the path of a git of 2.54 or later");
    let repo = Repo::python_sample();
    install::install_for(
        &open(&repo),
        Path::new(env!("CARGO_BIN_EXE_koan-guard")),
        Version(2, 54),
    )
    .expect("install");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("cart.py", crate::support::samples::CART_FIXED);
    let is_refused_once = |folder: &Path, args: &[&str]| {
        let mut command = repo.command(&git, folder);
        command.args(args).args([
            "commit",
            "--all",
            "--quiet",
            "--message",
            "fix: total of an empty cart",
        ]);
        let answer = repo.answer_of(&mut command);
        assert_eq!(answer.matches("refused[no-test]").count(), 1, "{answer}");
    };
    for args in [
        &[][..],
        &["-c", "core.hooksPath=/dev/null"],
        // As Gemini CLI does.
        &["-c", "core.hooksPath="],
    ] {
        is_refused_once(&repo.root, args);
    }
    // Where a relative folder is missing.
    repo.git(["config", "core.hooksPath", ".githooks"]);
    repo.git(["worktree", "add", "--quiet", "../linked", "-b", "koan/2"]);
    repo.write("../linked/cart.py", crate::support::samples::CART_FIXED);
    is_refused_once(&repo.beside("linked"), &[]);
}

#[test]
fn a_hook_that_took_the_place_of_a_shim_is_left_to_a_person() {
    let repo = Repo::empty();
    repo.write_script(".git/hooks/pre-commit", EARLIER);
    install(&repo).expect("install");
    repo.write_script(".git/hooks/pre-commit", "#!/bin/sh\n");
    refused(&repo, "another tool took the place");
    let err = install::uninstall(&open(&repo)).expect_err("refusal");
    assert!(err.is::<UsageError>(), "{err:#}");
    assert!(repo.root.join(".git/hooks/commit-msg").exists());
}

#[test]
fn a_bare_repository_is_refused() {
    let repo = Repo::empty();
    repo.git(["init", "--quiet", "--bare", "../bare.git"]);
    let bare = git::Repo::open(&repo.beside("bare.git")).expect("repository");
    let err = install::install(&bare, &stand_in(&repo)).expect_err("refusal");
    assert!(
        err.is::<UsageError>() && err.to_string().contains("bare"),
        "{err:#}"
    );
}

#[test]
fn pre_push_gets_the_lines_that_git_feeds() {
    let repo = guarded();
    commit(&repo, "one");
    repo.git(["init", "--quiet", "--bare", "../bare.git"]);
    repo.write_script(".git/hooks/pre-push.koan-prev", EARLIER);
    clear(&repo);
    repo.git(["push", "--quiet", "../bare.git", "main", "main:other"]);
    let lines = "refs/heads/main ID refs/heads/main ID\nrefs/heads/main ID refs/heads/other ID";
    assert_eq!(
        seen(&repo),
        format!(
            "earlier pre-push.koan-prev: ../bare.git ../bare.git <{lines}>\nguard: hook pre-push ../bare.git ../bare.git <{lines}>\n"
        )
    );
    repo.write_script("../it's \"the\" $guard/refuse", "");
    let answer = repo.try_git(["push", "--quiet", "../bare.git", "main:third"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert_eq!(repo.git(["ls-remote", "../bare.git", "third"]), "");
}

#[test]
fn a_server_has_its_own_hook_and_its_configuration_stays() {
    let repo = Repo::empty();
    commit(&repo, "one");
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let bare = git::Repo::open(&repo.beside("bare.git")).expect("repository");
    repo.write_script("../bare.git/hooks/pre-receive", EARLIER);
    let before = tree(&repo.beside("bare.git"));
    let report = install::install_server(&bare, &stand_in(&repo)).expect("install");
    assert_eq!(report.hooks, [("pre-receive", Effect::Chained)]);
    assert!(report.settings.is_empty(), "{report:?}");
    let report = install::install_server(&bare, &stand_in(&repo)).expect("install again");
    assert_eq!(report.hooks, [("pre-receive", Effect::Unchanged)]);

    repo.git(["push", "--quiet", "../bare.git", "main:one", "main:two"]);
    let lines = "ID ID refs/heads/one\nID ID refs/heads/two";
    assert_eq!(
        seen(&repo),
        format!("earlier pre-receive.koan-prev:  <{lines}>\nguard: hook pre-receive <{lines}>\n")
    );
    repo.write_script("../it's \"the\" $guard/refuse", "");
    let answer = repo.try_git(["push", "--quiet", "../bare.git", "main:third"]);
    assert!(answer.contains("pre-receive hook declined"), "{answer}");
    repo.write_script(
        "../bare.git/hooks/pre-receive.koan-prev",
        "#!/bin/sh\nexit 7\n",
    );
    clear(&repo);
    let answer = repo.try_git(["push", "--quiet", "../bare.git", "main:third"]);
    assert!(answer.contains("pre-receive hook declined"), "{answer}");
    assert_eq!(seen(&repo), "");
    repo.write_script("../bare.git/hooks/pre-receive.koan-prev", EARLIER);

    repo.git(["push", "--quiet", "--no-verify", "../bare.git", "main"]);
    fs::remove_file(binary(&repo)).expect("remove");
    let answer = repo.try_git(["push", "--quiet", "../bare.git", "main:third"]);
    assert!(
        answer.contains("is gone, so nothing can be judged and nothing passes"),
        "{answer}"
    );
    repo.git(["-C", "../bare.git", "update-ref", "-d", "refs/heads/one"]);
    repo.git(["-C", "../bare.git", "update-ref", "-d", "refs/heads/two"]);

    let report = install::uninstall_server(&bare).expect("uninstall");
    assert_eq!(report.hooks, [("pre-receive", Effect::Restored)]);
    assert_eq!(tree(&repo.beside("bare.git")), before);
}

#[test]
fn a_server_is_bare_and_nothing_else_is_one() {
    let repo = Repo::empty();
    let before = tree(&repo.root);
    for tried in [
        install::install_server(&open(&repo), &stand_in(&repo)),
        install::uninstall_server(&open(&repo)),
    ] {
        let err = tried.expect_err("refusal");
        assert!(err.is::<UsageError>(), "{err:#}");
        assert!(err.to_string().contains("has a work tree"), "{err:#}");
    }
    assert_eq!(tree(&repo.root), before);
}

#[test]
fn a_framework_that_moved_the_shim_is_not_called_back() {
    let repo = Repo::empty();
    let framework = "#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\necho framework >> \"../it's \\\"the\\\" \\$guard/seen\"\n";
    repo.write_script(".git/hooks/pre-commit", framework);
    install(&repo).expect("install");
    let hooks = repo.root.join(".git/hooks");
    fs::rename(hooks.join("pre-commit"), hooks.join("pre-commit.legacy")).expect("rename");
    repo.write_script(
        ".git/hooks/pre-commit",
        &format!("{framework}exec \"$0.legacy\" \"$@\"\n"),
    );
    commit(&repo, "one");
    assert!(
        seen(&repo).starts_with("framework\nguard: hook pre-commit <>\nguard: hook commit-msg"),
        "{}",
        seen(&repo)
    );

    fs::remove_file(hooks.join("pre-commit.koan-prev")).expect("remove");
    install::uninstall(&open(&repo)).expect("uninstall");
    assert!(!hooks.join("pre-commit.legacy").exists());
    assert!(hooks.join("pre-commit").exists());
}

#[test]
fn notes_follow_an_amended_commit() {
    let repo = guarded();
    commit(&repo, "one");
    repo.git(["notes", "--ref=koan", "add", "--message", "{}"]);
    amend(&repo);
    assert_eq!(repo.git(["notes", "--ref=koan", "show"]), "{}\n");
}

fn guarded() -> Repo {
    let repo = Repo::empty();
    let report = install(&repo).expect("install");
    assert!(
        report
            .hooks
            .iter()
            .all(|(_, effect)| *effect == Effect::Added),
        "{report:?}"
    );
    repo
}

fn install(repo: &Repo) -> anyhow::Result<Report> {
    // One that runs none of its configuration: what is there shows what the hooks in their folder do.
    install::install_for(&open(repo), &stand_in(repo), Version(2, 53))
}

#[track_caller]
fn refused(repo: &Repo, expected: &str) {
    let before = tree(&repo.root);
    let err = install(repo).expect_err(expected);
    assert!(err.is::<UsageError>(), "{err:#}");
    assert!(format!("{err:#}").contains(expected), "{err:#}");
    assert_eq!(tree(&repo.root), before, "{expected}");
}

fn open(repo: &Repo) -> git::Repo {
    git::Repo::open(&repo.root).expect("repository")
}

fn effect(report: &Report, hook: &str) -> Option<Effect> {
    let found = report.hooks.iter().find(|(name, _)| *name == hook);
    found.map(|(_, effect)| *effect)
}

/// The path of the stand-in, with everything in it that a shell could stumble over.
fn binary(repo: &Repo) -> PathBuf {
    repo.beside("it's \"the\" $guard/koan-guard")
}

fn stand_in(repo: &Repo) -> PathBuf {
    repo.write_script("../it's \"the\" $guard/koan-guard", STAND_IN);
    binary(repo)
}

/// What the stand-in and the earlier hooks wrote.
fn seen(repo: &Repo) -> String {
    fs::read_to_string(repo.beside("it's \"the\" $guard/seen")).unwrap_or_default()
}

fn clear(repo: &Repo) {
    fs::remove_file(repo.beside("it's \"the\" $guard/seen")).expect("remove");
}

fn commit(repo: &Repo, message: &str) {
    repo.git(["commit", "--quiet", "--allow-empty", "--message", message]);
}

fn amend(repo: &Repo) {
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--allow-empty",
        "--message",
        "two",
    ]);
}

fn try_commit(repo: &Repo) -> String {
    repo.try_git(["commit", "--quiet", "--allow-empty", "--message", "tried"])
}

/// Every path below `folder` with its mode and its bytes or target.
fn tree(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(&dir).expect("folder") {
            let path = entry.expect("entry").path();
            let meta = fs::symlink_metadata(&path).expect("metadata");
            let bytes = if meta.is_symlink() {
                let target = fs::read_link(&path).expect("link");
                target.into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).expect("file")
            };
            let name = path.strip_prefix(folder).expect("below").display();
            found.insert(name.to_string(), (meta.permissions().mode(), bytes));
        }
    }
    found
}
