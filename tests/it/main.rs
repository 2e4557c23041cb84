//! koan-guard from outside: small stories in repositories built by code.

mod build;
mod cache;
mod check;
mod dependencies;
mod history;
mod hook;
mod install;
mod installer;
mod policy;
mod prune;
mod range;
mod services;
mod setup;
mod steps;
mod support;
mod survive;
mod trust;
mod waivers;
