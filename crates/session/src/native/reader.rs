//! One connection of the inbox: from its handshake to its end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use zre_zmtp::{Command, DecodeError, Decoder, Encoder, Item, READ_CHUNK, SocketType};

use super::greet::{frame_limits, greet, identity_of, refuse};
use super::half_open::Slot;
use super::host::Host;
use super::pool::Pool;
use super::stream::Stream;
use crate::backlog::Backlog;
use crate::producer::{Gone, ProducerHandle, Stay};
use crate::{CloseReason, Identity, LinkLimits, Source};

/// The most bytes of PONGs that wait for a peer that doesn't read them. Beyond
/// it PINGs go unanswered: a peer that floods us with them can't fill our memory.
const ANSWER_BYTES: u64 = 1024;

/// Serves an accepted connection until it ends.
pub(super) async fn serve(
    host: Arc<Host>,
    stream: Stream,
    addr: Option<SocketAddr>,
    slot: Slot,
    lost: oneshot::Receiver<CloseReason>,
) {
    // On the heap, and freed when it is over: a task never shrinks, and there may
    // be thousands of them.
    let opened = Box::pin(open(&host, stream, addr, slot, lost)).await;
    match opened {
        Ok(connection) => {
            drop(host);
            connection.run().await;
        }
        Err(reason) => {
            tracing::debug!(?addr, %reason, "a connection was refused");
        }
    }
}

/// The least size of the messages of a stream for which a connection stays awake, in bytes.
const LARGE: usize = 16 << 10;

/// How long a connection that brings a stream of large messages is looked at again before its
/// task sleeps.
///
/// A reader that is faster than its writer would sleep after every few messages. Each write
/// then has to wake it, and to wake an idle core takes longer than to write 64 KiB: the writer
/// becomes slower still, and both stay far below what they can do. With small messages it is
/// the other way round: the writer is slower anyway, and needs the core.
const AWAKE: Duration = Duration::from_micros(50);

/// How much longer the handshake of a process of our user may take. It is no attacker, and
/// hundreds of processes may be starting at once.
const OUR_USERS_PATIENCE: u32 = 6;

async fn open(
    host: &Host,
    mut stream: Stream,
    addr: Option<SocketAddr>,
    slot: Slot,
    lost: oneshot::Receiver<CloseReason>,
) -> Result<Connection, CloseReason> {
    let limits = &host.local.limits;
    let patience = match stream.is_of_our_user() {
        true => limits.handshake_time.saturating_mul(OUR_USERS_PATIENCE),
        false => limits.handshake_time,
    };
    let greeted = {
        let greet = async {
            // What has arrived is known only once the runtime has asked the system.
            let writable = stream.writable().await;
            writable.map_err(|error| CloseReason::from_io(&error))?;
            slot.begin();
            greet(&mut stream, SocketType::Router, &host.local).await
        };
        tokio::select! {
            biased;
            reason = lost => Err(reason.unwrap_or(CloseReason::Local)),
            greeted = tokio::time::timeout(patience, greet) =>
                greeted.unwrap_or(Err(CloseReason::TimedOut)),
        }
    };
    let (established, received) = greeted.inspect_err(|reason| host.dispatcher.count(reason))?;
    let mut answers = Encoder::new(established.sealer);
    let identity = identity_of(&established.peer)
        .or_else(nameless)
        .ok_or_else(|| CloseReason::Handshake("the peer gave no identity".into()))?;
    let source = Source {
        key: established.peer.key,
        addr,
        credentials: stream.credentials(),
        ..Source::new(identity, stream.link())
    };
    // The dispatcher counts a refusal itself.
    let producer = ProducerHandle::open(&host.dispatcher, source)
        .inspect_err(|reason| refuse(&stream, &mut answers, &reason.to_string()))?;
    Ok(Connection {
        stream,
        admission: host.local.admission,
        producer,
        wire: Wire {
            decoder: Decoder::new(frame_limits(limits), received, established.opener),
            partial: Partial::new(&host.partial, limits.inbox_bytes_total),
            answers,
        },
    })
}

/// An identity for a peer that gave none, as a ROUTER makes one: a zero byte,
/// with which no peer's own identity may begin, and a number.
fn nameless() -> Option<Identity> {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let mut bytes = [0; 5];
    bytes[1..].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Identity::try_from(&bytes[..]).ok()
}

/// A connection whose handshake is over.
struct Connection {
    stream: Stream,
    admission: Option<Duration>,
    producer: ProducerHandle,
    wire: Wire,
}

/// Its bytes, in both directions.
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
            admission,
            producer,
            mut wire,
        } = self;
        // On the heap, and freed when it is over, as the handshake is.
        let mut trial = admission.map(|time| Box::pin(on_trial(time, &producer)));
        let reason = {
            let ended = producer.ended();
            tokio::pin!(ended);
            // Messages that came right behind the handshake are delivered first.
            let mut result = wire.deliver(&stream, &producer).map(|_| false);
            loop {
                // Whether large messages come one after the other.
                let streaming = match result {
                    Ok(streaming) => streaming,
                    Err(reason) => break reason,
                };
                if !producer.has_room()
                    && let Err(Gone(reason)) = producer.room().await
                {
                    break reason;
                }
                result = tokio::select! {
                    biased;
                    reason = &mut ended => Err(reason),
                    reason = over(&mut trial), if trial.is_some() => {
                        trial = None;
                        reason.flatten().map_or(Ok(streaming), Err)
                    }
                    read = read_some(&mut stream, &mut wire.decoder, streaming) => match read {
                        Ok(0) => Err(CloseReason::PeerClosed),
                        Ok(n) => wire
                            .deliver(&stream, &producer)
                            .map(|messages| n >= LARGE.saturating_mul(messages.max(2))),
                        Err(error) => Err(CloseReason::from_io(&error)),
                    },
                };
            }
        };
        tracing::debug!(connection = producer.connection(), %reason, "a connection ended");
        producer.close(reason);
    }
}

/// Waits until a connection is admitted, or its time for that is over: then the reason
/// to end it.
async fn on_trial(time: Duration, producer: &ProducerHandle) -> Option<CloseReason> {
    loop {
        tokio::time::sleep(time).await;
        match producer.may_stay() {
            Stay::Admitted => return None,
            Stay::Unread => {}
            Stay::No => return Some(CloseReason::TimedOut),
        }
    }
}

async fn over<T: Future>(future: &mut Option<Pin<Box<T>>>) -> Option<T::Output> {
    Some(future.as_mut()?.await)
}

impl Wire {
    /// Hands over all whole messages that have come, and answers commands. Returns the number
    /// of messages.
    fn deliver(
        &mut self,
        stream: &Stream,
        producer: &ProducerHandle,
    ) -> Result<usize, CloseReason> {
        let mut messages = Backlog::default();
        let end = loop {
            match self.decoder.decode(&mut Pool) {
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
        let count = messages.len();
        // Messages that came before an error are still the peer's.
        if !messages.is_empty() {
            producer.push(messages).map_err(|Gone(reason)| reason)?;
        }
        if !self.answers.is_empty() {
            self.answer(stream)?;
        }
        end.and_then(|()| self.partial.set(self.decoder.pending()))?;
        Ok(count)
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

    /// Writes as many of our answers as the socket takes. The rest goes with the
    /// next ones: a peer that wants answers reads them.
    fn answer(&mut self, stream: &Stream) -> Result<(), CloseReason> {
        stream
            .try_write_encoded(&mut self.answers, usize::MAX)
            .map_err(|error| CloseReason::from_io(&error))?;
        // No buffer is kept once it is empty.
        self.answers.release(0);
        Ok(())
    }
}

/// How much of a message that hasn't come whole yet one connection has sent,
/// counted together with all others. Such bytes can't be held back: only the rest
/// of the message would free them. Therefore a connection that goes beyond the
/// bound has to end.
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
            0 // fewer than before can't be too many
        };
        self.ours = bytes;
        // The bytes of a single read are held against nobody.
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
async fn read_some(
    stream: &mut Stream,
    decoder: &mut Decoder,
    streaming: bool,
) -> io::Result<usize> {
    if streaming {
        let start = Instant::now();
        while start.elapsed() < AWAKE {
            match stream.try_read(&mut decoder.read_buf(&mut Pool)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            // Others have their turn, and the runtime looks at the sockets.
            tokio::task::yield_now().await;
        }
    }
    poll_fn(|cx| {
        let read = stream.poll_read(cx, &mut decoder.read_buf(&mut Pool));
        if !matches!(read, Poll::Ready(Ok(n)) if n > 0) {
            decoder.rest(&mut Pool);
        }
        read
    })
    .await
}

/// The reason that a breach of the wire's grammar, or of a limit, stands for.
pub(super) fn reason_of(error: &DecodeError) -> CloseReason {
    match error {
        DecodeError::Frame { .. } => CloseReason::Limit("frame_bytes"),
        DecodeError::Message { .. } => CloseReason::Limit("message_bytes"),
        DecodeError::Parts { .. } => CloseReason::Limit("parts"),
        other => CloseReason::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod threads;
