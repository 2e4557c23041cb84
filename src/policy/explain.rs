//! What the policy says about one path, and why.

use super::{FileKind, Hit, Origin, Policy};
use crate::change::RepoPath;

/// The answer to `policy explain PATH`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    pub path: RepoPath,
    pub kind: FileKind,
    /// The glob or entry that made it that, and where it stands. `None` for production: nothing else fits.
    pub decided_by: Option<(String, Origin)>,
    /// Whether `perimeter.allow` lets a fix touch this path.
    pub allowed: bool,
    /// The glob of `perimeter.allow` that does. `None` if the list is empty, which allows every path, or if no glob matches.
    pub allowed_by: Option<(String, Origin)>,
    /// The limits that count this file in.
    pub limits: Vec<Limit>,
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
        let key = match kind {
            FileKind::Protected => "perimeter.protect",
            FileKind::JudgeInput => "proof.inputs",
            _ => "proof.tests",
        };
        let allow = self.perimeter.allow.as_ref();
        let allowed_by = allow.and_then(|allow| allow.hit(path));
        Explanation {
            path: path.clone(),
            kind,
            decided_by: hit.map(|hit| self.origin_of(key, hit)),
            allowed: allow.is_none() || allowed_by.is_some(),
            allowed_by: allowed_by.map(|hit| self.origin_of("perimeter.allow", hit)),
            limits: self.limits_of(kind),
        }
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
            "Test by tests/** of preset `python`, line 26, not allowed, 3 limits",
        );
        check(
            "README.md",
            "Documentation by document of built in, not allowed, 0 limits",
        );
    }
}
