//! Where a canary goes in a Rust source: at the end of every module that holds tests, on the line of its closing brace.

use proc_macro2::Span;
use syn::{Attribute, Item, Meta};

use super::super::Canary;

/// `source` with a test that must fail in each module with tests; at the top of the file where `is_integration` says that tests stand there.
/// `None` if it does not parse or holds no tests.
pub(super) fn plant(source: &str, canary: &Canary, is_integration: bool) -> Option<String> {
    // syn parses without these two, and counts from behind them.
    if source.starts_with("#!") && !source.starts_with("#![") {
        return None;
    }
    let offset = if source.starts_with('\u{feff}') { 3 } else { 0 };
    let file = syn::parse_file(source).ok()?;
    let mut places = Vec::new();
    visit(&file.items, None, false, &mut places);
    let at_top = |place: &Option<Span>| place.is_none();
    if places.is_empty() && is_integration {
        places.push(None);
    }
    if places.is_empty() {
        return None;
    }
    let attribute = if imports_test(source) {
        FULL_PATH
    } else {
        "#[test]"
    };
    let test = |n| test(canary, attribute, n);
    let mut planted = source.to_owned();
    let mut n = places.len();
    // From behind, so that the places before keep their bytes.
    if places.iter().any(at_top) {
        n -= 1;
        let separator = if source.ends_with('\n') { "" } else { "\n" };
        planted = format!("{planted}{separator}{}\n", test(n));
    }
    for brace in places.into_iter().rev().flatten() {
        n -= 1;
        let at = offset + brace.byte_range().start;
        planted.insert_str(at, &format!("{} ", test(n)));
    }
    Some(planted)
}

/// Where a crate brings another `test` into scope. The 2015 edition does not know this path.
const FULL_PATH: &str = "#[::core::prelude::v1::test]";

fn imports_test(source: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        let is_use = line.starts_with("use ") || line.starts_with("pub use ");
        is_use
            && line
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "test")
    })
}

/// A failing test by each of the macros that tests use.
fn test(canary: &Canary, attribute: &str, n: usize) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "{attribute} fn {name}_{n}_eq() {{ assert_eq!(1, 2, \"{nonce}\"); }} {attribute} fn {name}_{n}() {{ assert!(1 == 2, \"{nonce}\"); }}"
    )
}

/// Collects the closing braces of modules that directly hold tests, in the order of their bytes; `None` stands for the file itself.
fn visit(
    items: &[Item],
    brace: Option<Span>,
    is_test_module: bool,
    places: &mut Vec<Option<Span>>,
) {
    let mut has_inner = false;
    for item in items {
        if let Item::Mod(module) = item
            && let Some((braces, items)) = &module.content
        {
            let before = places.len();
            visit(
                items,
                Some(braces.span.close()),
                is_test_module || requires_test(&module.attrs),
                places,
            );
            has_inner |= places.len() > before;
        }
    }
    let has_tests = items
        .iter()
        .any(|item| matches!(item, Item::Fn(function) if function.attrs.iter().any(is_test)));
    // A test module whose tests come out of macros.
    let is_opaque = is_test_module && !has_inner && brace.is_some();
    if has_tests || is_opaque {
        places.push(brace);
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| {
        [
            "test",
            "rstest",
            "test_case",
            "quickcheck",
            "test_log",
            "wasm_bindgen_test",
        ]
        .iter()
        .any(|name| segment.ident == name)
    })
}

fn requires_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if attribute.path().is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all") && condition.contains("test")
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(source: &str, is_integration: bool) -> Option<String> {
        let canary = Canary {
            name: "koan".into(),
            nonce: "x".into(),
        };
        let planted = plant(source, &canary, is_integration)?;
        assert!(syn::parse_file(&planted).is_ok(), "{planted}");
        let canaries = ["koan_0", "koan_1", "koan_2"];
        let short = canaries
            .iter()
            .enumerate()
            .fold(planted, |text, (n, name)| {
                text.replace(&test(&canary, "#[test]", n), name)
            });
        Some(short)
    }

    #[track_caller]
    fn check(source: &str, is_integration: bool, expected: &str) {
        assert_eq!(planted(source, is_integration).as_deref(), Some(expected));
    }

    #[test]
    fn a_canary_shares_the_line_of_the_closing_brace() {
        check(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {}\n}\n// ü\n",
            false,
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {}\nkoan_0 }\n// ü\n",
        );
    }

    #[test]
    fn every_module_with_tests_gets_one() {
        check(
            "#[test] fn a() {}\nmod b { #[test] fn b() {} }\nmod c { fn c() {} }",
            true,
            "#[test] fn a() {}\nmod b { #[test] fn b() {} koan_0 }\nmod c { fn c() {} }\nkoan_1\n",
        );
        check(
            "#[cfg(test)] mod t { mod u { #[tokio::test] async fn a() {} } #[test] fn b() {} }",
            false,
            "#[cfg(test)] mod t { mod u { #[tokio::test] async fn a() {} koan_0 } #[test] fn b() {} koan_1 }",
        );
    }

    #[test]
    fn a_test_module_of_macros_gets_one() {
        check(
            "#[cfg(test)] mod t { cases! {} }",
            false,
            "#[cfg(test)] mod t { cases! {} koan_0 }",
        );
        check("cases! {}\n", true, "cases! {}\nkoan_0\n");
        check(
            "\u{feff}#[cfg(test)] mod t { }",
            false,
            "\u{feff}#[cfg(test)] mod t { koan_0 }",
        );
    }

    #[test]
    fn a_source_without_tests_gets_none() {
        assert_eq!(planted("fn a() {}", false), None);
        assert_eq!(planted("fn a( {}", true), None);
    }
}
