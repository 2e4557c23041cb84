//! `pre-receive`: judges every ref of a push before the receiving repository takes any of it, and writes nothing there.
//!
//! The policy is that of the default branch. Who is a person, and how the server tells who pushes, stands in the repository's own
//! configuration alone: over a path, the pusher's environment and configuration are the hook's too.

use std::ffi::OsString;

use anyhow::Context as _;
use gix::ObjectId;

use super::update::{Answer, Push, Pusher, Update, fields};
use crate::change::shown;
use crate::check::lane::{self, LaneChoice};
use crate::check::range::{self, RangeJudgement};
use crate::check::trust::{self, Tip, TrustSource};
use crate::check::{Place, Settings};
use crate::git::Repo;
use crate::policy::{Lane, Mode, Policy};
use crate::proof::Progress;
use crate::usage::UsageError;

/// Variables in which servers tell who pushes: git's own over HTTP, GitLab, Gitolite, Gitea and Forgejo, and one for `authorized_keys`.
/// What the pusher chooses (headers, push options, the language) is not among them.
const VARIABLES: [&str; 6] = [
    "REMOTE_USER",
    "GL_USERNAME",
    "GL_ID",
    "GL_USER",
    "GITEA_PUSHER_NAME",
    "KOAN_PUSHER",
];

/// What the owner of the receiving repository configured.
#[derive(Debug)]
pub struct Server {
    pub pusher: Pusher,
    /// Whether topic branches are taken without a proof.
    takes_unproved: bool,
}

/// The receiving side's default branch.
struct Default {
    /// Full name.
    name: String,
    tip: Option<Tip>,
}

impl Server {
    /// Reads the configuration, and who pushes from the environment.
    ///
    /// # Errors
    /// [`UsageError`] for a value that means nothing.
    pub fn of(repo: &Repo, env: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Server> {
        let takes_unproved = match repo.own_config("koan.receive").pop().as_deref() {
            None | Some("proof") => false,
            Some("perimeter") => true,
            Some(other) => {
                return Err(UsageError::new(format!(
                    "`koan.receive` is `{}`, and neither `proof` nor `perimeter`",
                    shown(other.as_bytes())
                ))
                .into());
            }
        };
        let variable = repo.own_config("koan.pusherFrom").pop();
        Ok(Server {
            pusher: pusher(variable.as_deref(), &repo.own_config("koan.person"), env)?,
            takes_unproved,
        })
    }
}

fn pusher(
    variable: Option<&str>,
    people: &[String],
    env: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Pusher> {
    let Some(variable) = variable else {
        let why = "this server does not say who pushes (`koan.pusherFrom`)";
        return Ok(Pusher::Other(why.into()));
    };
    if !VARIABLES.contains(&variable) {
        return Err(UsageError::with_hint(
            format!(
                "`koan.pusherFrom` is `{}`, which may be the pusher's own choice",
                shown(variable.as_bytes())
            ),
            format!("it is one of {}", VARIABLES.join(", ")),
        )
        .into());
    }
    let name = env(variable).and_then(|name| name.into_string().ok());
    Ok(match name.filter(|name| !name.is_empty()) {
        Some(name) if people.contains(&name) => Pusher::Person(name),
        Some(name) => Pusher::Other(format!(
            "`{}` is no `koan.person` of this server",
            shown(name.as_bytes())
        )),
        None => Pusher::Other(format!("`{variable}` names nobody")),
    })
}

/// Judges the lines that git hands to `pre-receive`. All of them: one that is refused keeps the others out too.
pub fn pre_receive(
    repo: &Repo,
    mut settings: Settings,
    server: Server,
    lines: &str,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Push> {
    let updates = fields::<3>(lines)?
        .into_iter()
        .map(|[old, new, name]| Update::of(old, new, name))
        .collect::<anyhow::Result<Vec<Update>>>()?;
    anyhow::ensure!(!updates.is_empty(), "git handed over no ref");
    let default = default_branch(repo)?;
    let policy = match (policy(repo, &default), &server.pusher) {
        (Ok(policy), _) => Ok(policy),
        // Only a person can bring the first policy, or one that loads again.
        (Err(error), Pusher::Person(_)) if error.is::<UsageError>() => Err(format!("{error:#}")),
        (Err(error), _) => return Err(error),
    };
    settings.trusted_tip = default.tip.clone();
    let is_observed = |policy: &Policy| policy.mode == Mode::Observe;
    let mut push = Push {
        lines: Vec::new(),
        pusher: server.pusher.clone(),
        observed: policy.as_ref().is_ok_and(is_observed),
    };
    for update in updates {
        let answer = match (&server.pusher, &policy) {
            (Pusher::Person(_), _) if update.new_id.is_none() || update.branch().is_none() => {
                Answer::Free
            }
            (_, Err(why)) => Answer::Unjudged(why.clone()),
            (Pusher::Person(_), Ok(_)) => {
                of_person(repo, &mut settings, &server, &default, &update, progress)?
            }
            (Pusher::Other(why), Ok(policy)) => {
                let origin = (&default, policy);
                let mut answer = of_other(repo, &mut settings, &server, origin, &update, progress)?;
                if let Answer::Judged(range) = &mut answer {
                    give_reason(range, why);
                }
                answer
            }
        };
        push.lines.push((update, answer));
    }
    Ok(push)
}

fn default_branch(repo: &Repo) -> anyhow::Result<Default> {
    let name = repo.head_branch()?.ok_or_else(|| {
        UsageError::with_hint(
            "`HEAD` of the receiving repository is on no branch, so there is no default branch",
            "its owner sets it: `git symbolic-ref HEAD refs/heads/main`",
        )
    })?;
    let tip = repo.find_ref(&name)?.map(|commit_id| Tip {
        commit_id,
        name: name.trim_start_matches("refs/heads/").to_owned(),
        source: TrustSource::LocalBranch,
    });
    Ok(Default { name, tip })
}

/// The policy of today.
fn policy(repo: &Repo, default: &Default) -> anyhow::Result<Policy> {
    let tip = default.tip.as_ref().ok_or_else(|| {
        UsageError::with_hint(
            format!(
                "no policy to judge by: `{}` has no commit yet",
                default.name
            ),
            "a person, known to this server by `koan.person`, pushes the first one",
        )
    })?;
    Ok(trust::policy(repo, Some(tip), Some(tip.commit_id))?.1)
}

/// People are judged as their commits' marks say.
fn of_person(
    repo: &Repo,
    settings: &mut Settings,
    server: &Server,
    default: &Default,
    update: &Update,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Answer> {
    let (tip_id, new_id) = ends(default, update)?;
    let is_related = repo.merge_base(tip_id, new_id)?.is_some();
    if !is_related && update.name != default.name {
        let why = "it has no history in common with the default branch";
        return Ok(Answer::Unjudged(why.into()));
    }
    settings.lane = LaneChoice::Auto(lane::Pusher::None);
    settings.place = place(server, default, update);
    judged(repo, settings, (tip_id, new_id), update, progress)
}

/// An agent, or somebody whom the server does not know, is judged by everything.
fn of_other(
    repo: &Repo,
    settings: &mut Settings,
    server: &Server,
    (default, policy): (&Default, &Policy),
    update: &Update,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Answer> {
    // What need not be looked into is not: the objects of a tag may be anything.
    let may_be_open = update
        .closed(Some(&default.name), &policy.lanes.repair_branches, true)
        .is_none();
    let is_fast_forward = may_be_open && update.is_fast_forward(repo)?;
    if let Some(closed) = update.closed(
        Some(&default.name),
        &policy.lanes.repair_branches,
        is_fast_forward,
    ) {
        return Ok(Answer::Closed(closed));
    }
    let (tip_id, new_id) = ends(default, update)?;
    let base_id = repo
        .merge_base(tip_id, new_id)?
        .context("what is pushed has no history in common with the default branch")?;
    let (_, policy_then) = trust::policy(repo, settings.trusted_tip.as_ref(), Some(base_id))?;
    if policy_then.digest != policy.digest {
        return Ok(Answer::OldPolicy);
    }
    settings.lane = LaneChoice::Fixed(Lane::Repair);
    settings.place = place(server, default, update);
    judged(repo, settings, (tip_id, new_id), update, progress)
}

fn place(server: &Server, default: &Default, update: &Update) -> Place {
    if server.takes_unproved && update.name != default.name {
        Place::Topic
    } else {
        Place::Check
    }
}

/// The tip of the default branch, and the pushed commit.
fn ends(default: &Default, update: &Update) -> anyhow::Result<(ObjectId, ObjectId)> {
    let tip = default.tip.as_ref().context("no default branch")?;
    let is_moved = update.name == default.name && update.old_id != Some(tip.commit_id);
    anyhow::ensure!(
        !is_moved,
        "`{}` was moved a moment ago: push again",
        update.name
    );
    let new_id = update.new_id.context("a deletion has no commits")?;
    Ok((tip.commit_id, new_id))
}

fn judged(
    repo: &Repo,
    settings: &Settings,
    (tip_id, new_id): (ObjectId, ObjectId),
    update: &Update,
    progress: &mut dyn FnMut(&str, Progress),
) -> anyhow::Result<Answer> {
    if repo.commits_between(Some(tip_id), new_id)?.is_empty() {
        return Ok(Answer::NothingNew);
    }
    let branch = Some(update.name.as_str());
    let range = range::check(repo, settings, (tip_id, new_id), branch, progress)?;
    Ok(Answer::Judged(Box::new(range)))
}

fn give_reason(range: &mut RangeJudgement, why: &str) {
    for judgement in range.commits.iter_mut().chain(&mut range.whole) {
        why.clone_into(&mut judgement.lane.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variable: Option<&str>, told: &[(&str, &str)], expected: &str) {
        let people = ["ada".to_owned(), "Grace Hopper".to_owned()];
        let env = |name: &str| {
            let told = told.iter().find(|(variable, _)| *variable == name);
            told.map(|(_, value)| OsString::from(value))
        };
        let pusher = match pusher(variable, &people, env) {
            Ok(Pusher::Person(name)) => format!("person {name}"),
            Ok(Pusher::Other(why)) => why,
            Err(error) => {
                assert!(error.is::<UsageError>());
                format!("error: {error}")
            }
        };
        assert_eq!(pusher, expected);
    }

    #[test]
    fn a_person_is_who_the_configured_variable_names() {
        check(Some("REMOTE_USER"), &[("REMOTE_USER", "ada")], "person ada");
        check(
            Some("GL_USERNAME"),
            &[("GL_USERNAME", "Grace Hopper"), ("REMOTE_USER", "bot")],
            "person Grace Hopper",
        );
    }

    #[test]
    fn everybody_else_is_judged_as_an_agent() {
        let nobody = "`REMOTE_USER` names nobody";
        for (told, expected) in [
            (
                ("REMOTE_USER", "bot"),
                "`bot` is no `koan.person` of this server",
            ),
            (
                ("REMOTE_USER", "Ada"),
                "`Ada` is no `koan.person` of this server",
            ),
            (
                ("REMOTE_USER", "ada "),
                "`ada ` is no `koan.person` of this server",
            ),
            (("REMOTE_USER", ""), nobody),
            (("KOAN_PUSHER", "ada"), nobody),
            (("HTTP_REMOTE_USER", "ada"), nobody),
            (("GIT_PUSH_OPTION_0", "REMOTE_USER=ada"), nobody),
        ] {
            check(Some("REMOTE_USER"), &[told], expected);
        }
        check(
            None,
            &[("REMOTE_USER", "ada"), ("KOAN_PUSHER", "ada")],
            "this server does not say who pushes (`koan.pusherFrom`)",
        );
    }

    #[test]
    fn a_variable_that_the_pusher_chooses_is_none() {
        for name in [
            "GIT_PUSH_OPTION_0",
            "HTTP_X_USER",
            "GIT_COMMITTER_NAME",
            "LC_PUSHER",
            "",
        ] {
            let people = ["ada".to_owned()];
            let error = pusher(Some(name), &people, |_| Some("ada".into())).expect_err(name);
            assert!(error.is::<UsageError>(), "{error:#}");
        }
    }
}
