//! Small projects with a bug, one for each kind of runner.

use super::Repo;

pub const UNITTEST_POLICY: &str = "\
version: 1
extends: [default, python]
proof:
  runner: unittest
";

const CARGO_POLICY: &str = "\
version: 1
extends: [default, rust]
proof:
  runner: cargo
";

/// A cart in Python. Its total fails on an empty cart.
pub const CART: &str = "\
def total(prices):
    result = prices[0]
    for price in prices[1:]:
        result += price
    return result
";

pub const CART_FIXED: &str = "\
def total(prices):
    result = 0
    for price in prices:
        result += price
    return result
";

pub const CART_TEST: &str = "\
import unittest

from cart import total


class Total(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(total([1, 2]), 3)
";

/// The same with a test that fails as long as the bug is there.
pub const CART_TEST_OF_BUG: &str = "\
import unittest

from cart import total


class Total(unittest.TestCase):
    def test_of_two(self):
        self.assertEqual(total([1, 2]), 3)

    def test_of_nothing(self):
        self.assertEqual(total([]), 0)
";

/// The same cart in Rust, with its tests beside the code.
pub const RUST_CART: &str = "\
pub fn total(prices: &[u32]) -> u32 {
    prices[0] + prices[1..].iter().sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two() {
        assert_eq!(total(&[1, 2]), 3);
    }
}
";

pub const RUST_CART_FIXED: &str = "\
pub fn total(prices: &[u32]) -> u32 {
    prices.iter().sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two() {
        assert_eq!(total(&[1, 2]), 3);
    }

    #[test]
    fn of_nothing() {
        assert_eq!(total(&[]), 0);
    }
}
";

impl Repo {
    /// A Python project with a bug, whose tests need nothing but `unittest`.
    pub fn python_sample() -> Repo {
        let repo = Repo::empty();
        repo.write(".koan-guard.yaml", UNITTEST_POLICY)
            .write("cart.py", CART)
            .write("test_cart.py", CART_TEST)
            .commit("feat: total of a cart");
        repo
    }

    /// The same with a commit that fixes the bug, and a test that shows it.
    pub fn with_honest_fix() -> Repo {
        let repo = Repo::python_sample();
        repo.fix_honestly();
        repo
    }

    /// Commits the fix with its test.
    pub fn fix_honestly(&self) -> &Repo {
        self.write("cart.py", CART_FIXED)
            .write("test_cart.py", CART_TEST_OF_BUG)
            .commit("fix: total of an empty cart")
    }

    /// A Rust library with a bug and without dependencies.
    pub fn rust_sample() -> Repo {
        let repo = Repo::empty();
        repo.write(".koan-guard.yaml", CARGO_POLICY)
            .write(".gitignore", "/target\n")
            .write(
                "Cargo.toml",
                "[package]\nname = \"cart\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
            )
            .write(
                "Cargo.lock",
                "version = 3\n\n[[package]]\nname = \"cart\"\nversion = \"0.1.0\"\n",
            )
            .write("src/lib.rs", RUST_CART)
            .commit("feat: total of a cart");
        repo
    }
}
