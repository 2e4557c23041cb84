//! The built-in runners over real frameworks: what honest suites report, and that no attack is ever reported passed.

mod bats;
mod cargo;
mod custom;
mod fleet;
mod go;
mod jest;
mod minitest;
mod mocha;
mod node;
mod phpunit;
mod pytest;
mod rspec;
mod support;
mod unittest;
mod vitest;
