//! The tests of a source by name, each with its lines, as far as keywords and indentation tell. Nothing is decided by this alone: it only
//! adds doubts, or says which test a vanished one has become.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::change::RepoPath;
use crate::suite::TestId;

/// Texts by name; a name that stands twice has two.
pub(super) type Bodies<'a> = BTreeMap<&'a str, Vec<String>>;

/// How the tests of a language begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    /// By a keyword and an identifier.
    Keyword(&'static str),
    /// By a call with a title: `it("adds", ...)`, `test "adds" do`, `@test "adds" {`.
    Titles,
}

impl Heads {
    /// `None` where the language is not known.
    pub fn of(path: &RepoPath) -> Option<Heads> {
        match path.extension()? {
            b"py" | b"pyi" => Some(Heads::Keyword("def ")),
            b"rs" => Some(Heads::Keyword("fn ")),
            b"go" => Some(Heads::Keyword("func ")),
            b"php" => Some(Heads::Keyword("function ")),
            // `def test_x` is a head among the titles too: minitest has both.
            b"rb" | b"js" | b"mjs" | b"cjs" | b"jsx" | b"ts" | b"mts" | b"cts" | b"tsx"
            | b"bats" => Some(Heads::Titles),
            _ => None,
        }
    }

    /// The tests and other functions of a source, each with its lines from its first attribute or decorator to its end. White space around
    /// lines, blank lines and comments do not count.
    pub fn bodies(self, text: &str) -> Bodies<'_> {
        let lines: Vec<&str> = text.lines().collect();
        let mut bodies = Bodies::new();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = self.head(line) else {
                continue;
            };
            let is_above = |line: &&&str| {
                !line.trim().is_empty() && indent(line) >= indent(lines[at]) && !ends_block(line)
            };
            let n_above = match self {
                Heads::Keyword(_) => lines[..at].iter().rev().take_while(is_above).count(),
                Heads::Titles => 0,
            };
            let is_inside = |below: &&&str| {
                below.trim().is_empty()
                    || indent(below) > indent(line)
                    || indent(below) == indent(line) && closes(below)
            };
            let n_below = lines[at + 1..].iter().take_while(is_inside).count();
            let own = lines[at - n_above..=at + n_below].iter();
            let own = own.map(|line| line.trim());
            let own = own.filter(|line| {
                !line.is_empty()
                    && !line.starts_with("//")
                    && (!line.starts_with('#') || line.starts_with("#["))
            });
            let text = own.collect::<Vec<_>>().join("\n");
            bodies.entry(name).or_default().push(text);
        }
        bodies
    }

    /// The name of the innermost test or function around line `n`, counted from one.
    pub fn around<'a>(self, lines: &[&'a str], n: usize) -> Option<&'a str> {
        let mut depth = indent(lines.get(n.checked_sub(1)?)?);
        for line in lines[..n - 1].iter().rev() {
            if line.trim().is_empty() || indent(line) >= depth {
                continue;
            }
            depth = indent(line);
            if let Some(name) = self.head(line) {
                return Some(name);
            }
        }
        None
    }

    fn head(self, line: &str) -> Option<&str> {
        match self {
            Heads::Keyword(keyword) => defined(keyword, line),
            Heads::Titles => {
                let title = TITLE.captures(line).and_then(|found| {
                    found
                        .get(1)
                        .or(found.get(2))
                        .or(found.get(3))
                        .or(found.get(4))
                });
                title.map(|title| title.as_str())
            }
        }
    }
}

static TITLE: LazyLock<Regex> = LazyLock::new(|| {
    let words = "(?:it|test|specify|example|scenario|@test|fit|xit|xtest|xspecify)";
    let text = format!(
        r#"^\s*(?:{words}(?:\.[a-z]+)*\s*\(?\s*(?:"([^"]+)"|'([^']+)'|`([^`]+)`)|def\s+(test\w+))"#
    );
    Regex::new(&text).expect("it is used by a test")
});

/// Whether a test's id ends with this name: parameters and counts of equal names do not count.
pub(super) fn names(test: &TestId, name: &str) -> bool {
    let id = test.0.split(['[']).next().unwrap_or(&test.0);
    let id = match id.rsplit_once('#') {
        Some((id, n)) if n.bytes().all(|byte| byte.is_ascii_digit()) => id,
        _ => id,
    };
    // Go's subtests stand behind a slash, PHP's data sets behind words.
    let id = id.split(" with data set ").next().unwrap_or(id).trim_end();
    let ends = |id: &str| {
        id.strip_suffix(name)
            .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    ends(id) || id.split('/').any(ends)
}

/// The name of the function that a line begins.
fn defined<'a>(keyword: &str, line: &'a str) -> Option<&'a str> {
    let (before, rest) = line.split_once(keyword)?;
    let is_head = before.chars().all(|c| {
        c.is_alphanumeric()
            || c.is_whitespace()
            || matches!(c, '(' | ')' | '#' | '[' | ']' | '_' | ':')
    });
    let name = rest
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (is_head && !name.is_empty()).then_some(name)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A line at a function's own indentation that still belongs to it.
fn closes(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(['{', '}', ')', ']']) || line.starts_with("where") || line == "end"
}

/// What stands above and belongs to something else.
fn ends_block(line: &str) -> bool {
    let line = line.trim();
    matches!(line, "}" | "{" | "end")
        || line.ends_with('{') && !line.starts_with("#[")
        || line.starts_with("class ")
        || line.ends_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, &str)]) {
        let heads = Heads::of(&path.into()).expect("a known language");
        let bodies = heads.bodies(text);
        let found: Vec<(&str, String)> = bodies
            .iter()
            .map(|(name, texts)| (*name, texts.join(" | ").replace('\n', "; ")))
            .collect();
        let expected: Vec<(&str, String)> = expected
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tests_with_titles_are_found_in_each_language() {
        check(
            "a.test.ts",
            "describe('cart', () => {\n  it(\"adds\", async () => {\n    // why\n    expect(1).toBe(1)\n  })\n  test.each([1])(`n`, () => {})\n})\n",
            &[("adds", "it(\"adds\", async () => {; expect(1).toBe(1); })")],
        );
        check(
            "a_spec.rb",
            "describe Cart do\n  it 'adds' do\n    expect(1).to eq 1\n  end\n\n  def test_b\n    assert x\n  end\nend\n",
            &[
                ("adds", "it 'adds' do; expect(1).to eq 1; end"),
                ("test_b", "def test_b; assert x; end"),
            ],
        );
        check(
            "a.bats",
            "@test \"adds\" {\n  [ 1 = 1 ]\n}\n",
            &[("adds", "@test \"adds\" {; [ 1 = 1 ]; }")],
        );
        check(
            "a_test.go",
            "func TestA(t *testing.T) {\n\tt.Fatal()\n}\n",
            &[("TestA", "func TestA(t *testing.T) {; t.Fatal(); }")],
        );
        check(
            "ATest.php",
            "class ATest\n{\n    use Prices;\n    public function testA(): void\n    {\n        $this->fail();\n    }\n    #[Test]\n    public function b(): void\n    {\n    }\n}\n",
            &[
                ("b", "#[Test]; public function b(): void; {; }"),
                (
                    "testA",
                    "public function testA(): void; {; $this->fail();; }",
                ),
            ],
        );
        // What is said of a function does not begin one.
        check(
            "a.rs",
            "// not fn b\nfn a() {\n    1;\n}\n",
            &[("a", "fn a() {; 1;; }")],
        );
    }

    #[test]
    fn an_id_ends_with_the_name_of_its_test() {
        for (id, name, expected) in [
            ("tests/test_a.py::TestA::test_b[1-2]", "test_b", true),
            ("tests/test_a.py::TestA::test_bb", "test_b", false),
            ("test_a.A.test_b", "test_b", true),
            ("shop cart::tests::test_b", "test_b", true),
            ("a.test.js::cart > adds", "adds", true),
            ("a.test.js::cart > adds#2", "adds", true),
            ("a.test.js::cart > never adds", "adds", true),
            ("pkg TestA/sub", "TestA", true),
            ("A::testB with data set #0", "testB", true),
            ("test/a_test.rb::ATest#test_b", "test_b", true),
            ("a::test_b", "b", false),
        ] {
            assert_eq!(names(&TestId(id.into()), name), expected, "{id} {name}");
        }
    }
}
