//! PHPUnit 9, driven by a script of the guard's own: its own suite of the wanted files, and a listener that sees what each test threw.
//!
//! The project's `vendor` folder, as `proof.setup` made it, comes first; without one, the system's PHPUnit runs, with the classes that
//! `composer.json` says. Later versions of PHPUnit have other hooks and are refused by name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::events::{self, Dialect, Exception, Place};
use super::{Canary, Order, Runner, Toolbox, script, tools};
use crate::change::RepoPath;
use crate::suite::TestRun;
use crate::suite::area::{Area, Phase, Side};
use crate::usage::UsageError;

#[derive(Debug)]
pub(super) struct Phpunit {
    program: PathBuf,
    version: String,
    dir: PathBuf,
    script: PathBuf,
    scripts: PathBuf,
    checkout: Option<PathBuf>,
    env: BTreeMap<OsString, OsString>,
    readable: Vec<PathBuf>,
}

const SCRIPT: &str = include_str!("koan_phpunit.php");
const SCRIPT_9: &str = include_str!("koan_phpunit_9.php");

/// Asked without the working folder on the include path: nothing of the checkout runs here.
const ASK: &str = r#"
$paths = array_filter(explode(PATH_SEPARATOR, get_include_path()), function ($path) { return $path[0] === "/"; });
set_include_path(implode(PATH_SEPARATOR, $paths));
echo "executable\t", PHP_BINARY, "\nversion\t", PHP_VERSION, "\n";
foreach ($paths as $path) { echo "include\t", $path, "\n"; }
$file = stream_resolve_include_path("PHPUnit/Autoload.php");
if ($file !== false) { require $file; echo "phpunit\t", PHPUnit\Runner\Version::id(), "\n"; }
foreach (["dom", "json", "mbstring", "tokenizer", "xml", "xmlwriter"] as $name) { if (!extension_loaded($name)) { echo "lacks\t", $name, "\n"; } }
"#;

const DIALECT: Dialect = Dialect {
    assertions: &["PHPUnit\\Framework\\AssertionFailedError"],
    skips: &[
        "PHPUnit\\Framework\\SkippedTest",
        "PHPUnit\\Framework\\IncompleteTest",
    ],
    is_missing_name,
    nothing_ran: 0,
    not_started: 0,
};

pub(super) fn open(dir: &Path, toolbox: &Toolbox) -> anyhow::Result<Phpunit> {
    let Some(program) = tools::on_path(toolbox, "php") else {
        bail!(UsageError::with_hint(
            "there is no `php` on the `PATH`",
            "install PHP 7.3 or later (Debian, Ubuntu: php-cli php-xml php-mbstring)",
        ));
    };
    let answer = tools::ask(toolbox, &program, &["-d", "auto_prepend_file=", "-r", ASK])?;
    let said = |key: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once('\t'));
        lines
            .filter(|(said, _)| *said == key)
            .map(|(_, value)| value.to_owned())
            .collect::<Vec<_>>()
    };
    if let [first, ..] = &said("lacks")[..] {
        bail!(UsageError::with_hint(
            format!("`{}` lacks the extension `{first}`", program.display()),
            "PHPUnit needs dom, json, mbstring, tokenizer, xml and xmlwriter (Debian, Ubuntu: php-xml php-mbstring)",
        ));
    }
    let php = said("version").concat();
    let checkout = toolbox.work_dir.as_ref().map(|folder| folder.join(dir));
    let has_packages = checkout.is_some_and(|folder| folder.join("composer.json").is_file());
    let version = match said("phpunit").first() {
        Some(phpunit) if phpunit.starts_with("9.") => format!("phpunit {phpunit}, php {php}"),
        _ if has_packages => format!("phpunit of the packages, php {php}"),
        Some(phpunit) => bail!(UsageError::with_hint(
            format!("the system's PHPUnit is {phpunit}"),
            "koan-guard drives PHPUnit 9: require it in `composer.json` and let `proof.setup` run `composer install`",
        )),
        None => bail!(UsageError::with_hint(
            "there is no PHPUnit",
            "`composer require --dev phpunit/phpunit:^9` with `proof.setup: composer install`, or the system's package (Debian, Ubuntu: phpunit)",
        )),
    };
    tools::write_script(toolbox, "koan_phpunit_9.php", SCRIPT_9)?;
    let script = tools::write_script(toolbox, "koan_phpunit.php", SCRIPT)?;
    let program: PathBuf = said("executable").concat().into();
    let env = tools::test_env(toolbox, program.parent().unwrap_or(Path::new("/")))?;
    let mut readable: Vec<PathBuf> = said("include").into_iter().map(PathBuf::from).collect();
    readable.retain(|folder| folder.is_dir() && folder.parent().is_some());
    readable.push(toolbox.scripts.clone());
    Ok(Phpunit {
        program,
        version,
        dir: dir.to_owned(),
        script,
        scripts: toolbox.scripts.clone(),
        checkout: toolbox.work_dir.clone(),
        env,
        readable,
    })
}

impl Runner for Phpunit {
    fn name(&self) -> &'static str {
        "phpunit"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["php"]
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(content).ok()?;
        if !is_test_file(path) || text.contains("__halt_compiler") {
            return None;
        }
        let mut class = test(canary);
        // Beside a namespace in braces there is nothing outside of one.
        let is_braced = text.lines().any(|line| {
            let line = line.trim();
            line.starts_with("namespace") && line.ends_with('{')
        });
        if is_braced {
            class = format!("namespace {{\n{class}}}\n");
        }
        let open = match text.trim_end().ends_with("?>") {
            true => "<?php\n",
            false => "",
        };
        let gap = if text.ends_with('\n') { "" } else { "\n" };
        Some(format!("{text}{gap}{open}{class}").into_bytes())
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let folder = match beside.to_str().and_then(|path| path.split_once('/')) {
            Some((folder @ ("test" | "Tests"), _)) => folder,
            _ => "tests",
        };
        let path = RepoPath::new(format!("{folder}/{}_Test.php", canary.name));
        (path, format!("<?php\n{}", test(canary)).into_bytes())
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let tree = area.tree().join(&self.dir);
        let checkout = self.checkout.as_deref();
        let file = script::write_order(&self.scripts, "phpunit", &tree, order, checkout)?;
        // What is wrong with a test is thrown, not printed; and no cache of an earlier tree is asked.
        let settings = [
            "auto_prepend_file=",
            "opcache.enable_cli=0",
            "zend.assertions=1",
            "assert.exception=1",
            "memory_limit=-1",
        ];
        let mut argv: Vec<OsString> = vec![self.program.clone().into()];
        for setting in settings {
            argv.extend(["-d".into(), setting.into()]);
        }
        argv.extend([self.script.clone().into(), file.path().into()]);
        let job = script::job(argv, tree, &self.env, &self.readable, order);
        let finished = area.run(side, Phase::Run, &job)?;
        Ok(events::read(&finished, order.canary, &DIALECT))
    }
}

fn test(canary: &Canary) -> String {
    let Canary { name, nonce } = canary;
    format!(
        "final class {name}_Test extends \\PHPUnit\\Framework\\TestCase\n{{\n    public function test_{name}(): void\n    {{\n        $this->assertSame(1, 2, '{nonce}');\n    }}\n}}\n"
    )
}

/// Whether the script takes this file for one that holds tests.
fn is_test_file(path: &RepoPath) -> bool {
    let name = path.file_name();
    let Some(stem) = name.strip_suffix(b".php") else {
        return false;
    };
    let ends = [&b"Test"[..], b"Tests", b"_test", b"_tests"];
    ends.iter().any(|end| stem.ends_with(end))
        || stem.starts_with(b"test_")
        || stem.starts_with(b"Test_")
}

fn is_missing_name(exc: &Exception) -> bool {
    let begins = |starts: &[&str]| starts.iter().any(|start| exc.message.starts_with(start));
    // A mock is asked for what its class has not.
    if exc.is_a("PHPUnit\\Framework\\MockObject\\Exception") {
        return exc.message.contains("does not exist");
    }
    if exc.nearest != Place::Test {
        return false;
    }
    if exc.is_a("ArgumentCountError") || exc.is_a("BadMethodCallException") {
        return true;
    }
    if exc.is_a("PHPUnit\\Framework\\Error\\Error") {
        return begins(&[
            "Undefined property",
            "Undefined variable",
            "Undefined constant",
        ]);
    }
    if exc.is_a("ReflectionException") {
        return exc.message.contains("does not exist");
    }
    exc.is_a("Error")
        && (exc.message.ends_with(" not found")
            || begins(&[
                "Call to undefined ",
                "Call to private ",
                "Call to protected ",
                "Cannot access private ",
                "Cannot access protected ",
                "Access to undeclared static property",
                "Undefined constant",
                "Unknown named parameter",
                "Non-static method",
            ]))
}
