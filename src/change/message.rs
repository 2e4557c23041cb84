//! A commit message: its subject, its body, its trailers. Comments and the scissors part are already gone.

use gix::bstr::{BStr, BString, ByteSlice as _};

/// A cleaned commit message, as git would store it. Bytes, because a message need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMessage(BString);

/// `Token: value` in the last paragraph of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    pub token: String,
    pub value: String,
}

impl CommitMessage {
    pub fn new(bytes: impl Into<BString>) -> CommitMessage {
        CommitMessage(bytes.into())
    }

    /// TEMP contract
    pub fn clean(raw: &[u8], comment: Option<&str>) -> CommitMessage {
        let _ = comment;
        CommitMessage(raw.into())
    }

    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// The first paragraph on one line, as `git log --format=%s` shows it.
    pub fn subject(&self) -> BString {
        gix::objs::commit::MessageRef::from_bytes(&self.0)
            .summary()
            .into_owned()
    }

    /// The trailers that `git interpret-trailers --parse --no-divider` would show; values unfolded.
    pub fn trailers(&self) -> Vec<Trailer> {
        let message = gix::objs::commit::MessageRef::from_bytes(&self.0);
        let Some(body) = message.body() else {
            return Vec::new();
        };
        body.trailers()
            .map(|trailer| Trailer {
                token: trailer.token.to_str_lossy().into_owned(),
                value: trailer.value.to_str_lossy().into_owned(),
            })
            .collect()
    }
}
