//! What we teach the database: to tell groups apart by a number, and to read times. Both give the same answer for the same row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::source::table::MAX_GROUPS;
use crate::source::time;

pub const GROUP: &str = "koan_group";
pub const AT: &str = "koan_at";
/// The number of all groups beyond [`MAX_GROUPS`].
pub const OTHERS: i64 = 0;

/// Sorting a million rows by a number is cheap, by their stack traces it is not: neither in time nor in memory.
type Groups = HashMap<Vec<u8>, i64>;

/// In bytes. What is longer is known by its hash.
const MAX_KEY: usize = 64;

/// # Errors
/// The database takes no functions.
pub fn add(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    let groups = Arc::new(Mutex::new(Groups::new()));
    connection.create_scalar_function(GROUP, 7, flags, move |context| {
        let mut groups = groups
            .lock()
            .map_err(|_| Error::UserFunctionError("the groups are lost".into()))?;
        let next = groups.len();
        let key = key(context)?;
        if let Some(number) = groups.get(&key) {
            return Ok(*number);
        }
        if next >= MAX_GROUPS {
            return Ok(OTHERS);
        }
        let number = i64::try_from(next).unwrap_or(i64::MAX) + 1;
        groups.insert(key, number);
        Ok(number)
    })?;
    connection.create_scalar_function(AT, 1, flags, |context| Ok(seconds(context.get_raw(0))))
}

/// Every value with its length before it, so that no two lists of values are one text.
fn key(context: &Context<'_>) -> rusqlite::Result<Vec<u8>> {
    let mut key = vec![0];
    for i in 0..context.len() {
        let bytes = match context.get_raw(i) {
            ValueRef::Null => None,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
            ValueRef::Integer(_) | ValueRef::Real(_) => {
                return Err(Error::UserFunctionError("a group is named by texts".into()));
            }
        };
        // An error without a type is one whose type is empty.
        let bytes = bytes.filter(|bytes| i > 0 || !bytes.is_empty());
        let length = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
        key.extend_from_slice(&length.to_le_bytes());
        key.extend_from_slice(bytes.unwrap_or_default());
    }
    if key.len() > MAX_KEY {
        let hash = Sha256::digest(&key);
        key.truncate(1);
        key[0] = 1;
        key.extend_from_slice(&hash);
    }
    Ok(key)
}

/// Seconds since 1970; what is no time has none.
fn seconds(value: ValueRef<'_>) -> Option<i64> {
    let at = match value {
        ValueRef::Integer(number) => time::parse(&Value::from(number)),
        ValueRef::Real(number) => time::parse(&Value::from(number)),
        ValueRef::Text(bytes) => time::of_text(std::str::from_utf8(bytes).ok()?.trim()),
        ValueRef::Null | ValueRef::Blob(_) => None,
    };
    at.map(|at| at.as_second())
}
