//! The built-in runners over real frameworks: what honest suites report, and that no attack is ever reported passed.

mod bats;
mod cargo;
mod custom;
mod fleet;
mod go;
mod jest;
mod mocha;
mod node;
mod pytest;
mod support;
mod unittest;
mod vitest;
