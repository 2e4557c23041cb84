//! Minitest and test-unit.

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "
class Cart
  def total; nil; end
  def add(item, count: 1); raise ArgumentError, 'no item' if item.nil?; end
  def method_missing(name, *args); super; end
  def respond_to_missing?(*) = false
end
module Shop
  def self.total(items) = raise(IndexError, 'no items')
  def self.deep = Missing.new
end
";

fn project(tests: &str) -> Project {
    Project::new("minitest")
        .file("lib/shop.rb", SHOP)
        .file(
            "test/test_helper.rb",
            "require 'minitest/autorun'\nrequire 'shop'\n",
        )
        .file(
            "test/shop_test.rb",
            &format!("require 'test_helper'\n{tests}"),
        )
        .plant("test/shop_test.rb")
}

fn case(methods: &str) -> String {
    format!("class ShopTest < Minitest::Test\n{methods}\nend\n")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["test/shop_test.rb"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["test/shop_test.rb"]), reason);
}

/// Production does it, while a test is running.
#[track_caller]
fn check_production(code: &str, reason: &str) {
    let run = project(&case(
        "  def test_a = assert_equal(1, Shop.attack)\n  def test_b = assert_equal(1, 2)",
    ))
    .file(
        "lib/shop.rb",
        &format!("module Shop\n  def self.attack\n{code}\n  2\n  end\nend\n"),
    )
    .touched(&["test/shop_test.rb"]);
    check_distrusted(&run, reason);
}

#[test]
fn a_test_passes_fails_or_is_skipped() {
    check_tests(
        &case(
            "
    def test_passes = assert(true)
    def test_fails = assert_equal(1, 2)
    def test_production_raises = Shop.total([])
    def test_production_lacks_a_name = Shop.deep
    def test_none = Cart.new.total.amount
    def test_new_method = Cart.new.fixed
    def test_new_function = Shop.fixed
    def test_new_constant = assert(Fixed)
    def test_new_helper = helper(1)
    def test_new_argument = Cart.new.add(1, price: 2)
    def test_wrong_number = Cart.new.add
    def test_own_argument_error = Cart.new.add(nil)
    def test_new_file = require('shop/fixed')
    def test_is_skipped = skip('why')
    def test_exit = exit(0)
    def test_raises = assert_raises(IndexError) { Shop.total([]) }
    def test_raises_something_else = assert_raises(KeyError) { Shop.total([]) }
    def test_raises_what_is_new = assert_raises(KeyError) { Shop.fixed }
    def test_stub = Shop.stub(:fixed, 1) { nil }
",
        ),
        "
        failed test/shop_test.rb::ShopTest#test_exit
        failed test/shop_test.rb::ShopTest#test_fails
        skipped test/shop_test.rb::ShopTest#test_is_skipped
        errored test/shop_test.rb::ShopTest#test_new_argument
        errored test/shop_test.rb::ShopTest#test_new_constant
        errored test/shop_test.rb::ShopTest#test_new_file
        errored test/shop_test.rb::ShopTest#test_new_function
        errored test/shop_test.rb::ShopTest#test_new_helper
        errored test/shop_test.rb::ShopTest#test_new_method
        failed test/shop_test.rb::ShopTest#test_none
        failed test/shop_test.rb::ShopTest#test_own_argument_error
        passed test/shop_test.rb::ShopTest#test_passes
        failed test/shop_test.rb::ShopTest#test_production_lacks_a_name
        failed test/shop_test.rb::ShopTest#test_production_raises
        passed test/shop_test.rb::ShopTest#test_raises
        failed test/shop_test.rb::ShopTest#test_raises_something_else
        errored test/shop_test.rb::ShopTest#test_raises_what_is_new
        errored test/shop_test.rb::ShopTest#test_stub
        errored test/shop_test.rb::ShopTest#test_wrong_number
        ",
    );
}

#[test]
fn specs_have_names_without_their_numbers() {
    check_tests(
        "
describe Cart do
  it('passes') { _(1).must_equal 1 }
  it('fails') { _(1).must_equal 2 }
  it('fails') { value(2).must_equal 2 }
  describe 'inside' do
    before { @cart = Cart.new }
    it('has a total') { assert_nil @cart.total }
  end
end
",
        "
        failed test/shop_test.rb::Cart#fails
        passed test/shop_test.rb::Cart#fails #2
        passed test/shop_test.rb::Cart#passes
        passed test/shop_test.rb::Cart::inside#has a total
        ",
    );
}

#[test]
fn what_cannot_be_set_up_is_errored() {
    check_tests(
        "
class A < Minitest::Test
  def setup = raise(IOError)
  def test_a = assert(true)
end
class B < Minitest::Test
  def teardown = raise(IOError)
  def test_b = assert(true)
end
class C < Minitest::Test
  i_suck_and_my_tests_are_order_dependent!
  parallelize_me!
  def test_c = assert(true)
end
",
        "
        errored test/shop_test.rb::A#test_a
        errored test/shop_test.rb::B#test_b
        passed test/shop_test.rb::C#test_c
    ",
    );
}

#[test]
fn a_file_that_does_not_load_hides_nothing_else() {
    let run = project(&case("    def test_a = assert(true)"))
        .file("test/new_test.rb", "require 'shop/new'\n")
        .file("test/broken_test.rb", "class A < Minitest::Test\n")
        .file("test/leaves_test.rb", "exit\n")
        .all();
    let shown = crate::support::show(&run);
    assert!(
        shown.contains("passed test/shop_test.rb::ShopTest#test_a"),
        "{shown}"
    );
    assert!(
        shown.contains("not built test/broken_test.rb: SyntaxError"),
        "{shown}"
    );
    assert!(
        shown.contains("not built test/leaves_test.rb: SystemExit: exit"),
        "{shown}"
    );
    assert!(
        shown.contains("not built test/new_test.rb: LoadError: cannot load such file -- shop/new"),
        "{shown}"
    );
    assert!(run.distrust.is_empty(), "{shown}");
}

#[test]
fn only_what_was_asked_for_runs() {
    let project = project(&case(
        "  def test_a = assert(true)\n  def test_b = assert(true)",
    ));
    check(
        &project.only(
            &["test/shop_test.rb"],
            &["test/shop_test.rb::ShopTest#test_b"],
        ),
        "passed test/shop_test.rb::ShopTest#test_b",
    );
}

#[test]
fn a_seed_changes_the_order_and_no_name() {
    let tests = case(
        "  def test_a = assert(true)\n  def test_b = assert(true)\n  def test_c = assert(true)",
    );
    let expected = "
        passed test/shop_test.rb::ShopTest#test_a
        passed test/shop_test.rb::ShopTest#test_b
        passed test/shop_test.rb::ShopTest#test_c
    ";
    for seed in [1, u64::MAX] {
        let mut project = project(&tests);
        project.seed = Some(seed);
        check(&project.touched(&["test/shop_test.rb"]), expected);
    }
}

#[test]
fn a_file_that_is_named_as_a_spec_runs() {
    let run = project("")
        .file(
            "test/spec_cart.rb",
            "require 'test_helper'\ndescribe Cart do\n  it('is empty') { _(Cart.new.total).must_be_nil }\nend\n",
        )
        .plant("test/spec_cart.rb")
        .touched(&["test/spec_cart.rb"]);
    check(&run, "passed test/spec_cart.rb::Cart#is empty");
}

/// The Rakefile and the script that starts the tests are what the tests do without.
#[test]
fn what_the_projects_command_loads_first_is_there() {
    let bare = || {
        Project::new("minitest")
            .file("lib/shop.rb", SHOP)
            .file(
                "test/cart_test.rb",
                "class CartTest < Test::Unit::TestCase\n  def test_a = assert_nil(Cart.new.total)\nend\n",
            )
            .plant("test/cart_test.rb")
    };
    let helper = "require 'test/unit'\nrequire 'shop'\n";
    let passed = "passed test/cart_test.rb::CartTest#test_a";
    let rakefile = "Rake::TestTask.new { |t| t.libs << 'test/lib'\n  t.ruby_opts << '-rhelper' }\n";
    let run = bare()
        .file("Rakefile", rakefile)
        .file("test/lib/helper.rb", helper);
    check(&run.touched(&["test/cart_test.rb"]), passed);
    let run = bare()
        .file("test/run.rb", "require_relative \"helper\"\nexit(1)\n")
        .file("test/helper.rb", helper);
    check(&run.touched(&["test/cart_test.rb"]), passed);
    let run = bare()
        .file("test/helper.rb", helper)
        .touched(&["test/cart_test.rb"]);
    check(&run, "errored test/cart_test.rb::CartTest#test_a");
}

#[test]
fn a_helper_that_the_change_leaves_alone_may_have_assertions_of_its_own() {
    let run = |helper: &str, code: &str, changed: &[&str]| {
        let own = "module Test::Unit::Assertions; def assert_nil(*) = true; end\n";
        let test = "require 'shop'\nclass CartTest < Test::Unit::TestCase\n  def test_a = assert_nil(Cart.new.total)\nend\n";
        Project::new("minitest")
            .file("Rakefile", "ruby_opts << '-rhelper'\n")
            .file(
                "test/lib/helper.rb",
                &format!("require 'test/unit'\n{own}{helper}"),
            )
            .file(
                "lib/shop.rb",
                &format!("class Cart\n  def total = {code}\nend\n"),
            )
            .file("test/cart_test.rb", test)
            .plant("test/cart_test.rb")
            .suite(changed)
    };
    let test = ["test/cart_test.rb", "lib/shop.rb"];
    check(
        &run("", "1", &test),
        "passed test/cart_test.rb::CartTest#test_a",
    );
    for helper in ["test/lib/helper.rb", "test/data/assertions.txt"] {
        let both = ["test/cart_test.rb", helper];
        check_distrusted(&run("", "1", &both), "is redefined at");
    }
    // Production was loaded by then, or comes later.
    check_distrusted(&run("require 'shop'\n", "1", &test), "is redefined at");
    let loaded = "load File.join(__dir__, '../../lib/shop.rb')\n";
    let early = "1\nend\nmodule Test::Unit::Assertions\n  def assert_equal(*) = true";
    check_distrusted(&run(loaded, early, &test), "is redefined at");
    let late = "Test::Unit::Assertions.define_method(:assert_equal) { |*| true }";
    check_distrusted(&run("", late, &test), "is redefined at");
}

#[test]
fn a_library_that_the_framework_has_loaded_is_the_trees_own() {
    let library = "class OptionParser\n  def self.own = 1\nend\n";
    let test = "require 'minitest/autorun'\nrequire 'optparse'\nclass OwnTest < Minitest::Test\n  def test_own = assert_equal(1, OptionParser.own)\n  def test_parse = refute_respond_to(OptionParser.new, :parse!)\nend\n";
    let run = Project::new("minitest")
        .file("lib/optparse.rb", library)
        .file("test/own_test.rb", test)
        .plant("test/own_test.rb")
        .touched(&["test/own_test.rb"]);
    check(
        &run,
        "passed test/own_test.rb::OwnTest#test_own\npassed test/own_test.rb::OwnTest#test_parse",
    );
}

#[test]
fn a_fixture_or_a_helper_stands_for_the_tests_beside_it() {
    let project = project(&case("  def test_a = assert(true)")).file("test/data/a.json", "{}");
    let expected = "passed test/shop_test.rb::ShopTest#test_a";
    check(&project.touched(&["test/data/a.json"]), expected);
    check(&project.touched(&["test/test_helper.rb"]), expected);
}

#[test]
fn a_tree_without_a_touched_test_has_a_canary_of_its_own() {
    let run = project(&case("  def test_a = assert(true)"))
        .with_canary_file("test/data.json")
        .touched(&["test/absent.json"]);
    check(&run, "");
}

#[test]
fn no_name_holds_where_the_tree_stands() {
    check_tests(
        "
class ShopTest < Minitest::Test
  Dir[File.join(__dir__, '*.rb')].sort.each { |file| define_method(\"test_#{file}\") { assert(true) } }
  define_method(\"test_#{__dir__.tr('.', '_')}/x\") { assert(true) }
end
",
        "
        passed test/shop_test.rb::ShopTest#test_test/shop_test.rb
        passed test/shop_test.rb::ShopTest#test_test/test_helper.rb
        passed test/shop_test.rb::ShopTest#test_test/x
        ",
    );
}

#[test]
fn test_unit_runs_as_well() {
    check_tests(
        "
require 'test/unit'
class OldTest < Test::Unit::TestCase
  def self.startup = @@started = true
  def test_passes = assert(@@started)
  def test_fails = assert_equal(1, 2)
  def test_raises = Shop.total([])
  def test_new = Shop.fixed
  def test_pends = pend('why')
  def test_omits = omit('why')
  def test_exit = exit(0)
  data('one' => 1, 'two' => 2)
  def test_data(n) = assert_equal(1, n)
end
class Unready < Test::Unit::TestCase
  def setup = raise(IOError)
  def test_a = assert(true)
end
",
        "
        passed test/shop_test.rb::OldTest#test_data[one]
        failed test/shop_test.rb::OldTest#test_data[two]
        failed test/shop_test.rb::OldTest#test_exit
        failed test/shop_test.rb::OldTest#test_fails
        errored test/shop_test.rb::OldTest#test_new
        skipped test/shop_test.rb::OldTest#test_omits
        passed test/shop_test.rb::OldTest#test_passes
        skipped test/shop_test.rb::OldTest#test_pends
        failed test/shop_test.rb::OldTest#test_raises
        errored test/shop_test.rb::Unready#test_a
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn attacks_are_not_believed() {
    check_attack("exit!(0)", "the report has no end");
    check_attack(
        &case("  def test_a = exit!(0)"),
        "while `test/shop_test.rb::ShopTest#test_a` ran",
    );
    check_attack(
        "module Minitest::Assertions; def assert_equal(*) = true; end",
        "is redefined",
    );
    check_attack(
        "Minitest::Test.prepend(Module.new { def assert_equal(*) = true })",
        "is redefined",
    );
    check_attack(
        "class Minitest::Test; def run = Minitest::Result.from(self); end",
        "is redefined",
    );
    check_attack(
        "class Minitest::Runnable; def self.run(*) = nil; end",
        "planned and never reported",
    );
    check_attack(
        "class Minitest::Test; def self.runnable_methods = []; end",
        "did not run",
    );
    check_attack("class Integer; def ==(other) = true; end", "is redefined");
    check_attack(
        &case("  def failures = []\n  def test_a = assert_equal(1, 2)"),
        "reported passed although it raised",
    );
    check_attack(
        &case("  def run = Minitest::Result.from(self)\n  def test_a = assert_equal(1, 2)"),
        "the test method never ran",
    );
    check_attack(
        "
module Again
  def run_one_method(klass, name)
    result = super
    result = super if result.failure
    result
  end
end
Minitest.singleton_class.prepend(Again)
class ShopTest < Minitest::Test
  @@n = 0
  def test_a = assert_equal(2, @@n += 1)
end
",
        "is redefined",
    );
    check_attack(
        "Process.spawn('true'); ObjectSpace.each_object(IO) { |io| io.close rescue nil if io.fileno > 2 rescue nil }",
        "the report has no end",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn production_that_reaches_into_the_run_is_not_believed() {
    check_production("exit!(0)", "the report has no end");
    check_production("Process.exit!(0)", "the report has no end");
    check_production(
        "Minitest::Assertions.define_method(:assert_equal) { |*| true }",
        "is redefined",
    );
    check_production(
        "Minitest::Test.class_eval('def assert_equal(*) = true', '/usr/lib/nothing.rb')",
        "is redefined",
    );
    check_production(
        "String.define_method(:gsub) { |*| 'passed' }",
        "is not ours",
    );
}

#[test]
fn an_exit_handler_changes_nothing() {
    check_tests(
        &("at_exit { exit!(0) }\nMinitest.after_run { exit!(0) }\n".to_owned()
            + &case("  def test_a = assert_equal(1, 2)")),
        "failed test/shop_test.rb::ShopTest#test_a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_endless_test_is_stopped() {
    let mut project = project(&case("  def test_a = sleep"));
    project.timeout = std::time::Duration::from_secs(3);
    let run = project.touched(&["test/shop_test.rb"]);
    check_distrusted(&run, "was stopped at its time limit");
}
