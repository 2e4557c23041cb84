//! Histories that are not what they look like. Lane `agent` judges them by the perimeter alone, which is all that these stories are about.

use std::io::Write as _;
use std::process::Stdio;

use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG, UNITTEST_POLICY};

const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// What `check` says of a range, or of a commit.
#[track_caller]
fn check(repo: &Repo, range: &str, exit: u8, parts: &[&str]) -> String {
    let answer = repo.guard(["check", range, "--base", "main", "--lane", "agent"]);
    assert!(answer.starts_with(&format!("exit: {exit}\n")), "{answer}");
    for part in parts {
        assert!(answer.contains(part), "no `{part}` in\n{answer}");
    }
    answer
}

/// `main`, with two branches of one commit each that start from it: `topic`, checked out, and `other`.
fn branches(topic: impl Fn(&Repo), other: impl Fn(&Repo)) -> Repo {
    let repo = Repo::python_sample();
    repo.write("a.txt", LINES)
        .write("b.py", LINES)
        .commit("chore: files");
    for (name, change) in [("other", &other as &dyn Fn(&Repo)), ("topic", &topic)] {
        repo.git(["switch", "--quiet", "--create", name, "main"]);
        change(&repo);
        repo.commit(&format!("chore: {name}"));
    }
    repo
}

fn edit(from: &'static str, to: &'static str) -> impl Fn(&Repo) {
    move |repo| {
        repo.write("b.py", &LINES.replace(from, to));
    }
}

/// A commit made of this object, with `refs/heads/made` on it.
fn object(repo: &Repo, kind: &str, data: &[u8]) -> String {
    let mut command = repo.command("git", &repo.root);
    command.args(["hash-object", "-w", "--literally", "--stdin", "-t", kind]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git");
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(data)
        .expect("written");
    let output = child.wait_with_output().expect("git");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

#[test]
fn a_merge_that_git_makes_alone_holds_nothing_to_judge() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git(["merge", "--quiet", "--message", "Merge other", "other"]);
    let answer = check(&repo, "main..topic", 0, &["clean merge: "]);
    assert!(!answer.contains("merge-introduces-changes"), "{answer}");
}

#[test]
fn a_merge_that_drops_one_side_is_a_change() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git([
        "merge",
        "--quiet",
        "--strategy=ours",
        "--message",
        "Merge other",
        "other",
    ]);
    check(
        &repo,
        "main..topic",
        1,
        &["refused[merge-introduces-changes]"],
    );
}

#[test]
fn a_conflict_that_is_resolved_by_an_option_is_still_one() {
    let repo = branches(edit("5", "ours"), edit("5", "theirs"));
    repo.git([
        "merge",
        "--quiet",
        "--strategy-option=theirs",
        "--message",
        "Merge other",
        "other",
    ]);
    check(&repo, "topic", 3, &["this merge resolves a conflict"]);
}

#[test]
fn a_merge_of_a_renamed_file_is_made_again() {
    let moved = |repo: &Repo| {
        repo.git(["mv", "b.py", "c.py"]);
    };
    let repo = branches(moved, edit("9", "nine"));
    repo.git(["merge", "--quiet", "--message", "Merge other", "other"]);
    let answer = repo.guard(["check", "main..topic", "--base", "main", "--lane", "agent"]);
    assert!(answer.contains("clean merge: "), "{answer}");
}

#[test]
fn a_merge_made_by_plumbing_is_judged_by_its_tree() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.write("evil.py", "evil = 1\n");
    repo.git(["add", "evil.py"]);
    let tree = repo.git(["write-tree"]);
    let made = repo.git([
        "commit-tree",
        tree.trim(),
        "-p",
        "topic",
        "-p",
        "other",
        "-m",
        "Merge other",
    ]);
    repo.git(["update-ref", "refs/heads/made", made.trim()]);
    check(
        &repo,
        "main..made",
        1,
        &[
            "refused[merge-introduces-changes]",
            "differs from its parents' automatic merge in 2 files",
        ],
    );
}

#[test]
fn a_merge_of_three_has_a_reason_of_its_own() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git(["switch", "--quiet", "--create", "third", "main"]);
    repo.write("a.txt", "third\n").commit("chore: third");
    repo.git(["switch", "--quiet", "topic"]);
    repo.git([
        "merge",
        "--quiet",
        "--message",
        "Merge both",
        "other",
        "third",
    ]);
    check(
        &repo,
        "topic",
        1,
        &["the merge has 3 parents, and one of more than two is not made again"],
    );
}

#[test]
fn many_small_commits_are_one_large_change() {
    let repo = Repo::python_sample();
    repo.write("b.py", &"x = 1\n".repeat(60))
        .commit("chore: file");
    repo.git(["switch", "--quiet", "--create", "topic"]);
    for n in 1..=3 {
        let text = format!(
            "{}{}",
            "y = 2\n".repeat(n * 10),
            "x = 1\n".repeat(60 - n * 10)
        );
        repo.write("b.py", &text).commit("chore: a slice");
    }
    let answer = check(
        &repo,
        "main..topic",
        1,
        &["as one change\nrefused[too-many-lines]: 60 production lines"],
    );
    assert_eq!(answer.matches("refused[").count(), 1, "{answer}");
}

#[test]
fn a_history_of_its_own_is_judged_as_a_root() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git(["switch", "--quiet", "--orphan", "island"]);
    repo.write("island.py", "1\n").commit("chore: island");
    repo.git(["switch", "--quiet", "topic"]);
    repo.git([
        "merge",
        "--quiet",
        "--allow-unrelated-histories",
        "--message",
        "Merge island",
        "island",
    ]);
    let answer = repo.guard(["check", "main..topic", "--base", "main", "--lane", "agent"]);
    assert!(!answer.starts_with("exit: 0"), "{answer}");
    let answer = repo.guard(["check", "main..island", "--base", "main"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("have no common history"), "{answer}");
}

/// Each of `main` and `topic` merged what the other one was.
fn crossed(change: impl Fn(&Repo)) -> Repo {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git(["switch", "--quiet", "main"]);
    change(&repo);
    repo.commit("chore: main moves");
    let was = repo.git(["rev-parse", "main"]);
    repo.git(["merge", "--quiet", "--message", "Merge topic", "topic"]);
    repo.git(["switch", "--quiet", "topic"]);
    repo.git(["merge", "--quiet", "--message", "Merge main", was.trim()]);
    repo.write("a.txt", "topic\n")
        .commit("chore: topic goes on");
    repo
}

#[test]
fn histories_that_cross_are_judged_by_one_policy_or_not_at_all() {
    let repo = crossed(|repo| {
        repo.write("a.txt", "main\n");
    });
    check(&repo, "topic", 0, &[]);
    let repo = crossed(|repo| {
        repo.write(
            ".koan-guard.yaml",
            &format!("{UNITTEST_POLICY}  samples: 4\n"),
        );
    });
    check(
        &repo,
        "topic",
        3,
        &["the histories cross", "whose policies differ"],
    );
}

#[test]
fn a_commit_that_git_would_not_make_is_not_judged() {
    let repo = Repo::python_sample();
    let head = repo.git(["rev-parse", "HEAD"]);
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.write("note.md", "1\n").commit("chore: note");
    let tree = repo.git(["rev-parse", "HEAD^{tree}"]);
    let good = "A <a@example.com> 1700000000 +0000";
    for (author, extra, expected) in [
        (good, "", ""),
        (
            "A <a@example.com> 01700000000 +0000",
            "",
            "its author has a date that begins with zero",
        ),
        (
            "A<a@example.com> 1700000000 +0000",
            "",
            "no space before the address",
        ),
        (
            good,
            "mergetag object 11\n",
            "its header `mergetag` is shown by no log",
        ),
        (
            good,
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n",
            "its header `tree` is repeated or out of order",
        ),
        (
            good,
            "encoding utf-7\n",
            "its message is written in `utf-7`",
        ),
    ] {
        let data = format!(
            "tree {tree}parent {head}author {author}\ncommitter {good}\n{extra}\nchore: made\n"
        );
        let made = object(&repo, "commit", data.as_bytes());
        check(
            &repo,
            &made,
            if expected.is_empty() { 0 } else { 3 },
            &[expected],
        );
    }
}

#[test]
fn a_tree_that_git_would_not_write_is_not_judged() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.write("note.txt", "1\n").commit("chore: note");
    let blob = repo.git(["rev-parse", "HEAD:note.txt"]);
    let id: Vec<u8> = (0..20)
        .map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).expect("hex"))
        .collect();
    for (entries, expected) in [
        (["100644 a\0", "100664 b\0"], "`b` has the mode `100664`"),
        (
            ["100644 b\0", "100644 a\0"],
            "`a` is there twice or out of order",
        ),
        (
            ["100644 a\0", "100644 a\0"],
            "`a` is there twice or out of order",
        ),
    ] {
        let data: Vec<u8> = entries
            .iter()
            .flat_map(|entry| [entry.as_bytes(), &id].concat())
            .collect();
        let tree = object(&repo, "tree", &data);
        let made = repo.git(["commit-tree", &tree, "-p", "topic", "-m", "chore: made"]);
        let answer = repo.guard(["check", made.trim(), "--lane", "agent"]);
        assert!(answer.starts_with("exit: 3\n"), "{answer}");
        assert!(
            answer.contains("is not one that git would write") && answer.contains(expected),
            "{answer}"
        );
    }
}

#[test]
fn a_name_that_means_two_things_is_not_judged() {
    let repo = branches(edit("1", "one"), edit("9", "nine"));
    repo.git(["tag", "main", "topic"]);
    let answer = repo.guard(["check", "HEAD", "--base", "main"]);
    assert!(answer.starts_with("exit: 2\n"), "{answer}");
    assert!(
        answer.contains("`main` is ambiguous: it may mean `refs/tags/main`, `refs/heads/main`"),
        "{answer}"
    );
    repo.git(["tag", "--delete", "main"]);
    let id = repo.git(["rev-parse", "--short=10", "main"]);
    repo.git(["branch", id.trim(), "topic"]);
    let answer = repo.guard(["check", id.trim(), "--base", "main"]);
    assert!(
        answer.starts_with("exit: 2\n") && answer.contains("a ref is named like an id"),
        "{answer}"
    );
}

#[test]
fn the_exact_revert_of_a_commit_is_a_persons_decision() {
    let repo = Repo::with_honest_fix();
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.git(["revert", "--no-edit", "HEAD"]);
    let answer = repo.guard(["check", "HEAD", "--base", "main"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("it takes back exactly what "), "{answer}");
    // With anything else in it, it is a change like any other.
    repo.write("cart.py", &format!("{CART_FIXED}\n"))
        .git(["add", "cart.py"]);
    repo.git(["commit", "--quiet", "--amend", "--no-edit"]);
    let answer = repo.guard(["check", "HEAD", "--base", "main"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_exact_revert_passes_where_the_policy_lets_a_green_suite_decide() {
    let repo = Repo::with_honest_fix();
    let fix = repo.git(["rev-parse", "HEAD"]);
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}  reverts: allow\n"),
    )
    .commit("chore: reverts may pass");
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.git(["revert", "--no-edit", fix.trim()]);
    let short = &fix[..10];
    let judged = |repo: &Repo, exit: u8, parts: &[&str]| {
        let answer = repo.guard(["check", "HEAD", "--base", "main"]);
        assert!(answer.starts_with(&format!("exit: {exit}\n")), "{answer}");
        for part in parts {
            assert!(answer.contains(part), "no `{part}` in\n{answer}");
        }
    };
    judged(
        &repo,
        0,
        &[
            &format!("it takes back exactly what `{short}` did, and no test breaks"),
            "PASS_TO_PASS  1 test\n",
        ],
    );

    let range = repo.guard(["check", "topic", "--base", "main"]);
    assert!(range.starts_with("exit: 0\n"), "{range}");
    let audit = repo.guard(["audit", "main..topic", "--base", "main"]);
    assert!(audit.contains(&format!("takes back {short}")), "{audit}");

    // What is protected stays a person's.
    repo.git(["switch", "--quiet", "main"]);
    repo.write(".github/workflows/ci.yml", "on: push\n")
        .write("cart.py", &format!("{CART_FIXED}\n\nRATE = 2\n"))
        .commit("chore: a workflow and a rate");
    repo.git(["switch", "--quiet", "--force-create", "topic"]);
    repo.git(["revert", "--no-edit", "HEAD"]);
    let answer = repo.guard(["check", "HEAD", "--base", "main"]);
    assert!(!answer.starts_with("exit: 0\n"), "{answer}");
    repo.git(["switch", "--quiet", "main"]);
    repo.git(["reset", "--quiet", "--hard", "HEAD~1"]);

    // Somebody builds on the fix: without it, what they test breaks.
    repo.git(["switch", "--quiet", "main"]);
    repo.write(
        "test_later.py",
        "import unittest\nfrom cart import total\n\n\nclass Later(unittest.TestCase):\n    def test_nothing(self):\n        self.assertEqual(total([]), 0)\n",
    )
    .commit("test: nothing has a total");
    repo.git(["switch", "--quiet", "--force-create", "topic"]);
    repo.git(["revert", "--no-edit", fix.trim()]);
    judged(
        &repo,
        1,
        &["refused[broken]: `test_later.Later.test_nothing`"],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn in_lane_agent_only_a_fix_is_proved() {
    let repo = Repo::python_sample();
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.write("cart.py", CART_FIXED)
        .commit("feat: carts may be empty");
    check(
        &repo,
        "topic",
        0,
        &["nothing was proved: lane `agent` does not ask for it"],
    );
    repo.git([
        "commit",
        "--quiet",
        "--amend",
        "--message",
        "fix: carts may be empty",
    ]);
    check(&repo, "topic", 1, &["refused[no-test]"]);
    repo.write("test_cart.py", CART_TEST_OF_BUG)
        .git(["add", "test_cart.py"]);
    repo.git(["commit", "--quiet", "--amend", "--no-edit"]);
    check(
        &repo,
        "topic",
        0,
        &["FAIL_TO_PASS  test_cart.Total.test_of_nothing"],
    );
}

#[test]
fn in_ci_a_person_is_whom_the_policy_lists() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        &format!("{UNITTEST_POLICY}lanes: {{people: [ada]}}\n"),
    )
    .commit("chore: people");
    repo.git(["switch", "--quiet", "--create", "topic"]);
    repo.write("note.txt", "1\n").commit("a note");
    let lane = |pusher: &[&str]| {
        let mut command =
            repo.guard_command(["check", "topic", "--base", "main", "--lane", "auto"]);
        repo.answer_of(command.args(pusher))
    };
    let listed = lane(&["--pusher", "Ada"]);
    assert!(
        listed.contains("lane human (pushed by `Ada`, no mark of an agent)"),
        "{listed}"
    );
    let unknown = lane(&["--pusher", "eve"]);
    assert!(
        unknown.contains("lane repair (pusher `eve` is none of `lanes.people`)"),
        "{unknown}"
    );
    let unnamed = lane(&[]);
    assert!(
        unnamed.contains("lane repair (`lanes.people` lists who pushes, and nobody is named)"),
        "{unnamed}"
    );
}
