//! Programs on a network find each other and talk, with no server and no
//! configuration.
//!
//! A [`Node`] announces itself by beacons, meets every other node on the
//! network, whispers to single peers, shouts to groups, and learns at once when
//! a peer leaves or dies. It speaks ZRE (RFC 36), so the peers may be programs
//! with C Zyre, pyre or zyre.js.
//!
//! ```no_run
//! use zre::{Event, Node};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (node, mut events) = Node::builder().name("alice").start().await?;
//! node.join("chat").await?;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Enter { peer } => {
//!             println!("{peer} is here, by {}", peer.link());
//!             node.whisper(&peer, "hello").await?;
//!         }
//!         Event::Shout { peer, group, message } => {
//!             println!("{peer} to {group}: {}", message.to_str().unwrap_or("?"));
//!         }
//!         Event::Exit { peer, reason, .. } => println!("{peer} has gone: {reason}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # In which order to read
//!
//! [`Builder`] says how a node is to be, [`Node`] is what one holds, [`Events`]
//! is what one reads, [`Peer`] is who is there, [`Message`] what is said,
//! [`State`] how one is doing. Below lie `zre-proto` (what the bytes mean, and
//! the state machine), `zre-session` (links that carry them) and `zre-beacon`
//! (datagrams that find peers). What of them is needed here has a name here too:
//! where an example says `zre_proto::Message`, `zre::Message` is the same.
//!
//! # What for what
//!
//! | to | use |
//! | --- | --- |
//! | hear who comes and goes, and what is said | [`Events`], [`Event`] |
//! | see who is there now | [`Node::peers`], [`Node::peers_in`], [`Node::available`] |
//! | watch a list of them | [`Roster`] |
//! | speak to one, to a group | [`Node::whisper`], [`Node::shout`] |
//! | speak, and never wait | [`Node::try_whisper`], [`Node::try_shout`], [`SendPolicy`] |
//! | ask, and get an answer | [`Node::request`], [`Event::Request`] |
//! | say how one is doing | [`Node::set_state`], [`Builder::auto_busy`] |
//! | let a group choose one | [`Node::contest`], [`Event::Leader`] |
//! | know how far away a peer is | [`Node::ping`] |
//! | meet where no datagram passes | [`Builder::peer`], [`Builder::dns`](Builder#method.dns), [`Builder::gossip_connect`] |
//! | pass a firewall or NAT | [`Builder::listen`], [`Builder::advertise`] |
//! | take settings from a file or another language | [`Settings`] |
//! | do without async | [`Builder::start_blocking`], [`blocking`] |
//! | know what a node holds | [`Node::stats`], [`MessageLimits`], [`LinkLimits`] |
//! | leave so that nothing is lost | [`Node::shutdown`] |
//!
//! # What is promised
//!
//! Messages to a peer arrive in the order in which they were accepted, each at
//! most once. ZRE has no acknowledgements; a message that was accepted and
//! didn't arrive is followed by that peer's [`Event::Exit`], which says how many
//! may be missing. Everything that peers can make a node hold is bounded, by
//! [`MessageLimits`] and [`LinkLimits`].
//!
//! # Logs
//!
//! Nodes tell what they do through `tracing`, in a span `node` with the node's
//! `id` and `name`. What is about a peer has the field `uuid`, and `session` where
//! it is about one link to it: a peer's life is what a filter by its UUID leaves.
//! Debug level has what happens seldom (heard of, dialling, greeting, hello, enter,
//! join, state, evasive, exit, and whatever was refused); trace level has every
//! message.
//!
//! # Features
//!
//! | feature | what |
//! | --- | --- |
//! | `zeromq` (on) | a second link engine, on the `zeromq` crate |
//! | `dns` | finds nodes by DNS SRV records |
//! | `metrics` | tells figures through the `metrics` crate |
//! | `serde` | settings, events, peers and figures as JSON (`zre::json`); `Message::json` and `Message::parse` |
//! | `schema` | JSON Schema of those, by the `schemars` crate |
//!
//! # Networks
//!
//! By default a node uses every interface that is up. The environment variable
//! `ZRE_INTERFACE`, or [`Builder::interfaces`], narrows that down; `lo` keeps
//! everything on the host.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod announcer;
mod backpressure;
pub mod blocking;
mod builder;
mod commands;
mod delivery;
mod detached;
mod directory;
mod discovery;
mod driver;
mod error;
mod event;
mod events;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod group_name;
#[cfg(feature = "serde")]
pub mod json;
mod later;
mod listen;
mod meters;
#[cfg(feature = "metrics")]
#[doc = include_str!("meters/table.md")]
pub mod metrics {}
mod neighbours;
mod node;
mod open_requests;
mod peer;
mod peer_sender;
mod pending_requests;
mod policy;
mod reach;
mod responder;
mod roster;
mod settings;
mod shared;
mod stats;

pub use announcer::{MULTICAST_V4, MULTICAST_V6};
pub use builder::Builder;
pub use detached::DetachedPeer;
pub use discovery::gossip::{Gossip, GossipError};
pub use error::{
    CommandError, PingError, ReplyError, RequestError, SendError, StartError, WaitError,
};
pub use event::Event;
pub use events::Events;
pub use group_name::GroupName;
pub use listen::{Listen, ListenError};
pub use node::{Node, Shouted};
pub use peer::{Peer, PeerRef};
pub use policy::SendPolicy;
pub use responder::{RequestRef, Responder};
pub use roster::{Roster, RosterEntry};
pub use settings::{Setting, SettingError, Settings, realm_port};
pub use stats::Stats;

pub use uuid::Uuid;
pub use zre_beacon::{
    Broadcast, Interface, Interfaces, OpenError as BeaconOpenError, Stats as BeaconStats,
    interfaces,
};
#[cfg(feature = "serde")]
pub use zre_proto::ParseError;
pub use zre_proto::machine::{Counters as ProtocolCounters, ExitReason, Source};
pub use zre_proto::{
    Endpoint, EndpointError, LimitError, Message, MessageLimits, State, StateError,
};
pub use zre_session::{
    Counters as LinkCounters, Engine, IpcDir, Link, LinkLimits, OpenError as LinkOpenError,
    raise_descriptor_limit,
};
