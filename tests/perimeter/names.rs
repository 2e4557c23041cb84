//! Names that look like others, or that another file system takes for others.

use crate::site::{Case, kept_out};

pub const CASES: &[Case] = &[
    kept_out("path-encoding", "a name that is not UTF-8", |site| {
        site.bytes(b"tests/data/caf\xe9.txt", "x\n");
    }),
    kept_out("path-encoding", "a line break in a name", |site| {
        site.bytes("tests/data/a\nb.txt", "x\n");
    }),
    kept_out("path-encoding", "an escape in a name", |site| {
        site.bytes("tests/data/a\x1b[2Kb.txt", "x\n");
    }),
    kept_out("path-encoding", "a turned name", |site| {
        site.bytes("tests/data/a\u{202e}txt.yp", "x\n");
    }),
    kept_out(
        "path-encoding",
        "an invisible character in a name",
        |site| {
            site.bytes("tests/da\u{200b}ta/a.txt", "x\n");
        },
    ),
    kept_out("path-encoding", "a backslash in a name", |site| {
        site.bytes("tests/data/..\\..\\shop.py", "x\n");
    }),
    kept_out("path-encoding", "a trailing dot", |site| {
        site.bytes("tests/data/a.txt.", "x\n");
    }),
    kept_out("path-encoding", "a trailing space", |site| {
        site.bytes("tests/data/a.txt ", "x\n");
    }),
    kept_out("path-encoding", "a name of a device", |site| {
        site.bytes("tests/data/aux.txt", "x\n");
    }),
    kept_out("path-encoding", "a stream of another file system", |site| {
        site.bytes("tests/data/a.txt:stream", "x\n");
    }),
    kept_out(
        ".git name may never be used",
        "git's folder with an ignorable character",
        |site| {
            site.commit_with_entry(
                "100644",
                ".g\u{200c}it".as_bytes(),
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
            );
        },
    ),
    kept_out(
        "is not one that git would write",
        "git's folder by its short name",
        |site| {
            site.commit_with_entry(
                "100644",
                b"git~1",
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
            );
        },
    ),
    kept_out("path-protected", "a workflow in capital letters", |site| {
        site.write(".GitHub/workflows/x.yml", "on: push\n");
    }),
    kept_out(
        "path-protected",
        "a protected folder in full-width letters",
        |site| {
            site.write("ｍｉｇｒａｔｉｏｎｓ/0002.sql", "SELECT 1;\n");
        },
    ),
    kept_out(
        "path-protected",
        "a protected folder in capital letters",
        |site| {
            site.write("shop/MIGRATIONS/0002.sql", "SELECT 1;\n");
        },
    ),
    kept_out(
        "path-case-collision",
        "a file that differs by case",
        |site| {
            site.write("tests/data/CART.json", "{}\n");
        },
    ),
    kept_out(
        "path-case-collision",
        "a folder that differs by case",
        |site| {
            site.write("Tests/data/x.json", "{}\n");
        },
    ),
    kept_out(
        "path-case-collision",
        "a file in another form of Unicode",
        |site| {
            site.write("tests/data/caf\u{e9}.json", "{}\n");
            site.write("tests/data/cafe\u{301}.json", "{}\n");
        },
    ),
    kept_out(
        "path-case-collision",
        "two new files that differ by case",
        |site| {
            site.write("tests/data/One.json", "{}\n");
            site.write("tests/data/one.json", "{}\n");
        },
    ),
];
