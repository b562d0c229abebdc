//! The header frames in front of the application's frames.

use std::ops::{Deref, DerefMut};

use bytes::BufMut;
use smallvec::SmallVec;

use crate::wire::{STRING_MAX, clip};

/// The first two bytes of every message.
pub const SIGNATURE: [u8; 2] = [0xAA, 0xA1];

/// The version octet of every message. That of a beacon differs.
pub const VERSION: u8 = 2;

/// The position of the sequence number in the header frame: two bytes in network byte
/// order.
pub const SEQUENCE_OFFSET: usize = 4;

/// The bytes before the first field.
pub(crate) const PREFIX: usize = 6;

/// The ids of messages on the wire.
pub(crate) mod id {
    pub(crate) const HELLO: u8 = 1;
    pub(crate) const WHISPER: u8 = 2;
    pub(crate) const SHOUT: u8 = 3;
    pub(crate) const JOIN: u8 = 4;
    pub(crate) const LEAVE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const PING_OK: u8 = 7;
    pub(crate) const ELECT: u8 = 8;
    pub(crate) const LEADER: u8 = 9;
    pub(crate) const GOODBYE: u8 = 10;
    pub(crate) const STATE: u8 = 0x80;
    pub(crate) const REQUEST: u8 = 0x81;
    pub(crate) const REPLY: u8 = 0x82;
    pub(crate) const UPDATE: u8 = 0x83;
}

/// The outcome in a REPLY with an answer.
pub(crate) const ANSWERED: u8 = 0;

/// The outcome in a REPLY without an answer: none will come. Any other value is read
/// as this one.
const UNANSWERED: u8 = 1;

/// A header frame that a sender builds itself. It is on the stack unless the name of
/// the group is long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header(SmallVec<[u8; 64]>);

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Header {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

pub(crate) fn put_prefix(out: &mut impl BufMut, id: u8, sequence: u16) {
    out.put_slice(&SIGNATURE);
    out.put_u8(id);
    out.put_u8(VERSION);
    out.put_u16(sequence);
}

/// The header frame of a WHISPER.
#[inline]
pub fn whisper_header(sequence: u16) -> Header {
    prefix(id::WHISPER, sequence)
}

/// The header frame of a SHOUT to `group`, whose name is cut at the edge of a character
/// if it is longer than 255 bytes.
///
/// To shout to many peers, build it once and call [`patch_sequence`] for each.
pub fn shout_header(group: &str, sequence: u16) -> Header {
    let mut header = prefix(id::SHOUT, sequence);
    let group = clip(group, STRING_MAX);
    header.0.push(u8::try_from(group.len()).unwrap_or(u8::MAX));
    header.0.extend_from_slice(group);
    header
}

/// The header frame of a REQUEST. Its answer names the same id.
pub fn request_header(id: u64, sequence: u16) -> Header {
    let mut header = prefix(id::REQUEST, sequence);
    header.0.extend_from_slice(&id.to_be_bytes());
    header
}

/// The header frame of a REPLY to the REQUEST of that id. Unless `answered`, it says
/// that no answer will come.
pub fn reply_header(id: u64, answered: bool, sequence: u16) -> Header {
    let mut header = prefix(id::REPLY, sequence);
    header.0.extend_from_slice(&id.to_be_bytes());
    header.0.push(if answered { ANSWERED } else { UNANSWERED });
    header
}

fn prefix(id: u8, sequence: u16) -> Header {
    let [signature, rest] = SIGNATURE;
    let [high, low] = sequence.to_be_bytes();
    let mut header = Header::default();
    header
        .0
        .extend_from_slice(&[signature, rest, id, VERSION, high, low]);
    header
}

/// Replaces the sequence number in an encoded header frame. A slice that is too short
/// for a header stays as it is.
#[inline]
pub fn patch_sequence(header: &mut [u8], sequence: u16) {
    if let Some(place) = header
        .get_mut(SEQUENCE_OFFSET..)
        .and_then(<[u8]>::first_chunk_mut)
    {
        *place = sequence.to_be_bytes();
    }
}
