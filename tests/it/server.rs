//! A guarded server, tried by pushing to it, over a path and over HTTP.

use std::path::PathBuf;
use std::process::Command;
use std::{fs, thread};

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::http::Server;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, UNITTEST_POLICY};

const MESSAGE: &str = "fix: total of an empty cart";

#[test]
fn the_owner_is_told_what_is_missing() {
    let repo = Repo::python_sample();
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    assert_snapshot!(in_bare(&repo, ["install", "--server"]), @"
    exit: 0
    stdout:
    hooks in `[temp]/bare.git/hooks`
      pre-receive    added
    note: whoever pushes is judged as an agent, because nobody is known as a person: `git config koan.pusherFrom REMOTE_USER` names the variable in which the server tells who pushes, and `git config --add koan.person NAME` a person
    note: git itself does not look at what is pushed: `git config receive.fsckObjects true`
    stderr:
    ");
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "koan.pusherFrom",
        "REMOTE_USER",
    ]);
    repo.git(["-C", "../bare.git", "config", "koan.person", "ada"]);
    repo.git(["-C", "../bare.git", "config", "receive.fsckObjects", "true"]);
    assert_snapshot!(in_bare(&repo, ["install", "--server"]), @"
    exit: 0
    stdout:
    hooks in `[temp]/bare.git/hooks`
      pre-receive    there already
    stderr:
    ");
    assert_snapshot!(in_bare(&repo, ["uninstall", "--server"]), @"
    exit: 0
    stdout:
    hooks in `[temp]/bare.git/hooks`
      pre-receive    removed
    stderr:
    ");
    assert_snapshot!(in_bare(&repo, ["install"]), @"
    exit: 2
    stdout:
    stderr:
    error: nobody commits in a bare repository
    hint: `koan-guard install --server` judges what is pushed to it
    ");
}

#[test]
fn a_topic_branch_is_taken_with_a_proof() {
    let repo = served();
    fix(&repo);
    assert_snapshot!(push(&repo, &["koan/1"]), @"
    exit: 0
    stdout:
    stderr:
    remote: refs/heads/koan/1:
    remote: accepted: e9eb8ae2e6 fix: total of an empty cart
    remote:   FAIL_TO_PASS  test_cart.Total.test_of_nothing
    remote:                 it failed with: IndexError: list index out of range
    remote:   PASS_TO_PASS  1 test
    remote:   run by unittest, CPython [version], suite all, sandbox [level] in [time]
    remote:   lane repair (this server does not say who pushes (`koan.pusherFrom`)), policy of a3e325c1ec (main, the local default branch)
    ");
    assert_eq!(there(&repo, "koan/1"), repo.git(["rev-parse", "HEAD"]));
    // And so is the default branch, with the same commit: that is judged anew.
    assert!(push(&repo, &["koan/1:main"]).contains("FAIL_TO_PASS"));
    assert_eq!(there(&repo, "main"), repo.git(["rev-parse", "HEAD"]));
    assert_snapshot!(push(&repo, &["koan/1:koan/2"]), @"
    exit: 0
    stdout:
    stderr:
    remote: accepted: refs/heads/koan/2
    remote:   it has no commit that the default branch has not
    ");
}

#[test]
fn what_is_not_proved_is_taken_nowhere() {
    let repo = served();
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    let before = files(&repo);
    assert_snapshot!(push(&repo, &["koan/1"]), @"
    exit: 1
    stdout:
    stderr:
    remote: refs/heads/koan/1:
    remote: refused: bef109cf85 fix: total of an empty cart
    remote: refused[no-test]: the change adds or changes no test
    remote:   why: a fix without a test that failed before it is a guess
    remote:   next: add a test that fails without the fix, in the same commit
    remote:   lane repair (this server does not say who pushes (`koan.pusherFrom`)), policy of a3e325c1ec (main, the local default branch)
    To ../bare.git
     ! [remote rejected] koan/1 -> koan/1 (pre-receive hook declined)
    error: failed to push some refs to '../bare.git'
    ");
    let answer = push(&repo, &["koan/1:main"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
    assert_eq!(files(&repo), before, "nothing is written on the server");
}

#[test]
fn a_commit_that_is_added_to_a_topic_branch_is_judged_with_all_of_it() {
    let repo = served_by_perimeter();
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    assert_snapshot!(push(&repo, &["koan/1"]), @"
    exit: 0
    stdout:
    stderr:
    remote: refs/heads/koan/1:
    remote: accepted: bef109cf85 fix: total of an empty cart
    remote:   nothing was proved: this server takes topic branches by their perimeter, and the default branch only with a proof
    remote:   lane repair (this server does not say who pushes (`koan.pusherFrom`)), policy of a3e325c1ec (main, the local default branch)
    ");
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .commit("fix: run it");
    repo.git(["rm", "--quiet", ".github/workflows/ci.yml"]);
    repo.commit("fix: and back");
    let answer = push(&repo, &["koan/1"]);
    assert!(answer.contains("refused[path-protected]"), "{answer}");
    // What a server takes unproved it does not take into the default branch.
    let answer = push(&repo, &["HEAD~2:main"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn everything_but_topic_branches_is_closed_to_agents() {
    let repo = served_by_perimeter();
    repo.git(["-C", "../bare.git", "branch", "release"]);
    repo.write("cart.py", CART_FIXED).commit(MESSAGE);
    let head = repo.git(["rev-parse", "HEAD"]);
    repo.git(["tag", "v1"]);
    repo.git(["tag", "--annotate", "--message", "x", "v2"]);
    repo.git(["notes", "--ref=koan", "add", "--message", "{}"]);
    repo.git(["notes", "add", "--message", "x"]);
    assert!(push(&repo, &["koan/1"]).starts_with("exit: 0\n"));
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--no-verify",
        "--message",
        "fix: again",
    ]);
    let replaced = format!("HEAD:refs/replace/{}", head.trim());
    let before = files(&repo);
    for (spec, rule) in [
        ("+koan/1", "push-forced"),
        (":koan/1", "push-deleted"),
        (":main", "push-deleted"),
        ("+main~0:main", "push-forced"),
        (":release", "push-not-topic"),
        ("HEAD:release", "push-not-topic"),
        ("HEAD:feature", "push-not-topic"),
        ("HEAD:refs/heads/KOAN/1", "push-not-topic"),
        ("v1", "push-tag"),
        ("v2", "push-tag"),
        (replaced.as_str(), "push-replace"),
        ("refs/notes/koan", "push-own-ref"),
        ("refs/notes/koan:refs/notes/koan-approvals", "push-own-ref"),
        ("HEAD:refs/koan/triage", "push-own-ref"),
        ("refs/notes/commits", "push-notes"),
        ("HEAD:refs/pull/1/head", "push-elsewhere"),
    ] {
        if spec == "+main~0:main" {
            repo.git(["branch", "--quiet", "--force", "main", &orphan(&repo)]);
        }
        let answer = push(&repo, &[spec]);
        assert!(
            answer.contains(&format!("refused[{rule}]")),
            "{spec}: {answer}"
        );
        assert!(answer.starts_with("exit: 1\n"), "{spec}: {answer}");
        // One bad line keeps the good ones out.
        let answer = push(&repo, &["HEAD:koan/2", spec]);
        assert!(
            answer.contains(&format!("refused[{rule}]")),
            "{spec}: {answer}"
        );
    }
    assert_eq!(files(&repo), before);
    assert_snapshot!(push(&repo, &["+koan/1", "v1", ":release"]), @"
    exit: 1
    stdout:
    stderr:
    remote: refused: refs/heads/koan/1
    remote: refused[push-forced]: `refs/heads/koan/1` would lose commits that it has
    remote:   why: what was pushed may be somebody's work, and the record of an attempt
    remote:   next: push to a new topic branch, or add commits instead of rewriting them
    remote:   judged as an agent's push: this server does not say who pushes (`koan.pusherFrom`)
    remote: refused: refs/heads/release
    remote: refused[push-not-topic]: `refs/heads/release` is neither the default branch nor in `lanes.repair.branches`
    remote:   why: an agent works on topic branches; the others belong to people
    remote:   next: push to a topic branch such as `koan/NAME`
    remote:   judged as an agent's push: this server does not say who pushes (`koan.pusherFrom`)
    remote: refused: refs/tags/v1
    remote: refused[push-tag]: `refs/tags/v1` is a tag
    remote:   why: a tag may start a release, which a person decides
    remote:   next: ask a person to tag it
    remote:   judged as an agent's push: this server does not say who pushes (`koan.pusherFrom`)
    To ../bare.git
     ! [remote rejected] koan/1 -> koan/1 (pre-receive hook declined)
     ! [remote rejected] release (pre-receive hook declined)
     ! [remote rejected] v1 -> v1 (pre-receive hook declined)
    error: failed to push some refs to '../bare.git'
    ");
}

#[test]
fn what_the_pusher_says_makes_nobody_a_person() {
    let repo = served_by_perimeter();
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "koan.pusherFrom",
        "GITEA_PUSHER_NAME",
    ]);
    repo.git(["-C", "../bare.git", "config", "koan.person", "ada"]);
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "receive.advertisePushOptions",
        "true",
    ]);
    repo.write(
        "../home/.gitconfig",
        "[koan]\n\tperson = eve\n\tpusherFrom = KOAN_PUSHER\n\treceive = perimeter\n",
    );
    repo.git(["tag", "v1"]);
    let mut command = repo.command("git", &repo.root);
    command.args([
        "push",
        "--quiet",
        "--push-option=GITEA_PUSHER_NAME=ada",
        "--push-option=ada",
    ]);
    command.args(["../bare.git", "v1"]);
    command
        .env("KOAN_PUSHER", "ada")
        .env("REMOTE_USER", "ada")
        .env("HTTP_GITEA_PUSHER_NAME", "ada");
    let answer = answer_of(&repo, &mut command);
    assert!(answer.contains("refused[push-tag]"), "{answer}");
    assert!(
        answer.contains("`GITEA_PUSHER_NAME` names nobody"),
        "{answer}"
    );
    // The user's own configuration, which over a path is the hook's too, adds no person.
    let answer = answer_of(&repo, command.env("GITEA_PUSHER_NAME", "eve"));
    assert!(
        answer.contains("`eve` is no `koan.person` of this server"),
        "{answer}"
    );
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "koan.pusherFrom",
        "GIT_PUSH_OPTION_0",
    ]);
    let answer = answer_of(&repo, &mut command);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
    assert!(
        answer.contains("which may be the pusher's own choice"),
        "{answer}"
    );
    repo.git(["-C", "../bare.git", "config", "koan.receive", "nothing"]);
    assert!(push(&repo, &["v1"]).contains("neither `proof` nor `perimeter`"));
}

#[test]
fn a_policy_comes_from_a_person_and_then_holds_for_agents() {
    let repo = Repo::empty();
    repo.write("cart.py", "1\n").commit("feat: a cart");
    repo.git([
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        "../bare.git",
    ]);
    people(&repo);
    let server = Server::start(&repo);
    assert_snapshot!(push_as(&repo, &server, "bot", &["main"]), @"
    exit: 1
    stdout:
    stderr:
    remote: error: no policy to judge by: `refs/heads/main` has no commit yet
    remote: hint: a person, known to this server by `koan.person`, pushes the first one
    To http://[server]/bare.git
     ! [remote rejected] main -> main (pre-receive hook declined)
    error: failed to push some refs to 'http://[server]/bare.git'
    ");
    assert_snapshot!(push_as(&repo, &server, "ada", &["main"]), @"
    exit: 0
    stdout:
    stderr:
    remote: not judged: refs/heads/main: no policy to judge by: `refs/heads/main` has no commit yet
    ");
    assert!(
        push_as(&repo, &server, "bot", &["main:koan/1"]).contains("there is no `.koan-guard.yaml`")
    );
    repo.write(".koan-guard.yaml", UNITTEST_POLICY)
        .commit("chore: guard agents");
    assert!(push_as(&repo, &server, "ada", &["main"]).starts_with("exit: 0\n"));
    // An agent's branch from before the policy has none, and one from before a change has another.
    repo.git(["switch", "--quiet", "--create", "koan/1", "main~1"]);
    repo.write("cart.py", "2\n").commit("fix: it");
    let answer = push_as(&repo, &server, "bot", &["koan/1"]);
    assert!(
        answer.contains("there is no `.koan-guard.yaml`"),
        "{answer}"
    );
    repo.git(["switch", "--quiet", "--create", "koan/2", "main"]);
    repo.write("cart.py", "2\n").commit("fix: it");
    repo.git(["switch", "--quiet", "main"]);
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}  samples: 4\n"),
    )
    .commit("chore: look closer");
    assert!(push_as(&repo, &server, "ada", &["main"]).starts_with("exit: 0\n"));
    assert_snapshot!(push_as(&repo, &server, "bot", &["koan/2"]), @"
    exit: 1
    stdout:
    stderr:
    remote: undecided: refs/heads/koan/2
    remote: undecided[old-policy]: it began before the policy of the default branch changed
    remote:   why: an older policy may be a weaker one
    remote:   next: rebase onto the default branch, and push it under a new name
    To http://[server]/bare.git
     ! [remote rejected] koan/2 -> koan/2 (pre-receive hook declined)
    error: failed to push some refs to 'http://[server]/bare.git'
    ");
    repo.git([
        "-C",
        "../bare.git",
        "symbolic-ref",
        "HEAD",
        "refs/heads/none",
    ]);
    assert!(
        push_as(&repo, &server, "bot", &["koan/2"]).contains("`refs/heads/none` has no commit yet")
    );
}

#[test]
fn people_push_what_agents_may_not_and_marks_count_all_the_same() {
    let repo = served_by_perimeter();
    people(&repo);
    let server = Server::start(&repo);
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "receive.denyDeletes",
        "false",
    ]);
    repo.git(["switch", "--quiet", "--create", "work"]);
    repo.write("cart.py", CART_FIXED).commit("feat: free carts");
    repo.git(["tag", "v1"]);
    let answer = push_as(&repo, &server, "ada", &["work", "v1"]);
    assert_eq!(answer, "exit: 0\nstdout:\nstderr:\n");
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--no-verify",
        "--message",
        "feat: again",
    ]);
    assert!(push_as(&repo, &server, "ada", &["+work"]).starts_with("exit: 0\n"));
    assert!(push_as(&repo, &server, "ada", &[":v1"]).starts_with("exit: 0\n"));
    // A header of the pusher's is not the server's word.
    let mut command = repo.command("git", &repo.root);
    command.args(["-c", "http.extraHeader=Remote-User: ada", "push", "--quiet"]);
    let answer = answer_of(&repo, command.args([&server.url("bot", "bare.git"), "v1"]));
    assert!(answer.contains("refused[push-tag]"), "{answer}");
    // Nor does a person's push launder what an agent made.
    repo.write("cart.py", "prices = []\n");
    repo.commit("fix: total of an empty cart\n\nCo-authored-by: Claude <noreply@anthropic.com>");
    let answer = push_as(&repo, &server, "ada", &["work:main"]);
    assert!(answer.contains("refused[no-test]"), "{answer}");
    // What has no common history is a person's business, but not on the default branch.
    let orphan = orphan(&repo);
    assert_snapshot!(push_as(&repo, &server, "ada", &[&format!("{orphan}:refs/heads/pages")]), @"
    exit: 0
    stdout:
    stderr:
    remote: not judged: refs/heads/pages: it has no history in common with the default branch
    ");
    let answer = push_as(&repo, &server, "ada", &[&format!("+{orphan}:main")]);
    assert!(answer.contains("no common history"), "{answer}");
    let answer = push_as(
        &repo,
        &server,
        "bot",
        &[&format!("{orphan}:refs/heads/koan/9")],
    );
    assert!(answer.contains("no history in common"), "{answer}");
}

#[test]
fn a_policy_that_observes_refuses_nothing_and_says_so() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}mode: observe\n"),
    )
    .commit("chore: observe");
    serve(&repo);
    repo.git(["-C", "../bare.git", "config", "koan.receive", "perimeter"]);
    repo.git(["tag", "v1"]);
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .commit("fix: run it");
    assert_snapshot!(push(&repo, &["v1", "koan/1"]), @"
    exit: 0
    stdout:
    stderr:
    remote: would refuse: refs/tags/v1
    remote: refused[push-tag]: `refs/tags/v1` is a tag
    remote:   why: a tag may start a release, which a person decides
    remote:   next: ask a person to tag it
    remote:   judged as an agent's push: this server does not say who pushes (`koan.pusherFrom`)
    remote: refs/heads/koan/1:
    remote: would refuse: 7088a7989f fix: run it
    remote: would refuse[too-many-files]: 1 production files added, at most 0
    remote:   why: a small fix stays local; nobody reads a large one line by line
    remote:   next: fix one cause at a time
    remote: would refuse[path-protected]: .github/workflows/ci.yml: `.github/workflows/ci.yml` matches `.github`, which is always protected
    remote:   why: some files decide what is safe; an agent that could change them would judge itself
    remote:   next: leave the file as it is; a person changes it in a commit of their own
    remote:   lane repair (this server does not say who pushes (`koan.pusherFrom`)), policy of e3baa526c9 (main, the local default branch)
    remote:   the policy observes here (`mode: observe`): nothing is refused, and no statement is written
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn two_pushers_at_once_are_both_judged() {
    let repo = served();
    let server = Server::start(&repo);
    fix(&repo);
    repo.git(["switch", "--quiet", "--create", "koan/2", "main"]);
    repo.write("cart.py", CART_FIXED).commit("fix: no test");
    let both = |one: &str, two: &str| {
        thread::scope(|scope| {
            let one = scope.spawn(|| push_as(&repo, &server, "bot", &[one]));
            let two = scope.spawn(|| push_as(&repo, &server, "eve", &[two]));
            (one.join().expect("a push"), two.join().expect("a push"))
        })
    };
    let (one, two) = both("koan/1", "koan/2");
    assert!(
        one.starts_with("exit: 0\n") && one.contains("FAIL_TO_PASS"),
        "{one}"
    );
    assert!(
        two.starts_with("exit: 1\n") && two.contains("refused[no-test]"),
        "{two}"
    );

    // Both are proved, both want to be the next commit of the default branch, and one of them is.
    repo.git(["switch", "--quiet", "--create", "koan/3", "main"]);
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit("fix: an empty cart costs nothing");
    let (one, two) = both("koan/1:main", "koan/3:main");
    let n_taken = [&one, &two]
        .iter()
        .filter(|answer| answer.starts_with("exit: 0\n"))
        .count();
    assert_eq!(n_taken, 1, "{one}\n{two}");
    let landed = there(&repo, "main");
    let proved = ["koan/1", "koan/3"].map(|name| repo.git(["rev-parse", name]));
    assert!(proved.contains(&landed));
}

/// The sample with a server that guards it, and a topic branch.
fn served() -> Repo {
    let repo = Repo::python_sample();
    serve(&repo);
    repo
}

/// The same, whose topic branches are taken without a proof.
fn served_by_perimeter() -> Repo {
    let repo = served();
    repo.git(["-C", "../bare.git", "config", "koan.receive", "perimeter"]);
    repo
}

fn serve(repo: &Repo) {
    repo.git(["clone", "--quiet", "--bare", ".", "../bare.git"]);
    let answer = in_bare(repo, ["install", "--server"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    repo.git(["switch", "--quiet", "--create", "koan/1"]);
}

/// Makes `ada` a person where the web server says who pushes.
fn people(repo: &Repo) {
    repo.git([
        "-C",
        "../bare.git",
        "config",
        "koan.pusherFrom",
        "REMOTE_USER",
    ]);
    repo.git(["-C", "../bare.git", "config", "koan.person", "ada"]);
    in_bare(repo, ["install", "--server"]);
}

fn fix(repo: &Repo) {
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", CART_TEST_OF_BUG)
        .commit(MESSAGE);
}

/// A commit without parents.
fn orphan(repo: &Repo) -> String {
    let id = repo.git(["commit-tree", "-m", "feat: pages", "HEAD^{tree}"]);
    id.trim().to_owned()
}

fn in_bare<const N: usize>(repo: &Repo, args: [&str; N]) -> String {
    repo.answer_of(
        repo.guard_command(args)
            .current_dir(repo.beside("bare.git")),
    )
}

fn push(repo: &Repo, refs: &[&str]) -> String {
    let mut command = repo.command("git", &repo.root);
    answer_of(
        repo,
        command.args(["push", "--quiet", "../bare.git"]).args(refs),
    )
}

fn push_as(repo: &Repo, server: &Server, user: &str, refs: &[&str]) -> String {
    let mut command = repo.command("git", &repo.root);
    command.args(["push", "--quiet", &server.url(user, "bare.git")]);
    let answer = answer_of(repo, command.args(refs));
    answer.replace(&server.address(), "[server]")
}

/// The answer without the spaces that git puts behind what the other side says.
fn answer_of(repo: &Repo, command: &mut Command) -> String {
    let answer = repo.answer_of(command);
    answer
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Where a branch of the server stands.
fn there(repo: &Repo, name: &str) -> String {
    repo.git(["-C", "../bare.git", "rev-parse", name])
}

/// Every file of the server's repository with its size and time.
fn files(repo: &Repo) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![repo.beside("bare.git")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            let meta = fs::symlink_metadata(&path).expect("metadata");
            if meta.is_dir() {
                folders.push(path.clone());
            }
            let size = if meta.is_dir() { 0 } else { meta.len() };
            found.push(format!("{} {size}", path.display()));
        }
    }
    found.sort();
    found
}
