//! How an agent is called without a terminal, and what its output says: its answer, its tokens, its price. Nothing here is believed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use regex::Regex;
use serde_json::Value;

use crate::policy::RunPolicy;
use crate::policy::run::{self, AgentChoice, AgentSpec, PromptBy, ResultForm, ResultSpec};
use crate::suite::runner::Toolbox;
use crate::usage::UsageError;

/// An agent that can be called here.
#[derive(Clone, Debug)]
pub struct Agent {
    pub choice: AgentChoice,
    /// `None` for a command of the user's.
    pub spec: Option<AgentSpec>,
}

/// What one call is made of.
#[derive(Clone, Debug)]
pub struct Call {
    pub argv: Vec<OsString>,
    pub env: BTreeMap<OsString, OsString>,
}

/// What an agent printed, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub answer: String,
    pub tokens: Option<u64>,
    /// In dollars.
    pub cost: Option<f64>,
}

/// Where a call finds the brief.
pub const BRIEF_VARIABLE: &str = "KOAN_BRIEF";

/// Of what an agent printed at last, where it has no form.
const MAX_ANSWER: usize = 16 << 10;

/// One argument cannot be longer on Linux.
const MAX_ARGUMENT: usize = 120 << 10;

impl Agent {
    /// # Errors
    /// [`UsageError`] if its program is not on the `PATH`, or if nobody says which agent it is.
    pub fn find(choice: Option<&AgentChoice>, toolbox: &Toolbox) -> anyhow::Result<Agent> {
        let Some(choice) = choice else {
            let names: Vec<&str> = run::agents().collect();
            return Err(UsageError::with_hint(
                "nobody says which agent to call",
                format!(
                    "`--agent NAME` or `run: {{agent: NAME}}` in the policy, with one of {}; or a command of your own: `--agent './fix.sh'`",
                    names.join(", ")
                ),
            )
            .into());
        };
        let AgentChoice::Named(name) = choice else {
            return Ok(Agent {
                choice: choice.clone(),
                spec: None,
            });
        };
        let spec = run::agent(name)?.with_context(|| format!("no agent `{name}` is shipped"))?;
        let path = toolbox.env.get("PATH").map_or("", String::as_str);
        let mut folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
        if !folders.any(|folder| folder.join(&spec.program).is_file()) {
            return Err(UsageError::with_hint(
                format!("`{}` is not on the `PATH`", spec.program),
                format!("install the client `{name}`, or name another one with `--agent`"),
            )
            .into());
        }
        Ok(Agent {
            choice: choice.clone(),
            spec: Some(spec),
        })
    }

    /// What it is called in commits and answers.
    pub fn name(&self) -> String {
        self.choice.name()
    }

    /// Words that name the programs which it needs to be able to read.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["git".to_owned()];
        match (&self.spec, &self.choice) {
            (Some(spec), _) => words.push(spec.program.clone()),
            (None, AgentChoice::Line(line)) => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
                words.extend(line.split(|c| !is_word(c)).map(str::to_owned));
            }
            (None, AgentChoice::Named(_)) => {}
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// Files that a command names by their whole paths.
    pub fn files(&self) -> Vec<PathBuf> {
        let AgentChoice::Line(line) = &self.choice else {
            return Vec::new();
        };
        let words = line
            .split_whitespace()
            .map(|word| word.trim_matches(['\'', '"']));
        let paths = words.map(PathBuf::from).filter(|path| path.is_absolute());
        paths.filter(|path| path.is_file()).collect()
    }

    /// The call, with `prompt` in the file `prompt_file` of the job's view. `is_confined` says whether the guard's sandbox keeps it in its room.
    pub fn call(
        &self,
        policy: &RunPolicy,
        is_confined: bool,
        (prompt, prompt_file): (&str, &Path),
    ) -> anyhow::Result<Call> {
        let mut env = BTreeMap::from([(BRIEF_VARIABLE.into(), prompt_file.into())]);
        let shell = |script: String| -> Vec<OsString> {
            vec!["/bin/sh".into(), "-c".into(), script.into()]
        };
        let spec = match (&self.choice, &self.spec) {
            (AgentChoice::Line(line), _) => {
                let argv = shell(format!("exec <\"${BRIEF_VARIABLE}\"\n{line}"));
                return Ok(Call { argv, env });
            }
            (AgentChoice::Named(name), None) => anyhow::bail!("no agent `{name}` is shipped"),
            (AgentChoice::Named(_), Some(spec)) => spec,
        };
        env.extend(
            spec.env
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        let stdin = match spec.prompt {
            PromptBy::Stdin => format!("exec <\"${BRIEF_VARIABLE}\"; "),
            PromptBy::Argument | PromptBy::File => String::new(),
        };
        let mut argv = shell(format!("{stdin}exec \"$@\""));
        argv.extend(["sh".into(), OsString::from(&spec.program)]);
        for word in &spec.argv {
            match word.as_str() {
                "{sandbox}" if is_confined => argv.extend(spec.confined.iter().map(Into::into)),
                "{sandbox}" => argv.extend(spec.alone.iter().map(Into::into)),
                "{args}" => argv.extend(policy.args.iter().map(Into::into)),
                "{prompt}" => argv.push(cut(prompt).into()),
                "{prompt_file}" => argv.push(prompt_file.into()),
                word => argv.push(word.into()),
            }
        }
        Ok(Call { argv, env })
    }

    /// What it would be called with, for people.
    pub fn shown(&self, policy: &RunPolicy, is_confined: bool) -> anyhow::Result<String> {
        if let AgentChoice::Line(line) = &self.choice {
            return Ok(format!("{line} < BRIEF"));
        }
        let call = self.call(policy, is_confined, ("BRIEF", Path::new("BRIEF")))?;
        let words = call.argv.iter().skip(4);
        let words: Vec<String> = words.map(|word| word.display().to_string()).collect();
        let is_stdin = self
            .spec
            .as_ref()
            .is_some_and(|spec| spec.prompt == PromptBy::Stdin);
        Ok(words.join(" ") + if is_stdin { " < BRIEF" } else { "" })
    }

    /// Globs of what it leaves behind.
    pub fn leaves(&self) -> &[String] {
        self.spec.as_ref().map_or(&[], |spec| &spec.leaves)
    }

    /// What it printed.
    pub fn read(&self, stdout: &[u8]) -> anyhow::Result<Said> {
        match &self.spec {
            Some(spec) => read(&spec.result, stdout),
            None => read(&ResultSpec::default(), stdout),
        }
    }
}

/// The beginning of a text that fits into one argument.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_ARGUMENT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What cannot be read is not there: neither figures nor an answer decide anything.
fn read(spec: &ResultSpec, stdout: &[u8]) -> anyhow::Result<Said> {
    let text = String::from_utf8_lossy(stdout);
    let values: Vec<Value> = match spec.form {
        ResultForm::Text => Vec::new(),
        ResultForm::Object => Vec::from_iter(object_in(&text)),
        ResultForm::Lines => text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
    };
    let mut said = Said::default();
    if spec.form == ResultForm::Text {
        said.answer = tail(&text).to_owned();
    }
    for value in &values {
        let answers = spec.answer.iter().flat_map(|pointer| find(value, pointer));
        if let Some(answer) = answers.filter_map(Value::as_str).next_back()
            && holds(value, &spec.answer_in)
        {
            said.answer = answer.to_owned();
        }
        if !holds(value, &spec.figures_in) {
            continue;
        }
        for pointer in &spec.tokens {
            for n in find(value, pointer).into_iter().filter_map(Value::as_u64) {
                said.tokens = Some(said.tokens.unwrap_or(0).saturating_add(n));
            }
        }
        for pointer in &spec.cost {
            let found = find(value, pointer).into_iter().filter_map(Value::as_f64);
            for dollars in found.filter(|dollars| dollars.is_finite() && *dollars >= 0.0) {
                said.cost = Some(said.cost.unwrap_or(0.0) + dollars);
            }
        }
    }
    if let Some(pattern) = &spec.cost_pattern {
        let pattern = Regex::new(pattern).context("read the pattern of an agent's price")?;
        let last = pattern.captures_iter(&text).last();
        said.cost = last.and_then(|found| found.get(1)?.as_str().parse().ok());
    }
    Ok(said)
}

/// Clients print warnings before their object.
fn object_in(text: &str) -> Option<Value> {
    let whole = serde_json::from_str(text.trim()).ok();
    whole.or_else(|| serde_json::from_str(&text[text.find("\n{")? + 1..]).ok())
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(MAX_ANSWER);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn holds(value: &Value, wanted: &BTreeMap<String, String>) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(pointer, text)| value.pointer(pointer).and_then(Value::as_str) == Some(text))
}

/// As [`Value::pointer`], where `*` stands for every member.
fn find<'v>(value: &'v Value, pointer: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for part in pointer.split('/').skip(1) {
        found = found
            .into_iter()
            .flat_map(|value| match (part, value) {
                ("*", Value::Object(members)) => members.values().collect(),
                ("*", Value::Array(members)) => members.iter().collect(),
                (name, value) => Vec::from_iter(value.get(name)),
            })
            .collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[track_caller]
    fn check(agent: &str, stdout: &str, expected: (&str, Option<u64>, Option<f64>)) {
        let spec = run::agent(agent).expect("read").expect("shipped");
        let said = read(&spec.result, stdout.as_bytes()).expect("read");
        assert_eq!((said.answer.as_str(), said.tokens, said.cost), expected);
    }

    #[test]
    fn what_each_client_prints_is_read() {
        check(
            "codex",
            r#"{"type":"thread.started","thread_id":"x"}
{"type":"item.completed","item":{"type":"agent_message","text":"one"}}
{"type":"item.completed","item":{"type":"command_execution","text":"no"}}
{"type":"item.completed","item":{"type":"agent_message","text":"two"}}
{"type":"turn.completed","usage":{"input_tokens":100,"cached_input_tokens":90,"output_tokens":20}}
"#,
            ("two", Some(120), None),
        );
        check(
            "claude",
            r#"{"type":"result","is_error":false,"result":"done","total_cost_usd":0.25,"usage":{"input_tokens":3,"output_tokens":4}}"#,
            ("done", Some(7), Some(0.25)),
        );
        check(
            "gemini",
            "Loaded cached credentials.\n{\"response\":\"done\",\"stats\":{\"models\":{\"a\":{\"tokens\":{\"total\":5}},\"b\":{\"tokens\":{\"total\":6}}}}}",
            ("done", Some(11), None),
        );
        check(
            "opencode",
            r#"{"type":"text","part":{"type":"text","text":"hm"}}
{"type":"step_finish","part":{"cost":0.5,"tokens":{"total":15,"input":1,"output":2,"reasoning":3,"cache":{"read":4,"write":5}}}}
{"type":"text","part":{"type":"text","text":"done"}}
{"type":"step_finish","part":{"cost":0.25,"tokens":{"input":1,"output":2,"reasoning":3}}}"#,
            ("done", Some(21), Some(0.75)),
        );
        check(
            "aider",
            "Tokens: 2k sent. Cost: $0.01 message, $0.02 session.\nCost: $0.01 message, $0.03 session.\n",
            (
                "Tokens: 2k sent. Cost: $0.01 message, $0.02 session.\nCost: $0.01 message, $0.03 session.\n",
                None,
                Some(0.03),
            ),
        );
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for agent in run::agents().filter(|agent| *agent != "aider") {
            check(agent, "", ("", None, None));
            check(agent, "panic!\n{\"type\":", ("", None, None));
            check(
                agent,
                "{\"type\":1,\"result\":[],\"usage\":7}",
                ("", None, None),
            );
        }
        check(
            "claude",
            r#"{"result":"x","total_cost_usd":-5}"#,
            ("x", None, None),
        );
    }

    #[test]
    fn a_call_is_made_of_the_data_and_the_policy() {
        let policy = Policy::load("version: 1\nrun: {args: [-m, x]}\n", "p.yaml").expect("loads");
        let shown = |name: &str, is_confined| {
            let agent = Agent {
                choice: AgentChoice::Named(name.into()),
                spec: run::agent(name).expect("read"),
            };
            agent.shown(&policy.run, is_confined).expect("shown")
        };
        assert_eq!(
            shown("codex", true),
            "codex exec --json --skip-git-repo-check --ephemeral -s danger-full-access -m x - < BRIEF"
        );
        assert_eq!(
            shown("codex", false),
            "codex exec --json --skip-git-repo-check --ephemeral -s workspace-write -m x - < BRIEF"
        );
        // Trust in the folder's own settings comes with the sandbox alone.
        assert_eq!(
            shown("gemini", true),
            "gemini -p BRIEF --output-format json --approval-mode yolo --skip-trust -m x"
        );
        assert_eq!(
            shown("gemini", false),
            "gemini -p BRIEF --output-format json --approval-mode auto_edit -m x"
        );
        assert_eq!(
            shown("opencode", true),
            "opencode run --format json -m x BRIEF"
        );
    }

    #[test]
    fn a_command_reads_the_brief_from_its_standard_input() {
        let policy = Policy::load("version: 1\n", "p.yaml").expect("loads");
        let agent = Agent {
            choice: AgentChoice::Line("./fix.sh | tee log".into()),
            spec: None,
        };
        let call = agent
            .call(&policy.run, true, ("p", Path::new("/b")))
            .expect("a call");
        assert_eq!(call.argv[2], "exec <\"$KOAN_BRIEF\"\n./fix.sh | tee log");
        assert_eq!(
            agent.words(),
            ["git", ".", "fix.sh", "tee", "log"].map(str::to_owned)
        );
    }
}
