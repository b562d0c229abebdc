//! What a mailbox sends under a mechanism that seals, before it is sealed.

use std::collections::VecDeque;

use bytes::Bytes;
use zre_zmtp::{Encoder, FrameHeader};

use crate::Message;

/// Messages and answers in the order in which they go out.
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
