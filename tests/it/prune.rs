//! New tests of new functions: they do not build without the fix.

use insta::assert_snapshot;

use crate::support::Repo;
use crate::support::samples::{CART, CART_TEST, RUST_CART, UNITTEST_POLICY};

/// The fix with a function of its own.
const RUST_PRODUCTION: &str = "\
pub fn total(prices: &[u32]) -> u32 {
    sum(prices)
}

fn sum(prices: &[u32]) -> u32 {
    prices.iter().sum()
}
";

const TEST_OF_BUG: &str = "
    #[test]
    fn of_nothing() {
        assert_eq!(total(&[]), 0);
    }
";

const TEST_OF_NEW_FUNCTION: &str = "
    #[test]
    fn sum_of_nothing() {
        assert_eq!(sum(&[]), 0);
    }
";

/// The sample's tests with more of them.
fn rust_cart(new_tests: &[&str]) -> String {
    let (_, tests) = RUST_CART.split_once("\n#[cfg(test)]").expect("its tests");
    let tests = tests.strip_suffix("}\n").expect("the end of a module");
    format!(
        "{RUST_PRODUCTION}\n#[cfg(test)]{tests}{}}}\n",
        new_tests.concat()
    )
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_of_a_new_function_hides_no_other_test() {
    let repo = Repo::rust_sample();
    repo.write(
        "src/lib.rs",
        &rust_cart(&[TEST_OF_BUG, TEST_OF_NEW_FUNCTION]),
    )
    .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: 90e0b5aa6d fix: total of an empty cart
      FAIL_TO_PASS  cart tests::of_nothing
                    it failed with: panicked at src/lib.rs:2:5: index out of bounds: the len is 0 but the index is 0
      PASS_TO_PASS  1 test
      run by cargo [version], suite all, sandbox [level] in [time]
      not built BEFORE, and left out: `tests::sum_of_nothing`
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    assert_eq!(note["predicate"]["pruned"][0], "tests::sum_of_nothing");
}

#[test]
fn a_test_of_a_new_function_alone_shows_no_bug() {
    let repo = Repo::rust_sample();
    repo.write("src/lib.rs", &rust_cart(&[TEST_OF_NEW_FUNCTION]))
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 3
    stdout:
    undecided: b9f4a1e49a fix: total of an empty cart
    undecided[before-errored]: without the fix `cart` does not even start: error[E0425]: cannot find function `sum` in this scope (src/lib.rs:16)
      why: an error of build, import or name is not the bug
      next: let the test reach the bug through names that the parent has
      needs a person: koan-guard approve b9f4a1e49a --rule before-errored --because TEXT
      run by cargo [version], suite all, sandbox [level] in [time]
      lane repair (asked for), policy of 604c637b8e (the parent, no trusted ref is configured)
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_policy_may_take_a_new_function_for_a_bug() {
    let repo = Repo::rust_sample();
    let policy = repo.read(".koan-guard.yaml");
    repo.write(
        ".koan-guard.yaml",
        &format!("{policy}  before: missing_symbol\n"),
    )
    .commit("chore: new names are enough");
    repo.write("src/lib.rs", &rust_cart(&[TEST_OF_NEW_FUNCTION]))
        .commit("fix: total of an empty cart");
    assert_snapshot!(repo.guard(["check", "HEAD"]), @"
    exit: 0
    stdout:
    accepted: 09c4ca08f9 fix: total of an empty cart
      FAIL_TO_PASS  cart tests::sum_of_nothing
                    it failed with: a name is missing: error[E0425]: cannot find function `sum` in this scope (src/lib.rs:16)
      PASS_TO_PASS  1 test
      run by cargo [version], suite all, sandbox [level] in [time]
      red by `proof.before: missing_symbol` only, for want of a name: 1 test
      lane repair (asked for), policy of 24ac2817eb (the parent, no trusted ref is configured)
    stderr:
    ");
    let note = repo.git(["notes", "--ref=koan", "show", "HEAD"]);
    let note: serde_json::Value = serde_json::from_str(&note).expect("one statement");
    assert_eq!(
        note["predicate"]["redByName"][0],
        "cart tests::sum_of_nothing"
    );
    assert_snapshot!(repo.guard(["policy", "lint"]), @"
    exit: 1
    stdout:
    `proof.before: missing_symbol` takes a name that is new for a bug: it shows less than a test that fails
    stderr:
    ");
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn in_python_a_missing_name_is_one_at_import_and_in_a_test() {
    let fixed = CART.replace("prices[0]", "first(prices)").replace(
        "def total",
        "def first(prices):\n    return prices[0] if prices else 0\n\n\ndef total",
    );
    let at_import = CART_TEST.replace("import total", "import first, total")
        + "\n    def test_first_of_nothing(self):\n        self.assertEqual(first([]), 0)\n";
    let in_test = CART_TEST.replace(
        "from cart import total",
        "import cart\nfrom cart import total",
    ) + "\n    def test_first_of_nothing(self):\n        self.assertEqual(cart.first([]), 0)\n";
    for test in [at_import, in_test] {
        let repo = Repo::python_sample();
        let fix = |repo: &Repo| {
            repo.write("cart.py", &fixed)
                .write("test_cart.py", &test)
                .commit("fix: total of an empty cart");
            repo.guard(["check", "HEAD"])
        };
        let answer = fix(&repo);
        assert!(answer.contains("undecided[before-errored]"), "{answer}");

        let repo = Repo::python_sample();
        repo.write(
            ".koan-guard.yaml",
            &format!("{UNITTEST_POLICY}  before: missing_symbol\n"),
        )
        .commit("chore: new names are enough");
        let answer = fix(&repo);
        assert!(answer.contains("accepted: "), "{answer}");
        assert!(
            answer.contains("it failed with: a name is missing"),
            "{answer}"
        );
        assert!(
            answer
                .contains("red by `proof.before: missing_symbol` only, for want of a name: 1 test"),
            "{answer}"
        );
    }
}
