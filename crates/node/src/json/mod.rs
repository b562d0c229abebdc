//! The JSON form of events, peers, figures and commands.
//!
//! It is one form for everything: [`zre::Event`](crate::Event) and
//! [`zre::Peer`](crate::Peer) serialize as the types here, and the `zre` command
//! writes and reads the same lines. These types own their data and can be read
//! back, unlike a [`Peer`](crate::Peer), which is a handle.
//!
//! ```
//! use zre::json::Event;
//!
//! let line = r#"{"event":"join","peer":"5f0c6c6ff1a94c8c8e1c7b0f2b1d9a9b","name":"bob","group":"chat"}"#;
//! let event: Event = serde_json::from_str(line)?;
//! assert!(matches!(&event, Event::Join { group, .. } if group == "chat"));
//! assert_eq!(serde_json::to_string(&event)?, line);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Event`] | what happened on the network |
//! | [`Command`] | a line that a node reads, as with `zre node --json` |
//! | [`Line`] | a line that such a node writes: an event or an answer |
//! | [`Tagged`] | either of them with the `tag` that relates an answer to its command |
//! | [`Peer`], [`Member`], [`Group`], [`Node`] | parts of these |
//!
//! [`zre::Stats`](crate::Stats), [`Message`](crate::Message) and
//! [`State`](crate::State) are their own JSON form. UUIDs are 32 lower-case hex
//! digits, durations text such as `2s` or `500ms`. A frame is a string, or
//! `{"base64":".."}` if it isn't UTF-8.
//!
//! # Other versions
//!
//! Later versions may add kinds of events, fields, and words for links, reasons and
//! sources. These types ignore fields that they don't know, keep such words as text,
//! and read an event that they don't know as [`Event::Unknown`]. Commands are
//! stricter: a node refuses a field that it doesn't know, because it couldn't do
//! what that asks for.
//!
//! With the feature `schema`, all of them implement `schemars::JsonSchema`.

mod command;
mod event;
mod line;
mod peer;
#[cfg(test)]
mod tests;
mod time;

pub use command::{Command, Ping, parse_command};
pub use event::Event;
pub use line::{Line, Sent};
pub use peer::{Group, Member, Node, Peer};

use serde::{Deserialize, Serialize};

/// A command with a tag, or an answer with the tag of the command that it answers.
///
/// A node answers every command that has a tag, also if it only has to confirm it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Tagged<T> {
    /// The command or the answer.
    #[serde(flatten)]
    pub content: T,
    /// Any text; it says nothing to the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl<T> From<T> for Tagged<T> {
    fn from(content: T) -> Self {
        Self { content, tag: None }
    }
}
