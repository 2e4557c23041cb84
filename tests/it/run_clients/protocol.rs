//! What a good agent's model says, in the protocols that clients speak: one command, then that it is done. Each answer costs 100 tokens of input, 40 of
//! them read from a cache, and 20 of output, 5 of them thought.

use serde_json::{Value, json};

use crate::run::put;
use crate::support::samples::{CART, CART_FIXED, CART_TEST, CART_TEST_OF_BUG};

pub enum Reply {
    /// A stream of events.
    Events(String),
    Object(Value),
}

const DONE: &str = "The cart was empty.\nSUBJECT: total of an empty cart";

/// `None` for what no model answers.
pub fn reply(target: &str, body: &Value) -> Option<Reply> {
    let path = target.split('?').next().unwrap_or_default();
    if path.ends_with("/responses") {
        Some(Reply::Events(responses(body)))
    } else if path.ends_with("/chat/completions") && body["stream"] == true {
        Some(Reply::Events(chat(body)))
    } else if path.ends_with("/chat/completions") {
        Some(Reply::Object(whole_files(body)))
    } else if path.ends_with("/messages") && body["stream"] == true {
        Some(Reply::Events(messages(body)))
    } else if path.ends_with(":streamGenerateContent") {
        Some(Reply::Events(generate(body)))
    } else {
        None
    }
}

fn is_told(body: &Value) -> bool {
    body.to_string().contains("## Attempt 2 of 2")
}

/// The command that would be right now.
fn command(body: &Value) -> String {
    let fix = put("cart.py", CART_FIXED);
    if is_told(body) {
        fix + &put("test_cart.py", CART_TEST_OF_BUG)
    } else {
        fix
    }
}

/// `event: …` is what some clients go by, the type in the data what others do.
fn named(events: &[Value]) -> String {
    let event = |event: &Value| {
        let name = event["type"].as_str().unwrap_or_default();
        format!("event: {name}\ndata: {event}\n\n")
    };
    events.iter().map(event).collect()
}

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
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120,
    });
    named(&[
        json!({"type": "response.created", "response": {"id": "r"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "r", "usage": usage}}),
    ])
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
    let usage = json!({
        "prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120,
    });
    format!(
        "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        chunk(delta, Value::Null, Value::Null),
        chunk(json!({}), json!(end), usage)
    )
}

/// The same API without a stream and without tools, as Aider speaks it: edits stand in the text. So many tokens that their price is seen in cents.
fn whole_files(body: &Value) -> Value {
    // What was refused is still there.
    let text = match is_told(body) {
        true => edit("test_cart.py", CART_TEST, CART_TEST_OF_BUG),
        false => edit("cart.py", CART, CART_FIXED),
    };
    let message = json!({"role": "assistant", "content": text + DONE});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 3000, "completion_tokens": 200, "total_tokens": 3200});
    json!({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage})
}

fn edit(path: &str, before: &str, after: &str) -> String {
    format!("{path}\n```python\n<<<<<<< SEARCH\n{before}=======\n{after}>>>>>>> REPLACE\n```\n\n")
}

/// The API that Claude Code speaks.
fn messages(body: &Value) -> String {
    let is_done = body["messages"].to_string().contains("tool_result");
    let has_shell = (body["tools"].as_array())
        .is_some_and(|tools| tools.iter().any(|tool| tool["name"] == "Bash"));
    let (block, delta, end) = if is_done || !has_shell {
        (
            json!({"type": "text", "text": ""}),
            json!({"type": "text_delta", "text": DONE}),
            "end_turn",
        )
    } else {
        let input = json!({"command": command(body), "description": "fix it"}).to_string();
        (
            json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {}}),
            json!({"type": "input_json_delta", "partial_json": input}),
            "tool_use",
        )
    };
    let message = json!({
        "id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 60, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10, "output_tokens": 1},
    });
    named(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": end, "stop_sequence": null}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ])
}

/// The API that Gemini CLI speaks.
fn generate(body: &Value) -> String {
    let is_done = body["contents"].to_string().contains("functionResponse");
    let part = if is_done {
        json!({"text": DONE})
    } else {
        let args = json!({"command": command(body), "description": "fix it"});
        json!({"functionCall": {"name": "run_shell_command", "args": args}})
    };
    let candidate =
        json!({"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"});
    let usage = json!({
        "promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 15, "thoughtsTokenCount": 5, "totalTokenCount": 120,
    });
    format!(
        "data: {}\n\n",
        json!({"candidates": [candidate], "usageMetadata": usage})
    )
}
