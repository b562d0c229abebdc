//! Counts of what has happened to connections.

use crate::CloseReason;

/// How many connections an inbox has accepted, what became of them, and why it
/// refused others. Numbers only grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(default))]
#[cfg_attr(feature = "schema", schemars(rename = "LinkCounters"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were accepted after their handshake.
    pub opened: u64,
    /// Connections that the peer closed.
    pub closed_by_peer: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Handshakes that failed.
    pub handshakes_failed: u64,
    /// Handshakes that took too long.
    pub timed_out: u64,
    /// Connections that were refused or ended because a limit was reached.
    pub limited: u64,
    /// Connections that were ended because the peer broke the protocol.
    pub protocol: u64,
    /// Connections of peers whose key isn't let in, or that claimed the identity of a
    /// connection with another key.
    pub denied: u64,
    /// Connections that a newer one of the same identity replaced.
    pub replaced: u64,
    /// How often a connection couldn't be accepted because no file descriptor was free.
    pub no_descriptor: u64,
}

impl Counters {
    /// Counts the end of a connection.
    pub(crate) fn add(&mut self, reason: &CloseReason) {
        let counter = match reason {
            CloseReason::PeerClosed => &mut self.closed_by_peer,
            CloseReason::Handshake(_) => &mut self.handshakes_failed,
            CloseReason::TimedOut => &mut self.timed_out,
            CloseReason::Limit(_) => &mut self.limited,
            CloseReason::Protocol(_) => &mut self.protocol,
            CloseReason::Denied | CloseReason::OtherKey => &mut self.denied,
            CloseReason::Replaced => &mut self.replaced,
            CloseReason::Descriptors => &mut self.no_descriptor,
            CloseReason::Local => return,
            _ => &mut self.broken,
        };
        *counter = counter.saturating_add(1);
    }
}
