//! What must hold of any object's bytes: see [`crate::fuzzing`].

use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice as _};
use gix::objs::TreeRefIter;

use super::{history, hunks, tree};
use crate::change::Hunk;

/// The hunks between two texts; put in the place of the old lines, the new ones give the new text.
pub fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    let hunks = hunks::hunks(old, new);
    let (mut made, mut at) = (Vec::new(), 0);
    for hunk in &hunks {
        made.extend_from_slice(&old[at..hunk.old.bytes.start]);
        made.extend_from_slice(&new[hunk.new.bytes.clone()]);
        at = hunk.old.bytes.end;
        let (removed, added) = (hunk.old.of(old).count(), hunk.new.of(new).count());
        assert_eq!((removed, added), (hunk.old.n_lines, hunk.new.n_lines));
        assert!(removed + added > 0);
    }
    made.extend_from_slice(&old[at..]);
    assert_eq!(made.as_bstr(), new.as_bstr());
    hunks
}

/// Reads the bytes as a commit and as a tree.
pub fn objects(data: &[u8]) {
    let id = ObjectId::null(gix::hash::Kind::Sha1);
    if let Ok(commit) = history::parse_commit(id, data) {
        assert!(!commit.message.as_bstr().contains(&0));
    }
    for entry in TreeRefIter::from_bytes(data, id.kind()).map_while(Result::ok) {
        if tree::check_name(entry.filename).is_ok() {
            let is_git = |name: &BStr| name.eq_ignore_ascii_case(b".git");
            assert!(!is_git(entry.filename) && entry.filename != "..");
        }
    }
}
