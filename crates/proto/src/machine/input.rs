//! What the driver reports to the machine.

use std::net::{IpAddr, SocketAddr};

use uuid::Uuid;

use super::source::Source;
use crate::Endpoint;

/// How a beacon was heard.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Heard {
    /// The sender's address. The machine dials this address with the port that
    /// the beacon names.
    pub from: SocketAddr,
    /// [`Source::Multicast`] or [`Source::Broadcast`].
    pub source: Source,
    /// Whether it came over a loopback interface, or from our own process.
    pub over_loopback: bool,
    /// Whether the sender's address is one of this host.
    pub from_this_host: bool,
}

impl Heard {
    /// A beacon from that address.
    #[must_use]
    pub const fn new(from: SocketAddr, source: Source, over_loopback: bool) -> Self {
        Self {
            from,
            source,
            over_loopback,
            from_this_host: over_loopback,
        }
    }

    /// The same, from an address of this host or not. Until this is called, what comes over
    /// loopback counts as from this host.
    #[must_use]
    pub const fn from_this_host(mut self, from_this_host: bool) -> Self {
        self.from_this_host = from_this_host;
        self
    }
}

/// An address at which a node should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// The address.
    pub endpoint: Endpoint,
    /// The node that should be there, if the source names one.
    pub peer: Option<Uuid>,
    /// The source that names the address.
    pub source: Source,
    /// Whether a loopback address may mean this host: no other host has named it.
    pub over_loopback: bool,
}

impl Found {
    /// An address, and the node there if the source names one.
    #[must_use]
    pub fn new(endpoint: Endpoint, peer: Option<Uuid>, source: Source) -> Self {
        Self {
            endpoint,
            peer,
            source,
            over_loopback: true,
        }
    }

    /// The same, named by another host.
    #[must_use]
    pub fn by_another_host(mut self) -> Self {
        self.over_loopback = false;
        self
    }
}

/// What is known of a mailbox that has opened. The default knows nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Up {
    /// Our own address on the link, if it has one. HELLO names it.
    pub local: Option<IpAddr>,
    /// The node that answered, if the handshake names it.
    pub peer: Option<Uuid>,
    /// The address that was reached, if the link has one. A dialled name can
    /// stand for several.
    pub remote: Option<SocketAddr>,
    /// Whether both ends are in one process. The end of such a link is always
    /// reported, so silence means nothing.
    pub in_memory: bool,
    /// Whether the other end is another process of this host, so that its death is
    /// reported at once and only a process that stands still is silent.
    pub same_host: bool,
}

impl Up {
    /// A mailbox over a network, with our address and the one that was reached.
    #[must_use]
    pub fn new(local: Option<IpAddr>, remote: Option<SocketAddr>) -> Self {
        Self {
            local,
            remote,
            ..Self::default()
        }
    }

    /// A mailbox whose other end is in this process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            in_memory: true,
            ..Self::default()
        }
    }

    /// The same, after a handshake that named the node at the other end.
    #[must_use]
    pub fn with_peer(mut self, peer: Option<Uuid>) -> Self {
        self.peer = peer;
        self
    }
}

/// The origin of a message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Inbound {
    /// The UUID in the identity of the sender's DEALER.
    pub peer: Uuid,
    /// The number of the sender's connection to our inbox.
    pub connection: u64,
    /// The sender's address, if the link has one.
    pub from: Option<SocketAddr>,
    /// Whether the sender has proved no key to a node that has one. It is then in the
    /// groups of [`Config::plain_groups`](super::Config::plain_groups) alone.
    pub is_plain: bool,
}

impl Inbound {
    /// A message of that peer over that connection.
    #[must_use]
    pub const fn new(peer: Uuid, connection: u64, from: Option<SocketAddr>) -> Self {
        Self {
            peer,
            connection,
            from,
            is_plain: false,
        }
    }

    /// The same from a peer that has proved no key, or has.
    #[must_use]
    pub const fn plain(mut self, is_plain: bool) -> Self {
        self.is_plain = is_plain;
        self
    }
}
