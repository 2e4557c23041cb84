use super::*;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let shown: Vec<String> = parse(text, &Rules::default())
        .into_frames()
        .iter()
        .map(|frame| {
            format!(
                "{}{}:{} {}",
                if frame.in_app { "* " } else { "" },
                frame.file,
                frame.line.map_or("?".to_owned(), |line| line.to_string()),
                frame.function.as_deref().unwrap_or("?")
            )
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn python_ends_with_the_crash() {
    check(
        "Traceback (most recent call last):\n  File \"/srv/a.py\", line 3, in f\n    g()\nKeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/srv/shop/views.py\", line 12, in checkout\n    ^^^\n  File \"/usr/lib/python3/json.py\", line 7, in loads\nValueError: x",
        &[
            "* /srv/shop/views.py:12 checkout",
            "/usr/lib/python3/json.py:7 loads",
        ],
    );
}

#[test]
fn v8_begins_with_the_crash() {
    check(
        "TypeError: x\n    at total (/srv/shop/cart.js:12:7)\n    at /srv/shop/app.js:3:1\n    at node:internal/main:1:2\n    at async run (node_modules/x/i.js:4:5)",
        &[
            "node_modules/x/i.js:4 run",
            "node:internal/main:1 ?",
            "* /srv/shop/app.js:3 ?",
            "* /srv/shop/cart.js:12 total",
        ],
    );
}

#[test]
fn ruby_in_both_spellings() {
    check(
        "app/models/cart.rb:12:in `total'\n/var/gems/rack-3/lib/rack.rb:4:in 'Rack#call'",
        &[
            "/var/gems/rack-3/lib/rack.rb:4 Rack#call",
            "* app/models/cart.rb:12 total",
        ],
    );
}

#[test]
fn rust_names_the_function_above_the_place() {
    check(
        "thread 'main' panicked at src/lib.rs:41:9:\nattempt to subtract with overflow\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/59807616e/library/std/src/panicking.rs:689:5\n   1: shop::Cart::total\n             at ./src/lib.rs:41:9\n   2: shop_server::checkout\n             at ./src/checkout.rs:17:20",
        &[
            "* src/checkout.rs:17 shop_server::checkout",
            "* src/lib.rs:41 shop::Cart::total",
            "/rustc/59807616e/library/std/src/panicking.rs:689 rust_begin_unwind",
        ],
    );
}

#[test]
fn go_java_php_elixir() {
    check(
        "goroutine 1 [running]:\nshop/cart.(*Cart).Total(0xc000)\n\t/srv/shop/cart/cart.go:12 +0x1d\nmain.main()\n\t/srv/shop/main.go:7 +0x2",
        &[
            "* /srv/shop/main.go:7 main.main",
            "* /srv/shop/cart/cart.go:12 shop/cart.(*Cart).Total",
        ],
    );
    check(
        "java.lang.X: y\n\tat org.shop.Cart.total(Cart.java:12)",
        &["* org/shop/Cart.java:12 org.shop.Cart.total"],
    );
    check(
        "#0 /srv/shop/Cart.php(12): Cart->total()",
        &["* /srv/shop/Cart.php:12 ?"],
    );
    check(
        "    (shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.total/1",
        &["* lib/shop/cart.ex:12 Shop.Cart.total/1"],
    );
}

#[test]
fn an_exception_group_of_python() {
    check(
        "  + Exception Group Traceback (most recent call last):\n  |   File \"/srv/shop/b.py\", line 3, in checkout\n  |   File \"/srv/shop/b.py\", line 2, in f\n  | ExceptionGroup: g (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: x",
        &["* /srv/shop/b.py:3 checkout", "* /srv/shop/b.py:2 f"],
    );
}

#[test]
fn node_with_a_getter_a_method_and_a_cause() {
    check(
        "Error: outer\n    at get sum [as sum] (/srv/a.js:5:52)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5) {\n  [cause]: TypeError: x\n      at Cart.total (/srv/a.js:1:40)\n      at Array.map (<anonymous>)",
        &[
            "node:internal/process/task_queues:95 process.processTicksAndRejections",
            "* /srv/a.js:5 get sum [as sum]",
        ],
    );
}

#[test]
fn go_with_inlined_calls_and_a_closure() {
    check(
        "panic: runtime error: index out of range [2] with length 0\n\ngoroutine 1 [running]:\nmain.(*Cart).Total(...)\n\t/srv/g/main.go:4\nmain.main.func1(...)\n\t/srv/g/main.go:6\nmain.main()\n\t/srv/g/main.go:6 +0x9c\nexit status 2",
        &[
            "* /srv/g/main.go:6 main.main",
            "* /srv/g/main.go:6 main.main.func1",
            "* /srv/g/main.go:4 main.(*Cart).Total",
        ],
    );
}

#[test]
fn a_language_is_foreign_wherever_its_version_was_put() {
    check(
        "Traceback (most recent call last):\n  File \"/srv/lib/python/orders.py\", line 3, in ship_date\n    x\n  File \"/home/dev/.pyenv/versions/3.11.7/lib/python3.11/_strptime.py\", line 568, in _strptime\n    x\nValueError: x",
        &[
            "* /srv/lib/python/orders.py:3 ship_date",
            "/home/dev/.pyenv/versions/3.11.7/lib/python3.11/_strptime.py:568 _strptime",
        ],
    );
    check(
        "/opt/rbenv/versions/3.2.2/lib/ruby/3.2.0/json/common.rb:216:in `parse'\n/srv/shop/lib/ruby/cart.rb:12:in `total'",
        &[
            "* /srv/shop/lib/ruby/cart.rb:12 total",
            "/opt/rbenv/versions/3.2.2/lib/ruby/3.2.0/json/common.rb:216 parse",
        ],
    );
}

#[test]
fn the_platform_of_java_is_foreign() {
    check(
        "java.lang.IndexOutOfBoundsException: Index 3 out of bounds for length 0\n\tat java.base/java.util.ArrayList.get(ArrayList.java:427)\n\tat org.shop.Main$Cart.total(Main.java:3)\n\tat app//org.shop.Main.lambda$main$0(Main.java:4)\n\tat java.base/java.lang.reflect.Method.invoke(Method.java:569)\n\tat jdk.compiler/com.sun.tools.javac.launcher.Main.main(Main.java:132)",
        &[
            "com/sun/tools/javac/launcher/Main.java:132 jdk.compiler/com.sun.tools.javac.launcher.Main.main",
            "java/lang/reflect/Method.java:569 java.base/java.lang.reflect.Method.invoke",
            "* org/shop/Main.java:4 app//org.shop.Main.lambda$main$0",
            "* org/shop/Main.java:3 org.shop.Main$Cart.total",
            "java/util/ArrayList.java:427 java.base/java.util.ArrayList.get",
        ],
    );
}

#[test]
fn ruby_and_php_in_full() {
    check(
        "a.rb:2:in `fetch': key not found: :price (KeyError)\n\tfrom a.rb:2:in `total'\n\tfrom a.rb:3:in `block in each'",
        &["* a.rb:3 block in each", "* a.rb:2 total", "* a.rb:2 fetch"],
    );
    check(
        "PHP Fatal error:  Uncaught DivisionByZeroError: Division by zero in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(3): intdiv()\n#1 /srv/a.php(3): Shop\\Cart->total()\n#2 [internal function]: Shop\\Cart::Shop\\{closure}()\n#3 {main}",
        &[
            "* /srv/a.php:3 Shop\\Cart::Shop\\{closure}",
            "* /srv/a.php:3 Shop\\Cart->total",
        ],
    );
}

#[test]
fn a_text_in_no_known_form_has_no_frames() {
    check("it broke\nin production: twice", &[]);
}

/// The chain, and the frames that speak for it.
#[track_caller]
fn check_chain(text: &str, rules: &Rules, titles: &[&str], culprit: &str) {
    let trace = parse(text, rules);
    let said: Vec<String> = trace.chain.iter().filter_map(Link::title).collect();
    assert_eq!(said, titles);
    assert_eq!(trace.causes(), titles.get(1..).unwrap_or_default());
    let frames = trace.into_frames();
    let own = frames.iter().rev().find(|frame| frame.in_app);
    let own = own.map(|frame| {
        let line = frame.line.map_or(String::new(), |line| line.to_string());
        let function = frame.function.as_deref().unwrap_or("");
        format!("{}:{line} {function}", frame.file)
    });
    assert_eq!(own.as_deref(), Some(culprit));
}

#[track_caller]
fn check_links(text: &str, titles: &[&str], culprit: &str) {
    check_chain(text, &Rules::default(), titles, culprit);
}

#[test]
fn a_chain_of_python() {
    check_links(
        "Traceback (most recent call last):\n  File \"/srv/a.py\", line 4, in total\n    try: return sum(parse(x) for x in cart)\n                ^^^^^^^^^^^^^\n  File \"/srv/a.py\", line 2, in parse\n    return int(t)\nValueError: invalid literal for int() with base 10: '1O'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"/srv/a.py\", line 6, in <module>\n    total([\"1O\"])\n  File \"/srv/a.py\", line 5, in total\n    except ValueError as e: raise RuntimeError(\"cart 7 broken\") from e\nRuntimeError: cart 7 broken\nwith two lines",
        &[
            "RuntimeError: cart 7 broken\nwith two lines",
            "ValueError: invalid literal for int() with base 10: '1O'",
        ],
        "/srv/a.py:5 total",
    );
}

#[test]
fn a_chain_of_v8() {
    check_links(
        "Error: cart 7 broken\n    at Cart.total (/srv/a.js:1:88)\n    at checkout (/srv/a.js:2:51) {\n  [cause]: TypeError: Cannot read properties of undefined (reading 'toFixed')\n      at /srv/a.js:1:56\n      at Array.map (<anonymous>)\n      at Cart.total (/srv/a.js:1:39)\n}\n\nNode.js v20.20.2",
        &[
            "Error: cart 7 broken",
            "TypeError: Cannot read properties of undefined (reading 'toFixed')",
        ],
        "/srv/a.js:1 Cart.total",
    );
}

#[test]
fn a_chain_of_ruby() {
    check_links(
        "a.rb:6:in `rescue in checkout': cart 7 broken (RuntimeError)\n\tfrom a.rb:3:in `checkout'\n\tfrom a.rb:9:in `<main>'\na.rb:2:in `Integer': invalid value for Integer(): \"1O\" (ArgumentError)\n\tfrom a.rb:2:in `block in total'",
        &[
            "RuntimeError: cart 7 broken",
            "ArgumentError: invalid value for Integer(): \"1O\"",
        ],
        "a.rb:6 rescue in checkout",
    );
}

#[test]
fn a_chain_of_java_and_what_was_suppressed() {
    check_links(
        "Exception in thread \"main\" java.lang.IllegalStateException: cart 7 broken\n\tat org.shop.A.checkout(A.java:4) ~[shop.jar:1.0]\n\tat org.shop.A.main(A.java:5)\n\tSuppressed: java.io.IOException: closed\n\t\tat org.shop.B.close(B.java:9)\nCaused by: java.lang.NumberFormatException: For input string: \"1O\"\n\tat java.base/java.lang.Integer.parseInt(Integer.java:668)\n\tat org.shop.A$Cart.lambda$total$0(A.java:3)\n\t... 12 more",
        &[
            "java.lang.IllegalStateException: cart 7 broken",
            "java.lang.NumberFormatException: For input string: \"1O\"",
        ],
        "org/shop/A.java:4 org.shop.A.checkout",
    );
}

#[test]
fn where_the_framework_wrapped_it_the_cause_speaks() {
    check_links(
        "jakarta.servlet.ServletException: Request processing failed: java.lang.NullPointerException\n\tat org.springframework.web.servlet.FrameworkServlet.processRequest(FrameworkServlet.java:1022)\nCaused by: java.lang.NullPointerException: Cannot invoke \"String.length()\"\n\tat org.shop.CartKt.total(Cart.kt:12)\n\tat org.springframework.aop.framework.CglibAopProxy.intercept(CglibAopProxy.java:700)",
        &[
            "jakarta.servlet.ServletException: Request processing failed: java.lang.NullPointerException",
            "java.lang.NullPointerException: Cannot invoke \"String.length()\"",
        ],
        "org/shop/Cart.kt:12 org.shop.CartKt.total",
    );
}

#[test]
fn a_chain_of_php() {
    check_links(
        "PHP Fatal error:  Uncaught DivisionByZeroError: Division by zero in /srv/a.php:2\nStack trace:\n#0 /srv/a.php(2): intdiv()\n#1 [internal function]: Shop\\Cart->Shop\\{closure}()\n#2 /srv/a.php(2): array_map()\n#3 /srv/a.php(3): Shop\\Cart->total()\n#4 /srv/a.php(4): Shop\\Cart->checkout()\n#5 {main}\n\nNext RuntimeException: cart 7 broken in /srv/a.php:3\nStack trace:\n#0 /srv/a.php(4): Shop\\Cart->checkout()\n#1 {main}\n  thrown in /srv/a.php on line 3",
        &[
            "RuntimeException: cart 7 broken",
            "DivisionByZeroError: Division by zero",
        ],
        "/srv/a.php:3 Shop\\Cart->checkout",
    );
}

#[test]
fn a_chain_of_dotnet() {
    check_links(
        "System.InvalidOperationException: cart 7 broken\n ---> System.FormatException: The input string '1O' was not in a correct format.\n   at System.Number.ThrowFormatException[TChar](ReadOnlySpan`1 value)\n   at Shop.Cart.Parse(String text) in C:\\src\\shop\\Cart.cs:line 9\n   --- End of inner exception stack trace ---\n   at Shop.Cart.Total(Int32 id) in C:\\src\\shop\\Cart.cs:line 12\n   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute(ActionContext context)",
        &[
            "System.InvalidOperationException: cart 7 broken",
            "System.FormatException: The input string '1O' was not in a correct format.",
        ],
        "/src/shop/Cart.cs:12 Shop.Cart.Total",
    );
}

#[test]
fn panics_of_go_and_rust_say_what_they_are() {
    check_links(
        "panic: runtime error: index out of range [2] with length 0 [recovered]\n\tpanic: cart 7 broken\n\ngoroutine 1 [running]:\nmain.main.func1()\n\t/srv/g/main.go:5 +0x74\npanic({0x4923c0, 0xc0000a2000})\n\t/usr/lib/go-1.19/src/runtime/panic.go:884 +0x212\n\ngoroutine 7 [chan receive]:\nmain.other()\n\t/srv/g/other.go:1 +0x74",
        &[
            "panic: runtime error: index out of range [2] with length 0 [recovered]\n\tpanic: cart 7 broken",
        ],
        "/srv/g/main.go:5 main.main.func1",
    );
    check_links(
        "thread 'main' (4711) panicked at src/lib.rs:41:9:\nattempt to subtract with overflow\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/59807616e/library/std/src/panicking.rs:689:5\n   1: shop::Cart::total\n             at ./src/lib.rs:41:9",
        &["panic: attempt to subtract with overflow"],
        "src/lib.rs:41 shop::Cart::total",
    );
}

#[test]
fn where_a_go_logger_was_called_is_no_type() {
    check_links(
        "main.main\n\t/srv/zap/main.go:40\nruntime.main\n\t/usr/lib/go-1.19/src/runtime/proc.go:250",
        &[],
        "/srv/zap/main.go:40 main.main",
    );
    check_links(
        "java.lang.NullPointerException\n\tat org.shop.Cart.total(Cart.java:12)",
        &["java.lang.NullPointerException"],
        "org/shop/Cart.java:12 org.shop.Cart.total",
    );
}

#[test]
fn elixir_says_whose_code_it_is() {
    check_links(
        "** (KeyError) key :price not found in: %{id: 70}\n    (elixir 1.14.0) lib/enum.ex:2468: Enum.\"-reduce/3-lists^foldl/2-0-\"/3\n    (shop 0.1.0) lib/shop/carts.ex:8: Shop.Carts.total/1\n    (phoenix 1.7.0) lib/phoenix/router.ex:9: Phoenix.Router.call/2",
        &["KeyError: key :price not found in: %{id: 70}"],
        "lib/shop/carts.ex:8 Shop.Carts.total/1",
    );
}

#[test]
fn a_policy_says_what_is_in_app_and_where_it_begins() {
    let globs = |glob: &str| {
        let glob = globset::Glob::new(glob).expect("a glob");
        GlobSet::builder().add(glob).build().expect("a set")
    };
    let rules = Rules {
        roots: vec![Regex::new("^/srv/shop/releases/[^/]*/").expect("a pattern")],
        in_app: globs("vendor/acme/**"),
        not_in_app: globs("org.shop.generated.*"),
        applications: Vec::new(),
    };
    check_chain(
        "a.rb:1:in `x'\n/srv/shop/releases/20261101/app/cart.rb:12:in `total'",
        &Rules {
            not_in_app: globs("a.rb"),
            ..rules.clone()
        },
        &[],
        "app/cart.rb:12 total",
    );
    check_chain(
        "/srv/shop/releases/7/vendor/acme/cart.rb:12:in `total'",
        &rules,
        &[],
        "vendor/acme/cart.rb:12 total",
    );
    check_chain(
        "E: x\n\tat org.shop.generated.Cart.total(Cart.java:12)\n\tat org.shop.Cart.total(Cart.java:3)",
        &rules,
        &["E: x"],
        "org/shop/Cart.java:3 org.shop.Cart.total",
    );
}
