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

/// What a write says on a small disk of its own that is filled to the last byte, and what the ref holds then; the same when there is room again.
#[track_caller]
fn on_a_full_disk(repo: &Repo, name: &str, write: &str) -> [String; 2] {
    let script = format!(
        "\
set -e
mkdir -p ../disk
mount -t tmpfs -o size=4m none ../disk
cp -r . ../disk/repo
cd ../disk/repo
dd if=/dev/zero of=../fill bs=1k 2>/dev/null || true
\"$1\" {write} || echo \"exit $?\"
git fsck --strict
git ls-tree -r {name} || true
ls .git/refs/notes .git/refs/koan 2>/dev/null | grep lock || true
echo ---
rm ../fill
\"$1\" {write}
git fsck --strict
git ls-tree -r {name}
"
    );
    let mut command = repo.command("unshare", &repo.root);
    let args = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
    command
        .args(args)
        .args(["sh", env!("CARGO_BIN_EXE_koan-guard")]);
    let answer = repo.answer_of(&mut command);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(!answer.contains(".lock\n"), "{answer}");
    let (full, roomy) = answer.split_once("---\n").expect("both halves");
    assert!(full.contains("exit 3\n"), "{answer}");
    [full.to_owned(), roomy.to_owned()]
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_full_disk_leaves_the_notes_as_they_were() {
    let repo = waiting();
    let before = repo.git(["ls-tree", "-r", "refs/notes/koan"]);
    let [full, roomy] = on_a_full_disk(&repo, "refs/notes/koan", "audit --reattach");
    assert!(full.trim_end().ends_with(before.trim_end()), "{full}");
    assert!(roomy.contains("1 statement found again"), "{roomy}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_full_disk_leaves_the_triage_state_as_it_was() {
    let repo = Repo::with_honest_fix();
    let (known, new) = (format!("k1:{:024x}", 1), format!("k1:{:024x}", 2));
    let answer = repo.guard(["triage", "claim", &known, "--local"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let before = repo.git(["ls-tree", "-r", "refs/koan/triage"]);
    for write in [
        format!("triage claim {new} --local"),
        format!("triage ignore {known} --because noise"),
    ] {
        let [full, roomy] = on_a_full_disk(&repo, "refs/koan/triage", &write);
        assert!(full.trim_end().ends_with(before.trim_end()), "{full}");
        assert!(!roomy.trim_end().ends_with(before.trim_end()), "{roomy}");
    }
    assert_eq!(repo.git(["ls-tree", "-r", "refs/koan/triage"]), before);
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
