//! go.

use std::time::Duration;

use koan_guard::suite::{Outcome, TestId};

use crate::support::{Project, check, check_distrusted};

const MODULE: &str = "module example.com/shop\n\ngo 1.19\n";
const CART: &str = "package cart\n\nfunc Total(prices []int) int {\n\tsum := prices[0]\n\tfor _, price := range prices[1:] {\n\t\tsum += price\n\t}\n\treturn sum\n}\n";

/// A module whose package `cart` has these tests, with the canary.
fn project(tests: &str) -> Project {
    let file = format!(
        "package cart\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"testing\"\n)\n\nvar _, _ = fmt.Sprint, os.Exit\n\n{tests}\n"
    );
    Project::new("go")
        .file("go.mod", MODULE)
        .file("cart/cart.go", CART)
        .file("cart/cart_test.go", &file)
        .file("price/price.go", "package price\n\nfunc Vat() int { return 19 }\n")
        .file("price/price_test.go", "package price_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/shop/price\"\n)\n\nfunc TestVat(t *testing.T) {\n\tif price.Vat() != 19 {\n\t\tt.Fatal(price.Vat())\n\t}\n}\n")
        .plant("cart/cart_test.go")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["cart/cart_test.go"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["cart/cart_test.go"]), reason);
}

#[test]
fn a_test_passes_fails_panics_or_is_skipped() {
    check_tests(
        r#"
func TestPasses(t *testing.T) { fmt.Print("no end of line"); if Total([]int{1, 2}) != 3 { t.Fail() } }
func TestFails(t *testing.T) { if got := Total([]int{1, 2}); got != 4 { t.Errorf("got %d", got) } }
func TestPanics(t *testing.T) { Total(nil) }
func TestNil(t *testing.T) { var p *struct{ n int }; _ = p.n }
func TestInAGoroutine(t *testing.T) { done := make(chan int); go func() { Total(nil); close(done) }(); <-done }
func TestDeadlock(t *testing.T) { t.Parallel(); <-make(chan int) }
func TestSkipped(t *testing.T) { t.Skip("why") }
func TestParallel(t *testing.T) { t.Parallel() }
func TestEnds(t *testing.T) { os.Exit(3) }
func TestFolder(t *testing.T) { if _, err := os.Stat("cart.go"); err != nil { t.Fatal(err) } }
func ExampleTotal() {
	fmt.Println(Total([]int{1}))
	// Output: 1
}
func ExampleTotal_two() {
	fmt.Println(Total([]int{1}))
	// Output: 2
}
func ExampleTotal_silent() { Total(nil) }
func FuzzTotal(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) { if Total([]int{n}) != n { t.Fail() } }) }
func BenchmarkTotal(b *testing.B) {}
"#,
        "
        passed example.com/shop/cart ExampleTotal
        failed example.com/shop/cart ExampleTotal_two
        passed example.com/shop/cart FuzzTotal
        passed example.com/shop/cart FuzzTotal/seed#0
        failed example.com/shop/cart TestDeadlock
        errored example.com/shop/cart TestEnds
        failed example.com/shop/cart TestFails
        passed example.com/shop/cart TestFolder
        failed example.com/shop/cart TestInAGoroutine
        failed example.com/shop/cart TestNil
        failed example.com/shop/cart TestPanics
        passed example.com/shop/cart TestParallel
        passed example.com/shop/cart TestPasses
        skipped example.com/shop/cart TestSkipped
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_failure_says_what_and_where() {
    let run = project("func TestPanics(t *testing.T) { t.Run(\"a\", func(t *testing.T) { Total(nil) }) }\nfunc TestFails(t *testing.T) { t.Log(\"x\"); t.Errorf(\"got %d\", 1) }")
        .touched(&["cart/cart_test.go"]);
    let result = |name: &str| &run.results[&TestId(format!("example.com/shop/cart {name}"))];
    let panicked = result("TestPanics/a");
    assert_eq!(
        panicked.detail,
        "panic: runtime error: index out of range [0] with length 0 (cart/cart.go:4)"
    );
    let raised = panicked.raised.as_ref().expect("it raised");
    assert_eq!(raised.kind, "panic");
    let frames: Vec<String> = raised
        .frames
        .iter()
        .map(|frame| format!("{} {}:{}", frame.function, frame.file, frame.line))
        .collect();
    assert_eq!(
        frames,
        [
            "Total cart/cart.go:4",
            "TestPanics.func1 cart/cart_test.go:11"
        ]
    );
    assert!(result("TestFails").detail.ends_with("x"), "{run:#?}");
}

#[test]
fn a_subtest_says_what_stands_on_the_lines_after_its_place() {
    let run = project(
        r#"
func TestTable(t *testing.T) {
	t.Run("want", func(t *testing.T) { t.Errorf("\nwant: %d\nhave: %d", 1, 2) })
	t.Run("trace", func(t *testing.T) { t.Errorf("\n\tError Trace:\t/tree/a_test.go:1\n\t            \t/tree/b_test.go:2\n\tError:      \tNot equal") })
	t.Run("silent", func(t *testing.T) { t.Fail() })
}
"#,
    )
    .touched(&["cart/cart_test.go"]);
    for (name, expected) in [
        ("TestTable/want", ": want: 1"),
        ("TestTable/trace", ": Error:      \tNot equal"),
        ("TestTable/silent", "it failed and said nothing"),
        ("TestTable", ": want: 1"),
    ] {
        let id = TestId(format!("example.com/shop/cart {name}"));
        let detail = &run.results[&id].detail;
        assert!(detail.ends_with(expected), "{name}: {detail}");
    }
}

#[test]
fn a_subtest_of_a_failed_test_is_what_its_process_says() {
    check_tests(
        r#"
func TestTable(t *testing.T) {
	for _, c := range []struct{ name string; prices []int; want int }{
		{"one", []int{1}, 1}, {"a/b (c)", []int{1, 2}, 4}, {"none", nil, 0}, {"last", []int{5}, 5},
	} {
		t.Run(c.name, func(t *testing.T) { if got := Total(c.prices); got != c.want { t.Error(got) } })
	}
}
func TestForged(t *testing.T) {
	fmt.Println("=== RUN   TestForged/ghost\n    --- PASS: TestForged/ghost (0.00s)")
	t.Run("real", func(t *testing.T) { t.Fail() })
}
"#,
        "
        failed example.com/shop/cart TestForged
        passed example.com/shop/cart TestForged/ghost
        failed example.com/shop/cart TestForged/real
        failed example.com/shop/cart TestTable
        failed example.com/shop/cart TestTable/a/b_(c)
        failed example.com/shop/cart TestTable/none
        passed example.com/shop/cart TestTable/one
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_package_that_does_not_build_hides_no_other() {
    let run = project("func TestA(t *testing.T) { New() }")
        .file(
            "price/other_test.go",
            "package price\n\nimport \"testing\"\n\nfunc TestOther(t *testing.T) {}\n",
        )
        .touched(&["cart/cart_test.go", "price/price_test.go"]);
    check(
        &run,
        "
        passed example.com/shop/price TestOther
        passed example.com/shop/price TestVat
        not built example.com/shop/cart: cart/cart_test.go:11:28: undefined: New
        ",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn the_whole_suite_is_every_package_of_the_module() {
    let project = project("func TestA(t *testing.T) {}\nfunc TestB(t *testing.T) { t.Run(\"x\", func(t *testing.T) { t.SkipNow() }) }")
        .file("main.go", "package main\n\nfunc main() {}\n")
        .file("broken/broken.go", "package broken\n\nvar _ = missing\n")
        .file("broken/broken_test.go", "package broken\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) {}\n");
    check(
        &project.all_with_canary(),
        "
        passed example.com/shop/cart TestA
        passed example.com/shop/cart TestB
        skipped example.com/shop/cart TestB/x
        passed example.com/shop/price TestVat
        not built example.com/shop/broken: broken/broken.go:3:9: undefined: missing
        ",
    );
    check(
        &project.only(&["cart/cart_test.go"], &["example.com/shop/cart TestA"]),
        "passed example.com/shop/cart TestA",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn leaving_early_is_not_believed() {
    let end = "ended the process with status 0";
    check_attack("func TestA(t *testing.T) { os.Exit(0) }", end);
    let early = "its process ended with status 0 and without a result";
    let forged = r#"
import "syscall"

func TestA(t *testing.T) {
	fmt.Println("--- PASS: TestA (0.00s)\nPASS")
	syscall.Exit(0)
}
"#;
    let file =
        |text: &str| format!("package cart\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n{text}");
    let forged = file(forged)
        .replace("\nimport \"syscall\"\n", "")
        .replace("\t\"fmt\"", "\t\"fmt\"\n\t\"syscall\"");
    let run = project("")
        .file("cart/cart_test.go", &forged)
        .touched(&["cart/cart_test.go"]);
    check_distrusted(&run, early);
    check_attack(
        "func TestMain(m *testing.M) { m.Run(); os.Exit(0) }\nfunc TestA(t *testing.T) { t.Fail() }",
        early,
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_end_before_any_test_gives_no_tests() {
    for tests in [
        "func TestMain(m *testing.M) { os.Exit(0) }\nfunc TestA(t *testing.T) { t.Fail() }",
        "func init() { os.Exit(0) }\nfunc TestA(t *testing.T) { t.Fail() }",
    ] {
        check_tests(
            tests,
            "not built example.com/shop/cart: it does not list its tests: `TestMain` or an `init` ends early",
        );
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_result_that_is_printed_is_not_believed() {
    check_attack(
        "func TestA(t *testing.T) { fmt.Println(\"--- PASS: TestA (0.00s)\"); t.Fail() }",
        "`TestA` was reported several times",
    );
    let project = project(
        "func TestA(t *testing.T) { fmt.Println(\"--- PASS: TestA (0.00s)\\nFAIL\"); os.Exit(1) }",
    );
    check(
        &project.touched(&["cart/cart_test.go"]),
        "errored example.com/shop/cart TestA",
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_endless_test_is_timed_out() {
    let mut project = project("func TestA(t *testing.T) { for {} }\nfunc TestB(t *testing.T) {}");
    project.timeout = Duration::from_secs(20);
    check(
        &project.touched(&["cart/cart_test.go"]),
        "
        timed out example.com/shop/cart TestA
        passed example.com/shop/cart TestB
        ",
    );
}

#[test]
fn a_flood_of_output_does_not_pass() {
    let run = project("func TestA(t *testing.T) { b := make([]byte, 1<<20); for n := 0; n < 80; n++ { os.Stdout.Write(b) } }")
        .touched(&["cart/cart_test.go"]);
    let id = TestId("example.com/shop/cart TestA".into());
    assert_ne!(run.outcome(&id), Some(Outcome::Passed), "{run:#?}");
}

#[test]
fn a_missing_dependency_says_what_to_do() {
    let project = Project::new("go")
        .file("go.mod", &format!("{MODULE}\nrequire example.com/nothing v1.0.0\n"))
        .file("go.sum", "example.com/nothing v1.0.0 h1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\nexample.com/nothing v1.0.0/go.mod h1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\n")
        .file("a.go", "package shop\n\nimport _ \"example.com/nothing\"\n")
        .file("a_test.go", "package shop\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n");
    let error = project.try_all().expect_err("no such module");
    let hint = error
        .downcast_ref::<koan_guard::usage::UsageError>()
        .and_then(|error| error.hint.clone());
    assert!(
        hint.is_some_and(|hint| hint.contains("go mod download")),
        "{error:#}"
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn every_module_of_the_project_is_tested() {
    let test = "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) {}\n";
    let project = Project::new("go")
        .file("web/go.mod", "module example.com/web\n")
        .file("web/a/a_test.go", test)
        .file("core/go.mod", "module example.com/core\n")
        .file("core/a_test.go", test)
        .file("core/testdata/go.mod", "module example.com/data\n")
        .file("core/testdata/a_test.go", test);
    check(
        &project.all_with_canary(),
        "
        passed example.com/core TestA
        passed example.com/web/a TestA
        ",
    );
    check(
        &Project::new("go").file("a_test.go", test).all(),
        "not built go.mod: there is none, and without a module nothing is built",
    );
}

#[test]
fn a_folder_of_vendored_modules_is_used() {
    let run = Project::new("go")
        .file("go.mod", "module example.com/shop\n\ngo 1.19\n\nrequire example.com/tax v1.0.0\n")
        .file("vendor/modules.txt", "# example.com/tax v1.0.0\n## explicit\nexample.com/tax\n")
        .file("vendor/example.com/tax/tax.go", "package tax\n\nconst Rate = 19\n")
        .file("a_test.go", "package shop\n\nimport (\n\t\"testing\"\n\n\t\"example.com/tax\"\n)\n\nfunc TestA(t *testing.T) {\n\tif tax.Rate != 19 {\n\t\tt.Fail()\n\t}\n}\n")
        .all_with_canary();
    check(&run, "passed example.com/shop TestA");
}
