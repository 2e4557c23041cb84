//! Clones that meet over a server: what each of them knows comes together, and of two who want the same one gets it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use koan_guard::git;
use koan_guard::issue::Fingerprint;
use koan_guard::sync::Remote;
use koan_guard::tracker::{Hand, Outcome, Tracker, Wish};
use koan_guard::triage::fold::Word;

use crate::support::Repo;
use crate::triage::plain;

const REF: &str = "refs/koan/triage";
const NOTES: &str = "refs/notes/koan";
const ISSUE: &str = "k1:0123456789abcdef01234567";

/// A bare server and clones of it: the fixture's own repository is the first of them.
struct Clones {
    repo: Repo,
    folders: Vec<PathBuf>,
}

impl Clones {
    fn new(n: usize) -> Clones {
        let repo = Repo::empty();
        repo.write("f", "").commit("chore: a file");
        let server = repo.beside("server.git");
        let server = server.to_str().expect("UTF-8");
        repo.git(["clone", "--quiet", "--bare", ".", server]);
        repo.git(["remote", "add", "origin", server]);
        let mut folders = vec![repo.root.clone()];
        for at in 1..n {
            let folder = repo.beside(&format!("clone-{at}"));
            let name = folder.to_str().expect("UTF-8");
            repo.git(["clone", "--quiet", server, name]);
            folders.push(folder);
        }
        Clones { repo, folders }
    }

    fn server(&self) -> PathBuf {
        self.repo.beside("server.git")
    }

    fn guard(&self, at: usize, args: &[&str]) -> String {
        let mut command = self.repo.guard_command([]);
        command.args(args).current_dir(&self.folders[at]);
        command.env("GIT_COMMITTER_EMAIL", format!("{at}@example.com"));
        plain(&self.repo.answer_of(&mut command))
    }

    #[track_caller]
    fn git(&self, folder: &Path, args: &[&str]) -> String {
        let mut command = self.repo.command("git", folder);
        let output = command.args(args).output().expect("git");
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        text.trim_end().to_owned()
    }

    fn tree(&self, folder: &Path, name: &str) -> String {
        self.git(folder, &["rev-parse", &format!("{name}^{{tree}}")])
    }

    /// Everybody has the same now, the server too, and nothing is broken.
    #[track_caller]
    fn check_converged(&self, names: &[&str]) {
        for name in names {
            let theirs = self.tree(&self.server(), name);
            for folder in &self.folders {
                assert_eq!(self.tree(folder, name), theirs, "{name}");
            }
        }
        for folder in self.folders.iter().chain([&self.server()]) {
            self.git(folder, &["fsck", "--strict"]);
        }
    }
}

#[test]
fn notes_and_triage_of_all_come_together() {
    let clones = Clones::new(2);
    let (one, two) = (&clones.folders[0], &clones.folders[1]);
    clones.git(
        one,
        &["notes", "--ref=koan", "add", "-m", "{\"a\":1}", "HEAD"],
    );
    clones.git(
        two,
        &["notes", "--ref=koan", "add", "-m", "{\"b\":1}", "HEAD"],
    );
    assert_snapshot!(clones.guard(0, &["sync"]), @"
    exit: 0
    stdout:
    refs/notes/koan: 0 lines received, 1 sent
    refs/koan/triage: the same here and there
    stderr:
    ");
    clones.guard(1, &["triage", "claim", ISSUE, "--local"]);
    assert_snapshot!(clones.guard(1, &["sync", "origin"]), @"
    exit: 0
    stdout:
    refs/notes/koan: 1 line received, 1 sent
    refs/koan/triage: 0 lines received, 1 sent
    stderr:
    ");
    assert_snapshot!(clones.guard(0, &["sync", "--format", "json"]), @r#"
    exit: 0
    stdout:
    {
      "exit": 0,
      "sync": [
        {
          "n_lost_there": 0,
          "n_received": 1,
          "n_sent": 0,
          "name": "refs/notes/koan"
        },
        {
          "n_lost_there": 0,
          "n_received": 1,
          "n_sent": 0,
          "name": "refs/koan/triage"
        }
      ],
      "version": 1
    }
    stderr:
    "#);
    assert_snapshot!(clones.guard(0, &["sync"]), @"
    exit: 0
    stdout:
    refs/notes/koan: the same here and there
    refs/koan/triage: the same here and there
    stderr:
    ");
    clones.check_converged(&[NOTES, REF]);
    assert_eq!(
        clones.git(one, &["notes", "--ref=koan", "show", "HEAD"]),
        "{\"a\":1}\n{\"b\":1}"
    );
    assert!(
        clones
            .guard(0, &["triage", "list"])
            .contains("1@example.com")
    );
}

#[test]
fn a_claim_is_won_where_everybody_looks() {
    let clones = Clones::new(3);
    assert_snapshot!(clones.guard(0, &["triage", "claim", ISSUE]), @"
    exit: 0
    stdout:
    claimed: k1:0123456789abcdef01234567, until [at] (2 h)
    stderr:
    ");
    assert_snapshot!(clones.guard(1, &["triage", "claim", ISSUE]), @"
    exit: 1
    stdout:
    not claimed: k1:0123456789abcdef01234567: it is claimed by 0@example.com (unsigned) until [at] (2 h)
    stderr:
    ");
    assert_snapshot!(clones.guard(1, &["triage", "release", ISSUE]), @"
    exit: 1
    stdout:
    not released: k1:0123456789abcdef01234567: it was claimed in another clone, by 0@example.com (unsigned) until [at] (2 h); a person may release it with `--key`
    stderr:
    ");
    assert!(
        clones
            .guard(0, &["triage", "release", ISSUE])
            .starts_with("exit: 0\n")
    );
    // At once.
    let issues: Vec<String> = (0..4).map(|n| format!("k1:{n:024x}")).collect();
    for issue in &issues {
        let answers: Vec<String> = std::thread::scope(|scope| {
            let claims = (0..3).map(|at| {
                let clones = &clones;
                scope.spawn(move || clones.guard(at, &["triage", "claim", issue]))
            });
            let claims: Vec<_> = claims.collect();
            claims
                .into_iter()
                .map(|claim| claim.join().expect("an answer"))
                .collect()
        });
        let n_won = answers
            .iter()
            .filter(|answer| answer.starts_with("exit: 0\n"));
        let n_lost = answers
            .iter()
            .filter(|answer| answer.starts_with("exit: 1\n"));
        assert_eq!((n_won.count(), n_lost.count()), (1, 2), "{answers:?}");
    }
    for at in 0..3 {
        clones.guard(at, &["sync"]);
    }
    clones.check_converged(&[REF]);
}

#[test]
fn a_claim_without_its_remote_is_none() {
    let clones = Clones::new(1);
    let away = clones.repo.beside("away.git");
    fs::rename(clones.server(), &away).expect("rename");
    let answer = clones.guard(0, &["triage", "claim", ISSUE]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("error: ask `origin`: "), "{answer}");
    assert!(clones.guard(0, &["triage", "list"]).contains("no issues"));
    assert!(
        clones
            .guard(0, &["triage", "claim", ISSUE, "--local"])
            .starts_with("exit: 0\n")
    );
    assert_snapshot!(clones.guard(0, &["sync", "elsewhere"]), @"
    exit: 2
    stdout:
    stderr:
    error: `elsewhere` is no remote of this repository
    hint: its remotes: `origin`
    ");
    clones.git(&clones.folders[0], &["remote", "remove", "origin"]);
    assert_snapshot!(clones.guard(0, &["sync"]), @"
    exit: 2
    stdout:
    stderr:
    error: this repository has no remote
    hint: add one: `git remote add origin URL`
    ");
}

#[test]
fn a_server_that_keeps_the_ledger_to_people_is_told_from_one_that_is_busy() {
    let clones = Clones::new(2);
    clones.guard(0, &["triage", "claim", ISSUE]);
    let hook = clones.server().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().expect("a folder")).expect("folder");
    fs::write(
        &hook,
        "#!/bin/sh\necho 'refused[push-own-ref]: it is kept to people' >&2\nexit 1\n",
    )
    .expect("write");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("mode");
    let other = ISSUE.replace('0', "9");
    assert_snapshot!(clones.guard(1, &["triage", "claim", &other]), @"
    exit: 2
    stdout:
    stderr:
    error: `origin` does not take it: pre-receive hook declined: refused[push-own-ref]: it is kept to people
    hint: `--local` leaves the remote out: other clones learn of it when somebody whom it lets in runs `koan-guard sync`
    ");
    clones.guard(1, &["triage", "claim", &other, "--local"]);
    // What is there comes in all the same.
    assert_snapshot!(clones.guard(1, &["sync"]), @"
    exit: 1
    stdout:
    refs/notes/koan: the same here and there
    refs/koan/triage: 0 lines received; `origin` does not take ours: pre-receive hook declined: refused[push-own-ref]: it is kept to people
    stderr:
    ");
    assert!(
        clones
            .guard(1, &["triage", "list"])
            .contains("0@example.com")
    );
}

#[test]
fn what_a_remote_dropped_is_told_and_put_back() {
    let clones = Clones::new(2);
    clones.guard(0, &["triage", "claim", ISSUE]);
    let before = clones.git(&clones.server(), &["rev-parse", REF]);
    clones.guard(0, &["triage", "release", ISSUE]);
    clones.guard(1, &["sync"]);
    // Somebody takes the last line back over there.
    clones.git(&clones.server(), &["update-ref", REF, &before]);
    assert_snapshot!(clones.guard(1, &["sync"]), @"
    exit: 0
    stdout:
    refs/notes/koan: the same here and there
    refs/koan/triage: 0 lines received, 1 sent
      `origin` no longer had 1 line that it had before: its log was rewritten
    stderr:
    ");
    assert_snapshot!(clones.guard(0, &["sync"]), @"
    exit: 0
    stdout:
    refs/notes/koan: the same here and there
    refs/koan/triage: the same here and there
    stderr:
    ");
    // On top of what everybody has, so that it looks like progress.
    let tip = clones.git(&clones.server(), &["rev-parse", REF]);
    let tree = clones.tree(&clones.server(), &before);
    let dropped = clones.git(
        &clones.server(),
        &["commit-tree", &tree, "-p", &tip, "-m", "x"],
    );
    clones.git(&clones.server(), &["update-ref", REF, &dropped]);
    assert_snapshot!(clones.guard(1, &["sync"]), @"
    exit: 0
    stdout:
    refs/notes/koan: the same here and there
    refs/koan/triage: 0 lines received, 1 sent
      `origin` no longer had 1 line that it had before: its log was rewritten
    stderr:
    ");
    clones.guard(0, &["sync"]);
    clones.check_converged(&[REF]);
    assert_eq!(
        clones.guard(0, &["triage", "log", ISSUE]).lines().count(),
        5
    );
}

#[test]
fn git_fetch_brings_the_ledger_and_overwrites_none_of_it() {
    let clones = Clones::new(2);
    clones.guard(0, &["triage", "claim", ISSUE]);
    clones.git(
        &clones.folders[0],
        &["notes", "--ref=koan", "add", "-m", "theirs", "HEAD"],
    );
    clones.guard(0, &["sync"]);
    let two = &clones.folders[1];
    clones.git(two, &["notes", "--ref=koan", "add", "-m", "ours", "HEAD"]);
    clones.guard(1, &["triage", "claim", &ISSUE.replace('0', "9"), "--local"]);
    let config = || fs::read_to_string(two.join(".git/config")).expect("config");
    let before = config();
    let answer = clones.guard(1, &["install"]);
    assert!(answer.contains("remote.origin.fetch"), "{answer}");
    let ours = || {
        let [triage, notes] = [REF, NOTES].map(|name| clones.git(two, &["rev-parse", name]));
        (triage, notes)
    };
    let there = ours();
    for args in [
        &["fetch", "--quiet"][..],
        &["fetch", "--quiet", "--prune", "--force"],
    ] {
        clones.git(two, args);
        assert_eq!(ours(), there);
    }
    let refs = clones.git(
        two,
        &[
            "for-each-ref",
            "--format=%(refname)",
            "refs/koan",
            "refs/notes",
        ],
    );
    assert_snapshot!(refs, @"
    refs/koan/remotes/origin/triage
    refs/koan/triage
    refs/notes/koan
    refs/notes/remotes/origin/koan
    ");
    clones.guard(1, &["uninstall"]);
    assert_eq!(config(), before);
    // A server without any of it is fetched from as before.
    let bare = Clones::new(2);
    bare.guard(1, &["install"]);
    bare.git(&bare.folders[1], &["fetch"]);
}

/// Where the agent below works, and where it writes what it was told.
const AGENT: &str = "KOAN_GUARD_TEST_AGENT";

/// Fixes ten issues over and over, until it is killed. Every answer is written down once it is known.
#[test]
#[ignore = "other tests start it"]
fn agent() {
    let folder = PathBuf::from(std::env::var_os(AGENT).expect("where"));
    let journal = folder.with_extension("journal");
    let mut journal = fs::File::options()
        .create(true)
        .append(true)
        .open(journal)
        .expect("journal");
    let repo = git::Repo::open(&folder).expect("open");
    let remote = Remote::find(&repo, None).expect("find").expect("a remote");
    let hand = Hand {
        key: None,
        remote: Some(&remote),
    };
    for round in std::process::id().. {
        let issue = Fingerprint::parse(&format!("k1:{:024x}", round % 10)).expect("a name");
        let tracker = Tracker::open(&repo, None, Timestamp::now()).expect("open");
        let length = SignedDuration::from_secs(3);
        let mut act = |wish: &Wish| match tracker.act(&issue, wish, &hand) {
            Ok(Outcome::Done(entry)) => {
                let said = entry.record.lease.map(|lease| lease.said.id);
                let n = entry.record.n_operations;
                let line = format!("{issue} {:?} {said:?} {n}\n", wish.kind());
                journal.write_all(line.as_bytes()).expect("write");
                true
            }
            Ok(Outcome::Refused(_)) => false,
            // Everybody else may be faster for a while.
            Err(error) => {
                let said = format!("{error:#}");
                assert!(said.contains("at the same time"), "{said}");
                false
            }
        };
        let known = tracker
            .show(&issue)
            .map(|(_, entry)| entry.record.word(tracker.now));
        if matches!(known, Ok(Word::Fixed)) {
            act(&Wish::Reopen { because: None });
        }
        if act(&Wish::Claim { length }) {
            act(&match round % 3 {
                0 => Wish::Release { because: None },
                1 => Wish::Refused {
                    because: "it does not build".into(),
                },
                _ => Wish::Fixed {
                    commit: "c".repeat(40),
                },
            });
        }
    }
}

fn start_agent(folder: &Path, home: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this"));
    command.args(["--exact", "sync::agent", "--ignored", "-q"]);
    command.env(AGENT, folder).env("HOME", home);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().expect("start")
}

/// Three clones, of which two fix and are killed at any time, and the third looks on.
fn converge_after_kills(n_rounds: u64) {
    let clones = Clones::new(3);
    let [_, one, two] = &clones.folders[..] else {
        panic!("three clones")
    };
    for round in 0..n_rounds {
        let mut agents = [one, two].map(|folder| start_agent(folder, &clones.repo.home()));
        let pause = 400 + (round * 137) % 500;
        std::thread::sleep(Duration::from_millis(pause));
        for agent in &mut agents {
            if let Some(status) = agent.try_wait().expect("look") {
                panic!("an agent gave up: {status}");
            }
            agent.kill().expect("kill");
            agent.wait().expect("wait");
            std::thread::sleep(Duration::from_millis(round * 31 % 60));
        }
        if round % 7 == 3 {
            clones.git(&clones.server(), &["gc", "--quiet"]);
            // The next writer clears what a dead one left.
            let answer = clones.guard(1, &["sync"]);
            assert!(answer.starts_with("exit: 0\n"), "{answer}");
            clones.git(one, &["gc", "--quiet"]);
        }
        clones.guard(0, &["sync"]);
    }
    // What git was still pushing when its agent died is there, or not.
    std::thread::sleep(Duration::from_millis(500));
    for at in [0, 1, 2, 0, 1, 2] {
        let answer = clones.guard(at, &["sync"]);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
    }
    clones.check_converged(&[REF]);
    for folder in clones.folders.iter().chain([&clones.server()]) {
        let git_dir = clones.git(folder, &["rev-parse", "--absolute-git-dir"]);
        for name in [REF, "packed-refs"] {
            let lock = Path::new(&git_dir).join(format!("{name}.lock"));
            assert!(!lock.exists(), "{}", lock.display());
        }
    }
    check_journals(&clones, &[one, two]);
}

/// All that an agent was told came true: every claim that was won stands in the log and counts there.
fn check_journals(clones: &Clones, folders: &[&PathBuf]) {
    let repo = git::Repo::open(&clones.repo.root).expect("open");
    let tracker = Tracker::open(&repo, None, Timestamp::now()).expect("open");
    let (entries, listing) = tracker.list().expect("list");
    assert!(listing.foreign.is_empty());
    let mut logs = String::new();
    let mut void = BTreeSet::new();
    for entry in &entries {
        assert!(
            entry.record.problems.is_empty(),
            "{:?}",
            entry.record.problems
        );
        void.extend(entry.record.void.iter().map(|(said, ..)| said.id.clone()));
        let (bytes, _) = tracker.show(&entry.issue).expect("show");
        logs.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
    }
    let mut n_won = 0;
    for folder in folders {
        let journal = fs::read_to_string(folder.with_extension("journal")).expect("journal");
        for line in journal.lines().filter(|line| line.contains("Claimed")) {
            let id = line.split('"').nth(1).expect("an id");
            assert!(logs.contains(&format!("\"id\":\"{id}\"")), "lost: {line}");
            assert!(!void.contains(id), "void: {line}");
            n_won += 1;
        }
    }
    assert!(n_won > 0, "nobody won anything");
    let n_operations: usize = entries.iter().map(|entry| entry.record.n_operations).sum();
    assert!(n_operations >= n_won);
    if let Some(path) = std::env::var_os("KOAN_TEST_SAY") {
        let said = format!(
            "{n_operations} operations, {n_won} claims won, {} void\n",
            void.len()
        );
        fs::write(path, said).expect("write");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn killed_agents_leave_clones_that_converge() {
    converge_after_kills(4);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "takes minutes")]
fn agents_that_are_killed_a_hundred_times_leave_clones_that_converge() {
    converge_after_kills(100);
}
