//! Changes that are no small fix.

use crate::site::{Case, kept_out};

fn lines(n: usize) -> String {
    (0..n).map(|n| format!("N{n} = {n}\n")).collect()
}

pub const CASES: &[Case] = &[
    kept_out("too-many-files", "three production files", |site| {
        site.append("helpers.py", "A = 1\n");
        site.append("lib/shop.rb", "A = 1\n");
    }),
    kept_out("too-many-files", "a new production file", |site| {
        site.write("more.py", "A = 1\n");
    }),
    kept_out("too-many-files", "a production file is renamed", |site| {
        site.git(["mv", "helpers.py", "help.py"]);
    }),
    kept_out("too-many-files", "a production file is deleted", |site| {
        site.remove("helpers.py");
        site.append("lib/shop.rb", "A = 1\n");
    }),
    kept_out(
        "too-many-files",
        "production files in a folder of text",
        |site| {
            site.append("notes.txt", "four\n");
            site.append("web/app.js", "let a;\n");
        },
    ),
    kept_out("too-many-files", "nine files of tests", |site| {
        for n in 0..8 {
            site.write(&format!("tests/test_{n}.py"), "A = 1\n");
        }
    }),
    kept_out("too-many-lines", "sixty lines", |site| {
        site.line(&lines(60));
    }),
    kept_out("too-many-lines", "sixty blank lines", |site| {
        site.line(&"\n".repeat(60));
    }),
    kept_out("too-many-lines", "sixty lines of comments", |site| {
        site.line(&"# x\n".repeat(60));
    }),
    kept_out("too-many-lines", "sixty lines in two files", |site| {
        site.line(&lines(30));
        site.append("helpers.py", &lines(30));
    }),
    kept_out("too-many-lines", "three hundred lines of tests", |site| {
        site.test(&lines(300).replace('N', "    N"));
    }),
    kept_out("too-many-hunks", "a change in every function", |site| {
        site.without_fix();
        site.git(["switch", "--quiet", "main"]);
        let functions: String = (0..14)
            .map(|n| {
                format!(
                    "\n\ndef f{n}():\n    a = {n}\n    b = a\n    c = b\n    d = c\n    return d\n"
                )
            })
            .collect();
        site.append("shop.py", &functions);
        site.commit("feat: functions");
        site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
        site.fix();
        let text = site
            .read("shop.py")
            .replace("    return d\n", "    return d + 0\n");
        site.write("shop.py", &text);
    }),
    kept_out("too-many-directories", "a fix in three folders", |site| {
        site.append("lib/shop.rb", "A = 1\n");
        site.append("web/app.js", "let a;\n");
    }),
    kept_out("file-too-big", "a large fixture", |site| {
        site.write("tests/data/big.txt", &"0123456789\n".repeat(30_000));
    }),
    kept_out(
        "too-many-lines",
        "salami: thirty lines, and thirty more in the next commit",
        |site| {
            site.line(&lines(30));
            site.commit_now();
            site.say("fix: names of nothing\n");
            site.edit("shop.py", "for item in items]", "for item in items or []]");
            site.line(&lines(30).replace('N', "M"));
            site.test(
                "    def test_names_of_nothing(self):\n        self.assertEqual(names(None), [])\n",
            );
            site.commit_now();
        },
    ),
    kept_out(
        "too-many-files",
        "salami: another file in every commit",
        |site| {
            site.append("helpers.py", "A = 1\n");
            site.commit_now();
            site.say("fix: names of nothing\n");
            site.edit("shop.py", "for item in items]", "for item in items or []]");
            site.append("lib/shop.rb", "A = 1\n");
            site.test(
                "    def test_names_of_nothing(self):\n        self.assertEqual(names(None), [])\n",
            );
            site.commit_now();
        },
    ),
    kept_out(
        "too-many-lines",
        "a file is written anew with the same lines in another order",
        |site| {
            let mut text = lines(60);
            site.without_fix();
            site.git(["switch", "--quiet", "main"]);
            site.write("helpers.py", &text);
            site.commit("feat: lines");
            site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
            site.fix();
            text = text.lines().rev().map(|line| format!("{line}\n")).collect();
            site.write("helpers.py", &text);
        },
    ),
];
