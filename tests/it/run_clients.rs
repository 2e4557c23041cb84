//! Real clients in the loop, with a model that is a script on the loopback interface. Only on request, because they have to be installed:
//!
//! ```sh
//! npm install --prefix DIR @openai/codex opencode-ai
//! KOAN_E2E=codex,opencode KOAN_E2E_MODULES=DIR/node_modules cargo test --test it run_clients -- --ignored
//! ```

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::{env, fs, thread};

use serde_json::{Value, json};

use crate::run::{NOW, branch, put, says, shop};
use crate::support::Repo;
use crate::support::samples::{CART_FIXED, CART_TEST_OF_BUG};

/// A model that fixes without a test, and adds one once it is told that this was refused.
struct Model {
    port: u16,
    /// The bodies of all requests.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Model {
    fn start() -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        // The thread ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hears = Arc::clone(&hears);
                thread::spawn(move || drop(answer(stream, &hears)));
            }
        });
        Model { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

/// One request, one answer.
fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            n_bytes = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    heard
        .lock()
        .expect("no panic")
        .push(format!("{first}{body}"));
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let events = match first.split(' ').nth(1) {
        Some(target) if target.ends_with("/responses") => responses(&body),
        Some(target) if target.ends_with("/chat/completions") => chat(&body),
        _ => {
            return stream.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    stream.write_all(events.as_bytes())
}

/// The command that a good agent would run now.
fn command(body: &Value) -> String {
    let fix = put("cart.py", CART_FIXED);
    if !body.to_string().contains("## Attempt 2 of 2") {
        return fix;
    }
    fix + &put("test_cart.py", CART_TEST_OF_BUG)
}

const DONE: &str = "The cart was empty.\nSUBJECT: total of an empty cart";

/// The API that Codex speaks.
fn responses(body: &Value) -> String {
    let is_done = body.to_string().contains("function_call_output");
    let tools = body["tools"].as_array().cloned().unwrap_or_default();
    let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
    let line = command(body);
    let (name, arguments) = if has("exec_command") {
        ("exec_command", json!({"cmd": line}))
    } else if has("shell_command") {
        ("shell_command", json!({"command": line}))
    } else {
        ("shell", json!({"command": ["bash", "-c", line]}))
    };
    let item = match is_done {
        true => {
            json!({"type": "message", "role": "assistant", "id": "m", "content": [{"type": "output_text", "text": DONE}]})
        }
        false => {
            json!({"type": "function_call", "id": "f", "call_id": "c", "name": name, "arguments": arguments.to_string()})
        }
    };
    let usage = json!({"input_tokens": 100, "output_tokens": 20, "total_tokens": 120});
    let events = [
        json!({"type": "response.created", "response": {"id": "r"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "r", "usage": usage}}),
    ];
    let event = |event: &Value| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    };
    events.iter().map(event).collect()
}

/// The API that OpenCode speaks. It asks for a title too, without tools.
fn chat(body: &Value) -> String {
    let is_title = body["tools"].as_array().is_none_or(Vec::is_empty);
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let is_done = messages.iter().any(|message| message["role"] == "tool");
    let (delta, end) = if is_title || is_done {
        (json!({"role": "assistant", "content": DONE}), "stop")
    } else {
        let arguments = json!({"command": command(body), "description": "fix it"}).to_string();
        let call = json!({"index": 0, "id": "c", "type": "function", "function": {"name": "bash", "arguments": arguments}});
        (
            json!({"role": "assistant", "tool_calls": [call]}),
            "tool_calls",
        )
    };
    let chunk = |delta: Value, end: Value, usage: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        json!({"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice], "usage": usage})
    };
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
    format!(
        "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        chunk(delta, Value::Null, Value::Null),
        chunk(json!({}), json!(end), usage)
    )
}

fn modules() -> PathBuf {
    let modules =
        env::var_os("KOAN_E2E_MODULES").expect("KOAN_E2E_MODULES: see the top of this file");
    PathBuf::from(modules)
        .canonicalize()
        .expect("the folder of the clients")
}

/// Runs the loop with a client, whose settings are `config`, at `place` of a fresh `HOME`.
fn drive(
    client: &str,
    place: &str,
    config: impl Fn(u16) -> String,
) -> Option<(Repo, Model, String)> {
    let wanted = env::var("KOAN_E2E").expect("KOAN_E2E: see the top of this file");
    if !wanted.split(',').any(|name| name == client) {
        return None;
    }
    let model = Model::start();
    let modules = modules();
    let run = format!(
        "{{agent: {client}, attempts: 2, time: 3m, network: allow, env: [OPENAI_API_KEY], home: [{place}], readable: [{}]}}",
        modules.display()
    );
    let repo = shop(&run);
    let file = repo.home().join(place);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, config(model.port)).expect("settings");
    let before = repo.contents();
    let mut guard = repo.guard_command(["run", "--now", NOW]);
    let path = env::var("PATH").expect("a PATH");
    guard.env("PATH", format!("{}:{path}", modules.join(".bin").display()));
    guard.env("OPENAI_API_KEY", "dummy");
    let said = repo.answer_of(&mut guard);
    let after = repo.contents();
    let own: Vec<&str> = after
        .lines()
        .filter(|line| !line.starts_with("refs/heads/koan/"))
        .collect();
    assert_eq!(own, before.lines().collect::<Vec<_>>());
    Some((repo, model, said))
}

/// The first fix came without a test, and what the guard said of that reached the model.
#[track_caller]
fn check(driven: Option<(Repo, Model, String)>) {
    let Some((repo, model, said)) = driven else {
        return;
    };
    let heard: Vec<String> = model
        .heard()
        .iter()
        .map(|request| request.chars().take(300).collect())
        .collect();
    says(
        &format!("{said}\n{heard:#?}"),
        &[
            "exit: 0",
            "refused: no-test",
            "attempt 2 of 2",
            "fix: total of an empty cart",
            "tokens",
            "1 fixed",
        ],
    );
    let heard = model.heard();
    let is_told = heard
        .iter()
        .any(|request| request.contains("refused[no-test]"));
    assert!(is_told);
    says(
        &repo.git(["notes", "--ref=koan", "show", &branch(&repo)]),
        &["fail-to-pass"],
    );
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn codex_is_refused_and_then_proves_its_fix() {
    check(drive("codex", ".codex/config.toml", |port| {
        format!(
            "model = \"m\"\nmodel_provider = \"local\"\n\n[model_providers.local]\nname = \"local\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\nwire_api = \"responses\"\nenv_key = \"OPENAI_API_KEY\"\n"
        )
    }));
}

#[test]
#[ignore = "drives a real client: see the top of this file"]
fn opencode_is_refused_and_then_proves_its_fix() {
    check(drive(
        "opencode",
        ".config/opencode/opencode.json",
        |port| {
            let models = json!({"m": {"name": "m", "tool_call": true, "limit": {"context": 100_000, "output": 10_000}}});
            let options =
                json!({"baseURL": format!("http://127.0.0.1:{port}/v1"), "apiKey": "dummy"});
            let provider = json!({"npm": "@ai-sdk/openai-compatible", "name": "local", "options": options, "models": models});
            json!({"provider": {"local": provider}, "model": "local/m", "small_model": "local/m"})
                .to_string()
        },
    ));
}
