//! The figures that are taken from a node's [`Stats`], and their names.

use crate::Stats;

/// Reads a figure.
pub(super) type Figure = fn(&Stats) -> u64;

/// A figure of [`Stats`]: its name, its meaning, a label if it has one, and how to read
/// it.
pub(super) type Row = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
    Figure,
);

const fn count(number: usize) -> u64 {
    number as u64
}

/// Figures that go up and down.
pub(super) const GAUGES: &[Row] = &[
    (
        "zre_peers",
        "peers that have entered and not exited",
        None,
        |s| count(s.peers),
    ),
    (
        "zre_known_nodes",
        "nodes known in any way, peers among them",
        None,
        |s| count(s.known),
    ),
    (
        "zre_sessions",
        "links to peers, open or being opened",
        None,
        |s| count(s.sessions),
    ),
    (
        "zre_connections",
        "links of peers to this node",
        None,
        |s| count(s.connections),
    ),
    (
        "zre_queued_bytes",
        "bytes that wait to be sent to all peers together",
        None,
        |s| count(s.queued_bytes),
    ),
    (
        "zre_event_bytes",
        "bytes of events that the application hasn't read",
        None,
        |s| count(s.event_bytes),
    ),
    (
        "zre_open_requests",
        "requests of this node that wait for their answers",
        None,
        |s| count(s.requests),
    ),
    (
        "zre_unanswered_requests",
        "requests of peers that this node hasn't answered",
        None,
        |s| count(s.unanswered_requests),
    ),
];

const DROPPED: &str = "zre_dropped_total";
const WHY_DROPPED: &str = "input from peers that was ignored, by reason";
const LINKS: &str = "zre_links_ended_total";
const WHY_ENDED: &str = "links of peers to this node that ended or were refused, by reason";

/// Figures that only grow.
pub(super) const COUNTERS: &[Row] = &[
    (DROPPED, WHY_DROPPED, Some(("reason", "foreign")), |s| {
        s.protocol.foreign
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "version")), |s| {
        s.protocol.version
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "malformed")), |s| {
        s.protocol.malformed
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "limited")), |s| {
        s.protocol.limited
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "unknown")), |s| {
        s.protocol.unknown
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "ungreeted")), |s| {
        s.protocol.ungreeted
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "gaps")), |s| {
        s.protocol.gaps
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "refused")), |s| {
        s.protocol.refused
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "forged")), |s| {
        s.protocol.forged
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "stale")), |s| {
        s.protocol.stale
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "plain")), |s| {
        s.protocol.plain
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "buried")), |s| {
        s.protocol.buried
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "overflow")), |s| {
        s.protocol.overflow
    }),
    (DROPPED, WHY_DROPPED, Some(("reason", "late_reply")), |s| {
        s.late_replies
    }),
    (
        "zre_links_opened_total",
        "links of peers to this node that were accepted",
        None,
        |s| s.links.opened,
    ),
    (LINKS, WHY_ENDED, Some(("reason", "closed_by_peer")), |s| {
        s.links.closed_by_peer
    }),
    (LINKS, WHY_ENDED, Some(("reason", "broken")), |s| {
        s.links.broken
    }),
    (
        LINKS,
        WHY_ENDED,
        Some(("reason", "handshake_failed")),
        |s| s.links.handshakes_failed,
    ),
    (LINKS, WHY_ENDED, Some(("reason", "timed_out")), |s| {
        s.links.timed_out
    }),
    (LINKS, WHY_ENDED, Some(("reason", "limited")), |s| {
        s.links.limited
    }),
    (LINKS, WHY_ENDED, Some(("reason", "protocol")), |s| {
        s.links.protocol
    }),
    (LINKS, WHY_ENDED, Some(("reason", "denied")), |s| {
        s.links.denied
    }),
    (LINKS, WHY_ENDED, Some(("reason", "replaced")), |s| {
        s.links.replaced
    }),
];
