//! Messages: the first frame and the others.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use smallvec::SmallVec;

/// A list of frames. [`Frames::IN_PLACE`] of them fit without an allocation.
#[derive(Default, PartialEq, Eq, Hash)]
pub struct Frames(SmallVec<[Bytes; Frames::IN_PLACE]>);

impl Frames {
    /// How many frames fit without an allocation: a header and one frame of
    /// content, as nearly every message of ZRE has.
    pub const IN_PLACE: usize = 2;

    /// An empty list.
    #[inline]
    pub fn new() -> Frames {
        Frames::default()
    }

    #[inline]
    fn cloned(frames: &[Bytes]) -> Frames {
        let mut cloned = Frames::new();
        // Nearly always it is one: collecting would cost more than the loop.
        for frame in frames {
            cloned.push(frame.clone());
        }
        cloned
    }

    /// Appends a frame.
    #[inline]
    pub fn push(&mut self, frame: Bytes) {
        self.0.push(frame);
    }

    /// Takes the first frame from the list, if there is one.
    #[inline]
    pub fn take_first(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

impl Clone for Frames {
    #[inline]
    fn clone(&self) -> Frames {
        Frames::cloned(self)
    }
}

impl Deref for Frames {
    type Target = [Bytes];

    #[inline]
    fn deref(&self) -> &[Bytes] {
        &self.0
    }
}

impl From<Vec<Bytes>> for Frames {
    fn from(frames: Vec<Bytes>) -> Frames {
        Frames(frames.into())
    }
}

impl Extend<Bytes> for Frames {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, frames: I) {
        self.0.extend(frames);
    }
}

impl FromIterator<Bytes> for Frames {
    fn from_iter<I: IntoIterator<Item = Bytes>>(frames: I) -> Frames {
        Frames(frames.into_iter().collect())
    }
}

impl IntoIterator for Frames {
    type Item = Bytes;
    type IntoIter = IntoFrames;

    fn into_iter(self) -> IntoFrames {
        IntoFrames(self.0.into_iter())
    }
}

impl<'a> IntoIterator for &'a Frames {
    type Item = &'a Bytes;
    type IntoIter = std::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The frames of a list that is given up, in order.
#[derive(Debug)]
pub struct IntoFrames(smallvec::IntoIter<[Bytes; Frames::IN_PLACE]>);

impl Iterator for IntoFrames {
    type Item = Bytes;

    #[inline]
    fn next(&mut self) -> Option<Bytes> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoFrames {}

/// A whole message; it has at least one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first frame. It tells the receiver what the message is.
    pub head: Head,
    /// The other frames.
    pub body: Frames,
}

impl Message {
    /// A message of a borrowed first frame, which is copied, and the other
    /// frames, which are shared.
    pub fn new(head: &[u8], body: &[Bytes]) -> Message {
        Message {
            head: Head::from(head),
            body: Frames::cloned(body),
        }
    }

    /// A message of these frames; `None` if there are none.
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
/// It is usually short and read once. Up to 23 bytes are therefore held in
/// place: an allocation for each message would cost more than everything else
/// that is done with the frame.
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

impl Head {
    /// The first `len` bytes of `front`, if they fit in place.
    ///
    /// Copies a fixed number of bytes if there are as many: the processor can't forward a
    /// few short stores to the long loads that move a head, and would wait for them.
    #[inline]
    pub(crate) fn in_place(front: &[u8], len: u8) -> Option<Head> {
        if usize::from(len) > INLINE {
            return None;
        }
        match front.first_chunk::<INLINE>() {
            Some(bytes) => Some(Head(Form::Inline(len, *bytes))),
            None => front.get(..usize::from(len)).map(Head::from),
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
    fn two_frames_fit_in_place() {
        let frame = |byte| Bytes::from(vec![byte; 3]);
        let mut frames = Frames::new();
        for byte in 0..2 {
            frames.push(frame(byte));
            assert!(!frames.0.spilled());
        }
        frames.push(frame(2));
        assert!(frames.0.spilled());
        assert_eq!(frames.take_first(), Some(frame(0)));
        assert_eq!(frames, Frames::from(vec![frame(1), frame(2)]));
        let left = frames.into_iter();
        assert_eq!(left.len(), 2);
        assert_eq!(left.collect::<Vec<_>>(), [frame(1), frame(2)]);
        assert_eq!(Frames::new().take_first(), None);
    }

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
        assert_eq!(format!("{:?}", message.body), r#"[b"b", b"c"]"#);
        assert_eq!(Message::from_frames([]), None);
    }
}
