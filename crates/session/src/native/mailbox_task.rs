//! The task of one mailbox: it connects, greets, writes what has queued up, and
//! watches for the end.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use zre_zmtp::{Command, Decoder, Established, Item, SocketType};

use super::greet::{frame_limits, greet, identity_of};
use super::outbound::{Next, Outbound};
use super::pool::Pool;
use super::reader::reason_of;
use super::stream::Stream;
use crate::engine::{Dial, Route};
use crate::{CloseReason, Identity};

/// A connection whose handshake is over.
struct Connection {
    stream: Stream,
    established: Established,
    received: BytesMut,
    identity: Option<Identity>,
}

/// Ends the mailbox when its task is dropped before its end, which happens when
/// the runtime ends.
struct Guard(Arc<Outbound>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end(CloseReason::Local);
    }
}

/// Runs a mailbox from its first route to its end.
pub(super) async fn run(outbound: Arc<Outbound>, dial: Dial) {
    let guard = Guard(outbound);
    let outbound = &guard.0;
    let limits = frame_limits(&dial.local.limits);
    // On the heap, and freed when the connection is up.
    let connected = tokio::select! {
        biased;
        connected = Box::pin(try_routes(dial)) => connected,
        () = given_up(outbound) => Err(CloseReason::Local),
    };
    let reason = match connected {
        Ok(connection) => {
            let stream = Arc::new(connection.stream);
            let Established {
                peer,
                sealer,
                opener,
                ..
            } = connection.established;
            outbound.up(&stream, sealer, connection.identity, peer.key);
            let decoder = Decoder::new(limits, connection.received, opener);
            carry(outbound, &stream, decoder).await
        }
        Err(reason) => reason,
    };
    outbound.end(reason);
}

/// Tries the routes in their order. If all fail, the outcome is the last failure.
async fn try_routes(dial: Dial) -> Result<Connection, CloseReason> {
    let mut outcome = CloseReason::NoRoute;
    for route in &dial.routes {
        let attempt = connect_over(route, &dial);
        let attempt = tokio::time::timeout(dial.local.limits.connect_time, attempt);
        match attempt.await.unwrap_or(Err(CloseReason::TimedOut)) {
            Ok(connection) => return Ok(connection),
            Err(reason) => {
                tracing::debug!(?route, %reason, "a route failed");
                outcome = reason;
            }
        }
    }
    Err(outcome)
}

/// Connects over one route, and shakes hands.
async fn connect_over(route: &Route, dial: &Dial) -> Result<Connection, CloseReason> {
    let mut stream = Stream::connect(route)
        .await
        .map_err(|error| CloseReason::from_io(&error))?;
    let (established, received) = greet(&mut stream, SocketType::Dealer, &dial.local).await?;
    let identity = identity_of(&established.peer);
    if let (Some(meant), Some(found)) = (&dial.target.peer, &identity)
        && meant != found
    {
        return Err(CloseReason::Handshake(format!(
            "{found} answered where {meant} was expected"
        )));
    }
    Ok(Connection {
        stream,
        established,
        received,
        identity,
    })
}

/// Resolves when a mailbox that isn't up yet was closed and has nothing to send,
/// or no time left to send it.
pub(super) async fn given_up(outbound: &Outbound) {
    loop {
        let Some(until) = outbound.closing() else {
            outbound.work().notified().await;
            continue;
        };
        if outbound.is_done() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            // The time may have been shortened.
            () = outbound.work().notified() => {}
        }
    }
}

/// Writes and watches until the connection ends; returns why.
pub(super) async fn carry(
    outbound: &Outbound,
    stream: &Arc<Stream>,
    mut decoder: Decoder,
) -> CloseReason {
    // Commands may have come right behind the handshake.
    if let Err(reason) = take_in(outbound, &mut decoder) {
        return reason;
    }
    loop {
        let blocked = match outbound.pump() {
            Next::Rest => false,
            Next::Blocked => true,
            Next::Turn => {
                tokio::task::yield_now().await;
                continue;
            }
            Next::Done => {
                stream.finish();
                return CloseReason::Local;
            }
            Next::Failed(reason) => return end_reason(stream, outbound, &mut decoder, reason),
        };
        // Only a mailbox that is closing has a timer.
        if let Some(until) = outbound.closing() {
            let step = step(outbound, stream, &mut decoder, blocked);
            match Box::pin(tokio::time::timeout_at(until, step)).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return reason,
                Err(_) => return CloseReason::Local,
            }
        } else if let Err(reason) = step(outbound, stream, &mut decoder, blocked).await {
            return reason;
        }
    }
}

/// Waits for whatever happens next.
async fn step(
    outbound: &Outbound,
    stream: &Stream,
    decoder: &mut Decoder,
    blocked: bool,
) -> Result<(), CloseReason> {
    tokio::select! {
        biased;
        ready = stream.readable() => {
            ready.map_err(|error| CloseReason::from_io(&error))?;
            read_commands(stream, outbound, decoder)
        }
        () = outbound.work().notified() => Ok(()),
        ready = stream.writable(), if blocked => {
            ready.map_err(|error| CloseReason::from_io(&error))
        }
    }
}

/// Reads what the inbox's side sends: commands, or the end.
fn read_commands(
    stream: &Stream,
    outbound: &Outbound,
    decoder: &mut Decoder,
) -> Result<(), CloseReason> {
    let read = stream.try_read(&mut decoder.read_buf(&mut Pool));
    let taken = match read {
        Ok(0) => Err(CloseReason::PeerClosed),
        Ok(_) => take_in(outbound, decoder),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(e) => Err(CloseReason::from_io(&e)),
    };
    decoder.rest(&mut Pool);
    taken
}

/// A write failed. Before it did, the peer may have sent the reason, or closed in an
/// orderly way.
fn end_reason(
    stream: &Stream,
    outbound: &Outbound,
    decoder: &mut Decoder,
    reason: CloseReason,
) -> CloseReason {
    match read_commands(stream, outbound, decoder) {
        Err(said @ (CloseReason::PeerClosed | CloseReason::Protocol(_))) => said,
        _ => reason,
    }
}

fn take_in(outbound: &Outbound, decoder: &mut Decoder) -> Result<(), CloseReason> {
    loop {
        match decoder.decode(&mut Pool) {
            Ok(Some(Item::Command(body))) => match Command::parse(body) {
                Ok(Command::Ping { context, .. }) => outbound.answer(&context),
                Ok(Command::Error { reason }) => {
                    let reason = reason.escape_ascii();
                    return Err(CloseReason::Protocol(format!("it refused us: {reason}")));
                }
                Ok(_) => {}
                Err(error) => return Err(CloseReason::Protocol(error.to_string())),
            },
            Ok(Some(Item::Message(_))) => {
                tracing::debug!("a message came backwards over a mailbox, ignored");
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(reason_of(&error)),
        }
    }
}
