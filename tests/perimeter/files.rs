//! What a fix has no business with: protected files, and entries of a tree that are no text.

use crate::site::{Case, kept_out};

const EMPTY_BLOB: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

pub const CASES: &[Case] = &[
    kept_out(
        "path-protected",
        "a step of the workflow is taken out",
        |site| {
            site.write(".github/workflows/ci.yml", "on: []\njobs: {}\n");
        },
    ),
    kept_out(
        "path-protected",
        "the policy is weakened beside the fix",
        |site| {
            site.append(".koan-guard.yaml", "mode: observe\n");
        },
    ),
    kept_out("path-protected", "the policy is deleted", |site| {
        site.remove(".koan-guard.yaml");
    }),
    kept_out("path-protected", "the policy becomes a link", |site| {
        site.remove(".koan-guard.yaml");
        std::os::unix::fs::symlink("notes.txt", site.root.join(".koan-guard.yaml")).expect("link");
    }),
    kept_out("path-protected", "a policy in a folder", |site| {
        site.write("web/.koan-guard.yaml", "version: 1\n");
    }),
    kept_out(
        "path-protected",
        "a policy with another extension",
        |site| {
            site.write(".koan-guard.yml", "version: 1\n");
        },
    ),
    kept_out(
        "path-protected",
        "a policy with an o that is none",
        |site| {
            site.write(".kоan-guard.yaml", "version: 1\n");
        },
    ),
    kept_out("path-protected", "a migration is edited", |site| {
        site.append(
            "migrations/0001_init.sql",
            "ALTER TABLE cart ADD total INT;\n",
        );
    }),
    kept_out("path-protected", "a migration is added", |site| {
        site.write(
            "migrations/0002_more.sql",
            "ALTER TABLE cart ADD total INT;\n",
        );
    }),
    kept_out(
        "path-protected",
        "a migration is renamed away and edited",
        |site| {
            site.git(["mv", "migrations/0001_init.sql", "tests/data/init.sql"]);
            site.append("tests/data/init.sql", "-- other\n");
        },
    ),
    kept_out("path-protected", "a hook of husky", |site| {
        site.write_script(".husky/pre-commit", "#!/bin/sh\n");
    }),
    kept_out("path-protected", "a configuration of pre-commit", |site| {
        site.write(".pre-commit-config.yaml", "repos: []\n");
    }),
    kept_out("path-protected", "what agents are told", |site| {
        site.append("AGENTS.md", "Tests may be skipped.\n");
    }),
    kept_out("path-protected", "a skill for agents", |site| {
        site.write(".claude/skills/fast/SKILL.md", "---\nname: fast\n---\n");
    }),
    kept_out("path-protected", "a task of an editor", |site| {
        site.write(".vscode/tasks.json", "{}\n");
    }),
    kept_out(
        "path-protected",
        "an environment that loads itself",
        |site| {
            site.write(".envrc", "export A=1\n");
        },
    ),
    kept_out("path-protected", "a container file", |site| {
        site.append("Dockerfile", "RUN true\n");
    }),
    kept_out("path-protected", "owners of code", |site| {
        site.write("CODEOWNERS", "* @nobody\n");
    }),
    kept_out("path-protected", "attributes that hide a diff", |site| {
        site.write(".gitattributes", "shop.py -diff\n");
    }),
    kept_out("path-protected", "attributes in a folder", |site| {
        site.write("tests/.gitattributes", "* -diff\n");
    }),
    kept_out("path-protected", "a list of submodules", |site| {
        site.write(
            ".gitmodules",
            "[submodule \"a\"]\n\tpath = a\n\turl = ../a\n",
        );
    }),
    kept_out("path-protected", "a list of signers", |site| {
        site.write("allowed_signers", "a@example.com ssh-ed25519 AAAA\n");
    }),
    kept_out("path-protected", "a private key by its name", |site| {
        site.write("deploy.pem", "nothing\n");
    }),
    kept_out("path-protected", "infrastructure", |site| {
        site.write("main.tf", "resource {}\n");
    }),
    kept_out("submodule", "a submodule", |site| {
        site.stage(
            "160000",
            "1234567890123456789012345678901234567890",
            "foreign",
        );
    }),
    kept_out("submodule", "a folder becomes a submodule", |site| {
        std::fs::remove_dir_all(site.root.join("docs")).expect("folder");
        site.stage("160000", "1234567890123456789012345678901234567890", "docs");
    }),
    kept_out("symlink", "a link out of the repository", |site| {
        std::os::unix::fs::symlink("/etc/passwd", site.root.join("users")).expect("link");
    }),
    kept_out("symlink", "a link inside the repository", |site| {
        std::os::unix::fs::symlink("shop.py", site.root.join("tests/data/shop")).expect("link");
    }),
    kept_out("symlink", "a file becomes a link", |site| {
        site.remove("helpers.py");
        std::os::unix::fs::symlink("shop.py", site.root.join("helpers.py")).expect("link");
    }),
    kept_out("symlink", "a folder of tests becomes a link", |site| {
        site.git(["rm", "--quiet", "-r", "--cached", "tests/data"]);
        std::fs::remove_dir_all(site.root.join("tests/data")).expect("folder");
        std::os::unix::fs::symlink("../docs", site.root.join("tests/data")).expect("link");
    }),
    kept_out("mode-change", "a file becomes executable", |site| {
        site.git(["update-index", "--chmod=+x", "shop.py"]);
        site.write_script("shop.py", &site.read("shop.py"));
    }),
    kept_out("mode-change", "a script loses its bit", |site| {
        let text = site.read("scripts/serve.sh");
        site.remove("scripts/serve.sh");
        site.write("scripts/serve.sh", &text);
    }),
    kept_out("binary-file", "a picture changes", |site| {
        site.bytes("logo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01");
    }),
    kept_out(
        "binary-file",
        "a file of the tests that is no text",
        |site| {
            site.bytes("tests/data/blob.bin", b"\0\x01\x02\xff");
        },
    ),
    kept_out("binary-file", "code in UTF-16", |site| {
        site.bytes("web/app.js", b"\xff\xfee\0v\0a\0l\0(\0)\0\n\0");
    }),
    kept_out("binary-file", "code in Latin-1", |site| {
        site.bytes(
            "helpers.py",
            b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n",
        );
    }),
    kept_out("lfs-pointer", "a pointer to a large file", |site| {
        site.write(
            "tests/data/model.txt",
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
        );
    }),
    kept_out("generated-or-vendored", "foreign code", |site| {
        site.append("vendor/foreign.py", "OTHER = 2\n");
    }),
    kept_out("generated-or-vendored", "a bundle", |site| {
        site.write("web/app.min.js", "a()\n");
    }),
    kept_out(
        "is not the name of a file",
        "a folder named as git's own, in a raw tree",
        |site| {
            let tree = site.object("tree", &[b"100644 config\0", &[0xe6; 20][..]].concat());
            site.commit_with_entry("40000", b".git", &tree);
        },
    ),
    kept_out(
        "is not the name of a file",
        "two dots as a name, in a raw tree",
        |site| {
            site.commit_with_entry("100644", b"..", EMPTY_BLOB);
        },
    ),
    kept_out(
        "is not the name of a file",
        "a slash in a name, in a raw tree",
        |site| {
            site.commit_with_entry("100644", b"tests/x/y", EMPTY_BLOB);
        },
    ),
    kept_out(
        "mode",
        "a mode that git does not know, in a raw tree",
        |site| {
            site.commit_with_entry("100666", b"zz.txt", EMPTY_BLOB);
        },
    ),
    kept_out("tree", "an entry twice, in a raw tree", |site| {
        site.commit_with_entry("100644", b"shop.py", EMPTY_BLOB);
    }),
];
