//! A sample project walked through the loop once.
