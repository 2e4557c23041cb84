//! The forms that one frame has in the text of a stack trace.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::RawFrame;

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is constant")
}

pub static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"^[\s|>+]*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?"#)
});

/// One line is one frame.
static ONE_LINE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // V8: `at total (/srv/shop/cart.js:12:7)`, `at async total (…)`, `at /srv/shop/cart.js:12:7`
        r"^\s*at (?:async )?(?P<function>[^()]+?) \((?:file://)?(?P<file>[^()]+?):(?P<line>\d+):\d+\)(?: \{)?$",
        // .NET: `at Shop.Cart.Total(Int32 id) in /src/Cart.cs:line 12`
        r"^\s*at (?P<function>[^()]+)\(.*\) in (?P<file>.+):line (?P<line>\d+)$",
        // Java, Kotlin: `at org.shop.Cart.total(Cart.java:12)`, with the jar behind it
        r"^\s*at (?P<function>[\w.$<>/@-]+)\((?P<java>[\w.$-]+\.\w+):(?P<line>\d+)\)(?: ~?\[[^\]]*\])?$",
        // Ruby: `app/cart.rb:12:in 'Cart#total'`, with a backtick before 3.4
        r"^\s*(?:from )?(?P<file>[^\s:][^:]*):(?P<line>\d+):in [`'](?P<function>[^']+)'",
        // Elixir: `(shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.total/1`
        r"^\s*(?:\((?P<application>\w+)(?: [^)]*)?\) )?(?P<file>[\w./-]+\.(?:exs?|erl|eex|heex)):(?P<line>\d+): (?P<function>\S+)",
        // Rust's panic message: `thread 'main' panicked at src/cart.rs:12:9:`
        r"panicked at (?P<file>[^\s:]+):(?P<line>\d+):\d+",
        // A place alone: `src/cart.rs:12:9`, `cart.py:12`
        r"^\s*(?P<file>[\w./@+-]+\.\w+):(?P<line>\d+)(?::\d+)?:?$",
        // .NET without a place: `at System.Linq.Enumerable.First[TSource](IEnumerable`1 source)`
        r"^\s+at (?P<function>[\w.`+<>|]+(?:\[[^\]]*\])?)\([^:]*\)$",
    ]
    .iter()
    .map(|pattern| compiled(pattern))
    .collect()
});

/// The function stands on the line above: Rust (`  3: shop::total`), Go (`shop.Total(0x1)`, zap: `shop.Total`).
pub static PLACE_BELOW: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^\s+(?:at )?(?:async )?(?:file://)?(?P<file>(?:node:|[A-Za-z]:)?[^\s:][^:]*):(?P<line>\d+)(?::\d+)?(?: \+0x[0-9a-f]+)?$",
    )
});

pub static FUNCTION_ABOVE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^(?:\s*\d+: +(?:0x[0-9a-f]+ - )?(?P<rust>\S.*)|(?:created by )?(?P<go>[\w./*()-]+?\.[\w.*()-]+?)(?:\([^()]*\))?(?: in goroutine \d+)?)$",
    )
});

/// PHP: `#0 /srv/shop/Cart.php(12): Cart->total()`: the place, and what was called there.
pub static PHP: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^#\d+ (?:(?P<file>[^()\[\]{}]+)\((?P<line>\d+)\): (?P<called>[^(]+)\(.*|\[internal function\]: (?P<internal>[^(]+)\(.*|\{main\})$",
    )
});

/// PHP: ` in /srv/shop/Cart.php:12` or `(12)` at the end of the message.
pub static PHP_PLACE: LazyLock<Regex> =
    LazyLock::new(|| compiled(r" in (?P<file>/\S+|[A-Za-z]:\S+):(?P<line>\d+)$"));

/// The first form that a line has.
pub fn one_line(line: &str) -> Option<RawFrame> {
    let found = ONE_LINE.iter().find_map(|form| form.captures(line))?;
    Some(frame(&found, None))
}

pub fn frame(found: &Captures, function: Option<&str>) -> RawFrame {
    let part = |name: &str| found.name(name).map(|part| part.as_str().trim());
    let function = function.or(part("function"));
    let file = match (part("java"), function) {
        (Some(file), Some(function)) => format!("{}{file}", package_folder(function)),
        _ => part("file").unwrap_or("<unknown>").to_owned(),
    };
    RawFrame {
        file,
        line: part("line").and_then(|line| line.parse().ok()),
        function: function.map(str::to_owned),
        application: part("application").map(str::to_owned),
        in_app: None,
    }
}

/// `org/shop/` of `app//org.shop.Cart$Line.total`.
fn package_folder(function: &str) -> String {
    let name = function.rsplit('/').next().unwrap_or(function);
    let mut parts: Vec<&str> = name.split('.').collect();
    // Method and class go; packages are in lower case.
    parts.truncate(parts.len().saturating_sub(2));
    parts.iter().map(|part| format!("{part}/")).collect()
}

/// With slashes, without a drive, a scheme or a leading `./`.
pub fn normal_path(file: &str) -> String {
    static DRIVE: LazyLock<Regex> = LazyLock::new(|| compiled(r"^(?:[A-Za-z]:)?[\\/]"));
    static SCHEME: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"^(?:file://|webpack://[^/]*/|app:///|~/)(?:\./)?"));
    let file = SCHEME.replace(file, "").into_owned();
    let file = if DRIVE.is_match(&file) && file.contains('\\') {
        DRIVE.replace(&file, "/").replace('\\', "/")
    } else {
        file
    };
    match file.strip_prefix("./") {
        Some(rest) => rest.to_owned(),
        None => file,
    }
}
