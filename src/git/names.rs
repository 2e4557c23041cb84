//! Names that could mean two things: git takes one of them and warns; the guard takes none.

use super::Repo;
use crate::usage::UsageError;

/// What git prepends to a name, in its order.
const PREFIXES: [(&str, &str); 6] = [
    ("", ""),
    ("refs/", ""),
    ("refs/tags/", ""),
    ("refs/heads/", ""),
    ("refs/remotes/", ""),
    ("refs/remotes/", "/HEAD"),
];

/// A ref named by so many hexadecimal digits or more can be taken for an abbreviated id.
const HEX_DIGITS: usize = 7;

impl Repo {
    /// # Errors
    /// [`UsageError`] if an end of `spec` is the short name of two refs, or of one that looks like an id.
    pub fn ensure_unambiguous(&self, spec: &str) -> anyhow::Result<()> {
        spec.split("..")
            .try_for_each(|end| self.ensure_one(short_name(end)))
    }

    fn ensure_one(&self, name: &str) -> anyhow::Result<()> {
        // A full name has one meaning, and what `HEAD` means no ref can change.
        if name.is_empty() || name == "HEAD" || name.starts_with("refs/") {
            return Ok(());
        }
        let mut found = Vec::new();
        for (before, after) in PREFIXES {
            let full = format!("{before}{name}{after}");
            if Repo::is_ref_name(&full) && self.has_ref(&full)? {
                found.push(full);
            }
        }
        let listed = found.join("`, `");
        let hint = format!("write the whole name: `{listed}`");
        if found.len() > 1 {
            let message = format!("`{name}` is ambiguous: it may mean `{listed}`");
            return Err(UsageError::with_hint(message, hint).into());
        }
        if found.len() == 1 && is_like_id(name) {
            let message = format!("`{name}` is ambiguous: a ref is named like an id");
            return Err(UsageError::with_hint(message, hint).into());
        }
        Ok(())
    }
}

/// The name in a revision, without what is asked of it: `main` of `main~2` and of `main@{1}`.
fn short_name(spec: &str) -> &str {
    let spec = spec.trim_start_matches(['^', '.']);
    let ends = [spec.find(['^', '~', ':']), spec.find("@{")];
    let end = ends.into_iter().flatten().min();
    let name = &spec[..end.unwrap_or(spec.len())];
    if name == "@" { "" } else { name }
}

fn is_like_id(name: &str) -> bool {
    name.len() >= HEX_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;
    use super::*;

    #[track_caller]
    fn check(repo: &TestRepo, spec: &str, is_one: bool) {
        let found = repo.open().ensure_unambiguous(spec);
        let usage = found.as_ref().err().map(|error| error.is::<UsageError>());
        assert_eq!(usage, (!is_one).then_some(true), "{spec}: {found:?}");
        if !is_one {
            let parsed = repo.open().parse(spec).expect_err(spec);
            assert!(parsed.is::<UsageError>(), "{parsed:#}");
        }
    }

    #[test]
    fn a_name_of_two_refs_means_neither() {
        let repo = TestRepo::new();
        repo.commit("one");
        let head = repo.id("HEAD").to_string();
        for name in [
            "refs/tags/both",
            "refs/heads/both",
            "refs/heads/one",
            "refs/remotes/origin/main",
        ] {
            repo.git(&["update-ref", name, &head]);
        }
        for spec in [
            "both",
            "both~1",
            "both^",
            "main..both",
            "both..",
            "both@{0}",
            "both:f",
        ] {
            check(&repo, spec, false);
        }
        for spec in [
            "one",
            "main",
            "main..one",
            "refs/heads/both",
            "HEAD",
            "@",
            "origin/main",
            "heads/both",
            &head,
        ] {
            check(&repo, spec, true);
        }
        repo.git(&["update-ref", "refs/heads/origin/main", &head]);
        check(&repo, "origin/main", false);
        check(&repo, "origin/main~1", false);
    }

    #[test]
    fn a_ref_that_is_named_like_an_id_is_written_in_full() {
        let repo = TestRepo::new();
        repo.commit("one");
        let head = repo.id("HEAD").to_string();
        for name in [&head[..10], "decade"] {
            repo.git(&["update-ref", &format!("refs/heads/{name}"), &head]);
        }
        check(&repo, &head[..10], false);
        check(&repo, &format!("main..{}", &head[..10]), false);
        check(&repo, &format!("refs/heads/{}", &head[..10]), true);
        check(&repo, &head, true);
        check(&repo, "decade", true);
    }
}
