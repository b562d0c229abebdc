use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zre_proto::{Message, State};

use super::{Member, Peer};

/// Something that happened on the network: the JSON form of
/// [`zre::Event`](crate::Event), which explains each kind.
///
/// It lists all kinds that this version knows, so that a `match` without a last arm
/// shows at compile time when a new version adds one.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A peer is here. A `join` follows for each group that it is in.
    Enter(Peer),
    /// A peer has gone.
    Exit {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// Why: `goodbye`, `disconnected`, `expired`, `replaced`, `sequence` or
        /// `protocol`.
        reason: String,
        /// How many of the messages that were accepted for it may not have arrived.
        unconfirmed: u64,
    },
    /// A peer joined a group.
    Join {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// The group.
        group: String,
    },
    /// A peer left a group.
    Leave {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// The group.
        group: String,
    },
    /// A message to this node.
    Whisper {
        /// The sender.
        #[serde(flatten)]
        peer: Member,
        /// The frames.
        frames: Message,
    },
    /// A message to a group that this node is in.
    Shout {
        /// The sender.
        #[serde(flatten)]
        peer: Member,
        /// The group.
        group: String,
        /// The frames.
        frames: Message,
    },
    /// A message to this node whose sender waits for an answer.
    Request {
        /// The sender.
        #[serde(flatten)]
        peer: Member,
        /// The number that the command `reply` needs.
        id: u64,
        /// The frames.
        frames: Message,
    },
    /// A peer was silent and didn't answer a PING either.
    Evasive(Member),
    /// A peer has been evasive for seconds.
    Silent(Member),
    /// An evasive or silent peer was heard again.
    Responsive(Member),
    /// A peer's state changed.
    State {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// Its state until now.
        from: State,
        /// Its state from now on.
        to: State,
    },
    /// A peer has another name or other headers.
    Update {
        /// The peer, with its name from now on.
        #[serde(flatten)]
        peer: Member,
        /// All its headers from now on.
        headers: BTreeMap<String, String>,
        /// Its name until now, which may be the same.
        old_name: String,
    },
    /// A group that this node is in has a leader, or another leader than before.
    Leader {
        /// The group.
        group: String,
        /// The leader's UUID.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
        )]
        #[serde(with = "uuid::serde::simple")]
        uuid: Uuid,
        /// The leader's name; absent if this node leads.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// An election doesn't end because some members don't take part.
    Undecided {
        /// The group.
        group: String,
        /// The members that don't take part.
        missing: Vec<Member>,
    },
    /// Two live nodes use the same UUID.
    Conflict {
        /// The UUID.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
        )]
        #[serde(with = "uuid::serde::simple")]
        uuid: Uuid,
    },
    /// A node is heard again and again and can't be dialled.
    Unreachable {
        /// The node's UUID.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
        )]
        #[serde(with = "uuid::serde::simple")]
        uuid: Uuid,
        /// The address that was dialled last.
        endpoint: String,
        /// The reason, as a sentence.
        reason: String,
    },
    /// The node ends, because one of its tasks has panicked.
    Failed {
        /// The reason, as a sentence.
        reason: String,
    },
    /// A node accepts this node's connection and doesn't greet back.
    OneWay {
        /// The node's UUID.
        #[cfg_attr(
            feature = "schema",
            schemars(with = "String", regex(pattern = r"^[0-9a-f]{32}$"))
        )]
        #[serde(with = "uuid::serde::simple")]
        uuid: Uuid,
        /// The address that was dialled.
        endpoint: String,
        /// The reason, as a sentence.
        reason: String,
    },
    /// The queue to a peer is full, or has room again.
    Backpressure {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// Whether the queue is full from now on, or no longer.
        on: bool,
    },
    /// The node began or stopped to use an address of a network interface.
    Discovery {
        /// Whether the address is used from now on, or no longer.
        up: bool,
        /// The name of the interface.
        interface: String,
        /// The address.
        address: String,
        /// The reason, as a sentence.
        reason: String,
    },
    /// A kind of event that this version doesn't know. Only read, never written by a
    /// node.
    #[cfg_attr(feature = "schema", schemars(skip))]
    #[serde(other)]
    Unknown,
}

impl From<&crate::Event> for Event {
    fn from(event: &crate::Event) -> Self {
        use crate::Event as Happened;

        match event {
            Happened::Enter { peer } => Self::Enter(peer.into()),
            Happened::Exit {
                peer,
                reason,
                unconfirmed,
            } => Self::Exit {
                peer: peer.into(),
                reason: reason.to_string(),
                unconfirmed: *unconfirmed,
            },
            Happened::Join { peer, group } => Self::Join {
                peer: peer.into(),
                group: group.into(),
            },
            Happened::Leave { peer, group } => Self::Leave {
                peer: peer.into(),
                group: group.into(),
            },
            Happened::Whisper { peer, message } => Self::Whisper {
                peer: peer.into(),
                frames: message.clone(),
            },
            Happened::Shout {
                peer,
                group,
                message,
            } => Self::Shout {
                peer: peer.into(),
                group: group.into(),
                frames: message.clone(),
            },
            Happened::Request {
                peer,
                message,
                responder,
            } => Self::Request {
                peer: peer.into(),
                id: responder.id(),
                frames: message.clone(),
            },
            Happened::Evasive { peer } => Self::Evasive(peer.into()),
            Happened::Silent { peer } => Self::Silent(peer.into()),
            Happened::Responsive { peer } => Self::Responsive(peer.into()),
            Happened::State { peer, from, to } => Self::State {
                peer: peer.into(),
                from: *from,
                to: *to,
            },
            Happened::Update { peer, old_name } => Self::Update {
                peer: peer.into(),
                headers: peer.headers().clone(),
                old_name: old_name.clone(),
            },
            Happened::Leader { group, uuid, peer } => Self::Leader {
                group: group.into(),
                uuid: *uuid,
                name: peer.as_ref().map(|peer| peer.name().to_owned()),
            },
            Happened::Undecided { group, missing } => Self::Undecided {
                group: group.into(),
                missing: missing.iter().map(Member::from).collect(),
            },
            Happened::Conflict { uuid } => Self::Conflict { uuid: *uuid },
            Happened::Unreachable {
                uuid,
                endpoint,
                reason,
            } => Self::Unreachable {
                uuid: *uuid,
                endpoint: endpoint.to_string(),
                reason: reason.to_string(),
            },
            Happened::Failed { reason } => Self::Failed {
                reason: reason.to_string(),
            },
            Happened::OneWay {
                uuid,
                endpoint,
                reason,
            } => Self::OneWay {
                uuid: *uuid,
                endpoint: endpoint.to_string(),
                reason: reason.to_string(),
            },
            Happened::Backpressure { peer, on } => Self::Backpressure {
                peer: peer.into(),
                on: *on,
            },
            Happened::Discovery {
                up,
                interface,
                reason,
            } => Self::Discovery {
                up: *up,
                interface: interface.name.to_string(),
                address: interface.addr.to_string(),
                reason: reason.to_string(),
            },
        }
    }
}

/// The JSON form of the event: [`json::Event`](Event).
impl Serialize for crate::Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::from(self).serialize(serializer)
    }
}
