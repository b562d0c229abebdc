//! Discovery datagrams in and out, over every chosen network interface.
//!
//! This crate moves small UDP datagrams by IPv4 and IPv6 multicast and by IPv4
//! broadcast. It doesn't know what they mean: `zre-proto` encodes and decodes ZRE's beacons.
//! It adds to a plain socket:
//!
//! - Each datagram is sent from the address of the interface on which it leaves, and each one
//!   that arrives comes with its interface, its kind of cast and its sender.
//! - Any number of programs, and any number of nodes in a program, share one port.
//! - Nodes of one process share the sockets. A datagram of one reaches the others in memory;
//!   its echo from the network is recognised and dropped.
//! - A failure at run time ends nothing: it is counted and logged.
//!
//! # Layers, in reading order
//!
//! 1. [`Config`] has the settings; [`interfaces`] lists the interfaces of the host.
//! 2. `plan`, which is pure, makes of both a list of plans: an address of an interface, where
//!    to send from it, and what to hear on it.
//! 3. `socket` opens sockets, and a `receiver` reads one; a `binding` is a plan with its open
//!    sockets.
//! 4. A `hub`, one for each network namespace, owns the thread (`worker`) that reads all
//!    sockets; `shared` is what this thread and the handles share.
//! 5. A `member` is one open [`Beacon`] in its hub, and [`Datagrams`] the queue to its owner.
//!
//! # Example
//!
//! ```no_run
//! use zre_beacon::{Beacon, Cast, Config, Interfaces};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.interfaces = Interfaces::Loopback;
//! config.groups = vec!["239.192.56.70:5670".parse()?];
//! let (beacon, mut datagrams) = Beacon::open(config)?;
//! beacon.send(Cast::Groups, b"here I am");
//! while let Some(datagram) = datagrams.recv().await {
//!     println!("{} bytes from {}", datagram.payload.len(), datagram.from);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Platforms
//!
//! On Linux, a receiving socket is bound to its group or broadcast address and to its
//! interface, so that a datagram is never attributed to another interface. Other systems offer
//! less: other Unixes bind to the group's address but hear broadcasts on the wildcard address,
//! Windows hears everything there. On these, a datagram to another address or over another
//! interface is dropped when it is read.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod beacon;
mod binding;
mod changes;
mod config;
mod datagram;
mod error;
mod held;
mod holder;
mod hub;
mod interface;
mod member;
mod namespace;
mod plan;
mod receiver;
mod sender;
mod shared;
mod socket;
mod stats;
mod worker;

pub use beacon::Beacon;
pub use changes::Changes;
pub use config::{Broadcast, Cast, CastKind, Config, DEFAULT_PORT, Interfaces};
pub use datagram::{Datagram, Datagrams, MAX_DATAGRAM, QUEUE};
pub use error::{OpenError, RefreshError};
pub use holder::{Holders, holders};
pub use interface::{Interface, interfaces};
pub use stats::{InterfaceStats, Stats};
