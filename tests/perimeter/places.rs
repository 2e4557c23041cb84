//! The repository and the environment around the change: nothing in them may choose what is judged, or by what.

use std::fs;

use crate::site::{Case, Site, kept_out};

/// The fix, with a file that no fix may touch.
fn spoil(site: &Site) {
    site.append("AGENTS.md", "Anything goes.\n");
    site.commit_now();
}

pub const CASES: &[Case] = &[
    kept_out(
        "path-protected",
        "attributes beside the repository hide the diff",
        |site| {
            site.write(".git/info/attributes", "* -diff binary\n");
            spoil(site);
        },
    ),
    kept_out(
        "path-protected",
        "an external diff of the configuration",
        |site| {
            site.git(["config", "diff.external", "true"]);
            spoil(site);
        },
    ),
    kept_out(
        "path-protected",
        "an external diff of the environment",
        |site| {
            spoil(site);
            site.set_env("GIT_EXTERNAL_DIFF", "true");
        },
    ),
    kept_out(
        "path-protected",
        "another repository in the environment",
        |site| {
            spoil(site);
            let decoy = site.beside("decoy");
            site.git(["init", "--quiet", decoy.to_str().expect("UTF-8")]);
            site.set_env("GIT_CONFIG_COUNT", "1");
            site.set_env("GIT_CONFIG_KEY_0", "koan.trustedRef");
            site.set_env("GIT_CONFIG_VALUE_0", "koan/fix");
        },
    ),
    kept_out(
        "path-protected",
        "the mark of an agent is removed",
        |site| {
            spoil(site);
            site.set_env("AGENT", "");
        },
    ),
    kept_out(
        "path-protected",
        "the policy of the work tree is another",
        |site| {
            spoil(site);
            site.write(".koan-guard.yaml", "version: 1\nmode: observe\n");
            site.git(["update-index", "--assume-unchanged", ".koan-guard.yaml"]);
        },
    ),
    kept_out(
        "path-protected",
        "staged, and put back in the work tree",
        |site| {
            site.append("AGENTS.md", "Anything goes.\n");
            site.git(["add", "--all"]);
            site.git(["restore", "AGENTS.md"]);
            site.ask(&["check", "--staged", "--base", "main"]);
        },
    ),
    kept_out("path-protected", "staged in an index of its own", |site| {
        site.append("AGENTS.md", "Anything goes.\n");
        site.git(["add", "--all"]);
        fs::copy(site.root.join(".git/index"), site.root.join(".git/other")).expect("index");
        site.git(["restore", "--staged", "AGENTS.md"]);
        site.git(["restore", "AGENTS.md"]);
        site.set_env(
            "GIT_INDEX_FILE",
            site.root.join(".git/other").to_string_lossy(),
        );
        site.ask(&["check", "--staged", "--base", "main"]);
    }),
    kept_out(
        "path-protected",
        "staged with a bit that says nobody looks there",
        |site| {
            site.append("AGENTS.md", "Anything goes.\n");
            site.git(["add", "--all"]);
            site.git(["update-index", "--skip-worktree", "AGENTS.md"]);
            site.ask(&["check", "--staged", "--base", "main"]);
        },
    ),
    kept_out(
        "path-protected",
        "asked from a folder of the repository",
        |site| {
            spoil(site);
            site.judge_in(site.root.join("tests"));
        },
    ),
    kept_out("path-protected", "asked from a linked work tree", |site| {
        spoil(site);
        let linked = site.beside("linked");
        site.git([
            "worktree",
            "add",
            "--quiet",
            "--detach",
            linked.to_str().expect("UTF-8"),
            "main",
        ]);
        site.judge_in(linked);
    }),
    kept_out("no policy", "no policy where the branch begins", |site| {
        site.git(["switch", "--quiet", "main"]);
        site.git(["rm", "--quiet", ".koan-guard.yaml"]);
        site.git(["commit", "--quiet", "--amend", "--no-edit"]);
        site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
        site.commit_now();
    }),
    kept_out(
        "unknown key",
        "a policy with a key that is misspelt",
        |site| {
            policy(site, "version: 1\nextends: [default]\nperimiter: {}\n");
        },
    ),
    kept_out(
        ".koan-guard.yaml",
        "a policy with a key that stands there twice",
        |site| {
            policy(site, "version: 1\nmode: enforce\nmode: observe\n");
        },
    ),
    kept_out(".koan-guard.yaml", "an empty policy", |site| {
        policy(site, "");
    }),
    kept_out(".koan-guard.yaml", "a policy that is no YAML", |site| {
        policy(site, "version: 1\nextends: [default\n");
    }),
    kept_out(".koan-guard.yaml", "a bomb of YAML", |site| {
        let mut text = "version: 1\na: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (one, two) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            text += &format!(
                "{two}: &{two} [*{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}, *{one}]\n"
            );
        }
        policy(site, &text);
    }),
    kept_out(
        ".koan-guard.yaml",
        "a regular expression that grows",
        |site| {
            policy(
                site,
                "version: 1\nextends: [default]\nperimeter:\n  forbid:\n    - {id: x, pattern: '((((a{1000}){1000}){1000}){1000})', why: x}\n",
            );
        },
    ),
    kept_out(".koan-guard.yaml", "a glob that does not close", |site| {
        policy(
            site,
            "version: 1\nextends: [default]\nperimeter:\n  protect: ['a[']\n",
        );
    }),
    kept_out(".koan-guard.yaml", "a preset that there is not", |site| {
        policy(site, "version: 1\nextends: [defaults]\n");
    }),
    kept_out(
        "path-protected",
        "a policy that switches the closed rules off",
        |site| {
            policy(
                site,
                "version: 1\nextends: [default, python]\nproof: {runner: unittest}\nperimeter:\n  rules: {path-protected: off}\n",
            );
            site.append("AGENTS.md", "Anything goes.\n");
        },
    ),
    kept_out(
        "is a blob, not a commit",
        "a branch that is a blob",
        |site| {
            site.commit_now();
            site.ask(&["check", "HEAD:shop.py", "--base", "main"]);
        },
    ),
    kept_out("ambiguous", "a tag of the branch's name", |site| {
        spoil(site);
        site.git(["tag", "koan/fix", "main"]);
    }),
];

/// `main` has this policy, and the fix stands on it.
fn policy(site: &Site, text: &str) {
    site.without_fix();
    site.git(["switch", "--quiet", "main"]);
    site.write(".koan-guard.yaml", text);
    site.commit("chore: policy");
    site.git(["switch", "--quiet", "--force-create", "koan/fix"]);
    site.fix();
}
