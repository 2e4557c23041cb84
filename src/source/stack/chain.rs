//! A text cut into the exceptions of a chain: crash first or crash last, causes below, above or inside.

use std::sync::LazyLock;

use regex::Regex;

use super::form::{self, FUNCTION_ABOVE, PHP, PHP_PLACE, PLACE_BELOW, PYTHON};
use super::{Link, RawFrame, Rules};

/// A link before its frames are known to be the project's.
#[derive(Debug, Default)]
struct Part {
    header: Vec<String>,
    /// In the order of the text.
    frames: Vec<RawFrame>,
}

/// The exception that was reported first.
pub fn links(lines: &[&str], rules: &Rules) -> Vec<Link> {
    let has = |form: &Regex| lines.iter().any(|line| form.is_match(line));
    let parts = if has(&PYTHON) {
        python(lines)
    } else if has(&PHP) {
        php(lines)
    } else if lines.iter().any(|line| line.contains(DOTNET_END)) {
        dotnet(lines)
    } else {
        crash_first(lines)
    };
    let is_found = parts.iter().any(|part| !part.frames.is_empty());
    if !is_found {
        return Vec::new();
    }
    parts.into_iter().map(|part| part.link(rules)).collect()
}

impl Part {
    /// Its frames stand innermost last.
    fn link(self, rules: &Rules) -> Link {
        let (error_type, message) = headline(&self.header);
        let frames = self.frames.into_iter();
        Link {
            error_type,
            message,
            frames: frames.map(|frame| rules.frame(frame)).collect(),
        }
    }
}

/// Type and message of the lines that stand before the frames.
fn headline(lines: &[String]) -> (Option<String>, Option<String>) {
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"^\s*(?:Exception in thread "[^"]*" |Unhandled exception\. |(?:PHP )?Fatal error:\s+Uncaught |Uncaught |Next |\*\* \()?(?P<type>[A-Za-z_][\w.$\\]*(?:::\w+)*)\)?(?:(?:: |:$| )(?P<message>.*))?$"#,
        )
        .expect("the pattern is constant")
    });
    static RUST: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^thread '.*' (?:\(\d+\) )?panicked at ").expect("the pattern is constant")
    });
    static RUBY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\S[^:]*:\d+:in [`'][^']+': (?P<message>.*) \((?P<type>[A-Z][\w:]*)\)$")
            .expect("the pattern is constant")
    });
    let text = lines.join("\n");
    let Some(first) = lines.first() else {
        return (None, None);
    };
    let rest = || lines[1..].join("\n").trim().to_owned();
    if RUST.is_match(first) {
        return (Some("panic".to_owned()), Some(rest()));
    }
    if let Some(message) = text.strip_prefix("panic: ") {
        return (Some("panic".to_owned()), Some(message.trim().to_owned()));
    }
    if let Some(found) = RUBY.captures(first) {
        return (
            Some(found["type"].to_owned()),
            Some(found["message"].to_owned()),
        );
    }
    let Some(found) = HEADER.captures(first) else {
        return (
            None,
            (!text.trim().is_empty()).then(|| text.trim().to_owned()),
        );
    };
    let name = found["type"].trim_end_matches(':').to_owned();
    // A sentence is no type: types are qualified, or begin with a capital and stand before a colon.
    let is_type = name.contains(['.', '\\', '$'])
        || name.contains("::")
        || (name.starts_with(char::is_uppercase) && first.contains(&format!("{name}:")))
        || first.trim() == name
        || first.trim_start().starts_with("** (");
    if !is_type {
        return (None, Some(text.trim().to_owned()));
    }
    let message = found.name("message").map_or("", |part| part.as_str());
    let message = format!("{message}\n{}", rest()).trim().to_owned();
    (Some(name), Some(message))
}

/// The last traceback of a chain is the exception that was reported.
fn python(lines: &[&str]) -> Vec<Part> {
    const LINKS: [&str; 2] = [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ];
    let mut parts = vec![Part::default()];
    // What an exception group holds stands below it.
    let mut is_member = false;
    for line in lines {
        let bar = line.trim_start().strip_prefix(['|', '+']);
        let plain = bar.map_or(*line, |rest| rest.strip_prefix(' ').unwrap_or(rest));
        if LINKS.contains(&plain.trim()) {
            parts.push(Part::default());
            is_member = false;
            continue;
        }
        is_member |= plain.starts_with("-+-") || plain.starts_with("---------------- ");
        if is_member {
            continue;
        }
        let part = parts.last_mut().expect("one part at least");
        if let Some(found) = PYTHON.captures(line) {
            part.frames.push(form::frame(&found, None));
            part.header.clear();
        } else if !part.frames.is_empty() && !plain.starts_with("  ") && !plain.is_empty() {
            // Lines of source are indented, the exception's own are not.
            part.header.push(plain.to_owned());
        }
    }
    parts.reverse();
    parts
}

/// The innermost exception comes first, its own crash in its message, and each place names what was called there.
fn php(lines: &[&str]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut header: Vec<String> = Vec::new();
    let mut calls: Vec<(Option<RawFrame>, Option<String>)> = Vec::new();
    let mut finish = |header: &mut Vec<String>,
                      calls: &mut Vec<(Option<RawFrame>, Option<String>)>| {
        if !calls.is_empty() {
            parts.push(php_part(std::mem::take(header), std::mem::take(calls)));
        }
    };
    for line in lines {
        let line = line.trim();
        if let Some(found) = PHP.captures(line) {
            let place = found.name("file").map(|_| form::frame(&found, None));
            let called = found.name("called").or(found.name("internal"));
            calls.push((place, called.map(|part| part.as_str().to_owned())));
            continue;
        }
        finish(&mut header, &mut calls);
        if line.starts_with("Next ") {
            header.clear();
        }
        if !line.is_empty() && line != "Stack trace:" && !line.starts_with("thrown in ") {
            header.push(line.to_owned());
        }
    }
    finish(&mut header, &mut calls);
    parts.reverse();
    parts
}

fn php_part(mut header: Vec<String>, calls: Vec<(Option<RawFrame>, Option<String>)>) -> Part {
    let mut places: Vec<(Option<RawFrame>, Option<String>)> = Vec::new();
    let thrown_at = header.iter().find_map(|line| PHP_PLACE.captures(line));
    let thrown_at = thrown_at.map(|found| form::frame(&found, None));
    if let Some(line) = header.iter_mut().find(|line| PHP_PLACE.is_match(line)) {
        *line = PHP_PLACE.replace(line, "").into_owned();
    }
    let first = calls.first().and_then(|(place, _)| place.as_ref());
    let is_same =
        |at: &RawFrame| first.is_some_and(|first| (&first.file, first.line) == (&at.file, at.line));
    let called = |n: usize| calls.get(n).and_then(|(_, called)| called.clone());
    // Where the language itself throws, both name the line that called it.
    if let Some(at) = thrown_at.filter(|at| !is_same(at)) {
        places.push((Some(at), called(0)));
    }
    for (n, (place, _)) in calls.iter().enumerate() {
        places.push((place.clone(), called(n + 1)));
    }
    let mut frames: Vec<RawFrame> = places
        .into_iter()
        .filter_map(|(place, function)| place.map(|place| RawFrame { function, ..place }))
        .collect();
    frames.reverse();
    Part { header, frames }
}

const DOTNET_END: &str = "--- End of inner exception stack trace ---";

/// All headers stand first, the outermost first; the frames of the innermost follow first.
fn dotnet(lines: &[&str]) -> Vec<Part> {
    let mut headers: Vec<String> = Vec::new();
    let mut stacks = vec![Vec::new()];
    for line in lines {
        if line.contains(DOTNET_END) {
            stacks.push(Vec::new());
        } else if let Some(frame) = form::one_line(line) {
            stacks.last_mut().expect("one stack at least").push(frame);
        } else {
            headers.extend(line.split("---> ").map(|part| part.trim().to_owned()));
        }
    }
    headers.retain(|header| !header.is_empty());
    let mut headers = headers.into_iter();
    let stacks = stacks.into_iter().rev();
    stacks
        .map(|mut frames| {
            frames.reverse();
            Part {
                header: headers.next().into_iter().collect(),
                frames,
            }
        })
        .collect()
}

fn crash_first(lines: &[&str]) -> Vec<Part> {
    let mut reader = CrashFirst {
        parts: vec![Part::default()],
        function_above: None,
        is_aside: false,
        n_goroutines: 0,
    };
    for line in lines {
        if !reader.take(line) {
            break;
        }
    }
    for part in &mut reader.parts {
        part.drop_doubled();
        part.frames.reverse();
    }
    reader.parts
}

struct CrashFirst {
    parts: Vec<Part>,
    function_above: Option<String>,
    /// In what is no cause: an exception that was suppressed.
    is_aside: bool,
    n_goroutines: u32,
}

impl CrashFirst {
    /// Whether more lines count.
    fn take(&mut self, line: &str) -> bool {
        let above = self.function_above.take();
        if let Some(header) = cause(line) {
            self.is_aside = false;
            self.begin(header);
            return true;
        }
        let trimmed = line.trim_start();
        if trimmed.starts_with("Suppressed: ") {
            self.is_aside = true;
        }
        if line.starts_with("goroutine ") {
            self.n_goroutines += 1;
            return self.n_goroutines < 2;
        }
        if self.is_aside {
            return true;
        }
        let has_frames = !self.part().frames.is_empty();
        if has_frames && !line.starts_with([' ', '\t']) && is_ruby_header(line) {
            self.begin(String::new());
        }
        let place = PLACE_BELOW.captures(line);
        if let (Some(function), Some(found)) = (&above, &place) {
            let frame = form::frame(found, Some(function));
            let part = self.part();
            // What seemed to be a type without a message was a function.
            part.header
                .pop_if(|line| line.trim_start().starts_with(function.as_str()));
            part.frames.push(frame);
        } else if let Some(frame) = form::one_line(line) {
            if self.part().frames.is_empty()
                && (is_ruby_header(line) || line.contains("panicked at "))
            {
                self.part().header = vec![line.to_owned()];
            }
            self.part().frames.push(frame);
        } else if let Some(found) = FUNCTION_ABOVE.captures(line) {
            let function = found.name("rust").or_else(|| found.name("go"));
            self.function_above = function.map(|function| function.as_str().to_owned());
            if found.name("go").is_some() && self.n_goroutines == 0 && !has_frames {
                self.part().header.push(line.to_owned());
            }
        } else if let Some(found) = place {
            // V8 without a function: `at /srv/shop/cart.js:12:7`
            self.part().frames.push(form::frame(&found, None));
        } else if self.takes_header(line) {
            self.part().header.push(line.to_owned());
        }
        true
    }

    fn part(&mut self) -> &mut Part {
        self.parts.last_mut().expect("one part at least")
    }

    fn begin(&mut self, header: String) {
        let header = if header.is_empty() {
            Vec::new()
        } else {
            vec![header]
        };
        self.parts.push(Part {
            header,
            frames: Vec::new(),
        });
    }

    /// Whether a line without a frame is the exception's own.
    fn takes_header(&mut self, line: &str) -> bool {
        let part = self.part();
        let is_panic = part.frames.len() == 1 && part.frames[0].function.is_none();
        let is_before = part.frames.is_empty()
            || (is_panic
                && part
                    .header
                    .first()
                    .is_some_and(|line| line.contains("panicked at ")));
        is_before && !line.trim().is_empty() && !line.starts_with("stack backtrace:")
    }
}

impl Part {
    /// A panic's own line names the place that a frame below names again.
    fn drop_doubled(&mut self) {
        let Some((first, rest)) = self.frames.split_first() else {
            return;
        };
        let is_doubled = |frame: &RawFrame| {
            (frame.file.trim_start_matches("./"), frame.line)
                == (first.file.trim_start_matches("./"), first.line)
        };
        if first.function.is_none() && rest.iter().any(is_doubled) {
            self.frames.remove(0);
        }
    }
}

/// What a line that begins a cause says of it.
fn cause(line: &str) -> Option<String> {
    let line = line.trim_start();
    let marks = ["Caused by: ", "caused by: ", "[cause]: "];
    let mut found = marks.iter().filter_map(|mark| line.strip_prefix(mark));
    found.next().map(str::to_owned)
}

fn is_ruby_header(line: &str) -> bool {
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[^\s:][^:]*:\d+:in [`'][^']+': .*\([A-Z][\w:]*\)$")
            .expect("the pattern is constant")
    });
    FORM.is_match(line)
}
