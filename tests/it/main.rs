//! koan-guard from outside: small stories in repositories built by code.

mod agent_hook;
mod approve;
mod backtest;
mod build;
mod cache;
mod check;
mod dependencies;
mod doctor;
mod history;
mod hook;
mod install;
mod installer;
mod ledger;
mod ledger_loss;
mod observe;
mod policy;
#[cfg(feature = "postgres")]
mod postgres;
mod prune;
mod range;
mod run;
mod run_beside;
mod run_clients;
mod secrets;
mod selftest;
mod server;
mod services;
mod setup;
#[cfg(feature = "postgres")]
mod shop;
mod signed;
mod sources;
mod steps;
mod support;
mod survive;
mod sync;
mod transports;
mod triage;
mod trust;
mod verify;
mod waivers;
