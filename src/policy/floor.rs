//! The floor of a machine: a policy outside every repository that only makes theirs stricter.
//!
//! Lists add up, limits take the minimum, levels and words the strictest. What would loosen by being added (tests, types, allowed paths) or only
//! means something to one project (runners, services) has no place in it: saying it is an error.

use super::file::{
    AgentFile, HookFile, LanesFile, MessageFile, PerimeterFile, PolicyFile, ProofFile, PublishFile,
    ReleasesFile, RepairFile, Said, SandboxFile, TriageFile,
};
use super::file::{At, wrong};
use super::merge::Read;
use super::run::RunFile;
use super::{Rule, value};
use crate::usage::UsageError;

/// The text of a floor and where it was found.
#[derive(Clone, Debug)]
pub struct Floor {
    pub path: String,
    pub text: String,
}

/// The presets that a floor may extend, because they only make stricter.
pub(super) const PRESETS: &[&str] = &["strict"];

/// That `file` says nothing that could loosen a policy. Every key is decided here.
pub(super) fn check(file: &PolicyFile, name: &str) -> Read<()> {
    let PolicyFile {
        version: _,
        extends,
        lanes:
            LanesFile {
                repair:
                    RepairFile {
                        branches: _,
                        agents: _,
                        mode: repair_mode,
                    },
                agent:
                    AgentFile {
                        agents,
                        mode: agent_mode,
                    },
                people,
                others: _,
            },
        mode: _,
        perimeter:
            PerimeterFile {
                allow,
                protect: _,
                limits: _,
                test_limits: _,
                forbid: _,
                not_secrets,
                rules: _,
            },
        proof:
            ProofFile {
                tests,
                runner,
                hook:
                    HookFile {
                        suite: _,
                        budget: hook_budget,
                    },
                suite: _,
                env,
                before: _,
                red_commits: _,
                existing_tests: _,
                existing_red: _,
                reverts: _,
                samples: _,
                timeout,
                inputs: _,
                setup,
                setup_inputs,
                setup_env,
                setup_network: _,
                setup_timeout,
                build,
                tests_exclude,
                services,
                sandbox: SandboxFile { min_level: _ },
                signature: _,
                necessity: _,
                neighbours: _,
                variations: _,
            },
        message:
            MessageFile {
                style: _,
                types,
                subject_length: _,
                require_trailers: _,
            },
        sources,
        triage:
            TriageFile {
                expected,
                areas,
                merge,
                split,
                context,
                releases: ReleasesFile { tag, deployments },
                publish:
                    PublishFile {
                        source: publish_source,
                        token_env: publish_token,
                    },
            },
        waivers,
        run:
            RunFile {
                agent,
                command,
                args,
                attempts: _,
                max: _,
                time,
                budget,
                env: run_env,
                home,
                readable,
                network: _,
                hosts,
                stop_loss: _,
                author,
            },
    } = file;
    let mut refused = Vec::new();
    refused.extend(place("lanes.agent.agents", agents));
    refused.extend(place("lanes.people", people));
    refused.extend(place("lanes.repair.mode", repair_mode));
    refused.extend(place("lanes.agent.mode", agent_mode));
    refused.extend(place("perimeter.allow", allow));
    refused.extend(place("perimeter.not_secrets", not_secrets));
    refused.extend(place("proof.tests", tests));
    refused.extend(place("proof.runner", runner));
    refused.extend(place("proof.hook.budget", hook_budget));
    refused.extend(place("proof.env", env));
    refused.extend(place("proof.timeout", timeout));
    refused.extend(place("proof.setup", setup));
    refused.extend(place("proof.setup_inputs", setup_inputs));
    refused.extend(place("proof.setup_env", setup_env));
    refused.extend(place("proof.setup_timeout", setup_timeout));
    refused.extend(place("proof.build", build));
    refused.extend(place("proof.tests_exclude", tests_exclude));
    refused.extend(place("proof.services", services));
    refused.extend(place("message.types", types));
    refused.extend(place("sources", sources));
    refused.extend(place("triage.expected", expected));
    refused.extend(place("triage.areas", areas));
    refused.extend(place("triage.merge", merge));
    refused.extend(place("triage.split", split));
    refused.extend(place("triage.context", context));
    refused.extend(place("triage.releases.tag", tag));
    refused.extend(place("triage.releases.deployments", deployments));
    refused.extend(place("triage.publish.source", publish_source));
    refused.extend(place("triage.publish.token_env", publish_token));
    refused.extend(place("waivers", waivers));
    refused.extend(place("run.agent", agent));
    refused.extend(place("run.command", command));
    refused.extend(place("run.args", args));
    refused.extend(place("run.time", time));
    refused.extend(place("run.budget", budget));
    refused.extend(place("run.env", run_env));
    refused.extend(place("run.home", home));
    refused.extend(place("run.readable", readable));
    refused.extend(place("run.hosts", hosts));
    refused.extend(place("run.author", author));
    if let Some((key, at)) = refused.first() {
        let message =
            format!("`{key}` has no place in a floor, which only makes policies stricter");
        return Err(wrong(name, at, message));
    }
    let extended = extends.0.iter().flat_map(|list| &list.value);
    match extended
        .into_iter()
        .find(|at| !PRESETS.contains(&at.value.as_str()))
    {
        Some(at) => Err(wrong(
            name,
            at,
            value::unknown("preset of a floor", &at.value, PRESETS),
        )),
        None => Ok(()),
    }
}

/// Whether a floor says anything that findings of `rule` come from.
pub(super) fn speaks_of(file: &PolicyFile, rule: Rule) -> bool {
    let limits = &file.perimeter.limits;
    let tests = &file.perimeter.test_limits;
    let is_levelled = || {
        let mut ids = file.perimeter.rules.0.iter().flat_map(|at| &at.value.0);
        ids.any(|(id, _)| id.value == rule.id())
    };
    let is_limited = match rule {
        Rule::TooManyFiles => {
            is_said(&limits.files) || is_said(&limits.new_files) || is_said(&tests.files)
        }
        Rule::TooManyLines => is_said(&limits.lines) || is_said(&tests.added),
        Rule::TooManyHunks => is_said(&limits.hunks),
        Rule::TooManyDirectories => is_said(&limits.directories),
        Rule::LineTooLong => is_said(&limits.line_length),
        Rule::FileTooBig => is_said(&limits.file_bytes) || is_said(&tests.file_bytes),
        Rule::ForbiddenPattern => is_said(&file.perimeter.forbid),
        Rule::NotConventional => is_said(&file.message.style),
        Rule::SubjectTooLong => is_said(&file.message.subject_length),
        Rule::TrailerMissing => is_said(&file.message.require_trailers),
        _ => false,
    };
    is_limited || is_levelled()
}

fn is_said<T>(said: &Said<T>) -> bool {
    said.0.is_some()
}

fn place<T>(key: &'static str, said: &Said<T>) -> Option<(&'static str, At<()>)> {
    said.0.as_ref().map(|at| {
        let at = At {
            value: (),
            line: at.line,
            column: at.column,
        };
        (key, at)
    })
}

/// An error of a floor says whose file it is: nobody finds it in the repository.
pub(super) fn told(err: UsageError) -> UsageError {
    UsageError {
        message: format!("the floor of this machine: {}", err.message),
        hint: Some("it is named by `koan.policyFloor` in git's global or system configuration; its owner corrects it".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, Mode, Policy, RedCommits, Signature};
    use super::*;

    fn load(policy: &str, floor: &str) -> anyhow::Result<Policy> {
        let floor = Floor {
            path: "/etc/floor.yaml".into(),
            text: format!("version: 1\n{floor}\n"),
        };
        Policy::load_above(&format!("version: 1\n{policy}\n"), "p.yaml", &[floor])
    }

    /// `key` as it is shown, with its origin.
    #[track_caller]
    fn check(policy: &str, floor: &str, key: &str, expected: &str) {
        let policy = load(policy, floor).expect("loads");
        let values = policy.values.iter().filter(|value| value.key == key);
        let shown: Vec<String> = values
            .map(|value| format!("{} ({})", value.value, value.origin))
            .collect();
        // Where a value stands in a preset is nothing to this test.
        let shown = shown.join("; ");
        let shown = match shown.split_once("preset `default`, line") {
            Some((value, _)) => format!("{value}preset `default`)"),
            None => shown,
        };
        assert_eq!(shown, expected);
    }

    const FLOOR: &str = "floor `/etc/floor.yaml`, line 2";

    #[test]
    fn a_floor_only_makes_stricter() {
        let lines = "perimeter.limits.lines";
        let limit = |n| format!("perimeter: {{limits: {{lines: {n}}}}}");
        check("", &limit(20), lines, &format!("20 ({FLOOR})"));
        check(&limit(10), &limit(20), lines, "10 (`p.yaml`, line 2)");
        // A floor above what holds anyway raises nothing, also where nobody but `default` speaks.
        check("extends: []", &limit(90), lines, "50 (preset `default`)");
        check(
            "mode: observe",
            "mode: enforce",
            "mode",
            &format!("enforce ({FLOOR})"),
        );
        check("", "mode: observe", "mode", "enforce (preset `default`)");
        let level = |level| format!("perimeter: {{rules: {{symlink: {level}}}}}");
        let symlink = "perimeter.rules.symlink";
        check(
            &level("'off'"),
            &level("warn"),
            symlink,
            &format!("warn ({FLOOR})"),
        );
        check("", &level("warn"), symlink, "deny (built in)");
        check(
            &level("warn"),
            &level("'off'"),
            symlink,
            "warn (`p.yaml`, line 2)",
        );
        let samples = |n| format!("proof: {{samples: {n}}}");
        check(
            &samples(1),
            &samples(4),
            "proof.samples",
            &format!("4 ({FLOOR})"),
        );
        check(
            &samples(6),
            &samples(4),
            "proof.samples",
            "6 (`p.yaml`, line 2)",
        );
        let length = |n| format!("message: {{subject_length: {n}}}");
        check(
            &length(90),
            &length(60),
            "message.subject_length",
            &format!("60 ({FLOOR})"),
        );
        check(
            &length(50),
            &length(60),
            "message.subject_length",
            "50 (`p.yaml`, line 2)",
        );
        check(
            "lanes: {others: human}",
            "lanes: {others: agent}",
            "lanes.others",
            &format!("agent ({FLOOR})"),
        );
    }

    #[test]
    fn lists_of_a_floor_add_up() {
        let policy = load(
            "extends: [default, strict]\nlanes: {repair: {agents: [fixer]}}",
            "extends: [strict]\nlanes: {repair: {agents: known, branches: [bot/**]}}\nperimeter: {protect: [money/**], forbid: [{id: no-verify, pattern: x}]}\nproof: {variations: [clock]}",
        );
        let policy = policy.expect("loads");
        assert!(policy.perimeter.protect.is_match(&"money/a".into()));
        assert!(policy.lanes.repair_known_agents);
        assert_eq!(policy.lanes.repair_agents, ["fixer"]);
        assert!(policy.lanes.repair_branches.is_match(&"bot/a".into()));
        assert!(policy.lanes.repair_branches.is_match(&"koan/a".into()));
        assert_eq!(policy.proof.variations.len(), 1);
        let of_id = |id| policy.perimeter.forbid.iter().filter(move |it| it.id == id);
        // Neither hides the other of one name; the same one stands once.
        assert_eq!(
            (of_id("no-verify").count(), of_id("dynamic-code").count()),
            (2, 1)
        );
        // Of other files it is another one.
        let policy = load(
            "perimeter: {forbid: [{id: a, pattern: x, tests: false}]}",
            "perimeter: {forbid: [{id: a, pattern: x}]}",
        );
        let forbid = policy.expect("loads").perimeter.forbid;
        assert!(forbid.iter().any(|it| it.id == "a" && it.in_tests));
    }

    #[test]
    fn a_floor_may_be_a_preset() {
        let policy = load(
            "proof: {red_commits: allow, signature: 'off'}",
            "extends: [strict]",
        );
        let policy = policy.expect("loads");
        assert_eq!(policy.perimeter.limits.lines, 30);
        assert_eq!(policy.proof.red_commits, RedCommits::Deny);
        assert_eq!(policy.proof.signature, Signature::Required);
        assert_eq!(policy.proof.necessity, Level::Deny);
        assert_eq!(policy.mode, Mode::Enforce);
    }

    #[test]
    fn a_limit_of_the_floor_is_not_switched_off_or_waived() {
        let policy = load(
            "perimeter: {rules: {too-many-lines: 'off'}}\nwaivers: [{path: '**', rule: too-many-lines, until: 2999-01-01, because: why}, {path: '**', rule: symlink, until: 2999-01-01, because: why}]",
            "perimeter: {limits: {lines: 20}}",
        );
        let policy = policy.expect("loads");
        assert_eq!(policy.level(Rule::TooManyLines), Level::Deny);
        let held: Vec<bool> = policy.waivers.iter().map(|it| it.floor_holds).collect();
        assert_eq!(held, [true, false]);
    }

    #[test]
    fn a_floor_is_part_of_the_digest_by_what_it_makes_of_the_policy() {
        let digest = |floor| load("", floor).expect("loads").digest;
        let none = Policy::load("version: 1\n", "p.yaml")
            .expect("loads")
            .digest;
        assert_eq!(digest("perimeter: {limits: {lines: 50}}"), none);
        assert_ne!(digest("perimeter: {limits: {lines: 49}}"), none);
    }

    #[test]
    fn what_could_loosen_has_no_place_in_a_floor() {
        for (floor, expected) in [
            (
                "perimeter: {allow: ['**']}",
                "2:20: `perimeter.allow` has no place in a floor",
            ),
            ("proof: {tests: ['**']}", "2:16: `proof.tests` has no place"),
            (
                "message: {types: [feat]}",
                "2:18: `message.types` has no place",
            ),
            ("waivers: []", "2:10: `waivers` has no place"),
            (
                "extends: [default]",
                "2:11: unknown preset of a floor `default`",
            ),
            ("perimiter: {}", "2:1: unknown key `perimiter`"),
            (
                "perimeter: {limits: {lines: x}}",
                "2:29: expected a whole number",
            ),
        ] {
            let err = load("", floor).expect_err(floor);
            let usage = err.downcast_ref::<UsageError>().expect("correctable");
            let message = usage
                .message
                .strip_prefix("the floor of this machine: /etc/floor.yaml:")
                .unwrap_or_else(|| panic!("{}", usage.message));
            assert!(
                message.starts_with(expected),
                "{message}\n  wanted {expected}"
            );
        }
    }
}
