//! Why received bytes are refused.

use crate::command::CommandError;
use crate::frame::HeaderError;
use crate::seal::OpenError;

/// Why the stream of a connection can't be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A frame header that ZMTP excludes.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A frame over [`FrameLimits::frame_bytes`](crate::FrameLimits::frame_bytes).
    #[error("the peer announced a frame of {announced} bytes; {limit} are allowed")]
    Frame {
        /// What it announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A command over [`FrameLimits::command_bytes`](crate::FrameLimits::command_bytes).
    #[error("the peer announced a command of {announced} bytes; {limit} are allowed")]
    CommandLength {
        /// What it announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A message over [`FrameLimits::message_bytes`](crate::FrameLimits::message_bytes).
    #[error("the peer's message passed {limit} bytes")]
    Message {
        /// What is allowed.
        limit: usize,
    },
    /// A message over [`FrameLimits::parts`](crate::FrameLimits::parts).
    #[error("the peer's message passed {limit} parts")]
    Parts {
        /// What is allowed.
        limit: usize,
    },
    /// A malformed command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A frame that the mechanism can't open.
    #[error("the peer sent a frame that can't be opened: {0}")]
    Open(#[from] OpenError),
}
