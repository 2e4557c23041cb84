//! The patterns by which lines give themselves away, language by language.

use std::sync::LazyLock;

use regex::Regex;

use crate::change::RepoPath;

/// The patterns of one language.
pub(super) struct Language {
    pub extensions: &'static [&'static [u8]],
    pub comment: &'static str,
    /// Production that asks whether it is being tested, or reaches into what tests it.
    pub aware: LazyLock<Regex>,
    /// Tests that ask what the source looks like, or what is defined in it.
    pub looking: LazyLock<Regex>,
    /// Names that production defines: what any group holds.
    pub defines: LazyLock<Regex>,
}

macro_rules! language {
    ($extensions:expr, $comment:literal, aware: $aware:literal, looking: $looking:literal, defines: $defines:literal) => {
        Language {
            extensions: &$extensions,
            comment: $comment,
            aware: LazyLock::new(|| pattern($aware)),
            looking: LazyLock::new(|| pattern($looking)),
            defines: LazyLock::new(|| pattern($defines)),
        }
    };
}

static LANGUAGES: [Language; 7] = [
    language!(
        [b"py", b"pyi"], "#",
        aware: r#"
            \b_?pytest\b | \bunittest\b | \bconftest\b | \bPYTEST | \bdoctest\b | \bnose2?\b | \bhypothesis\b
            | ^\s*(?:from|import)\s+(?:tests?|testing|mock)\b
            | ["'](?:[^"']*[/\\.])?(?:tests?[/\\.][^"']*|tests?|test_[^"']*|[^"']*_test(?:\.py)?)["']
            | \b(?:environ|getenv)\b.*["'][^"']*TEST[^"']*["'] | ["'][^"']*TEST[^"']*["'].*\b(?:environ|getenv)\b
            | \.\s*modules\b | \b_getframe\b | \b_current_frames\b | \bimport\s+sys\s+as\b | \bruntest\w*\b | (?:^|[^.\w])(?:exec|eval|compile|globals)\s*\(
            | \bgetattr\s*\(\s*(?:sys|os|gc|inspect)\b | \b__loader__\b | \b__spec__\b
            | \bsys\s*\.\s*(?:argv\s*\[\s*0|_\w+|set(?:trace|profile)|get(?:trace|profile)|monitoring|addaudithook|excepthook|unraisablehook|meta_path|path_hooks|orig_argv)\b
            | ^\s*from\s+sys\s+import\b.*\b(?:modules|_\w+|settrace|setprofile|monitoring|addaudithook|meta_path|path_hooks)\b
            | \binspect\s*\.\s*(?:stack|trace|currentframe|getouterframes|getinnerframes|getframeinfo)\b | ^\s*from\s+inspect\s+import\b
            | \b(?:extract_stack|walk_stack|print_stack|format_stack|f_back|f_globals|tb_frame)\b
            | \bgc\b\s*\. | ^\s*(?:import|from)\s.*\b(?:gc|atexit|ctypes|faulthandler)\b
            | \batexit\b | \bos\s*\.\s*(?:_exit|abort|kill\w*|fork\w*|dup2?)\b | \b__builtins__\b | \bbuiltins\b | \b__import__\b | \bimport_module\b
            | /proc/ | \b__subclasses__\b | \b__class__\s*= | \bcurrent_thread\b
        "#,
        looking: r#"
            \bhasattr\s*\( | \bgetattr\s*\(.*,.*, | (?:^|[^.\w])(?:vars|dir|globals|locals)\s*\( | \b__dict__\b | \b__doc__\b | \b__code__\b
            | \b__defaults__\b | \b__kwdefaults__\b | \b__annotations__\b | \b__version__\b | \bco_\w+ | \b(?:tb|f)_lineno\b | \binspect\b | \b\w+\.__file__\b
            | ^\s*(?:import|from)\s+(?:ast|dis|tokenize|linecache|symtable|marshal|pkgutil|importlib|py_compile|runpy|zipimport|gc)\b
            | \.pyc?["'] | \bgetsource\w*\b | \bimport_module\b | \b__import__\s*\(
            | \bexcept\s*:| \bexcept\b.*\b(?:ImportError|ModuleNotFoundError|AttributeError|NameError|Exception|BaseException)\b
            | \bsuppress\s*\(.*\b(?:ImportError|ModuleNotFoundError|AttributeError|NameError|Exception|BaseException)\b
            | \braises\s*\(.*\b(?:ImportError|ModuleNotFoundError|NameError)\b | ["']-c["'] | \bgit\b["']
            | \bpytest_plugins\b | ^\s*def\s+pytest_\w+
        "#,
        defines: r#"^\s*(?:async\s+)?(?:def|class)\s+(\w+) | ^(\w+)\s*(?::[^=]*)?= | \b(?:self|cls)\.(\w+)\s*(?::[^=]*)?=[^=] | \bsetattr\s*\([^,]*,\s*["'](\w+)"#
    ),
    language!(
        [b"rs"], "//",
        aware: r#"
            \bthread\s*::\s*current\b | \bcurrent_exe\b | \bBacktrace\b | \bbacktrace\s*:: | \bset_hook\b | \btake_hook\b
            | \bmacro_rules\s*!\s*(?:r\#)?(?:assert\w*|debug_assert\w*|panic|matches|unreachable|todo|unimplemented|vec|format)\b
            | \buse\b.*\bas\s+(?:assert\w*|debug_assert\w*|panic|test)\b | \#\s*!?\[\s*(?:no_mangle|unsafe\s*\(\s*no_mangle|export_name|link_section|unsafe\s*\(\s*link_section|ctor|macro_use|path)\b
            | \bextern\s+"C" | \bprocess\s*::\s*(?:exit|abort)\b | \blibc\s*:: | \binclude\s*! | /proc/ | \bRUST_TEST\w* | \bCARGO_(?:TARGET|PKG|CRATE|BIN|MANIFEST)\w*
            | "[^"]*\btests?/ | \benv\s*::\s*args
        "#,
        looking: r#"
            \binclude(?:_str|_bytes)?\s*!\s*.*(?:\bsrc/|\.rs") | "[^"]*(?:\bsrc/|\.rs|Cargo\.(?:toml|lock))" | \btype_name\b | \bsize_of\w*\b | \balign_of\w*\b
            | \b(?:file|line|column|option_env)\s*!\s*\( | \bCommand\s*::\s*new\s*\(\s*"(?:git|cargo|rustc|grep)" | \bCARGO_PKG_VERSION\b
        "#,
        defines: r#"\b(?:fn|const|static|struct|enum|union|trait|type|mod)\s+(?:mut\s+)?(\w+) | \bmacro_rules\s*!\s*(\w+) | \bas\s+([A-Za-z]\w*)\s*[;,}]"#
    ),
    language!(
        [b"go"], "//",
        aware: r#"
            ["`]testing(?:/\w+)?["`] | \btesting\s*\. | ["`](?:unsafe|plugin|C|runtime/\w+|embed)["`] | \bflag\s*\.\s*(?:Lookup|Visit\w*|CommandLine)\b
            | \bos\s*\.\s*(?:Exit|Executable|Getppid|NewFile)\b | \bos\s*\.\s*Std(?:in|out|err)\s*(?:,.*)?=[^=] | \bos\s*\.\s*Args\b(?:\s*\[\s*[^1\s]|\s*[^\[\s]|\s*$)
            | \bsyscall\s*\. | \bruntime\s*\.\s*(?:Caller\w*|Stack|FuncForPC|Goexit|NumGoroutine)\b | \bdebug\s*\.\s*(?:\w*Stack|ReadBuildInfo)\b
            | /proc/ | \b(?:Getenv|LookupEnv|Environ)\b.*["`][^"`]*TEST[^"`]*["`] | ["`](?:[^"`]*/)?testdata(?:/[^"`]*)?["`]
            | ["`][^"`]*(?:_test\.go|_test|\.test|-test\.\w+)["`] | \bGOTEST\w*
        "#,
        looking: r#"
            ["`](?:go/\w+|golang\.org/x/tools/[^"`]*|unsafe|plugin|C|embed|syscall|runtime/debug)["`] | \.go["`] | \bgo\.(?:mod|sum)["`]
            | \bruntime\s*\.\s*(?:Caller\w*|FuncForPC)\b | \bReadBuildInfo\b | \bexec\s*\.\s*Command\w*\s*\(.*["`](?:go|git|grep|sh|bash|cat)["`]
            | \b(?:MethodByName|NumMethod|NumField|FieldByName\w*|NumIn|NumOut)\b | \.\s*\(\s*interface\s*\{ | ["`]\*\.\w*["`] | \bos\s*\.\s*Exit\b
            | \bfunc\s+TestMain\b | (?:^|[{;])\s*(?:_\s*=\s*)?recover\s*\(\s*\) | \b(?:WalkDir|ReadDir|Walk|Glob)\s*\(\s*["`](?:\.|\.\.)?[/"`]
        "#,
        defines: r#"^\s*func\s+(?:\([^)]*\)\s*)?(\w+) | ^\s*(?:const|var|type)\s+(\w+) | ^\s+(\w+)\s+[\w*.\[\]]+\s*(?:`[^`]*`)?$ | ^\t(\w+)\s*=\s"#
    ),
    language!(
        [b"sh", b"bash", b"bats"], "#",
        aware: r#"
            \bBATS\w* | \bbats\b | \^BAT | \bFUNCNAME\b | \bcaller\b | \bBASH_(?:COMMAND|LINENO|SOURCE\[[1-9])\b | \$\{?PPID\b | /proc/ | /dev/fd/ | [<>]&\s*[3-9]
            | \bexec\s+[3-9] | \btrap\b.*\b(?:DEBUG|ERR|RETURN)\b | \bkill\b | \bps\s+-?\w | ["'/\s=]tests?/ | \$\{?[A-Z_]*TEST[A-Z_]*\b | \bexport\s+-f\b
            | \benable\s+-n\b | \b(?:alias|function)\s+(?:test|run|assert\w*|skip|fail)\b | ^\s*(?:test|run|assert\w*|skip|fail|refute\w*|\[)\s*\(\s*\)
        "#,
        looking: r#"
            \b(?:grep|cat|sed|awk|head|tail|diff|cmp|wc|sha\w*sum|md5sum|stat|strings|od)\b.*(?:\.(?:ba)?sh\b|/(?:bin|lib|src|libexec)/) | \bdeclare\s+-[fFp] | \btype\s+-?\w
            | \bcommand\s+-[vV]\b | \bgit\s+\w | \b(?:ba)?sh\s+-n\b | [<>]&\s*[3-9] | \bexec\s+[3-9] | \bBATS_(?:RUN_\w+|TEST_(?:SKIPPED|COMPLETED|PASSED)|ERROR\w*|OUT\w*)
            | \btrap\b | ^\s*(?:run|assert\w*|skip|fail|refute\w*)\s*\(\s*\) | /proc/ | \|\|\s*(?:true|:)\s*$ | \bset\s+\+e\b | ^\s*(?:exit|return)\s+0\b
        "#,
        defines: r#"^\s*(?:function\s+)?([\w-]+)\s*\(\s*\) | ^\s*function\s+([\w-]+) | ^(?:export\s+|readonly\s+|declare\s+(?:-\w+\s+)*)?(\w+)="#
    ),
    language!(
        [b"js", b"cjs", b"mjs", b"jsx", b"ts", b"cts", b"mts", b"tsx"], "//",
        aware: r#"
            \b(?:jest|vitest|mocha|jasmine|sinon|chai)\b | \bJEST_ | \bVITEST | \bNODE_TEST | \bKOAN_ | \$\$jest
            | ["'](?:node:)?(?:test|inspector|vm|v8|module|repl|diagnostics_channel)["'] | \bprocess\s*\.\s*env\b.*TEST | \bTEST.*\bprocess\s*\.\s*env\b
            | ["'`](?:[^"'`]*[/\\.])?(?:tests?|specs?|__tests__|__mocks__|__snapshots__)[/\\][^"'`]*["'`] | ["'`](?:tests?|specs?|__tests__)["'`]
            | ["'`][^"'`]*\.(?:test|spec)\.[cm]?[jt]sx?["'`]
            | \btypeof\s+(?:it|test|describe|expect|suite|specify|beforeEach|afterEach|vi)\b
            | \b(?:globalThis|global|window|self)\s*(?:\.\s*|\[\s*["'`])(?:it|test|describe|expect|suite|specify|vi|before\w*|after\w*|assert|__\w+|Symbol)\b
            | \b(?:assert|expect)\s*\.\s*\w+\s*=[^=] | \bprocess\s*\.\s*(?:reallyExit|abort|kill|binding|mainModule|execArgv|argv0|argv\s*\[\s*[01]|_\w+|(?:get|has)\w*\s*\()
            | \bprocess\s*\.\s*exit\s*\(\s*0?\s*\) | \bprocess\s*\.\s*exitCode\b | \bprocess\s*\.\s*(?:on|once|addListener|prepend\w*|removeAllListeners|listeners)\s*\(
            | \bprocess\s*\[ | \brequire\s*\.\s*(?:cache|extensions|main) | \bmodule\s*\.\s*(?:parent|children|paths|constructor) | \bcreateRequire\b
            | \bprepareStackTrace\b | \bstackTraceLimit\b | \.\s*stack\b | \bcallee\b | \.\s*caller\b | /proc/ | \beval\s*\( | \bFunction\s*\( | \bconstructor\s*\.\s*constructor\b
            | \b(?:Object|Array|Function|Promise|String|Number|RegExp|Error|Map|Set|Reflect|JSON|Math|Date|Symbol)\s*(?:\.\s*prototype)?\s*\.\s*\w+\s*=[^=>]
            | \b(?:defineProperty|defineProperties|assign|setPrototypeOf)\s*\(\s*(?:require\b|(?:globalThis|global|window|process|assert|expect|(?:Object|Array|Function|Promise|String|Number|RegExp|Error|JSON|Math|Date)(?:\.prototype)?)\s*,)
            | (?:^|[^"'`\w])__proto__\b | [\w$)\]?.]\s*\[\s*["'`]__proto__ | [^=!<>]=\s*["'`]__proto__ | \bReflect\b.*__proto__ | \bSymbol\s*\.\s*for\b | \bimport\.meta\.(?:vitest|jest|env)\b | \bgetBuiltinModule\b
        "#,
        looking: r#"
            \b(?:readFile|readFileSync|createReadStream|stat|statSync|lstatSync|readdir|readdirSync|existsSync|access|accessSync|open|openSync|readSync)\s*\(.*(?:\bsrc\b|\blib\b|\.[cm]?[jt]sx?\b|__filename|\bresolve\s*\(\s*["'`]\.|import\.meta\.(?:url|filename))
            | \b(?:join|resolve)\s*\(.*(?:["'`](?:[^"'`]*/)?(?:src|lib)(?:/[^"'`]*)?["'`]|\.[cm]?[jt]sx?["'`]) | \bnew\s+URL\s*\(\s*["'`][^"'`]*\.[cm]?[jt]sx?["'`]
            | \btoString\s*\(\s*\)[^"'`/]*["'`/][^"'`]*(?:=>|[=!<>]=|\bfunction\b|\breturn\b|\bif\b|\(\)|;|\+\+|\[|\breduce\b|\bslice\b) | \bFunction\s*\.\s*prototype\b | \bString\s*\(\s*\w+\.\w+\s*\)\s*\.
            | \bpackage\.json\b | \bexec\w*\s*\(.*\b(?:git|grep|sed|cat|find|ls)\b | \bspawn\w*\s*\(\s*["'`](?:git|grep|sed|cat|find|ls|sh|bash)\b
            | \binstanceof\s+(?:ReferenceError|TypeError|SyntaxError)\b | \.\s*(?:lineNumber|columnNumber)\b | \.\s*stack\b
            | \bretryTimes\s*\( | \.\s*retries\s*\( | \bretry\s*:
            | \bprocess\s*\.\s*(?:exit|exitCode|reallyExit|abort|kill|binding|mainModule|execArgv|on|once|listeners|removeAllListeners|_\w+)\b | \bprocess\s*\[
            | __vitest\w* | \bJEST_STATE | \bgetOwnPropertySymbols\b | \bSymbol\s*\.\s*for\b | \bModule\s*\.\s*_ | \brequire\s*\.\s*extensions | \bKOAN_ | /proc/
            | ^\s*(?:assert|expect)\s*=[^=>] | \b(?:assert|expect)\s*\.\s*\w+\s*=[^=>] | \bexpect\s*\.\s*extend\b | \b(?:globalThis|global)\s*(?:\.\s*|\[\s*["'`])(?:it|test|describe|expect|suite)\b
            | \bwriteSync\s*\(\s*\d | \bgetBuiltinModule\b | ["'](?:node:)?(?:inspector|vm|v8|module|repl)["'] | \beval\s*\( | \bnew\s+Function\b
        "#,
        defines: r#"\b(?:function\s*\*?|class|enum|interface|type|namespace)\s+([A-Za-z_$][\w$]*) | ^(?:export\s+)?(?:const|let|var)\s+([A-Za-z_$][\w$]*)
            | \bexports\s*\.\s*(\w+)\s*= | \bthis\s*\.\s*(\#?\w+)\s*=[^=] | \bprototype\s*\.\s*(\w+)\s*= | ^\s+(?:(?:static|async|get|set|public|private|readonly)\s+)*\*?(\w+)\s*\([^()]*\)\s*(?::[^{=]*)?\{\s*$
            | ^\s+static\s+(?:readonly\s+)?(\w+)\s*[=:]"#
    ),
    language!(
        [b"rb"], "#",
        aware: r#"
            \b(?:RSpec|Mini[tT]est|Mocha|SimpleCov|FactoryBot|Capybara)\b | \bTest::Unit\b | ["'](?:r?spec|tests?|minitest)["'/]
            | ["'](?:[^"']*[/\\])?(?:spec|tests?)/[^"']*["'] | ["'][^"']*_(?:spec|test)(?:\.rb)?["'] | ^\s*require(?:_relative)?\b.*\b(?:rspec|minitest|tests?|spec)\b
            | \bENV\b.*["'][^"']*(?:TEST|SPEC|test|_ENV)[^"']*["'] | \benv\s*\.\s*test\?
            | \bcaller(?:_locations)?\b | \bbacktrace(?:_locations)?\b | \bset_trace_func\b | \bTracePoint\b | \bObjectSpace\b | \bRubyVM\b | \bFiddle\b
            | \bat_exit\b | \bexit! | \bProcess\s*\.\s*(?:exit|kill|fork|daemon|spawn) | (?:^|[^.\w])(?:fork|abort|trap|syscall)\b | \bIO\s*\.\s*(?:for_fd|new|open|sysopen)\b
            | \$(?:0|"|:)(?:\W|$) | \$(?:PROGRAM_NAME|LOADED_FEATURES|LOAD_PATH|stdout|stderr)\s*(?:=|\.|\[) | \bPROGRAM_NAME\b | /proc/
            | \b(?:instance|class|module)_(?:eval|exec)\b | (?:^|[^.\w])eval\b | \bbinding\b | \bTOPLEVEL_BINDING\b | \brefine\b | \bdefined\?
            | \b(?:remove_const|const_get|const_set|const_missing|method_added|remove_method|undef_method|define_singleton_method)\b
            | ^\s*(?:class|module)\s+(?:::)?(?:Object|BasicObject|Kernel|Module|Class|Method|UnboundMethod|Proc|String|Symbol|Integer|Float|Numeric|Array|Hash|NilClass|TrueClass|FalseClass|Comparable|Enumerable|Exception|StandardError|IO|File|Dir|Process|Regexp|Range|Time|Random)\b\s*(?:$|;|\#|<\s*<)
            | \b(?:Object|BasicObject|Kernel|Module|Class|Method|UnboundMethod|Proc|String|Symbol|Integer|Float|Numeric|Array|Hash|NilClass|Comparable|Enumerable|Exception|IO|Process)\s*\.\s*(?:prepend|include|extend|send|__send__|public_send|define_method|alias_method|singleton_class|instance_method)\b
            | \bclass\s*<<\s*[A-Z] | \bsingleton_class\b | \.\s*prepend\b | \bprepend\b\s*\(?\s*(?:::|[^\s(:"']|$)
            | [:"'](?:prepend|instance_variable_set)\b
            | \binstance_variable_set\b\s*\(?\s*(?:[^\s(:"']|$|:?["']?@(?:\W|_|NAME|actual|assertions|example|exception|execution|expected|failures|internal|matcher|metadata|method_name|passed|result|skip|target))
        "#,
        looking: r#"
            \bdefined\?\s* | \b(?:const|method|class_variable|instance_variable)_defined\? | \b(?:public|private|protected|instance|singleton)_method(?:s|_defined\?)?\b
            | \brespond_to\b | \.\s*(?:methods|constants|instance_variables|parameters|arity|source_location|class_variables)\b | \.\s*method\s*\(?\s*[:"'] | \bconst_(?:get|source_location)\b
            | \bVERSION\b | \$(?:LOADED_FEATURES|") | \bRipper\b | \bRubyVM\b | \bmethod_source\b
            | ["'][^"']*(?:\blib|\bapp)/[^"']*["'] | \b(?:File|IO|Dir|read|readlines|binread)\b.*(?:\b(?:lib|app)\b|\.rb["']) | \b(?:`|system\b|spawn\b|popen\b).*\bgit\b
            | ^\s*rescue\s*(?:=>|$|;|\#) | \S\s+rescue\s+\S | ^\s*rescue\b.*\b(?:NameError|NoMethodError|LoadError|ScriptError|StandardError|Exception|ArgumentError)\b
            | (?:^|[^_\w])to\s*\(?\s*raise_(?:error|exception)\s*(?:\(\s*\))?\s*(?:$|\)|\}|do\b) | \b(?:raise_(?:error|exception)|assert_raises?|must_raise)\b.*\b(?:NameError|NoMethodError|LoadError|StandardError|Exception)\b
        "#,
        defines: r#"\bdef\s+(?:self\s*\.\s*)?(\w+) | ^\s*(?:class|module)\s+(?:\w+::)*(\w+) | ^\s*([A-Z]\w*)\s*=[^=~] | @{1,2}(\w+)\s*(?:\|\|)?=[^=~] | \battr_\w+\s*\(?\s*:(\w+) | \balias(?:_method)?\s*\(?\s*:?(\w+) | \bdefine_method\s*\(?\s*[:"'](\w+)"#
    ),
    language!(
        [b"php"], "//",
        aware: r#"
            \bPHPUnit\b | \bPHPUNIT_ | \bphpunit\b | \bMockery\b | \bSebastianBergmann\b | ["'](?:[^"']*[/\\])?[Tt]ests?[/\\][^"']*["'] | ["'](?:tests?|testing)["'] | ["'][^"']*Test(?:Case)?(?:\.php)?["']
            | (?:\bgetenv\b|\$_(?:ENV|SERVER)\b).*["'][^"']*(?:TEST|test|ENV|argv)[^"']*["']
            | \bdebug_(?:print_)?backtrace\b | \bgetTrace\w*\b | \bget_(?:resources|resource_id|included_files|required_files|declared_\w+|defined_\w+)\b
            | \b(?:register_shutdown_function|set_error_handler|set_exception_handler|restore_error_handler|spl_autoload\w*|stream_wrapper_\w+|class_alias|assert_options|ini_set|error_reporting)\b
            | (?:^|[^>:\w$])(?:exit|die)\s*[(;] | \b(?:posix|pcntl|runkit\d?|uopz|proc)_\w+ | php://(?:fd|memory|stdout|stderr|output) | /proc/
            | (?:^|[^>:\w$])(?:eval|create_function)\s*\( | \bClosure\s*::\s*(?:bind|fromCallable) | \bbindTo\b | \bsetAccessible\b | \bnew\s+\\?Reflection\w*
            | \bphp_sapi_name\b | \bPHP_SAPI\b | \$argv\b | \$GLOBALS\b | \bclass_exists\s*\(.*Test
        "#,
        looking: r#"
            \b(?:method|class|function|property|interface|trait|enum)_exists\s*\( | (?:^|[^>:\w$])(?:defined|constant)\s*\( | \bis_callable\s*\( | \bget_(?:class_methods|class_vars|object_vars)\b
            | \bReflection\w+ | \bassert\w*Has(?:Static)?(?:Attribute|Property)\w*\s*\( | \b\w*[vV]ersion\s*\(\s*\) | \bVERSION\b
            | \b(?:file_get_contents|fopen|file|readfile|file_exists|is_file|token_get_all|highlight_file|show_source|php_strip_whitespace)\s*\(.*(?:\b(?:src|lib|app)/|\.php\b)
            | ["'][^"']*\b(?:src|lib|app)/[^"']*["'] | \bcatch\s*\(\s*\\?(?:Error|Throwable|Exception|TypeError|ArgumentCountError|BadMethodCallException)\b
            | \bexpectException\w*\s*\(\s*\\?(?:Error|Throwable|Exception|ArgumentCountError|BadMethodCallException)\s*:: | \b(?:exec|shell_exec|system|passthru)\s*\(.*\bgit\b
        "#,
        defines: r#"\bfunction\s+&?\s*(\w+) | \b(?:class|interface|trait|enum)\s+(\w+) | \bconst\s+(?:\w+\s+)?(\w+)\s*= | \$this\s*->\s*(\w+)\s*=[^=>] | \b(?:public|protected|private|var)\s+(?:static\s+)?(?:readonly\s+)?(?:[?\\\w|]+\s+)?\$(\w+) | \bdefine\s*\(\s*["'](\w+)"#
    ),
];

/// The language of a file, by its extension.
pub(super) fn language(path: &RepoPath) -> Option<&'static Language> {
    let extension = path.extension()?;
    LANGUAGES
        .iter()
        .find(|language| language.extensions.contains(&extension))
}

/// White space in a pattern is for its readers.
pub(in crate::proof) fn pattern(text: &str) -> Regex {
    Regex::new(&format!("(?x){text}")).expect("each pattern is used by a test")
}
