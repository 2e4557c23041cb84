//! `install.sh`, from outside the source tree.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::Repo;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");

#[test]
fn each_missing_tool_is_named_with_where_to_get_it() {
    let repo = Repo::empty();
    let bin = repo.beside("bin");
    fs::create_dir(&bin).expect("folder");
    symlink(found("dirname"), bin.join("dirname")).expect("link");
    for (tool, expected) in [
        ("cargo", "cargo is missing: get Rust from https://rustup.rs"),
        ("git", "git is missing: install git 2.34 or later"),
        ("cc", "a C compiler is missing"),
    ] {
        let mut command = repo.command(SCRIPT, &repo.root);
        command.env("PATH", &bin);
        let answer = repo.answer_of(&mut command);
        let line = format!("exit: 1\nstdout:\nstderr:\ninstall.sh: {expected}");
        assert!(answer.starts_with(&line), "{tool}: {answer}");
        assert_eq!(answer.lines().count(), 4, "{answer}");
        repo.write_script(&format!("../bin/{tool}"), "#!/bin/sh\n");
    }
}

#[test]
fn a_wrong_command_line_installs_nothing() {
    for args in [&["--frefix"][..], &["--prefix"], &["demo"]] {
        let repo = Repo::empty();
        let answer = repo.answer_of(repo.command(SCRIPT, &repo.root).args(args));
        assert!(answer.starts_with("exit: 2\n"), "{answer}");
        assert_eq!(fs::read_dir(repo.home()).expect("home").count(), 0);
    }
}

#[test]
fn without_a_home_it_asks_for_a_prefix() {
    let repo = Repo::empty();
    for home in [None, Some("")] {
        let mut command = repo.command(SCRIPT, &repo.root);
        command
            .env_remove("HOME")
            .envs(home.map(|home| ("HOME", home)));
        let answer = repo.answer_of(&mut command);
        assert!(
            answer.contains("say where to install with `--prefix DIR`"),
            "{answer}"
        );
    }
}

#[test]
fn uninstall_takes_out_what_it_put_in_and_nothing_else() {
    let repo = Repo::empty();
    for name in ["koan-guard", "git-koan-guard", "other"] {
        repo.write_script(&format!("pre fix/bin/{name}"), "#!/bin/sh\n");
    }
    for _ in 0..2 {
        let mut command = repo.command(SCRIPT, &repo.root);
        let answer = repo.answer_of(command.args(["--uninstall", "--prefix", "pre fix"]));
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
    }
    assert_eq!(names(&repo.root.join("pre fix/bin")), ["other"]);
}

/// A release build: minutes on a cold machine.
#[cfg(feature = "slow-tests")]
#[test]
fn it_installs_into_an_empty_home_and_again_and_out() {
    let repo = Repo::empty();
    let bin = repo.home().join(".local/bin");
    for _ in 0..2 {
        let mut command = repo.command(SCRIPT, &repo.root);
        if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
            command.env(
                "CARGO_TARGET_DIR",
                std::path::absolute(target).expect("path"),
            );
        }
        let answer = repo.answer_of(&mut command);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        assert!(
            answer.contains("installed koan-guard and git-koan-guard into [home]/.local/bin"),
            "{answer}"
        );
        assert!(answer.contains("is not on PATH"), "{answer}");
        assert_eq!(names(&bin), ["git-koan-guard", "koan-guard"]);
    }
    let meta = fs::metadata(bin.join("git-koan-guard")).expect("link to the program");
    assert!(meta.is_file());
    repo.answer_of(repo.command(SCRIPT, &repo.root).arg("--uninstall"));
    assert!(names(&bin).is_empty());
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("folder");
    let names = entries.map(|entry| entry.expect("entry").file_name().into_string());
    let mut names: Vec<String> = names.map(|name| name.expect("UTF-8")).collect();
    names.sort();
    names
}

/// Where a program stands on `PATH`.
fn found(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("PATH");
    let mut paths = std::env::split_paths(&path).map(|folder| folder.join(program));
    paths.find(|path| path.is_file()).expect("program on PATH")
}
