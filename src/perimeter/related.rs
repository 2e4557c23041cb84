//! Files that the error's stack does not pass through.

use gix::bstr::ByteSlice as _;

use super::{Judged, Objection};
use crate::issue::Frame;
use crate::policy::{FileKind, Rule};

/// Production files of the change that meet none of `frames`, which are of the issue that the fix names. Without a frame of the project's own
/// nothing is known.
pub(super) fn unrelated(files: &[Judged], frames: &[&Frame]) -> Vec<Objection> {
    let own: Vec<&str> = frames
        .iter()
        .filter(|frame| frame.in_app)
        .map(|frame| frame.file.as_str())
        .collect();
    let production = files
        .iter()
        .filter(|judged| judged.kind == FileKind::Production);
    let unrelated = production.filter(|judged| {
        let path = judged.file.path.as_bytes();
        !own.is_empty() && !own.iter().any(|frame| meets(path, frame))
    });
    unrelated
        .map(|judged| {
            let path = &judged.file.path;
            let fact = format!("no frame of the issue is in `{path}`");
            Objection::file(Rule::UnrelatedFiles, path, fact)
        })
        .collect()
}

/// Whether a recorded file is this one: the deployment's folders may stand before it, those of the sources may not have been deployed.
fn meets(path: &[u8], frame: &str) -> bool {
    let frame = frame.replace('\\', "/");
    let frame = frame.trim_start_matches("./").as_bytes();
    let ends = |long: &[u8], short: &[u8]| {
        long.strip_suffix(short)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
    };
    // A name alone could be any file's, unless it is all that there is.
    let has_folder = frame.contains_str("/") || !path.contains_str("/");
    ends(frame, path) || ends(path, frame) && has_folder
}

#[cfg(test)]
mod tests {
    use super::super::change_of::{change, judged};
    use super::*;

    #[track_caller]
    fn check(path: &str, frames: &[&str], expected: bool) {
        let change = change(&[(path, "a\n", "b\n")]);
        let files = judged(&change, |path| match path.starts_with("tests/") {
            true => FileKind::Test,
            false => FileKind::Production,
        });
        let frame = |file: &&str| Frame {
            file: file.trim_start_matches('!').to_owned(),
            line: None,
            function: None,
            in_app: !file.starts_with('!'),
        };
        let frames: Vec<Frame> = frames.iter().map(frame).collect();
        let found = unrelated(&files, &frames.iter().collect::<Vec<_>>());
        assert_eq!(!found.is_empty(), expected, "{path}: {frames:?}");
    }

    #[test]
    fn a_file_that_the_stack_does_not_pass_is_unrelated() {
        check("shop/cart.py", &["shop/prices.py"], true);
        check(
            "shop/cart.py",
            &["/srv/app/shop/prices.py", "/srv/app/main.py"],
            true,
        );
        check("shop/cart.py", &["shop/mycart.py"], true);
        check("shop/cart.py", &["cart.py"], true);
        check("shop/cart.py", &["other/cart.py"], true);
    }

    #[test]
    fn a_file_of_the_stack_is_related() {
        check("shop/cart.py", &["shop/cart.py"], false);
        check(
            "shop/cart.py",
            &["main.py", "/srv/releases/42/shop/cart.py"],
            false,
        );
        check("src/shop/cart.py", &["shop/cart.py"], false);
        check("cart.py", &["cart.py"], false);
        check("shop/cart.py", &["C:\\app\\shop\\cart.py"], false);
        check("shop/cart.py", &[], false);
        check("shop/cart.py", &["!/usr/lib/x.py"], false);
        check("tests/test_cart.py", &["shop/prices.py"], false);
    }
}
