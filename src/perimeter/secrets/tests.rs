//! Secrets are made here by a recipe, so that no scanner, this one included, finds any in the sources.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::super::change_of::{change, facts};
use super::*;
use crate::perimeter::{Candidate, Shape, inspect};
use crate::policy::{Level, Policy};

/// Fills a template: `{A36}` stands for 36 letters and digits, `{h}` hexadecimal, `{B}` base32, `{l}` small letters and digits, `{d}` digits,
/// `{w}` letters, digits, `_` and `-`. The same numbers are drawn every time.
fn made(template: &str) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |alphabet: &[u8]| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(alphabet[(state >> 33) as usize % alphabet.len()])
    };
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let recipe = after.split_once('}').and_then(|(recipe, behind)| {
            let alphabet: &[u8] = match recipe.get(..1)? {
                "A" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "h" => b"0123456789abcdef",
                "B" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                "l" => b"abcdefghijklmnopqrstuvwxyz0123456789",
                "d" => b"0123456789",
                "w" => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
                _ => return None,
            };
            Some((alphabet, recipe[1..].parse::<usize>().ok()?, behind))
        });
        rest = match recipe {
            Some((alphabet, n, behind)) => {
                out.extend((0..n).map(|_| draw(alphabet)));
                behind
            }
            // A brace that is one.
            None => {
                out.push('{');
                after
            }
        };
    }
    out + rest
}

fn added(change: &Change) -> Vec<Objection> {
    let known = BTreeSet::new();
    let mut search = Search::new(change, &known);
    for file in &change.files {
        search.file(file);
        view::added_runs(file).for_each(|run| search.lines(&run));
    }
    search.objections
}

/// What is found in `text`, added at the end of `path`: lines with kinds, or nothing.
fn found_in(path: &str, text: &str) -> Vec<String> {
    let change = change(&[(path, "a\n", &format!("a\n{text}\n"))]);
    facts(added(&change))
}

#[track_caller]
fn check(path: &str, template: &str, expected: &str) {
    let text = made(template);
    let found = found_in(path, &text);
    let told: Vec<&str> = found
        .iter()
        .map(|fact| {
            fact.split_once("what looks like ")
                .map_or(fact.as_str(), |(_, told)| told)
        })
        .map(|told| told.split_once(" (").map_or(told, |(kind, _)| kind))
        .collect();
    assert_eq!(told.join("; "), expected, "{text}");
}

/// Kind, one that is a secret, one that nearly is.
#[rustfmt::skip]
const FORMS: &[[&str; 3]] = &[
    ["a private key", "-----BEGIN RSA PRIVATE KEY-----\n{A64}\n{A64}", "-----BEGIN PUBLIC KEY-----\n{A64}"],
    ["a private key", r#"k = "-----BEGIN PRIVATE KEY-----\n{A64}\n""#, r#"if line.contains("-----BEGIN PRIVATE KEY-----") {"#],
    ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,{h32}\n\n{A64}", "-----BEGIN CERTIFICATE-----\n{A64}"],
    ["a private key", "\"-----BEGIN OPENSSH PRIVATE KEY-----\\n\" +\n    \"{A64}\\n\"", "-----BEGIN OPENSSH PRIVATE KEY----- begins a key"],
    ["a private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{A64}", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{A64}"],
    ["a private key", "PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY-User-Key-File"],
    ["a private key", "AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LGF2TVDW0S3JN54KHCE6MUA7LQPZ", "AGE-SECRET-KEY-1"],
    ["a JSON web token", "eyJ{A20}.eyJ{A40}.{w43}", "eyJ{A20}.eyJ{A40}."],
    ["a password in a URL", "postgres://app:{A16}@db.internal/app", "postgres://app@db.internal/app"],
    ["an AWS access key", "AKIA{B16}", "AKIA{B15}"],
    ["an Amazon Bedrock key", "ABSK{A120}", "ABSK{A20}"],
    ["a Google API key", "AIza{A35}", "AIza{A30}"],
    ["a Google client secret", "GOCSPX-{A28}", "GOCSPX-{A10}"],
    ["a Google access token", "ya29.{w60}", "ya29.{w10}"],
    ["an Azure key", "AccountName=a;AccountKey={A86}==;", "AccountKey={A20}"],
    ["an Azure client secret", "'{A3}8Q~{A34}'", "'{A3}Q~{A34}'"],
    ["an Alibaba access key", "LTAI{A20}", "LTAI{A8}"],
    ["a Tencent secret id", "AKID{A32}", "AKID{A20}"],
    ["a DigitalOcean token", "dop_v1_{h64}", "dop_v1_{h20}"],
    ["a Heroku key", "HRKU-AA{A58}", "HRKU-AA{A20}"],
    ["a Fly token", "fo1_{A43}", "fo1_{A20}"],
    ["a Netlify token", "nfp_{A36}", "nfp_{A20}"],
    ["a Cloudflare origin key", "v1.0-{h24}-{h146}", "v1.0-{h24}"],
    ["a PlanetScale secret", "pscale_tkn_{w43}", "pscale_tkn_{w10}"],
    ["a Supabase key", "sbp_{h40}", "sbp_{h20}"],
    ["a Databricks token", "dapi{h32}", "dapi{h20}"],
    ["a Doppler token", "dp.pt.{A43}", "dp.pt.{A20}"],
    ["a Vault token", "hvs.{A92}", "hvs.{A9}"],
    ["a Terraform token", "{A14}.atlasv1.{A64}", "{A14}.atlasv1.{A6}"],
    ["a Pulumi token", "pul-{h40}", "pul-{h20}"],
    ["a Tailscale key", "tskey-auth-{A17}-{A32}", "tskey-auth-{A4}"],
    ["a GitHub token", "ghp_{A36}", "ghp_{A35}"],
    ["a GitHub token", "github_pat_{A22}_{A59}", "github_pat_{A22}"],
    ["a GitLab token", "glpat-{w20}", "glpat-{A19}"],
    ["an Atlassian token", "ATATT3{A180}", "ATATT3{A20}"],
    ["an npm token", "npm_{A36}", "npm_{A35}"],
    ["an npm token", "//registry.npmjs.org/:_authToken={A32}", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}"],
    ["a PyPI token", "pypi-AgEIcHlwaS5vcmc{A80}", "pypi-AgE{A10}"],
    ["a RubyGems token", "rubygems_{h48}", "rubygems_{h20}"],
    ["a crates.io token", "'cio{A32}'", "'precio{A32}'"],
    ["a NuGet key", "oy2{l43}", "oy2{l42}"],
    ["a Clojars token", "CLOJARS_{l60}", "CLOJARS_{l20}"],
    ["a Docker token", "dckr_pat_{w27}", "dckr_pat_{w20}"],
    ["an Artifactory key", "AKCp{A69}", "AKCp{A20}"],
    ["a Buildkite token", "bkua_{h40}", "bkua_{h20}"],
    ["a CircleCI token", "CCIPAT_{A22}_{h40}", "CCIPAT_{A22}"],
    ["a Sonar token", "sqp_{h40}", "sqp_{h20}"],
    ["a Slack token", "xoxb-{d12}-{d12}-{A24}", "xoxb-{d12}"],
    ["a Slack webhook", "https://hooks.slack.com/services/T{B8}/B{B8}/{A24}", "https://hooks.slack.com/services/T000/B000/XXX"],
    ["a Discord webhook", "https://discord.com/api/webhooks/{d18}/{w68}", "https://discord.com/api/webhooks/{d18}"],
    ["a Teams webhook", "https://a.webhook.office.com/webhookb2/{h8}-{h4}-{h4}-{h4}-{h12}@{h8}-{h4}-{h4}-{h4}-{h12}/IncomingWebhook/{h32}/{h8}-{h4}-{h4}-{h4}-{h12}",
        "https://a.webhook.office.com/webhookb2/{h8}"],
    ["a Telegram token", "{d9}:AA{A33}", "{d9}:AA{A20}"],
    ["a Stripe key", "sk_live_{A24}", "pk_live_{A24}"],
    ["a webhook secret", "whsec_{A32}", "whsec_{A20}"],
    ["a Square secret", "sq0csp-{A43}", "sq0idp-{A22}"],
    ["a Braintree token", "access_token$production${l16}${h32}", "access_token$production${l16}"],
    ["a Shopify token", "shpat_{h32}", "shpat_{h20}"],
    ["a Razorpay key", "rzp_live_{A14}", "rzp_live_{A8}"],
    ["a Flutterwave key", "FLWSECK-{l32}-X", "FLWPUBK-{l32}-X"],
    ["a SendGrid key", "SG.{A22}.{A43}", "SG.{A22}"],
    ["a Mailgun key", "key-{h32}", "key-{h31}"],
    ["a Mailchimp key", "{h32}-us12", "{h31}-us12"],
    ["a Brevo key", "xkeysib-{h64}-{A16}", "xkeysib-{h64}"],
    ["a Twilio key", "SK{h32}", "TASK{h32}"],
    ["an OpenAI key", "sk-proj-{w74}", "sk-proj-{w20}"],
    ["an OpenAI key", "sk-{A20}T3BlbkFJ{A20}", "sk-{A40}"],
    ["an Anthropic key", "sk-ant-api03-{w93}AA", "sk-ant-api03-{w20}"],
    ["an OpenRouter key", "sk-or-v1-{h64}", "sk-or-v1-{h20}"],
    ["a Hugging Face token", "hf_{A34}", "hf_{A20}"],
    ["a Groq key", "gsk_{A52}", "gsk_{A20}"],
    ["a Replicate token", "r8_{A37}", "r8_{A20}"],
    ["a Perplexity key", "pplx-{A48}", "pplx-{A20}"],
    ["an xAI key", "xai-{A80}", "xai-{A20}"],
    ["a Grafana token", "glsa_{A32}_{h8}", "glsa_{A20}"],
    ["a New Relic key", "NRAK-{B27}", "NRAK-{B9}"],
    ["a Sentry token", "sntryu_{h64}", "sntryu_{h20}"],
    ["a Dynatrace token", "dt0c01.{B24}.{B64}", "dt0c01.{B24}"],
    ["a Linear key", "lin_api_{A40}", "lin_api_{A20}"],
    ["a Notion token", "ntn_{A46}", "ntn_{A20}"],
    ["a Figma token", "figd_{w40}", "figd_{w20}"],
    ["a Postman key", "PMAK-{h24}-{h34}", "PMAK-{h24}"],
    ["a HubSpot token", "pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}", "pat-na1-{h8}"],
    ["a Mapbox token", "sk.eyJ{A60}.{A22}", "pk.eyJ{A60}.{A22}"],
    ["a Contentful token", "CFPAT-{w43}", "CFPAT-{w20}"],
    ["a 1Password token", "ops_eyJ{A250}", "ops_eyJ{A20}"],
];

#[test]
fn each_form_is_known_and_what_nearly_has_it_is_not() {
    for [kind, secret, near_miss] in FORMS {
        check("src/a.py", secret, kind);
        check("src/a.py", near_miss, "");
    }
    for provider in providers::PROVIDERS {
        let mut kinds = FORMS.iter().map(|[kind, ..]| *kind);
        assert!(
            kinds.any(|kind| kind == provider.kind),
            "{} has no row",
            provider.kind
        );
    }
}

#[test]
fn secrets_are_found_in_files_of_every_kind() {
    for path in [
        "src/a.py",
        "tests/test_a.py",
        "tests/data/a.json",
        "README.md",
        "Cargo.lock",
        "a.min.js",
        "Makefile",
        ".env",
    ] {
        check(path, "ghp_{A36}", "a GitHub token");
    }
}

#[test]
fn literals_are_put_together() {
    for text in [
        r#"a = "ghp_" + "{A36}""#,
        r#"a = "ghp_" "{A36}""#,
        r#"a = 'gh' . 'p_' . '{A18}' . '{A18}'"#,
        "a = (\"ghp_\"\n     \"{A36}\")",
        "a = \"ghp_\" + \\\n  f\"{A36}\"",
        r#"a = "".join(["ghp_", "{A36}"])"#,
        r#"concat!("ghp_", "{A36}")"#,
        r#"a = "ghp_" .. "{A36}""#,
        r#"a = "ghp_" || '{A36}'"#,
    ] {
        check("src/a.py", text, "a GitHub token");
    }
    check("src/a.py", r#"a = ["ghp_", other, "{A36}"]"#, "");
    check(
        "src/a.py",
        r#"password = "" + "Xk9$" + "vR2!pq""#,
        "a password",
    );
}

#[test]
fn a_literal_may_stand_in_the_line_above() {
    let (old, new) = (
        "a = (\n    \"ghp_\"\n)\n",
        made("a = (\n    \"ghp_\"\n    \"{A36}\"\n)\n"),
    );
    let change = change(&[("a.py", old, &new)]);
    let facts = facts(added(&change));
    let told = "line 3 of `a.py` adds what looks like a GitHub token (`ghp_…`, 40 bytes), put together from several literals";
    assert_eq!(facts, [told]);
}

#[test]
fn one_decoding_is_undone() {
    let token = made("ghp_{A36}");
    let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped: String = token.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
    let (front, back) = hex.split_at(30);
    let base64 = STANDARD.encode(&token);
    for text in [
        format!("a = b64decode('{base64}')"),
        format!(
            "a = '{}'",
            STANDARD.encode(format!("{{\"key\": \"{token}\"}}"))
        ),
        format!("a = '{}'", URL_SAFE_NO_PAD.encode(format!("?>~{token}"))),
        format!("a = '{}' + '{}'", &base64[..9], &base64[9..]),
        format!("a = unhexlify('{hex}')"),
        format!("a = '{front}' '{back}'"),
        format!("a = '{}'", hex.to_uppercase()),
        format!("a = '{escaped}'"),
    ] {
        check("src/a.py", &text, "a GitHub token");
    }
    // A second one is not.
    check("src/a.py", &STANDARD.encode(&base64), "");
}

#[test]
fn a_random_value_beside_a_telling_name_is_a_secret() {
    for text in [
        r#"API_KEY = "{A32}""#,
        r#"client_secret: "{h40}","#,
        r#"{"accessToken": "{A24}"}"#,
        r#"const authToken: string = "{A30}";"#,
        r#"static TOKEN: &str = "{A30}";"#,
        r#"let token = String::from("{A30}");"#,
        r#"os.environ.get("API_TOKEN", "{A30}")"#,
        r#"config["secret"] = '{A24}'"#,
        r#"headers = {"Authorization": "Bearer {A30}"}"#,
        r#"if token == "{A30}":"#,
        r#"client.set_token("{A30}")"#,
        r#"url = "https://h.io/?api_key={A32}&a=b""#,
        "aws_secret_access_key =\n    \"{A40}\"",
    ] {
        check("src/a.py", text, "a random secret");
    }
    for text in [
        "password = 'Xk9$vR2!pq'",
        "\"passwd\": \"m3Zt-Qw8r1\"",
        "PASSWORD=uR8xK2mvPq4z",
    ] {
        check("src/a.py", text, "a password");
    }
    for path in ["a.yaml", ".env", "deploy.sh", "README.md"] {
        check(path, "API_TOKEN={A32}", "a random secret");
        check(path, "api_token: {A32}", "a random secret");
    }
}

#[test]
fn what_is_no_secret_is_let_through() {
    for text in [
        // Examples and placeholders.
        "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "ghp_abababababababababababababababababab",
        "sk_test_your_key_goes_here_0123",
        "api_key = '<your-api-key>'",
        "password = '${DB_PASSWORD}'",
        "password: changeme",
        "password = 'Password123!'",
        "password = os.environ['PASSWORD']",
        "token = get_token(user_id=12345678, scope2='all')",
        "secret_key = settings.SECRET_KEY_BASE64_V2",
        "TOKEN: ${{ secrets.GITHUB_TOKEN }}",
        "API_TOKEN=$(cat /run/secrets/api_token_v1)",
        "https://user:password@host.org/",
        "https://user:pass@example.com/",
        "postgres://postgres:postgres@localhost:5432/app",
        "https://{user}:{password}@api.host.io/",
        "redis://:$PASSWORD@cache.host.io",
        "http://a:b@c/d",
        "see https://a.org/x:12 and mail to me@a.org",
        // Hashes, ids, data.
        "sha256: {h64}",
        "integrity sha512-{A86}==",
        "id = '{h8}-{h4}-{h4}-{h4}-{h12}'",
        "token_id = '{h32}'",
        "password_hash = '{h64}'",
        "publicKeyToken={h16}",
        "src=\"data:image/png;base64,iVBORw0KGgo{A200}\"",
        "commit {h40}",
        // Names.
        "token = 'AbstractSecurityTokenFactoryBean2Impl3'",
        "token_type = 'urn:ietf:params:oauth:token-type:jwt'",
        "secret_name = 'projects/42/secrets/db-password-7/versions/3'",
        "tokens = ['IDENTIFIER', 'NUMBER_LITERAL_64', 'STRING_UTF8']",
        "password_regex = '^(?=.*[A-Z])(?=.*[0-9]).{8,}$'",
        "secret: 'v1beta1.networking.k8s.io'",
        "the token \"foo_bar_baz_1_2_3_4\" is unknown",
        "assert password == 'test1234'",
    ] {
        check("src/a.py", text, "");
        check("docs/a.md", text, "");
    }
    for path in ["package-lock.json", "Cargo.lock"] {
        check(path, "\"token\": \"{A40}\"", "");
    }
}

#[test]
fn what_was_there_is_not_added() {
    let line = made("TOKEN = 'ghp_{A36}'\n");
    let moved = change(&[("a.py", &line, ""), ("b.py", "a\n", &format!("a\n{line}"))]);
    assert!(added(&moved).is_empty());
    let edited = change(&[("a.py", &line, &format!("GITHUB_{line}"))]);
    assert!(added(&edited).is_empty());
    let removed = change(&[("a.py", &format!("a\n{line}"), "a\n")]);
    assert!(added(&removed).is_empty());
    let beside = change(&[("a.py", &line, &format!("{line}b\n"))]);
    assert!(added(&beside).is_empty());
}

const POLICY: &str = "version: 1\nproof: {tests: ['tests/**']}\n";

/// Every finding of every rule, as people and machines read them.
fn told(policy: &str, files: &[(&str, &str, &str)], message: &str) -> Vec<String> {
    let policy = Policy::load(policy, "policy").expect("the policy loads");
    let change = change(files);
    let message = CommitMessage::new(message);
    let candidate = Candidate {
        change: &change,
        message: Some(&message),
        shape: Shape::Ordinary,
        neighbours: None,
        known_issues: None,
        frames: Vec::new(),
        is_signed: None,
    };
    let findings = inspect(&candidate, &policy);
    findings
        .iter()
        .map(|finding| serde_json::to_string(finding).expect("a finding is JSON"))
        .collect()
}

#[test]
fn no_finding_of_any_rule_repeats_a_secret() {
    let token = made("ghp_{A36}");
    let path = format!("src/{token}/größe.py");
    let line = format!("x = '{token}'  # \u{202e}\n");
    let message = format!(
        "feat({token}): a\n\n[skip ci] {token}\nkoan-guard: skip {}{token}\n",
        "- ".repeat(37)
    );
    let told = told(
        POLICY,
        &[("src/a.py", "a\n", &line), (&path, "", "a\n")],
        &message,
    );
    let secrets = told
        .iter()
        .filter(|finding| finding.contains("secret-added"));
    assert_eq!(secrets.count(), 5, "{told:#?}");
    for finding in &told {
        assert!(!finding.contains(&token[4..10]), "{finding}");
    }
}

#[test]
fn the_message_is_looked_through() {
    let message = made("fix: a\n\nuse ghp_{A36}\nand token: {A30}\n");
    let told = told(POLICY, &[("src/a.py", "a\n", "b\n")], &message);
    assert!(
        told[0].contains("line 3 of the message holds what looks like a GitHub token"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("line 4 of the message holds what looks like a random secret"),
        "{told:#?}"
    );
}

#[test]
fn no_policy_lowers_the_rule_and_a_known_value_is_let_through_by_its_digest() {
    let token = made("ghp_{A36}");
    let line = format!("x = '{token}'\n");
    let n_denied = |policy: &str| {
        let told = told(policy, &[("tests/a.py", "a\n", &line)], "fix: a\n");
        told.iter()
            .filter(|finding| finding.contains(r#""rule":"secret-added","level":"deny""#))
            .count()
    };
    assert_eq!(n_denied(POLICY), 1);
    assert_eq!(
        n_denied("version: 1\nperimeter: {rules: {secret-added: 'off'}}\n"),
        1
    );
    let allowing = |digest: &str| format!("version: 1\nperimeter: {{not_secrets: ['{digest}']}}\n");
    assert_eq!(n_denied(&allowing(&sha256(token.as_bytes()))), 0);
    assert_eq!(n_denied(&allowing(&sha256(b"another"))), 1);
    assert_eq!(
        Policy::load(POLICY, "policy")
            .expect("loads")
            .level(Rule::SecretAdded),
        Level::Deny
    );
}

#[test]
fn what_is_too_large_to_be_read_is_a_finding() {
    let mut change = change(&[("a.txt", "a\n", "b\n")]);
    let file = &mut change.files[0];
    file.hunks.clear();
    file.new.as_mut().expect("it is there").content = Content::TooLarge { n_bytes: 100 << 20 };
    let facts = facts(added(&change));
    assert_eq!(
        facts,
        ["`a.txt` holds 104857600 bytes, at most 16777216 are looked through"]
    );
}

#[test]
fn a_hostile_text_costs_no_more_than_its_length() {
    const N: usize = 60_000;
    for part in [
        "ghp_",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
        "eyJ",
        "token=",
        "password: ",
        "\"\"+",
        "'a' + ",
        ":AA",
        "T3BlbkFJ",
        "AKIA",
        "A",
        "\\x41",
        "token",
    ] {
        let text = part.repeat(N / part.len());
        let start = Instant::now();
        found_in("a.yaml", &text);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{part}: {:?}",
            start.elapsed()
        );
    }
}
