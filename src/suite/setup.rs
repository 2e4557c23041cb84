//! What the phase that installs dependencies sees of the user's machine: tools, settings that name registries, and named secrets.
//!
//! Nothing of it reaches the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::process;
use super::runner::Toolbox;

/// The guard's own environment. Its values may be secrets, so only names are ever shown.
#[derive(Clone, Default)]
pub struct UserEnv(BTreeMap<OsString, OsString>);

/// What the phase is given.
#[derive(Debug)]
pub struct Surroundings {
    pub env: UserEnv,
    pub readable: Vec<PathBuf>,
    /// What `HOME` begins with: files of the user's, and where in `HOME` they go.
    pub seeds: Vec<(PathBuf, PathBuf)>,
    /// The tools that the lines seem to use, with what tells one version from another.
    pub tools: Vec<String>,
    secrets: UserEnv,
}

/// Settings of package managers that say where packages come from and whom to trust there. Names with `*` at the end are beginnings.
#[rustfmt::skip]
const SETTINGS: &[&str] = &[
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO",
    "PIP_CERT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_CONFIG_FILE",
    "UV_INDEX*", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_PYTHON_INSTALL_MIRROR",
    "CARGO_HTTP_*", "CARGO_NET_*", "CARGO_SOURCE_*", "RUSTUP_TOOLCHAIN", "RUSTUP_DIST_SERVER",
    "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOENV", "GOTOOLCHAIN",
    "BUNDLE_MIRROR__*", "BUNDLE_SSL_CA_CERT", "RUBYGEMS_HOST", "COMPOSER_REPO_PACKAGIST", "YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER",
    "PYENV_VERSION", "COREPACK_NPM_REGISTRY", "COREPACK_INTEGRITY_KEYS",
];

/// Of npm's own settings, which it reads from variables in any case: those that are no secrets and name no folder to write to.
#[rustfmt::skip]
const NPM_SETTINGS: &[&str] = &[
    "registry", "proxy", "https_proxy", "noproxy", "cafile", "ca", "strict_ssl", "userconfig", "globalconfig", "fetch_retries", "fetch_timeout",
];

/// The files of the user that say the same, and the variable that leads to each.
const SETTING_FILES: &[(&str, &str)] = &[
    ("npm_config_userconfig", ".npmrc"),
    ("PIP_CONFIG_FILE", ".config/pip/pip.conf"),
    ("PIP_CONFIG_FILE", ".pip/pip.conf"),
    ("GOENV", ".config/go/env"),
    ("BUNDLE_USER_CONFIG", ".bundle/config"),
];

/// Folders of managers of toolchains, whose shims look there.
const TOOLCHAINS: &[(&str, &str)] = &[
    ("RUSTUP_HOME", ".rustup"),
    ("PYENV_ROOT", ".pyenv"),
    ("RBENV_ROOT", ".rbenv"),
    ("ASDF_DATA_DIR", ".asdf"),
    ("MISE_DATA_DIR", ".local/share/mise"),
];

/// Looked up whatever the lines say: a tool that is named may be a script of one of these.
const INTERPRETERS: &[&str] = &["python3", "node", "ruby", "php", "go", "rustc", "cargo"];

/// Every job may read these.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/nix",
];

impl UserEnv {
    /// The environment of this very process.
    pub fn of_process() -> UserEnv {
        UserEnv(std::env::vars_os().collect())
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// For a job.
    pub fn into_job_env(self) -> BTreeMap<OsString, OsString> {
        self.0
    }
}

impl fmt::Debug for UserEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Surroundings {
    /// What the lines of a setup see of the machine. `names` are the variables of the user that the policy hands on.
    pub fn of(
        toolbox: &Toolbox,
        lines: &[String],
        names: &[String],
    ) -> anyhow::Result<Surroundings> {
        let home = toolbox.env.get("HOME").map(PathBuf::from);
        let mut env = process::base_env();
        let mut readable = BTreeSet::new();
        for (name, value) in settings(&toolbox.user_env) {
            readable.extend(paths_in(value));
            env.insert(name.into(), value.into());
        }
        for (variables, is_toolchain) in [(SETTING_FILES, false), (TOOLCHAINS, true)] {
            for (name, place) in variables {
                let said = toolbox.user_env.get(name).map(PathBuf::from);
                let path = said.or_else(|| Some(home.as_ref()?.join(place)));
                let Some(path) = path.filter(|path| path.is_dir() == is_toolchain && path.exists())
                else {
                    continue;
                };
                if !env.contains_key(OsStr::new(name)) {
                    env.insert(name.into(), path.clone().into());
                    readable.insert(path);
                }
            }
        }
        env.insert("RUSTUP_AUTO_INSTALL".into(), "0".into());
        let (tools, roots) = tools(toolbox, lines)?;
        readable.extend(roots);
        let folders = toolbox.env.get("PATH").map_or("", String::as_str);
        let folders: Vec<PathBuf> = std::env::split_paths(folders)
            .filter(|folder| folder.is_absolute())
            .collect();
        readable.extend(folders.iter().cloned());
        env.insert("PATH".into(), std::env::join_paths(&folders)?);
        // Where the system keeps it is seldom `/etc`, where it is looked for.
        readable.extend(fs::canonicalize("/etc/resolv.conf"));

        let mut secrets = BTreeMap::new();
        for name in names {
            if let Some(value) = toolbox.user_env.get(name) {
                env.insert(name.into(), value.into());
                secrets.insert(name.into(), value.to_owned());
            }
        }
        let cargo_home = toolbox.env.get("CARGO_HOME").map(PathBuf::from);
        let cargo_home = cargo_home.or_else(|| Some(home.as_ref()?.join(".cargo")));
        let seeds = cargo_home
            .map(|folder| folder.join("config.toml"))
            .filter(|file| file.is_file())
            .map(|file| (file, PathBuf::from(".cargo/config.toml")));
        readable.retain(|path| path.exists() && !is_too_much(path, home.as_deref()));
        Ok(Surroundings {
            env: UserEnv(env),
            readable: readable.into_iter().collect(),
            seeds: seeds.into_iter().collect(),
            tools,
            secrets: UserEnv(secrets),
        })
    }

    /// Variables that hold where nobody else has set them.
    pub fn offer(&mut self, variables: BTreeMap<OsString, OsString>) {
        for (name, value) in variables {
            self.env.0.entry(name).or_insert(value);
        }
    }

    /// Writes the seeds into a new `HOME`.
    pub fn seed(&self, home: &Path) -> anyhow::Result<()> {
        for (file, place) in &self.seeds {
            let place = home.join(place);
            fs::create_dir_all(place.parent().context("a file without a folder")?)?;
            fs::copy(file, place).with_context(|| format!("copy `{}`", file.display()))?;
        }
        Ok(())
    }

    /// `text` without the values of secrets, nor what an address says of a user.
    pub fn redacted(&self, text: &[u8]) -> String {
        let mut bytes = text.to_vec();
        for (name, value) in self.secrets.0.iter().filter(|(_, value)| !value.is_empty()) {
            let name = format!("[{}]", name.display());
            bytes = replace(&bytes, value.as_bytes(), name.as_bytes());
        }
        without_users(&String::from_utf8_lossy(&bytes))
    }
}

/// What a line of shell outside setup needs to be read of the user's tools, and nothing that is set for them.
pub fn programs(toolbox: &Toolbox, lines: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let home = toolbox.env.get("HOME").map(PathBuf::from);
    let (_, mut roots) = tools(toolbox, lines)?;
    roots.retain(|path| path.exists() && !is_too_much(path, home.as_deref()));
    Ok(roots.into_iter().collect())
}

/// What must be read for programs of the user's to be started by their names: their own folders, and those of the `PATH`.
pub fn on_path(toolbox: &Toolbox, words: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let home = toolbox.env.get("HOME").map(PathBuf::from);
    let mut readable: BTreeSet<PathBuf> = programs(toolbox, words)?.into_iter().collect();
    let folders = toolbox.env.get("PATH").map_or("", String::as_str);
    readable.extend(std::env::split_paths(folders).filter(|folder| folder.is_absolute()));
    // A single file elsewhere, which its link on the `PATH` leads to.
    for word in words {
        if let Some(program) = super::runner::on_path(toolbox, word) {
            readable.extend(fs::canonicalize(program));
        }
    }
    readable.retain(|path| path.exists() && !is_too_much(path, home.as_deref()));
    Ok(readable.into_iter().collect())
}

/// Where names of hosts are looked up, and who is trusted there: what a command with a network needs of the user's machine.
pub fn for_network(toolbox: &Toolbox) -> (BTreeMap<OsString, OsString>, Vec<PathBuf>) {
    const NAMES: &[&str] = &[
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ];
    let mut env = BTreeMap::new();
    let mut readable = Vec::from_iter(fs::canonicalize("/etc/resolv.conf"));
    for name in NAMES {
        if let Some(value) = toolbox.user_env.get(name).filter(|value| !value.is_empty()) {
            readable.extend(paths_in(value));
            env.insert((*name).into(), value.to_owned());
        }
    }
    (env, readable)
}

fn settings(env: &UserEnv) -> impl Iterator<Item = (&OsString, &OsString)> {
    env.0.iter().filter(|(name, value)| {
        let Some(name) = name.to_str() else {
            return false;
        };
        !value.is_empty() && (is_setting(name) || is_npm_setting(name))
    })
}

fn is_setting(name: &str) -> bool {
    // `CARGO_REGISTRIES_…_TOKEN` and its kin are handed on by name only.
    let is_secret = ["TOKEN", "PASSWORD", "SECRET", "CREDENTIAL"]
        .iter()
        .any(|word| name.to_ascii_uppercase().contains(word));
    !is_secret
        && SETTINGS
            .iter()
            .any(|setting| match setting.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *setting,
            })
}

fn is_npm_setting(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    name.strip_prefix("npm_config_")
        .is_some_and(|name| NPM_SETTINGS.contains(&name))
}

/// The files and folders that a setting names: a bundle of certificates, a folder of packages.
fn paths_in(value: &OsStr) -> impl Iterator<Item = PathBuf> {
    value
        .as_bytes()
        .split(|byte| byte.is_ascii_whitespace())
        .map(|word| PathBuf::from(OsString::from_vec(word.to_vec())))
        .filter(|path| path.is_absolute() && path.exists())
}

/// Neither the whole file system nor the user's home, nor what holds it.
fn is_too_much(path: &Path, home: Option<&Path>) -> bool {
    path.parent().is_none()
        || path.starts_with("/proc")
        || path.starts_with("/dev")
        || home.is_some_and(|home| home.starts_with(path))
}

/// The programs on the `PATH` that the lines name: their identity, and the folders that they need to be read.
fn tools(toolbox: &Toolbox, lines: &[String]) -> anyhow::Result<(Vec<String>, BTreeSet<PathBuf>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let words: BTreeSet<&str> = lines
        .iter()
        .flat_map(|line| line.split(|c| !is_word(c)))
        .chain(INTERPRETERS.iter().copied())
        .filter(|word| !word.is_empty() && !word.starts_with('.'))
        .collect();
    let mut tools = Vec::new();
    let mut roots = BTreeSet::new();
    for word in words {
        let Some(program) = super::runner::on_path(toolbox, word) else {
            continue;
        };
        let real = fs::canonicalize(&program)
            .with_context(|| format!("resolve `{}`", program.display()))?;
        let data = fs::metadata(&real)?;
        tools.push(format!(
            "{} {} {}.{:09}",
            real.display(),
            data.size(),
            data.mtime(),
            data.mtime_nsec()
        ));
        for program in [program, real] {
            roots.extend(root_of(&program));
        }
    }
    // A tool in an environment of its own stands on an interpreter elsewhere.
    let interpreters: Vec<PathBuf> = roots
        .iter()
        .filter_map(|root: &PathBuf| fs::canonicalize(root.join("bin/python")).ok())
        .filter_map(|python| root_of(&python))
        .collect();
    roots.extend(interpreters);
    Ok((tools, roots))
}

/// The folder that a program's own files are in: `X` of `X/bin/tool` or of `X/shims/tool`, unless much else is there.
fn root_of(program: &Path) -> Option<PathBuf> {
    if SYSTEM.iter().any(|folder| program.starts_with(folder)) {
        return None;
    }
    let folder = program.parent()?;
    let root = folder
        .parent()
        .filter(|_| folder.ends_with("bin") || folder.ends_with("shims"))?;
    let holds_much = [".local", ".cargo"].iter().any(|name| root.ends_with(name));
    (!holds_much).then(|| root.to_owned())
}

fn replace(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// `https://user:word@host` as `https://host`.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| c.is_whitespace() || "/\"'<>".contains(c))
            .unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        shown.push_str("://");
        shown.push_str(&part[host..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolbox(env: &[(&str, &str)]) -> Toolbox {
        let pairs = || env.iter().map(|&(name, value)| (name, value));
        Toolbox {
            work_dir: None,
            env: pairs().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            user_env: UserEnv(pairs().map(|(n, v)| (n.into(), v.into())).collect()),
            setup: None,
            scripts: PathBuf::new(),
        }
    }

    #[test]
    fn settings_go_in_and_secrets_only_by_name() {
        let toolbox = toolbox(&[
            ("PATH", "/usr/bin:relative"),
            ("HTTPS_PROXY", "http://proxy"),
            ("npm_config_registry", "http://registry"),
            ("NPM_CONFIG_CAFILE", "/etc/passwd"),
            ("npm_config__authToken", "s3cret"),
            ("npm_config_//host/:_authToken", "s3cret"),
            ("npm_config_prefix", "/usr"),
            ("CARGO_HTTP_CAINFO", "/etc/passwd"),
            ("CARGO_SOURCE_X_TOKEN", "s3cret"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
            ("NAMED", "w0rd"),
        ]);
        let names = ["NAMED".to_owned(), "ABSENT".to_owned()];
        let given = Surroundings::of(&toolbox, &["sh".into()], &names).expect("surroundings");
        let shown = format!("{given:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let env = given.env.into_job_env();
        let has = |name: &str| env.contains_key(OsStr::new(name));
        for name in [
            "HTTPS_PROXY",
            "npm_config_registry",
            "NPM_CONFIG_CAFILE",
            "CARGO_HTTP_CAINFO",
            "NAMED",
        ] {
            assert!(has(name), "{name}");
        }
        for name in [
            "npm_config__authToken",
            "npm_config_prefix",
            "CARGO_SOURCE_X_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "ABSENT",
        ] {
            assert!(!has(name), "{name}");
        }
        assert_eq!(env[OsStr::new("PATH")], "/usr/bin");
        assert!(given.readable.contains(&"/etc/passwd".into()));
        assert!(given.tools.iter().any(|tool| tool.contains("sh ")));
    }

    #[test]
    fn neither_secrets_nor_users_are_told() {
        let toolbox = toolbox(&[("NAMED", "w0rd"), ("EMPTY", "")]);
        let names = ["NAMED".to_owned(), "EMPTY".to_owned()];
        let given = Surroundings::of(&toolbox, &[], &names).expect("surroundings");
        for (said, expected) in [
            (
                "token w0rd, again w0rdw0rd",
                "token [NAMED], again [NAMED][NAMED]",
            ),
            ("https://me:p%40ss@host/x and a@b", "https://host/x and a@b"),
            ("http://host/a@b", "http://host/a@b"),
            ("plain", "plain"),
        ] {
            assert_eq!(given.redacted(said.as_bytes()), expected);
        }
        assert!(!format!("{given:?}").contains("w0rd"), "{given:?}");
    }

    #[test]
    fn a_tool_is_read_with_its_own_folder_and_no_more() {
        for (program, expected) in [
            (
                "/home/me/.nvm/versions/v20/bin/node",
                Some("/home/me/.nvm/versions/v20"),
            ),
            ("/home/me/.pyenv/shims/python3", Some("/home/me/.pyenv")),
            ("/usr/local/bin/node", None),
            ("/home/me/.cargo/bin/cargo", None),
            ("/home/me/.local/bin/uv", None),
            ("/home/me/tools/run", None),
        ] {
            assert_eq!(root_of(Path::new(program)), expected.map(PathBuf::from));
        }
        let home = Some(Path::new("/home/me"));
        for path in ["/", "/home", "/home/me", "/proc/self", "/dev"] {
            assert!(is_too_much(Path::new(path), home), "{path}");
        }
        assert!(!is_too_much(Path::new("/home/me/.npmrc"), home));
    }
}
