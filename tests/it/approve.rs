//! A person decides, with a key; and everything that only looks like it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST_OF_BUG, UNITTEST_POLICY};

const MESSAGE: &str = "fix: total of an empty cart";
const NAMESPACE: &str = "koan-guard-approve";
const BECAUSE: &str = "the test needs a till that is not here";

#[test]
fn a_person_answers_for_what_could_not_be_proved() {
    let repo = with_fix();
    assert!(repo.guard(["check", "HEAD"]).contains("refused[no-test]"));
    assert_snapshot!(plain(&approve(&repo, "HEAD", "no-test")), @"
    exit: 0
    stdout:
    approved by ada@example.com: `no-test` does not count for [id]
    stderr:
    ");
    assert_snapshot!(plain(&repo.guard(["check", "HEAD"])), @"
    exit: 0
    stdout:
    accepted: [id] fix: total of an empty cart
      accepted by ada@example.com: `no-test`, because the test needs a till that is not here
      nothing was proved: a person answers for it
      lane repair (asked for), policy of [id] (main, the local default branch)
    stderr:
    ");
    assert!(repo.guard(["check", "main..HEAD"]).starts_with("exit: 0\n"));
    assert_snapshot!(plain(&repo.guard(["audit", "main..HEAD"])), @"
    exit: 0
    stdout:
    approved  [id]  fix: total of an empty cart  [missing note; branch `koan/1`]
      accepted by ada@example.com: `no-test`, because the test needs a till that is not here
    overruled by people: no-test 1
    1 commit, 0 with a note, 0 unproved
    stderr:
    ");
    // Said once, however often it is signed.
    let json = repo.guard(["check", "HEAD", "--format", "json"]);
    assert!(json.contains(r#""person": "ada@example.com""#), "{json}");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert_eq!(
        note.lines().count(),
        1,
        "no proof, and no statement of one: {note}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_proof_is_made_all_the_same_where_the_perimeter_is_overruled() {
    let repo = sample();
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("feat: total of an empty cart");
    approve(&repo, "HEAD", "type-not-allowed");
    assert_snapshot!(plain(&repo.guard(["check", "HEAD"])), @"
    exit: 0
    stdout:
    accepted: [id] feat: total of an empty cart
      accepted by ada@example.com: `type-not-allowed`, because the test needs a till that is not here
      FAIL_TO_PASS  test_cart.Total.test_of_nothing
                    it failed with: IndexError: list index out of range
      PASS_TO_PASS  1 test
      run by unittest, CPython [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of [id] (main, the local default branch)
    stderr:
    ");
    repo.write("test_cart.py", "").commit("feat: no tests");
    approve(&repo, "HEAD", "type-not-allowed");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(!answer.contains("type-not-allowed"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_range_is_approved_as_a_whole_by_one_signature() {
    let repo = with_fix();
    repo.write("cart.py", &CART_FIXED.replace("result", "sum"))
        .commit("fix: say what it is");
    assert!(repo.guard(["check", "main..HEAD"]).starts_with("exit: 1\n"));
    assert_snapshot!(plain(&approve(&repo, "main..HEAD", "no-test")), @"
    exit: 0
    stdout:
    approved by ada@example.com: `no-test` does not count for [id], [id]
    stderr:
    ");
    assert!(repo.guard(["check", "main..HEAD"]).starts_with("exit: 0\n"));
    // One commit more, and the whole is another.
    repo.write("cart.py", CART).commit("fix: back");
    let answer = repo.guard(["check", "main..HEAD"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
}

#[test]
fn an_open_verdict_names_the_command() {
    let repo = sample();
    repo.write("cart.py", "prices = 1\n").commit("fix: one");
    repo.git(["switch", "--quiet", "main"]);
    repo.write("cart.py", "prices = 2\n").commit("feat: two");
    repo.git(["switch", "--quiet", "koan/1"]);
    repo.try_git(["merge", "--quiet", "main"]);
    repo.write("cart.py", "prices = 3\n").commit("Merge main");
    let answer = repo.guard(["check", "HEAD"]);
    assert_snapshot!(plain(&answer), @"
    exit: 3
    stdout:
    undecided: [id] Merge main
    undecided[conflict-resolved]: this merge resolves a conflict, and how is a person's decision
      why: when in doubt, do not act
      next: a person decides
      needs a person: koan-guard approve [id] --rule conflict-resolved --because TEXT
      lane repair (asked for), policy of [id] (main, the local default branch)
    stderr:
    ");
    let rev = repo.git(["rev-parse", "--short=10", "HEAD"]);
    approve(&repo, rev.trim(), "conflict-resolved");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(
        answer.contains("accepted by ada@example.com: `conflict-resolved`"),
        "{answer}"
    );
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
}

#[test]
fn what_could_not_count_is_not_signed() {
    let repo = with_fix();
    assert_snapshot!(plain(&approve(&repo, "HEAD", "secret-added")), @"
    exit: 2
    stdout:
    stderr:
    error: `secret-added` is decided by nobody: what it finds may not be let pass by one change's approval
    hint: a person makes such a change in a commit of their own, outside lane `repair`
    ");
    assert_snapshot!(plain(&approve(&repo, "HEAD", "no-tset")), @"
    exit: 2
    stdout:
    stderr:
    error: there is no rule `no-tset`
    hint: the answer of `check` names it in brackets: `refused[RULE]`, `undecided[RULE]`
    ");
    assert_snapshot!(plain(&approve_with(&repo, "eve", "HEAD", &[])), @r#"
    exit: 2
    stdout:
    stderr:
    error: this key is no person's by `.koan-guard/allowed_signers` on the trusted ref (main)
    hint: a person commits this line there: `EMAIL namespaces="koan-guard-approve" KEYTYPE KEY`
    "#);
    assert!(
        approve_with(&repo, "ada", "HEAD", &["--until", "2020-01-01"])
            .contains("a day that is over")
    );
    assert!(
        approve_with(&repo, "ada", "HEAD", &["--because", " "]).contains("the reason is empty")
    );
    assert!(approve_with(&repo, "nobody", "HEAD", &[]).contains("signed nothing"));
    for (name, value) in [("CLAUDECODE", "1"), ("CODEX_CI", "1")] {
        let mut command =
            repo.guard_command(["approve", "HEAD", "--rule", "no-test", "--because", "x"]);
        let answer = repo.answer_of(command.env(name, value));
        assert!(answer.contains("the mark of an agent"), "{answer}");
    }
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--no-verify",
        "--no-edit",
        "--author",
        "Ada <ADA@example.com>",
    ]);
    assert_snapshot!(plain(&approve(&repo, "HEAD", "no-test")), @"
    exit: 2
    stdout:
    stderr:
    error: `fix: total of an empty cart` was made by the person who would approve it
    hint: somebody else decides
    ");
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn an_approval_ends() {
    let repo = with_fix();
    approve_with(&repo, "ada", "HEAD", &["--until", "2999-12-31"]);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.contains("(until 2999-12-31)"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_only_looks_like_an_approval_is_none() {
    let repo = with_fix();
    approve(&repo, "HEAD", "no-test");
    let good = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let good = good.trim();
    let statement = statement_of(good);
    let with = |from: &str, to: &str| {
        assert!(statement.contains(from), "{statement}");
        statement.replace(from, to)
    };
    let in_part = |name: &str, value: Value| {
        let mut envelope: Value = serde_json::from_str(good).expect("JSON");
        envelope[name] = value;
        envelope.to_string()
    };
    let because = with(BECAUSE, "an agent says so");
    let rule = with("\"no-test\"", "\"no-fix\"");
    let tree = repo.git(["rev-parse", "HEAD^{tree}"]);
    let parent_tree = repo.git(["rev-parse", "HEAD~1^{tree}"]);
    let head = repo.git(["rev-parse", "HEAD"]);
    let digest = statement
        .split("\"policy\":{\"digest\":\"")
        .nth(1)
        .expect("a digest")[..64]
        .to_owned();
    let other_digest = "0".repeat(64);
    let attacks = [
        ("unsigned", statement.clone()),
        (
            "signed by nobody known",
            sign(&repo, "eve", NAMESPACE, &statement),
        ),
        ("signed for git", sign(&repo, "ada", "git", &statement)),
        (
            "signed for files",
            sign(&repo, "ada", "koan-guard", &statement),
        ),
        (
            "another reason under the same signature",
            in_part("payload", STANDARD.encode(&because).into()),
        ),
        ("another rule", sign(&repo, "ada", NAMESPACE, &rule)),
        (
            "every rule",
            sign(&repo, "ada", NAMESPACE, &with("\"no-test\"", "\"*\"")),
        ),
        (
            "another commit",
            sign(&repo, "ada", NAMESPACE, &with(head.trim(), &"1".repeat(40))),
        ),
        (
            "another tree",
            sign(
                &repo,
                "ada",
                NAMESPACE,
                &with(tree.trim(), parent_tree.trim()),
            ),
        ),
        (
            "another parent",
            sign(
                &repo,
                "ada",
                NAMESPACE,
                &with(parent_tree.trim(), tree.trim()),
            ),
        ),
        (
            "another policy",
            sign(&repo, "ada", NAMESPACE, &with(&digest, &other_digest)),
        ),
        (
            "expired",
            sign(
                &repo,
                "ada",
                NAMESPACE,
                &with(
                    "\"guardVersion\"",
                    "\"until\":\"2026-01-01\",\"guardVersion\"",
                ),
            ),
        ),
        (
            "another kind",
            sign(
                &repo,
                "ada",
                NAMESPACE,
                &with("urn:koan-guard:approval:v1", "urn:koan-guard:approval:v2"),
            ),
        ),
        (
            "no base64",
            in_part(
                "payload",
                format!("!{}", STANDARD.encode(&statement)).into(),
            ),
        ),
        ("no signature", in_part("signatures", serde_json::json!([]))),
        (
            "an empty signature",
            in_part("signatures", serde_json::json!([{"sig": ""}])),
        ),
        (
            "a signature of noise",
            in_part(
                "signatures",
                serde_json::json!([{"sig": STANDARD.encode("x".repeat(5000))}]),
            ),
        ),
        ("another type", in_part("payloadType", "text/plain".into())),
        ("cut in two", good.replacen(',', ",\n", 1)),
        (
            "much noise",
            format!("{}\n", "{\"payloadType\":1}\n".repeat(20_000)),
        ),
    ];
    for (name, note) in &attacks {
        put_note(&repo, note);
        let answer = repo.guard(["check", "HEAD"]);
        assert!(answer.starts_with("exit: 1\n"), "{name}: {answer}");
        assert!(answer.contains("refused[no-test]"), "{name}: {answer}");
    }
    let audit = repo.guard(["audit", "main..HEAD"]);
    assert!(
        audit.starts_with("exit: 1\n") && audit.contains("UNPROVED"),
        "{audit}"
    );
    // Among them all, the good one still counts, and it is the only one that is named.
    let forged: Vec<&str> = attacks[..9].iter().map(|(_, note)| note.as_str()).collect();
    put_note(&repo, &format!("{}\n{good}\n", forged.join("\n")));
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert_eq!(answer.matches("accepted by").count(), 1, "{answer}");
    assert!(answer.contains(BECAUSE), "{answer}");
    // More than anybody reads is nothing that was read.
    put_note(&repo, &format!("{good}\n{}", "x".repeat(70 << 20)));
    assert!(repo.guard(["check", "HEAD"]).starts_with("exit: 3\n"));
    put_note(&repo, good);
    assert!(repo.guard(["check", "HEAD"]).starts_with("exit: 0\n"));

    // It stays with its commit: neither a copy nor the same tree under another message has it.
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--no-verify",
        "--message",
        "fix: another word",
    ]);
    put_note(&repo, good);
    assert!(repo.guard(["check", "HEAD"]).contains("refused[no-test]"));
}

#[test]
fn what_no_person_may_overrule_stays_refused() {
    let repo = with_fix();
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .commit("fix: run it");
    approve(&repo, "HEAD", "no-test");
    let statement = statement_of(repo.git(["notes", "--ref=koan", "show", "HEAD"]).trim());
    for rule in ["path-protected", "too-many-files", "no-fix"] {
        let line = sign(&repo, "ada", NAMESPACE, &statement.replace("no-test", rule));
        let note = repo.try_git(["notes", "--ref=koan", "show", "HEAD"]);
        let note = note
            .split("stdout:\n")
            .nth(1)
            .and_then(|rest| rest.split("stderr:").next());
        put_note(&repo, &format!("{}{line}\n", note.expect("a note")));
    }
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.contains("refused[path-protected]"), "{answer}");
    assert!(!answer.contains("refused[too-many-files]"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_keys_are_those_of_the_trusted_branch_of_today() {
    let repo = with_fix();
    approve(&repo, "HEAD", "no-test");
    let accepted = || repo.guard(["check", "HEAD"]).starts_with("exit: 0\n");
    assert!(accepted());
    let keys = repo.git(["show", "main:.koan-guard/allowed_signers"]);
    let ours = format!("namespaces=\"{NAMESPACE}\"");
    for (name, text) in [
        ("taken away", String::new()),
        ("for anything", keys.replace(&ours, "")),
        ("for git", keys.replace(&ours, "namespaces=\"git\"")),
        (
            "for a pattern of purposes",
            keys.replace(&ours, "namespaces=\"koan*\""),
        ),
        (
            "for a pattern of people",
            keys.replace("ada@example.com", "*@example.com"),
        ),
        (
            "for the author",
            keys.replace("ada@example.com", "author@example.com"),
        ),
        (
            "for the author too",
            keys.replace("ada@example.com", "ada@example.com,committer@example.com"),
        ),
        (
            "over",
            keys.replace(&ours, &format!("valid-before=\"20200101\",{ours}")),
        ),
        (
            "another's",
            keys.replace(&public_key(&repo, "ada"), &public_key(&repo, "eve")),
        ),
    ] {
        signers(&repo, &text);
        assert!(!accepted(), "{name}");
    }
    signers(
        &repo,
        &format!(
            "# people\n\n{}",
            keys.replace(&ours, &format!("{ours},valid-before=\"29990101\""))
        ),
    );
    assert!(accepted());

    // What the branch itself says of keys is part of what is judged.
    let eve = keys.replace(&public_key(&repo, "ada"), &public_key(&repo, "eve"));
    repo.write(".koan-guard/allowed_signers", &eve)
        .commit("fix: a key");
    assert!(approve_with(&repo, "eve", "HEAD", &[]).contains("this key is no person's"));
    assert!(
        repo.guard(["check", "HEAD"])
            .contains("refused[path-protected]")
    );
}

/// The sample with Ada's key on `main`, on a topic branch.
fn sample() -> Repo {
    let repo = Repo::python_sample();
    for name in ["ada", "eve"] {
        let mut command = repo.command("ssh-keygen", &repo.home());
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        let answer = repo.answer_of(&mut command);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
    }
    let line = format!(
        "ada@example.com namespaces=\"{NAMESPACE}\" {}\n",
        public_key(&repo, "ada")
    );
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .write(".koan-guard/allowed_signers", &line)
        .commit("chore: who decides");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
    repo
}

/// The same with a fix that has no test.
fn with_fix() -> Repo {
    let repo = sample();
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    repo
}

/// Puts another list of keys on `main`.
fn signers(repo: &Repo, text: &str) {
    repo.git(["switch", "--quiet", "main"]);
    repo.write(".koan-guard/allowed_signers", text)
        .commit("chore: keys");
    repo.git(["switch", "--quiet", "koan/1"]);
}

/// Kind and key, without the comment.
fn public_key(repo: &Repo, name: &str) -> String {
    let text = fs::read_to_string(repo.home().join(format!("{name}.pub"))).expect("a key");
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}

fn approve(repo: &Repo, rev: &str, rule: &str) -> String {
    approve_with(repo, "ada", rev, &["--rule", rule])
}

/// Approves `no-test`, unless `more` says otherwise.
fn approve_with(repo: &Repo, key: &str, rev: &str, more: &[&str]) -> String {
    let mut args = vec!["approve", rev, "--key"];
    let key = repo.home().join(key);
    args.push(key.to_str().expect("UTF-8"));
    for (name, default) in [("--rule", "no-test"), ("--because", BECAUSE)] {
        if !more.contains(&name) {
            args.extend([name, default]);
        }
    }
    args.extend(more);
    let before = repo.state();
    let answer = repo.answer_of(repo.guard_command([]).args(args));
    assert_eq!(repo.state(), before);
    answer
}

/// The answer without ids: keys are made anew, and commits with them.
fn plain(answer: &str) -> String {
    let ids = regex::Regex::new(r"\b[0-9a-f]{10}\b").expect("regular expression");
    ids.replace_all(answer, "[id]").into_owned()
}

/// The statement in an envelope.
fn statement_of(line: &str) -> String {
    let envelope: Value = serde_json::from_str(line).expect("JSON");
    let payload = STANDARD.decode(envelope["payload"].as_str().expect("text"));
    String::from_utf8(payload.expect("base64")).expect("UTF-8")
}

/// An envelope around a statement, signed by any key for any purpose.
fn sign(repo: &Repo, key: &str, namespace: &str, statement: &str) -> String {
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
        .args(["-Y", "sign", "-n", namespace, "-f", key])
        .arg(&file);
    let answer = repo.answer_of(&mut command);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let signature = fs::read(repo.beside("statement.sig")).expect("a signature");
    serde_json::json!({
        "payloadType": kind,
        "payload": STANDARD.encode(statement),
        "signatures": [{"sig": STANDARD.encode(signature)}],
    })
    .to_string()
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
