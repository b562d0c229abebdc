//! Figures for users.

use crate::interface::Interface;

/// Figures since a beacon was opened. Counters only grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BeaconStats"))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that were sent, over all interfaces.
    pub sent: u64,
    /// Datagrams that the system refused to send, over all interfaces.
    pub failed: u64,
    /// Payloads longer than [`MAX_DATAGRAM`](crate::MAX_DATAGRAM) that weren't sent.
    pub too_long: u64,
    /// Datagrams from the network that were put into the queue, or were familiar.
    pub received: u64,
    /// Datagrams of this process's other beacons that were put into the queue.
    pub same_process: u64,
    /// Datagrams of this process that came back from the network and were dropped.
    pub echoes: u64,
    /// Datagrams from the network longer than [`MAX_DATAGRAM`](crate::MAX_DATAGRAM),
    /// dropped.
    pub oversized: u64,
    /// Datagrams dropped because the queue was full.
    pub dropped: u64,
    /// The figures of each chosen interface that exists now.
    pub interfaces: Vec<InterfaceStats>,
}

/// Figures of one beacon on an address of an interface.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStats {
    /// The interface. `problem` is what was wrong when its sockets were opened.
    pub interface: Interface,
    /// Whether something can be sent and something heard over it.
    pub usable: bool,
    /// Datagrams that were sent.
    pub sent: u64,
    /// Datagrams that the system refused to send.
    pub failed: u64,
    /// Datagrams from the network that were put into the queue, or were familiar. A datagram
    /// counts at the first of the interface's addresses that hears it.
    pub received: u64,
    /// Errors that the system reported on receiving.
    pub receive_errors: u64,
    /// The latest kind of error since the beacon was opened, if there was one.
    pub last_error: Option<String>,
}
