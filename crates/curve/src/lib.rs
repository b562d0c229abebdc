//! CURVE (RFC 26): the encryption and authentication of ZeroMQ's connections.
//!
//! Each side has a pair of [`Keys`]. The server is the ROUTER, a node's inbox; the
//! client knows the server's [`PublicKey`] before it dials. Afterwards both have
//! proved to each other which keys they hold, and everything that they send is
//! encrypted with keys that only this connection has and nobody keeps: who steals a
//! long-term key later can't read what was recorded.
//!
//! [`Curve`] is a mechanism for [`zre_zmtp::Handshake`]. It interoperates with libzmq 4.3.
//!
//! # What is written here, and what isn't
//! X25519, HSalsa20, XSalsa20 and Poly1305 come from the crates x25519-dalek, salsa20
//! and `crypto_secretbox`; with the feature `dryoc`, what seals and opens comes from the
//! crate of that name, which is several times faster and less tried. Here is how they are used: the order of the commands, the
//! nonces, the cookie.
//!
//! # Stricter than libzmq
//! - The numbers of boxes rise by one. libzmq lets them rise by more, so it doesn't
//!   see that somebody has removed a frame.
//! - A vouch must name this server, as the RFC has it.
//! - Keys with which every secret key gives the same result are refused.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::{Bytes, BytesMut};
//! use zre_curve::{Anyone, Curve, Keys};
//! use zre_zmtp::{FrameLimits, Handshake, Local, SocketType};
//!
//! let (alice, bob) = (Keys::generate()?, Keys::generate()?);
//! let side = |socket_type, curve| {
//!     let local = Local::new(socket_type, Bytes::new(), Arc::new(curve));
//!     Handshake::new(local, FrameLimits::default())
//! };
//! let to_bob = Curve::new(alice.clone(), Arc::new(Anyone)).to(bob.public());
//! let mut dealer = side(SocketType::Dealer, to_bob);
//! let mut router = side(SocketType::Router, Curve::new(bob, Arc::new(Anyone)));
//!
//! // The output of each is the other's input.
//! let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
//! dealer.start(&mut up);
//! router.start(&mut down);
//! let accepted = loop {
//!     if let Some(accepted) = router.advance(&mut up, &mut down)? {
//!         break accepted;
//!     }
//!     dealer.advance(&mut down, &mut up)?;
//! };
//! assert_eq!(accepted.peer.key, Some(alice.public().into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod certificate;
mod cipher;
mod client;
mod error;
mod keys;
mod mechanism;
mod secretbox;
mod server;
mod traffic;
mod z85;

pub use error::KeyError;
pub use keys::{Keys, PublicKey};
pub use mechanism::{Admission, Anyone, Curve};
