//! Whom to open a mailbox to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use zre_zmtp::Mechanism;

use crate::Identity;

/// Whether a peer may be looked for on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameHost {
    /// In this process first, then, if its address is one of this host's, in
    /// the ipc directory.
    #[default]
    Detect,
    /// Only at the target's ipc path and address.
    Never,
}

/// A peer, and the routes to it. It goes as it is down to the engine.
///
/// ```
/// use zre_session::{Identity, Target};
///
/// let peer = Identity::try_from(&b"bob"[..])?;
/// let target = Target::default().peer(peer).addr("192.0.2.7:5670".parse()?);
/// assert!(target.ipc.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Target {
    /// Its identity, if it is known. Without it, the peer can't be found in
    /// memory or in the ipc directory. With it, an inbox that claims another
    /// identity is a failed handshake; one that claims none is accepted.
    pub peer: Option<Identity>,
    /// Its tcp address; a link-local one of IPv6 with its scope.
    pub addr: Option<SocketAddr>,
    /// The path of its ipc socket, if it isn't in the directory that we use.
    pub ipc: Option<PathBuf>,
    /// Whether to look for it on this host.
    pub same_host: SameHost,
    /// The security mechanism for this peer, if it isn't that of the configuration:
    /// one that knows the peer's key.
    pub mechanism: Option<Arc<dyn Mechanism>>,
}

impl Target {
    /// Sets the peer's identity.
    #[must_use]
    pub fn peer(mut self, peer: Identity) -> Self {
        self.peer = Some(peer);
        self
    }

    /// Sets its tcp address.
    #[must_use]
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = Some(addr);
        self
    }

    /// Sets the path of its ipc socket.
    #[must_use]
    pub fn ipc(mut self, path: impl Into<PathBuf>) -> Self {
        self.ipc = Some(path.into());
        self
    }

    /// Sets whether to look for it on this host.
    #[must_use]
    pub fn same_host(mut self, same_host: SameHost) -> Self {
        self.same_host = same_host;
        self
    }

    /// Sets the security mechanism for this peer.
    #[must_use]
    pub fn mechanism(mut self, mechanism: Arc<dyn Mechanism>) -> Self {
        self.mechanism = Some(mechanism);
        self
    }
}
