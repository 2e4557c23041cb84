//! The test functions of a changed Rust source: several rules ask for them.

use std::cell::RefCell;
use std::rc::Rc;

use gix::ObjectId;

use super::Judged;
use super::kept::Kept;
use crate::change::FileMode;
use crate::suite::inline::{self, Both, TestFunction};

/// A link has the text of a file without being one.
type Pair = [(ObjectId, FileMode); 2];

thread_local! {
    static KEPT: RefCell<Kept<Pair, Option<Rc<Both<TestFunction>>>>> = RefCell::new(Kept::new(32));
}

/// Those of both versions, but for those that no hunk touches where that is known without reading all of them. `None` where one version is
/// missing, or no sequence of Rust tokens.
pub(super) fn changed(judged: &Judged) -> Option<Rc<Both<TestFunction>>> {
    let (old, new) = (judged.file.old.as_ref()?, judged.file.new.as_ref()?);
    let read = || {
        let texts = [old.content.text()?, new.content.text()?];
        let both = inline::changed_test_functions(texts, &judged.file.hunks);
        both.ok().map(Rc::new)
    };
    KEPT.with_borrow_mut(|kept| kept.or_read([(old.id, old.mode), (new.id, new.mode)], read))
}
