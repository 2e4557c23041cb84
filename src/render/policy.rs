//! Policies, their values and rules as text.

use crate::change::shown;
use crate::policy::{Explanation, Policy, Rule, Warning};

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

/// All rules, a line each.
pub fn rules() -> String {
    let line = |rule: &Rule| {
        let info = rule.info();
        let closed = if info.closed {
            " (no policy can lower it)"
        } else {
            ""
        };
        format!("{:<28} {}{closed}\n", info.id, info.level.as_str())
    };
    Rule::ALL.iter().map(line).collect()
}

pub fn rule(rule: Rule) -> String {
    let info = rule.info();
    let closed = if info.closed {
        ", and no policy can lower it"
    } else {
        ""
    };
    format!(
        "{}: {} by default{closed}\n  why: {}\n  next: {}\n",
        info.id,
        info.level.as_str(),
        info.why,
        info.next
    )
}
