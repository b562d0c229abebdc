//! What was dropped, and how often.

/// Adds one.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// How much input was dropped, by reason. The figures only grow.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(default))]
#[cfg_attr(feature = "schema", schemars(rename = "ProtocolCounters"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages without ZRE's signature.
    pub foreign: u64,
    /// Messages of another protocol version.
    pub version: u64,
    /// Messages whose fields can't be read.
    pub malformed: u64,
    /// Messages that exceed a limit.
    pub limited: u64,
    /// Messages with an id that this version doesn't know, or of a kind that the
    /// peer hasn't shown to understand.
    pub unknown: u64,
    /// Messages from a peer that hasn't sent HELLO.
    pub ungreeted: u64,
    /// Gaps in a sequence.
    pub gaps: u64,
    /// JOINs and LEAVEs whose status isn't the next one.
    pub status: u64,
    /// HELLOs that were refused: too many, from a node that is leaving, or with
    /// an endpoint that can't be dialled.
    pub refused: u64,
    /// EXIT beacons of peers that answered a PING afterwards.
    pub forged: u64,
    /// Answers to PINGs that an earlier process under our UUID had sent.
    pub stale: u64,
    /// Shouts of peers without keys to groups that are closed to them, and their JOINs.
    pub plain: u64,
    /// Our own beacons.
    pub own: u64,
    /// Beacons of a (UUID, port) that had announced EXIT.
    pub buried: u64,
    /// Peers and addresses for which a table had no room.
    pub overflow: u64,
}
