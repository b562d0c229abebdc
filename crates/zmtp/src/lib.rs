//! ZMTP 3.1, the wire of ZeroMQ, as a pure codec: bytes in, bytes out.
//!
//! Nothing in here opens a socket, reads a clock or blocks. The order in which
//! to read it:
//!
//! 1. [`Greeting`]: the 64 bytes with which both sides begin.
//! 2. [`Handshake`]: greeting, then the commands of the [`Mechanism`], until
//!    both sides know who the other is ([`Peer`]).
//! 3. [`Decoder`]: received bytes to whole messages and commands, under
//!    [`Limits`].
//! 4. [`Encoder`]: messages to bytes, small ones side by side in one buffer,
//!    large payloads left where they are for a vectored write.
//! 5. [`Command`]: PING, PONG, ERROR and READY.
//!
//! Specifications: RFC 23 (ZMTP 3.0) and RFC 37 (ZMTP 3.1). Peers that speak
//! ZMTP 3.0 or anything newer are taken; ZMTP 1.0 and 2.0 are told apart from
//! noise and refused by name.
//!
//! # Two rules that hold everywhere
//!
//! *No input panics*, and *memory follows bytes*: a length that a peer merely
//! announces is checked against [`Limits`] and then buys no memory at all;
//! buffers grow with what has arrived.
//!
//! # Both sides of a connection
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use zre_zmtp::{Decoder, Encoder, Handshake, Item, Limits, Local, Mechanism, SocketType};
//!
//! let side = |socket_type, identity| {
//!     let identity = Bytes::from_static(identity);
//!     Handshake::new(Local { socket_type, identity, mechanism: Mechanism::Null }, Limits::default())
//! };
//! let mut dealer = side(SocketType::Dealer, b"alice");
//! let mut router = side(SocketType::Router, b"");
//!
//! // What each sends is the other's input.
//! let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
//! dealer.start(&mut up);
//! router.start(&mut down);
//! let peer = loop {
//!     dealer.advance(&mut down, &mut up)?;
//!     if let Some(peer) = router.advance(&mut up, &mut down)? {
//!         break peer;
//!     }
//! };
//! assert_eq!(peer.identity, "alice");
//!
//! let mut encoder = Encoder::new();
//! encoder.push_message(b"head", &[Bytes::from_static(b"body")]);
//! let mut slices = [std::io::IoSlice::new(&[]); 4];
//! let count = encoder.slices(&mut slices);
//! let sent: BytesMut = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
//! let mut decoder = Decoder::new(Limits::default(), sent);
//! match decoder.decode()? {
//!     Some(Item::Message(message)) => {
//!         assert_eq!((&message.head[..], &message.body[0][..]), (&b"head"[..], &b"body"[..]));
//!     }
//!     other => panic!("{other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What comes off the network must not be able to panic; tests may.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

mod command;
mod decoder;
mod encoder;
mod frame;
mod greeting;
mod handshake;
mod limits;
mod mechanism;
mod message;
mod metadata;
mod socket_type;

pub use command::{Command, CommandError, encode_error, encode_ping, encode_pong};
pub use decoder::{Buffers, COPY_BELOW, DecodeError, Decoder, Item, READ_CHUNK, Unpooled};
pub use encoder::{Encoder, SHARE_FROM, message_cost};
pub use frame::{FrameHeader, HeaderError};
pub use greeting::{GREETING_LEN, Greeting, GreetingError, MechanismName, OldVersion, Version};
pub use handshake::{Handshake, HandshakeError, Local, Peer};
pub use limits::Limits;
pub use mechanism::Mechanism;
pub use message::{Frames, Head, Message};
pub use metadata::{Metadata, MetadataError};
pub use socket_type::SocketType;
