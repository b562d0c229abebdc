//! The ZRE protocol, without sockets, clock and runtime.
//!
//! ZRE (RFC 20 and 36 of the ZeroMQ project) lets programs on a local network find
//! each other, exchange messages in pairs and groups, and notice departures. This
//! crate gives the bytes their meaning:
//!
//! 1. [`Beacon`]: the datagrams by which nodes find each other, in three forms.
//! 2. [`Command`]: the messages of a session. [`Message`] is the application's
//!    content, [`State`] is the state that a node announces, and [`Endpoint`] is the
//!    address of its inbox.
//! 3. [`sequence`]: the numbers that show whether a message of a session is missing.
//! 4. [`MessageLimits`]: how much of anything a node accepts.
//! 5. [`Machine`]: a node without sockets and clock. It knows which peers are here,
//!    which have left, and what to send to each. Its parts are in [`machine`].
//!
//! No input from the network can make it panic, or allocate for a length that was
//! announced and not delivered.
//!
//! # A datagram, a message
//!
//! ```
//! use uuid::Uuid;
//! use zre_proto::{Beacon, Command, MessageLimits, Message, State};
//!
//! let beacon = Beacon::State { uuid: Uuid::new_v4(), port: 49152, state: State::Busy };
//! let datagram = beacon.encode();
//! assert_eq!(datagram.len(), 23);
//! assert_eq!(Beacon::decode(&datagram)?, beacon);
//!
//! let whisper = Command::Whisper { content: Message::from("hello") };
//! let frames = whisper.encode(7);
//! assert_eq!(frames.len(), 2);
//! let (sequence, again) = Command::decode(frames, &MessageLimits::default())?;
//! assert_eq!((sequence, again), (7, whisper));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A node without a network
//!
//! Each input is a call with the time; the outputs are what the driver has to do, in
//! order. Here the node hears the beacon of a peer and asks for a mailbox to it:
//!
//! ```
//! use uuid::Uuid;
//! use zre_proto::machine::{Config, Heard, Output, Source};
//! use zre_proto::{Beacon, Machine, State, Time};
//!
//! let mut node = Machine::new(Config::new(Uuid::new_v4(), 49152), 1, Time::ZERO);
//! assert!(matches!(node.poll_output(), Some(Output::Announce { state: State::Init, .. })));
//!
//! let theirs = Beacon::Classic { uuid: Uuid::new_v4(), port: 49153 };
//! let from = "192.0.2.7:5670".parse()?;
//! let heard = Heard::new(from, Source::Broadcast, false);
//! node.handle_beacon(Time::ZERO, &theirs, &heard);
//! match node.poll_output() {
//!     Some(Output::Connect { target, .. }) => {
//!         assert_eq!(target.endpoint.to_string(), "tcp://192.0.2.7:49153");
//!     }
//!     other => panic!("{other:?}"),
//! }
//! // If nothing happens before that time, it wants to be called then.
//! assert!(node.poll_timeout().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
// No input from the network may cause a panic. Tests may panic.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod beacon;
mod command;
mod endpoint;
mod header;
mod hello;
mod hello_headers;
#[cfg(feature = "serde")]
mod json;
mod limits;
pub mod machine;
mod message;
mod profile;
pub mod sequence;
mod state;
mod texts;
mod time;
mod wire;

pub use beacon::{BEACON_MAX, Beacon, BeaconError};
pub use command::{Command, DecodeError, split_header};
pub use endpoint::{Endpoint, EndpointError, is_of_one_host};
pub use header::{
    Header, SEQUENCE_OFFSET, SIGNATURE, VERSION, patch_sequence, reply_header, request_header,
    shout_header, whisper_header,
};
pub use hello::Hello;
#[cfg(feature = "serde")]
pub use json::ParseError;
pub use limits::{LimitError, MessageLimits};
pub use machine::Machine;
pub use message::Message;
pub use profile::Profile;
pub use sequence::{Incoming, Outgoing, nears_wrap};
pub use state::{State, StateError};
pub use time::Time;
pub use zre_zmtp::Frames;

/// Text that is shared rather than copied: the name of a group, the id of a node.
pub type Str = std::sync::Arc<str>;
