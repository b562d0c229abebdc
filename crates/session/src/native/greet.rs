//! The handshake over a socket.

use std::future::poll_fn;
use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use zre_zmtp::{Handshake, HandshakeError, Local, Mechanism, Peer, SocketType, encode_error};

use super::stream::Stream;
use crate::{CloseReason, Identity, Limits};

/// Room for a handshake: greeting and READY take about 125 bytes, and what is
/// sent right behind them is decoded from here.
const ROOM: usize = 512;

/// What a limit means to the codec.
pub(super) fn wire_limits(limits: &Limits) -> zre_zmtp::Limits {
    zre_zmtp::Limits {
        frame_bytes: limits.frame_bytes,
        message_bytes: limits.message_bytes,
        parts: limits.parts,
        ..zre_zmtp::Limits::default()
    }
}

/// Greets, and returns who the peer is and what it sent beyond the handshake.
///
/// Not cancel safe: a handshake given up in its middle leaves the connection
/// useless. It sets itself no deadline.
///
/// # Errors
/// Why the connection is to be closed. A peer that can understand it was told.
pub(super) async fn greet(
    stream: &mut Stream,
    socket_type: SocketType,
    own: &Identity,
    limits: &Limits,
) -> Result<(Peer, BytesMut), CloseReason> {
    let local = Local {
        socket_type,
        identity: own.to_bytes(),
        mechanism: Mechanism::Null,
    };
    let mut handshake = Handshake::new(local, wire_limits(limits));
    let mut input = BytesMut::with_capacity(ROOM);
    let mut output = BytesMut::with_capacity(128);
    handshake.start(&mut output);
    loop {
        write_all(stream, &output).await.map_err(of_io)?;
        output.clear();
        match handshake.advance(&mut input, &mut output) {
            Ok(Some(peer)) => {
                write_all(stream, &output).await.map_err(of_io)?;
                return Ok((peer, input));
            }
            Ok(None) if !output.is_empty() => continue,
            Ok(None) => {}
            Err(error) => {
                if error.can_be_told() {
                    refuse(stream, &error.to_string());
                }
                return Err(reason(&error));
            }
        }
        input.reserve(ROOM);
        let mut room = (&mut input).limit(ROOM);
        let n = poll_fn(|cx| stream.poll_read(cx, &mut room))
            .await
            .map_err(of_io)?;
        if n == 0 {
            return Err(CloseReason::Handshake(
                "the peer closed the connection".into(),
            ));
        }
    }
}

/// Tells the peer why it is refused, if the socket takes it at once.
pub(super) fn refuse(stream: &Stream, why: &str) {
    let mut error = BytesMut::new();
    encode_error(why, &mut error);
    // The connection is closed next, whether or not this gets through.
    let _ = stream.try_write(&error);
    stream.finish();
}

/// The identity that a peer announced, if it announced one.
pub(super) fn identity_of(peer: &Peer) -> Option<Identity> {
    let bytes: Bytes = peer.identity.clone();
    Identity::new(bytes).ok()
}

#[allow(
    clippy::indexing_slicing,
    reason = "a socket takes no more than it is given"
)]
async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn of_io(error: io::Error) -> CloseReason {
    CloseReason::from_io(&error)
}

fn reason(error: &HandshakeError) -> CloseReason {
    CloseReason::Handshake(error.to_string())
}
