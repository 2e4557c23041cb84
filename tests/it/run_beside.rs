//! The loop beside what a project's tests need, and beside other machines.

use std::fs;
use std::path::Path;

use crate::run::{branch, put, says, shop};
use crate::support::Repo;
use crate::support::samples::CART_FIXED;

const NOW: &str = crate::run::NOW;

/// The dependency that `setup` installs, and a server that keeps count of the runs.
const TEST: &str = "\
import os
import socket
import unittest

import taxes
from cart import total


def ask(text):
    with socket.create_connection((os.environ['REDIS_HOST'], int(os.environ['REDIS_PORT']))) as link:
        link.sendall(text.encode())
        return link.recv(1000).decode().strip()


class Total(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(ask('INCR runs\\r\\n'), ':1')
        self.assertEqual(total([1, 2]), 3)
";

const TEST_OF_BUG: &str = "
    def test_of_nothing(self):
        self.assertEqual(ask('EXISTS nothing\\r\\n'), ':0')
        self.assertEqual(total([]), taxes.NONE)
";

const SETUP: &str = "python3 -m venv --without-pip .venv && cp -r requirements $(echo .venv/lib/python3.*/site-packages)/taxes";

/// What the agent's script is called by.
fn script(repo: &Repo, text: &str) -> String {
    repo.write_script("../agent.sh", &format!("#!/bin/sh\n{text}"));
    let path = repo.beside("agent.sh");
    path.to_str().expect("UTF-8").to_owned()
}

fn run_in(repo: &Repo, folder: &Path, agent: &str, name: &str) -> String {
    let mut command = repo.guard_command(["run", "--now", NOW, "--agent", agent]);
    command.env("GIT_COMMITTER_EMAIL", format!("{name}@example.com"));
    repo.answer_of(command.current_dir(folder))
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_is_proved_with_dependencies_and_beside_a_server() {
    let repo = shop("{}");
    let setup = format!("timeout: 120s, setup: ['{SETUP}'], services: [{{preset: redis}}]");
    let policy = repo
        .read(".koan-guard.yaml")
        .replace("timeout: 120s", &setup);
    assert!(policy.contains("redis"), "{policy}");
    repo.write(".koan-guard.yaml", &policy)
        .write(".gitignore", "*.log\n.venv/\n")
        .write("requirements/__init__.py", "NONE = 0\n")
        .write("test_cart.py", TEST)
        .commit("test: a total with taxes");
    // The dependency is in the room, where an agent cannot spoil it for others; the server is not.
    let agent = script(
        &repo,
        &format!(
            ".venv/bin/python3 -c 'import taxes' || exit 4\ntest -z \"$REDIS_HOST\" || exit 5\necho 'NONE = 7' >$(echo .venv/lib/python3.*/site-packages)/taxes/__init__.py\n{}{}",
            put("cart.py", CART_FIXED),
            put("test_cart.py", &format!("{TEST}{TEST_OF_BUG}")),
        ),
    );
    let said = run_in(&repo, &repo.root, &agent, "one");
    says(
        &said,
        &[
            "exit: 0",
            "1 fixed",
            "failed before, passes now: test_cart.Total.test_of_nothing",
        ],
    );
    let note = repo.git(["notes", "--ref=koan", "show", &branch(&repo)]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    assert_eq!(note["predicate"]["setup"]["lines"][0], SETUP);
    assert!(
        note["predicate"]["services"][0]["version"].is_string(),
        "{note}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn of_two_machines_on_one_remote_one_works_on_an_issue() {
    let repo = shop("{}");
    let (server, other) = (repo.beside("server.git"), repo.beside("other"));
    let (server, other) = (
        server.to_str().expect("UTF-8"),
        other.to_str().expect("UTF-8"),
    );
    repo.git(["clone", "--quiet", "--bare", ".", server]);
    repo.git(["remote", "add", "origin", server]);
    repo.git(["fetch", "--quiet", "origin"]);
    repo.git(["remote", "set-head", "origin", "main"]);
    repo.git(["clone", "--quiet", server, other]);
    let fix = put("cart.py", CART_FIXED)
        + &put("test_cart.py", crate::support::samples::CART_TEST_OF_BUG);
    let agent = script(&repo, &format!("sleep 8\n{fix}"));
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| run_in(&repo, &repo.root, &agent, "one"));
        let claimed = || {
            let said = repo.try_git([
                "--git-dir",
                server,
                "log",
                "-1",
                "--format=%s",
                "refs/koan/triage",
            ]);
            said.contains("claimed")
        };
        while !claimed() && !first.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let second = run_in(&repo, Path::new(other), &agent, "two");
        (first.join().expect("an answer"), second)
    });
    says(&first, &["exit: 0", "1 fixed"]);
    says(&second, &["exit: 0", "claimed by", "one@example.com"]);
    branch(&repo);
    let theirs = repo.git([
        "-C",
        other,
        "for-each-ref",
        "--format=%(refname)",
        "refs/heads/koan",
    ]);
    assert_eq!(theirs, "");
    // The next run of the other machine knows what came of it.
    let again = run_in(&repo, Path::new(other), &agent, "two");
    says(&again, &["exit: 0", "fixed", "nothing to do"]);
    fs::remove_dir_all(other).expect("a folder");
}
