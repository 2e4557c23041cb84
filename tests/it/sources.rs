//! Production errors, from where they live to the brief of one of them.

use crate::support::Repo;

const POLICY: &str = "version: 1
extends: [default, python]
sources:
  - {name: app, kind: sqlite, path: ../errors.sqlite3, preset: solid_errors}
  - {name: log, kind: jsonl, path: log.jsonl, app_root: [/srv/shop/]}
proof: {runner: none}
";

const NOW: &str = "2026-11-22T08:00:00Z";

fn line(message: &str, minute: u32) -> String {
    format!(
        r#"{{"level":"error","event":"{message}","timestamp":"2026-11-22T07:{minute:02}:00Z","exception":"Traceback (most recent call last):\n  File \"/srv/shop/shop/cart.py\", line 2, in total\n    return sum(p[\"price\"] for p in cart)\nKeyError: 'price' of ada@example.org"}}"#
    ) + "\n"
}

fn shop() -> Repo {
    let repo = Repo::empty();
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/errors/solid_errors.sqlite3"
    );
    std::fs::copy(fixture, repo.beside("errors.sqlite3")).expect("the fixture");
    repo.write(
        "shop/cart.py",
        "def total(cart):\n    return sum(p[\"price\"] for p in cart)\n",
    )
    .write("tests/test_cart.py", "def test_nothing():\n    pass\n")
    .write(
        "log.jsonl",
        &[line("request failed", 1), line("request failed", 2)].concat(),
    )
    .write(".koan-guard.yaml", POLICY)
    .commit("feat: a shop");
    repo
}

#[test]
fn two_sources_are_one_digest() {
    let repo = shop();
    let said = repo.guard(["extract", "--now", NOW, "--most", "1"]);
    assert!(said.starts_with("exit: 0"), "{said}");
    for part in [
        "# Production errors: 1 of 15",
        "source `app`: sqlite, opened read only, 144 events",
        "source `log`: jsonl, read as a stream, 2 events",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    let said = repo.guard([
        "extract", "--now", NOW, "--since", "90m", "--format", "json",
    ]);
    assert!(said.contains("is not a time"), "{said}");
    let said = repo.guard(["extract", "--now", NOW, "--since", "2h", "--format", "json"]);
    assert!(
        said.contains("\"n_errors\": 1") && !said.contains("ada@"),
        "{said}"
    );
}

#[test]
fn a_check_says_what_is_read_and_that_nothing_is_written() {
    let said = shop().guard(["extract", "--check"]);
    for part in [
        "exit: 0",
        "source `app`: sqlite, opened read only",
        "may read `solid_errors`.`exception_class`",
        "refused: DELETE FROM \"solid_errors_occurrences\": not authorized",
        "source `log`: jsonl, read as a stream",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
}

#[test]
fn the_brief_of_an_error_shows_the_code_of_head_and_the_command_that_judges() {
    let repo = shop();
    let digest = repo.guard(["extract", "--now", NOW, "--since", "2h", "--format", "json"]);
    let at = digest.find("k1:").expect("a fingerprint");
    let fingerprint = &digest[at..at + 27];
    let said = repo.guard(["brief", fingerprint, "--now", NOW]);
    for part in [
        format!("# Repair {fingerprint}").as_str(),
        "| message: 'price' of [redacted:email]",
        "`shop/cart.py:2`",
        ">    2 |     return sum(p[\"price\"] for p in cart)",
        "- `shop/cart.py`: may be changed",
        "- a test may go into `tests/test_cart.py`",
        "koan-guard check HEAD",
    ] {
        assert!(said.contains(part), "no `{part}` in\n{said}");
    }
    let said = repo.guard(["brief", "k1:0000", "--now", NOW]);
    assert!(
        said.starts_with("exit: 2") && said.contains("no error is called `k1:0000`"),
        "{said}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_second_run_reads_only_what_is_new() {
    let repo = shop();
    let new = |now: &str| repo.guard(["extract", "--new", "--format", "json", "--now", now]);
    let first = new("2026-11-22T07:02:30Z");
    // The second line is younger than a minute.
    assert!(first.contains("\"events\": 1,"), "{first}");
    assert_eq!(new("2026-11-22T07:02:30Z").lines().next(), Some("exit: 2"));
    let log = repo.read("log.jsonl");
    repo.write("log.jsonl", &[log, line("another one", 5)].concat());
    let second = new("2026-11-22T07:30:00Z");
    assert!(second.contains("\"events\": 2,"), "{second}");
    assert!(second.contains("\"events\": 0,"), "{second}");
    // What is not asked with `--new` knows nothing of it.
    let all = ["extract", "--format", "json", "--now", NOW];
    let said = repo.guard(all);
    assert!(
        said.contains("\"events\": 144,") && said.contains("\"events\": 3,"),
        "{said}"
    );
    assert_eq!(repo.guard(all), said);
    // A source that has changed is read as if it were the first time.
    repo.write(
        ".koan-guard.yaml",
        &POLICY.replace("app_root", "not_in_app: [lib/], app_root"),
    )
    .commit("chore: another source");
    let third = new("2026-11-22T08:00:00Z");
    assert!(third.contains("\"events\": 3,"), "{third}");
    let said = repo.guard(["extract", "--new", "--since", "2h"]);
    assert!(said.starts_with("exit: 2"), "{said}");
    let cursor = repo.root.join(".git/koan-guard/cursors/log.cursor");
    std::fs::write(cursor, "yesterday").expect("a file");
    let said = new("2026-11-22T09:00:00Z");
    assert!(
        said.starts_with("exit: 2") && said.contains("how far a source was read"),
        "{said}"
    );
}
