//! Values into text. Nothing here decides and nothing here prints.

pub mod digest;
