use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;
use zre_proto::{Endpoint, State};

use super::host::Host;
use crate::{
    CommandError, Gossip, GroupName, Message, Peer, PeerRef, PingError, ReplyError, RequestError,
    RequestRef, Roster, SendError, SendPolicy, Shouted, Stats, WaitError,
};

/// How long the last handle waits for peers that don't confirm what was sent to them.
const PATIENCE: Duration = Duration::from_secs(1);

/// A node on the network, for programs without async. [`zre::Node`](crate::Node) explains
/// each call.
///
/// Cloning is cheap; all clones are the same node and can be used from any thread. When
/// the last one is dropped, the node leaves properly, as with
/// [`shutdown_within`](Self::shutdown_within) one second: the drop takes about 50 ms if
/// all peers answer.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    node: crate::Node,
    host: Host,
    /// Whether the node was closed: then the last handle waits for nothing.
    closed: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !*self.closed.get_mut() {
            self.host.wait(self.node.shutdown_within(PATIENCE));
        }
    }
}

impl Node {
    pub(super) fn new(node: crate::Node, host: Host) -> Self {
        Self {
            inner: Arc::new(Inner {
                node,
                host,
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// The same node with its async calls, which [`wait`](Self::wait) can wait for. A
    /// clone of it is also a handle of the node; if it is the last one, it leaves as an
    /// async handle does.
    #[must_use]
    pub fn as_async(&self) -> &crate::Node {
        &self.inner.node
    }

    /// Waits for a future on this thread; its timers, sockets and tasks belong to the
    /// node's thread.
    ///
    /// ```no_run
    /// # fn run(node: zre::blocking::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let (left, right) = node.wait(async {
    ///     let node = node.as_async();
    ///     tokio::join!(node.whisper("left", "go"), node.whisper("right", "go"))
    /// });
    /// # left?; right?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.inner.host.wait(future)
    }

    /// This node's UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.as_async().uuid()
    }

    /// This node's name, as it is now.
    #[must_use]
    pub fn name(&self) -> String {
        self.as_async().name()
    }

    /// This node's headers, as they are now.
    #[must_use]
    pub fn headers(&self) -> BTreeMap<String, String> {
        self.as_async().headers()
    }

    /// An endpoint at which this node can be dialled.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.as_async().endpoint()
    }

    /// The addresses that this node listens on.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.as_async().listening()
    }

    /// The unix socket for peers on this host, or why there is none.
    ///
    /// # Errors
    /// The reason why the directory can't be used.
    pub fn ipc_path(&self) -> Result<&Path, &str> {
        self.as_async().ipc_path()
    }

    /// Joins a group and tells every peer. True if the node wasn't in it.
    ///
    /// # Errors
    /// The same as for [`zre::Node::join`](crate::Node::join).
    pub fn join(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        self.wait(self.as_async().join(group))
    }

    /// Leaves a group and tells every peer. True if the node was in it.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn leave(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        self.wait(self.as_async().leave(group))
    }

    /// Makes this node a candidate for leading a group. True if it wasn't one.
    ///
    /// # Errors
    /// The same as for [`zre::Node::contest`](crate::Node::contest).
    pub fn contest(&self, group: impl Into<String>) -> Result<bool, CommandError> {
        self.wait(self.as_async().contest(group))
    }

    /// The UUID of the leader of a group that this node is in.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn leader(&self, group: impl Into<String>) -> Result<Option<Uuid>, CommandError> {
        self.wait(self.as_async().leader(group))
    }

    /// Sets the node's state and announces it at once.
    ///
    /// # Errors
    /// The same as for [`zre::Node::set_state`](crate::Node::set_state).
    pub fn set_state(&self, state: State) -> Result<(), CommandError> {
        self.wait(self.as_async().set_state(state))
    }

    /// Gives this node another name. True if it had another one.
    ///
    /// # Errors
    /// The same as for [`zre::Node::set_name`](crate::Node::set_name).
    pub fn set_name(&self, name: impl Into<String>) -> Result<bool, CommandError> {
        self.wait(self.as_async().set_name(name))
    }

    /// Adds a header of this node, or gives it another value.
    ///
    /// # Errors
    /// The same as for [`zre::Node::set_header`](crate::Node::set_header).
    pub fn set_header(
        &self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<bool, CommandError> {
        self.wait(self.as_async().set_header(key, value))
    }

    /// Removes a header of this node. True if it had one.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn remove_header(&self, key: impl Into<String>) -> Result<bool, CommandError> {
        self.wait(self.as_async().remove_header(key))
    }

    /// Adds an address at which a node should be, while this one runs.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn add_peer(
        &self,
        endpoint: Endpoint,
        uuid: impl Into<Option<Uuid>>,
    ) -> Result<(), CommandError> {
        self.wait(self.as_async().add_peer(endpoint, uuid))
    }

    /// [`add_peer`](Self::add_peer) for a node with keys.
    ///
    /// # Errors
    /// The node has stopped.
    #[cfg(feature = "curve")]
    pub fn add_peer_with_key(
        &self,
        endpoint: Endpoint,
        uuid: impl Into<Option<Uuid>>,
        key: crate::PublicKey,
    ) -> Result<(), CommandError> {
        self.wait(self.as_async().add_peer_with_key(endpoint, uuid, key))
    }

    /// Removes an address that was configured or added: it isn't dialled again.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn remove_peer(&self, endpoint: Endpoint) -> Result<(), CommandError> {
        self.wait(self.as_async().remove_peer(endpoint))
    }

    /// Sends a message to one peer. If the queue to it is full, the node's
    /// [`SendPolicy`] decides.
    ///
    /// # Errors
    /// The same as for [`zre::Node::whisper`](crate::Node::whisper).
    pub fn whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.wait(self.as_async().whisper(to, message))
    }

    /// Like [`whisper`](Self::whisper), with a policy for this message only.
    ///
    /// # Errors
    /// The same as for [`whisper`](Self::whisper).
    pub fn whisper_with(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<(), SendError> {
        self.inner
            .host
            .wait(self.as_async().whisper_with(to, message, policy))
    }

    /// Like [`whisper`](Self::whisper), but never waits.
    ///
    /// # Errors
    /// The same as for [`whisper`](Self::whisper).
    pub fn try_whisper(
        &self,
        to: impl Into<PeerRef>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.as_async().try_whisper(to, message)
    }

    /// Sends a message to every peer in a group; this node needn't be in it.
    ///
    /// # Errors
    /// The same as for [`zre::Node::shout`](crate::Node::shout).
    pub fn shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        self.wait(self.as_async().shout(group, message))
    }

    /// Like [`shout`](Self::shout), with a policy for this message only.
    ///
    /// # Errors
    /// The same as for [`shout`](Self::shout).
    pub fn shout_with(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
        policy: SendPolicy,
    ) -> Result<Shouted, SendError> {
        self.inner
            .host
            .wait(self.as_async().shout_with(group, message, policy))
    }

    /// Like [`shout`](Self::shout), but never waits.
    ///
    /// # Errors
    /// The same as for [`shout`](Self::shout).
    pub fn try_shout(
        &self,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<Shouted, SendError> {
        self.as_async().try_shout(group, message)
    }

    /// Sends a message that is for a group to one member of it.
    ///
    /// # Errors
    /// The same as for [`zre::Node::shout_to`](crate::Node::shout_to).
    pub fn shout_to(
        &self,
        to: impl Into<PeerRef>,
        group: impl AsRef<str>,
        message: impl Into<Message>,
    ) -> Result<(), SendError> {
        self.wait(self.as_async().shout_to(to, group, message))
    }

    /// Measures the round trip to a peer.
    ///
    /// # Errors
    /// The same as for [`zre::Node::ping`](crate::Node::ping).
    pub fn ping(&self, peer: impl Into<PeerRef>, timeout: Duration) -> Result<Duration, PingError> {
        self.wait(self.as_async().ping(peer, timeout))
    }

    /// Sends a request to a peer and waits for the answer.
    ///
    /// # Errors
    /// The same as for [`zre::Node::request`](crate::Node::request).
    pub fn request(
        &self,
        peer: impl Into<PeerRef>,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<Message, RequestError> {
        self.inner
            .host
            .wait(self.as_async().request(peer, message, timeout))
    }

    /// The peer of that UUID or name.
    ///
    /// # Errors
    /// No such peer is here, or several have that name.
    pub fn peer(&self, whom: impl Into<PeerRef>) -> Result<Peer, SendError> {
        self.as_async().peer(whom)
    }

    /// All peers that are here, by UUID.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.as_async().peers()
    }

    /// The peers in a group.
    #[must_use]
    pub fn peers_in(&self, group: &str) -> Vec<Peer> {
        self.as_async().peers_in(group)
    }

    /// The peers in a group that are ready: not busy, draining or asleep.
    #[must_use]
    pub fn available(&self, group: &str) -> Vec<Peer> {
        self.as_async().available(group)
    }

    /// The groups that this node is in.
    #[must_use]
    pub fn own_groups(&self) -> BTreeSet<GroupName> {
        self.as_async().own_groups()
    }

    /// The groups that any peer is in.
    #[must_use]
    pub fn peer_groups(&self) -> BTreeSet<GroupName> {
        self.as_async().peer_groups()
    }

    /// A consistent list of the peers that are here, with their groups and states.
    #[must_use]
    pub fn roster(&self) -> Roster {
        self.as_async().roster()
    }

    /// The time since each peer was last heard, by UUID.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn silences(&self) -> Result<BTreeMap<Uuid, Duration>, CommandError> {
        self.wait(self.as_async().silences())
    }

    /// The node's figures.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn stats(&self) -> Result<Stats, CommandError> {
        self.wait(self.as_async().stats())
    }

    /// Waits until at least that many peers are here, and returns them.
    ///
    /// # Errors
    /// Fewer were here when the time was over, or the node has stopped.
    pub fn wait_for_peers(&self, count: usize, timeout: Duration) -> Result<Vec<Peer>, WaitError> {
        self.inner
            .host
            .wait(self.as_async().wait_for_peers(count, timeout))
    }

    /// Waits until at least that many peers are in a group, and returns them.
    ///
    /// # Errors
    /// Fewer were in it when the time was over, or the node has stopped.
    pub fn wait_for_peers_in(
        &self,
        group: &str,
        count: usize,
        timeout: Duration,
    ) -> Result<Vec<Peer>, WaitError> {
        self.inner
            .host
            .wait(self.as_async().wait_for_peers_in(group, count, timeout))
    }

    /// Leaves, like [`zre::Node::shutdown`](crate::Node::shutdown).
    pub fn shutdown(&self) {
        self.wait(self.as_async().shutdown());
    }

    /// Like [`shutdown`](Self::shutdown), but waits up to `patience` for peers that don't
    /// answer.
    pub fn shutdown_within(&self, patience: Duration) {
        self.wait(self.as_async().shutdown_within(patience));
    }

    /// Leaves as by [`shutdown_within`](Self::shutdown_within), but returns after
    /// `patience` at the latest, and has no second wait when the last handle is
    /// dropped: for destructors, and for bindings that must not block for longer. A
    /// node that isn't done by then goes on leaving until the last handle is dropped.
    pub fn close(self, patience: Duration) {
        let leaving = self.as_async().shutdown_within(patience);
        match Instant::now().checked_add(patience) {
            Some(deadline) => drop(self.inner.host.wait_until(leaving, deadline)),
            // Longer than a clock can tell is for ever.
            None => self.wait(leaving),
        }
        self.inner.closed.store(true, Ordering::Release);
    }

    /// The node's gossip, if it has one; [`wait`](Self::wait) waits for its calls.
    #[must_use]
    pub fn gossip(&self) -> Option<Gossip> {
        self.as_async().gossip()
    }

    /// Answers a request, named by its responder or its number.
    ///
    /// # Errors
    /// The same as for [`zre::Node::reply`](crate::Node::reply).
    pub fn reply(
        &self,
        request: impl Into<RequestRef>,
        message: impl Into<Message>,
    ) -> Result<(), ReplyError> {
        self.wait(self.as_async().reply(request, message))
    }

    /// Waits until a roster has changed, and brings it up to date. False if the time was
    /// over first, or the node has stopped.
    pub fn wait_for_change(&self, roster: &mut Roster, timeout: Duration) -> bool {
        let change = async { tokio::time::timeout(timeout, roster.changed()).await };
        self.wait(change).unwrap_or(false)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_async().fmt(f)
    }
}
