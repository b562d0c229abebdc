mod election;
mod ping;
mod request;
mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use zre_proto::{Endpoint, State};
use zre_session::Links;

pub use self::sending::Shouted;
use crate::commands::Command;
use crate::later::in_time;
use crate::shared::Shared;
use crate::{
    Builder, CommandError, Gossip, GroupName, Peer, PeerRef, Roster, SendError, SendPolicy, Stats,
    WaitError,
};

/// A node on the network.
///
/// Cloning is cheap, and all clones are the same node. When the last one is dropped,
/// the node leaves at once, with one EXIT beacon and without flushing its queues; use
/// [`shutdown`](Self::shutdown) to leave properly. [`Peer`]s and
/// [`Events`](crate::Events) don't keep it alive.
///
/// ```no_run
/// use std::time::Duration;
/// use zre::Node;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (node, _events) = Node::builder().name("alice").start().await?;
/// node.join("chat").await?;
/// for peer in node.wait_for_peers_in("chat", 1, Duration::from_secs(10)).await? {
///     node.whisper(&peer, "hello").await?;
/// }
/// let shouted = node.shout("chat", ["two", "frames"]).await?;
/// println!("{} peers get it", shouted.accepted);
/// node.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    uuid: Uuid,
    links: Links,
    policy: SendPolicy,
    shared: Arc<Shared>,
    gossip: Option<Gossip>,
    commands: mpsc::Sender<Command>,
}

impl Node {
    /// Begins a new node.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        uuid: Uuid,
        links: Links,
        policy: SendPolicy,
        shared: Arc<Shared>,
        gossip: Option<Gossip>,
        commands: mpsc::Sender<Command>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                uuid,
                links,
                policy,
                shared,
                gossip,
                commands,
            }),
        }
    }

    /// This node's UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.inner.uuid
    }

    /// This node's name, as it is now.
    #[must_use]
    pub fn name(&self) -> String {
        self.inner.shared.read().own_profile.name.clone()
    }

    /// This node's headers, as they are now.
    #[must_use]
    pub fn headers(&self) -> BTreeMap<String, String> {
        self.inner.shared.read().own_profile.headers.clone()
    }

    /// An endpoint at which this node can be dialled. A node with several interfaces
    /// has one on each, with the same port. It changes when the interfaces change.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.inner.shared.endpoint()
    }

    /// The addresses that this node listens on now: if single interfaces were chosen,
    /// the addresses that these have.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.inner.links.listening()
    }

    /// The node's gossip, if [`Builder::gossip_bind`] or [`Builder::gossip_connect`] was
    /// set.
    #[must_use]
    pub fn gossip(&self) -> Option<Gossip> {
        self.inner.gossip.clone()
    }

    /// The unix socket for peers on this host, or why there is none.
    ///
    /// # Errors
    /// The reason why the directory can't be used; peers on this host are then reached
    /// over tcp.
    pub fn ipc_path(&self) -> Result<&Path, &str> {
        let links = &self.inner.links;
        links
            .ipc_path()
            .ok_or_else(|| links.ipc_unavailable().unwrap_or("ipc is off"))
    }

    /// Joins a group and tells every peer. True if the node wasn't in it.
    ///
    /// # Errors
    /// The name is empty or longer than 255 bytes, the node is in too many groups, or
    /// it has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the group may or may not have been joined.
    pub async fn join(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        let group = group.into();
        let joined = self.ask(|reply| Command::Join(group, reply)).await?;
        Ok(joined?)
    }

    /// Leaves a group and tells every peer. True if the node was in it.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the group may or may not have been left.
    pub async fn leave(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        let group = group.into();
        self.ask(|reply| Command::Leave(group, reply)).await
    }

    /// Sets the node's state and announces it at once, in a beacon and to every peer
    /// that supports states.
    ///
    /// # Errors
    /// Only the protocol sets that state (exit, 6 to 127), or the node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the state may or may not have been set.
    pub async fn set_state(&self, state: State) -> Result<(), CommandError> {
        if !state.is_settable() {
            return Err(CommandError::State(state));
        }
        self.ask(|reply| Command::SetState(state, reply)).await
    }

    /// Gives this node another name. True if it had another one.
    ///
    /// Peers of this library hear of it at once, as [`Event::Update`](crate::Event::Update);
    /// several changes within 100 ms may go out as one. Peers of other implementations, and
    /// of versions that don't know this, keep the old name until they meet this node anew.
    ///
    /// # Errors
    /// The name is empty, longer than 255 bytes or holds a NUL, or the node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the name may or may not have been set.
    pub async fn set_name(&self, name: impl Into<String>) -> Result<bool, CommandError> {
        let name = name.into();
        Ok(self.ask(|reply| Command::SetName(name, reply)).await??)
    }

    /// Adds a header of this node, or gives it another value. True if it had another value
    /// or none. Peers hear of it as they do of a new [name](Self::set_name).
    ///
    /// # Errors
    /// The header can't be sent (its key is empty, longer than 255 bytes or begins with
    /// `X-ZRE-`, its value is longer than 16 KiB, or either holds a NUL), there would be
    /// more than 256 headers or more than 64 KiB of them, or the node has stopped.
    /// [`MessageLimits`](crate::MessageLimits) has the limits.
    ///
    /// # Cancel safety
    /// When the future is dropped, the header may or may not have been set.
    pub async fn set_header(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<bool, CommandError> {
        let (key, value) = (key.into(), value.into());
        let set = self.ask(|reply| Command::SetHeader(key, value, reply));
        Ok(set.await??)
    }

    /// Removes a header of this node. True if it had one. Peers hear of it as they do of a
    /// new [name](Self::set_name).
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the header may or may not have been removed.
    pub async fn remove_header(&self, key: impl Into<String>) -> Result<bool, CommandError> {
        let key = key.into();
        self.ask(|reply| Command::RemoveHeader(key, reply)).await
    }

    /// Adds an address at which a node should be, as [`Builder::peer`](crate::Builder::peer)
    /// does before the start: the node dials it until a peer answers, and again when that
    /// peer has gone. With a UUID, the address is one more of that node's, which isn't
    /// dialled while the node is here already. To add it again changes nothing.
    ///
    /// A node with keys needs the key of the one there:
    /// [`add_peer_with_key`](#method.add_peer_with_key).
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the address may or may not have been added.
    pub async fn add_peer(
        &self,
        endpoint: Endpoint,
        uuid: impl Into<Option<Uuid>>,
    ) -> Result<(), CommandError> {
        self.add(endpoint, uuid.into(), None).await
    }

    /// [`add_peer`](Self::add_peer) for a node with keys: the node there is the holder of
    /// this one.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the address may or may not have been added.
    #[cfg(feature = "curve")]
    pub async fn add_peer_with_key(
        &self,
        endpoint: Endpoint,
        uuid: impl Into<Option<Uuid>>,
        key: crate::PublicKey,
    ) -> Result<(), CommandError> {
        let key = Some(key.to_string().into());
        self.add(endpoint, uuid.into(), key).await
    }

    async fn add(
        &self,
        endpoint: Endpoint,
        uuid: Option<Uuid>,
        key: Option<Box<str>>,
    ) -> Result<(), CommandError> {
        let command = |reply| Command::AddPeer {
            endpoint,
            uuid,
            key,
            reply,
        };
        self.ask(command).await
    }

    /// Removes an address that was configured or [added](Self::add_peer): it isn't dialled
    /// again. A session that leads there goes on.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// When the future is dropped, the address may or may not have been removed.
    pub async fn remove_peer(&self, endpoint: Endpoint) -> Result<(), CommandError> {
        self.ask(|reply| Command::RemovePeer(endpoint, reply)).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let stopped = |_| CommandError::Stopped;
        self.inner
            .commands
            .send(command(reply))
            .await
            .map_err(|_| CommandError::Stopped)?;
        answer.await.map_err(stopped)
    }

    fn find(&self, whom: impl Into<PeerRef>) -> Result<Peer, SendError> {
        let shared = &self.inner.shared;
        if shared.is_stopped() {
            return Err(SendError::Stopped);
        }
        match whom.into() {
            // A handle needs no lookup: the mailbox of a peer that has gone is closed.
            PeerRef::Peer(peer) => Ok(peer),
            other => shared.read().find(&other),
        }
    }

    /// The peer of that UUID or name.
    ///
    /// # Errors
    /// No such peer is here, or several have that name.
    pub fn peer(&self, whom: impl Into<PeerRef>) -> Result<Peer, SendError> {
        self.find(whom)
    }

    /// All peers that are here, by UUID.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.inner.shared.read().peers.values().cloned().collect()
    }

    /// A consistent list of the peers that are here, with their groups and states,
    /// which can be watched.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster::new(self.inner.shared.clone())
    }

    /// The peers in a group.
    #[must_use]
    pub fn peers_in(&self, group: &str) -> Vec<Peer> {
        let directory = self.inner.shared.read();
        directory.groups.get(group).cloned().unwrap_or_default()
    }

    /// The peers in a group that are ready: not busy, draining or asleep.
    #[must_use]
    pub fn available(&self, group: &str) -> Vec<Peer> {
        let mut members = self.peers_in(group);
        members.retain(|peer| peer.state() == State::Ready);
        members
    }

    /// The groups that this node is in.
    #[must_use]
    pub fn own_groups(&self) -> BTreeSet<GroupName> {
        self.inner.shared.read().own_groups.clone()
    }

    /// The groups that any peer is in.
    #[must_use]
    pub fn peer_groups(&self) -> BTreeSet<GroupName> {
        self.inner.shared.read().groups.keys().cloned().collect()
    }

    /// The time since each peer was last heard, by UUID. A healthy peer is heard about
    /// every five seconds: [`Builder::evasive`]. Peers in the same process aren't
    /// listed, because their silence means nothing.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn silences(&self) -> Result<BTreeMap<Uuid, Duration>, CommandError> {
        self.ask(Command::Silences).await
    }

    /// The node's figures: what it holds, and what it has counted so far.
    ///
    /// # Errors
    /// The node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn stats(&self) -> Result<Stats, CommandError> {
        self.ask(Command::Stats).await
    }

    /// Waits until at least that many peers are here, and returns them.
    ///
    /// # Errors
    /// Fewer were here when the time was over, or the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_for_peers(
        &self,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Peer>, WaitError> {
        self.wait_for(count, timeout, Self::peers).await
    }

    /// Waits until at least that many peers are in a group, and returns them.
    ///
    /// # Errors
    /// Fewer were in it when the time was over, or the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_for_peers_in(
        &self,
        group: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Peer>, WaitError> {
        self.wait_for(count, timeout, |node| node.peers_in(group))
            .await
    }

    async fn wait_for(
        &self,
        wanted: usize,
        timeout: Duration,
        list: impl Fn(&Self) -> Vec<Peer>,
    ) -> Result<Vec<Peer>, WaitError> {
        let deadline = in_time(timeout);
        loop {
            let changed = self.inner.shared.changes.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let peers = list(self);
            if peers.len() >= wanted {
                return Ok(peers);
            }
            if self.inner.shared.is_stopped() {
                return Err(WaitError::Stopped);
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                let found = peers.len();
                return Err(WaitError::Elapsed { found, wanted });
            }
        }
    }

    /// Leaves: announces Draining, waits until every peer has confirmed what was sent
    /// to it, says GOODBYE to each and EXIT in beacons. Takes about 50 ms if all peers
    /// answer, and at most 5 s if one doesn't.
    ///
    /// From then on nothing can be sent. Calling it again waits for the same end.
    ///
    /// # Cancel safety
    /// The node leaves even if the future is dropped, once it was polled.
    pub async fn shutdown(&self) {
        self.shutdown_within(Duration::from_secs(5)).await;
    }

    /// Like [`shutdown`](Self::shutdown), but waits up to `patience` for peers that
    /// don't answer.
    ///
    /// # Cancel safety
    /// The node leaves even if the future is dropped, once it was polled.
    pub async fn shutdown_within(&self, patience: Duration) {
        let asked = self.ask(|reply| Command::Shutdown(patience, reply)).await;
        // An error means that it has stopped already.
        drop(asked);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("uuid", &self.uuid())
            .field("name", &self.name())
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}
