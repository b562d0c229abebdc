use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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
    /// By where they lead: among a thousand peers, looking for who is at an
    /// address would be most of the work of meeting one.
    owners: BTreeMap<(Place, Session), Owner>,
    places: BTreeMap<Session, Place>,
    /// Those whose peer we heard of and dialled, and who hasn't greeted us.
    unanswered: BTreeSet<Session>,
}

/// Where an endpoint leads, as far as that goes into a number of which there are
/// thousands: its port, and behind it the address. What is in the same place may
/// still be two endpoints: scopes aren't in it, IPv6 addresses are folded, names
/// have no address, and unix sockets neither that nor a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

const PORT_SHIFT: u32 = 48;
const ADDRESS: u64 = (1 << PORT_SHIFT) - 1;

impl Place {
    fn new(port: u16, address: u64) -> Self {
        Self(u64::from(port) << PORT_SHIFT | (address & ADDRESS))
    }
}

impl From<&Endpoint> for Place {
    fn from(endpoint: &Endpoint) -> Self {
        let address = match endpoint.ip() {
            None => 0,
            Some(IpAddr::V4(ip)) => u64::from(ip.to_bits()),
            Some(IpAddr::V6(ip)) => {
                let bits = ip.to_bits();
                let folded = bits ^ (bits >> 48) ^ (bits >> 96);
                u64::try_from(folded & u128::from(ADDRESS)).unwrap_or_default()
            }
        };
        Self::new(endpoint.port().unwrap_or(0), address)
    }
}

const FIRST: Session = Session(0);
const LAST: Session = Session(u64::MAX);

impl Sessions {
    /// Enters a session, or gives it another owner.
    pub(super) fn insert(&mut self, session: Session, owner: Owner, endpoint: &Endpoint) {
        let place = Place::from(endpoint);
        if let Some(was) = self.places.insert(session, place) {
            self.owners.remove(&(was, session));
        }
        self.owners.insert((place, session), owner);
    }

    pub(super) fn get(&self, session: &Session) -> Option<&Owner> {
        let place = self.places.get(session)?;
        self.owners.get(&(*place, *session))
    }

    pub(super) fn remove(&mut self, session: &Session) -> Option<Owner> {
        let place = self.places.remove(session)?;
        self.unanswered.remove(session);
        self.owners.remove(&(place, *session))
    }

    /// Its peer was dialled unasked: it counts until it has an answer or ends.
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
        self.owners.len()
    }

    /// The peers with a session to the place of that endpoint, oldest session
    /// first. Whether it leads to just that endpoint, its mailbox knows.
    pub(super) fn peers_at(&self, endpoint: &Endpoint) -> impl Iterator<Item = Uuid> {
        let place = Place::from(endpoint);
        self.peers_in((place, FIRST), (place, LAST))
    }

    /// The peers with a session to that port, wherever.
    pub(super) fn peers_at_port(&self, port: u16) -> impl Iterator<Item = Uuid> {
        let place = |address| Place::new(port, address);
        self.peers_in((place(0), FIRST), (place(ADDRESS), LAST))
    }

    fn peers_in(
        &self,
        first: (Place, Session),
        last: (Place, Session),
    ) -> impl Iterator<Item = Uuid> {
        self.owners
            .range(first..=last)
            .filter_map(|(_, owner)| match owner {
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
        assert!(sessions.remove(&Session(2)).is_some());
        assert!(sessions.remove(&Session(2)).is_none());
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
        sessions.remove(&Session(2));
        assert_eq!(sessions.unanswered(), 1);
    }
}
