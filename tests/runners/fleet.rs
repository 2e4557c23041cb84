//! Several runners in one repository, as one run.

use crate::support::{Project, check, check_distrusted};

const PYTHON: &str = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(1, 1)\n";
const RUST: &str = "#[test]\nfn a() {\n    assert_eq!(1, 2);\n}\n";
const MANIFEST: &str = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

fn project() -> Project {
    Project::new("unittest")
        .with(&[("unittest", "web"), ("cargo", "core")])
        .file("web/test_a.py", PYTHON)
        .file("core/Cargo.toml", MANIFEST)
        .file("core/src/lib.rs", "")
        .file("core/tests/a.rs", RUST)
}

#[test]
fn each_runner_works_in_its_folder() {
    check(
        &project().all(),
        "
        failed core/shop::a a
        passed web/test_a.T.test_a
        ",
    );
}

#[test]
fn only_the_runner_of_a_touched_file_runs() {
    let project = project().plant("web/test_a.py");
    check(
        &project.touched(&["web/test_a.py"]),
        "passed web/test_a.T.test_a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_whole_suite_has_a_canary_of_every_runner() {
    let project = project().plant("web/test_a.py");
    check_distrusted(
        &project.all_with_canary(),
        "cargo: the test that must fail did not run",
    );
    let project = project.with_canary_files(&["web/test_a.py"], &["web/test_a.py"]);
    check(
        &project.all_with_canary(),
        "
        failed core/shop::a a
        passed web/test_a.T.test_a
        ",
    );
}
