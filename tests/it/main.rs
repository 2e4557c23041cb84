//! koan-guard from outside: small stories in repositories built by code.

mod check;
mod hook;
mod install;
mod installer;
mod policy;
mod range;
mod setup;
mod steps;
mod support;
mod survive;
mod trust;
