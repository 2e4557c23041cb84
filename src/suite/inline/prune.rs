//! Test code without the parts of it in which something does not build.
//!
//! Whole test functions, helper functions of tests and leaves of `use` go, and with them every test or helper that mentions the name of one that went:
//! such a name could mean something else now. Where anything else of the tests mentions it, nothing is cut.

use std::collections::BTreeSet;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::{Item, UseTree};

use super::items::{self, attributes, is_test};
use super::join::Cut;
use super::source::Source;
use super::{CannotCut, Pruned};

/// What can go as a whole.
struct Part {
    /// What goes with it, the widest first, of which the last goes in any case, and others if nothing is left in them: a function with its
    /// attributes and doc comments; a leaf with the comma behind it and the groups around it.
    around: Vec<Range<usize>>,
    /// Where its errors lie and where it mentions others: a leaf, and each name on the path that leads to it.
    places: Vec<Range<usize>>,
    /// The name that a function declares, which is no mention.
    declared: Range<usize>,
    /// The name that is gone when it goes; `None` where that is not known.
    name: Option<String>,
    /// With its modules, for people: `tests::of_nothing`, `use tests::probe`.
    path: String,
    is_test_function: bool,
    is_removed: bool,
}

/// What goes with a leaf of `use`, and the path that leads to it.
#[derive(Clone)]
struct Leaf {
    /// The whole `use`, then each part of a group that holds the leaf, with its comma.
    around: Vec<Range<usize>>,
    path: Vec<Range<usize>>,
}

/// An identifier, or a literal that could hold one.
struct Word<'a> {
    bytes: Range<usize>,
    text: &'a str,
    /// Whether it stands in nothing that can go.
    is_fixed: bool,
    is_test: bool,
}

pub(super) fn prune(
    text: &str,
    is_test_file: bool,
    errors: &[Range<usize>],
) -> Result<Pruned, CannotCut> {
    let source = Source::parse(text)?;
    let mut parts = Vec::new();
    let in_tests = is_test_file || is_test(&source.file.attrs);
    collect(&source, &source.file.items, "", in_tests, &mut parts);
    let words = words(&source, is_test_file, &parts);
    for error in errors {
        blame(error, &words, &mut parts)?;
    }
    while spread(&words, &mut parts)? {}

    let removed: Vec<&Part> = parts.iter().filter(|part| part.is_removed).collect();
    let ranges = removed_ranges(&parts);
    let pruned = blank(text, &ranges);
    verify(&source, &pruned, &ranges, is_test_file)?;
    let (tests, others): (Vec<&Part>, Vec<&Part>) =
        removed.iter().partition(|part| part.is_test_function);
    let paths = |parts: Vec<&Part>| parts.iter().map(|part| part.path.clone()).collect();
    Ok(Pruned {
        text: pruned,
        tests: paths(tests),
        others: paths(others),
    })
}

pub(super) fn without(
    text: &str,
    is_test_file: bool,
    names: &BTreeSet<String>,
) -> Result<String, CannotCut> {
    let source = Source::parse(text)?;
    let mut parts = Vec::new();
    let in_tests = is_test_file || is_test(&source.file.attrs);
    collect(&source, &source.file.items, "", in_tests, &mut parts);
    for part in &mut parts {
        part.is_removed = names.contains(&part.path);
    }
    Ok(blank(text, &removed_ranges(&parts)))
}

/// What goes with the parts that are removed.
fn removed_ranges(parts: &[Part]) -> Vec<&Range<usize>> {
    // A group without a leaf would still have to be found where it leads.
    let is_empty = |range: &&Range<usize>| {
        let mut inside = parts.iter().filter(|part| part.around.contains(range));
        inside.all(|part| part.is_removed)
    };
    let removed = parts.iter().filter(|part| part.is_removed);
    let around = removed.flat_map(|part| &part.around);
    around.filter(is_empty).collect()
}

fn collect(source: &Source, items: &[Item], path: &str, in_tests: bool, parts: &mut Vec<Part>) {
    for item in items {
        let in_tests = in_tests || is_test(attributes(item));
        let bytes = source.bytes(item.span());
        match item {
            Item::Mod(module) => {
                let path = inside(path, &plain(&module.ident.to_string()));
                if let Some((_, items)) = &module.content {
                    collect(source, items, &path, in_tests, parts);
                }
            }
            Item::Fn(function) if in_tests => {
                let name = plain(&function.sig.ident.to_string());
                parts.push(Part {
                    places: vec![bytes.clone()],
                    around: vec![bytes],
                    declared: source.bytes(function.sig.ident.span()),
                    path: inside(path, &name),
                    name: Some(name),
                    is_test_function: function.attrs.iter().any(items::is_test_function),
                    is_removed: false,
                });
            }
            Item::Use(item) if in_tests => {
                let leaf = Leaf {
                    around: vec![bytes],
                    path: Vec::new(),
                };
                collect_leaves(source, &item.tree, path, leaf, parts);
            }
            _ => {}
        }
    }
}

fn collect_leaves(source: &Source, tree: &UseTree, path: &str, leaf: Leaf, parts: &mut Vec<Part>) {
    let bytes = source.bytes(tree.span());
    let name = match tree {
        UseTree::Path(part) => {
            let mut leaf = leaf;
            leaf.path.push(source.bytes(part.ident.span()));
            return collect_leaves(source, &part.tree, path, leaf, parts);
        }
        UseTree::Group(group) => {
            for pair in group.items.pairs() {
                let element = source.bytes(pair.value().span());
                let comma = pair.punct().map(|comma| source.bytes(comma.span()).end);
                let mut inner = leaf.clone();
                inner
                    .around
                    .push(element.start..comma.unwrap_or(element.end));
                collect_leaves(source, pair.value(), path, inner, parts);
            }
            return;
        }
        UseTree::Name(name) if name.ident == "self" => {
            let module = leaf.path.last();
            module.map(|module| plain(&source.text[module.clone()]))
        }
        UseTree::Name(name) => Some(plain(&name.ident.to_string())),
        UseTree::Rename(rename) if rename.rename == "_" => None,
        UseTree::Rename(rename) => Some(plain(&rename.rename.to_string())),
        UseTree::Glob(_) => None,
    };
    let shown = inside(path, name.as_deref().unwrap_or("*"));
    let mut places = leaf.path;
    places.push(bytes);
    parts.push(Part {
        around: leaf.around,
        places,
        declared: 0..0,
        name,
        path: format!("use {shown}"),
        is_test_function: false,
        is_removed: false,
    });
}

/// The words of a source, except for comments and the names of methods and fields: those mean something by what they are asked of.
fn words<'a>(source: &Source<'a>, is_test_file: bool, parts: &[Part]) -> Vec<Word<'a>> {
    let regions = items::regions(source);
    let tokens = source.tokens();
    let texts: Vec<&'a str> = tokens
        .iter()
        .map(|token| &source.text[token.clone()])
        .collect();
    let is_dot = |n: Option<usize>| n.is_some_and(|n| texts[n] == ".");
    let mut words = Vec::new();
    for (n, (bytes, text)) in tokens.into_iter().zip(&texts).enumerate() {
        let is_name = text.starts_with(|c: char| c == '_' || c.is_alphabetic());
        let is_comment = text.starts_with("//") || text.starts_with("/*");
        let is_member = is_dot(n.checked_sub(1)) && !is_dot(n.checked_sub(2));
        if is_comment || is_member || !(is_name || text.contains('"')) {
            continue;
        }
        let is_in = |range: &Range<usize>| range.contains(&bytes.start);
        words.push(Word {
            is_fixed: !parts.iter().flat_map(|part| &part.places).any(is_in),
            is_test: is_test_file || regions.iter().any(|region| is_in(&region.bytes)),
            bytes,
            text,
        });
    }
    words
}

impl Word<'_> {
    fn says(&self, name: &str) -> bool {
        match self.text.contains('"') {
            // `"{name}"` is an expression too.
            true => self.text.contains(&format!("{{{name}")),
            false => plain(self.text) == name,
        }
    }
}

/// Removes what an error lies in.
fn blame(error: &Range<usize>, words: &[Word], parts: &mut [Part]) -> Result<(), CannotCut> {
    let touches = |place: &Range<usize>| place.start < error.end && error.start < place.end;
    let mut is_blamed = false;
    for part in parts {
        if part.places.iter().any(touches) {
            part.is_removed = true;
            is_blamed = true;
        }
    }
    let is_fixed = |word: &Word| word.is_fixed && touches(&word.bytes);
    if !is_blamed || words.iter().any(is_fixed) {
        return Err(CannotCut(
            "an error lies outside of test functions, their helpers and `use`".into(),
        ));
    }
    Ok(())
}

/// Removes every part that mentions a name that is gone; whether there was one.
fn spread(words: &[Word], parts: &mut [Part]) -> Result<bool, CannotCut> {
    let mut gone = BTreeSet::new();
    for part in parts.iter().filter(|part| part.is_removed) {
        let name = part.name.clone().ok_or_else(|| {
            let path = &part.path;
            CannotCut(format!("which names `{path}` brings is not known"))
        })?;
        gone.insert(name);
    }
    let says_gone = |word: &Word| gone.iter().any(|name| word.says(name));
    let fixed = |word: &&Word| word.is_fixed && word.is_test;
    if let Some(word) = words.iter().filter(fixed).find(|word| says_gone(word)) {
        return Err(CannotCut(format!(
            "`{}` is needed by more than tests and their helpers",
            word.text
        )));
    }
    let mut is_changed = false;
    for part in parts.iter_mut().filter(|part| !part.is_removed) {
        let is_inside = |word: &&Word| {
            let mut places = part.places.iter();
            places.any(|place| place.contains(&word.bytes.start)) && word.bytes != part.declared
        };
        if words.iter().filter(is_inside).any(says_gone) {
            part.is_removed = true;
            is_changed = true;
        }
    }
    Ok(is_changed)
}

/// `text` with blanks for what is in `ranges`: every line and column keeps its place.
fn blank(text: &str, ranges: &[&Range<usize>]) -> String {
    let mut blanked = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if matches!(c, '\n' | '\r') || !ranges.iter().any(|range| range.contains(&at)) {
            blanked.push(c);
        } else {
            blanked.push_str(&" ".repeat(c.len_utf8()));
        }
    }
    blanked
}

/// Whether `pruned` holds just the tokens that are not in `ranges`, each in its place, and all of the production code.
fn verify(
    source: &Source,
    pruned: &str,
    ranges: &[&Range<usize>],
    is_test_file: bool,
) -> Result<(), CannotCut> {
    let after = Source::parse(pruned)?;
    let is_cut = |token: &Range<usize>| ranges.iter().any(|range| range.contains(&token.start));
    let mut kept = source.tokens();
    kept.retain(|token| !is_cut(token));
    let is_same = |token: &Range<usize>| pruned[token.clone()] == source.text[token.clone()];
    if kept != after.tokens() || !kept.iter().all(is_same) {
        return Err(CannotCut("other tests would differ".into()));
    }
    let (before, after) = (Cut::new(source.text)?, Cut::new(pruned)?);
    if !is_test_file && !before.production_tokens().eq(after.production_tokens()) {
        return Err(CannotCut("production code would differ".into()));
    }
    Ok(())
}

fn inside(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}::{name}"),
    }
}

fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `source`: each error in brackets of its own, `‹` and `›`.
    #[track_caller]
    fn pruned(source: &str, is_test_file: bool) -> Result<Pruned, CannotCut> {
        let mut text = String::new();
        let (mut errors, mut start) = (Vec::new(), 0);
        for c in source.chars() {
            match c {
                '‹' => start = text.len(),
                '›' => errors.push(start..text.len()),
                c => text.push(c),
            }
        }
        let pruned = prune(&text, is_test_file, &errors)?;
        assert_eq!(pruned.text.len(), text.len());
        assert_eq!(pruned.text.lines().count(), text.lines().count());
        Ok(pruned)
    }

    /// `expected`: what is left, however it is spaced. `gone`: what the answer names.
    #[track_caller]
    fn check(source: &str, expected: &str, gone: &str) {
        let pruned = pruned(source, false).expect("it can be pruned");
        let words: Vec<&str> = pruned.text.split_whitespace().collect();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(words.join(" "), expected.join(" "));
        assert_eq!([pruned.tests, pruned.others].concat().join(" "), gone);
    }

    #[track_caller]
    fn check_refused(source: &str, reason: &str) {
        let refusal = pruned(source, false).expect_err("it cannot be pruned");
        assert!(refusal.0.contains(reason), "{refusal}");
    }

    #[test]
    fn a_test_goes_with_its_attributes_and_comments() {
        check(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    /// Says `b`.\n    #[test]\n    #[should_panic]\n    fn b() {\n        // ü\n        ‹new›();\n    }\n    #[test]\n    fn c() { a() }\n}",
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn c() { a() }\n}",
            "tests::b",
        );
        check("fn a() {}\n#[test]\nfn b() { ‹new›() }", "fn a() {}", "b");
    }

    #[test]
    fn an_only_leaf_goes_with_its_use() {
        check(
            "#[cfg(test)]\nmod tests {\n    #[allow(unused)]\n    use ‹crate::new›;\n    #[test] fn a() { new() }\n    #[test] fn b() { old() }\n}",
            "#[cfg(test)]\nmod tests {\n    #[test] fn b() { old() }\n}",
            "tests::a use tests::new",
        );
    }

    #[test]
    fn a_leaf_goes_out_of_its_group() {
        check(
            "#[cfg(test)]\nuse crate::{old, ‹new›, other};\n",
            "#[cfg(test)]\nuse crate::{old,      other};",
            "use new",
        );
        check(
            "#[cfg(test)]\nuse crate::{old, deep::{‹new›}};\n",
            "#[cfg(test)]\nuse crate::{old,            };",
            "use new",
        );
        check(
            "#[cfg(test)]\nuse crate::{old, ‹deep›::{a, b as c, self}};\n",
            "#[cfg(test)]\nuse crate::{old,                         };",
            "use a use c use deep",
        );
        check(
            "#[cfg(test)]\nuse ‹crate::deep›::{a, b};\nfn x() {}",
            "fn x() {}",
            "use a use b",
        );
    }

    #[test]
    fn what_mentions_the_gone_goes_too() {
        check(
            "#[cfg(test)]\nmod tests {\n    fn sample() { ‹new›() }\n    fn more() { sample() }\n    #[test] fn a() { m!(more()) }\n    #[test] fn b() { println!(\"{sample:?}\") }\n    #[test] fn c() {}\n}",
            "#[cfg(test)]\nmod tests {\n    #[test] fn c() {}\n}",
            "tests::a tests::b tests::sample tests::more",
        );
        check(
            "#[cfg(test)]\nmod tests {\n    mod common { pub fn sample() { ‹new›() } }\n    use common::sample as s;\n    #[test] fn a() { s() }\n    #[test] fn b() { 1..s() }\n    #[test] fn c() {}\n}",
            "#[cfg(test)]\nmod tests {\n    mod common {                                 }\n    #[test] fn c() {}\n}",
            "tests::a tests::b tests::common::sample use tests::s",
        );
    }

    #[test]
    fn a_method_of_the_name_and_a_namesake_elsewhere_stay() {
        check(
            "#[cfg(test)]\nmod tests {\n    mod x { #[test] fn push() { ‹new›() } }\n    mod y { #[test] fn push() { v.push(1) } }\n}",
            "#[cfg(test)]\nmod tests {\n    mod x {                               }\n    mod y { #[test] fn push() { v.push(1) } }\n}",
            "tests::x::push",
        );
    }

    #[test]
    fn what_other_parts_of_tests_need_cannot_go() {
        for rest in [
            "const N: u8 = sample();",
            "static N: u8 = sample();",
            "macro_rules! m { () => { sample() } }",
            "impl X { fn x() { sample() } }",
            "proptest! { #[test] fn p(n in 0..9) { sample() } }",
            "cases! { sample }",
            "struct S([u8; sample()]);",
        ] {
            let source = format!(
                "#[cfg(test)]\nmod tests {{ fn sample() {{ ‹new›() }}\n{rest}\n#[test] fn a() {{ sample() }} }}"
            );
            check_refused(&source, "`sample` is needed");
        }
    }

    #[test]
    fn an_error_anywhere_else_cannot_be_cut_out() {
        for source in [
            "fn a() { ‹new›() }\n#[test] fn b() { a() }",
            "use ‹crate::new›;\n#[test] fn b() { new() }",
            "#[cfg(test)] mod tests { const N: u8 = ‹new›(); }",
            "#[cfg(test)] mod tests { macro_rules! m { () => { ‹new›() } } #[test] fn a() { m!() } }",
            "#[cfg(test)] mod tests { proptest! { #[test] fn p(n in 0..9) { ‹new›() } } }",
            "#[cfg(test)] mod tests { cases! { ‹new› } }",
            "#[cfg(test)] mod tests { impl ‹New› for u8 {} }",
            "#[cfg(test)] mod tests { struct S(‹New›); }",
            "#[cfg(test)] mod ‹tests›;",
            "#[cfg(test)] mod tests { ‹#[test] fn a() {} const B: u8 = 1;› }",
            "impl A { #[cfg(test)] fn t() { ‹new›() } }",
            "#[test] fn a() {}‹›",
        ] {
            check_refused(source, "an error lies outside");
        }
    }

    #[test]
    fn imports_of_unknown_names_cannot_go() {
        for leaf in [
            "‹crate::new›::*",
            "‹crate::new::*›",
            "‹crate::New› as _",
            "‹crate::new›::{a, b::*}",
        ] {
            let source = format!("#[cfg(test)] mod tests {{ use {leaf}; #[test] fn a() {{}} }}");
            check_refused(&source, "is not known");
        }
    }

    #[test]
    fn a_name_that_a_glob_could_bring_instead_goes_with_all_who_say_it() {
        check(
            "#[cfg(test)]\nmod tests {\n    mod failing { pub fn probe() -> bool { false } }\n    use failing::*;\n    use ‹crate::probe›;\n    #[test] fn a() { assert!(probe()) }\n}",
            "#[cfg(test)]\nmod tests {\n    mod failing { pub fn probe() -> bool { false } }\n    use failing::*;\n}",
            "tests::a use tests::probe",
        );
    }

    #[test]
    fn of_a_test_file_helpers_and_imports_can_go() {
        let source = "use shop::{old, ‹new›};\nfn sample() { new() }\n#[test] fn a() { sample() }\n#[test] fn b() { old() }";
        let found = pruned(source, true).expect("it can be pruned");
        assert_eq!(found.tests, ["a"]);
        assert_eq!(found.others, ["use new", "sample"]);
        assert!(pruned(source, false).is_err());
    }

    #[test]
    fn the_same_goes_out_of_another_version() {
        let names = BTreeSet::from(["tests::a".to_owned(), "use tests::new".to_owned()]);
        let text = "fn new() {}\n#[cfg(test)] mod tests {\nuse crate::{new, old};\n#[test] fn a() { new() }\nmod a { fn a() {} } }";
        let left = without(text, false, &names).expect("it parses");
        assert_eq!(left.len(), text.len());
        let words: Vec<&str> = left.split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "fn new() {} #[cfg(test)] mod tests { use crate::{ old}; mod a { fn a() {} } }"
        );
    }

    #[test]
    fn what_does_not_parse_cannot_be_pruned() {
        check_refused("#[test] fn a( { ‹new› }", "does not parse");
    }
}
