//! Secrets, wherever they stand. Those here are made up, and put together so that no scanner takes this file for a leak.

use crate::site::{Case, kept_out};

/// A key of a cloud provider, as its form wants it.
fn cloud_key() -> String {
    ["AKIA", "Q3EGRTZ7", "LM2XWVUY"].concat()
}

fn token() -> String {
    ["ghp_", "x7Kq2Lm9Rt4Vw8Zb3Nc6Hd1Jf5Gs0Pa7Yu", "2e"].concat()
}

fn private_key() -> String {
    let lines = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    [
        "-----BEGIN ",
        "PRIVATE KEY-----\n",
        lines,
        "\n",
        lines,
        "\n-----END ",
        "PRIVATE KEY-----\n",
    ]
    .concat()
}

pub const CASES: &[Case] = &[
    kept_out("secret-added", "a key in production code", |site| {
        site.line(&format!("KEY = '{}'", cloud_key()));
    }),
    kept_out("secret-added", "a key in a test", |site| {
        site.test(&format!("    KEY = '{}'\n", cloud_key()));
    }),
    kept_out("secret-added", "a key in a fixture", |site| {
        site.append(
            "tests/data/cart.json",
            &format!("{{\"key\": \"{}\"}}\n", cloud_key()),
        );
    }),
    kept_out("secret-added", "a key in a document", |site| {
        site.append("README.md", &format!("Use `{}`.\n", token()));
    }),
    kept_out("secret-added", "a key in a comment", |site| {
        site.line(&format!("# {}", token()));
    }),
    kept_out("secret-added", "a key in two literals", |site| {
        let (one, two) = (token()[..20].to_owned(), token()[20..].to_owned());
        site.line(&format!("KEY = '{one}' '{two}'"));
    }),
    kept_out("secret-added", "a key added up", |site| {
        let (one, two) = (token()[..20].to_owned(), token()[20..].to_owned());
        site.line(&format!("KEY = '{one}' + '{two}'"));
    }),
    kept_out("secret-added", "a key over two lines", |site| {
        let (one, two) = (token()[..20].to_owned(), token()[20..].to_owned());
        site.line(&format!("KEY = ('{one}'\n       '{two}')"));
    }),
    kept_out("secret-added", "a key in base64", |site| {
        let key = "QUtJQVEzRUdSVFo3TE0yWFdWVVk=";
        site.line(&format!("KEY = b64decode('{key}')"));
    }),
    kept_out("secret-added", "a key in hexadecimal", |site| {
        let key: String = token().bytes().map(|byte| format!("{byte:02x}")).collect();
        site.line(&format!("KEY = bytes.fromhex('{key}')"));
    }),
    kept_out("secret-added", "a private key", |site| {
        site.write("tests/data/key.txt", &private_key());
    }),
    kept_out("secret-added", "a key in the message", |site| {
        site.say(format!("fix: total of a cart\n\nWith {}.\n", token()));
    }),
    kept_out("secret-added", "a key in a path", |site| {
        site.write(&format!("tests/data/{}.json", token()), "{}\n");
    }),
    kept_out("secret-added", "a password in an address", |site| {
        site.line(
            &[
                "DB = 'postgres://shop:",
                "k7Qw2ZpX9rT4",
                "@db.internal.acme-shop.net/shop'",
            ]
            .concat(),
        );
    }),
    kept_out("secret-added", "a password beside its name", |site| {
        site.line(&["password = '", "vK8#qPz2!mXw7Rt", "'"].concat());
    }),
    kept_out(
        "secret-added",
        "a key with a comment that allows it",
        |site| {
            site.line(&format!("KEY = '{}'  # gitleaks:allow", token()));
        },
    ),
    kept_out(
        "secret-added",
        "a key with a pragma that allows it",
        |site| {
            site.line(&format!("KEY = '{}'  # pragma: allowlist secret", token()));
        },
    ),
    kept_out(
        "secret-added",
        "a key added and removed within the branch",
        |site| {
            site.line(&format!("KEY = '{}'", token()));
            site.commit_now();
            site.edit("shop.py", &format!("KEY = '{}'\n", token()), "");
            site.test("    def test_one(self):\n        self.assertEqual(total([1]), 1)\n");
            site.say("test: one price\n");
            site.commit_now();
        },
    ),
    kept_out("secret-added", "a key in a shell script", |site| {
        site.append("scripts/serve.sh", &format!("export TOKEN={}\n", token()));
    }),
    kept_out("secret-added", "a key in JavaScript, joined", |site| {
        let (one, two) = (token()[..20].to_owned(), token()[20..].to_owned());
        site.append(
            "web/app.js",
            &format!("const key = \"{one}\" + \"{two}\";\n"),
        );
    }),
];
