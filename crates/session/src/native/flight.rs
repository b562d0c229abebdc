//! What is being written.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use zre_zmtp::{Encoder, Sealer};

use super::queue::{IDLE_BUFFER, Queue, Unsealed};
use super::stream::Stream;

/// How many sealed bytes are prepared for one write.
const SEALED: u64 = 64 << 10;

/// The right to write, and what is to be written first.
pub(super) struct Flight {
    encoder: Encoder,
    /// What goes into the encoder next, if the mechanism seals.
    unsealed: Unsealed,
    stream: Arc<Stream>,
    /// What all of it cost, and how many bytes that was, when it was loaded.
    cost: usize,
    bytes: u64,
}

impl Flight {
    pub(super) fn new(stream: Arc<Stream>, sealer: Option<Box<dyn Sealer>>) -> Self {
        Self {
            encoder: Encoder::new(sealer),
            unsealed: Unsealed::default(),
            stream,
            cost: 0,
            bytes: 0,
        }
    }

    /// Takes over a queue, which costs that much. The flight must be empty.
    pub(super) fn load(&mut self, queue: &mut Queue, cost: usize) {
        match queue {
            Queue::Encoded(encoder) => std::mem::swap(&mut self.encoder, encoder),
            Queue::Unsealed(unsealed) => std::mem::swap(&mut self.unsealed, unsealed),
        }
        self.cost = cost;
        self.bytes = self.left();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.encoder.is_empty() && self.unsealed.is_empty()
    }

    pub(super) fn messages(&self) -> usize {
        let unsealed = self.unsealed.messages();
        self.encoder.messages().saturating_add(unsealed)
    }

    /// Bytes still to be written, without what sealing adds to those that aren't
    /// sealed.
    fn left(&self) -> u64 {
        self.encoder.bytes().saturating_add(self.unsealed.bytes())
    }

    /// What the messages that aren't written completely still cost.
    pub(super) fn cost_left(&self) -> usize {
        match self.left() {
            0 => 0,
            left => share(self.cost, left, self.bytes),
        }
    }

    /// Writes until the socket takes no more, or `turn` bytes are written, or
    /// more; returns how many were.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) fn write(&mut self, turn: usize) -> io::Result<usize> {
        let mut written = 0usize;
        while !self.is_empty() && written < turn {
            self.unsealed.seal(&mut self.encoder, SEALED);
            let most = turn.saturating_sub(written);
            let some = self.stream.try_write_encoded(&mut self.encoder, most)?;
            written = written.saturating_add(some);
            if !self.encoder.is_empty() {
                break;
            }
        }
        Ok(written)
    }

    /// Takes the memory of an empty flight, if it is much.
    pub(super) fn release(&mut self) -> Option<BytesMut> {
        self.unsealed.release();
        self.encoder.release(IDLE_BUFFER)
    }
}

/// `cost * bytes / all`, rounded up, and `cost` at most.
fn share(cost: usize, bytes: u64, all: u64) -> usize {
    let cost_of_all = (cost as u128).saturating_mul(u128::from(bytes));
    let share = cost_of_all.div_ceil(u128::from(all.max(1)));
    usize::try_from(share).unwrap_or(cost).min(cost)
}
