//! Shapes of history in which something hides.

use crate::site::{Case, Site, kept_out};

/// `main` moves on by a commit of a person.
fn move_main_on(site: &Site) {
    site.git(["switch", "--quiet", "main"]);
    site.append("notes.txt", "four\n");
    site.commit("docs: a note");
    site.git(["switch", "--quiet", "koan/fix"]);
}

const PEOPLE: &str =
    "author A <a@example.com> 1767323045 +0000\ncommitter A <a@example.com> 1767323045 +0000\n";

pub const CASES: &[Case] = &[
    kept_out(
        "merge-introduces-changes",
        "a merge that brings something of its own",
        |site| {
            site.commit_now();
            move_main_on(site);
            site.git(["merge", "--quiet", "--no-commit", "main"]);
            site.append("helpers.py", "EVIL = 1\n");
            site.say("Merge branch 'main' into koan/fix\n");
            site.commit_now();
        },
    ),
    kept_out(
        "merge-introduces-changes",
        "a merge that drops what the other side did",
        |site| {
            site.commit_now();
            move_main_on(site);
            site.git([
                "merge",
                "--quiet",
                "--strategy=ours",
                "-m",
                "Merge branch 'main' into koan/fix",
                "main",
            ]);
        },
    ),
    kept_out("merge-introduces-changes", "a merge by plumbing", |site| {
        site.commit_now();
        let fix = site.git(["rev-parse", "HEAD"]);
        move_main_on(site);
        site.append("helpers.py", "EVIL = 1\n");
        site.git(["add", "--all"]);
        let tree = site.git(["write-tree"]);
        site.git(["reset", "--quiet", "--hard"]);
        let merge = site.git([
            "commit-tree",
            tree.trim(),
            "-p",
            fix.trim(),
            "-p",
            "main",
            "-m",
            "Merge branch 'main'",
        ]);
        site.point_branch(merge.trim());
        site.git(["reset", "--quiet", "--hard"]);
    }),
    kept_out(
        "one of more than two is not made again",
        "a merge of three",
        |site| {
            site.commit_now();
            let fix = site.git(["rev-parse", "HEAD"]);
            move_main_on(site);
            let tree = site.git(["rev-parse", "HEAD^{tree}"]);
            let other = site.git([
                "commit-tree",
                tree.trim(),
                "-p",
                "main~1",
                "-m",
                "fix: other",
            ]);
            let merge = site.git([
                "commit-tree",
                tree.trim(),
                "-p",
                fix.trim(),
                "-p",
                "main",
                "-p",
                other.trim(),
                "-m",
                "Merge all",
            ]);
            site.point_branch(merge.trim());
            site.git(["reset", "--quiet", "--hard"]);
        },
    ),
    kept_out(
        "no common history",
        "a branch without a root of ours",
        |site| {
            site.commit_now();
            let tree = site.git(["rev-parse", "HEAD^{tree}"]);
            let root = site.git(["commit-tree", tree.trim(), "-m", "fix: total of a cart"]);
            site.point_branch(root.trim());
        },
    ),
    kept_out(
        "root-commit",
        "a merge of a root that is not ours",
        |site| {
            site.commit_now();
            let tree = site.git(["rev-parse", "HEAD^{tree}"]);
            let root = site.git(["commit-tree", tree.trim(), "-m", "fix: total of a cart"]);
            let merge = site.git([
                "commit-tree",
                tree.trim(),
                "-p",
                "HEAD",
                "-p",
                root.trim(),
                "-m",
                "Merge branch 'x'",
            ]);
            site.point_branch(merge.trim());
        },
    ),
    kept_out("empty-commit", "a commit of nothing", |site| {
        site.without_fix();
        site.commit_now();
    }),
    kept_out("nothing to judge", "a branch of nothing", |site| {
        site.without_fix();
        site.git(["commit", "--quiet", "--allow-empty", "-m", "fix: x"]);
        site.point_branch(site.git(["rev-parse", "main"]).trim());
        site.git(["switch", "--quiet", "--detach", "main"]);
    }),
    kept_out(
        "test-deleted",
        "a proving test is deleted by a later commit",
        |site| {
            site.commit_now();
            site.edit(
                "tests/test_shop.py",
                "\n    def test_first(self):\n        self.assertEqual(total([3, 4]), 7)\n",
                "",
            );
            site.say("test: fewer\n");
            site.commit_now();
        },
    ),
    kept_out(
        "no-test",
        "the fix and its test in commits of their own, the fix first, then nothing",
        |site| {
            site.git(["restore", "tests"]);
            site.commit_now();
        },
    ),
    kept_out(
        "path-protected",
        "the policy weakened by a commit before the fix",
        |site| {
            let (shop, test) = (site.read("shop.py"), site.read("tests/test_shop.py"));
            site.without_fix();
            site.append(".koan-guard.yaml", "mode: observe\n");
            site.say("fix: policy\n");
            site.commit_now();
            site.write("shop.py", &shop)
                .write("tests/test_shop.py", &test);
            site.say("fix: total of a cart\n");
            site.commit_now();
        },
    ),
    kept_out(
        "path-protected",
        "a workflow is changed and changed back",
        |site| {
            site.write(".github/workflows/ci.yml", "on: []\n");
            site.commit_now();
            site.write(".github/workflows/ci.yml", "on: push\njobs: {}\n");
            site.test("    def test_one(self):\n        self.assertEqual(total([1]), 1)\n");
            site.say("test: one price\n");
            site.commit_now();
        },
    ),
    kept_out(
        "refs/replace",
        "a commit that is replaced by another",
        |site| {
            site.append("AGENTS.md", "Anything goes.\n");
            site.commit_now();
            let evil = site.git(["rev-parse", "HEAD"]);
            site.git(["reset", "--quiet", "--hard", "HEAD~1"]);
            site.fix();
            site.commit_now();
            let good = site.git(["rev-parse", "HEAD"]);
            site.point_branch(evil.trim());
            site.git(["replace", evil.trim(), good.trim()]);
            site.git(["reset", "--quiet", "--hard"]);
        },
    ),
    kept_out(
        "refs/replace",
        "a tree that is replaced by another",
        |site| {
            site.append("AGENTS.md", "Anything goes.\n");
            site.commit_now();
            let evil = site.git(["rev-parse", "HEAD^{tree}"]);
            site.git(["checkout", "--quiet", "main", "--", "AGENTS.md"]);
            site.git(["add", "--all"]);
            let good = site.git(["write-tree"]);
            site.git(["reset", "--quiet", "--hard"]);
            site.git(["replace", evil.trim(), good.trim()]);
        },
    ),
    kept_out(
        "graft",
        "a graft that gives the commit another parent",
        |site| {
            site.commit_now();
            let fix = site.git(["rev-parse", "HEAD"]);
            let main = site.git(["rev-parse", "main"]);
            site.write(
                ".git/info/grafts",
                &format!("{} {}\n", fix.trim(), main.trim()),
            );
        },
    ),
    kept_out("shallow", "a history that is cut off", |site| {
        site.commit_now();
        let fix = site.git(["rev-parse", "koan/fix"]);
        site.write(".git/shallow", &fix);
    }),
    kept_out(
        "could not be decoded",
        "a commit without an author",
        |site| {
            site.commit_bytes(b"tree {tree}\nparent {parent}\ncommitter A <a@example.com> 1767323045 +0000\n\nfix: total of a cart\n");
        },
    ),
    kept_out(
        "could not be decoded",
        "a commit with two authors",
        |site| {
            let people = "author B <b@example.com> 1767323045 +0000\n".to_owned() + PEOPLE;
            site.commit_bytes(
                format!("tree {{tree}}\nparent {{parent}}\n{people}\nfix: total of a cart\n")
                    .as_bytes(),
            );
        },
    ),
    kept_out(
        "could not be decoded",
        "a commit with a second tree",
        |site| {
            site.commit_bytes(format!("tree {{tree}}\ntree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent {{parent}}\n{PEOPLE}\nfix: total of a cart\n").as_bytes());
        },
    ),
    kept_out("no common history", "a parent behind the author", |site| {
        site.commit_bytes(
            format!("tree {{tree}}\n{PEOPLE}parent {{parent}}\n\nfix: total of a cart\n")
                .as_bytes(),
        );
    }),
    kept_out("could not be decoded", "a date that is none", |site| {
        site.commit_bytes(b"tree {tree}\nparent {parent}\nauthor A <a@example.com> tomorrow\ncommitter A <a@example.com> 1767323045 +0000\n\nfix: total of a cart\n");
    }),
    kept_out(
        "no date in seconds",
        "an e-mail with a second one in it",
        |site| {
            site.commit_bytes(b"tree {tree}\nparent {parent}\nauthor A <a@example.com> <b@example.com> 1767323045 +0000\ncommitter A <a@example.com> 1767323045 +0000\n\nfix: total of a cart\n");
        },
    ),
    kept_out("revert", "a revert of the fix without a test", |site| {
        site.commit_now();
        site.git(["switch", "--quiet", "main"]);
        site.git(["merge", "--quiet", "--ff-only", "koan/fix"]);
        site.git(["switch", "--quiet", "koan/fix"]);
        site.git(["revert", "--no-edit", "HEAD"]);
    }),
    kept_out(
        "guard-directive-in-message",
        "a clean merge whose message gives orders",
        |site| {
            site.commit_now();
            move_main_on(site);
            let message = "Merge branch 'main' into koan/fix\n\n[skip ci]";
            site.git(["merge", "--quiet", "-m", message, "main"]);
        },
    ),
    kept_out(
        "hidden-text",
        "a clean merge whose message hides something",
        |site| {
            site.commit_now();
            move_main_on(site);
            let message = "Merge branch 'main' into koan/fix\n\nNothing\u{200b} here.";
            site.git(["merge", "--quiet", "-m", message, "main"]);
        },
    ),
];
