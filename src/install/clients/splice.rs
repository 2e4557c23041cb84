//! JSON text with something put into it, or taken out again; every other byte stays as it was.

use std::borrow::Cow;
use std::fmt;

use anyhow::Context as _;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// What is to be put at the end of a list or an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Addition {
    Element(Value),
    Member(&'static str, Value),
}

/// How the text stands to an addition.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// It is there as it should be.
    Same,
    /// One that koan-guard wrote, and not this one: its bytes.
    Older(std::ops::Range<usize>),
    /// This text has to be put in at this byte.
    Missing(usize, String),
}

/// Looks for `addition` in what `path` leads to, objects being made where there are none.
///
/// # Errors
/// The text is no JSON without comments, or what stands at `path` is nothing that one could add to.
pub(super) fn look(
    text: &str,
    path: &[&'static str],
    addition: &Addition,
    is_ours: impl Fn(&Value) -> bool,
) -> anyhow::Result<Found> {
    let top: &RawValue = serde_json::from_str(text).context("read it as JSON")?;
    let mut here = top.get();
    for (depth, key) in path.iter().enumerate() {
        let members = members(here).with_context(|| format!("look for `{key}`"))?;
        match members.into_iter().find(|(name, _)| name == key) {
            Some((_, inner)) => here = inner.get(),
            None => {
                let nested = path[depth + 1..].iter().rev();
                let nested = nested.fold(addition.alone(), |value, key| object(key, value));
                let member = Addition::Member(key, nested);
                return Ok(missing(text, here, depth, &member));
            }
        }
    }
    let of_key = |at: &&'static str| format!("add to `{at}`");
    let place = path.last().map(of_key).unwrap_or_default();
    match addition {
        Addition::Element(value) => {
            for element in elements(here).context(place)? {
                let there: Value = serde_json::from_str(element.get())?;
                if there == *value {
                    return Ok(Found::Same);
                }
                if is_ours(&there) {
                    return Ok(Found::Older(range(text, element.get())));
                }
            }
        }
        Addition::Member(key, value) => {
            let there = members(here).context(place)?;
            if let Some((_, there)) = there.into_iter().find(|(name, _)| name == key) {
                let there: Value = serde_json::from_str(there.get())?;
                anyhow::ensure!(there == *value, "`{key}` is `{there}` there");
                return Ok(Found::Same);
            }
        }
    }
    Ok(missing(text, here, path.len(), addition))
}

/// The bytes of an element or a member, with the comma that belongs to it.
pub(super) fn with_comma(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let before = text[..range.start].trim_end();
    if before.ends_with(',') {
        return before.len() - 1..range.end;
    }
    let after = &text[range.end..];
    let n_blank = after.len() - after.trim_start().len();
    match after.trim_start().starts_with(',') {
        true => range.start..range.end + n_blank + 1,
        // It was the only one: what stands around it goes with it.
        false => before.len()..range.end + n_blank,
    }
}

/// The bytes of all elements below `path` that are ours, the last one first.
pub(super) fn ours(
    text: &str,
    path: &[&'static str],
    addition: &Addition,
    is_ours: impl Fn(&Value) -> bool,
) -> anyhow::Result<Vec<std::ops::Range<usize>>> {
    let top: &RawValue = serde_json::from_str(text).context("read it as JSON")?;
    let mut here = top.get();
    for key in path {
        let inner = members(here)?.into_iter().find(|(name, _)| name == key);
        let Some((_, inner)) = inner else {
            return Ok(Vec::new());
        };
        here = inner.get();
    }
    let mut ranges = Vec::new();
    match addition {
        Addition::Element(_) => {
            for element in elements(here)? {
                let there: Value = serde_json::from_str(element.get())?;
                if is_ours(&there) {
                    ranges.push(range(text, element.get()));
                }
            }
        }
        Addition::Member(key, value) => {
            for (name, there) in members(here)? {
                let range = range(text, there.get());
                if name == *key && serde_json::from_str::<Value>(there.get())? == *value {
                    let start = text[..range.start].rfind(&format!("\"{key}\""));
                    ranges.push(start.context("find a key that is written otherwise")?..range.end);
                }
            }
        }
    }
    ranges.reverse();
    Ok(ranges)
}

impl Addition {
    fn alone(&self) -> Value {
        match self {
            Addition::Element(value) => Value::Array(vec![value.clone()]),
            Addition::Member(key, value) => object(key, value.clone()),
        }
    }
}

fn object(key: &str, value: Value) -> Value {
    Value::Object([(key.to_owned(), value)].into_iter().collect())
}

/// Where and how to put `addition` at the end of the object or list `here`, which stands `depth` levels deep in `text`.
fn missing(text: &str, here: &str, depth: usize, addition: &Addition) -> Found {
    let unit = indent(text);
    let at = range(text, here);
    let inside = &text[at.start + 1..at.end - 1];
    let is_empty = inside.trim().is_empty();
    let item = match addition {
        Addition::Element(value) => format!("{value:#}"),
        Addition::Member(key, value) => format!("\"{key}\": {value:#}"),
    };
    // Standard output of JSON is indented by two spaces.
    let lines: Vec<String> = item
        .lines()
        .map(|line| {
            let n_spaces = line.len() - line.trim_start().len();
            format!(
                "{}{}",
                unit.repeat(depth + 1 + n_spaces / 2),
                line.trim_start()
            )
        })
        .collect();
    let item = lines.join("\n");
    if !is_empty {
        let end = at.start + 1 + inside.trim_end().len();
        return Found::Missing(end, format!(",\n{item}"));
    }
    let tail = match inside.contains('\n') {
        true => String::new(),
        false => format!("\n{}", unit.repeat(depth)),
    };
    Found::Missing(at.start + 1, format!("\n{item}{tail}"))
}

/// What one level is indented by.
fn indent(text: &str) -> &str {
    let mut lines = text.lines().skip(1);
    let line = lines.find(|line| line.trim_start().starts_with('"'));
    match line {
        Some(line) if line.len() > line.trim_start().len() => {
            &line[..line.len() - line.trim_start().len()]
        }
        _ => "  ",
    }
}

/// Where `part`, which was cut out of `text`, stands in it.
fn range(text: &str, part: &str) -> std::ops::Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

fn members(text: &str) -> anyhow::Result<Vec<(Cow<'_, str>, &RawValue)>> {
    let Members(members) = serde_json::from_str(text)?;
    for (i, (name, _)) in members.iter().enumerate() {
        let is_twice = members[..i].iter().any(|(other, _)| other == name);
        anyhow::ensure!(!is_twice, "`{name}` stands there twice");
    }
    Ok(members)
}

fn elements(text: &str) -> anyhow::Result<Vec<&RawValue>> {
    let Elements(elements) = serde_json::from_str(text)?;
    Ok(elements)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<'a>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    members.push((Cow::Owned(key), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Reader)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Elements<'a>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        from.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_ours(value: &Value) -> bool {
        value.to_string().contains("ours")
    }

    /// Puts `"ours"` into the list `a.b`, and takes it out again by both ways.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let path = ["a", "b"];
        let addition = Addition::Element(json!("ours"));
        let found = look(text, &path, &addition, is_ours).expect("JSON");
        let Found::Missing(at, inserted) = found else {
            panic!("{found:?}");
        };
        let new = format!("{}{inserted}{}", &text[..at], &text[at..]);
        assert_eq!(new, expected);
        let value: Value = serde_json::from_str(&new).expect("JSON");
        assert!(
            value["a"]["b"]
                .as_array()
                .expect("list")
                .contains(&json!("ours"))
        );
        assert_eq!(
            look(&new, &path, &addition, is_ours).expect("JSON"),
            Found::Same
        );
        assert_eq!(new.matches(&inserted).count(), 1);
        assert_eq!(new.replace(&inserted, ""), text);
        let ranges = ours(&new, &path, &addition, is_ours).expect("JSON");
        let mut without = new.clone();
        for range in ranges {
            without.replace_range(with_comma(&new, range), "");
        }
        let without: Value = serde_json::from_str(&without).expect("JSON");
        assert!(!without.to_string().contains("ours"), "{without}");
    }

    #[test]
    fn only_what_is_added_changes() {
        check(
            "{}",
            "{\n  \"a\": {\n    \"b\": [\n      \"ours\"\n    ]\n  }\n}",
        );
        check(
            "{\n\t\"z\": 1.50,\n\t\"a\": {\"b\": [ 1, 2 ]}\n}\n",
            "{\n\t\"z\": 1.50,\n\t\"a\": {\"b\": [ 1, 2,\n\t\t\t\"ours\" ]}\n}\n",
        );
        check(
            "{\"a\": {\"b\": []}, \"y\": \"\\u00e9\"}",
            "{\"a\": {\"b\": [\n      \"ours\"\n    ]}, \"y\": \"\\u00e9\"}",
        );
        check(
            "{\n    \"a\": {\n        \"c\": 1\n    },\n    \"x\": 1.0e3\n}",
            "{\n    \"a\": {\n        \"c\": 1,\n        \"b\": [\n            \"ours\"\n        ]\n    },\n    \"x\": 1.0e3\n}",
        );
        check(
            "{\"a\": {\n}}",
            "{\"a\": {\n    \"b\": [\n      \"ours\"\n    ]\n}}",
        );
    }

    #[test]
    fn what_cannot_be_added_to_is_said() {
        let addition = Addition::Element(json!("ours"));
        for text in [
            "",
            "// comment\n{}",
            "{\"a\": {\"b\": [1,]}}",
            "[]",
            "{\"a\": 1}",
            "{\"a\": {\"b\": {}}}",
            "{\"a\": {}, \"a\": {}}",
        ] {
            assert!(
                look(text, &["a", "b"], &addition, is_ours).is_err(),
                "{text}"
            );
        }
        let member = Addition::Member("k", json!("deny"));
        let found = look("{\"k\": \"allow\"}", &[], &member, is_ours);
        assert!(found.is_err_and(|err| err.to_string().contains("`k` is `\"allow\"` there")));
        assert_eq!(
            look("{\"k\": \"deny\"}", &[], &member, is_ours).expect("JSON"),
            Found::Same
        );
    }

    #[test]
    fn an_older_one_of_ours_is_found() {
        let text = "{\"a\": {\"b\": [1, \"ours of old\", 2]}}";
        let addition = Addition::Element(json!("ours"));
        let found = look(text, &["a", "b"], &addition, is_ours).expect("JSON");
        let Found::Older(range) = found else {
            panic!("{found:?}");
        };
        assert_eq!(&text[range.clone()], "\"ours of old\"");
        assert_eq!(&text[with_comma(text, range)], ", \"ours of old\"");
    }
}
