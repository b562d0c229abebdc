//! The content of the application's messages.

use std::fmt;

use bytes::Bytes;

use crate::Frames;

/// The content of a message: zero or more frames of bytes.
///
/// Most applications send one frame: bytes and text convert into a message of one
/// frame. A message of several frames reaches its receiver as the same frames, all of
/// them or none.
///
/// A clone shares the bytes. A message that was received over a socket may share memory
/// with those that came with it. As long as it is kept, so is that memory: 1 KiB for a frame
/// of up to 128 bytes, 16 KiB for one of 256 bytes up to 8 KiB, and about 100 KiB for a larger
/// one. A copy ([`Bytes::copy_from_slice`]) keeps only its own. The bounds on count and size are in
/// [`MessageLimits`](crate::MessageLimits). They are checked when a message is sent or
/// received, and not here.
///
/// ```
/// use zre_proto::Message;
///
/// let one = Message::from("hello");
/// assert_eq!(one.to_str(), Some("hello"));
///
/// let two = Message::from(["verb", "object"]);
/// assert_eq!(two.frame_count(), 2);
/// assert_eq!(two.frame(1), Some(&b"object"[..]));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Message(Frames);

impl Message {
    /// A message without frames, which the wire allows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frames in order.
    #[inline]
    pub fn frames(&self) -> &[Bytes] {
        &self.0
    }

    /// The bytes of one frame, or `None` behind the last.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index).map(AsRef::as_ref)
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: impl Into<Bytes>) {
        self.0.push(frame.into());
    }

    /// The bytes of all frames together.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether it has no bytes: no frames, or only empty ones.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// The number of frames.
    #[inline]
    pub fn frame_count(&self) -> usize {
        self.0.len()
    }

    /// The text of a message of exactly one frame of valid UTF-8, and `None` for any
    /// other message. No character is replaced, and no frames are joined.
    pub fn to_str(&self) -> Option<&str> {
        match self.frames() {
            [frame] => std::str::from_utf8(frame).ok(),
            _ => None,
        }
    }

    /// The frames.
    pub fn into_frames(self) -> Frames {
        self.0
    }

    fn single(frame: Bytes) -> Self {
        Self(std::iter::once(frame).collect())
    }
}

/// The frames; long content is cut.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FRAMES: usize = 4;
        const BYTES: usize = 32;
        f.write_str("Message[")?;
        for (index, frame) in self.0.iter().take(FRAMES).enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match frame.get(..BYTES) {
                Some(start) if frame.len() > BYTES => {
                    write!(f, "\"{}\"… ({} bytes)", start.escape_ascii(), frame.len())?;
                }
                _ => write!(f, "\"{}\"", frame.escape_ascii())?,
            }
        }
        if self.0.len() > FRAMES {
            write!(f, ", … ({} frames)", self.0.len())?;
        }
        f.write_str("]")
    }
}

/// Copies the text.
impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::single(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// Copies the text.
impl From<&String> for Message {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::single(Bytes::from(text))
    }
}

/// Copies the bytes.
impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::single(Bytes::copy_from_slice(bytes))
    }
}

/// Copies the bytes.
impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(bytes.as_slice())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::single(Bytes::from(bytes))
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::single(bytes)
    }
}

impl From<Frames> for Message {
    #[inline]
    fn from(frames: Frames) -> Self {
        Self(frames)
    }
}

impl From<Vec<Bytes>> for Message {
    fn from(frames: Vec<Bytes>) -> Self {
        Self(frames.into())
    }
}

impl From<Vec<Vec<u8>>> for Message {
    fn from(frames: Vec<Vec<u8>>) -> Self {
        frames.into_iter().collect()
    }
}

impl From<Vec<String>> for Message {
    fn from(frames: Vec<String>) -> Self {
        frames.into_iter().collect()
    }
}

/// One frame for each item.
impl<T: Into<Bytes>, const N: usize> From<[T; N]> for Message {
    fn from(frames: [T; N]) -> Self {
        frames.into_iter().collect()
    }
}

/// One frame for each item.
impl<T: Into<Bytes>> FromIterator<T> for Message {
    fn from_iter<I: IntoIterator<Item = T>>(frames: I) -> Self {
        Self(frames.into_iter().map(Into::into).collect())
    }
}

impl From<Message> for Frames {
    fn from(message: Message) -> Self {
        message.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_text_become_one_frame() {
        for message in [
            Message::from("abc"),
            Message::from("abc".to_owned()),
            Message::from(b"abc"),
            Message::from(&b"abc"[..]),
            Message::from(b"abc".to_vec()),
            Message::from(Bytes::from_static(b"abc")),
            Message::from(["abc"]),
            Message::from(vec!["abc".to_owned()]),
            Message::from_iter([b"abc".to_vec()]),
        ] {
            assert_eq!(message.frames(), [Bytes::from_static(b"abc")]);
            assert_eq!((message.len(), message.frame_count()), (3, 1));
            assert_eq!(message.to_str(), Some("abc"));
        }
    }

    #[test]
    fn empty_is_about_bytes_and_text_about_one_frame() {
        assert!(Message::new().is_empty());
        assert_eq!(Message::new().frame_count(), 0);
        assert!(Message::from("").is_empty());
        assert_eq!(Message::from("").frame_count(), 1);
        assert_eq!(Message::from("").to_str(), Some(""));
        assert_eq!(Message::new().to_str(), None);
        assert_eq!(Message::from(["a", "b"]).to_str(), None);
        assert_eq!(Message::from(b"\xff").to_str(), None);
    }

    #[test]
    fn debug_is_short_however_long_the_content_is() {
        assert_eq!(
            format!("{:?}", Message::from(["a", "b\n"])),
            r#"Message["a", "b\n"]"#
        );
        let long = Message::from_iter(vec![vec![0u8; 1000]; 1000]);
        assert!(format!("{long:?}").len() < 1000);
    }
}
