//! The presets that are shipped in `policies/`.

/// Names and texts. They have the shape of a policy and go through the same parser.
pub(super) const PRESETS: &[(&str, &str)] = &[
    (DEFAULT, include_str!("../../policies/default.yaml")),
    ("django", include_str!("../../policies/django.yaml")),
    ("dotnet", include_str!("../../policies/dotnet.yaml")),
    ("elixir", include_str!("../../policies/elixir.yaml")),
    ("flask", include_str!("../../policies/flask.yaml")),
    ("go", include_str!("../../policies/go.yaml")),
    ("java", include_str!("../../policies/java.yaml")),
    ("javascript", include_str!("../../policies/javascript.yaml")),
    ("kotlin", include_str!("../../policies/kotlin.yaml")),
    ("laravel", include_str!("../../policies/laravel.yaml")),
    ("nestjs", include_str!("../../policies/nestjs.yaml")),
    ("nextjs", include_str!("../../policies/nextjs.yaml")),
    ("phoenix", include_str!("../../policies/phoenix.yaml")),
    ("php", include_str!("../../policies/php.yaml")),
    ("python", include_str!("../../policies/python.yaml")),
    ("rails", include_str!("../../policies/rails.yaml")),
    ("ruby", include_str!("../../policies/ruby.yaml")),
    ("rust", include_str!("../../policies/rust.yaml")),
    ("shell", include_str!("../../policies/shell.yaml")),
    ("strict", include_str!("../../policies/strict.yaml")),
];

/// The preset that has a value for everything: what nobody says is as it is here.
pub(super) const DEFAULT: &str = "default";

/// Every preset with whom it is for, as its first sentence says: `default`, `every repository`.
pub fn presets() -> Vec<(&'static str, &'static str)> {
    let presets = PRESETS.iter();
    presets
        .map(|&(name, text)| {
            let first = text.lines().next().unwrap_or_default();
            let whom = first.trim_start_matches("# For ");
            (
                name,
                whom.split_once(". ")
                    .map_or(whom, |(whom, _)| whom)
                    .trim_end_matches('.'),
            )
        })
        .collect()
}

pub(super) fn text_of(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|(preset, _)| *preset == name)
        .map(|&(_, text)| text)
}

/// By the id of a preset's pattern: every match holds one of these, in whatever case of ASCII. That it does is proved by a test.
const NEEDLES: &[(&str, &[&str])] = &[
    ("drop-table", &["drop"]),
    ("truncate-table", &["truncate"]),
    ("remove-recursively", &["-rf", "-fr"]),
    ("pipe-to-shell", &["curl", "wget"]),
    ("no-verify", &["--no-verify"]),
    (
        "tls-off",
        &[
            "verify",
            "node_tls_reject_unauthorized",
            "danger_accept_invalid_certs",
        ],
    ),
    (
        "test-probe-go",
        &["testing", "test.", ".test", "flag.lookup"],
    ),
    (
        "test-probe-javascript",
        &[
            "jest_worker_id",
            "vitest",
            "node_test_context",
            "process.env.",
            "node_env",
            "import.meta.",
        ],
    ),
    ("test-probe-php", &["phpunit"]),
    ("test-probe-python", &["pytest", "unittest"]),
    (
        "test-probe-ruby",
        &["rspec", "minitest", "test", "spec", "caller"],
    ),
    ("test-probe-rust", &["cfg!"]),
    ("test-probe-shell", &["bats_", "funcname"]),
    (
        "dynamic-code",
        &["eval", "exec", "new function", "__import__"],
    ),
    ("shell", &["shell", "os.system", "child_process"]),
    ("swallowed-error", &["except", "catch"]),
    ("delete-without-where", &["delete"]),
    ("unsafe-rust", &["unsafe", "transmute"]),
    ("caught-panic-rust", &["catch_unwind"]),
    ("swallowed-error-rails", &["rescue"]),
    ("debugger-python", &["breakpoint", "set_trace"]),
    (
        "unsafe-load-python",
        &["pickle", "dill", "marshal", "yaml.", "shelve"],
    ),
    ("sql-text-python", &[".execute"]),
    (
        "unescaped-django",
        &[
            "mark_safe",
            "safestring",
            "safetext",
            "safe",
            "autoescape",
            "html_safe",
        ],
    ),
    (
        "open-view-django",
        &["csrf_exempt", "allowany", "_classes", "login_not_required"],
    ),
    (
        "check-removed-django",
        &[
            "_required",
            "_test",
            "csrf_protect",
            "mixin",
            "isauthenticated",
            "isadminuser",
        ],
    ),
    ("raw-sql-django", &["objects.raw", ".extra", "rawsql"]),
    ("mass-delete-django", &["delete"]),
    ("all-fields-django", &["__all__"]),
    (
        "unescaped-flask",
        &["render_template_string", "markup", "safe", "autoescape"],
    ),
    (
        "open-view-flask",
        &["csrf", "allow_origins", "verify_signature"],
    ),
    ("check-removed-flask", &["_required", "get_current_"]),
    ("debug-server-flask", &["debug"]),
    ("raw-sql-flask", &["text", "literal_column"]),
    ("mass-delete-flask", &["drop_all", "delete"]),
    ("debugger-javascript", &["debugger"]),
    (
        "unescaped-javascript",
        &[
            "innerhtml",
            "outerhtml",
            "insertadjacenthtml",
            "document.write",
            "v-html",
            "{@html",
            "bypasssecuritytrust",
        ],
    ),
    (
        "raw-sql-javascript",
        &["rawunsafe", ".raw", ".literal", ".query"],
    ),
    (
        "mass-delete-javascript",
        &[
            "deletemany",
            ".destroy",
            ".remove",
            "truncate",
            "dropschema",
            "synchronize",
            ".sync",
        ],
    ),
    ("tls-off-javascript", &["rejectunauthorized", "strictssl"]),
    ("public-secret-nextjs", &["public_", "vite_"]),
    (
        "checks-off-nextjs",
        &[
            "ignorebuilderrors",
            "ignoreduringbuilds",
            "dangerouslyallow",
        ],
    ),
    ("check-removed-nextjs", &["await", "withauth"]),
    (
        "open-route-nestjs",
        &[
            "@public",
            "@skip",
            "@allowanonymous",
            "ignoreexpiration",
            "enablecors",
            "forbidunknownvalues",
            "whitelist",
        ],
    ),
    (
        "check-removed-nestjs",
        &[
            "useguards",
            "roles",
            "requirepermission",
            "serializeoptions",
            "validationpipe",
            "exclude",
        ],
    ),
    ("raw-sql-nestjs", &["where", "having", "orderby"]),
    ("unsafe-go", &["unsafe.", "//go:", "#cgo", "import"]),
    ("raw-sql-go", &["sprintf", ".query", ".exec"]),
    ("unescaped-go", &["template."]),
    ("generator-go", &["//go:"]),
    ("debugger-ruby", &["binding.", "byebug", "debug"]),
    ("unsafe-load-ruby", &["marshal.", "load", "restore"]),
    ("swallowed-error-ruby", &["rescue"]),
    (
        "computed-code-ruby",
        &[
            "_eval",
            "remove_const",
            "toplevel_binding",
            "set_trace_func",
        ],
    ),
    ("tls-off-ruby", &["verify_none", "verify_ssl"]),
    ("unescaped-rails", &["html_safe", "<%==", "raw", "inline:"]),
    (
        "open-action-rails",
        &["skip_", "allow_unauthenticated_access", "null_session"],
    ),
    (
        "check-removed-rails",
        &[
            "before_action",
            "authorize",
            "protect_from_forgery",
            "verify_authorized",
        ],
    ),
    ("raw-sql-rails", &["#{"]),
    (
        "mass-delete-rails",
        &[
            "delete_all",
            "destroy_all",
            "drop_table",
            "connection.",
            "db:",
        ],
    ),
    (
        "unchecked-write-rails",
        &[
            "save",
            "update_",
            "insert_all",
            "upsert_all",
            "skip_callback",
            "unscoped",
            "permit!",
            "to_unsafe_h",
        ],
    ),
    ("params-decide-rails", &["params", "allow_other_host"]),
    (
        "debugger-php",
        &["var_dump", "xdebug_", "debug_zval_refcount"],
    ),
    (
        "unsafe-load-php",
        &["unserialize", "include", "require", "extract", "assert"],
    ),
    (
        "shell-php",
        &[
            "shell_exec",
            "passthru",
            "proc_open",
            "popen",
            "pcntl_exec",
            "`",
        ],
    ),
    ("tls-off-php", &["curlopt_ssl_verify", "verify_peer"]),
    ("raw-sql-php", &["query", "exec"]),
    ("errors-hidden-php", &["error_reporting", "ini_set"]),
    ("test-probe-laravel", &["runningunittests", "testing"]),
    ("debugger-laravel", &["dd", "dump", "ray"]),
    ("unescaped-laravel", &["{!!", "htmlstring"]),
    ("raw-sql-laravel", &["db::", "raw"]),
    (
        "mass-delete-laravel",
        &["truncate", "elete", "schema::drop", "migrate:", "db:wipe"],
    ),
    (
        "unchecked-write-laravel",
        &["guard", "forcefill", "forcedelete"],
    ),
    (
        "open-route-laravel",
        &["without", "gate::before", "validatecsrftokens"],
    ),
    (
        "check-removed-laravel",
        &["middleware", "authorize", "gate::", "@csrf"],
    ),
    ("computed-code-shell", &["eval", "source", "sh"]),
    (
        "wide-open-shell",
        &["chmod", "umask", "nopasswd", "setenforce"],
    ),
    (
        "disk-shell",
        &["mkfs", "of=/dev/", "/dev/", "wipefs", "shred", "-delete"],
    ),
    ("history-shell", &["push", "reset", "clean", "checkout"]),
    (
        "test-probe-java",
        &[
            "junit",
            "testng",
            "kotest",
            "mockito",
            "sun.java.command",
            "gradle",
            "surefire",
            "intellij",
        ],
    ),
    (
        "process-end-java",
        &["system.exit", "runtime", "exitprocess"],
    ),
    (
        "shell-java",
        &[
            "runtime",
            "processbuilder",
            "scriptenginemanager",
            "spelexpressionparser",
        ],
    ),
    (
        "unsafe-load-java",
        &[
            "objectinputstream",
            "xmldecoder",
            "xstream",
            "defaulttyping",
            "unsafe",
            "setaccessible",
            "isaccessible",
            "defineclass",
        ],
    ),
    ("swallowed-error-java", &["catch"]),
    (
        "raw-sql-java",
        &["create", "prepare", "execute", "queryfor", "jdbctemplate"],
    ),
    (
        "open-route-java",
        &["permitall", "csrf", "crossorigin", "allowedorigins"],
    ),
    (
        "check-removed-java",
        &[
            "authorize",
            "secured",
            "rolesallowed",
            "denyall",
            "hasrole",
            "hasauthority",
            "authenticated",
        ],
    ),
    (
        "tls-off-java",
        &[
            "allow_all_hostname_verifier",
            "noophostnameverifier",
            "trustall",
            "insecuretrustmanagerfactory",
            "checkservertrusted",
            "hostnameverifier",
        ],
    ),
    (
        "mass-delete-java",
        &["ddl-auto", "hbm2ddl", "deleteall", "flyway", "dropall"],
    ),
    ("swallowed-error-kotlin", &["runcatching", "catch"]),
    ("unfinished-kotlin", &["todo", "notimplementederror"]),
    (
        "unbound-work-kotlin",
        &["globalscope", "delicatecoroutinesapi"],
    ),
    (
        "open-app-kotlin",
        &[
            "cleartext",
            "javascript",
            "onreceivedsslerror",
            "allowallhostnames",
        ],
    ),
    ("test-probe-elixir", &["mix.env", "exunit", "mix_env"]),
    ("debugger-elixir", &["iex.pry", "dbg"]),
    ("computed-code-elixir", &["code.", "eval", "create"]),
    ("unsafe-load-elixir", &["binary_to_term", "to_atom"]),
    ("shell-elixir", &["system.", ":os.cmd", "port.open"]),
    ("process-end-elixir", &["system.", "halt", ":init.stop"]),
    ("swallowed-error-elixir", &["rescue"]),
    ("tls-off-elixir", &["verify_none", "insecure"]),
    ("unescaped-phoenix", &["raw", ":safe"]),
    ("raw-sql-phoenix", &["#{", "unsafe_fragment"]),
    ("mass-delete-phoenix", &["delete_all", "ecto.", "migrator."]),
    (
        "open-route-phoenix",
        &[
            "check_origin",
            "delete_csrf_token",
            "put_secure_browser_headers",
            "skip_authorization",
        ],
    ),
    ("check-removed-phoenix", &["plug", "on_mount", "authorize"]),
    (
        "test-probe-dotnet",
        &[
            "testhost",
            "vstest",
            "xunit",
            "nunit",
            "mstest",
            "running_in_test",
            "unittestdetector",
        ],
    ),
    ("debugger-dotnet", &["debugger."]),
    (
        "unsafe-dotnet",
        &[
            "unsafe",
            "fixed",
            "stackalloc",
            "marshal.",
            "nativeptr.",
            "import",
        ],
    ),
    (
        "unsafe-load-dotnet",
        &[
            "formatter",
            "netdatacontractserializer",
            "typenamehandling",
            "assembly.",
            "csharpscript.",
        ],
    ),
    ("shell-dotnet", &["process"]),
    ("process-end-dotnet", &["environment.", "exit"]),
    (
        "unescaped-dotnet",
        &["html.raw", "markupstring", "htmlstring", "rawtext"],
    ),
    (
        "raw-sql-dotnet",
        &["sqlraw", "queryraw", "command", ".query", ".execute"],
    ),
    (
        "open-route-dotnet",
        &[
            "allowanonymous",
            "antiforgery",
            "allowanyorigin",
            "validate",
        ],
    ),
    (
        "check-removed-dotnet",
        &[
            "authorize",
            "validateantiforgerytoken",
            "required",
            "requirehttps",
            "enableratelimiting",
            "requireauthorization",
            "use",
            "requires",
        ],
    ),
    (
        "tls-off-dotnet",
        &[
            "validationcallback",
            "dangerousaccept",
            "trustservercertificate",
        ],
    ),
    (
        "mass-delete-dotnet",
        &["ensuredeleted", "executedelete", "removerange"],
    ),
    ("swallowed-error-dotnet", &["catch", "_"]),
];

/// Empty where nothing is known of a pattern.
pub(super) fn needles_of(id: &str) -> &'static [&'static str] {
    let mut known = NEEDLES.iter();
    known
        .find(|(pattern, _)| *pattern == id)
        .map_or(&[], |&(_, needles)| needles)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex_syntax::hir::{Class, Hir, HirKind};

    use super::*;
    use crate::policy::Policy;

    /// All that an expression can match, in lower case; `None` where that is too much to list.
    fn words(hir: &Hir) -> Option<Vec<String>> {
        const MOST: usize = 100;
        let words: Vec<String> = match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => vec![String::new()],
            HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).to_lowercase()],
            HirKind::Class(Class::Bytes(class)) => {
                let bytes = class.ranges().iter();
                let bytes = bytes.flat_map(|range| range.start()..=range.end());
                // Both cases of a letter are one.
                let letters: BTreeSet<String> = bytes
                    .map(|byte| char::from(byte).to_lowercase().collect())
                    .collect();
                letters.into_iter().collect()
            }
            HirKind::Class(Class::Unicode(_)) | HirKind::Repetition(_) => return None,
            HirKind::Capture(capture) => words(&capture.sub)?,
            HirKind::Concat(parts) => parts
                .iter()
                .map(words)
                .try_fold(vec![String::new()], |starts, ends| product(starts, &ends?))?,
            HirKind::Alternation(branches) => {
                let branches: Option<Vec<_>> = branches.iter().map(words).collect();
                branches?.concat()
            }
        };
        (words.len() <= MOST).then_some(words)
    }

    fn product(starts: Vec<String>, ends: &[String]) -> Option<Vec<String>> {
        let both = |start: String| ends.iter().map(move |end| format!("{start}{end}"));
        let words: Vec<String> = starts.into_iter().flat_map(both).collect();
        (words.len() <= 1_000).then_some(words)
    }

    /// Whether each match of the expression holds one of `needles`.
    fn always_holds(hir: &Hir, needles: &[&str]) -> bool {
        let one_in_each = |words: &[String]| {
            let has_one = |word: &String| needles.iter().any(|needle| word.contains(needle));
            words.iter().all(has_one)
        };
        match hir.kind() {
            HirKind::Concat(parts) => {
                let mut run = vec![String::new()];
                for part in parts {
                    let longer = words(part).and_then(|ends| product(run.clone(), &ends));
                    run = longer.unwrap_or_else(|| vec![String::new()]);
                    if one_in_each(&run) || always_holds(part, needles) {
                        return true;
                    }
                }
                false
            }
            HirKind::Alternation(branches) => {
                branches.iter().all(|branch| always_holds(branch, needles))
            }
            HirKind::Capture(capture) => always_holds(&capture.sub, needles),
            HirKind::Repetition(repetition) => {
                repetition.min > 0 && always_holds(&repetition.sub, needles)
            }
            _ => words(hir).is_some_and(|words| one_in_each(&words)),
        }
    }

    fn parse(pattern: &str) -> Hir {
        let mut parser = regex_syntax::ParserBuilder::new().utf8(false).build();
        parser.parse(pattern).expect("it parses")
    }

    #[test]
    fn every_match_of_a_preset_holds_a_needle() {
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let text = format!("version: 1\nextends: [{}]\n", names.join(", "));
        let policy = Policy::load(&text, "policy").expect("the presets load");
        assert_eq!(policy.perimeter.forbid.len(), NEEDLES.len());
        for forbidden in &policy.perimeter.forbid {
            let needles = needles_of(&forbidden.id);
            let hir = parse(forbidden.pattern.as_str());
            assert!(always_holds(&hir, needles), "{}", forbidden.id);
        }
    }

    #[test]
    fn a_needle_that_is_not_in_every_match_is_noticed() {
        for (pattern, needle, expected) in [
            ("(?i-u)a drop b", "drop", true),
            ("(?-u)x(drop|DROP)+", "drop", true),
            ("(?-u)d(ro|r|)p", "drop", false),
            ("(?-u)dr[a-z]*op", "drop", false),
            ("(?-u)(drop)?x", "drop", false),
            ("(?-u)drop|x", "drop", false),
            // The Kelvin sign is a `k` to a pattern that knows Unicode.
            ("(?i)key", "key", false),
        ] {
            assert_eq!(
                always_holds(&parse(pattern), &[needle]),
                expected,
                "{pattern}"
            );
        }
    }
}
