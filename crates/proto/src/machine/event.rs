//! What the machine reports to the application.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::output::SessionId;
use super::source::Sources;
use crate::{Endpoint, Message, Profile, State};

/// What the machine reports to the application.
///
/// For each peer, `Enter` comes first, `Exit` comes last and once, and each
/// transition is reported once.
#[derive(Debug)]
pub enum Event {
    /// A peer has greeted us and takes messages.
    Enter {
        /// The peer.
        peer: Uuid,
        /// The mailbox that leads to it.
        session: SessionId,
        /// What its HELLO said, and how we reached it.
        info: Box<PeerInfo>,
    },
    /// A peer is gone.
    Exit {
        /// The peer.
        peer: Uuid,
        /// Why it is gone.
        reason: ExitReason,
        /// How many of the application's messages were accepted by its mailbox
        /// and not confirmed by a PING-OK. At most so many were lost.
        unconfirmed: u64,
    },
    /// A peer joined a group.
    Join {
        /// The peer.
        peer: Uuid,
        /// The group.
        group: Arc<str>,
    },
    /// A peer left a group.
    Leave {
        /// The peer.
        peer: Uuid,
        /// The group.
        group: Arc<str>,
    },
    /// A message to us.
    Whisper {
        /// The sender.
        peer: Uuid,
        /// Its frames.
        content: Message,
    },
    /// A message to a group.
    Shout {
        /// The sender.
        peer: Uuid,
        /// The group.
        group: Arc<str>,
        /// Its frames.
        content: Message,
    },
    /// A message to us that wants a REPLY. Only requests of peers that understand
    /// REPLY are reported.
    Request {
        /// The sender.
        peer: Uuid,
        /// The id that the REPLY has to name.
        id: u64,
        /// Its frames.
        content: Message,
    },
    /// An answer. The machine doesn't know whether anybody asked: a peer can send
    /// any id.
    Reply {
        /// The sender.
        peer: Uuid,
        /// The id that it names.
        id: u64,
        /// Its frames; `None` if the peer says that no answer will come.
        content: Option<Message>,
    },
    /// A peer didn't answer a PING.
    Evasive {
        /// The peer.
        peer: Uuid,
    },
    /// A peer has been evasive for long.
    Silent {
        /// The peer.
        peer: Uuid,
    },
    /// A message came from an evasive or silent peer.
    Responsive {
        /// The peer.
        peer: Uuid,
    },
    /// A peer answered the oldest unanswered PING that the application had asked
    /// for.
    Pong {
        /// The peer.
        peer: Uuid,
        /// The time from sending the PING to handling its answer.
        round_trip: Duration,
    },
    /// An election in a group of ours has ended with another leader than the last
    /// one.
    Leader {
        /// The group.
        group: Arc<str>,
        /// The leader: a member, or ourselves.
        leader: Uuid,
    },
    /// An election doesn't end. This is reported once for each election; it can
    /// still end if the missing members take part later.
    Undecided {
        /// The group.
        group: Arc<str>,
        /// The members that the election waits for. Most of them know nothing of
        /// elections.
        missing: Vec<Uuid>,
    },
    /// A peer's state changed.
    State {
        /// The peer.
        peer: Uuid,
        /// The state before.
        from: State,
        /// The state from now on.
        to: State,
    },
    /// A peer's name or headers may have changed.
    Update {
        /// The peer.
        peer: Uuid,
        /// Its name and headers from now on, without those that ZRE nodes set for each
        /// other (`X-ZRE-…`).
        profile: Box<Profile>,
    },
    /// A node took our HELLO over an open connection and didn't greet us in time. It isn't
    /// here, and there may be no such node at all.
    Unanswered {
        /// Its UUID.
        peer: Uuid,
        /// The address that was dialled.
        endpoint: Endpoint,
    },
    /// Two live nodes claim one UUID, which may be our own.
    Conflict {
        /// The UUID.
        peer: Uuid,
    },
}

/// What is known of a peer when it enters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its public name.
    pub name: String,
    /// Its headers, without those that ZRE nodes set for each other (`X-ZRE-…`).
    pub headers: BTreeMap<String, String>,
    /// The address that our mailbox dialled.
    pub endpoint: Endpoint,
    /// Its state.
    pub state: State,
    /// Whether it has shown that it understands REQUEST and REPLY. They must go to
    /// no other peer.
    pub takes_requests: bool,
    /// How it became known.
    pub via: Sources,
}

impl PeerInfo {
    /// A peer of that name, dialled at that address, of which nothing else is
    /// known.
    #[must_use]
    pub fn new(name: String, endpoint: Endpoint) -> Self {
        Self {
            name,
            headers: BTreeMap::new(),
            endpoint,
            state: State::Ready,
            takes_requests: false,
            via: Sources::default(),
        }
    }
}

/// Why a peer is gone.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// The peer announced it.
    Goodbye,
    /// Its session ended: the process died, or the connection broke.
    Disconnected,
    /// It was silent for too long.
    Expired,
    /// It greeted us anew, or another node took its place.
    Replaced,
    /// Messages are missing between two that arrived.
    Sequence,
    /// It sent something that isn't ZRE, or that exceeds a limit.
    Protocol,
}

impl ExitReason {
    /// The reason as a word, which stays the same in later versions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Disconnected => "disconnected",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Sequence => "sequence",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
