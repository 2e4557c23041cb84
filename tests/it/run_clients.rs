//! Real clients in the loop, with a model that is a script on the loopback interface. Only on request, because they have to be installed:
//!
//! ```sh
//! npm install --prefix DIR @anthropic-ai/claude-code @google/gemini-cli @openai/codex opencode-ai
//! python3 -m venv VENV && VENV/bin/pip install aider-chat
//! KOAN_E2E=aider,claude,codex,gemini,opencode KOAN_E2E_MODULES=DIR/node_modules KOAN_E2E_VENV=VENV \
//!     cargo test --test it run_clients -- --ignored
//! ```

mod model;
mod protocol;

use std::path::PathBuf;
use std::{env, fs};

use serde_json::json;

use crate::run::{NOW, branch, says, shop};
use crate::support::Repo;
use model::Model;

/// What a client has to be told to ask the model here.
#[derive(Default)]
struct Settings {
    /// Variables of the user's, each of them named by the policy.
    env: Vec<(&'static str, String)>,
    /// A file below a fresh `HOME`.
    file: Option<(&'static str, String)>,
    args: &'static [&'static str],
}

struct Driven {
    repo: Repo,
    model: Model,
    said: String,
}

/// Runs the loop with a client; `settings` is asked with the address of the model.
fn drive(client: &str, settings: impl Fn(&str) -> Settings) -> Option<Driven> {
    let wanted = env::var("KOAN_E2E").expect("KOAN_E2E: see the top of this file");
    if !wanted.split(',').any(|name| name == client) {
        return None;
    }
    let model = Model::start();
    let Settings { env, file, args } = settings(&model.url());
    let (bin, readable) = installed(client);
    let names: Vec<&str> = env.iter().map(|(name, _)| *name).collect();
    let places: Vec<&str> = file.iter().map(|(place, _)| *place).collect();
    let repo = shop(
        &json!({
            "agent": client, "args": args, "attempts": 2, "time": "3m", "network": "allow", "hosts": [model.host()],
            "env": names, "home": places, "readable": [readable],
        })
        .to_string(),
    );
    if let Some((place, text)) = file {
        let path = repo.home().join(place);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("settings");
    }
    let before = repo.contents();
    let mut guard = repo.guard_command(["run", "--now", NOW]);
    let path = env::var("PATH").expect("a PATH");
    guard.env("PATH", format!("{}:{path}", bin.display()));
    let said = repo.answer_of(guard.envs(env));
    let after = repo.contents();
    let own: Vec<&str> = after
        .lines()
        .filter(|line| !line.starts_with("refs/heads/koan/"))
        .collect();
    assert_eq!(own, before.lines().collect::<Vec<_>>());
    Some(Driven { repo, model, said })
}

/// The folder of a client's program, and the one that it needs to read.
fn installed(client: &str) -> (PathBuf, PathBuf) {
    let (variable, bin) = match client {
        "aider" => ("KOAN_E2E_VENV", "bin"),
        _ => ("KOAN_E2E_MODULES", ".bin"),
    };
    let Some(folder) = env::var_os(variable) else {
        panic!("{variable}: see the top of this file");
    };
    let folder = PathBuf::from(folder)
        .canonicalize()
        .expect("the folder of the client");
    (folder.join(bin), folder)
}

/// The first fix came without a test, and what the guard said of that reached the model. `figures` is what the client counted.
#[track_caller]
fn check(driven: Option<Driven>, figures: &str) {
    let Some(Driven { repo, model, said }) = driven else {
        return;
    };
    let heard = model.heard();
    let begun: Vec<String> = heard
        .iter()
        .map(|request| request.chars().take(300).collect())
        .collect();
    let shown = format!("{said}\n{begun:#?}");
    says(
        &shown,
        &[
            "exit: 0",
            &format!("no network but {}", model.host()),
            "refused: no-test",
            "attempt 2 of 2",
            "fix: total of an empty cart",
            "1 fixed",
            figures,
        ],
    );
    let is_told = heard
        .iter()
        .any(|request| request.contains("refused[no-test]"));
    assert!(is_told, "{shown}");
    says(
        &repo.git(["notes", "--ref=koan", "show", &branch(&repo)]),
        &["fail-to-pass"],
    );
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn aider_is_refused_and_then_proves_its_fix() {
    let settings = |url: &str| Settings {
        env: vec![
            ("OPENAI_API_BASE", format!("{url}/v1")),
            ("OPENAI_API_KEY", "dummy".into()),
        ],
        // A model with a known price.
        args: &["--model", "openai/gpt-4o"],
        ..Settings::default()
    };
    check(drive("aider", settings), "$0.0");
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn claude_is_refused_and_then_proves_its_fix() {
    let settings = |url: &str| Settings {
        env: vec![
            ("ANTHROPIC_BASE_URL", url.into()),
            ("ANTHROPIC_API_KEY", "dummy".into()),
        ],
        ..Settings::default()
    };
    check(drive("claude", settings), "480 tokens, $0.0");
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn codex_is_refused_and_then_proves_its_fix() {
    let settings = |url: &str| {
        let config = format!(
            "model = \"m\"\nmodel_provider = \"local\"\n\n[model_providers.local]\nname = \"local\"\nbase_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n"
        );
        Settings {
            env: vec![("OPENAI_API_KEY", "dummy".into())],
            file: Some((".codex/config.toml", config)),
            ..Settings::default()
        }
    };
    check(drive("codex", settings), "480 tokens");
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn gemini_is_refused_and_then_proves_its_fix() {
    let settings = |url: &str| Settings {
        env: vec![
            ("GOOGLE_GEMINI_BASE_URL", url.into()),
            ("GEMINI_API_KEY", "dummy".into()),
        ],
        // With an address of somebody's own it would ask how to log in.
        file: Some((
            ".gemini/settings.json",
            json!({"security": {"auth": {"selectedType": "gemini-api-key"}}}).to_string(),
        )),
        ..Settings::default()
    };
    check(drive("gemini", settings), "480 tokens");
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn opencode_is_refused_and_then_proves_its_fix() {
    let settings = |url: &str| {
        let models = json!({"m": {"name": "m", "tool_call": true, "limit": {"context": 100_000, "output": 10_000}}});
        let options = json!({"baseURL": format!("{url}/v1"), "apiKey": "dummy"});
        let provider = json!({"npm": "@ai-sdk/openai-compatible", "name": "local", "options": options, "models": models});
        let config =
            json!({"provider": {"local": provider}, "model": "local/m", "small_model": "local/m"});
        Settings {
            file: Some((".config/opencode/opencode.json", config.to_string())),
            ..Settings::default()
        }
    };
    check(drive("opencode", settings), "480 tokens");
}
