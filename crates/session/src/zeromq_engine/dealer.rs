//! The mailbox's side: one task that owns one DEALER.

use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerRecvHalf, DealerSendHalf, DealerSocket, MultiPeerBackend, Socket, SocketEvent,
    SocketOptions, SocketRecv, SocketSend, ZmqMessage,
};

use super::queue::{Queue, Ticket};
use super::router::reason_of;
use crate::engine::{Dial, QueueParts, Route};
use crate::send_queue::SendQueue;
use crate::{CloseReason, Identity, Link, Message};

/// Messages that the library may hold at once. Its queue takes 100,000 and
/// then waits, without telling anybody; below that it never waits.
const IN_FLIGHT: usize = 50_000;

/// When to find out by a connection of our own whether anybody listens: the
/// library retries silently for as long as its time lasts.
const PROBE_AFTER: Duration = Duration::from_millis(50);

/// How often to look whether the library's writer has ended.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Returns at once a queue that accepts messages, and connects in the background.
pub(crate) fn open_mailbox(dial: Dial, parts: QueueParts, runtime: &Handle) -> Arc<dyn SendQueue> {
    let queue = Queue::new(Arc::clone(&dial.local.limits), parts);
    let task = Task {
        dial,
        guard: Guard(Arc::clone(&queue)),
    };
    runtime.spawn(task.run());
    queue
}

struct Task {
    dial: Dial,
    guard: Guard,
}

/// Ends the queue when the task is dropped with its runtime.
struct Guard(Arc<Queue>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.end(CloseReason::Local);
    }
}

impl Task {
    async fn run(self) {
        let queue = &self.guard.0;
        let mut reason = CloseReason::NoRoute;
        for route in &self.dial.routes {
            match self.connect_over(route).await {
                Ok(connection) => {
                    let (link, remote) = match route {
                        Route::Tcp(addr) => (Link::Tcp, Some(*addr)),
                        Route::Ipc(_) => (Link::Ipc, None),
                    };
                    queue.up(link, remote, connection.peer.clone());
                    let reason = connection.pump(queue).await;
                    queue.end(reason);
                    return;
                }
                Err(error) => {
                    tracing::debug!(?route, reason = %error, "can't connect");
                    reason = error;
                    if reason == CloseReason::Local {
                        break;
                    }
                }
            }
        }
        queue.end(reason);
    }

    /// Connects over one route, and shakes hands.
    async fn connect_over(&self, route: &Route) -> Result<Connection, CloseReason> {
        let mut options = SocketOptions::default();
        let own = PeerIdentity::try_from(self.dial.local.identity.to_bytes())
            .map_err(|error| CloseReason::Handshake(error.to_string()))?;
        let time = self.dial.local.limits.connect_time;
        options.peer_identity(own).connect_timeout(time);
        let mut socket = DealerSocket::with_options(options);
        let mut events = socket.monitor();
        let endpoint = endpoint(route)?;
        tokio::select! {
            connected = socket.connect(&endpoint) => {
                connected.map_err(|error| reason_of(&error))?;
            }
            reason = probe(route, time) => return Err(reason),
            () = closed(&self.guard.0) => return Err(CloseReason::Local),
        }
        let mut peer = None;
        while let Ok(event) = events.try_recv() {
            if let SocketEvent::Connected(_, identity) = event {
                peer = claimed(&identity);
            }
        }
        if let (Some(expected), Some(found)) = (&self.dial.target.peer, &peer)
            && expected != found
        {
            return Err(CloseReason::Handshake(format!(
                "{found} answered where {expected} was expected"
            )));
        }
        let backend = Arc::downgrade(&socket.backend());
        let (sender, receiver) = socket.split();
        Ok(Connection {
            sender,
            receiver,
            events,
            backend,
            peer,
        })
    }
}

/// What the library takes to connect.
fn endpoint(route: &Route) -> Result<String, CloseReason> {
    match route {
        Route::Tcp(SocketAddr::V6(addr)) if addr.scope_id() != 0 => {
            // With a scope it goes through the resolver, which wants no brackets.
            Ok(format!(
                "tcp://{}%{}:{}",
                addr.ip(),
                addr.scope_id(),
                addr.port()
            ))
        }
        Route::Tcp(addr) => Ok(format!("tcp://{addr}")),
        Route::Ipc(path) => path
            .to_str()
            .map(|path| format!("ipc://{path}"))
            .ok_or_else(|| CloseReason::Unreachable("the socket's path isn't UTF-8".to_owned())),
    }
}

/// The identity that the peer's inbox claims. If it claims none, the library makes
/// up a random UUID of 16 bytes, which is nobody's identity.
fn claimed(identity: &PeerIdentity) -> Option<Identity> {
    let made_up = identity.len() == 16
        && identity.get(6).is_some_and(|byte| byte >> 4 == 4)
        && identity.get(8).is_some_and(|byte| byte >> 6 == 0b10);
    (!made_up)
        .then(|| Identity::try_from(identity.as_ref()).ok())
        .flatten()
}

/// Resolves when nobody listens at the other end, and never otherwise.
async fn probe(route: &Route, time: Duration) -> CloseReason {
    if let Route::Ipc(path) = route
        && let Err(error) = std::fs::symlink_metadata(path)
    {
        return CloseReason::from_io(&error);
    }
    sleep(PROBE_AFTER).await;
    let tried = match route {
        Route::Tcp(addr) => timeout(time, TcpStream::connect(addr))
            .await
            .map(|tried| tried.map(drop)),
        Route::Ipc(path) => timeout(time, connect_ipc(path)).await,
    };
    match tried {
        Ok(Err(error)) => CloseReason::from_io(&error),
        // Somebody listens: the library connects, or its time passes.
        _ => pending().await,
    }
}

#[cfg(unix)]
async fn connect_ipc(path: &Path) -> std::io::Result<()> {
    tokio::net::UnixStream::connect(path).await.map(drop)
}

#[cfg(not(unix))]
async fn connect_ipc(_: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Resolves when the mailbox was closed and its time is up, or nothing waits.
async fn closed(queue: &Arc<Queue>) {
    loop {
        match queue.closing() {
            Some(_) if queue.unsent() == 0 => return,
            Some(until) => {
                tokio::select! {
                    () = sleep_until(until) => return,
                    () = queue.work().notified() => {}
                }
            }
            None => queue.work().notified().await,
        }
    }
}

struct Connection {
    sender: DealerSendHalf,
    receiver: DealerRecvHalf,
    events: mpsc::Receiver<SocketEvent>,
    /// Alive while the library's writer is.
    backend: Weak<dyn MultiPeerBackend>,
    peer: Option<Identity>,
}

impl Connection {
    /// Sends what the queue has until the connection ends or the mailbox was
    /// closed; says why.
    async fn pump(mut self, queue: &Arc<Queue>) -> CloseReason {
        loop {
            while let Some((frames, ticket)) = queue.take(IN_FLIGHT) {
                if let Some(message) = tracked(frames, ticket)
                    && let Err(error) = self.sender.send(message).await
                {
                    tracing::debug!(%error, "sending");
                    return CloseReason::PeerClosed;
                }
            }
            let closing = queue.closing();
            if closing.is_some() && queue.unsent() == 0 {
                break;
            }
            let deadline = async {
                match closing {
                    Some(until) => sleep_until(until).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                event = self.events.next() => match event {
                    Some(SocketEvent::Disconnected(_)) | None => return CloseReason::PeerClosed,
                    Some(_) => {}
                },
                () = queue.work().notified() => {}
                received = self.receiver.recv() => match received {
                    // A mailbox doesn't receive: whatever it was is dropped.
                    Ok(_) => tracing::debug!("an inbox has answered"),
                    Err(error) => return ended_by(&error),
                },
                () = deadline => return CloseReason::Local,
            }
        }
        self.drain(queue).await;
        CloseReason::Local
    }

    /// Waits until the library has written what it has: its writer ends when
    /// both halves are gone and its queue and buffer are empty.
    async fn drain(self, queue: &Arc<Queue>) {
        let Self {
            sender,
            receiver,
            events,
            backend,
            peer: _,
        } = self;
        drop((sender, receiver, events));
        while backend.strong_count() > 0 {
            let now = Instant::now();
            match queue.closing() {
                Some(until) if until > now => {
                    sleep(LOOK_EVERY.min(until.saturating_duration_since(now))).await;
                }
                _ => return,
            }
        }
    }
}

fn ended_by(error: &zeromq::ZmqError) -> CloseReason {
    match reason_of(error) {
        // The handshake is over: the error is about what came after it.
        CloseReason::Handshake(text) if text.contains("reset") => CloseReason::Reset,
        CloseReason::Handshake(text) => CloseReason::Protocol(text),
        other => other,
    }
}

/// The first frame of a message. It tells the queue when the library has dropped
/// it: when the message was encoded into the buffer that is being written, or
/// thrown away with its connection.
struct Tracked {
    frame: Bytes,
    _ticket: Ticket,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

fn tracked(message: Message, ticket: Ticket) -> Option<ZmqMessage> {
    let first = Bytes::from_owner(Tracked {
        frame: message.head.into(),
        _ticket: ticket,
    });
    let mut list = Vec::with_capacity(message.body.len().saturating_add(1));
    list.push(first);
    list.extend(message.body);
    ZmqMessage::try_from(list).ok()
}
