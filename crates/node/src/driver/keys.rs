//! Which key each peer has, if nodes have keys.
//!
//! What beacons, gossip and DNS say of keys is only good for dialling: the handshake
//! proves it or fails. A UUID belongs to the key that greeted under it for as long as
//! that peer lives, and both directions of a session must have the same key.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use uuid::Uuid;
use zre_proto::machine::{Found, KEY_HEADER, PeerInfo, SessionId};
use zre_proto::{Beacon, Command, Endpoint};
use zre_session::{CloseReason, Either, Link, Mechanism, Message, Null, Source};

use super::Driver;
use super::identity::{identity_of, uuid_of};
use super::sessions::SessionEntry;
use crate::Event;

/// The bytes of a public key.
pub(crate) type Key = [u8; 32];

/// How many keys of each kind are remembered. Anybody can announce nodes that don't
/// exist; those that do are heard again in a second.
const HINTS: usize = 8192;

/// How many UUIDs are remembered whose conflicts were reported.
const REPORTED: usize = 1024;

/// Why a peer is refused that comes without the key which its UUID is bound to.
pub(super) const DOWNGRADE: &str = "it has proved a key before, and now shows none";

/// Decides which keys a node talks to.
pub(crate) trait KeyGuard: Send + Sync {
    /// The mechanism for a connection to the one who is said to hold a key; `None` if that
    /// key isn't trusted.
    fn to_server(&self, key: Key) -> Option<Arc<dyn Mechanism>>;

    /// Whether the holder of a key is talked to at all.
    fn admits(&self, key: Key) -> bool;

    /// Why the holder of a key, or a peer without one, can't enter under that name, if it
    /// can't.
    fn objection(&self, name: &str, key: Option<Key>) -> Option<String>;

    /// Whom it refused last, and why.
    fn last_refusal(&self) -> Option<String>;
}

/// A node's own key, and what keys are good for.
pub(crate) struct OwnKey {
    pub(crate) public: Key,
    /// Ours, which knows no server.
    pub(crate) mechanism: Arc<dyn Mechanism>,
    pub(crate) guard: Arc<dyn KeyGuard>,
    pub(crate) text: fn(&Key) -> String,
    pub(crate) read: fn(&str) -> Option<Key>,
}

/// The keys of a node that has keys itself, or nothing.
#[derive(Default)]
pub(crate) struct KeyRing {
    own: Option<OwnKey>,
    /// Those that the user has configured, by endpoint.
    configured: HashMap<Endpoint, Key>,
    by_endpoint: HashMap<Endpoint, Key>,
    by_beacon: HashMap<Uuid, Key>,
    /// The live connections to our inbox.
    callers: HashMap<Uuid, Caller>,
    reported: HashSet<Uuid>,
    /// Whether nodes without keys are met as well.
    plain_too: bool,
    /// The UUIDs under which a key was proved, which are never met without one again.
    /// Empty if nodes without keys aren't met at all.
    bound: HashMap<Uuid, Key>,
    /// The keys that nodes have shown in a HELLO which came without one. They have to
    /// prove them.
    shown: HashMap<Uuid, Key>,
    /// The UUIDs that are bound, the oldest first.
    bound_since: VecDeque<Uuid>,
    /// How many peers greeted and couldn't enter.
    refused: u64,
    /// Why the last handshake failed of those that this node began.
    failed: Option<String>,
}

struct Caller {
    /// All of the same key: the links let no other in meanwhile.
    connections: SmallVec<[u64; 1]>,
    key: Option<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("callers", &self.callers.len())
            .finish_non_exhaustive()
    }
}

impl KeyRing {
    #[cfg(feature = "curve")]
    pub(crate) fn new(own: OwnKey, configured: HashMap<Endpoint, Key>, plain_too: bool) -> Self {
        Self {
            own: Some(own),
            configured,
            plain_too,
            ..Self::default()
        }
    }

    fn is_on(&self) -> bool {
        self.own.is_some()
    }

    /// A beacon names a key.
    pub(super) fn hear(&mut self, beacon: &Beacon) {
        if let Beacon::Curve {
            uuid, public_key, ..
        } = beacon
            && self.is_on()
        {
            note(&mut self.by_beacon, *uuid, *public_key);
        }
    }

    /// Gossip or DNS names the key of the node at an endpoint.
    pub(super) fn learn(&mut self, endpoint: &Endpoint, key: &str) {
        if let Some(key) = self.own.as_ref().and_then(|own| (own.read)(key)) {
            note(&mut self.by_endpoint, endpoint.clone(), key);
        }
    }

    /// Our key.
    pub(crate) fn public(&self) -> Option<Key> {
        self.own.as_ref().map(|own| own.public)
    }

    /// The text of our key.
    pub(crate) fn own_text(&self) -> Option<String> {
        self.own.as_ref().map(|own| (own.text)(&own.public))
    }

    /// How many peers greeted and couldn't enter, and whom this node has refused last.
    pub(super) fn refusals(&self) -> (u64, Option<String>) {
        let last = self.own.as_ref().and_then(|own| own.guard.last_refusal());
        (self.refused, last.or_else(|| self.failed.clone()))
    }

    /// A handshake that this node has begun failed.
    pub(super) fn dial_failed(&mut self, reason: &CloseReason) {
        if let CloseReason::Handshake(_) = reason {
            self.failed = Some(reason.to_string());
        }
    }

    /// Whether nodes without keys can meet this one.
    pub(crate) fn is_plain_too(&self) -> bool {
        self.plain_too || self.own.is_none()
    }

    /// Whether what comes over such a link is from a peer without a key, and we have one.
    pub(super) fn is_plain(&self, link: Link, key: Option<Key>) -> bool {
        self.is_on() && key.is_none() && link != Link::Inproc
    }

    /// Whether somebody without a key claims a UUID under which a key was proved.
    pub(super) fn is_downgrade(&self, uuid: Uuid, link: Link, key: Option<Key>) -> bool {
        self.is_plain(link, key) && self.bound.contains_key(&uuid)
    }

    /// A key was proved under that UUID.
    pub(super) fn bind(&mut self, uuid: Uuid, link: Link, key: Option<Key>) {
        let Some(key) = key.filter(|_| self.plain_too && link != Link::Inproc) else {
            return;
        };
        if self.bound.insert(uuid, key).is_some() {
            return;
        }
        self.bound_since.push_back(uuid);
        if self.bound_since.len() > HINTS
            && let Some(oldest) = self.bound_since.pop_front()
        {
            self.bound.remove(&oldest);
        }
    }

    /// The mechanism of links.
    pub(crate) fn mechanism_of_links(&self) -> Arc<dyn Mechanism> {
        match self.plain_too {
            true => Arc::new(Either::new(self.mechanism(), Arc::new(Null))),
            false => self.mechanism(),
        }
    }

    /// The mechanism of gossip.
    pub(crate) fn mechanism(&self) -> Arc<dyn Mechanism> {
        match &self.own {
            Some(own) => Arc::clone(&own.mechanism),
            None => Arc::new(Null),
        }
    }

    /// The mechanism for a dial, if it isn't that of the links. Without a key there is
    /// none, and the dial will say so, unless the node there may be one without keys.
    pub(crate) fn mechanism_for(
        &self,
        peer: Option<Uuid>,
        endpoint: &Endpoint,
    ) -> Option<Arc<dyn Mechanism>> {
        let own = self.own.as_ref()?;
        let caller = peer.and_then(|peer| self.callers.get(&peer));
        let configured = self.configured.get(endpoint).copied();
        let told = || {
            let beacon = peer.and_then(|peer| self.by_beacon.get(&peer));
            beacon.or_else(|| self.by_endpoint.get(endpoint)).copied()
        };
        let shown = || self.shown.get(&peer?).copied();
        let key = match (configured, caller) {
            (Some(key), _) => Some(key),
            // Nobody without a key is a caller under a UUID that is bound to one.
            (None, Some(caller)) => caller.key.or_else(shown),
            (None, None) => shown().or_else(told),
        };
        let is_bound = peer.is_some_and(|peer| self.bound.contains_key(&peer));
        match key {
            Some(key) => own.guard.to_server(key),
            None if self.plain_too && !is_bound => Some(Arc::new(Null)),
            None => None,
        }
    }

    /// Whether a key that was proved over a link isn't trusted any more: it may have been
    /// taken away during the handshake.
    pub(super) fn is_taken_away(&self, link: Link, key: Option<Key>) -> bool {
        let guard = self.own.as_ref().map(|own| &own.guard);
        link != Link::Inproc
            && guard
                .zip(key)
                .is_some_and(|(guard, key)| !guard.admits(key))
    }

    /// A node has connected to our inbox.
    fn called(&mut self, uuid: Uuid, connection: u64, key: Option<Key>) {
        if self.is_on() {
            let new = || Caller {
                connections: SmallVec::new(),
                key,
            };
            let caller = self.callers.entry(uuid).or_insert_with(new);
            caller.connections.push(connection);
            caller.key = key;
        }
    }

    /// Its connection has ended.
    pub(super) fn hung_up(&mut self, uuid: Uuid, connection: u64) {
        if let Some(caller) = self.callers.get_mut(&uuid) {
            caller.connections.retain(|other| *other != connection);
            if caller.connections.is_empty() {
                self.callers.remove(&uuid);
            }
        }
    }

    /// Whether that node has connected to our inbox with another key.
    fn contradicts(&self, uuid: Uuid, key: Option<Key>) -> bool {
        let caller = self.callers.get(&uuid);
        caller.is_some_and(|caller| caller.key != key)
    }
}

/// Remembers a key. What is remembered too long ago can't be told from the rest, so when
/// there are too many all go.
fn note<K: Eq + std::hash::Hash>(keys: &mut HashMap<K, Key>, at: K, key: Key) {
    if keys.len() >= HINTS && !keys.contains_key(&at) {
        keys.clear();
    }
    keys.insert(at, key);
}

impl Driver {
    /// A node has connected to our inbox and proved its key. A mailbox that was opened
    /// to another key under its UUID must never be taken for one to it.
    pub(super) fn note_caller(&mut self, uuid: Uuid, connection: u64, from: &Source) {
        if !self.keys.is_on() {
            return;
        }
        if self.keys.is_downgrade(uuid, from.link, from.key) {
            return self.refuse_plain(uuid, from);
        }
        self.keys.bind(uuid, from.link, from.key);
        self.keys.called(uuid, connection, from.key);
        if self.keys.is_taken_away(from.link, from.key) {
            return self.links.deny(|other| other.key == from.key);
        }
        let others: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, entry)| match entry {
                SessionEntry::Opening(opening) => {
                    opening.peer == Some(uuid) && opening.link.is_some() && opening.key != from.key
                }
                // A key takes the place of none.
                SessionEntry::Entered(peer) => {
                    peer.uuid() == uuid
                        && from.key.is_some()
                        && self.keys.is_plain(peer.link(), peer.raw_key())
                }
            })
            .map(|(session, _)| *session)
            .collect();
        for session in others {
            self.note_place(session, uuid);
            self.refuse_session(session, uuid, "it is of another key than the peer's");
        }
    }

    /// Somebody without a key claims the UUID of one that has proved a key, or is to prove
    /// the key that it has.
    fn refuse_plain(&mut self, uuid: Uuid, from: &Source) {
        tracing::debug!(%uuid, addr = ?from.addr, "refused without a key");
        self.keys.refused = self.keys.refused.saturating_add(1);
        self.end_plain(uuid);
        self.report_claim(from);
    }

    /// Whoever answers a dial without a key has one: the next dial goes to its holder.
    pub(super) fn note_place(&mut self, session: SessionId, uuid: Uuid) {
        if let Some(SessionEntry::Opening(opening)) = self.sessions.get(&session)
            && opening.key.is_none()
            && let Some(key) = self.keys.bound.get(&uuid)
        {
            note(&mut self.keys.by_endpoint, opening.endpoint.clone(), *key);
        }
    }

    /// Ends the connections under that UUID that have no key.
    fn end_plain(&self, uuid: Uuid) {
        let identity = identity_of(uuid);
        self.links
            .deny(|from| from.key.is_none() && from.identity == identity);
    }

    /// Whether that message, sent in the clear, is a HELLO which shows a key. Its sender is
    /// then dialled under that key, and has to greet us under it.
    pub(super) fn is_shown_key(&mut self, uuid: Uuid, from: &Source, message: &Message) -> bool {
        let Some(own) = &self.keys.own else {
            return false;
        };
        if !Command::is_hello(&message.head) {
            return false;
        }
        let limits = self.machine.limits();
        let decoded = Command::decode_split(&message.head, message.body.clone(), limits);
        let Ok((_, Command::Hello(hello))) = decoded else {
            return false;
        };
        let named = hello.headers.get(KEY_HEADER);
        let Some(key) = named.and_then(|named| (own.read)(named)) else {
            return false;
        };
        tracing::debug!(%uuid, addr = ?from.addr, "a HELLO shows a key that isn't proved");
        note(&mut self.keys.shown, uuid, key);
        self.keys.refused = self.keys.refused.saturating_add(1);
        self.end_plain(uuid);
        // What a HELLO says in the clear isn't worth a dial to a third party.
        let endpoint = Endpoint::from_wire(&hello.endpoint).ok();
        let endpoint = match (from.addr, endpoint) {
            (Some(addr), Some(endpoint)) => {
                let port = endpoint.port();
                port.map(|port| Endpoint::from(SocketAddr::new(addr.ip(), port)))
            }
            (None, endpoint) => endpoint,
            (Some(_), None) => None,
        };
        if let Some(endpoint) = endpoint {
            let found = Found::new(endpoint, Some(uuid), crate::Source::Hello);
            self.machine.handle_found(self.clock.now(), found);
        }
        true
    }

    /// A mailbox has opened to the holder of a key, under a UUID that somebody without one
    /// may have.
    pub(super) fn note_answer(&mut self, uuid: Uuid, link: Link, key: Option<Key>) {
        if key.is_none() || link == Link::Inproc || !self.keys.plain_too {
            return;
        }
        self.keys.bind(uuid, link, key);
        let caller = self.keys.callers.get(&uuid);
        if caller.is_some_and(|caller| caller.key.is_none())
            && let Some(caller) = self.keys.callers.remove(&uuid)
        {
            self.end_plain(uuid);
            // A HELLO that came there must not be taken for one of the key's holder.
            for connection in caller.connections {
                let now = self.clock.now();
                self.machine.handle_connection_closed(now, uuid, connection);
            }
        }
    }

    /// Whether a mailbox that has opened leads to another key than the one that
    /// connected to our inbox under that UUID.
    pub(super) fn leads_elsewhere(&self, uuid: Option<Uuid>, key: Option<Key>) -> bool {
        self.keys.is_on() && uuid.is_some_and(|uuid| self.keys.contradicts(uuid, key))
    }

    /// Whether a peer that has entered has another key than the sender of these
    /// messages, who claims its UUID.
    pub(super) fn is_impostor(&mut self, uuid: Uuid, link: Link, key: Option<Key>) -> bool {
        if !self.keys.is_on() {
            return false;
        }
        if self.keys.is_downgrade(uuid, link, key) {
            return true;
        }
        let peer = self.peer(uuid);
        peer.is_some_and(|peer| !peer.is_gone() && peer.raw_key() != key)
    }

    /// Why a peer can't enter by that session, if it can't: the key that answers there
    /// isn't the one that greeted us, or its HELLO names another.
    pub(super) fn objection(
        &mut self,
        session: SessionId,
        uuid: Uuid,
        info: &PeerInfo,
    ) -> Option<String> {
        let own = self.keys.own.as_ref()?;
        let Some(SessionEntry::Opening(opening)) = self.sessions.get(&session) else {
            return None;
        };
        if self.keys.contradicts(uuid, opening.key) {
            return Some("the key that answers isn't the one that greeted us".into());
        }
        let named = info.headers.get(KEY_HEADER);
        let proven = opening.key.as_ref().map(own.text);
        let shown = named.and_then(|named| (own.read)(named));
        match (named, proven, shown) {
            (Some(named), Some(proven), _) if *named != proven => {
                Some("its HELLO names another key than the one that it has proved".into())
            }
            // A process trusts itself.
            _ if opening.link == Some(Link::Inproc) => None,
            (_, None, Some(key)) => {
                note(&mut self.keys.shown, uuid, key);
                note(&mut self.keys.by_endpoint, info.endpoint.clone(), key);
                self.end_plain(uuid);
                Some("it has a key, and has to prove it".into())
            }
            (_, None, None) if self.keys.bound.contains_key(&uuid) => {
                self.end_plain(uuid);
                Some(DOWNGRADE.into())
            }
            _ => own.guard.objection(&info.name, opening.key),
        }
    }

    /// Keys have become trusted, or aren't any longer.
    #[cfg(feature = "curve")]
    pub(super) fn handle_trust(&mut self, added: bool, removed: &[Key]) {
        let of_removed = |entry: &SessionEntry| match entry {
            SessionEntry::Opening(opening) => (
                opening.peer,
                opening.key.is_some_and(|key| removed.contains(&key)),
            ),
            SessionEntry::Entered(peer) => {
                let gone = peer.link() != Link::Inproc
                    && peer.raw_key().is_some_and(|key| removed.contains(&key));
                (Some(peer.uuid()), gone)
            }
        };
        let sessions = self.sessions.iter().filter_map(|(session, entry)| {
            let (uuid, gone) = of_removed(entry);
            gone.then(|| (*session, uuid.unwrap_or_default()))
        });
        for (session, uuid) in sessions.collect::<Vec<_>>() {
            self.refuse_session(session, uuid, "its key isn't trusted any more");
        }
        let is_removed = |from: &Source| from.key.is_some_and(|key| removed.contains(&key));
        self.links.deny(is_removed);
        if let Some(gossip) = self.gossip.as_ref().filter(|_| !removed.is_empty()) {
            gossip.deny(removed.to_vec());
        }
        if added {
            // Those that were refused before needn't wait.
            self.machine.handle_resume(self.clock.now());
        }
    }

    /// Closes a session that isn't what it seems.
    pub(super) fn refuse_session(&mut self, session: SessionId, uuid: Uuid, why: &str) {
        tracing::debug!(%uuid, ?session, why, "a session is refused");
        self.keys.refused = self.keys.refused.saturating_add(1);
        if let Some(entry) = self.sessions.remove(&session) {
            entry.sender().close(Duration::ZERO);
        }
        let now = self.clock.now();
        self.machine.handle_session_closed(now, session);
    }

    /// Somebody with another key has connected under the UUID of a live peer.
    pub(super) fn report_claim(&mut self, from: &Source) {
        let Some(uuid) = uuid_of(&from.identity) else {
            return;
        };
        tracing::debug!(%uuid, addr = ?from.addr, "another key claims the UUID of a peer");
        if self.keys.reported.len() < REPORTED && self.keys.reported.insert(uuid) {
            self.send_event(Event::Conflict { uuid });
        }
    }
}
