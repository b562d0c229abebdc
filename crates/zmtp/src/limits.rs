//! Bounds on the memory that a peer can make us use.

/// Bounds on what is accepted from a peer, checked before memory is taken for it.
///
/// They hold for the contents of sealed frames, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest body of one message frame, in bytes.
    ///
    /// Default 64 MiB: far above what a discovery mesh passes around, small
    /// enough that a handful of hostile peers can't fill a machine.
    pub frame_bytes: usize,
    /// Largest message, the sum of its frames' bodies, in bytes.
    ///
    /// Default 64 MiB. At least as large as `frame_bytes` to make sense.
    pub message_bytes: usize,
    /// Most frames in one message.
    ///
    /// Default 1,024. Empty frames cost nothing in bytes, yet each is a handle
    /// of 32 bytes here, so they need a bound of their own.
    pub parts: usize,
    /// Largest body of one command, in bytes; applies in the handshake too.
    ///
    /// Default 8 KiB: a READY of NULL is about 60 bytes, its metadata may carry
    /// what an application added.
    pub command_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        FrameLimits {
            frame_bytes: 64 << 20,
            message_bytes: 64 << 20,
            parts: 1024,
            command_bytes: 8 << 10,
        }
    }
}
