//! Statements that outlive their commits, and what `audit` says of those that do not belong to any.

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG};
use crate::support::{Repo, python_with_pytest};

const FIX: &str = "fix: total of an empty cart";

/// How commits are rewritten, and what that is called.
type Way<'a> = (&'a str, &'a dyn Fn(&Repo));

/// Main, and a branch `koan/1` with a red test and then its fix.
fn branch() -> Repo {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .commit("test: total of an empty cart");
    repo.write("cart.py", CART_FIXED).commit(FIX);
    repo
}

fn note(repo: &Repo, rev: &str) -> Vec<Value> {
    let note = repo.git(["notes", "--ref=koan", "show", rev]);
    note.lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).expect("a statement a line"))
        .collect()
}

fn put_note(repo: &Repo, rev: &str, note: &str) {
    fs::write(repo.beside("note"), note).expect("file");
    let id = repo.git(["hash-object", "-w", "../note"]);
    let args = [
        "notes",
        "--ref=koan",
        "add",
        "--force",
        "--reuse-message",
        id.trim(),
        rev,
    ];
    repo.git(args);
}

#[track_caller]
fn passes(answer: &str) {
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
fn a_branch_for_repairs_is_one_however_it_is_named() {
    let repo = branch();
    let unproved = |spec: &str| {
        let answer = repo.guard(["audit", spec]);
        assert!(answer.starts_with("exit: 1\n"), "{spec}: {answer}");
        assert!(answer.contains(", 2 unproved\n"), "{spec}: {answer}");
    };
    unproved("HEAD");
    unproved("main..HEAD");
    repo.git(["switch", "--quiet", "main"]);
    unproved("koan/1");
    unproved("main..refs/heads/koan/1");
    repo.git(["branch", "--quiet", "--move", "main", "develop"]);
    let answer = repo.guard(["audit", "koan/1"]);
    // Nothing says what it comes from: all of it is its own.
    assert!(answer.contains(", 3 unproved\n"), "{answer}");
    repo.git(["branch", "--quiet", "--move", "develop", "main"]);
    // What is on the trusted branch is not of the branch that stands on it.
    let answer = repo.guard(["audit"]);
    assert!(answer.contains(", 0 unproved\n"), "{answer}");

    repo.write("cart.py", "def total(prices):\n    return 7\n");
    repo.commit("chore: work by hand");
    repo.git(["branch", "--quiet", "--move", "koan/2"]);
    repo.git(["branch", "--quiet", "main", "HEAD~1"]);
    let answer = repo.guard(["check", "--lane", "auto", "main..koan/2"]);
    assert!(answer.contains("lane repair (branch `koan/2`)"), "{answer}");
    assert!(!answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_range_is_found_again_after_a_squash_on_a_moved_base() {
    let repo = branch();
    passes(&repo.guard(["check", "main..koan/1"]));
    let statements = note(&repo, "koan/1");
    assert_eq!(statements.len(), 2, "its own, and that of the range");
    let range = &statements[1]["predicate"]["range"];
    let id = |rev: &str| repo.git(["rev-parse", rev]).trim_end().to_owned();
    assert_eq!(range["base"], id("main"));
    assert_eq!(range["tip"], id("koan/1"));
    assert_eq!(range["commits"], 2);
    // The red commit has no statement of its own, and needs none.
    assert_snapshot!(repo.guard(["audit", "main..koan/1"]), @"
    exit: 0
    stdout:
    stated    6a9b800ae2  fix: total of an empty cart  [test_cart.Total.test_of_nothing; 1 kept; judged by check]
    in-range  a627e89069  test: total of an empty cart  [accepted as part of a3e325c1ec..6a9b800ae2]
    2 commits, 1 with a note, 0 unproved
    stderr:
    ");

    repo.git(["switch", "--quiet", "main"]);
    repo.write("other.py", "x = 1\n")
        .commit("feat: something else");
    repo.git(["merge", "--quiet", "--squash", "koan/1"]);
    repo.commit("fix: total of an empty cart (#1)\n\nKoan-Issue: 0a1b2c3d4e5f6071");
    repo.git(["branch", "--quiet", "-D", "koan/1"]);
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    UNPROVED  1229f97052  fix: total of an empty cart (#1)  [missing note; names an issue]
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    1 commit, 0 with a note, 1 unproved
    stderr:
    ");
    assert_snapshot!(repo.guard(["audit", "--reattach", "HEAD~1..HEAD"]), @"
    exit: 0
    stdout:
    reattached 1229f97052  fix: total of an empty cart (#1)
      the statement about a3e325c1ec..6a9b800ae2, which makes the same change
    1 statement found again; a claim until `audit --replay` runs the proof again
    stderr:
    ");
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    UNPROVED  1229f97052  fix: total of an empty cart (#1)  [claimed: test_cart.Total.test_of_nothing; 1 kept; judged by check]
      its statement is about a3e325c1ec..6a9b800ae2, which makes the same change: a claim until `audit --replay` runs the proof again
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    // A second time there is nothing to do.
    assert_snapshot!(repo.guard(["audit", "--reattach", "HEAD"]), @"
    exit: 0
    stdout:
    0 statements found again
    stderr:
    ");
    assert_snapshot!(repo.guard(["audit", "--replay", "HEAD~1..HEAD"]), @"
    exit: 0
    stdout:
    agrees     1229f97052  fix: total of an empty cart (#1)
    1 proof again: 1 agree, 0 disagree, 0 cannot run
    stderr:
    ");
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 0
    stdout:
    stated    1229f97052  fix: total of an empty cart (#1)  [test_cart.Total.test_of_nothing; 1 kept; judged by check]
    1 commit, 1 with a note, 0 unproved
    stderr:
    ");
    repo.git(["fsck", "--strict"]);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_statement_is_found_again_however_its_commit_was_rewritten() {
    let ways: [Way; 5] = [
        ("amend", &|repo| {
            repo.git([
                "commit",
                "--quiet",
                "--amend",
                "--no-verify",
                "--message",
                "fix: other words",
            ]);
        }),
        ("rebase", &|repo| {
            repo.git(["switch", "--quiet", "main"]);
            repo.write("other.py", "x = 1\n")
                .commit("feat: something else");
            repo.git(["rebase", "--quiet", "main", "koan/1"]);
        }),
        ("cherry-pick", &|repo| {
            repo.git(["switch", "--quiet", "--create", "koan/2", "main"]);
            repo.write("other.py", "x = 1\n")
                .commit("feat: something else");
            repo.git(["cherry-pick", "koan/1"]);
        }),
        ("apply", &|repo| {
            let patch = repo.git(["format-patch", "--stdout", "main..koan/1"]);
            repo.git(["switch", "--quiet", "--create", "koan/2", "main"]);
            repo.write("other.py", "x = 1\n")
                .commit("feat: something else");
            fs::write(repo.beside("patch"), patch).expect("file");
            repo.git(["am", "--quiet", "../patch"]);
        }),
        ("rewritten history", &|repo| {
            // What filter-repo does to a file that should never have been there, and to everybody's address.
            let filter = "git rm -q --cached --ignore-unmatch secret.txt";
            let env = "GIT_AUTHOR_EMAIL=other@example.com";
            let mut command = repo.command("git", &repo.root);
            command.env("FILTER_BRANCH_SQUELCH_WARNING", "1").args([
                "filter-branch",
                "--force",
                "--index-filter",
                filter,
                "--env-filter",
                env,
                "--",
                "--all",
            ]);
            passes(&repo.answer_of(&mut command));
        }),
    ];
    for (way, rewrite) in ways {
        let repo = Repo::python_sample();
        repo.write("secret.txt", "x\n").commit("chore: a file");
        repo.git(["switch", "--quiet", "--create", "koan/1"]);
        repo.fix_honestly();
        passes(&repo.guard(["check", "HEAD"]));
        rewrite(&repo);
        let before = repo.guard(["audit", "HEAD~1..HEAD"]);
        assert!(
            before.contains("UNPROVED") && before.contains("[missing note"),
            "{way}: {before}"
        );
        let found = repo.guard(["audit", "--reattach", "HEAD"]);
        assert!(found.contains("1 statement found again"), "{way}: {found}");
        let claimed = repo.guard(["audit", "HEAD~1..HEAD"]);
        assert!(
            claimed.starts_with("exit: 1\n") && claimed.contains("[claimed: "),
            "{way}: {claimed}"
        );
        repo.git(["gc", "--quiet", "--prune=now"]);
        let replayed = repo.guard(["audit", "--replay", "HEAD~1..HEAD"]);
        assert!(
            replayed.contains("1 agree, 0 disagree, 0 cannot run"),
            "{way}: {replayed}"
        );
        let stated = repo.guard(["audit", "HEAD~1..HEAD"]);
        assert!(
            stated.starts_with("exit: 0\n") && stated.contains("stated "),
            "{way}: {stated}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_claim_that_does_not_hold_is_told_by_a_replay() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.fix_honestly();
    passes(&repo.guard(["check", "HEAD"]));
    let good = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    // Somebody puts it beside a commit that proves nothing, and says that it is about this one.
    let old = repo.git(["rev-parse", "HEAD", "HEAD^{tree}", "HEAD~1^{tree}"]);
    repo.write(
        "cart.py",
        &CART_FIXED.replace("result = 0", "result = int()"),
    )
    .commit("fix: again");
    let new = repo.git(["rev-parse", "HEAD", "HEAD^{tree}", "HEAD~1^{tree}"]);
    let mut forged = good.clone();
    for (old, new) in old.lines().zip(new.lines()) {
        forged = forged.replace(old, new);
    }
    put_note(&repo, "HEAD", &forged);
    let audit = repo.guard(["audit", "HEAD~1..HEAD"]);
    assert!(
        audit.contains("stated"),
        "whoever writes the ref may say so: {audit}"
    );
    assert_snapshot!(repo.guard(["audit", "--replay", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    DISAGREES  133e62bd29  fix: again
      refused[no-test]: the change adds or changes no test
        why: a fix without a test that failed before it is a guess
        next: add a test that fails without the fix, in the same commit
        lane repair (asked for), policy of a3e325c1ec (main, the local default branch)
    1 proof again: 0 agree, 1 disagree, 0 cannot run
    stderr:
    ");
    // A mere copy is seen for what it is without a run.
    put_note(&repo, "HEAD", &good);
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    UNPROVED  133e62bd29  fix: again  [stale note; branch `koan/1`]
      its statement was copied from e9eb8ae2e6, which is in the same history: it says nothing of this commit
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
}

#[test]
fn foreign_lines_are_told_of_and_stay() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.fix_honestly();
    passes(&repo.guard(["check", "HEAD"]));
    let good = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let good = good.trim_end();
    let other = good.replace("test_of_nothing", "test_of_something");
    let lines = [
        "looks good to me",
        &good.replace("fail-to-pass:v1", "fail-to-pass:v2"),
        &good.replace("Statement/v1", "Statement/v2"),
        &good.replace(
            "urn:koan-guard:fail-to-pass:v1",
            "https://slsa.dev/provenance/v1",
        ),
        &good.replace("\"lane\":\"repair\",", ""),
        "{\"_type\":",
        "\u{1b}[2K\u{202e}",
    ];
    put_note(&repo, "HEAD", &format!("{}\n", lines.join("\n")));
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    UNPROVED  e9eb8ae2e6  fix: total of an empty cart  [unreadable note; branch `koan/1`]
      line 1 of its note is left alone: it is not a JSON object of one line
      line 2 of its note is left alone: `urn:koan-guard:fail-to-pass:v2` is of a version that koan-guard 0.1.0 does not read: upgrade it
      line 3 of its note is left alone: its `_type` is `https://in-toto.io/Statement/v2`, and `https://in-toto.io/Statement/v1` is what is read here
      line 4 of its note is left alone: it is a statement of another kind, `https://slsa.dev/provenance/v1`
      line 5 of its note is left alone: it is not of the shape that its kind has: missing field `lane`
      line 6 of its note is left alone: it is not a JSON object of one line
      line 7 of its note is left alone: it is not a JSON object of one line
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    passes(&repo.guard(["check", "HEAD"]));
    let after = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    for line in lines {
        assert!(after.contains(line), "{line}");
    }
    assert!(
        repo.guard(["audit", "HEAD~1..HEAD"])
            .starts_with("exit: 0\n")
    );
    // Two that cannot both be true.
    put_note(&repo, "HEAD", &format!("{good}\n{other}\n"));
    assert_snapshot!(repo.guard(["audit", "HEAD~1..HEAD"]), @"
    exit: 1
    stdout:
    UNPROVED  e9eb8ae2e6  fix: total of an empty cart  [contradictory note; branch `koan/1`]
      lines 1 and 2 of the note disagree about the tests that the fix turned green: neither is believed, and both stay
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    let after = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert_eq!(after.trim_end(), format!("{good}\n{other}"));
}

#[test]
fn how_unproved_commits_came_is_told() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    let edit = |n: u32| {
        let text = CART_FIXED.replace("result = 0", &format!("result = 0  # {n}"));
        repo.write("cart.py", &text).git(["add", "--all"]);
    };
    edit(1);
    repo.git(["commit", "--quiet", "--message", "fix: before the hooks"]);
    passes(&repo.guard(["install"]));
    edit(2);
    repo.git([
        "commit",
        "--quiet",
        "--no-verify",
        "--message",
        "fix: past the hooks",
    ]);
    edit(3);
    repo.git([
        "-c",
        "core.hooksPath=/dev/null",
        "commit",
        "--quiet",
        "--message",
        "fix: hooks elsewhere",
    ]);
    repo.git(["revert", "--no-edit", "HEAD"]);
    edit(4);
    let tree = repo.git(["write-tree"]);
    let id = repo.git([
        "commit-tree",
        "-p",
        "HEAD",
        "-m",
        "fix: by plumbing",
        tree.trim(),
    ]);
    repo.git(["reset", "--quiet", "--hard", id.trim()]);
    assert_snapshot!(repo.guard(["audit", "main..HEAD"]), @r#"
    exit: 1
    stdout:
    UNPROVED  aa832f2001  fix: by plumbing  [missing note; branch `koan/1`]
      not made in this clone: by somebody else, on a server, or by a client that runs no hooks
    UNPROVED  668a5c9e77  Revert "fix: hooks elsewhere"  [missing note; branch `koan/1`]
      made here by `git revert`, which runs no hook that judges
    UNPROVED  f39ead391d  fix: hooks elsewhere  [missing note; branch `koan/1`]
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    UNPROVED  97b1164e4c  fix: past the hooks  [missing note; branch `koan/1`]
      made here past the hooks: `--no-verify`, or `pre-commit` was not there
    UNPROVED  f1455d887f  fix: before the hooks  [missing note; branch `koan/1`]
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    5 commits, 0 with a note, 5 unproved
    stderr:
    "#);
    let clone = repo.beside("clone");
    repo.git(["clone", "--quiet", "--branch", "koan/1", ".", "../clone"]);
    let mut command = repo.guard_command(["audit", "origin/main..HEAD", "--base", "origin/main"]);
    let answer = repo.answer_of(command.current_dir(&clone));
    assert_eq!(
        answer.matches("not made in this clone").count(),
        5,
        "{answer}"
    );
}

#[test]
fn only_what_is_not_older_is_listed() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    let commit = |date: &str, message: &str| {
        let mut command = repo.command("git", &repo.root);
        command.args([
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-verify",
            "--message",
            message,
        ]);
        passes(&repo.answer_of(command.env("GIT_COMMITTER_DATE", date)));
    };
    commit("2026-03-01T00:00:00Z", "fix: in March");
    commit("2026-05-01T00:00:00Z", "fix: in May");
    // A date that lies makes no commit older than the one before it.
    commit("2026-01-01T00:00:00Z", "fix: says January");
    let audit = repo.guard(["audit", "main..HEAD", "--since", "2026-04-01"]);
    assert!(
        audit.contains("2 commits, 0 with a note, 2 unproved"),
        "{audit}"
    );
    assert!(!audit.contains("in March"), "{audit}");
    let audit = repo.guard(["audit", "main..HEAD", "--since", "2026-06-01"]);
    assert!(
        audit.starts_with("exit: 0\n") && audit.contains("0 commits"),
        "{audit}"
    );
}

#[test]
fn refusals_are_kept_where_that_is_asked_for() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.write("cart.py", CART_FIXED).commit(FIX);
    let refused = repo.git(["rev-parse", "HEAD"]);
    let check = |args: &[&str]| repo.answer_of(repo.guard_command(["check", "HEAD"]).args(args));
    let without = check(&[]);
    assert_eq!(repo.git(["for-each-ref", "refs/koan"]), "");
    assert_eq!(check(&["--keep-refused"]), without);
    repo.write("keys.py", "KEY = 'AKIAZ7QXN4PLM2WVTK3B'\n")
        .commit("fix: with a key");
    let secret = repo.git(["rev-parse", "HEAD"]);
    let answer = check(&["--keep-refused"]);
    assert!(answer.contains("secret-added"), "{answer}");
    assert_snapshot!(repo.guard(["audit", "--refused"]), @"
    exit: 0
    stdout:
    refused    bef109cf85  fix: total of an empty cart  [no-test]
    refused    2ad18c6e75  fix: with a key  [secret-added, too-many-files]
    most often: no-test 1, secret-added 1, too-many-files 1
    2 refusals kept
    stderr:
    ");
    let shown = |id: &str, what: &str| {
        repo.try_git([
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("refs/koan/refused/{}{what}", id.trim()),
        ])
    };
    assert!(shown(&refused, "^").contains(refused.trim()));
    // What holds a secret is told of, and not kept: refs travel.
    passes(&shown(&secret, ""));
    assert!(shown(&secret, "^").starts_with("exit: 1\n"));
    let file = format!("refs/koan/refused/{}:refusal.json", refused.trim());
    let record: Value = serde_json::from_str(&repo.git(["show", &file])).expect("JSON");
    assert_eq!(record["predicateType"], "urn:koan-guard:refusal:v1");
    assert_eq!(record["predicate"]["reasons"][0]["rule"], "no-test");
    // Where that does not work, the verdict is the same.
    for kept in [&refused, &secret] {
        repo.git([
            "update-ref",
            "-d",
            &format!("refs/koan/refused/{}", kept.trim()),
        ]);
    }
    repo.git(["update-ref", "refs/koan/refused", "HEAD"]);
    let answer = check(&["--keep-refused"]);
    assert!(
        answer.starts_with("exit: 1\n") && answer.contains("a refusal is not kept: "),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_clone_without_all_of_the_history_says_so() {
    let repo = Repo::with_honest_fix();
    passes(&repo.guard(["check", "HEAD"]));
    let url = format!("file://{}", repo.root.display());
    repo.git(["config", "uploadpack.allowFilter", "true"]);
    repo.git(["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    repo.git([
        "clone",
        "--quiet",
        "--filter=blob:none",
        "--no-checkout",
        &url,
        "../partial",
    ]);
    for clone in ["../shallow", "../partial"] {
        repo.git([
            "-C",
            clone,
            "fetch",
            "--quiet",
            "origin",
            "refs/notes/koan:refs/notes/koan",
        ]);
    }
    let audit = |clone: &str| {
        let mut command = repo.guard_command(["audit", "HEAD"]);
        repo.answer_of(command.current_dir(repo.beside(clone)))
    };
    assert_snapshot!(audit("shallow"), @"
    exit: 2
    stdout:
    stderr:
    error: the history that is needed ends at `e9eb8ae2e6cd3afd4de5c40b6e63750771e42842`, because this is a shallow clone
    hint: fetch the rest: `git fetch --unshallow`
    ");
    assert_snapshot!(audit("partial"), @"
    exit: 2
    stdout:
    stderr:
    error: read `.koan-guard.yaml`: `649e00a0999b255669aca9fc4a0be2b131f6b1ba` was left on the server, because this is a partial clone
    hint: fetch the rest: `git fetch --refetch --no-filter`, and of the notes: `git fetch --refetch --no-filter origin refs/notes/koan`
    ");
    repo.git(["-C", "../shallow", "fetch", "--quiet", "--unshallow"]);
    passes(&audit("shallow"));
}

#[test]
fn the_public_tooling_reads_a_statement() {
    let repo = branch();
    passes(&repo.guard(["check", "main..koan/1"]));
    let note = repo.git(["notes", "--ref=koan", "show", "koan/1"]);
    let log = repo.git(["log", "-1", "--notes=koan", "--format=%N", "koan/1"]);
    assert_eq!(log.trim_end(), note.trim_end());
    let script = "\
import json, sys
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
for line in sys.stdin.read().splitlines():
    statement = Statement.copy_from_pb(ParseDict(json.loads(line), statement_pb2.Statement()))
    statement.validate()
    print(statement.pb.predicate_type, sorted(statement.pb.subject[0].digest))
";
    fs::write(repo.beside("note"), &note).expect("file");
    let mut command = Command::new(python_with_pytest());
    let note = fs::File::open(repo.beside("note")).expect("file");
    command
        .args(["-c", script])
        .stdin(note)
        .stderr(Stdio::inherit());
    let output = command.output().expect("python");
    assert!(
        output.status.success(),
        "`in-toto-attestation` is missing? tests/run.sh installs it"
    );
    assert_snapshot!(String::from_utf8_lossy(&output.stdout), @"
    urn:koan-guard:fail-to-pass:v1 ['gitCommit', 'gitTree']
    urn:koan-guard:fail-to-pass:v1 ['gitCommit', 'gitTree']
    ");
}
