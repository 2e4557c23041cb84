//! PHPUnit.

use crate::support::{Project, check, check_distrusted};

const CART: &str = "<?php
namespace Shop;
class Cart
{
    public function total() { return null; }
    public function add(string $item) { if ($item === '') { throw new \\DomainException('no item'); } }
    public function deep() { return new Missing(); }
    public function few() { return $this->add(); }
    public function __call($name, $arguments) { throw new \\BadMethodCallException(\"no $name\"); }
}
";

const COMPOSER: &str = r#"{"autoload": {"psr-4": {"Shop\\": "src/"}}}"#;

fn project(tests: &str) -> Project {
    Project::new("phpunit")
        .file("src/Cart.php", CART)
        .file("composer.json", COMPOSER)
        .file(
            "tests/CartTest.php",
            &format!("<?php\nnamespace Shop\\Tests;\nuse PHPUnit\\Framework\\TestCase;\nuse Shop\\Cart;\n{tests}"),
        )
        .plant("tests/CartTest.php")
}

fn case(methods: &str) -> String {
    format!("class CartTest extends TestCase\n{{\n{methods}\n}}\n")
}

#[track_caller]
fn check_tests(tests: &str, expected: &str) {
    check(&project(tests).touched(&["tests/CartTest.php"]), expected);
}

#[track_caller]
fn check_attack(tests: &str, reason: &str) {
    check_distrusted(&project(tests).touched(&["tests/CartTest.php"]), reason);
}

#[test]
fn a_test_passes_fails_or_is_skipped() {
    check_tests(
        &case(
            r#"
    public function testPasses() { $this->assertTrue(true); }
    public function testFails() { $this->assertSame(1, 2); }
    public function testProductionThrows() { (new Cart())->add(''); }
    public function testProductionLacksAName() { (new Cart())->deep(); }
    public function testProductionPassesTooFew() { (new Cart())->few(); }
    public function testNull() { (new Cart())->total()->amount(); }
    public function testNewClass() { new \Shop\Fixed(); }
    public function testNewFunction() { \Shop\fixed(); }
    public function testNewMethod() { (new Cart())->fixed(); }
    public function testNewStatic() { Cart::FIXED; }
    public function testNewProperty() { $this->assertSame(1, (new Cart())->fixed); }
    public function testTooFew() { (new Cart())->add(); }
    public function testNamed() { (new Cart())->add(price: 1); }
    public function testMocksWhatIsNew() { $this->createMock(\ArrayObject::class)->method('fixed')->willReturn(1); }
    public function testExpectsACall() { $this->createMock(Cart::class); $mock = $this->createMock(\ArrayObject::class); $mock->expects($this->once())->method('count'); }
    public function testThrows() { $this->expectException(\DomainException::class); (new Cart())->add(''); }
    public function testThrowsNothing() { $this->expectException(\DomainException::class); (new Cart())->add('x'); }
    public function testIsSkipped() { $this->markTestSkipped('why'); }
    public function testIsIncomplete() { $this->markTestIncomplete('why'); }
    public function testIsRisky() { }
    public function testWarns() { $this->assertSame(1, [][0]); }
    /** @dataProvider numbers */
    public function testNumber($n) { $this->assertSame(1, $n); }
    public function numbers() { return ['one' => [1], 'two' => [2], [1]]; }
    public function testFirst() { $this->fail(); }
    /** @depends testFirst */
    public function testSecond() { $this->assertTrue(true); }
"#,
        ),
        r#"
        failed tests/CartTest.php::Shop\Tests\CartTest::testExpectsACall
        failed tests/CartTest.php::Shop\Tests\CartTest::testFails
        failed tests/CartTest.php::Shop\Tests\CartTest::testFirst
        skipped tests/CartTest.php::Shop\Tests\CartTest::testIsIncomplete
        passed tests/CartTest.php::Shop\Tests\CartTest::testIsRisky
        skipped tests/CartTest.php::Shop\Tests\CartTest::testIsSkipped
        errored tests/CartTest.php::Shop\Tests\CartTest::testMocksWhatIsNew
        errored tests/CartTest.php::Shop\Tests\CartTest::testNamed
        errored tests/CartTest.php::Shop\Tests\CartTest::testNewClass
        errored tests/CartTest.php::Shop\Tests\CartTest::testNewFunction
        errored tests/CartTest.php::Shop\Tests\CartTest::testNewMethod
        errored tests/CartTest.php::Shop\Tests\CartTest::testNewProperty
        errored tests/CartTest.php::Shop\Tests\CartTest::testNewStatic
        failed tests/CartTest.php::Shop\Tests\CartTest::testNull
        passed tests/CartTest.php::Shop\Tests\CartTest::testNumber with data set "one"
        failed tests/CartTest.php::Shop\Tests\CartTest::testNumber with data set "two"
        passed tests/CartTest.php::Shop\Tests\CartTest::testNumber with data set #0
        passed tests/CartTest.php::Shop\Tests\CartTest::testPasses
        failed tests/CartTest.php::Shop\Tests\CartTest::testProductionLacksAName
        failed tests/CartTest.php::Shop\Tests\CartTest::testProductionPassesTooFew
        failed tests/CartTest.php::Shop\Tests\CartTest::testProductionThrows
        skipped tests/CartTest.php::Shop\Tests\CartTest::testSecond
        passed tests/CartTest.php::Shop\Tests\CartTest::testThrows
        failed tests/CartTest.php::Shop\Tests\CartTest::testThrowsNothing
        errored tests/CartTest.php::Shop\Tests\CartTest::testTooFew
        failed tests/CartTest.php::Shop\Tests\CartTest::testWarns
        "#,
    );
}

#[test]
fn what_cannot_be_set_up_is_errored() {
    check_tests(
        "
class ATest extends TestCase { protected function setUp(): void { throw new \\Exception('x'); } public function testA() { } }
class BTest extends TestCase { protected function tearDown(): void { throw new \\Exception('x'); } public function testB() { $this->assertTrue(true); } }
class CTest extends TestCase { public static function setUpBeforeClass(): void { throw new \\Exception('x'); } public function testC() { } }
",
        r"
        errored tests/CartTest.php::Shop\Tests\ATest::testA
        errored tests/CartTest.php::Shop\Tests\BTest::testB
        errored tests/CartTest.php::Shop\Tests\CTest::testC
    ",
    );
}

#[test]
fn a_file_that_does_not_load_hides_nothing_else() {
    let run = project(&case(
        "public function testA() { $this->assertTrue(true); }",
    ))
    .file("tests/NewTest.php", "<?php new Shop\\Fixed();\n")
    .file("tests/BrokenTest.php", "<?php class {\n")
    .all();
    check(
        &run,
        r#"
        passed tests/CartTest.php::Shop\Tests\CartTest::testA
        not built tests/BrokenTest.php: ParseError: syntax error, unexpected token "{", expecting identifier
        not built tests/NewTest.php: Error: Class "Shop\Fixed" not found
        "#,
    );
}

#[test]
fn the_configuration_says_what_the_suite_is() {
    let run = project(&case("/** @group slow */ public function testA() { $this->assertTrue(true); }"))
        .file(
            "phpunit.xml",
            r#"<phpunit bootstrap="tests/bootstrap.php" stopOnFailure="true" executionOrder="random">
                <testsuites><testsuite name="a"><directory suffix="Spec.php">tests</directory><file>tests/CartTest.php</file></testsuite></testsuites>
                <groups><exclude><group>slow</group></exclude></groups>
                <php><env name="SHOP" value="open"/></php>
            </phpunit>"#,
        )
        .file("tests/bootstrap.php", "<?php const BOOTED = true;\n")
        .file(
            "tests/OtherSpec.php",
            "<?php class OtherSpec extends PHPUnit\\Framework\\TestCase { function testB() { $this->assertSame('open', getenv('SHOP')); $this->assertTrue(BOOTED); } }\n",
        )
        .all_with_canary();
    check(
        &run,
        r"
        skipped tests/CartTest.php::Shop\Tests\CartTest::testA
        passed tests/OtherSpec.php::OtherSpec::testB
    ",
    );
}

#[test]
fn only_what_was_asked_for_runs_in_any_order() {
    let methods = "public function testA() { $this->assertTrue(true); }\npublic function testB() { $this->assertTrue(true); }";
    let mut project = project(&case(methods));
    for seed in [None, Some(7)] {
        project.seed = seed;
        check(
            &project.only(
                &["tests/CartTest.php"],
                &[r"tests/CartTest.php::Shop\Tests\CartTest::testB"],
            ),
            r"passed tests/CartTest.php::Shop\Tests\CartTest::testB",
        );
    }
    check(
        &project.touched(&["tests/CartTest.php"]),
        r"
        passed tests/CartTest.php::Shop\Tests\CartTest::testA
        passed tests/CartTest.php::Shop\Tests\CartTest::testB
    ",
    );
}

#[test]
fn a_fixture_stands_for_the_tests_beside_it() {
    let project = project(&case(
        "public function testA() { $this->assertTrue(true); }",
    ))
    .file("tests/data/a.json", "{}");
    check(
        &project.touched(&["tests/data/a.json"]),
        r"passed tests/CartTest.php::Shop\Tests\CartTest::testA",
    );
}

#[test]
fn the_canary_finds_its_place_in_every_kind_of_file() {
    let class = "class CartTest extends \\PHPUnit\\Framework\\TestCase { function testA() { $this->assertTrue(true); } }";
    for (text, id) in [
        (format!("<?php {class} ?>\n"), "CartTest"),
        (format!("<?php {class}"), "CartTest"),
        (
            format!("<?php\nnamespace A {{\n{class}\n}}\n"),
            "A\\CartTest",
        ),
    ] {
        let run = Project::new("phpunit")
            .file("tests/CartTest.php", &text)
            .plant("tests/CartTest.php")
            .touched(&["tests/CartTest.php"]);
        check(&run, &format!("passed tests/CartTest.php::{id}::testA"));
    }
    let run = Project::new("phpunit")
        .file("tests/CartTest.php", &format!("<?php\n{class}\n"))
        .with_canary_file("tests/a.json")
        .touched(&["tests/a.json"]);
    check(&run, "");
}

#[test]
fn attacks_are_not_believed() {
    check_attack("exit(0);", "the report has no end");
    check_attack(
        &case("public function testA() { exit(0); }"),
        r"while `tests/CartTest.php::Shop\Tests\CartTest::testA` ran",
    );
    check_attack(
        &case("public function testA() { posix_kill(getmypid(), 9); }"),
        "the report has no end",
    );
    check_attack(
        &("register_shutdown_function(function () { exit(0); });\n".to_owned()
            + &case("public function testA() { $this->fail(); }")),
        "the report says status 1",
    );
    check_attack(
        &case(
            "public function testA() { foreach (get_resources('stream') as $stream) { @fwrite($stream, '{}\n'); } $this->fail(); }",
        ),
        "is not ours",
    );
    check_attack(
        &case(
            "public function testA() { foreach (get_resources('stream') as $stream) { @fclose($stream); } }",
        ),
        "the report",
    );
}

#[test]
fn production_that_stands_in_the_place_of_the_framework_is_not_believed() {
    let test = case("public function testA() { $this->assertSame(1, 2); }");
    let check = |code: &str| {
        let run = project(&test)
            .file("src/Fake.php", code)
            .file(
                "composer.json",
                r#"{"autoload": {"psr-4": {"Shop\\": "src/"}, "files": ["src/Fake.php"]}}"#,
            )
            .touched(&["tests/CartTest.php"]);
        check_distrusted(&run, "is redefined");
    };
    check(
        "<?php namespace PHPUnit\\Framework\\Constraint; class IsIdentical extends Constraint { public function __construct($value) {} public function evaluate($other, string $description = '', bool $returnResult = false): ?bool { return true; } public function toString(): string { return ''; } }\n",
    );
    check("<?php namespace PHPUnit\\Framework; function sprintf() { return ''; }\n");
    let run = project("class CartTest extends \\Shop\\Base { public function testA() { $this->assertSame(1, 2); } }\n")
        .file(
            "src/Base.php",
            "<?php namespace Shop; class Base extends \\PHPUnit\\Framework\\TestCase { public static function assertSame($a, $b, string $m = ''): void {} }\n",
        )
        .touched(&["tests/CartTest.php"]);
    check_distrusted(&run, "is redefined");
}
