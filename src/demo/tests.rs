use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A guard that writes a policy, installs the hook that it is given, and answers `audit` and `extract` with one line: the demo's own
/// expectations are tested with it.
fn guard(folder: &Path, hook: &str) -> PathBuf {
    let program = folder.join("guard.sh");
    let script = format!(
        r#"#!/bin/sh
case "$1" in
init) echo 'version: 1' > .koan-guard.yaml ;;
install) cat > .git/hooks/pre-commit <<'END'
#!/bin/sh
{hook}
END
chmod +x .git/hooks/pre-commit
printf '#!/bin/sh\ngit notes --ref=koan add -m proof\n' > .git/hooks/post-commit
chmod +x .git/hooks/post-commit ;;
esac
echo "said $*"
"#
    );
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    program
}

/// Refuses as the real one would, by looking at the staged text.
const STRICT: &str = r#"
staged=$(git diff --cached)
case "$staged" in *migrations*) echo 'refused[path-protected]'; exit 1;; esac
case "$staged" in *a_coupon_over_the_price*) exit 0;; esac
case "$staged" in *a_coupon_is_taken_off*) echo 'refused[already-passes]'; exit 1;; esac
echo 'refused[no-test]' >&2; exit 1"#;

fn walk(hook: &str) -> (anyhow::Result<()>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        program: guard(folder.path(), hook),
        keep: Some(folder.path().join("kept")),
        now: "2026-11-22T08:00:00Z".parse().expect("a time"),
    };
    let mut text = String::new();
    let ended = run(&options, &mut |piece| text.push_str(piece));
    (ended, text)
}

#[track_caller]
fn check_stops(hook: &str, expected: &str) {
    let (ended, text) = walk(hook);
    let err = format!("{:#}", ended.expect_err("the demo stops"));
    assert!(err.contains(expected), "{err}\n{text}");
    assert!(!text.contains("In short"), "{text}");
}

#[test]
fn three_refusals_and_one_commit_are_the_whole_way() {
    let (ended, text) = walk(STRICT);
    ended.unwrap_or_else(|err| panic!("{err:#}\n{text}"));
    for piece in [
        "$ koan-guard init\n",
        "added to .koan-guard.yaml",
        "$ koan-guard extract --format md\n",
        "refused: no-test\n",
        "refused: already-passes\n",
        "refused: path-protected\n",
        "accepted: it is in the history",
        "$ git notes --ref=koan show\n  proof\n",
        "$ koan-guard audit\n  said audit\n",
        "The demo's repository stays in ",
    ] {
        assert!(text.contains(piece), "{piece}: {text}");
    }
    assert!(text.contains("Koan-Issue: k1:"), "{text}");
}

#[test]
fn a_guard_that_lets_everything_pass_stops_the_demo() {
    check_stops("exit 0", "must end with exit code 1, but ended with 0");
}

#[test]
fn a_guard_that_refuses_for_another_reason_stops_the_demo() {
    check_stops("echo no idea; exit 1", "not for `no-test`");
}

#[test]
fn a_guard_that_refuses_the_honest_fix_stops_the_demo() {
    let hook = STRICT.replace("exit 0", "echo still no; exit 1");
    check_stops(&hook, "must end with exit code 0, but ended with 1");
}

#[test]
fn a_folder_in_use_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("mine");
    fs::write(&mine, "text").expect("a file");
    let Err(err) = Place::new(Some(folder.path())) else {
        panic!("the folder was taken");
    };
    assert!(err.is::<UsageError>(), "{err:#}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn a_missing_tool_is_one_clear_line() {
    let mut say = |_: &str| {};
    let mut walk = Walk {
        repo: PathBuf::from("/"),
        program: PathBuf::from("/"),
        say: &mut say,
    };
    let err = walk
        .need("no-such-tool", "it is not there")
        .expect_err("missing");
    assert!(err.is::<UsageError>(), "{err:#}");
    assert_eq!(
        err.to_string(),
        "`no-such-tool` is missing: it is not there"
    );
}
