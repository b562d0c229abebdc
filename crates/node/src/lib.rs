//! Programs on a network find each other and talk, with no server and no
//! configuration.
//!
//! A [`Node`] announces itself by beacons, meets every other node on the
//! network, whispers to single peers, shouts to groups, and learns at once when
//! a peer leaves or dies. It speaks ZRE (RFC 36), therefore the peers may be
//! programs with C Zyre, pyre or zyre.js.
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
//! # Where to begin
//!
//! [`Builder`] configures a node; [`Node`] is the handle; [`Events`] delivers what
//! happens; [`Peer`] is another node, [`Message`] the frames of a message, [`State`]
//! whether a node is ready or busy. The layers below are `zre-proto` (the bytes and
//! the state machine), `zre-session` (links that carry messages) and `zre-beacon`
//! (datagrams that find peers). This crate re-exports what you need of them:
//! `zre_proto::Message` in an example is `zre::Message`.
//!
//! # Tasks
//!
//! | to | use |
//! | --- | --- |
//! | learn who comes and goes, and receive messages | [`Events`], [`Event`] |
//! | list the peers that are here now | [`Node::peers`], [`Node::peers_in`], [`Node::available`] |
//! | watch such a list | [`Roster`] |
//! | send to one peer, to a group | [`Node::whisper`], [`Node::shout`] |
//! | send without ever waiting | [`Node::try_whisper`], [`Node::try_shout`], [`SendPolicy`] |
//! | ask a peer and get an answer | [`Node::request`], [`Event::Request`] |
//! | show that a node is busy | [`Node::set_state`], [`Builder::auto_busy`] |
//! | let a group choose a leader | [`Node::contest`], [`Event::Leader`] |
//! | measure the round trip to a peer | [`Node::ping`] |
//! | meet without multicast and broadcast | [`Builder::peer`], [`Builder::dns`](Builder#method.dns), [`Builder::gossip_connect`] |
//! | pass a firewall or NAT | [`Builder::listen`], [`Builder::advertise`] |
//! | take settings from a file or another language | [`Settings`] |
//! | work without async | [`Builder::start_blocking`], [`blocking`] |
//! | test an application | [`Builder::loopback`], [`Peer::detached`] |
//! | see what a node holds | [`Node::stats`], [`MessageLimits`], [`LinkLimits`] |
//! | leave without losing messages | [`Node::shutdown`] |
//!
//! # Guarantees
//!
//! Messages to a peer arrive in the order in which they were accepted, each at
//! most once. ZRE has no acknowledgements; if a message was accepted and didn't
//! arrive, that peer's [`Event::Exit`] follows and says how many may be missing.
//! Whatever peers send, a node holds a bounded amount of it: by
//! [`MessageLimits`] and [`LinkLimits`].
//!
//! # Logs
//!
//! Nodes log through `tracing`, in a span `node` with the node's `id` and `name`.
//! Lines about a peer have the field `uuid`, and those about one link to it
//! `session`: filter by `uuid` to follow one peer. Debug level has what is rare
//! (heard of, dialling, greeting, hello, enter, join, state, evasive, exit, and
//! everything that was refused); trace level has every message.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `curve` | keys: encryption and authentication by CURVE (`Builder::keys`) |
//! | `dns` | finds nodes by DNS SRV records |
//! | `metrics` | reports figures through the `metrics` crate |
//! | `serde` | settings, events, peers and figures as JSON (`zre::json`); `Message::json` and `Message::parse` |
//! | `schema` | JSON Schema of those, by the `schemars` crate |
//! | `zeromq` | `Engine::ZeroMq`: a second link engine, on the `zeromq` crate, for comparing the two |
//!
//! # Networks
//!
//! By default a node uses every interface that is up. [`Builder::interfaces`], or
//! the environment variable `ZRE_INTERFACE`, restricts it to some of them; with `lo`
//! nothing leaves the host.

#![cfg_attr(docsrs, feature(doc_cfg))]
// Input from the network must never cause a panic; tests may panic.
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
#[cfg(feature = "curve")]
mod keys;
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
mod supervisor;
mod sync;
#[cfg(test)]
mod threads;
#[cfg(feature = "curve")]
mod trust;

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
#[cfg(feature = "curve")]
pub use keys::{KeySource, key_uuid};
pub use listen::{Listen, ListenError};
pub use node::{Node, Shouted};
pub use peer::{Peer, PeerRef};
pub use policy::SendPolicy;
pub use responder::{RequestRef, Responder};
pub use roster::{Roster, RosterEntry};
pub use settings::{Setting, SettingError, Settings, realm_port};
pub use stats::Stats;
#[cfg(feature = "curve")]
pub use trust::{Ask, Trust, TrustError};

pub use uuid::Uuid;
pub use zre_beacon::{
    Broadcast, Interface, Interfaces, OpenError as BeaconOpenError, Stats as BeaconStats,
    interfaces,
};
#[cfg(feature = "curve")]
pub use zre_curve::{KeyError, Keys, PublicKey};
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
