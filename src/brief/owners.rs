//! Who owns a file by `CODEOWNERS`, as GitHub and GitLab read it: of the lines of a section the last one that matches counts.

use gix::ObjectId;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::change::RepoPath;
use crate::git::Repo;

/// Where the file may be; the first that is there counts.
const PLACES: [&str; 4] = [
    ".github/CODEOWNERS",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    ".gitlab/CODEOWNERS",
];

/// The lines of one file that say something.
#[derive(Debug, Default)]
pub struct Owners {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    paths: GlobSet,
    /// Empty: nobody.
    owners: Vec<String>,
    section: usize,
}

/// GitHub reads no more of the file.
const MAX_BYTES: usize = 3 << 20;

impl Owners {
    /// Those of a tree; of none where it has no such file.
    pub fn of(repo: &Repo, tree_id: ObjectId) -> anyhow::Result<Owners> {
        for place in PLACES {
            if let Some(bytes) = repo.read_file(tree_id, &RepoPath::from(place))? {
                let text = &bytes[..bytes.len().min(MAX_BYTES)];
                return Ok(Owners::parse(&String::from_utf8_lossy(text)));
            }
        }
        Ok(Owners::default())
    }

    /// Lines that cannot be read own nothing, as on the servers.
    fn parse(text: &str) -> Owners {
        let mut rules = Vec::new();
        let mut sections: Vec<String> = vec![String::new()];
        let (mut section, mut defaults) = (0, Vec::new());
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((name, rest)) = section_of(line) {
                let known = sections.iter().position(|other| *other == name);
                section = known.unwrap_or_else(|| {
                    sections.push(name);
                    sections.len() - 1
                });
                defaults = owners_in(rest);
                continue;
            }
            let (pattern, rest) = split(line);
            let mut owners = owners_in(rest);
            if owners.is_empty() {
                owners.clone_from(&defaults);
            }
            if let Some(paths) = globs(&pattern) {
                rules.push(Rule {
                    paths,
                    owners,
                    section,
                });
            }
        }
        Owners { rules }
    }

    /// In the order of the file, each once.
    pub fn of_path(&self, path: &RepoPath) -> Vec<String> {
        let Some(path) = path.to_str() else {
            return Vec::new();
        };
        let mut last: Vec<&Rule> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.paths.is_match(path)) {
            last.retain(|other| other.section != rule.section);
            last.push(rule);
        }
        let mut owners: Vec<String> = Vec::new();
        for owner in last.iter().flat_map(|rule| &rule.owners) {
            if !owners.contains(owner) {
                owners.push(owner.clone());
            }
        }
        owners
    }
}

/// Name and rest of `[Section] @default`, `^[Optional]`, `[Section][2]`.
fn section_of(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix('^').unwrap_or(line).strip_prefix('[')?;
    let (name, rest) = rest.split_once(']')?;
    let rest = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest,
        None => rest,
    };
    Some((name.trim().to_lowercase(), rest))
}

/// The pattern up to the first space that no backslash stands before, and the rest.
fn split(line: &str) -> (String, &str) {
    let mut pattern = String::new();
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => pattern.extend(chars.next().map(|(_, c)| c)),
            c if c.is_whitespace() => return (pattern, &line[at..]),
            c => pattern.push(c),
        }
    }
    (pattern, "")
}

/// Names with an at sign, up to a comment.
fn owners_in(rest: &str) -> Vec<String> {
    let words = rest.split_whitespace();
    let words = words.take_while(|word| !word.starts_with('#'));
    let named = words.filter(|word| word.contains('@'));
    named.map(str::to_owned).collect()
}

/// What a pattern means as globs over whole paths. `None` for one that the servers do not read either.
fn globs(pattern: &str) -> Option<GlobSet> {
    if pattern.starts_with('!') || pattern.contains(['[', ']']) {
        return None;
    }
    let is_folder = pattern.ends_with('/');
    let body = pattern.trim_end_matches('/');
    let is_anchored = body.contains('/');
    let body = body.trim_start_matches('/');
    if body.is_empty() {
        return None;
    }
    // In `CODEOWNERS` braces are only braces.
    let body = body.replace('{', "[{]").replace('}', "[}]");
    let base = if is_anchored {
        body
    } else {
        format!("**/{body}")
    };
    let below = format!("{base}/**");
    let globs = match (is_folder, base.ends_with("/*")) {
        (true, _) => vec![below],
        // What stands right in the folder, and nothing below it.
        (false, true) if is_anchored => vec![base],
        (false, _) => vec![base, below],
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(
            GlobBuilder::new(&glob)
                .literal_separator(true)
                .build()
                .ok()?,
        );
    }
    set.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::testing::TestRepo;

    #[track_caller]
    fn check(text: &str, path: &str, expected: &str) {
        let owners = Owners::parse(text).of_path(&RepoPath::from(path));
        assert_eq!(owners.join(" "), expected, "{path} by\n{text}");
    }

    #[test]
    fn the_last_line_that_matches_counts() {
        let text = "# all\n*  @all\n*.js @js # not @me\n/docs/ @docs ada@example.org\napps/ @apps\n/a.js @one\n";
        check(text, "x.py", "@all");
        check(text, "a/b/x.js", "@js");
        check(text, "docs/a/b.js", "@docs ada@example.org");
        check(text, "x/docs/b.py", "@all");
        check(text, "x/apps/y/z.py", "@apps");
        check(text, "a.js", "@one");
        check(text, "b/a.js", "@js");
    }

    #[test]
    fn a_star_in_a_folder_is_only_what_stands_in_it() {
        check("docs/* @d", "docs/a.md", "@d");
        check("docs/* @d", "docs/a/b.md", "");
        check("/docs/**/x @d", "docs/a/b/x", "@d");
        check("/src/shop @d", "src/shop/cart.py", "@d");
        check("/src/shop @d", "lib/src/shop/cart.py", "");
        check("shop @d", "lib/shop/cart.py", "@d");
    }

    #[test]
    fn a_line_without_owners_takes_them_away() {
        check("* @all\n/gen/\n", "gen/a.py", "");
        check("* @all\n/gen/ nobody\n", "gen/a.py", "");
    }

    #[test]
    fn what_the_servers_do_not_read_is_nobodys() {
        check("* @all\n!x.py @no\n[ab].py @no\n/ @no", "a.py", "@all");
        check("a\\ b.py @sp", "a b.py", "@sp");
        check("\\#x @hash", "#x", "@hash");
        check("{a}.py @brace", "{a}.py", "@brace");
        check("{a,b}.py @brace", "a.py", "");
    }

    #[test]
    fn each_section_has_its_own_last_word() {
        let text = "* @all\n[Docs] @writers\ndocs/\n^[Code][2]\n*.py @py\n[docs]\ndocs/api/ @api\n";
        check(text, "docs/a.py", "@all @writers @py");
        check(text, "docs/api/a.py", "@all @py @api");
        check(text, "x", "@all");
    }

    #[test]
    fn the_first_place_that_has_one_counts() {
        let repo = TestRepo::new();
        let owner = |repo: &TestRepo| {
            let opened = repo.open();
            let tree_id = opened.commit(repo.id("HEAD")).expect("a commit").tree_id;
            let owners = Owners::of(&opened, tree_id).expect("owners");
            owners.of_path(&RepoPath::from("x")).join(" ")
        };
        repo.write("x", "").add().commit("none");
        assert_eq!(owner(&repo), "");
        for (place, name) in [
            ("docs/CODEOWNERS", "@docs"),
            ("CODEOWNERS", "@top"),
            (".github/CODEOWNERS", "@github"),
        ] {
            repo.write(place, format!("* {name}\n")).add().commit(name);
            assert_eq!(owner(&repo), name);
        }
    }
}
