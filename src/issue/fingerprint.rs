//! The name of an issue: what stays the same when the same bug strikes again with other values, on another line.

use std::fmt;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use sha2::{Digest as _, Sha256};

use super::Frame;

/// `k1:` and 24 hexadecimal digits. The prefix is the algorithm's version: another one never renames an issue silently.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Type and the two innermost frames of the project's own code, without lines; else the three innermost of all; without any frame,
    /// the skeleton of the message.
    pub fn new(error_type: Option<&str>, frames: &[Frame], message: &str) -> Fingerprint {
        let error_type = error_type.unwrap_or("");
        let error_type = clean_type(error_type);
        let in_app = in_app(frames);
        let parts = if !in_app.is_empty() {
            innermost(in_app, 2)
        } else if !frames.is_empty() {
            innermost(units(frames.iter()), 3)
        } else {
            vec![skeleton(message)]
        };
        let input = format!("koan-fp-v1\n{error_type}\n{}", parts.join("\n"));
        Fingerprint::hashed(&input)
    }

    /// For events that their own program groups: what it says is all that counts.
    pub fn explicit(parts: &[String]) -> Fingerprint {
        Fingerprint::hashed(&format!("koan-fp-v1\nexplicit\n{}", parts.join("\n")))
    }

    /// A part of an issue that a person has split.
    pub(super) fn part(&self, by: &str, text: &str) -> Fingerprint {
        Fingerprint::hashed(&format!("koan-fp-v1\nsplit\n{self}\n{by}\n{text}"))
    }

    fn hashed(input: &str) -> Fingerprint {
        let digest = format!("{:x}", Sha256::digest(input));
        Fingerprint(format!("k1:{}", &digest[..24]))
    }

    /// Whether a text has the form of one.
    pub fn is_one(text: &str) -> bool {
        let digits = text.strip_prefix("k1:").unwrap_or("");
        digits.len() == 24 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// One that is written down: with its prefix, and all digits small.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let is_small = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        (Fingerprint::is_one(text) && is_small).then(|| Fingerprint(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first two lines of a message with everything that varies replaced: addresses, ids, times, paths, quoted words, numbers.
pub fn skeleton(message: &str) -> String {
    let lines: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(2)
        .collect();
    let text = VARIABLE
        .replace_all(&lines.join("\n"), placeholder)
        .into_owned();
    let text: Vec<String> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    text.join("\n").chars().take(300).collect()
}

/// One pass: at each place the first alternative that fits.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s"'<>]+)
        | (?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
        | (?P<uuid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)
        | (?P<time>\b\d{4}-\d\d-\d\d(?:[T\x20]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\x20?UTC|[+-]\d\d:?\d\d)?)?)
        | (?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b)
        | (?P<path>(?:/[\w.@+-]+){2,})
        | (?P<hex>\b0x[0-9a-fA-F]+\b|\b[0-9a-f]*(?:[a-f][0-9]|[0-9][a-f])[0-9a-f]{6,}\b)
        | (?P<str>"[^"\n]*"|`[^`\n]*`|\B'[^'\n]*'\B)
        | (?P<num>\b\d[\d_]*(?:[.,]\d+)*)
        "#,
    )
    .expect("the pattern is constant")
});

const KINDS: [&str; 9] = [
    "url", "email", "uuid", "time", "ip", "path", "hex", "str", "num",
];

fn placeholder(found: &Captures) -> String {
    let kind = KINDS.iter().find(|kind| found.name(kind).is_some());
    format!("<{}>", kind.unwrap_or(&"?"))
}

/// The type without what its language puts before it, and without what is generated.
fn clean_type(error_type: &str) -> String {
    static GENERATED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"0x[0-9a-f]+|\d{4,}|@[0-9a-f]{6,}").expect("the pattern is constant")
    });
    let error_type = error_type.strip_prefix("Elixir.").unwrap_or(error_type);
    let error_type = error_type.strip_prefix("builtins.").unwrap_or(error_type);
    GENERATED.replace_all(error_type, "<n>").into_owned()
}

/// What names the frames of the project's own code, the innermost last.
pub(super) fn in_app(frames: &[Frame]) -> Vec<String> {
    units(frames.iter().filter(|frame| frame.in_app))
}

/// What of each frame survives an edit elsewhere: its file and function; runs of equal ones are one (recursion).
fn units<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<String> {
    let mut units: Vec<String> = frames
        .map(|frame| {
            let function = frame.function.as_deref().map(clean_function);
            format!(
                "{}.{}",
                clean_file(&frame.file),
                function.unwrap_or_default()
            )
        })
        .collect();
    units.dedup();
    units
}

fn innermost(units: Vec<String>, n: usize) -> Vec<String> {
    let start = units.len().saturating_sub(n);
    units[start..].to_vec()
}

/// The path without what a deployment or a bundler puts into it.
fn clean_file(file: &str) -> String {
    static ROOT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"^.*/(?:releases/[0-9A-Za-z_.-]+|current|site|workspace|wwwroot)/|^/app/|^/usr/src/app/|^/var/task/|^\./",
        )
        .expect("the pattern is constant")
    });
    static BUNDLE_HASH: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[-.][0-9a-f]{8,}(\.m?js)$").expect("the pattern is constant")
    });
    let file = file.replace('\\', "/");
    let file = ROOT.replace(&file, "");
    BUNDLE_HASH.replace(&file, "$1").into_owned()
}

/// The function without generics, addresses, closures and numbers that compilers give, and without the class that newer versions of Ruby
/// write before it.
fn clean_function(function: &str) -> String {
    static NOISE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"(?x)::h[0-9a-f]{16}$ | (?:::)?\{\{closure\}\} | \{closure(?::[^}]*)?\} | <(?:lambda|listcomp|genexpr|dictcomp|setcomp)>
            | (?:(?:block|rescue|ensure)\ (?:\([^)]*\)\ )?in\ )+ | (?:\.func\d+|\.gowrap\d+)(?:\.\d+)*$ | ^(?:async|new|get|set)\ | \ \[as\ [^\]]*\]$",
        )
        .expect("the pattern is constant")
    });
    // `<shop::Cart as core::fmt::Display>::fmt` is `shop::Cart::fmt`; `Cart.<TotalAsync>d__3.MoveNext` and `Cart.<Total>b__0` are the method.
    static SELF: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^<([^<>]+?)(?: as [^<>]+)?>::").expect("the pattern is constant")
    });
    static DOTNET: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"<(\w+)>[a-z]__[\w|]*(?:\.MoveNext)?").expect("the pattern is constant")
    });
    // `lambda$total$0`, `Cart$$Lambda$12/0x0001.run`, `Cart$$EnhancerBySpringCGLIB$$1a2b`
    static JAVA: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r"lambda\$(\w+)\$\d+|\$\$(?:Lambda|EnhancerBy\w+|FastClassBy\w+|SpringCGLIB)[$\w/]*",
        )
        .expect("the pattern is constant")
    });
    // `-total/1-fun-0-/2` and `anonymous fn/1 in Shop.total/1`
    static BEAM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^"?-(\w+[!?]?)/\d+-[^"]*-"?|anonymous fn/\d+ in "#)
            .expect("the pattern is constant")
    });
    static ARITY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"/\d+$").expect("the pattern is constant"));
    static RUBY_CLASS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[A-Z]\w*(?:::[A-Z]\w*)*[#.]([a-z_]\w*[!?=]?)$")
            .expect("the pattern is constant")
    });
    static GENERICS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?:::)?<[^<>]*>").expect("the pattern is constant"));
    static GENERATED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{4,}").expect("the pattern is constant"));
    let function = NOISE.replace_all(function, "");
    let function = DOTNET.replace_all(&function, "$1");
    let function = JAVA.replace_all(&function, "$1");
    let function = BEAM.replace_all(&function, "$1");
    let function = ARITY.replace(&function, "");
    let function = SELF.replace(&function, "$1::");
    let function = GENERICS.replace_all(&function, "");
    let function = GENERATED.replace_all(&function, "<n>");
    RUBY_CLASS.replace(&function, "$1").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, function: &str, line: u32, in_app: bool) -> Frame {
        Frame {
            file: file.to_owned(),
            line: Some(line),
            function: Some(function.to_owned()),
            in_app,
        }
    }

    #[track_caller]
    fn check_skeleton(message: &str, expected: &str) {
        assert_eq!(skeleton(message), expected);
    }

    #[track_caller]
    fn check_same(one: &[Frame], two: &[Frame]) {
        let name = |frames| Fingerprint::new(Some("KeyError"), frames, "");
        assert_eq!(name(one), name(two));
    }

    #[test]
    fn what_varies_is_replaced() {
        check_skeleton("no product 4711 in cart", "no product <num> in cart");
        check_skeleton("'SKU-46594'", "<str>");
        check_skeleton("can't find 'a b'", "can't find <str>");
        check_skeleton(
            "GET https://shop.example/x?y=1 failed at 2026-11-21T08:04:14Z",
            "GET <url> failed at <time>",
        );
        check_skeleton(
            "user ada@example.org (0x7ffe12) from 10.0.0.7:5432",
            "user <email> (<hex>) from <ip>:<num>",
        );
        check_skeleton(
            "4f9d2c1e-0000-4000-8000-1234567890ab in /srv/app/x.py",
            "<uuid> in <path>",
        );
    }

    #[test]
    fn words_that_look_like_hexadecimal_stay() {
        check_skeleton("a faded facade", "a faded facade");
    }

    #[test]
    fn only_two_lines_and_three_hundred_characters_count() {
        check_skeleton("one\n\n  two  \nthree", "one\ntwo");
        assert_eq!(skeleton(&"word ".repeat(1000)).chars().count(), 300);
    }

    #[test]
    fn it_is_a_version_and_24_digits() {
        let name = Fingerprint::new(None, &[], "boom");
        assert!(name.as_str().starts_with("k1:"));
        assert_eq!(name.as_str().len(), 27);
    }

    #[test]
    fn lines_releases_and_foreign_frames_do_not_matter() {
        check_same(
            &[frame("/srv/shop/releases/20261101/a.py", "f", 3, true)],
            &[
                frame("/srv/shop/releases/20261108/a.py", "f", 99, true),
                frame("/usr/lib/python3/json.py", "loads", 7, false),
            ],
        );
    }

    #[test]
    fn an_explicit_name_is_all_that_counts() {
        let one = Fingerprint::explicit(&["cart".to_owned()]);
        assert!(Fingerprint::is_one(one.as_str()));
        assert_ne!(one, Fingerprint::explicit(&["basket".to_owned()]));
    }

    #[test]
    fn recursion_does_not_matter() {
        let outer = frame("a.py", "outer", 1, true);
        let inner = frame("a.py", "walk", 2, true);
        check_same(
            &[outer.clone(), inner.clone()],
            &[outer, inner.clone(), inner.clone(), inner],
        );
    }

    #[test]
    fn another_function_is_another_issue() {
        let name = |function| Fingerprint::new(None, &[frame("a.py", function, 1, true)], "same");
        assert_ne!(name("f"), name("g"));
    }

    #[test]
    fn without_frames_the_skeleton_decides() {
        let name = |message| Fingerprint::new(Some("E"), &[], message);
        assert_eq!(name("order 1 lost"), name("order 2 lost"));
        assert_ne!(name("order 1 lost"), name("order 1 found"));
    }

    #[test]
    fn names_that_compilers_make_are_cleaned() {
        assert_eq!(
            clean_function("shop::total::h0123456789abcdef"),
            "shop::total"
        );
        assert_eq!(clean_function("shop::total::{{closure}}"), "shop::total");
        assert_eq!(clean_function("Vec<T>::push"), "Vec::push");
        assert_eq!(clean_function("block (2 levels) in total"), "total");
        assert_eq!(clean_file("dist/main-0a1b2c3d4e.js"), "dist/main.js");
        for (name, clean) in [
            ("<shop::Cart as core::fmt::Display>::fmt", "shop::Cart::fmt"),
            ("Shop::Cart#total", "total"),
            ("block in Shop::Cart#total", "total"),
            ("rescue in block (2 levels) in total", "total"),
            ("main.(*Cart).Total.func1.2", "main.(*Cart).Total"),
            ("org.shop.Cart.lambda$total$0", "org.shop.Cart.total"),
            (
                "org.shop.Cart$$EnhancerBySpringCGLIB$$1a2b3c.total",
                "org.shop.Cart.total",
            ),
            (
                "Shop.Cart.<TotalAsync>d__3.MoveNext",
                "Shop.Cart.TotalAsync",
            ),
            ("-total/1-fun-0-", "total"),
            ("Shop.Cart.total/1", "Shop.Cart.total"),
            ("Shop\\{closure:Shop\\Cart::total():12}", "Shop\\"),
            ("get sum [as sum]", "sum"),
        ] {
            assert_eq!(clean_function(name), clean, "{name}");
        }
    }
}
