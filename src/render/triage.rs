//! The state of issues, for people and for programs. All of it was written by others, and is shown escaped.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::change::{RepoPath, shown};
use crate::sync::Exchange;
use crate::tracker::{Entry, Refusal};
use crate::triage::fold::{Base, Lease, MAX_SKEW, Record, Said, Voice, Void, Word};
use crate::triage::log::Log;
use crate::triage::operation::{Kind, Operation};
use crate::triage::store;

/// So many characters of a title stand on one line.
const TITLE: usize = 100;

/// Every issue with what to know about it, those first that hurt most; then how many there are of each kind.
pub fn list(
    entries: &[Entry],
    foreign: &[RepoPath],
    (now, all): (Timestamp, bool),
    out: &mut String,
) -> fmt::Result {
    let mut counts: BTreeMap<Word, usize> = BTreeMap::new();
    for entry in sorted(entries) {
        let word = entry.record.word(now);
        *counts.entry(word).or_default() += 1;
        if !all && matches!(word, Word::Fixed | Word::Ignored) {
            continue;
        }
        let score = match entry.record.score {
            Some(score) => format!("{score:>5.1}"),
            None => "    -".to_owned(),
        };
        let title = title(&entry.record);
        writeln!(
            out,
            "{:<9}  {}  {score}  {title}",
            word.as_str(),
            entry.issue
        )?;
        if let Some(detail) = detail(word, &entry.record, now) {
            writeln!(out, "           {detail}")?;
        }
    }
    for path in foreign {
        writeln!(out, "foreign    `{path}` is no issue's log")?;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{n} {}", word.as_str()))
        .collect();
    match entries.len() {
        0 => writeln!(out, "no issues"),
        n => writeln!(out, "{}: {}", of(n, "issue"), counts.join(", ")),
    }
}

/// One issue with everything that is known of it.
pub fn show(entry: &Entry, now: Timestamp, out: &mut String) -> fmt::Result {
    let record = &entry.record;
    let word = record.word(now);
    writeln!(out, "{}: {}", word.as_str(), entry.issue)?;
    if record.title.is_some() {
        writeln!(out, "  {}", title(record))?;
    }
    for problem in &record.problems {
        let problem = shown(problem.to_string().as_bytes());
        writeln!(out, "  {problem}")?;
    }
    if let Some(seen) = seen(record) {
        writeln!(out, "  {seen}")?;
    }
    if let Some(score) = record.score {
        let act = record.act.as_deref().unwrap_or("unknown");
        writeln!(out, "  score {score:.1}, act {}", shown(act.as_bytes()))?;
    }
    for sentence in standing(record, now) {
        writeln!(out, "  {sentence}")?;
    }
    for (said, kind, void) in &record.void {
        writeln!(
            out,
            "  does not count: {} {}, {}: {}",
            kind.as_str(),
            by(said),
            said.at,
            reason(*void)
        )?;
    }
    writeln!(out, "  {}", of(record.n_operations, "operation"))
}

/// Every line of a log in the order in which they count.
pub fn log(bytes: &[u8], record: &Record, out: &mut String) -> fmt::Result {
    let log = Log::read(bytes);
    for operation in &log.operations {
        let void = record
            .void
            .iter()
            .find(|(said, ..)| said.id == *operation.id);
        let signed = match (&operation.sig, void) {
            (None, _) => "unsigned",
            (Some(_), Some((_, _, Void::Forged))) => "FORGED",
            (Some(_), _) => "signed",
        };
        write!(
            out,
            "{:>3}  {}  {:<9}  {} ({signed})",
            operation.n,
            operation.at,
            operation.op.as_str(),
            shown(operation.by.as_bytes())
        )?;
        for (name, value) in fields(operation) {
            write!(out, "; {name} {value}")?;
        }
        if let Some((.., void)) = void {
            write!(out, "; does not count: {}", reason(*void))?;
        }
        writeln!(out)?;
    }
    for problem in &log.problems {
        writeln!(out, "  ?  {}", shown(problem.to_string().as_bytes()))?;
    }
    Ok(())
}

/// What a command did.
pub fn done(kind: Kind, entry: &Entry, now: Timestamp, out: &mut String) -> fmt::Result {
    let issue = &entry.issue;
    match (kind, &entry.record.lease) {
        (Kind::Claimed, Some(lease)) => writeln!(
            out,
            "claimed: {issue}, until {} ({})",
            lease.until,
            span(lease.until.duration_since(now))
        ),
        _ => writeln!(out, "{}: {issue}", kind.as_str()),
    }
}

/// Why nothing was written.
pub fn refusal(kind: Kind, entry: &str, refusal: &Refusal, now: Timestamp) -> String {
    let why = match refusal {
        Refusal::Held(lease) => format!("it is claimed {}", until(lease, now)),
        Refusal::Ignored {
            by,
            until: Some(until),
        } => format!("{} ignores it until {until}", shown(by.as_bytes())),
        Refusal::Ignored { by, until: None } => {
            format!("{} ignores it for good", shown(by.as_bytes()))
        }
        Refusal::Fixed { commit } => {
            format!("it is fixed by {}", shown(short(commit).as_bytes()))
        }
        Refusal::NotClaimed => "nobody has claimed it".to_owned(),
        Refusal::NotYours(lease) => format!(
            "it was claimed in another clone, {}; a person may release it with `--key`",
            until(lease, now)
        ),
        Refusal::Open => "it is neither ignored nor fixed".to_owned(),
        Refusal::NeedsPerson { by } => format!(
            "{} signed what this would undo; a person may, with `--key`",
            shown(by.as_bytes())
        ),
    };
    format!("not {}: {entry}: {why}\n", kind.as_str())
}

/// What came in and what went out.
pub fn exchanges(remote: &str, exchanges: &[Exchange], out: &mut String) -> fmt::Result {
    let remote = shown(remote.as_bytes());
    for exchange in exchanges {
        let (n_in, n_out) = (exchange.n_received, exchange.n_sent);
        write!(out, "{}: ", exchange.name)?;
        match (&exchange.closed, n_in, n_out) {
            (None, 0, 0) => writeln!(out, "the same here and there")?,
            (None, ..) => writeln!(out, "{} received, {n_out} sent", of(n_in, "line"))?,
            (Some(why), ..) => writeln!(
                out,
                "{} received; `{remote}` does not take ours: {why}",
                of(n_in, "line")
            )?,
        }
        if exchange.n_lost_there > 0 {
            writeln!(
                out,
                "  `{remote}` no longer had {} that it had before: its log was rewritten",
                of(exchange.n_lost_there, "line")
            )?;
        }
    }
    Ok(())
}

/// The same for programs.
pub fn json(entry: &Entry, now: Timestamp) -> Value {
    let record = &entry.record;
    let said = |said: &Said| {
        let mut value = json!({"by": said.by, "at": said.at.to_string(), "signed": said.voice == Voice::Person});
        if let Some(because) = &said.because {
            value["because"] = because.as_str().into();
        }
        value
    };
    let mut value = json!({
        "issue": entry.issue.as_str(),
        "state": record.word(now).as_str(),
        "operations": record.n_operations,
    });
    let mut put = |name: &str, found: Option<Value>| {
        if let Some(found) = found {
            value[name] = found;
        }
    };
    put("title", record.title.as_deref().map(Value::from));
    put("events", record.n_events.map(Value::from));
    put("first", record.first_seen.map(|at| at.to_string().into()));
    put("last", record.last_seen.map(|at| at.to_string().into()));
    put("score", record.score.map(Value::from));
    put("act", record.act.as_deref().map(Value::from));
    put("confirmed", record.confirmed.as_ref().map(said));
    put(
        "claim",
        record.held(now).map(|lease| {
            let mut value = said(&lease.said);
            value["until"] = lease.until.to_string().into();
            value
        }),
    );
    let (name, base) = match &record.base {
        Base::Open => ("open", None),
        Base::Ignored { said: by, until } => {
            let mut value = said(by);
            if let Some(until) = until {
                value["until"] = until.to_string().into();
            }
            ("ignored", Some(value))
        }
        Base::Fixed { said: by, commit } => {
            let mut value = said(by);
            value["commit"] = commit.as_str().into();
            ("fixed", Some(value))
        }
        Base::Regressed { said: by, release } => {
            let mut value = said(by);
            value["release"] = json!(release);
            ("regressed", Some(value))
        }
    };
    put(name, base);
    if !record.refusals.is_empty() {
        put("refused", Some(record.refusals.iter().map(said).collect()));
    }
    let void = |(by, kind, void): &(Said, Kind, Void)| {
        let mut value = said(by);
        value["op"] = kind.as_str().into();
        value["why"] = reason(*void).into();
        value
    };
    if !record.void.is_empty() {
        put("void", Some(record.void.iter().map(void).collect()));
    }
    if !record.problems.is_empty() {
        let problems = record.problems.iter().map(|problem| problem.to_string());
        put("problems", Some(problems.collect()));
    }
    value
}

/// The lines of a log as they are, each with why it does not count.
pub fn json_log(bytes: &[u8], record: &Record) -> Value {
    let log = Log::read(bytes);
    let lines = log.operations.iter().map(|operation| {
        let mut value = json!(operation);
        let void = record
            .void
            .iter()
            .find(|(said, ..)| said.id == *operation.id);
        if let Some((.., void)) = void {
            value["void"] = reason(*void).into();
        }
        value
    });
    let problems: Vec<String> = log.problems.iter().map(ToString::to_string).collect();
    json!({"operations": lines.collect::<Vec<Value>>(), "problems": problems})
}

/// All of them, in the order of [`list`].
pub fn json_list(entries: &[Entry], foreign: &[RepoPath], now: Timestamp) -> Value {
    let issues: Vec<Value> = sorted(entries).map(|entry| json(entry, now)).collect();
    let foreign: Vec<String> = foreign.iter().map(ToString::to_string).collect();
    json!({"ref": store::REF, "issues": issues, "foreign": foreign})
}

fn sorted(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|one, other| {
        let score = |entry: &Entry| entry.record.score.unwrap_or(-1.0);
        let by_score = score(other).total_cmp(&score(one));
        by_score.then_with(|| one.issue.cmp(&other.issue))
    });
    sorted.into_iter()
}

fn detail(word: Word, record: &Record, now: Timestamp) -> Option<String> {
    match word {
        Word::Undecided => {
            let problem = record.problems.first()?;
            Some(shown(problem.to_string().as_bytes()))
        }
        _ => standing(record, now).into_iter().next(),
    }
}

/// What people and agents said of it and still holds, the weightiest first.
fn standing(record: &Record, now: Timestamp) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(lease) = record.held(now) {
        sentences.push(format!("claimed {}", until(lease, now)));
    }
    match &record.base {
        Base::Open => {}
        Base::Ignored { said, until } => {
            let until = match until {
                Some(until) if now >= *until => format!("until {until}, which is over"),
                Some(until) => format!("until {until}"),
                None => "for good".to_owned(),
            };
            sentences.push(format!("ignored {} {until}{}", by(said), because(said)));
        }
        Base::Fixed { said, commit } => sentences.push(format!(
            "fixed by {}, as {} said on {}",
            shown(short(commit).as_bytes()),
            named(said),
            said.at
        )),
        Base::Regressed { said, release } => {
            let release = match release {
                Some(release) => format!(" in release {}", shown(release.as_bytes())),
                None => String::new(),
            };
            sentences.push(format!(
                "regressed{release}, {} said on {}",
                named(said),
                said.at
            ));
        }
    }
    if let Some(said) = &record.confirmed {
        sentences.push(format!(
            "confirmed {}, {}{}",
            by(said),
            said.at,
            because(said)
        ));
    }
    if let Some(last) = record.refusals.last() {
        sentences.push(format!(
            "{} refused, the last {}{}",
            of(record.refusals.len(), "attempt"),
            by(last),
            because(last)
        ));
    }
    if let Some(lease) = record.lease.as_ref().filter(|lease| lease.is_ahead(now)) {
        sentences.push(format!(
            "a claim {} is dated {}, more than {} from now: a clock is wrong, and nobody is held up by it",
            by(&lease.said),
            lease.said.at,
            span(MAX_SKEW)
        ));
    }
    sentences
}

fn fields(operation: &Operation) -> Vec<(&'static str, String)> {
    let text = |text: &str| shown(text.as_bytes());
    let mut fields = Vec::new();
    let mut put = |name, value: Option<String>| {
        if let Some(value) = value {
            fields.push((name, value));
        }
    };
    put("until", operation.until.map(|until| until.to_string()));
    put("commit", operation.commit.as_deref().map(text));
    put("release", operation.release.as_deref().map(text));
    put("events", operation.events.map(|n| n.to_string()));
    put("score", operation.score.map(|score| format!("{score:.1}")));
    put("act", operation.act.as_deref().map(text));
    put("title", operation.title.as_deref().map(text));
    put("because", operation.because.as_deref().map(text));
    fields
}

fn seen(record: &Record) -> Option<String> {
    let last = record.last_seen?;
    let n = match record.n_events {
        Some(n) => format!(
            "{}, ",
            of(usize::try_from(n).unwrap_or(usize::MAX), "event")
        ),
        None => String::new(),
    };
    Some(match record.first_seen {
        Some(first) => format!("{n}{first} to {last}"),
        None => format!("{n}last {last}"),
    })
}

fn title(record: &Record) -> String {
    let title = record.title.as_deref().unwrap_or("(not seen by a digest)");
    let title = shown(title.as_bytes());
    match title.char_indices().nth(TITLE) {
        Some((at, _)) => format!("{}…", &title[..at]),
        None => title,
    }
}

/// `by NAME until TIME`.
fn until(lease: &Lease, now: Timestamp) -> String {
    let left = span(lease.until.duration_since(now));
    format!("{} until {} ({left})", by(&lease.said), lease.until)
}

fn by(said: &Said) -> String {
    format!("by {}", named(said))
}

fn named(said: &Said) -> String {
    let voice = match said.voice {
        Voice::Person => "signed",
        Voice::Anybody => "unsigned",
    };
    format!("{} ({voice})", shown(said.by.as_bytes()))
}

fn because(said: &Said) -> String {
    match &said.because {
        Some(because) => format!(", because {}", shown(because.as_bytes())),
        None => String::new(),
    }
}

fn reason(void: Void) -> &'static str {
    match void {
        Void::Forged => "its signature is not that of who it names",
        Void::Held => "another claim stood",
        Void::NotTheirs => "the claim is not its writer's",
        Void::NeedsPerson => "a person signed what it would undo",
        Void::Length => "it claims for more than a week, or for no time",
    }
}

fn short(commit: &str) -> &str {
    let is_id = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id { &commit[..10] } else { commit }
}

fn span(length: SignedDuration) -> String {
    let minutes = (length.as_secs().max(0) + 59) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn of(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
