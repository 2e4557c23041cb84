//! Dependencies that are installed before the tests run, from the trusted tree.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

/// Installs a module `taxes` into a virtual environment, and a rate into `HOME`.
const INSTALL: &str = "python3 -m venv --without-pip .venv && cp -r requirements $(echo .venv/lib/python3.*/site-packages)/taxes && echo 7 > ~/rate";

/// A cart whose tests need what setup installs.
const TEST: &str = "\
import pathlib
import unittest

import taxes
from cart import total


class Total(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(total([1, 2]), 3)

    def test_of_the_rate(self):
        rate = pathlib.Path.home() / 'rate'
        self.assertEqual(int(rate.read_text()), taxes.RATE)
        rate.write_text('spoilt')
        pathlib.Path('.venv/pyvenv.cfg').write_text('spoilt')
";

const TEST_OF_BUG: &str = "
    def test_of_nothing(self):
        self.assertEqual(total([]), 0)
";

fn policy(proof: &str) -> String {
    format!("version: 1\nextends: [default, python]\nproof:\n  runner: unittest\n{proof}")
}

/// A project with a bug and with `setup` lines; the fix is committed.
fn with_setup(lines: &[&str], more: &str) -> Repo {
    let lines: String = lines
        .iter()
        .map(|line| format!("    - {}\n", serde_json::to_string(line).expect("a string")))
        .collect();
    let repo = Repo::empty();
    repo.write(
        ".koan-guard.yaml",
        &policy(&format!("  setup:\n{lines}{more}")),
    )
    .write("requirements/__init__.py", "RATE = 7\n")
    .write("requirements.txt", "taxes==7\n")
    .write("src/old.py", "")
    .write("cart.py", CART)
    .write("test_cart.py", TEST)
    .commit("feat: total of a cart");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}"))
        .commit("fix: total of an empty cart");
    repo
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_setup_installs_is_there_in_every_run_and_is_installed_once() {
    let repo = with_setup(&[INSTALL], "");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(
        answer.contains("  installed by `python3 -m venv"),
        "{answer}"
    );
    assert!(!repo.root.join(".venv").exists());
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    let setup = &note["predicate"]["setup"];
    assert_eq!(setup["reused"], false, "{setup}");
    assert_eq!(setup["lines"][0], INSTALL);
    assert_eq!(setup["network"], "allow");
    assert_eq!(
        setup["treeId"],
        repo.git(["rev-parse", "HEAD~1^{tree}"]).trim()
    );

    let again = repo.guard(["prove", "HEAD", "--format", "json"]);
    assert!(
        again.contains("\"reused\":true") || again.contains("\"reused\": true"),
        "{again}"
    );
}

#[test]
fn a_project_that_counts_tags_is_told_the_nearest_one() {
    let told = "$SETUPTOOLS_SCM_PRETEND_VERSION_FOR_SHOP";
    for (tags, version) in [
        (&["v1.5.0", "nightly", "v1.6.0rc1"][..], "1.5.0"),
        (&[], "9999"),
    ] {
        let repo = Repo::empty();
        let is_told = format!("test {told} = {version}");
        let is_told = serde_json::to_string(&is_told).expect("a string");
        let setup = policy(&format!("  setup: [{is_told}]\n"));
        repo.write(".koan-guard.yaml", &setup)
            .write(
                "pyproject.toml",
                "requires = ['setuptools-scm']\nname = 'shop'\n",
            )
            .write("cart.py", CART)
            .write("test_cart.py", CART_TEST)
            .commit("feat: total of a cart");
        for tag in tags {
            repo.git(["tag", tag]);
        }
        repo.write("readme.txt", "A cart.\n").commit("docs: a cart");
        repo.write("cart.py", CART_FIXED)
            .write("test_cart.py", CART_TEST_OF_BUG)
            .commit("fix: total of an empty cart");
        // Of what comes after the trusted commit nothing counts.
        repo.git(["tag", "v2.0.0"]);
        let answer = repo.guard(["check", "HEAD"]);
        assert!(answer.starts_with("exit: 0\n"), "{answer}");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_change_may_not_touch_what_setup_reads_nor_what_it_installed() {
    let repo = with_setup(
        &[INSTALL, "mkdir -p generated && touch generated/a src/b.py"],
        "",
    );
    for (path, is_refused) in [
        ("requirements.txt", true),
        ("sub/package-lock.json", true),
        ("generated/b.py", true),
        ("src/b.py", true),
        ("src/c.py", false),
    ] {
        repo.git(["checkout", "--quiet", "-B", "try", "HEAD"]);
        repo.write(path, "changed\n");
        repo.git(["add", "--all"]);
        repo.git(["commit", "--quiet", "--no-verify", "--amend", "--no-edit"]);
        let answer = repo.guard(["prove", "HEAD"]);
        let expected = format!("judge-input-changed]: `{path}`");
        assert_eq!(answer.contains(&expected), is_refused, "{path}: {answer}");
        repo.git(["checkout", "--quiet", "main"]);
    }
}

#[test]
fn a_setup_that_fails_is_undecided_and_tells_no_secret() {
    let repo = with_setup(
        &[
            "true",
            "echo \"no package for $IT_WORD at https://me:w0rd@host/\" >&2; exit 4",
        ],
        "  setup_env: [IT_WORD]\n",
    );
    let mut command = repo.guard_command(["check", "HEAD"]);
    let answer = repo.answer_of(command.env("IT_WORD", "s3cret"));
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert_snapshot!(answer, @r#"
    exit: 3
    stdout:
    undecided: 4eaf1d477e fix: total of an empty cart
    undecided[setup-failed]: `echo "no package for $IT_WORD at https://me:w0rd@host/" >&2; exit 4` ended with exit code 4
      | no package for [IT_WORD] at https://host/
      why: without its dependencies no test says anything
      next: correct `proof.setup`, or what it needs on this machine, and try again
      lane repair (asked for), policy of d202604e42 (the parent, no trusted ref is configured)
    stderr:
    "#);
}

/// What writes to the real disk, as agents do too; tests have a small one in memory.
#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_setup_that_fills_the_disk_is_ended_before_it_is_full() {
    let repo = with_setup(&["while :; do head -c 50M /dev/zero >>.heap; done"], "");
    let script = "\
set -e
mkdir -p ../home/.cache
mount -t tmpfs -o size=1500m tmpfs ../home/.cache
\"$1\" check HEAD || echo \"exit $?\"
du -sm ../home/.cache
";
    let mut command = repo.command("unshare", &repo.root);
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let answer = repo.answer_of(command.args(["sh", env!("CARGO_BIN_EXE_koan-guard")]));
    assert!(
        answer.contains("the disk filled up while the job ran"),
        "{answer}"
    );
    assert!(answer.contains("exit 3\n"), "{answer}");
    let n_left = answer.lines().find_map(|line| line.split_once("\t../home"));
    let n_left: u32 = n_left.expect("a size").0.parse().expect("a number");
    assert!(n_left < 100, "{answer}");
}

#[test]
fn a_setup_that_does_not_end_is_undecided() {
    let repo = with_setup(&["sleep 77"], "  setup_timeout: 500ms\n");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains("setup-failed"), "{answer}");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_secret_is_given_to_setup_and_to_nobody_else() {
    let line = format!("test ${{#IT_WORD}} = 6 && test -z \"$IT_OTHER\" && {INSTALL}");
    let repo = with_setup(&[&line], "  setup_env: [IT_WORD]\n");
    let no_secret = "\n    def test_of_secrets(self):\n        import os\n        self.assertNotIn('IT_WORD', os.environ)\n";
    repo.write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}{no_secret}"));
    repo.git([
        "commit",
        "--quiet",
        "--no-verify",
        "--all",
        "--amend",
        "--no-edit",
    ]);
    let mut command = repo.guard_command(["check", "HEAD"]);
    command.env("IT_WORD", "s3cret").env("IT_OTHER", "other");
    let answer = repo.answer_of(&mut command);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    assert!(
        note.contains("IT_WORD") && !note.contains("s3cret"),
        "{note}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn only_setup_has_a_network_and_only_where_it_is_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"hello"));
        }
    });
    let connect = format!("import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)");
    let line = format!("python3 -c '{connect}' && {INSTALL}");
    let unreachable = format!(
        "\n    def test_of_the_network(self):\n        with self.assertRaises(OSError):\n            {connect}\n"
    );
    for (network, expected) in [("allow", "exit: 0\n"), ("deny", "exit: 3\n")] {
        let repo = with_setup(&[&line], &format!("  setup_network: {network}\n"));
        repo.write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}{unreachable}"));
        repo.git([
            "commit",
            "--quiet",
            "--no-verify",
            "--all",
            "--amend",
            "--no-edit",
        ]);
        let answer = repo.guard(["check", "HEAD"]);
        assert!(answer.starts_with(expected), "{network}: {answer}");
    }
}

#[test]
fn what_an_earlier_commit_wants_installed_is_not_installed() {
    let repo = with_setup(&[INSTALL], "");
    repo.git(["branch", "trusted", "HEAD~1"]);
    repo.git(["config", "koan.trustedRef", "refs/heads/trusted"]);
    repo.git(["reset", "--quiet", "--hard", "HEAD~1"]);
    repo.write("requirements.txt", "other==1\n")
        .commit("build: other");
    repo.write("cart.py", CART_FIXED)
        .write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}"))
        .commit("fix: total of an empty cart");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(
        answer.contains("setup-not-trusted]: `requirements.txt`"),
        "{answer}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn tests_that_are_left_out_neither_prove_nor_refuse() {
    let broken = "
    def test_of_order(self):
        self.assertEqual(total([2, 1]), 3)
        self.assertFalse(hasattr(__import__('cart'), 'NEW'))
";
    for (exclude, expected) in [
        ("", "exit: 1\n"),
        ("  tests_exclude: ['*of_order']\n", "exit: 0\n"),
    ] {
        let repo = Repo::empty();
        let test = TEST.replace("import taxes\n", "").replace(
            "    def test_of_the_rate",
            "    @unittest.skip('no rate')\n    def test_of_the_rate",
        );
        repo.write(".koan-guard.yaml", &policy(exclude))
            .write("cart.py", CART)
            .write("test_cart.py", &format!("{test}{broken}"))
            .commit("feat: total of a cart");
        repo.write("cart.py", &format!("{CART_FIXED}\n\nNEW = 1\n"))
            .write("test_cart.py", &format!("{test}{broken}{TEST_OF_BUG}"))
            .commit("fix: total of an empty cart");
        let answer = repo.guard(["check", "HEAD"]);
        assert!(answer.starts_with(expected), "{exclude}: {answer}");
        assert_eq!(
            answer.contains("left out: *of_order"),
            !exclude.is_empty(),
            "{answer}"
        );
    }
    // A test that is left out is no proof.
    let repo = Repo::empty();
    repo.write(
        ".koan-guard.yaml",
        &policy("  tests_exclude: ['*of_nothing']\n"),
    )
    .write("cart.py", CART)
    .write("test_cart.py", "import unittest\n")
    .commit("feat: total of a cart");
    repo.fix_honestly();
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 1\n"), "{answer}");
}

#[test]
fn a_killed_guard_leaves_no_half_layer_and_nobody_alive() {
    let repo = with_setup(
        &["touch half; echo begun > ~/begun; sleep 7771"],
        "  setup_timeout: 60s\n",
    );
    let mut guard = repo
        .guard_command(["check", "HEAD"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a guard");
    let is_asleep = || processes().iter().any(|line| line.contains("sleep 7771"));
    wait_until(is_asleep);
    guard.kill().expect("killed");
    guard.wait().expect("its end");
    wait_until(|| !is_asleep());
    let area = fs::read_dir(repo.home().join(".cache/koan-guard"))
        .expect("a cache")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("lock").exists())
        .expect("a work area");
    assert!(!area.join("setup").exists());

    // The next one clears what is left and begins anew.
    repo.write(
        ".koan-guard.yaml",
        &policy(&format!(
            "  setup: [{}]\n",
            serde_json::to_string(INSTALL).expect("a string")
        )),
    )
    .commit("chore: another setup");
    repo.write("cart.py", &format!("{CART_FIXED}\n"))
        .write("test_cart.py", &format!("{TEST}{TEST_OF_BUG}\n"))
        .commit("fix: nothing");
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.contains("already-passes"), "{answer}");
    let layers = fs::read_dir(area.join("setup")).expect("layers").count();
    assert_eq!((layers, area.join("sides").exists()), (1, false));
}

fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes");
    entries
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain");
        thread::sleep(Duration::from_millis(50));
    }
}
