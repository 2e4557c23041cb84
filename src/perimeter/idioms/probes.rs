//! Production code that looks for its tests, for CI or for the guard.
//!
//! Only what says so by itself stands here; `proof` knows many more lines by which code could tell that it is tested, and doubts.

use super::lang::{ANY, CODE, EX, GO, JS, JVM, NET, PHP, PY, RB, RS, SH};
use super::{Idiom, Reach, idiom};
use crate::policy::Rule;

const TESTS: &str = "looks for its tests";
const CI: &str = "looks for CI";
const GUARD: &str = "looks for the guard";

const fn of(
    languages: u16,
    what: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Idiom {
    let place = (languages, Reach::Production);
    idiom(Rule::EnvironmentProbe, place, what, literals, pattern)
}

#[rustfmt::skip]
pub(super) const IDIOMS: &[Idiom] = &[
    of(PY, TESTS, &["pytest", "unittest"], r#"\bPYTEST_(?:CURRENT_TEST|VERSION|XDIST_WORKER)\b|["'](?:pytest|_pytest|unittest|nose)["']\s+(?:not\s+)?in\s+sys\.modules\b|\bsys\.modules\.get\s*\(\s*["'](?:_?pytest|unittest)["']|\bsys\.argv\b[^\n]{0,60}["'][^"'\n]*(?:pytest|unittest)"#),
    of(JS, TESTS, &["jest_worker_id", "vitest", "node_test_context", "process.env.test", "process.env.mocha", "node_env", "import.meta.jest", "import.meta.env.test"],
        r#"\b(?:JEST_WORKER_ID|VITEST_WORKER_ID|VITEST_POOL_ID|NODE_TEST_CONTEXT)\b|\bprocess\.env\.(?:VITEST|TEST|MOCHA)\b|\bNODE_ENV\b["'\])]*\s*[!=]==?\s*["']test["']|["']test["']\s*[!=]==?\s*process\.env\.NODE_ENV\b|\bimport\.meta\.(?:vitest|jest|env\.(?:VITEST|TEST))\b"#),
    of(RS, TESTS, &["cfg!"], r"\bcfg!\s*\(\s*(?:not\s*\(\s*)?test\b"),
    of(RS, TESTS, &["rust_test_", "nextest"], r#""(?:RUST_TEST_\w+|NEXTEST\w*)""#),
    of(GO, TESTS, &["testing", "test.", ".test", "flag.lookup"], r#"\btesting\.Testing\s*\(|\bflag\.Lookup\s*\(\s*["`]test\.|["`]-?-?test\.(?:v|run|paniconexit0|timeout|testlogfile)\b|["`]\.test["`]"#),
    of(RB, TESTS, &["rspec", "minitest", "test::unit", "env.test", "_env", "$0", "program_name", "caller"],
        r#"\bdefined\?\s*\(?\s*(?:::)?(?:RSpec|Mini[Tt]est|Test::Unit)\b|\bconst_defined\?\s*\(?\s*[:"'](?:RSpec|Mini[Tt]est)\b|\bRails\.env\.test\?|["'](?:RAILS|RACK|APP|HANAMI)_ENV["']\]?\s*(?:==|\.eql\?)\s*["']test["']|\bcaller(?:_locations)?\b[^\n]*\b(?:r?spec|test|minitest)\b|\$(?:0|PROGRAM_NAME)\b[^\n]*\b(?:rspec|minitest|test)\b"#),
    of(PHP, TESTS, &["phpunit", "runningunittests"], r#"(?i)\bPHPUNIT_\w+|\bdefined\s*\(\s*["']_*PHPUNIT|\b(?:class_exists|interface_exists)\s*\(\s*["']?\\*PHPUnit|["']phpunit["']|\brunningUnitTests\s*\("#),
    of(SH, TESTS, &["bats_", "funcname"], r"\bBATS_(?:TEST_(?:NAME|DESCRIPTION|NUMBER)|RUN_|SUITE_|VERSION|ROOT|LIBEXEC|OUT|CWD)|\$\{FUNCNAME\b"),
    of(JVM, TESTS, &["junit", "surefire", "gradle.test"], r#"["'](?:org\.junit|junit\.framework|surefire)[^"'\n]*["']|\bClass\.forName\s*\(\s*"org\.(?:junit|testng)"#),
    of(NET, TESTS, &["testhost", "xunit", "nunit", "vstest"], r#""[^"\n]*(?:testhost|xunit|nunit|vstest)[^"\n]*""#),
    of(EX, TESTS, &["mix.env", "exunit"], r"\bMix\.env\s*(?:\(\s*\))?\s*(?:==|!=|in)\s*(?:\[\s*)?:test\b|\bloaded\?\s*\(\s*ExUnit|\bProcess\.whereis\s*\(\s*ExUnit"),
    of(CODE, CI, &["github_actions", "gitlab_ci", "circleci", "travis", "buildkite", "jenkins_url", "tf_build", "bitbucket_build", "appveyor", "teamcity_version"],
        r#"["'`.\[{$(]\s*(?:GITHUB_ACTIONS|GITLAB_CI|CIRCLECI|TRAVIS|BUILDKITE|JENKINS_URL|TF_BUILD|BITBUCKET_BUILD_NUMBER|APPVEYOR|TEAMCITY_VERSION)\b"#),
    of(CODE, CI, &["\"ci\"", "'ci'", "env.ci", "$ci", "{ci"],
        r#"\b(?:environ|getenv|env|ENV|Getenv|LookupEnv|var|var_os|get_env|GetEnvironmentVariable)\b[\s.(\[?]{1,4}(?:get\s*\(\s*|fetch\s*\(?\s*)?["']CI["']|["']CI["']\s+(?:not\s+)?in\s+(?:os\s*\.\s*)?environ\b|\bprocess\.env\.CI\b|\$\{?CI\b"#),
    of(ANY, GUARD, &["koan_", "koan-guard", "koan_guard", "__sandbox"], r"\bKOAN_[A-Z]\w*|\bkoan[-_]guard\b|\b__sandbox\b"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::policy::Rule;

    const RULE: Rule = Rule::EnvironmentProbe;

    #[test]
    fn code_that_looks_who_is_there() {
        check(
            RULE,
            "a.py",
            r#"
if "pytest" in sys.modules:
if "unittest" not in sys.modules:
if os.environ.get("PYTEST_CURRENT_TEST"):
if "pytest" + "" in sys.modules or 'py' "test" in sys.modules:
if os.environ.get("CI"):
if "CI" in os.environ:
if os.getenv("GITHUB_ACTIONS"):
if os.path.exists(".koan-guard.yaml"):
"#,
            true,
        );
        check(
            RULE,
            "a.ts",
            "
if (process.env.JEST_WORKER_ID) {
if (process.env.NODE_ENV === 'test') {
if ('test' === process.env.NODE_ENV) {
if (import.meta.vitest) {
if (process.env.CI) {
if (process.env['GITHUB_ACTIONS']) {
",
            true,
        );
        check(
            RULE,
            "a.rs",
            "if cfg!(test) {\nif cfg!(not(test)) {\nstd::env::var(\"CI\")\n",
            true,
        );
        check(
            RULE,
            "a.go",
            "if testing.Testing() {\nflag.Lookup(\"test.v\")\nos.Getenv(\"CI\")\n",
            true,
        );
        check(
            RULE,
            "a.rb",
            "if Rails.env.test?\nif defined?(RSpec)\nENV['CI']\nENV[\"RAILS_ENV\"] == \"test\"\n",
            true,
        );
        check(
            RULE,
            "a.php",
            "if (defined('PHPUNIT_RUN')) {\nif (app()->runningUnitTests()) {\n",
            true,
        );
        check(
            RULE,
            "a.sh",
            "if [ -n \"$BATS_TEST_NAME\" ]; then\nif [ -n \"$CI\" ]; then\n",
            true,
        );
        check(RULE, "a.ex", "if Mix.env() == :test do\n", true);
        check(RULE, "A.java", "Class.forName(\"org.junit.Test\");\n", true);
        check(RULE, "A.cs", "if (name.Contains(\"testhost\")) {\n", true);
    }

    #[test]
    fn code_that_minds_its_own_business() {
        check(
            RULE,
            "a.py",
            r#"
import sys
if name in sys.modules:
os.environ.get("CITY")
os.environ.get("HOME")
latest = contest["ci"]
# set by pytest in sys.modules
confidence["CI"] = 0.95
"#,
            false,
        );
        check(
            RULE,
            "a.ts",
            "
if (process.env.NODE_ENV === 'production') {
if (process.env.NODE_ENV !== 'production') {
const test = /a/.test(text)
process.env.CITY
const ci = mean - 2
// NODE_ENV is 'test' in tests
",
            false,
        );
        check(
            RULE,
            "a.rs",
            "if cfg!(windows) {\n#[cfg(test)]\nstd::env::var(\"CITY\")\n",
            false,
        );
        check(
            RULE,
            "a.go",
            "func testing() {}\nlatest.v\nos.Getenv(\"HOME\")\n",
            false,
        );
        check(
            RULE,
            "a.rb",
            "Rails.env.production?\ndefined?(Rails)\nENV['CITY']\nENV.fetch('RAILS_ENV')\n",
            false,
        );
        check(
            RULE,
            "a.php",
            "defined('APP_RUN')\nclass_exists('Unit')\n",
            false,
        );
        check(
            RULE,
            "a.sh",
            "if [ -n \"$CITY\" ]; then\nif test -f x; then\n",
            false,
        );
        check(RULE, "a.ex", "if Mix.env() == :prod do\n", false);
        check(RULE, "A.java", "Class.forName(name);\n", false);
        check(RULE, "A.cs", "if (name.Contains(\"host\")) {\n", false);
        check(
            RULE,
            "tests/test_a.py",
            "if \"pytest\" in sys.modules:\n",
            false,
        );
    }
}
