//! koan-guard from outside: small stories in repositories built by code.

mod install;
mod installer;
mod support;
