//! Received bytes to messages and commands.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::Frames;
use crate::command::CommandError;
use crate::frame::{FrameHeader, HeaderError};
use crate::limits::Limits;

/// Bytes to ask of the socket at once.
///
/// 64 KiB amortise a system call over thousands of small messages. The slack
/// on top lets a message of 64 KiB, a size that people like, come in one read
/// together with its headers.
pub const READ_CHUNK: usize = (64 + 4) << 10;

/// Frames below this are copied out of the read buffer, others are slices of it.
///
/// A slice keeps the whole buffer alive, which is at most one and a half
/// [`READ_CHUNK`]s unless the frame itself is larger. From 16 KiB up a retained
/// frame so pins at most seven times its own size (a 16 B frame would pin 6,000
/// times its own); below, the copy costs less than the buffer that would have
/// to be replaced.
pub const COPY_BELOW: usize = 16 << 10;

/// With less room than this a read isn't worth its system call.
const LEAST_ROOM: usize = READ_CHUNK / 2;

/// Where a decoder's buffers come from and go to.
///
/// A buffer that still shares its memory with messages comes back too: once
/// the messages are gone, [`BytesMut::try_reclaim`] makes it whole again. That
/// is worth a pool: memory fresh from the system is paid for page by page.
pub trait Buffers {
    /// An empty buffer with room for at least `bytes`, at most about two
    /// [`READ_CHUNK`]s.
    fn take(&mut self, bytes: usize) -> BytesMut;

    /// A buffer with room for at least `bytes`, but only one that is there
    /// already: nothing is to be allocated for bytes that are merely announced.
    fn recycled(&mut self, bytes: usize) -> Option<BytesMut>;

    /// Takes a buffer back; its contents are to be discarded. One that was made
    /// for a frame over [`READ_CHUNK`] has the size of its memory in `large`
    /// (which its capacity doesn't tell while messages share it), others 0.
    fn put(&mut self, buf: BytesMut, large: usize);
}

/// No pool: buffers come from the allocator and go back to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpooled;

impl Buffers for Unpooled {
    fn take(&mut self, bytes: usize) -> BytesMut {
        BytesMut::with_capacity(bytes)
    }

    fn recycled(&mut self, _: usize) -> Option<BytesMut> {
        None
    }

    fn put(&mut self, _: BytesMut, _: usize) {}
}

/// What a connection carries once the handshake is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A whole message; at least one part.
    Message(Frames),
    /// A command, its body undecoded: see [`crate::Command::parse`].
    Command(Bytes),
}

/// Why the stream of a connection can't be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A frame header that ZMTP excludes.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A frame over [`Limits::frame_bytes`].
    #[error("the peer announced a frame of {announced} bytes; {limit} are allowed")]
    Frame {
        /// What it announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A command over [`Limits::command_bytes`].
    #[error("the peer announced a command of {announced} bytes; {limit} are allowed")]
    CommandLength {
        /// What it announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A message over [`Limits::message_bytes`].
    #[error("the peer's message passed {limit} bytes")]
    Message {
        /// What is allowed.
        limit: usize,
    },
    /// A message over [`Limits::parts`].
    #[error("the peer's message passed {limit} parts")]
    Parts {
        /// What is allowed.
        limit: usize,
    },
    /// A malformed command.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl DecodeError {
    /// Whether the bytes were valid ZMTP and merely too many.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            DecodeError::Frame { .. }
                | DecodeError::CommandLength { .. }
                | DecodeError::Message { .. }
                | DecodeError::Parts { .. }
        )
    }
}

/// The receiving half of a connection after its handshake.
///
/// Put received bytes into [`Decoder::read_buf`], then call [`Decoder::decode`]
/// until it returns `Ok(None)`. After an error the decoder is of no more use.
#[derive(Debug)]
pub struct Decoder {
    buf: BytesMut,
    /// Bytes at the front of `buf` that are decoded already. Moved past in one
    /// go: moving `buf`'s start for each small frame costs more than the frame.
    done: usize,
    /// Bytes that the frame at the front still lacks, 0 if unknown.
    missing: usize,
    /// The size of `buf`, if it was made for one frame over [`READ_CHUNK`].
    large: usize,
    limits: Limits,
    parts: Frames,
    parts_bytes: usize,
}

impl Decoder {
    /// A decoder whose first bytes are what the handshake left over.
    pub fn new(limits: Limits, received: BytesMut) -> Decoder {
        Decoder {
            buf: received,
            done: 0,
            missing: 0,
            large: 0,
            limits,
            parts: Frames::new(),
            parts_bytes: 0,
        }
    }

    /// Where to put what the socket has.
    ///
    /// Inside a frame larger than [`READ_CHUNK`] that is room for as much as has
    /// come of it so far, and for no byte beyond its end: memory follows bytes
    /// (it is at most twice what has come), a large frame still arrives in few
    /// reads, and no other frame gets into its buffer.
    pub fn read_buf(&mut self, buffers: &mut impl Buffers) -> Limit<&mut BytesMut> {
        self.settle();
        let have = self.buf.len();
        let frame = have.saturating_add(self.missing);
        if self.missing > 0 && frame > READ_CHUNK {
            if self.buf.capacity() < frame {
                if let Some(buf) = buffers.recycled(frame) {
                    self.replace(buf, buffers);
                } else {
                    self.buf.reserve(self.missing.min(have.max(READ_CHUNK)));
                }
            }
            self.large = self.buf.capacity();
            let room = self.missing.min(self.buf.capacity().saturating_sub(have));
            return (&mut self.buf).limit(room);
        }
        if self.large > 0 {
            // Small frames would keep reusing, and so pin, what was made for a
            // large one.
            let buf = buffers.take(have.saturating_add(READ_CHUNK));
            self.replace(buf, buffers);
            self.large = 0;
        }
        let least = self.missing.max(LEAST_ROOM);
        if self.buf.capacity().saturating_sub(have) < least && !self.buf.try_reclaim(least) {
            let buf = buffers.take(READ_CHUNK.max(have.saturating_add(least)));
            self.replace(buf, buffers);
        }
        let room = self.buf.capacity().saturating_sub(have);
        (&mut self.buf).limit(room.min(2 * READ_CHUNK))
    }

    /// Goes on in another buffer, which must have room.
    fn replace(&mut self, mut buf: BytesMut, buffers: &mut impl Buffers) {
        buf.extend_from_slice(&self.buf);
        let old = std::mem::replace(&mut self.buf, buf);
        if old.capacity() > 0 {
            buffers.put(old, self.large);
        }
    }

    /// The next whole message or command, if one is there.
    ///
    /// # Errors
    ///
    /// The peer broke the grammar or a limit. Announced lengths are checked
    /// before a byte of theirs has come.
    #[inline]
    pub fn decode(&mut self) -> Result<Option<Item>, DecodeError> {
        loop {
            let front = self.buf.get(self.done..).unwrap_or_default();
            let Some((header, taken)) = FrameHeader::parse(front)? else {
                self.missing = 0;
                self.settle();
                return Ok(None);
            };
            let len = self.check(&header)?;
            let end = taken.saturating_add(len);
            let Some(body) = front.get(taken..end) else {
                self.missing = end.saturating_sub(front.len());
                self.settle();
                return Ok(None);
            };
            let body = if len < COPY_BELOW {
                let body = match len {
                    0 => Bytes::new(),
                    _ => Bytes::copy_from_slice(body),
                };
                self.done = self.done.saturating_add(end);
                body
            } else {
                self.buf.advance(self.done.saturating_add(taken));
                self.done = 0;
                self.buf.split_to(len).freeze()
            };
            if header.command {
                return Ok(Some(Item::Command(body)));
            }
            if let Some(message) = self.push_part(header.more, body)? {
                return Ok(Some(Item::Message(message)));
            }
        }
    }

    /// Appends a part to the message under way and returns it when that was the
    /// last. For mechanisms that carry frames inside of commands; plain frames
    /// get here by [`Decoder::decode`].
    ///
    /// # Errors
    ///
    /// [`DecodeError::Parts`] or [`DecodeError::Message`].
    #[inline]
    pub fn push_part(&mut self, more: bool, body: Bytes) -> Result<Option<Frames>, DecodeError> {
        if self.parts.len() >= self.limits.parts {
            return Err(DecodeError::Parts {
                limit: self.limits.parts,
            });
        }
        let bytes = self.parts_bytes.saturating_add(body.len());
        if bytes > self.limits.message_bytes {
            return Err(DecodeError::Message {
                limit: self.limits.message_bytes,
            });
        }
        self.parts.push(body);
        if more {
            self.parts_bytes = bytes;
            return Ok(None);
        }
        self.parts_bytes = 0;
        Ok(Some(std::mem::take(&mut self.parts)))
    }

    /// Whether the stream could end here without cutting a message.
    pub fn is_between_messages(&self) -> bool {
        self.parts.is_empty() && self.buf.len() == self.done
    }

    /// Bytes that have come and aren't part of a whole message yet.
    pub fn pending(&self) -> usize {
        let front = self.buf.len().saturating_sub(self.done);
        front.saturating_add(self.parts_bytes)
    }

    /// Bytes of memory held: the read buffer and the parts under way.
    pub fn memory(&self) -> usize {
        let parts = self.parts.len().saturating_mul(size_of::<Bytes>());
        let read = self.buf.capacity().saturating_add(self.parts_bytes);
        read.saturating_add(parts)
    }

    /// Gives up the read buffer for as long as nothing arrives.
    ///
    /// A short remainder is kept in a buffer of its own size, so that a peer
    /// that stops in the middle of a small frame pins no more than it sent; a
    /// longer one keeps the buffer.
    pub fn rest(&mut self, buffers: &mut impl Buffers) {
        self.settle();
        if self.buf.len() < COPY_BELOW && self.buf.capacity() >= COPY_BELOW {
            let rest = BytesMut::with_capacity(self.buf.len());
            self.replace(rest, buffers);
            self.large = 0;
        }
    }

    #[inline]
    fn check(&self, header: &FrameHeader) -> Result<usize, DecodeError> {
        let limit = match header.command {
            true => self.limits.command_bytes,
            false => self.limits.frame_bytes,
        };
        match usize::try_from(header.len) {
            // The message's bound counts from the announcement on: the bytes of
            // a frame that can't be kept aren't waited for.
            Ok(len) if len <= limit => {
                let left = self.limits.message_bytes.saturating_sub(self.parts_bytes);
                if !header.command && len > left {
                    return Err(DecodeError::Message {
                        limit: self.limits.message_bytes,
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

    #[inline]
    fn settle(&mut self) {
        if self.done > 0 {
            self.buf.advance(self.done);
            self.done = 0;
        }
    }
}
