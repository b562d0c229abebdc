use std::sync::Arc;

use uuid::Uuid;
use zre_proto::State;

use crate::{ExitReason, Interface, Message, Peer, Responder};

/// What happens on the network.
///
/// For each peer, `Enter` comes before anything else of it, `Exit` last and
/// once, and every transition once.
///
/// New kinds may come with new versions, so a `match` needs a last arm for those
/// that it doesn't care for.
///
/// ```
/// use zre::Event;
///
/// fn tell(event: &Event) -> String {
///     match event {
///         Event::Enter { peer } => format!("{peer} is here, over {}", peer.link()),
///         Event::Exit { peer, reason, unconfirmed: 0 } => format!("{peer} has gone: {reason}"),
///         Event::Exit { peer, reason, unconfirmed } => {
///             format!("{peer} has gone: {reason}; up to {unconfirmed} messages are lost")
///         }
///         Event::Shout { peer, group, message } => match message.to_str() {
///             Some(text) => format!("{peer} to {group}: {text}"),
///             None => format!("{peer} to {group}: {} frames", message.frame_count()),
///         },
///         other => format!("{other:?}"),
///     }
/// }
/// ```
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A peer is here, and can be spoken to.
    Enter {
        /// Who.
        peer: Peer,
    },
    /// A peer is gone.
    Exit {
        /// Who.
        peer: Peer,
        /// Why.
        reason: ExitReason,
        /// How many of the messages that were accepted for it may not have
        /// arrived: those sent after the last PING that it answered.
        unconfirmed: u64,
    },
    /// A peer joined a group, whether we are in it or not.
    Join {
        /// Who.
        peer: Peer,
        /// Which group.
        group: Arc<str>,
    },
    /// A peer left a group.
    Leave {
        /// Who.
        peer: Peer,
        /// Which group.
        group: Arc<str>,
    },
    /// A message to this node.
    Whisper {
        /// From whom.
        peer: Peer,
        /// Its frames.
        message: Message,
    },
    /// A message to a group that this node is in.
    Shout {
        /// From whom.
        peer: Peer,
        /// To which group.
        group: Arc<str>,
        /// Its frames.
        message: Message,
    },
    /// A message to this node whose sender waits for an answer.
    Request {
        /// From whom.
        peer: Peer,
        /// Its frames.
        message: Message,
        /// Takes the answer. Where it is dropped, as by a program that expects
        /// no requests, the peer is told at once that there won't be one.
        #[cfg_attr(feature = "serde", serde(skip))]
        responder: Responder,
    },
    /// A peer was silent and didn't answer a PING either.
    Evasive {
        /// Who.
        peer: Peer,
    },
    /// A peer has been evasive for seconds; it will be given up.
    Silent {
        /// Who.
        peer: Peer,
    },
    /// An evasive or silent peer was heard again.
    Responsive {
        /// Who.
        peer: Peer,
    },
    /// A peer's state changed.
    State {
        /// Who.
        peer: Peer,
        /// From which state.
        from: State,
        /// To which state.
        to: State,
    },
    /// A group that this node is in has a leader, or another one than before:
    /// the lowest UUID of those who contest ([`Node::contest`](crate::Node::contest)).
    Leader {
        /// Which group.
        group: Arc<str>,
        /// Who leads it; this node, where that is its own UUID.
        uuid: Uuid,
        /// Who, where that isn't this node.
        peer: Option<Peer>,
    },
    /// An election in a group doesn't end, because these members don't take part:
    /// pyre and zyre.js know nothing of elections. Told once for each election.
    Undecided {
        /// Which group.
        group: Arc<str>,
        /// Who keeps it from its end.
        missing: Vec<Peer>,
    },
    /// Two live nodes use the same UUID: give each its own. Told once.
    Conflict {
        /// The UUID; it may be this node's.
        uuid: Uuid,
    },
    /// The queue to a peer is full (`on`), or has room again: half of it is
    /// free, and what was refused fits.
    ///
    /// Each follows the other, from the first message that found no room; a
    /// peer that exits while its queue is full has no second one. On the
    /// zeromq engine the bound is held in front of the library's own queue,
    /// and what that holds isn't seen here.
    Backpressure {
        /// Who reads more slowly than we send.
        peer: Peer,
        /// Whether the queue is full from now on, or no longer.
        on: bool,
    },
    /// An address of a network interface came into use while the node runs, or
    /// went out of it.
    Discovery {
        /// Whether it is used from now on, or no longer.
        up: bool,
        /// Which one.
        interface: Interface,
        /// Why, in words.
        reason: Arc<str>,
    },
}

impl Event {
    /// What it takes in the queue, in bytes.
    pub(crate) fn cost(&self) -> usize {
        let content = match self {
            Self::Whisper { message, .. } | Self::Shout { message, .. } => message.len(),
            Self::Request { message, .. } => message.len().saturating_add(RESPONDER),
            Self::Undecided { missing, .. } => missing.len().saturating_mul(size_of::<Peer>()),
            _ => 0,
        };
        content.saturating_add(size_of::<Self>())
    }
}

/// What a responder takes beside the event, in bytes.
const RESPONDER: usize = 64;
