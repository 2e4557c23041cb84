//! What people and agents say about issues, and everything that only looks like it.

use std::fs;

use insta::assert_snapshot;
use jiff::Timestamp;
use koan_guard::git;
use koan_guard::issue::Fingerprint;
use koan_guard::tracker::Tracker;
use koan_guard::triage::operation::{Kind, Operation};

use crate::support::Repo;

const REF: &str = "refs/koan/triage";
const TOTAL: &str = "k1:0123456789abcdef01234567";
const TOTAL_FILE: &str = "k1/01/23456789abcdef01234567";
const QUEUE: &str = "k1:01ffffffffffffffffffffff";
const HIDDEN: &str = "k1:aaaaaaaaaaaaaaaaaaaaaaaa";

/// A repository that has seen three issues, one of which has a title to drive terminals with.
fn seen() -> Repo {
    let repo = Repo::empty();
    repo.write("f", "").commit("chore: a file");
    let opened = git::Repo::open(&repo.root).expect("open");
    let at: Timestamp = "2026-11-20T08:00:00Z".parse().expect("a time");
    let tracker = Tracker::open(&opened, None, at).expect("open");
    let issue = |name: &str| Fingerprint::parse(name).expect("a fingerprint");
    let mut operations = Vec::new();
    for (name, title, score) in [
        (TOTAL, "IndexError: list index out of range", 71.25),
        (QUEUE, "QueueFull: <num> waiting", 40.0),
        (HIDDEN, "Oops\u{1b}[2J\u{202e}\nok", 12.0),
    ] {
        operations.push((
            issue(name),
            Operation {
                title: Some(title.into()),
                events: Some(12),
                first: Some("2026-11-19T08:00:00Z".parse().expect("a time")),
                last: Some(at),
                ..Operation::new(Kind::Seen)
            },
        ));
        operations.push((
            issue(name),
            Operation {
                score: Some(score),
                act: Some("yes".into()),
                ..Operation::new(Kind::Ranked)
            },
        ));
    }
    tracker.record_all(&operations).expect("record");
    repo
}

/// The answer without what differs from run to run.
pub fn plain(answer: &str) -> String {
    let mut text = answer.to_owned();
    for (pattern, name) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[at]"),
        (r"\b[0-9a-f]{32}\b", "[id]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
    ] {
        let pattern = regex::Regex::new(pattern).expect("regular expression");
        text = pattern.replace_all(&text, name).into_owned();
    }
    text
}

/// Puts a line of one's own into the log of an issue, past the guard.
fn forge(repo: &Repo, file: &str, line: &str) {
    let before = repo.git(["show", &format!("{REF}:{file}")]);
    let log = repo.beside("log");
    fs::write(&log, format!("{before}{line}\n")).expect("write");
    let blob = repo.git(["hash-object", "-w", log.to_str().expect("UTF-8")]);
    let index = repo.beside("index");
    let mut git = |args: &[&str]| {
        let mut command = repo.command("git", &repo.root);
        let output = command.args(args).env("GIT_INDEX_FILE", &index).output();
        let output = output.expect("git");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    };
    git(&["read-tree", REF]);
    let entry = format!("100644,{},{file}", blob.trim());
    git(&["update-index", "--add", "--cacheinfo", &entry]);
    let tree = git(&["write-tree"]);
    let commit = git(&["commit-tree", &tree, "-p", REF, "-m", "triage: forged"]);
    git(&["update-ref", REF, &commit]);
}

/// A line as somebody might write it.
fn line(n: u64, by: &str, rest: &str) -> String {
    format!(
        r#"{{"v":1,"n":{n},"at":"2026-11-20T09:00:00Z","id":"{:032x}","by":"{by}",{rest}}}"#,
        n + 77
    )
}

#[test]
fn issues_are_listed_by_what_they_cost() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123", "--format", "json"])), @"");
    assert_eq!(repo.git(["rev-list", "--count", REF]), "1\n", "one commit");
}

#[test]
fn a_claim_keeps_others_out_until_it_is_given_back() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "claim", "0123", "--local"])), @"");
    // Nobody is another one here, but another worktree's agent may be.
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL, "--for", "30m"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "release", TOTAL, "--because", "too hard"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "release", TOTAL])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "log", TOTAL])), @"");
    assert!(
        repo.guard(["triage", "claim", TOTAL, "--for", "30m", "--format", "json"])
            .contains(r#""state": "claimed""#)
    );
    repo.git(["fsck", "--strict"]);
}

#[test]
fn what_is_ignored_or_fixed_is_not_claimed() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "ignore", "01ff", "--because", "load test", "--until", "2090-01-01"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "claim", QUEUE])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", QUEUE])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "reopen", QUEUE])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "reopen", QUEUE])), @"");
    assert!(
        repo.guard(["triage", "claim", QUEUE])
            .starts_with("exit: 0\n")
    );
    let commit = "c".repeat(40);
    let fixed = line(
        3,
        "bot@example.com",
        &format!(r#""op":"fixed","commit":"{commit}""#),
    );
    forge(&repo, TOTAL_FILE, &fixed);
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "list", "--all"])), @"");
    // A day that is over is no reason.
    repo.guard([
        "triage",
        "ignore",
        HIDDEN,
        "--because",
        "x",
        "--until",
        "2020-01-01",
    ]);
    assert!(
        repo.guard(["triage", "claim", HIDDEN])
            .starts_with("exit: 0\n")
    );
}

#[test]
fn an_issue_goes_by_the_beginning_of_its_name() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "show", "012"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "../../x"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "ffff"])), @"");
    assert!(
        repo.guard(["triage", "show", "k1:01ff"])
            .starts_with("exit: 0\n")
    );
    // Two that begin alike.
    let near = TOTAL.replace("234567", "999999");
    repo.guard(["triage", "claim", &near, "--local"]);
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123456789abcdef01"])), @"");
    // A whole name need not be known to be claimed, and not be shown.
    assert_snapshot!(plain(&repo.guard(["triage", "show", "k1:bbbbbbbbbbbbbbbbbbbbbbbb"])), @"");
}

#[test]
fn what_cannot_be_read_stops_everybody_and_stays() {
    let repo = seen();
    forge(&repo, TOTAL_FILE, r#"{"v":2,"op":"merged"}"#);
    forge(&repo, TOTAL_FILE, "not JSON \u{1b}[2J");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "show", TOTAL])), @"");
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL])), @"");
    forge(&repo, "notes.txt", "hello");
    let answer = repo.guard(["triage", "list"]);
    assert!(
        answer.contains("foreign    `notes.txt` is no issue's log\n"),
        "{answer}"
    );
    // Others are not held up by it, and lines that are written later leave it as it is.
    assert!(
        repo.guard(["triage", "claim", QUEUE])
            .starts_with("exit: 0\n")
    );
    let log = repo.git(["show", &format!("{REF}:{TOTAL_FILE}")]);
    assert!(log.contains(r#"{"v":2,"op":"merged"}"#), "{log}");
}

#[test]
fn a_signature_is_what_a_name_is_worth() {
    let repo = seen();
    for name in ["ada", "eve"] {
        let mut command = repo.command("ssh-keygen", &repo.home());
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        assert!(repo.answer_of(&mut command).starts_with("exit: 0\n"));
    }
    let public = fs::read_to_string(repo.home().join("ada.pub")).expect("a key");
    let public: Vec<&str> = public.split_whitespace().take(2).collect();
    let signers = format!(
        "ada@example.com namespaces=\"koan-guard-approve\" {}\n",
        public.join(" ")
    );
    repo.write(".koan-guard/allowed_signers", &signers)
        .commit("chore: who decides");
    let decide = |name: &str, email: &str, args: &[&str]| {
        let mut command = repo.guard_command(["triage"]);
        command.args(args).env("GIT_COMMITTER_EMAIL", email);
        if !name.is_empty() {
            command.arg("--key").arg(repo.home().join(name));
        }
        plain(&repo.answer_of(&mut command))
    };
    let ignore = ["ignore", TOTAL, "--because", "we know", "--base", "main"];
    assert_snapshot!(decide("ada", "ada@example.com", &ignore), @"");
    // A key that nobody is known by, and one of somebody else.
    let confirm = ["confirm", QUEUE, "--base", "main"];
    assert_snapshot!(decide("eve", "eve@example.com", &confirm), @"");
    assert!(decide("ada", "grace@example.com", &confirm).starts_with("exit: 2\n"));
    // Without a signature one may say so, and it is said that nobody knows who it was.
    assert_snapshot!(decide("", "ada@example.com", &confirm), @"");
    assert_snapshot!(decide("", "ada@example.com", &["reopen", TOTAL, "--base", "main"]), @"");
    // In another's name, past the guard: a line that Ada signed about another issue, and one that nobody signed.
    let log = repo.git(["show", &format!("{REF}:{TOTAL_FILE}")]);
    let signed = log
        .lines()
        .last()
        .expect("a line")
        .replace("\"n\":3", "\"n\":4");
    forge(&repo, "k1/01/ffffffffffffffffffffff", &signed);
    let reopened = line(4, "ada@example.com", r#""op":"reopened""#);
    forge(&repo, TOTAL_FILE, &reopened);
    assert_snapshot!(decide("", "", &["show", QUEUE, "--base", "main"]).replace("exit: 0", "exit: 0"), @"");
    assert_snapshot!(decide("", "", &["log", TOTAL, "--base", "main"]), @"");
    let answer = decide("", "", &["show", TOTAL, "--base", "main"]);
    assert!(answer.contains("\nignored: k1:"), "{answer}");
    // Where the trusted ref no longer knows the key, it is worth nothing.
    repo.write(".koan-guard/allowed_signers", "")
        .commit("chore: nobody");
    let answer = decide("", "", &["show", TOTAL, "--base", "main"]);
    assert!(answer.contains("\nopen: k1:"), "{answer}");
    assert!(
        answer.contains("its signature is not that of who it names"),
        "{answer}"
    );
}

#[test]
fn a_person_decides() {
    let repo = seen();
    for (name, value) in [("CLAUDECODE", "1"), ("CODEX_CI", "1")] {
        for what in ["confirm", "reopen"] {
            let mut command = repo.guard_command(["triage", what, TOTAL]);
            let answer = repo.answer_of(command.env(name, value));
            assert!(answer.starts_with("exit: 2\n"), "{answer}");
            assert!(answer.contains("a person decides"), "{answer}");
        }
        let mut command = repo.guard_command(["triage", "claim", TOTAL, "--for", "1s"]);
        let answer = repo.answer_of(command.env(name, value));
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
}
