//! What can go wrong when a beacon is opened or refreshed. Once open, nothing is an error:
//! see [`Stats`](crate::Stats).

use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use thiserror::Error;

/// Why [`Beacon::open`](crate::Beacon::open) opened nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// [`Config::port`](crate::Config::port) is 0.
    #[error("port 0 is no port to meet at: choose one, 5670 by convention")]
    PortZero,
    /// [`Config::ttl`](crate::Config::ttl) is over 255.
    #[error("a TTL of {ttl} doesn't exist: choose one from 0 (this host) to 255")]
    Ttl {
        /// What was asked for.
        ttl: u32,
    },
    /// An address among [`Config::groups`](crate::Config::groups) is no multicast address.
    #[error("{addr} is no multicast address: choose one in 239.0.0.0/8 or ff02::/16")]
    NotMulticast {
        /// The address.
        addr: SocketAddr,
    },
    /// The address of [`Broadcast::To`](crate::Broadcast::To) isn't the broadcast address
    /// of any chosen interface.
    #[error(
        "{addr} is the broadcast address of no chosen interface: \
         use 255.255.255.255, an interface's own, or leave it out"
    )]
    NotBroadcast {
        /// The address.
        addr: SocketAddrV4,
    },
    /// No group is named and broadcast is off.
    #[error("neither a multicast group nor broadcast is chosen: there is nothing to open")]
    Nowhere,
    /// A named interface isn't there, or has no address.
    #[error(
        "no interface and no interface's address is called {name:?}; this host has {}",
        known.join(", ")
    )]
    UnknownInterface {
        /// The name as it was given.
        name: String,
        /// What could have been named: interfaces with their addresses.
        known: Vec<String>,
    },
    /// None of the chosen interfaces can carry anything.
    #[error("no usable interface: {}", reasons.join("; "))]
    NoInterface {
        /// One line for each chosen interface, with what is wrong with it.
        reasons: Vec<String>,
    },
    /// Another program holds the port and doesn't share it.
    #[error(
        "UDP {addr} is held by {}, which doesn't share it: stop that program or choose another port",
        holder.as_deref().unwrap_or("another program")
    )]
    PortInUse {
        /// The address that couldn't be had.
        addr: SocketAddr,
        /// Program and process id, where the system tells.
        holder: Option<String>,
    },
    /// The host's interfaces couldn't be listed.
    #[error("the network interfaces can't be listed: {0}")]
    List(#[source] io::Error),
    /// The thread that reads the sockets couldn't be started.
    #[error("the beacon thread can't be started: {0}")]
    Thread(#[source] io::Error),
    /// The thread that reads the sockets has ended, which is a bug; opening again starts
    /// a new one.
    #[error("the beacon thread has ended unexpectedly; open the beacon again")]
    Stopped,
}

/// Why [`Beacon::refresh`](crate::Beacon::refresh) changed nothing. The beacon goes on
/// with what it had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The host's interfaces couldn't be listed.
    #[error("the network interfaces can't be listed: {0}")]
    List(#[source] io::Error),
    /// The thread that reads the sockets has ended, which is a bug.
    #[error("the beacon thread has ended unexpectedly; open the beacon again")]
    Stopped,
}
