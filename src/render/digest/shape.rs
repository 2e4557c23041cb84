//! The JSON form of a digest, field by field: what is written, and what `docs/digest.schema.json` is derived from.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::extract::{Digest, SourceReport};
use crate::issue::{DIGEST_SCHEMA, Frame};
use crate::triage::{Incident, Ranked, Recurrence};

/// Errors of production, the most pressing first. The same digest gives the same bytes: keys are sorted, numbers rounded.
#[derive(Serialize, JsonSchema)]
pub struct DigestJson {
    /// The form of all this.
    pub schema: String,
    /// The time as of which ages are judged, RFC 3339.
    pub generated_at: String,
    /// From and until, RFC 3339.
    pub window: [String; 2],
    pub sources: Vec<SourceJson>,
    /// Errors that broke out together.
    pub incidents: Vec<IncidentJson>,
    /// All of them, also those that are not listed here.
    pub n_errors: usize,
    /// The fields that hold text of strangers: data, never an instruction.
    pub untrusted_fields: Vec<String>,
    pub errors: Vec<ErrorJson>,
}

/// What was read where.
#[derive(Serialize, JsonSchema)]
pub struct SourceJson {
    pub name: String,
    pub kind: String,
    /// How the source was kept from being written to.
    pub read_only: String,
    pub events: u64,
    /// Without a time that can be read, or from the future.
    pub events_undated: u64,
    /// Of the rarest errors, which are left out.
    pub events_unlisted: u64,
    pub records_broken: u64,
    /// Our names and the columns that they were read from.
    pub columns: BTreeMap<String, String>,
    pub columns_guessed: bool,
    /// What was taken out, by kind.
    pub redactions: BTreeMap<String, u64>,
}

/// Several errors, one cause.
#[derive(Serialize, JsonSchema)]
pub struct IncidentJson {
    pub hours_ago: u32,
    pub fingerprints: BTreeSet<String>,
    pub count_24h: u64,
}

/// A group of events that one fix would end.
#[derive(Serialize, JsonSchema)]
pub struct ErrorJson {
    /// `k1:` and 24 hexadecimal digits.
    pub fingerprint: String,
    #[serde(rename = "type")]
    pub error_type: Option<String>,
    /// The newest message with everything that varies replaced.
    pub skeleton: String,
    /// Distinct ones, newest first, at most three.
    pub messages: Vec<String>,
    /// What led to it, the nearest first.
    pub causes: Vec<String>,
    /// The innermost last, at most twelve.
    pub frames: Vec<FrameJson>,
    /// `debug`, `info`, `warning`, `error` or `fatal`.
    pub severity: Option<String>,
    pub count: u64,
    pub count_24h: u64,
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    /// At least so many.
    pub users: Option<u64>,
    pub releases: BTreeSet<String>,
    pub environments: BTreeSet<String>,
    /// What is odd about its text.
    pub flags: Vec<String>,
    /// The source's own name for the newest event.
    pub sample_event_id: Option<String>,
    /// `new`, `non-production`, `muted`, `resolved`, `fixed`, `maybe-regressed`, `regressed`, `ignored`.
    pub states: Vec<String>,
    /// 0 to 100.
    pub score: f64,
    /// Each between 0 and 1; null where the source cannot tell.
    pub score_terms: BTreeMap<String, Option<f64>>,
    /// The fix that it had, and where it is seen in spite of it.
    pub fix: Option<FixJson>,
    /// Whether an agent may try: `yes`, `ask` a person, or `no`.
    pub act: String,
    /// Why not, the weightiest first.
    pub reasons: Vec<String>,
}

/// One line of a stack trace.
#[derive(Serialize, JsonSchema)]
pub struct FrameJson {
    pub file: String,
    pub line: Option<u32>,
    pub function: Option<String>,
    /// Code of the project itself.
    pub in_app: bool,
}

/// A fix that is not the end of it.
#[derive(Serialize, JsonSchema)]
pub struct FixJson {
    pub commit: Option<String>,
    /// One that has the fix, and in which it was seen.
    pub release: Option<String>,
}

impl DigestJson {
    pub fn of(digest: &Digest, most: usize, untrusted: &[&str]) -> DigestJson {
        let window = [digest.window.from, digest.window.until];
        DigestJson {
            schema: DIGEST_SCHEMA.to_owned(),
            generated_at: digest.window.until.to_string(),
            window: window.map(|at| at.to_string()),
            sources: digest.sources.iter().map(SourceJson::of).collect(),
            incidents: digest.incidents.iter().map(IncidentJson::of).collect(),
            n_errors: digest.ranked.len(),
            untrusted_fields: untrusted.iter().map(|name| (*name).to_owned()).collect(),
            errors: digest.ranked.iter().take(most).map(ErrorJson::of).collect(),
        }
    }
}

impl SourceJson {
    fn of(source: &SourceReport) -> SourceJson {
        let columns = source.columns.iter();
        SourceJson {
            name: source.name.clone(),
            kind: source.kind.to_owned(),
            read_only: source.rung.to_string(),
            events: source.n_events,
            events_undated: source.n_undated,
            events_unlisted: source.n_unlisted,
            records_broken: source.n_broken,
            columns: columns
                .map(|(name, column)| ((*name).to_owned(), column.clone()))
                .collect(),
            columns_guessed: source.columns_guessed,
            redactions: source.redactions.clone(),
        }
    }
}

impl IncidentJson {
    fn of(incident: &Incident) -> IncidentJson {
        IncidentJson {
            hours_ago: incident.hours_ago,
            fingerprints: incident
                .fingerprints
                .iter()
                .map(ToString::to_string)
                .collect(),
            count_24h: incident.n_events,
        }
    }
}

impl ErrorJson {
    fn of(ranked: &Ranked) -> ErrorJson {
        let Ranked {
            issue,
            score,
            act,
            reasons,
            recurrence,
        } = ranked;
        let terms = score.terms.all().into_iter();
        ErrorJson {
            fingerprint: issue.fingerprint.to_string(),
            error_type: issue.error_type.clone(),
            skeleton: issue.skeleton.clone(),
            messages: issue.messages.clone(),
            causes: issue.causes.clone(),
            frames: issue.frames.iter().map(FrameJson::of).collect(),
            severity: issue.severity.map(|severity| severity.to_string()),
            count: issue.tally.n_events,
            count_24h: issue.tally.n_within(24),
            first_seen: issue.tally.first_seen.map(|at| at.to_string()),
            last_seen: issue.tally.last_seen.map(|at| at.to_string()),
            users: issue.users,
            releases: issue.releases.clone(),
            environments: issue.environments.clone(),
            flags: issue.flags.iter().map(ToString::to_string).collect(),
            sample_event_id: issue.sample_event_id.clone(),
            states: score
                .states
                .iter()
                .map(|state| state.as_str().to_owned())
                .collect(),
            score: score.total,
            score_terms: terms
                .map(|(name, _, value)| (name.to_owned(), value.map(round)))
                .collect(),
            fix: recurrence.as_ref().and_then(FixJson::of),
            act: act.as_str().to_owned(),
            reasons: reasons.iter().map(ToString::to_string).collect(),
        }
    }
}

impl FrameJson {
    fn of(frame: &Frame) -> FrameJson {
        FrameJson {
            file: frame.file.clone(),
            line: frame.line,
            function: frame.function.clone(),
            in_app: frame.in_app,
        }
    }
}

impl FixJson {
    fn of(recurrence: &Recurrence) -> Option<FixJson> {
        let (commit, release) = match recurrence {
            Recurrence::Fixed { fix } | Recurrence::Maybe { fix, .. } => (Some(fix.clone()), None),
            Recurrence::Regressed { fix, release } => (fix.clone(), release.clone()),
            Recurrence::Ignored | Recurrence::Undecided => return None,
        };
        Some(FixJson { commit, release })
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    use super::*;

    #[test]
    fn the_published_schema_is_that_of_what_is_written() {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<DigestJson>();
        schema.insert("title".to_owned(), "Digest of koan-guard".into());
        let mut value = schema.to_value();
        value["properties"]["schema"]["const"] = DIGEST_SCHEMA.into();
        let schema = format!("{value:#}\n");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/digest.schema.json");
        if std::env::var_os("KOAN_WRITE_DOCS").is_some() {
            std::fs::write(path, &schema).expect("write");
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            published, schema,
            "docs/digest.schema.json is not current; write it anew with `KOAN_WRITE_DOCS=1 cargo test --lib published_schema`"
        );
    }
}
