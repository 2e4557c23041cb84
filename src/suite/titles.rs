//! The tests of a JavaScript source by their titles, as its lines and their indentation tell; no parser takes part.

/// One `it(..)` or `test(..)` and the lines that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titled {
    /// With the titles of the groups around it; a number follows where it comes again.
    pub name: String,
    /// Without white space around the lines, blank lines and comments.
    pub body: String,
}

const TESTS: [&str; 3] = ["test", "it", "specify"];
const GROUPS: [&str; 3] = ["describe", "suite", "context"];

/// Whether a file of this extension is read here.
pub fn speaks(extension: Option<&[u8]>) -> bool {
    const EXTENSIONS: [&[u8]; 8] = [b"js", b"cjs", b"mjs", b"jsx", b"ts", b"cts", b"mts", b"tsx"];
    extension.is_some_and(|own| EXTENSIONS.contains(&own))
}

/// The title of the test that a line begins.
pub fn begun(line: &str) -> Option<&str> {
    title(line, &TESTS)
}

/// The last title of a test's id, without its number: `b` of `test/a.test.js::a > b#2`. `None` for ids of other languages.
pub fn of_id(id: &str) -> Option<&str> {
    let (file, titles) = id.split_once("::")?;
    // vitest's projects stand behind a file that several of them run.
    let file = file.split(" [").next().unwrap_or(file);
    let (_, extension) = file.rsplit_once('.')?;
    if !speaks(Some(extension.as_bytes())) {
        return None;
    }
    let last = titles.rsplit(" > ").next().unwrap_or(titles);
    Some(match last.rsplit_once('#') {
        Some((name, n)) if !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()) => name,
        _ => last,
    })
}

/// The tests of a source, in order.
pub fn tests(text: &str) -> Vec<Titled> {
    let mut tests: Vec<Titled> = Vec::new();
    let mut groups: Vec<(usize, &str)> = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for line in text.lines() {
        let code = line.trim();
        if code.is_empty() || code.starts_with("//") {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let Some((test, depth)) = open {
            let closes = indent == depth && code.starts_with([')', '}', ']']);
            if indent > depth || closes {
                tests[test].body.push_str(code);
                tests[test].body.push('\n');
                continue;
            }
            open = None;
        }
        groups.retain(|&(depth, _)| depth < indent);
        if let Some(own) = begun(line) {
            let titles = groups.iter().map(|(_, group)| *group);
            let name = titles.chain([own]).collect::<Vec<_>>().join(" > ");
            let body = format!("{}\n", code.replacen(own, "", 1));
            open = Some((tests.len(), indent));
            tests.push(Titled { name, body });
        } else if let Some(group) = title(line, &GROUPS) {
            groups.push((indent, group));
        }
    }
    number(&mut tests);
    tests
}

/// Tests of one name all run, unlike functions of one name.
fn number(tests: &mut [Titled]) {
    for at in (0..tests.len()).rev() {
        let name = &tests[at].name;
        let n_before = tests[..at].iter().filter(|test| test.name == *name).count();
        if n_before > 0 {
            tests[at].name = format!("{name}#{}", n_before + 1);
        }
    }
}

fn title<'a>(line: &'a str, words: &[&str]) -> Option<&'a str> {
    let code = line.trim_start();
    let code = code.strip_prefix("await ").unwrap_or(code);
    let code = code.strip_prefix("t.").unwrap_or(code);
    let word = words.iter().find(|word| code.starts_with(**word))?;
    let rest = &code[word.len()..];
    if !rest.starts_with(['(', '.', '`']) {
        return None;
    }
    // What a table of cases says stands before the title.
    let rest = match rest.rfind(")(").filter(|_| rest.starts_with(".each(")) {
        Some(at) => &rest[at + 1..],
        None => rest,
    };
    let start = rest.find(['\'', '"', '`'])?;
    let quote = &rest[start..start + 1];
    let inner = &rest[start + 1..];
    let mut end = 0;
    loop {
        let at = end + inner[end..].find(quote)?;
        let n_backslashes = inner[..at]
            .bytes()
            .rev()
            .take_while(|&byte| byte == b'\\')
            .count();
        if n_backslashes % 2 == 0 {
            return Some(&inner[..at]);
        }
        end = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_of_a_test_is_its_first_word_in_quotes() {
        for (line, expected) in [
            ("test('a b', () => {", Some("a b")),
            ("  it.only(\"it's\", async () => {", Some("it's")),
            ("it('it\\'s', () => {", Some("it\\'s")),
            ("  it.each([['x', 1]])('is %s', (a, b) => {", Some("is %s")),
            ("    await t.test(`x`, () => {", Some("x")),
            ("describe('a', () => {", None),
            ("iterate('a')", None),
            ("test(name, () => {", None),
        ] {
            assert_eq!(begun(line), expected, "{line}");
        }
    }

    #[test]
    fn an_id_ends_with_its_title() {
        for (id, expected) in [
            ("test/a.test.js::a", Some("a")),
            ("src/a.spec.ts::group > b: c::d#2", Some("b: c::d")),
            ("tests/test_a.py::test_a", None),
            ("shop::cart::tests::a", None),
        ] {
            assert_eq!(of_id(id), expected, "{id}");
        }
    }

    #[test]
    fn tests_have_bodies_and_groups() {
        let text = "\
describe('g', () => {
  it('a', () => {
    expect(1).toBe(1);
  });

  it('a', () => { expect(2).toBe(2); });
});
test('b', () => {
  // why
  expect(3).toBe(3);
});
";
        let found: Vec<(String, usize)> = tests(text)
            .into_iter()
            .map(|test| (test.name, test.body.lines().count()))
            .collect();
        let expected = [("g > a", 3), ("g > a#2", 1), ("b", 3)];
        let expected = expected.map(|(name, n)| (name.to_owned(), n));
        assert_eq!(found, expected);
    }
}
