use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use uuid::Uuid;

use super::Session;
use crate::Endpoint;

/// Whose mailbox a session is.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Peer(Uuid),
    Seed(Box<Endpoint>),
}

/// The mailboxes that are open or being opened.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    entries: BTreeMap<Session, Entry>,
    /// The same sessions by the place that they lead to: among a thousand peers,
    /// looking for the one at an address would be most of the work of meeting it.
    places: BTreeSet<(Place, Session)>,
    /// Sessions to peers that we heard of and dialled, and that haven't greeted us.
    unanswered: BTreeSet<Session>,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    place: Place,
}

/// The place that an endpoint leads to. Two endpoints can share one: a scope isn't
/// part of it, names have no address, and unix sockets have no port either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    port: u16,
    ip: Option<IpAddr>,
}

impl From<&Endpoint> for Place {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            port: endpoint.port().unwrap_or(0),
            ip: endpoint.ip(),
        }
    }
}

const FIRST: Session = Session(0);
const LAST: Session = Session(u64::MAX);
/// The last address in the order of [`IpAddr`].
const LAST_IP: IpAddr = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));

impl Sessions {
    /// Enters a session, or gives it another owner.
    pub(super) fn insert(&mut self, session: Session, owner: Owner, endpoint: &Endpoint) {
        let place = Place::from(endpoint);
        if let Some(was) = self.entries.insert(session, Entry { owner, place }) {
            self.places.remove(&(was.place, session));
        }
        self.places.insert((place, session));
    }

    pub(super) fn get(&self, session: Session) -> Option<&Owner> {
        self.entries.get(&session).map(|entry| &entry.owner)
    }

    pub(super) fn remove(&mut self, session: Session) -> Option<Owner> {
        let entry = self.entries.remove(&session)?;
        self.places.remove(&(entry.place, session));
        self.unanswered.remove(&session);
        Some(entry.owner)
    }

    /// Counts a dial that nobody asked for, until it has its answer or ends.
    pub(super) fn await_answer(&mut self, session: Session) {
        self.unanswered.insert(session);
    }

    pub(super) fn note_answer(&mut self, session: Session) {
        self.unanswered.remove(&session);
    }

    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The peers with a session to the place of that endpoint, oldest session
    /// first. Whether it leads to exactly that endpoint, its mailbox knows.
    pub(super) fn peers_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = Uuid> {
        let place = Place::from(endpoint);
        self.peers_in(place, place)
    }

    /// The peers with a session to that port, at any address.
    pub(super) fn peers_at_port(&self, port: u16) -> impl Iterator<Item = Uuid> {
        let place = |ip| Place { port, ip };
        self.peers_in(place(None), place(Some(LAST_IP)))
    }

    fn peers_in(&self, first: Place, last: Place) -> impl Iterator<Item = Uuid> {
        self.places
            .range((first, FIRST)..=(last, LAST))
            .filter_map(|(_, session)| match self.get(*session)? {
                Owner::Peer(uuid) => Some(*uuid),
                Owner::Seed(_) => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_a_place_is_found_until_the_session_goes() {
        let here: Endpoint = "tcp://127.0.0.1:4000".parse().unwrap();
        let there: Endpoint = "tcp://127.0.0.2:4000".parse().unwrap();
        let six: Endpoint = "tcp://[ff::1]:4000".parse().unwrap();
        let name: Endpoint = "tcp://name:4000".parse().unwrap();
        let other: Endpoint = "tcp://127.0.0.1:4001".parse().unwrap();
        let uuid = |number| Uuid::from_u128(number);
        let mut sessions = Sessions::default();
        let at = |sessions: &Sessions, endpoint| -> Vec<u128> {
            let found = sessions.peers_at(endpoint);
            found.map(|uuid| uuid.as_u128()).collect()
        };
        sessions.insert(Session(1), Owner::Seed(Box::new(here.clone())), &here);
        sessions.insert(Session(2), Owner::Peer(uuid(2)), &there);
        sessions.insert(Session(3), Owner::Peer(uuid(3)), &six);
        sessions.insert(Session(4), Owner::Peer(uuid(4)), &name);
        sessions.insert(Session(5), Owner::Peer(uuid(5)), &there);
        assert!(at(&sessions, &here).is_empty());
        // Another owner, not another session.
        sessions.insert(Session(1), Owner::Peer(uuid(1)), &here);
        assert_eq!(sessions.len(), 5);
        assert_eq!(at(&sessions, &here), [1]);
        assert_eq!(at(&sessions, &there), [2, 5]);
        assert_eq!(at(&sessions, &six), [3]);
        assert_eq!(at(&sessions, &name), [4]);
        assert!(at(&sessions, &other).is_empty());
        assert_eq!(sessions.peers_at_port(4000).count(), 5);
        assert_eq!(sessions.peers_at_port(4001).count(), 0);
        assert!(sessions.remove(Session(2)).is_some());
        assert!(sessions.remove(Session(2)).is_none());
        assert_eq!(at(&sessions, &there), [5]);
        assert_eq!(sessions.peers_at_port(4000).count(), 4);
    }

    #[test]
    fn a_dial_waits_for_its_answer_whoever_owns_it_until_it_ends() {
        let here: Endpoint = "tcp://127.0.0.1:4000".parse().unwrap();
        let mut sessions = Sessions::default();
        for number in 1..=3 {
            sessions.insert(Session(number), Owner::Peer(Uuid::nil()), &here);
            sessions.await_answer(Session(number));
        }
        sessions.insert(Session(1), Owner::Peer(Uuid::max()), &here);
        assert_eq!(sessions.unanswered(), 3);
        sessions.note_answer(Session(1));
        sessions.remove(Session(2));
        assert_eq!(sessions.unanswered(), 1);
    }
}
