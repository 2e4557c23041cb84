//! What goes wrong around the guard: a clear answer, nothing lost, and nothing of the user's touched.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG, UNITTEST_POLICY};
use crate::support::{Repo, copy_binary};

#[test]
fn where_there_is_no_repository() {
    let repo = Repo::empty();
    let mut command = repo.guard_command(["check", "HEAD"]);
    assert_snapshot!(repo.answer_of(command.current_dir(repo.home())), @"
    exit: 2
    stdout:
    stderr:
    error: no git repository at `[home]`
    hint: go to a folder of a repository, or `git init`
    ");
}

#[test]
fn where_there_is_no_commit() {
    let repo = Repo::empty();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: `HEAD` names no commit
    hint: git says more with `git rev-parse --verify`; here: The ref partially named "refs/heads/main" could not be found
    "#);
    assert_snapshot!(repo.guard(["check"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no commit yet
    ");
    assert_snapshot!(repo.guard(["check", "--staged"]), @"
    exit: 2
    stdout:
    stderr:
    error: no policy to judge by: no trusted ref is named, and there is no commit before this one
    hint: `koan-guard init` writes one; a person commits `.koan-guard.yaml` on the trusted branch, before the hooks are installed or past them
    ");
    assert_snapshot!(repo.guard(["audit"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no commit yet
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_bare_repository_is_judged_too() {
    let repo = Repo::with_honest_fix();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let mut command = repo.guard_command(["check", "HEAD"]);
    assert_snapshot!(repo.answer_of(command.current_dir(repo.beside("bare.git"))), @"
    exit: 0
    stdout:
    accepted: e9eb8ae2e6 fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
    let mut command = repo.guard_command(["check", "--staged"]);
    assert_snapshot!(repo.answer_of(command.current_dir(repo.beside("bare.git"))), @"
    exit: 2
    stdout:
    stderr:
    error: in a bare repository nothing is staged
    hint: judge a commit or a range
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn on_no_branch() {
    let repo = Repo::with_honest_fix();
    repo.git(["switch", "--quiet", "--detach"]);
    let answer = repo.guard(["check", "--base", "HEAD~1"]);
    assert!(
        answer.starts_with("exit: 0\nstdout:\naccepted: "),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_shallow_clone_that_holds_too_little_decides_nothing() {
    let repo = Repo::with_honest_fix();
    repo.write("README.md", "A cart.\n")
        .commit("docs: what it is");
    let url = format!("file://{}", repo.root.display());
    repo.git(["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    let shallow = repo.beside("shallow");
    let ask = |args: [&str; 4]| {
        let mut command = repo.guard_command(args);
        repo.answer_of(command.current_dir(&shallow))
    };
    assert_snapshot!(ask(["check", "HEAD", "--format", "text"]), @"
    exit: 2
    stdout:
    stderr:
    error: the history that is needed ends at `e9eb8ae2e6cd3afd4de5c40b6e63750771e42842`, because this is a shallow clone
    hint: fetch the rest: `git fetch --unshallow`
    ");
    let mut command = repo.command("git", &shallow);
    command.args(["fetch", "--quiet", "--depth=3"]);
    assert!(repo.answer_of(&mut command).starts_with("exit: 0\n"));
    let answer = ask(["check", "HEAD~1", "--base", "HEAD~2"]);
    assert!(
        answer.starts_with("exit: 0\nstdout:\naccepted: "),
        "{answer}"
    );
}

#[test]
fn a_corrupted_object_decides_nothing() {
    let repo = Repo::with_honest_fix();
    let blob = repo.git(["rev-parse", "HEAD:cart.py"]);
    let (folder, file) = blob.trim_end().split_at(2);
    let path = repo.root.join(".git/objects").join(folder).join(file);
    fs::remove_file(&path).expect("object");
    fs::write(&path, "nothing that could be read").expect("object");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @r#"
    exit: 3
    stdout:
    stderr:
    error: compare trees `dd18731cc3280e57e0347fea9289527c75c6214a` and `9d281fbd89e75e2ce02ab9f4fd947914b067c5e9`: read `cart.py`: read blob `151e5afb7cc86fedc5cf1f7a226a8c97e49f238d`: Could not read loose object, path="./.git/objects/15/1e5afb7cc86fedc5cf1f7a226a8c97e49f238d": Could not decode zip stream: Invalid input data
    "#);
    fs::remove_file(&path).expect("object");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    stderr:
    error: compare trees `dd18731cc3280e57e0347fea9289527c75c6214a` and `9d281fbd89e75e2ce02ab9f4fd947914b067c5e9`: read `cart.py`: read blob `151e5afb7cc86fedc5cf1f7a226a8c97e49f238d`: An object with id 151e5afb7cc86fedc5cf1f7a226a8c97e49f238d could not be found
    ");
}

#[test]
fn refs_in_a_format_that_cannot_be_read_decide_nothing() {
    let repo = Repo::empty();
    let answer = repo.try_git(["init", "--quiet", "--ref-format=reftable", "../tables"]);
    if !answer.starts_with("exit: 0\n") {
        return; // This git does not know the format.
    }
    let mut command = repo.guard_command(["check", "HEAD"]);
    assert_snapshot!(repo.answer_of(command.current_dir(repo.beside("tables"))), @"
    exit: 3
    stdout:
    stderr:
    error: the repository keeps its refs in a format that cannot be read (reftable)
    ");
}

#[test]
fn paths_and_messages_that_are_not_utf8() {
    let repo = Repo::python_sample();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.py");
    fs::write(repo.root.join(name), "1\n").expect("file");
    fs::write(repo.beside("message"), b"fix: caf\xe9\n").expect("message");
    repo.git(["add", "--all"]);
    repo.git(["commit", "--quiet", "--no-verify", "--file=../message"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @r#"
    exit: 1
    stdout:
    refused: 6393cc6d90 fix: café
    refused[too-many-files]: 1 production files added, at most 0
      why: a small fix stays local; nobody reads a large one line by line
      next: fix one cause at a time
    refused[path-encoding]: "caf\351.py": `"caf\351.py"` is not UTF-8
      why: a name that looks like another, or that a file system folds into another, hides what is changed
      next: use plain names
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    "#);
    let answer = repo.guard(["check", "HEAD", "--format", "json"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_large_file_is_refused_and_not_read_to_death() {
    let repo = Repo::python_sample();
    let file = fs::File::create(repo.root.join("large.bin")).expect("file");
    file.set_len(200 << 20).expect("length");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG);
    repo.git(["-c", "core.compression=1", "add", "--all"]);
    repo.git(["commit", "--quiet", "--no-verify", "--message", "fix: it"]);
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 1
    stdout:
    refused: 77e367271e fix: it
    refused[too-many-files]: 1 production files added, at most 0
      why: a small fix stays local; nobody reads a large one line by line
      next: fix one cause at a time
    refused[file-too-big]: large.bin: `large.bin` has 209715200 bytes and was not read
      why: large blobs cannot be reviewed and stay in the history for ever
      next: keep large files out of the commit
    refused[too-large-to-read]: large.bin: `large.bin` holds 209715200 bytes, at most 16777216 are looked through
      why: what is too large to be looked through may hold anything, also a secret
      next: keep the file out of the commit
      lane repair (asked for), policy of a3e325c1ec (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn nobody_listening_is_no_acceptance() {
    let repo = Repo::with_honest_fix();
    let mut child = repo
        .guard_command(["check", "HEAD"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("koan-guard");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("end").code(), Some(3));
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("device");
    let status = repo
        .guard_command(["policy", "rules"])
        .stdout(full)
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.expect("end").code(), Some(3));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_guard_that_is_killed_leaves_nothing_behind_and_the_next_one_works() {
    let repo = slow();
    let before = repo.state();
    let mut child = start(repo.guard_command(["check", "HEAD"]));
    wait_for(&mut child);
    let children = descendants(child.id());
    assert!(children.len() > 2, "{children:?}");
    child.kill().expect("kill");
    child.wait().expect("end");
    assert_gone(&children);
    assert_eq!(repo.state(), before);
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
    repo.git(["fsck", "--strict"]);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_interrupted_guard_leaves_everything_as_it_was() {
    let repo = slow();
    let before = repo.state();
    for signal in ["-INT", "-TERM"] {
        let mut child = start(repo.guard_command(["check", "HEAD"]));
        wait_for(&mut child);
        let children = descendants(child.id());
        let pid = child.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status();
        assert!(kill.expect("kill").success());
        let status = child.wait().expect("end");
        assert!(!status.success(), "{status} {:?}", status.signal());
        assert_gone(&children);
        assert_eq!(repo.state(), before);
        assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
    }
}

#[test]
fn an_interrupted_commit_leaves_everything_as_it_was() {
    let repo = slow();
    repo.guard(["install"]);
    repo.git(["switch", "--quiet", "--create", "koan/1", "HEAD~1"]);
    repo.git(["checkout", "--quiet", "main", "--", "."]);
    repo.git(["reset", "--quiet"]);
    let before = repo.state();
    let mut git = repo.command("git", &repo.root);
    git.args(["commit", "--quiet", "--all", "--message", "fix: it"]);
    let mut child = start(git);
    wait_for(&mut child);
    let children = descendants(child.id());
    // What a terminal does: the whole group is told.
    let group = format!("-{}", child.id());
    let kill = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(kill.expect("kill").success());
    assert!(!child.wait().expect("end").success());
    assert_gone(&children);
    assert_eq!(repo.state(), before);
    assert!(!repo.root.join(".git/index.lock").exists());
    let answer = repo.try_git(["commit", "--quiet", "--all", "--message", "fix: it"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("is proved, its note is written"),
        "{answer}"
    );
}

#[test]
fn a_repository_of_somebody_else_is_not_read() {
    let repo = Repo::with_honest_fix();
    let folder = repo.home();
    let folder = folder.parent().expect("folder");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("mode");
    // The binary's own folder may be closed to others.
    let copy = repo.beside("koan-guard");
    copy_binary(&copy);
    let as_nobody = |program: &Path, args: &[&str]| {
        let mut command = repo.command("setpriv", &repo.root);
        command
            .args(["--reuid=65534", "--clear-groups"])
            .arg(program)
            .args(args);
        repo.answer_of(&mut command)
    };
    if !as_nobody(Path::new("true"), &[]).starts_with("exit: 0\n") {
        return; // Only root may become somebody else.
    }
    assert_snapshot!(as_nobody(&copy, &["check", "HEAD"]), @r#"
    exit: 3
    stdout:
    stderr:
    error: open the repository: The git directory at "[repo]" is considered unsafe as it's not owned by the current user.
    "#);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_repository_of_longer_ids() {
    let repo = Repo::empty();
    fs::remove_dir_all(repo.root.join(".git")).expect("folder");
    repo.git([
        "init",
        "--quiet",
        "--initial-branch=main",
        "--object-format=sha256",
    ]);
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .write("cart.py", CART)
        .write("test_cart.py", CART_TEST)
        .commit("feat: total of a cart");
    repo.fix_honestly();
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: 1b7a3afe6c fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of dd5ebb8233 (the parent, no trusted ref is configured)
    stderr:
    ");
    assert!(repo.guard(["audit"]).contains("1 with a note, 0 unproved"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn two_guards_at_once_both_come_to_the_right_end() {
    let repo = Repo::with_honest_fix();
    repo.write("cart.py", "1\n").commit("fix: another");
    let ends: Vec<String> = std::thread::scope(|scope| {
        let checks = ["HEAD~1", "HEAD~1", "HEAD"];
        let threads = checks.map(|commit| {
            let repo = &repo;
            scope.spawn(move || repo.guard(["check", commit]))
        });
        threads.map(|thread| thread.join().expect("thread")).into()
    });
    for (n, expected) in ["exit: 0\n", "exit: 0\n", "exit: 1\n"].iter().enumerate() {
        assert!(ends[n].starts_with(expected), "{n}: {}", ends[n]);
    }
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD~1"]);
    assert!(
        note.lines().all(|line| line.starts_with("{\"_type\"")),
        "{note}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_git_folder_that_cannot_be_written_costs_the_note_and_says_so() {
    let repo = Repo::with_honest_fix();
    let answer = in_mounts(
        &repo,
        "mount --bind .git .git && mount -o remount,bind,ro .git",
        "check HEAD",
    );
    if let Some(answer) = answer {
        assert_snapshot!(answer, @"
        exit: 3
        stdout:
        stderr:
        error: write the note of e9eb8ae2e6cd3afd4de5c40b6e63750771e42842: wait to write notes: open `./.git/koan-guard/writer.lock`: Read-only file system (os error 30)
        ");
    }
}

#[test]
fn a_full_disk_for_the_work_area_decides_nothing() {
    let repo = Repo::with_honest_fix();
    let mount = "mkdir ../home/.cache && mount -t tmpfs -o size=64k tmpfs ../home/.cache";
    if let Some(answer) = in_mounts(&repo, mount, "check HEAD") {
        assert!(answer.starts_with("exit: 3\n"), "{answer}");
        assert!(answer.contains("No space left on device"), "{answer}");
        assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_full_disk_for_the_repository_loses_no_verdict_in_silence() {
    let repo = Repo::with_honest_fix();
    let mount = "mkdir ../full && mount -t tmpfs -o size=4m tmpfs ../full && cp -a . ../full/repo && cd ../full/repo \
                 && { cat /dev/zero > ../fill 2>/dev/null || true; }";
    if let Some(answer) = in_mounts(&repo, mount, "check HEAD") {
        assert!(answer.starts_with("exit: 3\n"), "{answer}");
        assert!(answer.contains("No space left on device"), "{answer}");
    }
}

#[cfg(feature = "slow-tests")]
#[test]
fn twenty_thousand_changed_files_are_refused_in_few_words() {
    let repo = Repo::python_sample();
    for n in 0..20_000 {
        repo.write(&format!("lib/{}/{n}.py", n % 100), "1\n");
    }
    repo.commit("fix: everything");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(
        answer.contains("20000 production files added, at most 0"),
        "{answer}"
    );
    assert!(answer.lines().count() < 80, "{answer}");
}

/// A fix whose tests take their time.
fn slow() -> Repo {
    let repo = Repo::empty();
    let slowly = |test: &str| {
        test.replace("import unittest\n", "import time\nimport unittest\n")
            .replace(
                "    def test_of_two(self):\n",
                "    def test_of_two(self):\n        time.sleep(1)\n",
            )
    };
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .write("cart.py", CART)
        .write("test_cart.py", &slowly(CART_TEST))
        .commit("feat: total of a cart");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &slowly(CART_TEST_OF_BUG))
        .commit("fix: total of an empty cart");
    repo
}

/// Where the tests themselves run in the background of a script, an interrupt would be ignored by all that they start.
fn start(command: Command) -> Child {
    let mut heeding = Command::new("/usr/bin/env");
    heeding
        .arg("--default-signal=INT")
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            heeding.env(name, value);
        }
    }
    heeding
        .current_dir(command.get_current_dir().expect("a folder"))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    heeding.spawn().expect("start")
}

/// Waits until a test of the sample runs.
fn wait_for(child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_test = |process: &Process| process.command.contains("koan_unittest");
    while !descendants(child.id()).iter().any(is_test) {
        assert!(
            child.try_wait().expect("status").is_none(),
            "it ended too early"
        );
        assert!(Instant::now() < deadline, "no test was ever started");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process, told apart by its start from a later one of the same id.
#[derive(Debug, PartialEq)]
struct Process {
    id: u32,
    parent_id: u32,
    start: String,
    command: String,
}

#[track_caller]
fn assert_gone(children: &[Process]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let all = processes();
        let left: Vec<&Process> = all
            .iter()
            .filter(|process| {
                let is_same =
                    |child: &Process| child.id == process.id && child.start == process.start;
                children.iter().any(is_same)
            })
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Children, their children, and so on.
fn descendants(id: u32) -> Vec<Process> {
    let all = processes();
    let mut ids = vec![id];
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|process| ids.contains(&process.parent_id) && !ids.contains(&process.id))
            .map(|process| process.id)
            .collect();
        if more.is_empty() {
            break;
        }
        ids.extend(more);
    }
    all.into_iter()
        .filter(|process| process.id != id && ids.contains(&process.id))
        .collect()
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // A process may go at any time.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            Some(Process {
                id,
                parent_id: fields.get(1)?.parse().ok()?,
                start: (*fields.get(19)?).to_owned(),
                command: String::from_utf8_lossy(&command).replace('\0', " "),
            })
        })
        .collect()
}

/// koan-guard where the mounts are others; `None` where this user may not mount.
fn in_mounts(repo: &Repo, mount: &str, args: &str) -> Option<String> {
    let script = format!(
        "set -e\n{mount}\nexec {} {args}",
        env!("CARGO_BIN_EXE_koan-guard")
    );
    let unshare = |script: &str| {
        let mut command = repo.command("unshare", &repo.root);
        command.args(["--mount", "--map-root-user", "sh", "-c", script]);
        repo.answer_of(&mut command)
    };
    if !unshare("mount -t tmpfs tmpfs /mnt").starts_with("exit: 0\n") {
        return None;
    }
    let before = repo.state();
    let answer = unshare(&script);
    assert_eq!(repo.state(), before);
    Some(answer)
}
