//! The task of one mailbox: connects, greets, writes what has queued up, and
//! watches for the end.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use zre_zmtp::{Command, Decoder, Established, Item, Local, Mechanism, SocketType};

use super::greet::{greet, identity_of, wire_limits};
use super::outbound::{Next, Outbound};
use super::pool::Pool;
use super::reader::reason_of;
use super::stream::Stream;
use crate::engine::Route;
use crate::{CloseReason, Identity, LinkLimits};

/// What to dial, and as whom.
pub(super) struct Call {
    pub(super) routes: Vec<Route>,
    pub(super) own: Identity,
    pub(super) peer: Option<Identity>,
    pub(super) mechanism: Arc<dyn Mechanism>,
    pub(super) limits: LinkLimits,
}

/// A connection that has been greeted.
struct Line {
    stream: Stream,
    established: Established,
    received: BytesMut,
    identity: Option<Identity>,
}

/// Ends the mailbox when its task is dropped before its end, which is what
/// happens when the runtime goes.
struct Guard(Arc<Outbound>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end(CloseReason::Local);
    }
}

/// Runs a mailbox from its dialling to its end.
pub(super) async fn run(outbound: Arc<Outbound>, call: Call) {
    let guard = Guard(outbound);
    let outbound = &guard.0;
    let limits = wire_limits(&call.limits);
    // On the heap, to be freed when the connection stands.
    let dialled = tokio::select! {
        biased;
        dialled = Box::pin(dial(call)) => dialled,
        () = given_up(outbound) => Err(CloseReason::Local),
    };
    let reason = match dialled {
        Ok(line) => {
            let stream = Arc::new(line.stream);
            let Established { sealer, opener, .. } = line.established;
            outbound.up(&stream, sealer, line.identity);
            let decoder = Decoder::new(limits, line.received, opener);
            carry(outbound, &stream, decoder).await
        }
        Err(reason) => reason,
    };
    outbound.end(reason);
}

/// Tries the routes in their order. The last one's failure is the outcome.
async fn dial(call: Call) -> Result<Line, CloseReason> {
    let mut outcome = CloseReason::NoRoute;
    for route in &call.routes {
        let attempt = tokio::time::timeout(call.limits.connect_time, connect(route, &call));
        match attempt.await.unwrap_or(Err(CloseReason::TimedOut)) {
            Ok(line) => return Ok(line),
            Err(reason) => {
                tracing::debug!(?route, %reason, "a route failed");
                outcome = reason;
            }
        }
    }
    Err(outcome)
}

async fn connect(route: &Route, call: &Call) -> Result<Line, CloseReason> {
    let mut stream = Stream::connect(route)
        .await
        .map_err(|error| CloseReason::from_io(&error))?;
    let mechanism = Arc::clone(&call.mechanism);
    let local = Local::new(SocketType::Dealer, call.own.to_bytes(), mechanism);
    let (established, received) = greet(&mut stream, local, &call.limits).await?;
    let identity = identity_of(&established.peer);
    if let (Some(meant), Some(found)) = (&call.peer, &identity)
        && meant != found
    {
        return Err(CloseReason::Handshake(format!(
            "{found} answered where {meant} was expected"
        )));
    }
    Ok(Line {
        stream,
        established,
        received,
        identity,
    })
}

/// Resolves when a mailbox that doesn't stand yet was closed and has nothing
/// to send, or no time left to send it.
async fn given_up(outbound: &Outbound) {
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

/// Writes and watches until the connection ends; says why.
async fn carry(outbound: &Outbound, stream: &Arc<Stream>, mut decoder: Decoder) -> CloseReason {
    // What came right behind the handshake.
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
            Next::Failed(reason) => return last_words(stream, outbound, &mut decoder, reason),
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
            listen(stream, outbound, decoder)
        }
        () = outbound.work().notified() => Ok(()),
        ready = stream.writable(), if blocked => {
            ready.map_err(|error| CloseReason::from_io(&error))
        }
    }
}

/// Reads what the inbox's side says: commands, or that it is gone.
fn listen(stream: &Stream, outbound: &Outbound, decoder: &mut Decoder) -> Result<(), CloseReason> {
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

/// A write failed. The peer may have said why, or closed in an orderly way,
/// before it did.
fn last_words(
    stream: &Stream,
    outbound: &Outbound,
    decoder: &mut Decoder,
    reason: CloseReason,
) -> CloseReason {
    match listen(stream, outbound, decoder) {
        Err(said @ (CloseReason::PeerClosed | CloseReason::Protocol(_))) => said,
        _ => reason,
    }
}

fn take_in(outbound: &Outbound, decoder: &mut Decoder) -> Result<(), CloseReason> {
    loop {
        match decoder.decode() {
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
