//! Received bytes to messages and commands.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::command::CommandError;
use crate::frame::{FrameHeader, HeaderError};
use crate::limits::Limits;
use crate::message::{Frames, Head, Message};

/// Bytes to ask of the socket at once.
///
/// 64 KiB amortise a system call over thousands of small messages. The slack
/// on top lets a message of 64 KiB, a size that people like, come in one read
/// together with its headers.
pub const READ_CHUNK: usize = (64 + 4) << 10;

/// Frames below this are copied out of the read buffer, others are slices of it.
///
/// A slice keeps the whole buffer alive, which is at most one and a half
/// [`READ_CHUNK`]s unless the frame itself is larger. From 8 KiB up a retained
/// frame so pins at most thirteen times its own size (a 16 B frame would pin
/// 6,000 times its own). A copy is not only a copy: of 16 KiB it was measured to
/// take twice the time of all else, most likely for memory that the allocator
/// has to get and gives back each time.
pub const COPY_BELOW: usize = 8 << 10;

/// Frames up to this are copied into memory that they share with those that
/// came with them: an allocation for each would cost more than reading it. Who
/// keeps one of them keeps a [`SHELF`].
const SHELVED: usize = 128;

/// The size of that memory.
const SHELF: usize = 1 << 10;

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
    /// A whole message.
    Message(Message),
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
    parts: Parts,
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
            parts: Parts::default(),
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
        // What is read beyond the end of a frame that keeps the buffer is copied
        // into the next one. That is little beside a few small frames, and half
        // of everything where each read brings one of 64 KiB.
        let most = match self.missing >= LEAST_ROOM {
            true => self.missing,
            false => 2 * READ_CHUNK,
        };
        (&mut self.buf).limit(room.min(most))
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
            let end = self.done.saturating_add(end);
            if header.command {
                let body = Bytes::copy_from_slice(body);
                self.done = end;
                return Ok(Some(Item::Command(body)));
            }
            let message = if len < COPY_BELOW {
                let ahead = front.len().saturating_sub(taken);
                let message = self.parts.copy(&self.limits, header.more, body, ahead);
                self.done = end;
                message?
            } else {
                self.buf.advance(end.saturating_sub(len));
                self.done = 0;
                let body = self.buf.split_to(len).freeze();
                self.push_part(header.more, body)?
            };
            if let Some(message) = message {
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
    pub fn push_part(&mut self, more: bool, part: Bytes) -> Result<Option<Message>, DecodeError> {
        self.parts.push(&self.limits, more, part)
    }

    /// Whether the stream could end here without cutting a message.
    pub fn is_between_messages(&self) -> bool {
        self.parts.head.is_none() && self.buf.len() == self.done
    }

    /// Bytes that have come and aren't part of a whole message yet.
    pub fn pending(&self) -> usize {
        let front = self.buf.len().saturating_sub(self.done);
        front.saturating_add(self.parts.bytes)
    }

    /// Bytes of memory held: the read buffer and the parts under way.
    pub fn memory(&self) -> usize {
        let list = self.parts.body.len().saturating_mul(size_of::<Bytes>());
        let parts = self.parts.bytes.saturating_add(self.parts.shelf.capacity());
        self.buf
            .capacity()
            .saturating_add(parts)
            .saturating_add(list)
    }

    /// Gives up the read buffer for as long as nothing arrives.
    ///
    /// A short remainder is kept in a buffer of its own size, so that a peer
    /// that stops in the middle of a small frame pins no more than it sent; a
    /// longer one keeps the buffer.
    pub fn rest(&mut self, buffers: &mut impl Buffers) {
        self.settle();
        self.parts.shelf = BytesMut::new();
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
                let left = self.limits.message_bytes.saturating_sub(self.parts.bytes);
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

/// What has come of a message whose last part hasn't.
#[derive(Debug, Default)]
struct Parts {
    head: Option<Head>,
    body: Frames,
    bytes: usize,
    /// Memory for small frames.
    shelf: BytesMut,
}

impl Parts {
    fn push(
        &mut self,
        limits: &Limits,
        more: bool,
        part: Bytes,
    ) -> Result<Option<Message>, DecodeError> {
        self.count(limits, part.len())?;
        match self.head {
            None => self.head = Some(Head::from(part)),
            Some(_) => self.body.push(part),
        }
        Ok(if more { None } else { self.take() })
    }

    /// [`push`](Self::push) of a copy. `ahead` bytes have been received from
    /// its first one on.
    #[inline]
    fn copy(
        &mut self,
        limits: &Limits,
        more: bool,
        part: &[u8],
        ahead: usize,
    ) -> Result<Option<Message>, DecodeError> {
        self.count(limits, part.len())?;
        match self.head {
            None => self.head = Some(Head::from(part)),
            Some(_) => {
                let part = self.shelve(part, ahead);
                self.body.push(part);
            }
        }
        Ok(if more { None } else { self.take() })
    }

    #[inline]
    fn count(&mut self, limits: &Limits, len: usize) -> Result<(), DecodeError> {
        let head = usize::from(self.head.is_some());
        if self.body.len().saturating_add(head) >= limits.parts {
            return Err(DecodeError::Parts {
                limit: limits.parts,
            });
        }
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > limits.message_bytes {
            return Err(DecodeError::Message {
                limit: limits.message_bytes,
            });
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> Option<Message> {
        self.bytes = 0;
        Some(Message {
            head: self.head.take()?,
            body: std::mem::take(&mut self.body),
        })
    }

    /// A copy of a small frame on the shelf; one that came alone, or nearly, is
    /// to keep no more than itself.
    #[inline]
    fn shelve(&mut self, part: &[u8], ahead: usize) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        let room = self.shelf.capacity() >= part.len();
        if part.len() > SHELVED || !room && ahead < SHELF {
            return Bytes::copy_from_slice(part);
        }
        if !room {
            self.shelf = BytesMut::with_capacity(SHELF);
        }
        self.shelf.extend_from_slice(part);
        self.shelf.split().freeze()
    }
}
