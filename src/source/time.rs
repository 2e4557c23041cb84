//! Times as programs write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// RFC 3339, a date and a time (UTC if it names no zone), or a number of seconds, milli-, micro- or nanoseconds by its size.
pub fn parse(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => of_number(number.as_f64()?),
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

pub fn of_text(text: &str) -> Option<Timestamp> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return of_number(text.parse().ok()?);
    }
    // `2026-11-22 20:07:13,008` of Python's logging, `… UTC` of others
    let text = text.replace(',', ".");
    let text = text.strip_suffix(" UTC").unwrap_or(&text);
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil: DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

fn of_number(number: f64) -> Option<Timestamp> {
    let divisor = match number {
        n if n < 1e11 => 1.0,
        n if n < 1e14 => 1e3,
        n if n < 1e17 => 1e6,
        _ => 1e9,
    };
    let millis = number / divisor * 1e3;
    if !millis.is_finite() || millis <= 0.0 {
        return None;
    }
    Timestamp::from_millisecond(millis as i64).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_in_many_forms() {
        let expected = "2026-11-22T20:07:13Z";
        for value in [
            json!("2026-11-22T20:07:13Z"),
            json!("2026-11-22T21:07:13+01:00"),
            json!("2026-11-22 20:07:13,008"),
            json!("2026-11-22 20:07:13.073234+00:00"),
            json!("2026-11-22 20:07:13 UTC"),
            json!(1_795_378_033),
            json!(1_795_378_033.5),
            json!(1_795_378_033_123_u64),
            json!("1795378033458752000"),
        ] {
            let at = parse(&value).expect("a time");
            assert_eq!(
                at.as_second(),
                expected.parse::<Timestamp>().expect("a time").as_second(),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_time() {
        for value in [
            json!("soon"),
            json!(""),
            json!(null),
            json!(-5),
            json!("."),
            json!([1]),
        ] {
            assert_eq!(parse(&value), None, "{value}");
        }
    }
}
