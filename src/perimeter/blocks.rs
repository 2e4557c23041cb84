//! Tests of Ruby and PHP as far as indentation tells them: methods, and blocks with a description.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// A test with its classes or groups in front, and its lines without white space around them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub name: String,
    pub body: String,
}

/// How one language begins its tests and what they stand in.
struct Language {
    /// Captures the name.
    test: LazyLock<Regex>,
    group: LazyLock<Regex>,
    comment: &'static str,
}

static RUBY: Language = Language {
    test: LazyLock::new(|| {
        pattern(
            r#"^(?:def\s+(test\w*[?!]?)|(?:it|specify|example|scenario|test|should)\s*\(?\s*(?:"([^"]*)"|'([^']*)'))"#,
        )
    }),
    group: LazyLock::new(|| {
        pattern(
            r"^(?:class|module|(?:RSpec\.)?describe|context|feature)\b[\s(]*(.+?)\)?(?:\s+do\b.*|\s*<.*)?$",
        )
    }),
    comment: "#",
};

static PHP: Language = Language {
    test: LazyLock::new(|| pattern(r"^(?:(?:final|public|static)\s+)*function\s+(test\w*)\s*\(")),
    group: LazyLock::new(|| pattern(r"^(?:(?:final|abstract)\s+)*class\s+(\w+)")),
    comment: "//",
};

pub(super) fn ruby(text: &str) -> Vec<Block> {
    blocks(&RUBY, text)
}

pub(super) fn php(text: &str) -> Vec<Block> {
    blocks(&PHP, text)
}

/// What stands deeper than a test's first line is its body.
fn blocks(language: &Language, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut current: Option<usize> = None;
    // Descriptions need not differ, and hide nothing by being equal.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let code = line.trim();
        if code.is_empty() || code.starts_with(language.comment) {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let (Some(depth), Some(block)) = (current, blocks.last_mut()) {
            if indent > depth || code == "{" {
                block.body.push_str(code);
                block.body.push('\n');
                continue;
            }
            current = None;
        }
        // The brace of a class stands as deep as the class.
        if code == "{" {
            continue;
        }
        open.retain(|&(depth, _)| depth < indent);
        if let Some(captures) = language.test.captures(code) {
            let is_method = captures.get(1).is_some();
            let name = captures.iter().skip(1).flatten().next();
            let name = name.map_or("", |name| name.as_str());
            let groups = open.iter().map(|(_, group)| group.as_str());
            let mut name = groups.chain([name]).collect::<Vec<_>>().join(" ");
            if !is_method {
                let n = seen.entry(name.clone()).or_default();
                *n += 1;
                if *n > 1 {
                    name = format!("{name} #{n}");
                }
            }
            let end = captures.get(0).map_or(0, |whole| whole.end());
            let body = format!("{}\n", &code[end..]);
            blocks.push(Block { name, body });
            current = Some(indent);
        } else if let Some(group) = language.group.captures(code).and_then(|found| found.get(1)) {
            open.push((indent, group.as_str().trim_matches(['"', '\'']).to_owned()));
        }
    }
    blocks
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("each pattern is used by a test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(blocks: &[Block], expected: &[(&str, &str)]) {
        let found: Vec<(&str, &str)> = blocks
            .iter()
            .map(|block| (block.name.as_str(), block.body.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn ruby_has_methods_and_blocks() {
        check(
            &ruby(
                "class CartTest < Minitest::Test\n  def setup\n    x\n  end\n\n  def test_a\n    # why\n    assert 1\n  end\nend\n",
            ),
            &[("CartTest test_a", "\nassert 1\n")],
        );
        check(
            &ruby(
                "RSpec.describe Cart do\n  context \"empty\" do\n    it 'is' do\n      expect(1)\n    end\n    it(\"is\") { x }\n  end\nend\n",
            ),
            &[
                ("Cart empty is", " do\nexpect(1)\n"),
                ("Cart empty is #2", ") { x }\n"),
            ],
        );
    }

    #[test]
    fn php_has_methods() {
        check(
            &php(
                "<?php\nfinal class CartTest extends TestCase\n{\n    public function testA(): void\n    {\n        $this->fail();\n    }\n    public function data()\n    {\n    }\n}\n",
            ),
            &[("CartTest testA", "): void\n{\n$this->fail();\n")],
        );
    }
}
