//! Marks by which known agents are recognised: exact names, as data.
//!
//! Every mark can be dropped by whoever commits, so recognition only ever makes judging stricter; that no mark is found proves nothing.
//! Bots that update dependencies or run workflows (dependabot, renovate, github-actions) are no agents.

use gix::bstr::ByteSlice as _;

use crate::change::Trailer;

/// One agent and what it leaves in commits and environments. Everything is in lower case but the names of variables.
#[derive(Debug)]
struct Agent {
    /// As verdicts name it.
    id: &'static str,
    /// E-mail addresses of author, committer or co-author.
    emails: &'static [&'static str],
    /// Names of author or committer, and the slugs of GitHub's `DIGITS+SLUG@users.noreply.github.com`.
    names: &'static [&'static str],
    /// Ends of names.
    suffixes: &'static [&'static str],
    /// Tokens of trailers that only this agent writes.
    trailers: &'static [&'static str],
    /// What it writes into the body of a message.
    phrases: &'static [&'static str],
    /// Variables that are set while it works; with `=`, to this value.
    variables: &'static [&'static str],
}

const NOTHING: Agent = Agent {
    id: "",
    emails: &[],
    names: &[],
    suffixes: &[],
    trailers: &[],
    phrases: &[],
    variables: &[],
};

#[rustfmt::skip]
const AGENTS: &[Agent] = &[
    Agent {
        id: "codex",
        emails: &["noreply@openai.com", "codex@openai.com"],
        names: &["chatgpt-codex-connector[bot]"],
        variables: &["CODEX_CI", "CODEX_THREAD_ID", "CODEX_SANDBOX", "CODEX_SANDBOX_NETWORK_DISABLED"],
        ..NOTHING
    },
    Agent {
        id: "claude-code",
        emails: &["noreply@anthropic.com"],
        names: &["claude[bot]", "claude-code[bot]"],
        trailers: &["claude-session"],
        phrases: &["generated with [claude code]"],
        variables: &["CLAUDECODE", "CLAUDE_CODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID"],
        ..NOTHING
    },
    Agent {
        id: "aider",
        emails: &["aider@aider.chat", "noreply@aider.chat"],
        suffixes: &["(aider)"],
        ..NOTHING
    },
    Agent { id: "gemini-cli", variables: &["GEMINI_CLI"], ..NOTHING },
    Agent { id: "jules", names: &["google-labs-jules[bot]"], variables: &["HOME=/home/jules", "USER=swebot"], ..NOTHING },
    Agent {
        id: "opencode",
        emails: &["noreply@opencode.ai"],
        phrases: &["generated with opencode", "generated with [opencode]"],
        variables: &["OPENCODE", "OPENCODE_PID"],
        ..NOTHING
    },
    Agent {
        id: "cursor",
        emails: &["cursoragent@cursor.com"],
        names: &["cursor[bot]", "cursoragent[bot]"],
        variables: &["CURSOR_AGENT", "CURSOR_EXTENSION_HOST_ROLE=agent-exec"],
        ..NOTHING
    },
    Agent {
        id: "copilot",
        emails: &["copilot@github.com"],
        names: &["copilot", "copilot[bot]", "copilot-swe-agent[bot]"],
        trailers: &["agent-logs-url"],
        variables: &["COPILOT_MODEL", "COPILOT_ALLOW_ALL", "COPILOT_GITHUB_TOKEN"],
        ..NOTHING
    },
    Agent { id: "devin", names: &["devin-ai-integration[bot]"], ..NOTHING },
    Agent { id: "openhands", emails: &["openhands@all-hands.dev"], ..NOTHING },
    Agent {
        id: "amp",
        emails: &["amp@ampcode.com"],
        trailers: &["amp-thread-id"],
        variables: &["AMP_CURRENT_THREAD_ID", "AGENT=amp"],
        ..NOTHING
    },
    Agent { id: "windsurf", emails: &["noreply@windsurf.com", "noreply@codeium.com"], ..NOTHING },
    Agent { id: "roo", emails: &["roomote@roocode.com"], ..NOTHING },
    Agent { id: "factory", names: &["factory-droid[bot]"], ..NOTHING },
    Agent { id: "zencoder", names: &["zencoder-ai[bot]"], ..NOTHING },
    Agent { id: "augment", variables: &["AUGMENT_AGENT"], ..NOTHING },
    Agent { id: "qwen-code", variables: &["QWEN_CODE"], ..NOTHING },
    Agent { id: "crush", variables: &["CRUSH"], ..NOTHING },
    Agent { id: "pi", variables: &["PI_CODING_AGENT"], ..NOTHING },
    Agent { id: "antigravity", variables: &["ANTIGRAVITY_AGENT"], ..NOTHING },
    Agent { id: "goose", variables: &["GOOSE_PROVIDER"], ..NOTHING },
    Agent { id: "kiro", variables: &["KIRO_SESSION_ID"], ..NOTHING },
    Agent { id: "junie", variables: &["JUNIE_DATA"], ..NOTHING },
    Agent { id: "replit", variables: &["REPL_ID"], ..NOTHING },
    // Marks that several agents share stand last, so that the more exact name wins.
    Agent {
        id: SHARED,
        trailers: &["assisted-by", "entire-session", "entire-checkpoint", "koan-case"],
        variables: &["AI_AGENT", "AGENT", "KOAN_GUARD_CASE"],
        ..NOTHING
    },
];

/// What the marks are called that several agents share.
const SHARED: &str = "an agent";

/// The trailer by which co-authors are named.
const CO_AUTHORED_BY: &str = "co-authored-by";

/// The known agents that left a mark in a commit: `people` are names and e-mail addresses of author and committer, `text` is the message.
pub fn recognise<'a>(
    people: impl IntoIterator<Item = (&'a str, &'a str)>,
    trailers: &[Trailer],
    text: &[u8],
) -> Vec<&'static str> {
    let people = people
        .into_iter()
        .map(|(name, email)| Mark::of(name, email));
    let co_authors = trailers
        .iter()
        .filter(|trailer| trailer.token.eq_ignore_ascii_case(CO_AUTHORED_BY))
        .map(|trailer| Mark::of_person(&trailer.value));
    let marks: Vec<Mark> = people.chain(co_authors).collect();
    let text = text.to_lowercase();
    let tokens: Vec<String> = trailers
        .iter()
        .map(|trailer| trailer.token.to_lowercase())
        .collect();
    let is_marked = |agent: &&Agent| {
        marks.iter().any(|mark| mark.is_of(agent))
            || tokens
                .iter()
                .any(|token| agent.trailers.contains(&token.as_str()))
            || agent.phrases.iter().any(|phrase| text.contains_str(phrase))
    };
    let mut ids: Vec<&str> = AGENTS
        .iter()
        .filter(is_marked)
        .map(|agent| agent.id)
        .collect();
    // The mark that several share says nothing more beside an exact one.
    if ids.len() > 1 {
        ids.retain(|id| *id != SHARED);
    }
    ids
}

/// Whether one of `names`, which are exact and in lower case, is the id, an address or a name of the known agent `id`.
pub fn is_listed(id: &str, names: &[String]) -> bool {
    let mut agents = AGENTS.iter().filter(|agent| agent.id == id);
    agents.any(|agent| {
        let known_as = agent.emails.iter().chain(agent.names).chain([&agent.id]);
        known_as
            .into_iter()
            .any(|text| names.iter().any(|name| name == text))
    })
}

/// Whether a person or co-author goes by one of `names`, which are exact names or e-mail addresses in lower case.
///
/// GitHub's `DIGITS+SLUG@users.noreply.github.com` goes by its slug too.
pub fn is_named<'a>(
    names: &[String],
    people: impl IntoIterator<Item = (&'a str, &'a str)>,
    trailers: &[Trailer],
) -> bool {
    let people = people
        .into_iter()
        .map(|(name, email)| Mark::of(name, email));
    let co_authors = trailers
        .iter()
        .filter(|trailer| trailer.token.eq_ignore_ascii_case(CO_AUTHORED_BY))
        .map(|trailer| Mark::of_person(&trailer.value));
    people.chain(co_authors).any(|mark| {
        let known_as = [Some(&mark.name), Some(&mark.email), mark.slug.as_ref()];
        known_as
            .into_iter()
            .flatten()
            .any(|text| names.contains(text))
    })
}

/// The known agent that works here: `variable` reads the environment.
///
/// A variable that is set but empty does not count.
pub fn in_environment(variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let is_set = |mark: &&str| match mark.split_once('=') {
        Some((name, value)) => variable(name).as_deref() == Some(value),
        None => variable(mark).is_some_and(|value| !value.is_empty()),
    };
    AGENTS
        .iter()
        .find(|agent| agent.variables.iter().any(is_set))
        .map(|agent| agent.id)
}

/// What a person is called, in lower case.
struct Mark {
    name: String,
    email: String,
    slug: Option<String>,
}

impl Mark {
    fn of(name: &str, email: &str) -> Mark {
        let email = email.trim().trim_matches(['<', '>']).to_lowercase();
        Mark {
            name: name.trim().to_lowercase(),
            slug: slug(&email).map(str::to_owned),
            email,
        }
    }

    /// Of `Name <address>`; what stands around is ignored, as it is by the services that show co-authors.
    fn of_person(text: &str) -> Mark {
        match text.rsplit_once('<') {
            Some((name, rest)) => Mark::of(name, rest.split('>').next().unwrap_or(rest)),
            None => Mark::of(text, text),
        }
    }

    fn is_of(&self, agent: &Agent) -> bool {
        let is_email = agent.emails.contains(&self.email.as_str());
        let is_name = [Some(&self.name), self.slug.as_ref()]
            .into_iter()
            .flatten()
            .any(|name| agent.names.contains(&name.as_str()));
        is_email
            || is_name
            || agent
                .suffixes
                .iter()
                .any(|suffix| self.name.ends_with(suffix))
    }
}

/// `SLUG` of `SLUG@users.noreply.github.com`, with or without digits and a plus before it.
fn slug(email: &str) -> Option<&str> {
    let local = email.strip_suffix("@users.noreply.github.com")?;
    match local.split_once('+') {
        Some((id, slug)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(slug)
        }
        Some(_) => None,
        None => Some(local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `commit` is `Name <address>`, then trailers, one a line.
    #[track_caller]
    fn check(commit: &str, expected: Option<&str>) {
        let mut lines = commit.lines();
        let person = lines.next().expect("an author");
        let (name, email) = person.split_once(" <").expect("an address");
        let trailers: Vec<Trailer> = lines
            .map(|line| {
                let (token, value) = line.split_once(": ").expect("a trailer");
                Trailer {
                    token: token.to_owned(),
                    value: value.to_owned(),
                }
            })
            .collect();
        let people = [
            ("Ada", "ada@example.org"),
            (name, email.trim_end_matches('>')),
        ];
        let found = recognise(people, &trailers, b"a message");
        assert_eq!(found.first().copied(), expected, "{commit}");
    }

    #[test]
    fn agents_are_known_by_author_committer_and_every_co_author() {
        check("Claude <NoReply@Anthropic.com>", Some("claude-code"));
        check(
            "Ada <ada@example.org>\nCo-Authored-By: Claude Opus <noreply@anthropic.com>",
            Some("claude-code"),
        );
        check(
            "Ada <ada@example.org>\nCo-authored-by: Bo <bo@example.org>\nco-authored-by: Codex <noreply@openai.com>",
            Some("codex"),
        );
        check("Ada Example (aider) <ada@example.org>", Some("aider"));
        check(
            "Ada <ada@example.org>\nCo-authored-by: aider (m) <aider@aider.chat>",
            Some("aider"),
        );
        check("cursor[bot] <x@example.org>", Some("cursor"));
        check(
            "Ada <ada@example.org>\nClaude-Session: x",
            Some("claude-code"),
        );
        check(
            "Ada <ada@example.org>\nAssisted-by: Some:model",
            Some("an agent"),
        );
    }

    #[test]
    fn every_agent_that_left_a_mark_is_told() {
        let trailers = [Trailer {
            token: "Co-authored-by".into(),
            value: "x <noreply@anthropic.com>".into(),
        }];
        let people = [("devin-ai-integration[bot]", "x@example.org")];
        assert_eq!(recognise(people, &trailers, b""), ["claude-code", "devin"]);
        let body = b"Fix it\n\nGenerated with [Claude Code](https://example.org)\n";
        assert_eq!(
            recognise([("Ada", "a@example.org")], &[], body),
            ["claude-code"]
        );
        let listed = ["noreply@anthropic.com".to_owned(), "aider".to_owned()];
        assert!(is_listed("claude-code", &listed) && is_listed("aider", &listed));
        assert!(!is_listed("devin", &listed));
    }

    #[test]
    fn a_github_address_is_compared_by_its_exact_slug() {
        check(
            "x <198982749+Copilot@users.noreply.github.com>",
            Some("copilot"),
        );
        check(
            "x <223556219+copilot@users.noreply.github.com>",
            Some("copilot"),
        );
        check(
            "x <158243242+devin-ai-integration[bot]@users.noreply.github.com>",
            Some("devin"),
        );
        check("x <1+copilot-fan@users.noreply.github.com>", None);
        check("x <1+not-copilot@users.noreply.github.com>", None);
        check("x <a+copilot@users.noreply.github.com>", None);
        check("x <1+copilot@users.noreply.github.com.example.org>", None);
    }

    #[test]
    fn people_and_bots_that_write_no_code_are_no_agents() {
        check("Ada <ada@example.org>", None);
        check(
            "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
            None,
        );
        check(
            "renovate[bot] <29139614+renovate[bot]@users.noreply.github.com>",
            None,
        );
        check(
            "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>",
            None,
        );
        check("Claude Monet <monet@example.org>", None);
        check(
            "Ada <ada@example.org>\nSigned-off-by: Claude <noreply@anthropic.com>",
            None,
        );
    }

    #[test]
    fn an_environment_is_known_by_variables_that_hold_something() {
        let check = |set: &[(&str, &str)], expected: Option<&str>| {
            let found = in_environment(|name| {
                set.iter()
                    .find(|(set, _)| *set == name)
                    .map(|(_, value)| (*value).to_owned())
            });
            assert_eq!(found, expected, "{set:?}");
        };
        check(&[("CLAUDECODE", "1")], Some("claude-code"));
        check(&[("OPENCODE", "1"), ("AGENT", "1")], Some("opencode"));
        check(&[("AGENT", "amp")], Some("amp"));
        check(&[("AGENT", "1")], Some("an agent"));
        check(&[("CODEX_CI", "")], None);
        check(
            &[
                ("HOME", "/home/ada"),
                ("EDITOR", "vi"),
                ("TERM_PROGRAM", "vscode"),
            ],
            None,
        );
        check(&[], None);
    }

    #[test]
    fn a_policys_own_names_are_exact() {
        let names = ["fixer[bot]".to_owned(), "robot@example.org".to_owned()];
        let check = |name, email, trailers: &[Trailer], expected| {
            assert_eq!(
                is_named(&names, [(name, email)], trailers),
                expected,
                "{name} {email}"
            );
        };
        check("Fixer[bot]", "x@example.org", &[], true);
        check("x", "12+fixer[bot]@users.noreply.github.com", &[], true);
        check("x", "Robot@example.org", &[], true);
        check("fixer", "b@example.org", &[], false);
        let co_author = Trailer {
            token: "Co-authored-by".into(),
            value: "R <robot@example.org>".into(),
        };
        check("x", "y", &[co_author], true);
    }

    #[test]
    fn the_table_is_in_lower_case_and_every_agent_has_a_mark() {
        for agent in AGENTS {
            for text in agent
                .emails
                .iter()
                .chain(agent.names)
                .chain(agent.suffixes)
                .chain(agent.trailers)
            {
                assert_eq!(text.to_lowercase(), **text, "{}", agent.id);
            }
            let n_marks = agent.emails.len()
                + agent.names.len()
                + agent.suffixes.len()
                + agent.trailers.len()
                + agent.variables.len();
            assert!(n_marks > 0 && !agent.id.is_empty(), "{}", agent.id);
        }
    }
}
