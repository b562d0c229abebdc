//! What a mechanism that encrypts does to frames, once both sides know each other.
//!
//! A sealed frame travels as the body of an ordinary one: its MORE and COMMAND
//! flags are sealed with its content, and the outer frame has neither. Each
//! frame is sealed by itself, a message of two frames twice. A [`Sealer`] and an
//! [`Opener`] keep the number of their last frame, so each belongs to one
//! direction of one connection, and frames pass them in the order of the wire.

use std::fmt;
use std::ops::Range;

/// The flags of a frame that travels sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFlags {
    /// Another frame of the same message follows.
    pub more: bool,
    /// A command, not part of any message.
    pub command: bool,
}

/// Seals what one side of a connection sends. [`crate::Encoder`] calls it.
pub trait Sealer: fmt::Debug + Send {
    /// How many bytes longer a sealed frame is than its content.
    fn overhead(&self) -> usize;

    /// Appends the sealed form of a frame to `out`: exactly
    /// [`overhead`](Self::overhead) bytes more than `content` has. The header of
    /// the outer frame isn't part of it.
    fn seal(&mut self, flags: FrameFlags, content: &[u8], out: &mut bytes::BytesMut);
}

/// Opens what the other side has sealed. [`crate::Decoder`] calls it.
pub trait Opener: fmt::Debug + Send {
    /// How many bytes longer a sealed frame is than its content, at most. The
    /// limits are meant for contents; a sealed frame may be so much larger.
    fn overhead(&self) -> usize;

    /// Opens the body of an outer frame in its place.
    ///
    /// # Errors
    ///
    /// The frame isn't one that the other side has sealed for this place in the
    /// stream. The connection is of no use afterwards.
    fn open(&mut self, sealed: &mut [u8]) -> Result<Opened, OpenError>;
}

/// A frame that was opened in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The flags that were sealed with it.
    pub flags: FrameFlags,
    /// Where the content lies in the bytes that were given to [`Opener::open`].
    pub content: Range<usize>,
}

/// Why a frame can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It doesn't look like a sealed frame.
    #[error("it isn't sealed, as both sides have agreed")]
    NotSealed,
    /// Somebody else made it, or changed it.
    #[error("it wasn't sealed by the peer")]
    Forged,
    /// It was sent before, or in another place.
    #[error("it is out of its order")]
    Reordered,
}
