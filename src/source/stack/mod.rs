//! Stack traces as text into chains of exceptions with their frames, the innermost last: Python, V8, Java, Kotlin, .NET, Ruby, Elixir, PHP, Go,
//! Rust. Source maps are left alone: what a bundler made is shown as it is.

mod chain;
mod foreign;
mod form;

use globset::GlobSet;
use regex::Regex;

use crate::issue::Frame;

/// The most lines that are looked at.
const MAX_LINES: usize = 600;
/// Of a chain, beside the exception that was reported.
const MAX_CAUSES: usize = 5;

/// What a policy says of the frames of one source.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What stands before the project's own paths, longest first: cut away.
    pub roots: Vec<Regex>,
    /// Files and functions that are the project's own, whatever else is known of them.
    pub in_app: GlobSet,
    /// Files and functions that are not.
    pub not_in_app: GlobSet,
    /// Names of the project's own applications (Elixir, Erlang). If none is named, those that are not known as libraries.
    pub applications: Vec<String>,
}

/// What a text says of an exception and its causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The exception that was reported, then its causes, the nearest first. Empty if the text is in no form that we know.
    pub chain: Vec<Link>,
}

/// One exception of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub error_type: Option<String>,
    pub message: Option<String>,
    /// The innermost last.
    pub frames: Vec<Frame>,
}

/// A place as it was recorded, before it is known whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawFrame {
    pub file: String,
    pub line: Option<u32>,
    pub function: Option<String>,
    /// The application that the code belongs to (Elixir, Erlang).
    pub application: Option<String>,
    /// What the recorder thought.
    pub in_app: Option<bool>,
}

impl Trace {
    /// The frames of the exception that was reported; if none of them is the project's own, those of the nearest cause that has one.
    pub fn into_frames(self) -> Vec<Frame> {
        let has_own = |link: &Link| link.frames.iter().any(|frame| frame.in_app);
        let at = self.chain.iter().position(has_own);
        let at = at.or_else(|| self.chain.iter().position(|link| !link.frames.is_empty()));
        let mut chain = self.chain;
        at.map_or(Vec::new(), |at| chain.swap_remove(at).frames)
    }

    /// `TYPE: MESSAGE` of each cause.
    pub fn causes(&self) -> Vec<String> {
        let causes = self.chain.iter().skip(1).take(MAX_CAUSES);
        causes.filter_map(Link::title).collect()
    }
}

impl Link {
    fn title(&self) -> Option<String> {
        match (&self.error_type, &self.message) {
            (Some(name), Some(message)) if !message.is_empty() => {
                Some(format!("{name}: {message}"))
            }
            (Some(text), _) | (None, Some(text)) => Some(text.clone()),
            (None, None) => None,
        }
    }
}

/// Reads a stack trace.
pub fn parse(text: &str, rules: &Rules) -> Trace {
    let lines: Vec<&str> = text.lines().take(MAX_LINES).collect();
    Trace {
        chain: chain::links(&lines, rules),
    }
}

impl Rules {
    /// The frame with the project's own path, and whose it is.
    pub fn frame(&self, raw: RawFrame) -> Frame {
        let file = self.strip(&form::normal_path(&raw.file));
        let function = raw.function.filter(|name| !name.trim().is_empty());
        let name = function.as_deref().unwrap_or("");
        let is_match = |globs: &GlobSet| globs.is_match(&file) || globs.is_match(name);
        let in_app = if is_match(&self.not_in_app) {
            false
        } else if is_match(&self.in_app) {
            true
        } else if let Some(application) = &raw.application {
            self.is_own(application)
        } else {
            raw.in_app.unwrap_or(true) && is_in_app(&file) && !foreign::is_function(name)
        };
        Frame {
            file,
            line: raw.line,
            function,
            in_app,
        }
    }

    fn is_own(&self, application: &str) -> bool {
        if self.applications.is_empty() {
            !application.is_empty() && !foreign::is_application(application)
        } else {
            self.applications.iter().any(|own| own == application)
        }
    }

    fn strip(&self, file: &str) -> String {
        let roots = self.roots.iter();
        let mut found = roots.filter_map(|root| root.find(file).filter(|found| found.start() == 0));
        match found.next() {
            Some(root) => file[root.end()..].trim_start_matches('/').to_owned(),
            None => file.to_owned(),
        }
    }
}

/// Whether a path is the project's own code: not a library's, not the language's.
pub fn is_in_app(file: &str) -> bool {
    !file.is_empty() && !foreign::is_path(&file.replace('\\', "/"))
}

#[cfg(test)]
mod tests;
