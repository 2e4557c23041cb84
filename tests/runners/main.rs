//! The built-in runners over real frameworks: what honest suites report, and that no attack is ever reported passed.

mod cargo;
mod fleet;
mod minitest;
mod phpunit;
mod pytest;
mod rspec;
mod support;
mod unittest;
