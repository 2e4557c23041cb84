//! Comments and attributes that silence a linter, a type checker or a coverage tool.

use super::lang::{ANY, C, EX, JVM, NET, PY, RS};
use super::{Idiom, Reach, idiom};
use crate::policy::Rule;

const SILENCES: &str = "silences a tool";

const fn of(languages: u16, literals: &'static [&'static str], pattern: &'static str) -> Idiom {
    let place = (languages, Reach::Production);
    idiom(Rule::SuppressionAdded, place, SILENCES, literals, pattern)
}

#[rustfmt::skip]
pub(super) const IDIOMS: &[Idiom] = &[
    of(PY, &["noqa", "type:", "pragma", "pylint", "mypy", "pyright", "nosec", "flake8", "ruff", "ty:"],
        r"#\s*(?:noqa\b|type:\s*ignore|pragma:\s*no\s*cover|pylint:\s*(?:disable|skip)|mypy:\s*(?:ignore|disable)|pyright:\s*(?:ignore|basic)|nosec\b|flake8:\s*noqa|ruff:\s*noqa|ty:\s*ignore)"),
    of(PY, &["filterwarnings", "simplefilter", "no_type_check"], r#"\b(?:filterwarnings|simplefilter)\s*\(\s*["']ignore|@(?:typing\.)?no_type_check\b"#),
    of(ANY, &["eslint-disable", "@ts-", "biome-ignore", "tslint:disable", "oxlint-disable", "lint-ignore", "jshint", "istanbul", "c8 ignore", "v8 ignore", "$flow", "stylelint-disable"],
        r"\b(?:eslint|oxlint|stylelint)-disable\b|@ts-(?:ignore|nocheck|expect-error)\b|\bbiome-ignore\b|\btslint:disable\b|\b(?:deno-)?lint-ignore\b|\bjshint\s+(?:ignore|-W)|\b(?:istanbul|c8|v8)\s+ignore\b|\$Flow(?:FixMe|Ignore|IgnoreError|ExpectedError)\b"),
    of(RS, &["allow", "expect"], r"#\s*!?\[\s*(?:cfg_attr\s*\([^\]\n]{0,80},\s*)?(?:allow|expect)\s*\("),
    of(ANY, &["nolint", "lint:ignore", "#nosec"], r"(?://|/\*|#)\s*(?:nolint\b|lint:(?:file-)?ignore\b)|#nosec\b"),
    of(ANY, &["rubocop", ":nocov:", "steep:", "sorbet", "typed:"], r"\brubocop:(?:disable|todo)\b|:nocov:|\bsteep:ignore\b|^\s*#\s*typed:\s*(?:ignore|false)\b"),
    of(ANY, &["@phpstan-ignore", "@psalm-suppress", "phpcs:", "@codecoverageignore", "@noinspection", "noinspection"],
        r"@phpstan-ignore|@psalm-suppress\b|\bphpcs:(?:ignore|disable)|@codeCoverageIgnore|(?://|\*)\s*@?noinspection\b"),
    of(JVM, &["@suppress", "nosonar", "checkstyle:off", "@nowarn", "scalafix:off", "scalastyle:off"],
        r"@(?:file:)?Suppress(?:Warnings|FBWarnings|Lint)?\s*\(|\bNOSONAR\b|\bCHECKSTYLE:OFF\b|@nowarn\b|\bscala(?:fix|style):off\b"),
    of(NET, &["#pragma", "suppressmessage", "#nullable"], r"#pragma\s+warning\s+disable\b|\bSuppressMessage\s*\(|#nullable\s+disable\b"),
    of(EX, &["credo:disable", "@dialyzer", "sobelow_skip"], r"\bcredo:disable\b|@dialyzer\b|\bsobelow_skip\b"),
    of(ANY, &["shellcheck disable", "shellcheck  disable"], r"\bshellcheck\s+disable\b"),
    of(C, &["nolint", "diagnostic", "swiftlint:disable"], r"\bNOLINT(?:NEXTLINE|BEGIN)?\b|#\s*pragma\s+(?:GCC|clang)\s+diagnostic\s+ignored\b|\bswiftlint:disable\b"),
    of(ANY, &["hadolint", "tfsec:ignore", "checkov:skip", "nosemgrep", "codeql[", "lgtm["], r"\bhadolint\s+(?:global\s+)?ignore\b|\btfsec:ignore\b|\bcheckov:skip\b|\bnosemgrep\b|\b(?:codeql|lgtm)\["),
];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::policy::Rule;

    const RULE: Rule = Rule::SuppressionAdded;

    #[test]
    fn tools_that_are_silenced() {
        check(
            RULE,
            "a.py",
            "
import a  # noqa: F401
x = f()  # type: ignore[arg-type]
except OSError:  # pragma: no cover
# pylint: disable=broad-except
warnings.filterwarnings('ignore')
@no_type_check
x = yaml.load(y)  # nosec
",
            true,
        );
        check(
            RULE,
            "a.ts",
            "
// eslint-disable-next-line no-console
/* eslint-disable */
// @ts-ignore
// @ts-expect-error wrong
/* istanbul ignore next */
// biome-ignore lint: x
",
            true,
        );
        check(
            RULE,
            "a.rs",
            "#[allow(dead_code)]\n#![allow(unused)]\n#[expect(clippy::all)]\n#[cfg_attr(test, allow(dead_code))]\n",
            true,
        );
        check(
            RULE,
            "a.go",
            "x := f() //nolint:errcheck\n//lint:ignore U1000 x\nx() // #nosec G101\n",
            true,
        );
        check(
            RULE,
            "a.rb",
            "x = 1 # rubocop:disable Style/A\n# :nocov:\n",
            true,
        );
        check(
            RULE,
            "a.php",
            "/** @phpstan-ignore-next-line */\n// phpcs:ignore\n",
            true,
        );
        check(
            RULE,
            "A.java",
            "@SuppressWarnings(\"unchecked\")\nx(); // NOSONAR\n",
            true,
        );
        check(RULE, "A.kt", "@Suppress(\"DEPRECATION\")\n", true);
        check(RULE, "A.cs", "#pragma warning disable CS0168\n", true);
        check(RULE, "a.sh", "# shellcheck disable=SC2086\n", true);
        check(RULE, "a.ex", "# credo:disable-for-next-line\n", true);
        check(RULE, "a.c", "x(); // NOLINT\n", true);
    }

    #[test]
    fn what_only_looks_like_it() {
        check(
            RULE,
            "a.py",
            "
# the type: ignored here
value_type: ignore = 3
x = 'noqa'
warnings.filterwarnings('error')
warnings.warn('x')
# disable it
mypy = 3
",
            false,
        );
        check(
            RULE,
            "a.ts",
            "
const disable = true
// the lint is ignored
x.tsIgnore()
// expect an error
if (ignore) {
/* coverage of 3 */
",
            false,
        );
        check(
            RULE,
            "a.rs",
            "#[derive(Debug)]\nlet allow = f();\nx.expect(\"a\");\nfn allow(a: u8) {}\n",
            false,
        );
        check(
            RULE,
            "a.go",
            "nolint := 3\n// ignore it\nlint.Ignore()\n",
            false,
        );
        check(RULE, "a.rb", "rubocop = 1\n# typed by hand\n", false);
        check(RULE, "a.php", "// ignore\n$phpcs = 1;\n", false);
        check(
            RULE,
            "A.java",
            "suppressWarnings(x);\nString sonar;\n",
            false,
        );
        check(RULE, "A.kt", "suppress(x)\n", false);
        check(RULE, "A.cs", "#pragma once\n", false);
        check(RULE, "a.sh", "shellcheck run.sh\n", false);
        check(RULE, "a.ex", "credo = 1\n", false);
        check(RULE, "a.c", "int nolinting;\n", false);
    }
}
