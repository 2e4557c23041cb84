//! What a line of JSON says of an error: OpenTelemetry's records and spans, loguru, tracing, and the names that other loggers use.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::issue::Severity;
use crate::source::gather::RawEvent;
use crate::source::stack::RawFrame;
use crate::source::time;

/// One record of a log.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub raw: RawEvent,
    /// In the logger's own words.
    pub level: Option<String>,
    /// Where it has numbers of its own.
    pub severity: Option<Severity>,
    pub release: Option<String>,
    pub environment: Option<String>,
    pub user: Option<String>,
    /// Trace and span, where both are known.
    pub span: Option<String>,
}

impl Record {
    /// Whether it tells of an error at all: its level says so, or it holds an exception and no level says otherwise.
    pub fn is_error(&self, severity: Option<Severity>) -> bool {
        let raw = &self.raw;
        let has_exception =
            raw.error_type.is_some() || raw.stack.is_some() || !raw.frames.is_empty();
        match severity {
            Some(Severity::Error | Severity::Fatal) => true,
            Some(Severity::Warning) | None => has_exception,
            Some(Severity::Debug | Severity::Info) => false,
        }
    }
}

/// The records of one line.
pub fn records(value: &Value) -> Vec<Record> {
    let Value::Object(line) = value else {
        return Vec::new();
    };
    if let Some(resources) = line.get("resourceLogs") {
        return otlp(resources, "scopeLogs", "logRecords", &otlp_log);
    }
    if let Some(resources) = line.get("resourceSpans") {
        return otlp(resources, "scopeSpans", "spans", &otlp_span);
    }
    if line.contains_key("severity_number") {
        return vec![sdk_log(line)];
    }
    if line.contains_key("start_time") && at(value, &["context", "trace_id"]).is_some() {
        return sdk_span(line);
    }
    if let Some(record) = line
        .get("record")
        .filter(|record| at(record, &["level", "no"]).is_some())
    {
        return vec![loguru(line, record)];
    }
    if let (Some(Value::Object(fields)), true) = (line.get("fields"), line.contains_key("target")) {
        return vec![tracing(line, fields)];
    }
    vec![plain(line)]
}

type Fields = Map<String, Value>;

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// A scalar as text.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The first of some names that has a scalar. A dot also stands for a mapping.
fn first(fields: &Fields, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        text(fields.get(*name)).or_else(|| {
            let (outer, inner) = name.split_once('.')?;
            let Value::Object(inside) = fields.get(outer)? else {
                return None;
            };
            text(inside.get(inner))
        })
    })
}

fn first_time(fields: &Fields, names: &[&str]) -> Option<Timestamp> {
    let mut found = names.iter().filter_map(|name| fields.get(*name));
    found.find_map(time::parse)
}

const RELEASE: &[&str] = &[
    "release",
    "service.version",
    "app_version",
    "appVersion",
    "version",
    "git_sha",
    "revision",
    "build",
];
const ENVIRONMENT: &[&str] = &[
    "environment",
    "env",
    "deployment.environment.name",
    "deployment.environment",
    "service.environment",
    "stage",
];
const USER: &[&str] = &[
    "user_id",
    "userId",
    "user.id",
    "enduser.id",
    "usr.id",
    "uid",
];

/// pino, structlog, python-json-logger, zap, ECS and their kin.
fn plain(line: &Fields) -> Record {
    let mut record = common(line, line);
    let message = first(line, &["message", "msg", "event", "log", "body"]);
    record.level = first(
        line,
        &[
            "level",
            "levelname",
            "log.level",
            "severity",
            "lvl",
            "level_name",
        ],
    );
    // pino and bunyan count in tens from trace on, so that their 50 is an error.
    if let Some(Value::Number(level)) = line.get("level") {
        record.severity = bunyan(level.as_u64().unwrap_or(0));
    }
    record.raw.at = first_time(
        line,
        &[
            "time",
            "timestamp",
            "ts",
            "@timestamp",
            "asctime",
            "date",
            "datetime",
            "t",
        ],
    );
    let found = exception(line);
    let logged_at = place(
        line,
        &["pathname", "filename", "file", "caller"],
        &["lineno", "line_number", "line"],
        &["funcName", "func_name", "function"],
    );
    record.raw.message = found
        .message
        .clone()
        .or_else(|| message.clone())
        .unwrap_or_default();
    record.raw.template = message;
    record.raw = RawEvent {
        error_type: found.error_type,
        stack: found.stack,
        place: logged_at.filter(|_| found.frames.is_empty()),
        frames: found.frames,
        causes: found.causes,
        ..record.raw
    };
    record
}

fn bunyan(level: u64) -> Option<Severity> {
    Some(match level {
        1..=20 => Severity::Debug,
        21..=30 => Severity::Info,
        31..=40 => Severity::Warning,
        41..=50 => Severity::Error,
        51..=60 => Severity::Fatal,
        _ => return None,
    })
}

/// Release, environment and user; `attributes` are searched first.
fn common(attributes: &Fields, resource: &Fields) -> Record {
    let find = |names: &[&str]| first(attributes, names).or_else(|| first(resource, names));
    Record {
        release: find(RELEASE),
        environment: find(ENVIRONMENT),
        user: find(USER),
        ..Record::default()
    }
}

/// Where it was logged, `main.go:40` in one word or two.
fn place(line: &Fields, files: &[&str], lines: &[&str], functions: &[&str]) -> Option<RawFrame> {
    let file = first(line, files)?;
    let (file, number) = match file.rsplit_once(':') {
        Some((name, number)) if number.parse::<u32>().is_ok() => {
            (name.to_owned(), number.parse().ok())
        }
        _ => (
            file,
            first(line, lines).and_then(|number| number.parse().ok()),
        ),
    };
    Some(RawFrame {
        file,
        line: number,
        function: first(line, functions).filter(|name| name != "<module>"),
        ..RawFrame::default()
    })
}

/// What a record says of its exception.
#[derive(Default)]
struct Found {
    error_type: Option<String>,
    message: Option<String>,
    stack: Option<String>,
    frames: Vec<RawFrame>,
    causes: Vec<String>,
}

fn exception(line: &Fields) -> Found {
    const TEXTS: &[&str] = &[
        "exception",
        "exc_info",
        "stack",
        "stacktrace",
        "stack_trace",
        "traceback",
        "backtrace",
        "error.stack_trace",
        "exception.stacktrace",
        "error.stack",
        "errorVerbose",
        "exc_text",
    ];
    let mut found = Found::default();
    for name in ["err", "error", "exception", "exc", "cause"] {
        match line.get(name) {
            Some(Value::Object(error)) => {
                found.of_object(error);
                break;
            }
            Some(Value::Array(chain)) if chain.iter().any(Value::is_object) => {
                found.of_chain(chain);
                break;
            }
            _ => {}
        }
    }
    let of_name = |names: &[&str]| first(line, names);
    found.error_type = found.error_type.or_else(|| {
        of_name(&[
            "error.type",
            "exception.type",
            "exception_class",
            "error_class",
            "exc_type",
        ])
    });
    found.message = found
        .message
        .or_else(|| of_name(&["error.message", "exception.message", "exc_value"]));
    // Go's errors are texts without a type.
    found.message = found
        .message
        .or_else(|| text(line.get("error").filter(|error| error.is_string())));
    if found.stack.is_none() && found.frames.is_empty() {
        let is_stack = |text: &String| text.contains('\n') || text.contains(" at ");
        let mut texts = TEXTS.iter().filter_map(|name| first(line, &[name]));
        found.stack = texts.find(is_stack);
    }
    found
}

impl Found {
    /// `{type, message, stack}` and its spellings.
    fn of_object(&mut self, error: &Fields) {
        self.error_type = first(
            error,
            &["type", "name", "class", "kind", "exc_type", "@type"],
        );
        self.message = first(
            error,
            &["message", "value", "msg", "exc_value", "description"],
        );
        self.stack = first(
            error,
            &[
                "stack",
                "stacktrace",
                "stack_trace",
                "backtrace",
                "traceback",
                "trace",
            ],
        );
        if let Some(Value::Array(lines)) = error.get("backtrace").or(error.get("stack")) {
            let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
            self.stack = (!lines.is_empty()).then(|| lines.join("\n"));
        }
        if let Some(Value::Array(frames)) = error.get("frames") {
            self.frames = frames.iter().filter_map(frame).collect();
        }
        let mut cause = error.get("cause");
        while let (Some(Value::Object(inner)), true) = (cause, self.causes.len() < 5) {
            let parts = [
                first(inner, &["type", "name", "class"]),
                first(inner, &["message", "value"]),
            ];
            self.causes
                .push(parts.into_iter().flatten().collect::<Vec<_>>().join(": "));
            cause = inner.get("cause");
        }
    }

    /// structlog's `dict_tracebacks`: the exception itself, then its causes. Local variables stand beside the frames and are left there.
    fn of_chain(&mut self, chain: &[Value]) {
        let mut links = chain.iter().filter_map(Value::as_object);
        if let Some(main) = links.next() {
            self.of_object(main);
        }
        for cause in links.take(5) {
            let parts = [
                first(cause, &["exc_type", "type"]),
                first(cause, &["exc_value", "value"]),
            ];
            self.causes
                .push(parts.into_iter().flatten().collect::<Vec<_>>().join(": "));
        }
    }
}

fn frame(value: &Value) -> Option<RawFrame> {
    let frame = value.as_object()?;
    Some(RawFrame {
        file: first(frame, &["filename", "file", "abs_path"])?,
        line: first(frame, &["lineno", "line", "line_number"]).and_then(|line| line.parse().ok()),
        function: first(frame, &["name", "function", "method"]),
        application: None,
        in_app: frame.get("in_app").and_then(Value::as_bool),
    })
}

fn loguru(line: &Fields, record: &Value) -> Record {
    let extra = at(record, &["extra"])
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut found = common(&extra, line);
    found.level = text(at(record, &["level", "name"]));
    let part = |path: &[&str]| text(at(record, path));
    found.raw = RawEvent {
        error_type: part(&["exception", "type"]),
        message: part(&["exception", "value"])
            .or_else(|| part(&["message"]))
            .unwrap_or_default(),
        template: part(&["message"]),
        // Only the text form has the traceback.
        stack: at(record, &["exception", "type"]).and_then(|_| text(line.get("text"))),
        place: part(&["file", "path"]).map(|file| RawFrame {
            file,
            line: part(&["line"]).and_then(|line| line.parse().ok()),
            function: part(&["function"]).filter(|name| name != "<module>"),
            ..RawFrame::default()
        }),
        at: at(record, &["time", "timestamp"]).and_then(time::parse),
        ..RawEvent::default()
    };
    found
}

fn tracing(line: &Fields, fields: &Fields) -> Record {
    let mut record = common(fields, line);
    let span = line.get("span").and_then(Value::as_object);
    record.user = record.user.or_else(|| first(span?, USER));
    record.level = first(line, &["level"]);
    let message = first(fields, &["message"]);
    let error = first(fields, &["error", "err", "exception.message"]);
    let backtrace = first(fields, &["backtrace", "exception.stacktrace"]);
    let location = first(fields, &["location"]);
    let mut place = place(line, &["filename"], &["line_number"], &[]);
    if let Some(location) = location {
        let parts: Vec<&str> = location.split(':').collect();
        place = Some(RawFrame {
            file: parts[0].to_owned(),
            line: parts.get(1).and_then(|line| line.parse().ok()),
            ..RawFrame::default()
        });
    }
    record.raw = RawEvent {
        error_type: first(fields, &["exception.type", "error.type"])
            .or_else(|| backtrace.as_ref().map(|_| "panic".to_owned())),
        message: error.or_else(|| message.clone()).unwrap_or_default(),
        template: message,
        stack: backtrace,
        place,
        at: first_time(line, &["timestamp"]),
        ..RawEvent::default()
    };
    record
}

/// The attributes of OpenTelemetry's exceptions.
fn otel(attributes: &Fields, resource: &Fields, body: Option<String>) -> Record {
    let mut record = common(attributes, resource);
    record.raw = RawEvent {
        error_type: first(attributes, &["exception.type"]),
        message: first(attributes, &["exception.message"])
            .or_else(|| body.clone())
            .unwrap_or_default(),
        template: body,
        stack: first(attributes, &["exception.stacktrace"]),
        place: place(
            attributes,
            &["code.file.path", "code.filepath"],
            &["code.line.number", "code.lineno"],
            &["code.function.name", "code.function"],
        ),
        ..RawEvent::default()
    };
    record
}

/// 1 to 24 in steps of four.
fn otel_severity(number: Option<&Value>) -> Option<Severity> {
    Some(match number?.as_u64()? {
        1..=8 => Severity::Debug,
        9..=12 => Severity::Info,
        13..=16 => Severity::Warning,
        17..=20 => Severity::Error,
        21..=24 => Severity::Fatal,
        _ => return None,
    })
}

fn span_of(trace: Option<String>, span: Option<String>) -> Option<String> {
    let (trace, span) = (trace?, span?);
    let is_set = trace.bytes().any(|byte| !matches!(byte, b'0' | b'x'));
    is_set.then(|| {
        format!(
            "{} {}",
            trace.trim_start_matches("0x"),
            span.trim_start_matches("0x")
        )
    })
}

fn attributes_of(value: Option<&Value>) -> Fields {
    value
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// A log record as the SDK prints it.
fn sdk_log(line: &Fields) -> Record {
    let attributes = attributes_of(line.get("attributes"));
    let resource = attributes_of(
        line.get("resource")
            .and_then(|resource| resource.get("attributes")),
    );
    let mut record = otel(&attributes, &resource, text(line.get("body")));
    record.severity = otel_severity(line.get("severity_number"));
    record.raw.at = first_time(line, &["timestamp", "observed_timestamp"]);
    record.span = span_of(first(line, &["trace_id"]), first(line, &["span_id"]));
    record
}

/// The exceptions of a span as the SDK prints it.
fn sdk_span(line: &Fields) -> Vec<Record> {
    let resource = attributes_of(
        line.get("resource")
            .and_then(|resource| resource.get("attributes")),
    );
    let own = attributes_of(line.get("attributes"));
    let context = attributes_of(line.get("context"));
    let span = span_of(
        first(&context, &["trace_id"]),
        first(&context, &["span_id"]),
    );
    let events = line
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let exceptions =
        events.filter(|event| event.get("name").and_then(Value::as_str) == Some("exception"));
    exceptions
        .map(|event| {
            let attributes = attributes_of(event.get("attributes"));
            let mut record = of_span(&attributes, &own, &resource);
            record.raw.at = event.get("timestamp").and_then(time::parse);
            record.span.clone_from(&span);
            record
        })
        .collect()
}

fn of_span(attributes: &Fields, own: &Fields, resource: &Fields) -> Record {
    let mut record = otel(attributes, resource, None);
    record.user = record.user.or_else(|| first(own, USER));
    record.severity = Some(Severity::Error);
    record
}

/// Every item of every scope of every resource.
fn otlp(
    resources: &Value,
    scopes: &str,
    items: &str,
    record: &dyn Fn(&Value, &Fields) -> Vec<Record>,
) -> Vec<Record> {
    let list = |value: &Value, name: &str| -> Vec<Value> {
        value
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut records = Vec::new();
    for resource in resources.as_array().into_iter().flatten() {
        let attributes = key_values(
            resource
                .get("resource")
                .and_then(|value| value.get("attributes")),
        );
        for scope in list(resource, scopes) {
            for item in list(&scope, items) {
                records.extend(record(&item, &attributes));
            }
        }
    }
    records
}

fn otlp_log(item: &Value, resource: &Fields) -> Vec<Record> {
    let attributes = key_values(item.get("attributes"));
    let body = item.get("body").and_then(any_value);
    let mut record = otel(&attributes, resource, text(body.as_ref()));
    record.severity = otel_severity(item.get("severityNumber"));
    record.raw.at = ["timeUnixNano", "observedTimeUnixNano"]
        .iter()
        .find_map(|name| time::parse(item.get(name)?));
    record.span = span_of(text(item.get("traceId")), text(item.get("spanId")));
    vec![record]
}

fn otlp_span(item: &Value, resource: &Fields) -> Vec<Record> {
    let own = key_values(item.get("attributes"));
    let events = item
        .get("events")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let exceptions =
        events.filter(|event| event.get("name").and_then(Value::as_str) == Some("exception"));
    exceptions
        .map(|event| {
            let mut record = of_span(&key_values(event.get("attributes")), &own, resource);
            record.raw.at = event.get("timeUnixNano").and_then(time::parse);
            record.span = span_of(text(item.get("traceId")), text(item.get("spanId")));
            record
        })
        .collect()
}

/// `[{key, value: {stringValue}}]` as a mapping.
fn key_values(list: Option<&Value>) -> Fields {
    let pairs = list.and_then(Value::as_array).into_iter().flatten();
    pairs
        .filter_map(|pair| {
            Some((
                pair.get("key")?.as_str()?.to_owned(),
                any_value(pair.get("value")?)?,
            ))
        })
        .collect()
}

fn any_value(value: &Value) -> Option<Value> {
    let kinds = ["stringValue", "intValue", "doubleValue", "boolValue"];
    kinds.iter().find_map(|kind| value.get(kind).cloned())
}
