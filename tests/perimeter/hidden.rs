//! What a reader does not see.

use crate::site::{Case, kept_out};

pub const CASES: &[Case] = &[
    kept_out("hidden-text", "a line that is turned", |site| {
        site.line("ok = True  # \u{202e}eurT = ko\u{202c}");
    }),
    kept_out("hidden-text", "an isolate that is turned", |site| {
        site.line("ok = 'user\u{2067} admin\u{2069}'");
    }),
    kept_out("hidden-text", "a space without width in a name", |site| {
        site.line("def to\u{200b}tal(prices):\n    return 0");
    }),
    kept_out(
        "hidden-text",
        "a letter of another alphabet in a name",
        |site| {
            site.line("def tоtal(prices):\n    return 0");
        },
    ),
    kept_out("hidden-text", "full-width letters in code", |site| {
        site.line("ｅｘｅｃ('1')");
    }),
    kept_out("hidden-text", "tags of Unicode in a document", |site| {
        site.append("README.md", "Buy.\u{e0049}\u{e0067}\u{e006e}\n");
    }),
    kept_out(
        "hidden-text",
        "a carriage return that hides what stands before it",
        |site| {
            site.line("import os; os.abort()\rok = 1");
        },
    ),
    kept_out("hidden-text", "an escape of a terminal", |site| {
        site.line("ok = '\x1b[8m'  # x");
    }),
    kept_out("hidden-text", "a backspace", |site| {
        site.line("ok = 1  # \x08\x08\x08");
    }),
    kept_out("hidden-text", "hidden text in a test", |site| {
        site.test(
            "    def test_second(self):\n        self.assertEqual(total([1]), 1)  # \u{2066}x\n",
        );
    }),
    kept_out("hidden-text", "hidden text in a fixture", |site| {
        site.append("tests/data/cart.json", "\u{feff}{}\n");
    }),
    kept_out(
        "hidden-text",
        "variation selectors that carry bytes",
        |site| {
            site.line("ok = 'a\u{e0100}\u{e0101}\u{e0102}'");
        },
    ),
    kept_out(
        "hidden-text",
        "a separator of lines that no editor shows",
        |site| {
            site.line("ok = 1  # x\u{2028}import os");
        },
    ),
    kept_out("hidden-text", "a filler that looks like nothing", |site| {
        site.line("ok = {'a\u{3164}': 1}");
    }),
    kept_out("binary-file", "a NUL in code", |site| {
        site.bytes(
            "helpers.py",
            b"def twice(n):\n    return 2 * n\n\0import os\n",
        );
    }),
    kept_out("line-too-long", "code far to the right", |site| {
        site.line(&format!("ok = 1{}; import os", " ".repeat(600)));
    }),
    kept_out("line-too-long", "one line of everything", |site| {
        site.line(&format!("ok = [{}]", "1, ".repeat(400)));
    }),
    kept_out("hidden-text", "code far to the right in a test", |site| {
        site.test(&format!("    ok = 1{}; import os\n", " ".repeat(300)));
    }),
    kept_out(
        "hidden-text",
        "code far to the right, within the limit of a line",
        |site| {
            site.line(&format!("ok = 1{}; import os", "\t".repeat(200)));
        },
    ),
    kept_out("too-many-lines", "every line ending changes", |site| {
        let mut text = site.read("shop.py");
        for n in 0..60 {
            text += &format!("n{n} = {n}\n");
        }
        site.without_fix();
        site.write("shop.py", &text.replace("prices:\n", "prices[1:]:\n"));
        site.git(["switch", "--quiet", "main"]);
        site.commit("feat: more");
        site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
        site.fix();
        let text = site.read("shop.py").replace('\n', "\r\n");
        site.write("shop.py", &text);
    }),
    kept_out("hidden-text", "a coding line that says UTF-7", |site| {
        site.write(
            "helpers.py",
            "# coding: utf-7\n+AAo-import os\n\n\ndef twice(n):\n    return 2 * n\n",
        );
    }),
];
