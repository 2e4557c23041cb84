//! `pre-push`: says what a guarded server would say, before anything leaves. Feedback; `--no-verify` skips it.

use std::ffi::OsStr;

use super::update::{Answer, Push, Pusher, Update, fields};
use crate::check::Settings;
use crate::check::lane::{self, LaneChoice, Marks};
use crate::check::{range, trust};
use crate::git::Repo;
use crate::policy::{Lane, Mode, Policy};
use crate::proof::Progress;

/// Judges the lines that git hands to `pre-push`. `environment` is the mark of an agent that works here.
///
/// Without lines nothing is pushed, or a framework has read them before us: then it is the current branch, as far as `remote` is not known
/// to have it.
pub fn pre_push(
    repo: &Repo,
    mut settings: Settings,
    environment: Option<&'static str>,
    remote: Option<&OsStr>,
    lines: &str,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Push> {
    let mut updates = fields::<4>(lines)?
        .into_iter()
        .map(|[_, new, name, old]| Update::of(old, new, name))
        .collect::<anyhow::Result<Vec<Update>>>()?;
    if updates.is_empty() {
        updates.extend(current(repo, remote.and_then(OsStr::to_str))?);
    }
    let mut push = Push {
        lines: Vec::new(),
        pusher: Pusher::Person("whoever works here".into()),
        observed: false,
    };
    for update in updates {
        let policy = match &settings.trusted_tip {
            Some(tip) => Some(trust::policy(repo, Some(tip), Some(tip.commit_id))?.1),
            None => None,
        };
        if let Some(policy) = &policy {
            push.observed = policy.mode == Mode::Observe;
            let mark = environment.filter(|_| is_agent(policy, environment));
            if let Some(mark) = mark {
                push.pusher = Pusher::Other(format!("marked by {mark}"));
                settings.lane = LaneChoice::Fixed(Lane::Repair);
            }
        }
        let answer = of_update(
            repo,
            &settings,
            policy.as_ref(),
            &push.pusher,
            &update,
            progress,
        )?;
        push.lines.push((update, answer));
    }
    Ok(push)
}

fn is_agent(policy: &Policy, environment: Option<&'static str>) -> bool {
    let marks = Marks {
        environment,
        ..Marks::default()
    };
    lane::decide(&LaneChoice::Auto(lane::Pusher::None), policy, &marks).lane == Lane::Repair
}

fn of_update(
    repo: &Repo,
    settings: &Settings,
    policy: Option<&Policy>,
    pusher: &Pusher,
    update: &Update,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Answer> {
    if let (Pusher::Other(_), Some(policy)) = (pusher, policy) {
        let default = default_branch(repo)?;
        let is_fast_forward = update.is_fast_forward(repo)?;
        let topics = &policy.lanes.repair_branches;
        if let Some(closed) = update.closed(default.as_deref(), topics, is_fast_forward) {
            return Ok(Answer::Closed(closed));
        }
    }
    let (Some(new_id), true) = (update.new_id, update.branch().is_some()) else {
        return Ok(Answer::Free);
    };
    let tip_id = settings.trusted_tip.as_ref().map(|tip| tip.commit_id);
    let known_id = update.old_id.filter(|&old_id| repo.commit(old_id).is_ok());
    let Some(from) = tip_id.or(known_id) else {
        let why = "there is no trusted ref to compare with; `git config koan.trustedRef` names one";
        return Ok(Answer::Unjudged(why.into()));
    };
    if repo.commits_between(Some(from), new_id)?.is_empty() {
        return Ok(Answer::NothingNew);
    }
    if repo.merge_base(from, new_id)?.is_none() && matches!(pusher, Pusher::Person(_)) {
        let why = "it has no history in common with the trusted ref";
        return Ok(Answer::Unjudged(why.into()));
    }
    let branch = Some(update.name.as_str());
    let range = range::check(repo, settings, (from, new_id), branch, progress)?;
    Ok(Answer::Judged(Box::new(range)))
}

/// The remote's default branch by its name over there, as far as it is known here.
fn default_branch(repo: &Repo) -> anyhow::Result<Option<String>> {
    let name = repo.remote_default_branch()?;
    Ok(name.and_then(|name| {
        let short = name.strip_prefix("refs/remotes/origin/")?;
        Some(format!("refs/heads/{short}"))
    }))
}

/// The current branch as it would be pushed; `None` where the remote has it, or `HEAD` is on none.
fn current(repo: &Repo, remote: Option<&str>) -> anyhow::Result<Option<Update>> {
    let (Some(name), Some(new_id)) = (repo.head_branch()?, repo.head_id()?) else {
        return Ok(None);
    };
    let short = name.trim_start_matches("refs/heads/");
    let tracked = format!("refs/remotes/{}/{short}", remote.unwrap_or("origin"));
    // A remote may be given by its address, which names no ref.
    let old_id = if Repo::is_ref_name(&tracked) {
        repo.find_ref(&tracked)?
    } else {
        None
    };
    Ok((old_id != Some(new_id)).then_some(Update {
        old_id,
        new_id: Some(new_id),
        name,
    }))
}
