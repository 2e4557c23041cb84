//! Changes made to exhaust the judge: each ends in a refusal or a doubt, and within 256 MiB. Also, that a small change beside something huge
//! is judged like any other.
//!
//! How long it takes is a matter of benchmarks; here there is only a bound that an endless loop, or one with the square of its input, runs into.
#![cfg(feature = "hostile-tests")]

#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::time::Duration;

use support::{command, git, wait_for, write_file};

const MOST_KIB: u64 = 256 << 10;
/// Ten times what the optimised program may take.
const MOST_CPU: Duration = Duration::from_secs(100);

const POLICY: &str = "version: 1\nextends: [default]\nproof: {runner: pytest}\n";
const JUDGE: &[&str] = &[
    "check",
    "topic",
    "--base",
    "main",
    "--lane",
    "repair",
    "--no-note",
];

type Stream = BufWriter<ChildStdin>;

/// A repository with a policy and a little code on `main`; `write` goes on with it in the language of `git fast-import`.
struct Hostile {
    _folder: tempfile::TempDir,
    repo: PathBuf,
}

impl Hostile {
    fn new(write: impl FnOnce(&mut Stream)) -> Hostile {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = folder.path().join("repo");
        fs::create_dir_all(&repo).expect("a folder");
        git(&repo, &["init", "--quiet", "--initial-branch=main"]).expect("git init");
        git(&repo, &["config", "core.compression", "0"]).expect("git config");
        let mut import = command(&repo, "git")
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("git starts");
        let mut stream = BufWriter::new(import.stdin.take().expect("stdin"));
        begin(&mut stream, "main", b"base", None);
        for (path, text) in [
            (".koan-guard.yaml", POLICY),
            ("src/a.py", "a = 1\n"),
            ("tests/test_a.py", "def test_a():\n    assert 1\n"),
        ] {
            write_file(&mut stream, path, text).expect("git reads");
        }
        write(&mut stream);
        stream.flush().expect("git reads");
        drop(stream);
        assert!(
            import.wait().expect("git ends").success(),
            "git fast-import"
        );
        Hostile {
            _folder: folder,
            repo,
        }
    }

    /// A commit on `topic` above `main` whose changes `write` says.
    fn topic(write: impl FnOnce(&mut Stream)) -> Hostile {
        Hostile::new(|stream| {
            begin(stream, "topic", b"fix: a", Some("main"));
            write(stream);
        })
    }

    #[track_caller]
    fn check(&self, args: &[&str], exit: i32, words: &str) {
        check(&self.repo, args, exit, words);
    }
}

fn begin(stream: &mut Stream, branch: &str, message: &[u8], from: Option<&str>) {
    let person = "Ada <ada@example.com> 1767323045 +0000";
    let head = format!(
        "commit refs/heads/{branch}\nauthor {person}\ncommitter {person}\ndata {}\n",
        message.len()
    );
    stream.write_all(head.as_bytes()).expect("git reads");
    stream.write_all(message).expect("git reads");
    let from = from.map(|from| format!("\nfrom refs/heads/{from}"));
    writeln!(stream, "{}", from.unwrap_or_default()).expect("git reads");
}

/// Runs the guard, which must end so and say that.
#[track_caller]
fn check(repo: &Path, args: &[&str], exit: i32, words: &str) {
    let said = tempfile::NamedTempFile::new().expect("a file");
    let child = command(repo, env!("CARGO_BIN_EXE_koan-guard"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(said.reopen().expect("a file"))
        .stderr(said.reopen().expect("a file"))
        .spawn()
        .expect("the guard starts");
    let usage = wait_for(child).expect("it ends");
    let text = fs::read(said.path()).expect("what it said");
    let text = String::from_utf8_lossy(&text);
    let text: String = text.chars().take(2_000).collect();
    assert_eq!(usage.exit, Some(exit), "{args:?}: {usage:?}: {text}");
    assert!(text.contains(words), "{args:?}: no `{words}` in {text}");
    assert!(usage.peak_kib <= MOST_KIB, "{args:?}: {usage:?}: {text}");
    assert!(usage.cpu <= MOST_CPU, "{args:?}: {usage:?}: {text}");
}

#[test]
fn a_blob_of_a_gigabyte() {
    for chunk in [&b"x = 1  # words\n"[..], &[0, 1, 2, 3]] {
        let n_chunks = (1 << 30) / chunk.len();
        let hostile = Hostile::topic(|stream| {
            let head = format!("M 100644 inline src/big\ndata {}\n", n_chunks * chunk.len());
            stream.write_all(head.as_bytes()).expect("git reads");
            for _ in 0..n_chunks {
                stream.write_all(chunk).expect("git reads");
            }
            stream.write_all(b"\n").expect("git reads");
        });
        hostile.check(JUDGE, 1, "was not read");
    }
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let topic = |n: usize, text: &str| {
        Hostile::topic(|stream| {
            write_file(stream, "src/a.py", &text.repeat(n / text.len())).expect("git reads");
        })
    };
    topic(100 << 20, "x").check(JUDGE, 1, "was not read");
    topic(15 << 20, "x").check(JUDGE, 1, "file-too-big");
    topic(15 << 20, "\"x\" + ").check(JUDGE, 1, "file-too-big");
    topic(15 << 20, "password = '\"`,").check(JUDGE, 1, "file-too-big");
}

#[test]
fn a_rust_source_that_no_parser_should_read() {
    for line in [
        "#[test] fn a() { assert!(x); }\n",
        "#[test] #[ignore] fn a() {}\n",
        "#[test] fn a() {((((((((",
    ] {
        let text = line.repeat((12 << 20) / line.len());
        let hostile = Hostile::topic(|stream| {
            write_file(stream, "src/a.rs", &text).expect("git reads");
        });
        hostile.check(JUDGE, 1, "file-too-big");
    }
}

#[test]
fn a_path_of_ten_thousand_folders() {
    let hostile = Hostile::topic(|stream| {
        let path = format!("{}a.py", "d/".repeat(10_000));
        write_file(stream, &path, "a = 1\n").expect("git reads");
    });
    hostile.check(JUDGE, 3, "longer than 4096 bytes");
}

#[test]
fn a_message_of_a_hundred_megabytes() {
    let hostile = Hostile::new(|stream| {
        let line = b"some words of text and password = \"x\"\n";
        let message = [&b"fix: a\n\n"[..], &line.repeat((100 << 20) / line.len())].concat();
        begin(stream, "topic", &message, Some("main"));
        write_file(stream, "src/a.py", "a = 2\n").expect("git reads");
    });
    hostile.check(JUDGE, 1, "refused");
}

#[test]
fn a_hundred_thousand_commits_with_a_finding_each() {
    let hostile = Hostile::new(|stream| {
        for n in 0..100_000 {
            begin(stream, "topic", b"fix: a", (n == 0).then_some("main"));
            let text = format!("on: {n}\n");
            write_file(stream, ".github/workflows/a.yml", &text).expect("git reads");
        }
    });
    hostile.check(JUDGE, 1, "path-protected");
}

#[test]
fn a_hundred_thousand_files() {
    let hostile = Hostile::topic(|stream| {
        for n in 0..100_000 {
            let path = format!("src/d{}/f{n}.py", n / 1000);
            write_file(stream, &path, &format!("a = {n}\n")).expect("git reads");
        }
    });
    hostile.check(JUDGE, 1, "too-many-files");
}

#[test]
fn a_million_hunks() {
    let text = |value: u8, n: usize| -> String {
        let lines = (0..1000).map(|at| format!("a{at} = {value}\nb{at} = 2\n"));
        lines.collect::<String>() + &format!("# {n}\n")
    };
    let hostile = Hostile::new(|stream| {
        for (branch, from, value) in [("before", "main", 1), ("topic", "before", 3)] {
            begin(stream, branch, b"fix: a", Some(from));
            for n in 0..1000 {
                let path = format!("src/f{n}.py");
                write_file(stream, &path, &text(value, n)).expect("git reads");
            }
        }
    });
    let args = [
        "check",
        "topic",
        "--base",
        "before",
        "--lane",
        "repair",
        "--no-note",
    ];
    hostile.check(&args, 1, "too-many-hunks");
}

/// A folder of a million files, which is there or comes; and what is honest beside it.
#[test]
fn a_tree_of_a_million_entries() {
    let hostile = Hostile::new(|stream| {
        begin(stream, "huge", b"fix: a", Some("main"));
        writeln!(stream, "M 100644 inline huge/f\ndata 6\na = 1\n").expect("git reads");
        // One blob for all of them.
        stream
            .write_all(b"blob\nmark :1\ndata 6\na = 1\n\n")
            .expect("git reads");
        begin(stream, "huge", b"fix: a", None);
        for n in 0..1_000_000 {
            writeln!(stream, "M 100644 :1 huge/f{n:07}.py").expect("git reads");
        }
        for (branch, path) in [("beside", "docs/a.md"), ("inside", "huge/words.md")] {
            begin(stream, branch, b"docs: words", Some("huge"));
            write_file(stream, path, "words\n").expect("git reads");
        }
    });
    let judge = |branch, lane, base| ["check", branch, "--base", base, "--lane", lane, "--no-note"];
    hostile.check(&judge("huge", "repair", "main"), 3, "too large to judge");
    hostile.check(&judge("beside", "agent", "huge"), 0, "");
    hostile.check(&judge("inside", "agent", "huge"), 0, "");
}

#[test]
fn policies_that_grow() {
    let of = |rest: &str| format!("{POLICY}{rest}");
    let aliases: String = (0..9_i32)
        .map(|n| {
            format!(
                "b{n}: &b{n} [{}]\n",
                vec![format!("*b{}", n - 1); 9].join(",")
            )
            .replace("*b-1", "x")
        })
        .collect();
    let forbid = |pattern: &str| {
        of(&format!(
            "perimeter:\n  forbid:\n    - {{id: a, pattern: '{pattern}', on: added, in: ['**'], why: b}}\n"
        ))
    };
    let cases = [
        (aliases, "unknown key"),
        (of(&format!("perimeter: {}", "[".repeat(100_000))), "error"),
        (
            of(&format!(
                "perimeter: {{protect: [{}]}}",
                "a,".repeat(100_000)
            )),
            "too large",
        ),
        ("x".repeat(100 << 20), "too large"),
        (forbid("(a{1000}){1000}"), "too large"),
        (forbid("((((a{50}){50}){50}){50}){50}"), "too large"),
    ];
    let hostile = Hostile::new(|_| ());
    for (text, words) in cases {
        fs::write(hostile.repo.join(".koan-guard.yaml"), text).expect("a file");
        hostile.check(&["policy", "lint"], 2, words);
    }
}
