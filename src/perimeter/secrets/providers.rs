//! Secrets that are known by their form: the prefixes and shapes that providers give them.
//!
//! A literal is looked for first; an expression is compiled only where one is found, and asked about the few bytes around it.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::Suspect;
use super::placeholder;
use crate::perimeter::literals::LiteralTable;

/// The most that an expression is shown, so that a long line of beginnings costs no more than its length.
const WINDOW: usize = 1024;

/// The same where a match may begin before its literal, so that it has to be searched for.
const SEARCHED: usize = 128;

pub(super) struct Provider {
    pub(super) kind: &'static str,
    /// Every match holds one of these, `lead` bytes behind its beginning at most.
    pub(super) literals: &'static [&'static str],
    /// Matched against bytes, without Unicode. The secret itself is group 1 if there is one.
    pub(super) pattern: &'static str,
    lead: usize,
    judge: Judge,
}

/// What a match must stand beside its form.
#[derive(Clone, Copy)]
enum Judge {
    /// It is no placeholder.
    Value,
    /// Its form is enough: too long to be told from a placeholder by words in it.
    Form,
    /// It is a password in a URL.
    Url,
}

type Literals = &'static [&'static str];

const fn provider(
    kind: &'static str,
    literals: Literals,
    pattern: &'static str,
    lead: usize,
    judge: Judge,
) -> Provider {
    Provider {
        kind,
        literals,
        pattern,
        lead,
        judge,
    }
}

const fn token(kind: &'static str, literals: Literals, pattern: &'static str) -> Provider {
    provider(kind, literals, pattern, 0, Judge::Value)
}

const fn form(kind: &'static str, literals: Literals, pattern: &'static str) -> Provider {
    provider(kind, literals, pattern, 0, Judge::Form)
}

const fn behind(
    lead: usize,
    kind: &'static str,
    literals: Literals,
    pattern: &'static str,
) -> Provider {
    provider(kind, literals, pattern, lead, Judge::Value)
}

#[rustfmt::skip]
pub(super) static PROVIDERS: &[Provider] = &[
    // Keys of any provider.
    form("a private key", &["-----BEGIN "],
        r#"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[\s"'`+,.;#*|/>-]|\\[nrt])*(?:[A-Za-z-]{4,12}: ?[^\n\\]{0,80}(?:[\s"'`+,]|\\[nr])+){0,3}[A-Za-z0-9+/=]{24,}"#),
    token("a private key", &["PuTTY-User-Key-File-"], r"PuTTY-User-Key-File-[23]: [a-z0-9-]+\s"),
    token("a private key", &["AGE-SECRET-KEY-1"], r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    form("a JSON web token", &["eyJ"], r"eyJ[\w-]{10,400}\.eyJ[\w-]{10,400}\.[\w-]{20,}"),
    provider("a password in a URL", &["://"],
        r#"://([^\s:/?#@"'<>`{}$\\,;()\[\]]{0,64}):([^\s/?#@"'<>`\\(),;]{4,128})@(\[?[\w.-]+)"#, 0, Judge::Url),

    // Clouds.
    token("an AWS access key", &["AKIA", "ASIA", "ABIA", "ACCA"], r"A(?:KI|SI|BI|CC)A[A-Z2-7]{16}\b"),
    form("an Amazon Bedrock key", &["ABSK"], r"ABSK[A-Za-z0-9+/]{100,}"),
    token("a Google API key", &["AIza"], r"(AIza[\w-]{35})(?:[^\w-]|$)"),
    token("a Google client secret", &["GOCSPX-"], r"GOCSPX-[\w-]{28}"),
    token("a Google access token", &["ya29."], r"ya29\.[\w-]{30,}"),
    token("an Azure key", &["AccountKey=", "SharedAccessKey="], r"A(?:ccount|ccess)Key=([A-Za-z0-9+/]{43,86}={1,2})"),
    behind(4, "an Azure client secret", &["Q~"], r"\b[\w~.]{3}\dQ~[\w~.-]{31,34}"),
    token("an Alibaba access key", &["LTAI"], r"LTAI[A-Za-z0-9]{16,26}\b"),
    token("a Tencent secret id", &["AKID"], r"AKID[A-Za-z0-9]{32}\b"),
    token("a DigitalOcean token", &["dop_v1_", "doo_v1_", "dor_v1_"], r"do[opr]_v1_[a-f0-9]{64}"),
    token("a Heroku key", &["HRKU-AA"], r"HRKU-AA[\w-]{58}"),
    token("a Fly token", &["fo1_", "fm1r_", "fm1a_", "fm2_"], r"fo1_[\w-]{43}|fm(?:1[ar]|2)_[A-Za-z0-9+/]{100,}"),
    token("a Netlify token", &["nfp_"], r"nfp_[A-Za-z0-9]{36}"),
    token("a Cloudflare origin key", &["v1.0-"], r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}"),
    token("a PlanetScale secret", &["pscale_"], r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,}"),
    token("a Supabase key", &["sbp_", "sb_secret_"], r"sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,}"),
    token("a Databricks token", &["dapi"], r"dapi[a-f0-9]{32}\b"),
    token("a Doppler token", &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa."], r"dp\.(?:pt|ct|sa|st\.(?:[a-z0-9_-]{2,35}\.)?)\.?[A-Za-z0-9]{40,44}\b"),
    token("a Vault token", &["hvs.", "hvb.", "hvr."], r"hv[bsr]\.[\w-]{24,}"),
    behind(14, "a Terraform token", &[".atlasv1."], r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}"),
    token("a Pulumi token", &["pul-"], r"pul-[a-f0-9]{40}\b"),
    token("a Tailscale key", &["tskey-"], r"tskey-[a-z]{3,10}-\w{6,}-?\w{20,}"),

    // Code hosts, registries of packages, continuous integration.
    token("a GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"gh[pousr]_[A-Za-z0-9]{36,}"),
    token("a GitHub token", &["github_pat_"], r"github_pat_\w{36,}"),
    token("a GitLab token", &["glpat-", "gldt-", "glrt-", "glft-", "glimt-", "glcbt-", "gloas-", "glptt-", "glsoat-", "glagent-", "glffct-"],
        r"gl(?:pat|dt|rt|ft|imt|cbt|oas|ptt|soat|agent|ffct)-[\w.-]{20,}"),
    token("an Atlassian token", &["ATATT3", "ATCTT3", "ATBB"], r"AT(?:AT|CT)T3[\w=-]{100,}|ATBB[A-Za-z0-9]{32}\b"),
    token("an npm token", &["npm_"], r"npm_[A-Za-z0-9]{36}\b"),
    token("an npm token", &["_authToken", "_password"], r#"_(?:authToken|password)\s?=\s?"?([\w/+=-]{16,})"#),
    form("a PyPI token", &["pypi-AgE"], r"pypi-AgE[\w-]{50,}"),
    token("a RubyGems token", &["rubygems_"], r"rubygems_[a-f0-9]{48}"),
    token("a crates.io token", &["cio"], r"cio[A-Za-z0-9]{32}\b"),
    token("a NuGet key", &["oy2"], r"oy2[a-z0-9]{43}\b"),
    token("a Clojars token", &["CLOJARS_"], r"CLOJARS_[a-z0-9]{60}"),
    token("a Docker token", &["dckr_pat_", "dckr_oat_"], r"dckr_[po]at_[\w-]{27,}"),
    token("an Artifactory key", &["AKCp", "cmVmdGtuO"], r"AKCp[A-Za-z0-9]{69,}|cmVmdGtuO[A-Za-z0-9]{50,}"),
    token("a Buildkite token", &["bkua_"], r"bkua_[a-f0-9]{40}"),
    token("a CircleCI token", &["CCIPAT_", "CCIPRJ_"], r"CCIP(?:AT|RJ)_[A-Za-z0-9]{20,}_[a-f0-9]{40}"),
    token("a Sonar token", &["sqp_", "squ_", "sqa_"], r"sq[pua]_[a-f0-9]{40}\b"),

    // Chat.
    token("a Slack token", &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxc-", "xoxd-", "xoxe.", "xapp-"],
        r"(?:xox[abprscd]-|xoxe[.-]|xapp-)[\w.-]{20,}"),
    token("a Slack webhook", &["hooks.slack.com/"], r"hooks\.slack\.com/(?:services|workflows|triggers)/(T?\w{6,}/B?\w{6,}/\w{16,})"),
    token("a Discord webhook", &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], r"discord(?:app)?\.com/api/webhooks/(\d{17,20}/[\w-]{40,})"),
    token("a Teams webhook", &[".webhook.office.com/webhookb2/"], r"\.webhook\.office\.com/webhookb2/([\w-]{36}@[\w-]{36}/IncomingWebhook/\w{32}/[\w-]{36})"),
    behind(10, "a Telegram token", &[":AA"], r"\b(\d{8,10}:AA[\w-]{33})(?:[^\w-]|$)"),

    // Payment.
    token("a Stripe key", &["sk_live_", "rk_live_", "sk_test_", "rk_test_"], r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    token("a webhook secret", &["whsec_"], r"whsec_[A-Za-z0-9+/]{32,}"),
    token("a Square secret", &["sq0csp-", "sq0atp-"], r"sq0(?:csp|atp)-[\w-]{22,}"),
    token("a Braintree token", &["access_token$"], r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}"),
    token("a Shopify token", &["shpat_", "shpca_", "shppa_", "shpss_"], r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    token("a Razorpay key", &["rzp_live_"], r"rzp_live_[A-Za-z0-9]{14,}"),
    token("a Flutterwave key", &["FLWSECK-"], r"FLWSECK-[a-z0-9]{32}-[A-Za-z0-9-]*X\b"),

    // Mail.
    token("a SendGrid key", &["SG."], r"SG\.[\w-]{20,24}\.[\w-]{39,50}"),
    token("a Mailgun key", &["key-"], r"key-[a-f0-9]{32}\b"),
    behind(32, "a Mailchimp key", &["-us"], r"\b[a-f0-9]{32}-us\d{1,2}\b"),
    token("a Brevo key", &["xkeysib-"], r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    token("a Twilio key", &["SK"], r"SK[a-f0-9]{32}\b"),

    // Models.
    token("an OpenAI key", &["sk-proj-", "sk-svcacct-", "sk-admin-"], r"sk-(?:proj|svcacct|admin)-[\w-]{40,}"),
    behind(80, "an OpenAI key", &["T3BlbkFJ"], r"\bsk-[\w-]{20,74}T3BlbkFJ[\w-]{20,}"),
    token("an Anthropic key", &["sk-ant-"], r"sk-ant-[a-z]{3,6}\d\d-[\w-]{60,}"),
    token("an OpenRouter key", &["sk-or-v1-"], r"sk-or-v1-[a-f0-9]{64}"),
    token("a Hugging Face token", &["hf_"], r"hf_[A-Za-z0-9]{34,}\b"),
    token("a Groq key", &["gsk_"], r"gsk_[A-Za-z0-9]{50,}"),
    token("a Replicate token", &["r8_"], r"r8_[A-Za-z0-9]{37}\b"),
    token("a Perplexity key", &["pplx-"], r"pplx-[A-Za-z0-9]{48}"),
    token("an xAI key", &["xai-"], r"xai-[A-Za-z0-9]{70,}"),

    // What watches, and what is worked with.
    token("a Grafana token", &["glsa_", "glc_"], r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}"),
    token("a New Relic key", &["NRAK-", "NRII-", "NRJS-"], r"NR(?:AK|II|JS)-[\w-]{19,}"),
    token("a Sentry token", &["sntryu_", "sntrys_"], r"sntryu_[a-f0-9]{64}|sntrys_[\w+/=-]{60,}"),
    token("a Dynatrace token", &["dt0c01.", "dt0s01."], r"dt0[cs]01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    token("a Linear key", &["lin_api_", "lin_oauth_"], r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}"),
    token("a Notion token", &["ntn_"], r"ntn_[A-Za-z0-9]{43,}"),
    token("a Figma token", &["figd_"], r"figd_[\w-]{38,}"),
    token("a Postman key", &["PMAK-"], r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    token("a HubSpot token", &["pat-na1-", "pat-na2-", "pat-eu1-"], r"pat-(?:na|eu)\d-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
    token("a Mapbox token", &["sk.eyJ"], r"sk\.eyJ[\w-]{40,}\.[\w-]{20,}"),
    token("a Contentful token", &["CFPAT-"], r"CFPAT-[\w-]{43}"),
    token("a 1Password token", &["ops_eyJ"], r"ops_eyJ[\w+/-]{100,}"),
];

/// All literals, and for each the number of its provider.
static LITERALS: LazyLock<(LiteralTable, Vec<usize>)> = LazyLock::new(|| {
    let each = PROVIDERS.iter().enumerate();
    let pairs =
        each.flat_map(|(n, provider)| provider.literals.iter().map(move |literal| (*literal, n)));
    let (literals, numbers): (Vec<&'static str>, Vec<_>) = pairs.unzip();
    (LiteralTable::new(literals, false), numbers)
});

/// One expression a provider, compiled when it is asked for.
static COMPILED: [OnceLock<Regex>; PROVIDERS.len()] = [const { OnceLock::new() }; PROVIDERS.len()];

/// Everything in `text` that has the form of a provider's secret and is no placeholder.
pub(super) fn find(text: &[u8]) -> Vec<Suspect> {
    let (literals, numbers) = &*LITERALS;
    let mut suspects: Vec<Suspect> = Vec::new();
    for hit in literals.hits(text) {
        let n = numbers[hit.literal];
        let provider = &PROVIDERS[n];
        let is_inside = suspects
            .iter()
            .rev()
            .take(8)
            .any(|known| known.at.contains(&hit.start));
        let begins = provider.lead > 0 || begins_a_word(text, hit.start);
        if !is_inside && begins {
            suspects.extend(provider.match_at(regex(n), text, hit.start));
        }
    }
    suspects
}

impl Provider {
    fn match_at(&self, regex: &Regex, text: &[u8], literal: usize) -> Option<Suspect> {
        let start = literal.saturating_sub(self.lead);
        let n_behind = if self.lead > 0 { SEARCHED } else { WINDOW };
        let window = &text[start..text.len().min(literal + n_behind)];
        let found = regex.captures(window)?;
        let whole = found.get(0)?.range();
        let is_ours = whole.start <= literal - start && (self.lead > 0 || whole.start == 0);
        let value = found
            .get(self.value_group(&found))
            .map_or(whole.clone(), |value| value.range());
        let is_secret = is_ours
            && match self.judge {
                Judge::Value => {
                    let body = whole.start.max(value.start) + self.n_fixed(&window[value.clone()]);
                    !placeholder::is_token_placeholder(&window[body.min(value.end)..value.end])
                }
                Judge::Form => !placeholder::is_known(&window[whole.clone()]),
                Judge::Url => is_password_in_url(&found),
            };
        let shift = |range: Range<usize>| range.start + start..range.end + start;
        is_secret.then(|| Suspect {
            kind: self.kind,
            at: shift(whole.start..value.end),
            value: shift(value),
        })
    }

    /// The group that holds the secret, `0` for all of it.
    fn value_group(&self, found: &Captures) -> usize {
        match self.judge {
            Judge::Url => 2,
            _ => found.len() - 1,
        }
    }

    /// How many bytes of a value are the provider's own words, such as `sk_test_`.
    fn n_fixed(&self, value: &[u8]) -> usize {
        let literals = self
            .literals
            .iter()
            .filter(|literal| value.starts_with(literal.as_bytes()));
        literals.map(|literal| literal.len()).max().unwrap_or(0)
    }
}

fn regex(n: usize) -> &'static Regex {
    COMPILED[n].get_or_init(|| {
        let Provider { pattern, lead, .. } = PROVIDERS[n];
        // Where the literal begins the match, nothing else needs to be tried.
        let pattern = match lead {
            0 => format!(r"\A(?:{pattern})"),
            _ => pattern.to_owned(),
        };
        RegexBuilder::new(&pattern)
            .unicode(false)
            .build()
            .expect("the patterns are constant, and a test compiles them")
    })
}

/// Whether no longer word goes on at `at`; the letter of an escape such as `\n` is none.
fn begins_a_word(text: &[u8], at: usize) -> bool {
    let before = &text[..at];
    match before {
        _ if !text[at].is_ascii_alphanumeric() => true,
        [.., b'\\', b'n' | b'r' | b't'] | [.., b'%', _, _] => true,
        [.., last] => !last.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// Whether a URL that names a password gives one away: not that of an example, a placeholder or this machine.
fn is_password_in_url(found: &Captures) -> bool {
    let part = |n: usize| found.get(n).map_or(&b""[..], |part| part.as_bytes());
    let (user, password, host) = (part(1), part(2), part(3).to_ascii_lowercase());
    let mut labels = host.rsplit(|&byte| byte == b'.');
    let (top, second) = (labels.next().unwrap_or(b""), labels.next().unwrap_or(b""));
    let is_reserved = matches!(
        top,
        b"localhost" | b"test" | b"example" | b"invalid" | b"host" | b"hostname"
    ) || matches!(
        second,
        b"example" | b"domain" | b"foo" | b"site" | b"server" | b"company"
    ) || host.starts_with(b"127.")
        || host.starts_with(b"[");
    !is_reserved && user != password && !placeholder::is_weak_password(password)
}
