//! What a message says, and to whom.

use crate::site::{Case, kept_out};

pub const CASES: &[Case] = &[
    kept_out(
        "not-conventional",
        "a subject that is no sentence of the convention",
        |site| {
            site.say("Fixed the total\n");
        },
    ),
    kept_out("not-conventional", "an empty message", |site| {
        site.without_fix();
        site.fix();
        site.commit_bytes(b"tree {tree}\nparent {parent}\nauthor A <a@example.com> 1767323045 +0000\ncommitter A <a@example.com> 1767323045 +0000\n\n");
    }),
    kept_out("type-not-allowed", "a feature", |site| {
        site.say("feat: total of a cart\n");
    }),
    kept_out("type-not-allowed", "a feature with an odd case", |site| {
        site.say("FEAT(shop)!: total of a cart\n");
    }),
    kept_out(
        "subject-too-long",
        "a subject of more than a hundred characters",
        |site| {
            site.say(format!("fix: {}\n", "total ".repeat(20)));
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "a verdict of the guard",
        |site| {
            site.say("fix: total of a cart\n\nKoan-Verdict: accepted\n");
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "an approval of a person",
        |site| {
            site.say("fix: total of a cart\n\nKoan-Approved-By: the owner\n");
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "a request to skip the guard",
        |site| {
            site.say("fix: total of a cart\n\nkoan-guard: ignore too-many-lines\n");
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "a request to skip CI",
        |site| {
            site.say("fix: total of a cart [skip ci]\n");
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "a request to skip CI in full-width letters",
        |site| {
            site.say("fix: total of a cart\n\n［ｓｋｉｐ ｃｉ］\n");
        },
    ),
    kept_out(
        "guard-directive-in-message",
        "checks are skipped by a trailer",
        |site| {
            site.say("fix: total of a cart\n\n\nskip-checks: true\n");
        },
    ),
    kept_out("hidden-text", "a turned subject", |site| {
        site.say("fix: total \u{202e}trac a fo\n");
    }),
    kept_out("hidden-text", "an escape in the body", |site| {
        site.say("fix: total of a cart\n\n\x1b[2Jnothing to see\n");
    }),
    kept_out("hidden-text", "a space without width in the body", |site| {
        site.say("fix: total of a cart\n\nIt was\u{200b} wrong.\n");
    }),
    kept_out("hidden-text", "a message in Latin-1", |site| {
        site.commit_bytes(b"tree {tree}\nparent {parent}\nauthor A <a@example.com> 1767323045 +0000\ncommitter A <a@example.com> 1767323045 +0000\n\nfix: total of a caf\xe9\n");
    }),
    kept_out("holds a NUL byte", "a NUL in the message", |site| {
        site.commit_bytes(b"tree {tree}\nparent {parent}\nauthor A <a@example.com> 1767323045 +0000\ncommitter A <a@example.com> 1767323045 +0000\n\nfix: total of a cart\n\0hidden\n");
    }),
];
