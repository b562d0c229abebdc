//! Errors of opening and refreshing a beacon. Later failures are counted in
//! [`Stats`](crate::Stats).

use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use thiserror::Error;

/// Why [`Beacon::open`](crate::Beacon::open) opened nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// [`Config::port`](crate::Config::port) is 0.
    #[error("the beacon port can't be 0: choose one, 5670 by convention")]
    PortZero,
    /// [`Config::ttl`](crate::Config::ttl) is over 255.
    #[error("the TTL can't be {ttl}: choose one from 0 (this host) to 255")]
    Ttl {
        /// The configured one.
        ttl: u32,
    },
    /// An address in [`Config::groups`](crate::Config::groups) isn't a multicast address.
    #[error("{addr} isn't a multicast address: choose one in 239.0.0.0/8 or ff02::/16")]
    NotMulticast {
        /// The address.
        addr: SocketAddr,
    },
    /// The address of [`Broadcast::To`](crate::Broadcast::To) isn't the broadcast address
    /// of any chosen interface.
    #[error(
        "{addr} isn't the broadcast address of any chosen interface: \
         use 255.255.255.255 or an interface's own, or leave it out"
    )]
    NotBroadcast {
        /// The address.
        addr: SocketAddrV4,
    },
    /// There is no group and broadcast is off.
    #[error("there is no multicast group, and broadcast is off: choose at least one")]
    Nowhere,
    /// None of the named interfaces exists.
    #[error(
        "there is no interface or address {name:?}; this host has {}",
        known.join(", ")
    )]
    UnknownInterface {
        /// The first of the configured names.
        name: String,
        /// The names to choose from: interfaces with their addresses.
        known: Vec<String>,
    },
    /// The chosen addresses can never carry anything.
    #[error("no usable interface: {}", reasons.join("; "))]
    NoInterface {
        /// A line for each chosen interface, with the reason.
        reasons: Vec<String>,
    },
    /// Another program holds the port and doesn't share it.
    #[error(
        "UDP {addr} is held by {}, which doesn't share it: stop that program or choose another port",
        holder.as_deref().unwrap_or("another program")
    )]
    PortInUse {
        /// The address.
        addr: SocketAddr,
        /// Program and process id, if the system tells.
        holder: Option<String>,
    },
    /// The host's interfaces couldn't be listed.
    #[error("the network interfaces can't be listed: {0}")]
    List(#[source] io::Error),
    /// The thread that reads the sockets couldn't be started.
    #[error("the beacon thread can't be started: {0}")]
    Thread(#[source] io::Error),
    /// The thread that reads the sockets has ended, which is a bug. Opening again starts a new
    /// one.
    #[error("the beacon thread has ended unexpectedly; open the beacon again")]
    Stopped,
}

/// Why [`Beacon::refresh`](crate::Beacon::refresh) changed nothing. The beacon stays as it
/// was.
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
