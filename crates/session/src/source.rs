//! Who sends over a connection, and what carries it.

use std::fmt;
use std::net::SocketAddr;

use crate::Identity;

/// What carries a connection.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Link {
    /// A tcp connection.
    Tcp,
    /// A unix domain socket, between processes of one host.
    Ipc,
    /// Memory, inside one process. Nothing is encrypted there, whatever the
    /// node's mechanism: a process trusts itself.
    Inproc,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        })
    }
}

/// The process at the other end of an ipc link, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its user.
    pub uid: u32,
    /// Its process id, on systems that report it.
    pub pid: Option<i32>,
}

/// The sender at the other end of a connection of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The identity that the peer claims. Nothing has proved it.
    pub identity: Identity,
    /// The public key that the peer has proved to hold; `None` without a mechanism
    /// that has such keys. In memory it is the one that the peer is configured with.
    pub key: Option<[u8; 32]>,
    /// What carries the connection.
    pub link: Link,
    /// The peer's address, over tcp.
    pub addr: Option<SocketAddr>,
    /// The peer's process, over ipc, if the engine can ask for it.
    pub credentials: Option<Credentials>,
}

impl Source {
    /// A sender of this identity, of which nothing else is known.
    pub fn new(identity: Identity, link: Link) -> Self {
        Self {
            identity,
            key: None,
            link,
            addr: None,
            credentials: None,
        }
    }
}
