//! The page of each rule: what it looks at beyond its one sentence, what it refuses, and the legal way.

use super::Rule;

/// What a rule says of itself to who wants to know more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Page {
    /// A few sentences.
    pub more: &'static str,
    /// An example of what is found.
    pub refused: &'static str,
    /// What to do in its place.
    pub instead: &'static str,
}

impl Rule {
    pub fn page(self) -> Page {
        let (more, refused, instead) = text(self);
        Page {
            more,
            refused,
            instead,
        }
    }
}

#[rustfmt::skip]
fn text(rule: Rule) -> (&'static str, &'static str, &'static str) {
    match rule {
        Rule::PathProtected => (
            "The policy, hooks, CI, agents' instructions, editors' tasks, migrations and keys are protected by a built-in list that no policy can empty; `perimeter.protect` adds to it. Names are compared as the most generous file system would: case, look-alike letters, invisible characters and dots at the end do not help.",
            "a fix that also edits `.github/workflows/ci.yml`",
            "commit the fix alone; a person changes the workflow",
        ),
        Rule::PathNotAllowed => (
            "Where `perimeter.allow` lists globs, everything else is closed. Without a list every path is open but for the protected ones.",
            "`allow: [\"src/**\", \"tests/**\"]`, and a change of `scripts/run.sh`",
            "fix the bug in `src/`, or have a person widen `perimeter.allow` first",
        ),
        Rule::PathEncoding => (
            "Control and direction characters, letters of two scripts in one word, bytes that are not UTF-8, dots and spaces at the end of a part, and everything that some file system takes for `.git`.",
            "`src/pay<U+2024>py`, `.GIT/config`, `src/a.py.`",
            "a name of plain letters, digits, `-`, `_` and `.`",
        ),
        Rule::PathCaseCollision => (
            "Compared with everything in the same folders of the judged tree, by the folded form of both names.",
            "adding `src/Cart.py` beside `src/cart.py`",
            "another name, or an edit of the file that is there",
        ),
        Rule::TooManyFiles => (
            "Counts production files, and new ones by themselves (`perimeter.limits.files`, `new_files`); tests have a limit of their own (`perimeter.test_limits.files`), documents none. A rename counts at both ends.",
            "a fix that touches `cart.py`, `prices.py` and `main.py`, with `files: 2`",
            "fix one cause; open another issue for the next one",
        ),
        Rule::TooManyLines => (
            "Added and removed lines of production code together, blank lines and comments included (`perimeter.limits.lines`); added lines of tests (`perimeter.test_limits.added`).",
            "a fix of 80 lines, with `lines: 50`",
            "the smallest change that turns the new test green",
        ),
        Rule::TooManyHunks => (
            "A hunk is a run of changed lines. Many of them are edits in many places (`perimeter.limits.hunks`).",
            "a name changed in 14 places on the way",
            "leave the name; change the lines that are wrong",
        ),
        Rule::TooManyDirectories => (
            "Folders of production files that change (`perimeter.limits.directories`).",
            "one change in `api/`, `core/` and `web/`",
            "fix the bug where its cause is",
        ),
        Rule::LineTooLong => (
            "In bytes, of added lines of production code (`perimeter.limits.line_length`). Code far to the right of a screen is not seen in a review.",
            "a line whose end, after 600 spaces, is `; os.system(x)`",
            "lines as the project's formatter writes them",
        ),
        Rule::FileTooBig => (
            "In bytes (`perimeter.limits.file_bytes`, `perimeter.test_limits.file_bytes`).",
            "a dump of 3 MB as a fixture",
            "the few lines of it that the test needs",
        ),
        Rule::BinaryFile => (
            "A blob with a NUL byte or that is not UTF-8. Attributes do not decide it.",
            "an image, an archive, a compiled module",
            "build what the test needs in the test",
        ),
        Rule::Symlink => ("Any entry of mode 120000 that is new or points elsewhere.", "`config.py` as a link to `/etc/passwd`", "a regular file"),
        Rule::Submodule => ("Any entry of mode 160000 that is new, gone or at another commit.", "`vendor/lib` at a new commit", "leave it; a person updates submodules"),
        Rule::ModeChange => ("A file that becomes executable, or no longer is, or is added as one.", "`data.txt` becomes executable", "`git update-index --chmod=-x FILE`"),
        Rule::LfsPointer => ("A text of the form of a Git LFS pointer.", "`version https://git-lfs.github.com/spec/v1`", "leave large files to a person"),
        Rule::GeneratedOrVendored => (
            "Folders of foreign code (`vendor`, `node_modules`, `third_party`), names that generators write, and a first line that says `generated … DO NOT EDIT`.",
            "an edit of `api_pb2.py`",
            "change `api.proto` and have a person generate it anew",
        ),
        Rule::GitattributesChanged => ("At any depth. The guard itself reads no attributes.", "`*.py -diff`", "leave attributes to a person"),
        Rule::ForbiddenPattern => (
            "Expressions of `perimeter.forbid`, of the policy or a preset, each with an id, a reason, globs, and the side it is looked for on. A match may be broken over lines.",
            "`requests.get(url, verify=False)`",
            "what the pattern's own reason says",
        ),
        Rule::HiddenText => (
            "Characters that turn the direction of writing, are not drawn, or are drawn like Latin letters within a word of Latin ones.",
            "`access<U+200B>_level = 1`, with a space of no width",
            "plain characters; in a string an escape such as `\\u200b`",
        ),
        Rule::DestructiveOperation => (
            "SQL that drops, truncates, or deletes and updates without `WHERE`; mass deletions of common libraries; deleting folders; writing to devices; `git push --force`, `reset --hard` and their kin; `curl … | sh`. White space and line breaks do not matter, literals are joined (`\"DR\" + \"OP TABLE\"`), coded text is decoded once, and computed names (`getattr(os, name)`) count. Looked for in production files; what no test would do, such as `rm -rf /`, also in tests, and running a download everywhere. A line that was there before, moved or indented anew, is none.",
            "`shutil.rmtree(path)`, `User.objects.all().delete()`, `DELETE FROM users;`",
            "delete the one file or the rows that are meant: `path.unlink()`, `User.objects.filter(id=id).delete()`",
        ),
        Rule::SuppressionAdded => (
            "Comments and attributes for linters, type checkers and coverage tools: `# noqa`, `# type: ignore`, `eslint-disable`, `@ts-ignore`, `#[allow(..)]`, `//nolint`, `rubocop:disable`, `@SuppressWarnings` and others, in production files.",
            "`total = f(x)  # type: ignore`",
            "give `x` the right type",
        ),
        Rule::NetworkOrProcessAdded => (
            "A call that opens a connection or starts a process, by the idioms of each language, in production files; more of them in the changed files than before.",
            "`subprocess.run([\"convert\", name])` in a file that did not start processes",
            "the library that the file already uses",
        ),
        Rule::EnvironmentProbe => (
            "Production code that names a test runner's variables or modules, asks whether it is under test, in CI, or under the guard. The proof doubts many more lines of this kind; these say it by themselves.",
            "`if \"pytest\" in sys.modules: return 42`",
            "a parameter that the test passes",
        ),
        Rule::SecretAdded => (
            "The forms that providers give their keys, and random values beside a name that tells (`api_key`, `password`), in files of every kind, in paths and in the message; also put together from literals and decoded once. It is never repeated in an answer.",
            "`API_KEY = \"…\"` with a random value of 40 letters",
            "`API_KEY = os.environ[\"API_KEY\"]`; for what is no secret, its digest in `perimeter.not_secrets`",
        ),
        Rule::TooLargeToRead => (
            "A blob of more than 16 MiB is not read, so nothing in it is looked for. No waiver of a secret helps here: nobody knows what it holds.",
            "a database dump of 200 MB",
            "what the test needs of it, as text",
        ),
        Rule::ManifestChanged => ("Files that name dependencies, of all common package managers, at any depth.", "a new line in `pyproject.toml`", "the standard library, or what is installed already"),
        Rule::LockfileChanged => ("Files that say which versions are installed.", "`package-lock.json` after `npm install`", "`git checkout -- package-lock.json`"),
        Rule::BuildScriptChanged => (
            "`build.rs`, `setup.py`, makefiles, CMake, Gradle, MSBuild, bundlers' configuration, gemspecs, `mix.exs`, and the scripts of `package.json` and `composer.json` that somebody calls (`test`, `build`). Most of them decide how tests run too.",
            "`\"test\": \"true\"` in `package.json`",
            "leave the scripts; fix the code that they build",
        ),
        Rule::InstallScriptChanged => (
            "Scripts that run without being asked for: `preinstall`, `install`, `postinstall`, `prepare` and their kin in `package.json`, events of Composer, `binding.gyp`, `extconf.rb`, maintainer scripts of packages, `install.sh`.",
            "`\"postinstall\": \"node setup.js\"`",
            "do it where the program starts, or leave it to a person",
        ),
        Rule::TestDeleted => (
            "Test functions that are gone by name, deleted test files, and tests that a later one of the same name hides. A test that went elsewhere with its body, where a runner finds it, is none.",
            "`def test_total` is removed because the fix breaks it",
            "keep the test; make the fix pass it",
        ),
        Rule::TestRenamedAway => (
            "A deleted test file at least half of which is added at a path that is no test path: outside of `proof.tests`, with another extension, or without the mark in its name that runners look for.",
            "`tests/test_cart.py` becomes `attic/cart.py`",
            "leave it where it is",
        ),
        Rule::TestSkipped => (
            "Marks that switch a test off or leave only others on, in each language: `skip`, `xfail`, `#[ignore]`, `.only`, `@Disabled`. A wholly new test may carry one.",
            "`@pytest.mark.skip` above a test that was there",
            "let it run, and fix what it finds",
        ),
        Rule::AssertionWeakened => (
            "In a test that was there: fewer lines of assertions, exact comparisons that become loose ones (`assertEqual` to `assertIn`), a wider tolerance. Told from the text alone, so the default only warns; the proof runs the old tests against the new code.",
            "`assert total == 3` becomes `assert total`",
            "a new test for what is new; a person changes what an old one expects",
        ),
        Rule::SnapshotOnly => (
            "The change touches production code, and of the tests only files that a tool writes (`*.snap`, `golden/`, `*.ambr`).",
            "`__snapshots__/cart.snap` after `jest -u`",
            "a test that says in its own words what was wrong",
        ),
        Rule::ProductionCodeUnderTests => (
            "A production file that moves under the globs of tests, and a production line that imports from there.",
            "`from tests.helpers import total` in `shop/cart.py`",
            "move the helper to production code, within its limits",
        ),
        Rule::RefactorSuspected => (
            "A production file that moves, one name changed to another in at least 4 lines, at least 8 lines that go from one hunk to another, or at least 8 edits of at most 2 lines.",
            "`total` renamed to `sum_of` on the way",
            "the fix alone; the renaming in a change of its own",
        ),
        Rule::PublicApiChanged => (
            "Signatures of exported functions by the forms of lines in Python, JavaScript, TypeScript, Rust, Go, Ruby, PHP, Java, Kotlin and C#. In languages with optional parameters a new one with a default is let through.",
            "`def total(prices)` becomes `def total(prices, rate)`",
            "`def total(prices, rate=0)`",
        ),
        Rule::UnrelatedFiles => (
            "Where a digest tells the stack of the error that the message names (`--issues`), every production file should be among its frames.",
            "the stack is in `shop/cart.py`, the change in `shop/mail.py`",
            "fix it in `shop/cart.py`, or say in the message why not",
        ),
        Rule::MergeIntroducesChanges => ("The merge is made again and compared; any difference is judged as a change.", "a merge commit that also edits `auth.py`", "merge without editing; change in a commit of its own"),
        Rule::RootCommit => ("A commit without a parent, wherever it stands.", "an orphan branch", "`git switch -c fix main`"),
        Rule::EmptyCommit => ("A tree that is its parent's.", "`git commit --allow-empty`", "commit the fix and its test"),
        Rule::SignatureMissing => (
            "Off unless a policy asks for it. Only that there is a signature is looked at, in a commit that exists; whether it is good needs keys (`git verify-commit`, `audit --verify`).",
            "a commit made without `-S`, with `signature-missing: deny`",
            "`git commit -S`, or `git config commit.gpgsign true`",
        ),
        Rule::NotConventional => ("Conventional Commits 1.0, where `message.style` asks for it.", "`Fixed a bug`", "`fix: total of an empty cart`"),
        Rule::TypeNotAllowed => ("`message.types` lists what an agent may do.", "`feat: a wish list`", "`fix: …`, if it is one"),
        Rule::SubjectTooLong => ("In characters (`message.subject_length`), without the number of a pull request at its end.", "a subject of 120 characters", "a short subject, and the rest below an empty line"),
        Rule::TrailerMissing => ("Each of `message.require_trailers`, as git reads trailers.", "a fix without `Koan-Issue:`", "`Koan-Issue: k1:…` in the last paragraph"),
        Rule::TrailerUnknownIssue => ("Where a source is configured, the issue must be one of the digest's.", "`Koan-Issue: 42`", "the fingerprint as `extract` shows it"),
        Rule::GuardDirectiveInMessage => (
            "Trailers and phrases that only the guard or a person may write, and those that keep CI from running.",
            "`koan-guard: skip`, `[skip ci]`",
            "nothing; the trusted ref is where a person waives a rule",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_something_and_breaks_no_line() {
        for &rule in Rule::ALL {
            let Page {
                more,
                refused,
                instead,
            } = rule.page();
            for text in [more, refused, instead] {
                assert!(!text.is_empty() && !text.contains('\n'), "{rule}");
                let quotes = text.matches('`').count();
                assert_eq!(quotes % 2, 0, "{rule}: {text}");
            }
        }
    }
}
