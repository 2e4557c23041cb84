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
#[rustfmt::skip]
const NEEDLES: &[(&str, &[&str])] = &[
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
        "dynamic-code",
        &["eval", "exec", "new function", "__import__"],
    ),
    ("swallowed-error", &["except", "catch"]),
    ("transmute-rust", &["transmute"]),
    ("caught-panic-rust", &["catch_unwind"]),
    ("swallowed-error-rails", &["rescue"]),
    ("debugger-python", &["breakpoint", "set_trace"]),
    ("unsafe-load-python", &["pickle", "dill", "marshal", "yaml.", "shelve"]),
    ("sql-text-python", &[".execute"]),
    ("unescaped-django", &["mark_safe", "safestring", "safetext", "safe", "autoescape", "html_safe"]),
    ("open-view-django", &["csrf_exempt", "allowany", "_classes", "login_not_required"]),
    ("check-removed-django", &["_required", "_test", "csrf_protect", "mixin", "isauthenticated", "isadminuser"]),
    ("raw-sql-django", &["objects.raw", ".extra", "rawsql"]),
    ("mass-delete-django", &["delete"]),
    ("all-fields-django", &["__all__"]),
    ("unescaped-flask", &["render_template_string", "markup", "safe", "autoescape"]),
    ("open-view-flask", &["csrf", "allow_origins", "verify_signature"]),
    ("check-removed-flask", &["_required", "get_current_"]),
    ("debug-server-flask", &["debug"]),
    ("raw-sql-flask", &["text", "literal_column"]),
    ("mass-delete-flask", &["drop_all", "delete"]),
    ("debugger-javascript", &["debugger"]),
    ("unescaped-javascript", &["innerhtml", "outerhtml", "insertadjacenthtml", "document.write", "v-html", "{@html", "bypasssecuritytrust"]),
    ("raw-sql-javascript", &["rawunsafe", ".raw", ".literal", ".query"]),
    ("mass-delete-javascript", &["deletemany", ".destroy", ".remove", "truncate", "dropschema", "synchronize", ".sync"]),
    ("tls-off-javascript", &["rejectunauthorized", "strictssl"]),
    ("public-secret-nextjs", &["public_", "vite_"]),
    ("checks-off-nextjs", &["ignorebuilderrors", "ignoreduringbuilds", "dangerouslyallow"]),
    ("check-removed-nextjs", &["await", "withauth"]),
    ("open-route-nestjs", &["@public", "@skip", "@allowanonymous", "ignoreexpiration", "enablecors", "forbidunknownvalues", "whitelist"]),
    ("check-removed-nestjs", &["useguards", "roles", "requirepermission", "serializeoptions", "validationpipe", "exclude"]),
    ("raw-sql-nestjs", &["where", "having", "orderby"]),
    ("unsafe-go", &["unsafe."]),
    ("foreign-code-go", &["//go:", "#cgo", "import"]),
    ("raw-sql-go", &["sprintf", ".query", ".exec"]),
    ("unescaped-go", &["template."]),
    ("generator-go", &["//go:"]),
    ("debugger-ruby", &["binding.", "byebug", "debug"]),
    ("unsafe-load-ruby", &["marshal.", "load", "restore"]),
    ("swallowed-error-ruby", &["rescue"]),
    ("computed-code-ruby", &["_eval", "remove_const", "toplevel_binding", "set_trace_func"]),
    ("tls-off-ruby", &["verify_none", "verify_ssl"]),
    ("unescaped-rails", &["html_safe", "<%==", "raw", "inline:"]),
    ("open-action-rails", &["skip_", "allow_unauthenticated_access", "null_session"]),
    ("check-removed-rails", &["before_action", "authorize", "protect_from_forgery", "verify_authorized"]),
    ("raw-sql-rails", &["#{"]),
    ("mass-delete-rails", &["delete_all", "destroy_all", "drop_table", "connection.", "db:"]),
    ("unchecked-write-rails", &["save", "update_", "insert_all", "upsert_all", "skip_callback", "unscoped", "permit!", "to_unsafe_h"]),
    ("params-decide-rails", &["params", "allow_other_host"]),
    ("debugger-php", &["var_dump", "xdebug_", "debug_zval_refcount"]),
    ("unsafe-load-php", &["unserialize", "include", "require", "extract", "assert"]),
    ("shell-php", &["shell_exec", "passthru", "proc_open", "popen", "pcntl_exec", "`"]),
    ("tls-off-php", &["curlopt_ssl_verify", "verify_peer"]),
    ("raw-sql-php", &["query", "exec"]),
    ("errors-hidden-php", &["error_reporting", "ini_set"]),
    ("test-probe-laravel", &["runningunittests", "testing"]),
    ("debugger-laravel", &["dd", "dump", "ray"]),
    ("unescaped-laravel", &["{!!", "htmlstring"]),
    ("raw-sql-laravel", &["db::", "raw"]),
    ("mass-delete-laravel", &["truncate", "elete", "schema::drop", "migrate:", "db:wipe"]),
    ("unchecked-write-laravel", &["guard", "forcefill", "forcedelete"]),
    ("open-route-laravel", &["without", "gate::before", "validatecsrftokens"]),
    ("check-removed-laravel", &["middleware", "authorize", "gate::", "@csrf"]),
    ("computed-code-shell", &["eval", "source", "sh"]),
    ("wide-open-shell", &["chmod", "umask", "nopasswd", "setenforce"]),
    ("disk-shell", &["mkfs", "of=/dev/", "/dev/", "wipefs", "shred", "-delete"]),
    ("history-shell", &["push", "reset", "clean", "checkout"]),
    ("test-probe-java", &["junit", "testng", "kotest", "mockito", "sun.java.command", "gradle", "surefire", "intellij"]),
    ("process-end-java", &["system.exit", "runtime", "exitprocess"]),
    ("shell-java", &["runtime", "processbuilder", "scriptenginemanager", "spelexpressionparser"]),
    ("unsafe-load-java", &["objectinputstream", "xmldecoder", "xstream", "defaulttyping", "unsafe", "setaccessible", "isaccessible", "defineclass"]),
    ("swallowed-error-java", &["catch"]),
    ("raw-sql-java", &["create", "prepare", "execute", "queryfor", "jdbctemplate"]),
    ("open-route-java", &["permitall", "csrf", "crossorigin", "allowedorigins"]),
    ("check-removed-java", &["authorize", "secured", "rolesallowed", "denyall", "hasrole", "hasauthority", "authenticated"]),
    ("tls-off-java", &["allow_all_hostname_verifier", "noophostnameverifier", "trustall", "insecuretrustmanagerfactory", "checkservertrusted", "hostnameverifier"]),
    ("mass-delete-java", &["ddl-auto", "hbm2ddl", "deleteall", "flyway", "dropall"]),
    ("swallowed-error-kotlin", &["runcatching", "catch"]),
    ("unfinished-kotlin", &["todo", "notimplementederror"]),
    ("unbound-work-kotlin", &["globalscope", "delicatecoroutinesapi"]),
    ("open-app-kotlin", &["cleartext", "javascript", "onreceivedsslerror", "allowallhostnames"]),
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
    ("open-route-phoenix", &["check_origin", "delete_csrf_token", "put_secure_browser_headers", "skip_authorization"]),
    ("check-removed-phoenix", &["plug", "on_mount", "authorize"]),
    ("test-probe-dotnet", &["testhost", "vstest", "xunit", "nunit", "mstest", "running_in_test", "unittestdetector"]),
    ("debugger-dotnet", &["debugger."]),
    ("unsafe-dotnet", &["unsafe", "marshal.", "nativeptr.", "import"]),
    ("unsafe-load-dotnet", &["formatter", "netdatacontractserializer", "typenamehandling", "assembly.", "csharpscript."]),
    ("shell-dotnet", &["process"]),
    ("process-end-dotnet", &["environment.", "exit"]),
    ("unescaped-dotnet", &["html.raw", "markupstring", "htmlstring", "rawtext"]),
    ("raw-sql-dotnet", &["sqlraw", "queryraw", "command", ".query", ".execute"]),
    ("open-route-dotnet", &["allowanonymous", "antiforgery", "allowanyorigin", "validate"]),
    ("check-removed-dotnet", &["authorize", "validateantiforgerytoken", "required", "requirehttps", "enableratelimiting", "requireauthorization", "use", "requires"]),
    ("tls-off-dotnet", &["validationcallback", "dangerousaccept", "trustservercertificate"]),
    ("mass-delete-dotnet", &["ensuredeleted", "executedelete", "removerange"]),
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
    use crate::policy::{FileKind, Policy};

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
        let policy = everything();
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

    /// A pattern, a line that it is there for, and an honest one beside it.
    const SAMPLES: &[(&str, &str, &str)] = &[
        (
            "transmute-rust",
            "let a: u8 = unsafe { transmute(b) };",
            "fn transmuted() {}",
        ),
        (
            "caught-panic-rust",
            "let total = catch_unwind(|| sum(cart)).unwrap_or_default();",
            "assert!(catch_unwind(|| sum(cart)).is_err());",
        ),
        (
            "debugger-python",
            "    breakpoint()",
            "    set_breakpoint(3)",
        ),
        (
            "unsafe-load-python",
            "cart = pickle.loads(request.data)",
            "copy = pickle.loads(pickle.dumps(error))",
        ),
        (
            "sql-text-python",
            "cursor.execute(f\"select {name}\")",
            "cursor.execute(\"select * from a where id = %s\", [name])",
        ),
        (
            "unescaped-django",
            "return mark_safe(name)",
            "unsafe_names = []",
        ),
        (
            "open-view-django",
            "    permission_classes = []",
            "    permission_classes = [IsAuthenticated]",
        ),
        (
            "check-removed-django",
            "@login_required",
            "def login(request):",
        ),
        (
            "raw-sql-django",
            "User.objects.raw(text)",
            "raw = request.body",
        ),
        (
            "mass-delete-django",
            "Order.objects.all().delete()",
            "order.delete()",
        ),
        (
            "all-fields-django",
            "        fields = '__all__'",
            "        fields = ['name']",
        ),
        (
            "unescaped-flask",
            "return render_template_string(text)",
            "return render_template('a.html')",
        ),
        ("open-view-flask", "@csrf.exempt", "csrf = CSRFProtect(app)"),
        (
            "check-removed-flask",
            "user = Depends(get_current_user)",
            "db = Depends(get_db)",
        ),
        (
            "debug-server-flask",
            "app.run(host='0.0.0.0', debug=True)",
            "app.run()",
        ),
        (
            "raw-sql-flask",
            "session.execute(text(f'select {a}'))",
            "session.execute(text('select :a'), a=a)",
        ),
        (
            "mass-delete-flask",
            "db.drop_all()",
            "db.session.delete(order)",
        ),
        ("debugger-javascript", "  debugger;", "  attachDebugger(a);"),
        (
            "unescaped-javascript",
            "box.innerHTML = name",
            "box.textContent = name",
        ),
        (
            "raw-sql-javascript",
            "await prisma.$queryRawUnsafe(text)",
            "await prisma.$queryRaw`select ${id}`",
        ),
        (
            "mass-delete-javascript",
            "await prisma.user.deleteMany({})",
            "await prisma.user.deleteMany({ where: { id } })",
        ),
        (
            "tls-off-javascript",
            "new Agent({ rejectUnauthorized: false })",
            "new Agent({ rejectUnauthorized: true })",
        ),
        (
            "public-secret-nextjs",
            "process.env.NEXT_PUBLIC_API_SECRET",
            "process.env.NEXT_PUBLIC_URL",
        ),
        (
            "checks-off-nextjs",
            "typescript: { ignoreBuildErrors: true }",
            "typescript: { ignoreBuildErrors: false }",
        ),
        (
            "check-removed-nextjs",
            "  const user = await auth();",
            "  const cart = await load();",
        ),
        ("open-route-nestjs", "  @Public()", "  public total() {"),
        (
            "check-removed-nestjs",
            "@UseGuards(AuthGuard)",
            "@Controller('cart')",
        ),
        (
            "raw-sql-nestjs",
            "query.where(`id = ${id}`)",
            "query.where('id = :id', { id })",
        ),
        ("unsafe-go", "p := unsafe.Pointer(&a)", "p := &a"),
        ("foreign-code-go", "//go:linkname a b", "//go:embed a.txt"),
        (
            "raw-sql-go",
            "query := fmt.Sprintf(\"SELECT * FROM %s\", name)",
            "db.Query(\"SELECT * FROM a WHERE id = $1\", id)",
        ),
        (
            "unescaped-go",
            "return template.HTML(name)",
            "return template.New(name)",
        ),
        (
            "generator-go",
            "//go:generate sh run.sh",
            "// generate the list",
        ),
        (
            "debugger-ruby",
            "    binding.irb",
            "    binding.local_variables",
        ),
        (
            "unsafe-load-ruby",
            "Marshal.load(data)",
            "YAML.safe_load(data)",
        ),
        (
            "unsafe-load-ruby",
            "Marshal.load(MarshalStore.read)",
            "Marshal.load(Marshal.dump(tree))",
        ),
        (
            "swallowed-error-ruby",
            "rescue Exception => e",
            "rescue KeyError => e",
        ),
        (
            "computed-code-ruby",
            "Cart.class_eval \"def a; end\"",
            "Cart.class_eval do",
        ),
        (
            "tls-off-ruby",
            "http.verify_mode = OpenSSL::SSL::VERIFY_NONE",
            "http.verify_mode = OpenSSL::SSL::VERIFY_PEER",
        ),
        ("unescaped-rails", "<%= raw @name %>", "<%= @name %>"),
        (
            "open-action-rails",
            "skip_before_action :authenticate_user!",
            "skip_before_action :set_locale",
        ),
        (
            "check-removed-rails",
            "  before_action :require_admin",
            "  before_action :set_cart",
        ),
        (
            "raw-sql-rails",
            "User.where(\"name = '#{name}'\")",
            "User.where(\"name = ?\", name)",
        ),
        ("mass-delete-rails", "Order.delete_all", "order.delete"),
        (
            "unchecked-write-rails",
            "order.save(validate: false)",
            "order.save",
        ),
        (
            "swallowed-error-rails",
            "total = sum rescue nil",
            "rescue ActiveRecord::RecordNotFound",
        ),
        (
            "params-decide-rails",
            "redirect_to params[:url]",
            "redirect_to cart_path(params[:id])",
        ),
        ("debugger-php", "var_dump($cart);", "$dump = 1;"),
        (
            "unsafe-load-php",
            "$cart = unserialize($text);",
            "$cart = json_decode($text);",
        ),
        ("shell-php", "shell_exec($line);", "$this->shell = 1;"),
        (
            "tls-off-php",
            "curl_setopt($c, CURLOPT_SSL_VERIFYPEER, false);",
            "curl_setopt($c, CURLOPT_SSL_VERIFYPEER, true);",
        ),
        (
            "raw-sql-php",
            "$db->query(\"select * from a where id = $id\");",
            "$db->query('select * from a');",
        ),
        (
            "errors-hidden-php",
            "error_reporting(0);",
            "error_reporting(E_ALL);",
        ),
        (
            "test-probe-laravel",
            "if (app()->runningUnitTests()) {",
            "if (app()->isLocal()) {",
        ),
        (
            "debugger-laravel",
            "        dd($cart);",
            "        $this->add($cart);",
        ),
        ("unescaped-laravel", "{!! $name !!}", "{{ $name }}"),
        (
            "raw-sql-laravel",
            "User::whereRaw(\"name = '$name'\"); $q->whereRaw(\"name = '$name'\")",
            "$q->whereRaw('name = ?', [$name])",
        ),
        (
            "mass-delete-laravel",
            "DB::table('orders')->truncate();",
            "$order->delete();",
        ),
        (
            "unchecked-write-laravel",
            "protected $guarded = [];",
            "protected $fillable = ['name'];",
        ),
        (
            "open-route-laravel",
            "Route::get('/a')->withoutMiddleware('auth');",
            "Route::get('/a')->middleware('auth');",
        ),
        (
            "check-removed-laravel",
            "Route::get('/a')->middleware('auth');",
            "Route::get('/a');",
        ),
        (
            "computed-code-shell",
            "eval \"$line\"",
            "evaluate \"$line\"",
        ),
        ("wide-open-shell", "chmod 777 /srv", "chmod 755 run.sh"),
        ("disk-shell", "dd if=a of=/dev/sda", "add if of"),
        (
            "history-shell",
            "git push origin --force",
            "git push origin main",
        ),
        (
            "test-probe-java",
            "Class.forName(\"org.junit.Test\")",
            "Class.forName(\"shop.Cart\")",
        ),
        ("process-end-java", "System.exit(0);", "system.exits(0);"),
        (
            "shell-java",
            "Runtime.getRuntime().exec(line);",
            "executor.exec(line);",
        ),
        (
            "unsafe-load-java",
            "new ObjectInputStream(in)",
            "new InputStreamReader(in)",
        ),
        (
            "swallowed-error-java",
            "} catch (Throwable e) {",
            "} catch (IOException e) {",
        ),
        (
            "raw-sql-java",
            "em.createQuery(\"from A where id = \" + id)",
            "em.createQuery(\"from A where id = :id\")",
        ),
        (
            "open-route-java",
            "http.csrf(csrf -> csrf.disable());",
            "http.csrf(Customizer.withDefaults());",
        ),
        (
            "check-removed-java",
            "@PreAuthorize(\"hasRole('A')\")",
            "@Override",
        ),
        (
            "tls-off-java",
            "new NoopHostnameVerifier()",
            "new DefaultHostnameVerifier()",
        ),
        (
            "mass-delete-java",
            "orders.deleteAll();",
            "orders.delete(order);",
        ),
        (
            "swallowed-error-kotlin",
            "runCatching { sum(cart) }.getOrNull()",
            "runCatching { sum(cart) }.getOrThrow()",
        ),
        (
            "unfinished-kotlin",
            "fun total(): Int = TODO()",
            "// TODO later",
        ),
        (
            "unbound-work-kotlin",
            "GlobalScope.launch { send() }",
            "scope.launch { send() }",
        ),
        (
            "open-app-kotlin",
            "web.settings.javaScriptEnabled = true",
            "web.settings.javaScriptEnabled = false",
        ),
        (
            "test-probe-elixir",
            "if Mix.env() == :test do",
            "if Mix.env() == :prod do",
        ),
        ("debugger-elixir", "require IEx; IEx.pry()", "IO.puts(a)"),
        (
            "computed-code-elixir",
            "Code.eval_string(text)",
            "Code.ensure_loaded(Cart)",
        ),
        (
            "unsafe-load-elixir",
            "String.to_atom(name)",
            "String.to_existing_atom(name)",
        ),
        (
            "shell-elixir",
            "System.cmd(\"sh\", [\"-c\", line])",
            "System.get_env(\"A\")",
        ),
        (
            "process-end-elixir",
            "System.halt(0)",
            "GenServer.stop(pid)",
        ),
        (
            "swallowed-error-elixir",
            "rescue\n  _ -> nil",
            "rescue\n  e in KeyError -> {:error, e}",
        ),
        (
            "tls-off-elixir",
            "ssl: [verify: :verify_none]",
            "ssl: [verify: :verify_peer]",
        ),
        ("unescaped-phoenix", "<%= raw(@name) %>", "<%= @name %>"),
        (
            "raw-sql-phoenix",
            "Repo.query(\"select #{name}\")",
            "Repo.query(\"select $1\", [name])",
        ),
        (
            "mass-delete-phoenix",
            "Repo.delete_all(Order)",
            "Repo.delete(order)",
        ),
        (
            "open-route-phoenix",
            "check_origin: false",
            "check_origin: true",
        ),
        (
            "check-removed-phoenix",
            "  plug :require_authenticated_user",
            "  plug :accepts, [\"html\"]",
        ),
        (
            "test-probe-dotnet",
            "if (name.StartsWith(\"testhost\"))",
            "if (name.StartsWith(\"cart\"))",
        ),
        ("debugger-dotnet", "Debugger.Break();", "debugger.Name;"),
        ("unsafe-dotnet", "unsafe { *p = 1; }", "var unsafeName = 1;"),
        (
            "unsafe-load-dotnet",
            "new BinaryFormatter()",
            "new JsonFormatter()",
        ),
        (
            "shell-dotnet",
            "Process.Start(line);",
            "process.Started += a;",
        ),
        (
            "process-end-dotnet",
            "Environment.Exit(0);",
            "Environment.NewLine",
        ),
        ("unescaped-dotnet", "@Html.Raw(name)", "@Html.Display(name)"),
        (
            "raw-sql-dotnet",
            "db.Users.FromSqlRaw($\"select {id}\")",
            "db.Users.FromSqlInterpolated($\"select {id}\")",
        ),
        ("open-route-dotnet", "[AllowAnonymous]", "[HttpGet]"),
        (
            "check-removed-dotnet",
            "[Authorize(Roles = \"Admin\")]",
            "[HttpPost]",
        ),
        (
            "tls-off-dotnet",
            "handler.ServerCertificateCustomValidationCallback = a;",
            "handler.AllowAutoRedirect = true;",
        ),
        (
            "mass-delete-dotnet",
            "db.Database.EnsureDeleted();",
            "db.Remove(order);",
        ),
        (
            "swallowed-error-dotnet",
            "catch (Exception e) { return null; }",
            "catch (IOException e) { throw; }",
        ),
    ];

    #[test]
    fn each_pattern_finds_what_it_is_there_for_and_leaves_the_honest_line() {
        let policy = everything();
        for (id, hit, miss) in SAMPLES {
            let mut forbid = policy.perimeter.forbid.iter();
            let forbidden = forbid.find(|forbidden| forbidden.id == *id).expect(id);
            assert!(forbidden.pattern.is_match(hit.as_bytes()), "{id}: {hit}");
            assert!(forbidden.pattern.may_match(hit.as_bytes()), "{id}: {hit}");
            assert!(!forbidden.pattern.is_match(miss.as_bytes()), "{id}: {miss}");
        }
        // Those that every repository gets are looked at where they are used.
        let general = Policy::load("version: 1\nextends: [default, strict]\n", "policy");
        let general = general.expect("the presets load").perimeter.forbid;
        let is_general = |id: &str| general.iter().any(|forbidden| forbidden.id == id);
        let ids = policy
            .perimeter
            .forbid
            .iter()
            .map(|forbidden| forbidden.id.as_str());
        let missing: Vec<&str> = ids
            .filter(|id| !is_general(id) && !SAMPLES.iter().any(|(known, _, _)| known == id))
            .collect();
        assert_eq!(missing, [""; 0]);
    }

    fn everything() -> Policy {
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let text = format!("version: 1\nextends: [{}]\n", names.join(", "));
        Policy::load(&text, "policy").expect("the presets load")
    }

    #[track_caller]
    fn check_kinds(presets: &str, kinds: &[(FileKind, &[&str])]) {
        let policy = Policy::load(
            &format!("version: 1\nextends: [default, {presets}]\n"),
            "policy",
        )
        .expect("loads");
        for (kind, paths) in kinds {
            for path in *paths {
                assert_eq!(
                    policy.kind_of(&(*path).into()),
                    *kind,
                    "{path} with {presets}"
                );
            }
        }
    }

    #[test]
    fn typical_files_of_each_world_are_what_they_are() {
        use FileKind::{JudgeInput, Production, Protected, Test};
        check_kinds(
            "ruby, rails",
            &[
                (
                    Production,
                    &[
                        "app/models/cart.rb",
                        "app/views/carts/show.html.erb",
                        "config/routes.rb",
                        "config/locales/en.yml",
                        "lib/sum.rb",
                    ],
                ),
                (
                    Protected,
                    &[
                        "db/migrate/1_a.rb",
                        "db/schema.rb",
                        "config/initializers/a.rb",
                        "config/environments/production.rb",
                        "bin/rails",
                        "app/controllers/sessions_controller.rb",
                        "config/master.key",
                    ],
                ),
                (
                    Test,
                    &[
                        "spec/models/cart_spec.rb",
                        "test/models/cart_test.rb",
                        "packs/shop/spec/factories.rb",
                        "spec/factories/carts.rb",
                    ],
                ),
                (
                    JudgeInput,
                    &[
                        "Gemfile",
                        "spec/rails_helper.rb",
                        ".rspec",
                        "Rakefile",
                        "gemfiles/a.gemfile",
                    ],
                ),
            ],
        );
        check_kinds(
            "php, laravel",
            &[
                (
                    Production,
                    &[
                        "app/Models/Cart.php",
                        "routes/web.php",
                        "resources/views/cart.blade.php",
                    ],
                ),
                (
                    Protected,
                    &[
                        "database/migrations/1_a.php",
                        "config/app.php",
                        "app/Policies/CartPolicy.php",
                        "app/Http/Middleware/A.php",
                        "artisan",
                        ".env",
                    ],
                ),
                (
                    Test,
                    &[
                        "tests/Feature/CartTest.php",
                        "database/factories/CartFactory.php",
                    ],
                ),
                (
                    JudgeInput,
                    &[
                        "phpunit.xml",
                        "composer.json",
                        "tests/Pest.php",
                        "tests/TestCase.php",
                    ],
                ),
            ],
        );
        check_kinds(
            "java, kotlin",
            &[
                (
                    Production,
                    &[
                        "src/main/java/shop/Cart.java",
                        "app/src/main/kotlin/Cart.kt",
                        "src/main/java/shop/CartTest.java",
                    ],
                ),
                (
                    Protected,
                    &[
                        "src/main/resources/db/migration/V1__a.sql",
                        "sql/V2__b.sql",
                        "src/main/resources/application.yml",
                        "src/main/java/shop/SecurityConfig.java",
                        "app/src/main/AndroidManifest.xml",
                        "src/main/resources/META-INF/services/a.B",
                    ],
                ),
                (
                    Test,
                    &[
                        "src/test/java/shop/CartTest.java",
                        "core/src/commonTest/kotlin/A.kt",
                        "src/testFixtures/java/A.java",
                        "src/integrationTest/java/A.java",
                    ],
                ),
                (
                    JudgeInput,
                    &[
                        "pom.xml",
                        "core/build.gradle.kts",
                        "gradle/libs.versions.toml",
                        "buildSrc/src/main/kotlin/a.kt",
                        ".mvn/jvm.config",
                        "src/test/resources/junit-platform.properties",
                        "mvnw",
                    ],
                ),
            ],
        );
        check_kinds(
            "elixir, phoenix",
            &[
                (
                    Production,
                    &[
                        "lib/shop/cart.ex",
                        "lib/shop_web/live/cart_live.ex",
                        "lib/shop_web/controllers/cart_html/show.html.heex",
                    ],
                ),
                (
                    Protected,
                    &[
                        "priv/repo/migrations/1_a.exs",
                        "apps/shop/priv/repo/seeds.exs",
                        "config/runtime.exs",
                        "lib/shop_web/router.ex",
                        "lib/shop_web/user_auth.ex",
                    ],
                ),
                (
                    Test,
                    &[
                        "test/shop/cart_test.exs",
                        "test/support/fixtures.ex",
                        "apps/shop/test/cart_test.exs",
                    ],
                ),
                (
                    JudgeInput,
                    &["mix.exs", "test/test_helper.exs", ".formatter.exs"],
                ),
            ],
        );
        check_kinds(
            "dotnet",
            &[
                (
                    Production,
                    &[
                        "src/Shop/Cart.cs",
                        "src/Shop/Cart.fs",
                        "src/Web/Pages/Cart.razor",
                    ],
                ),
                (
                    Protected,
                    &[
                        "src/Shop/Migrations/1_A.cs",
                        "src/Web/appsettings.json",
                        "src/Web/Startup.cs",
                        "key.snk",
                    ],
                ),
                (
                    Test,
                    &[
                        "tests/Shop/CartTests.cs",
                        "src/Shop.Tests/CartTests.cs",
                        "src/Shop.UnitTests/A.fs",
                        "test/A.verified.txt",
                    ],
                ),
                (
                    JudgeInput,
                    &[
                        "Shop.sln",
                        "src/Shop/Shop.csproj",
                        "tests/A/A.fsproj",
                        "global.json",
                        "Directory.Build.props",
                        "a.runsettings",
                        "xunit.runner.json",
                    ],
                ),
            ],
        );
        check_kinds(
            "python, django",
            &[
                (
                    Production,
                    &["shop/models.py", "shop/views.py", "shop/urls.py"],
                ),
                (
                    Protected,
                    &[
                        "shop/migrations/0001.py",
                        "site/settings.py",
                        "site/settings/base.py",
                        "api/permissions.py",
                    ],
                ),
                (
                    Test,
                    &[
                        "shop/tests.py",
                        "shop/tests/test_a.py",
                        "shop/fixtures/a.json",
                    ],
                ),
                (
                    JudgeInput,
                    &["manage.py", "conftest.py", "tests/test_settings.py"],
                ),
            ],
        );
        check_kinds(
            "python, flask",
            &[
                (Production, &["app/routes.py", "app/models.py"]),
                (
                    Protected,
                    &[
                        "config.py",
                        "app/auth/routes.py",
                        "wsgi.py",
                        "alembic/env.py",
                        "migrations/versions/a.py",
                    ],
                ),
            ],
        );
        check_kinds(
            "javascript, nextjs, nestjs",
            &[
                (
                    Production,
                    &["src/app/page.tsx", "src/cart/cart.service.ts", "lib/sum.js"],
                ),
                (
                    Protected,
                    &[
                        "src/middleware.ts",
                        "next.config.mjs",
                        "app/api/auth/route.ts",
                        "src/roles/roles.guard.ts",
                        "prisma/schema.prisma",
                        "prisma/migrations/1/migration.sql",
                        "eslint.config.js",
                    ],
                ),
                (
                    Test,
                    &[
                        "src/cart.test.ts",
                        "src/date/tests.ts",
                        "src/add/test.tsx",
                        "cypress/e2e/a.cy.ts",
                        "test/app.e2e-spec.ts",
                    ],
                ),
                (
                    JudgeInput,
                    &[
                        "package.json",
                        "webpack.config.js",
                        "nest-cli.json",
                        "test/jest-e2e.json",
                        "tsconfig.json",
                    ],
                ),
            ],
        );
        check_kinds(
            "go, rust, shell",
            &[
                (Production, &["cart/cart.go", "src/cart.rs", "bin/cart"]),
                (
                    Protected,
                    &[
                        "asm/add.s",
                        ".golangci.yml",
                        "migration/src/m1.rs",
                        "deny.toml",
                        "systemd/a.service",
                    ],
                ),
                (
                    Test,
                    &[
                        "cart/cart_test.go",
                        "cart/testdata/a",
                        "src/snapshots/a.snap",
                        "test/a.bats",
                    ],
                ),
                (JudgeInput, &["go.mod", "Cargo.toml", "insta.yaml"]),
            ],
        );
    }
}
