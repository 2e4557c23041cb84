//! Which items of a Rust source are tests.

use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::{Attribute, ForeignItem, ImplItem, Item, Meta, TraitItem};

use super::source::Source;

/// Each test item has one of these in it.
pub(super) const NEEDLES: [&str; 3] = ["test", "bench", "quickcheck"];

/// Last parts of the attributes that make a function a test: `#[test]`, `#[tokio::test]`, `#[rstest]`.
const TEST_ATTRIBUTES: [&str; 10] = [
    "test",
    "bench",
    "rstest",
    "quickcheck",
    "test_case",
    "test_matrix",
    "proptest",
    "property_test",
    "wasm_bindgen_test",
    "gtest",
];

/// A test item.
pub(super) struct Region {
    pub bytes: Range<usize>,
    /// The modules and the `impl` that it stands in.
    pub container: String,
}

/// The test items in order.
pub(super) fn regions(source: &Source) -> Vec<Region> {
    if is_test(&source.file.attrs) {
        return vec![Region {
            bytes: 0..source.text.len(),
            container: String::new(),
        }];
    }
    let mut regions = Vec::new();
    collect(source, &source.file.items, "", &mut regions);
    regions
}

/// Where one item ends and another may begin, in order: for tests that have lost their neighbours.
pub(super) fn boundaries(source: &Source) -> Vec<usize> {
    fn collect(source: &Source, items: &[Item], ends: &mut Vec<usize>) {
        for item in items {
            if let Item::Mod(module) = item
                && let Some((_, items)) = &module.content
            {
                collect(source, items, ends);
            }
            ends.push(source.bytes(item.span()).end);
        }
    }
    let mut ends = Vec::new();
    collect(source, &source.file.items, &mut ends);
    ends
}

/// Whether these attributes make an item a test, or take it away from everything but tests.
pub(super) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("cfg") {
            attribute
                .parse_args::<Meta>()
                .is_ok_and(|condition| requires_test(&condition))
        } else {
            is_test_function(attribute)
        }
    })
}

/// Whether the attribute makes a function one that a runner calls.
pub(super) fn is_test_function(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|last| is_test_attribute(&last.ident.to_string()))
}

pub(super) fn is_test_attribute(name: &str) -> bool {
    TEST_ATTRIBUTES.contains(&name)
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        // Syntax that the parser knows no item for: production.
        _ => &[],
    }
}

fn collect(source: &Source, items: &[Item], container: &str, regions: &mut Vec<Region>) {
    for item in items {
        if is_test(attributes(item)) || is_test_macro(item) {
            regions.push(Region {
                bytes: source.bytes(item.span()),
                container: container.to_owned(),
            });
        } else if let Item::Mod(module) = item {
            if let Some((_, items)) = &module.content {
                let container = format!("{container}::{}", module.ident);
                collect(source, items, &container, regions);
            }
        } else {
            let container = format!("{container}::{}", header(source, item));
            let tests = inner_tests(source, item).into_iter();
            regions.extend(tests.map(|bytes| Region {
                bytes,
                container: container.clone(),
            }));
        }
    }
}

/// The test items of an `impl`, a trait or an `extern` block.
fn inner_tests(source: &Source, item: &Item) -> Vec<Range<usize>> {
    let spans: Vec<_> = match item {
        Item::Impl(item) => {
            let attributes = |item: &ImplItem| match item {
                ImplItem::Const(item) => is_test(&item.attrs),
                ImplItem::Fn(item) => is_test(&item.attrs),
                ImplItem::Type(item) => is_test(&item.attrs),
                ImplItem::Macro(item) => is_test(&item.attrs),
                _ => false,
            };
            let tests = item.items.iter().filter(|item| attributes(item));
            tests.map(|item| item.span()).collect()
        }
        Item::Trait(item) => {
            let attributes = |item: &TraitItem| match item {
                TraitItem::Const(item) => is_test(&item.attrs),
                TraitItem::Fn(item) => is_test(&item.attrs),
                TraitItem::Type(item) => is_test(&item.attrs),
                TraitItem::Macro(item) => is_test(&item.attrs),
                _ => false,
            };
            let tests = item.items.iter().filter(|item| attributes(item));
            tests.map(|item| item.span()).collect()
        }
        Item::ForeignMod(item) => {
            let attributes = |item: &ForeignItem| match item {
                ForeignItem::Fn(item) => is_test(&item.attrs),
                ForeignItem::Static(item) => is_test(&item.attrs),
                ForeignItem::Type(item) => is_test(&item.attrs),
                ForeignItem::Macro(item) => is_test(&item.attrs),
                _ => false,
            };
            let tests = item.items.iter().filter(|item| attributes(item));
            tests.map(|item| item.span()).collect()
        }
        _ => Vec::new(),
    };
    spans.into_iter().map(|span| source.bytes(span)).collect()
}

/// What an `impl`, a trait or an `extern` block says before its brace, without white space.
fn header(source: &Source, item: &Item) -> String {
    let bytes = match item {
        Item::Impl(item) => {
            source.bytes(item.impl_token.span).start
                ..source.bytes(item.brace_token.span.open()).start
        }
        Item::Trait(item) => {
            source.bytes(item.trait_token.span).start
                ..source.bytes(item.brace_token.span.open()).start
        }
        _ => return String::new(),
    };
    source.text[bytes].split_whitespace().collect()
}

/// Whether a `cfg` condition holds only under test.
fn requires_test(condition: &Meta) -> bool {
    let Meta::List(list) = condition else {
        return condition.path().is_ident("test");
    };
    let parse = syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated;
    let Ok(parts) = list.parse_args_with(parse) else {
        return false;
    };
    if list.path.is_ident("all") {
        parts.iter().any(requires_test)
    } else {
        list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(requires_test)
    }
}

/// Whether a macro call at item level holds tests and nothing else: `proptest! { #[test] fn .. }`.
fn is_test_macro(item: &Item) -> bool {
    let Item::Macro(item) = item else {
        return false;
    };
    let path = &item.mac.path;
    item.ident.is_none()
        && path.segments.last().is_some_and(|last| {
            holds_only_tests(item.mac.tokens.clone(), last.ident == "quickcheck")
        })
}

fn holds_only_tests(tokens: TokenStream, every_function_is_one: bool) -> bool {
    const OTHER_ITEMS: [&str; 11] = [
        "mod",
        "struct",
        "enum",
        "union",
        "impl",
        "trait",
        "static",
        "const",
        "use",
        "type",
        "macro_rules",
    ];
    let mut n_tests = 0;
    let mut is_test = every_function_is_one;
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                is_test |=
                    attribute_name(group.stream()).is_some_and(|name| is_test_attribute(&name));
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                is_test = every_function_is_one;
            }
            TokenTree::Ident(word) if word == "fn" => {
                if !is_test {
                    return false;
                }
                n_tests += 1;
            }
            TokenTree::Ident(word) if OTHER_ITEMS.iter().any(|other| word == other) => {
                return false;
            }
            _ => {}
        }
    }
    n_tests > 0
}

/// The last part of an attribute's path, from what stands in its brackets.
pub(super) fn attribute_name(tokens: TokenStream) -> Option<String> {
    let mut name = None;
    for token in tokens {
        match token {
            TokenTree::Ident(part) => name = Some(part.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    name
}
