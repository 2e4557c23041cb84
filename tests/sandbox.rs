//! What tests can and cannot do in the sandbox: each case is a real process in it.

#![expect(clippy::print_stderr, reason = "a skipped case says why")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use koan_guard::suite::area::{Area, Phase, Side};
use koan_guard::suite::process::{End, Finished, Job, MAX_OUTPUT, MAX_REPORT, base_env};
use koan_guard::suite::sandbox::{Gate, Outside, Sandbox, SandboxLevel};
use tempfile::TempDir;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_koan-guard");

static MACHINE: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::probe_with(Path::new(LAUNCHER)));

/// An area at a level, with one side that holds the file `f`. `None` if this machine has no such level, which is said.
struct Place {
    area: Area,
    side: Side,
    folder: TempDir,
}

impl Place {
    fn new(level: SandboxLevel) -> Option<Place> {
        let sandbox = MACHINE.at_most(level);
        if sandbox.level != level {
            eprintln!("no {level:?} on this machine: {:?}", sandbox.missing);
            return None;
        }
        let folder = TempDir::new().expect("a folder");
        let root = folder.path().join("area");
        let area = Area::open(&root, &sandbox, Duration::from_secs(5)).expect("an area");
        let side = area.add_side(None, one_file("side")).expect("a side");
        Some(Place { area, side, folder })
    }

    fn job(&self, script: &str) -> Job {
        let mut env = base_env();
        env.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
        Job {
            argv: ["/bin/sh", "-c", script].map(OsString::from).to_vec(),
            dir: self.area.tree(),
            env,
            timeout: Duration::from_secs(30),
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        }
    }

    #[track_caller]
    fn sh_in(&self, side: &Side, phase: Phase, script: &str) -> String {
        let job = self.job(script);
        said(&self.area.run(side, phase, &job).expect("a run"))
    }

    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.sh_in(&self.side, Phase::Run, script)
    }
}

fn one_file(content: &'static str) -> impl FnOnce(&Path) -> anyhow::Result<()> {
    move |tree| Ok(fs::write(tree.join("f"), content)?)
}

/// What a script said that ended well; else the whole end.
#[track_caller]
fn said(finished: &Finished) -> String {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    if finished.end == End::Exit(0) {
        return stdout.trim().to_owned();
    }
    let stderr = String::from_utf8_lossy(&finished.stderr);
    format!("{:?} {stdout} {stderr}", finished.end)
}

const LEVELS: [SandboxLevel; 3] = [
    SandboxLevel::Limited,
    SandboxLevel::Confined,
    SandboxLevel::Hermetic,
];

fn places() -> impl Iterator<Item = (SandboxLevel, Place)> {
    LEVELS
        .into_iter()
        .filter_map(|level| Some((level, Place::new(level)?)))
}

/// The last level of `LEVELS` only, which most of the cases are about.
fn hermetic() -> Option<Place> {
    Place::new(SandboxLevel::Hermetic)
}

fn confined() -> impl Iterator<Item = (SandboxLevel, Place)> {
    places().filter(|(level, _)| *level >= SandboxLevel::Confined)
}

/// How many processes outside have `mark` in their command line.
fn n_alive(mark: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("processes");
    let lines = entries
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(mark));
    lines.count()
}

/// Waits for it: a killed process is listed until it is reaped.
#[track_caller]
fn check_dead(mark: &str, level: SandboxLevel) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while n_alive(mark) > 0 {
        assert!(Instant::now() < deadline, "{level:?}: `{mark}` is alive");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_job_runs_at_every_level() {
    for (level, place) in places() {
        assert_eq!(place.sh("cat f"), "side", "{level:?}");
        let end = place.sh("echo out; echo err >&2; exit 7");
        assert_eq!(end, "Exit(7) out\n err\n", "{level:?}");
        assert_eq!(place.sh("kill -9 $$"), "Signal(9)  ", "{level:?}");
    }
}

#[test]
fn a_work_area_may_lie_where_the_sandbox_has_links_of_its_own() {
    for parent in ["/var/tmp", "/dev/shm", "/tmp"] {
        let Ok(folder) = TempDir::new_in(parent) else {
            eprintln!("no {parent} on this machine");
            continue;
        };
        let area = Area::open(folder.path(), &MACHINE, Duration::ZERO).expect("an area");
        let side = area.add_side(None, one_file("here")).expect("a side");
        let job = Job {
            argv: ["/bin/cat", "f"].map(OsString::from).to_vec(),
            dir: area.tree(),
            env: base_env(),
            timeout: Duration::from_secs(30),
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        };
        let finished = area.run(&side, Phase::Run, &job).expect("a run");
        assert_eq!(said(&finished), "here", "{parent}");
    }
}

#[test]
fn a_level_names_what_it_lacks() {
    for (level, place) in places() {
        let sandbox = place.area.sandbox();
        assert_eq!(sandbox.level, level);
        if level < SandboxLevel::Hermetic {
            assert!(!sandbox.missing.is_empty());
        }
    }
    let none = Sandbox::probe_with(Path::new("/nonexistent"));
    assert_eq!(none.level, SandboxLevel::None);
    assert!(none.missing[0].starts_with("launcher: "), "{none:?}");
    // A program that says nothing enforces nothing.
    let none = Sandbox::probe_with(Path::new("/bin/true"));
    assert_eq!(none.level, SandboxLevel::None);
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    for (level, place) in places() {
        let mut job = place.job("");
        job.argv = vec!["/nonexistent/program".into()];
        let err = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect_err("no program");
        assert!(
            format!("{err:#}").contains("/nonexistent/program"),
            "{level:?}: {err:#}"
        );
    }
}

#[test]
fn what_was_promised_and_cannot_be_enforced_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    let mut sandbox = MACHINE.at_most(SandboxLevel::Confined);
    if sandbox.level != SandboxLevel::Confined {
        return;
    }
    let landlock_abi = std::mem::replace(&mut sandbox.landlock_abi, u8::MAX);
    let place = |sandbox: &Sandbox| {
        let area = Area::open(folder.path(), sandbox, Duration::ZERO).expect("an area");
        let side = area.add_side(None, one_file("f")).expect("a side");
        let job = Job {
            argv: vec!["/bin/true".into()],
            dir: area.tree(),
            env: base_env(),
            timeout: Duration::from_secs(5),
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        };
        area.run(&side, Phase::Run, &job)
            .map(|finished| finished.end)
    };
    let err = place(&sandbox).expect_err("a Landlock that is not there");
    assert!(format!("{err:#}").contains("restrict files"), "{err:#}");
    sandbox.landlock_abi = landlock_abi;
    assert_eq!(place(&sandbox).expect("a run"), End::Exit(0));
}

#[test]
fn nothing_outside_can_be_written() {
    for (level, place) in confined() {
        let outside = place.folder.path().join("outside");
        fs::write(&outside, "kept").expect("a file");
        let script = format!(
            "(echo x > {0}) 2>/dev/null; (echo x > {0}.new) 2>/dev/null; ln f {0}.link 2>/dev/null; mv f {0} 2>/dev/null;
             (: > /etc/koan) 2>/dev/null; rm -f {0} 2>/dev/null; cat f",
            outside.display()
        );
        assert_eq!(place.sh(&script), "side", "{level:?}");
        assert_eq!(fs::read_to_string(&outside).expect("a file"), "kept");
        let names = fs::read_dir(place.folder.path()).expect("a folder").count();
        assert_eq!(names, 2, "{level:?}: the area and the file");
        assert!(!Path::new("/etc/koan").exists());
    }
}

#[test]
fn neither_modes_nor_times_outside_can_be_changed() {
    let Some(place) = hermetic() else { return };
    let file = place.folder.path().join("tool");
    fs::write(&file, "").expect("a file");
    let mut job = place.job(&format!(
        "chmod 777 {0}; touch -d 2001-01-01 {0}",
        file.display()
    ));
    job.readable.push(file.clone());
    let before = fs::metadata(&file).expect("a file");
    let finished = place
        .area
        .run(&place.side, Phase::Run, &job)
        .expect("a run");
    assert_ne!(finished.end, End::Exit(0));
    let after = fs::metadata(&file).expect("a file");
    assert_eq!(before.permissions(), after.permissions());
    assert_eq!(
        before.modified().expect("time"),
        after.modified().expect("time")
    );
}

#[test]
fn a_secret_is_not_read_unless_it_is_on_the_list() {
    for (level, place) in confined() {
        let home = place.folder.path().join("home/.ssh");
        fs::create_dir_all(&home).expect("a folder");
        let key = home.join("id_ed25519");
        fs::write(&key, "secret").expect("a key");
        let mut job = place.job(&format!("cat {0} || ls {1}", key.display(), home.display()));
        let run = |job: &Job| said(&place.area.run(&place.side, Phase::Run, job).expect("a run"));
        let denied = run(&job);
        assert!(
            denied.starts_with("Exit(") && !denied.contains("secret"),
            "{level:?}: {denied}"
        );
        job.readable.push(home);
        assert_eq!(run(&job), "secret", "{level:?}");
    }
}

/// A checkout with a package in `node_modules`, and one that is a link to a folder of the checkout; the tree has that folder too.
fn checkout_with_packages(place: &Place) -> std::path::PathBuf {
    let checkout = place.folder.path().join("checkout");
    for folder in ["node_modules/dep", "node_modules/@scope", "packages/own"] {
        fs::create_dir_all(checkout.join(folder)).expect("a folder");
    }
    fs::write(checkout.join("node_modules/dep/f"), "dependency").expect("a file");
    fs::write(checkout.join("packages/own/f"), "checkout").expect("a file");
    let link = std::os::unix::fs::symlink::<&str, std::path::PathBuf>;
    link("../packages/own", checkout.join("node_modules/own")).expect("a link");
    link(
        "../../packages/own",
        checkout.join("node_modules/@scope/own"),
    )
    .expect("a link");
    checkout
}

fn tree_with_packages(tree: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(tree.join("packages/own"))?;
    fs::create_dir_all(tree.join("node_modules/dep"))?;
    fs::write(tree.join("node_modules/dep/f"), "committed")?;
    fs::write(tree.join("packages/own/f"), "tree")?;
    std::os::unix::fs::symlink("/", tree.join("away"))?;
    Ok(())
}

#[test]
fn a_folder_of_the_checkout_is_shown_in_the_tree_and_not_written() {
    for (level, place) in places() {
        let checkout = checkout_with_packages(&place);
        let side = place.area.add_side(None, tree_with_packages).expect("side");
        let mut job = place.job(
            "cd node_modules; cat dep/f own/f @scope/own/f;
             if (echo x > dep/new || chmod 777 dep/f) 2>/dev/null; then echo written; fi",
        );
        let source = checkout.join("node_modules");
        job.shown.push((source.clone(), "node_modules".into()));
        let run = |job: &Job| place.area.run(&side, Phase::Run, job);
        let expected = "dependencytreetree";
        let output = said(&run(&job).expect("a run"));
        if level == SandboxLevel::Hermetic {
            assert_eq!(output, expected);
        } else {
            assert!(output.starts_with(expected), "{level:?}: {output}");
        }
        if level >= SandboxLevel::Confined {
            assert!(!source.join("dep/new").exists(), "{level:?}");
        }

        job.shown = vec![(source.clone(), "away/tmp".into())];
        let err = run(&job).expect_err("out of the tree");
        assert!(format!("{err:#}").contains("on the way"), "{err:#}");
        for out in ["", "../x", "/x", "a/../../x"] {
            job.shown = vec![(source.clone(), out.into())];
            run(&job).expect_err(out);
        }
        job.shown = vec![(place.folder.path().join("absent"), "x".into())];
        run(&job).expect_err("nothing to show");
    }
}

#[test]
fn both_sides_see_one_path_and_not_each_other() {
    for (level, place) in places() {
        let other = place
            .area
            .add_side(None, one_file("other"))
            .expect("a side");
        let script = "pwd; cat f";
        let tree = place.area.tree();
        assert_eq!(place.sh(script), format!("{}\nside", tree.display()));
        assert_eq!(
            place.sh_in(&other, Phase::Run, script),
            format!("{}\nother", tree.display())
        );
        if level >= SandboxLevel::Confined {
            let sides = tree.ancestors().nth(2).expect("a root").join("sides");
            let look = format!("ls {}", sides.display());
            assert!(place.sh(&look).starts_with("Exit("), "{level:?}");
        }
        if level == SandboxLevel::Hermetic {
            let look = "cut -d' ' -f4- /proc/self/mountinfo | grep -v ' - proc ' | sed 's/^[^ ]* //'; hostname; id -u; ls -a / ..";
            assert_eq!(place.sh(look), place.sh_in(&other, Phase::Run, look));
        }
    }
}

#[test]
fn the_build_output_stays_between_build_and_run_and_runs_do_not_change_it() {
    for (level, place) in places() {
        let target = place.area.target();
        let target = target.display();
        let build = format!("echo built > {target}/out; echo x > left; cat f");
        assert_eq!(
            place.sh_in(&place.side, Phase::Build, &build),
            "side",
            "{level:?}"
        );
        let spoil =
            format!("(echo spoilt > {target}/out) 2>/dev/null; (: > {target}/new) 2>/dev/null; ls");
        assert_eq!(place.sh(&spoil), "f", "{level:?}");
        assert_eq!(
            place.sh(&format!("cat {target}/out; ls {target}")),
            "built\nout"
        );
        let again = format!("cat {target}/out; ls; echo more >> {target}/out");
        assert_eq!(place.sh_in(&place.side, Phase::Build, &again), "built\nf");
        assert_eq!(place.sh(&format!("cat {target}/out")), "built\nmore");
    }
}

#[test]
fn a_side_starts_from_the_build_output_of_its_base_and_keeps_its_own() {
    for (level, place) in places() {
        let target = place.area.target();
        let target = target.display();
        let build =
            format!("echo base > {target}/out; mkdir {target}/deps; echo d > {target}/deps/d");
        place.sh_in(&place.side, Phase::Build, &build);
        let one = place
            .area
            .add_side(Some(&place.side), one_file("one"))
            .expect("a side");
        let two = place
            .area
            .add_side(Some(&place.side), one_file("two"))
            .expect("a side");
        let build = format!("cat {target}/out; echo $(cat f) > {target}/out; rm -r {target}/deps");
        assert_eq!(place.sh_in(&one, Phase::Build, &build), "base", "{level:?}");
        assert_eq!(place.sh_in(&two, Phase::Build, &build), "base", "{level:?}");
        let look = format!("cat {target}/out; ls {target}");
        for _ in 0..2 {
            assert_eq!(
                place.sh_in(&one, Phase::Run, &look),
                "one\nout",
                "{level:?}"
            );
            assert_eq!(
                place.sh_in(&two, Phase::Run, &look),
                "two\nout",
                "{level:?}"
            );
            assert_eq!(place.sh(&look), "base\ndeps\nout", "{level:?}");
        }
        // A third layer, over one that was built twice.
        place.sh_in(&one, Phase::Build, &format!("echo again >> {target}/out"));
        let three = place
            .area
            .add_side(Some(&one), one_file("three"))
            .expect("a side");
        assert_eq!(
            place.sh_in(&three, Phase::Build, &look),
            "one\nagain\nout",
            "{level:?}"
        );
    }
}

#[test]
fn a_marker_of_one_run_is_gone_in_the_next() {
    for (level, place) in places() {
        let script = "ls -A $HOME $TMPDIR . | grep marker; for d in $HOME $TMPDIR .; do : > $d/marker || exit 1; done; ls -A . $HOME";
        let first = place.sh(script);
        assert!(
            first.contains("marker") && !first.starts_with("Exit"),
            "{first}"
        );
        let second = place.sh("ls -A $HOME $TMPDIR . /dev/shm | grep marker; true");
        assert_eq!(second, "", "{level:?}");
        // Also between the jobs of one sandbox.
        let jobs = [place.job(script), place.job(script)];
        let all = place
            .area
            .run_each(&place.side, Phase::Run, &jobs)
            .expect("runs");
        assert_eq!(all[0].stdout, all[1].stdout, "{level:?}");
        let leave = place.job("echo x > /dev/shm/marker; echo x > /tmp/marker; ls /dev/shm /tmp");
        let look = place.job("ls /dev/shm /tmp");
        if level == SandboxLevel::Hermetic {
            let jobs = [leave, look];
            let all = place
                .area
                .run_each(&place.side, Phase::Run, &jobs)
                .expect("runs");
            assert!(said(&all[0]).contains("marker"));
            assert!(!said(&all[1]).contains("marker"));
        }
    }
}

#[test]
fn the_environment_is_what_the_job_says_and_nothing_else() {
    for (level, place) in places() {
        let mut job = place.job("");
        job.argv = vec!["/usr/bin/env".into()];
        job.report = true;
        job.env = BTreeMap::from([("ONLY".into(), "this".into())]);
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        let mut names: Vec<_> = String::from_utf8_lossy(&finished.stdout)
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["HOME", "KOAN_REPORT_FD", "ONLY", "TMPDIR"],
            "{level:?}"
        );
    }
    let env = base_env();
    assert!(!env.contains_key(&OsString::from("PATH")));
}

#[test]
fn a_job_has_its_streams_and_no_other_files() {
    for (level, place) in places() {
        let mut job = place.job("echo one >&$KOAN_REPORT_FD; printf two >&$KOAN_REPORT_FD; ls /proc/self/fd | wc -l; cat");
        job.report = true;
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        assert_eq!(finished.report, b"one\ntwo", "{level:?}");
        // Three streams, the report, and the list that is being read.
        assert_eq!(said(&finished), "5", "{level:?}");
        job.report = false;
        job.argv[2] = "ls /proc/self/fd | wc -l; echo ${KOAN_REPORT_FD-none}".into();
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        assert_eq!(said(&finished), "4\nnone", "{level:?}");
    }
}

#[test]
fn much_output_is_cut_off_and_does_not_hold_up() {
    for (level, place) in places() {
        let (n, n_report) = (2 * MAX_OUTPUT, MAX_REPORT + 1);
        let mut job = place.job(&format!(
            "head -c {n} /dev/zero; head -c {n} /dev/zero >&2; head -c {n_report} /dev/zero >&$KOAN_REPORT_FD; exit 4"
        ));
        job.report = true;
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        assert_eq!(finished.end, End::Exit(4), "{level:?}");
        assert!(finished.truncated);
        assert_eq!(finished.stdout.len(), MAX_OUTPUT);
        assert_eq!(finished.stderr.len(), MAX_OUTPUT);
        assert_eq!(finished.report.len(), MAX_REPORT);
    }
}

#[test]
fn the_time_limit_kills_all() {
    for (level, place) in places() {
        let mark = format!("31{}", level as usize + 600);
        let mut job = place.job(&format!(
            "echo on; (trap '' TERM; setsid sleep {mark} & sleep {mark}) & sleep {mark}"
        ));
        job.timeout = Duration::from_millis(600);
        let start = Instant::now();
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        assert_eq!(finished.end, End::TimedOut, "{level:?}");
        assert_eq!(finished.stdout, b"on\n");
        assert!(start.elapsed() < Duration::from_secs(15), "{level:?}");
        check_dead(&mark, level);
    }
}

#[test]
fn a_daemon_dies_with_its_job() {
    for (level, place) in places() {
        let mark = format!("41{}", level as usize + 600);
        // Twice forked, in a session of its own, holding the job's pipes open.
        let script =
            format!("(setsid sh -c 'sleep {mark} & sleep {mark}' &) ; sleep 0.2; echo gone");
        let start = Instant::now();
        let jobs = [
            place.job(&script),
            place.job("ps -e 2>/dev/null | grep -c sleep"),
        ];
        let all = place
            .area
            .run_each(&place.side, Phase::Run, &jobs)
            .expect("runs");
        assert_eq!(said(&all[0]), "gone", "{level:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{level:?}");
        check_dead(&mark, level);
    }
}

#[test]
fn a_killed_guard_leaves_nobody_alive() {
    // The guard here is the launcher's parent: a child of the test, killed without a chance to clean up.
    for (level, place) in places() {
        let mark = format!("51{}", level as usize + 600);
        let guard = std::env::current_exe().expect("this test");
        let root = place.folder.path().join("killed");
        let mut guard = Command::new(guard)
            .args(["--exact", "a_guard_to_be_killed", "--ignored"])
            .env("KOAN_TEST_ROOT", &root)
            .env("KOAN_TEST_LEVEL", format!("{level:?}"))
            .env("KOAN_TEST_MARK", &mark)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("a guard");
        let deadline = Instant::now() + Duration::from_secs(30);
        // The shell, its `sleep`, and a daemon.
        while n_alive(&mark) < 3 {
            assert!(Instant::now() < deadline, "{level:?}: not started");
            thread::sleep(Duration::from_millis(20));
        }
        guard.kill().expect("killed");
        guard.wait().expect("dead");
        check_dead(&mark, level);
        let sandbox = place.area.sandbox();
        let area = Area::open(&root, sandbox, Duration::from_secs(5)).expect("free again");
        let side = area.add_side(None, one_file("anew")).expect("a side");
        let mut job = place.job("cat f");
        job.dir = area.tree();
        assert_eq!(
            said(&area.run(&side, Phase::Run, &job).expect("a run")),
            "anew"
        );
    }
}

#[test]
#[ignore = "a process that another test kills"]
fn a_guard_to_be_killed() {
    let Some(root) = std::env::var_os("KOAN_TEST_ROOT") else {
        return;
    };
    let name = std::env::var("KOAN_TEST_LEVEL").expect("a level");
    let mark = std::env::var("KOAN_TEST_MARK").expect("a mark");
    let level = LEVELS
        .into_iter()
        .find(|level| format!("{level:?}") == name);
    let place = Place::new(level.expect("a level")).expect("a place");
    let area = Area::open(Path::new(&root), place.area.sandbox(), Duration::ZERO).expect("an area");
    let side = area.add_side(None, one_file("f")).expect("a side");
    let mut job = place.job(&format!("setsid sleep {mark} & sleep {mark}; sleep 60"));
    job.dir = area.tree();
    let _ = area.run(&side, Phase::Run, &job);
}

#[test]
fn the_network_ends_at_the_loopback_interface() {
    let Some(place) = hermetic() else { return };
    let script = r#"
import socket, threading
for family, kind, address in [
    (socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80)),
]:
    try:
        socket.socket(family, kind).connect(address)
        print("reached", address)
    except OSError as err:
        print(err.strerror)
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
print(socket.create_connection(server.getsockname()).recv(5).decode())
"#;
    let mut job = place.job("");
    job.argv = ["/usr/bin/python3", "-c", script]
        .map(OsString::from)
        .to_vec();
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("no python3 on this machine");
        return;
    }
    let finished = place
        .area
        .run(&place.side, Phase::Run, &job)
        .expect("a run");
    let unreachable = "Network is unreachable\n".repeat(3);
    assert_eq!(said(&finished), format!("{unreachable}hello"));
}

/// What a job says of the addresses that it tries: `tries` are lines of Python that connect.
fn tried(place: &Place, outside: &Outside, tries: &str) -> String {
    let script = format!(
        r#"
import socket
def say(host, port):
    try:
        with socket.create_connection((host, port), timeout=10) as there:
            there.sendall(b"hello")
            there.shutdown(socket.SHUT_WR)
            print(b"".join(iter(lambda: there.recv(9), b"")).decode() or "closed")
    except ConnectionResetError:
        print("closed")
    except OSError as err:
        print(err.strerror)
{tries}"#
    );
    let mut job = place.job("");
    job.argv = ["/usr/bin/python3", "-c", &script]
        .map(OsString::from)
        .to_vec();
    let room = place.area.room(one_file("room")).expect("a room");
    said(&room.run(outside, &job).expect("a run"))
}

/// A server on all addresses of this machine that answers what it hears in capitals.
fn shouting_server() -> u16 {
    let server = TcpListener::bind(("0.0.0.0", 0)).expect("a port");
    let port = server.local_addr().expect("an address").port();
    // The thread ends with the process of the tests.
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut heard = String::new();
            drop(stream.read_to_string(&mut heard));
            drop(stream.write_all(heard.to_uppercase().as_bytes()));
        }
    });
    port
}

fn gate(host: &str, port: u16) -> Gate {
    Gate {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn through_a_gate_one_port_of_one_host_is_reached() {
    let Some(place) = hermetic() else { return };
    let (port, other) = (shouting_server(), shouting_server());
    let name = rustix::system::uname();
    let name = name.nodename().to_str().expect("a name").to_lowercase();
    let gates = vec![
        gate("localhost", port),
        gate(&name, port),
        gate("nobody.invalid", 443),
    ];
    let tries = format!(
        "say('127.0.0.1', {port})
say('localhost', {port})
say('{name}', {port})
say('localhost', {other})
say('{name}', {other})
say('nobody.invalid', 443)
say('192.0.2.1', {port})
"
    );
    assert_eq!(
        tried(&place, &Outside::Gates(gates), &tries),
        "HELLO\nHELLO\nHELLO\nConnection refused\nConnection refused\nclosed\nNetwork is unreachable"
    );
    let tries = format!("say('localhost', {port})\nsay('192.0.2.1', 80)\n");
    assert_eq!(
        tried(&place, &Outside::Nothing, &tries),
        "Connection refused\nNetwork is unreachable"
    );
    assert_eq!(
        tried(&place, &Outside::All, &format!("say('localhost', {port})")),
        "HELLO"
    );
}

#[test]
fn much_goes_through_a_gate_both_ways() {
    let Some(place) = hermetic() else { return };
    let port = shouting_server();
    let tries = format!(
        "
there = socket.create_connection(('localhost', {port}))
there.sendall(b'x' * 5_000_000)
there.shutdown(socket.SHUT_WR)
print(len(b''.join(iter(lambda: there.recv(65536), b''))))
for n in range(300):
    say('localhost', {port}) if n > 298 else socket.create_connection(('localhost', {port})).close()
"
    );
    let gates = Outside::Gates(vec![gate("localhost", port)]);
    assert_eq!(tried(&place, &gates, &tries), "5000000\nHELLO");
}

#[test]
fn a_gate_needs_a_network_of_its_own() {
    let Some(place) = Place::new(SandboxLevel::Confined) else {
        return;
    };
    let room = place.area.room(one_file("room")).expect("a room");
    let gates = Outside::Gates(vec![gate("localhost", 80)]);
    let err = room.run(&gates, &place.job("true")).expect_err("no gates");
    assert!(
        format!("{err:#}").contains("no host can be told from another"),
        "{err:#}"
    );
}

#[test]
fn there_is_no_network_without_namespaces() {
    let Some(place) = Place::new(SandboxLevel::Confined) else {
        return;
    };
    if place.area.sandbox().landlock_abi >= 9 {
        eprintln!("here Landlock guards the local sockets");
        return;
    }
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("no python3 on this machine");
        return;
    }
    for kind in [
        "AF_UNIX",
        "AF_INET, socket.SOCK_STREAM",
        "AF_INET6, socket.SOCK_DGRAM",
        "AF_VSOCK",
    ] {
        let script = format!(
            "/usr/bin/python3 -c 'import socket; socket.socketpair(); socket.socket(socket.{kind})' 2>&1 | tail -n 1"
        );
        assert_eq!(
            place.sh(&script),
            "PermissionError: [Errno 1] Operation not permitted"
        );
    }
}

#[test]
fn the_supervisor_cannot_be_reached() {
    for (level, place) in confined() {
        let init = if level == SandboxLevel::Hermetic {
            "1"
        } else {
            "$PPID"
        };
        let script = format!(
            "cat /proc/{init}/environ; cat /proc/{init}/fd/0; (echo x > /proc/{init}/mem); (echo x > /proc/{init}/fd/1);
             kill -9 {init}; kill -SEGV {init}; sleep 0.1; echo alive"
        );
        let finished = place
            .area
            .run(&place.side, Phase::Run, &place.job(&script))
            .expect("a run");
        assert_eq!(said(&finished), "alive", "{level:?}");
        let denials = String::from_utf8_lossy(&finished.stderr).lines().count();
        assert!(
            denials >= 4,
            "{level:?}: {}",
            String::from_utf8_lossy(&finished.stderr)
        );
    }
}

#[test]
fn a_job_has_no_capabilities_and_gets_none() {
    for (level, place) in places() {
        let look =
            "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status | cut -f2 | sort -u";
        assert_eq!(place.sh(look), "0000000000000000\n1", "{level:?}");
        let script = "umask; ulimit -c; ulimit -n";
        assert_eq!(place.sh(script), "0077\n0\n16384", "{level:?}");
    }
    for (level, place) in confined() {
        let script = "for c in 'mount -t tmpfs x .' 'umount /proc' 'unshare -Ur true' 'unshare -n true' 'nsenter -t 1 -m true'; do
             $c 2>/dev/null && echo \"$c\"; done; true";
        assert_eq!(place.sh(script), "", "{level:?}");
    }
}

#[test]
fn scratch_folders_take_writes_that_are_thrown_away() {
    for (level, place) in confined() {
        let scratch = place.folder.path().join("cargo");
        fs::create_dir(&scratch).expect("a folder");
        fs::write(scratch.join("index"), "kept").expect("a file");
        let script = format!(
            "cd {}; cat index; (echo x > index) 2>/dev/null && (: > new) && cat index",
            scratch.display()
        );
        let mut job = place.job(&script);
        job.scratch.push(scratch.clone());
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        let stdout = String::from_utf8_lossy(&finished.stdout);
        let expected = if level == SandboxLevel::Hermetic {
            "keptx\n"
        } else {
            "kept"
        };
        assert_eq!(stdout, expected, "{level:?}");
        assert_eq!(
            fs::read_to_string(scratch.join("index")).expect("a file"),
            "kept"
        );
        assert!(!scratch.join("new").exists());
    }
}

#[test]
fn what_lies_in_the_area_can_be_read_if_it_is_on_the_list() {
    for (level, place) in confined() {
        let scripts = place.folder.path().join("area/scripts");
        fs::create_dir(&scripts).expect("a folder");
        fs::write(scripts.join("reporter.py"), "guard").expect("a file");
        let script = format!(
            "cd {}; cat reporter.py; (echo x > reporter.py) 2>/dev/null; chmod 777 reporter.py 2>/dev/null; cat reporter.py",
            scripts.display()
        );
        let mut job = place.job(&script);
        job.readable.push(scripts.clone());
        let finished = place
            .area
            .run(&place.side, Phase::Run, &job)
            .expect("a run");
        assert_eq!(said(&finished), "guardguard", "{level:?}");
        assert_eq!(
            fs::read_to_string(scripts.join("reporter.py")).expect("a file"),
            "guard"
        );
    }
}

#[test]
fn what_lies_in_the_folder_for_temporary_files_can_be_read_if_it_is_on_the_list() {
    let tools = TempDir::new_in("/tmp").expect("a folder");
    fs::create_dir(tools.path().join("venv")).expect("a folder");
    fs::write(tools.path().join("venv/python"), "tool").expect("a file");
    fs::write(tools.path().join("secret"), "secret").expect("a file");
    let folder = TempDir::new_in("/var/tmp").expect("a folder");
    let area = Area::open(&folder.path().join("area"), &MACHINE, Duration::ZERO).expect("an area");
    let side = area.add_side(None, one_file("side")).expect("a side");
    let script = format!(
        "cd {}; cat venv/python; (echo x > venv/python) 2>/dev/null; cat secret 2>/dev/null; echo own > /tmp/own && cat /tmp/own",
        tools.path().display()
    );
    let job = Job {
        argv: ["/bin/sh", "-c", &script].map(OsString::from).to_vec(),
        dir: area.tree(),
        env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
        timeout: Duration::from_secs(30),
        readable: vec![tools.path().join("venv")],
        scratch: Vec::new(),
        shown: Vec::new(),
        report: false,
    };
    let finished = area.run(&side, Phase::Run, &job).expect("a run");
    assert_eq!(said(&finished), "toolown");
    assert_eq!(
        fs::read_to_string(tools.path().join("venv/python")).expect("a file"),
        "tool"
    );
}

#[test]
fn many_jobs_in_one_sandbox_answer_in_order() {
    for (level, place) in places() {
        let jobs: Vec<Job> = (0..5)
            .map(|n| place.job(&format!("echo {n}; exit {n}")))
            .collect();
        let all = place
            .area
            .run_each(&place.side, Phase::Run, &jobs)
            .expect("runs");
        for (n, finished) in (0..).zip(&all) {
            assert_eq!(finished.end, End::Exit(n), "{level:?}");
            assert_eq!(finished.stdout, format!("{n}\n").into_bytes());
        }
        assert_eq!(all.len(), 5);
    }
}

/// Not a test of speed, but `cargo test --test sandbox --release cost -- --ignored --nocapture` shows it.
#[test]
#[ignore = "a measurement"]
fn cost() {
    for (level, place) in places() {
        let mut job = place.job("");
        job.argv = vec!["/bin/true".into()];
        let mut times: Vec<Duration> = (0..100)
            .map(|_| {
                let start = Instant::now();
                place
                    .area
                    .run(&place.side, Phase::Run, &job)
                    .expect("a run");
                start.elapsed()
            })
            .collect();
        times.sort();
        let jobs = vec![job; 200];
        let start = Instant::now();
        place
            .area
            .run_each(&place.side, Phase::Run, &jobs)
            .expect("runs");
        eprintln!(
            "{level:?}: {:?} a run, {:?} a job of many",
            times[50],
            start.elapsed() / 200
        );
    }
}

/// An area at a level, and what a line of setup leaves in a tree that holds `f`.
fn with_layer(
    level: SandboxLevel,
    folder: &Path,
    line: &str,
) -> Option<(std::sync::Arc<Area>, koan_guard::suite::area::setup::Layer)> {
    let sandbox = MACHINE.at_most(level);
    if sandbox.level != level {
        return None;
    }
    let area = Area::open(folder, &sandbox, Duration::from_secs(5)).expect("an area");
    let area = std::sync::Arc::new(area);
    let site = area
        .begin_layer(one_file("parent"), |home| {
            Ok(fs::write(home.join("seed"), "seed")?)
        })
        .expect("a site");
    let mut env = base_env();
    env.insert("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into());
    let job = Job {
        argv: ["/bin/sh", "-c", line].map(OsString::from).to_vec(),
        dir: area.tree(),
        env,
        timeout: Duration::from_secs(30),
        readable: Vec::new(),
        scratch: Vec::new(),
        shown: Vec::new(),
        report: false,
    };
    let finished = area.set_up(&site, &Outside::Nothing, &job).expect("setup");
    assert_eq!(said(&finished), "parent seed", "{level:?}");
    let layer = area.keep_layer(site, "digest").expect("a layer");
    Some((area, layer))
}

const SET_UP: &str = "cat f; printf ' '; cat ~/seed; echo changed > f; mkdir -p new/deep d; echo layer > new/deep/f; echo layer > d/g; \
     ln -s deep new/link; mkfifo new/pipe; echo home > ~/h; chmod 500 new/deep; ln -s $PWD/f new/absolute";

#[test]
fn what_setup_made_is_below_every_run_and_the_tree_wins() {
    for level in LEVELS {
        let folder = TempDir::new().expect("a folder");
        let Some((area, layer)) = with_layer(level, &folder.path().join("a"), SET_UP) else {
            continue;
        };
        assert_eq!(layer.roots, [Path::new("d"), Path::new("new")], "{level:?}");
        let set_up = area.use_layer(layer).expect("a layer");
        let side = area
            .add_side(None, |tree| {
                fs::create_dir(tree.join("d"))?;
                fs::write(tree.join("d/g"), "tree\n")?;
                Ok(fs::write(tree.join("f"), "side\n")?)
            })
            .expect("a side");
        let mut job = Job {
            argv: Vec::new(),
            dir: area.tree(),
            env: base_env(),
            timeout: Duration::from_secs(30),
            readable: Vec::new(),
            scratch: Vec::new(),
            shown: Vec::new(),
            report: false,
        };
        let look = "/bin/cat f d/g new/link/f ~/h ~/seed new/absolute; ls new; echo spoilt > f; echo spoilt > d/g; echo spoilt > new/link/f; \
                    echo spoilt > ~/h; echo x > new/x; exit 0";
        job.argv = ["/bin/sh", "-c", look].map(OsString::from).to_vec();
        job.env.insert("PATH".into(), "/usr/bin:/bin".into());
        for phase in [Phase::Run, Phase::Build, Phase::Run] {
            let finished = area.run(&side, phase, &job).expect("a run");
            let expected = "side\ntree\nlayer\nhome\nseedside\nabsolute\ndeep\nlink";
            assert_eq!(said(&finished), expected, "{level:?} {phase:?}");
        }
        job.argv = ["/bin/cat", "new/deep/f"].map(OsString::from).to_vec();
        assert_eq!(said(&set_up.ask(&job).expect("an answer")), "layer");
        assert!(
            area.find_layer("digest").expect("a look").is_some(),
            "{level:?}"
        );
    }
}

#[test]
fn a_layer_that_was_touched_is_not_found() {
    for level in LEVELS {
        let folder = TempDir::new().expect("a folder");
        let root = folder.path().join("a");
        let Some((area, layer)) = with_layer(level, &root, SET_UP) else {
            continue;
        };
        drop(area);
        let sandbox = MACHINE.at_most(level);
        let area = Area::open(&root, &sandbox, Duration::from_secs(5)).expect("an area");
        assert!(area.find_layer("digest").expect("a look").is_some());
        assert!(area.find_layer("other").expect("a look").is_none());
        fs::write(layer.home().join("h"), "hxme\n").expect("a file");
        assert!(area.find_layer("digest").expect("a look").is_none());
    }
}

#[test]
fn only_the_newest_layers_are_kept_and_half_made_ones_never() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().join("a");
    let Some((area, _)) = with_layer(SandboxLevel::Limited, &root, SET_UP) else {
        return;
    };
    for digest in ["b", "c", "d"] {
        let site = area.begin_layer(one_file("x"), |_| Ok(())).expect("site");
        area.keep_layer(site, digest).expect("a layer");
    }
    let site = area.begin_layer(one_file("x"), |_| Ok(())).expect("site");
    drop(site);
    let found =
        ["digest", "b", "c", "d"].map(|digest| area.find_layer(digest).expect("look").is_some());
    assert_eq!(found, [false, true, true, true]);
    assert_eq!(fs::read_dir(root.join("setup")).expect("layers").count(), 3);
}
