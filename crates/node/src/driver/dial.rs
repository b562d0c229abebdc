//! The ways to peers: looked up, dialled, given up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tracing::Instrument;
use uuid::Uuid;
use zre_proto::Endpoint;
use zre_proto::machine::{PeerInfo, SessionId, SharedOutgoing};
use zre_session::{Link, SameHost, Target};

use super::Driver;
use super::identity::identity_of;
use crate::Peer;
use crate::peer_sender::PeerSender;

/// The way to whoever is at the other end of a session.
#[derive(Debug)]
pub(super) enum Way {
    /// Nobody has entered by it.
    Opening(Box<Opening>),
    /// It is that peer's.
    Entered(Peer),
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) sender: PeerSender,
    pub(super) link: Option<Link>,
    /// Further addresses of the same name, for when this one fails.
    pub(super) spare: Option<Box<Spare>>,
}

type Spare = (Dial, Vec<SocketAddr>);

impl Way {
    pub(super) fn sender(&self) -> &PeerSender {
        match self {
            Self::Opening(opening) => &opening.sender,
            Self::Entered(peer) => peer.sender(),
        }
    }

    pub(super) fn opening_mut(&mut self) -> Option<&mut Opening> {
        match self {
            Self::Opening(opening) => Some(opening),
            Self::Entered(_) => None,
        }
    }

    fn spare(self) -> Option<Box<Spare>> {
        match self {
            Self::Opening(opening) => opening.spare,
            Self::Entered(_) => None,
        }
    }
}

/// A name that was looked up.
pub(super) type Resolved = (SessionId, Vec<SocketAddr>);

#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) peer: Option<Uuid>,
    pub(super) over_loopback: bool,
    pub(super) outgoing: SharedOutgoing,
}

impl Driver {
    pub(super) fn connect(&mut self, session: SessionId, endpoint: Endpoint, dial: Dial) {
        match endpoint {
            Endpoint::Tcp(addr) => self.dial(session, Some(addr), None, dial),
            Endpoint::Ipc(path) => self.dial(session, None, Some(path), dial),
            Endpoint::Host { host, port } => {
                self.pending.insert(session, dial);
                let resolver = self.resolver.clone();
                let names = self.names.clone();
                let looking = async move {
                    let addrs = names.lookup(&host, port).await;
                    // Nobody is there to hear it: the node has stopped.
                    let _ = resolver.send((session, addrs));
                };
                tokio::spawn(looking.in_current_span());
            }
        }
    }

    pub(super) fn handle_resolved(&mut self, session: SessionId, addrs: Vec<SocketAddr>) {
        let Some(dial) = self.pending.remove(&session) else {
            return;
        };
        let now = self.clock.now();
        if addrs.is_empty() {
            self.machine.handle_session_closed(now, session);
        } else if self.machine.handle_resolved(now, session, &addrs) {
            self.dial_any(session, addrs, dial);
        }
    }

    /// Dials the first of the addresses; the others when that fails.
    pub(super) fn dial_any(&mut self, session: SessionId, mut addrs: Vec<SocketAddr>, dial: Dial) {
        if addrs.is_empty() {
            return;
        }
        let addr = addrs.remove(0);
        let spare = (!addrs.is_empty()).then(|| Box::new((dial.clone(), addrs)));
        self.dial(session, Some(addr), None, dial);
        if let Some(opening) = self.ways.get_mut(&session).and_then(Way::opening_mut) {
            opening.spare = spare;
        }
    }

    /// A mailbox has ended. True where it is tried at another address.
    pub(super) fn dial_spare(&mut self, session: SessionId) -> bool {
        let Some(spare) = self.ways.remove(&session).and_then(Way::spare) else {
            return false;
        };
        let (dial, addrs) = *spare;
        self.dial_any(session, addrs, dial);
        true
    }

    /// The way to a peer that enters by that session is its own from now on.
    pub(super) fn enter(&mut self, session: SessionId, uuid: Uuid, info: PeerInfo) -> Option<Peer> {
        match self.ways.remove(&session)? {
            Way::Opening(opening) => {
                let link = opening.link.unwrap_or(Link::Tcp);
                let peer = Peer::new(uuid, info, link, opening.sender);
                self.ways.insert(session, Way::Entered(peer.clone()));
                Some(peer)
            }
            entered @ Way::Entered(_) => {
                self.ways.insert(session, entered);
                None
            }
        }
    }

    pub(super) fn dial(
        &mut self,
        session: SessionId,
        addr: Option<SocketAddr>,
        ipc: Option<String>,
        dial: Dial,
    ) {
        // A loopback address is of this host only if it was heard over loopback.
        let elsewhere = addr.is_some_and(|addr| addr.ip().is_loopback()) && !dial.over_loopback;
        let mut target = Target::default();
        target.peer = dial.peer.map(identity_of);
        target.addr = addr;
        target.ipc = ipc.map(Into::into);
        if elsewhere {
            target.same_host = SameHost::Never;
        }
        let mailbox = self.links.connect(session.0, target);
        let signal = self.backpressure.signal(session);
        let sender = PeerSender::new(dial.outgoing, mailbox, signal, self.meters.clone());
        let opening = Opening {
            sender,
            link: None,
            spare: None,
        };
        self.ways.insert(session, Way::Opening(Box::new(opening)));
    }
}

/// Our address on the way to that one, as the routing table has it. Connecting
/// a UDP socket sends nothing.
pub(super) fn source_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
