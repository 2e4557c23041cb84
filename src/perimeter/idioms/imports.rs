//! Production code that uses what stands among the tests, where it was judged as a test.

use super::lang::{C, GO, JS, PHP, PY, RB, RS};
use super::{Idiom, Reach, idiom};
use crate::policy::Rule;

const fn of(languages: u16, literals: &'static [&'static str], pattern: &'static str) -> Idiom {
    let place = (languages, Reach::Production);
    let what = "uses what stands among the tests";
    idiom(
        Rule::ProductionCodeUnderTests,
        place,
        what,
        literals,
        pattern,
    )
}

#[rustfmt::skip]
pub(super) const IDIOMS: &[Idiom] = &[
    of(PY, &["tests", "conftest", " .test", " ..test"], r"(?m)^\s*(?:from|import)\s+(?:[\w.]*\.)?(?:tests|conftest)\b|^\s*from\s+\.+(?:test|tests|test_\w+)\b"),
    of(JS, &["test", "spec", "__mocks__", "__fixtures__"],
        r#"(?:\bfrom\s*|\brequire\s*\(\s*|\bimport\s*\(?\s*)["'`]\.{1,2}/(?:[^"'`\n]*/)?(?:(?:tests?|specs?|__tests__|__mocks__|__fixtures__)/[^"'`\n]*|[^"'`\n/]*\.(?:test|spec)(?:\.[cm]?[jt]sx?)?)["'`]"#),
    of(RS, &["test"], r#"#\s*\[\s*path\s*=\s*"(?:[^"\n]*/)?tests?/|\binclude!\s*\(\s*"(?:[^"\n]*/)?tests?/"#),
    of(GO, &["testdata", "/test"], r#"(?m)^\s*(?:import\s+)?(?:[\w.]+\s+)?"[^"\n]+/(?:tests?|testdata)(?:/[^"\n]*)?"\s*$"#),
    of(RB, &["test", "spec"], r#"(?m)^\s*(?:require|require_relative|load)\b\s*\(?\s*["'](?:[^"'\n]*/)?(?:(?:test|tests|spec)/[^"'\n]*|[^"'\n/]*_(?:test|spec)|(?:spec|test|rails)_helper)["']"#),
    of(PHP, &["tests/", "test/", "tests\\"], r#"\b(?:require|include)(?:_once)?\b[^;\n]*["'/]tests?/|(?m)^\s*use\s+(?:\w+\\)*Tests\\"#),
    of(C, &["test"], r#"#\s*include\s*"(?:[^"\n]*/)?tests?/"#),
];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use crate::policy::Rule;

    const RULE: Rule = Rule::ProductionCodeUnderTests;

    #[test]
    fn production_code_that_uses_test_code() {
        check(
            RULE,
            "shop/a.py",
            "from tests.helpers import every\nimport shop.tests.data\nfrom .tests import x\nfrom .test_data import y\nfrom conftest import z\n",
            true,
        );
        check(
            RULE,
            "src/a.ts",
            "import x from '../test/helper'\nconst x = require('./__tests__/data')\nimport { y } from './a.test'\nawait import('./spec/x.js')\n",
            true,
        );
        check(
            RULE,
            "src/a.rs",
            "#[path = \"../tests/helper.rs\"]\ninclude!(\"../tests/data.rs\");\n",
            true,
        );
        check(
            RULE,
            "a.go",
            "\t\"example.com/shop/testdata\"\nimport \"example.com/shop/test/helper\"\n",
            true,
        );
        check(
            RULE,
            "lib/a.rb",
            "require_relative '../test/helper'\nrequire 'spec_helper'\nrequire \"shop/cart_spec\"\n",
            true,
        );
        check(
            RULE,
            "src/a.php",
            "require __DIR__ . '/../tests/helper.php';\nuse Shop\\Tests\\Helper;\n",
            true,
        );
        check(RULE, "src/a.c", "#include \"../tests/helper.h\"\n", true);
    }

    #[test]
    fn production_code_that_uses_its_own() {
        check(
            RULE,
            "shop/a.py",
            "from shop.latest import every\nimport contests\nimport protests\nfrom .attest import x\nfrom numpy import testing\n",
            false,
        );
        check(
            RULE,
            "src/a.ts",
            "import x from '../latest/helper'\nconst x = require('./contest')\nimport { y } from './a'\nimport z from 'test/x'\nconst test = /a/.test('./test/a')\n",
            false,
        );
        check(
            RULE,
            "src/a.rs",
            "#[path = \"../latest/helper.rs\"]\ninclude!(\"data.rs\");\nmod tests;\n",
            false,
        );
        check(
            RULE,
            "a.go",
            "\t\"testing\"\nimport \"example.com/shop/latest\"\nx := \"a/test\" + y\n",
            false,
        );
        check(
            RULE,
            "lib/a.rb",
            "require_relative '../latest/helper'\nrequire 'shop'\nspec = Gem::Specification.load(x)\n",
            false,
        );
        check(
            RULE,
            "src/a.php",
            "require __DIR__ . '/latest/helper.php';\nuse Shop\\Latest\\Helper;\n",
            false,
        );
        check(
            RULE,
            "src/a.c",
            "#include \"latest/helper.h\"\n#include <test/x.h>\n",
            false,
        );
        check(
            RULE,
            "tests/a.py",
            "from tests.helpers import every\n",
            false,
        );
    }
}
