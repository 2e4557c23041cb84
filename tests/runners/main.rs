//! The built-in runners over real frameworks: what honest suites report, and that no attack is ever reported passed.

mod cargo;
mod fleet;
mod go;
mod pytest;
mod support;
mod unittest;
