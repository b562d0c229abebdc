//! The buffer of a connection's reads: how it grows, shrinks and changes.

use bytes::buf::Limit;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::assembler::{COPY_BELOW, SLAB};

/// Bytes to ask of the socket at once.
///
/// 64 KiB amortise a system call over thousands of small messages. The slack
/// on top lets a message of 64 KiB, a common size, come in one read together
/// with its headers.
pub const READ_CHUNK: usize = (64 + 4) << 10;

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
    /// already: the bytes are merely announced, and nothing is allocated for
    /// an announcement.
    fn recycled(&mut self, bytes: usize) -> Option<BytesMut>;

    /// Takes a buffer back and discards its contents. `large` is the size of a
    /// buffer that was made for a frame over [`READ_CHUNK`] (its capacity
    /// doesn't tell while messages share it), and 0 for others.
    fn put(&mut self, buf: BytesMut, large: usize);

    /// An empty buffer with room for [`SLAB`] bytes, into which frames are copied.
    fn slab(&mut self) -> BytesMut;

    /// Takes a slab back, as [`put`](Self::put) takes buffers.
    fn put_slab(&mut self, slab: BytesMut);
}

/// Without a pool: buffers come from the allocator and go back to it.
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

    fn slab(&mut self) -> BytesMut {
        BytesMut::with_capacity(SLAB)
    }

    fn put_slab(&mut self, _: BytesMut) {}
}

/// Bytes that were received and aren't decoded yet.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    buf: BytesMut,
    /// Bytes at the front of `buf` that are decoded already. They are passed in
    /// one go: to move the start of `buf` for each small frame costs more than
    /// the frame.
    done: usize,
    /// Bytes that the frame at the front still lacks, 0 if unknown.
    missing: usize,
    /// The size of `buf`, if it was made for one frame over [`READ_CHUNK`].
    large: usize,
}

impl ReadBuffer {
    pub(crate) fn new(received: BytesMut) -> ReadBuffer {
        ReadBuffer {
            buf: received,
            done: 0,
            missing: 0,
            large: 0,
        }
    }

    /// Where to put what the socket has: see [`crate::Decoder::read_buf`].
    pub(crate) fn room(&mut self, buffers: &mut dyn Buffers) -> Limit<&mut BytesMut> {
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
            // Small frames would keep reusing, and so pin, a buffer that was
            // made for a large one.
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
        // Bytes that are read beyond the end of a frame that keeps the buffer are
        // copied into the next one. That is little beside a few small frames, and
        // half of all bytes if each read brings a frame of 64 KiB.
        let most = match self.missing >= LEAST_ROOM {
            true => self.missing,
            false => 2 * READ_CHUNK,
        };
        (&mut self.buf).limit(room.min(most))
    }

    /// Goes on in another buffer, which must have room.
    fn replace(&mut self, mut buf: BytesMut, buffers: &mut dyn Buffers) {
        buf.extend_from_slice(&self.buf);
        let old = std::mem::replace(&mut self.buf, buf);
        if old.capacity() > 0 {
            buffers.put(old, self.large);
        }
    }

    /// The bytes that aren't decoded yet.
    #[inline]
    pub(crate) fn front(&self) -> &[u8] {
        self.buf.get(self.done..).unwrap_or_default()
    }

    /// `len` of them, `from` bytes behind their first.
    pub(crate) fn part_mut(&mut self, from: usize, len: usize) -> &mut [u8] {
        let start = self.done.saturating_add(from);
        self.buf
            .get_mut(start..start.saturating_add(len))
            .unwrap_or_default()
    }

    /// The first `len` are decoded.
    #[inline]
    pub(crate) fn pass(&mut self, len: usize) {
        self.done = self.done.saturating_add(len);
    }

    /// Parts `len` bytes from the buffer, `from` bytes behind the first that
    /// isn't decoded, without a copy. They are decoded then, and all before them.
    pub(crate) fn split(&mut self, from: usize, len: usize) -> Bytes {
        self.buf.advance(self.done.saturating_add(from));
        self.done = 0;
        self.buf.split_to(len).freeze()
    }

    /// There is no whole frame: so many bytes are missing, or an unknown number
    /// (0).
    #[inline]
    pub(crate) fn lack(&mut self, missing: usize) {
        self.missing = missing;
        self.settle();
    }

    /// How many bytes aren't decoded yet.
    pub(crate) fn len(&self) -> usize {
        self.buf.len().saturating_sub(self.done)
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Gives up the buffer: see [`crate::Decoder::rest`].
    pub(crate) fn rest(&mut self, buffers: &mut dyn Buffers) {
        self.settle();
        if self.buf.len() < COPY_BELOW && self.buf.capacity() >= COPY_BELOW {
            let rest = BytesMut::with_capacity(self.buf.len());
            self.replace(rest, buffers);
            self.large = 0;
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
