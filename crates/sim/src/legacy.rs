//! A node of another implementation: what C Zyre does with what it hears, as far
//! as ours can tell, with pyre's way of going round as an option.
//!
//! It knows nothing of states, sends and takes the classic beacon only, greets
//! anew whoever greets it twice, drops what it doesn't know without counting it,
//! and where C Zyre asserts, it says that it would have aborted. Its mailboxes
//! are libzmq's: they connect again by themselves and tell nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use zre_proto::machine::{
    Audience, DialTarget, Event, ExitReason, Heard, Inbound, Output, PeerInfo, STATE_HEADER,
    SessionId, SharedOutgoing,
};
use zre_proto::{Beacon, Command, Endpoint, Frames, Hello, MessageLimits, Outgoing, State, Time};

const INTERVAL: Duration = Duration::from_secs(1);
const EVASIVE: Duration = Duration::from_secs(5);
const EXPIRED: Duration = Duration::from_secs(30);
/// How soon libzmq connects again.
const RECONNECT: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Legacy {
    pub(crate) uuid: Uuid,
    address: SocketAddr,
    short_wrap: bool,
    status: u8,
    pub(crate) groups: BTreeSet<Arc<str>>,
    peers: BTreeMap<Uuid, Peer>,
    sessions: u64,
    outputs: VecDeque<Output>,
    beacon_at: Time,
    stop_at: Option<Time>,
    /// The assertion that would have ended it.
    pub(crate) aborted: Option<String>,
}

#[derive(Debug)]
struct Peer {
    endpoint: Endpoint,
    session: SessionId,
    up: bool,
    reconnect_at: Option<Time>,
    outgoing: SharedOutgoing,
    /// What waits in the mailbox for its connection.
    queue: Vec<Command>,
    ready: bool,
    expected: u16,
    status: u8,
    groups: BTreeSet<Arc<str>>,
    heard: Time,
}

impl Legacy {
    pub(crate) fn new(uuid: Uuid, address: SocketAddr, short_wrap: bool, now: Time) -> Self {
        Self {
            uuid,
            address,
            short_wrap,
            status: 0,
            groups: BTreeSet::new(),
            peers: BTreeMap::new(),
            sessions: 0,
            outputs: VecDeque::new(),
            beacon_at: now,
            stop_at: None,
            aborted: None,
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let reconnects = self.peers.values().filter_map(|peer| peer.reconnect_at);
        let next = self.stop_at.unwrap_or(self.beacon_at);
        Some(reconnects.fold(next, Time::min))
    }

    /// Its beacon and its look at who is silent, each once a second.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        if self.stop_at.is_some_and(|at| at <= now) {
            self.outputs.push_back(Output::Stopped);
            return;
        }
        if self.beacon_at <= now {
            self.beacon_at = now + INTERVAL;
            let state = State::Ready;
            self.outputs.push_back(Output::Announce {
                state,
                to: Audience::Everybody,
            });
            self.look_around(now);
        }
        let due: Vec<Uuid> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.reconnect_at.is_some_and(|at| at <= now))
            .map(|(uuid, _)| *uuid)
            .collect();
        for uuid in due {
            self.connect(uuid);
        }
    }

    fn look_around(&mut self, now: Time) {
        let silent = |least| {
            let silent = self
                .peers
                .iter()
                .filter(move |(_, it)| now - it.heard >= least);
            silent.map(|(uuid, _)| *uuid).collect::<Vec<Uuid>>()
        };
        let (expired, evasive) = (silent(EXPIRED), silent(EVASIVE));
        for uuid in &expired {
            self.remove(*uuid, ExitReason::Expired);
        }
        for uuid in evasive.iter().filter(|uuid| !expired.contains(uuid)) {
            self.send(*uuid, Command::Ping(None));
        }
    }

    pub(crate) fn handle_beacon(&mut self, now: Time, beacon: &Beacon, heard: &Heard) {
        let Beacon::Classic { uuid, port } = *beacon else {
            return;
        };
        if uuid == self.uuid {
            return;
        }
        if port == 0 {
            self.remove(uuid, ExitReason::Goodbye);
            return;
        }
        let endpoint = Endpoint::from(SocketAddr::new(heard.from.ip(), port));
        self.require(now, uuid, endpoint);
    }

    /// The peer, made and greeted if it is new. Whoever held its endpoint loses
    /// its mailbox, and isn't told.
    fn require(&mut self, now: Time, uuid: Uuid, endpoint: Endpoint) {
        if self.peers.contains_key(&uuid) {
            return;
        }
        for peer in self.peers.values_mut() {
            if peer.endpoint == endpoint {
                peer.up = false;
                peer.reconnect_at = None;
                let session = peer.session;
                self.outputs.push_back(Output::Disconnect {
                    session,
                    linger: false,
                });
            }
        }
        let peer = Peer {
            endpoint,
            session: SessionId(0),
            up: false,
            reconnect_at: None,
            outgoing: SharedOutgoing::new(Outgoing::new(self.short_wrap)),
            queue: Vec::new(),
            ready: false,
            expected: 1,
            status: 0,
            groups: BTreeSet::new(),
            heard: now,
        };
        self.peers.insert(uuid, peer);
        self.connect(uuid);
        let hello = Hello {
            endpoint: Endpoint::from(self.address).to_wire(),
            groups: self.groups.iter().map(ToString::to_string).collect(),
            status: self.status,
            name: "legacy".to_owned(),
            headers: BTreeMap::new(),
        };
        self.send(uuid, Command::Hello(hello));
    }

    fn connect(&mut self, uuid: Uuid) {
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.session = session;
        peer.reconnect_at = None;
        self.outputs.push_back(Output::Connect {
            session,
            target: DialTarget::new(Some(uuid), peer.endpoint.clone(), false),
            outgoing: peer.outgoing.clone(),
        });
    }

    fn send(&mut self, uuid: Uuid, command: Command) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        if peer.up {
            let session = peer.session;
            self.outputs.push_back(Output::Send { session, command });
        } else {
            peer.queue.push(command);
        }
    }

    fn remove(&mut self, uuid: Uuid, reason: ExitReason) {
        let Some(peer) = self.peers.remove(&uuid) else {
            return;
        };
        self.outputs.push_back(Output::Disconnect {
            session: peer.session,
            linger: false,
        });
        if peer.ready {
            self.outputs.push_back(Output::Event(Event::Exit {
                peer: uuid,
                reason,
                // It tells its application nothing of what was lost.
                unconfirmed: u64::MAX,
            }));
        }
    }

    fn session(&mut self, session: SessionId) -> Option<(Uuid, &mut Peer)> {
        self.peers
            .iter_mut()
            .find(|(_, peer)| peer.session == session)
            .map(|(uuid, peer)| (*uuid, peer))
    }

    pub(crate) fn handle_session_up(&mut self, session: SessionId) {
        let Some((_, peer)) = self.session(session) else {
            return;
        };
        peer.up = true;
        let waiting: Vec<Command> = peer.queue.drain(..).collect();
        for command in waiting {
            self.outputs.push_back(Output::Send { session, command });
        }
    }

    pub(crate) fn handle_session_closed(&mut self, now: Time, session: SessionId) {
        if let Some((_, peer)) = self.session(session) {
            peer.up = false;
            peer.reconnect_at = Some(now + RECONNECT);
        }
    }

    pub(crate) fn handle_message(&mut self, now: Time, from: &Inbound, frames: Frames) {
        let uuid = from.peer;
        let (sequence, command) = match Command::decode(frames, &MessageLimits::default()) {
            Ok((
                _,
                Command::State(_)
                | Command::Request { .. }
                | Command::Reply { .. }
                | Command::Update(_),
            ))
            | Err(_) => return,
            Ok(read) => read,
        };
        if let Command::Hello(hello) = &command {
            if self.peers.get(&uuid).is_some_and(|peer| peer.ready) {
                self.remove(uuid, ExitReason::Replaced);
            }
            if let Ok(endpoint) = Endpoint::from_wire(&hello.endpoint) {
                self.require(now, uuid, endpoint);
            }
        }
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        let greets = matches!(command, Command::Hello(_));
        if !peer.ready && !greets {
            return;
        }
        let due = if greets { 1 } else { peer.expected };
        if sequence != due {
            self.remove(uuid, ExitReason::Sequence);
            return;
        }
        peer.expected = match sequence.wrapping_add(1) {
            u16::MAX if self.short_wrap => 0,
            next => next,
        };
        peer.heard = now;
        self.obey(uuid, command);
    }

    fn obey(&mut self, uuid: Uuid, command: Command) {
        let event = match command {
            Command::Hello(hello) => {
                self.enter(uuid, hello);
                return;
            }
            Command::Join { group, status } => {
                self.assert_status(uuid, status);
                let joined = self
                    .peers
                    .get_mut(&uuid)
                    .is_some_and(|peer| peer.groups.insert(group.clone()));
                joined.then_some(Event::Join { peer: uuid, group })
            }
            Command::Leave { group, status } => {
                self.assert_status(uuid, status);
                let left = self
                    .peers
                    .get_mut(&uuid)
                    .is_some_and(|peer| peer.groups.remove(&group));
                left.then_some(Event::Leave { peer: uuid, group })
            }
            Command::Whisper { content } => Some(Event::Whisper {
                peer: uuid,
                content,
            }),
            Command::Shout { group, content } => Some(Event::Shout {
                peer: uuid,
                group,
                content,
            }),
            Command::Ping(_) => {
                self.send(uuid, Command::PingOk(None));
                None
            }
            // gyre follows a nil pointer at an id that it doesn't know.
            Command::Goodbye => {
                self.aborted.get_or_insert_with(|| "GOODBYE".to_owned());
                None
            }
            _ => None,
        };
        self.outputs.extend(event.map(Output::Event));
    }

    fn enter(&mut self, uuid: Uuid, hello: Hello) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.ready = true;
        peer.status = hello.status;
        peer.groups = hello.groups.into_iter().map(Arc::from).collect();
        let groups = peer.groups.clone();
        let state = hello
            .headers
            .get(STATE_HEADER)
            .and_then(|it| it.parse().ok());
        let mut info = PeerInfo::new(hello.name, peer.endpoint.clone());
        info.headers = hello.headers;
        info.state = state.unwrap_or_default();
        let session = peer.session;
        self.outputs.push_back(Output::Event(Event::Enter {
            peer: uuid,
            session,
            info: Box::new(info),
        }));
        for group in groups {
            self.outputs
                .push_back(Output::Event(Event::Join { peer: uuid, group }));
        }
    }

    fn assert_status(&mut self, uuid: Uuid, status: u8) {
        let Some(peer) = self.peers.get_mut(&uuid) else {
            return;
        };
        peer.status = peer.status.wrapping_add(1);
        if peer.status != status {
            let due = peer.status;
            self.aborted
                .get_or_insert_with(|| format!("status {status} of {uuid} where {due} is due"));
        }
    }

    pub(crate) fn join(&mut self, group: &str) {
        if self.groups.insert(group.into()) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.send_all(|| Command::Join {
                group: group.into(),
                status,
            });
        }
    }

    pub(crate) fn leave(&mut self, group: &str) {
        if self.groups.remove(group) {
            self.status = self.status.wrapping_add(1);
            let status = self.status;
            self.send_all(|| Command::Leave {
                group: group.into(),
                status,
            });
        }
    }

    fn send_all(&mut self, command: impl Fn() -> Command) {
        let all: Vec<Uuid> = self.peers.keys().copied().collect();
        for uuid in all {
            self.send(uuid, command());
        }
    }

    /// Says so once, and is gone a millisecond later.
    pub(crate) fn shutdown(&mut self, now: Time) {
        let state = State::Exit;
        self.outputs.push_back(Output::Announce {
            state,
            to: Audience::Everybody,
        });
        self.stop_at = Some(now + Duration::from_millis(1));
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = Uuid> + '_ {
        let ready = self.peers.iter().filter(|(_, peer)| peer.ready);
        ready.map(|(uuid, _)| *uuid)
    }

    pub(crate) fn peer_groups(&self, uuid: Uuid) -> Option<&BTreeSet<Arc<str>>> {
        self.peers.get(&uuid).map(|peer| &peer.groups)
    }

    pub(crate) fn table_sizes(&self) -> [usize; 5] {
        [self.peers.len(), self.peers.len(), 0, 0, 0]
    }
}
