//! A first policy, and the questions that one may ask of it.

use insta::assert_snapshot;

use crate::support::Repo;

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn init_proposes_a_policy_for_python() {
    let repo = Repo::python_sample();
    repo.remove(".koan-guard.yaml").commit("chore: no policy");
    assert_snapshot!(repo.guard(["init"]), @r#"
    exit: 0
    stdout:
    wrote `.koan-guard.yaml`, and `.koan-guard.schema.json` for editors
      preset python
      runner unittest: nothing names pytest, and no test is a function outside a class
      2 of 2 subjects are conventional commits
    next: read it, then commit both on the trusted branch: git add .koan-guard.yaml .koan-guard.schema.json && git commit -m "chore: guard agents"
    stderr:
    "#);
    assert_eq!(
        repo.git(["status", "--porcelain"]),
        "?? .koan-guard.schema.json\n?? .koan-guard.yaml\n"
    );
    assert_snapshot!(repo.read(".koan-guard.yaml"), @r#"
    # yaml-language-server: $schema=.koan-guard.schema.json
    # What an agent's fix may do here. `koan-guard policy show --origin` shows every value and where it comes from.
    version: 1

    # Files in Python.
    extends: [default, python]

    # With `observe` everything is judged and said, and nothing is refused: a way to begin.
    mode: enforce

    # Commits on these branches, and those of known agents, need a failing test that the fix makes pass.
    lanes:
      repair: {branches: ["koan/**"], agents: known}

    # Limits count production files only; tests have limits of their own, documents and changelogs have none.
    # The smallest limit counts, so these can be made smaller here.
    perimeter:
      limits: {files: 2, new_files: 0, lines: 50, hunks: 10, directories: 2}

    proof:
      # Nothing names pytest, and no test is a function outside a class.
      runner: unittest
      # The globs of the presets cover all test files: 1.

    # 2 of the last 2 subjects are conventional commits, so a fix is asked to be one.
    message: {style: conventional, types: [fix, test]}
    "#);
    assert_snapshot!(repo.guard(["policy", "lint"]), @"
    exit: 0
    stdout:
    the policy loads, and nothing looks wrong
    stderr:
    ");
    repo.commit("chore: guard agents").fix_honestly();
    assert!(repo.guard(["check", "HEAD"]).contains("accepted: "));
}

#[test]
fn init_proposes_a_policy_for_rust() {
    let repo = Repo::rust_sample();
    repo.remove(".koan-guard.yaml").commit("chore: no policy");
    assert_snapshot!(repo.guard(["init"]), @r#"
    exit: 0
    stdout:
    wrote `.koan-guard.yaml`, and `.koan-guard.schema.json` for editors
      preset rust
      runner cargo: there is a `Cargo.toml`
      2 of 2 subjects are conventional commits
    next: read it, then commit both on the trusted branch: git add .koan-guard.yaml .koan-guard.schema.json && git commit -m "chore: guard agents"
    stderr:
    "#);
    assert_snapshot!(repo.guard(["policy", "lint"]), @"
    exit: 0
    stdout:
    the policy loads, and nothing looks wrong
    stderr:
    ");
}

#[test]
fn init_overwrites_nothing() {
    let repo = Repo::python_sample();
    let before = repo.state();
    assert_snapshot!(repo.guard(["init"]), @"
    exit: 2
    stdout:
    stderr:
    error: `.koan-guard.yaml` is there already
    hint: `koan-guard policy show` shows what it says; `init` never overwrites a policy
    ");
    assert_eq!(repo.state(), before);
}

#[test]
fn init_prints_without_writing() {
    let repo = Repo::python_sample();
    repo.remove(".koan-guard.yaml").commit("chore: no policy");
    let before = repo.state();
    assert!(
        repo.guard(["init", "--print"])
            .starts_with("exit: 0\nstdout:\n# ")
    );
    assert_eq!(repo.state(), before);
}

#[test]
fn init_says_how_to_commit_what_is_ignored() {
    let repo = Repo::python_sample();
    repo.remove(".koan-guard.yaml")
        .write(".gitignore", "/*\n!/src\n")
        .commit("chore: no policy");
    let said = repo.guard(["init"]);
    assert!(
        said.contains("git add -f .koan-guard.yaml .koan-guard.schema.json"),
        "{said}"
    );
}

#[test]
fn init_needs_something_to_look_at() {
    let repo = Repo::empty();
    assert_snapshot!(repo.guard(["init"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no commit to look at
    hint: make a first commit, then run `init` again
    ");
}

#[test]
fn every_value_has_an_origin() {
    let repo = Repo::python_sample();
    let answer = repo.guard(["policy", "show", "--origin"]);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    let runner: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("proof.runner"))
        .collect();
    assert_snapshot!(runner.join("\n"), @"proof.runner = unittest    # `.koan-guard.yaml`, line 4");
    for line in answer.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains("    # "), "{line}");
    }
}

#[test]
fn the_trusted_policy_is_shown_on_demand() {
    let repo = Repo::python_sample();
    repo.write(".koan-guard.yaml", "version: 1\nmode: observe\n");
    let mode = |args: [&str; 4]| {
        let answer = repo.guard(args);
        let line = answer
            .lines()
            .find(|line| line.starts_with("mode"))
            .map(str::to_owned);
        line.unwrap_or(answer)
    };
    assert_snapshot!(mode(["policy", "show", "--format", "text"]), @"mode = observe");
    assert_snapshot!(mode(["policy", "show", "--base", "HEAD"]), @"mode = enforce");
}

#[test]
fn lint_says_where_the_fault_is() {
    let repo = Repo::python_sample();
    let lint = |text: &str| {
        repo.write(".koan-guard.yaml", text);
        repo.guard(["policy", "lint"])
    };
    assert_snapshot!(lint("version: 1\nproof:\n  sampels: 3\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:3:3: unknown key `sampels`; did you mean `samples`? (known here: `tests`, `runner`, `hook`, `suite`, `env`, `before`, `red_commits`, `existing_tests`, `existing_red`, `reverts`, `samples`, `timeout`, `inputs`, `setup`, `setup_inputs`, `setup_env`, `setup_network`, `setup_timeout`, `build`, `tests_exclude`, `services`, `sandbox`, `signature`, `necessity`, `neighbours`, `variations`)
    hint: correct it and try `koan-guard policy lint`
    ");
    assert_snapshot!(lint("version: 1\nproof: {samples: many}\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:2:18: expected a whole number: `many}`
    hint: correct it and try `koan-guard policy lint`
    ");
    assert_snapshot!(lint("version: 1\n\tmode: enforce\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:1:10: while scanning a plain scalar, found a tab: `1`
    hint: correct it and try `koan-guard policy lint`
    ");
    assert_snapshot!(lint("version: 1\nextends: [defualt]\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:2:11: unknown preset `defualt`; did you mean `default`?
    hint: correct it and try `koan-guard policy lint`
    ");
    assert_snapshot!(lint("version: 1\nmode: enforce\nmode: observe\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:3:1: key `mode` stands here twice
    hint: correct it and try `koan-guard policy lint`
    ");
    assert_snapshot!(lint(""), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml: key `version` is missing
    hint: begin the file with `version: 1`
    ");
    assert_snapshot!(lint("mode: enforce\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml: key `version` is missing
    hint: begin the file with `version: 1`
    ");
    assert_snapshot!(lint("version: 1\nextends: [default]\nperimeter:\n  protect: [\"[\"]\n"), @"
    exit: 2
    stdout:
    stderr:
    error: .koan-guard.yaml:4:13: glob `[` cannot be read: unclosed character class; missing ']'
    hint: correct it and try `koan-guard policy lint`
    ");
}

#[test]
fn a_path_is_explained() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["policy", "explain", "cart.py"]), @"
    exit: 0
    stdout:
    cart.py: production
      perimeter.limits.files = 2 (preset `default`, line 36)
      perimeter.limits.new_files = 0 (preset `default`, line 36)
      perimeter.limits.lines = 50 (preset `default`, line 36)
      perimeter.limits.hunks = 10 (preset `default`, line 36)
      perimeter.limits.directories = 2 (preset `default`, line 36)
      perimeter.limits.line_length = 500 (preset `default`, line 36)
      perimeter.limits.file_bytes = 262144 (preset `default`, line 36)
    stderr:
    ");
    assert_snapshot!(repo.guard(["policy", "explain", "test_cart.py"]), @"
    exit: 0
    stdout:
    test_cart.py: test
      by `**/test_*.py` (preset `python`, line 29)
      perimeter.test_limits.files = 8 (preset `default`, line 37)
      perimeter.test_limits.added = 200 (preset `default`, line 37)
      perimeter.test_limits.file_bytes = 262144 (preset `default`, line 37)
    stderr:
    ");
    assert_snapshot!(repo.guard(["policy", "explain", ".github/workflows/ci.yml"]), @"
    exit: 0
    stdout:
    .github/workflows/ci.yml: protected
      by `.github` (built in)
    stderr:
    ");
}

#[test]
fn a_line_is_explained_as_it_stands() {
    let repo = Repo::python_sample();
    repo.write(
        "cart.py",
        "import pickle\n\n\ndef load(data):\n    return pickle.load(data)\n",
    );
    let answer = repo.guard(["policy", "explain", "cart.py", "--line", "5"]);
    let of_line = answer.split_once("line 5: ").expect(&answer).1;
    assert_snapshot!(of_line, @"
    as the whole file
      looked for in what is added: no-verify, tls-off, debugger-python, unsafe-load-python, sql-text-python
      if it were added: deny[forbidden-pattern] `unsafe-load-python` matches what is added at line 5 of `cart.py`: it runs what the data say
        by `unsafe-load-python` (preset `python`, line 20)
    stderr:
    ");
    assert_snapshot!(repo.guard(["policy", "explain", "cart.py", "--line", "6"]), @"
    exit: 2
    stdout:
    stderr:
    error: `cart.py` has 5 lines, so there is no line 6
    ");
}

#[test]
fn a_policy_is_compared_with_its_repository() {
    let repo = Repo::python_sample();
    repo.write(
        ".koan-guard.yaml",
        "version: 1\nextends: [default, python]\nperimeter: {allow: ['*.py', shop/**]}\nproof: {runner: cargo}\n",
    );
    assert_snapshot!(repo.guard(["policy", "lint"]), @"
    exit: 1
    stdout:
    .koan-guard.yaml:3:29: note: glob `shop/**` matches no file of the repository
    .koan-guard.yaml:4:17: `cargo` runs nothing: there is no `Cargo.toml`
    stderr:
    ");
}

#[test]
fn a_schema_is_written_for_editors() {
    let repo = Repo::python_sample();
    let printed = repo.guard_command(["policy", "schema"]).output();
    let printed = String::from_utf8(printed.expect("koan-guard").stdout).expect("UTF-8");
    assert!(
        printed.contains("\"title\": \"Policy of koan-guard\""),
        "{printed}"
    );
    repo.write(".koan-guard.schema.json", "{}\n");
    assert!(
        repo.guard(["policy", "lint"])
            .contains("is not that of this version")
    );
    assert_snapshot!(repo.guard(["policy", "schema", "--write"]), @"
    exit: 0
    stdout:
    wrote `.koan-guard.schema.json`
    stderr:
    ");
    assert!(repo.guard(["policy", "lint"]).starts_with("exit: 0\n"));
    assert_eq!(
        repo.read(".koan-guard.schema.json").trim_end(),
        printed.trim_end()
    );
}

#[test]
fn a_path_outside_the_repository_is_not_explained() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["policy", "explain", "../cart.py"]), @"
    exit: 2
    stdout:
    stderr:
    error: `../cart.py` is no path of a file in the repository
    hint: write it as git does: from the top, without a leading `/`, `.` and `..`
    ");
    for path in ["/etc/passwd", "", "lib//cart.py", "./cart.py"] {
        let answer = repo.guard(["policy", "explain", path]);
        assert!(answer.starts_with("exit: 2\n"), "{answer}");
    }
}

#[test]
fn a_rule_is_explained() {
    let repo = Repo::python_sample();
    assert_snapshot!(repo.guard(["policy", "rule", "path-protected"]), @"
    exit: 0
    stdout:
    path-protected: deny by default, and no policy can lower it
      group: paths
      why: some files decide what is safe; an agent that could change them would judge itself
      next: leave the file as it is; a person changes it in a commit of their own

      The policy, hooks, CI, agents' instructions, editors' tasks, migrations and keys are protected by a built-in list that no policy can empty; `perimeter.protect` adds to it. Names are compared as the most generous file system would: case, look-alike letters, invisible characters and dots at the end do not help.

      found: a fix that also edits `.github/workflows/ci.yml`
      instead: commit the fix alone; a person changes the workflow
    stderr:
    ");
    assert_snapshot!(repo.guard(["policy", "rule", "path-protectd"]), @"
    exit: 2
    stdout:
    stderr:
    error: there is no rule `path-protectd`
    hint: the nearest is `path-protected`
    ");
}

#[test]
fn all_rules_are_listed() {
    let repo = Repo::python_sample();
    let rules = repo.guard(["policy", "rules"]);
    assert!(rules.starts_with("exit: 0\n"), "{rules}");
    for id in [
        "path-protected",
        "too-many-lines",
        "merge-introduces-changes",
    ] {
        assert!(rules.contains(id), "{rules}");
    }
    let json = repo.guard(["policy", "rules", "--format", "json"]);
    for field in [
        "id", "group", "level", "closed", "why", "next", "more", "refused", "instead",
    ] {
        assert!(json.contains(&format!("\"{field}\": ")), "{json}");
    }
}

#[test]
fn without_a_policy_there_is_nothing_to_show() {
    let repo = Repo::empty();
    assert_snapshot!(repo.guard(["policy", "show"]), @"
    exit: 2
    stdout:
    stderr:
    error: read `.koan-guard.yaml`: No such file or directory (os error 2)
    hint: `koan-guard init` writes one; `--base REV` reads a committed one
    ");
}

#[test]
fn install_and_uninstall_leave_the_repository_as_it_was() {
    let repo = Repo::python_sample();
    let before = repo.state();
    assert_snapshot!(repo.guard(["install"]), @"
    exit: 0
    stdout:
    hooks in `[repo]/.git/hooks`
      pre-commit     added
      commit-msg     added
      post-commit    added
      post-rewrite   added
      pre-push       added
      git config     notes.rewriteRef
      git config     notes.koan.mergeStrategy
    stderr:
    ");
    assert_snapshot!(repo.guard(["install"]), @"
    exit: 0
    stdout:
    hooks in `[repo]/.git/hooks`
      pre-commit     there already
      commit-msg     there already
      post-commit    there already
      post-rewrite   there already
      pre-push       there already
    stderr:
    ");
    assert_snapshot!(repo.guard(["uninstall"]), @"
    exit: 0
    stdout:
    hooks in `[repo]/.git/hooks`
      pre-commit     removed
      commit-msg     removed
      post-commit    removed
      post-rewrite   removed
      pre-push       removed
      git config     notes.koan.mergeStrategy
      git config     notes.rewriteRef
    stderr:
    ");
    assert_eq!(repo.state(), before);
    assert_snapshot!(repo.guard(["uninstall"]), @"
    exit: 0
    stdout:
    hooks in `[repo]/.git/hooks`
    stderr:
    ");
}

#[test]
fn hooks_of_the_whole_machine_are_left_alone() {
    let repo = Repo::python_sample();
    repo.git(["config", "--global", "core.hooksPath", "~/hooks"]);
    let before = repo.state();
    assert_snapshot!(repo.guard(["install"]), @r#"
    exit: 2
    stdout:
    stderr:
    error: `core.hooksPath` is `~/hooks` for every repository of this user, not for this one alone
    hint: `git config core.hooksPath "$(git rev-parse --path-format=absolute --git-common-dir)/hooks"` gives this repository hooks of its own; those of the shared folder do not run here then
    "#);
    assert_eq!(repo.state(), before);
    assert!(!repo.home().join("hooks").exists());
}

#[test]
fn a_folder_of_hooks_in_the_users_own_folder_is_found() {
    let repo = Repo::python_sample();
    repo.git(["config", "core.hooksPath", "~/hooks"]);
    assert_snapshot!(repo.guard(["install"]), @"
    exit: 0
    stdout:
    hooks in `[home]/hooks`
      pre-commit     added
      commit-msg     added
      post-commit    added
      post-rewrite   added
      pre-push       added
      git config     notes.rewriteRef
      git config     notes.koan.mergeStrategy
    stderr:
    ");
    assert!(repo.home().join("hooks/pre-commit").is_file());
    assert!(!repo.root.join("~").exists());
}

#[test]
fn a_wrong_command_line_is_said_to_be_wrong() {
    let repo = Repo::python_sample();
    for args in [["chek", "HEAD"], ["check", "--bse=x"], ["hook", "nothing"]] {
        let answer = repo.guard(args);
        assert!(
            answer.starts_with("exit: 2\nstdout:\nstderr:\nerror: "),
            "{answer}"
        );
    }
}

#[test]
fn help_and_version_are_answers() {
    let repo = Repo::empty();
    assert!(
        repo.guard(["--version"])
            .starts_with("exit: 0\nstdout:\nkoan-guard ")
    );
    assert!(
        repo.guard(["check", "--help"])
            .starts_with("exit: 0\nstdout:\nJudge ")
    );
}
