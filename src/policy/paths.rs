//! Sets of paths: globs that are compiled once, and the form of a path under which look-alikes meet.

use std::borrow::Cow;

use anyhow::Context as _;
use gix::bstr::ByteSlice as _;
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization as _;

use super::builtin::BuiltIn;
use crate::change::RepoPath;

/// The longest glob that is read, in bytes.
pub(super) const MAX_GLOB: usize = 1_000;

/// Globs over paths, `/` never matched by `*`, and perhaps a list that is built in.
#[derive(Debug)]
pub struct PathSet {
    /// As written, in order.
    pub globs: Vec<String>,
    plain: Globs,
    /// The globs in folded form, where look-alikes count too and folding changes a glob.
    folded: Option<Globs>,
    looks_alike: bool,
    built_in: Option<&'static BuiltIn>,
}

/// Why a path is in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit<'a> {
    /// A glob of the policy.
    Glob(&'a str),
    /// An entry of the list that no policy can empty.
    BuiltIn(&'static str),
}

#[derive(Debug)]
struct Globs {
    simple: Vec<(Shape, usize)>,
    rest: GlobSet,
    /// The places in the list of the globs in `rest`.
    rest_at: Vec<usize>,
}

/// The shapes that most globs have. They are matched without being compiled, because every hook reads a policy.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// `**`
    Everything,
    /// `FOLDER/**`, with the slash at the end
    Under(String),
    /// `**/FOLDER/**`
    InFolder(String),
    /// `**/NAME`
    Named(String),
    /// `**/START*END`, one of the two perhaps empty
    Around(String, String),
}

impl PathSet {
    /// # Errors
    /// A glob that does not parse. A policy's globs were looked at one by one before, so that the message could name the place.
    pub fn new(globs: Vec<String>) -> anyhow::Result<PathSet> {
        Ok(PathSet {
            plain: Globs::new(&globs)?,
            folded: None,
            looks_alike: false,
            built_in: None,
            globs,
        })
    }

    /// Like [`new`](PathSet::new), but every path counts that a file system or a reader may take for one that matches.
    pub(super) fn with_look_alikes(
        globs: Vec<String>,
        built_in: &'static BuiltIn,
    ) -> anyhow::Result<PathSet> {
        let folded: Vec<String> = globs.iter().map(|glob| folded_glob(glob)).collect();
        Ok(PathSet {
            folded: (folded != globs).then(|| Globs::new(&folded)).transpose()?,
            looks_alike: true,
            built_in: Some(built_in),
            ..PathSet::new(globs)?
        })
    }

    pub fn is_match(&self, path: &RepoPath) -> bool {
        self.hit(path).is_some()
    }

    /// What puts `path` into this set, the built-in list first.
    pub fn hit(&self, path: &RepoPath) -> Option<Hit<'_>> {
        let bytes = path.as_bytes();
        if !self.looks_alike {
            return self.glob(self.plain.first_match(bytes));
        }
        let folded = fold(bytes);
        let built_in = self.built_in.and_then(|list| list.hit(&folded));
        if let Some(entry) = built_in {
            return Some(Hit::BuiltIn(entry));
        }
        let plain = self.plain.first_match(bytes);
        self.glob(plain.or_else(|| {
            self.folded
                .as_ref()
                .unwrap_or(&self.plain)
                .first_match(&folded)
        }))
    }

    fn glob(&self, at: Option<usize>) -> Option<Hit<'_>> {
        at.map(|at| Hit::Glob(&self.globs[at]))
    }
}

impl Globs {
    fn new(globs: &[String]) -> anyhow::Result<Globs> {
        let mut simple = Vec::new();
        let mut rest = GlobSetBuilder::new();
        let mut rest_at = Vec::new();
        for (at, glob) in globs.iter().enumerate() {
            if let Some(shape) = Shape::of(glob) {
                simple.push((shape, at));
            } else {
                rest.add(parse(glob).with_context(|| format!("glob `{glob}`"))?);
                rest_at.push(at);
            }
        }
        Ok(Globs {
            simple,
            rest: rest.build()?,
            rest_at,
        })
    }

    /// The place of the first glob in the list that matches.
    fn first_match(&self, path: &[u8]) -> Option<usize> {
        let simple = self.simple.iter().find(|(shape, _)| shape.is_match(path));
        let rest = self
            .rest
            .matches_candidate(&Candidate::from_bytes(path))
            .first()
            .map(|&at| self.rest_at[at]);
        simple.map(|&(_, at)| at).into_iter().chain(rest).min()
    }
}

impl Shape {
    /// `None` for a glob of another shape.
    pub fn of(glob: &str) -> Option<Shape> {
        const SIGNS: [char; 9] = ['*', '?', '[', ']', '{', '}', '\\', '!', ','];
        let plain = |text: &str| {
            let is_plain = !text.is_empty() && !text.contains(SIGNS) && !text.contains('\0');
            is_plain.then(|| text.to_owned())
        };
        if glob == "**" {
            return Some(Shape::Everything);
        }
        match (glob.strip_prefix("**/"), glob.strip_suffix("/**")) {
            (Some(rest), None) if rest.contains('/') => None,
            (Some(rest), None) => match rest.split_once('*') {
                Some((start, end)) => plain(&[start, end].concat())
                    .map(|_| Shape::Around(start.to_owned(), end.to_owned())),
                None => plain(rest).map(Shape::Named),
            },
            (None, Some(folder)) => plain(folder).map(|folder| Shape::Under(folder + "/")),
            (Some(rest), Some(_)) => {
                let folder = rest.strip_suffix("/**")?;
                plain(folder)
                    .filter(|name| !name.contains('/'))
                    .map(Shape::InFolder)
            }
            (None, None) => None,
        }
    }

    fn is_match(&self, path: &[u8]) -> bool {
        let (above, name) = match path.rfind_byte(b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        match self {
            Shape::Everything => true,
            Shape::Under(folder) => {
                path.len() > folder.len() && path.starts_with(folder.as_bytes())
            }
            Shape::InFolder(folder) => above
                .split(|&byte| byte == b'/')
                .any(|part| part == folder.as_bytes()),
            Shape::Named(expected) => name == expected.as_bytes(),
            Shape::Around(start, end) => {
                name.len() >= start.len() + end.len()
                    && name.starts_with(start.as_bytes())
                    && name.ends_with(end.as_bytes())
            }
        }
    }
}

/// Whether `glob` can be read at all.
pub(super) fn check(glob: &str) -> Result<(), globset::Error> {
    match Shape::of(glob) {
        Some(_) => Ok(()),
        None => parse(glob).map(|_| ()),
    }
}

/// Parses a glob as every set of paths reads it.
pub(super) fn parse(glob: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .build()
}

/// The form in which paths meet that a file system or a reader may take for one another: compatibility forms, case, invisible characters,
/// and dots and spaces at the end of a part are without effect.
pub fn fold(path: &[u8]) -> Cow<'_, [u8]> {
    let is_folded = path.is_ascii()
        && !path
            .iter()
            .any(|byte| byte.is_ascii_uppercase() || *byte == b'\\')
        && !path
            .split(|&byte| byte == b'/')
            .any(|part| matches!(part.last(), Some(b'.' | b' ')));
    if is_folded {
        return Cow::Borrowed(path);
    }
    let text = path.to_str_lossy();
    let text: String = text
        .nfkc()
        .flat_map(char::to_lowercase)
        .nfkc()
        .filter(|&c| !is_invisible(c))
        .collect();
    let parts: Vec<&str> = text
        .split(['/', '\\'])
        .map(|part| part.trim_end_matches(['.', ' ']))
        .collect();
    Cow::Owned(parts.join("/").into_bytes())
}

/// Ignored by file systems that fold, or by the eye.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A glob's letters, folded as a path's are; its signs stay.
fn folded_glob(glob: &str) -> String {
    glob.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(globs: &[&str], path: &str, expected: Option<&str>) {
        let globs = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let set = PathSet::new(globs).expect("globs parse");
        let expected = expected.map(Hit::Glob);
        assert_eq!(set.hit(&RepoPath::from(path)), expected, "{path}");
    }

    #[test]
    fn a_star_stays_within_its_folder() {
        check(&["src/*.py"], "src/a.py", Some("src/*.py"));
        check(&["src/*.py"], "src/a/b.py", None);
        check(&["src/**"], "src/a/b.py", Some("src/**"));
        check(&["src/**"], "lib/src/a.py", None);
        check(&["**/*.py"], "a.py", Some("**/*.py"));
    }

    #[test]
    fn a_folder_at_any_depth_means_what_is_in_it() {
        check(&["**/tests/**"], "tests/a", Some("**/tests/**"));
        check(&["**/tests/**"], "a/tests/b/c", Some("**/tests/**"));
        check(&["**/tests/**"], "a/tests", None);
        check(&["**/tests/**"], "a/mytests/b", None);
        check(&["**/te?ts/**"], "a/texts/b", Some("**/te?ts/**"));
    }

    #[test]
    fn the_simple_shapes_agree_with_the_globs() {
        let globs = [
            "**", "t/**", "a/t/**", "**/t/**", "**/t", "**/*.t", "**/.t", "**/t*", "**/*t",
            "**/a*.t", "**/*.b.t", "**/at*ta",
        ];
        let paths = [
            "t", "t/a", "a/t", "a/t/b", "at/b", "a/t/b/c", "ta/b", "t/t", "a", ".t", "a.t",
            "a/b.t", "a.t/b", "a/.t", "a.b.t", "a.tt", "t/a.t", "a/t/t", "b/a/t/c", "ata",
            "b/atta", "atxta/b", "at/ta", ".b.t",
        ];
        for glob in globs {
            assert!(Shape::of(glob).is_some(), "{glob}");
            let full = parse(glob).expect("parses").compile_matcher();
            let short = PathSet::new(vec![glob.to_owned()]).expect("parses");
            for path in paths {
                assert_eq!(
                    short.is_match(&RepoPath::from(path)),
                    full.is_match(path),
                    "{glob} on {path}"
                );
            }
        }
    }

    #[test]
    fn other_shapes_are_left_to_the_globs() {
        for glob in [
            "**/a*/**",
            "a?/**",
            "**/*.{a,b}",
            "*.py",
            "a",
            "**/",
            "/**",
            "**/**",
            "a/*",
            "**/a/b",
            "**/*",
            "**/*a*",
            "a\\b/**",
        ] {
            assert_eq!(Shape::of(glob), None, "{glob}");
        }
    }

    #[test]
    fn the_first_glob_of_the_list_is_named() {
        check(&["b/**", "**", "**/a/**"], "a/b", Some("**"));
        check(&["**/a/**", "a/*", "**"], "a/b", Some("**/a/**"));
        check(&["a/*", "**/a/**"], "a/b", Some("a/*"));
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        check(&[], "a", None);
    }

    #[track_caller]
    fn check_fold(path: &str, expected: &str) {
        let folded = fold(path.as_bytes()).into_owned();
        assert_eq!(String::from_utf8(folded).expect("UTF-8"), expected);
    }

    #[test]
    fn look_alikes_meet() {
        check_fold("src/main.rs", "src/main.rs");
        check_fold(".GitHub/Workflows/CI.yml", ".github/workflows/ci.yml");
        check_fold(".github./x . /y ", ".github/x/y");
        check_fold(".git\u{200c}hub/x", ".github/x");
        check_fold("．ｇｉｔｈｕｂ／x", ".github/x");
        check_fold(".github\\x", ".github/x");
        check_fold("ma\u{212a}efile", "makefile");
        check_fold("con\u{fb01}g", "config");
    }

    #[test]
    fn a_glob_with_capitals_still_matches_the_folded_path() {
        static NOTHING: std::sync::LazyLock<BuiltIn> =
            std::sync::LazyLock::new(|| BuiltIn::new(&[]));
        let globs = vec!["Deploy/**".to_owned(), "**/[!a-z]*.Tf".to_owned()];
        let set = PathSet::with_look_alikes(globs, &NOTHING).expect("globs parse");
        for (path, expected) in [
            ("Deploy/x", true),
            ("deploy/x", true),
            ("DEPLOY./x", true),
            ("a/X.Tf", true),
            ("a/9.TF", true),
            ("a/x.tf", false),
            ("deployed/x", false),
        ] {
            assert_eq!(set.is_match(&RepoPath::from(path)), expected, "{path}");
        }
    }
}
