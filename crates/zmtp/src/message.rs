//! What a whole message is: its first frame and the others.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// The frames of a message after its first, in order. Two fit without an
/// allocation.
pub type Frames = smallvec::SmallVec<[Bytes; 2]>;

/// A whole message; it has at least one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first frame: what tells the receiver what the message is.
    pub head: Head,
    /// The others.
    pub body: Frames,
}

impl Message {
    /// Of a borrowed first frame and the others, which are shared.
    pub fn new(head: &[u8], body: &[Bytes]) -> Message {
        let mut frames = Frames::new();
        // Nearly always it is one: collecting would ask more than that takes.
        for frame in body {
            frames.push(frame.clone());
        }
        Message {
            head: Head::from(head),
            body: frames,
        }
    }

    /// All frames as one list, or `None` of an empty list.
    pub fn from_frames(frames: impl IntoIterator<Item = Bytes>) -> Option<Message> {
        let mut frames = frames.into_iter();
        let head = Head::from(frames.next()?);
        Some(Message {
            head,
            body: frames.collect(),
        })
    }

    /// The bytes of all frames together.
    pub fn bytes(&self) -> usize {
        let body = self.body.iter().map(Bytes::len);
        body.fold(self.head.len(), usize::saturating_add)
    }

    /// The number of frames.
    pub fn parts(&self) -> usize {
        self.body.len().saturating_add(1)
    }
}

/// Bytes that a [`Head`] holds by itself.
const INLINE: usize = 23;

/// The first frame of a message.
///
/// It is short as a rule and read once, so up to 23 bytes are held right here:
/// an allocation for each message would cost more than all else that is done
/// with it.
#[derive(Clone)]
pub struct Head(Form);

#[derive(Clone)]
enum Form {
    Inline(u8, [u8; INLINE]),
    Shared(Bytes),
}

impl Deref for Head {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Form::Inline(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Form::Shared(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Head {
    #[inline]
    fn from(frame: &[u8]) -> Head {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..frame.len()), u8::try_from(frame.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(frame);
                Head(Form::Inline(len, bytes))
            }
            _ => Head(Form::Shared(Bytes::copy_from_slice(frame))),
        }
    }
}

impl From<Bytes> for Head {
    fn from(frame: Bytes) -> Head {
        match frame.len() {
            0..=INLINE => Head::from(&frame[..]),
            _ => Head(Form::Shared(frame)),
        }
    }
}

impl From<Head> for Bytes {
    fn from(head: Head) -> Bytes {
        match head.0 {
            Form::Shared(bytes) => bytes,
            Form::Inline(..) => Bytes::copy_from_slice(&head),
        }
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Head {}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_what_was_put_in_whatever_its_length() {
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, 255, 256, 70_000] {
            let frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let head = Head::from(&frame[..]);
            assert_eq!(&head[..], &frame[..]);
            assert_eq!(head, Head::from(Bytes::from(frame.clone())));
            assert_eq!(Bytes::from(head), frame);
        }
        assert_eq!(size_of::<Head>(), size_of::<Bytes>());
    }

    #[test]
    fn a_long_head_is_the_bytes_that_came() {
        let frame = Bytes::from(vec![7; 100]);
        let head = Head::from(frame.clone());
        assert_eq!(head.as_ptr(), frame.as_ptr());
    }

    #[test]
    fn the_first_frame_is_the_head() {
        let message = Message::from_frames(["a", "b", "c"].map(Bytes::from)).unwrap();
        assert_eq!((message.parts(), message.bytes()), (3, 3));
        assert_eq!(message, Message::new(b"a", &["b", "c"].map(Bytes::from)));
        assert_eq!(Message::from_frames([]), None);
    }
}
