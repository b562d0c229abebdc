use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use crate::{Command, Endpoint, Message, Outgoing, State};

/// The number of one mailbox of ours. Never used twice by a machine, so what
/// arrives late for an old one is recognised and dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(pub u64);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// The numbering of one session's outgoing messages, shared between the
/// machine and whoever puts messages into the session's mailbox.
///
/// A number is taken when the mailbox accepts a message, which may happen
/// outside the machine; so the count lives here, under a lock of its own.
pub type SharedOutgoing = Arc<Mutex<Outgoing>>;

/// What the machine wants done, in order.
#[derive(Debug)]
pub enum Output {
    /// Open a mailbox. Answer with `handle_session_up` or
    /// `handle_session_closed`.
    Connect {
        /// The number under which the outcome is reported.
        session: Session,
        /// Who is expected there, where that is known.
        peer: Option<Uuid>,
        /// Where to dial.
        endpoint: Endpoint,
        /// Whether the address may be of this host although it is a loopback
        /// address: it was heard over loopback.
        over_loopback: bool,
        /// Numbers what goes into this mailbox.
        outgoing: SharedOutgoing,
    },
    /// Put a control message into a mailbox, numbered by its `outgoing`. A
    /// mailbox that can't take it is to be closed and reported as closed.
    Send {
        /// Into which mailbox.
        session: Session,
        /// What to send.
        command: Command,
    },
    /// Close a mailbox. It isn't reported back.
    Disconnect {
        /// Which one.
        session: Session,
        /// Whether what is queued is still to be sent.
        linger: bool,
    },
    /// Send a beacon, in every form that its address takes.
    Announce {
        /// The state that it shows; EXIT is the last one.
        state: State,
    },
    /// Tell the application.
    Event(Event),
    /// The node has left: every output before this one was its last.
    Stopped,
}

/// What the application is told.
///
/// For each peer: `Enter` first, `Exit` last and once, each transition once.
#[derive(Debug)]
pub enum Event {
    /// A peer greeted us and can be spoken to.
    Enter {
        /// Who.
        peer: Uuid,
        /// The mailbox that leads to it.
        session: Session,
        /// What it told of itself.
        info: Box<PeerInfo>,
    },
    /// A peer is gone.
    Exit {
        /// Who.
        peer: Uuid,
        /// Why.
        reason: ExitReason,
        /// How many of the application's messages that its mailbox had accepted no
        /// PING-OK confirmed: what may have been lost.
        unconfirmed: u64,
    },
    /// A peer joined a group.
    Join {
        /// Who.
        peer: Uuid,
        /// Which group.
        group: Arc<str>,
    },
    /// A peer left a group.
    Leave {
        /// Who.
        peer: Uuid,
        /// Which group.
        group: Arc<str>,
    },
    /// A message to us.
    Whisper {
        /// From whom.
        peer: Uuid,
        /// Its frames.
        content: Message,
    },
    /// A message to a group.
    Shout {
        /// From whom.
        peer: Uuid,
        /// To which group.
        group: Arc<str>,
        /// Its frames.
        content: Message,
    },
    /// A message to us that is to be answered by a REPLY. Only peers to whom one
    /// may be sent are heard.
    Request {
        /// From whom.
        peer: Uuid,
        /// What the REPLY is to name.
        id: u64,
        /// Its frames.
        content: Message,
    },
    /// An answer. Whether anything was asked under that id isn't known here: a
    /// peer can say anything.
    Reply {
        /// From whom.
        peer: Uuid,
        /// What it names.
        id: u64,
        /// Its frames; `None` where there is no answer and won't be.
        content: Option<Message>,
    },
    /// A peer didn't answer a PING.
    Evasive {
        /// Who.
        peer: Uuid,
    },
    /// A peer has been evasive for long.
    Silent {
        /// Who.
        peer: Uuid,
    },
    /// An evasive or silent peer was heard again.
    Responsive {
        /// Who.
        peer: Uuid,
    },
    /// A peer answered the oldest PING that the application asked for and that
    /// it hadn't answered yet.
    Pong {
        /// Who.
        peer: Uuid,
        /// From the PING's going out to its answer.
        round_trip: Duration,
    },
    /// An election in a group that we are in has ended, with another result than
    /// the one before.
    Leader {
        /// In which group.
        group: Arc<str>,
        /// Who leads: a member, or we.
        leader: Uuid,
    },
    /// An election doesn't end: told once for each. It goes on all the same when
    /// they take part.
    Undecided {
        /// In which group.
        group: Arc<str>,
        /// The members that keep it from its end: mostly such as know nothing of
        /// elections.
        missing: Vec<Uuid>,
    },
    /// A peer's state changed.
    State {
        /// Who.
        peer: Uuid,
        /// From which state.
        from: State,
        /// To which state.
        to: State,
    },
    /// Two live nodes claim this UUID; it may be our own.
    Conflict {
        /// The UUID that is claimed twice.
        peer: Uuid,
    },
}

/// What is known of a peer when it enters.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its public name.
    pub name: String,
    /// Its headers, without those that ZRE nodes set for each other (`X-ZRE-…`).
    pub headers: BTreeMap<String, String>,
    /// The address that our mailbox dialled.
    pub endpoint: Endpoint,
    /// Its state.
    pub state: State,
    /// Whether it showed that it understands REQUEST and REPLY: they must go to
    /// nobody else.
    pub takes_requests: bool,
    /// How it became known.
    pub via: BTreeSet<Source>,
}

/// Why a peer is gone.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitReason {
    /// It said so.
    Goodbye,
    /// Its session ended: the process died, or the connection broke.
    Disconnected,
    /// Nothing was heard of it for too long.
    Expired,
    /// It greeted us anew, or another node took its place.
    Replaced,
    /// Messages were missing between two that arrived.
    Sequence,
    /// It sent what isn't ZRE, or more than the limits allow.
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

/// How a peer became known, in the order in which addresses are tried.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A beacon to a multicast group.
    Multicast,
    /// A beacon to a broadcast address.
    Broadcast,
    /// A DNS SRV record.
    Dns,
    /// A gossip tuple.
    Gossip,
    /// Configuration.
    Static,
    /// Its HELLO.
    Hello,
}

impl Source {
    /// Whether the source keeps its word by itself, so that the address is
    /// dialled again although nothing more is heard.
    pub(super) fn is_lasting(self) -> bool {
        matches!(self, Self::Dns | Self::Gossip | Self::Static)
    }

    /// Whether it is the peer itself that says so, each second.
    pub(super) fn is_beacon(self) -> bool {
        matches!(self, Self::Multicast | Self::Broadcast)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Dns => "dns",
            Self::Gossip => "gossip",
            Self::Static => "static",
            Self::Hello => "hello",
        })
    }
}

/// How a beacon was heard.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Where it came from; the address is what is dialled, with the beacon's
    /// port.
    pub from: SocketAddr,
    /// Whether it came over a loopback interface, or from our own process.
    pub over_loopback: bool,
    /// [`Source::Multicast`] or [`Source::Broadcast`].
    pub source: Source,
}

/// An address at which a node should be.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub endpoint: Endpoint,
    /// Who, where the source says so.
    pub peer: Option<Uuid>,
    /// Which source says so.
    pub source: Source,
}

/// What is known of a mailbox that has opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Up {
    /// Our own address on it, where it has one: what HELLO tells.
    pub local: Option<IpAddr>,
    /// Who answered, where the handshake says so.
    pub peer: Option<Uuid>,
    /// The address that was reached, where it has one: what a name stood for.
    pub remote: Option<SocketAddr>,
    /// Whether both ends are in one process: then silence means nothing.
    pub in_memory: bool,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Inbound {
    /// The UUID in the identity of the sender's DEALER.
    pub peer: Uuid,
    /// The number of its connection to our inbox.
    pub connection: u64,
    /// Its address, where the link has one.
    pub from: Option<SocketAddr>,
}

/// One more.
pub(super) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// What was heard and not acted upon, by reason. Only ever grows.
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(default))]
#[cfg_attr(feature = "schema", schemars(rename = "ProtocolCounters"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages without ZRE's signature.
    pub foreign: u64,
    /// Messages of another protocol version.
    pub version: u64,
    /// Messages whose fields can't be read.
    pub malformed: u64,
    /// Messages past a limit.
    pub limited: u64,
    /// Messages with an id that this version doesn't know, or that the peer
    /// hasn't shown to know.
    pub unknown: u64,
    /// Messages from somebody who hasn't greeted.
    pub ungreeted: u64,
    /// Gaps in a sequence.
    pub gaps: u64,
    /// JOINs and LEAVEs whose status isn't what their number makes it.
    pub status: u64,
    /// HELLOs that were refused: too many, of a node that leaves, or with an
    /// endpoint that can't be dialled.
    pub refused: u64,
    /// Beacons of ourselves.
    pub own: u64,
    /// Beacons of a (UUID, port) that had said EXIT.
    pub buried: u64,
    /// What found no place in the peer table.
    pub overflow: u64,
}
