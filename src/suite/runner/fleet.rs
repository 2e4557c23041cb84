//! Several runners as one: each works in its own folder of the repository, and a file belongs to the runner of the nearest folder above it.
//!
//! The ids of a runner's tests begin with its folder, and with its name where two work in the same one.

use std::collections::BTreeSet;

use super::{Canary, Order, Runner, Selection, Toolbox};
use crate::change::RepoPath;
use crate::policy::RunnerConfig;
use crate::suite::area::{Area, Side};
use crate::suite::{TestId, TestRun};

pub(super) struct Fleet {
    members: Vec<Member>,
    version: String,
}

struct Member {
    runner: Box<dyn Runner>,
    /// With a slash at its end; empty at the top.
    dir: String,
    /// What its ids begin with.
    prefix: String,
}

pub(super) fn open(configs: &[RunnerConfig], toolbox: &Toolbox) -> anyhow::Result<Fleet> {
    let mut members = Vec::new();
    for config in configs {
        let dir = match config.dir.as_str() {
            "" => String::new(),
            dir => format!("{dir}/"),
        };
        let is_alone = configs
            .iter()
            .filter(|other| other.dir == config.dir)
            .count()
            == 1;
        members.push(Member {
            runner: super::open_one(config, toolbox)?,
            prefix: match is_alone {
                true => dir.clone(),
                false => format!("{} {dir}", config.name),
            },
            dir,
        });
    }
    let versions: BTreeSet<&str> = members
        .iter()
        .map(|member| member.runner.version())
        .collect();
    let version = versions.into_iter().collect::<Vec<_>>().join("; ");
    Ok(Fleet { members, version })
}

impl Runner for Fleet {
    fn name(&self) -> &'static str {
        match &self.members[..] {
            [member] => member.runner.name(),
            _ => "several",
        }
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn has_canary(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.runner.has_canary())
    }

    fn plant(&self, path: &RepoPath, content: &[u8], canary: &Canary) -> Option<Vec<u8>> {
        // Where two share a folder, a file in which either finds its tests takes the canary of the one whose language it is.
        self.owners(path).into_iter().find_map(|member| {
            let inner = member.inner(path)?;
            member.runner.plant(&inner, content, canary)
        })
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let owners = self.owners(beside);
        let member = owners.first().copied().unwrap_or(&self.members[0]);
        member.canary_file(
            &member.inner(beside).unwrap_or_else(|| beside.clone()),
            canary,
        )
    }

    fn canary_files(
        &self,
        files: &[RepoPath],
        touched: &[RepoPath],
        planted: &[RepoPath],
        canary: &Canary,
    ) -> Vec<(RepoPath, Vec<u8>)> {
        let owns = |member: &Member, path: &RepoPath| {
            let owners = self.owners(path);
            owners
                .first()
                .is_some_and(|owner| std::ptr::eq(*owner, member))
        };
        let silent = self
            .members
            .iter()
            .filter(|member| member.runner.has_canary())
            .filter(|member| !planted.iter().any(|path| owns(member, path)));
        let mut all = Vec::new();
        for member in silent {
            let is_source = |path: &&RepoPath| {
                let is_inside = path.as_path().iter().any(|part| part == "src");
                owns(member, path) && member.speaks(path) && is_inside
            };
            let own = touched.iter().find(|path| owns(member, path));
            let beside = own
                .or_else(|| files.iter().find(is_source))
                .or_else(|| files.iter().find(|path| owns(member, path)));
            // A runner without a file has no test that could be judged; that it runs none is seen by its silence.
            let beside = beside.and_then(|path| member.inner(path));
            let beside = beside.unwrap_or_else(|| RepoPath::new("tests"));
            all.push(member.canary_file(&beside, canary));
        }
        all
    }

    fn prepare(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<bool> {
        let mut is_complete = true;
        self.each(order, |member, order| {
            is_complete &= member.runner.prepare(area, side, order)?;
            Ok(())
        })?;
        Ok(is_complete)
    }

    fn run(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<TestRun> {
        let mut all = TestRun::default();
        self.each(order, |member, order| {
            let run = member.runner.run(area, side, order)?;
            member.add(&mut all, run);
            Ok(())
        })?;
        Ok(all)
    }

    fn has_examples(&self) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.runner.has_examples())
    }

    fn examples(&self, area: &Area, side: &Side, order: &Order) -> anyhow::Result<Option<TestRun>> {
        let mut all: Option<TestRun> = None;
        self.each(order, |member, order| {
            if let Some(run) = member.runner.examples(area, side, order)? {
                member.add(all.get_or_insert_default(), run);
            }
            Ok(())
        })?;
        Ok(all)
    }
}

impl Fleet {
    /// Calls every runner of which something is asked for, each with its part of the order.
    fn each(
        &self,
        order: &Order,
        mut call: impl FnMut(&Member, &Order) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for member in &self.members {
            let files = match order.selection {
                Selection::All => Vec::new(),
                Selection::Files(files) | Selection::Tests { files, .. } => {
                    self.files(member, files)
                }
            };
            let tests: BTreeSet<TestId> = match order.selection {
                Selection::Tests { tests, .. } => {
                    let own = tests
                        .iter()
                        .filter_map(|test| test.0.strip_prefix(&member.prefix));
                    own.map(|test| TestId(test.to_owned())).collect()
                }
                _ => BTreeSet::new(),
            };
            let selection = match order.selection {
                Selection::All => Selection::All,
                // Nothing of this runner's is asked for.
                _ if files.iter().all(|path| is_canary(path, order.canary)) => continue,
                Selection::Files(_) => Selection::Files(&files),
                Selection::Tests { .. } if tests.is_empty() => continue,
                Selection::Tests { .. } => Selection::Tests {
                    files: &files,
                    tests: &tests,
                },
            };
            call(
                member,
                &Order {
                    selection,
                    ..*order
                },
            )?;
        }
        Ok(())
    }

    /// The runners of the nearest folder, those of the file's language first.
    fn owners(&self, path: &RepoPath) -> Vec<&Member> {
        let above = |member: &&Member| path.as_bytes().starts_with(member.dir.as_bytes());
        let nearest = self
            .members
            .iter()
            .filter(above)
            .map(|member| member.dir.len())
            .max();
        let mut owners: Vec<&Member> = self
            .members
            .iter()
            .filter(above)
            .filter(|member| Some(member.dir.len()) == nearest)
            .collect();
        owners.sort_by_key(|member| !member.speaks(path));
        owners
    }

    /// What of `files` matters to `member`, relative to its folder. A file of no runner's language is a fixture of all in its folder.
    fn files(&self, member: &Member, files: &[RepoPath]) -> Vec<RepoPath> {
        let is_own = |path: &&RepoPath| {
            let owners = self.owners(path);
            let is_owner = owners.iter().any(|owner| std::ptr::eq(*owner, member));
            let is_spoken = owners.iter().any(|owner| owner.speaks(path));
            is_owner && (member.speaks(path) || !is_spoken)
        };
        let own = files.iter().filter(is_own);
        own.filter_map(|path| member.inner(path)).collect()
    }
}

fn is_canary(path: &RepoPath, canary: Option<&Canary>) -> bool {
    let name = String::from_utf8_lossy(path.file_name());
    canary.is_some_and(|canary| name.contains(&canary.name))
}

impl Member {
    fn speaks(&self, path: &RepoPath) -> bool {
        let extension = path.extension().unwrap_or_default();
        let own = self.runner.extensions();
        own.iter().any(|own| own.as_bytes() == extension)
    }

    fn inner(&self, path: &RepoPath) -> Option<RepoPath> {
        path.as_bytes()
            .strip_prefix(self.dir.as_bytes())
            .map(RepoPath::new)
    }

    fn canary_file(&self, beside: &RepoPath, canary: &Canary) -> (RepoPath, Vec<u8>) {
        let (path, content) = self.runner.canary_file(beside, canary);
        (
            RepoPath::new([self.dir.as_bytes(), path.as_bytes()].concat()),
            content,
        )
    }

    fn add(&self, all: &mut TestRun, run: TestRun) {
        let prefix = &self.prefix;
        for (test, mut result) in run.results {
            for frame in result
                .raised
                .iter_mut()
                .flat_map(|raised| &mut raised.frames)
            {
                frame.file.insert_str(0, &self.dir);
            }
            let test = TestId(format!("{prefix}{test}"));
            if all.results.insert(test.clone(), result).is_some() {
                all.distrust
                    .push(format!("two runners report a test `{test}`"));
            }
        }
        let name = self.runner.name();
        let said = run
            .distrust
            .into_iter()
            .map(|reason| format!("{name}: {reason}"));
        all.distrust.extend(said);
        all.not_built
            .extend(run.not_built.into_iter().map(|mut not_built| {
                not_built.what.insert_str(0, prefix);
                let places = not_built.errors.iter_mut();
                for error in places.filter(|error| !error.file.is_empty()) {
                    error.file.insert_str(0, &self.dir);
                }
                not_built
            }));
    }
}
