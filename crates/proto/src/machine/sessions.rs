//! Our mailboxes, by number and by destination.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use uuid::Uuid;

use super::output::SessionId;
use crate::{Endpoint, Time};

/// The owner of a mailbox.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Peer(Uuid),
    Bootstrap(Box<Endpoint>),
}

/// The mailboxes that are open or being opened.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    entries: BTreeMap<SessionId, Entry>,
    /// The same sessions by the destination that they lead to. Without it, the
    /// search for the holder of an address would be most of the work of meeting a
    /// thousand peers.
    by_destination: BTreeSet<(Destination, SessionId)>,
    /// Sessions to peers that we heard of and dialled, and that haven't greeted us.
    unanswered: BTreeMap<SessionId, UnansweredDial>,
}

#[derive(Debug)]
struct UnansweredDial {
    since: Time,
    /// The address for which it is counted.
    counted: Option<IpAddr>,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    destination: Destination,
}

/// The port and address that an endpoint leads to. Two endpoints can share them: a
/// scope isn't part of them, names have no address, and unix sockets have no port
/// either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Destination {
    port: u16,
    ip: Option<IpAddr>,
}

impl From<&Endpoint> for Destination {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            port: endpoint.port().unwrap_or(0),
            ip: endpoint.ip(),
        }
    }
}

const FIRST: SessionId = SessionId(0);
const LAST: SessionId = SessionId(u64::MAX);
/// The last address in the order of [`IpAddr`].
const LAST_IP: IpAddr = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));

impl Sessions {
    /// Enters a session, or gives it another owner.
    pub(super) fn insert(&mut self, session: SessionId, owner: Owner, endpoint: &Endpoint) {
        let destination = Destination::from(endpoint);
        if let Some(was) = self.entries.insert(session, Entry { owner, destination }) {
            self.by_destination.remove(&(was.destination, session));
        }
        self.by_destination.insert((destination, session));
    }

    pub(super) fn get(&self, session: SessionId) -> Option<&Owner> {
        self.entries.get(&session).map(|entry| &entry.owner)
    }

    pub(super) fn remove(&mut self, session: SessionId) -> Option<Owner> {
        let entry = self.entries.remove(&session)?;
        self.by_destination.remove(&(entry.destination, session));
        self.unanswered.remove(&session);
        Some(entry.owner)
    }

    /// Counts a dial that nobody asked for, until it has its answer or ends.
    pub(super) fn await_answer(&mut self, now: Time, session: SessionId, counted: Option<IpAddr>) {
        let dial = UnansweredDial {
            since: now,
            counted,
        };
        self.unanswered.insert(session, dial);
    }

    /// Returns the address for which the dial was counted, if it was.
    pub(super) fn note_answer(&mut self, session: SessionId) -> Option<IpAddr> {
        self.unanswered.remove(&session)?.counted
    }

    /// When a dial that is still unanswered began.
    pub(super) fn unanswered_since(&self, session: SessionId) -> Option<Time> {
        Some(self.unanswered.get(&session)?.since)
    }

    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The peers with a session to the destination of that endpoint, the oldest
    /// session first. The mailbox knows whether it leads to exactly that endpoint.
    pub(super) fn peers_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = Uuid> {
        let destination = Destination::from(endpoint);
        self.peers_in(destination, destination)
    }

    /// The peers with a session to that port, at any address.
    pub(super) fn peers_at_port(&self, port: u16) -> impl Iterator<Item = Uuid> {
        let at = |ip| Destination { port, ip };
        self.peers_in(at(None), at(Some(LAST_IP)))
    }

    fn peers_in(&self, first: Destination, last: Destination) -> impl Iterator<Item = Uuid> {
        self.by_destination
            .range((first, FIRST)..=(last, LAST))
            .filter_map(|(_, session)| match self.get(*session)? {
                Owner::Peer(uuid) => Some(*uuid),
                Owner::Bootstrap(_) => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_at_a_destination_is_found_until_its_session_ends() {
        let here: Endpoint = "tcp://127.0.0.1:4000".parse().unwrap();
        let there: Endpoint = "tcp://127.0.0.2:4000".parse().unwrap();
        let six: Endpoint = "tcp://[ff::1]:4000".parse().unwrap();
        let name: Endpoint = "tcp://name:4000".parse().unwrap();
        let other: Endpoint = "tcp://127.0.0.1:4001".parse().unwrap();
        let uuid = |number| Uuid::from_u128(number);
        let mut sessions = Sessions::default();
        let found_at = |sessions: &Sessions, endpoint| -> Vec<u128> {
            let found = sessions.peers_at(endpoint);
            found.map(|uuid| uuid.as_u128()).collect()
        };
        sessions.insert(
            SessionId(1),
            Owner::Bootstrap(Box::new(here.clone())),
            &here,
        );
        sessions.insert(SessionId(2), Owner::Peer(uuid(2)), &there);
        sessions.insert(SessionId(3), Owner::Peer(uuid(3)), &six);
        sessions.insert(SessionId(4), Owner::Peer(uuid(4)), &name);
        sessions.insert(SessionId(5), Owner::Peer(uuid(5)), &there);
        assert!(found_at(&sessions, &here).is_empty());
        // Another owner, not another session.
        sessions.insert(SessionId(1), Owner::Peer(uuid(1)), &here);
        assert_eq!(sessions.len(), 5);
        assert_eq!(found_at(&sessions, &here), [1]);
        assert_eq!(found_at(&sessions, &there), [2, 5]);
        assert_eq!(found_at(&sessions, &six), [3]);
        assert_eq!(found_at(&sessions, &name), [4]);
        assert!(found_at(&sessions, &other).is_empty());
        assert_eq!(sessions.peers_at_port(4000).count(), 5);
        assert_eq!(sessions.peers_at_port(4001).count(), 0);
        assert!(sessions.remove(SessionId(2)).is_some());
        assert!(sessions.remove(SessionId(2)).is_none());
        assert_eq!(found_at(&sessions, &there), [5]);
        assert_eq!(sessions.peers_at_port(4000).count(), 4);
    }

    #[test]
    fn a_dial_counts_until_its_answer_or_end_whoever_owns_it() {
        let here: Endpoint = "tcp://127.0.0.1:4000".parse().unwrap();
        let mut sessions = Sessions::default();
        for number in 1..=3 {
            sessions.insert(SessionId(number), Owner::Peer(Uuid::nil()), &here);
            sessions.await_answer(Time::ZERO, SessionId(number), None);
        }
        sessions.insert(SessionId(1), Owner::Peer(Uuid::max()), &here);
        assert_eq!(sessions.unanswered(), 3);
        sessions.note_answer(SessionId(1));
        sessions.remove(SessionId(2));
        assert_eq!(sessions.unanswered(), 1);
    }
}
