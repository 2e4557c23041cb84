//! One line of an issue's log: what was done, by whom and when, as JSON with a version.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The version of the lines that are written here.
pub const VERSION: u64 = 1;

/// Longer lines are none.
pub const MAX_LINE: usize = 64 << 10;

/// Order and meaning of the fields are those of the line, whose signature is over these very bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation<'a> {
    pub v: u64,
    /// One more than the greatest of the lines that its writer had before it: what was known comes first, whatever clocks say.
    pub n: u64,
    /// By the writer's clock.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// Random.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// The e-mail address that the writer goes by; proved only by `sig`.
    pub by: Text<'a>,
    pub op: Kind,
    #[serde(default, with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Text<'a>>,
    /// Of a claim: the hash of what only its holder knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Text<'a>>,
    /// The claim that this one takes the place of, or that is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Text<'a>>,
    /// Opens the lock of that claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    #[serde(default, with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    #[serde(default, with = "maybe_time", skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Text<'a>>,
    /// An SSH signature over the issue and the line without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<Text<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `events` of it were counted between `first` and `last`.
    Seen,
    /// `score` and `act` of a digest.
    Ranked,
    /// A person says that it is worth a fix.
    Confirmed,
    /// `claim`ed by nobody else before `until`; whoever knows what `lock` is the hash of may give it back.
    Claimed,
    Released,
    /// By `commit`.
    Fixed,
    /// An attempt was.
    Refused,
    /// For good, or `until`.
    Ignored,
    /// Seen again in a `release` that has the fix.
    Regressed,
    Reopened,
}

/// What stands in a log and is no operation that this version understands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unreadable {
    /// Written by a later version of the guard.
    Newer(u64),
    Corrupt(String),
}

impl Kind {
    pub const ALL: [Kind; 10] = [
        Kind::Seen,
        Kind::Ranked,
        Kind::Confirmed,
        Kind::Claimed,
        Kind::Released,
        Kind::Fixed,
        Kind::Refused,
        Kind::Ignored,
        Kind::Regressed,
        Kind::Reopened,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Seen => "seen",
            Kind::Ranked => "ranked",
            Kind::Confirmed => "confirmed",
            Kind::Claimed => "claimed",
            Kind::Released => "released",
            Kind::Fixed => "fixed",
            Kind::Refused => "refused",
            Kind::Ignored => "ignored",
            Kind::Regressed => "regressed",
            Kind::Reopened => "reopened",
        }
    }
}

impl<'a> Operation<'a> {
    /// Without anything that only some kinds have. Who, when and in what order is the log's to say.
    pub fn new(op: Kind) -> Operation<'a> {
        Operation {
            v: VERSION,
            n: 0,
            at: Timestamp::UNIX_EPOCH,
            id: Text::default(),
            by: Text::default(),
            op,
            until: None,
            because: None,
            lock: None,
            claim: None,
            key: None,
            commit: None,
            release: None,
            title: None,
            events: None,
            first: None,
            last: None,
            score: None,
            act: None,
            sig: None,
        }
    }

    pub fn read(line: &'a [u8]) -> Result<Operation<'a>, Unreadable> {
        if line.len() > MAX_LINE {
            let n_bytes = line.len();
            return Err(Unreadable::Corrupt(format!("it has {n_bytes} bytes")));
        }
        // Once for the line, instead of for each of its texts.
        let text = std::str::from_utf8(line);
        let text = text.map_err(|error| Unreadable::Corrupt(error.to_string()))?;
        let operation: Operation = match serde_json::from_str(text) {
            Ok(operation) => operation,
            Err(error) => return Err(unreadable(line, &error)),
        };
        match operation.v {
            VERSION => {}
            newer if newer > VERSION => return Err(Unreadable::Newer(newer)),
            _ => return Err(Unreadable::Corrupt("its version is 0".into())),
        }
        match operation.missing() {
            None => Ok(operation),
            Some(field) => Err(Unreadable::Corrupt(format!(
                "`{}` without `{field}`",
                operation.op.as_str()
            ))),
        }
    }

    /// The line, without a line feed.
    pub fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What a signature is over: the line without it, and the issue, so that it says nothing about another one.
    pub fn signed_bytes(&self, issue: &str) -> serde_json::Result<Vec<u8>> {
        let unsigned = Operation {
            sig: None,
            ..self.clone()
        };
        Ok(format!("{issue}\n{}", unsigned.line()?).into_bytes())
    }

    fn missing(&self) -> Option<&'static str> {
        let needed: &[(&'static str, bool)] = match self.op {
            Kind::Seen => &[("last", self.last.is_some())],
            Kind::Ranked => &[("score", self.score.is_some())],
            Kind::Claimed => &[
                ("until", self.until.is_some()),
                ("lock", self.lock.is_some()),
            ],
            Kind::Released => &[("claim", self.claim.is_some())],
            Kind::Fixed => &[("commit", self.commit.is_some())],
            Kind::Refused | Kind::Ignored => &[("because", self.because.is_some())],
            Kind::Confirmed | Kind::Regressed | Kind::Reopened => &[],
        };
        let always = [
            ("n", self.n > 0),
            ("id", is_id(&self.id)),
            ("by", !self.by.is_empty()),
        ];
        let mut all = needed.iter().chain(&always);
        all.find(|(_, is_there)| !is_there).map(|(name, _)| *name)
    }
}

/// 16 to 64 hexadecimal digits.
pub fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (16..=64).contains(&text.len()) && text.bytes().all(is_digit)
}

fn unreadable(line: &[u8], error: &serde_json::Error) -> Unreadable {
    #[derive(Deserialize)]
    struct Versioned {
        v: u64,
    }
    match serde_json::from_slice::<Versioned>(line) {
        Ok(Versioned { v }) if v > VERSION => Unreadable::Newer(v),
        _ => Unreadable::Corrupt(error.to_string()),
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Newer(version) => write!(
                f,
                "it is of version {version}, and this guard knows only {VERSION}"
            ),
            Unreadable::Corrupt(why) => write!(f, "it cannot be read: {why}"),
        }
    }
}

/// A time as RFC 3339 writes it.
mod time {
    use jiff::civil::DateTime;
    use jiff::tz::Offset;

    use super::{Deserialize, Deserializer, Text, Timestamp, de};

    pub fn serialize<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = Text::deserialize(from)?;
        match plain(text.as_bytes()) {
            Some(at) => Ok(at),
            None => text.parse().map_err(de::Error::custom),
        }
    }

    /// `2026-11-23T08:00:00Z`, as the guard writes it: a log has thousands of them, and the parser of all that RFC 3339 allows takes ten times as
    /// long. `None` leaves it to that one.
    pub(super) fn plain(text: &[u8]) -> Option<Timestamp> {
        let text: &[u8; 20] = text.try_into().ok()?;
        let signs = [
            (4, b'-'),
            (7, b'-'),
            (10, b'T'),
            (13, b':'),
            (16, b':'),
            (19, b'Z'),
        ];
        if signs.iter().any(|&(at, sign)| text[at] != sign) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            text[range].iter().try_fold(0_i16, |number, byte| {
                byte.is_ascii_digit()
                    .then(|| number * 10 + i16::from(byte - b'0'))
            })
        };
        let two = |at: usize| number(at..at + 2).and_then(|number| i8::try_from(number).ok());
        let (year, month, day) = (number(0..4)?, two(5)?, two(8)?);
        let time = DateTime::new(year, month, day, two(11)?, two(14)?, two(17)?, 0).ok()?;
        Offset::UTC.to_timestamp(time).ok()
    }
}

mod maybe_time {
    use super::{Deserializer, Timestamp, time};

    pub fn serialize<S: serde::Serializer>(
        at: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => time::serialize(at, to),
            None => to.serialize_none(),
        }
    }

    /// What is not there is not asked for here.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        time::deserialize(from).map(Some)
    }
}

/// Text of a line that is not copied where it stands there as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"v":1,"n":1,"at":"2026-11-23T08:00:00Z","id":"0123456789abcdef","by":"ada@example.com","op":"reopened"}"#;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let said = match Operation::read(line.as_bytes()) {
            Ok(operation) => operation.op.as_str().to_owned(),
            Err(unreadable) => unreadable.to_string(),
        };
        assert!(said.contains(expected), "{line}: {said}");
    }

    #[test]
    fn a_line_reads_as_it_was_written() {
        check(GOOD, "reopened");
        let operation = Operation::read(GOOD.as_bytes()).expect("an operation");
        assert_eq!(operation.line().expect("a line"), GOOD);
        for kind in Kind::ALL {
            let json = serde_json::to_string(&kind).expect("JSON");
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
    }

    #[test]
    fn a_later_version_is_said_to_be_one_whatever_else_it_has() {
        check(
            &GOOD.replace("\"v\":1", "\"v\":2"),
            "of version 2, and this guard knows only 1",
        );
        check(r#"{"v":7,"what":["ever"]}"#, "of version 7");
    }

    #[test]
    fn what_is_no_line_is_named() {
        check("", "cannot be read: EOF");
        check("hello", "cannot be read: expected value");
        check(r#"{"v":1}"#, "missing field `n`");
        check(&GOOD.replace("\"v\":1", "\"v\":0"), "its version is 0");
        check(&GOOD.replace("\"v\":1", "\"v\":-1"), "cannot be read");
        check(
            &GOOD.replace("\"n\":1", "\"n\":1,\"n\":2"),
            "duplicate field",
        );
        check(
            &GOOD.replace("\"n\":1", "\"n\":1,\"m\":2"),
            "unknown field `m`",
        );
        check(&GOOD.replace("\"n\":1", "\"n\":0"), "without `n`");
        check(
            &GOOD.replace("0123456789abcdef", "../../../etc/pass"),
            "without `id`",
        );
        check(&GOOD.replace("reopened", "deleted"), "unknown variant");
        check(
            &GOOD.replace("reopened", "claimed"),
            "`claimed` without `until`",
        );
        check(&format!("{GOOD} {GOOD}"), "trailing characters");
        check(&format!("{GOOD}{}", " ".repeat(MAX_LINE)), "bytes");
        assert!(Operation::read(b"\xff\xfe").is_err());
    }

    #[test]
    fn a_plain_time_is_what_the_parser_makes_of_it() {
        for (text, is_plain) in [
            ("2026-11-23T08:00:00Z", true),
            ("0001-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59Z", false),
            ("2024-02-29T23:59:59Z", true),
            ("2023-02-29T00:00:00Z", false),
            ("2026-11-23T24:00:00Z", false),
            ("2026-11-23T08:00:60Z", false),
            ("2026-11-23t08:00:00z", false),
            ("2026-11-23 08:00:00Z", false),
            ("2026-11-23T08:00:0 Z", false),
            ("2026-11-23T08:00:+1Z", false),
            ("2026-11-23T08:00:00.5Z", false),
        ] {
            let plain = time::plain(text.as_bytes());
            assert_eq!(plain.is_some(), is_plain, "{text}");
            if plain.is_some() {
                assert_eq!(plain, text.parse().ok(), "{text}");
            }
        }
    }

    #[test]
    fn a_signature_is_over_the_issue_and_everything_else() {
        let mut operation = Operation::read(GOOD.as_bytes()).expect("an operation");
        let unsigned = operation.signed_bytes("k1:1").expect("bytes");
        operation.sig = Some("x".into());
        assert_eq!(operation.signed_bytes("k1:1").expect("bytes"), unsigned);
        assert_ne!(operation.signed_bytes("k1:2").expect("bytes"), unsigned);
        operation.n = 2;
        assert_ne!(operation.signed_bytes("k1:1").expect("bytes"), unsigned);
    }
}
