use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;
use zre_proto::machine::{PeerInfo, Sources};
use zre_proto::{Endpoint, Profile, State};
use zre_session::Link;

use crate::peer_sender::PeerSender;
use crate::{GroupName, Source};

/// A peer, from its `Enter` to its `Exit`.
///
/// Cloning is cheap. A peer stays readable after its exit, with the state and the
/// groups that it had last. If it enters again, it is another `Peer`: two are equal
/// if they are the same session of the same peer.
///
/// State and groups of a handle are those that the peer has now; name and headers are
/// those that it had when the handle was given out. After an
/// [`Event::Update`](crate::Event::Update), that event and whatever comes later have
/// the new ones.
///
/// ```no_run
/// # async fn run(node: zre::Node) -> Result<(), Box<dyn std::error::Error>> {
/// for peer in node.peers() {
///     println!("{peer} ({}) at {}, over {}", peer.uuid(), peer.endpoint(), peer.link());
///     println!("  is {}, in {:?}", peer.state(), peer.groups());
///     if let Some(resolution) = peer.header("resolution") {
///         println!("  sees {resolution}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Peer {
    record: Arc<Record>,
    /// Its name and headers, if they have changed since it entered.
    update: Option<Arc<Profile>>,
}

/// A thousand nodes in one process have a million of these.
struct Record {
    uuid: Uuid,
    /// Its name and headers when it entered.
    profile: Profile,
    endpoint: Endpoint,
    via: Sources,
    sender: PeerSender,
    groups: Mutex<BTreeSet<GroupName>>,
    link: Link,
    /// Boxed: most nodes have none.
    key: Option<Box<[u8; 32]>>,
    takes_requests: bool,
    /// Its octet.
    state: AtomicU8,
    /// Whether it has exited.
    gone: AtomicBool,
}

impl Peer {
    pub(crate) fn new(
        uuid: Uuid,
        info: PeerInfo,
        link: Link,
        key: Option<[u8; 32]>,
        sender: PeerSender,
    ) -> Self {
        Self {
            record: Arc::new(Record {
                uuid,
                profile: Profile {
                    name: info.name,
                    headers: info.headers,
                },
                endpoint: info.endpoint,
                via: info.via,
                sender,
                groups: Mutex::default(),
                link,
                key: key.map(Box::new),
                takes_requests: info.takes_requests,
                state: AtomicU8::new(info.state.into()),
                gone: AtomicBool::new(false),
            }),
            update: None,
        }
    }

    /// The same session of the peer, with another name or other headers.
    pub(crate) fn updated(&self, profile: Profile) -> Self {
        Self {
            record: self.record.clone(),
            update: Some(Arc::new(profile)),
        }
    }

    pub(crate) fn profile(&self) -> &Profile {
        self.update.as_deref().unwrap_or(&self.record.profile)
    }

    /// The bytes of its name and headers, with what the map takes beside the texts.
    pub(crate) fn profile_bytes(&self) -> usize {
        const ENTRY: usize = 2 * size_of::<String>();
        let headers = self.headers().iter();
        headers
            .map(|(key, value)| key.len().saturating_add(value.len()).saturating_add(ENTRY))
            .fold(self.name().len(), usize::saturating_add)
    }

    /// Whether both are the same session with the same name and headers.
    pub(crate) fn is_same_handle(&self, other: &Self) -> bool {
        let (this, that) = (self.update.as_ref(), other.update.as_ref());
        self.is(other) && this.map(Arc::as_ptr) == that.map(Arc::as_ptr)
    }

    /// Its UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.record.uuid
    }

    /// Its name, which needn't be unique.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.profile().name
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.profile().headers
    }

    /// One of its headers.
    #[must_use]
    pub fn header(&self, key: &str) -> Option<&str> {
        self.headers().get(key).map(String::as_str)
    }

    /// The address at which it was dialled, or would be dialled if it had no nearer
    /// link.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.record.endpoint
    }

    /// The link that carries our messages to it. Each direction chooses its own.
    #[must_use]
    pub fn link(&self) -> Link {
        self.record.link
    }

    /// The public key that it has proved to hold, in both directions. `None` if we
    /// have no [keys](crate::Builder::keys), or it has none
    /// ([`Builder::plain_too`](crate::Builder::plain_too)): nothing is encrypted then. In
    /// the same process ([`Link::Inproc`]) it is the key that the peer was configured with,
    /// if it was: a process trusts itself.
    #[cfg(feature = "curve")]
    #[must_use]
    pub fn key(&self) -> Option<crate::PublicKey> {
        self.raw_key().map(crate::PublicKey::from)
    }

    pub(crate) fn raw_key(&self) -> Option<[u8; 32]> {
        self.record.key.as_deref().copied()
    }

    /// Whether it accepts [requests](crate::Node::request): nodes of this library do.
    #[must_use]
    pub fn takes_requests(&self) -> bool {
        self.record.takes_requests
    }

    /// The sources that made it known.
    #[must_use]
    pub fn via(&self) -> BTreeSet<Source> {
        self.record.via.iter().collect()
    }

    /// Its state. A peer that announces none counts as ready.
    #[must_use]
    pub fn state(&self) -> State {
        State::from(self.record.state.load(Ordering::Relaxed))
    }

    /// The groups that it is in.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupName> {
        self.lock_groups().iter().cloned().collect()
    }

    /// Whether it is in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.lock_groups().contains(group)
    }

    pub(crate) fn set_state(&self, state: State) {
        self.record.state.store(state.into(), Ordering::Relaxed);
    }

    pub(crate) fn join(&self, group: GroupName) {
        self.lock_groups().insert(group);
    }

    pub(crate) fn leave(&self, group: &str) {
        self.lock_groups().remove(group);
    }

    pub(crate) fn set_gone(&self) {
        self.record.gone.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.record.gone.load(Ordering::Relaxed)
    }

    pub(crate) fn sender(&self) -> &PeerSender {
        &self.record.sender
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
    }

    fn lock_groups(&self) -> MutexGuard<'_, BTreeSet<GroupName>> {
        self.record
            .groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same session of the same peer.
impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for Peer {}

impl Hash for Peer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.record).hash(state);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("uuid", &self.uuid())
            .field("name", &self.name())
            .field("link", &self.link())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// The name.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The receiver of a message: a [`Peer`], a UUID, or a name that only one peer has.
///
/// Text of 32 hex digits, with or without hyphens, is a UUID; other text is a name.
///
/// ```no_run
/// # async fn run(node: zre::Node, peer: zre::Peer) -> Result<(), zre::SendError> {
/// node.whisper(&peer, "to this session of it").await?;
/// node.whisper(peer.uuid(), "to whatever session it has now").await?;
/// node.whisper("alice", "to the only one of that name").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub enum PeerRef {
    /// This session of the peer: a message to it never goes to a later session.
    Peer(Peer),
    /// The peer that has this UUID now.
    Uuid(Uuid),
    /// The peer that has this name now.
    Name(String),
}

impl From<Peer> for PeerRef {
    fn from(peer: Peer) -> Self {
        Self::Peer(peer)
    }
}

impl From<&Peer> for PeerRef {
    #[inline]
    fn from(peer: &Peer) -> Self {
        Self::Peer(peer.clone())
    }
}

impl From<Uuid> for PeerRef {
    fn from(uuid: Uuid) -> Self {
        Self::Uuid(uuid)
    }
}

impl From<&str> for PeerRef {
    fn from(text: &str) -> Self {
        match Uuid::try_parse(text) {
            Ok(uuid) => Self::Uuid(uuid),
            Err(_) => Self::Name(text.into()),
        }
    }
}

impl From<String> for PeerRef {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for PeerRef {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}
