//! Frames to messages.

use bytes::{Bytes, BytesMut};

use crate::decode_error::DecodeError;
use crate::limits::FrameLimits;
use crate::message::{Frames, Head, Message};

/// Frames below this are copied out of the read buffer, others are slices of it.
///
/// A slice keeps the whole buffer alive, which is at most one and a half
/// [`READ_CHUNK`](crate::READ_CHUNK)s unless the frame itself is larger. From
/// 8 KiB up a retained frame therefore pins at most thirteen times its own size
/// (a frame of 16 B would pin 6,000 times its own). And a copy costs more than
/// the copying: at 16 KiB it took twice the time of all else, most likely
/// because the allocator gets and returns memory each time.
pub const COPY_BELOW: usize = 8 << 10;

/// Frames up to this are copied into a slab that they share with the frames that
/// came with them: an allocation for each would cost more than reading it. A
/// frame that is kept keeps a whole [`SLAB`].
const SLAB_FRAME: usize = 128;

/// The size of a slab, in bytes.
const SLAB: usize = 1 << 10;

/// The frames of a message whose last frame hasn't come yet.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    head: Option<Head>,
    body: Frames,
    bytes: usize,
    /// Memory for small frames.
    slab: BytesMut,
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
    ) -> Result<(), DecodeError> {
        self.count(limits, frame.len())?;
        match self.head {
            None => self.head = Some(Head::from(frame)),
            Some(_) => {
                let frame = self.copied(frame, ahead);
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

    /// The message under way, whose last frame has come.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Message> {
        self.bytes = 0;
        Some(Message {
            head: self.head.take()?,
            body: std::mem::take(&mut self.body),
        })
    }

    /// A copy of a small frame, in the slab unless it came alone, or nearly: then
    /// it keeps no more memory than its own.
    #[inline]
    fn copied(&mut self, frame: &[u8], ahead: usize) -> Bytes {
        if frame.is_empty() {
            return Bytes::new();
        }
        let room = self.slab.capacity() >= frame.len();
        if frame.len() > SLAB_FRAME || !room && ahead < SLAB {
            return Bytes::copy_from_slice(frame);
        }
        if !room {
            self.slab = BytesMut::with_capacity(SLAB);
        }
        self.slab.extend_from_slice(frame);
        self.slab.split().freeze()
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
            .saturating_add(self.slab.capacity())
            .saturating_add(list)
    }

    /// Gives up the slab.
    pub(crate) fn rest(&mut self) {
        self.slab = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_joined_until_one_is_the_last() {
        let limits = FrameLimits::default();
        let mut assembler = Assembler::default();
        assert_eq!(assembler.copy(&limits, b"a", 1), Ok(()));
        assert_eq!(assembler.push(&limits, Bytes::from_static(b"b")), Ok(()));
        assert_eq!(assembler.bytes(), 2);
        assert_eq!(assembler.copy(&limits, b"c", 1), Ok(()));
        let parts = ["a", "b", "c"].map(Bytes::from);
        assert_eq!(assembler.take(), Message::from_frames(parts));
        assert_eq!(assembler.bytes(), 0);
        assert_eq!(assembler.take(), None);
    }
}
