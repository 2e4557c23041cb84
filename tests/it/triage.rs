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
    repo.git(["config", "user.name", "Digest"]);
    repo.git(["config", "user.email", "digest@example.com"]);
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
        (r"\b[0-9a-f]{16}\b", "[id]"),
        (r"\b[0-9a-f]{40}\b", "[commit]"),
    ] {
        let pattern = regex::Regex::new(pattern).expect("regular expression");
        text = pattern.replace_all(&text, name).into_owned();
    }
    text
}

/// Puts a line of one's own into the log of an issue, past the guard.
fn forge(repo: &Repo, file: &str, line: &str) {
    let mut show = repo.command("git", &repo.root);
    let before = show.args(["show", &format!("{REF}:{file}")]).output();
    let before = String::from_utf8(before.expect("git").stdout).expect("UTF-8");
    let log = repo.beside("log");
    fs::write(&log, format!("{before}{line}\n")).expect("write");
    let blob = repo.git(["hash-object", "-w", log.to_str().expect("UTF-8")]);
    let index = repo.beside("index");
    let git = |args: &[&str]| {
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
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @r#"
    exit: 0
    stdout:
    open       k1:0123456789abcdef01234567   71.2  IndexError: list index out of range
    open       k1:01ffffffffffffffffffffff   40.0  QueueFull: <num> waiting
    open       k1:aaaaaaaaaaaaaaaaaaaaaaaa   12.0  Oops\u{1b}[2J\u{202e}\nok
    3 issues: 3 open
    stderr:
    "#);
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123"])), @"
    exit: 0
    stdout:
    open: k1:0123456789abcdef01234567
      IndexError: list index out of range
      12 events, [at] to [at]
      score 71.2, act yes
      2 operations
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123", "--format", "json"])), @r#"
    exit: 0
    stdout:
    {
      "exit": 0,
      "issue": {
        "act": "yes",
        "events": 12,
        "first": "[at]",
        "issue": "k1:0123456789abcdef01234567",
        "last": "[at]",
        "operations": 2,
        "score": 71.25,
        "state": "open",
        "title": "IndexError: list index out of range"
      },
      "version": 1
    }
    stderr:
    "#);
    assert_eq!(repo.git(["rev-list", "--count", REF]), "1\n", "one commit");
}

#[test]
fn a_claim_keeps_others_out_until_it_is_given_back() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "claim", "0123", "--local"])), @"
    exit: 0
    stdout:
    claimed: k1:0123456789abcdef01234567, until [at] (2 h)
    stderr:
    ");
    // Nobody is another one here, but another worktree's agent may be.
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL, "--for", "30m"])), @"
    exit: 1
    stdout:
    not claimed: k1:0123456789abcdef01234567: it is claimed by committer@example.com (unsigned) until [at] (2 h)
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @r#"
    exit: 0
    stdout:
    claimed    k1:0123456789abcdef01234567   71.2  IndexError: list index out of range
               claimed by committer@example.com (unsigned) until [at] (2 h)
    open       k1:01ffffffffffffffffffffff   40.0  QueueFull: <num> waiting
    open       k1:aaaaaaaaaaaaaaaaaaaaaaaa   12.0  Oops\u{1b}[2J\u{202e}\nok
    3 issues: 1 claimed, 2 open
    stderr:
    "#);
    assert_snapshot!(plain(&repo.guard(["triage", "release", TOTAL, "--because", "too hard"])), @"
    exit: 0
    stdout:
    released: k1:0123456789abcdef01234567
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "release", TOTAL])), @"
    exit: 1
    stdout:
    not released: k1:0123456789abcdef01234567: nobody has claimed it
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "log", TOTAL])), @"
    exit: 0
    stdout:
      1  [at]  seen       digest@example.com (unsigned); events 12; title IndexError: list index out of range
      2  [at]  ranked     digest@example.com (unsigned); score 71.2; act yes
      3  [at]  claimed    committer@example.com (unsigned); until [at]
      4  [at]  released   committer@example.com (unsigned); because too hard
    stderr:
    ");
    assert!(
        repo.guard(["triage", "claim", TOTAL, "--for", "30m", "--format", "json"])
            .contains(r#""state": "claimed""#)
    );
    repo.git(["fsck", "--strict"]);
}

#[test]
fn what_is_ignored_or_fixed_is_not_claimed() {
    let repo = seen();
    assert_snapshot!(plain(&repo.guard(["triage", "ignore", "01ff", "--because", "load test", "--until", "2090-01-01"])), @"
    exit: 0
    stdout:
    ignored: k1:01ffffffffffffffffffffff
    stderr:
    not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "claim", QUEUE])), @"
    exit: 1
    stdout:
    not claimed: k1:01ffffffffffffffffffffff: committer@example.com ignores it until [at]
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "show", QUEUE])), @"
    exit: 0
    stdout:
    ignored: k1:01ffffffffffffffffffffff
      QueueFull: <num> waiting
      12 events, [at] to [at]
      score 40.0, act yes
      ignored by committer@example.com (unsigned) until [at], because load test
      3 operations
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "reopen", QUEUE])), @"
    exit: 0
    stdout:
    reopened: k1:01ffffffffffffffffffffff
    stderr:
    not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "reopen", QUEUE])), @"
    exit: 1
    stdout:
    not reopened: k1:01ffffffffffffffffffffff: it is neither ignored nor fixed
    stderr:
    not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`
    ");
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
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL])), @"
    exit: 1
    stdout:
    not claimed: k1:0123456789abcdef01234567: it is fixed by cccccccccc
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @r#"
    exit: 0
    stdout:
    claimed    k1:01ffffffffffffffffffffff   40.0  QueueFull: <num> waiting
               claimed by committer@example.com (unsigned) until [at] (2 h)
    open       k1:aaaaaaaaaaaaaaaaaaaaaaaa   12.0  Oops\u{1b}[2J\u{202e}\nok
    3 issues: 1 claimed, 1 fixed, 1 open
    stderr:
    "#);
    assert_snapshot!(plain(&repo.guard(["triage", "list", "--all"])), @r#"
    exit: 0
    stdout:
    fixed      k1:0123456789abcdef01234567   71.2  IndexError: list index out of range
               fixed by cccccccccc, as bot@example.com (unsigned) said on [at]
    claimed    k1:01ffffffffffffffffffffff   40.0  QueueFull: <num> waiting
               claimed by committer@example.com (unsigned) until [at] (2 h)
    open       k1:aaaaaaaaaaaaaaaaaaaaaaaa   12.0  Oops\u{1b}[2J\u{202e}\nok
    3 issues: 1 claimed, 1 fixed, 1 open
    stderr:
    "#);
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
    assert_snapshot!(plain(&repo.guard(["triage", "show", "012"])), @"
    exit: 2
    stdout:
    stderr:
    error: `012` is no name of an issue
    hint: it is `k1:` and 24 hexadecimal digits, of which the first ones are enough (four at least)
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "../../x"])), @"
    exit: 2
    stdout:
    stderr:
    error: `../../x` is no name of an issue
    hint: it is `k1:` and 24 hexadecimal digits, of which the first ones are enough (four at least)
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "show", "ffff"])), @"
    exit: 2
    stdout:
    stderr:
    error: no issue begins with `k1:ffff`
    hint: `koan-guard triage list --all` lists them; `koan-guard sync` brings those that others know
    ");
    assert!(
        repo.guard(["triage", "show", "k1:01ff"])
            .starts_with("exit: 0\n")
    );
    // Two that begin alike.
    let near = "k1:0123456789abcdef01999999";
    repo.guard(["triage", "claim", near, "--local"]);
    assert_snapshot!(plain(&repo.guard(["triage", "show", "0123456789abcdef01"])), @"
    exit: 2
    stdout:
    stderr:
    error: `k1:0123456789abcdef01` may be one of several
    hint: write more of it: k1:0123456789abcdef01234567, k1:0123456789abcdef01999999
    ");
    // A whole name need not be known to be claimed, and not be shown.
    assert_snapshot!(plain(&repo.guard(["triage", "show", "k1:bbbbbbbbbbbbbbbbbbbbbbbb"])), @"
    exit: 2
    stdout:
    stderr:
    error: nothing is known of k1:bbbbbbbbbbbbbbbbbbbbbbbb
    hint: `koan-guard triage list --all` lists what is
    ");
}

#[test]
fn what_cannot_be_read_stops_everybody_and_stays() {
    let repo = seen();
    forge(&repo, TOTAL_FILE, r#"{"v":2,"op":"merged"}"#);
    forge(&repo, TOTAL_FILE, "not JSON \u{1b}[2J");
    assert_snapshot!(plain(&repo.guard(["triage", "list"])), @r#"
    exit: 3
    stdout:
    undecided  k1:0123456789abcdef01234567   71.2  IndexError: list index out of range
               line 3: it is of version 2, and this guard knows only 1
    open       k1:01ffffffffffffffffffffff   40.0  QueueFull: <num> waiting
    open       k1:aaaaaaaaaaaaaaaaaaaaaaaa   12.0  Oops\u{1b}[2J\u{202e}\nok
    3 issues: 1 undecided, 2 open
    stderr:
    "#);
    assert_snapshot!(plain(&repo.guard(["triage", "show", TOTAL])), @"
    exit: 3
    stdout:
    undecided: k1:0123456789abcdef01234567
      IndexError: list index out of range
      line 3: it is of version 2, and this guard knows only 1
      line 4: it cannot be read: expected ident at line 1 column 2
      12 events, [at] to [at]
      score 71.2, act yes
      2 operations
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["triage", "claim", TOTAL])), @"
    exit: 3
    stdout:
    stderr:
    error: nobody knows the state of k1:0123456789abcdef01234567: `git show refs/koan/triage:k1/01/23456789abcdef01234567`, line 3: it is of version 2, and this guard knows only 1
    ");
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
    assert_snapshot!(decide("ada", "ada@example.com", &ignore), @"
    exit: 0
    stdout:
    ignored: k1:0123456789abcdef01234567
    stderr:
    ");
    // A key that nobody is known by, and one of somebody else.
    let confirm = ["confirm", QUEUE, "--base", "main"];
    assert_snapshot!(decide("eve", "eve@example.com", &confirm), @"
    exit: 2
    stdout:
    stderr:
    error: this key is not that of `eve@example.com` by the trusted ref
    hint: a person commits the key to `.koan-guard/allowed_signers` there, under the address that `user.email` says
    ");
    assert!(decide("ada", "grace@example.com", &confirm).starts_with("exit: 2\n"));
    // Without a signature one may say so, and it is said that nobody knows who it was.
    assert_snapshot!(decide("", "ada@example.com", &confirm), @"
    exit: 0
    stdout:
    confirmed: k1:01ffffffffffffffffffffff
    stderr:
    not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`
    ");
    assert_snapshot!(decide("", "ada@example.com", &["reopen", TOTAL, "--base", "main"]), @"
    exit: 1
    stdout:
    not reopened: k1:0123456789abcdef01234567: ada@example.com signed what this would undo; a person may, with `--key`
    stderr:
    not signed, so it is worth what anybody's word is worth: name your key with `--key`, or `git config --global koan.approveKey FILE`
    ");
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
    assert_snapshot!(decide("", "", &["show", QUEUE, "--base", "main"]), @"
    exit: 0
    stdout:
    open: k1:01ffffffffffffffffffffff
      QueueFull: <num> waiting
      12 events, [at] to [at]
      score 40.0, act yes
      confirmed by ada@example.com (unsigned), [at]
      does not count: ignored by ada@example.com (unsigned), [at]: its signature is not that of who it names
      4 operations
    stderr:
    ");
    assert_snapshot!(decide("", "", &["log", TOTAL, "--base", "main"]), @"
    exit: 0
    stdout:
      1  [at]  seen       digest@example.com (unsigned); events 12; title IndexError: list index out of range
      2  [at]  ranked     digest@example.com (unsigned); score 71.2; act yes
      3  [at]  ignored    ada@example.com (signed); because we know
      4  [at]  reopened   ada@example.com (unsigned); does not count: a person signed what it would undo
    stderr:
    ");
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
        for what in ["claim", "release"] {
            let mut command = repo.guard_command(["triage", what, TOTAL]);
            let answer = repo.answer_of(command.env(name, value));
            assert!(answer.starts_with("exit: 0\n"), "{answer}");
        }
    }
}
