//! What is not the project's own code, by its path, its package or its application. A policy can say otherwise.

/// Whether a path, with slashes, is a library's or the language's own.
pub fn is_path(file: &str) -> bool {
    PATHS.iter().any(|part| match part.strip_prefix('/') {
        // A part that begins with a slash may also stand at the beginning.
        Some(rest) => file.contains(part) || file.starts_with(rest),
        None => file.starts_with(part) || file.contains(&format!("/{part}")),
    })
}

/// Whether a function is named by a package that is a platform's or a framework's: Java, Kotlin and .NET record no folders.
pub fn is_function(name: &str) -> bool {
    // The module stands in front: `java.base/java.util.ArrayList.get`.
    let (module, class) = name.split_once('/').unwrap_or(("", name));
    let class = class.trim_start_matches('/');
    PACKAGES
        .iter()
        .any(|package| module.starts_with(package) || class.starts_with(package))
}

/// Whether an application of the BEAM is part of its languages or a well-known library.
pub fn is_application(name: &str) -> bool {
    APPLICATIONS.contains(&name)
}

const PATHS: &[&str] = &[
    "/gems/",
    "/vendor/",
    "site-packages/",
    "dist-packages/",
    "node_modules/",
    "/rustc/",
    "/.cargo/",
    "/rustlib/",
    "/go/pkg/mod/",
    "/usr/lib/",
    "/usr/local/lib/",
    "/usr/local/go/",
    "/usr/share/dotnet/",
    // Wherever a version of the language was put.
    "/lib/python2.",
    "/lib/python3.",
    "/lib64/python3.",
    "/lib/pypy3.",
    "/lib/ruby/2.",
    "/lib/ruby/3.",
    "/deps/",
    "/_work/1/s/src/libraries/",
    "/_/src/",
    "node:",
    "webpack/bootstrap",
    "<",
    "internal/",
    "java.base/",
    "_testmain.go",
];

const PACKAGES: &[&str] = &[
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "groovy.",
    "clojure.",
    "android.",
    "androidx.",
    "com.android.",
    "dalvik.",
    "libcore.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.jetty.",
    "org.jboss.",
    "org.junit.",
    "org.gradle.",
    "org.codehaus.groovy.",
    "org.postgresql.",
    "com.mysql.",
    "com.fasterxml.",
    "com.google.common.",
    "com.google.gson.",
    "com.zaxxer.",
    "io.netty.",
    "io.undertow.",
    "io.micronaut.",
    "io.quarkus.",
    "io.ktor.",
    "io.reactivex.",
    "reactor.",
    "retrofit2.",
    "okhttp3.",
    "okio.",
    "akka.",
    "play.",
    "ch.qos.logback.",
    "System.",
    "Microsoft.",
    "Npgsql.",
    "Newtonsoft.",
    "MediatR.",
    "Dapper.",
    "Serilog.",
    "Castle.",
    "Swashbuckle.",
    "Xunit.",
    "NUnit.",
    "lambda_method",
];

const APPLICATIONS: &[&str] = &[
    "absinthe",
    "asn1",
    "bandit",
    "broadway",
    "compiler",
    "cowboy",
    "cowlib",
    "crypto",
    "db_connection",
    "ecto",
    "ecto_sql",
    "ecto_sqlite3",
    "eex",
    "elixir",
    "erts",
    "error_tracker",
    "ex_unit",
    "exqlite",
    "finch",
    "gen_stage",
    "hackney",
    "httpoison",
    "iex",
    "inets",
    "jason",
    "kernel",
    "logger",
    "mint",
    "mix",
    "myxql",
    "oban",
    "phoenix",
    "phoenix_ecto",
    "phoenix_html",
    "phoenix_live_view",
    "phoenix_pubsub",
    "plug",
    "plug_cowboy",
    "plug_crypto",
    "poison",
    "postgrex",
    "public_key",
    "ranch",
    "req",
    "runtime_tools",
    "sentry",
    "ssl",
    "stdlib",
    "telemetry",
    "tesla",
    "thousand_island",
];
