//! A command of the project's own: projects in the shape of Maven and Gradle, whose build tool is a shell script that writes their reports.

use std::time::Duration;

use koan_guard::policy::CustomRunner;

use crate::support::{Project, check, check_distrusted};

/// Compares a line of a source with a line of each test, and writes a report as Surefire does: one file per class, status 1 if any fails.
const MAVEN: &str = r#"#!/bin/sh
set -u
mkdir -p target/surefire-reports
status=0
for test in src/test/java/*.java; do
  class=$(basename "$test" .java)
  if grep -q 'does not compile' "$test" src/main/java/*.java; then
    echo "[ERROR] COMPILATION ERROR: $test" >&2
    exit 1
  fi
  {
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo "<testsuite name=\"shop.$class\">"
    while read -r name expected; do
      got=$(cat src/main/java/Cart.java)
      if [ "$got" = "$expected" ]; then
        echo "<testcase name=\"$name\" classname=\"shop.$class\"/>"
      else
        echo "<testcase name=\"$name\" classname=\"shop.$class\"><failure type=\"org.opentest4j.AssertionFailedError\" message=\"expected: $expected but was: $got\"/></testcase>"
        echo 1 >target/failed
      fi
    done <"$test"
    echo '</testsuite>'
  } >"target/surefire-reports/TEST-shop.$class.xml"
done
[ ! -e target/failed ] || exit 1
"#;

fn maven(command: &str) -> Project {
    Project::custom(CustomRunner {
        build: None,
        command: command.to_owned(),
        report: "target/surefire-reports/TEST-*.xml".to_owned(),
        trust_report: true,
    })
    .file("mvnw.sh", MAVEN)
    .file("src/main/java/Cart.java", "3\n")
    .file("src/test/java/CartTest.java", "adds 3\n")
    .file("src/test/java/TaxTest.java", "rate 3\nvat 19\n")
}

const ALL: &str = "
    passed shop.CartTest::adds
    passed shop.TaxTest::rate
    failed shop.TaxTest::vat
";

#[test]
fn every_report_of_the_command_is_read() {
    let project = maven("sh mvnw.sh");
    check(&project.all_with_canary(), ALL);
    check(&project.touched(&["src/test/java/CartTest.java"]), ALL);
    check(
        &project.only(&["src/test/java/CartTest.java"], &["shop.CartTest::adds"]),
        "passed shop.CartTest::adds",
    );
}

#[test]
fn a_report_that_was_there_before_is_not_of_this_run() {
    let stale = "<testsuite><testcase name='old' classname='shop.Old'/></testsuite>";
    let project = maven("sh mvnw.sh")
        .file("target/surefire-reports/TEST-shop.Old.xml", stale)
        .file("target/surefire-reports/other.xml", "<no");
    check(&project.all(), ALL);
    let silent = maven("true").file("target/surefire-reports/TEST-shop.Old.xml", stale);
    check_distrusted(
        &silent.all(),
        "no report `target/surefire-reports/TEST-*.xml` holds a test",
    );
}

#[test]
fn reports_of_all_modules_are_found() {
    let script = "for module in a b/c; do mkdir -p $module/build/test-results/test; echo \"<testsuite><testcase name='t()' classname='$module'/></testsuite>\" >$module/build/test-results/test/TEST-$module.xml 2>/dev/null || echo \"<testsuite><testcase name='t()' classname='$module'/></testsuite>\" >$module/build/test-results/test/TEST-x.xml; done\n";
    let gradle = Project::custom(CustomRunner {
        build: None,
        command: "sh gradlew.sh".to_owned(),
        report: "**/build/test-results/{test,check}/TEST-*.xml".to_owned(),
        trust_report: true,
    });
    let project = gradle.file("gradlew.sh", script).file("pom.xml", "<broken");
    check(&project.all(), "passed a::t()\npassed b/c::t()");
    assert_eq!(
        project.version(),
        "custom `sh gradlew.sh`, its report is trusted"
    );
}

#[test]
fn the_files_that_are_asked_for_are_handed_on() {
    let command = "mkdir -p out; for f in {files}; do echo \"<testsuite><testcase name=\\\"$f\\\"/></testsuite>\" >\"out/$(basename \"$f\").xml\"; done";
    let project = Project::custom(CustomRunner {
        build: None,
        command: command.to_owned(),
        report: "out/*.xml".to_owned(),
        trust_report: true,
    });
    let run = project.touched(&["a b.txt", "it's.txt"]);
    assert_eq!(run.results.len(), 2, "{run:#?}");
    let ids: Vec<&str> = run.results.keys().map(|id| id.0.as_str()).collect();
    assert_eq!(ids, ["./a b.txt", "./it's.txt"]);
}

#[test]
fn what_the_build_leaves_is_there_for_the_tests() {
    let custom = |build: &str| CustomRunner {
        build: Some(build.to_owned()),
        command: "mkdir out; cp \"$KOAN_TARGET/built\" out/r.xml".to_owned(),
        report: "out/r.xml".to_owned(),
        trust_report: true,
    };
    let build = "echo \"<testsuite><testcase name='built'/></testsuite>\" >\"$KOAN_TARGET/built\"";
    check(&Project::custom(custom(build)).all(), "passed built");
    check(
        &Project::custom(custom("echo 'a.c:3: error: no such thing' >&2; exit 1")).all(),
        "not built build: a.c:3: error: no such thing",
    );
}

#[test]
fn a_command_without_results_says_why() {
    let project = maven("sh mvnw.sh").file("src/main/java/Cart.java", "does not compile\n");
    check(
        &project.all(),
        "not built sh mvnw.sh: [ERROR] COMPILATION ERROR: src/test/java/CartTest.java",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_status_that_does_not_agree_is_not_believed() {
    check_distrusted(
        &maven("sh mvnw.sh || true").all(),
        "status 0 does not agree with the 3 results",
    );
    let broken =
        maven("sh mvnw.sh; sed -i '$d' target/surefire-reports/TEST-shop.CartTest.xml; exit 1");
    check_distrusted(
        &broken.all(),
        "`./target/surefire-reports/TEST-shop.CartTest.xml`: ",
    );
    check_distrusted(
        &maven("sh mvnw.sh; kill -9 $PPID").all(),
        "the report has no end",
    );
    let mut endless = maven("sh mvnw.sh; sleep 1000");
    endless.timeout = Duration::from_secs(5);
    check_distrusted(&endless.all(), "stopped at its time limit");
}

#[test]
fn without_trust_nothing_is_believed() {
    let project = Project::custom(CustomRunner {
        build: None,
        command: "true".to_owned(),
        report: "*.xml".to_owned(),
        trust_report: false,
    });
    check_distrusted(
        &project.all(),
        "the tests could have written this report themselves",
    );
    assert_eq!(project.version(), "custom `true`");
}
