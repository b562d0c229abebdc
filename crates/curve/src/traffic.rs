//! MESSAGE: each frame of the traffic in a box of its own.

use std::fmt;

use bytes::{BufMut, BytesMut};
use zre_zmtp::{FrameFlags, OpenError, Opened, Opener, Sealer};

use crate::cipher::{BoxKey, Nonce, TAG};

const NAME: &[u8; 8] = b"\x07MESSAGE";
/// The name and the number.
const HEAD: usize = 16;
/// How much longer a sealed frame is than its content: by the head, the box's tag and
/// the flags.
const OVERHEAD: usize = HEAD + TAG + 1;

const MORE: u8 = 0x01;
const COMMAND: u8 = 0x02;

/// The first part of the nonces of what the client sends.
pub(crate) const CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
/// The first part of the nonces of what the server sends.
pub(crate) const SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// One direction of a connection.
pub(crate) struct Direction {
    key: BoxKey,
    name: &'static [u8; 16],
    /// The number of the last box, the handshake's included.
    last: u64,
}

impl Direction {
    pub(crate) fn new(key: BoxKey, name: &'static [u8; 16], last: u64) -> Direction {
        Direction { key, name, last }
    }
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Sealer for Direction {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn seal(&mut self, flags: FrameFlags, content: &[u8], out: &mut BytesMut) {
        // At a billion frames a second the numbers last for five centuries.
        self.last = self.last.saturating_add(1);
        out.reserve(content.len().saturating_add(OVERHEAD));
        out.put_slice(NAME);
        out.put_u64(self.last);
        let more = if flags.more { MORE } else { 0 };
        let command = if flags.command { COMMAND } else { 0 };
        let nonce = Nonce::counted(self.name, self.last);
        self.key.seal(&nonce, &[&[more | command], content], out);
    }
}

impl Opener for Direction {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn open(&mut self, sealed: &mut [u8]) -> Result<Opened, OpenError> {
        let len = sealed.len();
        let (name, rest) = sealed
            .split_first_chunk_mut::<8>()
            .ok_or(OpenError::NotSealed)?;
        let (number, place) = rest
            .split_first_chunk_mut::<8>()
            .ok_or(OpenError::NotSealed)?;
        if name != NAME || len < OVERHEAD {
            return Err(OpenError::NotSealed);
        }
        // RFC 26 wants numbers that rise. All peers count in steps of one, and only
        // so does a frame that somebody has removed show.
        let number = u64::from_be_bytes(*number);
        if self.last.checked_add(1) != Some(number) {
            return Err(OpenError::Reordered);
        }
        let nonce = Nonce::counted(self.name, number);
        let opened = self.key.open(&nonce, place).ok_or(OpenError::Forged)?;
        self.last = number;
        let flags = place.get(opened.start).copied().unwrap_or_default();
        let within = |at: usize| at.saturating_add(HEAD);
        Ok(Opened {
            flags: FrameFlags {
                more: flags & MORE != 0,
                command: flags & COMMAND != 0,
            },
            content: within(opened.start).saturating_add(1)..within(opened.end),
        })
    }
}
