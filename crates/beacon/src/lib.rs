//! Discovery datagrams in and out, over every chosen network interface.
//!
//! This crate moves small UDP datagrams by IPv4 and IPv6 multicast and by IPv4
//! broadcast. It doesn't know what they mean: ZRE's beacons are made and read in
//! `zre-proto`. What it adds to a bare socket is that
//!
//! - each datagram leaves with the source address of the interface it leaves on, and
//!   one that arrives says over which interface, how, and from whom;
//! - any number of programs, and any number of nodes in a program, share one port;
//! - nodes of one process share the sockets, and what one sends reaches the others
//!   in memory, while its echo from the network is recognised and left out;
//! - nothing that goes wrong at run time ends anything: it is counted and logged.
//!
//! # Layers, in reading order
//!
//! [`Config`] says what is wanted; [`interfaces`] lists what the host has; `plan`, which
//! is pure, makes of both a list of lanes (an interface's address, where to send from it,
//! what to hear on it); `socket` opens the sockets of a lane and `receiver` reads one; a
//! `hub`, one for each network namespace, owns the thread (`worker`) that reads all sockets; a `member` is
//! one open [`Beacon`] in its hub; [`Datagrams`] is the queue to the owner.
//!
//! # Example
//!
//! ```no_run
//! use zre_beacon::{Beacon, Cast, Config, Interfaces};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config {
//!     interfaces: Interfaces::Loopback,
//!     groups: vec!["239.192.56.70:5670".parse()?],
//!     ..Config::default()
//! };
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
//! On Linux, receiving sockets are bound to the group's or the broadcast address and to
//! their interface, so a datagram is never attributed to another interface. Elsewhere the
//! sockets are opened as far as the system has the same means (other Unixes bind to the
//! group's address but hear broadcasts on the wildcard address, Windows hears everything
//! there), and what was sent to another address or came over another interface is left out
//! when it is read.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod beacon;
mod changes;
mod config;
mod datagram;
mod error;
mod holder;
mod hub;
mod interface;
mod lane;
mod member;
mod namespace;
mod plan;
mod receiver;
mod socket;
mod worker;

pub use beacon::Beacon;
pub use changes::Changes;
pub use config::{Broadcast, Cast, Config, DEFAULT_PORT, Interfaces};
pub use datagram::{CastKind, Datagram, Datagrams, MAX_DATAGRAM, QUEUE};
pub use error::{OpenError, RefreshError};
pub use holder::{Holders, holders};
pub use interface::{Interface, interfaces};
pub use lane::InterfaceStats;
pub use member::Stats;
