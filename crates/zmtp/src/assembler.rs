//! Frames to messages.

use bytes::{Bytes, BytesMut};

use crate::decode_error::DecodeError;
use crate::limits::FrameLimits;
use crate::message::{Frames, Head, Message};
use crate::read_buffer::Buffers;

/// Frames below this are copied out of the read buffer, others are slices of it.
///
/// A slice keeps the whole buffer alive, which is at most one and a half
/// [`READ_CHUNK`](crate::READ_CHUNK)s unless the frame itself is larger. From
/// 8 KiB up a retained frame therefore pins at most thirteen times its own size
/// (a frame of 16 B would pin 6,000 times its own).
pub const COPY_BELOW: usize = 8 << 10;

/// Frames up to this are copied into a small slab that they share with the frames
/// that came with them: an allocation for each would cost more than reading it. A
/// frame that is kept keeps a whole [`SMALL_SLAB`].
const SMALL_FRAME: usize = 128;

/// The size of a small slab, in bytes: 64 times a frame of 16 bytes.
const SMALL_SLAB: usize = 1 << 10;

/// Frames from this size on are copied into a [`SLAB`] if several came together.
const SLAB_FRAME: usize = SLAB / 64;

/// The size of a slab, in bytes. A frame that is kept keeps a whole one, at most 64
/// times its size.
///
/// [`Buffers`] use slabs again, which is worth more than the allocations that are saved:
/// memory fresh from the system is paid for page by page.
pub const SLAB: usize = 16 << 10;

/// The frames of a message whose last frame hasn't come yet.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    head: Option<Head>,
    body: Frames,
    bytes: usize,
    /// Memory for small frames.
    small: BytesMut,
    /// Memory for larger ones.
    slab: Option<BytesMut>,
}

impl Assembler {
    /// Appends a frame to the message under way. When it is the last one, the
    /// caller [takes](Self::take) the message.
    ///
    /// # Errors
    /// The message has too many frames or bytes.
    pub(crate) fn push(&mut self, limits: &FrameLimits, frame: Bytes) -> Result<(), DecodeError> {
        self.count(limits, frame.len())?;
        match self.head {
            None => self.head = Some(Head::from(frame)),
            Some(_) => self.body.push(frame),
        }
        Ok(())
    }

    /// [`push`](Self::push) of a copy. `ahead` bytes have been received from
    /// the frame's first one on.
    #[inline]
    pub(crate) fn copy(
        &mut self,
        limits: &FrameLimits,
        frame: &[u8],
        ahead: usize,
        buffers: &mut dyn Buffers,
    ) -> Result<(), DecodeError> {
        self.count(limits, frame.len())?;
        match self.head {
            None if frame.len() >= SLAB_FRAME => {
                let frame = self.copied_larger(frame, ahead, buffers);
                self.head = Some(Head::from(frame));
            }
            None => self.head = Some(Head::from(frame)),
            Some(_) => {
                let frame = self.copied(frame, ahead, buffers);
                self.body.push(frame);
            }
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self, limits: &FrameLimits, len: usize) -> Result<(), DecodeError> {
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

    /// Whether no message is under way.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// The message under way, whose last frame has come.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Message> {
        self.bytes = 0;
        Some(Message {
            head: self.head.take()?,
            body: std::mem::take(&mut self.body),
        })
    }

    /// A copy of a frame, in a slab unless it came alone, or nearly: then it keeps no
    /// more memory than its own.
    #[inline]
    pub(crate) fn copied(
        &mut self,
        frame: &[u8],
        ahead: usize,
        buffers: &mut dyn Buffers,
    ) -> Bytes {
        if frame.is_empty() {
            return Bytes::new();
        }
        let room = self.small.capacity() >= frame.len();
        if frame.len() > SMALL_FRAME || !room && ahead < SMALL_SLAB {
            return self.copied_larger(frame, ahead, buffers);
        }
        if !room {
            self.small = BytesMut::with_capacity(SMALL_SLAB);
        }
        self.small.extend_from_slice(frame);
        self.small.split().freeze()
    }

    #[inline(never)]
    fn copied_larger(&mut self, frame: &[u8], ahead: usize, buffers: &mut dyn Buffers) -> Bytes {
        let slab = match &mut self.slab {
            _ if frame.len() < SLAB_FRAME => return Bytes::copy_from_slice(frame),
            Some(slab) if slab.capacity() >= frame.len() => slab,
            _ if ahead < SLAB => return Bytes::copy_from_slice(frame),
            slab => {
                if let Some(used) = slab.take() {
                    buffers.put_slab(used);
                }
                slab.insert(buffers.slab())
            }
        };
        slab.extend_from_slice(frame);
        slab.split().freeze()
    }

    /// Bytes of the message under way.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        let list = self.body.len().saturating_mul(size_of::<Bytes>());
        self.bytes
            .saturating_add(self.small.capacity())
            .saturating_add(self.slab.as_ref().map_or(0, BytesMut::capacity))
            .saturating_add(list)
    }

    /// Gives up the slabs.
    pub(crate) fn rest(&mut self, buffers: &mut dyn Buffers) {
        self.small = BytesMut::new();
        if let Some(slab) = self.slab.take() {
            buffers.put_slab(slab);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unpooled;

    #[test]
    fn frames_are_joined_until_one_is_the_last() {
        let limits = FrameLimits::default();
        let mut assembler = Assembler::default();
        assert_eq!(assembler.copy(&limits, b"a", 1, &mut Unpooled), Ok(()));
        assert_eq!(assembler.push(&limits, Bytes::from_static(b"b")), Ok(()));
        assert_eq!(assembler.bytes(), 2);
        assert_eq!(assembler.copy(&limits, b"c", 1, &mut Unpooled), Ok(()));
        let parts = ["a", "b", "c"].map(Bytes::from);
        assert_eq!(assembler.take(), Message::from_frames(parts));
        assert_eq!(assembler.bytes(), 0);
        assert_eq!(assembler.take(), None);
    }
}
