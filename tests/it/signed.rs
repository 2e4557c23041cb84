//! Statements that are signed, and what `audit --verify` says of those that are not, or not by whom they should be.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, UNITTEST_POLICY};

const NAMESPACE: &str = "koan-guard";

/// A repository whose main branch knows CI's key, on a branch with a fix. Eve has a key too.
fn sample() -> Repo {
    let repo = Repo::python_sample();
    for name in ["ci", "eve"] {
        let mut command = repo.command("ssh-keygen", &repo.home());
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        passes(&repo.answer_of(&mut command));
    }
    let line = format!(
        "ci@example.com namespaces=\"{NAMESPACE}\" {}\n",
        public_key(&repo, "ci")
    );
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .write(".koan-guard/allowed_signers", &line)
        .commit("chore: who judges");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo.fix_honestly();
    repo
}

#[track_caller]
fn passes(answer: &str) {
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

fn public_key(repo: &Repo, name: &str) -> String {
    let text = fs::read_to_string(repo.home().join(format!("{name}.pub"))).expect("a key");
    text.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Who signs from now on; empty for nobody.
fn sign_as(repo: &Repo, name: &str) {
    let key = repo.home().join(name);
    let key = if name.is_empty() {
        ""
    } else {
        key.to_str().expect("UTF-8")
    };
    repo.git(["config", "koan.signingKey", key]);
}

fn note(repo: &Repo) -> String {
    repo.git(["notes", "--ref=koan", "show", "HEAD"])
}

fn put_note(repo: &Repo, note: &str) {
    fs::write(repo.beside("note"), note).expect("file");
    let id = repo.git(["hash-object", "-w", "../note"]);
    repo.git([
        "notes",
        "--ref=koan",
        "add",
        "--force",
        "--reuse-message",
        id.trim(),
    ]);
}

/// An envelope around a statement, signed by any key.
fn envelope(repo: &Repo, key: &str, statement: &str) -> String {
    let kind = "application/vnd.in-toto+json";
    let signed = format!(
        "DSSEv1 {} {kind} {} {statement}",
        kind.len(),
        statement.len()
    );
    let file = repo.beside("statement");
    fs::write(&file, signed).expect("file");
    drop(fs::remove_file(repo.beside("statement.sig")));
    let mut command = repo.command("ssh-keygen", &repo.home());
    command
        .args(["-Y", "sign", "-n", NAMESPACE, "-f", key])
        .arg(&file);
    passes(&repo.answer_of(&mut command));
    let signature = fs::read(repo.beside("statement.sig")).expect("a signature");
    json!({
        "payloadType": kind,
        "payload": STANDARD.encode(statement),
        "signatures": [{"sig": STANDARD.encode(signature)}],
    })
    .to_string()
}

fn statement_of(line: &str) -> String {
    let envelope: Value = serde_json::from_str(line).expect("JSON");
    let payload = STANDARD.decode(envelope["payload"].as_str().expect("text"));
    String::from_utf8(payload.expect("base64")).expect("UTF-8")
}

/// The answer without ids: keys are made anew, and commits with them.
fn plain(answer: &str) -> String {
    let ids = regex::Regex::new(r"\b[0-9a-f]{10}\b").expect("regular expression");
    ids.replace_all(answer, "[id]").into_owned()
}

fn verify(repo: &Repo) -> String {
    plain(&repo.guard(["audit", "main..HEAD", "--verify"]))
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_signed_statement_is_valid() {
    let repo = sample();
    sign_as(&repo, "ci");
    passes(&repo.guard(["check", "HEAD"]));
    assert_snapshot!(verify(&repo), @"
    exit: 0
    stdout:
    valid     [id]  fix: total of an empty cart  [test_cart.Total.test_of_nothing; 1 kept; judged by check]
      signed by ci@example.com
    1 commit, 1 with a note, 0 unproved
    stderr:
    ");
    // Once is enough, and the statement in it is the one that would stand there unsigned.
    passes(&repo.guard(["check", "HEAD"]));
    let note = note(&repo);
    assert_eq!(note.trim_end().lines().count(), 1, "{note}");
    let statement: Value = serde_json::from_str(&statement_of(note.trim_end())).expect("JSON");
    assert_eq!(statement["predicateType"], "urn:koan-guard:fail-to-pass:v1");
    assert!(plain(&repo.guard(["audit", "main..HEAD"])).contains("stated    [id]"));
    // What `ssh-keygen` itself says of it.
    let envelope: Value = serde_json::from_str(note.trim_end()).expect("JSON");
    let sig = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().expect("text"));
    let payload = statement_of(note.trim_end());
    let kind = "application/vnd.in-toto+json";
    let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    fs::write(repo.beside("sig"), sig.expect("base64")).expect("file");
    fs::write(repo.beside("signed"), signed).expect("file");
    let script = "ssh-keygen -Y verify -f .koan-guard/allowed_signers -I ci@example.com -n koan-guard -s ../sig <../signed";
    let mut command = repo.command("sh", &repo.root);
    let answer = repo.answer_of(command.args(["-c", script]));
    assert!(
        answer.contains("Good \"koan-guard\" signature for ci@example.com"),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_unsigned_statement_is_none_where_signatures_count() {
    let repo = sample();
    passes(&repo.guard(["check", "HEAD"]));
    passes(&repo.guard(["audit", "main..HEAD"]));
    assert_snapshot!(verify(&repo), @"
    exit: 1
    stdout:
    UNPROVED  [id]  fix: total of an empty cart  [unsigned: test_cart.Total.test_of_nothing; 1 kept; judged by check]
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    // CI adds its own to it.
    sign_as(&repo, "ci");
    passes(&repo.guard(["check", "HEAD"]));
    assert_eq!(note(&repo).trim_end().lines().count(), 2);
    passes(&verify(&repo));
}

#[test]
fn nobody_without_the_key_can_state_anything() {
    let repo = sample();
    sign_as(&repo, "eve");
    passes(&repo.guard(["check", "HEAD"]));
    assert_snapshot!(verify(&repo), @"
    exit: 1
    stdout:
    FORGED    [id]  fix: total of an empty cart  [forged note; branch `koan/1`]
      signed with a key that `.koan-guard/allowed_signers` on the trusted ref gives to nobody for `koan-guard`
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    let by_eve = note(&repo);
    sign_as(&repo, "ci");
    put_note(&repo, "x\n");
    passes(&repo.guard(["check", "HEAD"]));
    let good = note(&repo).lines().last().expect("a line").to_owned();
    let statement = statement_of(&good);
    let without_its_payload = |payload: &str| {
        let mut envelope: Value = serde_json::from_str(&good).expect("JSON");
        envelope["payload"] = STANDARD.encode(payload).into();
        envelope.to_string()
    };
    let changed = statement.replace("test_of_nothing", "test_of_all");
    let of_policy = statement.replace("\"policy\":{\"digest\":\"", "\"policy\":{\"digest\":\"0");
    let of_trees = statement.replace("\"trees\":{\"parent\":\"", "\"trees\":{\"parent\":\"0");
    let broken = good.replace("\"sig\":\"", "\"sig\":\"AAAA");
    for (name, note, expected) in [
        ("by another key", by_eve, "FORGED"),
        ("changed", without_its_payload(&changed), "FORGED"),
        ("no signature", broken, "FORGED"),
        ("not in its envelope", statement.clone(), "unsigned"),
        (
            "by another policy",
            envelope(&repo, "ci", &of_policy),
            "another policy",
        ),
        (
            "with other trees",
            envelope(&repo, "ci", &of_trees),
            "other trees",
        ),
    ] {
        put_note(&repo, &format!("{note}\n"));
        let answer = verify(&repo);
        assert!(
            answer.starts_with("exit: 1\n") && answer.contains(expected),
            "{name}: {answer}"
        );
        assert!(!answer.contains("valid"), "{name}: {answer}");
        // Beside them all, the good one counts.
        put_note(&repo, &format!("{note}\n{good}\n"));
        let answer = verify(&repo);
        assert!(answer.contains("valid     [id]"), "{name}: {answer}");
    }
    // Two by the same judge that disagree.
    let other = envelope(
        &repo,
        "ci",
        &statement.replace("test_of_nothing", "test_of_all"),
    );
    put_note(&repo, &format!("{good}\n{other}\n"));
    assert_snapshot!(verify(&repo), @"
    exit: 1
    stdout:
    UNPROVED  [id]  fix: total of an empty cart  [contradictory note; branch `koan/1`]
      lines 1 and 2 of the note disagree about the tests that the fix turned green: neither is believed, and both stay
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
    // A copy beside another commit.
    repo.write(
        "cart.py",
        &CART_FIXED.replace("result = 0", "result = int()"),
    )
    .commit("fix: again");
    put_note(&repo, &format!("{good}\n"));
    assert_snapshot!(plain(&repo.guard(["audit", "HEAD~1..HEAD", "--verify"])), @"
    exit: 1
    stdout:
    UNPROVED  [id]  fix: again  [stale note; branch `koan/1`]
      its statement was copied from [id], which is in the same history: it says nothing of this commit
      made here by git, and no hook of the guard's ran: not installed then, or `core.hooksPath` led elsewhere
    1 commit, 1 with a note, 1 unproved
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_key_that_is_taken_out_of_the_list_takes_its_statements_back() {
    let repo = sample();
    sign_as(&repo, "ci");
    passes(&repo.guard(["check", "HEAD"]));
    passes(&verify(&repo));
    repo.git(["switch", "--quiet", "main"]);
    let line = format!(
        "ci@example.com namespaces=\"koan-guard-approve\" {}\n",
        public_key(&repo, "ci")
    );
    repo.write(".koan-guard/allowed_signers", &line)
        .commit("chore: another purpose");
    repo.git(["switch", "--quiet", "koan/1"]);
    assert!(verify(&repo).contains("FORGED"));
    // The list that the branch itself has says nothing.
    let line = format!(
        "eve@example.com namespaces=\"{NAMESPACE}\" {}\n",
        public_key(&repo, "eve")
    );
    repo.write(".koan-guard/allowed_signers", &line)
        .commit("chore: mine");
    assert!(verify(&repo).contains("FORGED"));
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_range_that_was_signed_vouches_for_its_commits() {
    let repo = sample();
    repo.git(["reset", "--quiet", "--soft", "main"]);
    repo.git(["restore", "--staged", "cart.py"]);
    repo.git([
        "commit",
        "--quiet",
        "--no-verify",
        "--message",
        "test: total of an empty cart",
    ]);
    repo.commit("fix: total of an empty cart");
    sign_as(&repo, "ci");
    passes(&repo.guard(["check", "main..koan/1"]));
    assert_snapshot!(verify(&repo), @"
    exit: 0
    stdout:
    valid     [id]  fix: total of an empty cart  [test_cart.Total.test_of_nothing; 1 kept; judged by check]
      signed by ci@example.com
    in-range  [id]  test: total of an empty cart  [accepted as part of [id]..[id]]
    2 commits, 1 with a note, 0 unproved
    stderr:
    ");
    assert_eq!(
        repo.git(["rev-list", "--count", "refs/notes/koan"]).trim(),
        "1",
        "one commit for both"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn which_key_signs() {
    let repo = sample();
    let key = repo.home().join("ci");
    let key = key.to_str().expect("UTF-8");
    // git's own, where it is an SSH key.
    repo.git(["config", "user.signingkey", key]);
    passes(&repo.guard(["check", "HEAD"]));
    assert!(
        note(&repo).starts_with("{\"_type\""),
        "gpg.format says nothing of SSH"
    );
    repo.git(["config", "gpg.format", "ssh"]);
    passes(&repo.guard(["check", "HEAD"]));
    assert!(note(&repo).contains("\"payloadType\""));
    passes(&verify(&repo));
    // A program that the repository names is not run.
    repo.git(["update-ref", "-d", "refs/notes/koan"]);
    repo.git(["config", "gpg.ssh.program", "/bin/false"]);
    passes(&repo.guard(["check", "HEAD"]));
    passes(&verify(&repo));
    // git's key may fail to sign; one that is named for this may not.
    repo.git(["update-ref", "-d", "refs/notes/koan"]);
    repo.git(["config", "user.signingkey", "/nowhere"]);
    assert_snapshot!(plain(&repo.guard(["check", "HEAD"])), @"
    exit: 0
    stdout:
    accepted: [id] fix: total of an empty cart
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of [id] (main, the local default branch)
    stderr:
    the statement is not signed: `/nowhere` signed nothing; `git config koan.signingKey FILE` names another key, and an empty one says that none is wanted
    ");
    assert!(note(&repo).starts_with("{\"_type\""));
    repo.git(["config", "koan.signingKey", "/nowhere"]);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(
        answer.starts_with("exit: 2\n") && answer.contains("signed nothing"),
        "{answer}"
    );
    // Nobody signs what a cache says.
    sign_as(&repo, "ci");
    passes(&repo.guard(["check", "HEAD", "--use-cache"]));
    assert!(!note(&repo).contains("payloadType"));
}
