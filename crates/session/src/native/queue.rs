//! Messages and answers of a mailbox that nobody writes yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use zre_zmtp::{Encoder, FrameHeader, READ_CHUNK};

use super::pool;
use crate::Message;

/// A buffer up to this size stays with an idle mailbox: enough for the small
/// messages that keep a session alive.
pub(super) const IDLE_BUFFER: usize = 512;

/// Messages and answers in the order in which they go out.
pub(super) enum Queue {
    /// In wire form, if the mechanism doesn't seal.
    Encoded(Encoder),
    /// As they were sent. Whoever writes them seals them first.
    Unsealed(Unsealed),
}

impl Queue {
    pub(super) fn new(seals: bool) -> Self {
        match seals {
            false => Self::Encoded(Encoder::default()),
            true => Self::Unsealed(Unsealed::default()),
        }
    }

    pub(super) fn push_message(&mut self, head: &[u8], body: &[Bytes]) {
        match self {
            Self::Encoded(encoder) => encoder.push_message(head, body),
            Self::Unsealed(unsealed) => unsealed.push_message(head, body),
        }
    }

    pub(super) fn push_pong(&mut self, context: &[u8]) {
        match self {
            Self::Encoded(encoder) => encoder.push_pong(context),
            Self::Unsealed(unsealed) => unsealed.push_pong(context),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Encoded(encoder) => encoder.is_empty(),
            Self::Unsealed(unsealed) => unsealed.is_empty(),
        }
    }

    /// About how many bytes it takes to write it.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Encoded(encoder) => encoder.bytes(),
            Self::Unsealed(unsealed) => unsealed.bytes(),
        }
    }

    pub(super) fn messages(&self) -> usize {
        match self {
            Self::Encoded(encoder) => encoder.messages(),
            Self::Unsealed(unsealed) => unsealed.messages(),
        }
    }

    /// Gets an empty queue room for many messages, unless it has it.
    pub(super) fn make_room(&mut self) {
        if let Self::Encoded(encoder) = self
            && encoder.capacity() < READ_CHUNK
        {
            encoder.lend(pool::take());
        }
    }

    /// Takes the memory of an empty queue, if it is much.
    pub(super) fn release(&mut self) -> Option<BytesMut> {
        match self {
            Self::Encoded(encoder) => encoder.release(IDLE_BUFFER),
            Self::Unsealed(unsealed) => {
                unsealed.release();
                None
            }
        }
    }
}

/// Messages and answers that have to be sealed.
///
/// Sealing needs keys that a mailbox doesn't have while it connects, and takes
/// time that nobody should spend under the queue's lock.
#[derive(Default)]
pub(super) struct Unsealed {
    items: VecDeque<Item>,
    messages: usize,
    bytes: u64,
}

enum Item {
    Message(Message),
    /// The answer to a PING of this context.
    Pong(Bytes),
}

impl Item {
    /// About as many bytes as it takes on the wire.
    fn bytes(&self) -> u64 {
        let frame = |len: usize| FrameHeader::size_for(len).saturating_add(len);
        let bytes = match self {
            Self::Message(message) => message
                .body
                .iter()
                .map(Bytes::len)
                .fold(frame(message.head.len()), |sum, len| {
                    sum.saturating_add(frame(len))
                }),
            Self::Pong(context) => frame(context.len()),
        };
        bytes as u64
    }
}

impl Unsealed {
    pub(super) fn push_message(&mut self, head: &[u8], body: &[Bytes]) {
        self.messages = self.messages.saturating_add(1);
        self.push(Item::Message(Message::new(head, body)));
    }

    pub(super) fn push_pong(&mut self, context: &[u8]) {
        self.push(Item::Pong(Bytes::copy_from_slice(context)));
    }

    fn push(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(item.bytes());
        self.items.push_back(item);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many messages there are.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// About how many bytes these are on the wire, without what sealing adds.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Moves what comes next into an encoder that seals, until that has `most`
    /// bytes or more.
    pub(super) fn seal(&mut self, encoder: &mut Encoder, most: u64) {
        while encoder.bytes() < most
            && let Some(item) = self.items.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(item.bytes());
            match item {
                Item::Message(message) => {
                    self.messages = self.messages.saturating_sub(1);
                    encoder.push_message(&message.head, &message.body);
                }
                Item::Pong(context) => encoder.push_pong(&context),
            }
        }
    }

    /// Gives up the memory of an empty list.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.items = VecDeque::new();
        }
    }
}
