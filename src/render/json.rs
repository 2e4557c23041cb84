//! Answers for programs: one object, versioned.

use serde::Serialize;
use serde_json::json;

/// Wraps an answer: `{"version": 1, "exit": N, KEY: VALUE}`, pretty-printed, with a line feed at the end.
pub fn answer(exit: u8, key: &str, value: &impl Serialize) -> anyhow::Result<String> {
    let mut object = json!({"version": 1, "exit": exit});
    object[key] = serde_json::to_value(value)?;
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}
