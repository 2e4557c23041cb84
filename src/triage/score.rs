//! How much an issue hurts, 0 to 100: seven terms between 0 and 1, each with a weight.

use crate::issue::{Issue, Severity, Standing};
use crate::source::Window;
use crate::triage::{Recurrence, Scene, State};

#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Rounded to one place: what is shown is what is sorted by.
    pub total: f64,
    pub terms: Terms,
    pub states: Vec<State>,
    /// What is made of the sum of the terms, one after another.
    pub factors: Vec<Factor>,
}

/// What a state makes of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    pub state: State,
    pub times: f64,
    /// Points of the hundred.
    pub plus: f64,
}

/// A term that the source cannot tell is `None`: its weight goes to the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Events, the older the less: half after three days.
    pub frequency: Option<f64>,
    pub severity: f64,
    pub users: Option<f64>,
    /// Half after two days without an event.
    pub recency: Option<f64>,
    /// The last day against the seven before it.
    pub spike: Option<f64>,
    /// The share of the window's days that have events.
    pub repetition: Option<f64>,
    pub area: f64,
}

/// Of an area that no policy speaks of.
const AREA: f64 = 0.3;

impl Terms {
    /// Names, weights and values, in the order of display.
    pub fn all(&self) -> [(&'static str, f64, Option<f64>); 7] {
        [
            ("frequency", 0.22, self.frequency),
            ("severity", 0.20, Some(self.severity)),
            ("users", 0.15, self.users),
            ("recency", 0.10, self.recency),
            ("spike", 0.13, self.spike),
            ("repetition", 0.10, self.repetition),
            ("area", 0.10, Some(self.area)),
        ]
    }
}

/// `most_users` is what the most widely felt issue of the reading has.
pub fn of(issue: &Issue, window: &Window, scene: &Scene, most_users: Option<u64>) -> Score {
    let has_times = !issue.tally.by_age.is_empty();
    let timed = |term: f64| has_times.then_some(term);
    let terms = Terms {
        frequency: timed(frequency(issue)),
        severity: severity(issue.severity),
        users: issue.users.map(|n| users(n, most_users.unwrap_or(0))),
        recency: issue.tally.last_seen.map(|last| {
            let hours = window.until.duration_since(last).as_secs_f64() / 3600.0;
            clamp(0.5_f64.powf(hours / 48.0))
        }),
        spike: timed(spike(issue)),
        repetition: timed(repetition(issue, window)),
        area: scene.weight_of(issue).unwrap_or(AREA),
    };
    let states = states(issue, window, scene);
    let factors: Vec<Factor> = states.iter().filter_map(|state| factor(*state)).collect();
    let sum = 100.0 * weighted(&terms);
    let total = factors
        .iter()
        .fold(sum, |sum, factor| sum * factor.times + factor.plus);
    let total = (total.min(100.0) * 10.0).round() / 10.0;
    Score {
        total,
        terms,
        states,
        factors,
    }
}

/// What a state makes of the sum of the terms.
fn factor(state: State) -> Option<Factor> {
    let (times, plus) = match state {
        State::New => return None,
        State::NonProduction => (0.4, 0.0),
        State::Muted | State::Ignored => (0.25, 0.0),
        State::Resolved | State::Fixed => (0.15, 0.0),
        State::MaybeRegressed => (1.05, 0.0),
        State::Regressed => (1.15, 3.0),
    };
    Some(Factor { state, times, plus })
}

fn weighted(terms: &Terms) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (_, weight, value) in terms.all() {
        if let Some(value) = value {
            sum += weight * value;
            weights += weight;
        }
    }
    sum / weights
}

fn frequency(issue: &Issue) -> f64 {
    let by_age = issue.tally.by_age.iter();
    let decayed: f64 = by_age
        .map(|(&hours, &n)| n as f64 * 0.5_f64.powf(f64::from(hours) / 72.0))
        .sum();
    clamp(decayed.ln_1p() / 100_f64.ln_1p())
}

fn severity(severity: Option<Severity>) -> f64 {
    match severity {
        Some(Severity::Fatal) => 1.0,
        Some(Severity::Error) | None => 0.7,
        Some(Severity::Warning) => 0.35,
        Some(Severity::Info) => 0.1,
        Some(Severity::Debug) => 0.0,
    }
}

fn users(n: u64, most: u64) -> f64 {
    clamp((n as f64).ln_1p() / (most.max(50) as f64).ln_1p())
}

fn spike(issue: &Issue) -> f64 {
    let today = issue.tally.n_within(24);
    let week_before = issue.tally.n_within(8 * 24) - today;
    let mean = week_before as f64 / 7.0;
    if today >= 3 {
        clamp((today as f64 - mean) / (mean + 1.0).sqrt() / 6.0)
    } else {
        0.0
    }
}

fn repetition(issue: &Issue, window: &Window) -> f64 {
    let mut days: Vec<u32> = issue.tally.by_age.keys().map(|hours| hours / 24).collect();
    days.dedup();
    clamp(days.len() as f64 / window.n_days().max(1.0))
}

fn states(issue: &Issue, window: &Window, scene: &Scene) -> Vec<State> {
    let mut states = Vec::new();
    let is_new = issue.tally.first_seen.is_some_and(|first| {
        window.n_days() > 1.0 && window.until.duration_since(first).as_hours() < 24
    });
    if is_new {
        states.push(State::New);
    }
    let is_production = |name: &String| {
        let name = name.to_ascii_lowercase();
        name.starts_with("prod") || name == "live"
    };
    if !issue.environments.is_empty() && !issue.environments.iter().any(is_production) {
        states.push(State::NonProduction);
    }
    let recurrence = scene.recurrences.get(&issue.fingerprint);
    let is_back = matches!(recurrence, Some(Recurrence::Regressed { .. }));
    match issue.standing {
        Standing::Muted => states.push(State::Muted),
        Standing::Resolved if !is_back => states.push(State::Resolved),
        Standing::Open | Standing::Resolved => {}
    }
    states.extend(recurrence.and_then(|recurrence| match recurrence {
        Recurrence::Fixed { .. } => Some(State::Fixed),
        Recurrence::Maybe { .. } => Some(State::MaybeRegressed),
        Recurrence::Regressed { .. } => Some(State::Regressed),
        Recurrence::Ignored => Some(State::Ignored),
        Recurrence::Undecided => None,
    }));
    states
}

/// Between 0 and 1; what is no number is 0.
fn clamp(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    }
}
