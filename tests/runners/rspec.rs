//! RSpec.

use crate::support::{Project, check, check_distrusted};

const SHOP: &str = "
class Cart
  def total; nil; end
  def add(item, count: 1); raise ArgumentError, 'no item' if item.nil?; end
end
module Shop
  def self.total(items) = raise(IndexError, 'no items')
  def self.deep = Missing.new
end
";

fn project(examples: &str) -> Project {
    Project::new("rspec")
        .file("lib/shop.rb", SHOP)
        .file(".rspec", "--require spec_helper\n--format documentation\n")
        .file(
            "spec/spec_helper.rb",
            "require 'shop'\nRSpec.configure do |c|\n  c.order = :random\n  c.fail_fast = true\n  c.filter_run_when_matching :focus\n  c.mock_with(:rspec) { |m| m.verify_partial_doubles = true }\nend\n",
        )
        .file("spec/shop_spec.rb", examples)
        .plant("spec/shop_spec.rb")
}

fn group(examples: &str) -> String {
    format!("RSpec.describe Shop do\n{examples}\nend\n")
}

#[track_caller]
fn check_tests(examples: &str, expected: &str) {
    check(&project(examples).touched(&["spec/shop_spec.rb"]), expected);
}

#[track_caller]
fn check_attack(examples: &str, reason: &str) {
    check_distrusted(&project(examples).touched(&["spec/shop_spec.rb"]), reason);
}

/// Production does it, while an example is running.
#[track_caller]
fn check_production(code: &str, reason: &str) {
    let examples =
        group("  it('a') { expect(Shop.attack).to eq(1) }\n  it('b') { expect(1).to eq(2) }");
    let run = project(&examples)
        .file(
            "lib/shop.rb",
            &format!("module Shop\n  def self.attack\n{code}\n  2\n  end\nend\n"),
        )
        .touched(&["spec/shop_spec.rb"]);
    check_distrusted(&run, reason);
}

#[test]
fn an_example_passes_fails_or_is_skipped() {
    check_tests(
        &group(
            "
  it('passes') { expect(1).to eq(1) }
  it('fails') { expect(1).to eq(2) }
  it('fails by production') { Shop.total([]) }
  it('fails by a name in production') { Shop.deep }
  it('fails by nil') { Cart.new.total.amount }
  it('has a new method') { Cart.new.fixed }
  it('has a new function') { Shop.fixed }
  it('has a new constant') { Fixed.new }
  it('has a new helper') { helper }
  it('has a new argument') { Cart.new.add(1, price: 2) }
  it('stubs what is new') { allow(Shop).to receive(:fixed) }
  it('doubles what is new') { instance_double('Cart', fixed: 1) }
  it('expects a call') { expect(Shop).to receive(:total) }
  it('expects and raises') { expect { Shop.total([]) }.to raise_error(IndexError) }
  it('expects no error of what is new') { expect { Cart.new.fixed }.not_to raise_error }
  it('expects an error of what is new') { expect { Cart.new.fixed }.to raise_error(IndexError) }
  it('expects no error') { expect { Shop.total([]) }.not_to raise_error }
  it('is not yet written')
  it('is skipped') { skip 'why' }
  it('is pending') { pending 'why'; expect(1).to eq(2) }
  it('was pending') { pending 'why'; expect(1).to eq(1) }
  xit('is switched off') { expect(1).to eq(2) }
  it('aggregates', :aggregate_failures) { expect(1).to eq(2); expect(1).to eq(3) }
  it('exits') { exit(0) }
  it { is_expected.to be_a(Module) }
  it { is_expected.to be_nil }
  [1, 2].each { |n| it('is repeated') { expect(n).to eq(1) } }
  context('inside') { it('passes') { expect(1).to eq(1) } }
",
        ),
        "
        passed spec/shop_spec.rb::Shop (unnamed)
        failed spec/shop_spec.rb::Shop (unnamed) #2
        failed spec/shop_spec.rb::Shop aggregates
        errored spec/shop_spec.rb::Shop doubles what is new
        failed spec/shop_spec.rb::Shop exits
        failed spec/shop_spec.rb::Shop expects a call
        errored spec/shop_spec.rb::Shop expects an error of what is new
        passed spec/shop_spec.rb::Shop expects and raises
        failed spec/shop_spec.rb::Shop expects no error
        errored spec/shop_spec.rb::Shop expects no error of what is new
        failed spec/shop_spec.rb::Shop fails
        failed spec/shop_spec.rb::Shop fails by a name in production
        failed spec/shop_spec.rb::Shop fails by nil
        failed spec/shop_spec.rb::Shop fails by production
        errored spec/shop_spec.rb::Shop has a new argument
        errored spec/shop_spec.rb::Shop has a new constant
        errored spec/shop_spec.rb::Shop has a new function
        errored spec/shop_spec.rb::Shop has a new helper
        errored spec/shop_spec.rb::Shop has a new method
        passed spec/shop_spec.rb::Shop inside passes
        skipped spec/shop_spec.rb::Shop is not yet written
        skipped spec/shop_spec.rb::Shop is pending
        passed spec/shop_spec.rb::Shop is repeated
        failed spec/shop_spec.rb::Shop is repeated #2
        skipped spec/shop_spec.rb::Shop is skipped
        skipped spec/shop_spec.rb::Shop is switched off
        passed spec/shop_spec.rb::Shop passes
        errored spec/shop_spec.rb::Shop stubs what is new
        failed spec/shop_spec.rb::Shop was pending
        ",
    );
}

#[test]
fn what_cannot_be_set_up_is_errored() {
    check_tests(
        "
RSpec.describe 'a' do
  before { raise IOError }
  it('is') { }
end
RSpec.describe 'b' do
  before(:all) { raise IOError }
  it('is') { }
end
RSpec.describe 'c' do
  after { raise IOError }
  it('is') { }
end
RSpec.describe 'd' do
  before(:all) { skip 'why' }
  it('is') { }
end
RSpec.describe 'e' do
  around { |example| example.run }
  it('is') { }
end
",
        "
        errored spec/shop_spec.rb::a is
        errored spec/shop_spec.rb::b is
        errored spec/shop_spec.rb::c is
        skipped spec/shop_spec.rb::d is
        passed spec/shop_spec.rb::e is
    ",
    );
}

#[test]
fn an_error_after_a_group_is_no_pass() {
    let run = project("RSpec.describe('a') { after(:all) { raise IOError, 'x' }\n it('is') { } }")
        .touched(&["spec/shop_spec.rb"]);
    check(
        &run,
        "
        errored An error occurred in an `after(:context)` hook.
        passed spec/shop_spec.rb::a is
    ",
    );
}

#[test]
fn a_file_that_does_not_load_hides_nothing_else() {
    let run = project(&group("  it('a') { }"))
        .file("spec/new_spec.rb", "require 'shop/new'\n")
        .file("spec/leaves_spec.rb", "exit\n")
        .all();
    check(
        &run,
        "
        passed spec/shop_spec.rb::Shop a
        failed spec/shop_spec.rb::koan_0123456789abcdef koan_0123456789abcdef
        not built spec/leaves_spec.rb: SystemExit: exit
        not built spec/new_spec.rb: LoadError: cannot load such file -- shop/new
    ",
    );
}

#[test]
fn only_what_was_asked_for_runs_in_any_order() {
    let mut project = project(&group("  it('a') { }\n  it('b') { }\n  it('b') { }"));
    for seed in [None, Some(7)] {
        project.seed = seed;
        check(
            &project.only(&["spec/shop_spec.rb"], &["spec/shop_spec.rb::Shop b #2"]),
            "passed spec/shop_spec.rb::Shop b #2",
        );
    }
}

#[test]
fn a_fixture_or_a_helper_stands_for_the_examples_beside_it() {
    let project = project(&group("  it('a') { }")).file("spec/data/a.json", "{}");
    let expected = "passed spec/shop_spec.rb::Shop a";
    check(&project.touched(&["spec/data/a.json"]), expected);
    check(&project.touched(&["spec/spec_helper.rb"]), expected);
}

#[test]
fn a_shared_group_belongs_to_the_file_that_uses_it() {
    let run =
        project("require 'support/shared'\nRSpec.describe(Shop) { include_examples 'a shop' }")
            .file(
                "spec/support/shared.rb",
                "RSpec.shared_examples('a shop') { it('sells') { } }\n",
            )
            .touched(&["spec/shop_spec.rb"]);
    check(&run, "passed spec/shop_spec.rb::Shop sells");
}

#[test]
fn what_a_focus_leaves_out_is_skipped_and_so_is_the_canary() {
    let run = project(&group("  fit('a') { }\n  it('b') { expect(1).to eq(2) }"))
        .touched(&["spec/shop_spec.rb"]);
    check_distrusted(&run, "was reported skipped");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn attacks_are_not_believed() {
    check_attack("exit!(0)", "the report has no end");
    check_attack(
        &group("  it('a') { exit!(0) }"),
        "while `spec/shop_spec.rb::Shop a` ran",
    );
    check_attack(
        "module RSpec::Expectations; def self.fail_with(*) = true; end",
        "is redefined",
    );
    check_attack(
        "class RSpec::Expectations::ExpectationTarget; def to(*) = true; end",
        "is redefined",
    );
    check_attack(
        "class RSpec::Core::Example; def run(*) = true; end\nclass RSpec::Core::Example; prepend(Module.new { def run(*) = true }); end",
        "planned and never reported",
    );
    check_attack(
        "RSpec::Matchers::BuiltIn::Eq.class_eval { def match(*) = true }",
        "is redefined",
    );
    check_attack(
        "RSpec.configuration.dry_run = true",
        "the example never ran",
    );
    check_attack("class Integer; def ==(other) = true; end", "is redefined");
    check_attack(
        &group(
            "  around { |ex| ex.run; ex.example.instance_variable_set(:@exception, nil) }\n  it('a') { expect(1).to eq(2) }",
        ),
        "reported passed although it raised",
    );
    check_attack(
        "n = 0\nRSpec.describe('a') do\n  around { |ex| ex.run; ex.example.instance_variable_set(:@exception, nil); ex.run }\n  it('is') { expect(n += 1).to eq(2) }\nend\n",
        "although it raised",
    );
    check_attack(
        "RSpec.configure { |c| c.before(:suite) { raise 'x' } }",
        "planned and never reported",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn production_that_reaches_into_the_run_is_not_believed() {
    check_production("exit!(0)", "the report has no end");
    check_production(
        "RSpec::Expectations.define_singleton_method(:fail_with) { |*| true }",
        "is redefined",
    );
    check_production(
        "RSpec::Support.define_singleton_method(:notify_failure) { |*| true }",
        "is redefined",
    );
    check_production("Array.define_method(:join) { |*| 'x' }", "is not ours");
}

#[test]
fn an_exit_handler_changes_nothing() {
    check_tests(
        &("at_exit { exit!(0) }\n".to_owned() + &group("  it('a') { expect(1).to eq(2) }")),
        "failed spec/shop_spec.rb::Shop a",
    );
}
