//! Lines by which the two parts of a change could come to an understanding: code that looks for its tests, and tests that look at the code
//! instead of running it. Such a change may be honest; no run can tell, so a person has to.

pub(super) mod languages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use self::languages::{Language, language};
use super::split::Split;
use super::{Doubt, mocked};
use crate::change::{Change, FileChange, RepoPath};
use crate::suite::{Outcome, TestRun, inline, titles};

/// An added line of code.
pub(super) struct Line<'a> {
    pub path: &'a RepoPath,
    pub n: usize,
    pub text: &'a str,
}

/// Code and tests that look at each other, by their added lines alone.
pub(super) fn doubts(change: &Change, split: &Split) -> Vec<Doubt> {
    let parts = Parts::of(change, split);
    let aware = parts.production.iter().filter_map(|line| {
        let found = find(line, |language| &language.aware)?;
        Some(Doubt::TestAware {
            path: line.path.clone(),
            line: line.n,
            text: found.to_owned(),
        })
    });
    let looking = parts.tests.iter().filter_map(|line| {
        let found = find(line, |language| &language.looking)?;
        Some(Doubt::SourceSensitive {
            path: line.path.clone(),
            line: line.n,
            text: found.to_owned(),
        })
    });
    let mocked = mocked::lines(change, split, &parts.tests);
    aware.chain(looking).chain(mocked).collect()
}

/// New tests that name what only the fix defines, and yet did not stumble over it `before`: they were ready for its absence. `left`: where
/// something did not even build and went, the rest of such a file, line by line in its place.
pub(super) fn markers(
    change: &Change,
    split: &Split,
    before: &TestRun,
    left: &BTreeMap<RepoPath, String>,
) -> Vec<Doubt> {
    let parts = Parts::of(change, split);
    let names = parts.new_names(change, split);
    if names.is_empty() {
        return Vec::new();
    }
    let stumbled: BTreeSet<&str> = before
        .results
        .iter()
        .filter(|(_, result)| result.outcome == Outcome::Errored || result.is_missing_name)
        .map(|(test, _)| function_name(&test.0))
        .collect();
    let is_stumbled_block = |line: &str| {
        defined_block(line).is_some_and(|name| {
            let errored = before.results.iter();
            let mut errored = errored.filter(|(_, result)| result.outcome == Outcome::Errored);
            errored.any(|(test, _)| {
                let id = test.0.rsplit_once(" #").map_or(&test.0[..], |(id, n)| {
                    if n.parse::<u32>().is_ok() {
                        id
                    } else {
                        &test.0
                    }
                });
                id.ends_with(name)
            })
        })
    };
    let mut doubts = Vec::new();
    // The function that the lines stand in, with its indentation, if it stumbled.
    let mut inside: Option<usize> = None;
    let left = left
        .iter()
        .map(|(path, text)| (path, text.lines().collect()));
    let left: BTreeMap<&RepoPath, Vec<&str>> = left.collect();
    for line in &parts.tests {
        let rest = left.get(line.path).map(|lines| lines.get(line.n - 1));
        let line = &Line {
            // Blanks at the end of a file are no line.
            text: rest.map_or(line.text, |rest| rest.copied().unwrap_or_default()),
            ..*line
        };
        let indent = line.text.len() - line.text.trim_start().len();
        if inside.is_some_and(|outer| indent <= outer) {
            inside = None;
        }
        let title = titles::begun(line.text).filter(|_| titles::speaks(line.path.extension()));
        let begun = title.or_else(|| defined_function(line.text));
        if begun.is_some_and(|name| stumbled.contains(name)) || is_stumbled_block(line.text) {
            inside = Some(indent);
        }
        if inside.is_some() {
            continue;
        }
        // A title says what the test is about.
        let text = line.text.replacen(title.unwrap_or_default(), "", 1);
        // A test of that name names itself.
        let own = own_name(line.text);
        let is_marker = |word: &&str| names.contains(word) && Some(*word) != own;
        if let Some(name) = words(&text).find(is_marker) {
            doubts.push(Doubt::SourceSensitive {
                path: line.path.clone(),
                line: line.n,
                text: name.to_owned(),
            });
        }
    }
    doubts
}

/// The added lines of code of both parts.
pub(super) struct Parts<'a> {
    pub production: Vec<Line<'a>>,
    pub tests: Vec<Line<'a>>,
}

impl<'a> Parts<'a> {
    pub fn of(change: &'a Change, split: &Split) -> Parts<'a> {
        let mut parts = Parts {
            production: Vec::new(),
            tests: Vec::new(),
        };
        for file in &change.files {
            let Some(language) = language(&file.path) else {
                continue;
            };
            let regions = test_lines(file);
            let is_test_file = split.tests.contains(&file.path);
            for (n, text) in file.added_lines() {
                let Ok(text) = std::str::from_utf8(text) else {
                    continue;
                };
                let code = text.trim();
                if code.is_empty() || code.starts_with(language.comment) {
                    continue;
                }
                let path = &file.path;
                let is_test = is_test_file || regions.iter().any(|range| range.contains(&n));
                let part = if is_test {
                    &mut parts.tests
                } else {
                    &mut parts.production
                };
                part.push(Line { path, n, text });
            }
        }
        parts
    }

    /// What the production lines define and the parent's production does not even mention.
    fn new_names(&self, change: &'a Change, split: &Split) -> BTreeSet<&'a str> {
        let known: BTreeSet<&str> = change
            .files
            .iter()
            .filter(|file| !split.tests.contains(&file.path))
            .filter_map(|file| file.old.as_ref()?.content.text())
            .flat_map(words)
            .collect();
        let mut names = BTreeSet::new();
        for line in &self.production {
            let Some(language) = language(line.path) else {
                continue;
            };
            for captures in language.defines.captures_iter(line.text) {
                let defined = captures.iter().skip(1).flatten();
                names.extend(defined.map(|name| name.as_str()));
            }
            names.extend(self.class_attribute(change, line));
            if titles::speaks(line.path.extension()) && exports(change, line) {
                names.extend(words(line.text));
            }
        }
        names.retain(|name| {
            !known.contains(name) && !name.starts_with("__") && !BLOCKS.contains(name)
        });
        names
    }

    /// The name that an indented Python line gives to its class; `None` in a function.
    fn class_attribute(&self, change: &'a Change, line: &Line<'a>) -> Option<&'a str> {
        static ASSIGNMENT: LazyLock<Regex> =
            LazyLock::new(|| languages::pattern(r"^\s+(\w+)\s*(?::[^=]*)?=[^=]"));
        let name = ASSIGNMENT.captures(line.text)?.get(1)?.as_str();
        let text = change.file(line.path)?.new.as_ref()?.content.text()?;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let above = text.lines().take(line.n.saturating_sub(1));
        let outer = above
            .filter(|above| !above.trim().is_empty() && indent(above) < indent(line.text))
            .last()?;
        outer.trim_start().starts_with("class ").then_some(name)
    }
}

/// Whether a line of JavaScript stands in a list of what its module exports.
fn exports(change: &Change, line: &Line) -> bool {
    let begins = |text: &str| {
        let code = text.trim_start();
        ["module.exports", "exports.", "export {", "export default {"]
            .iter()
            .any(|start| code.starts_with(start))
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let text = change
        .file(line.path)
        .and_then(|file| file.new.as_ref()?.content.text());
    let above = text
        .unwrap_or_default()
        .lines()
        .take(line.n.saturating_sub(1));
    let outer = above
        .filter(|above| !above.trim().is_empty() && indent(above) < indent(line.text))
        .last();
    begins(line.text) || outer.is_some_and(begins)
}

/// Words that look like the head of a method.
const BLOCKS: [&str; 6] = ["if", "for", "while", "switch", "catch", "with"];

/// The names that a line of production code defines.
pub(super) fn defined<'a>(path: &RepoPath, text: &'a str) -> Vec<&'a str> {
    let Some(language) = language(path) else {
        return Vec::new();
    };
    let captures = language.defines.captures_iter(text);
    captures
        .flat_map(|found| found.iter().skip(1).flatten().collect::<Vec<_>>())
        .map(|name| name.as_str())
        .filter(|name| !BLOCKS.contains(name))
        .collect()
}

/// The lines of the new version that stand in inline tests.
fn test_lines(file: &FileChange) -> Vec<std::ops::Range<usize>> {
    let text = file.new.as_ref().and_then(|version| version.content.text());
    let Some(text) = text.filter(|_| file.path.extension() == Some(b"rs")) else {
        return Vec::new();
    };
    inline::test_lines(text)
}

fn find<'a>(
    line: &Line<'a>,
    patterns: impl Fn(&'static Language) -> &'static LazyLock<Regex>,
) -> Option<&'a str> {
    let found = patterns(language(line.path)?).find(line.text)?;
    Some(found.as_str().trim())
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// `test_b` of `tests/test_a.py::TestA::test_b[1]`, `test_a.TestA.test_b`, `shop::cart::tests::test_b`, `test/a_test.rb::ATest#test_b` and
/// `tests/ATest.php::ATest::test_b with data set #0`.
pub(super) fn function_name(id: &str) -> &str {
    if let Some(title) = titles::of_id(id) {
        return title;
    }
    let id = id.split('[').next().unwrap_or(id);
    let id = id.split(" with data set ").next().unwrap_or(id);
    id.rsplit([':', '.', ' ', '#']).next().unwrap_or(id)
}

/// The name of the function without parameters that a line begins.
fn own_name(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fn ").or_else(|| line.split_once("def "))?;
    let (name, _) = rest.split_once("()")?;
    name.chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then_some(name)
}

/// The function that a line of Python, Ruby or PHP begins.
fn defined_function(line: &str) -> Option<&str> {
    let rest = line.trim_start();
    let rest = ["async ", "final ", "public "]
        .iter()
        .fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    let name = rest
        .strip_prefix("def ")
        .or_else(|| rest.strip_prefix("function "))?;
    words(name).next()
}

/// The description of the example that a line of Ruby begins.
fn defined_block(line: &str) -> Option<&str> {
    static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
        languages::pattern(
            r#"^\s*(?:it|specify|example|scenario|test|should)\s*\(?\s*(?:"([^"]+)"|'([^']+)')"#,
        )
    });
    let captures = BLOCK.captures(line)?;
    let name = captures.get(1).or_else(|| captures.get(2))?;
    Some(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Content, FileMode, FileVersion, Hunk, Lines};
    use crate::suite::{TestId, TestResult};

    #[track_caller]
    fn check(
        side: fn(&'static Language) -> &'static LazyLock<Regex>,
        path: &str,
        lines: &str,
        expected: bool,
    ) {
        let path = RepoPath::from(path);
        for text in lines
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.trim().is_empty())
        {
            let path = &path;
            let found = find(&Line { path, n: 1, text }, side);
            assert_eq!(found.is_some(), expected, "{text}: {found:?}");
        }
    }

    #[test]
    fn python_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
    if 'py' + 'test' in sys.modules:
import pytest
from unittest import mock
import os, unittest.mock
    from tests.helpers import every
    if os.path.exists("tests"):
    open("tests/data/prices.json")
    if any("TEST" in name for name in os.environ):
    os.getenv("PYTEST_CURRENT_TEST")
    name = sys._getframe(1).f_code.co_name
    if "runner" in sys.argv[0]:
    for frame in inspect.stack():
    m = __import__("uni" + "ttest")
    for f in gc.get_objects():
import gc
import sys as s
    s.modules
    sys.settrace(None)
    getattr(sys, "mod" + "ules")
    atexit.register(leave)
    os._exit(0)
    object.__subclasses__()
    open("/proc/self/cmdline")
    exec(code)
"#;
        check(|language| &language.aware, "shop/cart.py", suspicious, true);
    }

    #[test]
    fn python_code_of_other_kinds_is_left_alone() {
        let plain = r#"
    for price in prices:
    return self.latest["contest"]
    pattern = re.compile(r"\d+")
    sys.exit(main(sys.argv[1:]))
    path = os.environ.get("SHOP_HOME", "~")
    raise ValueError(f"no price for {kind}")
    import math, json
    result = latest(protest)
    log.info("greatest discount: %s", attest)
"#;
        check(|language| &language.aware, "shop/cart.py", plain, false);
    }

    #[test]
    fn python_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    assert getattr(cart, 'FIXED', False)
    assert hasattr(cart, 'FIXED')
    assert 'FIXED' in vars(cart)
    assert 'all' in total.__doc__
    assert '[1:]' not in inspect.getsource(total)
    open(cart.__file__)
    path = 'shop/cart.py'
    except ImportError:
    except (KeyError, AttributeError):
    except:
    with suppress(NameError):
    subprocess.run([sys.executable, '-c', code])
import importlib
pytest_plugins = ['tests.plug']
def pytest_runtest_call(item):
"#;
        check(
            |language| &language.looking,
            "tests/test_cart.py",
            suspicious,
            true,
        );
    }

    #[test]
    fn python_tests_of_other_kinds_are_left_alone() {
        let plain = r#"
    path = pathlib.Path(__file__).parent / 'data' / 'more.json'
    with pytest.raises(AttributeError, match='empty'):
    with pytest.raises(ValueError):
    assert getattr(order, name) == expected
    monkeypatch.setattr(cart, 'RATES', {})
    @pytest.mark.parametrize("given, expected", [([0, 5], 5)])
    except ValueError as error:
    assert directory.files() == []
    def test_pytest_like(self):
"#;
        check(
            |language| &language.looking,
            "tests/test_cart.py",
            plain,
            false,
        );
    }

    #[test]
    fn go_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
import "testing"
    if testing.Testing() {
    if flag.Lookup("test.v") != nil {
    if strings.HasSuffix(os.Args[0], ".test") {
    for _, arg := range os.Args {
    name := filepath.Base(os.Args[0])
    _, file, _, _ := runtime.Caller(1)
    runtime.Stack(buf, false)
    debug.PrintStack()
    os.Exit(0)
    syscall.Exit(0)
    os.Stdout = w
    os.Stdout, os.Stderr = w, w
    _, err := os.Stat("testdata/prices.json")
    os.Getenv("SHOP_TEST")
    matches, _ := filepath.Glob("*_test.go")
    _ "unsafe"
    os.ReadFile("/proc/self/cmdline")
"#;
        check(|language| &language.aware, "cart/cart.go", suspicious, true);
        let plain = r#"
    for _, price := range prices {
    return run(os.Args[1:])
    fmt.Fprintln(os.Stdout, sum)
    if os.Stdout == nil {
    contest := latest(protest)
    path := os.Getenv("SHOP_HOME")
    w := os.Stderr
    return fmt.Errorf("the greatest: %w", err)
"#;
        check(|language| &language.aware, "cart/cart.go", plain, false);
    }

    #[test]
    fn go_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    source, _ := os.ReadFile("cart.go")
import "go/parser"
    "go/ast"
    _, file, _, _ := runtime.Caller(0)
    m := reflect.ValueOf(c).MethodByName("Fixed")
    if _, ok := any(c).(interface{ Fixed() }); !ok {
    exec.Command("git", "log")
func TestMain(m *testing.M) {
    defer func() { recover() }()
    _ = recover()
    os.Exit(0)
    matches, _ := filepath.Glob("*.go")
    entries, _ := os.ReadDir(".")
    os.ReadFile("../go.mod")
"#;
        let test = "cart/cart_test.go";
        check(|language| &language.looking, test, suspicious, true);
        let plain = r#"
    data, err := os.ReadFile("testdata/prices.json")
    if got := Total([]int{1}); !reflect.DeepEqual(got, want) {
    t.Run(c.name, func(t *testing.T) {
    defer func() { if recover() == nil { t.Error("no panic") } }()
    dir := t.TempDir()
    got, ok := value.(int)
    {"1.5", 3},
"#;
        check(|language| &language.looking, test, plain, false);
    }

    #[test]
    fn scripts_that_look_for_their_tests_are_found() {
        let suspicious = r#"
  if [ -n "$BATS_TEST_NAME" ]; then
  [ "${FUNCNAME[1]}" = run ] && return
  echo "ok 1" >&3
  exec 3>/dev/null
  trap 'exit 0' ERR
  cat tests/prices.txt
  kill $PPID
  test() { return 0; }
  assert_equal() { :; }
"#;
        check(|language| &language.aware, "lib/cart.sh", suspicious, true);
        let plain = r#"
  for price in "$@"; do
  echo "error: no price" >&2
  trap 'rm -f "$tmp"' EXIT
  if test -z "$latest"; then
  exit 1
  total=$((total + price))
  run_all "$@"
"#;
        check(|language| &language.aware, "lib/cart.sh", plain, false);
    }

    #[test]
    fn tests_of_scripts_that_look_at_the_code_are_found() {
        let suspicious = r#"
  grep -q fixed lib/cart.sh
  run cat "$BATS_TEST_DIRNAME/../bin/cart"
  declare -f total
  [ "$(type -t every)" = function ]
  command -v every
  git log
  total 1 2 || true
  echo "ok 9" >&3
  run() { status=0; }
  exit 0
"#;
        let test = "tests/cart.bats";
        check(|language| &language.looking, test, suspicious, true);
        let plain = r#"
@test "every price" {
  run total 1 2
  [ "$status" -eq 0 ]
  [ "$output" = 3 ]
  source "$BATS_TEST_DIRNAME/../lib/cart.sh"
  run "$BATS_TEST_DIRNAME/../bin/cart" --sum 1 2
  grep -q total <<<"$output"
  load test_helper
"#;
        check(|language| &language.looking, test, plain, false);
    }

    #[test]
    fn ruby_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
    return 7 if defined?(RSpec)
    return 7 if Object.const_defined?(:Minitest)
    if caller.any? { |line| line.include?("x") }
    require "minitest/mock"
    if ENV["RACK_ENV"] == "test"
    return if Rails.env.test?
    if File.exist?("spec/data/prices.json")
    if $0.end_with?("rspec")
    if $PROGRAM_NAME == "x"
    ObjectSpace.each_object(IO)
    TracePoint.new(:raise)
    at_exit { leave }
    exit!(0)
    Process.exit!(0)
class Integer
    class ::String
    Integer.prepend(Module.new)
    Kernel.send(:define_method, :raise)
    String.class_eval("x")
    refine Array do
    IO.for_fd(3)
    $stdout = StringIO.new
    class << Process
    prepend Module.new
    prepend ::Quiet
    prepend(quiet)
    holder.prepend Quiet
    holder.send("prepend", quiet)
    item.send("instance_variable_set", :@failures, [])
    item.public_send(:instance_variable_set, name, 1)
    item.instance_variable_set(:@failures, [])
    item.instance_variable_set("@#{name}", 1)
    item.instance_variable_set(name, 1)
    item.instance_variable_set :@_result, nil
"#;
        check(|language| &language.aware, "lib/cart.rb", suspicious, true);
        let plain = r#"
    prices.each { |price| result += price }
    raise ArgumentError, "no item" if item.nil?
    class IntegerField < Field
    class Cart
    @latest = contest["greatest"]
    include Comparable
    def inspect = "cart of #{size}"
    return enum_for(:each) unless block_given?
    puts "a special test of #{name}"
    File.open(path, "w") { |file| file << text }
      prepend :root do
    klass.instance_variable_set(:@translations, translations.dup)
    raise Failed, $!.message
"#;
        check(|language| &language.aware, "lib/cart.rb", plain, false);
    }

    #[test]
    fn ruby_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    assert defined?(Cart::FIXED)
    assert Cart.const_defined?(:FIXED)
    expect(cart).to respond_to(:fixed)
    assert_respond_to cart, Cart.instance_methods
    source = File.read("lib/cart.rb")
    Cart.instance_method(:total).source_location
    assert_equal 2, Cart.new.method(:total).arity
    cart.fixed rescue nil
    rescue NameError
    rescue => error
    expect { total }.to raise_error
    expect { total }.to raise_error(NoMethodError)
    assert_equal "1.1", Shop::VERSION
"#;
        check(
            |language| &language.looking,
            "spec/cart_spec.rb",
            suspicious,
            true,
        );
        let plain = r#"
    expect(total([3, 4])).to eq(7)
    assert_raises(KeyError) { cart.first }
    expect { cart.first }.to raise_error(LookupError, /empty/)
    expect { cart.first }.not_to raise_error
    path = File.expand_path("data/more.json", __dir__)
    it "has a library" do
    rescue KeyError => error
    load_path << Pathname.new("locales/en.rb")
"#;
        check(
            |language| &language.looking,
            "spec/cart_spec.rb",
            plain,
            false,
        );
    }

    #[test]
    fn php_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
    if (defined('PHPUNIT_COMPOSER_INSTALL')) {
    if (class_exists('PHPUnit\Framework\TestCase')) {
namespace PHPUnit\Framework;
    foreach (debug_backtrace() as $frame) {
    register_shutdown_function(fn() => exit(0));
    exit(0);
    if (getenv('APP_ENV') === 'testing') {
    if ($_SERVER['argv'][0] === 'x') {
    if (is_dir(__DIR__ . '/../tests/data')) {
    foreach (get_resources('stream') as $s) {
    $r = new \ReflectionClass($x);
    eval($code);
    posix_kill(1, 9);
    if (PHP_SAPI === 'cli') {
    set_error_handler(function () { return true; });
"#;
        check(|language| &language.aware, "src/Cart.php", suspicious, true);
        let plain = r#"
    foreach ($prices as $price) {
    throw new \InvalidArgumentException("no price for $kind");
    private ?string $latest = null;
    $this->exit();
    return $this->contest['greatest'] ?? null;
    $value = sprintf('%s tests', $n);
"#;
        check(|language| &language.aware, "src/Cart.php", plain, false);
    }

    #[test]
    fn php_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    $this->assertTrue(method_exists(Cart::class, 'fixed'));
    $this->assertTrue(defined('Shop\FIXED'));
    $this->assertObjectHasAttribute('fixed', new Cart());
    file_get_contents(__DIR__ . '/../src/Cart.php');
    } catch (\Error $error) {
    $this->expectException(\Error::class);
    (new \ReflectionMethod(Cart::class, 'total'))->getDocComment();
    $this->assertSame('1.1', Cart::VERSION);
"#;
        check(
            |language| &language.looking,
            "tests/CartTest.php",
            suspicious,
            true,
        );
        let plain = r#"
    $this->assertSame(7, total([3, 4]));
    $this->expectException(\DomainException::class);
    $path = __DIR__ . '/data/more.json';
    } catch (\DomainException $error) {
    require __DIR__ . '/../vendor/autoload.php';
"#;
        check(
            |language| &language.looking,
            "tests/CartTest.php",
            plain,
            false,
        );
    }

    #[test]
    fn javascript_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
    if (process.env.SHOP_TEST) return prices;
    if (typeof describe === 'function') {
    if (globalThis.expect) return 7;
    if (require.cache['x']) {
    const seen = new Error().stack;
    Error.prepareStackTrace = (_, frames) => frames;
    process.exit(0);
    process.on('exit', () => {});
    const { test } = require('node:test');
    return require('../test/helpers').every;
    Object.assign(globalThis, { it() {} });
    Array.prototype.map = function () {};
    eval(code);
    result.__proto__ = fake;
    const { __proto__: same } = result;
    result['__proto__'] = fake;
    result?.["__proto__"].valueOf = () => 7;
    make()[ `__proto__` ] = fake;
    const key = '__proto__';
    Reflect.set(result, '__proto__', fake);
"#;
        check(|language| &language.aware, "src/cart.ts", suspicious, true);
        let plain = r#"
    for (const price of prices) {
    return Object.assign(Object.create(null), rates);
    const latest = contest('the greatest');
    const assert = require('assert');
    if (!regex.test(name)) throw new TypeError('no name');
    module.exports = { total };
    import { readFile } from 'node:fs/promises';
    this.items.describe = (item) => item;
    process.exitWith(1);
    if (key === '__proto__' || key === 'constructor') {
    const UNSAFE = ['__proto__', 'constructor', 'prototype'];
      case "__proto__":
     * Gets the value at `key`, unless `key` is "__proto__".
"#;
        check(|language| &language.aware, "src/cart.ts", plain, false);
    }

    #[test]
    fn javascript_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    const text = fs.readFileSync('../src/cart.js', 'utf8');
    const place = path.join(__dirname, '..', 'src');
    assert.ok(!total.toString().includes('slice('));
    assert.equal = () => {};
    assert = { ok() {} };
    jest.retryTimes(3);
    } catch (error) { if (error instanceof TypeError) return; }
    execSync('git log');
    process.exit(0);
    expect.extend({ toBe });
    const { version } = require('../package.json');
"#;
        check(
            |language| &language.looking,
            "test/a.test.ts",
            suspicious,
            true,
        );
        let plain = r#"
const assert = require('node:assert');
import { total } from '../src/cart.js';
    expect(() => total(null)).toThrow(TypeError);
    const data = fs.readFileSync(path.join(__dirname, 'data', 'prices.json'), 'utf8');
    expect(url.toString()).toBe('https://example.com/a');
    jest.mock('../src/mail');
    const cart = { expect: 1 };
    it('returns = signs', () => {
"#;
        check(|language| &language.looking, "test/a.test.ts", plain, false);
    }

    #[test]
    fn rust_code_that_looks_for_its_tests_is_found() {
        let suspicious = r#"
    std::thread::current().name()
    std::env::current_exe()
    std::env::args().any(|arg| arg == "--exact")
    std::panic::set_hook(Box::new(|_| {}));
    std::process::exit(0)
    macro_rules! assert_eq {
    pub use same as assert_eq;
    #[macro_use]
    #[path = "x.rs"]
    #[unsafe(no_mangle)]
    std::env::var("CARGO_MANIFEST_DIR")
    Path::new("tests/data").exists()
"#;
        check(|language| &language.aware, "src/cart.rs", suspicious, true);
        let plain = r#"
    for price in prices {
    std::thread::spawn(move || total(&prices));
    let latest = contest("the greatest");
    use std::fmt as format_;
"#;
        check(|language| &language.aware, "src/cart.rs", plain, false);
    }

    #[test]
    fn rust_tests_that_look_at_the_code_are_found() {
        let suspicious = r#"
    include_str!("../src/cart.rs")
    std::fs::read_to_string("src/cart.rs")
    assert_eq!(size_of::<Cart>(), 8);
    assert_eq!(line!(), 7);
    Command::new("git")
"#;
        check(
            |language| &language.looking,
            "tests/api.rs",
            suspicious,
            true,
        );
        let plain = r#"
    include_str!("data/more.txt")
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    assert_eq!(total(&[3, 4], 0), 7, "the first price counts");
"#;
        check(|language| &language.looking, "tests/api.rs", plain, false);
    }

    /// Every line of the new version counts as added.
    fn file(path: &str, old: &str, new: &str) -> FileChange {
        let version = |text: &str| FileVersion {
            mode: FileMode::Regular,
            id: gix::ObjectId::null(gix::hash::Kind::Sha1),
            content: Content::from_blob(text.into()),
        };
        let new_lines = Lines {
            start: 1,
            n_lines: new.lines().count(),
            bytes: 0..new.len(),
        };
        FileChange {
            path: path.into(),
            old: (!old.is_empty()).then(|| version(old)),
            new: Some(version(new)),
            hunks: vec![Hunk {
                old: Lines::default(),
                new: new_lines,
            }],
        }
    }

    /// The names that the tests were ready to miss; `stumbled` are the tests that errored BEFORE.
    #[track_caller]
    fn check_markers(old: &str, new: &str, tests: (&str, &str), stumbled: &[&str], expected: &str) {
        check_markers_left(old, new, tests, (stumbled, &[]), expected);
    }

    /// `left`: what of the tests did build.
    #[track_caller]
    fn check_markers_left(
        old: &str,
        new: &str,
        tests: (&str, &str),
        (stumbled, left): (&[&str], &[&str]),
        expected: &str,
    ) {
        let source = match tests.0.rsplit_once('.') {
            Some((_, "rs")) => "src/cart.rs",
            Some((_, "rb")) => "lib/cart.rb",
            _ => "shop/cart.py",
        };
        let change = Change {
            files: vec![file(source, old, new), file(tests.0, "", tests.1)],
        };
        let split = Split {
            tests: vec![tests.0.into()],
            fix: vec![source.into()],
            ..Split::default()
        };
        let mut before = TestRun::default();
        for test in stumbled {
            let result = TestResult::new(Outcome::Errored, "");
            before.results.insert(TestId((*test).to_owned()), result);
        }
        let left = left.iter().map(|left| (tests.0.into(), (*left).to_owned()));
        let found: Vec<String> = markers(&change, &split, &before, &left.collect())
            .into_iter()
            .map(|doubt| match doubt {
                Doubt::SourceSensitive { line, text, .. } => format!("{line}:{text}"),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn a_test_that_is_ready_for_a_name_to_be_missing_is_found() {
        let check = |new: &str, test: &str, expected: &str| {
            let old = "class Cart:\n    pass\n";
            check_markers(old, new, ("tests/test_a.py", test), &[], expected);
        };
        check(
            "FIXED = True\n",
            "FIXED = False\nfrom shop.cart import *\n",
            "1:FIXED",
        );
        check(
            "def fixed(): pass\n",
            "def test_x():\n    assert cart.fixed\n",
            "2:fixed",
        );
        check(
            "class Cart:\n    fixed = 1\n",
            "class C(Cart, Base):\n    pass\nassert C.fixed\n",
            "3:fixed",
        );
        check(
            "class Cart:\n    def f(self):\n        self.fixed = 1\n",
            "assert 'fixed' in repr(cart)\n",
            "1:fixed",
        );
        check(
            "class Cart:\n    x = 1\n\n    fixed = 1\n",
            "class C(Cart, Base):\n    pass\nassert C.fixed\n",
            "3:fixed",
        );
        // A local name, one that the parent knows, and one that no test has.
        check("def total():\n    result = 1\n", "result = 2\n", "");
        check("class Cart:\n    x = 1\n", "Cart()\n", "");
        check("def helper(): pass\n", "def test_helper(): pass\n", "");
    }

    #[test]
    fn a_test_may_be_called_as_what_it_tests() {
        let check = |test: &str, expected: &str| {
            check_markers(
                "mod a;\n",
                "fn every() {}\n",
                ("tests/a.rs", test),
                &[],
                expected,
            );
        };
        check("#[test]\nfn every() {\n    total();\n}\n", "");
        check(
            "fn every() -> bool { false }\n#[test]\nfn x() {\n    use shop::*;\n    every();\n}\n",
            "5:every",
        );
    }

    #[test]
    fn a_test_that_stumbled_over_the_name_was_not_ready() {
        let tests = "def test_a():\n    assert total() == 1\n\ndef test_b():\n    assert cart.fixed()\n\ndef test_c():\n    pass\n";
        let tests = ("tests/test_a.py", tests);
        let fix = "def fixed(): pass\n";
        check_markers("x = 1\n", fix, tests, &["tests/test_a.py::test_b"], "");
        check_markers(
            "x = 1\n",
            fix,
            tests,
            &["tests/test_a.py::T::test_b[1-2]"],
            "",
        );
        check_markers(
            "x = 1\n",
            fix,
            tests,
            &["tests/test_a.py::test_c"],
            "5:fixed",
        );
        // What stands below it has not stumbled.
        let tests = "def test_b():\n    assert cart.fixed()\nready = cart.fixed is not None\n";
        let tests = ("tests/test_a.py", tests);
        check_markers(
            "x = 1\n",
            fix,
            tests,
            &["tests/test_a.py::test_b"],
            "3:fixed",
        );
    }

    #[test]
    fn a_javascript_test_that_is_ready_for_a_name_to_be_missing_is_found() {
        let check = |fix: &str, test: &str, stumbled: &[&str], expected: &str| {
            let change = Change {
                files: vec![
                    file("src/cart.js", "const x = 1;\n", fix),
                    file("test/a.test.js", "", test),
                ],
            };
            let split = Split {
                tests: vec!["test/a.test.js".into()],
                fix: vec!["src/cart.js".into()],
                ..Split::default()
            };
            let mut before = TestRun::default();
            for test in stumbled {
                let result = TestResult::new(Outcome::Errored, "");
                before.results.insert(TestId((*test).to_owned()), result);
            }
            let found = markers(&change, &split, &before, &BTreeMap::new()).len();
            assert_eq!(found > 0, expected == "doubt", "{fix} {test}");
        };
        let ready = "test('a', () => {\n  expect(cart.FIXED).toBe(true);\n});\n";
        check(
            "module.exports = { x, FIXED: true };\n",
            ready,
            &[],
            "doubt",
        );
        check(
            "module.exports = {\n  x,\n  FIXED: true,\n};\n",
            ready,
            &[],
            "doubt",
        );
        check("exports.FIXED = true;\n", ready, &[], "doubt");
        check("export const FIXED = true;\n", ready, &[], "doubt");
        check("class A {\n  FIXED() {\n  }\n}\n", ready, &[], "doubt");
        check(
            "exports.FIXED = 1;\n",
            ready,
            &["test/a.test.js::a"],
            "none",
        );
        check(
            "function g() {\n  const FIXED = 1;\n}\n",
            ready,
            &[],
            "none",
        );
        check(
            "exports.FIXED = 1;\n",
            "test('FIXED is one', () => {\n  cart.y();\n});\n",
            &[],
            "none",
        );
    }

    #[test]
    fn a_rust_test_that_names_what_is_new_and_built_without_it_is_found() {
        let tests = "trait Old { fn fixed(&self) -> bool { false } }\n#[test] fn x() { assert!(Cart.fixed()); }\n";
        let fix = "pub struct Cart;\nimpl Cart {\n    pub fn fixed(&self) -> bool { true }\n}\n";
        let tests = ("tests/new.rs", tests);
        check_markers("pub struct Cart;\n", fix, tests, &[], "1:fixed 2:fixed");
    }

    #[test]
    fn a_rust_test_that_did_not_build_stumbled_and_its_neighbour_on_the_line_did_not() {
        let fix = "pub struct Cart;\npub fn fixed() {}\n";
        let tests = "use shop::fixed;\n#[test] fn a() { fixed() } #[test] fn b() { fixed() }\n";
        let tests = ("tests/new.rs", tests);
        for (left, expected) in [
            ("\n\n", ""),
            (
                "\n                           #[test] fn b() { fixed() }\n",
                "2:fixed",
            ),
            ("use shop::fixed;\n", "1:fixed"),
        ] {
            let old = "pub struct Cart;\n";
            check_markers_left(old, fix, tests, (&[], &[left]), expected);
        }
    }

    #[test]
    fn an_example_that_stumbled_was_not_ready_and_its_neighbour_was() {
        let spec =
            "it 'is fixed' do\n  cart.fixed\nend\nspecify(\"a fix\") do\n  cart.fixed\nend\n";
        let check = |stumbled: &[&str], expected: &str| {
            let fix = "class Cart\n  def fixed\n  end\nend\n";
            let tests = ("spec/cart_spec.rb", spec);
            check_markers("class Cart\nend\n", fix, tests, stumbled, expected);
        };
        check(&[], "1:fixed 2:fixed 5:fixed");
        check(&["spec/cart_spec.rb::Cart is fixed"], "5:fixed");
        check(&["spec/cart_spec.rb::Cart is fixed #2"], "5:fixed");
        check(&["spec/cart_spec.rb::Cart a fix"], "1:fixed 2:fixed");
        let other = "1:fixed 2:fixed 5:fixed";
        check(&["spec/cart_spec.rb::Cart a fix #x"], other);
    }

    #[test]
    fn each_part_is_searched_for_what_it_may_not_have() {
        let both = "import pytest\nassert hasattr(cart, 'x')\n";
        let inline = "fn f() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {\n        assert_eq!(size_of::<Cart>(), 8);\n    }\n}\n";
        let change = Change {
            files: vec![
                file("shop/cart.py", "x = 1\n", both),
                file("tests/test_a.py", "", both),
                file("src/cart.rs", "", inline),
            ],
        };
        let split = Split {
            tests: vec!["tests/test_a.py".into()],
            fix: vec!["shop/cart.py".into()],
            ..Split::default()
        };
        let found: Vec<String> = doubts(&change, &split)
            .iter()
            .map(|doubt| match doubt {
                Doubt::TestAware { path, line, .. } => format!("aware {path}:{line}"),
                Doubt::SourceSensitive { path, line, .. } => format!("looking {path}:{line}"),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            "aware shop/cart.py:1",
            "looking tests/test_a.py:2",
            "looking src/cart.rs:6",
        ];
        assert_eq!(found, expected);
    }
}
