//! ZMTP 3.1, the wire of ZeroMQ, as a pure codec: bytes in, bytes out.
//!
//! Nothing in here opens a socket, reads a clock or blocks. The order in which
//! to read it:
//!
//! 1. [`Greeting`]: the 64 bytes with which both sides begin.
//! 2. [`Handshake`]: greeting, then the commands of the [`Mechanism`], until
//!    both sides know each other ([`Established`]).
//! 3. [`Decoder`]: received bytes to whole messages and commands, under
//!    [`FrameLimits`].
//! 4. [`Encoder`]: messages to bytes, small ones side by side in one buffer,
//!    large payloads left where they are for a vectored write.
//! 5. [`Command`]: PING, PONG, ERROR and READY.
//! 6. [`Sealer`] and [`Opener`]: what a mechanism that encrypts does to frames.
//!
//! Specifications: RFC 23 (ZMTP 3.0) and RFC 37 (ZMTP 3.1). Peers that speak
//! ZMTP 3.0 or newer are accepted; ZMTP 1.0 and 2.0 are distinguished from noise
//! and refused by name.
//!
//! # Two rules that hold everywhere
//!
//! *No input panics*, and *memory follows bytes*: a length that a peer merely
//! announces is checked against [`FrameLimits`] and then buys no memory at all;
//! buffers grow with the bytes that arrive.
//!
//! # Both sides of a connection
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::{Bytes, BytesMut};
//! use zre_zmtp::{
//!     Decoder, Encoder, FrameLimits, Handshake, Item, Local, Null, SocketType, Unpooled,
//! };
//!
//! let side = |socket_type, identity| {
//!     let local = Local::new(socket_type, Bytes::from_static(identity), Arc::new(Null));
//!     Handshake::new(local, FrameLimits::default())
//! };
//! let mut dealer = side(SocketType::Dealer, b"alice");
//! let mut router = side(SocketType::Router, b"");
//!
//! // The output of each is the other's input.
//! let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
//! dealer.start(&mut up);
//! router.start(&mut down);
//! let (mut sender, mut receiver) = (None, None);
//! while sender.is_none() || receiver.is_none() {
//!     sender = dealer.advance(&mut down, &mut up)?.or(sender);
//!     receiver = router.advance(&mut up, &mut down)?.or(receiver);
//! }
//! let (Some(sender), Some(receiver)) = (sender, receiver) else { unreachable!() };
//! assert_eq!(receiver.peer.identity, "alice");
//!
//! let mut encoder = Encoder::new(sender.sealer);
//! encoder.push_message(b"head", &[Bytes::from_static(b"body")]);
//! let mut slices = [std::io::IoSlice::new(&[]); 4];
//! let count = encoder.slices(&mut slices);
//! let sent: BytesMut = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
//! let mut decoder = Decoder::new(FrameLimits::default(), sent, receiver.opener);
//! match decoder.decode(&mut Unpooled)? {
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

mod assembler;
mod command;
mod decode_error;
mod decoder;
mod encoder;
mod frame;
mod greeting;
mod handshake;
mod limits;
mod mechanism;
mod message;
mod metadata;
mod read_buffer;
mod seal;
mod socket_type;

pub use assembler::{COPY_BELOW, SLAB};
pub use command::{Command, CommandError, RawCommand, encode_command, encode_error, encode_ping};
pub use decode_error::DecodeError;
pub use decoder::{Decoder, Item};
pub use encoder::{Encoder, SHARE_FROM};
pub use frame::{FrameHeader, HeaderError};
pub use greeting::{GREETING_LEN, Greeting, GreetingError, MechanismName, OldVersion, Version};
pub use handshake::{Established, Handshake, HandshakeError, Local, Peer};
pub use limits::FrameLimits;
pub use mechanism::{Agreed, Either, HandshakeState, Mechanism, Null};
pub use message::{Frames, Head, IntoFrames, Message};
pub use metadata::{Metadata, MetadataError};
pub use read_buffer::{Buffers, READ_CHUNK, Unpooled};
pub use seal::{FrameFlags, OpenError, Opened, Opener, Sealer};
pub use socket_type::SocketType;
