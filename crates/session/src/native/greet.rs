//! The handshake over a socket.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use zre_zmtp::{
    Encoder, Established, FrameLimits, Handshake, HandshakeError, Local, Peer, SocketType,
};

use super::stream::Stream;
use crate::engine::LocalSide;
use crate::{CloseReason, Identity, LinkLimits};

/// Room for a handshake: greeting and READY take about 125 bytes. Bytes that come
/// right behind them are decoded from here.
const ROOM: usize = 512;

/// The limits as the codec knows them.
pub(super) fn frame_limits(limits: &LinkLimits) -> FrameLimits {
    FrameLimits {
        frame_bytes: limits.frame_bytes,
        message_bytes: limits.message_bytes,
        parts: limits.parts,
        ..FrameLimits::default()
    }
}

/// Greets; returns the outcome of the handshake and the bytes that the peer sent
/// beyond it.
///
/// Not cancel safe: a handshake given up in its middle leaves the connection
/// useless. It has no deadline of its own.
///
/// # Errors
/// Why the connection has to be closed. A peer that understands an ERROR command
/// has got one.
pub(super) async fn greet(
    stream: &mut Stream,
    socket_type: SocketType,
    local: &LocalSide,
) -> Result<(Established, BytesMut), CloseReason> {
    let limits = &local.limits;
    let identity = local.identity.to_bytes();
    let local = Local::new(socket_type, identity, Arc::clone(&local.mechanism));
    let mut handshake = Handshake::new(local, frame_limits(limits));
    let mut input = BytesMut::with_capacity(ROOM);
    let mut output = BytesMut::with_capacity(128);
    handshake.start(&mut output);
    loop {
        write_all(stream, &output).await.map_err(of_io)?;
        output.clear();
        match handshake.advance(&mut input, &mut output) {
            Ok(Some(established)) => {
                write_all(stream, &output).await.map_err(of_io)?;
                return Ok((established, input));
            }
            Ok(None) if !output.is_empty() => continue,
            Ok(None) => {}
            Err(error) => {
                if error.can_be_told() {
                    refuse(stream, &mut Encoder::default(), &error.to_string());
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

/// Tells the peer why it is refused, if the socket takes it at once. The encoder
/// is the connection's once the handshake is over, and a plain one before.
pub(super) fn refuse(stream: &Stream, encoder: &mut Encoder, why: &str) {
    encoder.push_error(why);
    // The connection is closed next, whether or not this arrives.
    let _ = stream.try_write_encoded(encoder, usize::MAX);
    stream.finish();
}

/// The identity that a peer announced, if it announced one.
pub(super) fn identity_of(peer: &Peer) -> Option<Identity> {
    Identity::new(peer.identity.clone()).ok()
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
    if *error == HandshakeError::Denied {
        return CloseReason::Denied;
    }
    CloseReason::Handshake(error.to_string())
}
