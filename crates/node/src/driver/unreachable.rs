//! Nodes that are heard again and again, and can't be dialled.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use zre_proto::Endpoint;
use zre_session::CloseReason;

use super::Driver;
use crate::Event;

/// How many dials in a row have to fail. The first two may fail because the node is starting or
/// leaving.
const FAILURES: u32 = 3;

/// How many beacons have to come meanwhile: a node that has gone sends none.
const BEACONS: u32 = 2;

/// The shortest time between two reports of one node, and between two warnings.
const EVERY: Duration = Duration::from_secs(60);

/// How many nodes are watched. Anybody can announce nodes that don't exist; the others are
/// watched when some of these are forgotten, after [`EVERY`].
const MAX: usize = 1024;

#[derive(Debug)]
struct Entry {
    failures: u32,
    beacons: u32,
    /// When the first dial failed, or when it was reported.
    since: Instant,
    reported: bool,
}

/// The nodes whose dials failed lately.
#[derive(Debug, Default)]
pub(super) struct Unreachable {
    nodes: HashMap<Uuid, Entry>,
    warned: Option<Instant>,
}

impl Unreachable {
    /// Counts a failed dial. Returns whether to report the node.
    fn failed(&mut self, uuid: Uuid, now: Instant) -> bool {
        if self.nodes.len() >= MAX && !self.nodes.contains_key(&uuid) {
            let age = |entry: &Entry| now.saturating_duration_since(entry.since);
            self.nodes.retain(|_, entry| age(entry) < EVERY);
            if self.nodes.len() >= MAX {
                return false;
            }
        }
        let entry = self.nodes.entry(uuid).or_insert(Entry {
            failures: 0,
            beacons: 0,
            since: now,
            reported: false,
        });
        entry.failures = entry.failures.saturating_add(1);
        let due = !entry.reported || now.saturating_duration_since(entry.since) >= EVERY;
        if entry.failures < FAILURES || entry.beacons < BEACONS || !due {
            return false;
        }
        *entry = Entry {
            failures: entry.failures,
            beacons: 0,
            since: now,
            reported: true,
        };
        true
    }

    /// A beacon of the node came.
    pub(super) fn heard(&mut self, uuid: Uuid) {
        if let Some(entry) = self.nodes.get_mut(&uuid) {
            entry.beacons = entry.beacons.saturating_add(1);
        }
    }

    /// The node was reached.
    pub(super) fn reached(&mut self, uuid: Uuid) {
        self.nodes.remove(&uuid);
    }

    /// Whether a warning is due.
    fn warns(&mut self, now: Instant) -> bool {
        let due = self
            .warned
            .is_none_or(|at| now.saturating_duration_since(at) >= EVERY);
        if due {
            self.warned = Some(now);
        }
        due
    }
}

impl Driver {
    /// A dial to a node has failed for good.
    pub(super) fn dial_failed(&mut self, uuid: Uuid, endpoint: Endpoint, reason: &CloseReason) {
        let now = Instant::now();
        if !self.unreachable.failed(uuid, now) {
            return;
        }
        if self.unreachable.warns(now) {
            tracing::warn!(%uuid, %endpoint, %reason, "a node is heard and can't be dialled");
        }
        self.events.send(Event::Unreachable {
            uuid,
            endpoint,
            reason: reason.to_string().into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_node_is_reported_once_a_minute_while_it_is_heard() {
        let mut unreachable = Unreachable::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!unreachable.failed(BOB, at(0)));
        unreachable.heard(BOB);
        unreachable.heard(BOB);
        assert!(!unreachable.failed(BOB, at(1)));
        assert!(unreachable.failed(BOB, at(2)));
        unreachable.heard(BOB);
        unreachable.heard(BOB);
        assert!(!unreachable.failed(BOB, at(30)), "too soon");
        assert!(unreachable.failed(BOB, at(62)));
        assert!(!unreachable.failed(BOB, at(130)), "not heard any more");
        unreachable.reached(BOB);
        unreachable.heard(BOB);
        assert!(!unreachable.failed(BOB, at(200)), "counted anew");
    }

    #[test]
    fn warnings_are_a_minute_apart() {
        let mut unreachable = Unreachable::default();
        let start = Instant::now();
        assert!(unreachable.warns(start));
        assert!(!unreachable.warns(start + Duration::from_secs(59)));
        assert!(unreachable.warns(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_flood_of_nodes_is_bounded() {
        let mut unreachable = Unreachable::default();
        let start = Instant::now();
        for number in 0..5000 {
            unreachable.failed(Uuid::from_u128(number), start);
        }
        assert_eq!(unreachable.nodes.len(), MAX);
        unreachable.failed(BOB, start + EVERY);
        unreachable.failed(Uuid::from_u128(9999), start + EVERY);
        assert!(unreachable.nodes.len() <= 2, "old ones are forgotten");
    }
}
