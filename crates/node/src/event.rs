use std::sync::Arc;

use uuid::Uuid;
use zre_proto::State;

use crate::{Endpoint, ExitReason, GroupName, Interface, Message, Peer, Responder};

/// Something that happened on the network.
///
/// For each peer, `Enter` comes before all its other events and `Exit` after them,
/// once each, and each change is reported once.
///
/// Later versions may add kinds of events, therefore a `match` needs a last arm
/// for the kinds that it ignores. The accessors ([`kind`](Self::kind),
/// [`peer`](Self::peer), [`group`](Self::group), ...) read an event without a
/// `match`.
#[cfg_attr(
    feature = "serde",
    doc = "With the feature `serde`, an event serializes as its JSON form, [`json::Event`](crate::json::Event)."
)]
///
/// ```
/// use zre::Event;
///
/// fn describe(event: &Event) -> String {
///     match event {
///         Event::Enter { peer } => format!("{peer} is here, over {}", peer.link()),
///         Event::Exit { peer, reason, unconfirmed: 0 } => format!("{peer} has gone: {reason}"),
///         Event::Exit { peer, reason, unconfirmed } => {
///             format!("{peer} has gone: {reason}; up to {unconfirmed} messages are lost")
///         }
///         Event::Shout { peer, group, message } if group == "chat" => match message.to_str() {
///             Some(text) => format!("{peer}: {text}"),
///             None => format!("{peer}: {} frames", message.frame_count()),
///         },
///         other => other.kind().to_owned(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
// By the million, events are moved from one list to another. With a tag of one octet the
// compiler moves what follows it in unaligned pieces, for each of which the processor waits.
#[repr(usize)]
pub enum Event {
    /// A peer is here and can receive messages.
    Enter {
        /// The peer.
        peer: Peer,
    },
    /// A peer has gone.
    Exit {
        /// The peer.
        peer: Peer,
        /// Why it has gone.
        reason: ExitReason,
        /// How many of the messages that were accepted for it may not have
        /// arrived: those sent after the last PING that it answered.
        unconfirmed: u64,
    },
    /// A peer joined a group; this node needn't be in it.
    Join {
        /// The peer.
        peer: Peer,
        /// The group.
        group: GroupName,
    },
    /// A peer left a group.
    Leave {
        /// The peer.
        peer: Peer,
        /// The group.
        group: GroupName,
    },
    /// A message to this node.
    Whisper {
        /// The sender.
        peer: Peer,
        /// The frames.
        message: Message,
    },
    /// A message to a group that this node is in.
    Shout {
        /// The sender.
        peer: Peer,
        /// The group.
        group: GroupName,
        /// The frames.
        message: Message,
    },
    /// A message to this node whose sender waits for an answer.
    Request {
        /// The sender.
        peer: Peer,
        /// The frames.
        message: Message,
        /// Sends the answer. When it is dropped, as by a program that expects no
        /// requests, the sender learns at once that no answer will come.
        responder: Responder,
    },
    /// A peer was silent and didn't answer a PING either.
    Evasive {
        /// The peer.
        peer: Peer,
    },
    /// A peer has been evasive for seconds; the node will soon give it up.
    Silent {
        /// The peer.
        peer: Peer,
    },
    /// An evasive or silent peer was heard again.
    Responsive {
        /// The peer.
        peer: Peer,
    },
    /// A peer's state changed.
    State {
        /// The peer.
        peer: Peer,
        /// Its state until now.
        from: State,
        /// Its state from now on.
        to: State,
    },
    /// A peer has another name or other headers: it called
    /// [`Node::set_name`](crate::Node::set_name) or
    /// [`Node::set_header`](crate::Node::set_header). Several changes within 100 ms may
    /// come as one.
    Update {
        /// The peer, with its new name and headers.
        peer: Peer,
        /// Its name until now, which may be the same.
        old_name: String,
    },
    /// A group that this node is in has a leader, or another leader than before:
    /// the lowest UUID of the members that contest
    /// ([`Node::contest`](crate::Node::contest)).
    Leader {
        /// The group.
        group: GroupName,
        /// The leader's UUID, which may be this node's own.
        uuid: Uuid,
        /// The leader; `None` if this node leads.
        peer: Option<Peer>,
    },
    /// An election in a group doesn't end because these members don't take part:
    /// pyre and zyre.js have no elections. Reported once for each election.
    Undecided {
        /// The group.
        group: GroupName,
        /// The members that don't take part.
        missing: Vec<Peer>,
    },
    /// Two live nodes use the same UUID: give each its own. Reported once.
    Conflict {
        /// The UUID; it may be this node's own.
        uuid: Uuid,
    },
    /// A node announces itself by beacons again and again and can't be dialled, as if a firewall
    /// blocks TCP, or if this process has no free file descriptor. Reported after the
    /// third failed dial in a row, and at most once a minute for each node.
    Unreachable {
        /// The node's UUID.
        uuid: Uuid,
        /// The address that was dialled last.
        endpoint: Endpoint,
        /// The reason, as a sentence.
        reason: Arc<str>,
    },
    /// A node accepts this node's connection and doesn't greet back within 5 s, as if a
    /// firewall or NAT kept its connections from this node. Reported at most once a minute
    /// for each node.
    OneWay {
        /// The node's UUID.
        uuid: Uuid,
        /// The address that was dialled.
        endpoint: Endpoint,
        /// The reason, as a sentence.
        reason: Arc<str>,
    },
    /// The queue to a peer is full (`on`), or has room again: half of it is
    /// free, and the message that was refused fits.
    ///
    /// The two alternate, beginning with the first message that found no room; a
    /// peer that exits while its queue is full causes no second one. On the
    /// zeromq engine, the bound applies before the library's own queue, whose
    /// content isn't counted.
    Backpressure {
        /// The peer that reads more slowly than this node sends.
        peer: Peer,
        /// Whether the queue is full from now on, or no longer.
        on: bool,
    },
    /// The node began to use an address of a network interface, or stopped using
    /// it, after its start.
    Discovery {
        /// Whether the address is used from now on, or no longer.
        up: bool,
        /// The address and its interface.
        interface: Interface,
        /// The reason, as a sentence.
        reason: Arc<str>,
    },
    /// The node ends, because one of its tasks has panicked: a bug in this library, or in
    /// code that it calls, such as a subscriber of `tracing`. This is its last event.
    Failed {
        /// The reason, as a sentence.
        reason: Arc<str>,
    },
}

impl Event {
    /// That task has panicked.
    pub(crate) fn panicked(task: &str) -> Self {
        let reason = format!("the task of {task} has panicked").into();
        Self::Failed { reason }
    }

    /// The kind of event as a word that stays the same in later versions:
    /// `"enter"`, `"whisper"` and so on, which is also the `event` of its JSON form.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Enter { .. } => "enter",
            Self::Exit { .. } => "exit",
            Self::Join { .. } => "join",
            Self::Leave { .. } => "leave",
            Self::Whisper { .. } => "whisper",
            Self::Shout { .. } => "shout",
            Self::Request { .. } => "request",
            Self::Evasive { .. } => "evasive",
            Self::Silent { .. } => "silent",
            Self::Responsive { .. } => "responsive",
            Self::State { .. } => "state",
            Self::Update { .. } => "update",
            Self::Leader { .. } => "leader",
            Self::Undecided { .. } => "undecided",
            Self::Conflict { .. } => "conflict",
            Self::Unreachable { .. } => "unreachable",
            Self::OneWay { .. } => "one_way",
            Self::Backpressure { .. } => "backpressure",
            Self::Discovery { .. } => "discovery",
            Self::Failed { .. } => "failed",
        }
    }

    /// The peer that the event is about: the sender of a message, the leader of a
    /// group if that is a peer. `None` for events about several peers or none.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Enter { peer }
            | Self::Exit { peer, .. }
            | Self::Join { peer, .. }
            | Self::Leave { peer, .. }
            | Self::Whisper { peer, .. }
            | Self::Shout { peer, .. }
            | Self::Request { peer, .. }
            | Self::Evasive { peer }
            | Self::Silent { peer }
            | Self::Responsive { peer }
            | Self::State { peer, .. }
            | Self::Update { peer, .. }
            | Self::Backpressure { peer, .. } => Some(peer),
            Self::Leader { peer, .. } => peer.as_ref(),
            Self::Undecided { .. }
            | Self::Conflict { .. }
            | Self::Unreachable { .. }
            | Self::OneWay { .. }
            | Self::Discovery { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// The UUID of that peer; for [`Leader`](Self::Leader) and
    /// [`Conflict`](Self::Conflict) it may be this node's own.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Leader { uuid, .. }
            | Self::Conflict { uuid }
            | Self::Unreachable { uuid, .. }
            | Self::OneWay { uuid, .. } => Some(*uuid),
            other => other.peer().map(Peer::uuid),
        }
    }

    /// The group that the event is about.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::Join { group, .. }
            | Self::Leave { group, .. }
            | Self::Shout { group, .. }
            | Self::Leader { group, .. }
            | Self::Undecided { group, .. } => Some(group),
            _ => None,
        }
    }

    /// What a whisper, a shout or a request says.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        match self {
            Self::Whisper { message, .. }
            | Self::Shout { message, .. }
            | Self::Request { message, .. } => Some(message),
            _ => None,
        }
    }

    /// The state that a peer has from now on, by [`State`](Self::State).
    #[must_use]
    pub fn state(&self) -> Option<State> {
        match self {
            Self::State { to, .. } => Some(*to),
            _ => None,
        }
    }

    /// Why a peer has gone, as a word; why an address is used or no longer, or a node
    /// can't be dialled, or this one ends, in a sentence.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Exit { reason, .. } => Some(reason.as_str()),
            Self::Discovery { reason, .. }
            | Self::Unreachable { reason, .. }
            | Self::OneWay { reason, .. }
            | Self::Failed { reason } => Some(reason),
            _ => None,
        }
    }

    /// The number under which [`Node::reply`](crate::Node::reply) answers a request.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        match self {
            Self::Request { responder, .. } => Some(responder.id()),
            _ => None,
        }
    }

    /// The bytes that it takes in the queue.
    pub(crate) fn cost(&self) -> usize {
        let content = match self {
            Self::Whisper { message, .. } | Self::Shout { message, .. } => message.len(),
            Self::Request { message, .. } => message.len().saturating_add(RESPONDER),
            // What it told stays in memory if it has left when this is read.
            Self::Enter { peer } => peer.profile_bytes(),
            Self::Join { group, .. } => group.len(),
            Self::Update { peer, old_name } => peer.profile_bytes().saturating_add(old_name.len()),
            Self::Undecided { missing, .. } => missing.len().saturating_mul(size_of::<Peer>()),
            _ => 0,
        };
        content.saturating_add(size_of::<Self>())
    }
}

/// The bytes that a responder takes beside the event.
const RESPONDER: usize = 192;
