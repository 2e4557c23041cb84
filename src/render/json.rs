//! Answers for programs: one object, versioned.

use serde::Serialize;
use serde_json::{Value, json};

/// Wraps a verdict; where the policy only observes, `observed` says beside it what would have come of it.
pub fn verdict(
    exit: u8,
    key: &str,
    value: &impl Serialize,
    observed: Option<&str>,
) -> anyhow::Result<String> {
    let mut object = object(exit, key, value)?;
    if let Some(word) = observed {
        object["observed"] = word.into();
    }
    Ok(serde_json::to_string_pretty(&object)? + "\n")
}

/// Wraps an answer: `{"version": 1, "exit": N, KEY: VALUE}`, pretty-printed, with a line feed at the end.
pub fn answer(exit: u8, key: &str, value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&object(exit, key, value)?)? + "\n")
}

fn object(exit: u8, key: &str, value: &impl Serialize) -> anyhow::Result<Value> {
    let mut object = json!({"version": 1, "exit": exit});
    object[key] = serde_json::to_value(value)?;
    Ok(object)
}
