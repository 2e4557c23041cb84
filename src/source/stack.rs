//! Stack traces as text into frames, the innermost last: Python, V8, Java, Ruby, Elixir, PHP, Go, Rust.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::issue::Frame;

/// The most lines that are looked at.
const MAX_LINES: usize = 400;

/// The frames of a stack trace; empty if it is in no form that we know.
pub fn parse(text: &str) -> Vec<Frame> {
    let lines: Vec<&str> = text.lines().take(MAX_LINES).collect();
    let is_python = lines.iter().any(|line| PYTHON.is_match(line));
    if is_python {
        return python(&lines);
    }
    let mut frames = crash_first(&lines);
    frames.reverse();
    frames
}

/// Whether a path is the project's own code: not a library's, not the language's.
pub fn is_in_app(file: &str) -> bool {
    const FOREIGN: &[&str] = &[
        "/gems/",
        "/vendor/",
        "site-packages/",
        "dist-packages/",
        "node_modules/",
        "/rustc/",
        "/.cargo/",
        "/rustlib/",
        "/go/pkg/mod/",
        "/usr/lib/",
        "/usr/local/lib/",
        "/usr/local/go/",
        "/deps/",
        "node:",
        "<",
        "internal/",
        "java.base/",
    ];
    let file = file.replace('\\', "/");
    !file.is_empty()
        && !FOREIGN.iter().any(|part| match part.strip_prefix('/') {
            // A part that begins with a slash may also stand at the beginning.
            Some(rest) => file.contains(part) || file.starts_with(rest),
            None => file.starts_with(part) || file.contains(&format!("/{part}")),
        })
}

static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^[\s|]*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?"#)
        .expect("the pattern is constant")
});

/// One line is one frame.
static ONE_LINE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // V8: `at total (/srv/shop/cart.js:12:7)`, `at async total (…)`, `at /srv/shop/cart.js:12:7`
        r"^\s*at (?:async )?(?P<function>[^()]+?) \((?:file://)?(?P<file>[^()]+?):(?P<line>\d+):\d+\)(?: \{)?$",
        // Java, Kotlin: `at org.shop.Cart.total(Cart.java:12)`
        r"^\s*at (?P<function>[\w.$<>/]+)\((?P<file>[\w.-]+\.\w+):(?P<line>\d+)\)",
        // PHP: `#0 /srv/shop/Cart.php(12): Cart->total()`
        r"^#\d+ (?P<file>[^()]+)\((?P<line>\d+)\): (?P<function>[^(]+)\(",
        // Ruby: `app/cart.rb:12:in 'Cart#total'`, with a backtick before 3.4
        r"^\s*(?:from )?(?P<file>[^\s:][^:]*):(?P<line>\d+):in [`'](?P<function>[^']+)'",
        // Elixir: `(shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.total/1`
        r"^\s*(?:\([^)]*\) )?(?P<file>[\w./-]+\.exs?):(?P<line>\d+): (?P<function>\S+)",
        // Rust's panic message: `thread 'main' panicked at src/cart.rs:12:9:`
        r"panicked at (?P<file>[^\s:]+):(?P<line>\d+):\d+",
        // A place alone: `src/cart.rs:12:9`, `cart.py:12`
        r"^\s*(?P<file>[\w./@+-]+\.\w+):(?P<line>\d+)(?::\d+)?:?$",
    ]
    .iter()
    .map(|pattern| Regex::new(pattern).expect("the pattern is constant"))
    .collect()
});

/// The function stands on the line above: Rust (`  3: shop::total`), Go (`shop.Total(0x1)`).
static PLACE_BELOW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\s+(?:at )?(?:file://)?(?P<file>(?:node:)?[^\s:][^:]*):(?P<line>\d+)(?::\d+)?(?: \+0x[0-9a-f]+)?$",
    )
    .expect("the pattern is constant")
});
static FUNCTION_ABOVE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:\s*\d+: +(?:0x[0-9a-f]+ - )?(?P<rust>\S.*)|(?:created by )?(?P<go>[\w./*()-]+\.[\w.*()-]+)\(.*\)?)$")
        .expect("the pattern is constant")
});

/// The last traceback of a chain is the exception that was reported.
fn python(lines: &[&str]) -> Vec<Frame> {
    let start = lines
        .iter()
        .rposition(|line| line.starts_with("Traceback (most recent call last)"))
        .unwrap_or(0);
    let found = lines[start..]
        .iter()
        .filter_map(|line| PYTHON.captures(line));
    found.map(|found| frame(&found, None)).collect()
}

fn crash_first(lines: &[&str]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut function_above: Option<String> = None;
    for line in lines {
        if let (Some(function), Some(found)) = (&function_above, PLACE_BELOW.captures(line)) {
            frames.push(frame(&found, Some(function)));
            function_above = None;
        } else if let Some(found) = ONE_LINE.iter().find_map(|form| form.captures(line)) {
            frames.push(frame(&found, None));
            function_above = None;
        } else if let Some(found) = FUNCTION_ABOVE.captures(line) {
            let function = found.name("rust").or_else(|| found.name("go"));
            function_above = function.map(|function| function.as_str().to_owned());
        } else if let Some(found) = PLACE_BELOW.captures(line) {
            // V8 without a function: `at /srv/shop/cart.js:12:7`
            frames.push(frame(&found, None));
        } else {
            function_above = None;
        }
    }
    // A panic's own line names the place that a frame below names again.
    if frames.len() > 1 && frames[0].function.is_none() {
        let place = (frames[0].file.clone(), frames[0].line);
        if frames[1..]
            .iter()
            .any(|frame| (frame.file.clone(), frame.line) == place)
        {
            frames.remove(0);
        }
    }
    frames
}

fn frame(found: &Captures, function: Option<&str>) -> Frame {
    let named = found.name("function").map(|part| part.as_str().trim());
    let file = found.name("file").map_or("", |part| part.as_str());
    let file = file.strip_prefix("./").unwrap_or(file);
    Frame {
        file: file.to_owned(),
        line: found
            .name("line")
            .and_then(|part| part.as_str().parse().ok()),
        function: function.or(named).map(str::to_owned),
        in_app: is_in_app(file) && !named.is_some_and(is_java_platform),
    }
}

/// Java names no folders; the packages of the platform are its own.
fn is_java_platform(function: &str) -> bool {
    let packages = ["java.", "javax.", "jdk.", "sun.", "kotlin.", "scala."];
    // The module stands in front: `java.base/java.util.ArrayList.get`.
    let (module, class) = function.split_once('/').unwrap_or(("", function));
    let mut packages = packages.iter();
    packages.any(|package| module.starts_with(package) || class.starts_with(package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let shown: Vec<String> = parse(text)
            .iter()
            .map(|frame| {
                format!(
                    "{}{}:{} {}",
                    if frame.in_app { "* " } else { "" },
                    frame.file,
                    frame.line.map_or("?".to_owned(), |line| line.to_string()),
                    frame.function.as_deref().unwrap_or("?")
                )
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn python_ends_with_the_crash() {
        check(
            "Traceback (most recent call last):\n  File \"/srv/a.py\", line 3, in f\n    g()\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/srv/shop/views.py\", line 12, in checkout\n    ^^^\n  File \"/usr/lib/python3/json.py\", line 7, in loads\nValueError: x",
            &[
                "* /srv/shop/views.py:12 checkout",
                "/usr/lib/python3/json.py:7 loads",
            ],
        );
    }

    #[test]
    fn v8_begins_with_the_crash() {
        check(
            "TypeError: x\n    at total (/srv/shop/cart.js:12:7)\n    at /srv/shop/app.js:3:1\n    at node:internal/main:1:2\n    at async run (node_modules/x/i.js:4:5)",
            &[
                "node_modules/x/i.js:4 run",
                "node:internal/main:1 ?",
                "* /srv/shop/app.js:3 ?",
                "* /srv/shop/cart.js:12 total",
            ],
        );
    }

    #[test]
    fn ruby_in_both_spellings() {
        check(
            "app/models/cart.rb:12:in `total'\n/var/gems/rack-3/lib/rack.rb:4:in 'Rack#call'",
            &[
                "/var/gems/rack-3/lib/rack.rb:4 Rack#call",
                "* app/models/cart.rb:12 total",
            ],
        );
    }

    #[test]
    fn rust_names_the_function_above_the_place() {
        check(
            "thread 'main' panicked at src/lib.rs:41:9:\nattempt to subtract with overflow\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/59807616e/library/std/src/panicking.rs:689:5\n   1: shop::Cart::total\n             at ./src/lib.rs:41:9\n   2: shop_server::checkout\n             at ./src/checkout.rs:17:20",
            &[
                "* src/checkout.rs:17 shop_server::checkout",
                "* src/lib.rs:41 shop::Cart::total",
                "/rustc/59807616e/library/std/src/panicking.rs:689 rust_begin_unwind",
            ],
        );
    }

    #[test]
    fn go_java_php_elixir() {
        check(
            "goroutine 1 [running]:\nshop/cart.(*Cart).Total(0xc000)\n\t/srv/shop/cart/cart.go:12 +0x1d\nmain.main()\n\t/srv/shop/main.go:7 +0x2",
            &[
                "* /srv/shop/main.go:7 main.main",
                "* /srv/shop/cart/cart.go:12 shop/cart.(*Cart).Total",
            ],
        );
        check(
            "java.lang.X: y\n\tat org.shop.Cart.total(Cart.java:12)",
            &["* Cart.java:12 org.shop.Cart.total"],
        );
        check(
            "#0 /srv/shop/Cart.php(12): Cart->total()",
            &["* /srv/shop/Cart.php:12 Cart->total"],
        );
        check(
            "    (shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.total/1",
            &["* lib/shop/cart.ex:12 Shop.Cart.total/1"],
        );
    }

    #[test]
    fn an_exception_group_of_python() {
        check(
            "  + Exception Group Traceback (most recent call last):\n  |   File \"/srv/shop/b.py\", line 3, in checkout\n  |   File \"/srv/shop/b.py\", line 2, in f\n  | ExceptionGroup: g (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: x",
            &["* /srv/shop/b.py:3 checkout", "* /srv/shop/b.py:2 f"],
        );
    }

    #[test]
    fn node_with_a_getter_a_method_and_a_cause() {
        check(
            "Error: outer\n    at get sum [as sum] (/srv/a.js:5:52)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {\n  [cause]: TypeError: x\n      at Cart.total (/srv/a.js:1:40)\n      at Array.map (<anonymous>)",
            &[
                "* /srv/a.js:1 Cart.total",
                "node:internal/process/task_queues:95 process.processTicksAndRejections",
                "* /srv/a.js:5 get sum [as sum]",
            ],
        );
    }

    #[test]
    fn go_with_inlined_calls_and_a_closure() {
        check(
            "panic: runtime error: index out of range [2] with length 0\n\ngoroutine 1 [running]:\nmain.(*Cart).Total(...)\n\t/srv/g/main.go:4\nmain.main.func1(...)\n\t/srv/g/main.go:6\nmain.main()\n\t/srv/g/main.go:6 +0x9c\nexit status 2",
            &[
                "* /srv/g/main.go:6 main.main",
                "* /srv/g/main.go:6 main.main.func1",
                "* /srv/g/main.go:4 main.(*Cart).Total",
            ],
        );
    }

    #[test]
    fn the_platform_of_java_is_foreign() {
        check(
            "java.lang.IndexOutOfBoundsException: Index 3 out of bounds for length 0\n\tat java.base/java.util.ArrayList.get(ArrayList.java:427)\n\tat org.shop.Main$Cart.total(Main.java:3)\n\tat app//org.shop.Main.lambda$main$0(Main.java:4)\n\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)\n\tat jdk.compiler/com.sun.tools.javac.launcher.Main.main(Main.java:132)",
            &[
                "Main.java:132 jdk.compiler/com.sun.tools.javac.launcher.Main.main",
                "Method.java:569 java.base/java.lang.reflect.Method.invoke",
                "* Main.java:4 app//org.shop.Main.lambda$main$0",
                "* Main.java:3 org.shop.Main$Cart.total",
                "ArrayList.java:427 java.base/java.util.ArrayList.get",
            ],
        );
    }

    #[test]
    fn ruby_and_php_in_full() {
        check(
            "a.rb:2:in `fetch': key not found: :price (KeyError)\n\tfrom a.rb:2:in `total'\n\tfrom a.rb:3:in `block in each'",
            &["* a.rb:3 block in each", "* a.rb:2 total", "* a.rb:2 fetch"],
        );
        check(
            "PHP Fatal error:  Uncaught DivisionByZeroError: Division by zero in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(3): intdiv()\n#1 /srv/a.php(3): Shop\\Cart->total()\n#2 [internal function]: Shop\\Cart::Shop\\{closure}()\n#3 {main}",
            &["* /srv/a.php:3 Shop\\Cart->total", "* /srv/a.php:3 intdiv"],
        );
    }

    #[test]
    fn a_text_in_no_known_form_has_no_frames() {
        check("it broke\nin production: twice", &[]);
    }
}
