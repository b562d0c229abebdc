use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;
use zre_proto::machine::{PeerInfo, SessionId, SharedOutgoing};
use zre_proto::{Endpoint, Outgoing, State};
use zre_session::{Link, Mailbox};

use crate::driver::BackpressureMonitor;
use crate::meters::Meters;
use crate::peer_sender::PeerSender;
use crate::{GroupName, Peer, Responder, SendPolicy, Source};

/// A [`Peer`] that isn't on any network, for tests of an application: begun by
/// [`Peer::detached`].
///
/// Messages to it fail with [`SendError::Gone`](crate::SendError::Gone).
///
/// ```
/// use zre::{Event, Peer, State};
///
/// // What the application does about events, without a network.
/// fn is_idle_camera(event: &Event) -> bool {
///     matches!(event, Event::State { peer, to: State::Ready, .. }
///         if peer.header("role") == Some("camera"))
/// }
///
/// let peer = Peer::detached("lens").header("role", "camera").build();
/// let event = Event::State { peer, from: State::Busy, to: State::Ready };
/// assert!(is_idle_camera(&event));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DetachedPeer {
    uuid: Uuid,
    info: PeerInfo,
    link: Link,
    key: Option<[u8; 32]>,
    groups: BTreeSet<GroupName>,
}

impl Peer {
    /// Begins a peer for tests of an application: a `Peer` of that name that isn't on
    /// any network. Unless it is given others, it has a random UUID, no headers and no
    /// groups, is ready, and is linked by `tcp` from a configured address.
    pub fn detached(name: impl Into<String>) -> DetachedPeer {
        let endpoint = Endpoint::Tcp(([127, 0, 0, 1], 49152).into());
        let mut info = PeerInfo::new(name.into(), endpoint);
        info.via.insert(Source::Static);
        DetachedPeer {
            uuid: Uuid::new_v4(),
            info,
            link: Link::Tcp,
            key: None,
            groups: BTreeSet::new(),
        }
    }
}

impl DetachedPeer {
    /// Gives it a UUID.
    pub fn uuid(mut self, uuid: Uuid) -> Self {
        self.uuid = uuid;
        self
    }

    /// Gives it a header.
    pub fn header(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.info.headers.insert(key.into(), value.into());
        self
    }

    /// Puts it into a group.
    pub fn group(mut self, group: impl Into<GroupName>) -> Self {
        self.groups.insert(group.into());
        self
    }

    /// Gives it a state.
    pub fn state(mut self, state: State) -> Self {
        self.info.state = state;
        self
    }

    /// Gives it an address.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.info.endpoint = endpoint;
        self
    }

    /// Gives it a public key.
    #[cfg(feature = "curve")]
    pub fn key(mut self, key: crate::PublicKey) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the link that it seems to have.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// The peer. Each call gives another session of it: they have the same UUID and
    /// aren't equal.
    #[must_use]
    pub fn build(&self) -> Peer {
        let outgoing = SharedOutgoing::new(Outgoing::new(false));
        let signal = BackpressureMonitor::new(0).signal(SessionId(0));
        let meters = Meters::new(&self.info.name);
        let sender = PeerSender::new(outgoing, Mailbox::closed(), signal, meters);
        let peer = Peer::new(self.uuid, self.info.clone(), self.link, self.key, sender);
        for group in &self.groups {
            peer.join(group.clone());
        }
        peer
    }
}

impl Responder {
    /// The responder of a request that no peer has sent, for tests of an application.
    /// Answers to it fail with [`SendError::Gone`](crate::SendError::Gone).
    #[must_use]
    pub fn detached(peer: &Peer) -> Self {
        Self::new(peer.clone(), 0, SendPolicy::Reject, &Arc::default())
    }
}
