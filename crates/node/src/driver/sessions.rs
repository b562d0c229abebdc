//! The sessions of a node: dialled, tried at other addresses, handed to their
//! peers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use tracing::Instrument;
use uuid::Uuid;
use zre_proto::machine::{DialTarget, PeerInfo, SessionId, SharedOutgoing};
use zre_proto::{Endpoint, is_of_one_host};
use zre_session::{Link, Mechanism, Null, SameHost, Target};

use super::Driver;
use super::identity::identity_of;
use super::keys::Key;
use crate::Peer;
use crate::peer_sender::PeerSender;

/// A session, and who sends over it.
#[derive(Debug)]
pub(super) enum SessionEntry {
    /// Its peer hasn't entered.
    Opening(Box<Opening>),
    /// It belongs to this peer.
    Entered(Peer),
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) sender: PeerSender,
    /// The node that is dialled, if its UUID is known, and its address.
    pub(super) target: Option<(Uuid, Endpoint)>,
    /// The node that is dialled, or that says to be there.
    pub(super) peer: Option<Uuid>,
    /// Where it is dialled.
    pub(super) endpoint: Endpoint,
    pub(super) link: Option<Link>,
    /// The key that it has proved, once the link stands.
    pub(super) key: Option<Key>,
    /// Where else to dial if this address fails.
    pub(super) alternatives: Option<Box<Alternatives>>,
}

/// Further addresses of the same name.
#[derive(Debug)]
pub(super) struct Alternatives {
    dial: Dial,
    addrs: Vec<SocketAddr>,
}

/// What a session is dialled with.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    pub(super) target: DialTarget,
    pub(super) outgoing: SharedOutgoing,
    /// What the links are to use, if the node has a key.
    pub(super) mechanism: Option<Arc<dyn Mechanism>>,
}

/// The addresses of a name that a session waits for.
pub(super) type Resolved = (SessionId, Vec<SocketAddr>);

impl SessionEntry {
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

    fn into_alternatives(self) -> Option<Box<Alternatives>> {
        match self {
            Self::Opening(opening) => opening.alternatives,
            Self::Entered(_) => None,
        }
    }
}

impl Driver {
    /// Opens a mailbox, after a look-up if the endpoint is a host's name.
    pub(super) fn start_dial(&mut self, session: SessionId, dial: Dial) {
        let Endpoint::Host { host, port } = dial.target.endpoint.clone() else {
            return self.open_mailbox(session, dial, None);
        };
        // An address without a UUID comes from the user.
        let configured = dial.target.peer.is_none();
        self.pending.insert(session, dial);
        let resolver = self.resolver.clone();
        let names = self.names.clone();
        let looking = async move {
            let addrs = names.lookup(&host, port, configured).await;
            // An error means that the node has stopped.
            let _ = resolver.send((session, addrs));
        };
        let looking = self.supervisor.watch("looking a name up", looking);
        tokio::spawn(looking.in_current_span());
    }

    pub(super) fn handle_resolved(&mut self, session: SessionId, mut addrs: Vec<SocketAddr>) {
        let Some(dial) = self.pending.remove(&session) else {
            return;
        };
        // A name that another host names stands for no service of this one.
        addrs.retain(|addr| {
            is_of_one_host(addr.ip())
                && (dial.target.over_loopback || Endpoint::from(*addr).is_of_another_host())
        });
        let now = self.clock.now();
        if addrs.is_empty() {
            self.machine.handle_session_closed(now, session);
        } else if self.machine.handle_resolved(now, session, &addrs) {
            self.dial_in_order(session, dial, addrs);
        }
    }

    /// Opens a mailbox to the first of the addresses, and keeps the others for when
    /// that fails.
    fn dial_in_order(&mut self, session: SessionId, mut dial: Dial, mut addrs: Vec<SocketAddr>) {
        if addrs.is_empty() {
            return;
        }
        dial.target.endpoint = Endpoint::Tcp(addrs.remove(0));
        if (dial.mechanism.as_ref()).is_some_and(|it| it.name() == Null.name()) {
            // More may be known of the address than of the name.
            let target = &dial.target;
            dial.mechanism = self.keys.mechanism_for(target.peer, &target.endpoint);
        }
        let alternatives = (!addrs.is_empty()).then(|| {
            let dial = dial.clone();
            Box::new(Alternatives { dial, addrs })
        });
        self.open_mailbox(session, dial, alternatives);
    }

    /// A mailbox has ended: true if there is another address to try.
    pub(super) fn dial_alternative(&mut self, session: SessionId) -> bool {
        let ended = self.sessions.remove(&session);
        let Some(alternatives) = ended.and_then(SessionEntry::into_alternatives) else {
            return false;
        };
        let Alternatives { dial, addrs } = *alternatives;
        self.dial_in_order(session, dial, addrs);
        true
    }

    /// Hands a session to the peer that enters by it.
    pub(super) fn hand_to_peer(
        &mut self,
        session: SessionId,
        uuid: Uuid,
        info: PeerInfo,
    ) -> Option<Peer> {
        match self.sessions.remove(&session)? {
            SessionEntry::Opening(opening) => {
                let link = opening.link.unwrap_or(Link::Tcp);
                let peer = Peer::new(uuid, info, link, opening.key, opening.sender);
                let entry = SessionEntry::Entered(peer.clone());
                self.sessions.insert(session, entry);
                Some(peer)
            }
            entered @ SessionEntry::Entered(_) => {
                self.sessions.insert(session, entered);
                None
            }
        }
    }

    fn open_mailbox(
        &mut self,
        session: SessionId,
        dial: Dial,
        alternatives: Option<Box<Alternatives>>,
    ) {
        let mut to = link_target(&dial.target);
        to.mechanism = dial.mechanism;
        let mailbox = self.links.connect(session.0, to);
        let signal = self.backpressure.signal(session);
        let sender = PeerSender::new(dial.outgoing, mailbox, signal, self.meters.clone());
        let opening = Opening {
            sender,
            peer: dial.target.peer,
            target: dial.target.peer.zip(Some(dial.target.endpoint.clone())),
            endpoint: dial.target.endpoint,
            link: None,
            key: None,
            alternatives,
        };
        let entry = SessionEntry::Opening(Box::new(opening));
        self.sessions.insert(session, entry);
    }
}

/// A target in the words of the links.
fn link_target(target: &DialTarget) -> Target {
    let mut to = Target::default();
    to.peer = target.peer.map(identity_of);
    match &target.endpoint {
        Endpoint::Tcp(addr) => {
            to.addr = Some(*addr);
            // A loopback address is of this host only if it was heard over loopback.
            if addr.ip().is_loopback() && !target.over_loopback {
                to.same_host = SameHost::Never;
            }
        }
        Endpoint::Ipc(path) => to.ipc = Some(path.as_ref().into()),
        // A name is looked up first.
        Endpoint::Host { .. } => {}
    }
    to
}

/// Our address on the route to that one, as the routing table has it. Connecting a
/// UDP socket sends nothing.
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

/// Whether an address is one of this host's: only those can be bound. The local address of a
/// connection doesn't tell, because it may be another one of ours.
pub(super) fn is_this_host(mut addr: SocketAddr) -> bool {
    addr.set_port(0);
    UdpSocket::bind(addr).is_ok()
}
