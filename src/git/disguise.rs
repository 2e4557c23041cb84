//! Replace refs and grafts: git shows other objects than the ones that are there. The guard reads what is there, and says where the two differ.

use std::collections::BTreeMap;

use anyhow::Context as _;
use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::objs::Kind;

use super::Repo;

/// What git would show as something else.
#[derive(Debug, Default)]
pub(super) struct Disguises {
    /// Commits, and by what.
    commits: BTreeMap<ObjectId, &'static str>,
    /// A file or folder: it may be part of any commit.
    other: Option<ObjectId>,
}

impl Repo {
    /// # Errors
    /// git shows another commit under this id, or other content in some of its files: whoever looks at it does not see what is judged.
    pub(super) fn ensure_undisguised(&self, id: ObjectId) -> anyhow::Result<()> {
        let disguises = match self.disguises.get() {
            Some(disguises) => disguises,
            None => {
                let found = self.find_disguises()?;
                self.disguises.get_or_init(|| found)
            }
        };
        if let Some(how) = disguises.commits.get(&id) {
            anyhow::bail!(
                "git shows another commit in the place of `{id}` here, because of {how}: what people see is not what is judged"
            );
        }
        if let Some(other) = disguises.other {
            anyhow::bail!(
                "git shows other content in the place of `{other}` here, because of `refs/replace/{other}`: what people see is not what is judged"
            );
        }
        Ok(())
    }

    fn find_disguises(&self) -> anyhow::Result<Disguises> {
        let mut disguises = Disguises::default();
        let platform = self.inner.references().context("list replace refs")?;
        for reference in platform
            .prefixed("refs/replace/")
            .context("list replace refs")?
        {
            let reference = reference.map_err(|err| anyhow::anyhow!("list replace refs: {err}"))?;
            let name = reference.name().as_bstr();
            let hex = name.strip_prefix(b"refs/replace/").unwrap_or(name);
            let Ok(id) = ObjectId::from_hex(hex) else {
                continue;
            };
            match self
                .inner
                .try_find_header(id)
                .context("read a replaced object")?
            {
                Some(header) if header.kind() == Kind::Commit => {
                    disguises.commits.insert(id, "a ref in `refs/replace`");
                }
                Some(_) => disguises.other = Some(id),
                None => (),
            }
        }
        for line in self.grafts()?.split(|&byte| byte == b'\n') {
            let id = line.fields().next().map(ObjectId::from_hex);
            if let Some(Ok(id)) = id {
                disguises.commits.insert(id, "the file `info/grafts`");
            }
        }
        Ok(disguises)
    }

    fn grafts(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.common_dir().join("info").join("grafts");
        match std::fs::read(&path) {
            Ok(text) => Ok(text),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(err) => Err(err).context("read `info/grafts`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestRepo;

    /// What is said of `HEAD` and of its parent after `disguise` was put on; empty where both are as git shows them.
    #[track_caller]
    fn check(disguise: impl Fn(&TestRepo), expected: [&str; 2]) {
        let repo = TestRepo::new();
        repo.write("f", "1\n").commit("one");
        repo.write("f", "2\n").commit("two");
        let ids = [repo.id("HEAD"), repo.id("HEAD~1")];
        disguise(&repo);
        let open = repo.open();
        for (id, expected) in ids.into_iter().zip(expected) {
            let said = match open.commit(id) {
                Ok(_) => String::new(),
                Err(error) => format!("{error:#}"),
            };
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{said}"
            );
        }
    }

    #[test]
    fn what_git_shows_as_something_else_is_not_judged() {
        check(|_| (), ["", ""]);
        let replace = |what: &'static str, by: &'static str| {
            move |repo: &TestRepo| {
                let ids = [what, by].map(|spec| repo.id(spec).to_string());
                repo.git(&["update-ref", &format!("refs/replace/{}", ids[0]), &ids[1]]);
                repo.git(&["pack-refs", "--all"]);
            }
        };
        check(
            replace("HEAD", "HEAD~1"),
            ["because of a ref in `refs/replace`", ""],
        );
        let content = "git shows other content in the place of";
        check(replace("HEAD:f", "HEAD~1:f"), [content, content]);
        let graft = |repo: &TestRepo| {
            std::fs::create_dir_all(repo.path().join(".git/info")).expect("a folder");
            repo.write(".git/info/grafts", format!("{}\n", repo.id("HEAD~1")));
        };
        check(graft, ["", "because of the file `info/grafts`"]);
    }
}
