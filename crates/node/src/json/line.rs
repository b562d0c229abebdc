use serde::{Deserialize, Serialize};
use zre_proto::Message;

use super::{Event, Group, Member, Node, Peer};
use crate::Stats;

/// A line that a node writes: an event, or the answer to a command.
///
/// Like [`Event`], it lists all that this version knows.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// The node runs: the first line.
    Started(Node),
    /// The node has left: the last line.
    Stopped,
    /// A command was carried out.
    Done,
    /// A message to one peer was accepted, or several.
    Whispered(Sent),
    /// A message to a group was accepted for those that had room, or several.
    Shouted(Sent),
    /// The peers that are here.
    Peers {
        /// The peers.
        peers: Vec<Peer>,
    },
    /// The groups that peers are in.
    Groups {
        /// The groups.
        groups: Vec<Group>,
    },
    /// The node itself.
    Node(Node),
    /// The node's figures.
    Stats(Box<Stats>),
    /// The round trip to a peer.
    Pong {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// Which of several it is, from 1, as with `zre ping`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
        /// Milliseconds.
        ms: f64,
    },
    /// The answer of a peer to a request.
    Reply {
        /// The peer.
        #[serde(flatten)]
        peer: Member,
        /// The frames.
        frames: Message,
    },
    /// A command wasn't carried out.
    Error {
        /// What is wrong and what to do about it.
        message: String,
        /// The kind of error as a word that stays the same in later versions, such
        /// as the `code()` of the library's errors, or `command` for a line that
        /// isn't a command.
        #[serde(default)]
        code: String,
    },
    /// Something that happened.
    #[serde(untagged)]
    Event(Event),
}

impl From<Event> for Line {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// What became of messages that were sent.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Sent {
    /// How many messages were sent.
    pub messages: u64,
    /// How many queues to peers took one, all messages together; 0 if nobody will
    /// get them.
    pub accepted: u64,
    /// The peers whose queues took them.
    pub peers: Vec<Member>,
    /// The peers whose queues had no room in time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<Member>,
    /// How many of the messages no peer has confirmed, for a command that waits for
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<u64>,
}
