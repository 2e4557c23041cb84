//! Events, or groups of them, gathered into issues: cleaned, named, and merged where they have one name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::clean::Cleaner;
use super::stack::{self, RawFrame};
use super::{MAX_ISSUES, Settings};
use crate::issue::{Fingerprint, Flag, Frame, Issue, Severity, skeleton};

/// In characters: what is looked at of a message before it is redacted and cut for people.
pub const MAX_MESSAGE: usize = 4_000;

/// What a source says of one event, or of the newest of a group. All of it is a stranger's.
#[derive(Clone, Debug, Default)]
pub struct RawEvent {
    pub error_type: Option<String>,
    /// Where the type is defined.
    pub module: Option<String>,
    pub message: String,
    /// The message before its values were put in.
    pub template: Option<String>,
    /// A stack trace as text.
    pub stack: Option<String>,
    /// The innermost last.
    pub frames: Vec<RawFrame>,
    /// The one place that is known where there is no stack.
    pub place: Option<RawFrame>,
    pub causes: Vec<String>,
    /// How the program itself groups its events.
    pub explicit: Vec<String>,
    pub id: Option<String>,
    pub at: Option<Timestamp>,
    /// What the policy names of what is beside it.
    pub context: Vec<(String, String)>,
}

/// Everything that has been read so far, by fingerprint.
pub struct Gatherer<'a> {
    pub cleaner: Cleaner,
    pub issues: BTreeMap<Fingerprint, Issue>,
    pub settings: &'a Settings,
}

/// A raw event made harmless.
struct Cleaned {
    error_type: Option<String>,
    message: String,
    frames: Vec<Frame>,
    causes: Vec<String>,
    flags: BTreeSet<Flag>,
    fingerprint: Fingerprint,
}

impl<'a> Gatherer<'a> {
    pub fn new(settings: &'a Settings) -> anyhow::Result<Gatherer<'a>> {
        Ok(Gatherer {
            cleaner: Cleaner::new(&settings.redact)?,
            issues: BTreeMap::new(),
            settings,
        })
    }

    /// The issue that the event belongs to; `None` beyond [`MAX_ISSUES`].
    pub fn add(&mut self, event: RawEvent) -> Option<Fingerprint> {
        let (id, at) = (event.id.clone(), event.at);
        let context = event.context.clone();
        let Cleaned {
            error_type,
            message,
            frames,
            causes,
            mut flags,
            fingerprint,
        } = self.clean(event);
        let is_known = self.issues.contains_key(&fingerprint);
        if !is_known && self.issues.len() >= MAX_ISSUES {
            return None;
        }
        let id = id.map(|id| self.cleaner.id(&id, &mut flags));
        let context = clean_context(context, &mut self.cleaner, &mut flags);
        let issue = self
            .issues
            .entry(fingerprint.clone())
            .or_insert_with(|| Issue::new(fingerprint.clone()));
        issue.flags.extend(flags);
        let is_newest = !is_known || at > issue.tally.last_seen;
        if is_newest {
            issue.error_type = error_type;
            issue.skeleton = skeleton(&message);
            issue.frames = frames;
            issue.causes = causes;
            issue.sample_event_id = id;
            issue.context = context;
            // It belongs to the newest sample until events are counted, which cannot make it older.
            issue.tally.last_seen = at;
        }
        if !issue.messages.contains(&message) {
            let place = if is_newest { 0 } else { issue.messages.len() };
            issue.messages.insert(place, message);
            issue.messages.truncate(Issue::MAX_MESSAGES);
        }
        Some(fingerprint)
    }

    /// A level in the source's own words: what the policy says of it, what its form says, what it says to everybody.
    pub fn severity(&self, level: Option<&str>, known: Option<Severity>) -> Option<Severity> {
        let own = level.and_then(|level| self.settings.levels.get(&level.trim().to_lowercase()));
        own.copied().or(known).or_else(|| Severity::parse(level?))
    }

    fn clean(&mut self, event: RawEvent) -> Cleaned {
        let rules = &self.settings.rules;
        let trace = stack::parse(event.stack.as_deref().unwrap_or(""), rules);
        let mut error_type = event.error_type.filter(|name| !name.trim().is_empty());
        let mut message = event.message;
        if let (None, Some(link)) = (&error_type, trace.chain.first()) {
            error_type.clone_from(&link.error_type);
            if let (Some(_), Some(said)) = (&error_type, &link.message) {
                message.clone_from(said);
            }
        }
        let mut causes = event.causes;
        causes.extend(trace.causes());
        let mut frames = trace.into_frames();
        if frames.is_empty() {
            // Where a recorder marks its own frames, the others are not.
            let is_marked = event.frames.iter().any(|raw| raw.in_app == Some(true));
            let marked = event.frames.into_iter().map(|raw| RawFrame {
                in_app: raw.in_app.or(is_marked.then_some(false)),
                ..raw
            });
            frames = marked.map(|raw| rules.frame(raw)).collect();
            let place = event.place.map(|raw| rules.frame(raw));
            let is_there = |place: &Frame| {
                let last = frames.last();
                last.is_some_and(|last| (&last.file, last.line) == (&place.file, place.line))
            };
            if let Some(place) = place.filter(|place| !place.file.is_empty() && !is_there(place)) {
                frames.push(place);
            }
        }
        let mut flags = BTreeSet::new();
        let cleaner = &mut self.cleaner;
        let frames = clean_frames(frames, cleaner, &mut flags);
        let error_type = error_type
            .map(|name| cleaner.name(&qualified(event.module.as_deref(), &name), &mut flags));
        let (template, raw_message) = (event.template, message);
        let message = cleaner.message(trim_cut(&raw_message), &mut flags);
        let causes: Vec<String> = causes
            .iter()
            .take(MAX_CAUSES)
            .map(|cause| cleaner.message(trim_cut(cause), &mut flags))
            .collect();
        let fingerprint = if event.explicit.is_empty() {
            let template = template.map(|text| {
                if text == raw_message {
                    message.clone()
                } else {
                    cleaner.message(trim_cut(&text), &mut BTreeSet::new())
                }
            });
            let text = template.filter(|text| !text.is_empty());
            // Errors without a type, as those of Go: what the program says of all of them takes its place.
            let stand_in = text.as_deref().filter(|_| !frames.is_empty()).map(skeleton);
            let error_type = error_type.clone().or(stand_in);
            Fingerprint::new(
                error_type.as_deref(),
                &frames,
                text.as_deref().unwrap_or(&message),
            )
        } else {
            Fingerprint::explicit(&event.explicit)
        };
        let grouping = &self.settings.grouping;
        let fingerprint = grouping.name(fingerprint, error_type.as_deref(), &frames, &message);
        Cleaned {
            error_type,
            message,
            frames,
            causes,
            flags,
            fingerprint,
        }
    }
}

/// By name and value together: what a value is called may be all that gives it away.
fn clean_context(
    context: Vec<(String, String)>,
    cleaner: &mut Cleaner,
    flags: &mut BTreeSet<Flag>,
) -> BTreeMap<String, String> {
    let cleaned = context.into_iter().map(|(name, value)| {
        let both = cleaner.message(&format!("{name}={value}"), flags);
        let value = both.strip_prefix(&format!("{name}=")).map(str::to_owned);
        (name, value.unwrap_or(both))
    });
    cleaned.collect()
}

const MAX_CAUSES: usize = 5;

/// `re.error` of `error` in `re`: types of one name are not one type.
fn qualified(module: Option<&str>, name: &str) -> String {
    match module {
        Some(module) if !module.is_empty() && module != "builtins" && !name.contains('.') => {
            format!("{module}.{name}")
        }
        _ => name.to_owned(),
    }
}

/// The innermost ones, at most [`Issue::MAX_FRAMES`].
fn clean_frames(
    mut frames: Vec<Frame>,
    cleaner: &mut Cleaner,
    flags: &mut BTreeSet<Flag>,
) -> Vec<Frame> {
    let start = frames.len().saturating_sub(Issue::MAX_FRAMES);
    if start > 0 {
        flags.insert(Flag::Cut);
    }
    let shown = frames.drain(start..);
    shown
        .map(|frame| Frame {
            file: cleaner.file(&frame.file, flags),
            function: frame.function.map(|name| cleaner.name(&name, flags)),
            ..frame
        })
        .collect()
}

/// The message without the word that a limit may cut in two: half a secret would not be recognised.
fn trim_cut(message: &str) -> &str {
    let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE - 1) else {
        return message;
    };
    let end = message[..end].rfind(char::is_whitespace);
    &message[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests;
