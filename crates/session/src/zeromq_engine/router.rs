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

use crate::engine::{Change, Listening, Seat, Served, Server};
use crate::intake::{Feeder, Intake};
use crate::listen::listen_also;
use crate::unread::Unread;
use crate::{CloseReason, Identity, Link, LinkLimits, Message, OpenError, Source};

/// How many times a connection's bound lies in the inbox before reading stops.
/// The library's ROUTER can't leave one connection alone, so the bound is on
/// all: tight enough for memory, and wide enough that one peer that is held
/// back doesn't stop the others at once.
const CONNECTION_BOUNDS: usize = 16;

/// Messages that are read in one go before the lanes get them.
const RUN: usize = 256;

/// What of the limits can be held with the library's ROUTER.
pub(crate) fn inbox_limits(limits: &LinkLimits) -> LinkLimits {
    let all = limits
        .inbox_bytes_per_connection
        .saturating_mul(CONNECTION_BOUNDS);
    LinkLimits {
        inbox_bytes_total: limits.inbox_bytes_total.min(all),
        ..limits.clone()
    }
}

/// Serves on a thread of its own. The library's queue of connections is only
/// free of races while one thread runs all of its tasks: otherwise a
/// connection that takes another's place can be lost, and its first message
/// can come out before the event that tells it from the old one's.
pub(crate) async fn serve(seat: Seat) -> io::Result<Server> {
    let (server, served) = Server::new();
    let (ready, started) = oneshot::channel();
    std::thread::Builder::new()
        .name("zre-inbox".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(run(seat, served, ready)),
                // Nobody waits any more: then nobody has to know.
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
    started
        .await
        .map_err(|_| io::Error::other("the inbox's thread died"))??;
    Ok(server)
}

async fn run(seat: Seat, served: Served, ready: oneshot::Sender<io::Result<()>>) {
    // Dropped last: that says that everything is closed.
    let Served {
        mut stop,
        mut changes,
        stopped: _stopped,
    } = served;
    let mut options = SocketOptions::default();
    if let Ok(own) = PeerIdentity::try_from(seat.own.to_bytes()) {
        // Other implementations say nothing here and ignore what they hear.
        options.peer_identity(own);
    }
    let mut router = RouterSocket::with_options(options);
    let mut events = router.monitor();
    let (mut bound, _place) = match bind(&mut router, seat.tcp, seat.ipc).await {
        Ok(bound) => bound,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }

    let total = Arc::clone(seat.intake.total());
    let mut desk = Desk {
        senders: HashMap::new(),
        intake: seat.intake,
        limits: seat.limits,
        kicked: Vec::new(),
    };
    loop {
        let kicked = std::mem::take(&mut desk.kicked);
        for identity in kicked {
            router.backend().peer_disconnected(&identity);
        }
        // Registered before looking, so that no release in between is missed.
        let freed = total.freed().notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        let room = total.has(1);
        tokio::select! {
            // Events first: a connection's beginning comes before its data.
            biased;
            _ = &mut stop => break,
            event = events.next() => match event {
                Some(event) => desk.event(event),
                None => break,
            },
            Some(change) = changes.recv() => {
                rebind(&mut router, &mut bound, &seat.listening, change).await;
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
                // Nothing else has run on this thread meanwhile, so whatever
                // events wait now are ends that were met after this data.
                desk.messages(run);
            }
        }
    }
    // Closes the listeners, and waits until the library has removed its ipc
    // socket: only then may the name in the directory be given up.
    for error in router.unbind_all().await {
        tracing::debug!(%error, "unbinding");
    }
}

/// What the library calls our listeners.
type Bound = HashMap<SocketAddr, Endpoint>;

#[cfg(unix)]
type Place = Option<crate::ipc::IpcPlace>;
#[cfg(not(unix))]
type Place = Option<crate::ipc::IpcSocket>;

async fn bind(
    router: &mut RouterSocket,
    tcp: Vec<(SocketAddr, std::net::TcpListener)>,
    ipc: Option<crate::ipc::IpcSocket>,
) -> io::Result<(Bound, Place)> {
    let mut bound = Bound::new();
    for (addr, listener) in tcp {
        let endpoint = router.bind_listener(listener).await.map_err(into_io)?;
        bound.insert(addr, endpoint);
    }
    #[cfg(unix)]
    if let Some(socket) = ipc {
        let (listener, place) = socket.into_parts();
        router.bind_listener(listener).await.map_err(into_io)?;
        return Ok((bound, Some(place)));
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
            // Nobody may want to know.
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

/// Sorts what the ROUTER brings into lanes.
struct Desk {
    senders: HashMap<Bytes, Feeder>,
    intake: Arc<Intake>,
    limits: LinkLimits,
    /// Connections that are to be closed.
    kicked: Vec<PeerIdentity>,
}

impl Desk {
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
                if let Some(sender) = self.senders.remove(identity.as_ref()) {
                    sender.close(CloseReason::PeerClosed);
                }
            }
            SocketEvent::AcceptFailed(error) => {
                tracing::debug!(%error, "a connection failed before it said who it was");
                self.intake.count(&reason_of(&error));
            }
            _ => {}
        }
    }

    /// A connection has said who it is. One of the same identity has been
    /// closed by the library.
    fn open(&mut self, identity: PeerIdentity, link: Link, addr: Option<SocketAddr>) {
        let key = Bytes::from(identity.clone());
        let Ok(name) = Identity::new(key.clone()) else {
            self.kicked.push(identity);
            return;
        };
        let source = Source {
            identity: name,
            link,
            addr,
            credentials: None,
        };
        match self.intake.open(source) {
            Ok(sender) => drop(self.senders.insert(key, sender)),
            Err(reason) => {
                tracing::debug!(?identity, %reason, "a connection isn't let in");
                self.senders.remove(&key);
                self.kicked.push(identity);
            }
        }
    }

    fn messages(&mut self, run: Vec<Result<ZmqMessage, ZmqError>>) {
        // Runs of one sender go into its lane together.
        let mut sender = Bytes::new();
        let mut messages = Unread::default();
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
                    self.kick(&sender, reason);
                }
            }
        }
        self.push(&sender, &mut messages);
    }

    fn push(&mut self, from: &Bytes, messages: &mut Unread) {
        if messages.is_empty() {
            return;
        }
        let run = std::mem::take(messages);
        if !self.senders.contains_key(from) {
            let Ok(identity) = PeerIdentity::try_from(from.clone()) else {
                return;
            };
            if self.kicked.contains(&identity) {
                // A moment ago, with this on its way.
                return;
            }
            // The library drops events when there are too many at once.
            self.open(identity, Link::Tcp, None);
        }
        let Some(sender) = self.senders.get(from) else {
            return;
        };
        let pushed = sender.push(run);
        if let Err(gone) = pushed {
            // Replaced over another link, or the inbox is shut.
            self.kick(from, gone.0);
        }
    }

    fn kick(&mut self, from: &Bytes, reason: CloseReason) {
        if let Some(sender) = self.senders.remove(from) {
            tracing::debug!(%reason, "closing a connection");
            sender.close(reason);
        }
        self.kicked.extend(PeerIdentity::try_from(from.clone()));
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
