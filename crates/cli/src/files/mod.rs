//! `zre send-file` and `zre receive`: files from peer to peer, over whispers.
//!
//! [`packet`] is what they say to each other (docs/protocol.md), [`send`] and
//! [`receive`] the two sides, [`store`] a file that isn't complete yet,
//! [`writer`] the thread that completes it, [`name`]
//! what may become of a name that somebody else chose.

mod name;
mod packet;
mod receive;
mod send;
mod store;
mod writer;

pub(crate) use receive::{ReceiveCommand, receive};
pub(crate) use send::{SendFileCommand, send};

/// Bytes as people write them.
fn amount(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// How much came how fast.
fn speed(bytes: u64, time: std::time::Duration) -> String {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is for people"
    )]
    let rate = (bytes as f64 / time.as_secs_f64().max(1e-6)) as u64;
    format!("{:.1} s, {}/s", time.as_secs_f64(), amount(rate))
}
