//! Values beside an error that the policy names one by one. Nothing else of what surrounds an event is read.

use serde_json::Value;

/// Longer ones are cut before they are cleaned.
const MAX_VALUE: usize = 1_000;

/// The values of an event by names such as `extra.order_id`: a member, a path of members, or a pair in a list of pairs. Only single values count.
pub fn values(event: &Value, names: &[String]) -> Vec<(String, String)> {
    let found = names.iter().filter_map(|name| {
        let text = single(find(event, name)?)?;
        Some((name.clone(), text.chars().take(MAX_VALUE).collect()))
    });
    found.collect()
}

fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    if let Some(found) = member(value, name) {
        return Some(found);
    }
    let mut dots = name.match_indices('.');
    dots.find_map(|(at, _)| find(member(value, &name[..at])?, &name[at + 1..]))
}

/// Of an object, or of a list of `{key, value}` or `[key, value]`.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(pairs) => pairs.iter().find_map(|pair| {
            let (key, value) = match pair {
                Value::Object(_) => (pair.get("key")?, pair.get("value")?),
                Value::Array(two) => (two.first()?, two.get(1)?),
                _ => return None,
            };
            (key.as_str() == Some(name)).then_some(value)
        }),
        _ => None,
    }
}

fn single(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        // As OTLP writes a value: `{"stringValue": "…"}`.
        Value::Object(members) if members.len() == 1 => {
            let (kind, value) = members.iter().next()?;
            kind.ends_with("Value").then(|| single(value)).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(event: &Value, name: &str, expected: &str) {
        let found = values(event, &[name.to_owned()]);
        let said = found.first().map_or("none", |(_, value)| value);
        assert_eq!(said, expected, "{name} in {event}");
    }

    #[test]
    fn a_name_leads_to_one_value() {
        let event = json!({
            "extra": {"order": {"id": 7}, "a.b": "c", "list": [1]},
            "tags": [{"key": "kind", "value": "x"}, ["old", "y"]],
            "attributes": [{"key": "shop.cart", "value": {"intValue": "3"}}],
            "flat.name": true,
            "none": null,
        });
        check(&event, "extra.order.id", "7");
        check(&event, "extra.a.b", "c");
        check(&event, "tags.kind", "x");
        check(&event, "tags.old", "y");
        check(&event, "attributes.shop.cart", "3");
        check(&event, "flat.name", "true");
        for name in [
            "extra.order",
            "extra.list",
            "none",
            "extra",
            "",
            ".",
            "tags.zz",
            "x.y.z",
        ] {
            check(&event, name, "none");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let event = json!({"a": "x".repeat(5_000)});
        assert_eq!(values(&event, &["a".to_owned()])[0].1.len(), MAX_VALUE);
    }
}
