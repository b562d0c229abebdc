//! `zre send-file` and `zre receive`: files from peer to peer, over whispers.
//!
//! [`packet`] is what they say to each other (docs/protocol.md), [`send`] and
//! [`receive`] the two sides, [`store`] a file that isn't complete yet,
//! [`writer`] the thread that completes it, [`name`]
//! what may become of a name that somebody else chose.

mod name;
mod packet;
mod progress;
mod receive;
mod send;
mod store;
mod writer;

pub(crate) use receive::{ReceiveCommand, receive};
pub(crate) use send::{SendFileCommand, SendFileError, send};

/// Bytes as people write them.
fn amount(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
