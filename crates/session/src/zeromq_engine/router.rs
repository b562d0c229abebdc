//! The inbox's side: one ROUTER that never answers.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use zeromq::util::PeerIdentity;
use zeromq::{
    Endpoint, Host, RouterSocket, Socket, SocketEvent, SocketOptions, SocketRecv, ZmqError,
    ZmqMessage,
};

use crate::backlog::Backlog;
use crate::dispatcher::Dispatcher;
use crate::engine::{Change, InboxParts, Listening, Served, Server};
use crate::listen::listen_also;
use crate::producer::ProducerHandle;
use crate::{CloseReason, Identity, Link, LinkLimits, Message, OpenError, Source};

/// How many times a connection's bound lies in the inbox before reading stops.
/// The library's ROUTER can't stop reading one connection alone; the bound is
/// therefore on all of them: tight enough for memory, and wide enough that one
/// peer that is held back doesn't stop the others at once.
const CONNECTION_BOUNDS: usize = 16;

/// Messages that are read in one go before they get into their queues.
const RUN: usize = 256;

/// The limits that can be kept with the library's ROUTER.
pub(crate) fn inbox_limits(limits: &LinkLimits) -> LinkLimits {
    let all = limits
        .inbox_bytes_per_connection
        .saturating_mul(CONNECTION_BOUNDS);
    LinkLimits {
        inbox_bytes_total: limits.inbox_bytes_total.min(all),
        ..limits.clone()
    }
}

/// Serves on a thread of its own. The library's queue of connections is free of
/// races only while one thread runs all of its tasks: otherwise a connection that
/// replaces another can be lost, and its first message can come out before the
/// event that distinguishes it from the old one's.
pub(crate) async fn serve_inbox(parts: InboxParts) -> io::Result<Server> {
    let (server, served) = Server::new();
    let (ready, started) = oneshot::channel();
    std::thread::Builder::new()
        .name("zre-inbox".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => {
                    let guard = parts.guard.clone();
                    runtime.block_on(guard.watch(run(parts, served, ready)));
                }
                // An error: nobody waits any more.
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
    started
        .await
        .map_err(|_| io::Error::other("the inbox's thread died"))??;
    Ok(server)
}

async fn run(parts: InboxParts, served: Served, ready: oneshot::Sender<io::Result<()>>) {
    // Dropped last: it reports that everything is closed.
    let Served {
        mut stop,
        mut changes,
        stopped: _stopped,
    } = served;
    let mut options = SocketOptions::default();
    if let Ok(own) = PeerIdentity::try_from(parts.local.identity.to_bytes()) {
        // Other implementations send none here and ignore ours.
        options.peer_identity(own);
    }
    let mut router = RouterSocket::with_options(options);
    let mut events = router.monitor();
    let (mut bound, _name) = match bind(&mut router, parts.tcp, parts.ipc).await {
        Ok(bound) => bound,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }

    let total = Arc::clone(parts.dispatcher.total());
    let mut connections = Connections {
        producers: HashMap::new(),
        dispatcher: parts.dispatcher,
        limits: parts.local.limits,
        closed: Vec::new(),
    };
    loop {
        for identity in std::mem::take(&mut connections.closed) {
            router.backend().peer_disconnected(&identity);
        }
        // Registered before looking, so that no release in between is missed.
        let freed = total.freed().notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let room = total.has(1, 0);
        tokio::select! {
            // Events first: a connection's beginning comes before its data.
            biased;
            _ = &mut stop => break,
            event = events.next() => match event {
                Some(event) => connections.event(event),
                None => break,
            },
            Some(change) = changes.recv() => {
                rebind(&mut router, &mut bound, &parts.listening, change).await;
            }
            () = freed, if !room => {}
            message = router.recv(), if room => {
                let mut run = vec![message];
                while run.len() < RUN {
                    match router.recv().now_or_never() {
                        Some(message) => run.push(message),
                        None => break,
                    }
                }
                // Nothing else has run on this thread meanwhile: events that wait
                // now are ends that came after this data.
                connections.messages(run);
            }
        }
    }
    // Closes the listeners, and waits until the library has removed its ipc
    // socket: only then may the name in the directory be given up.
    for error in router.unbind_all().await {
        tracing::debug!(%error, "unbinding");
    }
}

/// The library's names of our listeners.
type Bound = HashMap<SocketAddr, Endpoint>;

#[cfg(unix)]
type IpcName = Option<crate::ipc::IpcName>;
#[cfg(not(unix))]
type IpcName = Option<crate::ipc::IpcSocket>;

async fn bind(
    router: &mut RouterSocket,
    tcp: Vec<(SocketAddr, std::net::TcpListener)>,
    ipc: Option<crate::ipc::IpcSocket>,
) -> io::Result<(Bound, IpcName)> {
    let mut bound = Bound::new();
    for (addr, listener) in tcp {
        let endpoint = router.bind_listener(listener).await.map_err(into_io)?;
        bound.insert(addr, endpoint);
    }
    #[cfg(unix)]
    if let Some(socket) = ipc {
        let (listener, name) = socket.into_parts();
        router.bind_listener(listener).await.map_err(into_io)?;
        return Ok((bound, Some(name)));
    }
    #[cfg(not(unix))]
    return Ok((bound, ipc));
    #[cfg(unix)]
    Ok((bound, None))
}

/// Adds or closes a listener.
async fn rebind(
    router: &mut RouterSocket,
    bound: &mut Bound,
    listening: &Listening,
    change: Change,
) {
    match change {
        Change::Listen(addr, done) if listening.contains(addr) => drop(done.send(Ok(()))),
        Change::Listen(addr, done) => {
            let listened = match listen_also(addr) {
                Ok((at, listener)) => match router.bind_listener(listener).await {
                    Ok(endpoint) => {
                        bound.insert(at, endpoint);
                        listening.add(at);
                        Ok(())
                    }
                    Err(error) => {
                        let source = into_io(error);
                        Err(OpenError::Listen { addr, source })
                    }
                },
                Err(error) => Err(error),
            };
            // An error: nobody wants to know.
            let _ = done.send(listened);
        }
        Change::Unlisten(addr) => {
            listening.remove(addr);
            if let Some(endpoint) = bound.remove(&addr)
                && let Err(error) = router.unbind(endpoint).await
            {
                tracing::debug!(%addr, %error, "unbinding");
            }
        }
    }
}

fn into_io(error: ZmqError) -> io::Error {
    match error {
        ZmqError::Network(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

/// Sorts what the ROUTER receives into the queues of its connections.
struct Connections {
    producers: HashMap<Bytes, ProducerHandle>,
    dispatcher: Arc<Dispatcher>,
    limits: Arc<LinkLimits>,
    /// Connections that the ROUTER has to close.
    closed: Vec<PeerIdentity>,
}

impl Connections {
    fn event(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Accepted(endpoint, identity) => {
                let (link, addr) = match endpoint {
                    Endpoint::Tcp(host, port) => (Link::Tcp, socket_addr(host, port)),
                    _ => (Link::Ipc, None),
                };
                self.open(identity, link, addr);
            }
            SocketEvent::Disconnected(identity) => {
                if let Some(producer) = self.producers.remove(identity.as_ref()) {
                    producer.close(CloseReason::PeerClosed);
                }
            }
            SocketEvent::AcceptFailed(error) => {
                tracing::debug!(%error, "a handshake failed");
                self.dispatcher.count(&reason_of(&error));
            }
            _ => {}
        }
    }

    /// The handshake of a connection is over. The library has closed an older
    /// connection of the same identity.
    fn open(&mut self, identity: PeerIdentity, link: Link, addr: Option<SocketAddr>) {
        let key = Bytes::from(identity.clone());
        let Ok(name) = Identity::new(key.clone()) else {
            self.closed.push(identity);
            return;
        };
        let source = Source {
            addr,
            ..Source::new(name, link)
        };
        match ProducerHandle::open(&self.dispatcher, source) {
            Ok(producer) => drop(self.producers.insert(key, producer)),
            Err(reason) => {
                tracing::debug!(?identity, %reason, "a connection was refused");
                self.producers.remove(&key);
                self.closed.push(identity);
            }
        }
    }

    fn messages(&mut self, run: Vec<Result<ZmqMessage, ZmqError>>) {
        // Messages of one sender in a row go into its queue together.
        let mut sender = Bytes::new();
        let mut messages = Backlog::default();
        for message in run {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    tracing::debug!(%error, "the inbox's socket");
                    continue;
                }
            };
            let mut frames = message.into_vecdeque().into_iter();
            let Some(from) = frames.next() else { continue };
            if from != sender {
                self.push(&sender, &mut messages);
                sender = from;
            }
            match self.admit(frames) {
                Ok((message, cost)) => messages.push(message, cost),
                Err(reason) => {
                    self.push(&sender, &mut messages);
                    self.close(&sender, reason);
                }
            }
        }
        self.push(&sender, &mut messages);
    }

    fn push(&mut self, from: &Bytes, messages: &mut Backlog) {
        if messages.is_empty() {
            return;
        }
        let run = std::mem::take(messages);
        if !self.producers.contains_key(from) {
            let Ok(identity) = PeerIdentity::try_from(from.clone()) else {
                return;
            };
            if self.closed.contains(&identity) {
                // A moment ago, while this was on its way.
                return;
            }
            // The library drops events when there are too many at once.
            self.open(identity, Link::Tcp, None);
        }
        let Some(producer) = self.producers.get(from) else {
            return;
        };
        let pushed = producer.push(run);
        if let Err(gone) = pushed {
            // Replaced over another link, or the inbox is shut.
            self.close(from, gone.0);
        }
    }

    fn close(&mut self, from: &Bytes, reason: CloseReason) {
        if let Some(producer) = self.producers.remove(from) {
            tracing::debug!(%reason, "closing a connection");
            producer.close(reason);
        }
        self.closed.extend(PeerIdentity::try_from(from.clone()));
    }

    /// Whether a message keeps the limits, and what it costs.
    fn admit(&self, frames: impl Iterator<Item = Bytes>) -> Result<(Message, usize), CloseReason> {
        let Some(message) = Message::from_frames(frames) else {
            // A ROUTER's message of the identity alone can't have been sent.
            return Err(CloseReason::Protocol("a message without frames".to_owned()));
        };
        let Message { head, body } = &message;
        if message.parts() > self.limits.parts {
            return Err(CloseReason::Limit("parts"));
        }
        let largest = body.iter().map(Bytes::len).fold(head.len(), usize::max);
        if largest > self.limits.frame_bytes {
            return Err(CloseReason::Limit("frame_bytes"));
        }
        if message.bytes() > self.limits.message_bytes {
            return Err(CloseReason::Limit("message_bytes"));
        }
        let cost = LinkLimits::cost(head, body);
        Ok((message, cost))
    }
}

fn socket_addr(host: Host, port: u16) -> Option<SocketAddr> {
    let ip = match host {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain(_) => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The reason that an error of the library stands for.
pub(super) fn reason_of(error: &ZmqError) -> CloseReason {
    match error {
        ZmqError::Network(error) => CloseReason::from_io(error),
        ZmqError::ConnectTimeout(_) => CloseReason::TimedOut,
        other => CloseReason::Handshake(other.to_string()),
    }
}
