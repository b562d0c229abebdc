//! One connection of the inbox: from its handshake to its end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use tokio::sync::oneshot;
use zre_zmtp::{Command, DecodeError, Decoder, Encoder, Item, Local, READ_CHUNK, SocketType};

use super::greet::{greet, identity_of, refuse, wire_limits};
use super::half_open::Place;
use super::listen::Host;
use super::pool::Pool;
use super::stream::Stream;
use crate::intake::{Feeder, Gone};
use crate::unread::Unread;
use crate::{CloseReason, Identity, LinkLimits, Source};

/// Most bytes of PONGs that wait for a peer that doesn't read them. Beyond it
/// PINGs go unanswered: who floods us with them mustn't fill our memory too.
const ANSWER_BYTES: u64 = 1024;

/// Serves an accepted connection until it ends.
pub(super) async fn serve(
    host: Arc<Host>,
    stream: Stream,
    addr: Option<SocketAddr>,
    place: Place,
    lost: oneshot::Receiver<CloseReason>,
) {
    // On the heap, to be freed when it is over: a task never shrinks, and
    // there may be thousands of them.
    let opened = Box::pin(open(&host, stream, addr, lost)).await;
    drop(place);
    match opened {
        Ok(connection) => {
            drop(host);
            connection.run().await;
        }
        Err(reason) => {
            tracing::debug!(?addr, %reason, "a connection was not let in");
        }
    }
}

async fn open(
    host: &Host,
    mut stream: Stream,
    addr: Option<SocketAddr>,
    lost: oneshot::Receiver<CloseReason>,
) -> Result<Connection, CloseReason> {
    let greeted = {
        let own = host.own.to_bytes();
        let local = Local::new(SocketType::Router, own, Arc::clone(&host.mechanism));
        let greet = greet(&mut stream, local, &host.limits);
        tokio::select! {
            biased;
            reason = lost => Err(reason.unwrap_or(CloseReason::Local)),
            greeted = tokio::time::timeout(host.limits.handshake_time, greet) =>
                greeted.unwrap_or(Err(CloseReason::TimedOut)),
        }
    };
    let (established, received) = greeted.inspect_err(|reason| host.intake.count(reason))?;
    let mut answers = Encoder::new(established.sealer);
    let identity = identity_of(&established.peer)
        .or_else(nameless)
        .ok_or_else(|| CloseReason::Handshake("the peer gave no identity".into()))?;
    let source = Source {
        identity,
        link: stream.link(),
        addr,
        credentials: stream.credentials(),
    };
    // A refusal here is counted by the intake itself.
    let feeder = host
        .intake
        .open(source)
        .inspect_err(|reason| refuse(&stream, &mut answers, &reason.to_string()))?;
    Ok(Connection {
        stream,
        feeder,
        wire: Wire {
            decoder: Decoder::new(wire_limits(&host.limits), received, established.opener),
            partial: Partial::new(&host.partial, host.limits.inbox_bytes_total),
            answers,
        },
    })
}

/// An identity for a peer that gave none, as a ROUTER makes one: a zero byte,
/// which no peer may begin its own with, and a number.
fn nameless() -> Option<Identity> {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let mut bytes = [0; 5];
    bytes[1..].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Identity::try_from(&bytes[..]).ok()
}

/// A connection whose peer has said who it is.
struct Connection {
    stream: Stream,
    feeder: Feeder,
    wire: Wire,
}

/// What its bytes become.
struct Wire {
    decoder: Decoder,
    partial: Partial,
    /// PONGs that the socket hasn't taken yet.
    answers: Encoder,
}

impl Connection {
    async fn run(self) {
        let Self {
            mut stream,
            feeder,
            mut wire,
        } = self;
        let reason = {
            let gone = feeder.gone();
            tokio::pin!(gone);
            // What came right behind the handshake is delivered first.
            let mut result = wire.deliver(&stream, &feeder);
            loop {
                if let Err(reason) = result {
                    break reason;
                }
                if !feeder.has_room()
                    && let Err(Gone(reason)) = feeder.room().await
                {
                    break reason;
                }
                result = tokio::select! {
                    biased;
                    reason = &mut gone => Err(reason),
                    read = read_some(&mut stream, &mut wire.decoder) => match read {
                        Ok(0) => Err(CloseReason::PeerClosed),
                        Ok(_) => wire.deliver(&stream, &feeder),
                        Err(error) => Err(CloseReason::from_io(&error)),
                    },
                };
            }
        };
        tracing::debug!(connection = feeder.connection(), %reason, "a connection ended");
        feeder.close(reason);
    }
}

impl Wire {
    /// Hands over all whole messages that have come, and answers commands.
    fn deliver(&mut self, stream: &Stream, feeder: &Feeder) -> Result<(), CloseReason> {
        let mut messages = Unread::default();
        let end = loop {
            match self.decoder.decode() {
                Ok(Some(Item::Message(message))) => {
                    let cost = LinkLimits::cost(&message.head, &message.body);
                    messages.push(message, cost);
                }
                Ok(Some(Item::Command(body))) => {
                    if let Err(reason) = self.command(body) {
                        break Err(reason);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(reason_of(&error)),
            }
        };
        // What came before an error is still the peer's word.
        if !messages.is_empty() {
            feeder.push(messages).map_err(|Gone(reason)| reason)?;
        }
        if !self.answers.is_empty() {
            self.answer(stream)?;
        }
        end.and_then(|()| self.partial.set(self.decoder.pending()))
    }

    fn command(&mut self, body: Bytes) -> Result<(), CloseReason> {
        match Command::parse(body) {
            Ok(Command::Ping { context, .. }) => {
                if self.answers.bytes() < ANSWER_BYTES {
                    self.answers.push_pong(&context);
                }
                Ok(())
            }
            Ok(Command::Error { reason }) => Err(CloseReason::Protocol(format!(
                "it gave up: {}",
                reason.escape_ascii()
            ))),
            Ok(_) => Ok(()),
            Err(error) => Err(CloseReason::Protocol(error.to_string())),
        }
    }

    /// Writes what the socket takes of our answers. The rest goes with the next
    /// ones: a peer that wants answers reads them.
    fn answer(&mut self, stream: &Stream) -> Result<(), CloseReason> {
        stream
            .try_write_encoded(&mut self.answers, usize::MAX)
            .map_err(|error| CloseReason::from_io(&error))?;
        // The buffer goes with its last byte.
        self.answers.release(0);
        Ok(())
    }
}

/// What one connection has sent of a message that isn't whole yet, counted
/// together with what all others have. Such bytes can't be held back: the rest
/// of the message is what would free them. So the connection that goes beyond
/// the bound has to end.
struct Partial {
    all: Arc<AtomicUsize>,
    limit: usize,
    ours: usize,
}

impl Partial {
    fn new(all: &Arc<AtomicUsize>, limit: usize) -> Self {
        Self {
            all: Arc::clone(all),
            limit,
            ours: 0,
        }
    }

    fn set(&mut self, bytes: usize) -> Result<(), CloseReason> {
        let all = if bytes >= self.ours {
            let more = bytes.saturating_sub(self.ours);
            let before = self.all.fetch_add(more, Ordering::Relaxed);
            before.saturating_add(more)
        } else {
            let less = self.ours.saturating_sub(bytes);
            self.all.fetch_sub(less, Ordering::Relaxed);
            0 // less than it was can't be too much
        };
        self.ours = bytes;
        // What a read brings anyway isn't held against anyone.
        if all > self.limit && bytes > READ_CHUNK {
            return Err(CloseReason::Limit("inbox_bytes_total"));
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.all.fetch_sub(self.ours, Ordering::Relaxed);
    }
}

/// Reads into the decoder. While nothing comes, no buffer is held.
///
/// Cancel safe: what was read is in the decoder.
async fn read_some(stream: &mut Stream, decoder: &mut Decoder) -> io::Result<usize> {
    poll_fn(|cx| {
        let read = stream.poll_read(cx, &mut decoder.read_buf(&mut Pool));
        if !matches!(read, Poll::Ready(Ok(n)) if n > 0) {
            decoder.rest(&mut Pool);
        }
        read
    })
    .await
}

/// What a breach of the wire's grammar, or of a limit, is called.
pub(super) fn reason_of(error: &DecodeError) -> CloseReason {
    match error {
        DecodeError::Frame { .. } => CloseReason::Limit("frame_bytes"),
        DecodeError::Message { .. } => CloseReason::Limit("message_bytes"),
        DecodeError::Parts { .. } => CloseReason::Limit("parts"),
        other => CloseReason::Protocol(other.to_string()),
    }
}
