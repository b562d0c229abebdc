use crate::{BeaconStats, LinkCounters, ProtocolCounters};

/// A node's figures, from [`Node::stats`](crate::Node::stats): what it holds, and what
/// it has counted.
///
/// The tables are bounded by [`MessageLimits`](crate::MessageLimits) and
/// [`LinkLimits`](crate::LinkLimits); the counters only grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(default))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Peers that have entered and not exited.
    pub peers: usize,
    /// Known nodes: these peers, and nodes of which only a beacon was heard or that are
    /// being dialled.
    pub known: usize,
    /// Mailboxes, open or being opened.
    pub sessions: usize,
    /// Addresses that are dialled although the UUID of the node there isn't known.
    pub bootstraps: usize,
    /// Nodes that said EXIT a moment ago, whose late beacons are ignored.
    pub tombstones: usize,
    /// Running timers.
    pub timers: usize,
    /// Connections to the inbox whose peer has identified itself.
    pub connections: usize,
    /// Requests of this node that wait for their answers.
    pub requests: usize,
    /// Requests of peers that this node hasn't answered.
    pub unanswered_requests: usize,
    /// Answers that no request waited for: late, repeated or forged.
    pub late_replies: u64,
    /// Sessions that this node with keys has refused after the handshake: the key of the peer
    /// wasn't the one that it had to be, or isn't trusted any more. Those that were refused
    /// during the handshake are in [`LinkCounters::denied`].
    pub refused: u64,
    /// Why the last key was refused that isn't trusted: the key, and what has changed. If this
    /// node has refused none: why the last handshake failed that it has begun, which may be that
    /// a peer has refused it.
    pub last_refusal: Option<String>,
    /// Bytes in the queues to all peers together.
    pub queued_bytes: usize,
    /// Bytes of events that the application hasn't read.
    pub event_bytes: usize,
    /// Input from peers that was ignored, by reason.
    pub protocol: ProtocolCounters,
    /// Connections to the inbox, by their outcome.
    pub links: LinkCounters,
    /// Beacons that were sent and heard; `None` if beacons are off.
    pub beacons: Option<BeaconStats>,
}
