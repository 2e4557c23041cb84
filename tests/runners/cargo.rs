//! cargo.

use std::time::Duration;

use crate::support::{Project, check, check_distrusted};

const MANIFEST: &str = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

/// A crate whose library holds `tests` in its test module, with the canary.
fn project(tests: &str) -> Project {
    let lib = format!(
        "pub mod price;\npub fn total(items: &[u32]) -> u32 {{ items[0] }}\n#[cfg(test)]\nmod tests {{\n    use super::*;\n{tests}\n}}\n"
    );
    Project::new("cargo")
        .file("Cargo.toml", MANIFEST)
        .file("src/lib.rs", &lib)
        .file("src/price.rs", "pub fn vat() -> u32 { 19 }\n#[cfg(test)] mod tests { #[test] fn vat() { assert_eq!(super::vat(), 19); } }\n")
        .plant("src/lib.rs")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["src/lib.rs"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["src/lib.rs"]), reason);
}

#[test]
fn a_test_passes_fails_crashes_or_is_ignored() {
    check_tests(
        r#"
    #[test] fn passes() { assert_eq!(total(&[1]), 1); }
    #[test] fn fails() { assert_eq!(total(&[1]), 2); }
    #[test] fn panics() { total(&[]); }
    #[test] #[should_panic] fn should_panic() { total(&[]); }
    #[test] #[should_panic] fn should_have_panicked() {}
    #[test] #[ignore = "slow"] fn is_ignored() {}
    #[test] fn returns() -> Result<(), String> { Err("no".into()) }
    #[test] fn aborts() { std::process::abort() }
    #[test] fn overflows() { fn f(n: u64) -> u64 { if n == 0 { 0 } else { f(n + 1) + std::hint::black_box(1) } } f(1); }
    #[test] fn environment() {
        assert_eq!(std::env::var("CARGO_PKG_VERSION_MINOR").unwrap(), "1");
        assert!(std::path::Path::new("src/lib.rs").exists());
    }
"#,
        "
        passed shop price::tests::vat
        failed shop tests::aborts
        passed shop tests::environment
        failed shop tests::fails
        skipped shop tests::is_ignored
        failed shop tests::overflows
        failed shop tests::panics
        passed shop tests::passes
        failed shop tests::returns
        failed shop tests::should_have_panicked
        passed shop tests::should_panic
        ",
    );
}

#[test]
fn a_target_that_does_not_build_hides_no_other() {
    let run = project("    #[test] fn a() {}")
        .file("tests/cart.rs", "#[test]\nfn cart() { shop::cart(); }\n")
        .file("tests/web.rs", "#[test] fn web() {}\n")
        .file(
            "src/main.rs",
            "fn main() {}\n#[cfg(test)] mod tests { #[test] fn main() {} }\n",
        )
        .touched(&["tests/cart.rs", "src/lib.rs", "tests/web.rs"]);
    check(&run, "
        passed shop price::tests::vat
        passed shop tests::a
        passed shop::web web
        not built shop::cart: error[E0425]: cannot find function `cart` in crate `shop` (tests/cart.rs:2)
    ");
}

#[test]
fn a_library_that_does_not_build_explains_the_silent_canary() {
    let run = project("    #[test] fn a() { new(); }").touched(&["src/lib.rs"]);
    check(
        &run,
        "not built shop: error[E0425]: cannot find function `new` in this scope (src/lib.rs:6)",
    );
}

/// What the code denies may be a lint that its compiler did not have; the project's own flags hold.
#[test]
fn a_denied_lint_fails_no_test() {
    let run = project("    #[test] fn flags() { assert!(cfg!(shop_flag)); }\n    #[test] fn lints() { assert_eq!(std::env::var(\"CARGO_BUILD_RUSTFLAGS\").ok(), None); }")
        .file("src/price.rs", "#![deny(warnings)]\npub fn vat() { let rate = 19; }\n")
        .file(".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"shop_flag\"]\n")
        .touched(&["src/lib.rs"]);
    check(&run, "passed shop tests::flags\npassed shop tests::lints");
}

#[test]
fn a_source_file_stands_for_the_tests_of_its_module() {
    let project = project("    #[test] fn a() {}");
    check(
        &project.touched(&["src/price.rs"]),
        "passed shop price::tests::vat",
    );
    check(
        &project.only(&["src/lib.rs"], &["shop tests::a"]),
        "passed shop tests::a",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_whole_suite_is_every_target_of_every_package() {
    let run = Project::new("cargo")
        .file("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n")
        .file("a/Cargo.toml", &MANIFEST.replace("shop", "a"))
        .file("a/src/lib.rs", "#[test] fn a() {}")
        .file("b/Cargo.toml", &(MANIFEST.replace("shop", "b") + "[[test]]\nname = \"bare\"\nharness = false\n"))
        .file("b/src/bin/tool.rs", "fn main() {}\n#[test] fn tool() {}")
        .file("b/tests/bare.rs", "fn main() {}")
        .file("b/tests/it.rs", "#[test] fn program() { assert!(std::path::Path::new(env!(\"CARGO_BIN_EXE_tool\")).exists()); }")
        .with_canary_file("a/src/lib.rs");
    check(
        &run.all(),
        "
        passed a a
        failed a::koan_0123456789abcdef koan_0123456789abcdef_0
        failed a::koan_0123456789abcdef koan_0123456789abcdef_0_eq
        passed b::bin/tool tool
        passed b::it program
        not built b::bare: it does not list its tests: `harness = false`, or it ends early
    ",
    );
    check(&run.touched(&["b/tests/it.rs"]), "passed b::it program");
}

#[test]
fn leaving_early_is_not_believed() {
    check_attack(
        "    #[test] fn a() { std::process::exit(0) }",
        "`shop tests::a`: its process ended with status 0",
    );
    check_attack(
        r#"
    #[test] fn a() {
        use std::io::Write;
        let said = "\nrunning 1 test\ntest tests::a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\n";
        std::io::stdout().write_all(said.as_bytes()).unwrap();
        std::process::exit(0)
    }
"#,
        "`shop tests::a`: its process ended with status 0",
    );
}

#[test]
fn an_overridden_assertion_is_not_believed() {
    check_attack(
        "    macro_rules! assert_eq { ($($t:tt)*) => {} }\n    #[test] fn a() { assert_eq!(1, 2); }",
        "the test that must fail was reported",
    );
    check_attack(
        "    macro_rules! assert { ($($t:tt)*) => {} }\n    #[test] fn a() { assert!(1 == 2); }",
        "the test that must fail was reported",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_endless_test_is_timed_out() {
    let mut project =
        project("    #[test] fn a() { loop { std::thread::yield_now(); } }\n    #[test] fn b() {}");
    project.timeout = Duration::from_secs(20);
    check(
        &project.touched(&["src/lib.rs"]),
        "
        passed shop price::tests::vat
        timed out shop tests::a
        passed shop tests::b
    ",
    );
}

#[test]
fn a_flood_of_output_does_not_pass() {
    let run = project("    #[test] fn a() { use std::io::Write; let s = vec![b'x'; 1 << 20]; for _ in 0..80 { std::io::stdout().write_all(&s).unwrap(); } }")
        .touched(&["src/lib.rs"]);
    let id = koan_guard::suite::TestId("shop tests::a".into());
    assert_ne!(
        run.outcome(&id),
        Some(koan_guard::suite::Outcome::Passed),
        "{run:#?}"
    );
}

#[test]
fn a_missing_dependency_says_what_to_do() {
    let manifest = format!("{MANIFEST}[dependencies]\nkoan-there-is-no-such-crate = \"1\"\n");
    let project = project("").file("Cargo.toml", &manifest);
    let error = project.try_all().expect_err("no such crate");
    let hint = error
        .downcast_ref::<koan_guard::usage::UsageError>()
        .and_then(|error| error.hint.clone());
    assert!(
        hint.is_some_and(|hint| hint.contains("cargo fetch")),
        "{error:#}"
    );
}

#[test]
fn what_nextest_is_told_is_respected() {
    let test = "    #[test] fn a() {}\n    #[test] fn b() {}\n    #[test] fn c() {}\n    #[test] fn d() {}";
    let with = |text: &str| {
        project(test)
            .file(".config/nextest.toml", text)
            .touched(&["src/lib.rs"])
    };
    let serial = with("[test-groups]\nserial = { max-threads = 1 }\n");
    assert_eq!(
        (serial.results.len(), serial.distrust.len()),
        (5, 0),
        "{serial:#?}"
    );
    check_distrusted(
        &with("experimental = [\"setup-scripts\"]\n"),
        "`.config/nextest.toml` has scripts, which are not run here",
    );
}

#[test]
fn every_error_of_a_build_has_its_place() {
    let tests =
        "#[test] fn a() { absent() }\n#[test] fn b() { let _: u8 = [0u8].gone(); missing::x() }";
    let project = project(tests);
    let run = project.touched(&["src/lib.rs"]);
    let [not_built] = &run.not_built[..] else {
        panic!("{run:#?}");
    };
    let source = project.read("src/lib.rs");
    let mut found: Vec<(&str, bool)> = not_built
        .errors
        .iter()
        .map(|error| {
            assert_eq!(error.file, "src/lib.rs");
            let bytes = error.bytes.clone().expect("a place");
            let line = 1 + source[..bytes.start].matches('\n').count();
            assert_eq!(error.line, line);
            (&source[bytes], error.is_missing_name)
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("absent", true), ("gone", true), ("missing", true)]);
}

#[test]
fn an_error_of_types_is_no_missing_name() {
    let run = project("#[test] fn a() { let _: u8 = \"\"; }").touched(&["src/lib.rs"]);
    let errors = run.not_built.iter().flat_map(|not_built| &not_built.errors);
    let found: Vec<bool> = errors.map(|error| error.is_missing_name).collect();
    assert_eq!(found, [false]);
}

#[test]
fn examples_of_the_documentation_run_by_themselves() {
    let lib = "//! A shop.\n\n/// ```\n/// assert_eq!(shop::one(), 1);\n/// ```\n/// ```\n/// println!(\"test src/lib.rs - one (line 3) ... ok\");\n\
        /// assert_eq!(shop::one(), 2);\n/// ```\n/// ```ignore\n/// nothing\n/// ```\npub fn one() -> u8 { 1 }\n\n/// ```compile_fail\n/// shop::two()\n/// ```\nfn _two() {}\n";
    for edition in ["2021", "2024"] {
        let manifest = MANIFEST.replace("2021", edition);
        let project = Project::new("cargo")
            .file("Cargo.toml", &manifest)
            .file("src/lib.rs", lib);
        let run = project.examples().expect("a library");
        check(
            &run,
            "
        passed doc src/lib.rs - _two
        passed doc src/lib.rs - one
        failed doc src/lib.rs - one #2
        skipped doc src/lib.rs - one #3
        ",
        );
    }
    let broken = Project::new("cargo").file("Cargo.toml", MANIFEST).file(
        "src/lib.rs",
        "/// ```\n/// ```\npub fn one() -> u8 { \"\" }\n",
    );
    let run = broken.examples().expect("a library");
    assert_eq!(run.not_built.len(), 1, "{run:?}");
    let program = Project::new("cargo")
        .file("Cargo.toml", MANIFEST)
        .file("src/main.rs", "fn main() {}\n");
    assert!(program.examples().is_none());
}

/// A crate with a module behind a feature, whose test is red, and a workspace member that has the same feature.
fn gated() -> Project {
    let features = "[features]\njson = []\nold = []\ndefault = [\"plain\"]\nplain = []\n";
    let lib = "\
#[cfg(feature = \"json\")]
pub mod json {
    /// ```
    /// assert_eq!(shop::json::one(), 1);
    /// ```
    pub fn one() -> u8 { 2 }
    #[cfg(test)]
    mod tests {
        #[test] fn one() { assert_eq!(super::one(), 1); }
    }
}
#[cfg(all(test, feature = \"plain\"))] #[test] fn plain() {}
#[cfg(all(test, feature = \"old\"))] #[test] fn old() {}
";
    Project::new("cargo")
        .file(
            "Cargo.toml",
            &format!("{MANIFEST}{features}[workspace]\nmembers = [\"cart\", \"web\"]\n"),
        )
        .file("src/lib.rs", lib)
        .plant("src/lib.rs")
        .file(
            "cart/Cargo.toml",
            &format!(
                "{}[features]\njson = []\n",
                MANIFEST.replace("shop", "cart")
            ),
        )
        .file(
            "cart/src/lib.rs",
            "#[cfg(feature = \"json\")] #[test] fn json() {}\n",
        )
        .file("web/Cargo.toml", &MANIFEST.replace("shop", "web"))
        .file("web/src/lib.rs", "#[test] fn web() {}\n")
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_test_behind_a_feature_runs_where_the_policy_names_it() {
    let silent = gated().touched(&["src/lib.rs"]);
    check(&silent, "passed shop plain");
    for (features, expected) in [
        (
            &["all"][..],
            "
        failed shop json::tests::one
        passed shop old
        passed shop plain
        ",
        ),
        (
            &["json"],
            "
        failed shop json::tests::one
        passed shop plain
        ",
        ),
        (
            &["shop/json", "no-default-features"],
            "failed shop json::tests::one",
        ),
    ] {
        let project = gated().with_features(features);
        check(&project.touched(&["src/lib.rs"]), expected);
    }
    let run = gated().with_features(&["json"]).touched(&[
        "cart/src/lib.rs",
        "web/src/lib.rs",
        "src/lib.rs",
    ]);
    check(
        &run,
        "
        passed cart json
        failed shop json::tests::one
        passed shop plain
        passed web web
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn features_count_for_the_whole_suite_and_the_examples() {
    let project = gated().with_features(&["json"]);
    check(
        &project.all_with_canary(),
        "
        passed cart json
        failed shop json::tests::one
        passed shop plain
        passed web web
        ",
    );
    check(
        &project.examples().expect("libraries"),
        "failed doc src/lib.rs - json::one",
    );
    assert_eq!(gated().examples().expect("libraries").results.len(), 0);
}

#[test]
fn an_old_resolver_gives_each_package_its_features() {
    let run = gated()
        .file(
            "Cargo.toml",
            &format!(
                "{}[features]\njson = []\n[workspace]\nmembers = [\"cart\", \"web\"]\n",
                MANIFEST.replace("2021", "2018")
            ),
        )
        .with_features(&["json"])
        .touched(&["cart/src/lib.rs", "src/lib.rs"]);
    check(
        &run,
        "
        passed cart json
        failed shop json::tests::one
        ",
    );
}

#[test]
fn a_feature_that_no_package_has_is_no_empty_run() {
    let run = gated().with_features(&["jsno"]).touched(&["src/lib.rs"]);
    check(
        &run,
        "not built Cargo.toml: no package of the workspace has the feature `jsno` that `proof.runner` names",
    );
}
