//! One-way sessions between peers, over ZeroMQ's wire protocol or in memory.
//!
//! A ZRE node receives on one socket and sends on one socket for each peer
//! (RFC 36). Here the first is the [`Inbox`] (a ROUTER that never answers) and
//! each of the others a [`Mailbox`] (a DEALER that never receives). They carry
//! frames; this crate doesn't know what the frames mean.
//!
//! Read in this order: [`Links`], which opens both; [`Target`], which names a
//! peer; [`Mailbox`]; [`Notices`], which report what happens to mailboxes;
//! [`Inbox`]; [`LinkLimits`].
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use zre_session::{Arrival, Config, Identity, Links, Target};
//!
//! let mut alice = Config::new(Identity::try_from(&b"alice"[..])?);
//! let mut bob = Config::new(Identity::try_from(&b"bob"[..])?);
//! # alice.ipc = zre_session::IpcDir::Off;
//! # bob.ipc = zre_session::IpcDir::Off;
//! let (alice, _inbox, _notices) = Links::open(alice).await?;
//! let (bob, mut inbox, _notices) = Links::open(bob).await?;
//!
//! let to_bob = alice.connect(1, Target::default().peer(bob.identity().clone()));
//! to_bob.try_send(b"head", &["body".into()])?;
//!
//! while let Some(arrival) = inbox.recv().await {
//!     if let Arrival::Batch(batch) = arrival {
//!         assert_eq!(batch.messages[0].body[0], "body");
//!         break;
//!     }
//! }
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # Promises
//! 1. A message is accepted within a bound in bytes, or refused (`Full`,
//!    `Closed`), never dropped silently.
//! 2. Order is kept for each peer, and a message is sent once at most. The end
//!    of a connection is reported; nothing reconnects by itself.
//! 3. The end of a peer's process is reported at once, also when nobody sends.
//! 4. [`Links::shutdown`] flushes within a bound that the caller sets.
//! 5. Everything that comes from outside is bounded, by [`LinkLimits`].
//!
//! # Encryption
//! [`Config::mechanism`] is the security mechanism of all links over sockets;
//! [`Null`], the default, doesn't encrypt. With a mechanism that seals, everything
//! that follows a handshake is sealed, PONGs and refusals included. Links in
//! memory are never sealed: a process trusts itself.
//!
//! # The zeromq engine
//! The default is this crate's own engine. `Engine::ZeroMq` (feature `zeromq`)
//! runs on the `zeromq` crate, version 0.7, through its public interface, and
//! can't keep all of these promises:
//! - A peer that heartbeats by ZMTP (libzmq's `ZMQ_HEARTBEAT_IVL`) loses its
//!   connection: the library doesn't know PING.
//! - A stranger that announces a frame of 2^40 bytes makes the process abort.
//!   There is no limit on the time and number of handshakes, and `frame_bytes`,
//!   `message_bytes` and `parts` are checked after the message has come in whole
//!   (the connection is closed then).
//! - Limits on connections take effect after the handshake.
//! - It can't hold back one connection alone: when sixteen times
//!   `inbox_bytes_per_connection` lie in the inbox, it stops reading
//!   altogether, and doesn't see that connections end until it reads on.
//! - [`Mailbox::flush`] doesn't cover the library's write buffer (128 KiB and
//!   one message); closing and shutting down do. Messages that a linger cut off
//!   are reported as lost and may still be sent while the runtime lives.
//! - It has no credentials for ipc connections, no local address in
//!   [`Notice::Up`], and loses the scope of link-local senders' addresses.
//! - It has no mechanism but [`Null`].
//! - Running out of descriptors makes its accept loop spin.

#![cfg_attr(docsrs, feature(doc_cfg))]
// Nothing that comes off the network may panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod backlog;
mod budget;
mod closed_queue;
mod config;
mod connections;
mod counters;
mod descriptors;
mod dispatcher;
mod engine;
mod error;
mod guard;
mod identity;
mod inbox;
mod ipc;
mod limits;
mod links;
mod listen;
mod mailbox;
mod mailbox_registry;
mod memory;
mod memory_limit;
mod native;
mod notices;
mod pace;
mod places;
mod producer;
mod receive_queue;
mod reporter;
mod send_queue;
mod source;
mod sync;
mod target;
mod write;
#[cfg(feature = "zeromq")]
mod zeromq_engine;

pub use config::{Config, Engine, IpcDir};
pub use counters::Counters;
pub use descriptors::raise_descriptor_limit;
pub use error::{CloseReason, Closed, OpenError, TrySendError};
pub use identity::{Identity, IdentityError};
pub use inbox::{Arrival, Batch, Inbox};
pub use limits::LinkLimits;
pub use links::{Links, Shutdown};
pub use mailbox::{Flushed, Mailbox};
pub use notices::{Notice, Notices};
pub use places::{NoPlace, Places};
pub use send_queue::{PendingWrite, Queued};
pub use source::{Credentials, Link, Source};
pub use target::{SameHost, Target};
#[doc(hidden)]
pub use write::write_vectored;
pub use zre_zmtp::{Either, Frames, Head, Mechanism, Message, Null};
