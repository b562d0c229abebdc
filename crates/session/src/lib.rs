//! One-way sessions between peers, over ZeroMQ's wire protocol or in memory.
//!
//! A ZRE node receives on one socket and sends on one socket for each peer
//! (RFC 36). Here the first is the [`Inbox`] (a ROUTER that never answers) and
//! each of the others a [`Mailbox`] (a DEALER that never listens). What goes
//! through them is frames; what they mean is not this crate's business.
//!
//! Read in this order: [`Links`], which opens both; [`Mailbox`]; [`Notices`],
//! which say what becomes of mailboxes; [`Inbox`]; [`LinkLimits`].
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
//! # What is promised
//! 1. A message is accepted within a bound in bytes, or refused (`Full`,
//!    `Closed`), never dropped silently.
//! 2. Order is kept for each peer, and a message goes out once at most. A
//!    connection that ends is reported, and never made anew behind one's back.
//! 3. The end of a peer's process is reported at once, also when nobody sends.
//! 4. [`Links::shutdown`] flushes within a bound that the caller states.
//! 5. What comes from outside is bounded, by [`LinkLimits`].
//!
//! # The zeromq engine
//! The default is this crate's own engine. `Engine::ZeroMq` (feature `zeromq`)
//! runs on the `zeromq` crate, version 0.7, by its public interface alone, and
//! can't keep all of that:
//! - A peer that heartbeats by ZMTP (libzmq's `ZMQ_HEARTBEAT_IVL`) loses its
//!   connection: the library doesn't know PING.
//! - A stranger who announces a frame of 2^40 bytes makes the process abort;
//!   there is no limit on a handshake's time and number, and `frame_bytes`,
//!   `message_bytes` and `parts` are looked at after the message has come in
//!   whole (the connection is closed then).
//! - LinkLimits on connections take effect after the handshake.
//! - One connection can't be held back alone: when sixteen times
//!   `inbox_bytes_per_connection` lie in the inbox, it stops reading
//!   altogether, and doesn't see that connections end until it reads on.
//! - [`Mailbox::flush`] doesn't cover the library's write buffer (128 KiB and
//!   one message); closing and shutting down do. What a linger cut off is
//!   reported as lost and may still go out while the runtime lives.
//! - It has no credentials for ipc connections, no local address in
//!   [`Notice::Up`], and loses the scope of link-local senders' addresses.
//! - Running out of descriptors makes its accept loop spin.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod budget;
mod config;
mod counters;
mod descriptors;
mod engine;
mod error;
mod identity;
mod inbox;
mod intake;
mod ipc;
mod lane;
mod links;
mod listen;
mod live;
mod mailbox;
mod memory;
mod native;
mod notices;
mod nowhere;
mod pace;
mod unread;
#[cfg(feature = "zeromq")]
mod zeromq_engine;

pub use config::{Config, Engine, IpcDir, LinkLimits};
pub use counters::Counters;
pub use descriptors::raise_descriptor_limit;
pub use error::{CloseReason, Closed, OpenError, TrySendError};
pub use identity::{Identity, IdentityError};
pub use inbox::{Arrival, Batch, Credentials, Inbox, Source};
pub use links::{Links, SameHost, Shutdown, Target};
pub use mailbox::{Flushed, Link, Mailbox, PendingWrite, Queued};
pub use notices::{Notice, Notices};
pub use zre_zmtp::{Frames, Head, Mechanism, Message, Null};
