//! The repository that a case changes.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::Repo;

pub struct Case {
    pub name: &'static str,
    pub expected: Expected,
    pub make: fn(&Site),
}

#[derive(Clone, Copy, Debug)]
pub enum Expected {
    Accepted,
    /// By a rule, a gap or a doubt of this id, or by an error that says this.
    KeptOut(&'static str),
    /// An attack that is let through, and known to be.
    #[allow(dead_code, reason = "until one is found")]
    Missed,
}

pub const fn kept_out(by: &'static str, name: &'static str, make: fn(&Site)) -> Case {
    let expected = Expected::KeptOut(by);
    Case {
        name,
        expected,
        make,
    }
}

pub const fn accepted(name: &'static str, make: fn(&Site)) -> Case {
    let expected = Expected::Accepted;
    Case {
        name,
        expected,
        make,
    }
}

impl Case {
    pub fn is_attack(&self) -> bool {
        let is_honest = self.name.contains("honest all the same");
        !is_honest && !matches!(self.expected, Expected::Accepted)
    }

    pub fn is_kept_out(&self) -> bool {
        matches!(self.expected, Expected::KeptOut(_))
    }
}

pub const POLICY: &str = "\
version: 1
extends: [default, python, javascript, ruby, go, rust, php, shell]
proof:
  runner: unittest
";

const SHOP: &str = "\
\"\"\"A shop.\"\"\"


def total(prices, discount=0):
    \"\"\"The sum of the prices, less a discount in percent.\"\"\"
    result = 0
    for price in prices[1:]:
        result += price
    return result * (100 - discount) // 100


def names(items):
    return [item[\"name\"] for item in items]
";

const TEST: &str = "\
import unittest

from shop import names, total


class Total(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(total([]), 0)

    def test_half(self):
        self.assertEqual(total([0, 10], 50), 5)

    def test_names(self):
        self.assertEqual(names([{\"name\": \"a\"}]), [\"a\"])
";

/// The message of a case that does not choose its own.
const MESSAGE: &str = "fix: total of a cart\n\nThe first price was left out.\n";

/// What stands before all cases: a project with a bug, and beside it one of everything that a fix has no business with.
pub fn template() -> Repo {
    let repo = Repo::empty();
    repo.write(".koan-guard.yaml", POLICY)
        .write("shop.py", SHOP)
        .write("tests/__init__.py", "")
        .write("tests/test_shop.py", TEST)
        .write("tests/data/cart.json", "{\"prices\": [1, 2]}\n")
        .write("helpers.py", "def twice(n):\n    return 2 * n\n")
        .write("notes.txt", "one\ntwo\nthree\n")
        .write("README.md", "# A shop\n\nIt sells.\n")
        .write("docs/guide.md", "# Guide\n\nBuy.\n")
        .write("migrations/0001_init.sql", "CREATE TABLE cart (id INT);\n")
        .write(".github/workflows/ci.yml", "on: push\njobs: {}\n")
        .write(
            "web/app.js",
            "export function total(prices) {\n  return prices.length;\n}\n",
        )
        .write("web/app.test.js", "test('none', () => {});\n")
        .write(
            "package.json",
            "{\n  \"name\": \"shop\",\n  \"scripts\": {\"test\": \"jest\"}\n}\n",
        )
        .write("package-lock.json", "{\n  \"lockfileVersion\": 3\n}\n")
        .write("requirements.txt", "requests==2.32.0\n")
        .write("lib/shop.rb", "def total(prices)\n  prices.sum\nend\n")
        .write("cmd/shop.go", "package main\n\nfunc main() {\n}\n")
        .write("src/shop.rs", "pub fn total() -> u32 {\n    0\n}\n")
        .write(
            "app/Shop.php",
            "<?php\n\nfunction total() {\n    return 0;\n}\n",
        )
        .write("vendor/foreign.py", "FOREIGN = 1\n")
        .write("Dockerfile", "FROM scratch\n")
        .write("Makefile", "test:\n\tpython -m unittest\n")
        .write("AGENTS.md", "# Agents\n")
        .write_script("scripts/serve.sh", "#!/bin/sh\nexec python -m shop\n");
    fs::write(
        repo.root.join("logo.png"),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
    )
    .expect("file");
    repo.commit("feat: a shop");
    repo
}

/// A copy of the template of its own, on the branch `koan/fix`, with the honest fix in its work tree.
pub struct Site {
    repo: Repo,
    message: RefCell<Vec<u8>>,
    args: RefCell<Vec<String>>,
    env: RefCell<Vec<(&'static str, String)>>,
    folder: RefCell<PathBuf>,
}

impl std::ops::Deref for Site {
    type Target = Repo;

    fn deref(&self) -> &Repo {
        &self.repo
    }
}

impl Site {
    pub fn new(template: &Repo) -> Site {
        let repo = Repo::empty();
        fs::remove_dir_all(&repo.root).expect("folder");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(&template.root)
            .arg(&repo.root)
            .status();
        assert!(copied.expect("cp").success());
        repo.git(["switch", "--quiet", "--create", "koan/fix"]);
        let args = ["check", "koan/fix", "--base", "main"].map(str::to_owned);
        let folder = repo.root.clone();
        let site = Site {
            repo,
            message: RefCell::new(MESSAGE.into()),
            args: RefCell::new(args.into()),
            env: RefCell::default(),
            folder: RefCell::new(folder),
        };
        site.fix();
        site
    }

    /// Writes the honest fix and its test.
    pub fn fix(&self) {
        self.edit("shop.py", "prices[1:]", "prices");
        self.test("    def test_first(self):\n        self.assertEqual(total([3, 4]), 7)\n");
    }

    /// Takes the fix back: the case makes its own.
    pub fn without_fix(&self) {
        self.git(["restore", "."]);
    }

    /// Adds a test.
    pub fn test(&self, lines: &str) {
        self.append("tests/test_shop.py", &format!("\n{lines}"));
    }

    /// Adds lines to the file that the fix changes.
    pub fn line(&self, lines: &str) {
        self.append("shop.py", &format!("{lines}\n"));
    }

    pub fn append(&self, path: &str, text: &str) {
        let whole = self.read(path) + text;
        self.write(path, &whole);
    }

    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(old).count(), 1, "{old} in {path}");
        self.write(path, &text.replacen(old, new, 1));
    }

    pub fn bytes(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(OsStr::from_bytes(path.as_ref()));
        fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        fs::write(path, bytes).expect("file");
    }

    pub fn say(&self, message: impl AsRef<[u8]>) {
        *self.message.borrow_mut() = message.as_ref().to_vec();
    }

    /// Asks koan-guard something else.
    pub fn ask(&self, args: &[&str]) {
        *self.args.borrow_mut() = args.iter().map(|&arg| arg.to_owned()).collect();
    }

    pub fn set_env(&self, name: &'static str, value: impl Into<String>) {
        self.env.borrow_mut().push((name, value.into()));
    }

    pub fn judge_in(&self, folder: PathBuf) {
        *self.folder.borrow_mut() = folder;
    }

    /// Commits what is in the work tree now, with the message that was chosen.
    pub fn commit_now(&self) {
        self.git(["add", "--all"]);
        let file = self.beside("message");
        fs::write(&file, &*self.message.borrow()).expect("message");
        let mut commit = self.command("git", &self.root);
        commit.args([
            "commit",
            "--quiet",
            "--no-verify",
            "--allow-empty",
            "--cleanup=verbatim",
            "--file",
        ]);
        succeed(commit.arg(file));
    }

    /// Stages a path past the work tree, as plumbing can.
    pub fn stage(&self, mode: &str, id: &str, path: &str) {
        self.git(["add", "--all"]);
        let entry = format!("{mode},{id},{path}");
        self.git(["update-index", "--add", "--cacheinfo", &entry]);
        self.commit_index();
    }

    /// Commits the index as it stands.
    pub fn commit_index(&self) {
        let message = String::from_utf8(self.message.borrow().clone()).expect("UTF-8");
        self.git(["commit", "--quiet", "--no-verify", "--message", &message]);
        self.git(["reset", "--quiet", "--hard"]);
    }

    /// An object of these bytes, written without a look at them.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let mut command = self.command("git", &self.root);
        command.args(["hash-object", "--literally", "-w", "--stdin", "-t", kind]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(bytes).expect("git");
        drop(stdin);
        let output = child.wait_with_output().expect("git");
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .expect("an id")
            .trim()
            .to_owned()
    }

    /// The fix committed with one entry more at the top of its tree, whatever git thinks of its name.
    pub fn commit_with_entry(&self, mode: &str, name: &[u8], id: &str) {
        self.commit_now();
        let tree = self.git(["rev-parse", "HEAD^{tree}"]);
        let mut bytes = self.raw(tree.trim());
        let mut entry = [mode.as_bytes(), b" ", name, b"\0"].concat();
        entry.extend(binary(id));
        bytes.extend(entry);
        let tree = self.object("tree", &bytes);
        self.commit_tree(&tree);
    }

    /// An object's bytes.
    pub fn raw(&self, id: &str) -> Vec<u8> {
        let kind = self.git(["cat-file", "-t", id]);
        let mut command = self.command("git", &self.root);
        let output = command
            .args(["cat-file", kind.trim(), id])
            .output()
            .expect("git");
        output.stdout
    }

    /// Makes `koan/fix` a commit of this tree on top of `main`.
    pub fn commit_tree(&self, tree: &str) {
        let message = String::from_utf8(self.message.borrow().clone()).expect("UTF-8");
        let id = self.git(["commit-tree", tree, "-p", "main", "-m", &message]);
        self.point_branch(id.trim());
    }

    /// Makes `koan/fix` this commit, and `HEAD` with it.
    pub fn point_branch(&self, id: &str) {
        self.git(["update-ref", "refs/heads/koan/fix", id]);
    }

    /// A commit object of these bytes as the tip of the branch; `{tree}` and `{parent}` stand for those of the fix.
    pub fn commit_bytes(&self, bytes: &[u8]) {
        self.commit_now();
        let tree = self.git(["rev-parse", "HEAD^{tree}"]);
        let parent = self.git(["rev-parse", "main"]);
        let text = bytes.to_vec();
        let text = replaced(&text, b"{tree}", tree.trim().as_bytes());
        let text = replaced(&text, b"{parent}", parent.trim().as_bytes());
        let id = self.object("commit", &text);
        self.point_branch(&id);
    }

    /// Exit code and all that was said about what is committed, after what is not yet.
    pub fn judge(&self) -> (Option<i32>, String) {
        let args = self.args.borrow();
        let is_staged = args.iter().any(|arg| arg == "--staged");
        let is_at_main = self.git(["rev-parse", "koan/fix"]) == self.git(["rev-parse", "main"]);
        let is_on_branch = self.try_git(["symbolic-ref", "HEAD"]).contains("koan/fix");
        let is_dirty = || !self.git(["status", "--porcelain"]).is_empty();
        if !is_staged && is_on_branch && (is_at_main || is_dirty()) {
            self.commit_now();
        }
        let guard = env!("CARGO_BIN_EXE_koan-guard");
        let mut command = self.command(guard, &self.folder.borrow());
        command.args(&*args).stdin(Stdio::null());
        for (name, value) in &*self.env.borrow() {
            command.env(name, value);
        }
        let output = command.output().expect("koan-guard");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), format!("{stdout}{stderr}"))
    }
}

fn binary(id: &str) -> Vec<u8> {
    let digits = id.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(|pair| byte(pair).expect("an id")).collect()
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old);
    match at {
        Some(at) => [&bytes[..at], new, &bytes[at + old.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("a command");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
