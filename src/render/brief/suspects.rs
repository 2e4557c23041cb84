//! The commits that may have brought an error in, as Markdown. Subjects and names are other people's words: quoted, on one line.

use crate::brief::{Range, Span, Suspects};
use crate::render::digest::inline;

/// `None`: a shallow clone hides them.
pub(super) fn push(text: &mut String, suspects: Option<&Suspects>) {
    let Some(Suspects { span, commits }) = suspects else {
        text.push_str("\nWhich commits changed these lines is not known: the clone is shallow.\n");
        return;
    };
    if commits.is_empty() {
        if let Span::Between(range) | Span::Before(range) = span {
            text.push_str(&format!("\nIt came in {}.\n", between(range)));
        }
        return;
    }
    text.push_str("\n## Commits that added lines around the crash before it was first seen\n\n");
    match span {
        Span::Open => {}
        Span::Between(range) => text.push_str(&format!("They lie {}.\n\n", between(range))),
        Span::Before(range) => text.push_str(&format!(
            "No such commit lies {}; these are older.\n\n",
            between(range)
        )),
    }
    for suspect in commits {
        let what = if suspect.added_the_line {
            "the line itself"
        } else {
            "a line beside it"
        };
        text.push_str(&format!(
            "- `{}` of {} by `{}`, {what} in `{}`: `{}`\n",
            &suspect.id[..suspect.id.len().min(12)],
            suspect.at,
            inline(&suspect.author),
            inline(&suspect.path.to_string()),
            inline(&suspect.subject)
        ));
    }
}

fn between(range: &Range) -> String {
    format!(
        "between release `{}`, which did not have it, and `{}`, the first that did",
        inline(&range.last_good),
        inline(&range.first_bad)
    )
}
