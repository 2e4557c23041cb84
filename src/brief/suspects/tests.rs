use super::*;
use crate::git::testing::TestRepo;
use crate::issue::Fingerprint;
use crate::policy::TriagePolicy;

fn place(line: usize, lines: &[&str]) -> Place {
    Place {
        path: RepoPath::from("a.py"),
        function: None,
        line: Some(line),
        lines: lines
            .iter()
            .enumerate()
            .map(|(n, line)| (n + 1, (*line).to_owned()))
            .collect(),
    }
}

#[test]
fn a_line_counts_where_it_is_new() {
    let place = place(2, &["def total():", "    return a / b", "}"]);
    assert_eq!(weigh("", "return a / b", &place), Some(true));
    assert_eq!(weigh("", "def total():", &place), Some(false));
    assert_eq!(weigh("return a / b", "  return a / b\nx = 1", &place), None);
    assert_eq!(weigh("", "}", &place), None);
}

/// Three versions of a file, each with its tag, and one more that no release has.
fn repo() -> TestRepo {
    let repo = TestRepo::new();
    for (text, subject, tag) in [
        ("def total():\n    return a + b\n", "feat: a total", "v1.0"),
        ("def total():\n    return a / b\n", "feat: a share", "v1.1"),
        (
            "def total():\n    return a / b\n\nx = 'else'\n",
            "feat: more",
            "v1.2",
        ),
        (
            "def total():\n    return a / b\n    # late\n\nx = 'else'\n",
            "feat: late",
            "latest",
        ),
    ] {
        repo.write("a.py", text).commit(subject);
        repo.git(&["tag", tag]);
    }
    repo
}

/// Where suspects are from and their subjects, `!` behind those that added the line of the crash.
fn said(repo: &TestRepo, releases: &str, first_seen: &str) -> String {
    let mut issue = Issue::new(Fingerprint::new(Some("E"), &[], "m"));
    issue.releases = releases.split_whitespace().map(str::to_owned).collect();
    issue.tally.first_seen = first_seen.parse().ok();
    let opened = repo.open();
    let policy = TriagePolicy::default().releases;
    let known = Releases::open(&opened, &policy, repo.path()).expect("releases");
    let places = [place(
        2,
        &["def total():", "    return a / b", "    # late"],
    )];
    let found = of(&opened, repo.id("main"), (&places, &issue), &known).expect("a history");
    let Some(Suspects { span, commits }) = found else {
        return "cut off".to_owned();
    };
    let range = |range: Range| format!("{}..{}", range.last_good, range.first_bad);
    let span = match span {
        Span::Open => "open".to_owned(),
        Span::Between(between) => format!("between {}", range(between)),
        Span::Before(between) => format!("before {}", range(between)),
    };
    let commits = commits.iter().map(|one| {
        let mark = if one.added_the_line { "!" } else { "" };
        format!(" / {}{mark}", one.subject)
    });
    span + &commits.collect::<String>()
}

#[test]
fn the_commit_that_added_the_line_comes_first() {
    let repo = repo();
    assert_eq!(
        said(&repo, "", ""),
        "open / feat: a share! / feat: late / feat: a total"
    );
    assert_eq!(said(&repo, "", "1999-01-01T00:00:00Z"), "open");
}

#[test]
fn suspects_lie_between_the_last_good_and_the_first_bad_release() {
    let repo = repo();
    for (releases, expected) in [
        ("1.1 1.2", "between v1.0..1.1 / feat: a share!"),
        ("1.2", "before v1.1..1.2 / feat: a share! / feat: a total"),
        // What the first bad release does not have is no suspect.
        ("1.0 1.2", "open / feat: a total"),
        ("7.7", "open / feat: a share! / feat: late / feat: a total"),
    ] {
        assert_eq!(said(&repo, releases, ""), expected, "{releases}");
    }
}

#[test]
fn a_shallow_clone_hides_suspects() {
    let repo = repo();
    let shallow = format!("{}\n", repo.id("v1.0"));
    std::fs::write(repo.path().join(".git/shallow"), shallow).expect("shallow");
    for releases in ["", "1.1", "1.2", "7.7"] {
        assert_eq!(said(&repo, releases, ""), "cut off", "{releases}");
    }
}
