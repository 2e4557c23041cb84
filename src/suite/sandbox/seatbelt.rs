//! The profile that macOS puts around a job: everything is denied but what stands in it.
//!
//! Written from documentation and other people's profiles, and never run: what it is worth on a machine, the probe finds out there.

use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, ensure};

/// What every program may need. What is not there is left out.
pub const SYSTEM: &[&str] = &[
    "/System",
    "/usr",
    "/bin",
    "/sbin",
    "/opt",
    "/nix",
    "/Library/Apple",
    "/Library/Developer",
    "/Library/Frameworks",
    "/Library/Java",
    "/Library/Perl",
    "/Library/Ruby",
    "/Applications/Xcode.app",
    "/private/etc",
    "/private/var/db/dyld",
    "/private/var/db/timezone",
    "/private/var/db/xcode_select_link",
    "/private/var/select",
];

const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/dev/dtracehelper",
];

/// Services of the system that answer questions and start nothing: who a user is, and that a setting has changed.
const SERVICES: &[&str] = &[
    "com.apple.system.notification_center",
    "com.apple.system.opendirectoryd.libinfo",
    "com.apple.system.opendirectoryd.membership",
];

/// As [`SERVICES`], where there is a network: which name servers and certificates there are.
const NETWORK_SERVICES: &[&str] = &[
    "com.apple.SystemConfiguration.DNSConfiguration",
    "com.apple.SystemConfiguration.configd",
    "com.apple.trustd",
    "com.apple.trustd.agent",
];

/// Real paths: Seatbelt knows a file by where it is, not by the links that led there.
#[derive(Debug, Default)]
pub struct Lists {
    /// Files, and folders with all that is below them.
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    /// Whether the job may speak to the outside.
    pub network: bool,
}

/// The profile's text.
///
/// # Errors
/// A path cannot be written in a profile, or is so short that the list would be none.
pub fn profile(lists: &Lists) -> anyhow::Result<String> {
    let mut text = String::from("(version 1)\n(deny default)\n");
    // Programs go by real paths and look at every folder on the way. As with Landlock, names and sizes are no secret.
    text.push_str("(allow file-read-metadata)\n(allow file-read* (literal \"/\"))\n");
    text.push_str("(allow process-fork)\n(allow sysctl-read)\n");
    for operation in ["signal", "process-info*"] {
        writeln!(text, "(allow {operation} (target same-sandbox))")?;
    }
    services(SERVICES, &mut text)?;

    let readable = lists.read.iter().chain(&lists.write);
    let readable = filters("subpath", readable)?;
    if !readable.is_empty() {
        writeln!(
            text,
            "(allow file-read* file-map-executable process-exec{readable})"
        )?;
    }
    let devices = DEVICES.iter().map(PathBuf::from).collect::<Vec<_>>();
    let devices = filters("literal", &devices)?;
    writeln!(
        text,
        "(allow file-read* file-write-data file-ioctl{devices} (subpath \"/dev/fd\"))"
    )?;
    let writable = filters("subpath", &lists.write)?;
    if !writable.is_empty() {
        writeln!(text, "(allow file-write*{writable})")?;
        // The last rule that fits counts. A folder of the list stays where it is: the guard goes on with what has its name.
        writeln!(text, "(deny file-write-setugid)")?;
        let folders = filters("literal", &lists.write)?;
        writeln!(text, "(deny file-write-unlink{folders})")?;
    }
    network(lists, &mut text)?;
    Ok(text)
}

/// Local sockets in the job's own folders; no loopback, since behind it are the user's own servers.
fn network(lists: &Lists, text: &mut String) -> anyhow::Result<()> {
    writeln!(text, "(deny network*)")?;
    writeln!(text, "(allow system-socket (socket-domain AF_UNIX))")?;
    for folder in &lists.write {
        let folder = quoted(folder)?;
        for (operations, end) in [
            ("network-bind network-inbound", "local"),
            ("network-outbound", "remote"),
        ] {
            let filter = format!("({end} unix-socket (subpath {folder}))");
            writeln!(text, "(allow {operations} {filter})")?;
        }
    }
    if lists.network {
        writeln!(text, "(allow system-socket)")?;
        writeln!(text, "(allow network-outbound (remote ip \"*:*\"))")?;
        let names = "/private/var/run/mDNSResponder";
        writeln!(text, "(allow network-outbound (literal \"{names}\"))")?;
        let servers = "/private/var/run/resolv.conf";
        writeln!(text, "(allow file-read* (literal \"{servers}\"))")?;
        services(NETWORK_SERVICES, text)?;
    }
    Ok(())
}

fn services(names: &[&str], text: &mut String) -> anyhow::Result<()> {
    for name in names {
        writeln!(text, "(allow mach-lookup (global-name \"{name}\"))")?;
    }
    Ok(())
}

/// ` (subpath "/a") (subpath "/b")`. A rule without a filter would hold for everything, so an empty list is the caller's to leave out.
fn filters<'a>(kind: &str, paths: impl IntoIterator<Item = &'a PathBuf>) -> anyhow::Result<String> {
    paths
        .into_iter()
        .map(|path| Ok(format!(" ({kind} {})", quoted(path)?)))
        .collect()
}

/// A path as a string of the profile's language, in which quotes and backslashes are escaped and nothing else means anything.
fn quoted(path: &Path) -> anyhow::Result<String> {
    let shown = || format!("`{}` cannot stand in a profile", path.display());
    let text = path.to_str().with_context(shown)?;
    let n_parts = path.components().count();
    let is_plain = path.is_absolute()
        && n_parts > 1
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !text.chars().any(char::is_control);
    ensure!(is_plain, "{}", shown());
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!("\"{escaped}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    fn lists(read: &[&str], write: &[&str]) -> Lists {
        Lists {
            read: read.iter().map(PathBuf::from).collect(),
            write: write.iter().map(PathBuf::from).collect(),
            network: false,
        }
    }

    /// An expression of the profile's language, read by the rules of Scheme.
    #[derive(Debug, PartialEq)]
    enum Expression {
        Word(String),
        Text(String),
        List(Vec<Expression>),
    }

    fn parse(text: &str) -> Vec<Expression> {
        let mut stack = vec![Vec::new()];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let read = match c {
                '(' => {
                    stack.push(Vec::new());
                    continue;
                }
                ')' => Expression::List(stack.pop().expect("an open list")),
                '"' => {
                    let mut string = String::new();
                    loop {
                        match chars.next().expect("the end of a string") {
                            '"' => break Expression::Text(string),
                            '\\' => string.push(chars.next().expect("what is escaped")),
                            other => string.push(other),
                        }
                    }
                }
                c if c.is_whitespace() => continue,
                c => {
                    let mut word = c.to_string();
                    while let Some(c) =
                        chars.next_if(|c| !c.is_whitespace() && !"()\"".contains(*c))
                    {
                        word.push(c);
                    }
                    Expression::Word(word)
                }
            };
            stack.last_mut().expect("an open list").push(read);
        }
        assert_eq!(stack.len(), 1, "a list is not closed");
        stack.pop().expect("rules")
    }

    /// The filters of all rules that allow `operation`, as `kind path`.
    fn allowed(profile: &str, operation: &str) -> Vec<String> {
        let mut found = Vec::new();
        for rule in parse(profile) {
            let Expression::List(rule) = rule else {
                panic!("not a rule: {rule:?}")
            };
            let word = |word: &str| Expression::Word(word.to_owned());
            if rule[0] != word("allow") || !rule.contains(&word(operation)) {
                continue;
            }
            for part in &rule {
                if let Expression::List(filter) = part {
                    let [Expression::Word(kind), Expression::Text(path)] = &filter[..] else {
                        continue;
                    };
                    found.push(format!("{kind} {path}"));
                }
            }
        }
        found
    }

    #[track_caller]
    fn check_quoted(path: &str, expected: Option<&str>) {
        let text = quoted(Path::new(path)).ok();
        assert_eq!(text.as_deref(), expected, "{path:?}");
        if let Some(text) = text {
            assert_eq!(parse(&text), [Expression::Text(path.to_owned())]);
        }
    }

    #[test]
    fn a_path_is_one_string_whatever_is_in_it() {
        check_quoted("/private/tmp/a b", Some("\"/private/tmp/a b\""));
        check_quoted(
            "/a\") (allow network*) (literal \"/",
            Some("\"/a\\\") (allow network*) (literal \\\"/\""),
        );
        check_quoted("/a\\", Some("\"/a\\\\\""));
        check_quoted("/a\\\"b", Some("\"/a\\\\\\\"b\""));
        check_quoted("/a)(b;c#d'e`f", Some("\"/a)(b;c#d'e`f\""));
        check_quoted("/ä/日本", Some("\"/ä/日本\""));
    }

    #[test]
    fn what_cannot_be_said_safely_is_refused() {
        for path in [
            "",
            "/",
            "//",
            "a",
            "./a",
            "../a",
            "/a/../b",
            "/..",
            "/a\nb",
            "/a\0b",
            "/a\x7f",
            "/a\u{85}b",
        ] {
            check_quoted(path, None);
        }
        assert!(quoted(Path::new(OsStr::from_bytes(b"/a\xff"))).is_err());
    }

    #[test]
    fn the_folders_of_the_system_are_readable_and_nothing_of_the_users_is_among_them() {
        let text = profile(&lists(SYSTEM, &["/w"])).expect("a profile");
        let write = allowed(&text, "file-write*");
        for folder in SYSTEM {
            assert!(
                text.contains(&format!("(subpath \"{folder}\")")),
                "{folder}"
            );
            assert!(!write.contains(&format!("subpath {folder}")), "{folder}");
            let user: &Path = folder.as_ref();
            assert!(!user.starts_with("/Users") && !Path::new("/Users").starts_with(user));
        }
    }

    #[test]
    fn one_bad_path_spoils_the_profile() {
        for lists in [
            lists(&["/a\nb"], &["/w"]),
            lists(&["/a"], &["/"]),
            lists(&["relative"], &[]),
        ] {
            assert!(profile(&lists).is_err(), "{lists:?}");
        }
    }

    #[test]
    fn what_is_on_no_list_is_denied() {
        let text = profile(&lists(&["/r", "/hidden\") (subpath \"/"], &["/w"])).expect("a profile");
        assert_eq!(
            text.lines().take(2).collect::<Vec<_>>(),
            ["(version 1)", "(deny default)"]
        );
        assert_eq!(
            allowed(&text, "process-exec"),
            [
                "subpath /r",
                "subpath /hidden\") (subpath \"/",
                "subpath /w"
            ]
        );
        assert_eq!(allowed(&text, "file-write*"), ["subpath /w"]);
        let devices = allowed(&text, "file-write-data");
        assert!(devices.iter().all(|filter| filter.contains(" /dev/")));
        let read = allowed(&text, "file-read*");
        assert!(read.contains(&"literal /".to_owned()), "{read:?}");
        assert!(!read.contains(&"subpath /".to_owned()), "{read:?}");
    }

    #[test]
    fn a_folder_that_may_be_written_to_may_not_be_replaced() {
        let text = profile(&lists(&[], &["/w", "/x"])).expect("a profile");
        let (allow, deny) = (
            text.find("(allow file-write* (subpath \"/w\") (subpath \"/x\"))"),
            text.find("(deny file-write-unlink (literal \"/w\") (literal \"/x\"))"),
        );
        assert!(allow.is_some() && allow < deny, "{text}");
    }

    /// A rule without a filter holds for all files.
    #[test]
    fn an_empty_list_allows_nothing() {
        let text = profile(&lists(&[], &[])).expect("a profile");
        for operation in ["file-write*", "process-exec", "file-map-executable"] {
            assert!(!text.contains(operation), "{operation}");
        }
        let bare = |rule: &Expression| {
            let Expression::List(rule) = rule else {
                return true;
            };
            rule[0] == Expression::Word("allow".into())
                && !rule.iter().any(|part| matches!(part, Expression::List(_)))
        };
        let bare: Vec<_> = parse(&text).into_iter().filter(bare).collect();
        let names = format!("{bare:?}");
        assert_eq!(bare.len(), 3, "{names}");
        for name in ["file-read-metadata", "process-fork", "sysctl-read"] {
            assert!(names.contains(name), "{names}");
        }
    }

    #[test]
    fn only_setup_has_a_network() {
        let mut lists = lists(&["/r"], &["/w"]);
        let text = profile(&lists).expect("a profile");
        assert!(text.contains("(deny network*)"));
        assert!(!text.contains(" ip "), "{text}");
        lists.network = true;
        let text = profile(&lists).expect("a profile");
        let (deny, allow) = (text.find("(deny network*)"), text.find("(remote ip "));
        assert!(allow.is_some() && deny < allow, "{text}");
    }

    #[test]
    fn local_sockets_stay_in_the_folders_of_the_job() {
        let text = profile(&lists(&["/r"], &["/w"])).expect("a profile");
        let sockets: Vec<&str> = text
            .lines()
            .filter(|line| line.contains(" unix-socket "))
            .collect();
        assert_eq!(
            sockets,
            [
                "(allow network-bind network-inbound (local unix-socket (subpath \"/w\")))",
                "(allow network-outbound (remote unix-socket (subpath \"/w\")))",
            ]
        );
    }
}
