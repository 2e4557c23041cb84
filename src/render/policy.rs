//! Policies, their values and rules as text.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use crate::change::shown;
use crate::explain::{LineExplanation, Region};
use crate::policy::{Explanation, Group, Level, Limit, Page, Policy, Rule, Warning};

/// `key = value`, a line each, with its origin if that is asked for.
pub fn values(policy: &Policy, with_origin: bool) -> String {
    let mut out = String::new();
    for value in &policy.values {
        out += &format!("{} = {}", value.key, shown(value.value.as_bytes()));
        if with_origin {
            out += &format!("    # {}", value.origin);
        }
        out.push('\n');
    }
    out + &format!("# digest {}\n", policy.digest)
}

pub fn explanation(explanation: &Explanation) -> String {
    let mut out = format!("{}: {}\n", explanation.path, explanation.kind.as_str());
    if let Some((glob, origin)) = &explanation.decided_by {
        out += &format!("  by `{}` ({origin})\n", shown(glob.as_bytes()));
    }
    for fit in &explanation.also {
        let by = shown(fit.by.as_bytes());
        out += &format!(
            "  otherwise {}, by `{by}` ({})\n",
            fit.kind.as_str(),
            fit.origin
        );
    }
    match (&explanation.allowed_by, explanation.allowed) {
        (Some((glob, origin)), _) => {
            out += &format!("  allowed by `{}` ({origin})\n", shown(glob.as_bytes()))
        }
        (None, false) => out += "  outside `perimeter.allow`\n",
        (None, true) => (),
    }
    out + &limits(&explanation.limits)
}

fn limits(limits: &[Limit]) -> String {
    let line = |limit: &Limit| format!("  {} = {} ({})\n", limit.key, limit.value, limit.origin);
    limits.iter().map(line).collect()
}

/// What follows the explanation of its file.
pub fn line(explanation: &LineExplanation) -> String {
    let n = explanation.line;
    let region = match &explanation.region {
        Region::Whole => "as the whole file".to_owned(),
        Region::Production => "production code, beside tests in the same file".to_owned(),
        Region::Tests { first, last } => {
            format!("a test inside this file, lines {first} to {last}")
        }
        Region::Unknown { why } => format!(
            "unknown, so that a change is undecided: {}",
            shown(why.as_bytes())
        ),
    };
    let mut out = format!("line {n}: {region}\n");
    out += &limits(explanation.limits.as_deref().unwrap_or_default());
    let ids = |only_removed| {
        let here = explanation.looked_for.iter();
        let here = here.filter(move |pattern| pattern.only_removed == only_removed);
        here.map(|pattern| pattern.id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (what, ids) in [("added", ids(false)), ("removed", ids(true))] {
        if !ids.is_empty() {
            out += &format!("  looked for in what is {what}: {ids}\n");
        }
    }
    for finding in &explanation.findings {
        let rule = finding.rule;
        out += &format!(
            "  if it were added: {}[{rule}] {}\n",
            finding.level.as_str(),
            finding.fact
        );
        let mut patterns = explanation.looked_for.iter();
        let named = patterns.find(|pattern| finding.fact.starts_with(&format!("`{}`", pattern.id)));
        if let Some(pattern) = named {
            out += &format!("    by `{}` ({})\n", pattern.id, pattern.origin);
        }
    }
    if explanation.findings.is_empty() {
        out += "  if it were added: no rule that looks at one line objects\n";
    }
    out
}

/// Every key of a policy, from its schema, and every preset, as Markdown.
///
/// # Errors
/// The schema is not one.
pub fn reference(schema: &str, presets: &[(&str, &str)]) -> anyhow::Result<String> {
    let schema: Value = serde_json::from_str(schema).context("read the schema")?;
    let mut out = REFERENCE_BEGINS.to_owned();
    for (name, whom) in presets {
        out += &format!("| `{name}` | {whom} |\n");
    }
    let mut sections = vec![(String::new(), &schema)];
    while let Some((key, section)) = sections.pop() {
        let properties = section["properties"]
            .as_object()
            .context("a section without keys")?;
        let title = if key.is_empty() { "The file" } else { &key };
        out += &format!("\n## {title}\n\n| key | value | what it says |\n| --- | --- | --- |\n");
        let mut below = Vec::new();
        for (name, value) in properties {
            let path = if key.is_empty() {
                name.clone()
            } else {
                format!("{key}.{name}")
            };
            let inner = section_in(value);
            let about = value["description"].as_str().unwrap_or_default();
            out += &format!(
                "| `{name}` | {} | {} |\n",
                kind(value),
                about.replace('|', "\\|")
            );
            below.extend(inner.map(|inner| (path, inner)));
        }
        sections.extend(below.into_iter().rev());
    }
    Ok(out)
}

const REFERENCE_BEGINS: &str = "# The policy: every key\n
`koan-guard policy schema --reference` writes this page, and a test keeps it current. What the sections are for is said in `ARCHITECTURE.md`.\n
A policy stands in `.koan-guard.yaml` and counts as the trusted ref has it. Lists of presets and file add up, limits take the smallest value and
rules the strictest, of everything else the last word counts. `koan-guard policy show --origin` shows what came of it; an unknown key is an error.\n
The first line that `init` writes points editors at `.koan-guard.schema.json`, which it writes too: it works without a network and for everybody who
has the repository, because both files are committed. `koan-guard policy schema --write` renews it, and `policy lint` says when that is due.\n
## Presets\n
| preset | for |
| --- | --- |
";

/// The mapping that a value is, or that the entries of a list are.
fn section_in(value: &Value) -> Option<&Value> {
    let alternatives = value["anyOf"].as_array().into_iter().flatten();
    let candidates = [value, &value["items"]].into_iter().chain(alternatives);
    let mut sections = candidates.filter(|value| value["properties"].is_object());
    // Rules have pages of their own.
    sections.find(|value| {
        value["additionalProperties"] == false
            && value["properties"].get("path-protected").is_none()
    })
}

fn kind(value: &Value) -> String {
    let words = |value: &Value| -> Option<String> {
        let words = value["enum"].as_array()?.iter().filter_map(Value::as_str);
        Some(
            words
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", "),
        )
    };
    if let Some(words) = words(value) {
        return words;
    }
    if let Some(constant) = value.get("const") {
        return format!("`{}`", constant.to_string().trim_matches('"'));
    }
    if let Some(alternatives) = value["anyOf"].as_array() {
        return alternatives
            .iter()
            .map(kind)
            .collect::<Vec<_>>()
            .join("; or ");
    }
    match value["type"].as_str() {
        Some("integer") => match (value["minimum"].as_u64(), value["maximum"].as_u64()) {
            (Some(least), Some(most)) => format!("number, {least} to {most}"),
            _ => "number".to_owned(),
        },
        Some("array") => format!("list of: {}", kind(&value["items"])),
        Some("object") if value["properties"].get("path-protected").is_some() => {
            "mapping from rules to `deny`, `warn`, `off`".to_owned()
        }
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("string")
            if value["pattern"]
                .as_str()
                .is_some_and(|text| text.contains("ms|s")) =>
        {
            "time, as in `500ms`, `120s`, `30m`, `2h`".to_owned()
        }
        Some("string") => "text".to_owned(),
        Some("object") if value["properties"].is_object() => "mapping, below".to_owned(),
        _ => "mapping".to_owned(),
    }
}

pub fn warnings(warnings: &[Warning]) -> String {
    let mut out = String::new();
    for warning in warnings {
        let place = match (warning.line, warning.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}: ", crate::policy::PATH),
            _ => String::new(),
        };
        let kind = if warning.is_note { "note: " } else { "" };
        out += &format!("{place}{kind}{}\n", shown(warning.message.as_bytes()));
    }
    if warnings.is_empty() {
        "the policy loads, and nothing looks wrong\n".into()
    } else {
        out
    }
}

/// All rules, a line each, by group.
pub fn rules() -> String {
    let mut out = String::new();
    let mut group = None;
    for rule in by_group() {
        let info = rule.info();
        if group != Some(info.group) {
            let blank = if group.is_none() { "" } else { "\n" };
            out += &format!("{blank}{}\n", info.group.as_str());
            group = Some(info.group);
        }
        let closed = if info.closed {
            " (no policy can lower it)"
        } else {
            ""
        };
        out += &format!("  {:<28} {}{closed}\n", info.id, info.level.as_str());
    }
    out
}

/// Everything that is known of a rule, for programs.
#[derive(Serialize)]
pub struct RuleFields {
    id: &'static str,
    group: Group,
    level: Level,
    closed: bool,
    why: &'static str,
    next: &'static str,
    #[serde(flatten)]
    page: Page,
}

pub fn rule_fields() -> Vec<RuleFields> {
    let fields = |rule: Rule| {
        let info = rule.info();
        RuleFields {
            id: info.id,
            group: info.group,
            level: info.level,
            closed: info.closed,
            why: info.why,
            next: info.next,
            page: rule.page(),
        }
    };
    by_group().into_iter().map(fields).collect()
}

pub fn rule(rule: Rule) -> String {
    let (info, page) = (rule.info(), rule.page());
    format!(
        "{}: {} by default{}\n  group: {}\n  why: {}\n  next: {}\n\n  {}\n\n  found: {}\n  instead: {}\n",
        info.id,
        info.level.as_str(),
        closed(rule),
        info.group.as_str(),
        info.why,
        info.next,
        page.more,
        page.refused,
        page.instead
    )
}

/// All rules as a document: `docs/rules.md`.
pub fn rules_document() -> String {
    let mut out = String::from(
        "# Rules of the perimeter\n\n\
         Made from the program by `KOAN_WRITE_DOCS=1 cargo test --lib rules_document`; a test fails where it is not current.\n\n\
         `perimeter.rules` of the policy sets levels: `deny`, `warn`, `off`. Where several policies speak, the strictest word counts.\n",
    );
    let mut group = None;
    for rule in by_group() {
        let (info, page) = (rule.info(), rule.page());
        if group != Some(info.group) {
            let name = info.group.as_str();
            out += &format!("\n## {}{}\n", name[..1].to_uppercase(), &name[1..]);
            group = Some(info.group);
        }
        out += &format!(
            "\n### `{}`\n\n*{} by default{}.* {}.\n\n{}\n\n- Found: {}\n- Instead: {}\n- Next: {}\n",
            info.id,
            info.level.as_str(),
            closed(rule),
            capitalised(info.why),
            page.more,
            page.refused,
            page.instead,
            info.next
        );
    }
    out
}

fn by_group() -> Vec<Rule> {
    let mut rules = Rule::ALL.to_vec();
    rules.sort_by_key(|rule| rule.info().group);
    rules
}

fn closed(rule: Rule) -> &'static str {
    if rule.info().closed {
        ", and no policy can lower it"
    } else {
        ""
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;

    #[test]
    fn the_rules_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
        let document = rules_document();
        if std::env::var_os("KOAN_WRITE_DOCS").is_some() {
            std::fs::write(path, &document).expect("the document is written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document,
            "docs/rules.md is not current; write it anew with `KOAN_WRITE_DOCS=1 cargo test --lib rules_document`"
        );
    }

    #[test]
    fn the_reference_in_the_documents_is_current() {
        let reference = reference(&policy::schema(), &policy::presets()).expect("a reference");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.md");
        if std::env::var_os("KOAN_WRITE_DOCS").is_some() {
            std::fs::write(path, &reference).expect("write");
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference,
            "`koan-guard policy schema --reference > docs/policy.md` writes it anew"
        );
        for section in ["## perimeter.limits", "## proof.runner", "## sources"] {
            assert!(page.contains(section), "{section}");
        }
    }
}
