//! The loop with agents that do right, wrong and malicious things: what is theirs is judged, and nothing else is touched.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::{env, fs, thread};

use crate::support::Repo;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

pub const NOW: &str = "2026-11-22T08:00:00Z";

/// A cart whose total fails on an empty one, and a log in which it does.
pub fn shop(run: &str) -> Repo {
    let repo = Repo::empty();
    let policy = format!(
        "version: 1
extends: [default, python]
sources: [{{name: log, kind: jsonl, path: ../errors.jsonl, app_root: [/srv/shop/]}}]
proof: {{runner: unittest, samples: 1, necessity: off, neighbours: off, timeout: 120s}}
run: {run}
"
    );
    repo.write(".koan-guard.yaml", &policy)
        .write(".gitignore", "*.log\n")
        .write("cart.py", CART)
        .write("test_cart.py", CART_TEST)
        .commit("feat: total of a cart");
    let line = |minute: u32| {
        format!(
            r#"{{"level":"error","event":"request failed","timestamp":"2026-11-22T07:{minute:02}:00Z","exception":"Traceback (most recent call last):\n  File \"/srv/shop/cart.py\", line 2, in total\n    result = prices[0]\nIndexError: list index out of range"}}"#
        ) + "\n"
    };
    let log: String = (1..8).map(line).collect();
    fs::write(repo.beside("errors.jsonl"), log).expect("a log");
    // Of what it may write outside, nothing may change.
    fs::write(repo.home().join(".gitconfig"), "[user]\n\tname = Dev\n").expect("a file");
    repo
}

/// `cat` of a whole file, for a script.
pub fn put(path: &str, text: &str) -> String {
    format!("cat >{path} <<'KOAN_END'\n{text}KOAN_END\n")
}

fn fix() -> String {
    put("cart.py", CART_FIXED)
}

fn fix_and_test() -> String {
    fix() + &put("test_cart.py", CART_TEST_OF_BUG) + "echo 'SUBJECT: total of an empty cart'\n"
}

/// Writes the agent, and gives the command that calls it.
fn agent(repo: &Repo, script: &str) -> String {
    let path = repo.beside("agent.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path.to_str().expect("UTF-8").to_owned()
}

/// What koan-guard answers, and that nothing of the user's has changed meanwhile.
#[track_caller]
fn run<const N: usize>(repo: &Repo, script: &str, args: [&str; N]) -> String {
    let agent = agent(repo, script);
    let before = Everything::of(repo);
    let mut command = repo.guard_command(["run", "--now", NOW, "--agent", &agent]);
    let answer = repo.answer_of(command.args(args));
    before.check(repo);
    answer
}

/// Everything that is the user's, to the byte.
pub struct Everything(BTreeMap<PathBuf, String>);

impl Everything {
    pub fn of(repo: &Repo) -> Everything {
        let mut files = BTreeMap::new();
        for top in [repo.root.clone(), repo.home()] {
            list(&top, &top, &mut files);
        }
        Everything(files)
    }

    /// And that nothing of a run is left: no room, no process.
    #[track_caller]
    pub fn check(&self, repo: &Repo) {
        let after = Everything::of(repo);
        for (path, text) in &self.0 {
            assert_eq!(after.0.get(path), Some(text), "{}", path.display());
        }
        let mut new = after.0.keys().filter(|path| !self.0.contains_key(*path));
        assert_eq!(new.next(), None);
        check_nothing_left(repo);
    }
}

/// Objects, and what is the guard's own, may come.
fn list(top: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    const OWN: &[&str] = &[
        ".git/objects",
        ".git/koan-guard",
        ".git/refs/koan",
        ".git/refs/notes",
        ".git/refs/heads/koan",
        ".git/logs/refs/koan",
        ".git/logs/refs/notes",
        ".git/logs/refs/heads/koan",
        ".cache/koan-guard",
    ];
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let place = path.strip_prefix(top).expect("below");
        if OWN.iter().any(|own| place.starts_with(own)) {
            continue;
        }
        let data = fs::symlink_metadata(&path).expect("a file");
        if data.is_dir() {
            // An empty folder is no file; refs come and go in them.
            list(top, &path, files);
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            let text = format!("{:o} {:?}", data.mode(), String::from_utf8_lossy(&bytes));
            files.insert(path, text);
        }
    }
}

#[track_caller]
fn check_nothing_left(repo: &Repo) {
    let cache = repo.home().join(".cache/koan-guard");
    for area in fs::read_dir(&cache).into_iter().flatten().flatten() {
        for name in ["sides", "view", "claim.json"] {
            let left = area.path().join(name);
            assert!(!left.exists(), "{}", left.display());
        }
    }
    let temp = repo
        .root
        .parent()
        .expect("a folder")
        .to_str()
        .expect("UTF-8");
    assert_eq!(processes_with(temp), Vec::<String>::new());
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains(temp), "{mounts}");
}

/// Who has `text` among its arguments or in its environment.
fn processes_with(text: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            let said = String::from_utf8_lossy(&bytes);
            if said.contains(text) {
                found.push(format!("{name} {file}: {}", said.replace('\0', " ")));
            }
        }
    }
    found
}

#[track_caller]
pub fn says(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "no `{part}` in\n{answer}");
    }
}

fn branches(repo: &Repo) -> String {
    repo.git(["for-each-ref", "--format=%(refname)", "refs/heads"])
}

/// The one branch of a fix.
#[track_caller]
pub fn branch(repo: &Repo) -> String {
    let all = branches(repo);
    let mut own = all
        .lines()
        .filter(|name| name.starts_with("refs/heads/koan/k1-"));
    let branch = own.next().unwrap_or_else(|| panic!("no branch in\n{all}"));
    assert_eq!(own.next(), None);
    branch.to_owned()
}

fn triage(repo: &Repo) -> String {
    repo.guard(["triage", "list", "--all"])
}

#[test]
fn a_proved_fix_is_a_branch_with_a_note() {
    let repo = shop("{}");
    let said = run(&repo, &fix_and_test(), []);
    says(
        &said,
        &[
            "exit: 0",
            "Fixed\n- fix: total of an empty cart (k1:",
            "failed before, passes now: test_cart.Total.test_of_nothing",
            "1 fixed, 0 refused, 1 tried",
            "detect                 7 events of 1 error, from 1 source",
            "confirm    k1:",
            "verify     k1:",
            "trace      k1:",
        ],
    );
    let branch = branch(&repo);
    let shown = repo.git(["show", "--stat", "--format=%an <%ae>%n%B", &branch]);
    says(
        &shown,
        &[
            "An Author <author@example.com>\nfix: total of an empty cart\n\nKoan-Issue: k1:",
            "Assisted-by: agent.sh",
            "2 files changed",
        ],
    );
    says(
        &repo.git(["notes", "--ref=koan", "show", &branch]),
        &["fail-to-pass", "\"brief\":\""],
    );
    says(&triage(&repo), &["fixed"]);
    // What the guard made is what `check` accepts.
    says(
        &repo.try_git(["merge-base", "--is-ancestor", "main", &branch]),
        &["exit: 0"],
    );
    let again = run(&repo, &fix_and_test(), []);
    says(
        &again,
        &["exit: 0", "Left alone", ": fixed", "nothing to do"],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_was_refused_reaches_the_next_attempt() {
    let repo = shop("{attempts: 2}");
    let script = format!(
        "{}if grep -q 'refused\\[no-test\\]' && grep -q 'Attempt 2 of 2' \"$KOAN_BRIEF\"; then\n{}fi\n",
        fix(),
        put("test_cart.py", CART_TEST_OF_BUG)
    );
    let said = run(&repo, &script, []);
    says(
        &said,
        &[
            "exit: 0",
            "refused: no-test",
            "attempt 2 of 2",
            "verify     k1:",
            "fix: IndexError in total (k1:",
            "2 attempts",
        ],
    );
}

#[test]
fn what_is_not_proved_is_kept_and_refused() {
    let repo = shop("{attempts: 1}");
    let said = run(&repo, &fix(), []);
    says(
        &said,
        &[
            "exit: 1",
            "Refused, which is what the guard is for",
            "IndexError: list index out of range: no-test",
            "next: add a test that fails without the fix",
            "the work is kept: git show refs/koan/refused/",
        ],
    );
    assert_eq!(branches(&repo), "refs/heads/main\n");
    let kept = repo.git(["for-each-ref", "--format=%(refname)", "refs/koan/refused"]);
    let kept = kept.trim_end();
    let work = repo.git(["show", &format!("{kept}^:cart.py")]);
    assert_eq!(work, CART_FIXED);
    let listed = triage(&repo);
    says(&listed, &["open"]);
    let log = repo.git(["log", "-p", "--format=%s", "refs/koan/triage"]);
    says(
        &log,
        &[
            "no-test after 1 attempt of agent.sh",
            "triage: claimed",
            "triage: refused",
        ],
    );
}

#[test]
fn a_policy_that_only_observes_takes_nothing_without_a_proof() {
    let repo = shop("{attempts: 2}\nmode: observe");
    let script = format!(
        "{}grep '^refused\\[no-test\\]' \"$KOAN_BRIEF\" | sed 's/^/# told: /' >>cart.py\n",
        fix()
    );
    let said = run(&repo, &script, []);
    says(
        &said,
        &[
            "exit: 1",
            "no-test",
            "the work is kept",
            "0 fixed, 1 refused",
        ],
    );
    assert!(!said.contains("observe"), "{said}");
    assert_eq!(branches(&repo), "refs/heads/main\n");
    let kept = repo.git(["for-each-ref", "--format=%(refname)", "refs/koan/refused"]);
    let work = repo.git(["show", &format!("{}^:cart.py", kept.trim_end())]);
    says(&work, &["# told: refused[no-test]"]);
    let repo = shop("{}\nmode: observe");
    let said = run(&repo, &fix_and_test(), []);
    says(&said, &["exit: 0", "1 fixed", "no statement was written"]);
    assert_eq!(repo.git(["for-each-ref", "refs/notes"]), "");
}

#[test]
fn the_perimeter_holds() {
    let repo = shop("{attempts: 1}");
    let script =
        fix_and_test() + "mkdir -p .github/workflows\necho 'on: push' >.github/workflows/ci.yml\n";
    says(&run(&repo, &script, []), &["exit: 1", "path-protected"]);
    let repo = shop("{attempts: 1}");
    let weak = CART_TEST_OF_BUG.replace("self.assertEqual(total([1, 2]), 3)", "total([1, 2])");
    let script = fix() + &put("test_cart.py", &weak);
    says(
        &run(&repo, &script, []),
        &["exit: 3", "Undecided, for a person", "old-test-rewritten"],
    );
    assert_eq!(branches(&repo), "refs/heads/main\n");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_agent_that_gives_nothing_is_nobodys_fault() {
    let repo = shop("{attempts: 2, time: 2s}");
    for (script, expected) in [
        (
            "echo broken >&2; exit 1\n",
            "refused[agent-failed]: it ended with exit code 1\n    | broken",
        ),
        ("exit 0\n", "refused[nothing-done]"),
        (
            "kill -9 $$\n",
            "refused[agent-failed]: it ended with exit code 137",
        ),
        ("sleep 300\n", "refused[timed-out]"),
    ] {
        let said = run(&repo, script, []);
        says(&said, &["exit: 3", "Not done", expected, "attempt 2 of 2"]);
        says(&triage(&repo), &["open"]);
    }
    assert_eq!(branches(&repo), "refs/heads/main\n");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_an_agent_does_to_its_own_git_counts_for_nothing() {
    let repo = shop("{}");
    let script = format!(
        "{}git add -A && git commit --no-verify -q -m 'feat: mine' || exit 9\n\
         git log --oneline | grep -q 'The files of HEAD' || exit 8\n\
         git branch evil; git update-ref refs/heads/main HEAD; git config core.hooksPath /tmp/x\n\
         printf '#!/bin/sh\\ntouch /tmp/pwned\\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout\n",
        fix_and_test()
    );
    says(&run(&repo, &script, []), &["exit: 0", "1 fixed"]);
    let repo = shop("{}");
    let script = format!(
        "rm -rf .git\nmkdir .git\necho x >.git/config\n{}",
        fix_and_test()
    );
    says(&run(&repo, &script, []), &["exit: 0", "1 fixed"]);
    assert!(!branches(&repo).contains("evil"));
}

#[test]
fn the_real_repository_is_out_of_reach() {
    let repo = shop("{}");
    let (root, home) = (repo.root.display(), repo.home());
    let script = format!(
        "echo evil >{root}/.git/hooks/pre-commit && exit 5\n\
         git -C {root} config a.b c && exit 6\n\
         cat {root}/cart.py && exit 7\n\
         ls {home} && exit 8\n\
         echo evil >>{home}/.gitconfig && exit 9\n\
         test -n \"$A_SECRET_KEY\" && exit 10\n\
         test \"$CLIENT_KEY\" = given || exit 11\n\
         test -e {root}/../errors.jsonl && exit 12\n\
         {}",
        fix_and_test(),
        home = home.display()
    );
    // The policy names what an agent is given.
    let policy = repo
        .read(".koan-guard.yaml")
        .replace("run: {}", "run: {env: [CLIENT_KEY]}");
    repo.write(".koan-guard.yaml", &policy)
        .commit("chore: a key for the client");
    let agent = agent(&repo, &script);
    let before = Everything::of(&repo);
    let mut command = repo.guard_command(["run", "--now", NOW, "--agent", &agent]);
    command
        .env("A_SECRET_KEY", "s3cret")
        .env("CLIENT_KEY", "given");
    let said = repo.answer_of(&mut command);
    before.check(&repo);
    says(&said, &["exit: 0", "1 fixed"]);
}

#[test]
fn nothing_that_an_agent_starts_outlives_it() {
    let repo = shop("{}");
    let script = format!(
        "setsid sh -c 'sleep 777 & sleep 777' >/dev/null 2>&1 &\n(trap '' TERM HUP INT; sleep 777) &\nyes flood | head -c 20000000\n{}",
        fix_and_test()
    );
    let said = run(&repo, &script, ["--format", "json"]);
    says(
        &said,
        &["exit: 0", "\"truncated\": true", "\"is\": \"accepted\""],
    );
}

#[test]
fn names_that_no_commit_can_hold_are_refused() {
    let repo = shop("{attempts: 1}");
    let script = fix_and_test() + "mkdir .GIT && echo x >.GIT/config\n";
    says(&run(&repo, &script, []), &["exit: 3", "refused[unfit]"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let repo = shop("{}");
    let refs = |repo: &Repo| repo.git(["for-each-ref"]);
    let before = refs(&repo);
    let said = run(&repo, &fix_and_test(), ["--dry-run"]);
    says(
        &said,
        &[
            "exit: 0",
            "dry: nobody was called",
            "Planned\n- k1:",
            "agent.sh < BRIEF",
            "would be on branch koan/k1-",
        ],
    );
    assert_eq!(refs(&repo), before);
    assert!(!repo.home().join(".cache/koan-guard").exists());
}

#[test]
fn without_an_agent_or_a_source_there_is_nothing_to_run() {
    let repo = shop("{}");
    let said = repo.guard(["run", "--now", NOW]);
    says(
        &said,
        &["exit: 2", "nobody says which agent to call", "codex"],
    );
    says(
        &repo.guard(["run", "--agent", "codx"]),
        &["exit: 2", "did you mean `codex`?"],
    );
    fs::remove_file(repo.beside("errors.jsonl")).expect("removed");
    let said = run(&repo, &fix_and_test(), []);
    says(&said, &["exit: 2", "errors.jsonl"]);
    assert!(!repo.git(["for-each-ref"]).contains("refs/koan"));
}

#[test]
fn after_too_many_refusals_a_person_has_to_look() {
    let repo = shop("{attempts: 1, stop_loss: {refusals: 1, days: 7}}");
    says(&run(&repo, &fix(), []), &["exit: 1", "no-test"]);
    let said = run(&repo, &fix(), []);
    says(
        &said,
        &[
            "exit: 0",
            "needs a person: 1 refusals in `.` within 7 days",
            "nothing to do",
        ],
    );
}

#[test]
fn a_secret_is_kept_nowhere() {
    let repo = shop("{attempts: 1}");
    let key = ["AKIA", "QYLPMN5HHHFPZAM2"].concat();
    let script = format!("{}echo 'KEY = \"{key}\"' >>cart.py\n", fix_and_test());
    let said = run(&repo, &script, []);
    says(&said, &["exit: 1", "secret-added", "the work is not kept"]);
    let objects = repo.try_git(["cat-file", "--batch-all-objects", "--batch"]);
    assert!(!objects.contains(&key));
}

#[test]
fn an_agent_reaches_the_hosts_that_are_named_and_no_other() {
    let servers = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    let ports = servers
        .each_ref()
        .map(|server| server.local_addr().expect("an address").port());
    for server in servers {
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for mut stream in server.incoming().flatten() {
                drop(stream.write_all(b"an answer\n"));
            }
        });
    }
    let [model, other] = ports;
    let repo = shop(&format!(
        "{{attempts: 1, network: allow, hosts: ['localhost:{model}']}}"
    ));
    let script = format!(
        "python3 - <<'END' || exit 1
import socket
assert socket.create_connection(('localhost', {model})).recv(99) == b'an answer\\n'
for host, port in ('localhost', {other}), ('192.0.2.1', 443), ('example.org', 443):
    try:
        socket.create_connection((host, port), timeout=5)
    except OSError:
        continue
    raise SystemExit(f'reached {{host}}')
END
{}",
        fix_and_test()
    );
    let said = run(&repo, &script, []);
    says(
        &said,
        &["exit: 0", &format!("no network but localhost:{model}")],
    );
    assert!(!said.contains("not enforced: network"), "{said}");
}

/// Starts a run and waits until its agent is at work.
fn started(repo: &Repo, script: &str) -> Child {
    let agent = agent(repo, script);
    let mut command = repo.guard_command(["run", "--now", NOW, "--agent", &agent]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("koan-guard");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("fix ") {
        line.clear();
        let n = stderr.read_line(&mut line).expect("UTF-8");
        assert!(n > 0, "no agent was called");
    }
    // Whoever says more must find somebody who reads it.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    child
}

/// Its exit code and what it answered.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_to_string(&mut said).expect("UTF-8");
    (child.wait().expect("an end").code(), said)
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("a signal");
}

#[test]
fn a_signal_leaves_no_room_no_claim_and_no_child() {
    use rustix::process::Signal;
    let repo = shop("{}");
    let before = Everything::of(&repo);
    for stop in [Signal::INT, Signal::TERM] {
        let child = started(&repo, "sleep 300\n");
        says(&triage(&repo), &["claimed"]);
        signal(&child, stop);
        let (code, said) = ended(child);
        says(&said, &["stopped by a signal"]);
        assert_eq!(code, Some(3));
        before.check(&repo);
        says(&triage(&repo), &["open"]);
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn what_a_killed_run_left_is_cleared_by_the_next() {
    let repo = shop("{}");
    let before = Everything::of(&repo);
    let child = started(&repo, "sleep 300\n");
    signal(&child, rustix::process::Signal::KILL);
    ended(child);
    says(&triage(&repo), &["claimed"]);
    let said = run(&repo, &fix_and_test(), []);
    says(&said, &["exit: 0", "given back: k1:", "1 fixed"]);
    before.check(&repo);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn two_runs_work_on_an_issue_once() {
    let repo = shop("{}");
    let script = format!("sleep 3\n{}", fix_and_test());
    let first = started(&repo, &script);
    let second = run_beside(&repo);
    let (code, said) = ended(first);
    assert_eq!(code, Some(0), "{said}");
    says(&second, &["exit: 0", "claimed by", "nothing to do"]);
    branch(&repo);
    check_nothing_left(&repo);
}

fn run_beside(repo: &Repo) -> String {
    let agent = repo.beside("agent.sh");
    let agent = agent.to_str().expect("UTF-8");
    repo.answer_of(&mut repo.guard_command(["run", "--now", NOW, "--agent", agent]))
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_source_that_goes_away_meanwhile_is_read_no_more() {
    let repo = shop("{}");
    let child = started(&repo, &format!("sleep 2\n{}", fix_and_test()));
    fs::remove_file(repo.beside("errors.jsonl")).expect("removed");
    let (code, said) = ended(child);
    assert_eq!(code, Some(0), "{said}");
    branch(&repo);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn whatever_of_the_users_changes_refuses_the_whole_run() {
    type Change = fn(&Repo);
    let changes: [(Change, &str); 4] = [
        (
            |repo| {
                repo.write("cart.py", "# mine\n");
            },
            "the checkout's cart.py (changed)",
        ),
        (
            |repo| drop(repo.git(["config", "a.b", "c"])),
            "config (changed)",
        ),
        (
            |repo| drop(repo.git(["branch", "other"])),
            "refs/heads/other (new)",
        ),
        (
            |repo| {
                repo.write_script(".git/hooks/pre-push", "#!/bin/sh\n");
            },
            "hooks/pre-push (new)",
        ),
    ];
    for (change, expected) in changes {
        let repo = shop("{}");
        let child = started(&repo, &format!("sleep 2\n{}", fix_and_test()));
        change(&repo);
        let (code, said) = ended(child);
        assert_eq!(code, Some(1), "{said}");
        says(
            &said,
            &[
                "refused[repository-changed]",
                expected,
                "nothing was put back",
            ],
        );
        assert!(!branches(&repo).contains("koan/"));
        says(&triage(&repo), &["open"]);
        check_nothing_left(&repo);
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_guards_own_share_is_small() {
    let repo = shop("{}");
    let agent = agent(&repo, &format!("sleep 1\n{}", fix_and_test()));
    let args = ["run", "--now", NOW, "--agent", &agent, "--format", "json"];
    let output = repo.guard_command(args).output().expect("koan-guard");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let issue = &json["run"]["issues"][0];
    let own = issue["own_milliseconds"].as_u64().expect("a number");
    // Two seconds on a machine of one's own; the machines of tests are shared by many.
    let most = if env::var_os("KOAN_TEST_QUIET").is_some() {
        2_000
    } else {
        20_000
    };
    assert!(own < most, "{own} ms");
    assert!(issue["attempts"][0]["agent_milliseconds"].as_u64() >= Some(1_000));
}

const USER: &str = "\
def greeting(user):
    return 'Dear ' + user['name']
";

const USER_FIXED: &str = "\
def greeting(user):
    return 'Dear ' + user.get('name', 'customer')
";

const USER_TEST: &str = "\
import unittest

from user import greeting


class Greeting(unittest.TestCase):
    def test_of_somebody(self):
        self.assertEqual(greeting({'name': 'Ada'}), 'Dear Ada')
";

const USER_TEST_OF_BUG: &str = "
    def test_of_nobody(self):
        self.assertEqual(greeting({}), 'Dear customer')
";

/// The shop with a second error.
fn shop_with_users(run: &str) -> Repo {
    let repo = shop(run);
    repo.write("user.py", USER)
        .write("test_user.py", USER_TEST)
        .commit("feat: a greeting");
    let mut log = fs::read_to_string(repo.beside("errors.jsonl")).expect("a log");
    for minute in 20..24 {
        log += &format!(
            r#"{{"level":"error","event":"request failed","timestamp":"2026-11-21T07:{minute:02}:00Z","exception":"Traceback (most recent call last):\n  File \"/srv/shop/user.py\", line 2, in greeting\n    return 'Dear ' + user['name']\nKeyError: 'name'"}}"#
        );
        log.push('\n');
    }
    fs::write(repo.beside("errors.jsonl"), log).expect("a log");
    repo
}

/// Fixes whatever the brief is about.
fn fix_either() -> String {
    format!(
        "if grep -q '^`user.py' \"$KOAN_BRIEF\"; then\n{}cat >>test_user.py <<'KOAN_END'\n{USER_TEST_OF_BUG}KOAN_END\nelse\n{}fi\n",
        put("user.py", USER_FIXED),
        fix_and_test()
    )
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn several_issues_are_worked_on_at_once() {
    let repo = shop_with_users("{}");
    let said = run(&repo, &fix_either(), ["--parallel", "2"]);
    says(
        &said,
        &[
            "exit: 0",
            "2 fixed, 0 refused, 2 tried",
            "KeyError in greeting",
            "total of an empty cart",
        ],
    );
    assert_eq!(branches(&repo).lines().count(), 3);
    let repo = shop_with_users("{}");
    let said = run(&repo, &fix_either(), ["--max", "1"]);
    says(&said, &["exit: 0", "1 fixed", "next: k1:"]);
    let said = run(&repo, &fix_either(), ["--budget", "1ms"]);
    says(&said, &["exit: 3", "stopped: no time left", "next: k1:"]);
}

#[test]
fn a_request_is_opened_for_this_branch_alone() {
    let repo = shop("{}");
    repo.write("CODEOWNERS", "* @ada\n").commit("chore: owners");
    let bare = repo.beside("github.git");
    let bare = bare.to_str().expect("UTF-8");
    repo.git(["init", "--quiet", "--bare", "--initial-branch=main", bare]);
    repo.git(["remote", "add", "origin", bare]);
    repo.git(["push", "--quiet", "origin", "main"]);
    repo.git(["remote", "set-head", "origin", "main"]);
    let bin = repo.beside("bin");
    fs::create_dir(&bin).expect("a folder");
    let log = repo.beside("gh.log");
    let gh = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >{}\necho https://github.com/a/b/pull/7\n",
        log.display()
    );
    fs::write(bin.join("gh"), gh).expect("a script");
    fs::set_permissions(bin.join("gh"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let agent = agent(&repo, &fix_and_test());
    let mut command = repo.guard_command(["run", "--now", NOW, "--pr", "--agent", &agent]);
    let path = env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", bin.display()));
    let said = repo.answer_of(&mut command);
    says(
        &said,
        &[
            "exit: 0",
            "to be merged by a person: https://github.com/a/b/pull/7",
        ],
    );
    let branch = branch(&repo);
    let there = repo.git(["ls-remote", "origin"]);
    let heads: Vec<&str> = there
        .lines()
        .filter(|line| line.contains("refs/heads/"))
        .collect();
    assert_eq!(heads.len(), 2, "{there}");
    says(&there, &[&branch, "refs/koan/triage"]);
    let told = fs::read_to_string(&log).expect("gh was called");
    says(
        &told,
        &[
            "pr\ncreate\n--head\nkoan/k1-",
            "--title\nfix: total of an empty cart\n",
            "FAIL_TO_PASS  test_cart.Total.test_of_nothing",
            "Commits that may have brought it in",
            "--base\nmain\n--reviewer\nada\n",
        ],
    );
}
