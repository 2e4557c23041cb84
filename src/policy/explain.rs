//! What the policy says about one path, and why.

use super::{FileKind, Hit, On, Origin, Policy, builtin, fold};
use crate::change::RepoPath;

/// The answer to `policy explain PATH`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    pub path: RepoPath,
    pub kind: FileKind,
    /// The glob or entry that made it that, and where it stands. `None` for production: nothing else fits.
    pub decided_by: Option<(String, Origin)>,
    /// What it would be otherwise, in the order in which kinds count.
    pub also: Vec<Fit>,
    /// Whether `perimeter.allow` lets a fix touch this path.
    pub allowed: bool,
    /// The glob of `perimeter.allow` that does. `None` if the list is empty, which allows every path, or if no glob matches.
    pub allowed_by: Option<(String, Origin)>,
    /// The limits that count this file in.
    pub limits: Vec<Limit>,
}

/// A kind that a path fits, and what makes it that.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fit {
    pub kind: FileKind,
    pub by: String,
    pub origin: Origin,
}

/// A pattern of `perimeter.forbid` that is looked for in a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LookedFor {
    pub id: String,
    pub why: String,
    /// Only in what goes, not in what comes.
    pub only_removed: bool,
    pub origin: Origin,
}

/// One limit and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Limit {
    /// As a path through the policy: `perimeter.limits.lines`.
    pub key: String,
    pub value: String,
    pub origin: Origin,
}

impl Policy {
    pub fn explain(&self, path: &RepoPath) -> Explanation {
        let (kind, hit) = self.sort(path);
        let allow = self.perimeter.allow.as_ref();
        let allowed_by = allow.and_then(|allow| allow.hit(path));
        Explanation {
            path: path.clone(),
            kind,
            decided_by: hit.map(|hit| self.origin_of(key_of(kind), hit)),
            also: self.also(path, kind),
            allowed: allow.is_none() || allowed_by.is_some(),
            allowed_by: allowed_by.map(|hit| self.origin_of("perimeter.allow", hit)),
            limits: self.limits_of(kind),
        }
    }

    /// The patterns that are looked for in changed lines of this file.
    pub fn looked_for(&self, path: &RepoPath) -> Vec<LookedFor> {
        let forbid = self.perimeter.forbid.iter();
        let kind = self.kind_of(path);
        let here = forbid.filter(|forbidden| forbidden.speaks_of(path, kind));
        here.map(|forbidden| {
            let key = format!("perimeter.forbid.{}", forbidden.id);
            let value = self.values.iter().find(|value| value.key == key);
            LookedFor {
                id: forbidden.id.clone(),
                why: forbidden.why.clone(),
                only_removed: forbidden.on == On::Removed,
                origin: value.map_or(Origin::BuiltIn, |value| value.origin.clone()),
            }
        })
        .collect()
    }

    /// The limits of tests, for tests that stand inside a source file.
    pub fn test_limits(&self) -> Vec<Limit> {
        self.limits_of(FileKind::Test)
    }

    /// Every other kind that would fit if the one before did not.
    fn also(&self, path: &RepoPath, kind: FileKind) -> Vec<Fit> {
        let folded = fold(path.as_bytes());
        let setup = self.proof.setup.as_ref();
        let in_setup = || setup.and_then(|setup| setup.inputs.hit(path));
        let is_shadow = || builtin::shadows_library(&folded);
        let shadow = || is_shadow().then_some(Hit::BuiltIn("in the place of a library module"));
        let is_document = builtin::is_documentation(&folded);
        let weaker = [
            (
                FileKind::JudgeInput,
                self.proof
                    .inputs
                    .hit(path)
                    .or_else(in_setup)
                    .or_else(shadow),
            ),
            (FileKind::Test, self.proof.tests.hit(path)),
            (
                FileKind::Documentation,
                is_document.then_some(Hit::BuiltIn("document")),
            ),
        ];
        let weaker = weaker.into_iter().filter(|(other, _)| *other > kind);
        let fits = weaker.filter_map(|(kind, hit)| {
            let (by, origin) = self.origin_of(key_of(kind), hit?);
            Some(Fit { kind, by, origin })
        });
        fits.collect()
    }

    fn origin_of(&self, key: &str, hit: Hit) -> (String, Origin) {
        // What setup reads is an input of the judge too.
        let keys = match key {
            "proof.inputs" => [key, "proof.setup_inputs"],
            _ => [key, key],
        };
        match hit {
            Hit::BuiltIn(entry) => (entry.to_owned(), Origin::BuiltIn),
            Hit::Glob(glob) => {
                let value = self
                    .values
                    .iter()
                    .find(|value| keys.contains(&value.key.as_str()) && value.value == glob);
                let origin = value.map_or(Origin::BuiltIn, |value| value.origin.clone());
                (glob.to_owned(), origin)
            }
        }
    }

    fn limits_of(&self, kind: FileKind) -> Vec<Limit> {
        let section = match kind {
            FileKind::Production => "perimeter.limits.",
            FileKind::Test => "perimeter.test_limits.",
            FileKind::Protected | FileKind::JudgeInput | FileKind::Documentation => {
                return Vec::new();
            }
        };
        self.values
            .iter()
            .filter(|value| value.key.starts_with(section))
            .map(|value| Limit {
                key: value.key.clone(),
                value: value.value.clone(),
                origin: value.origin.clone(),
            })
            .collect()
    }
}

fn key_of(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Protected => "perimeter.protect",
        FileKind::JudgeInput => "proof.inputs",
        _ => "proof.tests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is kind, what decided, whether it is allowed, and the keys of the limits.
    #[track_caller]
    fn check(path: &str, expected: &str) {
        let text = "version: 1
extends: [default, python]
perimeter:
  allow: [shop/**]
  protect: [shop/prices/**]
";
        let policy = Policy::load(text, "p.yaml").expect("loads");
        let explanation = policy.explain(&path.into());
        let decided_by = match &explanation.decided_by {
            Some((glob, origin)) => format!("{glob} of {origin}"),
            None => "nothing".to_owned(),
        };
        let allowed = if explanation.allowed {
            "allowed"
        } else {
            "not allowed"
        };
        let n_limits = explanation.limits.len();
        let said = format!(
            "{:?} by {decided_by}, {allowed}, {n_limits} limits",
            explanation.kind
        );
        assert_eq!(said, expected);
    }

    #[test]
    fn a_path_is_explained_by_the_glob_that_decided() {
        check("shop/cart.py", "Production by nothing, allowed, 7 limits");
        check(
            "shop/prices/vat.py",
            "Protected by shop/prices/** of `p.yaml`, line 5, allowed, 0 limits",
        );
        check(
            "shop/migrations/1.py",
            "Protected by migrations of built in, allowed, 0 limits",
        );
        check(
            "deploy/run.sh",
            "Protected by deploy/** of preset `default`, line 34, not allowed, 0 limits",
        );
        check(
            "tests/test_cart.py",
            "Test by tests/** of preset `python`, line 25, not allowed, 3 limits",
        );
        check(
            "README.md",
            "Documentation by document of built in, not allowed, 0 limits",
        );
    }

    #[test]
    fn what_a_path_would_be_otherwise_is_said_in_order() {
        let policy =
            Policy::load("version: 1\nextends: [default, python]\n", "p.yaml").expect("loads");
        let also = |path: &str| {
            let explanation = policy.explain(&path.into());
            let fits = explanation.also.iter();
            let said: Vec<String> = fits
                .map(|fit| format!("{:?} by {}", fit.kind, fit.by))
                .collect();
            said.join(", ")
        };
        assert_eq!(
            also("tests/migrations/README.md"),
            "Test by tests/**, Documentation by document"
        );
        assert_eq!(also("tests/conftest.py"), "Test by tests/**");
        assert_eq!(also("tests/test_a.py"), "");
        assert_eq!(also("README.md"), "");
    }

    #[test]
    fn patterns_are_listed_with_their_origin() {
        let text = "version: 1
perimeter:
  forbid:
    - {id: own, pattern: x, on: removed, in: ['*.py'], why: no}
";
        let policy = Policy::load(text, "p.yaml").expect("loads");
        let python = policy.looked_for(&"a.py".into());
        let own = python.last().expect("the own one");
        assert_eq!((own.id.as_str(), own.only_removed), ("own", true));
        assert_eq!(own.origin.to_string(), "`p.yaml`, line 4");
        assert_eq!(policy.looked_for(&"a.rb".into()).len() + 1, python.len());
    }
}
