//! BEFORE and AFTER once more, each with the other's production lines as comments: what they do is the same, what they say is not.
//!
//! A test that is red because of a text turns green where the text stands in a comment, and one that is green because a text is gone turns
//! red. The sources are of about one size then, too.

use anyhow::Context as _;
use gix::ObjectId;

use super::split::Split;
use crate::change::{Change, FileChange, FileMode, RepoPath};
use crate::git::{Blob, Edit, Repo};

/// The ids of the two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echoes {
    pub before: ObjectId,
    pub after: ObjectId,
}

/// What begins a comment that ends with its line.
pub(super) fn comment_mark(path: &RepoPath) -> Option<&'static str> {
    const SLASHES: [&[u8]; 20] = [
        b"rs", b"go", b"js", b"jsx", b"mjs", b"cjs", b"ts", b"mts", b"cts", b"tsx", b"java", b"kt",
        b"swift", b"c", b"h", b"cc", b"cpp", b"hpp", b"cs", b"php",
    ];
    const HASHES: [&[u8]; 7] = [b"py", b"pyi", b"rb", b"ex", b"exs", b"sh", b"bash"];
    let extension = path.extension()?;
    if SLASHES.contains(&extension) {
        Some("// ")
    } else {
        HASHES.contains(&extension).then_some("# ")
    }
}

pub(super) fn echoes(
    repo: &Repo,
    change: &Change,
    split: &Split,
    (before, after): (ObjectId, ObjectId),
) -> anyhow::Result<Echoes> {
    let (mut before_edits, mut after_edits) = (Vec::new(), Vec::new());
    for path in &split.fix {
        let (Some(file), Some(mark)) = (change.file(path), comment_mark(path)) else {
            continue;
        };
        let (Some(old), Some(new)) = (&file.old, &file.new) else {
            continue;
        };
        let (Some(old_text), Some(new_text)) = (old.content.text(), new.content.text()) else {
            continue;
        };
        // What stands below this mark in Ruby is data of the program.
        if [old_text, new_text]
            .iter()
            .any(|text| text.lines().any(|line| line == "__END__"))
        {
            continue;
        }
        let added = comments(mark, file.added_lines());
        before_edits.push(append(repo, before, file, old.mode, &added)?);
        let removed = comments(mark, file.removed_lines());
        after_edits.push(append(repo, after, file, new.mode, &removed)?);
    }
    Ok(Echoes {
        before: repo.edit_tree(before, before_edits)?,
        after: repo.edit_tree(after, after_edits)?,
    })
}

fn append(
    repo: &Repo,
    tree_id: ObjectId,
    file: &FileChange,
    mode: FileMode,
    comments: &[u8],
) -> anyhow::Result<Edit> {
    let path = &file.path;
    let mut content = repo
        .read_file(tree_id, path)?
        .with_context(|| format!("`{path}` is not in the tree that it was put into"))?;
    if !content.is_empty() && !content.ends_with(b"\n") {
        content.push(b'\n');
    }
    if content.trim_ascii_end().ends_with(b"?>") && path.extension() == Some(b"php") {
        content.extend_from_slice(b"<?php\n");
    }
    content.extend_from_slice(comments);
    Ok(Edit::Put {
        path: path.clone(),
        mode,
        content: Blob::Bytes(content),
    })
}

fn comments<'a>(mark: &str, lines: impl Iterator<Item = (usize, &'a [u8])>) -> Vec<u8> {
    let mut text = Vec::new();
    for (_, line) in lines {
        text.extend_from_slice(mark.as_bytes());
        // A carriage return would end the comment in some languages.
        let start = text.len();
        text.extend(line.iter().filter(|&&byte| byte != b'\r'));
        // So would this in PHP.
        while let Some(at) = text[start..].windows(2).position(|pair| pair == b"?>") {
            text.insert(start + at + 1, b' ');
        }
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    #[test]
    fn lines_become_comments_whatever_they_are() {
        let lines = [
            (1, &b"let x = 1;"[..]),
            (2, b"*/ // \r#!"),
            (3, b""),
            (4, b"?>?\r>"),
        ];
        let text = comments("// ", lines.into_iter());
        assert_eq!(
            String::from_utf8(text).expect("text"),
            "// let x = 1;\n// */ // #!\n// \n// ? >? >\n"
        );
    }

    #[test]
    fn only_languages_with_line_comments_have_an_echo() {
        for (path, mark) in [
            ("src/a.rs", Some("// ")),
            ("shop/a.py", Some("# ")),
            ("shop/a.json", None),
            ("Makefile", None),
        ] {
            assert_eq!(comment_mark(&path.into()), mark, "{path}");
        }
    }

    /// BEFORE and AFTER of `path` with each other's lines below.
    #[track_caller]
    fn check(path: &str, [old, new]: [&str; 2], expected: [&str; 2]) {
        let test = TestRepo::new();
        let [before, after] = [old, new].map(|text| test.tree(&[(path, text)]));
        let repo = test.open();
        let change = repo.diff(before, after).expect("a diff");
        let split = Split {
            fix: vec![path.into()],
            ..Split::default()
        };
        let echoes = echoes(&repo, &change, &split, (before, after)).expect("two trees");
        let texts = [echoes.before, echoes.after].map(|tree_id| {
            let content = repo.read_file(tree_id, &path.into()).expect("read");
            String::from_utf8(content.expect("it is there")).expect("text")
        });
        assert_eq!(texts, expected);
    }

    #[test]
    fn each_version_has_the_lines_of_the_other_below() {
        check(
            "a.py",
            ["x = 1\ny\n", "x = 2\ny\n"],
            ["x = 1\ny\n# x = 2\n", "x = 2\ny\n# x = 1\n"],
        );
        check("a.py", ["x", "y"], ["x\n# y\n", "y\n# x\n"]);
        check("a.py", ["", "y\n"], ["# y\n", "y\n"]);
        let text = ["<p><?= 1 ?>\n", "<?= 2 ?>\n"];
        check(
            "a.php",
            text,
            [
                "<p><?= 1 ?>\n<?php\n// <?= 2 ? >\n",
                "<?= 2 ?>\n<?php\n// <p><?= 1 ? >\n",
            ],
        );
        let text = ["<?php\nf(1);\n", "<?php\nf(2);\n"];
        check(
            "a.php",
            text,
            ["<?php\nf(1);\n// f(2);\n", "<?php\nf(2);\n// f(1);\n"],
        );
    }

    #[test]
    fn what_is_data_of_the_program_has_no_echo() {
        let text = ["x = 1\n__END__\na\n", "x = 2\n__END__\na\n"];
        check("a.rb", text, text);
        check("a.json", ["1\n", "2\n"], ["1\n", "2\n"]);
    }
}
