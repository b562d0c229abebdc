//! What one node accepted, was told and received.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zre::{Message, Peer, Uuid};

/// From one Enter of a peer to its Exit.
#[derive(Debug)]
struct Session {
    peer: Peer,
    /// Whispers that the queue accepted.
    accepted: u64,
    /// How often it was full.
    full: u64,
    /// What its Exit counted, once it had one.
    unconfirmed: Option<u64>,
    reason: Option<String>,
}

/// What came of one series of numbers.
#[derive(Debug, Default)]
struct Series {
    delivered: u64,
    last: u64,
    /// Numbers that were left out.
    missing: u64,
    /// Numbers that came twice or late.
    disorder: u64,
}

impl Series {
    fn add(&mut self, number: u64) {
        if number <= self.last {
            self.disorder += 1;
            return;
        }
        self.missing += number - self.last - 1;
        self.last = number;
        self.delivered += 1;
    }
}

/// One node's book.
#[derive(Debug, Default)]
pub(crate) struct Book {
    sessions: Vec<Session>,
    /// Shouts that were accepted, counted for each receiver.
    shouts_accepted: u64,
    shouts_full: u64,
    shouts_gone: u64,
    /// By sender, and by the session as the sender counts it.
    whispers: BTreeMap<(Uuid, u64), Series>,
    /// By sender. A member that had no room misses numbers, which the sender
    /// was told.
    shouts: BTreeMap<Uuid, Series>,
    edges: u64,
    conflicts: u64,
}

impl Book {
    /// A peer is here; the answer is the number of its session.
    pub(crate) fn enter(&mut self, peer: Peer) -> u64 {
        self.sessions.push(Session {
            peer,
            accepted: 0,
            full: 0,
            unconfirmed: None,
            reason: None,
        });
        self.sessions.len() as u64 - 1
    }

    pub(crate) fn exit(&mut self, peer: &Peer, reason: &str, unconfirmed: u64) {
        if let Some(session) = self
            .sessions
            .iter_mut()
            .find(|session| session.peer == *peer)
        {
            session.unconfirmed = Some(unconfirmed);
            session.reason = Some(reason.to_owned());
        }
    }

    /// A queue became full, or has room again.
    pub(crate) fn edge(&mut self) {
        self.edges += 1;
    }

    /// Two nodes have one UUID.
    pub(crate) fn conflict(&mut self) {
        self.conflicts += 1;
    }

    /// A whisper was accepted.
    pub(crate) fn accepted(&mut self, session: u64) {
        if let Some(session) = self.session(session) {
            session.accepted += 1;
        }
    }

    /// A whisper found no room.
    pub(crate) fn full(&mut self, session: u64) {
        if let Some(session) = self.session(session) {
            session.full += 1;
        }
    }

    fn session(&mut self, number: u64) -> Option<&mut Session> {
        let index = usize::try_from(number).ok()?;
        self.sessions.get_mut(index)
    }

    pub(crate) fn shouted(&mut self, shouted: &zre::Shouted) {
        self.shouts_accepted += shouted.accepted as u64;
        self.shouts_full += shouted.full.len() as u64;
        self.shouts_gone += shouted.gone.len() as u64;
    }

    pub(crate) fn heard_whisper(&mut self, from: Uuid, message: &Message) {
        if let Some((session, number)) = numbers(message) {
            self.whispers
                .entry((from, session))
                .or_default()
                .add(number);
        }
    }

    pub(crate) fn heard_shout(&mut self, from: Uuid, message: &Message) {
        if let Some((_, number)) = numbers(message) {
            self.shouts.entry(from).or_default().add(number);
        }
    }

    pub(crate) fn to_json(&self, uuid: Uuid) -> Value {
        let sessions: Vec<Value> = self
            .sessions
            .iter()
            .enumerate()
            .map(|(number, session)| {
                json!({
                    "session": number,
                    "peer": session.peer.uuid().simple().to_string(),
                    "link": session.peer.link().to_string(),
                    "accepted": session.accepted,
                    "full": session.full,
                    "unconfirmed": session.unconfirmed,
                    "reason": session.reason,
                })
            })
            .collect();
        let series = |from: &Uuid, session: u64, series: &Series| {
            json!({
                "from": from.simple().to_string(),
                "session": session,
                "delivered": series.delivered,
                "missing": series.missing,
                "disorder": series.disorder,
            })
        };
        let whispers = self.whispers.iter();
        let shouts = self.shouts.iter();
        json!({
            "uuid": uuid.simple().to_string(),
            "sessions": sessions,
            "shouts": {
                "accepted": self.shouts_accepted,
                "full": self.shouts_full,
                "gone": self.shouts_gone,
            },
            "edges": self.edges,
            "conflicts": self.conflicts,
            "whispers": whispers
                .map(|((from, session), heard)| series(from, *session, heard))
                .collect::<Vec<_>>(),
            "heard_shouts": shouts
                .map(|(from, heard)| series(from, 0, heard))
                .collect::<Vec<_>>(),
        })
    }
}

/// A message that says which one it is: a session, a number from 1, and filling.
pub(crate) fn numbered(session: u64, number: u64, size: usize) -> Message {
    let mut bytes = Vec::with_capacity(size.max(16));
    bytes.extend_from_slice(&session.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.resize(size.max(16), 0x5a);
    bytes.into()
}

fn numbers(message: &Message) -> Option<(u64, u64)> {
    let (session, rest) = message.frame(0)?.split_first_chunk::<8>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*session), u64::from_be_bytes(*number)))
}
