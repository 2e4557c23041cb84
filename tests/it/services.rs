//! Servers beside the tests, each run with its own.

use crate::support::Repo;

/// Talks to redis over a raw socket and to PostgreSQL through `psql`.
const SHOP: &str = r#"
import os
import socket
import subprocess


def ask_redis(*words):
    text = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection((os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]))) as link:
        link.sendall(f"*{len(words)}\r\n{text}".encode())
        return link.recv(1000).decode().strip()


def run(*command, text):
    done = subprocess.run([*command, text], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def postgres(text):
    return run("psql", "-qAtc", text=text)


def mysql(text):
    server = os.environ["MYSQL_HOST"], os.environ["MYSQL_PORT"], os.environ["MYSQL_USER"]
    return run("mysql", "-h", server[0], "-P", server[1], "-u", server[2], "-BN", os.environ["MYSQL_DATABASE"], "-e", text=text)
"#;

/// The sum of a table, which is nothing for an empty one.
const TOTAL: &str = r#"

def total(sql, prices):
    sql("DROP TABLE IF EXISTS prices")
    sql("CREATE TABLE prices (price integer)")
    for price in prices:
        sql(f"INSERT INTO prices VALUES ({price})")
    return int(sql("SELECT sum(price) FROM prices"))
"#;

const COUNT: &str = r#"

def total(sql, prices):
    ask_redis("DEL", "sum")
    for price in prices:
        ask_redis("INCRBY", "sum", str(price))
    return int(ask_redis("GET", "sum").split("\r\n")[1])
"#;

fn tests(sql: &str, more: &str) -> String {
    // Nothing of an earlier run is there.
    let fresh = if sql.ends_with("redis") {
        "assert shop.ask_redis('INCR', 'runs') == ':1'".to_owned()
    } else {
        format!("{sql}('CREATE TABLE runs (n integer)')")
    };
    format!(
        "import os
import unittest

import shop


class Total(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        {fresh}

    def test_of_two(self):
        self.assertNotEqual(os.getuid(), 0)
        self.assertEqual(shop.total({sql}, [1, 2]), 3)
{more}"
    )
}

/// A shop that loses its way in an empty table, and a commit that fixes it.
fn shop(services: &str, sql: &str, total: &str, (wrong, right): (&str, &str)) -> Repo {
    let repo = Repo::empty();
    let policy = format!(
        "version: 1\nextends: [default, python]\nproof:\n  runner: unittest\n  services:\n{services}"
    );
    repo.write(".koan-guard.yaml", &policy)
        .write("shop.py", &format!("{SHOP}{total}"))
        .write("test_shop.py", &tests(sql, ""))
        .commit("feat: total of a shop");
    let test_of_bug = format!(
        "
    def test_of_nothing(self):
        self.assertEqual(shop.total({sql}, []), 0)
"
    );
    assert!(total.contains(wrong));
    repo.write("shop.py", &format!("{SHOP}{}", total.replace(wrong, right)))
        .write("test_shop.py", &tests(sql, &test_of_bug))
        .commit("fix: total of an empty shop");
    repo
}

const NO_ROWS: (&str, &str) = ("sum(price)", "coalesce(sum(price), 0)");

/// No process of a service has outlived the guard. The folder is this story's own.
#[track_caller]
fn check_nobody_is_left(repo: &Repo) {
    let home = repo.home();
    let home = home.to_str().expect("UTF-8");
    let processes = std::fs::read_dir("/proc").expect("processes");
    let left: Vec<String> = processes
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(home))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[track_caller]
fn check_accepted(repo: &Repo, said: &str) {
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    assert!(answer.contains(said), "{answer}");
    check_nobody_is_left(repo);
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    let service = &note["predicate"]["services"][0];
    assert!(
        service["version"].is_string() || service["start"].is_string(),
        "{service}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_is_proved_beside_redis() {
    let fix = (
        "int(ask_redis(\"GET\", \"sum\").split(\"\\r\\n\")[1])",
        "int((ask_redis(\"GET\", \"sum\").split(\"\\r\\n\") + [\"0\"])[1])",
    );
    let repo = shop("    - preset: redis\n", "shop.ask_redis", COUNT, fix);
    check_accepted(&repo, "  beside service redis: Redis server v=");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_is_proved_beside_postgres() {
    let repo = shop("    - preset: postgres\n", "shop.postgres", TOTAL, NO_ROWS);
    check_accepted(&repo, "  beside service postgres: postgres (PostgreSQL) ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_fix_is_proved_beside_mysql() {
    let repo = shop("    - preset: mysql\n", "shop.mysql", TOTAL, NO_ROWS);
    check_accepted(&repo, "  beside service mysql: ");
}

/// A server of the project's own, in a folder that it has filled before.
const OWN: &str = "    - name: rates
      prepare: echo 7 > {dir}/rate
      start: exec python3 -m http.server --bind 127.0.0.1 --directory {dir} {port}
      ready: python3 -c \"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/rate')\"
      env: {RATES: 'http://127.0.0.1:{port}/rate', FOLDER: '{dir}'}
";

const OWN_TOTAL: &str = r#"

def total(sql, prices):
    import urllib.request
    rate = int(urllib.request.urlopen(os.environ["RATES"]).read())
    with open(os.environ["FOLDER"] + "/rate", "w") as file:
        file.write("spoilt")
    return prices[0] * rate // 7 + sum(prices[1:]) + (rate - 7)
"#;

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_service_of_the_projects_own_finds_its_folder_as_it_was_prepared() {
    let repo = Repo::empty();
    let policy = format!(
        "version: 1\nextends: [default, python]\nproof:\n  runner: unittest\n  services:\n{OWN}"
    );
    let test = "import unittest\n\nimport shop\n\n\nclass Total(unittest.TestCase):\n";
    let of = |name: &str, prices: &str, expected: &str| {
        format!(
            "    def test_of_{name}(self):\n        self.assertEqual(shop.total(None, {prices}), {expected})\n"
        )
    };
    repo.write(".koan-guard.yaml", &policy)
        .write("shop.py", &format!("{SHOP}{OWN_TOTAL}"))
        .write(
            "test_shop.py",
            &format!("{test}    def test_nothing_yet(self):\n        pass\n"),
        )
        .commit("feat: total of a shop");
    let fixed = OWN_TOTAL.replace("prices[0] * rate // 7 + sum(prices[1:])", "sum(prices)");
    repo.write("shop.py", &format!("{SHOP}{fixed}"))
        .write(
            "test_shop.py",
            &format!(
                "{test}    def test_nothing_yet(self):\n        pass\n\n{}",
                of("nothing", "[]", "0")
            ),
        )
        .commit("fix: total of an empty shop");
    check_accepted(&repo, "  beside service rates: exec python3 -m http.server");
}

#[track_caller]
fn check_undecided(services: &str, said: &str) {
    let repo = shop(services, "shop.postgres", TOTAL, NO_ROWS);
    let answer = repo.guard(["check", "HEAD"]);
    assert!(answer.starts_with("exit: 3\n"), "{answer}");
    assert!(answer.contains(said), "{answer}");
    check_nobody_is_left(&repo);
}

#[test]
fn a_service_that_does_not_become_ready_is_undecided() {
    check_undecided(
        "    - {start: 'echo thinking; sleep 77', ready: 'false', ready_timeout: 1s}\n",
        "service `service-1` was not ready in [time]: thinking",
    );
    check_undecided(
        "    - {name: db, start: 'echo no disk >&2; exit 4', ready: 'true; false'}\n",
        "service `db` ended before it was ready: no disk",
    );
    check_undecided(
        "    - {name: db, prepare: 'echo no room >&2; exit 5', start: x, ready: x}\n",
        "setup-failed",
    );
}

#[test]
fn a_service_that_ends_while_the_tests_run_is_undecided() {
    check_undecided(
        "    - {name: db, start: 'sleep 0.3; echo gone', ready: 'true'}\n    - {start: 'sleep 77', ready: 'sleep 0.5'}\n",
        "service `db` ended while the tests ran: gone",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_service_that_goes_into_the_background_is_no_dead_one() {
    let services = "    - {name: db, start: '(sleep 78 && echo {dir}) & exit 0', ready: 'true'}\n    - preset: redis\n";
    let fix = (
        "int(ask_redis(\"GET\", \"sum\").split(\"\\r\\n\")[1])",
        "int((ask_redis(\"GET\", \"sum\").split(\"\\r\\n\") + [\"0\"])[1])",
    );
    let repo = shop(services, "shop.ask_redis", COUNT, fix);
    check_accepted(&repo, "  beside service db: ");
}
