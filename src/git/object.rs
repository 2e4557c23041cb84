//! Single objects by id, and errors that name them.

use std::fs;

use anyhow::{Context as _, bail};
use gix::ObjectId;
use gix::objs::Kind;
use gix::odb::pack::cache::lru::MemoryCappedHashmap;
use gix::odb::pack::index;

use super::Repo;
use crate::usage::UsageError;

/// What a reader of many commits keeps of what packs hold, so that the next one need not be made of its deltas again. Each
/// thread has one.
const PACK_CACHE_BYTES: usize = 16 << 20;

impl Repo {
    /// The same repository for a thread of its own that is going to read many commits, one after another.
    pub fn for_many(&self) -> Repo {
        let mut repo = self.clone();
        let cache = || Box::new(MemoryCappedHashmap::new(PACK_CACHE_BYTES)) as _;
        repo.inner.objects.set_pack_cache(cache);
        repo
    }

    /// Sorts by where packs hold the objects, those in no pack first. There a delta comes after what it is made from: whoever reads in this order,
    /// [with a cache](Self::for_many), makes each object once, and in another one most of them many times.
    pub fn sort_by_pack<T>(&self, items: &mut [T], id_of: impl Fn(&T) -> ObjectId) {
        let folder = self.inner.objects.store_ref().path().join("pack");
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "idx"));
        paths.sort();
        let hash = self.inner.object_hash();
        // Only the order depends on these.
        let indices: Vec<index::File> = paths
            .iter()
            .filter_map(|path| index::File::at(path, hash).ok())
            .collect();
        items.sort_by_cached_key(|item| {
            let id = id_of(item);
            indices.iter().enumerate().find_map(|(n, index)| {
                let entry = index.lookup(id)?;
                Some((n, index.pack_offset_at_index(entry)))
            })
        });
    }

    /// The bytes of an object of a kind.
    ///
    /// # Errors
    /// The object is missing, damaged or of another kind; in a shallow clone a missing one is the user's to correct.
    pub(super) fn object(&self, id: ObjectId, kind: Kind) -> anyhow::Result<Vec<u8>> {
        let object = match self.inner.find_object(id) {
            Ok(object) => object,
            Err(error) if error.is_not_found() && self.is_shallow()? => {
                return Err(cut_off(id).into());
            }
            Err(error) if error.is_not_found() && self.is_partial() => {
                return Err(left_out(id).into());
            }
            Err(error) => {
                return Err(anyhow::Error::from(error)).context(format!("read {kind} `{id}`"));
            }
        };
        if object.kind != kind {
            bail!("object `{id}` is a {}, not a {kind}", object.kind);
        }
        Ok(object.detach().data)
    }

    /// The bytes of a blob; only its size where it has more than `most`.
    pub(super) fn blob(&self, id: ObjectId, most: u64) -> anyhow::Result<Result<Vec<u8>, u64>> {
        if !self.is_small_file(id, most) {
            let n_bytes = self.blob_size(id)?;
            if n_bytes > most {
                return Ok(Err(n_bytes));
            }
        }
        let bytes = self.object(id, Kind::Blob)?;
        let n_bytes = bytes.len() as u64;
        Ok(if n_bytes > most {
            Err(n_bytes)
        } else {
            Ok(bytes)
        })
    }

    /// Whether an object stands in a file of its own that is too small to hold more than `most` bytes: its size need not be asked for first, and
    /// the file is read once. No by mistake costs time only.
    fn is_small_file(&self, id: ObjectId, most: u64) -> bool {
        /// What zlib can make of one byte.
        const MOST_OF_ONE: u64 = 1032;
        let (folder, name) = (id.to_hex_with_len(2).to_string(), id.to_hex().to_string());
        let objects = self.inner.objects.store_ref().path();
        let file = objects.join(folder).join(&name[2..]);
        fs::metadata(file).is_ok_and(|file| file.len() <= most / MOST_OF_ONE)
    }

    /// The size of a blob, without reading it.
    pub(super) fn blob_size(&self, id: ObjectId) -> anyhow::Result<u64> {
        let header = match self.inner.find_header(id) {
            Err(error) if error.is_not_found() && self.is_partial() => {
                return Err(left_out(id).into());
            }
            header => header.with_context(|| format!("read blob `{id}`"))?,
        };
        if header.kind() != Kind::Blob {
            bail!("object `{id}` is a {}, not a blob", header.kind());
        }
        Ok(header.size())
    }

    pub(super) fn is_shallow(&self) -> anyhow::Result<bool> {
        Ok(self.shallow_ids()?.is_some())
    }

    /// Whether git left objects on a server when it cloned. What it would fetch when asked is not here.
    fn is_partial(&self) -> bool {
        let snapshot = self.inner.config_snapshot();
        let sections = snapshot.plumbing().sections_by_name("remote");
        let mut remotes = sections.into_iter().flatten();
        self.config("extensions.partialClone").is_some()
            || remotes.any(|remote| remote.value("promisor").is_some())
    }

    /// The commits whose parents are missing because the clone is shallow.
    pub(super) fn shallow_ids(&self) -> anyhow::Result<Option<gix::shallow::Commits>> {
        self.inner
            .shallow_commits()
            .context("read where the shallow clone ends")
    }
}

/// What is told when an object is needed that was not cloned.
fn left_out(id: ObjectId) -> UsageError {
    UsageError::with_hint(
        format!("`{id}` was left on the server, because this is a partial clone"),
        "fetch the rest: `git fetch --refetch --no-filter`, and of the notes: `git fetch --refetch --no-filter origin refs/notes/koan`",
    )
}

/// What is told when history that is needed was not cloned.
pub(super) fn cut_off(id: ObjectId) -> UsageError {
    UsageError::with_hint(
        format!("the history that is needed ends at `{id}`, because this is a shallow clone"),
        "fetch the rest: `git fetch --unshallow`",
    )
}
