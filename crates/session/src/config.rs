//! How a node's links are configured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zre_zmtp::{Mechanism, Null};

use crate::{Identity, LinkLimits};

/// What carries messages over sockets. In-memory links are the same with every
/// engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// This crate's own engine. It keeps every limit of [`LinkLimits`].
    #[default]
    Native,
    /// The `zeromq` crate. The documentation of this crate lists what it can't
    /// keep, under "The zeromq engine".
    #[cfg(feature = "zeromq")]
    ZeroMq,
}

/// Where this node's ipc socket lives.
///
/// A directory that other users could enter isn't used; peers on this host are
/// then reached by tcp.
///
/// ```
/// use zre_session::IpcDir;
///
/// // Only nodes that name the same directory meet there.
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
    /// This directory. It is created (mode 0700) if it is missing; both nodes
    /// have to name the same one.
    Path(PathBuf),
}

/// How to open a node's [`Links`](crate::Links).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The identity of our mailboxes, and the name of our ipc socket.
    pub identity: Identity,
    /// What carries messages over sockets.
    pub engine: Engine,
    /// The addresses to listen at. All that have port 0 get the same port, one
    /// that is free on each of them. Empty: no tcp.
    pub listen: Vec<SocketAddr>,
    /// Whether to listen at addresses that the host doesn't have yet, on systems
    /// that can (Linux, IP_FREEBIND). Otherwise nothing can listen at an IPv6
    /// address for the second or two in which it is checked for duplicates. Set
    /// it only for addresses that the system itself lists: a mistyped one is no
    /// error then. Default: no.
    pub freebind: bool,
    /// The directory of our ipc socket, in which we look for those of others.
    pub ipc: IpcDir,
    /// Whether peers in this process and we reach each other in memory.
    pub inproc: bool,
    /// The security mechanism of all links over sockets, unless a
    /// [`Target`](crate::Target) has its own; peers need the same. Default: [`Null`],
    /// without encryption. Links in memory have none: a process trusts itself.
    pub mechanism: Arc<dyn Mechanism>,
    /// How long a connection may take until [`Links::admit`](crate::Links::admit) is
    /// called for it, if the reader of the inbox judges connections. Those that aren't
    /// admitted give way when there are too many, and end when their time is over and
    /// nothing of them is unread. A further connection of an identity waits beside the
    /// older one, whose place it takes when it is admitted.
    ///
    /// `None`, the default: all stay, and a new connection of an identity takes the
    /// place of the older one. The zeromq engine knows nothing else.
    pub admission: Option<Duration>,
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
            admission: None,
            limits: LinkLimits::default(),
        }
    }
}
