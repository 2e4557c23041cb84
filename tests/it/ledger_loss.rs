//! What may happen to a disk and to processes while a note is written: the notes are as before or as they should be.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::Repo;

/// A repository with a fix that has a statement, and a rewritten commit that waits for it: `audit --reattach` writes a note, and runs nothing.
fn waiting() -> Repo {
    let repo = Repo::with_honest_fix();
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--no-verify",
        "--message",
        "fix: other words",
    ]);
    repo
}

fn notes(repo: &Repo) -> String {
    repo.git(["notes", "--ref=koan", "list"])
}

#[track_caller]
fn check_sound(repo: &Repo) {
    repo.git(["fsck", "--strict"]);
    assert!(!repo.root.join(".git/refs/notes/koan.lock").exists());
    let n_notes = notes(repo).lines().count();
    assert!((1..=2).contains(&n_notes), "{n_notes}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_full_disk_leaves_the_notes_as_they_were() {
    let repo = waiting();
    let before = notes(&repo);
    // A small disk of its own, filled to the last byte.
    let script = "\
set -e
mkdir ../disk
mount -t tmpfs -o size=4m none ../disk
cp -r . ../disk/repo
cd ../disk/repo
dd if=/dev/zero of=../fill bs=1k 2>/dev/null || true
\"$1\" audit --reattach || echo \"exit $?\"
git fsck --strict
git notes --ref=koan list
ls .git/refs/notes
rm ../fill
\"$1\" audit --reattach
git fsck --strict
git notes --ref=koan list
";
    let mut command = repo.command("unshare", &repo.root);
    let args = [
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let answer = repo.answer_of(command.args(args).arg(env!("CARGO_BIN_EXE_koan-guard")));
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let (full, roomy) = answer.split_once("koan\n").expect("the refs");
    assert!(full.contains("exit 3\n"), "{answer}");
    assert!(full.trim_end().ends_with(before.trim_end()), "{answer}");
    assert!(roomy.contains("1 statement found again"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn refs_that_cannot_be_written_are_an_error_and_nothing_else() {
    let repo = waiting();
    let before = notes(&repo);
    // For root, only a disk that is mounted so is read-only.
    let script = "\
set -e
mount --bind .git/refs .git/refs
mount -o remount,bind,ro .git/refs
\"$1\" audit --reattach
";
    let mut command = repo.command("unshare", &repo.root);
    let args = [
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let answer = repo.answer_of(command.args(args).arg(env!("CARGO_BIN_EXE_koan-guard")));
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("refs/notes/koan"), "{answer}");
    assert_eq!(notes(&repo), before);
    check_sound(&repo);
    assert!(
        repo.guard(["audit", "--reattach"])
            .contains("1 statement found again")
    );
    check_sound(&repo);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_guard_that_is_killed_while_it_writes_leaves_the_old_or_the_new() {
    let repo = waiting();
    let old = repo.git(["rev-parse", "refs/notes/koan"]);
    let start = || -> Child {
        let mut command = repo.guard_command(["audit", "--reattach"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().expect("koan-guard")
    };
    let mut n_killed = 0;
    for round in 0..40 {
        repo.git(["update-ref", "refs/notes/koan", old.trim()]);
        let mut child = start();
        std::thread::sleep(Duration::from_millis(round * 5));
        child.kill().expect("kill");
        n_killed += usize::from(!child.wait().expect("end").success());
        repo.git(["fsck", "--strict"]);
        assert!((1..=2).contains(&notes(&repo).lines().count()));
        // Whoever is killed leaves his lock; the next who writes takes it away.
        let answer = repo.guard(["audit", "--reattach"]);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        check_sound(&repo);
    }
    assert!(n_killed > 0, "no round was fast enough");
    let answer = repo.guard(["audit", "--reattach"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert_eq!(notes(&repo).lines().count(), 2);
    check_sound(&repo);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_lock_of_a_dead_writer_goes_with_the_next_look() {
    let repo = waiting();
    let id = repo.git(["rev-parse", "HEAD"]);
    let path = |name: &str| repo.root.join(".git").join(name);
    fs::write(
        path("koan-guard/writer.lock"),
        format!("refs/notes/koan {id}"),
    )
    .expect("file");
    fs::write(path("refs/notes/koan.lock"), id).expect("file");
    let answer = repo.guard(["audit"]);
    assert!(answer.contains("2 commits"), "{answer}");
    check_sound(&repo);
    assert_eq!(fs::read(path("koan-guard/writer.lock")).expect("file"), b"");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn forty_guards_and_a_gc_at_once_write_one_note() {
    let repo = waiting();
    let children: Vec<Child> = (0..40)
        .map(|_| {
            let mut command = repo.guard_command(["audit", "--reattach"]);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            command.spawn().expect("koan-guard")
        })
        .collect();
    for _ in 0..3 {
        repo.git(["gc", "--quiet"]);
    }
    for child in children {
        let output = child.wait_with_output().expect("end");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    assert_eq!(notes(&repo).lines().count(), 2);
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert_eq!(note.trim_end().lines().count(), 1);
    check_sound(&repo);
    assert!(fs::read_dir(repo.root.join(".git/koan-guard")).is_ok());
}
