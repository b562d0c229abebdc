//! Received bytes to messages and commands.
//!
//! Three steps, of which the second is there only if a mechanism seals: frames
//! are found in the [read buffer](crate::read_buffer), opened in their place, and
//! joined by the [assembler](crate::assembler).

use bytes::buf::Limit;
use bytes::{Bytes, BytesMut};

use crate::assembler::{Assembler, COPY_BELOW};
use crate::decode_error::DecodeError;
use crate::frame::{FrameHeader, HeaderError, MORE};
use crate::limits::FrameLimits;
use crate::message::{Frames, Head, Message};
use crate::read_buffer::{Buffers, ReadBuffer};
use crate::seal::{Opened, Opener};

/// What a connection carries once the handshake is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A whole message.
    Message(Message),
    /// A command, its body undecoded: see [`crate::Command::parse`].
    Command(Bytes),
}

/// The receiving half of a connection after its handshake.
///
/// Put received bytes into [`Decoder::read_buf`], then call [`Decoder::decode`]
/// until it returns `Ok(None)`. After an error the decoder is of no more use.
#[derive(Debug)]
pub struct Decoder {
    buffer: ReadBuffer,
    opener: Option<Box<dyn Opener>>,
    assembler: Assembler,
    limits: FrameLimits,
}

impl Decoder {
    /// A decoder whose first bytes are what the handshake left over, and that
    /// opens what comes if the handshake's [`Established`](crate::Established)
    /// has an opener.
    pub fn new(
        limits: FrameLimits,
        received: BytesMut,
        opener: Option<Box<dyn Opener>>,
    ) -> Decoder {
        Decoder {
            buffer: ReadBuffer::new(received),
            opener,
            assembler: Assembler::default(),
            limits,
        }
    }

    /// Where to put what the socket has.
    ///
    /// Inside a frame larger than [`READ_CHUNK`](crate::READ_CHUNK) that is room
    /// for as much as has come of it so far, and for no byte beyond its end:
    /// memory follows bytes (it is at most twice what has come), a large frame
    /// still arrives in few reads, and no other frame gets into its buffer.
    pub fn read_buf(&mut self, buffers: &mut dyn Buffers) -> Limit<&mut BytesMut> {
        self.buffer.room(buffers)
    }

    /// The next whole message or command, if one is there.
    ///
    /// # Errors
    ///
    /// The peer broke the grammar, a limit or the seal. Announced lengths are
    /// checked before a byte of theirs has come.
    #[inline]
    pub fn decode(&mut self, buffers: &mut dyn Buffers) -> Result<Option<Item>, DecodeError> {
        if self.opener.is_some() {
            return self.decode_sealed(buffers);
        }
        if let Some(message) = self.decode_pair(buffers) {
            return Ok(Some(Item::Message(message)));
        }
        loop {
            let front = self.buffer.front();
            let Some((header, taken)) = FrameHeader::parse(front)? else {
                self.buffer.lack(0);
                return Ok(None);
            };
            let len = plain_length(&header, &self.limits, self.assembler.bytes())?;
            let end = taken.saturating_add(len);
            let Some(body) = front.get(taken..end) else {
                let missing = end.saturating_sub(front.len());
                self.buffer.lack(missing);
                return Ok(None);
            };
            if header.command {
                let body = Bytes::copy_from_slice(body);
                self.buffer.pass(end);
                return Ok(Some(Item::Command(body)));
            }
            if len < COPY_BELOW {
                let ahead = front.len().saturating_sub(taken);
                self.assembler.copy(&self.limits, body, ahead, buffers)?;
                self.buffer.pass(end);
            } else {
                let body = self.buffer.split(taken, len);
                self.assembler.push(&self.limits, body)?;
            }
            if !header.more {
                return Ok(self.assembler.take().map(Item::Message));
            }
        }
    }

    /// The next message, if it is whole and of a short head and one small frame, as nearly
    /// every message of ZRE: the shortest way for those.
    #[inline]
    fn decode_pair(&mut self, buffers: &mut dyn Buffers) -> Option<Message> {
        if !self.assembler.is_empty() || self.limits.parts < 2 {
            return None;
        }
        let (&[flags, head_len], rest) = self.buffer.front().split_first_chunk()?;
        if flags != MORE {
            return None;
        }
        let head = Head::in_place(rest, head_len)?;
        let rest = rest.get(usize::from(head_len)..)?;
        let (header, taken) = FrameHeader::parse(rest).ok()??;
        let len = usize::try_from(header.len).ok()?;
        if header.more || header.command || len >= COPY_BELOW {
            return None;
        }
        let bytes = len.saturating_add(head.len());
        if len.max(head.len()) > self.limits.frame_bytes || bytes > self.limits.message_bytes {
            return None;
        }
        let body = rest.get(taken..taken.saturating_add(len))?;
        let ahead = rest.len().saturating_sub(taken);
        let mut frames = Frames::new();
        frames.push(self.assembler.copied(body, ahead, buffers));
        let end = 2usize.saturating_add(taken).saturating_add(bytes);
        self.buffer.pass(end);
        Some(Message { head, body: frames })
    }

    /// [`decode`](Self::decode) with an opener.
    fn decode_sealed(&mut self, buffers: &mut dyn Buffers) -> Result<Option<Item>, DecodeError> {
        while let Some(opener) = &mut self.opener {
            let front = self.buffer.front();
            let Some((outer, taken)) = FrameHeader::parse(front)? else {
                self.buffer.lack(0);
                break;
            };
            let before = self.assembler.bytes();
            let len = sealed_length(&outer, &self.limits, before, opener.overhead())?;
            let (end, ahead) = (taken.saturating_add(len), front.len());
            if ahead < end {
                self.buffer.lack(end.saturating_sub(ahead));
                break;
            }
            let sealed = self.buffer.part_mut(taken, len);
            let Opened { flags, content } = opener.open(sealed)?;
            if flags.more && flags.command {
                return Err(HeaderError::CommandMore(5).into());
            }
            // The flags of the outer frame aren't sealed: they say nothing.
            let inner = FrameHeader {
                more: flags.more,
                command: flags.command,
                len: content.len() as u64,
            };
            let opened = sealed.get(content.clone()).unwrap_or_default();
            plain_length(&inner, &self.limits, before)?;
            if inner.command {
                let opened = Bytes::copy_from_slice(opened);
                self.buffer.pass(end);
                return Ok(Some(Item::Command(opened)));
            }
            if opened.len() < COPY_BELOW {
                let ahead = ahead.saturating_sub(taken);
                self.assembler.copy(&self.limits, opened, ahead, buffers)?;
                self.buffer.pass(end);
            } else {
                let opened = self.buffer.split(taken, len).slice(content);
                self.assembler.push(&self.limits, opened)?;
            }
            if !inner.more {
                return Ok(self.assembler.take().map(Item::Message));
            }
        }
        Ok(None)
    }

    /// Bytes that have come and aren't part of a whole message yet.
    pub fn pending(&self) -> usize {
        self.buffer.len().saturating_add(self.assembler.bytes())
    }

    /// Bytes of memory held: the read buffer and the parts under way.
    pub fn memory(&self) -> usize {
        self.buffer
            .capacity()
            .saturating_add(self.assembler.memory())
    }

    /// Gives up the read buffer for as long as nothing arrives.
    ///
    /// A short remainder is kept in a buffer of its own size: a peer that stops
    /// in the middle of a small frame pins no more than it sent. A longer one
    /// keeps the buffer.
    pub fn rest(&mut self, buffers: &mut dyn Buffers) {
        self.buffer.rest(buffers);
        self.assembler.rest(buffers);
    }
}

/// The length of a frame that is as it was sent. `before` is how many bytes of
/// its message have come already.
#[inline]
fn plain_length(
    header: &FrameHeader,
    limits: &FrameLimits,
    before: usize,
) -> Result<usize, DecodeError> {
    let limit = match header.command {
        true => limits.command_bytes,
        false => limits.frame_bytes,
    };
    match usize::try_from(header.len) {
        // The message's bound counts from the announcement on: we don't wait for
        // the bytes of a frame that can't be kept.
        Ok(len) if len <= limit => {
            let left = limits.message_bytes.saturating_sub(before);
            if !header.command && len > left {
                return Err(DecodeError::Message {
                    limit: limits.message_bytes,
                });
            }
            Ok(len)
        }
        _ if header.command => Err(DecodeError::CommandLength {
            announced: header.len,
            limit,
        }),
        _ => Err(DecodeError::Frame {
            announced: header.len,
            limit,
        }),
    }
}

/// The length of a sealed frame. What is in it isn't known yet, so that it may be
/// as large as the largest content, and the overhead.
fn sealed_length(
    header: &FrameHeader,
    limits: &FrameLimits,
    before: usize,
    overhead: usize,
) -> Result<usize, DecodeError> {
    let sealed = |content: usize| content.max(limits.command_bytes).saturating_add(overhead);
    let len = usize::try_from(header.len)
        .ok()
        .filter(|&len| len <= sealed(limits.frame_bytes))
        .ok_or(DecodeError::Frame {
            announced: header.len,
            limit: limits.frame_bytes,
        })?;
    if len > sealed(limits.message_bytes.saturating_sub(before)) {
        return Err(DecodeError::Message {
            limit: limits.message_bytes,
        });
    }
    Ok(len)
}
