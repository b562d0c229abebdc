//! `zre send-file` and `zre receive`: files from peer to peer, over whispers.
//!
//! [`packet`] has the messages of a transfer (docs/protocol.md), [`send`] and
//! [`receive`] are the two sides. [`cargo`] reads the files to send. [`store`] is a
//! received file that isn't complete yet, [`writer`] the thread that writes it,
//! [`places`] decides which of too many files gives way, and [`name`] makes a safe path
//! from a name that the sender chose.

mod cargo;
mod name;
mod packet;
mod places;
mod receive;
mod send;
mod store;
mod writer;

pub(crate) use receive::{ReceiveCommand, receive};
pub(crate) use send::{SendFileCommand, send};
#[cfg(test)]
pub(crate) use {send::Delivered, writer::Progress};

/// A number of bytes in a readable unit.
fn amount(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// The duration and the rate of a transfer.
fn speed(bytes: u64, time: std::time::Duration) -> String {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rounded figure is enough here"
    )]
    let rate = (bytes as f64 / time.as_secs_f64().max(1e-6)) as u64;
    format!("{:.1} s, {}/s", time.as_secs_f64(), amount(rate))
}
