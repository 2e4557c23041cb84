//! Secrets and personal data out of a stranger's text, before it goes anywhere: `[redacted:KIND]`.
//!
//! The value is never kept, not even as a hash. A policy cannot take a rule away.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet, RegexSetBuilder};

/// Redacts texts and counts what it took out.
#[derive(Debug, Default)]
pub struct Redactor {
    /// By kind. Counted in distinct texts that were looked at, not in events.
    pub counts: BTreeMap<String, u64>,
    /// Patterns of the policy. They come first, so that they see the text as it is.
    own: Vec<(String, Regex)>,
}

/// What a match means for the text.
enum Action {
    /// The whole match goes.
    All,
    /// The match goes if this says so.
    If(fn(&str) -> bool),
    /// Group 1 stays, the rest goes, group 2 (if there is one) stays behind it.
    KeepEnds,
}

struct Rule {
    kind: &'static str,
    pattern: &'static str,
    action: Action,
    /// Too eager for the names of files and functions.
    prose_only: bool,
}

impl Redactor {
    /// One that redacts more than what is built in.
    ///
    /// # Errors
    /// A pattern does not compile; policies are checked before.
    pub fn with_own(patterns: &BTreeMap<String, String>) -> anyhow::Result<Redactor> {
        let mut redactor = Redactor::default();
        for (name, pattern) in patterns {
            redactor.own.push((name.clone(), Regex::new(pattern)?));
        }
        Ok(redactor)
    }

    /// For messages.
    pub fn prose(&mut self, text: &str) -> String {
        self.apply(text, true)
    }

    /// For the names of files, functions, types and releases: long mixed names stay.
    pub fn name(&mut self, text: &str) -> String {
        self.apply(text, false)
    }

    fn apply(&mut self, text: &str, is_prose: bool) -> String {
        let mut text = text.to_owned();
        for (name, pattern) in &self.own {
            let n_taken = pattern.find_iter(&text).count();
            if n_taken > 0 {
                text = pattern
                    .replace_all(&text, regex::NoExpand(&format!("[redacted:{name}]")))
                    .into_owned();
                *self.counts.entry(name.clone()).or_default() += n_taken as u64;
            }
        }
        // A replacement can only take text away from later rules, so one look at the original is enough.
        let hits: Vec<usize> = COMPILED.set.matches(&text).into_iter().collect();
        for n in hits {
            let rule = &RULES[n];
            if rule.prose_only && !is_prose {
                continue;
            }
            let mut n_taken = 0;
            text = COMPILED.each[n]
                .replace_all(&text, |found: &Captures| {
                    let replaced = replacement(rule, found);
                    n_taken += u64::from(replaced.is_some());
                    replaced.unwrap_or_else(|| found[0].to_owned())
                })
                .into_owned();
            if n_taken > 0 {
                *self.counts.entry(rule.kind.to_owned()).or_default() += n_taken;
            }
        }
        text
    }
}

fn replacement(rule: &Rule, found: &Captures) -> Option<String> {
    let mark = format!("[redacted:{}]", rule.kind);
    let whole = &found[0];
    match rule.action {
        Action::All => Some(mark),
        Action::If(is_secret) => is_secret(whole).then_some(mark),
        Action::KeepEnds => {
            let before = found.get(1).map_or("", |part| part.as_str());
            let after = found.get(2).map_or("", |part| part.as_str());
            let value = &whole[before.len()..whole.len() - after.len()];
            (!value.starts_with("[redacted:")).then(|| format!("{before}{mark}{after}"))
        }
    }
}

struct Compiled {
    set: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let patterns = RULES.iter().map(|rule| rule.pattern);
    Compiled {
        set: RegexSetBuilder::new(patterns.clone())
            .size_limit(1 << 26)
            .build()
            .expect("the patterns are constant"),
        each: patterns
            .map(|pattern| Regex::new(pattern).expect("the pattern is constant"))
            .collect(),
    }
});

const fn rule(kind: &'static str, pattern: &'static str, action: Action) -> Rule {
    Rule {
        kind,
        pattern,
        action,
        prose_only: false,
    }
}

/// The order counts: what is known by its form first, then what is known by its neighbour, then what only looks random.
static RULES: &[Rule] = &[
    rule(
        "private-key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)|AGE-SECRET-KEY-1[A-Z0-9]{20,}",
        Action::All,
    ),
    rule(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
        Action::All,
    ),
    rule(
        "aws-key",
        r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b",
        Action::All,
    ),
    rule(
        "token",
        concat!(
            r"(?-u)\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|rt|dt|ptt|soat|cbt)-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}",
            r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9]{16,}|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}",
            r"|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}|hf_[A-Za-z0-9]{20,}|do[opr]_v1_[0-9a-f]{32,}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{24,}",
            r"|SG\.[\w-]{16,}\.[\w-]{16,}|sntry[su]_[\w=+/.-]{16,}|(?:AC|SK)[0-9a-f]{32}\b|[MNO][\w-]{23,}\.[\w-]{6}\.[\w-]{27,}",
            r"|\d{8,10}:AA[\w-]{32,}|hv[sbr]\.[\w-]{24,}|dapi[0-9a-f]{32}|lin_api_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{32,}|figd_[\w-]{32,}",
            r"|dckr_[a-z]+_[\w-]{20,}|sbp_[0-9a-f]{32,}|sq0(?:atp|csp)-[\w-]{20,}|NRAK-[A-Z0-9]{20,}|HRKU-[\w-]{30,}|key-[0-9a-f]{32}",
            r"|glc_[\w+/=]{30,}|pscale_\w+_[\w.-]{30,}|rubygems_[0-9a-f]{40,}|PMAK-[0-9a-f-]{30,}|atlasv1\.[\w-]{30,})",
        ),
        Action::All,
    ),
    rule(
        "webhook",
        r"https://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/\S+",
        Action::All,
    ),
    rule(
        "url-credentials",
        r"(?i)(\b[a-z][a-z0-9+.-]*://)(?:[^\s:/@]*:[^\s@]+|[^\s/@]+)(@)",
        Action::KeepEnds,
    ),
    rule(
        "auth-header",
        r#"(?i)(\b(?:proxy-)?authorization["']?\s*[:=]\s*|\b(?:set-)?cookie["']?\s*:\s*|\bx-api-key["']?\s*:\s*)[^\r\n]+"#,
        Action::KeepEnds,
    ),
    rule(
        "bearer",
        r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",
        Action::If(|text| text.len() > 30 || text.bytes().any(|byte| byte.is_ascii_digit())),
    ),
    rule(
        "secret",
        r#"(?i)(\b[\w.-]*(?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|account[_-]?key|encryption[_-]?key|secret[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|private[_-]?key|credentials?|[cx]srf)[\w-]*(?:["']?\s*[:=]\s*|%3[adAD])|\b(?:cvv|cvc|otp|pin|ssn)["']?\s*[:=]\s*|\b\w*(?:token|sig|signature|sess(?:ion)?(?:id)?|\.sid)=)(?:"[^"]*"|'[^']*'|[^\s,;&)}\]]+)"#,
        Action::KeepEnds,
    ),
    rule(
        "email",
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
        Action::All,
    ),
    rule("card", r"\b(?:\d[ -]?){12,18}\d\b", Action::If(is_card)),
    rule(
        "iban",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
        Action::If(is_iban),
    ),
    rule(
        "phone",
        r"(?-u)\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}\b",
        Action::If(|text| (8..=15).contains(&text.bytes().filter(u8::is_ascii_digit).count())),
    ),
    rule("ssn", r"(?-u)\b\d{3}-\d{2}-\d{4}\b", Action::All),
    rule(
        "mac",
        r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
        Action::All,
    ),
    rule(
        "ip",
        // Three colons at least: `a::b` is a name of Rust and C++.
        r"\b(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f.]{0,15}",
        Action::If(|text| {
            let ip = text.trim_end_matches('.').parse::<std::net::Ipv6Addr>();
            text.bytes().any(|byte| byte.is_ascii_digit()) && ip.is_ok_and(|ip| !ip.is_loopback())
        }),
    ),
    rule(
        "ip",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
        Action::If(|text| {
            text.parse::<std::net::Ipv4Addr>()
                .is_ok_and(|ip| !ip.is_loopback() && !ip.is_unspecified())
        }),
    ),
    rule(
        "home",
        r"((?:/(?:home|Users)/|[A-Za-z]:\\+Users\\+))[^/\\\s:]+",
        Action::KeepEnds,
    ),
    rule("hex", r"\b[0-9a-fA-F]{32,}\b", Action::All),
    Rule {
        kind: "entropy",
        pattern: r"[A-Za-z0-9+_=-]{24,}|[A-Za-z0-9+/_=-]{40,}",
        action: Action::If(looks_random),
        prose_only: true,
    },
];

/// An issuer's prefix, its length, and the check digit: times in milliseconds pass the last one too often.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let prefix = |n: usize| number[..n].parse::<u32>().unwrap_or(0);
    let has_issuer = match digits.len() {
        13 | 19 => digits[0] == 4,
        14 => prefix(2) == 36 || prefix(2) == 38 || (300..=305).contains(&prefix(3)),
        15 => prefix(2) == 34 || prefix(2) == 37,
        16 => {
            digits[0] == 4
                || (51..=55).contains(&prefix(2))
                || (2221..=2720).contains(&prefix(4))
                || prefix(4) == 6011
                || prefix(2) == 65
                || (3528..=3589).contains(&prefix(4))
        }
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, &digit)| match n % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        })
        .sum();
    has_issuer && sum.is_multiple_of(10)
}

fn is_iban(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let mut remainder = 0;
    for c in plain[4..].iter().chain(&plain[..4]) {
        let Some(value) = c.to_digit(36) else {
            return false;
        };
        let shift = if value > 9 { 100 } else { 10 };
        remainder = (remainder * shift + value) % 97;
    }
    remainder == 1
}

/// Upper case, lower case and digits, and about as many different characters as chance would take.
fn looks_random(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    let is_mixed =
        has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let least = if text.contains('/') { 4.5 } else { 4.0 };
    is_mixed && entropy(text) >= least
}

/// In bits a character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let n = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / n)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Redactor::default().prose(text), expected);
    }

    #[track_caller]
    fn check_stays(text: &str) {
        check(text, text);
    }

    // Tokens are put together here so that no scanner takes this file for a leak.

    #[test]
    fn tokens_go_by_their_form() {
        check(
            &format!("key {}{}", "AKIA", "IOSFODNN7EXAMPLE"),
            "key [redacted:aws-key]",
        );
        check(
            &format!("{}_{}", "ghp", "a1".repeat(18)),
            "[redacted:token]",
        );
        check(
            &format!("sk_{}_{}", "live", "4eC39HqLyjWD"),
            "[redacted:token]",
        );
        check(
            &format!(
                "{}.{}.{}",
                "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "abc-def_123"
            ),
            "[redacted:jwt]",
        );
        check(
            &format!("-----BEGIN RSA {} KEY-----\nMIIE\nabc", "PRIVATE"),
            "[redacted:private-key]",
        );
    }

    #[test]
    fn tokens_go_by_what_stands_before_them() {
        check("got Bearer abcd1234efgh", "got [redacted:bearer]");
        check(
            "Authorization: Basic dXNlcjpwYXNz\nnext",
            "Authorization: [redacted:auth-header]\nnext",
        );
        check(
            "login password=hunter2, retry",
            "login password=[redacted:secret], retry",
        );
        check(r#"{"api_key": "x y"}"#, r#"{"api_key": [redacted:secret]}"#);
        check(
            "/cb?access_token=abc&x=1",
            "/cb?access_token=[redacted:secret]&x=1",
        );
    }

    #[test]
    fn passwords_in_addresses_go() {
        check(
            "connect postgres://app:s3cr3t/x@db.internal:5432/shop",
            "connect postgres://[redacted:url-credentials]@db.internal:5432/shop",
        );
        check(
            "https://0123456789abcdef@errors.example/4",
            "https://[redacted:url-credentials]@errors.example/4",
        );
    }

    #[test]
    fn people_go() {
        check(
            "no user Ada.L+x@mail.example.org!",
            "no user [redacted:email]!",
        );
        check(
            "card 4111 1111 1111 1111 declined",
            "card [redacted:card] declined",
        );
        check(
            "iban DE89 3704 0044 0532 0130 00 bad",
            "iban [redacted:iban] bad",
        );
        check("from 203.0.113.9", "from [redacted:ip]");
        check("/home/ada/shop/x.py", "/home/[redacted:home]/shop/x.py");
    }

    #[test]
    fn what_only_looks_random_goes() {
        check(&"0123456789abcdef".repeat(2), "[redacted:hex]");
        check(
            "got q8Zt3LwX0vR5nK2yB7cF4hJ9 here",
            "got [redacted:entropy] here",
        );
        check(
            &format!("wJalrXUtnFEMI/K7MDENG/{}", "bPxRfiCYEXAMPLEKEY"),
            "[redacted:entropy]",
        );
    }

    #[test]
    fn what_looks_like_an_address_and_is_none_stays() {
        check_stays("at 08:04:14 and 12:30:45:12");
        check_stays("shop::cart::d2::total");
        check_stays("Cart::<u8>::add::be::ad");
        check_stays("version +1.2.3 and +12");
        check("from 2001:db8::8a2e:370:7334!", "from [redacted:ip]!");
        check("card of +49 30 1234 5678", "card of [redacted:phone]");
        check("nic 00:1b:44:11:3a:b7", "nic [redacted:mac]");
    }

    #[test]
    fn ordinary_text_stays() {
        check_stays("attempt to subtract with overflow");
        check_stays("Basic authentication failed, unexpected token: <");
        check_stays("order 1763800000000 of 2026-11-21T08:04:14Z is 1234567812345678");
        check_stays("connection to 127.0.0.1:5432 refused");
        check_stays("/srv/shop/releases/20261108093000/app/models/order.rb:12");
        check_stays("k1:96a15550fda2f78fff3cb143");
        check_stays("shop::checkout::total_with_a_very_long_function_name_v2");
    }

    #[test]
    fn long_names_of_functions_stay() {
        let name = "_ZN4core9panicking11panic_const24panic_const_sub_overflow17h";
        assert_eq!(Redactor::default().name(name), name);
    }

    #[test]
    fn nothing_is_redacted_twice() {
        let mut redactor = Redactor::default();
        let once =
            redactor.prose("password=hunter2 a@b.org a@b.org Authorization: Bearer abcd1234efgh");
        let counts = redactor.counts.clone();
        assert_eq!(redactor.prose(&once), once);
        assert_eq!(redactor.counts, counts);
        assert_eq!(
            counts,
            BTreeMap::from(
                [("auth-header", 1), ("email", 2), ("secret", 1)]
                    .map(|(kind, n)| (kind.to_owned(), n))
            )
        );
    }
}
