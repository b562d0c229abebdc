//! Bounds on the memory that a peer can make us use.

/// Bounds on what is accepted from a peer, checked before memory is taken for it.
///
/// They hold for the contents of sealed frames, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest body of one message frame, in bytes.
    ///
    /// Default 64 MiB: far more than a discovery mesh needs, and so little that a
    /// handful of hostile peers can't fill a machine's memory.
    pub frame_bytes: usize,
    /// Largest message, the sum of its frames' bodies, in bytes.
    ///
    /// Default 64 MiB. Less than `frame_bytes` makes no sense.
    pub message_bytes: usize,
    /// Most frames in one message.
    ///
    /// Default 1,024. Empty frames have no bytes, but each is a handle of 32 bytes
    /// here: they need a bound of their own.
    pub parts: usize,
    /// Largest body of one command, in bytes; applies in the handshake too.
    ///
    /// Default 8 KiB: a READY of NULL is about 60 bytes, and an application may add
    /// properties to it.
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
