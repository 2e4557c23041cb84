//! Values into text. Nothing here decides and nothing here prints.

pub mod areas;
pub mod audit;
pub mod backtest;
pub mod brief;
pub mod digest;
pub mod doctor;
pub mod json;
pub mod policy;
pub mod push;
mod runs;
pub mod selftest;
pub mod text;
pub mod triage;
mod words;

pub use words::{Words, of_doubt, of_gap, of_progress};
