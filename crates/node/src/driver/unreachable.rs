//! Nodes that are heard again and again and can't be dialled, and nodes that can be
//! dialled and don't greet back.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;
use zre_proto::Endpoint;
use zre_session::CloseReason;

use super::Driver;
use crate::Event;

/// What a failure has to come with before it is reported.
#[derive(Debug)]
struct Evidence {
    /// How often in a row it happened.
    failures: u32,
    /// How many beacons have come meanwhile.
    beacons: u32,
}

/// Of dials that fail: the first two may fail because the node is starting or leaving, and a
/// node that has gone sends no beacons.
const UNREACHABLE: Evidence = Evidence {
    failures: 3,
    beacons: 2,
};

/// Of greetings without an answer: somebody has accepted the connection, and has had seconds
/// to greet.
const ONE_WAY: Evidence = Evidence {
    failures: 1,
    beacons: 0,
};

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

/// The nodes that couldn't be met lately, for one of the two reasons.
#[derive(Debug)]
pub(super) struct Unreachable {
    evidence: Evidence,
    nodes: HashMap<Uuid, Entry>,
    warned: Option<Instant>,
}

impl Unreachable {
    /// For nodes that can't be dialled.
    pub(super) fn by_us() -> Self {
        Self::new(UNREACHABLE)
    }

    /// For nodes that can be dialled and don't greet back.
    pub(super) fn by_them() -> Self {
        Self::new(ONE_WAY)
    }

    fn new(evidence: Evidence) -> Self {
        Self {
            evidence,
            nodes: HashMap::new(),
            warned: None,
        }
    }

    /// Counts a failure. Returns whether to report the node.
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
        let evidence = &self.evidence;
        if entry.failures < evidence.failures || entry.beacons < evidence.beacons || !due {
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

    /// A node has accepted our connection and didn't greet back.
    pub(super) fn greeting_failed(&mut self, uuid: Uuid, endpoint: Endpoint) {
        let now = Instant::now();
        if !self.one_way.failed(uuid, now) {
            return;
        }
        let own = self.shared.endpoint();
        let reason = format!(
            "it accepts connections and doesn't greet back: a firewall or NAT keeps it from \
             this node's {own}, or another program listens there"
        );
        if self.one_way.warns(now) {
            tracing::warn!(%uuid, %endpoint, %own, "a node is reached and doesn't greet back");
        }
        self.events.send(Event::OneWay {
            uuid,
            endpoint,
            reason: reason.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_node_is_reported_once_a_minute_while_it_is_heard() {
        let mut unreachable = Unreachable::by_us();
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
    fn one_greeting_without_an_answer_is_enough_and_a_minute_lasts_a_minute() {
        let mut one_way = Unreachable::by_them();
        let start = Instant::now();
        assert!(one_way.failed(BOB, start));
        assert!(!one_way.failed(BOB, start + Duration::from_secs(59)));
        assert!(one_way.failed(BOB, start + Duration::from_secs(60)));
    }

    #[test]
    fn warnings_are_a_minute_apart() {
        let mut unreachable = Unreachable::by_us();
        let start = Instant::now();
        assert!(unreachable.warns(start));
        assert!(!unreachable.warns(start + Duration::from_secs(59)));
        assert!(unreachable.warns(start + Duration::from_secs(60)));
    }

    #[test]
    fn a_flood_of_nodes_is_bounded() {
        let mut unreachable = Unreachable::by_us();
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
