//! What a node's links are opened with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zre_zmtp::{Mechanism, Null};

use crate::Identity;

/// What carries messages over sockets. In-memory links are the same with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// This crate's own engine: keeps every limit of [`LinkLimits`].
    #[default]
    Native,
    /// The `zeromq` crate. What it can't keep is listed in the documentation
    /// of this crate, under "The zeromq engine".
    #[cfg(feature = "zeromq")]
    ZeroMq,
}

/// Where this node's ipc socket lives.
///
/// A directory that others could enter isn't used, and peers on this host are then
/// reached by tcp.
///
/// ```
/// use zre_session::IpcDir;
///
/// // Only nodes that name the same place meet there.
/// let ipc = IpcDir::Path("/tmp/my-test/ipc".into());
/// assert_ne!(ipc, IpcDir::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IpcDir {
    /// No ipc: neither offered nor used.
    Off,
    /// `zre` in `$XDG_RUNTIME_DIR` or in `/run/user/UID`, else `zre-UID` in the
    /// directory for temporary files. Nodes of one user find each other there.
    #[default]
    Auto,
    /// This directory. It is created (mode 0700) where it is missing; both
    /// nodes have to name the same one.
    Path(PathBuf),
}

/// How to open a node's [`Links`](crate::Links).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What our mailboxes call themselves, and the name of our ipc socket.
    pub identity: Identity,
    /// What carries messages over sockets.
    pub engine: Engine,
    /// The addresses to listen at. All that have port 0 get the same port, one
    /// that is free on each of them. Empty: no tcp.
    pub listen: Vec<SocketAddr>,
    /// Whether the addresses needn't be the host's yet, where the system can do
    /// that (Linux, IP_FREEBIND): an IPv6 address can't be listened at otherwise
    /// for the second or two in which it is checked for duplicates. For
    /// addresses that the system itself lists, so that a mistyped one is told.
    /// Default: no.
    pub freebind: bool,
    /// Where our ipc socket lives and where those of others are looked for.
    pub ipc: IpcDir,
    /// Whether peers in this process are reached in memory, and reach us so.
    pub inproc: bool,
    /// The security mechanism of all links over sockets; peers need the same.
    /// Default: [`Null`], without encryption. Links in memory have none: a
    /// process trusts itself.
    pub mechanism: Arc<dyn Mechanism>,
    /// The bounds of everything.
    pub limits: LinkLimits,
}

impl Config {
    /// A node of this identity that listens nowhere over tcp, with ipc, links
    /// in memory, no encryption, and all limits at their defaults.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            engine: Engine::default(),
            listen: Vec::new(),
            freebind: false,
            ipc: IpcDir::default(),
            inproc: true,
            mechanism: Arc::new(Null),
            limits: LinkLimits::default(),
        }
    }
}

/// The bounds of what a node's links hold and wait for.
///
/// A message "costs" the bytes of its frames plus 64 for each frame, about what
/// keeping it takes, so that empty messages are bounded too. Every bound in
/// bytes of queued messages is one of such cost.
///
/// Which of them the zeromq engine can't keep is said in the crate's
/// documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkLimits {
    /// The largest frame that is sent or received, in bytes. Default 64 MiB: a
    /// photograph or a model fits, and a lie about a length costs little,
    /// because memory is taken as bytes arrive.
    pub frame_bytes: usize,
    /// The largest message, all its frames together, in bytes. Default 64 MiB.
    /// At least as much as `frame_bytes` makes sense.
    pub message_bytes: usize,
    /// How many frames a message may have. Default 1,024: a frame without
    /// bytes still takes a header and a place in a list.
    pub parts: usize,
    /// How long a connection may take to say who it is. Default 5 s: as long
    /// as a ZRE node waits for the answer to its greeting.
    pub handshake_time: Duration,
    /// How many accepted connections may be in their handshake at once; beyond
    /// it the oldest gives way. Default 256.
    pub half_open: usize,
    /// How many connections the inbox holds at once, of all links. Default
    /// 4,096: well over the thousand peers that a segment may have.
    pub connections: usize,
    /// How many of them from one ip address. Default 2,048: a host that runs a
    /// thousand nodes is a test bench, and still welcome.
    pub connections_per_addr: usize,
    /// How much may be queued for one peer. Default 16 MiB: a second of a full
    /// gigabit link to spare for 128 ms; a message that is larger than this
    /// is taken when nothing else is queued.
    pub queue_bytes_per_peer: usize,
    /// How much may be queued for all peers together. Default 256 MiB. Nothing
    /// goes beyond it, so it also bounds the size of a message.
    pub queue_bytes_total: usize,
    /// How far control messages may go beyond the two bounds above, for each
    /// peer. Default 64 KiB: hundreds of small ones.
    pub control_reserve_bytes: usize,
    /// How much of one connection may lie in the inbox, unread and in batches
    /// that are still held. Default 1 MiB: above what a socket's buffers hold,
    /// so that it isn't what limits throughput. One message that is larger is
    /// let in when nothing of the connection is held.
    pub inbox_bytes_per_connection: usize,
    /// How much of all connections over sockets may lie in the inbox. Default
    /// 256 MiB. (What comes in memory counts in its sender's bounds instead.)
    /// The native engine allows the same again for messages of which not all
    /// has come yet, and closes the connection that goes beyond it.
    pub inbox_bytes_total: usize,
    /// How long connecting may take for each address that is tried, the
    /// handshake included. Default 5 s.
    pub connect_time: Duration,
    /// How long a mailbox whose last handle was dropped goes on sending what it
    /// had accepted. Default 1 s.
    pub linger: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            frame_bytes: 64 * MIB,
            message_bytes: 64 * MIB,
            parts: 1024,
            handshake_time: Duration::from_secs(5),
            half_open: 256,
            connections: 4096,
            connections_per_addr: 2048,
            queue_bytes_per_peer: 16 * MIB,
            queue_bytes_total: 256 * MIB,
            control_reserve_bytes: 64 * 1024,
            inbox_bytes_per_connection: MIB,
            inbox_bytes_total: 256 * MIB,
            connect_time: Duration::from_secs(5),
            linger: Duration::from_secs(1),
        }
    }
}

/// What keeping a frame takes beyond its bytes: list entry, reference count,
/// header.
pub(crate) const FRAME_OVERHEAD: usize = 64;

impl LinkLimits {
    /// What a message of these frames costs against the bounds.
    pub(crate) fn cost(head: &[u8], body: &[bytes::Bytes]) -> usize {
        body.iter()
            .fold(head.len(), |sum, frame| sum.saturating_add(frame.len()))
            .saturating_add(body.len().saturating_add(1).saturating_mul(FRAME_OVERHEAD))
    }
}
