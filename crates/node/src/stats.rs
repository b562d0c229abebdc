use crate::{BeaconStats, LinkCounters, ProtocolCounters};

/// What a node holds and has counted, from [`Node::stats`](crate::Node::stats).
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
    /// Nodes that are known in any way: those, and those that only a beacon or
    /// a dial stands for.
    pub known: usize,
    /// Mailboxes, open or being opened.
    pub sessions: usize,
    /// Addresses that are dialled without knowing who is there.
    pub bootstraps: usize,
    /// Nodes that said EXIT a moment ago, whose late beacons aren't heard.
    pub tombstones: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Connections to our inbox whose peer has said who it is.
    pub connections: usize,
    /// Requests of ours that wait for their answers.
    pub requests: usize,
    /// Requests of peers that wait for our answers.
    pub open_requests: usize,
    /// Answers for which nobody waited: late, repeated, or made up.
    pub late_replies: u64,
    /// Bytes that are queued for all peers together.
    pub queued_bytes: usize,
    /// Bytes of events that wait to be read.
    pub event_bytes: usize,
    /// What peers said that wasn't acted upon, by reason.
    pub protocol: ProtocolCounters,
    /// What became of connections to our inbox.
    pub links: LinkCounters,
    /// What was sent and heard by datagrams; `None` without beacons.
    pub beacons: Option<BeaconStats>,
}
