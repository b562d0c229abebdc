//! Received bytes to messages and commands.
//!
//! Three steps, of which the second is there only if a mechanism seals: frames
//! are found in the [read buffer](crate::read_buffer), opened in their place, and
//! joined by the [assembler](crate::assembler).

use bytes::buf::Limit;
use bytes::{Bytes, BytesMut};

use crate::assembler::{Assembler, COPY_BELOW};
use crate::decode_error::DecodeError;
use crate::frame::{FrameHeader, HeaderError};
use crate::limits::FrameLimits;
use crate::message::Message;
use crate::read_buffer::{Buffers, ReadBuffer};
use crate::seal::Opener;

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
    pub fn read_buf(&mut self, buffers: &mut impl Buffers) -> Limit<&mut BytesMut> {
        self.buffer.room(buffers)
    }

    /// The next whole message or command, if one is there.
    ///
    /// # Errors
    ///
    /// The peer broke the grammar, a limit or the seal. Announced lengths are
    /// checked before a byte of theirs has come.
    #[inline]
    pub fn decode(&mut self) -> Result<Option<Item>, DecodeError> {
        loop {
            let front = self.buffer.front();
            let Some((header, taken)) = FrameHeader::parse(front)? else {
                self.buffer.lack(0);
                return Ok(None);
            };
            let len = self.check(&header)?;
            let end = taken.saturating_add(len);
            let Some(body) = front.get(taken..end) else {
                let missing = end.saturating_sub(front.len());
                self.buffer.lack(missing);
                return Ok(None);
            };
            if self.opener.is_some() {
                match self.open(taken, len)? {
                    None => continue,
                    item => return Ok(item),
                }
            }
            if header.command {
                let body = Bytes::copy_from_slice(body);
                self.buffer.pass(end);
                return Ok(Some(Item::Command(body)));
            }
            let message = if len < COPY_BELOW {
                let ahead = front.len().saturating_sub(taken);
                let message = self.assembler.copy(&self.limits, header.more, body, ahead);
                self.buffer.pass(end);
                message?
            } else {
                let body = self.buffer.split(taken, len);
                self.assembler.push(&self.limits, header.more, body)?
            };
            if let Some(message) = message {
                return Ok(Some(Item::Message(message)));
            }
        }
    }

    /// Opens the outer frame at the front, whose body of `len` bytes begins
    /// `from` bytes behind its start. `None`: its message isn't whole yet.
    fn open(&mut self, from: usize, len: usize) -> Result<Option<Item>, DecodeError> {
        let ahead = self.buffer.len().saturating_sub(from);
        let sealed = self.buffer.part_mut(from, len);
        let Some(opener) = &mut self.opener else {
            return Ok(None);
        };
        let opened = opener.open(sealed)?;
        if opened.flags.more && opened.flags.command {
            return Err(HeaderError::SealedCommandMore.into());
        }
        // The flags of the outer frame aren't sealed: they say nothing.
        let header = FrameHeader {
            more: opened.flags.more,
            command: opened.flags.command,
            len: opened.content.len() as u64,
        };
        let content = sealed.get(opened.content.clone()).unwrap_or_default();
        plain_length(&header, &self.limits, self.assembler.bytes())?;
        let end = from.saturating_add(len);
        if header.command {
            let content = Bytes::copy_from_slice(content);
            self.buffer.pass(end);
            return Ok(Some(Item::Command(content)));
        }
        let message = if content.len() < COPY_BELOW {
            let message = self
                .assembler
                .copy(&self.limits, header.more, content, ahead);
            self.buffer.pass(end);
            message?
        } else {
            let content = self.buffer.split(from, len).slice(opened.content);
            self.assembler.push(&self.limits, header.more, content)?
        };
        Ok(message.map(Item::Message))
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
    pub fn rest(&mut self, buffers: &mut impl Buffers) {
        self.buffer.rest(buffers);
        self.assembler.rest();
    }

    /// The length of the frame's body, if it is one that we take.
    #[inline]
    fn check(&self, header: &FrameHeader) -> Result<usize, DecodeError> {
        match &self.opener {
            None => plain_length(header, &self.limits, self.assembler.bytes()),
            Some(opener) => sealed_length(
                header,
                &self.limits,
                self.assembler.bytes(),
                opener.overhead(),
            ),
        }
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
