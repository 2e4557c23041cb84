//! Policies, their values and rules as text.

use serde::Serialize;

use crate::change::shown;
use crate::policy::{Explanation, Group, Level, Page, Policy, Rule, Warning};

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
    match (&explanation.allowed_by, explanation.allowed) {
        (Some((glob, origin)), _) => {
            out += &format!("  allowed by `{}` ({origin})\n", shown(glob.as_bytes()))
        }
        (None, false) => out += "  outside `perimeter.allow`\n",
        (None, true) => (),
    }
    for limit in &explanation.limits {
        out += &format!("  {} = {} ({})\n", limit.key, limit.value, limit.origin);
    }
    out
}

pub fn warnings(warnings: &[Warning]) -> String {
    let mut out = String::new();
    for warning in warnings {
        let place = match (warning.line, warning.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}: ", crate::policy::PATH),
            _ => String::new(),
        };
        out += &format!("{place}{}\n", shown(warning.message.as_bytes()));
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
}
