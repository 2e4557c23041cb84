//! Production errors as plain values: events, and the issues that group them.
