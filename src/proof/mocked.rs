//! New tests that put something else in the place of what the fix changes: what they then see is their own.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::Doubt;
use super::smells::{self, Line};
use super::split::Split;
use crate::change::{Change, FileChange};

/// Calls that put something in the place of what their line names.
static REPLACES: LazyLock<Regex> = LazyLock::new(|| {
    smells::languages::pattern(
        r#"\b(?:spyOn|mock\w*|Mock\w*|stub\w*|fake\w*|replace(?:With|Property|Getter)?|patch|setattr|monkeypatch|receive|and_return|createMock|createStub
        |getMockBuilder|createPartialMock|shouldReceive|mock_const|define_method|define_singleton_method|instance_variable_set|alias_method|rewire|proxyquire)\b"#,
    )
});

/// Calls that replace a whole module, by its path.
static REPLACES_MODULE: LazyLock<Regex> = LazyLock::new(|| {
    smells::languages::pattern(
        r#"\b(?:jest|vi|mock|td|t)\s*\.\s*(?:mock|doMock|unstable_mockModule|module|replace|replaceEsm)\s*\(\s*["'`]([^"'`]+)["'`]
        | \b(?:proxyquire|rewire)\s*\(\s*["'`]([^"'`]+)["'`] | \bsys\.modules\s*\[\s*["']([^"']+)["']\s*\]\s*="#,
    )
});

/// Added lines of tests by which a changed function, or the module that it stands in, is another one.
pub(super) fn lines(change: &Change, split: &Split, tests: &[Line]) -> Vec<Doubt> {
    let fixed: Vec<&FileChange> = split
        .fix
        .iter()
        .filter_map(|path| change.file(path))
        .collect();
    let names: BTreeSet<&str> = fixed
        .iter()
        .flat_map(|file| changed_functions(file))
        .collect();
    let modules: BTreeSet<&str> = fixed.iter().filter_map(|file| module(file)).collect();
    tests
        .iter()
        .filter_map(|line| {
            let name =
                replaced(line.text, &names).or_else(|| replaced_module(line.text, &modules))?;
            Some(Doubt::UnitMocked {
                path: line.path.clone(),
                line: line.n,
                name: name.to_owned(),
            })
        })
        .collect()
}

/// The functions in which the fix changes something: those of the nearest definitions above each hunk.
fn changed_functions(file: &FileChange) -> Vec<&str> {
    let text = file.new.as_ref().and_then(|version| version.content.text());
    let lines: Vec<&str> = text.unwrap_or_default().lines().collect();
    let mut names = Vec::new();
    for hunk in &file.hunks {
        let first = hunk.new.start.saturating_sub(1);
        let n_lines = hunk.new.n_lines.max(1);
        for at in first..(first + n_lines).min(lines.len()) {
            if !lines[at].trim().is_empty() {
                names.extend(enclosing(file, &lines, at));
            }
        }
    }
    names
}

/// What the line itself defines, else the nearest line above that defines something and stands further out.
fn enclosing<'a>(file: &FileChange, lines: &[&'a str], at: usize) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_function = |line: &str| {
        ["def ", "fn ", "func ", "function", "=>"]
            .iter()
            .any(|word| line.contains(word))
            || line.trim_end().ends_with('{') && line.contains('(')
    };
    let mut within = indent(lines[at]);
    if is_function(lines[at]) {
        let own = smells::defined(&file.path, lines[at]);
        if !own.is_empty() {
            return own;
        }
    }
    for line in lines[..at]
        .iter()
        .rev()
        .filter(|line| !line.trim().is_empty())
    {
        if indent(line) < within {
            let names = smells::defined(&file.path, line);
            if is_function(line) && !names.is_empty() {
                return names;
            }
            within = within.min(indent(line));
        }
    }
    Vec::new()
}

/// The last part of the module's name.
fn module(file: &FileChange) -> Option<&str> {
    let name = std::str::from_utf8(file.path.file_name()).ok()?;
    name.split('.').next().filter(|stem| !stem.is_empty())
}

fn replaced<'a>(text: &'a str, names: &BTreeSet<&str>) -> Option<&'a str> {
    let mut named = smells::words(text).filter(|word| names.contains(word));
    let mut calls = REPLACES.find_iter(text);
    if let Some(call) = calls.find(|call| !is_handed_over(&text[call.end()..])) {
        // `patch` may itself be the name of a changed function that is only called.
        return named.find(|word| *word != call.as_str());
    }
    // `cart.total = () => 7`
    let (left, right) = text.split_once('=')?;
    let is_assignment =
        !right.starts_with(['=', '>', '~']) && !left.ends_with(['=', '!', '<', '>']);
    let target = left.trim_end();
    let (owner, attribute) = target.rsplit_once('.')?;
    let is_function = ["=>", "function", "lambda", "->"]
        .iter()
        .any(|word| right.contains(word));
    (is_assignment && is_function && !owner.is_empty() && names.contains(attribute))
        .then_some(attribute)
}

/// Whether a name of which this is the rest of the line is only handed to something: `total(mockT, 7)` calls `total` as it is.
fn is_handed_over(rest: &str) -> bool {
    rest.trim_start().starts_with([',', ')', ']', '}', ';'])
}

fn replaced_module<'a>(text: &'a str, modules: &BTreeSet<&str>) -> Option<&'a str> {
    let found = REPLACES_MODULE.captures(text)?;
    let path = found.iter().skip(1).flatten().next()?.as_str();
    let name = path
        .rsplit(['/', '.'])
        .find(|part| !matches!(*part, "js" | "ts" | "mjs" | "cjs" | "tsx" | "jsx"))?;
    modules.contains(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let names = BTreeSet::from(["total"]);
        let modules = BTreeSet::from(["cart"]);
        let found = replaced(text, &names).or_else(|| replaced_module(text, &modules));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_test_that_replaces_what_is_fixed_is_found_in_each_language() {
        for text in [
            "jest.spyOn(cart, 'total').mockReturnValue(7);",
            "vi.spyOn(cart, 'total').mockImplementation(() => 7);",
            "t.mock.method(cart, 'total', () => 7);",
            "cart.total = () => 7;",
            "with mock.patch('shop.total', return_value=7):",
            "@patch.object(Cart, \"total\")",
            "monkeypatch.setattr(shop, 'total', lambda prices: 7)",
            "shop.total = lambda prices: 7",
            "allow(cart).to receive(:total).and_return(7)",
            "Cart.define_method(:total) { 7 }",
            "Cart.class_eval { alias_method :total, :other }",
            "run(mockT, jest.spyOn(cart, 'total'));",
            "$cart = $this->createPartialMock(Cart::class, ['total']);",
        ] {
            check(text, Some("total"));
        }
        for text in [
            "jest.mock('../src/cart', () => ({ total: () => 7 }));",
            "vi.mock(\"./cart.js\");",
            "sys.modules['shop.cart'] = fake",
        ] {
            assert!(
                replaced(text, &BTreeSet::from(["total"]))
                    .or_else(|| replaced_module(text, &BTreeSet::from(["cart"])))
                    .is_some(),
                "{text}"
            );
        }
    }

    #[test]
    fn other_things_may_be_replaced() {
        for text in [
            "jest.spyOn(console, 'error').mockImplementation(() => {});",
            "with mock.patch('shop.mail.send'):",
            "jest.mock('../src/mail');",
            "expect(cart.total([3, 4])).toBe(7);",
            "const expected = { total: 7 };",
            "cart.total == 7",
            "options.total = 7;",
            "\ttotal(mockT, []bool{true})",
            "expect(total(fakeCart)).toBe(mockValue);",
            "total = cart.total()",
        ] {
            check(text, None);
        }
    }

    /// What of a fix the line of a test replaces. The fix turns the `1` of the code into a `2`.
    #[track_caller]
    fn check_fix(path: &str, code: &str, test: &str, expected: &str) {
        let repo = TestRepo::new();
        let trees = [code, &code.replace('1', "2")].map(|text| repo.tree(&[(path, text)]));
        let change = repo.open().diff(trees[0], trees[1]).expect("a diff");
        let split = Split {
            fix: vec![path.into()],
            ..Split::default()
        };
        let line = Line {
            path: &"tests/test_cart".into(),
            n: 3,
            text: test,
        };
        let doubts = lines(&change, &split, &[line]);
        let names: Vec<&str> = doubts
            .iter()
            .map(|doubt| match doubt {
                Doubt::UnitMocked { name, .. } => name.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names.join(" "), expected, "{test}\n{code}");
    }

    #[test]
    fn what_is_fixed_is_the_function_around_each_changed_line() {
        let patch = |name: &str| format!("monkeypatch.setattr(cart, '{name}', fake)");
        let check = |code: &str, name: &str, expected: &str| {
            check_fix("shop/cart.py", code, &patch(name), expected);
        };
        let method = "class Cart:\n    def total(self):\n        for price in prices:\n\n            if price:\n                add(price, 1)\n\n    def other(self):\n        pass\n";
        check(method, "total", "total");
        check(method, "other", "");
        check(method, "Cart", "");
        check("def total(price=1):\n    pass\n", "total", "total");
        check("def total():\n    pass\n\nlate = 1\n", "total", "");
        // One hunk of two functions, with a blank line between.
        let both = "def total():\n    return 1\n\ndef other(n=1):\n    return 1\n";
        check(both, "total", "total");
        check(both, "other", "other");
        let nested = "def total():\n    def inner():\n        pass\n    return 1\n";
        check(nested, "total", "total");
        check(nested, "inner", "");
    }

    #[test]
    fn what_is_fixed_in_javascript_stands_in_blocks() {
        let check = |code: &str, name: &str, expected: &str| {
            let test = format!("jest.spyOn(cart, '{name}');");
            check_fix("src/cart.js", code, &test, expected);
        };
        let block = "function total(prices) {\n  if (prices) {\n    return 1;\n  }\n}\n";
        check(block, "total", "total");
        let method = "class Cart {\n  total(prices) {\n    for (const price of prices) {\n      add(1);\n    }\n  }\n}\n";
        check(method, "total", "total");
        let arrow = "const total = (prices) => {\n  return 1;\n};\n";
        check(arrow, "total", "total");
    }

    #[test]
    fn a_module_that_is_fixed_is_known_by_its_last_name() {
        let code = "const rate = 1;\n";
        let of = |module: &str| format!("jest.mock('{module}', () => fake);");
        check_fix("src/cart.js", code, &of("../src/cart"), "cart");
        check_fix("src/cart.js", code, &of("../src/cart.js"), "cart");
        check_fix("src/cart.js", code, &of("../src/mail"), "");
    }
}
