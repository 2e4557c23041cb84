//! The JSON Schema of a policy, for editors: derived from the shapes in [`file`](super::file), with the words that each value may be.
//!
//! It knows less than the guard (two keys that only go together, a glob that cannot be read): what it accepts is still read by
//! [`Policy::load`](super::Policy::load), and what that reads, it accepts.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::file::{At, Entries, Names, PolicyFile, RunnerFile, Runners, Said};
use super::preset::PRESETS;
use super::{Policy, Rule, later, run, runners, sources, triage};
use crate::change::Content;

/// Where the schema stands beside the policy, so that editors find it without a network. It is protected as the policy is.
pub const SCHEMA_PATH: &str = ".koan-guard.schema.json";

/// The schema as text, with a line feed at its end.
pub fn schema() -> String {
    // The oldest draft that every editor knows, and no references between its parts.
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<PolicyFile>();
    schema.insert("title".to_owned(), "Policy of koan-guard".into());
    format!("{:#}\n", schema.as_value())
}

impl<T: JsonSchema> JsonSchema for Said<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Said{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("At{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Entries{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = T::json_schema(generator);
        json_schema!({"type": "object", "additionalProperties": value})
    }
}

impl JsonSchema for Names {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"const": "known"}, lines(generator)]})
    }
}

impl JsonSchema for Runners {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Runners".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = runners::BUILT_IN.iter().copied();
        let alone = names.filter(|name| *name != "custom").chain(["node:test"]);
        let name = one_of(alone.clone());
        let name_or_none = one_of(alone.chain([Policy::NO_RUNNER]));
        let mapping = RunnerFile::json_schema(generator);
        let list = json!({"type": "array", "minItems": 1, "items": {"anyOf": [name, mapping]}});
        json_schema!({"anyOf": [name_or_none, mapping, list]})
    }
}

fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    let words: Vec<&str> = words.into_iter().collect();
    json_schema!({"type": "string", "enum": words})
}

fn list_of(item: &Schema) -> Schema {
    json_schema!({"type": "array", "items": item})
}

/// Functions of these names describe the values of keys in [`file`](super::file).
macro_rules! values {
    ($($name:ident: $schema:expr;)*) => {
        $(pub(super) fn $name(_: &mut SchemaGenerator) -> Schema { $schema })*
    };
}

values! {
    version: json_schema!({"const": 1});
    presets: json_schema!({
        "type": "array", "uniqueItems": true, "items": one_of(PRESETS.iter().map(|(name, _)| *name)),
    });
    mode: one_of(["enforce", "observe"]);
    lane: one_of(["human", "agent", "repair"]);
    level: one_of(["deny", "warn", "off"]);
    suite: one_of(["all", "touched"]);
    before: one_of(["failed", "missing_symbol"]);
    allow_or_deny: one_of(["allow", "deny"]);
    existing_tests: one_of(["strict", "allow_if_fail_to_pass"]);
    on: one_of(["added", "removed", "both"]);
    signature: one_of(["when_known", "required", "preferred", "off"]);
    style: one_of(["conventional", "off"]);
    runner: one_of(runners::BUILT_IN.iter().copied().chain(["node:test"]));
    service: one_of(["postgres", "mysql", "redis"]);
    source: one_of(["jsonl", "postgres", "sentry", "sqlite"]);
    tls: one_of(["required", "off"]);
    source_preset: one_of(sources::PRESETS.iter().map(|(name, _)| *name));
    commit_types: list_of(&one_of(later::COMMIT_TYPES.iter().copied()));
    variations: list_of(&one_of(["clock", "hash-seed"]));
    count: json_schema!({"type": "integer", "minimum": 0, "maximum": 1_000_000});
    bytes: json_schema!({"type": "integer", "minimum": 0, "maximum": Content::MAX_BYTES});
    samples: json_schema!({"type": "integer", "minimum": 1, "maximum": 20});
    sandbox_level: json_schema!({"type": "integer", "minimum": 0, "maximum": 3});
    subject_length: json_schema!({"type": "integer", "minimum": 10, "maximum": 1_000});
    port: json_schema!({"type": "integer", "minimum": 1_024, "maximum": 65_535});
    attempts: json_schema!({"type": "integer", "minimum": 1, "maximum": run::MAX_ATTEMPTS});
    some_issues: json_schema!({"type": "integer", "minimum": 1, "maximum": run::MAX_ISSUES});
    days: json_schema!({"type": "integer", "minimum": 1, "maximum": run::MAX_DAYS});
    agent: one_of(run::agents());
    hosts: list_of(&json_schema!({
        "type": "string", "pattern": "^[a-z0-9-]{1,63}(\\.[a-z0-9-]{1,63})*(:[0-9]{1,5})?$",
    }));
    duration: json_schema!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"});
    identifier: json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"});
    text: json_schema!({"type": "string", "minLength": 1});
    pattern: json_schema!({"type": "string", "minLength": 1, "maxLength": 1_000});
    lines: list_of(&json_schema!({"type": "string", "minLength": 1}));
    globs: list_of(&glob());
    some_globs: json_schema!({"type": "array", "minItems": 1, "items": glob()});
    digests: list_of(&json_schema!({"type": "string", "pattern": "^[0-9a-f]{64}$"}));
    trailers: list_of(&json_schema!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9-]*$"}));
    variable_names: list_of(&json_schema!({"type": "string", "pattern": VARIABLE}));
    variables: json_schema!({
        "type": "object",
        "propertyNames": {"pattern": VARIABLE},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    });
    columns: json_schema!({
        "type": "object",
        "propertyNames": {"enum": later::COLUMNS},
        "additionalProperties": {"type": "string"},
    });
    texts: json_schema!({"type": "object", "additionalProperties": {"type": "string", "minLength": 1}});
    frames: json_schema!({
        "type": "object",
        "propertyNames": {"enum": sources::FRAME_KEYS},
        "additionalProperties": {"type": "string", "minLength": 1},
    });
    levels: json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "enum": sources::LEVELS},
    });
    weights: json_schema!({
        "type": "object",
        "propertyNames": {"minLength": 1, "maxLength": super::paths::MAX_GLOB},
        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 100},
    });
    merges: json_schema!({
        "type": "object",
        "propertyNames": {"pattern": FINGERPRINT},
        "additionalProperties": {"type": "string", "pattern": FINGERPRINT},
    });
    splits: json_schema!({
        "type": "object",
        "propertyNames": {"pattern": FINGERPRINT},
        "additionalProperties": one_of(triage::SPLITS.iter().map(|(name, _)| *name)),
    });
    contexts: list_of(&json_schema!({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,100}$"}));
    tag: json_schema!({"type": "string", "pattern": "^[^{}]*\\{release\\}[^{}]*$"});
    variable: json_schema!({"type": "string", "pattern": VARIABLE});
    rules: rules_by_id();
    open_rule: one_of(Rule::ALL.iter().filter(|rule| !rule.info().closed).map(|rule| rule.id()));
    day: json_schema!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"});
}

/// Names that are git's, the loader's or the guard's own are told apart when the policy is read.
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

const FINGERPRINT: &str = "^k1:[0-9a-f]{24}$";

fn glob() -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": super::paths::MAX_GLOB})
}

/// Each rule with its reason, and which cannot be lowered.
fn rules_by_id() -> Schema {
    let mut properties = Map::new();
    for rule in Rule::ALL {
        let info = rule.info();
        let closed = if info.closed {
            "; no policy can lower it"
        } else {
            ""
        };
        let about = format!("{} by default{closed}: {}", info.level.as_str(), info.why);
        let mut levels = one_of(["deny", "warn", "off"]);
        levels.insert("description".to_owned(), Value::String(about));
        properties.insert(info.id.to_owned(), levels.to_value());
    }
    json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::preset;

    /// What of `value` the schema does not accept. Only the words that our schema uses are known; another one fails the test.
    fn wrong(schema: &Value, value: &Value) -> Option<String> {
        let Value::Object(schema) = schema else {
            return (*schema == Value::Bool(false)).then(|| format!("{value} is not allowed"));
        };
        let length = value.as_str().map(|text| text.chars().count() as u64);
        let entries = || value.as_object().into_iter().flatten();
        let items = || value.as_array().into_iter().flatten();
        let limit = |limit: &Value| limit.as_u64().expect("a number");
        for (word, said) in schema {
            let is_wrong = match word.as_str() {
                "$schema" | "title" | "description" => false,
                "format" => panic!("editors do not agree on `format`"),
                "type" => !of_type(said, value),
                "const" => value != said,
                "enum" => !said.as_array().expect("a list").contains(value),
                "anyOf" => {
                    let schemas = said.as_array().expect("a list");
                    schemas.iter().all(|schema| wrong(schema, value).is_some())
                }
                "minLength" => length.is_some_and(|length| length < limit(said)),
                "maxLength" => length.is_some_and(|length| length > limit(said)),
                "minItems" => value
                    .as_array()
                    .is_some_and(|list| (list.len() as u64) < limit(said)),
                "uniqueItems" => {
                    let texts: Vec<String> = items().map(Value::to_string).collect();
                    texts.iter().collect::<BTreeSet<_>>().len() < texts.len()
                }
                "minimum" => value.as_i64().is_some_and(|n| n < limit(said) as i64),
                "maximum" => value.as_u64().is_some_and(|n| n > limit(said)),
                "pattern" => {
                    let pattern =
                        regex::Regex::new(said.as_str().expect("a text")).expect("it compiles");
                    value.as_str().is_some_and(|text| !pattern.is_match(text))
                }
                "required" => {
                    let names = said
                        .as_array()
                        .expect("a list")
                        .iter()
                        .filter_map(Value::as_str);
                    value.is_object() && names.into_iter().any(|name| value.get(name).is_none())
                }
                "items" => {
                    if let Some(inner) = items().find_map(|item| wrong(said, item)) {
                        return Some(inner);
                    }
                    false
                }
                "propertyNames" => entries().any(|(name, _)| wrong(said, &json!(name)).is_some()),
                "properties" => {
                    let known = |name: &str| said.get(name);
                    let inner = entries().find_map(|(name, value)| wrong(known(name)?, value));
                    if inner.is_some() {
                        return inner;
                    }
                    false
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
                    let others = entries().filter(|(name, _)| !is_known(name));
                    let inner = others.into_iter().find_map(|(_, value)| wrong(said, value));
                    if inner.is_some() {
                        return inner;
                    }
                    false
                }
                other => panic!("`{other}` is new in the schema"),
            };
            if is_wrong {
                return Some(format!("{value} by `{word}`"));
            }
        }
        None
    }

    fn of_type(said: &Value, value: &Value) -> bool {
        let is = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            other => panic!("type `{other}`"),
        };
        match said {
            Value::String(name) => is(name),
            names => names
                .as_array()
                .expect("a list")
                .iter()
                .any(|name| is(name.as_str().expect("a name"))),
        }
    }

    fn parsed() -> Value {
        serde_json::from_str(&schema()).expect("a schema is JSON")
    }

    fn yaml(text: &str) -> Value {
        // As policies are read: `off` is a word.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).expect(text)
    }

    /// Policies that use most of the keys, with what stands where.
    const SAMPLES: &[&str] = &[
        "version: 1",
        "version: 1\nextends: []\nmode: observe",
        "version: 1\nlanes: {repair: {branches: [\"koan/**\"], agents: known}, agent: {agents: [x]}, others: agent}",
        "version: 1\nlanes: {repair: {agents: [known, 'fixer[bot]']}}",
        "version: 1\nperimeter: {allow: [src/**], rules: {lockfile-changed: off, symlink: warn}, limits: {lines: 0}}",
        "version: 1\nperimeter: {forbid: [{id: a, pattern: 'x+', on: both, in: ['**/*.sql'], tests: false, why: no}]}",
        "version: 1\nproof: {runner: none, samples: 20, timeout: 500ms, hook: {suite: all, budget: 2h}}",
        "version: 1\nproof: {runner: 'node:test', env: {A: 1, B: true, C: x}, variations: [clock]}",
        "version: 1\nproof: {runner: {name: cargo, features: [all]}}",
        "version: 1\nproof: {runner: [pytest, {name: jest, dir: web}]}",
        "version: 1\nproof: {runner: {name: custom, build: b, command: c, report: '*.xml', trust_report: true}}",
        "version: 1\nproof: {services: [{preset: postgres}, {name: a, start: x, ready: y, port: 5000, env: {A: b}, ready_timeout: 5s}]}",
        "version: 1\nproof: {setup: [npm ci], setup_env: [TOKEN], setup_network: deny, sandbox: {min_level: 3}}",
        "version: 1\nmessage: {style: off, types: [fix], subject_length: 72, require_trailers: [Koan-Issue]}",
        "version: 1\nsources: [{name: a, kind: sqlite, path: e.db, table: e, columns: {type: class}}]",
        "version: 1\nrun: {agent: codex, args: [-m, x], attempts: 10, max: 100, time: 5m, budget: 2h, env: [A_KEY], network: allow, stop_loss: {refusals: 1, days: 365}}",
        "version: 1\nrun: {network: allow, hosts: [api.example.com, 'localhost:8080']}",
        "version: 1\nrun: {command: ./fix, home: [.x/y], readable: [/opt/x], author: 'A <a@b.c>'}",
        "version: 1\nsources: [{name: a, kind: sqlite, path: e.db, preset: solid_errors, redact: {order: 'ORD-[0-9]+'}, app_root: ['/srv/*/']}]",
        "version: 1\nsources: [{name: a, kind: jsonl, path: '-', levels: {'5': warning}}]",
        "version: 1\nsources: [{name: a, kind: sentry, url: 'https://x.example', project: '1', token_env: TOKEN}]",
        "version: 1\ntriage: {expected: [A], areas: {'a/**': 7}, merge: {'k1:000000000000000000000001': 'k1:000000000000000000000002'}}",
        "version: 1\ntriage: {split: {'k1:000000000000000000000002': message}, releases: {tag: 'r-{release}', deployments: d.jsonl}}",
        "version: 1\nsources: [{name: a, kind: postgres, url: 'postgres://a@x.example/b', password_env: P, table: t, schema: s, tls: required, ca_file: c, allow_writer_role: a, timeout: 1m}]",
    ];

    #[test]
    fn what_is_read_is_accepted() {
        let schema = parsed();
        for text in SAMPLES {
            Policy::load(text, "p.yaml").expect(text);
        }
        let presets = PRESETS.iter().map(|(_, text)| *text);
        for text in presets.chain(SAMPLES.iter().copied()) {
            assert_eq!(wrong(&schema, &yaml(text)), None, "{text}");
        }
    }

    #[test]
    fn what_is_surely_wrong_is_neither_read_nor_accepted() {
        let schema = parsed();
        for text in [
            "mode: enforce",
            "version: 2",
            "version: 1\nperimter: {}",
            "version: 1\nextends: [defualt]",
            "version: 1\nextends: [rust, rust]",
            "version: 1\nmode: obsrve",
            "version: 1\nmode: 1",
            "version: 1\nperimeter: {limits: {lines: -1}}",
            "version: 1\nperimeter: {limits: {line: 3}}",
            "version: 1\nperimeter: {limits: {lines: 99999999}}",
            "version: 1\nperimeter: {allow: src}",
            "version: 1\nperimeter: {allow: ['']}",
            "version: 1\nperimeter: {rules: {too-many-file: off}}",
            "version: 1\nperimeter: {rules: {symlink: of}}",
            "version: 1\nperimeter: {forbid: [{id: a}]}",
            "version: 1\nperimeter: {forbid: [{id: 'a b', pattern: x}]}",
            "version: 1\nperimeter: {forbid: [{id: a, pattern: x, in: []}]}",
            "version: 1\nperimeter: {not_secrets: [abc]}",
            "version: 1\nproof: {samples: 0}",
            "version: 1\nproof: {timeout: 5}",
            "version: 1\nproof: {timeout: 1d}",
            "version: 1\nproof: {runner: pytst}",
            "version: 1\nproof: {runner: custom}",
            "version: 1\nproof: {runner: []}",
            "version: 1\nproof: {runner: {dir: web}}",
            "version: 1\nproof: {env: {1A: x}}",
            "version: 1\nproof: {services: [{preset: oracle}]}",
            "version: 1\nproof: {services: [{start: x, ready: y, port: 80}]}",
            "version: 1\nproof: {sandbox: {min_level: 4}}",
            "version: 1\nmessage: {types: [fxi]}",
            "version: 1\nmessage: {require_trailers: ['Koan Issue']}",
            "version: 1\nlanes: {repair: {agents: all}}",
            "version: 1\nsources: [{name: a, path: x}]",
            "version: 1\nsources: [{name: a, kind: sqlite, path: x, preset: rails}]",
            "version: 1\nsources: [{name: a, kind: sqlite, path: x, table: t, frames: {off: a}}]",
            "version: 1\nsources: [{name: a, kind: sqlite, path: x, table: t, levels: {'1': bad}}]",
            "version: 1\ntriage: {areas: {'a/**': 101}}",
            "version: 1\ntriage: {merge: {a: b}}",
            "version: 1\ntriage: {split: {'k1:000000000000000000000002': it}}",
            "version: 1\ntriage: {releases: {tag: v1}}",
        ] {
            assert!(Policy::load(text, "p.yaml").is_err(), "read: {text}");
            assert!(wrong(&schema, &yaml(text)).is_some(), "accepted: {text}");
        }
    }

    /// The words of the schema at `pointer` are those that the guard names where it finds another one in the place of `@`.
    #[track_caller]
    fn check_words(pointer: &str, text: &str) {
        let schema = parsed();
        let words = schema
            .pointer(pointer)
            .and_then(Value::as_array)
            .expect(pointer);
        let words: BTreeSet<&str> = words.iter().filter_map(Value::as_str).collect();
        let load = |word: &str| {
            Policy::load(
                &format!("version: 1\n{}", text.replace('@', word)),
                "p.yaml",
            )
        };
        let err = load("bogus").expect_err(text).to_string();
        let known = err.split_once("(known: ").expect(&err).1;
        let known: BTreeSet<&str> = known.split('`').skip(1).step_by(2).collect();
        assert_eq!(words, known, "{pointer}");
        for word in words {
            load(word).expect(word);
        }
    }

    #[test]
    fn the_words_are_those_that_are_read() {
        check_words("/properties/mode/enum", "mode: @");
        let lanes = "/properties/lanes/properties";
        check_words(&format!("{lanes}/others/enum"), "lanes: {others: @}");
        let proof = |key: &str, text: &str| {
            check_words(&format!("/properties/proof/properties/{key}/enum"), text)
        };
        proof("suite", "proof: {suite: @}");
        proof("hook/properties/suite", "proof: {hook: {suite: @}}");
        proof("before", "proof: {before: @}");
        proof("red_commits", "proof: {red_commits: @}");
        proof("existing_red", "proof: {existing_red: @}");
        proof("reverts", "proof: {reverts: @}");
        proof("existing_tests", "proof: {existing_tests: @}");
        proof("setup_network", "proof: {setup_network: @}");
        proof("signature", "proof: {signature: @}");
        proof("necessity", "proof: {necessity: @}");
        proof("neighbours", "proof: {neighbours: @}");
        proof("variations/items", "proof: {variations: [@]}");
        proof(
            "services/items/properties/preset",
            "proof: {services: [{preset: @}]}",
        );
        let message = "/properties/message/properties";
        check_words(&format!("{message}/style/enum"), "message: {style: @}");
        check_words(
            &format!("{message}/types/items/enum"),
            "message: {types: [@]}",
        );
        let perimeter = "/properties/perimeter/properties";
        check_words(
            &format!("{perimeter}/rules/properties/symlink/enum"),
            "perimeter: {rules: {symlink: @}}",
        );
        check_words(
            &format!("{perimeter}/forbid/items/properties/on/enum"),
            "perimeter: {forbid: [{id: a, pattern: x, on: @}]}",
        );
    }

    #[test]
    fn the_kinds_of_sources_are_those_that_are_read() {
        let schema = parsed();
        let kinds = schema.pointer("/properties/sources/items/properties/kind/enum");
        assert_eq!(
            kinds,
            Some(&json!(["jsonl", "postgres", "sentry", "sqlite"]))
        );
        for source in [
            "kind: jsonl, path: x",
            "kind: postgres, url: 'postgres://a@x.example/b', table: t",
            "kind: sentry, url: 'https://x.example', project: a, token_env: T",
            "kind: sqlite, path: x, table: t",
        ] {
            let text = format!("version: 1\nsources: [{{name: a, {source}}}]");
            Policy::load(&text, "p.yaml").expect(source);
        }
    }

    #[test]
    fn every_key_says_what_it_is() {
        fn walk(path: &str, schema: &Value) {
            for (name, value) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(
                    value["description"].is_string(),
                    "{path} has no description"
                );
                walk(&path, value);
                walk(&path, &value["items"]);
            }
        }
        walk("", &parsed());
        assert!(preset::presets().iter().all(|(_, whom)| !whom.is_empty()));
    }
}
