//! koan-guard lets an agent's fix into git only inside a perimeter that a person can read, and only with proof.
//!
//! ```text
//! index / commit ─▶ Change ─▶ findings ─┐
//!                     │                 ├─▶ Verdict ─▶ Statement ─▶ git note ─▶ audit
//!                     └─▶ test runs ─▶ Proof (FAIL_TO_PASS, PASS_TO_PASS)
//! ```
//!
//! The groups below are layers, lowest first: a module may use only modules of the groups above its own.
//! `tests/layers.rs` keeps it so.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!(
    "koan-guard runs on Linux and macOS; elsewhere, let a CI job on Linux run `koan-guard check`"
);

// Values: no I/O, no opinion.
pub mod change;
pub mod issue;
pub mod usage;

// What a fix is allowed to do.
pub mod policy;

// The outside: the repository, the project's tests, the places errors live.
pub mod git;
pub mod source;
pub mod suite;

// Judgement.
pub mod perimeter;
pub mod proof;
pub mod triage;

// Findings and proof, weighed.
pub mod verdict;

// The trace a verdict leaves.
pub mod attestation;

// Use cases.
pub mod check;
pub mod explain;
pub mod extract;
pub mod init;
pub mod install;
pub mod sync;

// Use cases built on use cases.
pub mod approve;
pub mod audit;
pub mod backtest;
pub mod brief;
pub mod demo;
pub mod doctor;
pub mod hook;
pub mod selftest;
pub mod tracker;

// Values into text.
pub mod render;

// What must hold of any bytes that others wrote.
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

// Clap, streams, exit codes.
pub mod cli;
