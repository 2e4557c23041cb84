//! Cuts a change into its test part and its fix part, and makes the trees of the proof from them.

use gix::ObjectId;

use super::{Doubt, Gap, Shortfall};
use crate::change::{Change, Content, FileChange, FileMode, FileVersion, RepoPath};
use crate::git::{Blob, Edit, Repo};
use crate::policy::{FileKind, Policy};
use crate::suite::inline;

/// The parts of a change, by path.
#[derive(Debug, Default)]
pub struct Split {
    /// Files that belong to the tests as a whole.
    pub tests: Vec<RepoPath>,
    /// Production files whose inline tests change.
    pub inline: Vec<Inline>,
    /// Production files whose production part changes.
    pub fix: Vec<RepoPath>,
    /// Files that people read. They are BEFORE too: what a document says is no fix, and no test may go by it.
    pub documents: Vec<RepoPath>,
}

/// A production file with tests in it, in the two forms that no tree of the repository has.
#[derive(Debug)]
pub struct Inline {
    pub path: RepoPath,
    mode: FileMode,
    /// The parent's production code with the commit's tests.
    before: String,
    /// The commit's production code with the parent's tests.
    old_tests: String,
}

/// What of a change decides how tests run or what is installed for them: none of it may be in a change that is judged.
pub fn changed_inputs(change: &Change, policy: &Policy) -> Vec<Gap> {
    let files = change.files.iter();
    files
        .filter(|file| is_input(file, policy))
        .map(|file| Gap::JudgeInputChanged(file.path.clone()))
        .collect()
}

/// Also where it is protected: the perimeter is not asked by `prove`.
fn is_input(file: &FileChange, policy: &Policy) -> bool {
    let setup = policy.proof.setup.as_ref();
    setup.is_some_and(|setup| setup.is_input(&file.path))
        || policy.kind_of(&file.path) == FileKind::JudgeInput
}

impl Split {
    /// Sorts every file of the change into its part. `is_test_module` says which production files are tests by what declares them.
    pub fn of(
        change: &Change,
        policy: &Policy,
        is_test_module: impl Fn(&RepoPath) -> bool,
    ) -> Result<Split, Shortfall> {
        let mut split = Split::default();
        let mut short = Shortfall::default();
        for file in &change.files {
            if is_input(file, policy) {
                short.gaps.push(Gap::JudgeInputChanged(file.path.clone()));
                continue;
            }
            match policy.kind_of(&file.path) {
                FileKind::JudgeInput => {}
                FileKind::Test => split.tests.push(file.path.clone()),
                FileKind::Documentation => split.documents.push(file.path.clone()),
                FileKind::Protected | FileKind::Production if is_test_module(&file.path) => {
                    split.tests.push(file.path.clone());
                }
                FileKind::Protected | FileKind::Production => match split_inline(file) {
                    Ok(parts) => {
                        split.add(file, parts);
                        short.doubts.extend(conditions(file));
                    }
                    Err(reason) => short.doubts.push(Doubt::CannotSplit {
                        path: file.path.clone(),
                        reason,
                    }),
                },
            }
        }
        short.into_result(split)
    }

    fn add(&mut self, file: &FileChange, parts: Parts) {
        match parts {
            Parts::Fix => self.fix.push(file.path.clone()),
            Parts::Both { inline, has_fix } => {
                self.inline.push(inline);
                if has_fix {
                    self.fix.push(file.path.clone());
                }
            }
        }
    }

    pub fn has_tests(&self) -> bool {
        !self.tests.is_empty() || !self.inline.is_empty()
    }

    pub fn has_fix(&self) -> bool {
        !self.fix.is_empty()
    }

    /// Every file with a part in the tests.
    pub fn test_files(&self) -> Vec<RepoPath> {
        self.tests
            .iter()
            .chain(self.inline.iter().map(|inline| &inline.path))
            .cloned()
            .collect()
    }

    /// BEFORE: the parent's tree with the test part of the change.
    pub fn before(
        &self,
        repo: &Repo,
        change: &Change,
        parent_tree_id: ObjectId,
    ) -> anyhow::Result<ObjectId> {
        let paths = self.tests.iter().chain(&self.documents);
        let mut edits = whole_files(paths, change, |file| file.new.as_ref());
        edits.extend(self.inline.iter().map(|inline| inline.edit(&inline.before)));
        repo.edit_tree(parent_tree_id, edits)
    }

    /// The commit's tree with the parent's tests. What the commit's tests add is gone, what they change or remove is back.
    pub fn old_tests(
        &self,
        repo: &Repo,
        change: &Change,
        tree_id: ObjectId,
    ) -> anyhow::Result<ObjectId> {
        let mut edits = whole_files(&self.tests, change, |file| file.old.as_ref());
        edits.extend(
            self.inline
                .iter()
                .map(|inline| inline.edit(&inline.old_tests)),
        );
        repo.edit_tree(tree_id, edits)
    }
}

impl Inline {
    /// The parent's production code with the commit's tests.
    pub fn before(&self) -> &str {
        &self.before
    }

    fn edit(&self, text: &str) -> Edit {
        Edit::Put {
            path: self.path.clone(),
            mode: self.mode,
            content: Blob::Bytes(text.as_bytes().to_vec()),
        }
    }
}

fn whole_files<'a>(
    paths: impl IntoIterator<Item = &'a RepoPath>,
    change: &Change,
    side: impl Fn(&FileChange) -> Option<&FileVersion>,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    for path in paths {
        let version = change.file(path).and_then(&side);
        edits.push(match version {
            Some(version) => Edit::Put {
                path: path.clone(),
                mode: version.mode,
                content: Blob::Id(version.id),
            },
            None => Edit::Remove { path: path.clone() },
        });
    }
    // Removals first: a file may have become a folder.
    edits.sort_by_key(|edit| matches!(edit, Edit::Put { .. }));
    edits
}

/// New conditions of a Rust source under which its production code is another one in a test.
fn conditions(file: &FileChange) -> Vec<Doubt> {
    let text = |version: &Option<FileVersion>| {
        let text = version.as_ref().and_then(|version| version.content.text());
        text.unwrap_or_default().to_owned()
    };
    if file.path.extension() != Some(b"rs") {
        return Vec::new();
    }
    match inline::new_smells(&text(&file.old), &text(&file.new)) {
        Ok(smells) => smells
            .into_iter()
            .map(|smell| Doubt::TestAware {
                path: file.path.clone(),
                line: smell.line,
                text: smell.text,
            })
            .collect(),
        Err(reason) => vec![Doubt::CannotSplit {
            path: file.path.clone(),
            reason: reason.0,
        }],
    }
}

enum Parts {
    Fix,
    Both { inline: Inline, has_fix: bool },
}

/// Looks for tests inside a production file. Only Rust has them here; every other file is all fix.
fn split_inline(file: &FileChange) -> Result<Parts, String> {
    let (Some(old), Some(new)) = (&file.old, &file.new) else {
        // A new file's tests cannot have failed without it, and a deleted one's are gone: nothing to tell apart.
        return Ok(Parts::Fix);
    };
    if file.path.extension() != Some(b"rs") || old.content == new.content {
        return Ok(Parts::Fix);
    }
    let (Content::Text(old_bytes), Content::Text(new_bytes)) = (&old.content, &new.content) else {
        return Ok(Parts::Fix);
    };
    if !inline::may_hold_tests(old_bytes) && !inline::may_hold_tests(new_bytes) {
        return Ok(Parts::Fix);
    }
    let (Some(old_text), Some(new_text)) = (old.content.text(), new.content.text()) else {
        return Ok(Parts::Fix);
    };
    let before = inline::join(old_text, new_text).map_err(|reason| reason.0)?;
    let old_tests = inline::join(new_text, old_text).map_err(|reason| reason.0)?;
    if before == old_text {
        return Ok(Parts::Fix);
    }
    let has_fix = before != new_text;
    Ok(Parts::Both {
        inline: Inline {
            path: file.path.clone(),
            mode: new.mode,
            before,
            old_tests,
        },
        has_fix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    const RS: &str =
        "fn a() { 1 }\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn one() { 1 }\n}\n";

    /// A file of the judged change: path, old and new text.
    type Files<'a> = &'a [(&'a str, &'a str, &'a str)];

    fn trees(files: Files) -> (TestRepo, [ObjectId; 2]) {
        let test = TestRepo::new();
        let trees = [0, 1].map(|side| {
            test.write("base", format!("{side}\n"));
            for (path, old, new) in files {
                match [old, new][side] {
                    &"" => _ = std::fs::remove_file(test.path().join(path)),
                    text => _ = test.write(path, text),
                }
            }
            test.commit("a tree");
            test.id("HEAD^{tree}")
        });
        (test, trees)
    }

    /// The change of these files alone.
    fn change(test: &TestRepo, [old, new]: [ObjectId; 2]) -> Change {
        let mut change = test.open().diff(old, new).expect("a diff");
        change
            .files
            .retain(|file| file.path.to_str() != Some("base"));
        change
    }

    fn split(change: &Change) -> Result<Split, Shortfall> {
        let policy = "version: 1\nextends: [default, rust]\n";
        let policy = Policy::load(policy, "p.yaml").expect("loads");
        Split::of(change, &policy, |path| {
            path.to_str() == Some("src/module.rs")
        })
    }

    /// Which parts one file goes to.
    #[track_caller]
    fn check(path: &str, old: &str, new: &str, expected: &str) {
        let (test, trees) = trees(&[(path, old, new)]);
        let split = split(&change(&test, trees)).expect("a split");
        let parts = [
            ("test", !split.tests.is_empty()),
            ("inline", !split.inline.is_empty()),
            ("fix", !split.fix.is_empty()),
            ("document", !split.documents.is_empty()),
        ];
        let parts = parts.into_iter().filter(|(_, is_part)| *is_part);
        let parts: Vec<&str> = parts.map(|(part, _)| part).collect();
        assert_eq!(parts.join(" "), expected);
        assert_eq!(split.has_fix(), parts.contains(&"fix"));
        let has_tests = parts.contains(&"test") || parts.contains(&"inline");
        assert_eq!(split.has_tests(), has_tests);
        assert_eq!(!split.test_files().is_empty(), has_tests);
    }

    #[test]
    fn each_file_is_test_or_fix_or_both() {
        let fixed = RS.replace("a() { 1 }", "a() { 2 }");
        let tested = RS.replace("one() { 1 }", "one() { 2 }");
        let both = tested.replace("a() { 1 }", "a() { 2 }");
        let without = "fn a() { 1 }\n";
        check("src/a.rs", RS, &fixed, "fix");
        check("src/a.rs", RS, &tested, "inline");
        check("src/a.rs", RS, &both, "inline fix");
        check("src/a.rs", without, RS, "inline");
        check("src/a.rs", RS, without, "inline");
        check("src/a.rs", without, "fn a() { 2 }\n", "fix");
        check("src/a.rs", "", RS, "fix");
        check("src/a.py", RS, &tested, "fix");
        check("src/module.rs", RS, &both, "test");
        check("tests/a.rs", RS, &both, "test");
        check("README.md", "a\n", "b\n", "document");
    }

    #[test]
    fn a_new_condition_for_tests_in_code_is_a_doubt() {
        let aware = RS.replace("{ 1 }\n#", "{ if cfg!(test) { 2 } else { 1 } }\n#");
        let (test, trees) = trees(&[("src/a.rs", RS, &aware)]);
        let short = split(&change(&test, trees)).expect_err("a shortfall");
        let [Doubt::TestAware { line: 1, .. }] = &short.doubts[..] else {
            panic!("{short:?}");
        };
    }

    #[test]
    fn each_tree_has_the_tests_of_one_side_and_the_code_of_the_other() {
        let fixed = RS.replace("a() { 1 }", "a() { 2 }");
        let tested = RS.replace("one() { 1 }", "one() { 2 }");
        let both = tested.replace("a() { 1 }", "a() { 2 }");
        let files = [
            ("src/a.rs", RS, both.as_str()),
            ("src/b.rs", "1\n", "2\n"),
            ("tests/a.rs", "1\n", "2\n"),
            ("tests/new.rs", "", "2\n"),
            ("tests/old.rs", "1\n", ""),
            ("README.md", "1\n", "2\n"),
        ];
        let (test, trees) = trees(&files);
        let (repo, change) = (test.open(), change(&test, trees));
        let split = split(&change).expect("a split");
        let read = |tree_id: ObjectId| {
            files.map(|(path, ..)| {
                let content = repo.read_file(tree_id, &RepoPath::from(path));
                let content = content.expect("it is read").unwrap_or_default();
                String::from_utf8(content).expect("text")
            })
        };
        let before = split.before(&repo, &change, trees[0]).expect("a tree");
        assert_eq!(read(before), [&tested, "1\n", "2\n", "2\n", "", "2\n"]);
        assert_eq!(split.inline[0].before(), tested);
        let old_tests = split.old_tests(&repo, &change, trees[1]).expect("a tree");
        assert_eq!(read(old_tests), [&fixed, "2\n", "1\n", "", "1\n", "2\n"]);
    }
}
